"""Auxiliaries: what a vendor writes for the doors, sensors and indicators of an ATM.

class MyCabinet(devices.Auxiliaries):
    safe_door = frozenset({"closed", "open", "bolted"})
    seismic_sensor = True
    heating = True

    async def run(self):
        async for name, value in self.bus.changes():
            setattr(self.status.auxiliaries, name, value)

    async def set_auxiliaries(self, wanted):
        for name, value in wanted.items():
            await self.bus.write(name, value)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import Device
from xfs4iot.devices._operation import operation
from xfs4iot.devices._parts import derived
from xfs4iot.protocol.messages import auxiliaries as messages

__all__ = ["AutoStartup", "Auxiliaries", "AuxiliaryValue", "DoorState"]

DoorState = Literal["closed", "open", "locked", "bolted", "tampered"]
Microphone = Literal["manual", "auto", "semiAuto", "microphone"]
AuxiliaryValue = str | int | messages.SetAuxiliariesAudio
"""What an auxiliary is set to: as in SetAuxiliaries."""


@dataclass(frozen=True)
class AutoStartup:
    """When the machine is to switch itself on, by its own clock.

    Attributes:
        mode: `specific`, `daily` or `weekly`.
        hour, minute: the time of day.
        year, month, day: for `specific`.
        day_of_week: for `weekly`, such as `Saturday`.
    """

    mode: Literal["specific", "daily", "weekly"]
    hour: int
    minute: int
    year: int | None = None
    month: int | None = None
    day: int | None = None
    day_of_week: str | None = None


_FIRST: Mapping[str, tuple[str, Any]] = {
    "operator_switch": ("operator_switch", "run"),
    "tamper_sensor": ("tamper_sensor", "off"),
    "internal_tamper_sensor": ("internal_tamper_sensor", "off"),
    "seismic_sensor": ("seismic_sensor", "off"),
    "heat_sensor": ("heat_sensor", "off"),
    "proximity_sensor": ("proximity_sensor", "notPresent"),
    "ambient_light_sensor": ("ambient_light_sensor", "mediumLight"),
    "enhanced_audio_sensor": ("enhanced_audio_sensor", "notPresent"),
    "boot_switch_sensor": ("boot_switch_sensor", "off"),
    "consumer_display_sensor": ("consumer_display_sensor", "on"),
    "operator_call_button_sensor": ("operator_call_button_sensor", "off"),
    "handset_sensor": ("handset_sensor", "onTheHook"),
    "headset_microphone_sensor": ("headset_microphone_sensor", "notPresent"),
    "fascia_microphone_sensor": ("fascia_microphone_sensor", "off"),
    "cabinet_door": ("cabinet_door", "closed"),
    "safe_door": ("safe_door", "closed"),
    "vandal_shield": ("vandal_shield", "closed"),
    "cabinet_front_door": ("front_cabinet", "closed"),
    "cabinet_rear_door": ("rear_cabinet", "closed"),
    "cabinet_left_door": ("left_cabinet", "closed"),
    "cabinet_right_door": ("right_cabinet", "closed"),
    "open_closed_indicator": ("open_close_indicator", "closed"),
    "heating": ("heating", "off"),
    "consumer_display_backlight": ("consumer_display_backlight", "on"),
    "signage_display": ("signage_display", "off"),
    "audible_alarm": ("audible_alarm", "off"),
    "enhanced_audio_control": ("enhanced_audio_control", "publicAudioManual"),
    "enhanced_microphone_control": ("enhanced_microphone_control", "publicAudioManual"),
}
"""By property of the status: the attribute that says that it is there, and what it is at first."""


def _first(attribute: str, value: Any) -> Any:
    return derived(lambda device: value if getattr(device, attribute) else None)


class Auxiliaries(
    Device,
    messages=messages,
    status={
        **{name: _first(attribute, value) for name, (attribute, value) in _FIRST.items()},
        "audio": derived(
            lambda device: messages.AudioState(rate="off", signal="keypress") if device.audio else None
        ),
        "ups": derived(
            lambda device: (
                messages.UPSState(low=False, engaged=False, powering=False, recovered=False)
                if device.ups
                else None
            )
        ),
        "volume": derived(lambda device: 500 if device.volume is not None else None),
        "microphone_volume": derived(lambda device: 500 if device.microphone_volume is not None else None),
    },
):
    """Doors, sensors, indicators and the uninterruptible power supply of an ATM.

    Class attributes say what is there; all else is absent from capabilities and status. The device sets
    `status.auxiliaries` when a person or the surroundings change something. What a client sets is shown
    by the service once `set_auxiliaries` has succeeded.

    Attributes:
        operator_switch: its positions, of `run`, `maintenance`, `supervisor`.
        tamper_sensor, internal_tamper_sensor, seismic_sensor, heat_sensor, proximity_sensor,
            ambient_light_sensor, boot_switch_sensor, consumer_display_sensor,
            operator_call_button_sensor, fascia_microphone_sensor: whether there is one.
        enhanced_audio_sensor, handset_sensor, headset_microphone_sensor: what the standard says of them.
        cabinet_door, safe_door, front_cabinet, rear_cabinet, left_cabinet, right_cabinet: states that are
            told apart; with `bolted` the door can be bolted and unbolted.
        vandal_shield: states; those of `closed`, `open`, `service`, `keyboard` can be set.
        open_close_indicator, audio, heating, consumer_display_backlight, signage_display, audible_alarm:
            whether there is one.
        volume, microphone_volume: the step that is recommended, of 1 to 1000; None: it cannot be set.
        ups: flags that are told; with `engaged` it can be engaged and disengaged.
        enhanced_audio_control, enhanced_microphone_control: `headsetDetection`, `modeControllable`.
        auto_startup_mode: `specific`, `daily`, `weekly`.
    """

    operator_switch: frozenset[str] = frozenset()
    tamper_sensor: bool = False
    internal_tamper_sensor: bool = False
    seismic_sensor: bool = False
    heat_sensor: bool = False
    proximity_sensor: bool = False
    ambient_light_sensor: bool = False
    enhanced_audio_sensor: frozenset[str] = frozenset()
    boot_switch_sensor: bool = False
    consumer_display_sensor: bool = False
    operator_call_button_sensor: bool = False
    handset_sensor: frozenset[str] = frozenset()
    headset_microphone_sensor: frozenset[str] = frozenset()
    fascia_microphone_sensor: bool = False
    cabinet_door: frozenset[DoorState] = frozenset()
    safe_door: frozenset[DoorState] = frozenset()
    vandal_shield: frozenset[str] = frozenset()
    front_cabinet: frozenset[DoorState] = frozenset()
    rear_cabinet: frozenset[DoorState] = frozenset()
    left_cabinet: frozenset[DoorState] = frozenset()
    right_cabinet: frozenset[DoorState] = frozenset()
    open_close_indicator: bool = False
    audio: bool = False
    heating: bool = False
    consumer_display_backlight: bool = False
    signage_display: bool = False
    volume: Annotated[int, Meta(ge=1, le=1000)] | None = None
    ups: frozenset[Literal["low", "engaged", "powering", "recovered"]] = frozenset()
    audible_alarm: bool = False
    enhanced_audio_control: frozenset[Literal["headsetDetection", "modeControllable"]] = frozenset()
    enhanced_microphone_control: frozenset[Literal["headsetDetection", "modeControllable"]] = frozenset()
    microphone_volume: Annotated[int, Meta(ge=1, le=1000)] | None = None
    auto_startup_mode: frozenset[Literal["specific", "daily", "weekly"]] = frozenset()

    @operation
    async def set_auxiliaries(self, wanted: Mapping[str, AuxiliaryValue]) -> None:
        """`Auxiliaries.SetAuxiliaries`: set them, by the request's property in Python's spelling.

        Doors come as single ones (`safe_door`, `front_cabinet_doors`, ...): `cabinet_doors` only where there
        is one door for all. If only some could be set, show them in the status, then raise.
        """
        raise NotImplementedError

    @operation
    async def set_auto_startup_time(self, time: AutoStartup | None) -> None:
        """`Auxiliaries.SetAutoStartupTime` and `ClearAutoStartupTime`: when to switch the machine on.

        None: never. The service keeps the time and gives it again whenever the device was opened.
        """
        raise NotImplementedError
