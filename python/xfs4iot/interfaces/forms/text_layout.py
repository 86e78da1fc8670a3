"""Text in a box: how it is broken into lines, and where each of them stands.

A line is filled as far as its box allows, by widths that the device measures. *Wrapping* breaks behind the
last blank or joining sign that fits and drops the blanks there; a word that is longer than a line is cut.
*Chopping* cuts anywhere. Neither ever loses a character that is not a blank, nor puts one outside the box:
what does not fit is left over, and said so. Cuts never part a letter from its accents.

All lengths are in µm, relative to the box, which is not rotated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, Protocol

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import MICROMETRES_PER_INCH, PrintFont
from xfs4iot.interfaces.forms.screen import graphemes
from xfs4iot.interfaces.forms.text_direction import Direction, direction_of, seen_order

__all__ = ["Alignment", "Block", "Fonts", "Piece", "block_of", "lines_of"]

_JOINING = frozenset("-/\u2010\u2013\u2014")
"""Signs behind which a word may be broken."""
_MOST_LINES, _MOST_CHARACTERS = 2000, 1000
"""Lines of a field and characters of a line, however large the field is: a client's text must not cost more
than paper can take."""
_BREAK = re.compile(r"\r\n|\r|\n")


class Fonts(Protocol):
    """What the device knows of its fonts; both lengths in µm."""

    def width(self, text: str, font: PrintFont) -> int: ...

    def height(self, font: PrintFont) -> int: ...

    def lacks(self, text: str, font: PrintFont) -> str: ...


@dataclass(frozen=True)
class Alignment:
    """How lines stand in their box.

    Attributes:
        horizontal, vertical: as the field says.
        column: width of a cell, to whose multiples centred text is moved; 1 for none.
        rows_per_inch: of cells; None for none.
    """

    horizontal: Literal["left", "right", "center", "justify"] = "left"
    vertical: Literal["top", "center", "bottom"] = "bottom"
    column: int = 1
    rows_per_inch: int | None = None


@dataclass(frozen=True)
class Line:
    """One line of a text.

    Attributes:
        text: without the blanks at its end, if it was wrapped there.
        last: whether its paragraph ends with it.
        direction: in which its paragraph is read.
    """

    text: str
    last: bool
    direction: Direction = "ltr"


@dataclass(frozen=True)
class Piece:
    """Characters with their place in the box, and the direction in which they are read as a whole."""

    x: int
    y: int
    width: int
    height: int
    text: str
    direction: Direction = "ltr"


@dataclass(frozen=True)
class Block:
    """A text in its box.

    Attributes:
        pieces: line by line; a justified line is a piece for each word.
        whole: whether all of the text is there.
    """

    pieces: tuple[Piece, ...]
    whole: bool


class _Filler:
    """Breaks one text into lines."""

    def __init__(self, fonts: Fonts, font: PrintFont, width: int, most: int) -> None:
        self._fonts, self._font, self._width, self._most = fonts, font, width, most
        self.lines: list[Line] = []
        self.whole = True
        self._direction: Direction = "ltr"

    def _fits(self, text: str) -> bool:
        return self._fonts.width(text, self._font) <= self._width

    def _put(self, text: str, last: bool) -> bool:
        """Whether there was room for another line."""
        if len(self.lines) >= self._most:
            return False
        self.lines.append(Line(text, last, self._direction))
        return True

    def _fitting(self, text: str, start: int) -> int:
        """How many characters of a text, from `start` on, fit into a line."""
        # First a part that is long enough, then halving: texts can be far longer than their line.
        least, most, length = 0, 16, min(len(text) - start, _MOST_CHARACTERS)
        while most < length and self._fits(text[start : start + most]):
            least, most = most, 2 * most
        if most >= length:
            if self._fits(text[start : start + length]):
                return length if start + length == len(text) else _whole_characters(text, start, length)
            most = length
        while most - least > 1:
            middle = (least + most) // 2
            least, most = (middle, most) if self._fits(text[start : start + middle]) else (least, middle)
        return _whole_characters(text, start, least)

    def fill(self, text: str, how: Literal["wrap", "chop"]) -> None:
        """Fill lines with paragraphs."""
        paragraphs = _BREAK.split(text)
        for number, paragraph in enumerate(paragraphs):
            left = self._paragraph(paragraph, how)
            if left is not None:
                # Blanks and empty lines are not missed.
                self.whole = not any(one.strip(" ") for one in (left, *paragraphs[number + 1 :]))
                return

    def _paragraph(self, text: str, how: Literal["wrap", "chop"]) -> str | None:
        """Fill lines with one paragraph; returns what finds no room, None for nothing."""
        self._direction = direction_of(text)
        start = 0
        while True:
            taken = self._fitting(text, start)
            if start + taken == len(text):
                return None if self._put(text[start:], True) else text[start:]
            end = _last_break(text, start, start + taken) if how == "wrap" else None
            if end is None and how == "wrap" and (word := self._word_behind_blanks(text, start)) is not None:
                start = word
                continue
            if end is not None:
                line = text[start:end].rstrip(" ")
                while end < len(text) and text[end] == " ":
                    end += 1
            elif taken:
                end = start + taken
                line = text[start:end]
            else:
                # Not even one character fits into the box.
                return text[start:]
            if not self._put(line, end == len(text)):
                return text[start:]
            if end == len(text):
                return None
            start = end

    def _word_behind_blanks(self, text: str, start: int) -> int | None:
        """Where a word begins that fits into a line without the blanks in front of it; None if none does."""
        word = start
        while text[word : word + 1] == " ":
            word += 1
        if word == start:
            return None
        end = word + self._fitting(text, word)
        return word if end == len(text) or _last_break(text, word, end) is not None else None


def _last_break(text: str, start: int, most: int) -> int | None:
    """The last place, up to `most`, at which a line that begins at `start` may end; None for none."""
    for place in range(most, start, -1):
        before, after = text[place - 1], text[place : place + 1]
        if after == " " or before == " ":
            # Blanks alone are no line: they belong to the word behind them.
            return place if text[start:place].strip(" ") else None
        # Behind a sign within a word, and behind all of several: not `-5`, not between two dashes.
        joins = before in _JOINING and after not in _JOINING
        if joins and place - 1 > start and text[place - 2] != " ":
            return place
    return None


def _whole_characters(text: str, start: int, count: int) -> int:
    """At most `count` from `start` on, without parting a letter from its accents."""
    part = text[start : start + count + 32]
    if count == 0 or part.isascii():
        return count
    total = 0
    for one in graphemes(part):
        if total + len(one) > count:
            break
        total += len(one)
    return total


def lines_of(
    text: str, how: Literal["wrap", "chop"], fonts: Fonts, font: PrintFont, width: int, most: int
) -> tuple[list[Line], bool]:
    """A text as lines.

    Args:
        text: with line ends of any kind.
        how: it is broken.
        fonts: of the device.
        font: of the text.
        width: of a line.
        most: lines.

    Returns:
        The lines, and whether they hold all of the text.
    """
    filler = _Filler(fonts, font, width, most)
    filler.fill(text, how)
    return filler.lines, filler.whole


def block_of(
    text: str,
    how: Literal["wrap", "chop"],
    fonts: Fonts,
    font: PrintFont,
    width: int,
    height: int,
    alignment: Alignment,
) -> Block:
    """A text in a box; arguments as of `lines_of`."""
    tall = fonts.height(font)
    num, den = _pitch(font, tall, alignment.rows_per_inch)
    # The most lines whose last begins, rounded down, no later than its height above the end.
    most = 1 + ((height - tall + 1) * den - 1) // num if height >= tall else 0
    most = min(most, _MOST_LINES)
    lines, whole = lines_of(text, how, fonts, font, width, most)
    if not lines:
        return Block((), whole)
    rest = height - (tall + (len(lines) - 1) * num // den)
    if alignment.vertical == "bottom":
        y = rest
    elif alignment.vertical == "center":
        # In cells to a whole row; all is counted in lines, so that no rounding adds up.
        y = rest // 2 if alignment.rows_per_inch is None else (most - len(lines)) // 2 * num // den
    else:
        y = 0
    pieces: list[Piece] = []
    for number, line in enumerate(lines):
        pieces += _placed(line, fonts, font, width, y + number * num // den, tall, alignment)
    return Block(tuple(pieces), whole)


def _pitch(font: PrintFont, tall: int, rows_per_inch: int | None) -> tuple[int, int]:
    """From line to line, as a fraction: by the font's lines per inch, or by the rows of the form."""
    lines = font.lpi or rows_per_inch
    return (tall, 1) if lines is None else (font.style.height * MICROMETRES_PER_INCH, lines)


