"""The mechanism of the simulated cash dispenser: what moves, what the sensors see, what can fail.

It is a state machine over its physical truth (`truth`), which it changes item by item and
which outlives the service. Its movements take time on the ATM's clock (`clock`), and it can
be made to fail at any step (`faults`). The operations composed of its steps are in
`simulator.cash_dispenser.device`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import trio

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_dispenser, cash_management, common
from xfs4iot.simulator.cash_dispenser.description import CashDispenserSettings, CashLayout, describe
from xfs4iot.simulator.cash_dispenser.faults import FAULTS, STATUS_OF_FAULT
from xfs4iot.simulator.cash_dispenser.truth import CashTruth
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.device import SimulatedDevice

__all__ = ["CashMachine"]


class CashMachine(SimulatedDevice, devices.CashDispenser, devices.PowerManagement):
    """The parts of the device; for its arguments see `SimulatedDevice`."""

    Settings: ClassVar = CashDispenserSettings
    FAULTS: ClassVar = FAULTS
    takes_tokens: ClassVar[bool] = True

    def __init__(self, name: str, options: Mapping[str, Any] | None = None, **world: Any) -> None:
        super().__init__(name, options, **world)
        settings = self.configured(CashDispenserSettings)
        self.layout = CashLayout(settings.units)
        self.max_items = settings.max_items
        self.truth = CashTruth(self.world, name, self.layout.loaded)
        self.classification: list[cash_management.ClassificationElement] = []
        self.bank_notes = self.layout.bank_notes
        self._timeline: Timeline | None = None
        self._times_taken = 0
        self._lost_sight = False
        self._exchange = False
        self._read: list[cash_management.ItemInfo] = []
        self.position = cash_dispenser.OutPos(
            position="outDefault",
            shutter="closed",
            position_status="empty",
            transport="ok",
            transport_status="empty",
        )
        self.cash_status = cash_dispenser.Status(intermediate_stacker="empty", positions=[self.position])
        self.status.cash_dispenser = self.cash_status
        self.status.cash_management = cash_management.Status(dispenser="ok")
        describe(self.capabilities, self.max_items)
        self.saving_power(0)

    async def open(self) -> None:
        await super().open()
        self._show()

    def _show(self) -> None:
        """Make the status say what is."""
        position, truth, faults = self.position, self.truth, self.faults
        blind = self._lost_sight or bool(faults.active("sensorsUnknown"))

        def seen(place: str) -> Any:
            return "unknown" if blind else "notEmpty" if truth.total(place) else "empty"

        position.position_status = seen("output")
        position.transport_status = seen("transport")
        self.cash_status.intermediate_stacker = seen("stacker")
        position.transport = "inoperative" if truth.total("transport") else "ok"
        jammed = {"open": "jammedOpen", "closed": "jammedClosed"}[truth.shutter]
        position.shutter = jammed if faults.active("shutterJammed") else truth.shutter  # type: ignore[assignment]
        assert self.status.common is not None
        self.status.common.device_position = (
            "notInPosition" if faults.active("notInPosition") else "inPosition"
        )
        lasting: tuple[common.DeviceEnum, ...] = ("powerOff", "offline", "fraudAttempt")
        self.status.common.device = next(
            (one for one in lasting if faults.active(one)),
            "hardwareError" if truth.total("transport") else "online",
        )

    def _require_way(self) -> None:
        """Refuse to begin what cannot be done."""
        if self.faults.active("fraudAttempt"):
            raise errors.FraudAttempt("somebody tampers with the output; see to it, then clear the faults")
        if self.faults.active("notInPosition"):
            raise errors.DeviceNotReady("the device is not in its position; push it in")
        if self.truth.total("transport"):
            raise errors.HardwareError("items are stuck on the transport; reset the device")

    def _require_closed_door(self, error: errors.XfsError) -> None:
        if self.truth.door == "open":
            raise error

    def _require_no_foreign_items(self) -> None:
        if self.faults.strikes("foreignItems"):
            raise errors.CommandError("foreignItemsDetected", "something else is in the output; take it out")

    def _begin(self, events: devices.CashEvents) -> None:
        """Record that a movement begins; nothing has moved yet."""
        self.truth.begin(events.operation)
        self._timeline = Timeline(self.clock)

    async def _time(self, part: float = 1.0) -> None:
        """Let a part of a movement's time pass, and hang where that was injected; who moves is awake."""
        self.saving_power(0)
        if self.faults.strikes("doesNotAnswer"):
            await trio.sleep_forever()
        if self.seconds and self._timeline is not None:
            await self._timeline.step(self.seconds * part)
        else:
            await trio.lowlevel.checkpoint()

    def _break(self) -> None:
        if self.faults.strikes("breaks"):
            self._show()
            raise RuntimeError("the simulated device class fails, as injected")

    def _tell_jam(self, what: str) -> errors.HardwareError:
        """Tell everybody that something got stuck; returns how a movement fails that ends so."""
        text = f"{what} stuck on the transport; reset the device"
        self.send(common.ErrorEvent(event_id="hardware", action="reset", vendor_description=text))
        return errors.HardwareError(text)

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
            self._note(unit)
            self._break()
            return None

    def _unit_failure(self, unit: str) -> devices.CashUnitError | None:
        fault = self.faults.of_units.get(unit)
        if fault == "feedsNothing":
            return devices.CashUnitError("feedModuleProblem", [unit], f"{unit} feeds no items")
        if fault is not None:
            return devices.CashUnitError("error", [unit], f"{unit} is {fault}")
        if not self.truth.total(unit):
            return devices.CashUnitError("empty", [unit], f"{unit} gave no more items")
        return None

    def _note(self, unit: str) -> None:
        """Read an item on its way to the stacker."""
        item = self.layout.notes[unit]
        # Drawn by the note's number, so that a device that is restarted goes on, and repeats none.
        chance = self.world.chance(f"{self.name} note {self.truth.count_note()}")
        serial = f"X{chance.randrange(10**10):010}"
        self._read.append(
            cash_management.ItemInfo(
                note_type=item,
                orientation="frontTop",
                level="fit",
                serial_number=serial,
                item_location="stacker",
            )
        )

    def _reads_move(self, source: str, target: str, count: int | None = None) -> None:
        """Follow items that were read to where they are now."""
        there = [item for item in self._read if item.item_location == source]
        for item in there[:count]:
            item.item_location = target

    def _bunches(self) -> int:
        """In how many bunches the stacker's items are presented."""
        at_once = self.faults.active("smallBunches") or self.max_items
        # Rounded up.
        return -(-self.truth.total("stacker") // at_once)

    def _hand_out(self, count: int) -> None:
        """Open the shutter and move so many items into the customer's reach."""
        self.truth.shutter = "open"
        # `at` gives a copy, so moving items does not disturb the loop.
        for origin, held in self.truth.at("stacker").items():
            moved = min(held, count)
            if moved:
                self.truth.move("stacker", "output", origin, moved)
                self._reads_move("stacker", "output", moved)
            count -= moved

    async def _bring_all(self, sources: tuple[str, ...], target: str) -> errors.XfsError | None:
        """Bring everything from several places inside, the innermost first."""
        if self.faults.strikes("incompleteRetract"):
            for source in sources:
                for origin in list(self.truth.at(source))[:1] if source != target else ():
                    self.truth.move(source, target, origin)
                    return errors.CommandError("incompleteRetract", "the other items stayed where they are")
        for source in sources:
            failure = await self._bring(source, target) if source != target else None
            if failure is not None:
                return failure
        return None

    async def _bring(self, source: str, target: str) -> errors.XfsError | None:
        """Bring everything from a place inside, item by item."""
        # A snapshot: items can be taken during the waits below, so each is looked up again before it moves.
        items = self.truth.at(source)
        total = sum(items.values())
        for origin, count in items.items():
            for _ in range(count):
                await self._time(1 / total)
                if not self.truth.at(source).get(origin):
                    break  # a customer is quicker
                if source != "transport" and self.faults.strikes("jam"):
                    self.truth.move(source, "transport", origin)
                    return self._tell_jam("an item is")
                if full := self._full(target):
                    return full
                self.truth.move(source, target, origin)
                self._reads_move(source, target, 1)
                self._break()
        return None

    def _full(self, target: str) -> devices.CashUnitError | None:
        if self.truth.total(target) >= self.layout.capacity.get(target, math.inf):
            return devices.CashUnitError("full", [target], f"{target} is full")
        return None

    @staticmethod
    def _place(destination: devices.Destination) -> str:
        """Where a destination is in the truth."""
        place = destination.unit or destination.target
        return "output" if place.startswith("out") else place

    def take(self, count: int | None = None) -> dict[str, int]:
        """The customer takes what is at the output, or so many items of it.

        Returns:
            Items taken, by the unit they came from.

        Raises:
            SequenceError: there is nothing to take.
        """
        # A copy, compared below with what is left.
        before = self.truth.at("output")
        if not before:
            raise errors.SequenceError("there is nothing at the output to take")
        self._times_taken += 1
        taken = self.truth.shift("output", "customer", count=count)
        self._reads_move("output", "customer", taken)
        after = self.truth.at("output")
        if not after and not self.faults.active("shutterJammed"):
            self.truth.shutter = "closed"
        self._show()
        if not after:
            more = str(self._bunches())
            self.send(cash_management.ItemsTakenEvent(position="outDefault", additional_bunches=more))
        left = {unit: held - after.get(unit, 0) for unit, held in before.items()}
        return {unit: count for unit, count in left.items() if count}

    def units_with_faults(self) -> tuple[str, ...]:
        return tuple(self.layout.capacity)

    def inject(self, fault: str, unit: str | None = None, count: int = 1) -> None:
        super().inject(fault, unit, count)
        if unit is not None and fault in STATUS_OF_FAULT:
            self.unit_changed(unit, STATUS_OF_FAULT[fault])

    def clear_faults(self) -> None:
        # First: the table forgets which units had a fault.
        units = self.faults.clear()
        self._lost_sight = False
        super().clear_faults()
        for unit in units:
            self.unit_changed(unit, "ok")

    def safe_door_moved(self) -> None:
        """The safe door was opened or closed."""

    def _require_room(self, unit: str, count: int, held: int) -> None:
        if count > (room := self.layout.capacity[unit] - held):
            raise errors.InvalidData(f"$.count: {count} items do not go into {unit}; it has room for {room}")
