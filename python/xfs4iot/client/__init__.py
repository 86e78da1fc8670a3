"""The application's side: discover services, connect, call commands, receive events."""

from xfs4iot.client._client import Client, Trace
from xfs4iot.client._connect import Published, connect, discover, services_of
from xfs4iot.client._errors import (
    CallError,
    CommandFailed,
    CommandRefused,
    Disconnected,
    EventsLost,
    NotFound,
    Unanswered,
)
from xfs4iot.client._events import Event, Subscription
from xfs4iot.client._names import nearest_command, wanted_names
from xfs4iot.client._websocket import Credentials, open_stream, open_websocket
from xfs4iot.transport.failures import CredentialsRefused

__all__ = [
    "CallError",
    "Client",
    "CommandFailed",
    "CommandRefused",
    "Credentials",
    "CredentialsRefused",
    "Disconnected",
    "Event",
    "EventsLost",
    "NotFound",
    "Published",
    "Subscription",
    "Trace",
    "Unanswered",
    "connect",
    "discover",
    "nearest_command",
    "open_stream",
    "open_websocket",
    "services_of",
    "wanted_names",
]
