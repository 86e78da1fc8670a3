"""What a cash-in may accept: limits, note types, units; and what a device accepted beyond that.

The limits of CashInStart are those that the device says it can keep. It is told what is left of them with
each CashIn, and what it then says it has accepted is held against them: what is inside is booked in any case,
for it is the customer's, but the command fails, so that nobody credits what must not be accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from xfs4iot.devices import CashInRequest, CashInStartRequest, CashUnitError
from xfs4iot.interfaces.cash.cash_in import CashIn
from xfs4iot.interfaces.cash.counts import ItemCounts
from xfs4iot.interfaces.cash.money import is_exact, is_possible
from xfs4iot.interfaces.cash.note_types import NoteTypes
from xfs4iot.interfaces.cash.positions import (
    input_position,
    output_position,
    require_empty_output,
    stacker_capacity,
)
from xfs4iot.interfaces.cash.tellers import Tellers
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.protocol import errors
from xfs4iot.protocol.flags import chosen
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.server.handler import check

__all__ = [
    "Accepting",
    "beyond_orders",
    "cash_in_active",
    "limit_not_reached",
    "limits_given",
    "limits_possible",
    "most_at_once",
    "no_cash_in",
    "nothing_inside",
    "output_empty",
    "positions_exist",
    "request_of",
    "require_nothing_inside",
    "start_of",
    "teller_known",
    "units_accept",
    "units_store",
]


class Accepting(Protocol):
    """The interface of a device that takes in cash."""

    cash: CashUnits
    transaction: CashIn
    note_types: NoteTypes
    tellers: Tellers

    @property
    def device(self) -> Any: ...


@check("cashInActive")
def no_cash_in(on: Accepting, request: object) -> None:
    """whether a cash-in is active"""
    if on.transaction.active:
        on.transaction.require("CashInStart")


@check("noCashInActive")
def cash_in_active(on: Accepting, request: object) -> None:
    """whether a cash-in is active"""
    on.transaction.require("CashIn")


@check("sequenceError")
def nothing_inside(on: Accepting, request: object) -> None:
    """items inside, of a dispense or an earlier cash-in"""
    require_nothing_inside(on)


def require_nothing_inside(on: Accepting) -> None:
    """Refuse to mix what one customer inserts with anything else.

    Raises:
        SequenceError: there are items on the stacker or the transport.
    """
    counts = on.cash.counts
    if counts.inside() or counts.at("stacker") or counts.at("transport"):
        raise errors.SequenceError("there are items inside; present, reject, retract or reset them first")


@check("positionNotEmpty")
def output_empty(on: Accepting, request: object) -> None:
    """items at the output position"""
    require_empty_output(on.device, on.transaction.record.output_position)


@check("invalidData")
def limits_given(on: Accepting, request: messages.CashInStart) -> None:
    """`amountLimit`: amounts of money, each currency once"""
    seen: set[str] = set()
    for number, limit in enumerate(request.amount_limit or ()):
        path = f"$.amountLimit[{number}]"
        if limit.currency is None or limit.value is None:
            raise errors.InvalidData(f"{path}: currency and value are needed")
        if limit.currency in seen:
            raise errors.InvalidData(f"{path}.currency: {limit.currency} is named twice")
        if limit.value < 0 or not is_possible(limit.value) or not is_exact(limit.value):
            raise errors.InvalidData(f"{path}.value is not an amount of money")
        seen.add(limit.currency)


@check("unsupportedData")
def limits_possible(on: Accepting, request: messages.CashInStart) -> None:
    """whether the device can keep such limits: `cashInLimit`"""
    able = chosen(on.device.capabilities.cash_acceptor.cash_in_limit)
    if request.total_items_limit and "byTotalItems" not in able:
        raise errors.UnsupportedData(
            "$.totalItemsLimit: the device cannot limit a cash-in by its items; see Common.Capabilities"
        )
    if any(limit.value for limit in request.amount_limit or ()) and "byAmount" not in able:
        raise errors.UnsupportedData(
            "$.amountLimit: the device cannot limit a cash-in by its amount; see Common.Capabilities"
        )


@check("unsupportedPosition")
def positions_exist(on: Accepting, request: messages.CashInStart) -> None:
    """the positions"""
    output_position(on.device, request.output_position)
    input_position(on.device, request.input_position)


@check("invalidTellerId")
def teller_known(on: Accepting, request: messages.CashInStart) -> None:
    """the teller, at teller devices"""
    if on.tellers.present:
        on.tellers.require(request.teller_id, "invalidTellerId")


def start_of(on: Accepting, request: messages.CashInStart) -> CashInStartRequest:
    """What an application wants; without a position named, a teller's own."""
    inward, outward, teller = request.input_position, request.output_position, None
    if on.tellers.present:
        teller = request.teller_id
        known = on.tellers.require(teller, "invalidTellerId")
        inward, outward = inward or known.input_position, outward or known.output_position
    return CashInStartRequest(
        input_position=input_position(on.device, inward),
        output_position=output_position(on.device, outward),
        use_recycle_units=request.use_recycle_units is not False,
        teller=teller,
        # 0 is no limit, for items as for amounts.
        total_items_limit=request.total_items_limit or None,
        amount_limits={
            str(limit.currency): limit.value for limit in request.amount_limit or () if limit.value
        },
    )


