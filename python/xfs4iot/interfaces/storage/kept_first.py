"""What the client of a movement is told, once it is kept: after a power cut the ledger knows as much."""

from __future__ import annotations

from collections.abc import Callable

import trio

from xfs4iot.dataclass import dataclass
from xfs4iot.ledger import LedgerUnavailable
from xfs4iot.server.service import Service

__all__ = ["Keeping", "KeptFirst"]


@dataclass(frozen=True)
class Keeping:
    """What an event tells that must not be forgotten.

    Attributes:
        document: its name in the ledger.
        content: gives it when it is written, with what was told until then.
        what: continues "what … has told so far is not kept", in the log.
    """

    document: str
    content: Callable[[], bytes]
    what: str


class KeptFirst:
    """Sends one movement's events in their order, each when what it tells is kept.

    Sending is synchronous for devices, and the disk is not: events wait here, and what comes behind them.
    Where the ledger can keep nothing, they go out all the same.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._waiting: list[Callable[[], object]] = []
        self._keeping: Keeping | None = None
        self._all_sent: trio.Event | None = None

    def send(self, send: Callable[[], object], keeping: Keeping | None = None) -> None:
        """Send an event: at once, if neither it nor one before it has anything to be kept."""
        self._keeping = keeping or self._keeping
        if self._all_sent is None:
            if keeping is None:
                send()
                return
            self._all_sent = trio.Event()
            self._service.nursery.start_soon(self._keep)
        self._waiting.append(send)

    async def all_sent(self) -> None:
        """Wait until no event waits any more."""
        if self._all_sent is not None:
            await self._all_sent.wait()

    async def _keep(self) -> None:
        assert self._all_sent is not None
        try:
            # More may be told meanwhile; all of it is written at once.
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                keeping, self._keeping = self._keeping, None
                try:
                    if keeping is not None:
                        await self._put(keeping)
                finally:
                    for send in waiting:
                        send()
        finally:
            done, self._all_sent = self._all_sent, None
            done.set()

    async def _put(self, keeping: Keeping) -> None:
        try:
            await self._service.ledger.put_document(keeping.document, keeping.content())
        except LedgerUnavailable as fault:
            self._service.log.error("what %s has told so far is not kept: %s", keeping.what, fault)
