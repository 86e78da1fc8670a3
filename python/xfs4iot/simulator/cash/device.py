"""What all simulated cash devices do: units, retracts, resets, the shutter, exchanges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import trio

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.cash_management import (
    CalibrateCashUnitEvents,
    ResetEvents,
    RetractEvents,
)
from xfs4iot.protocol.messages import storage
from xfs4iot.simulator.cash.commands import CashCommands
from xfs4iot.simulator.cash.description import RECOVERY_SECONDS
from xfs4iot.simulator.cash.faults import STATUS_OF_FAULT
from xfs4iot.simulator.clock import Timeline

__all__ = ["CashDevice"]

_LOOK_SECONDS = 0.05
"""How often a device that waits looks whether the client has given up."""


class CashDevice(CashCommands):
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
        failure = await self._bring_all(("stacker", "output", "input"), target)
        if failure is None and self._times_taken != taken:
            failure = errors.CommandError("itemsTaken", "items were taken before they were retracted")
        if failure is None:
            self.truth.shutter = "closed"
        self._show()
        full = target == "stacker" and self._full(target) is not None
        reason: Literal["retractAreaFull", "retractFailure"] = "retractAreaFull" if full else "retractFailure"
        return devices.Retracted(moved=self.truth.moved, failure=failure, reason=reason)

    async def reset(
        self, destination: devices.Destination, events: devices.CashEvents[ResetEvents]
    ) -> devices.Retracted:
        self._require_no_foreign_items()
        self._begin(events)
        await self._time()
        target = self._place(destination)
        failure = await self._bring_all(("transport", "stacker", "output", "input"), target)
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
