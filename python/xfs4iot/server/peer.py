"""Who is at the other end of a connection."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Peer"]


@dataclass(frozen=True)
class Peer:
    """Who is at the other end.

    Attributes:
        address: host and port, for the log.
        identity: subject of its certificate or name of its token; the address without either.
        host: the name under which the client reached this service (`Host` of its request).
        rule: name of the access rule that let it in.
    """

    address: str
    identity: str
    host: str
    rule: str = "anonymous"
