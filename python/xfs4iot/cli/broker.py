"""The broker of a fleet, as the command line reaches it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio
from OpenSSL import SSL

from xfs4iot.transport import tcp

if TYPE_CHECKING:
    from xfs4iot.fleet.nats import Login, Nats

__all__ = ["broker_is_trusted", "is_secured", "login_to", "reach"]


def broker_is_trusted(servers: tuple[str, ...]) -> None:
    """Be sure that no broker elsewhere is spoken to in plain text.

    Raises:
        ValueError: one would be.
    """
    for server in servers:
        parts = urlsplit(server)
        if parts.scheme not in ("tls", "nats") or not parts.hostname:
            raise ValueError(f"broker {server!r}: write tls://host:port")
        if parts.scheme == "nats" and not tcp.is_loopback(parts.hostname):
            raise ValueError(
                f"broker {server} would be spoken to in plain text: write tls://, and give certificates"
            )


def is_secured(servers: tuple[str, ...]) -> bool:
    """Whether any of the broker's nodes is spoken to over TLS."""
    return any(one.startswith("tls:") for one in servers)


def login_to(servers: tuple[str, ...], context: Callable[[], SSL.Context]) -> Login | None:
    """What proves who we are; None for a broker in plain text.

    Args:
        context: made anew for each connection, so that a renewed certificate is taken up.
    """
    if not is_secured(servers):
        return None
    from xfs4iot.fleet.nats import Login

    return Login(context)


async def reach(carrier: Nats, seconds: float) -> None:
    """Wait until the broker is reached.

    Raises:
        CarrierLost: it is not within this time.
    """
    from xfs4iot.fleet.carrier import CarrierLost

    with trio.move_on_after(seconds) as patience:
        await carrier.until_connected()
    if patience.cancelled_caught:
        raise CarrierLost(f"the broker cannot be reached: {carrier.trouble}")
