"""A simulated cash dispenser: units of notes, a reject and retract unit, stacker, shutter.

    units → stacker → output → customer           (dispense, present, the customer takes)
            stacker → reject unit                 (reject)
            stacker, output → retract area        (retract)
            transport, stacker, output → anywhere (reset)

Each operation is composed of steps of the mechanism (`simulator.cash.machine`), which a device that also is a
`SimulatedCashAcceptor` has only once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.cash_dispenser import (
    CountEvents,
    DispenseEvents,
    PresentEvents,
    RejectEvents,
    TestCashUnitsEvents,
)
from xfs4iot.protocol.messages import cash_dispenser, cash_management
from xfs4iot.simulator.cash.description import UnitSettings, without_use
from xfs4iot.simulator.cash.device import CashDevice
from xfs4iot.simulator.clock import Timeline

__all__ = ["SimulatedCashDispenser"]


@dataclass(frozen=True)
class CashDispenserSettings:
    """What a profile may say of a cash dispenser, beside what all cash devices have.

    Attributes:
        units: see `CashSettings`.
        max_items: how many notes are presented at once.
    """

    units: dict[str, UnitSettings]
    max_items: Annotated[int, Meta(ge=1)] = 40

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """That no unit is there for it."""
        yield from without_use(self.units, "cashOut")


class SimulatedCashDispenser(CashDevice, devices.CashDispenser):
    """The device; for its arguments see `SimulatedDevice`."""

    Settings: ClassVar = CashDispenserSettings

    def __init__(self, name: str, options: Mapping[str, Any] | None = None, **world: Any) -> None:
        super().__init__(name, options, **world)
        self.max_items = self.configured(CashDispenserSettings).max_items
        out = cash_dispenser.OutPos(
            position="outDefault",
            shutter="closed",
            position_status="empty",
            transport="ok",
            transport_status="empty",
        )
        self.positions.append(out)
        self.cash_status = cash_dispenser.Status(intermediate_stacker="empty", positions=[out])
        self.status.cash_dispenser = self.cash_status
        self.capabilities.cash_dispenser = cash_dispenser.Capabilities(
            type="selfServiceBill",
            max_dispense_items=self.max_items,
            shutter_control=True,
            retract_areas=cash_dispenser.CapabilitiesRetractAreas(
                retract=True, transport=False, stacker=True, reject=True, item_cassette=False, cash_in=False
            ),
            retract_stacker_actions=cash_dispenser.CapabilitiesRetractStackerActions(
                present=True, retract=True, reject=True, item_cassette=False, cash_in=False
            ),
            intermediate_stacker=True,
            items_taken_sensor=True,
            positions=cash_dispenser.CapabilitiesPositions(
                left=False, right=False, center=False, top=False, bottom=False, front=True, rear=False
            ),
            move_items=cash_dispenser.CapabilitiesMoveItems(
                from_cash_unit=True, to_cash_unit=True, to_transport=True, to_stacker=True
            ),
        )

    def _show(self) -> None:
        super()._show()
        self.cash_status.intermediate_stacker = self._seen("stacker")

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents[DispenseEvents]
    ) -> devices.Dispensed:
        self._require_closed_door(errors.CommandError("safeDoorOpen", "the safe door is open"))
        self._require_way()
        if self.truth.total("stacker"):
            raise errors.CommandError("itemsLeft", "there are items on the stacker; reject or reset")
        self._begin(events)
        self._notes_read = []
        if late := self.faults.take("delayed"):
            events.send(cash_dispenser.DelayedDispenseEvent(delay=Decimal(late)))
            if not await self._wait(late, events):
                raise errors.Canceled("the dispense was cancelled before it began")
            self._timeline = Timeline(self.clock)
        events.send(cash_dispenser.StartDispenseEvent())
        failure: errors.XfsError | None = None
        total = sum(request.counts.values())
        picks = (unit for unit, count in request.counts.items() for _ in range(count))
        for unit in picks:
            failure = await self._pick(unit, 1 / total, events)
            if failure is not None:
                break
        self._show()
        self._tell_read(events)
        return devices.Dispensed(moved=self.truth.moved, failure=failure, bunches=self._bunches() or 1)

    async def present(self, position: str, events: devices.CashEvents[PresentEvents]) -> devices.Presented:
        self._require_way()
        if not self.truth.total("stacker"):
            raise errors.CommandError("noItems", "there is nothing on the stacker")
        self._require_shutter_opens()
        self._begin(events)
        await self._time()
        presented, failure = self._deliver()
        return devices.Presented(
            moved=self.truth.moved,
            presented=presented,
            failure=failure,
            additional_bunches=self._bunches(),
        )

    def _require_shutter_opens(self) -> None:
        if self.faults.active("shutterJammed"):
            raise errors.CommandError("shutterNotOpen", "the shutter does not open")

    def _deliver(self) -> tuple[bool | None, errors.CommandError | None]:
        """Move what is on the stacker into the customer's reach.

        Returns:
            Whether items got there, None if nobody knows; and what went wrong.
        """
        presented: bool | None = False
        failure: errors.CommandError | None = None
        if self.faults.strikes("nothingPresented"):
            failure = errors.CommandError("presentErrorNoItems", "the stacker did not move")
        elif self.faults.strikes("presentUnknown"):
            self._lost_sight, presented = True, None
            failure = errors.CommandError("presentErrorUnknown", "the sensors fail; reset the device")
        elif self.faults.strikes("jam"):
            self.truth.move_all("stacker", "transport")
            self._tell_jam("the items are")
            failure = errors.CommandError("presentErrorNoItems", "the items are stuck; reset the device")
        elif self.faults.strikes("partlyPresented"):
            self._hand_out(1)
            self.truth.move_all("stacker", "transport")
            self._tell_jam("items are")
            presented = True
            failure = errors.CommandError("presentErrorItems", "one item came out; reset the device")
        else:
            self._hand_out(self.at_once)
            presented = True
            self._break()
        self._show()
        if self.truth.total("output"):
            more = str(self._bunches())
            self.send(cash_management.ItemsPresentedEvent(position="outDefault", additional_bunches=more))
        return presented, failure

    async def reject(self, unit: str, events: devices.CashEvents[RejectEvents]) -> devices.CashMovement:
        self._require_way()
        if not self.truth.total("stacker"):
            raise errors.CommandError("noItems", "there is nothing on the stacker")
        self._begin(events)
        failure = await self._bring("stacker", unit)
        self._show()
        return devices.CashMovement(moved=self.truth.moved, failure=failure)

    async def prepare_dispense(self, action: Literal["start", "stop"]) -> None:
        self._require_way()
        self._timeline = Timeline(self.clock)
        await self._time()

    async def count(
        self, units: tuple[str, ...], position: str, events: devices.CashEvents[CountEvents]
    ) -> devices.Counted:
        self._require_closed_door(errors.CommandError("safeDoorOpen", "the safe door is open"))
        self._require_way()
        self._begin(events)
        counted: dict[str, int] = {}
        failure: errors.XfsError | None = None
        for unit in units:
            await self._time()
            if self.truth.total(unit) and self.faults.strikes("jam"):
                self.truth.move(unit, "transport", unit)
                failure = self._tell_jam(f"an item of {unit} is")
                break
            counted[unit] = self.truth.move_all(unit, "output")
        if any(counted.values()):
            self.truth.shutter = "open"
        self._show()
        return devices.Counted(
            moved=self.truth.moved,
            dispensed=counted,
            counted=counted,
            emptied=frozenset(counted),
            failure=failure,
        )

    async def test_cash_units(
        self,
        units: tuple[str, ...],
        destination: devices.Destination,
        events: devices.CashEvents[TestCashUnitsEvents],
    ) -> devices.Tested:
        self._require_closed_door(errors.UserError("the safe door is open; close it"))
        self._require_way()
        outside = self._place(destination) == "output"
        if outside:
            self._require_shutter_opens()
        self._begin(events)
        target = "stacker" if outside else self._place(destination)
        failed: dict[str, devices.UnitFailure] = {}
        failure: errors.XfsError | None = None
        for unit in units:
            await self._time(1 / len(units))
            if wrong := self._unit_failure(unit):
                failed[unit] = wrong.failure
            elif failure := self._full(target):
                break
            else:
                self.truth.move(unit, target, unit)
        if outside and self.truth.total("stacker"):
            failure = self._deliver()[1]
        self._show()
        return devices.Tested(moved=self.truth.moved, failed=failed, failure=failure)

    async def _pick(
        self, unit: str, part: float, events: devices.CashEvents[cash_management.NoteErrorEvent]
    ) -> errors.XfsError | None:
        """Take one good item from a unit to the stacker."""
        reject = self.layout.reject
        while True:
            if events.cancel_requested:
                return errors.Canceled("the dispense was cancelled; see CashDispenser.Reject")
            if failure := self._unit_failure(unit):
                return failure
            await self._time(part)
            if self.faults.strikes("jam"):
                self.truth.move(unit, "transport", unit)
                return self._tell_jam(f"an item of {unit} is")
            if self.faults.strikes("doubleNotes"):
                events.send(cash_management.NoteErrorEvent(reason="doubleNote"))
                # The unit may be down to its last item.
                bad = min(2, self.truth.total(unit))
            else:
                bad = int(self.faults.strikes("rejects"))
            # Checked before anything moves: what cannot be rejected stays in its unit.
            if bad and self.truth.total(reject) + bad > self.layout.capacity[reject]:
                return devices.CashUnitError("full", [reject], f"{reject} is full")
            if bad:
                self.truth.move(unit, reject, unit, bad)
                continue
            self.truth.move(unit, "stacker", unit)
            self._note("stacker")
            self._break()
            return None
