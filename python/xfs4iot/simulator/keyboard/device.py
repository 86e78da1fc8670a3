"""A simulated keyboard whose keys somebody presses by `Simulator.PressPinPadKeys`."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import trio
from msgspec import Meta

from xfs4iot import devices
from xfs4iot._core import Secret
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import (
    CommandEvents,
    DataEntered,
    EntryMode,
    EntryRequest,
    KeyEntered,
    KeyFrame,
    PinEntered,
    PressedKey,
    SecureKeyRequest,
    key_grid,
)
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.keyboard import DataEntryEvents, PinEntryEvents, SecureKeyEntryEvents
from xfs4iot.protocol.messages import keyboard as messages
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.commands import Milliseconds, Request, command
from xfs4iot.simulator.faults import Fault
from xfs4iot.simulator.keyboard.machine import DIGITS, Entry
from xfs4iot.simulator.secure_device import SecureDevice
from xfs4iot.simulator.secure_part import macs
from xfs4iot.simulator.secure_part.ciphers import wipe

__all__ = ["SimulatedKeyboard"]

_PHYSICAL = key_grid(
    ("fdk01", "one", "two", "three", "cancel", "fdk05"),
    ("fdk02", "four", "five", "six", "clear", "fdk06"),
    ("fdk03", "seven", "eight", "nine", "enter", "fdk07"),
    ("fdk04", "decPoint", "zero", "doubleZero", "backspace", "fdk08"),
)
_SECURE = key_grid(
    ("one", "two", "three", "cancel"),
    ("four", "five", "six", "clear"),
    ("seven", "eight", "nine", "enter"),
    ("shift", "zero", "help", "backspace"),
    shifted={"one": "a", "two": "b", "three": "c", "four": "d", "five": "e", "six": "f"},
)
_PHYSICAL_LAYOUTS: Mapping[EntryMode, tuple[KeyFrame, ...]] = {
    "data": (KeyFrame(_PHYSICAL),),
    "pin": (KeyFrame(_PHYSICAL),),
    "secure": (KeyFrame(_SECURE),),
}
_LONGEST_PIN = 12


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What a profile may say of a keyboard.

    Attributes:
        unattended_pin: that somebody enters whenever a PIN is asked for; "" for nobody, who presses keys
            by `Simulator.PressPinPadKeys`.
        entry_seconds: how long the entry of a PIN or key may take; 0: as long as its command.
        pin_seconds: how long a PIN is kept.
        pins_for_all_clients: any client may use a PIN that was entered for another.
    """

    unattended_pin: Annotated[str, Meta(pattern="^([0-9]{4,12})?$")] = ""
    entry_seconds: Annotated[float, Meta(ge=0)] = 0
    pin_seconds: Annotated[float, Meta(gt=0)] = 180
    pins_for_all_clients: bool = False


class PressPinPadKeys(Request):
    """Keys are pressed, one after the other.

    Attributes:
        keys: their names, as in a layout; of a digit with shift just its own: `a`.
        after: how long until then.
        every: how long from one to the next.
    """

    keys: list[str] | None = None
    after: Milliseconds | None = None
    every: Milliseconds | None = None


