"""CashAcceptor: what a vendor writes for a device that takes in cash.

class MyAcceptor(devices.CashAcceptor):
    stacker_capacity = 100

    async def cash_units(self):
        return {"unit1": devices.CashUnit(index=1, types=frozenset({"cashIn"}), cash_items=("typeEUR20",))}

    async def cash_in(self, request, events):
        events.send(InsertItemsEvent())
        counts, refused = await self.port.take_in(request.most)  # {("typeEUR20", "fit"): 3}
        return devices.CashedIn(moved=devices.items_inserted(counts), refused=refused)

    async def cash_in_end(self, request, events):
        await self.port.store("unit1")
        return devices.CashMovement(moved=events.everything("stacker", "unit1"))

A recycler is made of both classes: `class MyRecycler(devices.CashDispenser, devices.CashAcceptor)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta

from xfs4iot.devices._cashing_in import (
    CashedIn,
    CashInRequest,
    CashInStartRequest,
    CashReturned,
    DeviceLocks,
    SignatureCreated,
    SignatureMatch,
    StoreRequest,
    UnitsCounted,
)
from xfs4iot.devices._device import CommandEvents, implements, operation
from xfs4iot.devices._operation import waits_for_people
from xfs4iot.devices._parts import derived, follows_from
from xfs4iot.devices.cash_management import CashEvents, CashManagement, CashMovement
from xfs4iot.devices.storage import CashUnit, Name
from xfs4iot.protocol.command_events.cash_acceptor import (
    CashInEndEvents,
    CashInEvents,
    CashInRollbackEvents,
    CashUnitCountEvents,
    CreateSignatureEvents,
    DepleteEvents,
    DeviceLockControlEvents,
    PreparePresentEvents,
    ReplenishEvents,
)
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.protocol.messages import cash_management as cash
from xfs4iot.protocol.observed import leave

__all__ = ["CashAcceptor"]

Lock: TypeAlias = Literal["lock", "unlock"]


def _input_names(device: CashAcceptor) -> list[Any]:
    """The standard's names of the input positions."""
    if len(device.input_positions) == 1:
        return ["inDefault"]
    return [f"in{position.capitalize()}" for position in device.input_positions]


def _output_names(device: CashAcceptor) -> list[Any]:
    """The standard's names of the output positions."""
    if len(device.output_positions) == 1:
        return ["outDefault"]
    return [f"out{position.capitalize()}" for position in device.output_positions]


def _positions(device: CashAcceptor) -> list[messages.Position]:
    """The positions, before anything is known of them."""
    shutter: Any = "closed" if implements(device, "open_shutter") or device.shutter_control else None
    found = []
    for name in (*_input_names(device), *_output_names(device)):
        one = messages.Position(
            position=name, shutter=shutter, position_status="unknown", transport_status="empty"
        )
        leave(one, ("shutter", "position_status", "transport_status"))
        found.append(one)
    return found


def _position_capabilities(device: CashAcceptor) -> tuple[messages.PosCaps, ...]:
    """What each position is for: items come in at inputs, and go back at outputs."""
    inputs = (
        messages.PosCaps(
            position=name,
            usage=messages.PosCapsUsage(in_=True, refuse=False, rollback=False),
            shutter_control=device.shutter_control,
            items_taken_sensor=False,
            items_inserted_sensor=device.items_inserted_sensor,
        )
        for name in _input_names(device)
    )
    outputs = (
        messages.PosCaps(
            position=name,
            usage=messages.PosCapsUsage(in_=False, refuse=True, rollback=True),
            shutter_control=device.shutter_control,
            items_taken_sensor=device.items_taken_sensor,
            items_inserted_sensor=False,
            retract_areas=flags(messages.PosCapsRetractAreas, device.retract_areas)
            if device.retract_areas
            else None,
            present_control=device.present_control,
            prepare_present=implements(device, "prepare_present"),
        )
        for name in _output_names(device)
    )
    return (*inputs, *outputs)


def _hold_the_same(one: CashUnit, other: CashUnit) -> bool:
    """Whether an item of one unit may be in the other; a unit that names no items may have any."""
    items = frozenset(one.cash_items), frozenset(other.cash_items)
    return not all(items) or not items[0].isdisjoint(items[1])


def _targets(device: CashAcceptor) -> Mapping[str, frozenset[str]]:
    """Where replenishment units can be emptied into: all that the same items are dispensed from."""
    units = device.units_of(CashUnit)
    return {
        source: frozenset(
            name
            for name, other in units.items()
            if name != source and "cashOut" in other.types and _hold_the_same(unit, other)
        )
        for source, unit in units.items()
        if "replenishment" in unit.types
    }