def _placed(
    line: Line, fonts: Fonts, font: PrintFont, width: int, y: int, tall: int, alignment: Alignment
) -> Iterator[Piece]:
    """A line with its place."""
    if not line.text:
        return
    if alignment.horizontal == "justify" and not line.last:
        pieces = list(_justified(line, fonts, font, width, y, tall, alignment.column))
        if pieces:
            yield from pieces
            return
    taken = fonts.width(line.text, font)
    rest = max(width - taken, 0)
    x = 0
    from_right = alignment.horizontal == "justify" and line.direction == "rtl"
    if alignment.horizontal == "right" or from_right:
        x = rest
    elif alignment.horizontal == "center":
        x = rest // 2 // alignment.column * alignment.column
    yield Piece(x, y, min(taken, width), tall, line.text, line.direction)


def _justified(
    line: Line, fonts: Fonts, font: PrintFont, width: int, y: int, tall: int, column: int
) -> Iterator[Piece]:
    """The words of a line, so that they end where the box does; nothing if it is one word."""
    words = [word for word in line.text.split(" ") if word]
    if len(words) < 2:
        return
    widths = [fonts.width(word, font) for word in words]
    room = width - sum(widths)
    if room < 0:
        return
    gaps = len(words) - 1
    # In cells the gaps are whole columns, and what is left over of them goes to the first gaps.
    each, over = divmod(room // column, gaps)
    x = 0
    for place, (number, direction) in enumerate(seen_order(words, line.direction)):
        yield Piece(x, y, widths[number], tall, words[number], direction)
        x += widths[number] + (each + (place < over)) * column
