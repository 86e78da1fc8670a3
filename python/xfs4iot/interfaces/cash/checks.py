"""Checks that the cash commands share, in the words of their error codes.

Where a check yields a value that the command needs, such as a position or a unit, it calls the same
resolver as the command's body does afterwards.
"""

from __future__ import annotations

from typing import Any, Protocol

from xfs4iot.interfaces.cash import positions
from xfs4iot.interfaces.cash.cash_in import CashIn
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.protocol import errors
from xfs4iot.server.handler import check, step

__all__ = [
    "device_there",
    "items_inside",
    "no_cash_in_active",
    "no_exchange",
    "position_exists",
    "shutter_closed",
    "still_available",
    "way_free",
]


class CashInterface(Protocol):
    """An interface whose device moves cash."""

    cash: CashUnits
    transaction: CashIn

    @property
    def device(self) -> Any: ...


@check("exchangeActive")
def no_exchange(on: CashInterface, request: object) -> None:
    """an exchange"""
    on.cash.storage.require_no_exchange()


@check("unsupportedPosition")
def position_exists(on: CashInterface, request: Any) -> None:
    """the position"""
    positions.output_position(on.device, request.position)


@check("noItems")
def items_inside(on: CashInterface, request: object) -> None:
    """whether items are on the stacker"""
    positions.require_items_inside(on.device)


@check("sequenceError")
def no_cash_in_active(on: CashInterface, request: object) -> None:
    """a cash-in, at a recycler: what is inside is the customer's then"""
    if on.transaction.active:
        raise errors.SequenceError(
            "a cash-in is active; end it (CashAcceptor.CashInEnd) or give it back "
            "(CashAcceptor.CashInRollback) first"
        )


shutter_closed = step("shutter closed", "the shutter", "shutterOpen")
way_free = step("way free", "output, transport and stacker", "itemsLeft")
device_there = step("device there", "whether the device is there", "deviceNotReady")
still_available = step(
    "still available",
    "the units once more, when all earlier movements are booked",
    "notDispensable",
    "cashUnitError",
)
