"""CashManagement: what a vendor writes for all devices that move cash.

Movements. An operation that moves items is given a request and the command's `CashEvents`,
whose `operation` is a number of its own for each movement, and returns what has moved, also
when it stopped half-way: `CashMovement(moved, failure=...)`. An operation that raises any
`XfsError` other than `HardwareError` has moved nothing. When it raises anything else, does
not return, or the service itself is killed, the service asks `recall` what has moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import CommandEvents, implements, operation
from xfs4iot.devices._parts import derived, follows_from
from xfs4iot.devices.storage import CashUnit, Count, Level, Name, Storage, UnitError, UnitFailure
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.cash_management import (
    CalibrateCashUnitEvents,
    ResetEvents,
    RetractEvents,
)
from xfs4iot.protocol.message import SentEvent
from xfs4iot.protocol.messages import cash_management as messages

__all__ = [
    "CashEvents",
    "CashManagement",
    "CashMovement",
    "CashUnitError",
    "Destination",
    "ItemsMoved",
    "RetractRequest",
    "Retracted",
    "items_from",
]

PLACES = ("stacker", "transport", "output", "customer", "unknown")
"""Where an item may be outside the units, in the standard's words."""


@dataclass(frozen=True)
class ItemsMoved:
    """Items that went from one place to another.

    Attributes:
        count: how many.
        source, target: a unit's name, `stacker`, `transport`, `output` (accessible to the
            customer), `customer` (taken, or not inserted yet) or `unknown`.
        origin: the unit they were dispensed from; None if nobody knows, and for what a customer has inserted.
        item: id of the cash item; None for what is on the books there; one that is named was there.
        level: None for what is on the books there.
        accessible: they had been accessible to a customer before.
    """

    count: Count
    source: Name
    target: Name
    origin: Name | None = None
    item: Name | None = None
    level: Level | None = None
    accessible: bool = False


def items_from(counts: Mapping[str, int], target: str) -> tuple[ItemsMoved, ...]:
    """Items dispensed from units, by unit, to one place: what most dispensers report."""
    return tuple(ItemsMoved(count, unit, target, origin=unit) for unit, count in counts.items() if count > 0)


@dataclass(frozen=True, kw_only=True)
class CashMovement:
    """What an operation has moved.

    Attributes:
        moved: in order.
        failure: why it did not do all it was asked to.
        inaccurate: units whose counts the device no longer trusts, after a jam for example.
        emptied: units that are empty now for certain; what the books still hold there is
            written off as being in an unknown place.
    """

    moved: tuple[ItemsMoved, ...] = ()
    failure: errors.XfsError | None = None
    inaccurate: frozenset[Name] = frozenset()
    emptied: frozenset[Name] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Retracted(CashMovement):
    """What a retract or reset has moved.

    Attributes:
        into: units that took items which the device could not count.
        reason: why a retract was incomplete, for a failure `incompleteRetract`.
    """

    into: frozenset[Name] = frozenset()
    reason: Literal["retractFailure", "retractAreaFull", "foreignItemsDetected", "invalidBunch"] = (
        "retractFailure"
    )


class CashUnitError(UnitError):
    """A unit stopped the command: `cashUnitError`; arguments as of `UnitError`."""

    def __init__(self, failure: UnitFailure, units: Iterable[str], description: str = "") -> None:
        super().__init__("cashUnitError", failure, units, description)


class CashEvents(CommandEvents[SentEvent], Protocol[SentEvent]):
    """What a device is given while it moves items."""

    @property
    def operation(self) -> int:
        """The movement's own number, rising; `recall` is asked with it.

        A device that can be asked after a crash keeps it, durably, before it moves anything.
        """

    def everything(self, source: str, target: str) -> tuple[ItemsMoved, ...]:
        """All that the books have at `source` (`stacker`, `transport` or `output`), moved to `target`.

        What was dispensed has its unit of origin, what a customer has inserted its item and level.

        For a device that moves whatever is there and does not count it.
        """


@dataclass(frozen=True)
class Destination:
    """Where items are to go.

    Attributes:
        target: `singleUnit`, `retract`, `transport`, `stacker`, `reject`, `itemCassette`, `cashIn`,
            or an output position.
        unit: the unit, for `singleUnit`, `retract` and `reject`.
        index: the area inside the retract units, from 1.
    """

    target: str
    unit: str | None = None
    index: int | None = None


@dataclass(frozen=True)
class RetractRequest:
    """From which output position, and inside the device if there are items, to where."""

    position: str
    destination: Destination


def _bank_notes(device: CashManagement) -> Mapping[str, messages.BankNote]:
    """The items of all units; what they are worth, from the units that hold one kind only."""
    # Sorted, so that note ids do not depend on the order in which the device names its units.
    units = sorted(device.units_of(CashUnit).values(), key=lambda unit: unit.index)
    worth = {
        unit.cash_items[0]: messages.CashItem(currency=unit.currency, value=unit.value, release=1)
        for unit in units
        if len(unit.cash_items) == 1 and unit.currency is not None and unit.value is not None
    }
    for number, item in enumerate(worth.values(), 1):
        item.note_id = number
    ids = dict.fromkeys(item for unit in units for item in unit.cash_items)
    return {item: messages.BankNote(cash_item=worth.get(item), enabled=True) for item in ids}