class SimulatedKeyboard(SecureDevice, devices.Keyboard):
    """A PIN pad's keyboard with function keys beside the screen."""

    Settings = _Settings
    FAULTS: ClassVar = {
        "stuckKey": Fault("once", "the next key that is pressed is taken three times"),
        "deadKeys": Fault("lasts", "no key does anything"),
        "tamperedDuringEntry": Fault("once", "somebody opens the pad during the next entry: hardwareError"),
        "entryLimit": Fault("lasts", "too many PINs were entered in a short time: deviceNotReady"),
    }
    beeps = frozenset({"active", "inactive"})
    selectable_beeps = frozenset({"active", "inactive"})
    layouts = _PHYSICAL_LAYOUTS

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        settings = self.configured(_Settings)
        self.entry_seconds = settings.entry_seconds or None
        self.pin_seconds = settings.pin_seconds
        self.pins_for_all_clients = settings.pins_for_all_clients
        self._unattended = settings.unattended_pin
        self._pressed: deque[str] = deque()
        self._some = trio.Event()
        self._hands: list[str] = []
        """Keys that somebody presses as soon as they are asked for."""
        self._entering: str | None = None

    async def data_entry(self, request: EntryRequest, events: CommandEvents[DataEntryEvents]) -> DataEntered:
        entry = Entry("data", 0, request.max_len, request.auto_end, request.active_keys)
        completion = await self._enter("data", entry, events)
        return DataEntered(tuple(PressedKey(key) for key in entry.pressed), completion)

    async def pin_entry(self, request: EntryRequest, events: CommandEvents[PinEntryEvents]) -> PinEntered:
        if self.faults.active("entryLimit"):
            raise errors.DeviceNotReady("too many PINs were entered in a short time; wait")
        most = min(request.max_len or _LONGEST_PIN, _LONGEST_PIN)
        entry = Entry("pin", request.min_len, most, request.auto_end, request.active_keys)
        self.pins.forget()
        if self._unattended:
            names = list(DIGITS)
            self._hands = [*(names[int(digit)] for digit in self._unattended), "enter"]
        completion = await self._enter("pin", entry, events)
        digits = len(entry.digits)
        if digits:
            self.pins.hold(entry.digits)
        return PinEntered(digits, completion)

    async def secure_key_entry(
        self, request: SecureKeyRequest, events: CommandEvents[SecureKeyEntryEvents]
    ) -> KeyEntered:
        entry = Entry("secure", 0, request.key_len, request.auto_end, request.active_keys)
        if self.loading.entered is not None:
            self.loading.forget_entered()
        completion = await self._enter("secure", entry, events)
        count = len(entry.digits)
        kcv = None
        if count == request.key_len and completion != "cancel":
            value = bytearray(
                high << 4 | low for high, low in zip(entry.digits[::2], entry.digits[1::2], strict=True)
            )
            algorithm = self._algorithm(request)
            self.loading.entered = Secret(value)
            wipe(value)
            kcv = macs.check_value(algorithm, self.loading.entered, request.verification_type)
        entry.wipe()
        return KeyEntered(count, completion, kcv)

    @staticmethod
    def _algorithm(request: SecureKeyRequest) -> str:
        said = {"des": "D", "tripleDes": "T", "aes": "A", None: ""}[request.crypto_method]
        if said:
            return said
        return {16: "D", 64: "A"}.get(request.key_len, "T")

    async def _enter(
        self, kind: str, entry: Entry, events: CommandEvents[DataEntryEvents]
    ) -> devices.EntryCompletion:
        """Take keys until one ends the entry; what was pressed before does not count."""
        await self.at_work()
        # Keys pressed before the entry began must not get into it.
        self._pressed.clear()
        self._entering = kind
        try:
            events.send(messages.EnterDataEvent())
            self._pressed.extend(self._hands)
            self._hands = []
            while True:
                key = await self._next_key()
                if self.faults.strikes("tamperedDuringEntry"):
                    self.tampered()
                    raise errors.HardwareError("the pad was opened; its keys are gone: load them anew")
                for _ in range(3 if self.faults.strikes("stuckKey") else 1):
                    told = None if self.faults.active("deadKeys") else entry.press(key)
                    if told is None:
                        continue
                    events.send(messages.KeyEvent(completion=told.completion, digit=told.key))
                    if told.ends:
                        return told.completion
        # Cancellation too must not leave digits in memory.
        except BaseException:
            entry.wipe()
            raise
        finally:
            self._entering = None

    async def _next_key(self) -> str:
        while not self._pressed:
            self._some = trio.Event()
            # There is no checkpoint between the look and the new event, so no key is missed.
            await self._some.wait()
        return self._pressed.popleft()

    async def forget_pin(self) -> None:
        self.pins.forget()

    async def define_layout(self, layouts: Mapping[EntryMode, tuple[KeyFrame, ...]]) -> None:
        await self.at_work()

    async def keypress_beep(self, active: bool, inactive: bool) -> None:
        await self.at_work()

    async def reset_keyboard(self) -> None:
        await self.at_work()
        self.pins.forget_all()
        self.loading.forget_entered()

    def press(self, key: str) -> None:
        """Somebody presses a key; it does nothing unless something is being entered."""
        if self._entering is not None:
            self._pressed.append(key)
            self._some.set()

    @command
    async def press_pin_pad_keys(self, request: PressPinPadKeys) -> None:
        """Somebody presses keys."""
        if not request.keys:
            raise errors.InvalidData("$.keys is missing or empty; name the keys, such as one, enter")
        known = {name for frames in self.layouts.values() for name in _names(frames)}
        for key in request.keys:
            if key not in known:
                raise errors.InvalidData("$.keys: one is not a key of the keyboard; see Keyboard.GetLayout")
        time = Timeline(self.clock)
        await time.step((request.after or 0) / 1000)
        for key in request.keys:
            self.press(key)
            await time.step((request.every or 0) / 1000)


def _names(frames: tuple[KeyFrame, ...]) -> set[str]:
    return {
        name
        for frame in frames
        for key in frame.keys
        for name in (key.key, key.shift_key)
        if name is not None
    }
