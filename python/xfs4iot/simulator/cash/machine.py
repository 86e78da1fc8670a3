"""The mechanism of a simulated cash device: what moves, what the sensors see, what can fail.

It is a state machine over its physical truth (`truth`), which it changes note by note and
which outlives the service. Its movements take time on the ATM's clock (`clock`), and it can
be made to fail at any step (`faults`). The operations composed of its steps are in `simulator.cash.device`,
`simulator.cash_dispenser` and `simulator.cash_acceptor`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import trio

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_management, common
from xfs4iot.simulator.cash.description import CashLayout, CashSettings, Use, describe
from xfs4iot.simulator.cash.faults import FAULTS, STATUS_OF_FAULT
from xfs4iot.simulator.cash.note_reader import NoteReader
from xfs4iot.simulator.cash.truth import CUSTOMER, CashTruth, Notes
from xfs4iot.simulator.clock import Timeline

__all__ = ["CashMachine"]


def _able(device: devices.CashManagement) -> frozenset[Use]:
    """What units are used for in a device that dispenses, accepts, or both."""
    able: set[Use] = {"reject"}
    if isinstance(device, devices.CashDispenser):
        able |= {"cashOut", "cashOutRetract"}
    if isinstance(device, devices.CashAcceptor):
        able |= {"cashIn", "cashInRetract", "replenishment"}
    return frozenset(able)


def _model(device: devices.CashManagement) -> str:
    dispenses, accepts = isinstance(device, devices.CashDispenser), isinstance(device, devices.CashAcceptor)
    return "cash recycler" if dispenses and accepts else "cash acceptor" if accepts else "cash dispenser"


class CashMachine(NoteReader, devices.PowerManagement):
    """The parts of the device; for its arguments see `SimulatedDevice`.

    Attributes:
        layout: its units.
        truth: where every note is.
        positions: what the status says of the outputs, for each interface.
        max_items: how many notes are presented at once.
        stacker_room: how many notes the stacker holds.
    """

    Settings: ClassVar[type[Any]] = CashSettings
    FAULTS: ClassVar = FAULTS
    takes_tokens: ClassVar[bool] = True

    def __init__(self, name: str, options: Mapping[str, Any] | None = None, **world: Any) -> None:
        super().__init__(name, options, **world)
        self.layout = CashLayout(self.configured(CashSettings), _able(self))
        self.truth = CashTruth(
            self.world, name, self.layout.loaded, self.layout.notes, self.layout.bank_notes.keys()
        )
        self.max_items = 40
        self.stacker_room = math.inf
        self.bank_notes = self.layout.bank_notes
        self.positions: list[Any] = []
        self._timeline: Timeline | None = None
        self._times_taken = 0
        self._lost_sight = False
        self._exchange = False
        self.status.cash_management = cash_management.Status(
            dispenser="ok" if isinstance(self, devices.CashDispenser) else None,
            acceptor="ok" if isinstance(self, devices.CashAcceptor) else None,
        )
        describe(self.capabilities, _model(self))
        self.saving_power(0)

    async def open(self) -> None:
        await super().open()
        self._show()

    def _show(self) -> None:
        """Make the status say what is."""
        truth, faults = self.truth, self.faults
        jammed = {"open": "jammedOpen", "closed": "jammedClosed"}[truth.shutter]
        shutter: Any = jammed if faults.active("shutterJammed") else truth.shutter
        for position in self.positions:
            slot = "input" if position.position.startswith("in") else "output"
            position.position_status = self._seen(slot)
            position.transport_status = self._seen("transport")
            position.transport = "inoperative" if truth.total("transport") else "ok"
            position.shutter = shutter
        assert self.status.common is not None
        self.status.common.device_position = (
            "notInPosition" if faults.active("notInPosition") else "inPosition"
        )
        lasting: tuple[common.DeviceEnum, ...] = ("powerOff", "offline", "fraudAttempt")
        self.status.common.device = next(
            (one for one in lasting if faults.active(one)),
            "hardwareError" if truth.total("transport") else "online",
        )

    def _seen(self, place: str) -> Any:
        """What the sensors see of a place."""
        if self._lost_sight or self.faults.active("sensorsUnknown"):
            return "unknown"
        return "notEmpty" if self.truth.total(place) else "empty"

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

    def _unit_failure(self, unit: str) -> devices.CashUnitError | None:
        fault = self.faults.of_units.get(unit)
        if fault == "feedsNothing":
            return devices.CashUnitError("feedModuleProblem", [unit], f"{unit} feeds no items")
        if fault is not None:
            return devices.CashUnitError("error", [unit], f"{unit} is {fault}")
        if not self.truth.total(unit):
            return devices.CashUnitError("empty", [unit], f"{unit} gave no more items")
        return None

    def _note(self, place: str) -> Notes:
        """Read the note that came to a place last."""
        note = self.truth.read(place, self._serial)
        self._keep_read(note, place)
        return note

    def _bunches(self) -> int:
        """In how many bunches the stacker's items are presented."""
        returning = self.truth.returning
        held = self.truth.at("stacker").items()
        # Rounded up.
        return -(-sum(count for origin, count in held if returning or origin != CUSTOMER) // self.at_once)

    @property
    def at_once(self) -> int:
        """How many items are presented at once now."""
        return self.faults.active("smallBunches") or self.max_items

    def _hand_out(self, count: int) -> None:
        """Open the shutter and move so many items into the customer's reach."""
        self.truth.shutter = "open"
        moved = min(count, self.truth.total("stacker"))
        if moved:
            self.truth.move("stacker", "output", count=moved)
            self._reads_move("stacker", "output", moved)

    async def _bring_all(self, sources: tuple[str, ...], target: str) -> errors.XfsError | None:
        """Bring everything from several places inside, the innermost first."""
        if self.faults.strikes("incompleteRetract"):
            for source in sources:
                if source != target and self.truth.total(source):
                    self.truth.move(source, target)
                    return errors.CommandError("incompleteRetract", "the other items stayed where they are")
        for source in sources:
            failure = await self._bring(source, target) if source != target else None
            if failure is not None:
                return failure
        return None

    async def _bring(self, source: str, target: str) -> errors.XfsError | None:
        """Bring everything from a place inside, item by item."""
        total = self.truth.total(source)
        for _ in range(total):
            await self._time(1 / total)
            if self.truth.next(source) is None:
                break  # a customer is quicker
            if source != "transport" and self.faults.strikes("jam"):
                self.truth.move(source, "transport")
                return self._tell_jam("an item is")
            if full := self._full(target):
                return full
            self.truth.move(source, target)
            self._reads_move(source, target, 1)
            self._break()
        return None

    def _full(self, target: str) -> errors.CommandError | None:
        if target == "stacker" and self.truth.total(target) >= self.stacker_room:
            return errors.CommandError("incompleteRetract", "the stacker is full")
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
        slot = self.truth.total("input")
        if not (after or slot or self.faults.active("shutterJammed")):
            self.truth.shutter = "closed"
        self._show()
        if not after:
            more = str(self._bunches())
            self.send(cash_management.ItemsTakenEvent(position="outDefault", additional_bunches=more))
        left = {unit: held - after.get(unit, 0) for unit, held in before.items()}
        return {unit: count for unit, count in left.items() if count}

    def units_with_faults(self) -> tuple[str, ...]:
        return tuple(self.layout.capacity)

    def inject(self, fault: str, unit: str | None = None, count: int | None = None) -> None:
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
