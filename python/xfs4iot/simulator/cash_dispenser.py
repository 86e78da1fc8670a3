"""A simulated cash dispenser: four units of notes, a reject and retract unit, stacker, shutter.

It is a state machine over its physical truth (`truth`), which it changes item by item, and
which outlives the service. It can be told to fail: see `FAULTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_dispenser, cash_management, common
from xfs4iot.simulator.truth import CashTruth

__all__ = ["FAULTS", "SimulatedCashDispenser"]

FAULTS = {
    "jam": "the next item that moves to or from the stacker is stuck on the transport",
    "shutterJammed": "the shutter does not move",
    "rejects": "the next `count` items picked are bad and go to the reject unit",
    "inoperative": "`unit` does not work",
    "missing": "`unit` is pulled out",
    "doesNotAnswer": "the next movement never comes to an end",
    "breaks": "the device class fails with an exception in the middle of the next movement",
    "itemsTaken": "the customer takes the items when the next retract begins",
    "incompleteRetract": "the next retract leaves items at the output",
}
"""What can be injected."""

_VALUES = {"unit1": 10, "unit2": 20, "unit3": 50, "unit4": 100}
_LOADED = {"unit1": 500, "unit2": 500, "unit3": 500, "unit4": 200}
_REJECT = "unit5"
_CAPACITY = {**dict.fromkeys(_VALUES, 2000), _REJECT: 300}


class SimulatedCashDispenser(devices.CashDispenser):
    """The device.

    Args:
        name: of the service.
        options: `state` and `seconds`, from a configuration file.
        state: directory where its physical truth is kept; None keeps it in memory.
        seconds: how long a movement takes.
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        state: Path | None = None,
        seconds: float = 0.2,
    ) -> None:
        super().__init__(name, options)
        self.seconds = float(self.options.get("seconds", seconds))
        if "state" in self.options:
            state = Path(self.options["state"])
        self.truth = CashTruth(state / f"{name}.truth.json" if state is not None else None, dict(_LOADED))
        self.faults: dict[str, int] = {}
        self.unit_faults: dict[str, devices.UnitStatus] = {}
        self.classification: list[cash_management.ClassificationElement] = []
        self.bank_notes = {
            f"typeEUR{value}": cash_management.BankNote(
                cash_item=cash_management.CashItem(
                    note_id=number, currency="EUR", value=Decimal(value), release=1
                ),
                enabled=True,
            )
            for number, value in enumerate(_VALUES.values(), 1)
        }
        self._describe()

    def _describe(self) -> None:
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
        offered = self.capabilities
        offered.common = common.CapabilityProperties(
            service_version="1.0",
            device_information=[
                common.DeviceInformation(
                    model_name="Simulated cash dispenser", serial_number="SIM-1", revision_number="1"
                )
            ],
            power_save_control=False,
            anti_fraud_module=False,
        )
        offered.cash_management = cash_management.Capabilities(
            cash_box=False,
            exchange_type=cash_management.CapabilitiesExchangeType(by_hand=True),
            classification_list=True,
        )
        offered.cash_dispenser = cash_dispenser.Capabilities(
            type="selfServiceBill",
            max_dispense_items=40,
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

    async def open(self) -> None:
        self._show()
        assert self.status.common is not None
        self.status.common.device_position = "inPosition"
        await super().open()

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        units = {
            name: devices.CashUnit(
                index=number,
                capacity=_CAPACITY[name],
                types=frozenset({"cashOut"}),
                cash_items=(f"typeEUR{value}",),
                currency="EUR",
                value=Decimal(value),
                id=f"C{number}",
                position_name=f"slot {number}",
                serial_number=f"SIM-{name}",
                status=self.unit_faults.get(name, "ok"),
                low_threshold=50,
                initial=self.truth.total(name),
            )
            for number, (name, value) in enumerate(_VALUES.items(), 1)
        }
        units[_REJECT] = devices.CashUnit(
            index=len(units) + 1,
            capacity=_CAPACITY[_REJECT],
            types=frozenset({"reject", "cashOutRetract"}),
            items=frozenset({"fit", "unfit", "unrecognized", "suspect"}),
            cash_items=tuple(self.bank_notes),
            id="REJ",
            position_name="reject slot",
            serial_number=f"SIM-{_REJECT}",
            status=self.unit_faults.get(_REJECT, "ok"),
            high_threshold=250,
            retract_areas=1,
            retract_thresholds=True,
        )
        return units

    def _show(self) -> None:
        """Make the status say what is."""
        position, truth = self.position, self.truth
        items_at_output = truth.total("output")
        position.position_status = "notEmpty" if items_at_output else "empty"
        position.transport_status = "notEmpty" if truth.total("transport") else "empty"
        position.transport = "inoperative" if truth.total("transport") else "ok"
        jammed = "shutterJammed" in self.faults
        position.shutter = {("open", True): "jammedOpen", ("closed", True): "jammedClosed"}.get(
            (truth.shutter, jammed), truth.shutter
        )  # type: ignore[assignment]
        self.cash_status.intermediate_stacker = "notEmpty" if truth.total("stacker") else "empty"
        if self.status.common is not None and self.status.common.device in ("online", "hardwareError"):
            self.status.common.device = "hardwareError" if truth.total("transport") else "online"

    async def _time(self, part: float = 1.0) -> None:
        """Let a part of a movement's time pass, and fail where that was injected."""
        if self.faults.pop("doesNotAnswer", 0):
            await trio.sleep_forever()
        if self.seconds:
            await trio.sleep(self.seconds * part)
        else:
            await trio.lowlevel.checkpoint()

    def _break(self) -> None:
        if self.faults.pop("breaks", 0):
            self._show()
            raise RuntimeError("the simulated device class fails, as injected")

    def _require_way(self) -> None:
        if self.truth.door == "open":
            raise errors.CommandError("safeDoorOpen", "the safe door is open")
        if self.truth.total("transport"):
            raise errors.HardwareError("items are stuck on the transport; reset the device")

    async def recall(self, operation: int) -> devices.CashMovement | None:
        if operation == self.truth.operation:
            return devices.CashMovement(moved=self.truth.moved)
        return devices.CashMovement() if operation > self.truth.operation else None

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents
    ) -> devices.Dispensed:
        self._require_way()
        self.truth.begin(events.operation)
        events.send(cash_dispenser.StartDispenseEvent())
        failure: errors.XfsError | None = None
        total = sum(request.counts.values())
        for unit, count in request.counts.items():
            for _ in range(count):
                failure = await self._pick(unit, 1 / total, events)
                if failure is not None:
                    break
            if failure is not None:
                break
        self._show()
        return devices.Dispensed(moved=self.truth.moved, failure=failure, bunches=1)

    async def _pick(self, unit: str, part: float, events: devices.CashEvents) -> errors.XfsError | None:
        """Take one good item from a unit to the stacker."""
        while True:
            if events.cancel_requested:
                return errors.Canceled("the dispense was cancelled; see CashDispenser.Reject")
            if self.unit_faults.get(unit):
                return devices.CashUnitError("error", [unit], f"{unit} is {self.unit_faults[unit]}")
            if not self.truth.total(unit):
                return devices.CashUnitError("empty", [unit], f"{unit} gave no more items")
            await self._time(part)
            if self.faults.pop("jam", 0):
                self.truth.move(unit, "transport", unit)
                return errors.HardwareError(f"an item of {unit} is stuck on the transport; reset the device")
            if self.faults.get("rejects", 0) > 0:
                self.faults["rejects"] -= 1
                self.truth.move(unit, _REJECT, unit)
                continue
            self.truth.move(unit, "stacker", unit)
            self._break()
            return None

    async def present(self, position: str, events: devices.CashEvents) -> devices.Presented:
        if "shutterJammed" in self.faults:
            raise errors.CommandError("shutterNotOpen", "the shutter does not open")
        if not self.truth.total("stacker"):
            raise errors.CommandError("noItems", "there is nothing on the stacker")
        self.truth.begin(events.operation)
        await self._time()
        if self.faults.pop("jam", 0):
            self.truth.move_all("stacker", "transport")
            self._show()
            return devices.Presented(
                moved=self.truth.moved,
                presented=False,
                failure=errors.CommandError("presentErrorItems", "the items are stuck on the transport"),
            )
        self.truth.shutter = "open"
        self.truth.move_all("stacker", "output")
        self._break()
        self._show()
        self.send(cash_management.ItemsPresentedEvent(position="outDefault", additional_bunches="0"))
        return devices.Presented(moved=self.truth.moved)

    def take(self) -> dict[str, int]:
        """The customer takes what is at the output."""
        taken = self.truth.at("output")
        if not taken:
            raise errors.SequenceError("there is nothing at the output to take")
        self.truth.shift("output", "customer")
        if "shutterJammed" not in self.faults:
            self.truth.shutter = "closed"
        self._show()
        self.send(cash_management.ItemsTakenEvent(position="outDefault", additional_bunches="0"))
        return taken

    async def reject(self, unit: str, events: devices.CashEvents) -> devices.CashMovement:
        if not self.truth.total("stacker"):
            raise errors.CommandError("noItems", "there is nothing on the stacker")
        self.truth.begin(events.operation)
        failure = await self._bring("stacker", unit)
        self._show()
        return devices.CashMovement(moved=self.truth.moved, failure=failure)

    async def _bring(self, source: str, target: str, accessible: bool = False) -> errors.XfsError | None:
        """Bring everything from a place inside, item by item."""
        items = self.truth.at(source)
        total = sum(items.values())
        for origin, count in items.items():
            for _ in range(count):
                await self._time(1 / total)
                if source != "transport" and self.faults.pop("jam", 0):
                    self.truth.move(source, "transport", origin, accessible=accessible)
                    return errors.HardwareError("an item is stuck on the transport; reset the device")
                if self.truth.total(target) >= _CAPACITY.get(target, total):
                    return devices.CashUnitError("full", [target], f"{target} is full")
                self.truth.move(source, target, origin, accessible=accessible)
                self._break()
        return None

    async def retract(self, request: devices.RetractRequest, events: devices.CashEvents) -> devices.Retracted:
        if self.truth.total("transport"):
            raise errors.HardwareError("items are stuck on the transport; reset the device")
        if self.faults.pop("itemsTaken", 0):
            self.take()
            raise errors.CommandError("itemsTaken", "the items were taken before they could be retracted")
        if "shutterJammed" in self.faults and self.truth.shutter == "open":
            raise errors.CommandError("shutterNotClosed", "the shutter does not close")
        self.truth.begin(events.operation)
        target = request.destination.unit or request.destination.target
        if self.faults.pop("incompleteRetract", 0):
            failure: errors.XfsError | None = errors.CommandError(
                "incompleteRetract", "items are left at the output"
            )
            origin = next(iter(self.truth.at("output")), None)
            if origin is not None:
                self.truth.move("output", target, origin)
        else:
            failure = await self._bring("stacker", target) if target != "stacker" else None
            failure = failure or await self._bring("output", target)
            if failure is None:
                self.truth.shutter = "closed"
        self._show()
        return devices.Retracted(moved=self.truth.moved, failure=failure)

    async def reset(self, destination: devices.Destination, events: devices.CashEvents) -> devices.Retracted:
        self.truth.begin(events.operation)
        await self._time()
        target = destination.unit or destination.target
        failure = None
        for place in ("transport", "stacker", "output"):
            failure = failure or await self._bring(place, "output" if target.startswith("out") else target)
        if "shutterJammed" not in self.faults:
            presented = target.startswith("out") and self.truth.total("output")
            self.truth.shutter = "open" if presented else "closed"
        for unit in [unit for unit, status in self.unit_faults.items() if status == "inoperative"]:
            del self.unit_faults[unit]
            self.unit_changed(unit, "ok")
        self._show()
        return devices.Retracted(moved=self.truth.moved, failure=failure)

    async def open_shutter(self, position: str) -> None:
        await self._shutter("open", "shutterNotOpen")

    async def close_shutter(self, position: str) -> None:
        await self._shutter("closed", "shutterNotClosed")

    async def _shutter(self, state: str, error_code: str) -> None:
        await self._time()
        if "shutterJammed" in self.faults:
            raise errors.CommandError(error_code, "the shutter is jammed")
        self.truth.shutter = state
        self._show()

    async def prepare_dispense(self, action: Any) -> None:
        await self._time()

    async def count(
        self, units: tuple[str, ...], position: str, events: devices.CashEvents
    ) -> devices.Counted:
        self._require_way()
        self.truth.begin(events.operation)
        counted: dict[str, int] = {}
        for unit in units:
            await self._time()
            counted[unit] = self.truth.move_all(unit, "output")
        if any(counted.values()):
            self.truth.shutter = "open"
        self._show()
        return devices.Counted(
            moved=self.truth.moved, dispensed=counted, counted=counted, emptied=frozenset(units)
        )

    async def test_cash_units(
        self, units: tuple[str, ...], destination: devices.Destination, events: devices.CashEvents
    ) -> devices.Tested:
        self._require_way()
        self.truth.begin(events.operation)
        target = destination.unit or destination.target
        target = "output" if target.startswith("out") else target
        failed: dict[str, devices.UnitFailure] = {}
        for unit in units:
            await self._time(1 / len(units))
            if not self.truth.at(unit).get(unit):
                failed[unit] = "empty"
            else:
                self.truth.move(unit, target, unit)
        self._show()
        return devices.Tested(moved=self.truth.moved, failed=failed)

    async def calibrate_cash_unit(
        self, unit: str, count: int, destination: devices.Destination, events: devices.CashEvents
    ) -> devices.CashMovement:
        self._require_way()
        self.truth.begin(events.operation)
        target = destination.unit or destination.target
        target = "output" if target.startswith("out") else target
        failure: errors.XfsError | None = None
        for _ in range(count):
            await self._time(1 / count)
            if not self.truth.at(unit).get(unit):
                failure = devices.CashUnitError("empty", [unit], f"{unit} gave no more items")
                break
            self.truth.move(unit, target, unit)
        self._show()
        return devices.CashMovement(moved=self.truth.moved, failure=failure)

    async def set_classification_list(
        self, version: str | None, elements: list[cash_management.ClassificationElement]
    ) -> None:
        self.classification = elements

    def inject(self, fault: str, unit: str | None = None, count: int = 1) -> None:
        """Make something fail; see `FAULTS`."""
        if fault in ("inoperative", "missing"):
            if unit is None or unit not in _CAPACITY:
                raise errors.InvalidData(f"$.unit: name a unit ({', '.join(_CAPACITY)})")
            self.unit_faults[unit] = fault  # type: ignore[assignment]
            self.unit_changed(unit, fault)  # type: ignore[arg-type]
        elif fault in FAULTS:
            self.faults[fault] = count
        else:
            raise errors.InvalidData(f"$.fault: {fault!r} is none of {', '.join(FAULTS)}")
        self._show()

    def clear_faults(self) -> None:
        """Make everything work again; what is stuck stays stuck."""
        self.faults.clear()
        for unit in list(self.unit_faults):
            del self.unit_faults[unit]
            self.unit_changed(unit, "ok")
        self._show()

    def require_unit(self, unit: str | None) -> str:
        """The unit, if it is one."""
        if unit is None or unit not in _CAPACITY:
            raise errors.InvalidData(f"$.unit: name a unit ({', '.join(_CAPACITY)})")
        return unit
