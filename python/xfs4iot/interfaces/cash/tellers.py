"""Tellers: who works at a teller device, at which positions, and what went through their hands."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from xfs4iot.interfaces.cash.money import is_exact, is_possible
from xfs4iot.interfaces.cash.positions import sides
from xfs4iot.ledger import Document
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.messages import cash_management as messages
from xfs4iot.server.service import Service

__all__ = ["Tellers"]

_KEPT = Document("CashManagement.tellers", read=lambda kept: wire.decode(list[messages.TellerDetails], kept))


class Tellers:
    """The tellers of one service, kept in its ledger."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tellers: dict[int, messages.TellerDetails] = {}

    def start(self) -> None:
        """Recall them."""
        known = _KEPT.of(self._service.ledger) or ()
        self._tellers = {teller.teller_id: teller for teller in known if teller.teller_id is not None}

    @property
    def present(self) -> bool:
        """Whether the device is one for tellers."""
        device = self._service.device
        return device is not None and any(
            str(side.type).startswith("teller") for side in sides(device.capabilities)
        )

    def require(self, teller: int | None, error_code: str) -> messages.TellerDetails:
        """The teller with this number.

        Raises:
            CommandError: there is none.
        """
        if teller is None or teller not in self._tellers:
            raise errors.CommandError(
                error_code, f"teller {teller} is not known; see CashManagement.GetTellerInfo"
            )
        return self._tellers[teller]

    def details(self, teller: int | None, currency: str | None) -> list[messages.TellerDetails] | None:
        """Of one teller or all, in one currency or all."""
        chosen = list(self._tellers.values()) if teller is None else [self.require(teller, "invalidTellerId")]
        if currency is not None:
            chosen = [
                msgspec.structs.replace(
                    one,
                    teller_totals={
                        name: totals for name, totals in (one.teller_totals or {}).items() if name == currency
                    }
                    or None,
                )
                for one in chosen
            ]
        return chosen or None

    @staticmethod
    def check_totals(details: messages.TellerDetails) -> None:
        """Check the totals that a client sets.

        Raises:
            InvalidData: one of them is not an amount of money.
        """
        for currency, totals in (details.teller_totals or {}).items():
            for field in msgspec.structs.fields(totals):
                amount: Decimal | None = getattr(totals, field.name)
                if amount is not None and not (amount >= 0 and is_possible(amount) and is_exact(amount)):
                    path = f"$.tellerDetails.tellerTotals.{currency}.{field.encode_name}"
                    raise errors.InvalidData(f"{path} is not an amount of money")

    async def set(self, action: str, details: messages.TellerDetails) -> None:
        """Create, modify or delete one.

        Raises:
            CommandError: `invalidTellerId`.
        """
        while True:
            before = dict(self._tellers)
            after = self._changed(before, action, details)
            await self._service.ledger.put_document(_KEPT.name, wire.encode(list(after.values())))
            # Meanwhile a movement may have been booked late, with its totals: the change is made to those.
            if self._tellers == before:
                self._tellers = after
                return

    @staticmethod
    def _changed(
        tellers: Mapping[int, messages.TellerDetails], action: str, details: messages.TellerDetails
    ) -> dict[int, messages.TellerDetails]:
        """The tellers after a change.

        Raises:
            CommandError: `invalidTellerId`.
        """
        number = details.teller_id
        # Refused both ways: to create one that exists, and to change or delete one that does not.
        if number is None or (action == "create") is (number in tellers):
            raise errors.CommandError(
                "invalidTellerId",
                f"teller {number} {'exists already' if action == 'create' else 'is not known'}",
            )
        after = dict(tellers)
        if action == "delete":
            del after[number]
        elif action == "create":
            after[number] = details
        else:
            given = {
                field.name: value
                for field in msgspec.structs.fields(details)
                if (value := getattr(details, field.name)) is not None
            }
            after[number] = msgspec.structs.replace(after[number], **given)
        return after

    def dispensed(
        self, teller: int, amounts: Mapping[str, Decimal], cash_box: Mapping[str, Decimal], coins: bool
    ) -> dict[str, bytes]:
        """The document to book when a teller has dispensed; their totals count it from now on."""
        kind = "coins_dispensed" if coins else "items_dispensed"
        return self._count(teller, {kind: amounts, "cash_box_dispensed": cash_box})

    def received(self, teller: int, amounts: Mapping[str, Decimal], coins: bool) -> dict[str, bytes]:
        """The document to book when a teller has taken in; their totals count it from now on."""
        return self._count(teller, {"coins_received" if coins else "items_received": amounts})

    def _count(self, teller: int, added: Mapping[str, Mapping[str, Decimal]]) -> dict[str, bytes]:
        one = self._tellers.get(teller)
        if one is None:
            return {}
        totals = dict(one.teller_totals or {})
        for name, amounts in added.items():
            for currency, amount in amounts.items():
                before = totals.get(currency, messages.TellerTotals())
                now = (getattr(before, name) or Decimal(0)) + amount
                totals[currency] = msgspec.structs.replace(before, **{name: now})
        self._tellers[teller] = msgspec.structs.replace(one, teller_totals=totals)
        return {_KEPT.name: wire.encode(list(self._tellers.values()))}
