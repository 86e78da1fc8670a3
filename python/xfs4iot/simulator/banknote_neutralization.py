"""A simulated system that stains notes: cassettes with ink, sensors of the safe, and people who attack it.

    disarmed ──arm──▶ armed ──attack──▶ neutralizationTriggered ──disarm──▶ disarmed

Together with a cash device every cassette of that has ink; alone it has cassettes of its own. Armed with the
door open it waits (`armPending`). A sensor that passes its critical level, a door that opens while it is
bolted, a lid that opens: each is an attack if the system is armed, unless the safe's sensors are ignored;
a cassette's lid counts always. The state outlives the service, as ink does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import BanknoteNeutralizationUnit, CashUnit, Protection
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import banknote_neutralization as messages
from xfs4iot.protocol.messages import power_management
from xfs4iot.simulator.cash.machine import CashMachine
from xfs4iot.simulator.commands import Completion, Request, command
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

__all__ = ["SimulatedBanknoteNeutralization"]

_AT_REST: Mapping[str, Any] = {
    "safeDoor": "doorClosed",
    "safeBolt": "boltLocked",
    "tilt": "notTilted",
    "light": "notDetected",
    "gas": "notDetected",
    "temperature": "ok",
    "seismic": "notDetected",
}
_ATTACKS = frozenset(
    {("tilt", "tilted"), ("light", "detected"), ("gas", "criticalLevel"), ("seismic", "criticalLevel")}
)
_WARNINGS = {
    "gas_warning_level": ("gas", "warningLevel"),
    "seismic_activity_warning_level": ("seismic", "warningLevel"),
}
_ERRORS = {
    "gas_critical_level": ("gas", "criticalLevel"),
    "light": ("light", "detected"),
    "tilted": ("tilt", "tilted"),
    "seismic_activity_critical_level": ("seismic", "criticalLevel"),
}
_NOT_READY = ("fault", "initializing")


@dataclass(frozen=True, kw_only=True)
class BanknoteNeutralizationSettings:
    """What a profile may say.

    Attributes:
        cassettes: how many it has, if it is not part of a cash device.
    """

    cassettes: Annotated[int, Meta(ge=0)] = 4


class SetSafeSensor(Request):
    """A sensor of the safe, or a custom input, and what it senses from now on.

    Attributes:
        sensor: `safeDoor`, `safeBolt`, `tilt`, `light`, `gas`, `temperature`, `seismic`, or an input's name.
        value: as in the status; for an input `ok`, `triggered`, `disabled` or `fault`.
    """

    sensor: str | None = None
    value: str | None = None


class Cassette(Request):
    """A cassette: the name of its unit."""

    unit: str | None = None


class NeutralizationTruth(Completion):
    """What is so, whatever is told: the mode, and the cassettes whose notes are stained."""

    mode: str
    stained: list[str]


class _State(msgspec.Struct):
    """What outlives the service."""

    mode: str = "disarmed"
    pending: bool = False
    ignoring: bool = False
    stained: list[str] = []
    opened: list[str] = []
    sensors: dict[str, str] = {}
    inputs: dict[str, str] = {}


class SimulatedBanknoteNeutralization(SimulatedDevice, devices.BanknoteNeutralization, devices.Storage):
    """The system; alone or, by a class made of both, as part of a simulated cash device."""

    gas_sensor = light_sensor = safe_seismic_sensor = safe_intrusion_detection = True
    external_dry_contact_status_box = real_time_clock = True
    inputs: Mapping[str, bool] = {"maintenance": True, "triggerNeutralization": True, "disableGas": False}

    Settings: ClassVar = BanknoteNeutralizationSettings
    takes_tokens: ClassVar[bool] = True
    surrounds: ClassVar[bool] = True
    FAULTS: ClassVar = {
        "sensorNotReady": Fault("lasts", "a sensor of the safe is not ready, so the system cannot be armed"),
        "protectionStuck": Fault("lasts", "the controller does not arm or disarm"),
        "neutralizationFails": Fault("once", "the next trigger stains the first cassette only"),
        "cassettePowerLow": Fault("lasts", "the batteries of the cassettes are low"),
        "neutralizationOffline": Fault("lasts", "the controller does not answer"),
    }

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self._ink = self.world.document(f"{name}.neutralization", _State())
        self._cassettes: dict[str, BanknoteNeutralizationUnit] = {}

    async def open(self) -> None:
        await super().open()
        self._show_protection()

    async def units(self) -> dict[str, devices.StorageUnit | tuple[devices.StorageUnit, ...]]:
        self._cassettes = {}
        if not isinstance(self, devices.CashManagement):
            count = self.configured(BanknoteNeutralizationSettings).cassettes
            for number in range(1, count + 1):
                unit = f"unit{number}"
                self._cassettes[unit] = self._cassette(unit, serial_number=f"IBNS-{number}")
            return dict(self._cassettes)
        found: dict[str, Any] = {}
        for unit, part in (await self.cash_units() or {}).items():
            assert isinstance(part, CashUnit)
            self._cassettes[unit] = self._cassette(
                unit,
                capacity=part.capacity,
                id=part.id,
                position_name=part.position_name,
                serial_number=part.serial_number,
                status=part.status,
            )
            found[unit] = (part, self._cassettes[unit])
        return found

    def _cassette(self, unit: str, **common: Any) -> BanknoteNeutralizationUnit:
        """A cassette as it is now."""
        ink = self._ink.state
        low = bool(self.faults.active("cassettePowerLow"))
        opened = unit in ink.opened
        protection: Any = (
            "neutralizationTriggered"
            if unit in ink.stained
            else "armed"
            if ink.mode == "armed" and not ink.pending
            else "disarmed"
        )
        return BanknoteNeutralizationUnit(
            **common,
            identifier=f"IBNS{unit}",
            protection=protection,
            warning="alarm" if opened and protection == "neutralizationTriggered" else None,
            power_supply=power_management.PowerInfo(
                power_in_status="powering", battery_status="low" if low else "full"
            ),
            tilt="notTilted",
            temperature="ok",
            lid="opened" if opened else "closed",
            neutralization_trigger="disabled" if unit in ink.stained else "ready",
            storage_unit_identifier=None,
        )

    def _sensed(self, sensor: str) -> str:
        return self._ink.state.sensors.get(sensor, str(_AT_REST[sensor]))

    def _show_protection(self) -> None:
        """Make status and units say what is."""
        ink, status, faults = self._ink.state, self.status.banknote_neutralization, self.faults
        wrong = bool(faults.active("neutralizationOffline"))
        mode: Any = "fault" if wrong else "disarmed" if ink.pending else ink.mode
        submode: Any = None
        if not wrong and ink.mode == "armed":
            submode = "armPending" if ink.pending else "allSafeSensorsIgnored" if ink.ignoring else None
        status.state = messages.State(mode=mode, submode=submode)
        for sensor in _AT_REST:
            attribute = {"safeDoor": "safe_door", "safeBolt": "safe_bolt"}.get(sensor, sensor)
            setattr(status, attribute, "fault" if wrong else self._sensed(sensor))
        if faults.active("sensorNotReady") and not wrong:
            status.gas = "initializing"
        status.custom_inputs = {
            name: messages.StatusCustomInputs(
                input_state=ink.inputs.get(name, "ok") if active else "disabled"  # type: ignore[arg-type]
            )
            for name, active in self.inputs.items()
        }
        low = bool(faults.active("cassettePowerLow"))
        sensed = {(sensor, self._sensed(sensor)) for sensor in _AT_REST}
        status.power_supply = power_management.Status(
            info=power_management.PowerInfo(power_in_status="powering", battery_status="full")
        )
        status.warnings = messages.Warnings(
            storage_unit_low_power_supply=low, **{name: one in sensed for name, one in _WARNINGS.items()}
        )
        status.errors = messages.Errors(**{name: one in sensed for name, one in _ERRORS.items()})
        for unit, told in self._cassettes.items():
            now = self._cassette(
                unit,
                capacity=told.capacity,
                id=told.id,
                position_name=told.position_name,
                serial_number=told.serial_number,
                status=told.status,
            )
            if now != told:
                self._cassettes[unit] = now
                self.neutralization_changed(unit, now)

    def unit_changed(self, unit: str, status: devices.UnitStatus) -> None:
        if unit in self._cassettes:
            self._cassettes[unit] = replace(self._cassettes[unit], status=status)
        super().unit_changed(unit, status)

    async def set_protection(self, new_state: Protection) -> None:
        self._require_controller()
        await self.clock.until(self.clock.now + self.seconds)
        if self.faults.active("protectionStuck"):
            status = self.status.banknote_neutralization
            assert status.errors is not None
            if new_state == "disarm":
                status.errors.protection_disarming_failure = True
            else:
                status.errors.protection_enabling_failure = True
            raise errors.HardwareError("the system does not change its state; look at its controller")
        ink = self._ink.state
        if new_state == "arm" and (
            self.faults.active("sensorNotReady") or any(self._sensed(one) in _NOT_READY for one in _AT_REST)
        ):
            raise errors.CommandError(
                "sensorNotReady", "a sensor of the safe is not ready; see Common.Status"
            )
        ink.ignoring = new_state == "ignoreAllSafeSensors"
        ink.mode = "disarmed" if new_state == "disarm" else "armed"
        ink.pending = new_state == "arm" and self._sensed("safeDoor") == "doorOpened"
        self._ink.save()
        self._show_protection()

    async def trigger_neutralization(self) -> None:
        self._require_controller()
        await self.clock.until(self.clock.now + self.seconds)
        if self.faults.strikes("neutralizationFails"):
            self._stain(list(self._cassettes)[:1])
            raise errors.HardwareError("only the first cassette has stained its notes; try again")
        self._stain(self._cassettes)

    async def start_exchange(self) -> None:
        if self._ink.state.mode == "armed" and not self._ink.state.pending:
            raise devices.StorageUnitError(
                "locked", self._cassettes, "the cassettes are armed; see BanknoteNeutralization.SetProtection"
            )
        # A cash device moves its units, too.
        if isinstance(self, devices.CashManagement):
            await super().start_exchange()

    async def end_exchange(self) -> None:
        if isinstance(self, devices.CashManagement):
            await super().end_exchange()
        # Stained and opened cassettes were taken away, others are in their place.
        self._ink.state.stained, self._ink.state.opened = [], []
        self._ink.save()
        self._show_protection()

    def _require_controller(self) -> None:
        if self.faults.active("neutralizationOffline"):
            raise errors.DeviceNotReady("the controller does not answer; see Simulator.ClearFaults")

    def _stain(self, units: Collection[str]) -> None:
        ink = self._ink.state
        ink.stained = [*dict.fromkeys([*ink.stained, *units])]
        ink.mode, ink.pending = "neutralizationTriggered", False
        self._spill(units)
        self._ink.save()
        self._show_protection()

    def _spill(self, units: Iterable[str]) -> None:
        """The ink gets on what is in the cassettes, if this is their device."""
        if isinstance(self, CashMachine):
            for unit in units:
                self.truth.stain(unit)

    def safe_door_moved(self) -> None:
        """The door of the safe that both have was opened or closed."""
        door = getattr(getattr(self, "truth", None), "door", None)
        self._sense("safeDoor", "doorOpened" if door == "open" else "doorClosed")

    def _sense(self, sensor: str, value: str) -> None:
        ink = self._ink.state
        ink.sensors = {**ink.sensors, sensor: value}
        forced = (sensor, value) == ("safeDoor", "doorOpened") and self._sensed("safeBolt") == "boltLocked"
        if (
            (forced or (sensor, value) in _ATTACKS)
            and ink.mode == "armed"
            and not (ink.pending or ink.ignoring)
        ):
            self._stain(self._cassettes)
            return
        if (sensor, value) == ("safeDoor", "doorClosed"):
            ink.pending = False
        self._ink.save()
        self._show_protection()

    @command
    def set_safe_sensor(self, request: SetSafeSensor) -> None:
        """The world changes what a sensor of the safe senses, or somebody uses a custom input."""
        sensor, value = request.sensor or "", request.value or ""
        attribute = {"safeDoor": "safe_door", "safeBolt": "safe_bolt"}.get(sensor, sensor)
        try:
            if sensor in _AT_REST:
                msgspec.convert({sensor: value}, messages.Status)
            elif self.inputs.get(sensor):
                msgspec.convert({"inputState": value}, messages.StatusCustomInputs)
            else:
                raise errors.InvalidData(f"$.sensor: one of {', '.join([*_AT_REST, *self.inputs])} in use")
        except msgspec.ValidationError as wrong:
            raise errors.InvalidData(f"$.value: {attribute} cannot be {value!r}: {wrong}") from None
        if sensor in _AT_REST:
            self._sense(sensor, value)
            return
        self._ink.state.inputs = {**self._ink.state.inputs, sensor: value}
        if (sensor, value) == ("triggerNeutralization", "triggered"):
            self._stain(self._cassettes)
            return
        self._ink.save()
        self._show_protection()

    @command
    def open_cassette(self, request: Cassette) -> None:
        """Somebody opens the lid of a cassette; if it is armed, it stains its notes."""
        unit = request.unit
        if unit not in self._cassettes:
            raise errors.InvalidData(f"$.unit: name a unit ({', '.join(self._cassettes)})")
        ink = self._ink.state
        ink.opened = [*ink.opened, unit]
        if ink.mode == "armed" and not ink.pending:
            ink.stained = [*ink.stained, unit]
            self._spill([unit])
        self._ink.save()
        self._show_protection()

    def inject(self, fault: str, unit: str | None = None, count: int | None = None) -> None:
        super().inject(fault, unit, count)
        self._show_protection()

    def clear_faults(self) -> None:
        super().clear_faults()
        self._show_protection()

    def shown_truth(self) -> msgspec.Struct | None:
        if isinstance(self, devices.CashManagement):
            return super().shown_truth()
        return NeutralizationTruth(mode=self._ink.state.mode, stained=self._ink.state.stained)