def _retract_areas(device: CashManagement) -> frozenset[str]:
    """Where items can be brought back to: the units for that."""
    if not (implements(device, "retract") or implements(device, "reset")):
        return frozenset()
    types = frozenset().union(*(unit.types for unit in device.units_of(CashUnit).values()))
    areas = {"retract": {"cashOutRetract", "cashInRetract"}, "reject": {"reject"}}
    return frozenset(area for area, kinds in areas.items() if kinds & types)


def _exchange_type(device: CashManagement) -> frozenset[str]:
    exchanges = implements(device, "start_exchange") or implements(device, "end_exchange")
    return frozenset({"byHand"}) if exchanges else frozenset()


class CashManagement(
    Storage,
    messages=messages,
    status={
        "dispenser": derived(lambda device: "ok" if hasattr(device, "dispense") else None),
        "acceptor": derived(lambda device: "ok" if hasattr(device, "cash_in") else None),
    },
):
    """A device that moves cash.

    Attributes:
        bank_notes: the items it knows, by id (`typeEUR20`); if not set, those that its units are for.
        cash_box: whether it has a cash box, from which a teller pays by hand.
        exchange_type: how units are exchanged, `byHand`; follows from `start_exchange` and `end_exchange`.
        item_info_types: what `get_item_info` tells of an item: `serialNumber`, `signature`, `image`.
        classifications: the classes that it can tell apart, as of `Common.Capabilities`.
        classification_list: whether it uses one; follows from `set_classification_list`.
        output_positions: where a customer gets items: `front`, `rear`, `left`, `right`, `center`, `top`,
            `bottom`; the first is the default.
        shutter_control: whether the device moves its shutter by itself.
        items_taken_sensor: whether it senses that items are taken; follows from `wait_taken`. A device
            that sends `ItemsTakenEvent` by itself says True.
        retract_areas: where items can be brought back to; follows from the types of its units.
        retract_transport_actions, retract_stacker_actions: what it can do with items that were
            retracted to transport or stacker: `present`, `retract`, `reject`, `itemCassette`, `cashIn`.
    """

    bank_notes: Mapping[str, messages.BankNote] = derived(_bank_notes)
    cash_box: bool = False
    exchange_type: frozenset[str] = derived(_exchange_type)
    item_info_types: frozenset[str] = frozenset()
    classifications: frozenset[str] = frozenset()
    classification_list: bool = follows_from("set_classification_list")
    output_positions: tuple[str, ...] = ("front",)
    shutter_control: bool = True
    items_taken_sensor: bool = derived(lambda device: implements(device, "wait_taken"))
    retract_areas: frozenset[str] = derived(_retract_areas)
    retract_transport_actions: frozenset[str] = frozenset()
    retract_stacker_actions: frozenset[str] = frozenset()

    @operation
    async def recall(self, operation: int) -> CashMovement | None:
        """What the movement with this number has moved, as the device recorded it.

        Empty if the device knows that it moved nothing (the number is newer than any it
        has seen), None if it cannot tell.
        """

    @operation
    async def last_movement(self) -> Count | None:
        """The number of the last movement that the device has recorded; None if it does not know.

        Asked at the start: a ledger that ends before it lacks movements (its log was lost, an old copy
        was put back), and all counts are taken for inaccurate then.
        """
        raise NotImplementedError

    @operation
    async def wait_taken(self, position: str) -> None:
        """Return when the customer has taken everything from the position.

        Begun when items are there, and cancelled when they are brought back. The service sends
        `ItemsPresentedEvent` and `ItemsTakenEvent` and keeps the status of the position. A device without it
        may send the events by itself.
        """
        raise NotImplementedError

    @operation
    async def retract(self, request: RetractRequest, events: CashEvents[RetractEvents]) -> Retracted:
        """`CashManagement.Retract`: bring items back; closes the shutter.

        Raise `CommandError("itemsTaken")` if they were taken meanwhile.
        """
        raise NotImplementedError

    @operation
    async def reset(self, destination: Destination, events: CashEvents[ResetEvents]) -> Retracted:
        """`CashManagement.Reset`: clear what is in the way to `destination` and make ready."""
        raise NotImplementedError

    @operation
    async def calibrate_cash_unit(
        self, unit: str, count: int, destination: Destination, events: CashEvents[CalibrateCashUnitEvents]
    ) -> CashMovement:
        """`CashManagement.CalibrateCashUnit`: learn the items of a unit by moving `count` of them."""
        raise NotImplementedError

    @operation
    async def open_shutter(self, position: str) -> None:
        """`CashManagement.OpenShutter`. Raise `CommandError("shutterNotOpen")` if it does not open."""

    @operation
    async def close_shutter(self, position: str) -> None:
        """`CashManagement.CloseShutter`. Raise `CommandError("shutterNotClosed")` if it does not close."""

    @operation
    async def get_item_info(self) -> list[messages.ItemInfo]:
        """`CashManagement.GetItemInfo`: what was read of the items of the last movement."""
        raise NotImplementedError

    @operation
    async def set_classification_list(
        self, version: str | None, elements: list[messages.ClassificationElement]
    ) -> None:
        """`CashManagement.SetClassificationList`; told again at each start."""