def _sources(device: CashAcceptor) -> Mapping[str, frozenset[str]]:
    """What can be emptied into units that take items but dispense none: all that dispense such items."""
    units = device.units_of(CashUnit)
    dispensing = {name: unit for name, unit in units.items() if "cashOut" in unit.types}
    return {
        target: frozenset(
            name for name, other in dispensing.items() if name != target and _hold_the_same(unit, other)
        )
        for target, unit in units.items()
        if unit.types & {"replenishment", "cashIn"} and "cashOut" not in unit.types
    }


class CashAcceptor(
    CashManagement,
    messages=messages,
    status={
        "intermediate_stacker": derived(lambda device: "empty" if device.stacker_capacity else None),
        "stacker_items": derived(lambda device: "noItems" if device.stacker_capacity else None),
        "positions": derived(_positions),
    },
    capabilities={
        "type": "acceptor_type",
        "positions": "cash_in_positions",
        "intermediate_stacker": "stacker_capacity",
    },
    needs=(("cash_in",), ("cash_in_end",)),
):
    """A device that takes in cash. Override what it can do; `cash_units`, `cash_in`, `cash_in_end` at least.

    The service keeps the cash-in: its state, what was accepted, refused and returned, where it is, and
    which items are enabled. The device sets what only it can know of the status: `banknote_reader`,
    `drop_box`, what its sensors see.

    Attributes:
        acceptor_type: `tellerBill`, `selfServiceBill`, `tellerCoin` or `selfServiceCoin`.
        max_cash_in_items: how many items one `CashIn` takes at most; None: no limit of its own.
        stacker_capacity: items that wait inside until the cash-in ends; 0: it stores them at once.
        input_positions: where a customer inserts items: `front`, `rear`, `left`, `right`, `center`, `top`,
            `bottom`; the first is the default. Refused items and those of a rollback come out at
            `output_positions`.
        cash_in_positions: what each position is for; follows from the two.
        present_control: whether items are presented by the command that returns them; else by
            `PresentMedia`. Follows from `present_media`.
        shutter: whether an application can move a shutter; follows from `open_shutter`.
        items_inserted_sensor: whether it senses that items are inserted; follows from `wait_inserted`. A
            device that sends `ItemsInsertedEvent` by itself says True.
        cash_in_limit: what it can limit a cash-in by: `byTotalItems`, `byAmount`.
        count_actions: whether it can count `individual` units or `all`; follows from `cash_unit_count`.
        retain_action: what it keeps instead of giving it back: `counterfeit`, `suspect`, `inked`.
        replenish_targets: by unit that `replenish` empties, the units it can fill; if not set, those that
            dispense an item that it can hold, and so of `deplete_sources`.
        deplete_sources: by unit that `deplete` fills, the units it can empty.
    """

    acceptor_type: Literal["tellerBill", "selfServiceBill", "tellerCoin", "selfServiceCoin"] = (
        "selfServiceBill"
    )
    max_cash_in_items: Annotated[int, Meta(ge=1)] | None = None
    stacker_capacity: Annotated[int, Meta(ge=0)] = 0
    input_positions: tuple[str, ...] = ("front",)
    cash_in_positions: tuple[messages.PosCaps, ...] = derived(_position_capabilities)
    present_control: bool = derived(lambda device: not implements(device, "present_media"))
    shutter: bool = follows_from("open_shutter")
    items_inserted_sensor: bool = follows_from("wait_inserted")
    cash_in_limit: frozenset[Literal["byTotalItems", "byAmount"]] = frozenset()
    count_actions: frozenset[Literal["individual", "all"]] = derived(
        lambda device: frozenset({"individual", "all"} if implements(device, "cash_unit_count") else ())
    )
    retain_action: frozenset[Literal["counterfeit", "suspect", "inked"]] = frozenset()
    replenish_targets: Mapping[Name, frozenset[Name]] = derived(_targets)
    deplete_sources: Mapping[Name, frozenset[Name]] = derived(_sources)

    @operation
    async def cash_in_start(self, request: CashInStartRequest) -> None:
        """`CashAcceptor.CashInStart`: learn that a cash-in begins; nothing moves.

        Raises:
            CommandError: `safeDoorOpen`.
        """

    @waits_for_people
    @operation
    async def wait_inserted(self, position: str) -> None:
        """Return when a customer has inserted items at the position; nothing is taken in yet.

        The service sends `InsertItemsEvent` before and `ItemsInsertedEvent` after, and then calls `cash_in`.
        Cancelled when the client gives up. A device without it waits in `cash_in`, looks at
        `events.cancel_requested` while it does, and sends the events by itself.
        """
        raise NotImplementedError

    @operation
    async def cash_in(self, request: CashInRequest, events: CashEvents[CashInEvents]) -> CashedIn:
        """`CashAcceptor.CashIn`: take items in; sends `InputRefuseEvent`, `SubCashInEvent` and so on.

        Refused items are no failure. Failures: `noItems`, `tooManyItems`, `shutterNotClosed`,
        `shutterNotOpen`, `positionNotEmpty`, `safeDoorOpen`, `foreignItemsDetected`, `CashUnitError`.
        """
        raise NotImplementedError

    @operation
    async def cash_in_end(self, request: StoreRequest, events: CashEvents[CashInEndEvents]) -> CashMovement:
        """`CashAcceptor.CashInEnd`: store all that is on the stacker.

        A device without a stacker has nothing to move. A success has stored all. Failures:
        `positionNotEmpty`, `safeDoorOpen`, `CashUnitError`, `HardwareError`.
        """
        raise NotImplementedError

    @operation
    async def cash_in_rollback(self, position: str, events: CashEvents[CashInRollbackEvents]) -> CashReturned:
        """`CashAcceptor.CashInRollback`: give all that was accepted back, at the output position.

        A success that presents the last bunch leaves nothing inside. Failures: `shutterNotOpen`,
        `positionNotEmpty`, `CashUnitError`, `HardwareError`.
        """
        raise NotImplementedError

    @operation
    async def prepare_present(self, position: str, events: CashEvents[PreparePresentEvents]) -> CashReturned:
        """`CashAcceptor.PreparePresent`: make the next bunch ready to be presented; `presented` is False.

        Failures: `CashUnitError`.
        """
        raise NotImplementedError

    @operation
    async def present_media(self, position: str, events: CashEvents[Any]) -> CashReturned:
        """`CashAcceptor.PresentMedia`: present the next bunch of what is returned or refused.

        Failures: `shutterNotOpen`, `foreignItemsDetected`.
        """
        raise NotImplementedError

    @operation
    async def configure_note_types(self, enabled: frozenset[str]) -> None:
        """`CashAcceptor.ConfigureNoteTypes`: accept items with these ids only; told again at each start."""
        raise NotImplementedError

    @operation
    async def configure_note_reader(self, load_always: bool) -> bool:
        """`CashAcceptor.ConfigureNoteReader`: load the reader's currency data; whether it must be restarted.

        Raises:
            CommandError: `loadFailed`.
        """
        raise NotImplementedError

    @operation
    async def create_signature(self, events: CashEvents[CreateSignatureEvents]) -> SignatureCreated:
        """`CashAcceptor.CreateSignature`: take one item in, read it, and give it back.

        Failures: `tooManyItems`, `noItems`, `positionNotEmpty`, `shutterNotOpen`, `shutterNotClosed`,
        `foreignItemsDetected`.
        """
        raise NotImplementedError

    @operation
    async def compare_signature(
        self, references: tuple[cash.Signature, ...], candidates: tuple[cash.Signature, ...]
    ) -> tuple[SignatureMatch, ...]:
        """`CashAcceptor.CompareSignature`: which of the candidates resemble the references.

        Raises:
            CommandError: `invalidReferenceSignature`, `invalidTransactionSignature`.
        """
        raise NotImplementedError

    @operation
    async def cash_unit_count(
        self, units: tuple[str, ...], events: CashEvents[CashUnitCountEvents]
    ) -> UnitsCounted:
        """`CashAcceptor.CashUnitCount`: count what is in the units; what comes out goes back or is rejected.

        Failures: `tooManyItemsToCount`, `countPositionNotEmpty`, `CashUnitError`.
        """
        raise NotImplementedError

    @operation
    async def replenish(
        self, source: str, targets: Mapping[str, int | None], events: CashEvents[ReplenishEvents]
    ) -> CashMovement:
        """`CashAcceptor.Replenish`: move so many items from the source into each target; None: all.

        Failures: `CashUnitError`; what moved before is told by an `IncompleteReplenishEvent`.
        """
        raise NotImplementedError

    @operation
    async def deplete(
        self, sources: Mapping[str, int | None], target: str, events: CashEvents[DepleteEvents]
    ) -> CashMovement:
        """`CashAcceptor.Deplete`: move so many items from each source into the target; None: all.

        Failures: `CashUnitError`; what moved before is told by an `IncompleteDepleteEvent`.
        """
        raise NotImplementedError

    @operation
    async def device_lock_control(
        self, device: Lock | None, units: Mapping[str, Lock], events: CommandEvents[DeviceLockControlEvents]
    ) -> None:
        """`CashAcceptor.DeviceLockControl`: lock or unlock the device, if not None, and these units.

        Raises:
            CommandError: `deviceLockFailure`.
        """
        raise NotImplementedError

    @operation
    async def device_locks(self) -> DeviceLocks:
        """What is locked, from a device that senses it; else the service tells what it was told last."""
        raise NotImplementedError
