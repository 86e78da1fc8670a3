"""The application's side: discover services, connect, call commands, receive events."""

from xfs4iot.client._client import Client, Event, Subscription, Trace
from xfs4iot.client._connect import Published, connect, discover
from xfs4iot.client._errors import CallError, CommandFailed, CommandRefused, Disconnected, NotFound

__all__ = [
    "CallError",
    "Client",
    "CommandFailed",
    "CommandRefused",
    "Disconnected",
    "Event",
    "NotFound",
    "Published",
    "Subscription",
    "Trace",
    "connect",
    "discover",
]
