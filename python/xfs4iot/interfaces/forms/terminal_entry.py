"""What is being typed at one place of the screen: the characters, and their echo.

An entry fills a box of the screen from its top left corner. It shows what is typed as it is, as asterisks,
or not at all; backspace and clear remove characters and their cells.
"""

from __future__ import annotations

from typing import Literal

from xfs4iot.devices import CellAttributes
from xfs4iot.interfaces.forms.screen import Screen, columns
from xfs4iot.interfaces.forms.terminal_forms import lines_of
from xfs4iot.interfaces.forms.terminal_keys import ENTERS

__all__ = ["Echo", "Entry"]

Echo = Literal["text", "password", "invisible"]


class Entry:
    """One input.

    Args:
        screen: where it is shown.
        x, y, width, height: the box.
        most: how many characters it takes at most.
        echo: how they are shown.
        attributes: how the cells are shown.
        blank: how those are shown in which nothing stands any more; None for without attributes.
        first: what stands there already.

    Attributes:
        text: what has been typed.
    """

    def __init__(
        self,
        screen: Screen,
        x: int,
        y: int,
        width: int,
        height: int,
        *,
        most: int,
        echo: Echo,
        attributes: CellAttributes,
        blank: CellAttributes | None = None,
        first: str = "",
    ) -> None:
        self.text = first
        self._screen = screen
        self._x, self._y, self._width, self._height = x, y, width, height
        self._most = most
        self._echo = echo
        self._attributes, self._blank = attributes, blank or CellAttributes()
        self._drawn: set[tuple[int, int]] = set()
        self._show()

    # Without the text, which may be a password and must reach no log.
    def __repr__(self) -> str:
        return f"Entry({len(self.text)} characters)"

    @property
    def full(self) -> bool:
        """Whether no more characters are taken."""
        return len(self.text) >= self._most

    def press(self, key: str) -> None:
        """Take an active key: a character, or a command key that edits; what does not fit is ignored."""
        if key == "backspace":
            self.text = self.text[:-1]
        elif key == "clear":
            self.text = ""
        elif key in ENTERS or len(key) == 1:
            longer = self.text + ENTERS.get(key, key)
            if len(longer) <= self._most and self._fits(longer):
                self.text = longer
        self._show()

    def _fits(self, text: str) -> bool:
        return self._echo == "invisible" or len(lines_of(text, self._width)) <= self._height

    def place(self) -> None:
        """Put the cursor behind what has been typed."""
        lines = lines_of(self._visible, self._width)[-self._height :]
        self._screen.x = min(self._x + sum(map(columns, lines[-1])), self._screen.width)
        self._screen.y = self._y + len(lines) - 1

    def blank(self) -> None:
        """Take the echo off the screen."""
        for x, y in self._drawn:
            self._screen.put(x, y, " ", self._blank)
        self._drawn.clear()

    @property
    def _visible(self) -> str:
        if self._echo == "invisible":
            return ""
        return "*" * len(self.text) if self._echo == "password" else self.text

    def _show(self) -> None:
        # Only cells of the echo are blanked: what a form shows around it stays.
        before, self._drawn = self._drawn, set()
        for x, y in before:
            self._screen.put(x, y, " ", self._blank)
        for row, line in enumerate(lines_of(self._visible, self._width)[: self._height]):
            x = self._x
            for one in line:
                taken = self._screen.put(x, self._y + row, one, self._attributes)
                self._drawn |= {(x + column, self._y + row) for column in range(taken)}
                x += taken
        self.place()
