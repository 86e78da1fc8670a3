"""A simulated operator's display with keys: what it shows can be seen, its keys can be pressed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import BeepType, CellAttributes, ScreenPosition, ScreenRun
from xfs4iot.interfaces.forms.screen import columns, graphemes
from xfs4iot.protocol import errors
from xfs4iot.simulator.commands import Completion, Milliseconds, Request, command
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

__all__ = ["SimulatedTextTerminal"]

_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_CHARACTERS = {
    "ascii": _PRINTABLE,
    "latin1": _PRINTABLE + "".join(map(chr, range(0xA0, 0x100))),
    "cyrillic": _PRINTABLE + "".join(map(chr, range(0x400, 0x460))),
    "unicode": None,
}
_COMMAND_KEYS = {
    "enter": True,
    "cancel": True,
    "clear": False,
    "backspace": False,
    "help": False,
    "doubleZero": False,
    "tripleZero": False,
    "arrowUp": False,
    "arrowDown": False,
    "arrowLeft": False,
    "arrowRight": False,
    **{f"fdk{number:02d}": True for number in range(1, 9)},
}
_CELL = 10, 20
_Size = Annotated[int, msgspec.Meta(ge=1, le=200)]


@dataclass(frozen=True, kw_only=True)
class TextTerminalSettings:
    """What a profile may say.

    Attributes:
        resolutions: width and height of each, in characters; the first is set at the start.
        characters: what the display can show.
        scrolls: whether text that goes on below the last row moves the others up.
        cursor: whether it has one.
        graphics: whether it shows pictures.
        keyboard: the letters that its keys have: digits only, upper case, or both cases.
        key_lock: whether the keys can be locked.
        typed_ahead: how many keys are kept that were pressed before anybody asked for them.
        removable: whether it can be unplugged.
    """

    resolutions: tuple[tuple[_Size, _Size], ...] = ((20, 4), (40, 25), (32, 16), (16, 2))
    characters: Literal["ascii", "latin1", "cyrillic", "unicode"] = "unicode"
    scrolls: bool = True
    cursor: bool = True
    graphics: bool = True
    keyboard: Literal["digits", "upper", "both"] = "both"
    key_lock: bool = True
    typed_ahead: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 16
    removable: bool = False


class PressKeys(Request):
    """Keys that somebody presses, one after the other.

    Attributes:
        keys: characters, or names of command keys such as `enter`.
        text: characters, in place of or before `keys`.
        interval: time between two of them; none if it is not given.
    """

    keys: list[str] | None = None
    text: str | None = None
    interval: Milliseconds | None = None


class TurnKeyLock(Request):
    """The lock of the keys, turned by hand."""

    locked: bool = True


class Unplug(Request):
    """A removable unit is unplugged, or plugged in again."""

    plugged: bool = False


class GetScreen(Request):
    """Ask for what the display shows."""


class ScreenShown(Completion):
    """What the display shows.

    Attributes:
        lines: its rows.
        attributes: for each row as many characters: `.` plain, `u` underlined, `i` inverted, `f` flashing,
            `U`, `I`, `F` with one of the others beside it.
        cursor: column and row; absent if it is not shown.
        sound: that is heard, if it is continuous.
        sounds: those that were heard, the last ones.
        pictures: where pictures of forms are shown: x, y, width, height, bytes of the file.
        waiting: how many keys wait for a Read; absent for none.
    """

    lines: list[str]
    attributes: list[str]
    cursor: tuple[int, int] | None = None
    sound: str | None = None
    sounds: list[str] = msgspec.field(default_factory=list)
    pictures: list[tuple[int, int, int, int, int]] = msgspec.field(default_factory=list)
    waiting: int = 0


class DrawScreenCompletion(Completion):
    """The display as a picture (SVG)."""

    svg: str


class SimulatedTextTerminal(SimulatedDevice, devices.TextTerminal):
    """The operator's display of a simulated ATM."""

    Settings: ClassVar = TextTerminalSettings
    FAULTS: ClassVar = {
        "displayDead": Fault("lasts", "the display shows nothing new"),
        "displaySlow": Fault("once", "the next change of the display takes `count` seconds"),
        "keysDead": Fault("lasts", "no key does anything"),
        "keyStuck": Fault("once", "the next key is given `count` + 1 times"),
        "resolutionFails": Fault("once", "the next change of the resolution fails"),
        "soundDead": Fault("lasts", "no sound can be made"),
    }

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        settings = self.configured(TextTerminalSettings)
        self.terminal_type = "removable" if settings.removable else "fixed"
        self.resolutions = settings.resolutions
        self.characters = _CHARACTERS[settings.characters]
        self.scrolls, self.has_cursor = settings.scrolls, settings.cursor
        self.has_key_lock, self.shows_graphics = settings.key_lock, settings.graphics
        self.keys = {
            "digits": "0123456789",
            "upper": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ .,-",
            "both": "".join(one for one in _PRINTABLE if one.isalnum() or one in " .,-"),
        }[settings.keyboard]
        self.command_keys = _COMMAND_KEYS
        self._settings = settings
        self._pressed: deque[str] = deque()
        self._key_came = trio.Event()
        self._plugged = True
        self._sound: str | None = None
        self._sounds: deque[str] = deque(maxlen=16)
        self.watchers: set[Callable[[], None]] = set()
        """Called whenever something that can be seen or heard has changed."""
        self._blank(*self.resolutions[0])

    @property
    def cells(self) -> list[list[tuple[str, CellAttributes]]]:
        """What is shown: rows of characters, each with how it looks; empty behind one of two columns."""
        return self._cells

    def _blank(self, width: int, height: int) -> None:
        self._cells = [[(" ", CellAttributes())] * width for _ in range(height)]
        self._cursor: ScreenPosition | None = None
        self._pictures: list[tuple[int, int, int, int, int]] = []

    def _seen(self) -> None:
        # Copied: a watcher may remove itself while it is called.
        for watcher in tuple(self.watchers):
            watcher()

    def _require_plugged(self) -> None:
        if not self._plugged:
            raise errors.DeviceNotReady("the unit is unplugged; see Simulator.Unplug")

    async def show(self, runs: tuple[ScreenRun, ...], cursor: ScreenPosition | None) -> None:
        self._require_plugged()
        if slow := self.faults.take("displaySlow"):
            await self.clock.until(self.clock.now + slow)
        if self.faults.active("displayDead"):
            raise errors.HardwareError("the display does not answer; see TextTerminal.Reset")
        for run in runs:
            x = run.x
            for one in graphemes(run.text):
                self._cells[run.y][x] = (one, run.attributes)
                # A wide character takes two cells; the second stays empty.
                if columns(one) == 2:
                    self._cells[run.y][x + 1] = ("", run.attributes)
                x += columns(one)
        self._cursor = cursor
        self._seen()

    async def draw_graphic(
        self, position: ScreenPosition, width: int, height: int, scaling: str, picture: bytes
    ) -> None:
        self._require_plugged()
        self._pictures.append((position.x, position.y, width, height, len(picture)))
        self._seen()

    async def set_resolution(self, width: int, height: int) -> None:
        self._require_plugged()
        if self.faults.strikes("resolutionFails"):
            raise errors.HardwareError("the display did not change its resolution")
        self._blank(width, height)
        self._seen()

    async def beep(self, beep_type: BeepType | None, continuous: bool) -> None:
        self._require_plugged()
        if self.faults.active("soundDead"):
            raise errors.HardwareError("the sounder does not answer")
        self._sound = beep_type if continuous else None
        if beep_type is not None:
            self._sounds.append(beep_type)
        self._seen()

    async def read_key(self, active: frozenset[str]) -> str:
        while True:
            self._require_plugged()
            if self._pressed and not self.faults.active("keysDead"):
                return self._pressed.popleft()
            # Unplugging wakes it as well, hence the check at the top of the loop.
            await self._key_came.wait()

    async def flush_keys(self) -> None:
        self._pressed.clear()

    async def reset(self) -> None:
        self._require_plugged()
        self._blank(len(self._cells[0]), len(self._cells))
        self._seen()

    def press(self, key: str) -> None:
        """Somebody presses a key.

        Raises:
            InvalidData: there is no such key.
        """
        if key not in self.command_keys and not (len(key) == 1 and self._has(key)):
            raise errors.InvalidData(
                f"$.keys: {key[:20]!r} is not a key; there are {self.keys!r} "
                f"and {', '.join(self.command_keys)}"
            )
        if self.status.text_terminal.key_lock == "on" or len(self._pressed) >= max(
            self._settings.typed_ahead, 1
        ):
            return
        times = 1 + self.faults.take("keyStuck")
        self._pressed.extend([key] * times)
        self._wake()

    def _has(self, key: str) -> bool:
        return key in self.keys or key.upper() in self.keys

    def _wake(self) -> None:
        self._key_came.set()
        self._key_came = trio.Event()
        self._seen()

    @command
    async def press_keys(self, request: PressKeys) -> None:
        """Somebody presses keys; they get lost while the lock is on."""
        for number, key in enumerate([*(request.text or ""), *(request.keys or [])]):
            if number and request.interval:
                await self.clock.until(self.clock.now + request.interval / 1000)
            self.press(key)

    @command
    def turn_key_lock(self, request: TurnKeyLock) -> None:
        """Somebody turns the lock of the keys."""
        if not self.has_key_lock:
            raise errors.InvalidData("the terminal has no key lock; see the profile")
        self.status.text_terminal.key_lock = "on" if request.locked else "off"

    @command
    def unplug(self, request: Unplug) -> None:
        """Somebody unplugs the unit, or plugs it in again; it is blank then."""
        if self.terminal_type != "removable":
            raise errors.InvalidData("the terminal is fixed; see removable in the profile")
        self._plugged = request.plugged
        self.status.common.device = "online" if request.plugged else "noDevice"
        if request.plugged:
            self._blank(*self.resolutions[0])
            self.status.text_terminal.display_size_x, self.status.text_terminal.display_size_y = (
                self.resolutions[0]
            )
        self._wake()

    @command
    def get_screen(self, request: GetScreen) -> ScreenShown:
        """What the display shows, and what was heard."""
        return self.shown_truth()

    @command
    def draw_screen(self, request: GetScreen) -> DrawScreenCompletion:
        """The display, drawn."""
        from html import escape

        wide, high = _CELL
        width, height = len(self._cells[0]) * wide, len(self._cells) * high
        parts = []
        size = f'width="{wide}" height="{high}"'
        for y, row in enumerate(self._cells):
            for x, (text, look) in enumerate(row):
                paint = "#102010" if look.inverted else "#90f090"
                if look.inverted:
                    parts.append(f'<rect x="{x * wide}" y="{y * high}" {size} fill="#90f090"/>')
                if text.strip():
                    line = ' text-decoration="underline"' if look.underline else ""
                    slant = ' font-style="italic"' if look.flash else ""
                    place = f'x="{x * wide}" y="{y * high + 15}" fill="{paint}"'
                    parts.append(f"<text {place}{line}{slant}>{escape(text)}</text>")
        if self._cursor is not None:
            x, y = self._cursor.x * wide, self._cursor.y * high
            parts.append(f'<rect x="{x}" y="{y + high - 3}" width="{wide}" height="3" fill="#f0f090"/>')
        return DrawScreenCompletion(
            svg=f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            'font-family="monospace" font-size="16">'
            f'<rect width="100%" height="100%" fill="#102010"/>{"".join(parts)}</svg>'
        )

    def shown_truth(self) -> ScreenShown:
        return ScreenShown(
            lines=["".join(text for text, _ in row) for row in self._cells],
            attributes=["".join(_look(look) for _, look in row) for row in self._cells],
            cursor=None if self._cursor is None else (self._cursor.x, self._cursor.y),
            sound=self._sound,
            sounds=list(self._sounds),
            pictures=list(self._pictures),
            waiting=len(self._pressed),
        )


def _look(look: CellAttributes) -> str:
    said = [letter for letter, has in (("u", look.underline), ("i", look.inverted), ("f", look.flash)) if has]
    return "." if not said else said[0] if len(said) == 1 else said[0].upper()
