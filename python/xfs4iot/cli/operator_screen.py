"""The operator's screen of a simulated ATM, shown in this terminal, and its keys taken from it.

It is drawn anew where it stands; after the terminal's size has changed, on a blank terminal, since what was
there is broken then. On a terminal that cannot move its cursor each change is printed below the last one.
"""

from __future__ import annotations

import codecs
import math
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby

import click
import trio
from rich.console import RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.style import Style
from rich.text import Text

from xfs4iot.cli.prose import Console
from xfs4iot.protocol import errors
from xfs4iot.simulator.text_terminal import SimulatedTextTerminal

__all__ = ["operate", "require_terminal"]

_KEYS: Mapping[bytes, str] = {
    b"\r": "enter",
    b"\n": "enter",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b"\x1b": "cancel",
    b"\x15": "clear",
    b"?": "help",
    b"\x1b[A": "arrowUp",
    b"\x1b[B": "arrowDown",
    b"\x1b[C": "arrowRight",
    b"\x1b[D": "arrowLeft",
    **{
        sequence: f"fdk{number:02d}"
        for number, sequence in enumerate(
            (
                b"\x1bOP",
                b"\x1bOQ",
                b"\x1bOR",
                b"\x1bOS",
                b"\x1b[15~",
                b"\x1b[17~",
                b"\x1b[18~",
                b"\x1b[19~",
            ),
            1,
        )
    },
}
"""What a terminal sends, by key: Esc is `cancel`, Ctrl-U `clear`, F1 to F8 are `fdk01` to `fdk08`."""


_SEQUENCE = re.compile(rb"\x1b(?:\[[0-9;?]{0,16}[ -/]{0,4}[@-~]|O[ -~])")
"""What a terminal sends for a key that has no character."""
_BEGUN = re.compile(
    rb"\x1b(?:\[[0-9;?]{0,16}[ -/]{0,4}|O)?|[\xc0-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf7][\x80-\xbf]{0,2}"
)
_UNKNOWN = "unknown"
_PAUSE_SECONDS = 0.05
"""After so long without more, Esc is Esc; what a terminal sends for one key comes at once, but in pieces."""


def require_terminal() -> None:
    """Refuse where there is no terminal to show a screen in.

    Raises:
        click.UsageError: it is redirected, or not one of POSIX.
    """
    if sys.platform == "win32" or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("--screen needs a terminal (not redirected, and not the Windows console)")


async def operate(device: SimulatedTextTerminal, console: Console) -> None:
    """Show the screen and press the keys that are typed, until cancelled."""
    changes = _Changes()
    device.watchers.add(changes.mark)
    try:
        with _keys_one_by_one():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_press, device)
                await nursery.start(changes.follow_size)
                while True:
                    if console.is_dumb_terminal:
                        await _print_each(device, console, changes)
                    await _draw_in_place(device, console, changes)
                    console.clear()
    finally:
        device.watchers.discard(changes.mark)


