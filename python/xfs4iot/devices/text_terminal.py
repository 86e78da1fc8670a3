"""TextTerminal: what a vendor writes for an operator's display with keys.

class MyTerminal(devices.TextTerminal):
    resolutions = ((20, 4),)
    keys = "0123456789"
    command_keys = {"enter": True, "cancel": True, "clear": False}

    async def show(self, runs, cursor):
        for run in runs:
            await self.port.write(run.x, run.y, run.text)

    async def read_key(self, active):
        return await self.port.next_key()
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import Device
from xfs4iot.devices._operation import operation, waits_for_people
from xfs4iot.devices._parts import derived, follows_from
from xfs4iot.protocol import exact
from xfs4iot.protocol.messages import text_terminal as messages

__all__ = ["BeepType", "CellAttributes", "ScreenPosition", "ScreenRun", "TextTerminal"]

BeepType = Literal["keyPress", "exclamation", "warning", "error", "critical"]


@dataclass(frozen=True)
class CellAttributes:
    """How characters are shown."""

    underline: bool = False
    inverted: bool = False
    flash: bool = False


@dataclass(frozen=True)
class ScreenPosition:
    """A column and a row, both from 0; the origin is at the top left."""

    x: int
    y: int


@dataclass(frozen=True)
class ScreenRun:
    """Characters side by side in one row that are to be shown.

    Attributes:
        x, y: column and row of the first, from 0.
        text: the characters. Some take two columns, as Chinese ones do; some consist of several
            code points, as letters with combining accents do.
        attributes: how all of them are shown.
    """

    x: int
    y: int
    text: str = field(repr=False)
    attributes: CellAttributes = CellAttributes()


def _resolutions(device: Any) -> list[messages.Resolution]:
    return [messages.Resolution(size_x=width, size_y=height) for width, height in device.resolutions]


class TextTerminal(
    Device,
    messages=messages,
    status={
        "keyboard": derived(lambda device: "off" if device.reads_keys else None),
        "key_lock": derived(lambda device: "off" if device.has_key_lock else None),
        "display_size_x": derived(lambda device: device.resolutions[0][0]),
        "display_size_y": derived(lambda device: device.resolutions[0][1]),
    },
    capabilities={
        "type": "terminal_type",
        "resolutions": "resolutions_told",
        "key_lock": "has_key_lock",
        "cursor": "has_cursor",
        "forms": "has_forms",
    },
    needs=(("show",),),
):
    """A display of characters, with keys or without. Override `show`, and `read_key` if it has keys.

    The service keeps the screen and takes care of lines, wrapping, scrolling, echo and forms; the device
    shows what has changed. The service also stores the forms, so that every terminal can have them.

    Attributes:
        terminal_type: `fixed`, or `removable` for one that is plugged in.
        resolutions: width and height in characters, of each that can be set; the first is set after start.
        has_key_lock: whether the keys can be locked; the device then sets `status.text_terminal.key_lock`.
        has_cursor: whether a cursor can be shown.
        scrolls: whether text that goes on below the last row moves the others up. If not it is lost.
        characters: all that can be shown; None for any.
        keys: what can be typed: digits, letters, others. Upper-case letters alone are what a
            keyboard without a shift key has.
        command_keys: the other keys (`enter`, `fdk01`, `oemHelp`, ...), and whether each ends an input
            unless the client says otherwise.
        beep_types: the sounds it has.
        has_forms: whether clients may use forms.
        reads_keys, shows_graphics: whether it has keys, and shows pictures; as the class implements it.
    """

    terminal_type: Literal["fixed", "removable"] = "fixed"
    resolutions: Annotated[
        tuple[tuple[Annotated[int, Meta(ge=1, le=1000)], Annotated[int, Meta(ge=1, le=1000)]], ...],
        Meta(min_length=1),
    ] = ((20, 4),)
    has_key_lock: bool = False
    has_cursor: bool = False
    scrolls: bool = True
    characters: str | None = None
    keys: str = "0123456789"
    command_keys: Mapping[str, bool] = {"enter": True, "cancel": True, "clear": False, "backspace": False}
    beep_types: frozenset[BeepType] = frozenset({"keyPress", "exclamation", "warning", "error", "critical"})
    has_forms: bool = True
    reads_keys: bool = follows_from("read_key")
    shows_graphics: bool = follows_from("draw_graphic")
    resolutions_told: list[messages.Resolution] = derived(_resolutions)

    @operation
    async def show(self, runs: tuple[ScreenRun, ...], cursor: ScreenPosition | None) -> None:
        """Show what has changed on the screen; all other cells stay as they are.

        Args:
            runs: new content, row by row. What is cleared is blanks.
            cursor: where the cursor is shown; None to hide it.
        """
        raise NotImplementedError

    @waits_for_people
    @operation
    async def read_key(self, active: frozenset[str]) -> Annotated[str, exact.Secret]:
        """`TextTerminal.Read` and `ReadForm`: wait for the next key.

        Keys that were typed before are given first, unless `flush_keys` took them away. It is cancelled
        when the client's time is over; no key may be lost then.

        Args:
            active: the keys that do something now, for devices that light or beep by them. The service
                passes over others.

        Returns:
            A character of `keys`, or a name of `command_keys`.
        """
        raise NotImplementedError

    @operation
    async def flush_keys(self) -> None:
        """Forget keys that were typed before a `Read` that asks for it."""

    @operation
    async def beep(self, beep_type: BeepType | None, continuous: bool) -> None:
        """`TextTerminal.Beep`: sound once, or until it is ended; None ends it."""

    @operation
    async def set_resolution(self, width: int, height: int) -> None:
        """`TextTerminal.SetResolution`: switch to another of `resolutions`; the screen is blank then."""

    @operation
    async def draw_graphic(
        self, position: ScreenPosition, width: int, height: int, scaling: str, picture: bytes
    ) -> None:
        """Show a picture of a form's field of type `graphic`. Without it forms have no pictures.

        Args:
            position: of the field on the screen.
            width, height: of the field, in characters.
            scaling: `bestFit`, `asIs` or `maintainAspect`.
            picture: a file, as the client gave it.
        """
        raise NotImplementedError

    @operation
    async def reset(self) -> None:
        """`TextTerminal.Reset`: make the device ready again; the service then shows a blank screen."""
