"""The present status: what was dispensed last at each output position, and whether it was presented.

It is kept in the ledger and changes in the same transaction as the counts, so that after a
crash it says what is known: a dispense that was interrupted is what the device recorded of
it; a present of which the device knows nothing is `unknown`. While a dispense or a present is
not booked, because it still runs or because the ledger cannot be written, it is `unknown` too:
a client that has lost its connection must not take the status of the one before for its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import msgspec

from xfs4iot.ledger import ServiceLedger
from xfs4iot.protocol import wire

__all__ = ["PresentStatus", "PresentStatuses"]

State = Literal["presented", "notPresented", "unknown"]


class PresentStatus(msgspec.Struct, frozen=True):
    """What is known of one output position.

    Attributes:
        state: as on the wire.
        currencies, values, cash_box: what was dispensed, by currency and by unit.
        request_id, identity: which command of whom dispensed it.
    """

    state: State = "unknown"
    currencies: dict[str, Decimal] = {}
    values: dict[str, int] = {}
    cash_box: dict[str, Decimal] = {}
    request_id: int | None = None
    identity: str | None = None


class PresentStatuses:
    """The present statuses of one service."""

    def __init__(self, ledger: ServiceLedger) -> None:
        self._ledger = ledger

    @staticmethod
    def _document(position: str) -> str:
        return f"CashDispenser.presentStatus.{position}"

    def at(self, position: str) -> PresentStatus:
        """What is known of a position now; nothing, before the first dispense."""
        booked = self.booked(position)
        for intent in self._ledger.open_intents():
            if intent.detail.get("position") != position:
                continue
            if intent.kind == "dispense":
                booked = PresentStatus(request_id=intent.request_id, identity=intent.identity)
            elif intent.kind == "present":
                booked = msgspec.structs.replace(booked, state="unknown")
        return booked

    def booked(self, position: str) -> PresentStatus:
        """What was booked last of a position."""
        kept = self._ledger.document(self._document(position))
        return wire.decode(PresentStatus, kept) if kept else PresentStatus()

    def changed(self, position: str, status: PresentStatus) -> Mapping[str, bytes]:
        """The document to book."""
        return {self._document(position): wire.encode(status)}
