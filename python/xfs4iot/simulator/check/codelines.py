"""Code lines of cheques: their characters are drawn, and read back by comparing shapes.

Both fonts stand at a pitch of an eighth of an inch in a band along the lower edge, which is otherwise left
clear. What is known of them:

- E-13B: squares of 0.013 inch, 9 high and 4 to 7 wide, characters flush right. Digits, and transit, amount,
  on-us and dash, which are written `a` to `d`.
- CMC-7: seven bars, parted by six intervals of which two are wide: fifteen characters, the digits and the
  symbols SI to SV, written `a` to `e`; or one or three: the 26 letters, written as capitals. The bars are as
  high as the character's outline lets them be.

The drawings are this project's own, for a simulated scanner: they are not those of ISO 1004, and no cheque
should be printed with them. A picture is read as a reader reads it: from the right, place by place. Each
place is compared with each character at some offsets; the most similar one is it, if it is similar enough
and clearly more so than the second. What cannot be read is `?`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import sqrt
from operator import mul
from string import ascii_uppercase
from typing import TYPE_CHECKING

from xfs4iot.dataclass import dataclass

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["FONTS", "SCALE", "Font", "covered", "drawn", "read"]

SCALE = 8
"""Pixels of a picture per millimetre: some 200 dots per inch."""
UNREADABLE = "?"

_PITCH = 25.4 / 8
_RIGHT, _BOTTOM = 8.0, 5.0
"""Millimetres from the right edge of the cheque to the last character, and from the lower one to its foot."""
_FINE = 5
"""How much finer than the picture characters are drawn, so that edges between pixels are right."""
_BLANK = 16
"""Grey levels that a place without a character differs from the paper at the most, on average."""
_CLEAR = 0.05
"""How much more similar the most similar character must be than the second."""

_E13B = """
0 ####### #.....# #.....# #.....# #.....# #.....# #.....# #.....# #######
1 ##..... .#..... .#..... .#..... .#..... ####... ####... ####... ####...
2 ####... ...#... ...#... ...#... ####... #...... #...... #...... ####...
3 ####... ...#... ...#... ...#... .####.. ...##.. ...##.. ...##.. #####..
4 ##..... ##..... ##..... ##..... ##..##. ######. ....##. ....##. ....##.
5 #####.. #...... #...... #...... #####.. ....#.. ....#.. ....#.. #####..
6 ###.... #...... #...... #...... ######. #....#. #....#. #....#. ######.
7 #####.. #...#.. ....#.. ...##.. ...#... ..##... ..#.... ..#.... ..#....
8 .#####. .#...#. .#...#. .#...#. ####### ##...## ##...## ##...## #######
9 ######. #....#. #....#. #....#. ######. ....##. ....##. ....##. ....##.
a #...### #...### #...### #...... #...... #...... #...### #...### #...###
b ...#.## ...#.## ...#.## ...#.## ...#... ##.#... ##.#... ##.#... ##.#...
c ....... #.#.... #.#.... #.#.### #.#.### #.#.### #.#.### #.#.### .......
d ....... ....... ....... ##.##.# ##.##.# ##.##.# ##.##.# ....... .......
"""


def _intervals(*wide: int) -> Iterator[str]:
    """Six intervals, of which so many are wide, in all ways."""
    for number in range(2**6):
        if number.bit_count() in wide:
            yield f"{number:06b}"


_CMC7_INTERVALS = {
    "0": "001100",
    "1": "100010",
    "2": "011000",
    "3": "101000",
    "4": "100100",
    "5": "000110",
    "6": "001010",
    "7": "110000",
    "8": "010010",
    "9": "010100",
    "a": "100001",
    "b": "010001",
    "c": "001001",
    "d": "000101",
    "e": "000011",
    # Letters have one wide interval or three: there are 26 such characters, in the order of their bars.
    **dict(zip(ascii_uppercase, _intervals(1, 3), strict=True)),
}
"""The intervals between the bars of each character; 1 is wide."""
_CMC7_OUTLINES = """
0 .#####. ####### ##...## ##...## ##...## ##...## ##...## ####### .#####.
1 ..###.. .####.. #####.. ...##.. ...##.. ...##.. ...##.. ####### #######
2 .#####. ####### ##...## ....### ...###. ..###.. .###... ####### #######
3 ######. ####### .....## ..##### ..##### .....## .....## ####### ######.
4 ##..... ##..... ##..##. ##..##. ####### ####### ....##. ....##. ....##.
5 ####### ####### ##..... ######. ####### .....## ##...## ####### .#####.
6 .#####. ####### ##..... ##..... ######. ####### ##...## ####### .#####.
7 ####### ####### .....## ....### ...###. ..###.. ..##... ..##... ..##...
8 .#####. ####### ##...## ####### .#####. ####### ##...## ####### .#####.
9 .#####. ####### ##...## ####### .###### .....## .....## ####### .#####.
a ##..... ###.... ####... ####### ####### ####### ####... ###.... ##.....
b ##...## ##...## ####### ####### ####### ####### ####### ##...## ##...##
c .....## ....### ...#### ####### ####### ####### ...#### ....### .....##
d ####### ####### ##...## ##...## ##...## ##...## ##...## ####### #######
e ####### ####### ...#### ...#### ####### ####### ####... ####### #######
A ..###.. .#####. ##...## ##...## ####### ####### ##...## ##...## ##...##
B ######. ####### ##...## ######. ######. ##...## ##...## ####### ######.
C .#####. ####### ##...## ##..... ##..... ##..... ##...## ####### .#####.
D #####.. ######. ##..### ##...## ##...## ##...## ##..### ######. #####..
E ####### ####### ##..... ######. ######. ##..... ##..... ####### #######
F ####### ####### ##..... ######. ######. ##..... ##..... ##..... ##.....
G .#####. ####### ##..... ##..... ##.#### ##.#### ##...## ####### .#####.
H ##...## ##...## ##...## ####### ####### ##...## ##...## ##...## ##...##
I ####### ####### ..###.. ..###.. ..###.. ..###.. ..###.. ####### #######
J .....## .....## .....## .....## .....## ##...## ##...## ####### .#####.
K ##...## ##..### ##.###. #####.. ####... #####.. ##.###. ##..### ##...##
L ##..... ##..... ##..... ##..... ##..... ##..... ##..... ####### #######
M ##...## ###.### ####### ####### ##.#.## ##...## ##...## ##...## ##...##
N ##...## ###..## ####.## ####### ##.#### ##..### ##...## ##...## ##...##
O ####### ##...## ##...## ##...## ##...## ##...## ##...## ##...## #######
P ######. ####### ##...## ##...## ####### ######. ##..... ##..... ##.....
Q .#####. ##...## ##...## ##...## ##...## ##.#.## ##..##. .###.## .....##
R ######. ##...## ##...## ##...## ######. #####.. ##.##.. ##..##. ##...##
S .###### ##..... ##..... ###.... .#####. ....### .....## .....## ######.
T ####### ####### ..###.. ..###.. ..###.. ..###.. ..###.. ..###.. ..###..
U ##...## ##...## ##...## ##...## ##...## ##...## ##...## ####### .#####.
V ##...## ##...## ##...## ##...## ##...## .##.##. .##.##. ..###.. ...#...
W ##...## ##...## ##...## ##...## ##.#.## ####### ####### ###.### ##...##
X ##...## ##...## .##.##. ..###.. ..###.. ..###.. .##.##. ##...## ##...##
Y ##...## ##...## .##.##. .#####. ..###.. ..###.. ..###.. ..###.. ..###..
Z ####### ####### ....##. ...##.. ..##... .##.... ##..... ####### #######
"""
_BAR, _NARROW, _WIDE = 3, 6, 10
"""Columns of 0.05 mm: a bar, and the intervals from bar to bar."""


@dataclass(frozen=True)
class Font:
    """The characters of one font, on a grid of equal cells.

    Attributes:
        name: as the standard calls it.
        width, height: of a cell, in millimetres.
        similar: how similar a character must be, of 1; bars are as fine as pixels, and blur.
        shapes: the rows of each character; `#` is ink.
    """

    name: str
    width: float
    height: float
    similar: float
    shapes: Mapping[str, tuple[str, ...]]

    @property
    def columns(self) -> int:
        """Cells of a row."""
        return len(next(iter(self.shapes.values()))[0])

    @property
    def rows(self) -> int:
        """Rows of a character."""
        return len(next(iter(self.shapes.values())))

    @cached_property
    def patterns(self) -> dict[str, list[float]]:
        """Each character as what it is compared with: its cells around their mean, of length 1."""
        return {
            name: _pattern([float(cell == "#") for row in rows for cell in row])
            for name, rows in self.shapes.items()
        }


def _pattern(cells: list[float]) -> list[float]:
    mean = sum(cells) / len(cells)
    around = [cell - mean for cell in cells]
    length = sqrt(sum(map(mul, around, around))) or 1.0
    return [cell / length for cell in around]


def _rows(text: str) -> dict[str, tuple[str, ...]]:
    return {name: tuple(rows) for name, *rows in map(str.split, text.strip().split("\n"))}


def _flush_right(rows: tuple[str, ...]) -> tuple[str, ...]:
    """A character of E-13B at the right of its place."""
    free = min(len(row) - len(row.rstrip(".")) for row in rows)
    return tuple("." * free + row[: len(row) - free] for row in rows)


def _bars(intervals: str, outline: tuple[str, ...]) -> tuple[str, ...]:
    """A character of CMC-7: seven bars within its outline."""
    starts = [0]
    for interval in intervals:
        starts.append(starts[-1] + (_WIDE if interval == "1" else _NARROW))
    # At the right of the place, as the widest characters need it.
    left = 3 * (_WIDE + _NARROW) + _BAR - (starts[-1] + _BAR)
    starts = [left + start for start in starts]
    rows = []
    for line in outline:
        cells = ["."] * (starts[-1] + _BAR)
        for start, visible in zip(starts, line, strict=True):
            if visible == "#":
                cells[start : start + _BAR] = "#" * _BAR
        rows.append("".join(cells))
    return tuple(rows)


FONTS: Mapping[str, Font] = {
    "e13b": Font(
        "e13b", 0.3302, 0.3302, 0.75, {name: _flush_right(rows) for name, rows in _rows(_E13B).items()}
    ),
    "cmc7": Font(
        "cmc7",
        0.05,
        2.85 / 9,
        0.5,
        {name: _bars(_CMC7_INTERVALS[name], outline) for name, outline in _rows(_CMC7_OUTLINES).items()},
    ),
}


def _places(text: str, width: int) -> Iterator[tuple[float, str]]:
    """Where the right edge of each character is, in millimetres from the left."""
    for number, character in enumerate(reversed(text)):
        yield width / SCALE - _RIGHT - number * _PITCH, character


def drawn(picture: Image, text: str, font: str) -> None:
    """Draw a code line on the picture of a front; characters that the font lacks stay blank."""
    from PIL import Image, ImageChops, ImageDraw

    face, fine = FONTS[font], SCALE * _FINE
    height = face.rows * face.height
    tall = round(height * SCALE) + 1
    band = Image.new("L", (picture.width * _FINE, tall * _FINE), "white")
    pen = ImageDraw.Draw(band)
    for right, character in _places(text, picture.width):
        left = right - face.columns * face.width
        for number, row in enumerate(face.shapes.get(character, ())):
            for column, cell in enumerate(row):
                if cell == "#":
                    corner = (left + column * face.width) * fine, number * face.height * fine
                    opposite = corner[0] + face.width * fine - 1, corner[1] + face.height * fine - 1
                    pen.rectangle((corner, opposite), fill="black")
    ink = band.resize((picture.width, tall), Image.Resampling.BOX)
    top = round(picture.height - (_BOTTOM + height) * SCALE)
    where = (0, top, picture.width, top + tall)
    below = picture.crop(where)
    picture.paste(ImageChops.multiply(below, ink.convert(picture.mode)), where)


def covered(picture: Image, text: str, font: str, positions: tuple[int, ...]) -> None:
    """Put a blot over some characters of a code line; positions count from 0 at the left."""
    from PIL import ImageDraw

    face, pen = FONTS[font], ImageDraw.Draw(picture)
    bottom = picture.height - _BOTTOM * SCALE
    places = [right for right, _ in _places(text, picture.width)][::-1]
    for position in positions:
        if position < len(places):
            right = places[position] * SCALE
            left = right - face.columns * face.width * SCALE
            pen.rectangle((left, bottom - face.rows * face.height * SCALE, right, bottom), fill="black")


def read(picture: Image, font: str) -> str | None:
    """The code line in the picture of a front; None if no character of the font is there."""
    reader = _Reader(picture, FONTS[font])
    text = "".join(reversed(list(reader.characters()))).strip()
    return text if reader.good else None


class _Reader:
    """Reads one picture, from the right to the left.

    Attributes:
        good: characters that were recognised.
    """

    def __init__(self, picture: Image, face: Font) -> None:
        self._picture = picture.convert("L")
        self._face = face
        height = face.rows * face.height
        self._top = round(picture.height - (_BOTTOM + height) * SCALE)
        self._offset = 0.0, 0.0
        # Characters cover less than half of the band: its middle level is the paper's.
        band = self._picture.crop((0, self._top, picture.width, self._top + round(height * SCALE)))
        self._paper = 255 - sorted(band.tobytes())[band.width * band.height // 2]
        self.good = 0

    def characters(self) -> Iterator[str]:
        """What stands at each place, the last first."""
        width = self._face.columns * self._face.width * SCALE
        right = self._picture.width - _RIGHT * SCALE
        while right - width >= 0:
            yield self._character(right - width, right)
            right -= _PITCH * SCALE

    def _character(self, left: float, right: float) -> str:
        cells = self._cells(left, right, 0.0, 0.0)
        if sum(cells) / len(cells) - self._paper < _BLANK:
            return " "
        best: dict[str, float] = {}
        # Where the last character was first: a line is seldom printed crookedly.
        for across, down in self._offsets():
            pattern = _pattern(self._cells(left, right, across, down))
            for name, shape in self._face.patterns.items():
                similar = sum(map(mul, pattern, shape))
                if similar > best.get(name, -1.0):
                    best[name] = similar
                    if similar == max(best.values()):
                        found = across, down
        (second, _), (first, name) = sorted((value, name) for name, value in best.items())[-2:]
        if first < self._face.similar or first - second < _CLEAR:
            return UNREADABLE
        self._offset = found
        self.good += 1
        return name

    def _offsets(self) -> Iterator[tuple[float, float]]:
        across, down = self._offset
        for x in (0.0, -0.5, 0.5, -1.0, 1.0):
            for y in (0.0, -0.5, 0.5):
                yield across + x, down + y

    def _cells(self, left: float, right: float, across: float, down: float) -> list[float]:
        """How dark each cell of a place is."""
        from PIL import Image

        face = self._face
        top = self._top + down
        box = (left + across, top, right + across, top + face.rows * face.height * SCALE)
        inside = max(0.0, box[0]), box[1], min(float(self._picture.width), box[2]), box[3]
        small = self._picture.resize((face.columns, face.rows), Image.Resampling.BOX, inside)
        return [255.0 - level for level in small.tobytes()]
