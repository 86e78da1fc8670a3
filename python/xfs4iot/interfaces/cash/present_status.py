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

from xfs4iot.ledger import Document, ServiceLedger
from xfs4iot.protocol import wire
from xfs4iot.tokens import PresentReport

__all__ = ["PresentStatus", "PresentStatuses"]

State = Literal["presented", "notPresented", "unknown"]


class PresentStatus(msgspec.Struct, frozen=True):
    """What is known of one output position.

    Attributes:
        state: as on the wire.
        currencies, values, cash_box: what was dispensed, by currency and by unit.
        request_id, identity: which command of whom dispensed it.
        token: HMAC of the end-to-end token that authorised it.
        dispensed: what the items were worth, by currency, as a token counts them.
        presented: what got into the customer's reach, by currency; None if nothing did or nobody knows.
        retracted: whether any of it was taken back.
        retracted_amounts: what of it, by currency; None if nothing was or nobody knows.
    """

    state: State = "unknown"
    currencies: dict[str, Decimal] = {}
    values: dict[str, int] = {}
    cash_box: dict[str, Decimal] = {}
    request_id: int | None = None
    identity: str | None = None
    token: str | None = None
    dispensed: dict[str, Decimal] = {}
    presented: dict[str, Decimal] | None = None
    retracted: bool = False
    retracted_amounts: dict[str, Decimal] | None = None

    def with_presented(self, state: State, amounts: dict[str, Decimal] | None) -> PresentStatus:
        """With what was presented now, if anybody knows, besides the bunches before it."""
        total = amounts
        if self.presented is not None and amounts is not None:
            # What came back to the stacker and was presented again is no more than was dispensed.
            total = {
                currency: min(amount, self.dispensed.get(currency, amount))
                for currency, amount in _sum(self.presented, amounts).items()
            }
        return msgspec.structs.replace(self, state=state, presented=total)

    def with_retracted(self, amounts: dict[str, Decimal] | None) -> PresentStatus:
        """With what was taken back now, if anybody knows, besides what was before."""
        total = amounts
        if self.retracted and amounts is not None:
            before = self.retracted_amounts
            total = None if before is None else _sum(before, amounts)
        return msgspec.structs.replace(self, retracted=True, retracted_amounts=total)

    def report(self) -> PresentReport:
        """What a response token says of it."""
        return PresentReport(
            self.token,
            self.dispensed,
            {"presented": True, "notPresented": False, "unknown": None}[self.state],
            self.presented,
            self.retracted,
            self.retracted_amounts,
        )


_KEPT = Document("CashDispenser.presentStatus.*", PresentStatus)


def _sum(one: dict[str, Decimal], other: dict[str, Decimal]) -> dict[str, Decimal]:
    return {
        currency: one.get(currency, Decimal(0)) + other.get(currency, Decimal(0))
        for currency in one.keys() | other.keys()
    }


class PresentStatuses:
    """The present statuses of one service."""

    def __init__(self, ledger: ServiceLedger) -> None:
        self._ledger = ledger

    @staticmethod
    def _document(position: str) -> str:
        return _KEPT.name.removesuffix("*") + position

    def at(self, position: str) -> PresentStatus:
        """What is known of a position now; nothing, before the first dispense."""
        booked = self.booked(position)
        for intent in self._ledger.open_intents():
            if intent.detail.get("position") != position:
                continue
            # Its outcome is not known yet, and what is booked belongs to the dispense before it.
            if intent.kind == "dispense":
                booked = PresentStatus(request_id=intent.request_id, identity=intent.identity)
            elif intent.kind == "present":
                booked = msgspec.structs.replace(booked, state="unknown")
        return booked

    def booked(self, position: str) -> PresentStatus:
        """What was booked last of a position."""
        return _KEPT.of(self._ledger, position) or PresentStatus()

    def changed(self, position: str, status: PresentStatus) -> Mapping[str, bytes]:
        """The document to book."""
        return {self._document(position): wire.encode(status)}