class _Changes:
    """What has changed since the screen was drawn.

    Attributes:
        resized: the terminal's size has, or the program was stopped and goes on.
    """

    def __init__(self) -> None:
        self.resized = False
        self._changed = trio.Event()

    def mark(self) -> None:
        """Something on the screen has."""
        self._changed.set()

    def begin(self) -> None:
        """Begin anew, before drawing: a change that comes meanwhile draws the screen once more."""
        self._changed = trio.Event()

    async def wait(self) -> None:
        await self._changed.wait()

    async def follow_size(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Mark each change of the terminal's size."""
        if sys.platform == "win32":
            task_status.started()
            return
        with trio.open_signal_receiver(signal.SIGWINCH, signal.SIGCONT) as signals:
            task_status.started()
            async for _ in signals:
                self.resized = True
                self.mark()


async def _print_each(device: SimulatedTextTerminal, console: Console, changes: _Changes) -> None:
    """Print the screen after each change, until cancelled."""
    while True:
        changes.begin()
        console.print(_picture(device, console))
        await changes.wait()


async def _draw_in_place(device: SimulatedTextTerminal, console: Console, changes: _Changes) -> None:
    """Draw the screen again and again, until the terminal's size changes."""
    changes.resized = False
    with Live(_picture(device, console), console=console, auto_refresh=False, transient=False) as live:
        while not changes.resized:
            changes.begin()
            live.update(_picture(device, console), refresh=True)
            await changes.wait()


def _picture(device: SimulatedTextTerminal, console: Console) -> RenderableType:
    """What the display shows now; what there is room for, if the terminal is smaller."""
    shown = device.shown_truth()
    width, height = len(device.cells[0]), len(device.cells)
    heard = f"♪ {shown.sound}" if shown.sound else ""
    locked = "keys locked" if device.status.text_terminal.key_lock == "on" else ""
    said = " ".join(filter(None, (heard, locked)))
    rows = [_row(device, y, shown.cursor, console.encoding) for y in range(height)]
    wide, high = width + 4, height + 2
    if console.width >= wide and console.height >= high:
        return Panel.fit(
            Text("\n").join(rows),
            title=device.name,
            subtitle=_encodable(said, console.encoding) or None,
            border_style="dim",
        )
    seen = max(1, console.height - 1)
    # Where something is typed must be seen.
    first = max(0, shown.cursor[1] - seen + 1) if shown.cursor is not None else 0
    small = Text(f"{wide} x {high} needed {_encodable(said, console.encoding)}", "dim")
    return Text("\n", no_wrap=True, overflow="crop").join([*rows[first : first + seen], small])


def _row(device: SimulatedTextTerminal, y: int, cursor: tuple[int, int] | None, encoding: str) -> Text:
    """One row of the display."""
    found = Text()
    cells = [(one, look, cursor == (x, y)) for x, (one, look) in enumerate(device.cells[y])]
    for (look, here), alike in groupby(cells, lambda cell: cell[1:]):
        style = Style(
            color="green", reverse=look.inverted or here, underline=look.underline, blink=look.flash
        )
        found.append("".join(_encodable(one, encoding) for one, *_ in alike), style)
    return found


def _encodable(text: str, encoding: str) -> str:
    """A text as wide as it is, with a question mark for what the terminal's encoding has not."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        from wcwidth import wcswidth  # its tables are a megabyte

        return "?" * max(0, wcswidth(text))
    return text


@contextmanager
def _keys_one_by_one() -> Iterator[None]:
    """Take keys from the terminal as they are typed, without echo; Ctrl-C stays what it is."""
    if sys.platform == "win32":
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(0)
    tty.setcbreak(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


async def _press(device: SimulatedTextTerminal) -> None:
    rest = b""
    # What is typed comes as the terminal encodes it.
    decoder = codecs.getincrementaldecoder(sys.stdin.encoding or "utf-8")("replace")
    while True:
        # Not a thread: one that is blocked in `read` could not be cancelled.
        with trio.move_on_after(_PAUSE_SECONDS if rest else math.inf) as pause:
            await trio.lowlevel.wait_readable(0)
        came = b"" if pause.cancelled_caught else os.read(0, 64)
        if not came and not rest:
            return
        # What nothing follows is whole: Esc is a key, and begins what others send.
        keys, rest = _keys_in(rest + decoder.decode(came).encode(), whole=not came)
        for key in keys:
            try:
                device.press(key)
            except errors.XfsError:
                # Not a key of this terminal: it makes its noise, as an operator expects.
                sys.stdout.write("\a")
                sys.stdout.flush()


def _keys_in(typed: bytes, whole: bool) -> tuple[list[str], bytes]:
    """The keys in what a terminal sent, and what is only the beginning of one.

    Args:
        whole: nothing is the beginning of anything.

    Returns:
        Also what is no key of any terminal, such as Del: for that a terminal makes its noise.
    """
    found: list[str] = []
    at = 0
    while at < len(typed):
        if not whole and _BEGUN.fullmatch(typed, at):
            return found, typed[at:]
        sequence = _SEQUENCE.match(typed, at)
        length = 1 if sequence is None else len(sequence[0])
        piece = typed[at : at + length]
        if sequence is not None or piece in _KEYS:
            found.append(_KEYS.get(piece, _UNKNOWN))
            at += length
            continue
        # What does not begin a character is skipped by itself, so that what follows is read once.
        for length in (1, 2, 3, 4):
            character = typed[at : at + length].decode("utf-8", "ignore")
            if len(character) == 1 and len(character.encode()) == length:
                found.append(character)
                at += length
                break
        else:
            at += 1
    return found, b""
