"""A simulated cabinet and safe: doors and sensors that hands and the world move, and a UPS with a battery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import AutoStartup, AuxiliaryValue
from xfs4iot.protocol import errors, exact
from xfs4iot.protocol.messages import auxiliaries as messages
from xfs4iot.simulator.commands import Completion, Count, Request, command
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

__all__ = ["SimulatedAuxiliaries"]

_DOOR: frozenset[Any] = frozenset({"closed", "open", "locked", "bolted", "tampered"})
_NAMES = {
    wire: name
    for name, wire in zip(
        messages.Status.__struct_fields__, messages.Status.__struct_encode_fields__, strict=True
    )
}
_LOW = 0.2
"""The part of the battery's charge below which it is low."""


@dataclass(frozen=True, kw_only=True)
class AuxiliariesSettings:
    """What a profile may say.

    Attributes:
        battery_seconds: how long a full battery carries the machine.
        charge_seconds: how long an empty one takes to be full.
    """

    battery_seconds: Count = 300
    charge_seconds: Count = 600


class SetAuxiliary(Request):
    """Something that a hand or the world changes.

    Attributes:
        name: as in the status, such as `safeDoor`.
        value: as in the status.
    """

    name: str | None = None
    value: str | int | None = None


class ForceDoor(Request):
    """A door is forced open: `name` as in the status."""

    name: str | None = None


class SwitchMains(Request):
    """The mains fail, or come back."""

    on: bool = False


class AuxiliariesTruth(Completion):
    """What nobody tells.

    Attributes:
        mains: whether there is power.
        charge: of the battery, in percent.
        startup: when the machine switches itself on.
    """

    mains: bool
    charge: int
    startup: str | None = None


