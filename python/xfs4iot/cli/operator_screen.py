"""The operator's screen of a simulated ATM, shown in this terminal, and its keys taken from it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby

import click
import trio
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.style import Style
from rich.text import Text

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


def require_terminal() -> None:
    """Refuse where there is no terminal to show a screen in.

    Raises:
        click.UsageError: it is redirected, or not one of POSIX.
    """
    if sys.platform == "win32" or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("--screen needs a terminal (not redirected, and not the Windows console)")


async def operate(device: SimulatedTextTerminal, console: Console) -> None:
    """Show the screen and press the keys that are typed, until cancelled."""
    changed = trio.Event()

    def mark() -> None:
        changed.set()

    device.watchers.add(mark)
    try:
        with (
            _keys_one_by_one(),
            Live(_picture(device), console=console, auto_refresh=False, transient=False) as live,
        ):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_press, device)
                while True:
                    # Before drawing: a change that comes meanwhile draws the screen once more.
                    changed = trio.Event()
                    live.update(_picture(device), refresh=True)
                    await changed.wait()
    finally:
        device.watchers.discard(mark)


def _picture(device: SimulatedTextTerminal) -> Panel:
    """What the display shows now."""
    shown = device.shown_truth()
    text = Text()
    for y, row in enumerate(device.cells):
        if y:
            text.append("\n")
        cells = [(character, look, shown.cursor == (x, y)) for x, (character, look) in enumerate(row)]
        for (look, here), alike in groupby(cells, lambda cell: cell[1:]):
            style = Style(
                color="green", reverse=look.inverted or here, underline=look.underline, blink=look.flash
            )
            text.append("".join(character for character, *_ in alike), style)
    heard = f"♪ {shown.sound}" if shown.sound else ""
    locked = "keys locked" if device.status.text_terminal.key_lock == "on" else ""
    return Panel.fit(
        text,
        title=device.name,
        subtitle=" ".join(filter(None, (heard, locked))) or None,
        border_style="dim",
    )


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
    while True:
        # Not a thread: one that is blocked in `read` could not be cancelled.
        await trio.lowlevel.wait_readable(0)
        typed = os.read(0, 64)
        if not typed:
            return
        for key in _keys_in(typed):
            try:
                device.press(key)
            except errors.XfsError:
                # Not a key of this terminal: it makes its noise, as an operator expects.
                sys.stdout.write("\a")
                sys.stdout.flush()


def _keys_in(typed: bytes) -> Iterator[str]:
    """The keys in what a terminal sent at once."""
    at = 0
    while at < len(typed):
        # Longest first: every sequence begins with Esc, which is a key itself.
        for length in (5, 3, 1):
            piece = typed[at : at + length]
            if piece in _KEYS:
                yield _KEYS[piece]
                at += length
                break
        else:
            # What does not begin a character is skipped by itself, so that what follows is read once.
            for length in (1, 2, 3, 4):
                character = typed[at : at + length].decode("utf-8", "ignore")
                if len(character) == 1 and len(character.encode()) == length:
                    yield character
                    at += length
                    break
            else:
                at += 1
