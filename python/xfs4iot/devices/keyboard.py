"""Keyboard: what a vendor writes for an encrypting keyboard, a PIN pad.

class MyPad(devices.KeyManagement, devices.Keyboard, devices.PinPad):
    layouts = {"pin": (devices.KeyFrame(devices.key_grid(("one", "two"), ("clear", "enter"))),)}

    async def pin_entry(self, request, events):
        events.send(devices.EnterDataEvent())
        digits = await self.pad.enter_pin(request.max_len, request.active_keys)
        return devices.PinEntered(digits, "enter")

The digits of a PIN or key stay in the device: it reports only how many there are and that a key was
pressed. The service removes anything more that a class reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import CommandEvents, Device
from xfs4iot.devices._keys import CheckValue
from xfs4iot.devices._operation import operation, waits_for_people
from xfs4iot.devices._parts import derived
from xfs4iot.protocol.command_events.keyboard import DataEntryEvents, PinEntryEvents, SecureKeyEntryEvents
from xfs4iot.protocol.messages import keyboard as messages

__all__ = [
    "DataEntered",
    "EntryCompletion",
    "EntryMode",
    "EntryRequest",
    "KeyEntered",
    "KeyFrame",
    "KeyPosition",
    "Keyboard",
    "PinEntered",
    "PressedKey",
    "SecureKeyRequest",
    "key_grid",
]

_KEY = (
    "^(zero|one|two|three|four|five|six|seven|eight|nine|[a-f]|enter|cancel|clear|backspace|help|decPoint|shift|"
    r"doubleZero|tripleZero|fdk(0[1-9]|[12][0-9]|3[0-2])|oem[a-zA-Z0-9]*)\Z"
)
KeyName = Annotated[str, Meta(pattern=_KEY)]
EntryMode = Literal["data", "pin", "secure"]
EntryCompletion: TypeAlias = messages.EntryCompletionEnum
Coordinate = Annotated[int, Meta(ge=0)]
Size = Annotated[int, Meta(ge=1)]


@dataclass(frozen=True, kw_only=True)
class KeyPosition:
    """A key of a layout; of 0 to 999 in both directions, or pixels of a touch screen.

    Attributes:
        x, y: of its corner, in its frame.
        width, height: of it.
        key: its name; None if it has one only with shift.
        shift_key: its name with shift.
    """

    x: Coordinate
    y: Coordinate
    width: Size
    height: Size
    key: KeyName | None = None
    shift_key: KeyName | None = None


@dataclass(frozen=True)
class KeyFrame:
    """A group of keys: all of a physical keyboard, or a part of a touch screen.

    Attributes:
        keys: in it.
        x, y, width, height: of a frame of a touch screen.
        float_x, float_y: the device may move it.
    """

    keys: tuple[KeyPosition, ...]
    x: Coordinate = 0
    y: Coordinate = 0
    width: Coordinate = 0
    height: Coordinate = 0
    float_x: bool = False
    float_y: bool = False


def key_grid(
    *rows: tuple[str | None, ...], shifted: Mapping[str, str] | None = None
) -> tuple[KeyPosition, ...]:
    """Keys of one size in rows; None leaves a place free.

    Args:
        shifted: names with shift, by name.
    """
    high, wide = 1000 // len(rows), 1000 // max(map(len, rows))
    return tuple(
        KeyPosition(
            x=column * wide,
            y=row * high,
            width=wide,
            height=high,
            key=name,
            shift_key=(shifted or {}).get(name),
        )
        for row, names in enumerate(rows)
        for column, name in enumerate(names)
        if name is not None
    )


@dataclass(frozen=True)
class EntryRequest:
    """A request for an entry.

    Attributes:
        min_len: of a PIN.
        max_len: 0 for no limit.
        auto_end: it ends when it has `max_len` characters.
        active_keys: that can be pressed, and whether each ends the entry.
        echo: what is shown for a digit of a PIN; None for what the device shows.
    """

    min_len: int
    max_len: int
    auto_end: bool
    active_keys: Mapping[str, bool]
    echo: str | None = None


@dataclass(frozen=True)
class SecureKeyRequest:
    """A part of a key to be entered, in hexadecimal digits.

    Attributes:
        key_len: number of digits.
        auto_end: it ends when it has as many.
        active_keys: that can be pressed, and whether each ends the entry.
        verification_type: what check value is shown to whoever enters it.
        crypto_method: of the check value; None: as the device does.
    """

    key_len: Literal[16, 32, 48, 64]
    auto_end: bool
    active_keys: Mapping[str, bool]
    verification_type: Literal["self", "zero"]
    crypto_method: Literal["des", "tripleDes", "aes"] | None


@dataclass(frozen=True)
class PressedKey:
    """A key that was pressed.

    Attributes:
        key: its name.
        completion: what it did.
    """

    key: KeyName = field(repr=False)
    completion: EntryCompletion = "continue"


@dataclass(frozen=True)
class DataEntered:
    """Data that was entered.

    Attributes:
        keys: all that were pressed and count.
        completion: what ended it.
    """

    keys: tuple[PressedKey, ...] = field(repr=False)
    completion: EntryCompletion


@dataclass(frozen=True)
class PinEntered:
    """A PIN that was entered, and is in the device.

    Attributes:
        digits: how many.
        completion: what ended it.
    """

    digits: Annotated[int, Meta(ge=0)]
    completion: EntryCompletion


@dataclass(frozen=True)
class KeyEntered:
    """A part of a key that was entered, and is in the device.

    Attributes:
        digits: how many.
        completion: what ended it.
        kcv: the part's check value.
    """

    digits: Annotated[int, Meta(ge=0)]
    completion: EntryCompletion
    kcv: CheckValue | None = None


def _beep(device: Keyboard) -> messages.CapabilitiesAutoBeep:
    return messages.CapabilitiesAutoBeep(
        active_available="active" in device.beeps,
        active_selectable="active" in device.selectable_beeps,
        inactive_available="inactive" in device.beeps,
        inactive_selectable="inactive" in device.selectable_beeps,
    )


class Keyboard(
    Device,
    messages=messages,
    secret="pins",
    status={
        "auto_beep_mode": derived(
            lambda device: messages.StatusAutoBeepMode(
                active_available="active" in device.beeps, inactive_available="inactive" in device.beeps
            )
        )
    },
):
    """A keyboard with entries of data, PINs and keys. Override what it has.

    Attributes:
        layouts: the keys, by kind of entry.
        beeps: keys that beep: `active` ones, `inactive` ones.
        selectable_beeps: which of these can be switched.
        ets_caps: of a touch screen; None for physical keys.
        entry_seconds: how long the entry of a PIN or key may take; None: as long as its command.
        pin_seconds: how long a PIN that was entered is kept; it is forgotten then.
        pins_for_all_clients: any client may use a PIN that was entered for another, as where one program
            shows the entry and another speaks with the host.
    """

    layouts: Mapping[EntryMode, tuple[KeyFrame, ...]] = {}
    beeps: frozenset[Literal["active", "inactive"]] = frozenset()
    selectable_beeps: frozenset[Literal["active", "inactive"]] = frozenset()
    ets_caps: messages.CapabilitiesEtsCaps | None = None
    auto_beep: messages.CapabilitiesAutoBeep = derived(_beep)
    entry_seconds: Annotated[float, Meta(gt=0)] | None = None
    pin_seconds: Annotated[float, Meta(gt=0)] = 180
    pins_for_all_clients: bool = False

    @waits_for_people
    @operation
    async def data_entry(self, request: EntryRequest, events: CommandEvents[DataEntryEvents]) -> DataEntered:
        """`Keyboard.DataEntry`: let data be entered.

        Send `EnterDataEvent` when keys can be pressed, and a `KeyEvent` for each.
        """
        raise NotImplementedError

    @waits_for_people
    @operation
    async def pin_entry(self, request: EntryRequest, events: CommandEvents[PinEntryEvents]) -> PinEntered:
        """`Keyboard.PinEntry`: let a PIN be entered, and keep it. As `data_entry`, without digits in events.

        Raises:
            CommandError: `tooManyFrames`, `partialFrame`.
        """
        raise NotImplementedError

    @waits_for_people
    @operation
    async def secure_key_entry(
        self, request: SecureKeyRequest, events: CommandEvents[SecureKeyEntryEvents]
    ) -> KeyEntered:
        """`Keyboard.SecureKeyEntry`: let a part of a key be entered, and keep it until it is stored.

        Raises:
            CommandError: `tooManyFrames`, `partialFrame`, `accessDenied`.
        """
        raise NotImplementedError

    @operation
    async def forget_pin(self) -> None:
        """Overwrite the PIN that was entered: its time is over, or its client is gone."""

    @operation
    async def define_layout(self, layouts: Mapping[EntryMode, tuple[KeyFrame, ...]]) -> None:
        """`Keyboard.DefineLayout`: take other keys for these kinds of entries, all or none.

        The service keeps them, and gives them again when it starts.

        Raises:
            CommandError: any of the command's.
        """
        raise NotImplementedError

    @operation
    async def keypress_beep(self, active: bool, inactive: bool) -> None:
        """`Keyboard.KeypressBeep`: which keys beep from now on."""
        raise NotImplementedError

    @operation
    async def reset_keyboard(self) -> None:
        """`Keyboard.Reset`: come to a known state; a PIN and what was entered of a key are gone."""
