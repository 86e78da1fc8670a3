"""The screen of a text terminal: cells, a cursor, and what has changed since it was shown last.

A cell holds what is shown in one column, which may be several code points (a letter with its accents).
What takes two columns stands in the first, and the second holds nothing of its own; when one of
the two is overwritten, the other becomes blank. After the last column of a row is filled the cursor
waits there, as in a VT100: the next character begins a new row, a line end does not leave a blank one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from xfs4iot.devices import CellAttributes, ScreenPosition, ScreenRun

__all__ = ["Screen", "columns", "each_grapheme", "graphemes"]

_PLAIN = CellAttributes()
_Cell = tuple[str, CellAttributes]
_BLANK: _Cell = (" ", _PLAIN)
_SECOND = ""
"""The text of the second column of what takes two."""
_LONGEST_GRAPHEME = 32
"""Code points of one character; the longest that people write have a third of it."""


def graphemes(text: str) -> list[str]:
    """What is shown as one character each."""
    return list(each_grapheme(text))


def each_grapheme(text: str) -> Iterator[str]:
    """The same, one by one: a text can be far longer than what is wanted of it."""
    if text.isascii() and "\r\n" not in text:
        return iter(text)
    import wcwidth  # its tables are a megabyte: loaded with the first text that needs them

    found: Iterator[str] = wcwidth.iter_graphemes(text)
    return found


def columns(grapheme: str) -> int:
    """How many columns a character takes; -1 for what cannot be shown on any screen."""
    if len(grapheme) == 1 and " " <= grapheme <= "~":
        return 1
    return -1 if len(grapheme) > _LONGEST_GRAPHEME else _columns(grapheme)


@lru_cache(maxsize=4096)
def _columns(grapheme: str) -> int:
    import wcwidth

    taken: int = wcwidth.wcswidth(grapheme)
    # A lone combining mark has width 0, but a cell cannot be less than one column.
    return -1 if taken < 0 else min(max(taken, 1), 2)


class Screen:
    """A blank screen.

    Attributes:
        width, height: in characters.
        x, y: of the cursor; x is the width where a row has been filled.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.x = self.y = 0
        self._cells: list[list[_Cell]] = [[_BLANK] * width for _ in range(height)]
        self._shown: list[list[_Cell]] | None = None
        self._changed: set[int] = set()
        """Rows that may have changed since: only those are looked at."""
        self._scrolled = False
        """Whether all rows may have."""

    @property
    def cursor(self) -> ScreenPosition:
        """Where the cursor is shown."""
        return ScreenPosition(min(self.x, self.width - 1), self.y)

    def text_of(self, x: int, y: int, width: int, height: int) -> str:
        """The text of a part, row after row."""
        rows = self._cells[y : y + height]
        return "".join(text for row in rows for text, _ in row[x : x + width])

    def clear(self, x: int, y: int, width: int, height: int) -> None:
        """Blank a part; the cursor goes to its top left."""
        for row in range(y, y + height):
            if width == self.width:
                self._cells[row] = [_BLANK] * width
                self._changed.add(row)
                continue
            for column in range(x, x + width):
                self._blank(column, row)
        self.x, self.y = x, y

    def put(self, x: int, y: int, grapheme: str, attributes: CellAttributes = _PLAIN) -> int:
        """Show one character; returns how many columns it took, 0 if there was no room in the row."""
        taken = columns(grapheme)
        if x + taken > self.width:
            return 0
        # Blanked first: half of a wide character that is overwritten must not stay behind.
        for column in range(x, x + taken):
            self._blank(column, y)
        self._cells[y][x] = (grapheme, attributes)
        if taken == 2:
            self._cells[y][x + 1] = (_SECOND, attributes)
        return taken

    def _blank(self, x: int, y: int) -> None:
        self._changed.add(y)
        row = self._cells[y]
        if row[x][0] == _SECOND and x > 0:
            row[x - 1] = _BLANK
        if x + 1 < self.width and row[x + 1][0] == _SECOND:
            row[x + 1] = _BLANK
        row[x] = _BLANK

    def write(self, text: str, attributes: CellAttributes, scrolls: bool) -> int:
        """Write from the cursor on, row by row; returns how many characters were lost below the last."""
        pieces = _pieces(text)
        for number, piece in enumerate(pieces):
            fits = piece is None or self.x + columns(piece) <= self.width
            if not (piece is not None and fits) and not self._next_row(scrolls):
                return sum(one is not None for one in pieces[number:])
            if piece is not None:
                # What is wider than the whole screen takes no column, and is left out.
                self.x += self.put(self.x, self.y, piece, attributes)
        return 0

    def _next_row(self, scrolls: bool) -> bool:
        if self.y + 1 == self.height:
            if not scrolls:
                return False
            # Only rows move; `y` stays on the last one, which is new now.
            self._cells.append([_BLANK] * self.width)
            del self._cells[0]
            self._scrolled = True
        else:
            self.y += 1
        self.x = 0
        return True

    @property
    def most_changed(self) -> int:
        """How many cells may have changed since the screen was shown."""
        rows = self.height if self._shown is None or self._scrolled else len(self._changed)
        return rows * self.width

    def changes(self) -> tuple[ScreenRun, ...]:
        """What has changed since this was called last; everything, the first time."""
        shown = self._shown
        rows = range(self.height) if shown is None or self._scrolled else sorted(self._changed)
        runs = [run for y in rows for run in self._changes_of(y, shown)]
        # Rows are copied: they are changed in place from now on.
        if shown is None:
            self._shown = [list(row) for row in self._cells]
        else:
            for y in rows:
                shown[y] = list(self._cells[y])
        self._changed.clear()
        self._scrolled = False
        return tuple(runs)

    def forget_shown(self) -> None:
        """Nothing is known of what the device shows; the next time everything is a change."""
        self._shown = None

    def _changes_of(self, y: int, shown: list[list[_Cell]] | None) -> Iterator[ScreenRun]:
        start, text, attributes = 0, "", _PLAIN
        row = self._cells[y]
        for x, cell in enumerate(row):
            second = cell[0] == _SECOND
            changed = not second and (
                shown is None
                or cell != shown[y][x]
                or (x + 1 < self.width and row[x + 1][0] == _SECOND and shown[y][x + 1] != row[x + 1])
            )
            # A run never ends between the two columns of a wide character.
            if text and not second and (not changed or cell[1] != attributes):
                yield ScreenRun(start, y, text, attributes)
                text = ""
            if changed:
                if not text:
                    start, attributes = x, cell[1]
                text += cell[0]
        if text:
            yield ScreenRun(start, y, text, attributes)


def _pieces(text: str) -> list[str | None]:
    """Characters, and None for each line end: CR, LF, CRLF or LFCR."""
    found: list[str | None] = []
    line = ""
    at = 0
    while at < len(text):
        sign = text[at]
        if sign in "\r\n":
            found += [*graphemes(line), None]
            line = ""
            at += 2 if text[at : at + 2] in ("\r\n", "\n\r") else 1
        else:
            line += sign
            at += 1
    return found + list(graphemes(line))