def most_at_once(on: Accepting) -> int | None:
    """How many items one CashIn takes at most; None if the device has no such limit."""
    most: int | None = on.device.capabilities.cash_acceptor.max_cash_in_items
    return most


def _amounts_left(on: Accepting) -> dict[str, Decimal]:
    """What may still be accepted, by currency that has a limit."""
    record = on.transaction.record
    worth = on.cash.worth(record.counts)
    return {
        currency: max(limit - worth.get(currency, Decimal(0)), Decimal(0))
        for currency, limit in record.amount_limits.items()
    }


def _items_left(on: Accepting) -> int | None:
    """Items that may still be accepted in all; None without a limit."""
    record, capacity = on.transaction.record, stacker_capacity(on.device)
    limits = []
    if record.total_items_limit is not None:
        limits.append(record.total_items_limit - sum(record.counts.values()))
    if capacity:
        limits.append(capacity - on.cash.counts.total("stacker") - sum(on.cash.counts.at("stacker").values()))
    return max(min(limits), 0) if limits else None


@check("tooManyItems")
def limit_not_reached(on: Accepting, request: object) -> None:
    """room on the stacker, and what is left of the limits"""
    if _items_left(on) == 0:
        raise errors.CommandError(
            "tooManyItems", "no more items can be accepted; end the cash-in or give it back"
        )
    left = _amounts_left(on)
    known = {note.cash_item.currency for note in on.cash.bank_notes.values() if note.cash_item}
    if known and all(left.get(str(currency)) == 0 for currency in known):
        raise errors.CommandError("tooManyItems", "the amount limit is reached; see CashAcceptor.CashInStart")


def _units(on: Accepting) -> list[str]:
    return on.cash.accepting(recycling=on.transaction.record.use_recycle_units)


def _require_unit(on: Accepting) -> None:
    """See that a unit can take items.

    Raises:
        CashUnitError: none can; what keeps them all from it, or else that one of them is full.
    """
    if _units(on):
        return
    units = on.cash.names_of_type("cashIn")
    failures = {closed.failure for name in units if (closed := on.cash.closed(name)) is not None}
    # Of what is for recycling only, nothing but the application's choice may keep it from that.
    failure = (
        failures.pop() if len(failures) == 1 else "full" if not failures or "full" in failures else "error"
    )
    raise CashUnitError(failure, units, "no unit can take items; see Storage.GetStorage")


@check("cashUnitError")
def units_accept(on: Accepting, request: object) -> None:
    """whether a unit can take items: it works, is not locked or full, and is for that"""
    _require_unit(on)


@check("cashUnitError", name="units_accept")
def units_store(on: Accepting, request: object) -> None:
    """whether a unit can take items, if there are any to be stored"""
    if on.cash.counts.inside():
        _require_unit(on)


def request_of(on: Accepting) -> CashInRequest:
    """What the next CashIn may accept."""
    most = [left for left in (_items_left(on), most_at_once(on)) if left is not None]
    return CashInRequest(
        start=on.transaction.record.start,
        most=min(most) if most else None,
        amounts=_amounts_left(on),
        items=on.note_types.enabled() or None,
        units=tuple(_units(on)),
    )


def beyond_orders(on: Accepting, request: CashInRequest, came: ItemCounts) -> str | None:
    """What a device has accepted that it should not have, in words; None if nothing.

    Args:
        request: what it was allowed.
        came: what it has accepted.
    """
    if request.most is not None and sum(came.values()) > request.most:
        return f"{sum(came.values())} items where {request.most} were left of its limits"
    worth: Mapping[str, Decimal] = on.cash.worth(came)
    for currency, left in request.amounts.items():
        if worth.get(currency, Decimal(0)) > left:
            return f"{worth[currency]} {currency} where {left} were left of the limit"
    if request.items is not None and (strange := {item for item, _ in came if item} - request.items):
        return f"{', '.join(sorted(strange))}, which are not enabled"
    return None
