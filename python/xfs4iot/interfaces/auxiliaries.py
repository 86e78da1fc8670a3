"""Auxiliaries: doors, sensors, indicators, the UPS, and when the machine switches itself on.

A SetAuxiliaries is checked as a whole before anything is done. A table (`_PARTS`) says what the device
needs for each part and what it becomes in the status. Sensors only follow the world; what is set is shown
once the device has done it, all of it in one event. Bolting a door that stands open, and engaging a UPS whose
battery is low, are `sequenceError`. Whoever opens the safe by a message is known by certificate, token or
address, or sits at the machine; it is journalled.

The start-up time is kept in the ledger, and given to the device each time it is opened. A `specific`
time that has passed no longer counts. Times are by the machine's clock.

Registration belongs to 2021-1. It is kept for each connection, which gets what it registered for in an
AuxiliaryStatusEvent. Later versions inform everybody with Common.StatusChangedEvent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

import trio

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import AutoStartup, AuxiliaryValue
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.ledger import Document
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.messages import auxiliaries as messages
from xfs4iot.server.command import Command, Connection
from xfs4iot.server.handler import Interface, check, handles, step
from xfs4iot.server.service import Service

__all__ = ["Auxiliaries"]

_TIME = Document("Auxiliaries.startup", messages.GetAutoStartupTimeCompletion)

_Device = devices.Auxiliaries
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "specific": ("year", "month", "day", "hour", "minute"),
    "daily": ("hour", "minute"),
    "weekly": ("day_of_week", "hour", "minute"),
}


@dataclass(frozen=True)
class _Part:
    """One property of SetAuxiliaries.

    Attributes:
        capability: attribute of the device class.
        status: property of the status.
        can: whether the device can be set to a value.
        shown: what a value becomes in the status.
    """

    capability: str
    status: str
    can: Callable[[Any, Any], bool] = lambda found, value: bool(found)
    shown: Callable[[Any, Any], Any] = lambda value, now: value


def _door(capability: str, status: str) -> _Part:
    return _Part(
        capability,
        status,
        lambda found, value: "bolted" in found,
        lambda value, now: "bolted" if value == "bolt" else ("closed" if now == "bolted" else now),
    )


def _level(name: str) -> _Part:
    return _Part(name, name, lambda found, value: found is not None)


def _control(name: str) -> _Part:
    return _Part(name, name, lambda found, value: "modeControllable" in found)


def _ups(value: str, now: messages.UPSState) -> messages.UPSState:
    engaged = value == "engage"
    return messages.UPSState(
        low=now.low,
        engaged=engaged,
        powering=bool(now.powering) and engaged,
        recovered=bool(now.recovered) and not engaged,
    )


_PARTS: Mapping[str, _Part] = {
    "cabinet_doors": _door("cabinet_door", "cabinet_door"),
    "safe_door": _door("safe_door", "safe_door"),
    "vandal_shield": _Part("vandal_shield", "vandal_shield", lambda found, value: value in found),
    "front_cabinet_doors": _door("front_cabinet", "cabinet_front_door"),
    "rear_cabinet_doors": _door("rear_cabinet", "cabinet_rear_door"),
    "left_cabinet_doors": _door("left_cabinet", "cabinet_left_door"),
    "right_cabinet_doors": _door("right_cabinet", "cabinet_right_door"),
    "open_close": _Part("open_close_indicator", "open_closed_indicator"),
    "audio": _Part(
        "audio",
        "audio",
        shown=lambda value, now: messages.AudioState(
            rate="off" if value.rate == "off" else "on",
            signal=value.signal or (now.signal if now is not None else None),
        ),
    ),
    "heating": _Part("heating", "heating"),
    "consumer_display_back_light": _Part("consumer_display_backlight", "consumer_display_backlight"),
    "signage_display": _Part("signage_display", "signage_display"),
    "volume": _level("volume"),
    "ups": _Part("ups", "ups", lambda found, value: "engaged" in found, _ups),
    "audible_alarm": _Part("audible_alarm", "audible_alarm"),
    "enhanced_audio_control": _control("enhanced_audio_control"),
    "enhanced_microphone_control": _control("enhanced_microphone_control"),
    "microphone_volume": _level("microphone_volume"),
}
_CABINET = ("front_cabinet_doors", "rear_cabinet_doors", "left_cabinet_doors", "right_cabinet_doors")
_WIRE = dict(
    zip(
        messages.SetAuxiliaries.__struct_fields__,
        messages.SetAuxiliaries.__struct_encode_fields__,
        strict=True,
    )
)


def _given(request: messages.SetAuxiliaries | None) -> dict[str, AuxiliaryValue]:
    """What a request sets, by property."""
    if request is None:
        return {}
    found = {name: getattr(request, name) for name in _PARTS}
    return {name: value for name, value in found.items() if value is not None}


@check("invalidData")
def something_given(on: Auxiliaries, request: messages.SetAuxiliaries | None) -> None:
    """whether something is set, and of the audio indicator a rate or a signal"""
    wanted = _given(request)
    if not wanted:
        raise errors.InvalidData("nothing is to be set; see auxiliaries in Common.Capabilities")
    audio = wanted.get("audio")
    if isinstance(audio, messages.SetAuxiliariesAudio) and audio.rate is None and audio.signal is None:
        raise errors.InvalidData("$.audio: give a rate, a signal or both")


@check("invalidAuxiliary")
def auxiliaries_exist(on: Auxiliaries, request: messages.SetAuxiliaries | None) -> None:
    """whether the device has them, and can set them so"""
    for name, value in _given(request).items():
        if not on.can(name, value):
            raise errors.CommandError(
                "invalidAuxiliary",
                f"$.{_WIRE[name]}: the device has none that can be set so; see Common.Capabilities",
            )


@check("sequenceError")
def doors_closed(on: Auxiliaries, request: messages.SetAuxiliaries | None) -> None:
    """whether doors that are to be bolted are closed"""
    for name, value in on.single(_given(request)).items():
        state = getattr(on.status, _PARTS[name].status)
        if value == "bolt" and state in ("open", "tampered"):
            raise errors.SequenceError(f"$.{_WIRE[name]}: the door is {state}; close it, then bolt it")


@check("sequenceError")
def ups_charged(on: Auxiliaries, request: messages.SetAuxiliaries | None) -> None:
    """whether a UPS that is to be engaged is charged"""
    ups = on.status.ups
    if _given(request).get("ups") == "engage" and ups is not None and ups.low:
        raise errors.SequenceError("$.ups: the battery is low; engage the UPS when it is charged")


@check("unsupportedData")
def mode_supported(on: Auxiliaries, request: messages.SetAutoStartupTime) -> None:
    """whether the device can start up so"""
    if request.mode not in on.device.auto_startup_mode:
        raise errors.UnsupportedData(
            f"$.mode: the device starts up {', '.join(sorted(on.device.auto_startup_mode))}, "
            f"not {request.mode}"
        )


@check("invalidData")
def time_whole(on: Auxiliaries, request: messages.SetAutoStartupTime) -> None:
    """whether all that the mode needs is given, and makes a time that is yet to come"""
    assert request.mode is not None
    assert request.start_time is not None
    for part in _NEEDED[request.mode]:
        if getattr(request.start_time, part) is None:
            wire = "dayOfWeek" if part == "day_of_week" else part
            raise errors.InvalidData(f"$.startTime.{wire} is missing; {request.mode} needs it")
    if request.mode == "specific" and _moment(request.start_time) <= datetime.now():
        raise errors.InvalidData("$.startTime has passed; give a time to come, by the machine's clock")


@check("invalidData")
def register_something(on: Auxiliaries, request: messages.Register) -> None:
    """whether something is registered or deregistered"""
    if request is None or not _registrations(request):
        raise errors.InvalidData("name what to register or deregister; see Common.Capabilities")


@check("invalidAuxiliary")
def registered_exist(on: Auxiliaries, request: messages.Register) -> None:
    """whether the device has what is registered"""
    for name in _registrations(request):
        if not any(getattr(on.device, one, None) for one in _REGISTERED.get(name, (name,))):
            wire = messages.Register.PROPERTIES[name]
            raise errors.CommandError(
                "invalidAuxiliary", f"$.{wire}: the device does not have it; see Common.Capabilities"
            )


_REGISTERED: Mapping[str, tuple[str, ...]] = {
    "cabinet_door": ("cabinet_door", "front_cabinet", "rear_cabinet", "left_cabinet", "right_cabinet"),
    "cabinet_front": ("front_cabinet",),
    "cabinet_rear": ("rear_cabinet",),
    "cabinet_left": ("left_cabinet",),
    "cabinet_right": ("right_cabinet",),
    "audio_indicator": ("audio",),
    "heating_indicator": ("heating",),
}
"""Attributes of the device by property of Register, where they are called otherwise."""


_TOLD: Mapping[str, str] = {
    **{wire: name for name, wire in messages.Register.PROPERTIES.items()},
    **{f"cabinet{side}Door": f"cabinet_{side.lower()}" for side in ("Front", "Rear", "Left", "Right")},
    "displaySensor": "consumer_display_sensor",
    "fasciaMicrophoneSensor": "headset_microphone_sensor",
    "openClosedIndicator": "open_close_indicator",
    "audio": "audio_indicator",
    "heating": "heating_indicator",
}
"""Properties of Register by property of AuxiliaryStatusEvent, without its `State`. Who may speak to the
fascia microphone has no name of its own there: it goes with the headset's."""


