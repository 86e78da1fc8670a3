"""A simulated cash dispenser: four units of notes, a reject and retract unit, stacker, shutter.

    units → stacker → output → customer           (dispense, present, the customer takes)
            stacker → reject unit                 (reject)
            stacker, output → retract area        (retract)
            transport, stacker, output → anywhere (reset)

Each operation is composed of steps of the mechanism (`simulator.cash_dispenser.machine`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import trio

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.cash_dispenser import (
    CountEvents,
    DispenseEvents,
    PresentEvents,
    RejectEvents,
    TestCashUnitsEvents,
)
from xfs4iot.protocol.command_events.cash_management import (
    CalibrateCashUnitEvents,
    ResetEvents,
    RetractEvents,
)
from xfs4iot.protocol.messages import cash_dispenser, cash_management, storage
from xfs4iot.simulator.cash_dispenser.commands import CashDispenserCommands
from xfs4iot.simulator.cash_dispenser.description import RECOVERY_SECONDS
from xfs4iot.simulator.cash_dispenser.faults import STATUS_OF_FAULT
from xfs4iot.simulator.clock import Timeline

__all__ = ["SimulatedCashDispenser"]

_LOOK_SECONDS = 0.05
"""How often a dispenser that waits looks whether the client has given up."""


class SimulatedCashDispenser(CashDispenserCommands):
    """The device; for its arguments see `SimulatedDevice`."""

    async def power_save_control(self, max_power_save_recovery_time: int) -> None:
        self.saving_power(min(max_power_save_recovery_time, RECOVERY_SECONDS))

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        status = {
            unit: STATUS_OF_FAULT[fault]
            for unit, fault in self.faults.of_units.items()
            if fault in STATUS_OF_FAULT
        }
        return self.layout.found(self.truth, status)

    async def last_movement(self) -> int | None:
        return self.truth.operation

    async def recall(self, operation: int) -> devices.CashMovement | None:
        if operation == self.truth.operation:
            return devices.CashMovement(moved=self.truth.moved)
        return devices.CashMovement() if operation > self.truth.operation else None

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents[DispenseEvents]
    ) -> devices.Dispensed:
        self._require_closed_door(errors.CommandError("safeDoorOpen", "the safe door is open"))
        self._require_way()
        if self.truth.total("stacker"):
            raise errors.CommandError("itemsLeft", "there are items on the stacker; reject or reset")
        self._begin(events)
        self._read = []
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
        if self._read:
            summary = cash_management.InfoAvailableEventItemInfoSummaryItem(
                level="fit", num_of_items=len(self._read)
            )
            events.send(cash_management.InfoAvailableEvent(item_info_summary=[summary]))
        return devices.Dispensed(moved=self.truth.moved, failure=failure, bunches=self._bunches() or 1)

    async def _wait(self, seconds: float, events: devices.CashEvents) -> bool:
        """Wait; False if the client gives up meanwhile."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            if events.cancel_requested:
                return False
            # In short real-time waits, because a client can give up while the simulated clock stands still.
            with trio.move_on_after(_LOOK_SECONDS):
                await self.clock.until(until)
        return True

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
            self._hand_out(self.faults.active("smallBunches") or self.max_items)
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

    async def retract(
        self, request: devices.RetractRequest, events: devices.CashEvents[RetractEvents]
    ) -> devices.Retracted:
        self._require_way()
        if self.truth.total("output") and self.faults.strikes("itemsTaken"):
            self.take()
            raise errors.CommandError("itemsTaken", "the items were taken before they could be retracted")
        if self.faults.active("shutterJammed") and self.truth.shutter == "open":
            raise errors.CommandError("shutterNotClosed", "the shutter does not close")
        self._require_no_foreign_items()
        self._begin(events)
        target = request.destination.unit or request.destination.target
        # Compared afterwards: the customer may reach for the items while they are drawn in.
        taken = self._times_taken
        failure = await self._bring_all(("stacker", "output"), target)
        if failure is None and self._times_taken != taken:
            failure = errors.CommandError("itemsTaken", "items were taken before they were retracted")
        if failure is None:
            self.truth.shutter = "closed"
        self._show()
        return devices.Retracted(moved=self.truth.moved, failure=failure)

    async def reset(
        self, destination: devices.Destination, events: devices.CashEvents[ResetEvents]
    ) -> devices.Retracted:
        self._require_no_foreign_items()
        self._begin(events)
        await self._time()
        target = self._place(destination)
        failure = await self._bring_all(("transport", "stacker", "output"), target)
        if not self.faults.active("shutterJammed"):
            self.truth.shutter = "open" if target == "output" and self.truth.total("output") else "closed"
        self._lost_sight = False
        # A list, because entries are deleted in the loop.
        for unit in [unit for unit, fault in self.faults.of_units.items() if fault == "inoperative"]:
            del self.faults.of_units[unit]
            self.unit_changed(unit, "ok")
        self._show()
        return devices.Retracted(moved=self.truth.moved, failure=failure)

    async def open_shutter(self, position: str) -> None:
        await self._shutter("open", "shutterNotOpen")

    async def close_shutter(self, position: str) -> None:
        await self._shutter("closed", "shutterNotClosed")

    async def _shutter(self, state: str, error_code: str) -> None:
        self._require_no_foreign_items()
        if self.faults.active("shutterJammed"):
            raise errors.CommandError(error_code, "the shutter is jammed")
        self._timeline = Timeline(self.clock)
        await self._time()
        self.truth.shutter = state
        self._show()

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

    async def calibrate_cash_unit(
        self,
        unit: str,
        count: int,
        destination: devices.Destination,
        events: devices.CashEvents[CalibrateCashUnitEvents],
    ) -> devices.CashMovement:
        self._require_closed_door(errors.UserError("the safe door is open; close it"))
        self._require_way()
        if unit not in self.layout.notes:
            raise devices.CashUnitError("error", [unit], f"{unit} gives no items")
        self._begin(events)
        target = self._place(destination)
        failure: errors.XfsError | None = None
        for _ in range(count):
            await self._time(1 / count)
            failure = self._unit_failure(unit) or self._full(target)
            if failure is not None:
                break
            self.truth.move(unit, target, unit)
        if target == "output" and self.truth.total("output"):
            self.truth.shutter = "open"
        self._show()
        return devices.CashMovement(moved=self.truth.moved, failure=failure)

    async def get_item_info(self) -> list[cash_management.ItemInfo]:
        return list(self._read)

    async def set_classification_list(
        self, version: str | None, elements: list[cash_management.ClassificationElement]
    ) -> None:
        self.classification = elements

    async def set_storage(self, units: Mapping[str, storage.SetStorageUnit]) -> None:
        await self._move_units()

    async def start_exchange(self) -> None:
        await self._move_units()
        self._exchange = True

    async def end_exchange(self) -> None:
        await self._move_units()
        self._exchange = False
        for unit in [unit for unit, fault in self.faults.of_units.items() if fault == "manipulated"]:
            del self.faults.of_units[unit]

    async def _move_units(self) -> None:
        """Release, lock or set up the units."""
        self._timeline = Timeline(self.clock)
        await self._time()
        if self.faults.strikes("unitsStuck"):
            raise devices.StorageUnitError(
                "error", self.layout.capacity, "the units are stuck; look at them, then try again"
            )
