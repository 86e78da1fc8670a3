"""What the fleet needs of a broker, and a broker in memory for tests of the protocol.

A message is delivered at most once, to whoever subscribes at that moment; nothing is kept for those who are
absent. Between one publisher and one subscriber messages stay in order; a lost connection loses some.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import trio

from xfs4iot.dataclass import dataclass

__all__ = [
    "LOST",
    "Absent",
    "Answer",
    "Carried",
    "Carrier",
    "CarrierLost",
    "Late",
    "MemoryBroker",
    "Unsubscribe",
]

LOST = -1
"""The status of what stands for an answer that cannot come any more: the connection was lost."""


class CarrierLost(Exception):
    """There is no connection to the broker, or the broker refused what was asked."""


class Absent(CarrierLost):
    """Nobody subscribes to the subject."""


class Late(CarrierLost):
    """There was no answer in time."""


@dataclass(slots=True)
class Carried:
    """One message.

    Attributes:
        reply: subject at which an answer is awaited; empty without.
        status: what the broker says itself: 503 where nobody subscribes; 0 for all else.
        headers: by name as sent.
    """

    subject: str
    body: bytes
    reply: str = ""
    status: int = 0
    headers: Mapping[str, str] | None = None


Unsubscribe = Callable[[], None]


class Carrier(Protocol):
    """A connection to a broker.

    Attributes:
        inbox: prefix of subjects that are this connection's own; answers come there.
    """

    inbox: str

    @property
    def connected(self) -> bool:
        """Whether messages leave at present."""

    def publish(
        self, subject: str, body: bytes, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> bool:
        """Send, never waiting; False where it cannot leave and is dropped."""

    def subscribe(self, subject: str, received: Callable[[Carried], None], queue: str = "") -> Unsubscribe:
        """Have `received` called for each message; it must neither wait nor raise.

        Args:
            queue: of the subscribers that name the same one, each message goes to one.
        """

    async def request(
        self, subject: str, body: bytes, seconds: float = 5.0, headers: Mapping[str, str] | None = None
    ) -> Carried:
        """Send, and wait for the answer.

        Raises:
            Absent: nobody subscribes.
            Late: no answer in time.
            CarrierLost: no connection.
        """

    def afterwards(self, called: Callable[[], None]) -> None:
        """Have `called` called when all that arrived together has been handed on; at once if nothing is.

        What follows from many messages is done once by that, and leaves together; it must not raise.
        """

    def collect(self) -> None:
        """Keep what is published until `flush_now`, which must follow without waiting for anything."""

    def flush_now(self) -> None:
        """Send what was published; else it leaves a turn of trio's loop later, with all till then."""

    def on_connected(self, called: Callable[[], None]) -> None:
        """Have `called` called each time a connection is there anew."""


class MemoryBroker:
    """A broker in memory; `carrier` gives connections to it.

    Attributes:
        disturb: what becomes of a message on its way: how many times it is delivered.
    """

    def __init__(self) -> None:
        self._subscribed: list[tuple[_MemoryCarrier, str, str, Callable[[Carried], None]]] = []
        self._turn = 0
        self.disturb: Callable[[Carried], int] = lambda message: 1
        self._made = 0
        self._on_way: deque[Carried] = deque()
        self._afterwards: deque[Callable[[], None]] = deque()
        self._delivering = False

    def carrier(self) -> _MemoryCarrier:
        """A new connection."""
        self._made += 1
        return _MemoryCarrier(self, f"_INBOX.m{self._made}")

    def deliver(self, message: Carried) -> None:
        """Hand a message to those who subscribe, or tell that nobody does; in order."""
        self._on_way.append(message)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._on_way or self._afterwards:
                if self._on_way:
                    self._hand_on(self._on_way.popleft())
                else:
                    self._afterwards.popleft()()
        finally:
            self._delivering = False

    def afterwards(self, called: Callable[[], None]) -> None:
        """As of a carrier."""
        if self._delivering:
            self._afterwards.append(called)
        else:
            called()

    def _hand_on(self, message: Carried) -> None:
        plain, groups = [], dict[str, list[Callable[[Carried], None]]]()
        for carrier, subject, queue, received in self._subscribed:
            if carrier.connected and _fits(message.subject, subject):
                groups.setdefault(queue, []).append(received) if queue else plain.append(received)
        self._turn += 1
        chosen = plain + [one[self._turn % len(one)] for one in groups.values()]
        if not chosen and message.reply:
            self.deliver(Carried(message.reply, b"", status=503))
            return
        for _ in range(self.disturb(message)):
            for received in chosen:
                received(message)


class _MemoryCarrier:
    def __init__(self, broker: MemoryBroker, inbox: str) -> None:
        self._broker, self.inbox, self.connected = broker, inbox, True
        self._asked = 0
        self._told: list[Callable[[], None]] = []

    def publish(
        self, subject: str, body: bytes, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> bool:
        if self.connected:
            self._broker.deliver(Carried(subject, body, reply, headers=headers))
        return self.connected

    def subscribe(self, subject: str, received: Callable[[Carried], None], queue: str = "") -> Unsubscribe:
        entry = (self, subject, queue, received)
        self._broker._subscribed.append(entry)
        return lambda: self._broker._subscribed.remove(entry)

    async def request(
        self, subject: str, body: bytes, seconds: float = 5.0, headers: Mapping[str, str] | None = None
    ) -> Carried:
        self._asked += 1
        reply = f"{self.inbox}.{self._asked}"
        answer = Answer()
        unsubscribe = self.subscribe(reply, answer.received)
        try:
            return await answer.to(self.publish(subject, body, reply, headers), subject, seconds)
        finally:
            unsubscribe()

    def afterwards(self, called: Callable[[], None]) -> None:
        self._broker.afterwards(called)

    def collect(self) -> None:
        """Nothing waits here."""

    def flush_now(self) -> None:
        """Nothing waits here."""

    def on_connected(self, called: Callable[[], None]) -> None:
        self._told.append(called)

    def cut(self) -> None:
        """Lose the connection."""
        self.connected = False

    def mend(self) -> None:
        """Connect again."""
        self.connected = True
        for called in self._told:
            called()


class Answer:
    """Waits for the one answer to a request."""

    def __init__(self) -> None:
        self._arrived = trio.Event()
        self._found: Carried | None = None

    def received(self, message: Carried) -> None:
        """Take it; what comes after the first is none."""
        if self._found is None:
            self._found = message
            self._arrived.set()

    async def to(self, sent: bool, subject: str, seconds: float) -> Carried:
        """The answer to what was sent to a subject.

        Args:
            sent: whether it has left.

        Raises:
            CarrierLost: it has not, or the connection was lost meanwhile.
            Absent, Late: there is none.
        """
        if not sent:
            raise CarrierLost("there is no connection to the broker")
        with trio.move_on_after(seconds):
            await self._arrived.wait()
        if self._found is None:
            raise Late(f"no answer from {subject} within {seconds:g} s")
        if self._found.status == LOST:
            raise CarrierLost("the connection to the broker was lost before the answer came")
        if self._found.status == 503:
            raise Absent(f"nobody listens at {subject}")
        return self._found


def _fits(subject: str, pattern: str) -> bool:
    parts, wanted = subject.split("."), pattern.split(".")
    for index, one in enumerate(wanted):
        if one == ">":
            return len(parts) > index
        if index >= len(parts) or one not in ("*", parts[index]):
            return False
    return len(parts) == len(wanted)