def _registrations(request: messages.Register) -> dict[str, str]:
    found = {name: getattr(request, name) for name in messages.Register.PROPERTIES}
    return {name: value for name, value in found.items() if value is not None}


def _meant(name: str) -> tuple[str, ...]:
    """What a property of Register means: the cabinet's door is all of its doors."""
    if name != "cabinet_door":
        return (name,)
    return (name, "cabinet_front", "cabinet_rear", "cabinet_left", "cabinet_right")


def _moment(time: messages.SystemTime) -> datetime:
    """A specific time.

    Raises:
        InvalidData: there is no such day.
    """
    parts = [getattr(time, part) for part in _NEEDED["specific"]]
    try:
        return datetime(*parts)
    except ValueError as wrong:
        raise errors.InvalidData(f"$.startTime: {wrong}") from None


def _starts_up(on: Auxiliaries) -> bool:
    return bool(on.device.auto_startup_mode)


class Auxiliaries(Interface[devices.Auxiliaries]):
    """The interface of auxiliaries."""

    name: ClassVar[str] = "Auxiliaries"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._registered: dict[Connection, set[str]] = {}

    @property
    def status(self) -> messages.Status:
        """The device's part of Common.Status."""
        return self.device.status.auxiliaries

    async def start(self) -> None:
        """Give the device the time that is kept."""
        self.service.filters["Auxiliaries.AuxiliaryStatusEvent"] = self._registered_for
        await self._give_time()

    def _registered_for(self, connection: Connection, payload: bytes | None) -> bytes | None:
        """What an AuxiliaryStatusEvent of 2021-1 tells a connection: what it registered for."""
        held = self._registered.get(connection)
        if not held or payload is None:
            return None
        changed = wire.decode(dict[str, Any], payload)
        told = {name: value for name, value in changed.items() if _TOLD[name.removesuffix("State")] in held}
        return wire.encode(told) if told else None

    async def reopened(self) -> None:
        """The device may have forgotten the time."""
        await self._give_time()

    async def _give_time(self) -> None:
        time = self._time()
        if time is None or not self.device.auto_startup_mode or not self.service.operations.opened:
            return
        try:
            await self.ask(_Device.set_auto_startup_time, _startup(time))
        except errors.XfsError as fault:
            self.service.log.error("the device does not take its start-up time: %s", fault)

    def can(self, name: str, value: AuxiliaryValue) -> bool:
        """Whether the device can set an auxiliary so."""
        part = _PARTS[name]
        if part.can(getattr(self.device, part.capability), value):
            return True
        return name == "cabinet_doors" and any(self.can(one, value) for one in _CABINET)

    def single(self, wanted: Mapping[str, AuxiliaryValue]) -> dict[str, AuxiliaryValue]:
        """The same with all cabinet doors by their names, where there is no one door for all."""
        found = dict(wanted)
        value = found.get("cabinet_doors")
        if value is not None and "bolted" not in self.device.cabinet_door:
            del found["cabinet_doors"]
            found |= {name: value for name in _CABINET if self.can(name, value)}
        return found

    @handles(
        "Auxiliaries.SetAuxiliaries",
        checks=(
            something_given,
            auxiliaries_exist,
            doors_closed,
            ups_charged,
            device_ready,
            step("may_open", "whether a client that opens the safe is known", "authorizationRequired"),
        ),
    )
    async def set_auxiliaries(self, request: messages.SetAuxiliaries, command: Command) -> None:
        """`Auxiliaries.SetAuxiliaries` 2.0."""
        wanted = self.single(_given(request))
        opens = wanted.get("safe_door") == "unbolt"
        if opens:
            if command.peer.rule is None and not command.peer.local:
                raise errors.AuthorizationRequired(
                    "$.safeDoor: who unbolts the safe must be known here; "
                    "ask the operator for a rule in [access]"
                )
            # Written first: the safe is never unbolted without a trace in the journal.
            await self.service.ledger.record(
                "unbolt",
                (),
                command=command.name,
                request_id=command.request_id,
                identity=command.identity,
                detail={"door": "safe"},
            )
        await self.ask(_Device.set_auxiliaries, wanted)
        for name, value in wanted.items():
            part = _PARTS[name]
            setattr(self.status, part.status, part.shown(value, getattr(self.status, part.status)))

    @handles(
        "Auxiliaries.Register",
        checks=(register_something, registered_exist),
        asks=None,
    )
    def register(self, request: messages.Register, command: Command) -> None:
        """`Auxiliaries.Register` of 2021-1: first what is registered, then what is deregistered."""
        held = self._registered.setdefault(command.session, set())
        wanted = _registrations(request)
        held |= {one for name, value in wanted.items() if value == "register" for one in _meant(name)}
        held -= {one for name, value in wanted.items() if value == "deregister" for one in _meant(name)}

    def disconnected(self, connection: Connection) -> None:
        """Forget what a connection registered for."""
        self._registered.pop(connection, None)

    @handles(
        "Auxiliaries.SetAutoStartupTime",
        checks=(
            given("mode", "say specific, daily or weekly"),
            given("start_time"),
            mode_supported,
            time_whole,
            device_ready,
        ),
        offered=_starts_up,
    )
    async def set_auto_startup_time(self, request: messages.SetAutoStartupTime, command: Command) -> None:
        """`Auxiliaries.SetAutoStartupTime` 2.0: in the place of another one."""
        assert request.mode is not None
        assert request.start_time is not None
        parts = {part: getattr(request.start_time, part) for part in _NEEDED[request.mode]}
        time = messages.GetAutoStartupTimeCompletion(
            mode=request.mode, start_time=messages.SystemTime(**parts)
        )
        await self._set_and_keep(time)

    @handles("Auxiliaries.GetAutoStartupTime", asks="set_auto_startup_time", offered=_starts_up)
    def get_auto_startup_time(self, request: None, command: Command) -> messages.GetAutoStartupTimeCompletion:
        """`Auxiliaries.GetAutoStartupTime` 2.0: nothing, if none is set or it has passed."""
        return self._time() or messages.GetAutoStartupTimeCompletion()

    @handles(
        "Auxiliaries.ClearAutoStartupTime",
        checks=(device_ready,),
        asks="set_auto_startup_time",
        offered=_starts_up,
    )
    async def clear_auto_startup_time(self, request: None, command: Command) -> None:
        """`Auxiliaries.ClearAutoStartupTime` 2.0; also if none is set."""
        await self._set_and_keep(messages.GetAutoStartupTimeCompletion())

    async def _set_and_keep(self, time: messages.GetAutoStartupTimeCompletion) -> None:
        # A cancel between the two would leave the machine with a time that nobody is told.
        with trio.CancelScope(shield=True):
            await self.ask(_Device.set_auto_startup_time, _startup(time) if time.mode is not None else None)
            await self.service.ledger.put_document(_TIME.name, wire.encode(time))

    def _time(self) -> messages.GetAutoStartupTimeCompletion | None:
        """The time that is kept; None if there is none, or it has passed."""
        time = _TIME.of(self.service.ledger)
        if time is None or time.mode is None or time.start_time is None:
            return None
        if time.mode == "specific" and _moment(time.start_time) <= datetime.now():
            return None
        return time


def _startup(time: messages.GetAutoStartupTimeCompletion) -> AutoStartup:
    assert time.mode is not None
    assert time.start_time is not None
    parts: Iterator[tuple[str, Any]] = ((part, getattr(time.start_time, part)) for part in _NEEDED[time.mode])
    return AutoStartup(time.mode, **dict(parts))
