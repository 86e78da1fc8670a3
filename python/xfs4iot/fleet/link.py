"""One virtual session: a stream of bytes over messages that can be lost, doubled and overtaken.

A state machine without input and output: it is told what arrived and what time it is, and says what to send.

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
from collections import deque
from enum import IntEnum

__all__ = ["BEAT_SECONDS", "CHUNK", "PATIENCE", "TTL", "WINDOW", "Kind", "Link", "Malformed", "Segment"]

WINDOW = 1024 * 1024
"""Bytes that may be on their way and unconsumed, in each direction."""
CHUNK = 128 * 1024
"""Bytes of one message at most."""
BEAT_SECONDS = 4.0
PATIENCE = 12.0
ABSENT_SECONDS = 6.0
"""How long the broker may say that nobody is at the other end: it may be on its way to another node."""
TTL = 10.0
_RESEND_SECONDS = 1.0
_ACK_EVERY = 16
_ACK_BYTES = WINDOW // 4
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


NUMBERED = frozenset({Kind.DATA, Kind.PART, Kind.CLOSE})


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


class Link:
    """One end of a virtual session.

    Args:
        now: the time.

    Attributes:
        out: segments to be sent, in order; the owner takes them away.
        arrived: what has arrived and was not consumed, in order: the number, data, whether a frame ends here.
        ended: why the link is over; None as long as it is not.
        closed: whether the other end has said that nothing more comes.
    """

    __slots__ = (
        "_absent",
        "_asked",
        "_began",
        "_closing",
        "_consumed",
        "_heard",
        "_next",
        "_progress",
        "_ring",
        "_ring_bytes",
        "_sent_at",
        "_told",
        "_uncounted",
        "arrived",
        "closed",
        "ended",
        "out",
        "received",
    )

    def __init__(self, now: float) -> None:
        self._began = self._heard = self._sent_at = self._progress = now
        self._next = 1
        self._ring: deque[Segment] = deque()
        self._ring_bytes = 0
        self.received = 0
        self._consumed = 0
        self._told = 0
        self._uncounted = 0
        self._asked = -1.0
        self._absent: float | None = None
        self._closing = False
        self.out: list[Segment] = []
        self.arrived: deque[tuple[int, bytes, bool]] = deque()
        self.ended: str | None = None
        self.closed = False

    @property
    def room(self) -> int:
        """How many bytes `send` takes."""
        return 0 if self._closing or self.ended else max(0, WINDOW - self._ring_bytes)

    @property
    def unacknowledged(self) -> int:
        """How many segments the other end has not consumed."""
        return len(self._ring)

    def send(self, data: bytes, now: float, whole: bool = True) -> int:
        """Send as much of `data` as there is room for; how much that is.

        Args:
            whole: whether a WebSocket frame ends with `data`.
        """
        most = min(len(data), self.room)
        for at in range(0, most, CHUNK):
            end = min(at + CHUNK, most)
            self._number(Kind.DATA if whole and end == len(data) else Kind.PART, data[at:end], now)
        return most

    def close(self, now: float, reason: str = "") -> None:
        """Say that nothing more comes, behind all that was sent."""
        if not self._closing and self.ended is None:
            self._number(Kind.CLOSE, reason.encode()[:120], now)
            self._closing = True

    def _number(self, kind: Kind, data: bytes, now: float) -> None:
        if not self._ring:
            self._progress = now
        segment = Segment(kind, self._next, 0, self._age(now), data)
        self._next += 1
        self._ring.append(segment)
        self._ring_bytes += len(data)
        self._emit(segment, now)

    def _age(self, now: float) -> int:
        return max(0, int((now - self._began) * 1000)) & 0xFFFFFFFF

    def _emit(self, segment: Segment, now: float) -> None:
        segment.ack = self._told = self._consumed
        self._uncounted = 0
        self._sent_at = now
        self.out.append(segment)

    def consumed(self, number: int, now: float) -> None:
        """Take note that all up to this number has been used, so that the other end may send more."""
        # Acknowledged with the next answer, as a rule; by itself only where there is none for long.
        self._consumed = max(self._consumed, number)
        if self._consumed - self._told >= _ACK_EVERY or self._uncounted >= _ACK_BYTES:
            self.beat(now)

    def beat(self, now: float, kind: Kind = Kind.BEAT) -> None:
        """Say that this end is there, what it has sent and what it has used."""
        number = self._next - 1 if kind is Kind.BEAT else self.received
        self._emit(Segment(kind, number, 0, self._age(now)), now)

    def receive(self, segment: Segment, now: float) -> None:
        """Take what has arrived; `arrived` and `out` have what follows from it."""
        if self.ended is not None:
            return
        self._heard = now
        self._absent = None
        self._acknowledge(segment.ack, now)
        match segment.kind:
            case Kind.DATA | Kind.PART | Kind.CLOSE:
                self._take(segment, now)
            case Kind.BEAT:
                if segment.number > self.received:
                    self._ask(now)
            case Kind.AGAIN:
                if segment.number >= self._next:
                    self.ended = "the other end has more than was sent"
                self._again(segment.number, now)
            case Kind.RESET:
                self.ended = segment.data.decode("utf-8", "replace") or "the other end does not know the link"
            case _:
                self.ended = f"{segment.kind.name} is out of place"

    def _acknowledge(self, ack: int, now: float) -> None:
        if ack >= self._next:
            self.ended = "the other end has used more than was sent"
            return
        while self._ring and self._ring[0].number <= ack:
            self._ring_bytes -= len(self._ring.popleft().data)
            self._progress = now

    def _take(self, segment: Segment, now: float) -> None:
        if segment.number <= self.received:
            return
        if segment.number > self.received + 1:
            self._ask(now)
            return
        late = self._age(now) - segment.age
        if late > TTL * 1000 and segment.kind is not Kind.CLOSE:
            self.ended = f"a message came {late / 1000:.1f} s late"
            return
        self.received = segment.number
        self._asked = -1.0
        if segment.kind is Kind.CLOSE:
            self.closed = True
            self.consumed(segment.number, now)
        else:
            self._uncounted += len(segment.data)
            self.arrived.append((segment.number, segment.data, segment.kind is Kind.DATA))

    def take(self, most: int = CHUNK) -> tuple[int, bytes, bool]:
        """What has arrived, in one piece of at most so many bytes and one more segment.

        Returns:
            The number to tell to `consumed`, the data, and whether a WebSocket frame ends with it.
        """
        number, data, whole = self.arrived.popleft()
        if not self.arrived:
            return number, data, whole
        parts, size = [data], len(data)
        while self.arrived and size < most:
            number, data, whole = self.arrived.popleft()
            parts.append(data)
            size += len(data)
        return number, b"".join(parts), whole

    def _ask(self, now: float) -> None:
        """Ask for what is missing, not oftener than it can come."""
        if self._asked < 0 or now - self._asked > _RESEND_SECONDS:
            self._asked = now
            self.beat(now, Kind.AGAIN)

    def _again(self, received: int, now: float) -> None:
        for segment in self._ring:
            if segment.number > received:
                # A new one: the one in the ring may still be in the owner's hands.
                again = Segment(segment.kind, segment.number, 0, segment.age, segment.data)
                self._emit(again, now)

    def nobody(self, now: float) -> None:
        """Take note that the broker knows nobody at the other end just now."""
        if self._absent is None:
            self._absent = now

    def resume(self, now: float) -> None:
        """Tell the other end where both stand: the way between them was broken."""
        self._asked = now
        self.beat(now)
        self.beat(now, Kind.AGAIN)

    def tick(self, now: float) -> None:
        """Let time pass: acknowledge, beat, ask, give up."""
        if self.ended is not None:
            return
        if now - self._heard > PATIENCE:
            self.ended = f"nothing was heard for {now - self._heard:.0f} s"
        elif self._absent is not None and now - self._absent > ABSENT_SECONDS:
            self.ended = "the other end is not connected any more"
        elif now - self._sent_at > BEAT_SECONDS or self._consumed != self._told:
            self.beat(now)
        elif self._ring and now - self._progress > _RESEND_SECONDS and now - self._sent_at > _RESEND_SECONDS:
            # It may have been the last one that was lost, which nobody can miss: say what was sent.
            self.beat(now)

    @property
    def finished(self) -> bool:
        """Whether both ends have said all, and both know it."""
        return self.closed and self._closing and not self._ring
