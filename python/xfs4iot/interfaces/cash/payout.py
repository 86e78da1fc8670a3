"""What was paid out: what a movement of a dispenser changes besides the counts.

A dispense, a present and a retract each change the present status; a dispense also what is left of
its token, and the totals of the teller who paid. All of it is booked with the movement, see
`movement`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from xfs4iot.devices import CashMovement, ItemsMoved, Presented
from xfs4iot.interfaces.cash.counts import CUSTOMER, Booking, origin_of
from xfs4iot.interfaces.cash.denomination import Denominator
from xfs4iot.interfaces.cash.positions import output_position
from xfs4iot.interfaces.cash.present_status import PresentStatus, PresentStatuses
from xfs4iot.interfaces.cash.reported import arrived
from xfs4iot.interfaces.cash.tellers import Tellers
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.interfaces.common.end_to_end_security import CommandTokens

__all__ = ["Payout"]


class Payout:
    """What the movements of one dispenser have paid out."""

    def __init__(
        self,
        cash: CashUnits,
        denominator: Denominator,
        tellers: Tellers,
        tokens: CommandTokens,
        present_status: PresentStatuses,
    ) -> None:
        self._cash = cash
        self._denominator = denominator
        self._tellers = tellers
        self._tokens = tokens
        self._present_status = present_status

    def paid(self, result: CashMovement) -> dict[str, int]:
        """Items on their way to the customer, by unit."""
        return arrived(result)

    def with_cash_box(self, counts: Mapping[str, int], cash_box: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """What items by unit are worth together with the amounts of a cash box, by currency."""
        amounts = self._denominator.worth(counts)
        for currency, amount in cash_box.items():
            amounts[currency] = amounts.get(currency, Decimal(0)) + amount
        return amounts

    def after_dispense(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        """What changes with a dispense: status, token and teller."""
        cash_box = {name: Decimal(amount) for name, amount in detail["cashBox"].items()}
        state: Any = "unknown"
        values: dict[str, int] = {}
        if result is not None:
            values = self.paid(result)
            direct = any(items.target == "output" for items in result.moved)
            state = "presented" if direct else "notPresented"
        paid = self._denominator.worth(values)
        worth = self.token_amounts(values)
        status = PresentStatus(
            state=state,
            currencies=self.with_cash_box(values, cash_box),
            values=values,
            cash_box=cash_box,
            request_id=detail["requestId"],
            identity=detail["identity"],
            token=(detail.get("authorisation") or {}).get("token"),
            dispensed=worth if worth is not None else paid,
            presented=worth if state == "presented" else None,
        )
        documents = dict(self._present_status.changed(detail["position"], status))
        documents |= self._tokens.settle(detail, worth if result is not None else None)
        if detail["teller"] is not None and result is not None:
            capabilities = self._cash.device.capabilities.cash_dispenser
            coins = str(capabilities.type).endswith("Coin")
            documents |= self._tellers.dispensed(detail["teller"], paid, cash_box, coins)
        return documents

    def after_present(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        """What changes when items are presented."""
        state: Any = "unknown"
        if isinstance(result, Presented):
            state = {True: "presented", False: "notPresented", None: "unknown"}[result.presented]
        elif result is not None:
            state = "presented" if any(items.target == "output" for items in result.moved) else "notPresented"
        known = self._present_status.booked(detail["position"])
        moved = self._amounts_of(result, lambda items: items.target == "output") if result else None
        return dict(self._present_status.changed(detail["position"], known.with_presented(state, moved)))

    def after_retract(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        """What changes when items are taken back."""
        position = detail.get("position") or output_position(self._cash.device, None)
        known = self._present_status.booked(position)
        inserted = -sum(
            posting.delta
            for posting in booking.postings
            if posting.unit == CUSTOMER and posting.bucket == "returned" and posting.delta < 0
        )
        strange = sum(items.count for items in result.moved if _came_back(items)) if result else 0

        def paid_out(items: ItemsMoved) -> bool:
            # What a customer had inserted, and did not take, was never paid out.
            return items.source == "output" and not (_came_back(items) and strange <= inserted)

        back = self._amounts_of(result, paid_out) if result else None
        # None is not {}: if it is not known what came back, the status has to say so.
        if known.state == "notPresented" or back == {}:
            return {}
        return dict(self._present_status.changed(position, known.with_retracted(back)))

    def _amounts_of(
        self, result: CashMovement, which: Callable[[ItemsMoved], bool]
    ) -> dict[str, Decimal] | None:
        """What some of the items moved are worth; None unless it is known of all of them."""
        counts: dict[str, int] = {}
        for items in filter(which, result.moved):
            origin = origin_of(items)
            if origin is None:
                return None
            counts[origin] = counts.get(origin, 0) + items.count
        return self.token_amounts(counts)

    def token_amounts(self, counts: Mapping[str, int]) -> dict[str, Decimal] | None:
        """What items by unit are worth, by currency, where a token is concerned; None if one is not certain.

        Never less than the device knows them to be: a client may configure a unit's currency and value
        (`Storage.SetStorage`), and with a value that is too low a token of 10 EUR would pay out
        hundreds. So the value counts that is highest of what is configured, what the device says of
        the unit, and what it says of the items in it.
        """
        found: dict[str, Decimal] = {}
        for unit, count in counts.items():
            if not count:
                continue
            layout, configured = self._cash.units[unit], self._cash.configuration(unit)
            notes = [self._cash.bank_notes.get(item) for item in layout.cash_items]
            items = [note.cash_item for note in notes if note is not None and note.cash_item is not None]
            told = [(one.currency, one.value) for one in items]
            told += [(configured.currency, configured.value), (layout.currency, layout.value)]
            claims = {(currency, value) for currency, value in told if currency and value}
            if len({currency for currency, _ in claims}) != 1:
                return None
            # All in one currency, so the greatest pair is the one with the highest value.
            currency, value = max(claims)
            found[currency] = found.get(currency, Decimal(0)) + value * count
        return found


def _came_back(items: ItemsMoved) -> bool:
    """Whether items came from the output, and no unit's books account for them."""
    return items.source == "output" and items.origin is None
