"""What the broker has not confirmed of a device's events, kept across a loss of power.

It is kept when an event has waited for a moment, so that nothing is written while the broker answers; and so
is how the device's starts end, which the first event of the next tells.
"""

from __future__ import annotations

from xfs4iot.dataclass import dataclass
from xfs4iot.ledger import ServiceLedger
from xfs4iot.ledger.document import Document
from xfs4iot.protocol import wire

__all__ = ["EventSpool", "Spooled", "Waiting"]


@dataclass(frozen=True)
class Waiting:
    """An event that the broker has not confirmed.

    Attributes:
        subject: where it goes.
        body: as it is sent, JSON.
    """

    subject: str
    body: str

    @property
    def size(self) -> int:
        """Bytes of its body."""
        return len(self.body.encode())


@dataclass(frozen=True)
class Spooled:
    """What is kept of a start of the device.

    Attributes:
        epoch: which start.
        number: of its latest event, as far as that was kept.
        dropped: how many of its events were dropped, since too many waited.
        in_order: it has ended in order: there was no later event.
        waiting: oldest first; some may be of starts before.
    """

    epoch: int
    number: int = 0
    dropped: int = 0
    in_order: bool = False
    waiting: tuple[Waiting, ...] = ()


_KEPT = Document("uplink.events", Spooled)


class EventSpool:
    """Keeps it in the uplink's ledger."""

    def __init__(self, ledger: ServiceLedger) -> None:
        self._ledger = ledger

    def read(self) -> Spooled | None:
        """What was kept last; None if there is nothing, or it cannot be read."""
        return _KEPT.of(self._ledger)

    async def keep(self, spooled: Spooled) -> None:
        """Keep this instead.

        Raises:
            LedgerError: it cannot be written.
        """
        await self._ledger.put_document(_KEPT.name, wire.encode(wire.plain(spooled)))
