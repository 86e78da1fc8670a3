"""A printer that understands text and nothing else: lines, tabulators, the end of a page."""

from __future__ import annotations

import codecs
from collections.abc import Generator

from xfs4iot.printing.canvas import LONGEST, Canvas, Lettering
from xfs4iot.printing.fonts import ADVANCE
from xfs4iot.printing.outcomes import Answer, Cut, Pulse

__all__ = ["PlainTextInterpreter"]

_TAB = 8


class PlainTextInterpreter:
    """One printer of text in UTF-8.

    Args:
        width: of what it prints, in dots.
        cell: distance of one character, and of one line, to the next, in dots.
    """

    def __init__(self, width: int = 576, cell: tuple[int, int] = (12, 30)) -> None:
        self.width, self.cell = width, cell
        self._look = Lettering(size=cell[0] / ADVANCE, pitch=cell[0])
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._new_piece()

    def _new_piece(self) -> None:
        self._canvas = Canvas(self.width)
        self._y, self._line = 0, ""
        self._written: list[str] = []

    @property
    def columns(self) -> int:
        """Characters in a line."""
        return max(1, self.width // self.cell[0])

    def feed(self, data: bytes) -> list[Answer | Cut | Pulse]:
        """Take bytes as they come; the pages that are finished."""
        return list(self.outcomes(data))

    def outcomes(self, data: bytes) -> Generator[Answer | Cut | Pulse]:
        """The same, one by one, as soon as each is finished; what nobody asks for is passed over."""
        for one in self._decoder.decode(data):
            # A picture can be no longer: the paper goes on, on another one.
            full = self._y + self.cell[1] > LONGEST
            if (one == "\f" or full) and (page := self.torn()) is not None:
                yield page
            if one == "\n":
                self._end_line()
            elif one in "\r\f":
                continue
            elif one == "\t":
                self._line += " " * (_TAB - len(self._line) % _TAB)
            else:
                self._line += one
            if len(self._line) >= self.columns:
                self._end_line()

    def _end_line(self) -> None:
        self._canvas.text(0, self._y, self._line, self._look)
        self._written.append(self._line)
        self._y, self._line = self._y + self.cell[1], ""
        self._canvas.reach(self._y)

    def torn(self) -> Cut | None:
        """Take off what has been printed; None if there is nothing."""
        if self._line:
            self._end_line()
        if not self._y:
            return None
        cut = Cut(self._canvas.finished(self._y), False, tuple(self._canvas.words), tuple(self._written))
        self._new_piece()
        return cut
