"""CashDispenser: what a vendor writes for a device that pays out cash.

class MyDispenser(devices.CashDispenser):
    async def cash_units(self):
        return {"unit1": devices.CashUnit(index=1, capacity=2000, types=frozenset({"cashOut"}))}

    async def dispense(self, request, events):
        moved = await self.port.feed(request.counts)
        return devices.Dispensed(moved=devices.items_from(moved, "stacker"))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import implements, operation
from xfs4iot.devices._parts import derived, follows_from
from xfs4iot.devices.cash_management import CashEvents, CashManagement, CashMovement, Destination
from xfs4iot.devices.storage import Count, Name, UnitFailure
from xfs4iot.protocol.command_events.cash_dispenser import (
    CountEvents,
    DispenseEvents,
    PresentEvents,
    RejectEvents,
    TestCashUnitsEvents,
)
from xfs4iot.protocol.messages import cash_dispenser as messages
from xfs4iot.protocol.observed import leave

__all__ = [
    "CashDispenser",
    "Counted",
    "DispenseRequest",
    "Dispensed",
    "Presented",
    "Tested",
]


@dataclass(frozen=True)
class DispenseRequest:
    """What to take from the units.

    Attributes:
        counts: items by unit, each above 0.
        position: the output position they are meant for.
        token: the end-to-end token of the request, for devices that check it themselves.
    """

    counts: Mapping[str, int]
    position: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Dispensed(CashMovement):
    """What was dispensed.

    Attributes:
        bunches: into how many bunches it is divided; None if not known.
    """

    bunches: Count | None = 1


@dataclass(frozen=True, kw_only=True)
class Presented(CashMovement):
    """What was presented.

    Attributes:
        additional_bunches: how many are still to be presented; None if not known.
        presented: after a failure, whether items got into the customer's reach; None if not known.
    """

    additional_bunches: Count | None = 0
    presented: bool | None = True


@dataclass(frozen=True, kw_only=True)
class Counted(CashMovement):
    """What counting found: by unit, items taken out of it, and items counted."""

    dispensed: Mapping[Name, Count] = field(default_factory=dict)
    counted: Mapping[Name, Count] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tested(CashMovement):
    """What the test of the units found: for each that failed, why (see `CashUnitError`)."""

    failed: Mapping[Name, UnitFailure] = field(default_factory=dict)


def _positions(device: CashDispenser) -> list[messages.OutPos]:
    """The output positions, before anything is known of them."""
    shutter: Any = "closed" if implements(device, "open_shutter") else None
    found = []
    for position in device.output_positions:
        name: Any = "outDefault" if len(device.output_positions) == 1 else f"out{position.capitalize()}"
        one = messages.OutPos(
            position=name, shutter=shutter, position_status="unknown", transport_status="empty"
        )
        leave(one, ("shutter", "position_status", "transport_status"))
        found.append(one)
    return found


class CashDispenser(
    CashManagement,
    messages=messages,
    status={
        "intermediate_stacker": derived(lambda device: "empty" if device.intermediate_stacker else None),
        "positions": derived(_positions),
    },
    capabilities={"type": "dispenser_type", "positions": "output_positions"},
    needs=(("dispense",),),
):
    """A device that pays out cash. Override what it can do; `cash_units` and `dispense` at least.

    What it has in common with other devices of cash is in `CashManagement`.

    Attributes:
        dispenser_type: `tellerBill`, `selfServiceBill`, `tellerCoin` or `selfServiceCoin`.
        max_dispense_items: how many items it dispenses at once; None: as many as there are.
        currency_mix: whether one dispense may have items of several currencies; else
            `noCurrencyMix`.
        intermediate_stacker: whether items wait inside until they are presented; follows from `present`.
        move_items: see `moveItems` of `Common.Capabilities`.
    """

    dispenser_type: Literal["tellerBill", "selfServiceBill", "tellerCoin", "selfServiceCoin"] = (
        "selfServiceBill"
    )
    max_dispense_items: int | None = None
    currency_mix: bool = True
    intermediate_stacker: bool = follows_from("present")
    move_items: frozenset[str] = frozenset()

    @operation
    async def dispense(self, request: DispenseRequest, events: CashEvents[DispenseEvents]) -> Dispensed:
        """`CashDispenser.Dispense`: take items from the units to the stacker.

        A device without a stacker moves them to the output at once.
        """
        raise NotImplementedError

    @operation
    async def present(self, position: str, events: CashEvents[PresentEvents]) -> Presented:
        """`CashDispenser.Present`: move the dispensed items into the customer's reach.

        A success with no `additional_bunches` leaves nothing on the stacker. Send `ItemsTakenEvent` later,
        when they are taken. Failures: `shutterNotOpen`, `presentErrorNoItems`, `presentErrorItems`,
        `presentErrorUnknown`.
        """
        raise NotImplementedError

    @operation
    async def reject(self, unit: str, events: CashEvents[RejectEvents]) -> CashMovement:
        """`CashDispenser.Reject`: move all dispensed items into the reject unit `unit`."""
        raise NotImplementedError

    @operation
    async def prepare_dispense(self, action: Literal["start", "stop"]) -> None:
        """`CashDispenser.PrepareDispense`: start (or stop) what makes the next dispense faster."""

    @operation
    async def count(self, units: tuple[str, ...], position: str, events: CashEvents[CountEvents]) -> Counted:
        """`CashDispenser.Count`: empty the units to `position`, counting."""
        raise NotImplementedError

    @operation
    async def test_cash_units(
        self, units: tuple[str, ...], destination: Destination, events: CashEvents[TestCashUnitsEvents]
    ) -> Tested:
        """`CashDispenser.TestCashUnits`: take one item from each of the units to `destination`."""
        raise NotImplementedError