class SimulatedAuxiliaries(SimulatedDevice, devices.Auxiliaries):
    """Everything around the devices of a simulated ATM."""

    Settings: ClassVar = AuxiliariesSettings
    FAULTS: ClassVar = {
        "setFails": Fault("once", "the next thing that is set stays as it is; what stands before it is done"),
        "boltBlocked": Fault("lasts", "no door can be bolted or unbolted"),
        "sensorsDead": Fault("lasts", "nothing that happens is noticed"),
        "cabinetOffline": Fault("lasts", "the cabinet's controller does not answer"),
    }

    operator_switch = frozenset({"run", "maintenance", "supervisor"})
    tamper_sensor = internal_tamper_sensor = seismic_sensor = heat_sensor = True
    proximity_sensor = ambient_light_sensor = boot_switch_sensor = consumer_display_sensor = True
    operator_call_button_sensor = fascia_microphone_sensor = True
    enhanced_audio_sensor = frozenset({"manual", "auto", "semiAuto"})
    handset_sensor = frozenset({"manual", "auto", "semiAuto", "microphone"})
    headset_microphone_sensor = frozenset({"manual", "auto", "semiAuto"})
    safe_door = front_cabinet = rear_cabinet = _DOOR
    left_cabinet = right_cabinet = _DOOR - {"bolted"}
    vandal_shield = frozenset({"closed", "open", "locked", "service", "keyboard", "tampered"})
    open_close_indicator = audio = heating = consumer_display_backlight = True
    signage_display = audible_alarm = True
    volume = microphone_volume = 50
    ups = frozenset({"low", "engaged", "powering", "recovered"})
    enhanced_audio_control = enhanced_microphone_control = frozenset({"headsetDetection", "modeControllable"})
    auto_startup_mode = frozenset({"specific", "daily", "weekly"})

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        settings = self.configured(AuxiliariesSettings)
        self._drain = 1 / max(settings.battery_seconds, 1)
        self._fill = 1 / max(settings.charge_seconds, 1)
        self._mains = True
        self._charge = 1.0
        self._since: float | None = None
        self._startup: AutoStartup | None = None
        self._changed = trio.Event()

    def _require_there(self) -> None:
        if self.faults.active("cabinetOffline"):
            raise errors.DeviceNotReady("the cabinet's controller does not answer; see Simulator.ClearFaults")

    async def set_auxiliaries(self, wanted: Mapping[str, AuxiliaryValue]) -> None:
        self._require_there()
        await self.clock.until(self.clock.now + self.seconds)
        for name, value in wanted.items():
            if self.faults.strikes("setFails"):
                raise errors.HardwareError(f"{name} stays as it is; what stood after it was not done")
            if value in ("bolt", "unbolt") and self.faults.active("boltBlocked"):
                raise errors.HardwareError(f"the bolt of {name} is blocked")
            if name == "ups" and value == "engage":
                self._changed.set()

    async def set_auto_startup_time(self, time: AutoStartup | None) -> None:
        self._require_there()
        self._startup = time

    async def run(self) -> None:
        """Drain and charge the battery, and show what the UPS does."""
        while True:
            self._pass_time()
            self._show_ups()
            self._changed = trio.Event()
            left = self._seconds_to_next()
            with trio.move_on_after(float("inf")) as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._either, scope)
                    if left is not None:
                        await self.clock.until(self.clock.now + left)
                        scope.cancel()

    async def _either(self, scope: trio.CancelScope) -> None:
        await self._changed.wait()
        scope.cancel()

    def _pass_time(self) -> None:
        now = self.clock.now
        passed, self._since = now - (now if self._since is None else self._since), now
        if self._mains:
            self._charge = min(1.0, self._charge + passed * self._fill)
        elif self.status.auxiliaries.ups is not None and self.status.auxiliaries.ups.engaged:
            self._charge = max(0.0, self._charge - passed * self._drain)

    def _seconds_to_next(self) -> float | None:
        """Until the battery is low, empty or full; None if it stays as it is."""
        ups = self.status.auxiliaries.ups
        if self._mains:
            goal = _LOW if self._charge < _LOW else 1.0
            # A little more than needed, lest rounding leave the charge just short of the goal.
            return None if self._charge >= 1.0 else (goal - self._charge) / self._fill + 1e-6
        if ups is None or not ups.engaged or self._charge <= 0:
            return None
        goal = _LOW if self._charge > _LOW else 0.0
        return (self._charge - goal) / self._drain + 1e-6

    def _show_ups(self) -> None:
        ups = self.status.auxiliaries.ups
        if ups is None or self.faults.active("sensorsDead"):
            return
        powering = bool(ups.engaged) and not self._mains and self._charge > 0
        # Empty: the machine went down, and has come back when the mains do.
        died = not self._mains and self._charge <= 0
        wanted = messages.UPSState(
            low=self._charge < _LOW,
            engaged=bool(ups.engaged) and not died,
            powering=powering,
            recovered=bool(ups.recovered) or (died and bool(ups.engaged)),
        )
        if wanted != ups:
            self.status.auxiliaries.ups = wanted

    @command
    def set_auxiliary(self, request: SetAuxiliary) -> None:
        """A hand, or the world, changes something."""
        name = _NAMES.get(request.name or "")
        if name is None or getattr(self.status.auxiliaries, name) is None or name in ("ups", "audio"):
            there = [
                wire for wire, one in _NAMES.items() if getattr(self.status.auxiliaries, one) is not None
            ]
            raise errors.InvalidData(f"$.name: name one of {', '.join(there)}")
        if self.faults.active("sensorsDead"):
            return
        try:
            setattr(self.status.auxiliaries, name, request.value)
        except (exact.Mismatch, ValueError) as wrong:
            raise errors.InvalidData(f"$.value: {wrong}") from None

    @command
    def force_door(self, request: ForceDoor) -> None:
        """Somebody forces a door: it is tampered, and the alarm sensors say so."""
        name = _NAMES.get(request.name or "")
        if name is None or not name.endswith("door") or getattr(self.status.auxiliaries, name) is None:
            raise errors.InvalidData("$.name: name a door, such as safeDoor")
        if not self.faults.active("sensorsDead"):
            setattr(self.status.auxiliaries, name, "tampered")
            self.status.auxiliaries.tamper_sensor = "on"
            self.status.auxiliaries.seismic_sensor = "on"

    @command
    def switch_mains(self, request: SwitchMains) -> None:
        """The mains fail, or come back."""
        self._pass_time()
        # The time so far has been accounted for with the mains as they were.
        self._mains = request.on
        self._show_ups()
        self._changed.set()

    def shown_truth(self) -> AuxiliariesTruth:
        self._pass_time()
        return AuxiliariesTruth(
            mains=self._mains,
            charge=round(self._charge * 100),
            startup=None if self._startup is None else msgspec.json.encode(self._startup).decode(),
        )
