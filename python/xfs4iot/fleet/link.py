"""One virtual session: a stream of bytes over messages that can be lost, doubled and overtaken.

`Link` is a state machine without input and output: it is told what arrived and what time it is, and says
what to send. It is in Rust, since each message of a fleet passes two of them.

What it carries is the application's WebSocket as it is, byte for byte, so that the device's session is the
ordinary one. Each end numbers what it sends; the other takes each number once and in order, drops what it
has, and asks anew from the first that is missing. What is not acknowledged is kept and sent again, `WINDOW`
bytes at most: an end that does not consume makes the other wait, as TCP does. An end ends the link when it
has heard nothing for `PATIENCE` seconds, or when something arrives more than `TTL` seconds old, since a
command that comes so late is not wanted any more. Age is measured without clocks that agree: both count
from the link's beginning.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from xfs4iot._core import Link

__all__ = ["BEAT_SECONDS", "CHUNK", "PATIENCE", "TTL", "WINDOW", "Kind", "Link", "Malformed", "Segment"]

WINDOW = Link.WINDOW
"""Bytes that may be on their way and unconsumed, in each direction."""
CHUNK = Link.CHUNK
"""Bytes of one message at most."""
BEAT_SECONDS = Link.BEAT_SECONDS
PATIENCE = Link.PATIENCE
ABSENT_SECONDS = Link.ABSENT_SECONDS
"""How long the broker may say that nobody is at the other end: it may be on its way to another node."""
TTL = Link.TTL
_HEAD = struct.Struct(">BQQI")


class Kind(IntEnum):
    """What a message of a link is.

    `PART` is data that ends within a WebSocket frame, `DATA` data that ends with one: only there can
    a gateway put in a frame of its own, to say why it closes.
    """

    OPEN = 1
    ACCEPT = 2
    REFUSE = 3
    DATA = 4
    PART = 5
    CLOSE = 6
    BEAT = 7
    AGAIN = 8
    RESET = 9


class Malformed(ValueError):
    """What arrived is no message of a link."""


class Segment:
    """One message: its kind, number, what its sender has consumed, its age, and its data."""

    __slots__ = ("ack", "age", "data", "kind", "number")

    def __init__(self, kind: Kind, number: int, ack: int, age: int, data: bytes = b"") -> None:
        self.kind, self.number, self.ack, self.age, self.data = kind, number, ack, age, data

    def __repr__(self) -> str:
        return f"Segment({self.kind.name}, {self.number}, ack {self.ack}, {len(self.data)} bytes)"

    def encode(self) -> bytes:
        """As it is sent."""
        return _HEAD.pack(self.kind, self.number, self.ack, self.age) + self.data

    @classmethod
    def decode(cls, body: bytes) -> Segment:
        """As it was sent.

        Raises:
            Malformed: it is none.
        """
        try:
            kind, number, ack, age = _HEAD.unpack_from(body)
            return cls(Kind(kind), number, ack, age, body[_HEAD.size :])
        except (struct.error, ValueError) as wrong:
            raise Malformed(f"this is no message of a link: {wrong}") from None
