"""Events of a service, and subscriptions to them.

A subscription never loses an event silently: what it could not keep, and the end of the
connection, are errors that stand in the order of the events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, cast

import trio

from xfs4iot.client._errors import Disconnected, EventsLost
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import registry, versions, wire

if TYPE_CHECKING:
    # Known to type checkers without being installed: `Event` alone then is any event.
    from typing_extensions import TypeVar

    _P_co = TypeVar("_P_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    _P_co = TypeVar("_P_co", covariant=True)

__all__ = ["Event", "Subscription"]

_MOST_EVENTS = 10_000
"""What a subscription keeps for a reader that does not come."""


@dataclass(frozen=True)
class Event(Generic[_P_co]):
    """One event of a service.

    Attributes:
        name: wire name, such as `CashManagement.ItemsTakenEvent`.
        payload: the plain JSON object; empty if the event has none.
        request_id: the command it belongs to; None for an unsolicited event.
        version: version of the event's message; None in the envelope of 2021-1.
        specification: the version of the standard in which the client speaks.
    """

    name: str
    payload: dict[str, Any]
    request_id: int | None
    version: str | None
    specification: str = versions.NEWEST

    def typed(self) -> _P_co:
        """The payload as the event's message class of the newest version.

        Raises:
            ValueError: the newest version has no such event, or the client's says it otherwise.
            InvalidData: the payload is not what the event carries.
        """
        try:
            entry = registry.event(self.name)
        except KeyError:
            raise ValueError(
                f"{self.name} has no message class: it is none of {versions.NEWEST}; read its payload"
            ) from None
        if self.specification != versions.NEWEST and not versions.alike(self.name, self.specification):
            raise ValueError(
                f"{self.name} is another message in {self.specification} than the classes of "
                f"{versions.NEWEST} say: read its payload"
            )
        return cast("_P_co", wire.decode(entry.payload, wire.encode(self.payload)))


class Subscription(Generic[_P_co]):
    """Events of a service in the order they came, from the moment of `Client.events`.

    An async iterator. It raises `Disconnected` when the connection has ended and all earlier events
    were read, and simply stops when it was closed; leaving `async with` closes it. It raises
    `EventsLost` where events are missing because nobody read in time; reading can go on after that.
    """

    def __init__(self, names: frozenset[str], unsubscribe: Callable[[Subscription[Any]], None]) -> None:
        self._names = names
        self._unsubscribe = unsubscribe
        self._waiting: deque[Event[Any] | EventsLost] = deque()
        self._news = trio.Event()
        self._closed = False
        self._end: str | None = None

    def _offer(self, event: Event[Any]) -> None:
        if self._names and event.name not in self._names:
            return
        if len(self._waiting) < _MOST_EVENTS:
            self._waiting.append(event)
        elif isinstance(last := self._waiting[-1], EventsLost):
            last.count += 1
        else:
            # One entry beyond the bound, so that the gap has its place in the order.
            self._waiting.append(EventsLost(1))
        self._news.set()

    def _ended(self, reason: str) -> None:
        self._end = reason
        self._news.set()

    def __aiter__(self) -> Subscription[_P_co]:
        return self

    async def __anext__(self) -> Event[_P_co]:
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            if self._end is not None:
                raise Disconnected(self._end)
            self._news = trio.Event()
            await self._news.wait()
        first = self._waiting.popleft()
        if isinstance(first, EventsLost):
            raise first
        return first

    async def __aenter__(self) -> Subscription[_P_co]:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unsubscribe; what waits to be read is dropped, and who waits for it is released."""
        self._closed = True
        self._waiting.clear()
        self._unsubscribe(self)
        self._news.set()
