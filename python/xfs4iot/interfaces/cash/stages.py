"""What a cash-in that takes in a bunch by stages has told of it so far: its `SubCashInEvent`s.

Each event tells what one stage has brought in, and no other does so again; the completion tells all of them
together. The client may show it to the customer at once, so it is kept before it is told: should
the device or the power fail before the whole is known, that much has come in at least.
"""

from __future__ import annotations

import msgspec

from xfs4iot.devices import CashMovement, ItemsMoved
from xfs4iot.interfaces.cash.counts import WITHIN_REACH
from xfs4iot.interfaces.storage.kept_first import Keeping
from xfs4iot.ledger import Document, Intent
from xfs4iot.protocol import exact, wire
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.server.service import Service

__all__ = ["Stages"]


class _Kept(msgspec.Struct, frozen=True):
    """What the stages of one movement have brought in: item, level, count."""

    operation: int = 0
    items: tuple[tuple[str, str, int], ...] = ()


_STAGES = Document("CashAcceptor.stages", _Kept)


class Stages:
    """The stages of the cash-in that is under way, or was interrupted."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._kept: _Kept | None = None

    def happened(self, operation: int, event: Payload) -> Keeping | None:
        """What an event of a movement tells that must be kept, if it tells of a stage."""
        # Not isinstance: it asks the event itself, which may be anything.
        if type(event) is not messages.SubCashInEvent:
            return None
        try:
            counts: messages.SubCashInEvent = exact.checked(messages.SubCashInEvent, event)
        except exact.Mismatch:
            # It is not sent to the client either.
            return None
        before = self._known()
        items = {(item, level): count for item, level, count in before.items}
        if before.operation != operation:
            items = {}
        for (item, level), count in _told(counts).items():
            items[item, level] = items.get((item, level), 0) + count
        self._kept = _Kept(operation, tuple((*kind, count) for kind, count in sorted(items.items())))
        return Keeping(_STAGES.name, lambda: wire.encode(self._known()), "a cash-in")

    def _known(self) -> _Kept:
        if self._kept is None:
            self._kept = _STAGES.of(self._service.ledger) or _Kept()
        return self._kept

    def require_told(self, operation: int, result: CashMovement) -> None:
        """See that what has come in by a movement is of the kinds that its stages have told.

        Raises:
            Mismatch: of one of them nothing has come.
        """
        came = {items.item for items in result.moved if items.count and items.source in WITHIN_REACH}
        known = self._known()
        # A failure may have given back what was told; and what is not told apart may be of any kind.
        if result.failure is not None or not came or None in came or known.operation != operation:
            return
        if strange := sorted({item for item, _, _ in known.items if item} - came):
            raise exact.Mismatch(
                f"{strange[0]} as well, which a SubCashInEvent has told", "without it", "moved"
            )

    def moved(self, intent: Intent) -> CashMovement | None:
        """What an interrupted movement has moved at least; None if it has told nothing."""
        known = self._known()
        if known.operation != intent.id or not known.items:
            return None
        return CashMovement(
            moved=tuple(
                ItemsMoved(count, "customer", "stacker", item=item or None, level=level)  # type: ignore[arg-type]
                for item, level, count in known.items
            )
        )


def _told(counts: messages.SubCashInEvent) -> dict[tuple[str, str], int]:
    """What an event tells, by item and level."""
    found = {("", "unrecognized"): counts.unrecognized or 0}
    for item, levels in counts.additional.items():
        for level in levels.__struct_fields__:
            found[item, level] = getattr(levels, level) or 0
    return {kind: count for kind, count in found.items() if count}
