"""What is printed on: a picture that grows with what is put on it, in dots of the printer's resolution.

A printer that has one colour prints a dot or does not: letters are then drawn without shades, pictures are
dithered, and every colour but white is black. One that has colours is drawn with shades.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from xfs4iot.dataclass import dataclass
from xfs4iot.printing import fonts
from xfs4iot.printing.fonts import ADVANCE, ASCENT, DESCENT, Face

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

__all__ = [
    "BLACK",
    "LONGEST",
    "MOST_DOTS",
    "WHITE",
    "Canvas",
    "Color",
    "Lettering",
    "Words",
    "longest_of",
    "turned",
]

Color = tuple[int, int, int]
BLACK: Color = (0, 0, 0)
WHITE: Color = (255, 255, 255)
LONGEST = 32_000
"""Dots that a picture is long at most: four metres at 203 dots per inch."""
MOST_DOTS = 64_000_000
"""Dots of the largest picture: more than A4 at 600 dots per inch has."""
_LARGEST_SIZE = 4_000
_LARGEST_KEPT = 100
"""Size of letters that are kept once they are drawn."""
_LONGEST_TEXT = 4_096
"""Characters of a line that are drawn; more have no room on any paper."""
_SLANT = 0.2
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CLOSE = 0.02


@dataclass(frozen=True)
class Lettering:
    """How characters look.

    Attributes:
        face: all equally wide, or proportional.
        size: of the font's em square, in dots.
        pitch: distance of one character to the next, in dots; of `mono` only. As the font has it without.
        bold, italic: as they say.
        underline, strike: lines below and through.
        overscore: a line above.
        wide, high: how often the width and the height.
        rotation: degrees, with the clock.
        script: raised or lowered, and smaller.
        reverse: white on the colour.
        opaque: what is below is covered.
        color: of ink.
        direction: in which a text is read as a whole; `visual` prints each letter as it comes, from the left.
    """

    face: Face = "mono"
    size: float = 20.0
    pitch: float | None = None
    bold: bool = False
    italic: bool = False
    underline: Literal[0, 1, 2] = 0
    strike: Literal[0, 1, 2] = 0
    overscore: bool = False
    wide: int = 1
    high: int = 1
    rotation: Literal[0, 90, 180, 270] = 0
    script: Literal["superscript", "subscript"] | None = None
    reverse: bool = False
    opaque: bool = False
    color: Color = BLACK
    direction: Literal["ltr", "rtl", "visual"] = "ltr"

    @property
    def height(self) -> int:
        """Of a line, in dots."""
        return math.ceil(self.size * (ASCENT + DESCENT) * self.high)

    @property
    def font_size(self) -> float:
        """Of the letters, in dots."""
        # A printer's smaller script leaves the line as high as it is.
        return min(max(1.0, self.size * self.high * (0.6 if self.script else 1.0)), _LARGEST_SIZE)

    def font(self, text: str) -> FreeTypeFont:
        """The font that has the letters of a text."""
        face = fonts.face_for(text, self.face)
        return fonts.font(face, self.bold, self.font_size, self.direction != "visual")

    def ordered(self, text: str) -> tuple[str, dict[str, Any]]:
        """The text as Pillow is to get it, and with which options."""
        text = fonts.replaced(text, self.face, self.bold)
        return (text, {}) if self.direction == "visual" else fonts.ordered(text, self.direction)

    def _natural(self, text: str) -> float:
        """The width of a text as the font has it."""
        shown, options = self.ordered(text)
        return self.font(text).getlength(shown, **options)

    def stretch(self, text: str) -> float:
        """How much wider than the font has it a text is to be."""
        wide = self.wide / self.high
        if self.pitch is None or self.face != "mono":
            return wide
        if fonts.face_for(text, self.face) == "mono":
            return wide * self.pitch / (self.size * ADVANCE)
        # Letters that are not all equally wide: at most as much room as if they were.
        room = self.pitch * self.wide * _columns(text)
        return min(wide, room / max(self._natural(text), 1.0))

    def width(self, text: str) -> float:
        """Of a text in one line, in dots, before it is turned."""
        text = _printable(text)
        if len(text) > _LONGEST_TEXT:
            # Measured from its beginning: it has no room anyway.
            return self.width(text[:_LONGEST_TEXT]) * len(text) / _LONGEST_TEXT
        if self.pitch is not None and self.face == "mono" and fonts.face_for(text, "mono") == "mono":
            scale = 0.6 if self.script else 1.0
            return self.pitch * self.wide * _columns(text) * scale
        return self._natural(text) * self.stretch(text)


@dataclass(frozen=True)
class Words:
    """A text that was printed, and the box it is in, in dots."""

    x: int
    y: int
    width: int
    height: int
    text: str


def longest_of(width: int) -> int:
    """Dots that a picture of this width is long at most."""
    return max(1, min(LONGEST, MOST_DOTS // max(1, width)))


def _columns(text: str) -> int:
    """How many characters stand side by side: accents take no room of their own, Chinese ones that of two."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth  # its tables are a megabyte: loaded with the first text that needs them

    return max(0, wcswidth(text))


def _printable(text: str) -> str:
    return _CONTROL.sub(" ", text)


class Canvas:
    """Something to print on.

    Args:
        width: in dots.
        height: in dots; None for paper from a roll, which is as long as what is printed.
        color: whether the printer has colours, and shades.

    Attributes:
        longest: dots that it can grow to; what is below is not printed.
        reached: the first dot that is free below all that was printed.
        words: the texts that were printed, in that order.
    """

    def __init__(self, width: int, height: int | None = None, *, color: bool = False) -> None:
        fonts.pillow()
        from PIL import Image

        self.width = min(max(1, width), LONGEST)
        self.longest = longest_of(self.width)
        self.height = None if height is None else min(max(1, height), self.longest)
        self.color = color
        self.reached = 0
        self.words: list[Words] = []
        self._image: Image.Image = Image.new(self._mode, (self.width, self.height or 256), "white")
        self._pen = self._made_pen(self._image)

    @property
    def _mode(self) -> str:
        return "RGB" if self.color else "L"

    def _shade(self, color: Color) -> int | Color:
        """A colour as this printer has it."""
        return color if self.color else 255 if color == WHITE else 0

    def _made_pen(self, image: Image) -> ImageDraw:
        from PIL import ImageDraw

        pen = ImageDraw.Draw(image)
        pen.fontmode = "L" if self.color else "1"
        return pen

    def reach(self, bottom: float) -> None:
        """Make room down to here; what is below the longest page is not printed."""
        bottom = math.ceil(min(bottom, self.height or self.longest))
        self.reached = max(self.reached, bottom)
        if bottom <= self._image.height or self.height is not None:
            return
        from PIL import Image

        longer = Image.new(
            self._mode, (self.width, min(max(bottom, 2 * self._image.height), self.longest)), "white"
        )
        longer.paste(self._image)
        self._image, self._pen = longer, self._made_pen(longer)

    def finished(self, length: int | None = None) -> Image:
        """The picture: of the page's height, or so long, or as long as what was printed.

        Of one bit per dot, or in colours.
        """
        length = self.height or max(1, min(self.reached if length is None else length, self.longest))
        self.reach(length)
        image = self._image.crop((0, 0, self.width, length))
        if self.color:
            return image
        from PIL import Image

        # All is black or white already: looking for shades would take longer than drawing did.
        return image.convert("1", dither=Image.Dither.NONE)

    def text(self, x: float, y: float, text: str, look: Lettering) -> float:
        """Print a text in one line.

        Args:
            x, y: of the left upper corner of its box, which is as high as its line, after it was turned.

        Returns:
            How wide it is, along its direction.
        """
        text = _printable(text[:_LONGEST_TEXT])
        if not text:
            return 0.0
        length = look.width(text)
        while len(text) > 1 and length * look.height > MOST_DOTS:
            # What is cut off here is far outside of any paper.
            text = text[: len(text) // 2]
            length = look.width(text)
        across, along = (look.height, length) if look.rotation in (90, 270) else (length, look.height)
        self.reach(y + along)
        box = (round(x), round(y), round(x + across) - 1, round(y + along) - 1)
        if box[2] < 0 or box[3] < 0 or box[0] >= self.width or box[1] >= self._image.height:
            return length
        shown = fonts.replaced(text, look.face, look.bold, columns=False)
        self.words.append(Words(box[0], box[1], box[2] + 1 - box[0], box[3] + 1 - box[1], shown))
        ink, paper = look.color, WHITE
        if look.reverse:
            ink, paper = paper, ink
        if (look.reverse or look.opaque) and box[2] >= box[0]:
            self._pen.rectangle(box, fill=self._shade(paper))
        stretch = look.stretch(text)
        if look.italic or look.rotation or abs(stretch - 1) > _CLOSE:
            mask = self._mask(text, look, math.ceil(length), stretch)
            self._image.paste(self._shade(ink), (round(x), round(y)), mask)
        else:
            self._write(self._image, self._pen, x, y, text, look, length, self._shade(ink))
        return length

    def _write(
        self,
        image: Image,
        pen: ImageDraw,
        x: float,
        y: float,
        text: str,
        look: Lettering,
        length: float,
        ink: int | Color,
    ) -> None:
        size = look.size * look.high
        base = y + size * (ASCENT - {"superscript": 0.35, "subscript": -0.15}.get(look.script or "", 0.0))
        if look.face == "mono" and text.isascii() and look.font_size <= _LARGEST_KEPT:
            self._spell(image, x, base, text, look, length / len(text), ink)
        else:
            shown, options = look.ordered(text)
            pen.text((x, base), shown, fill=ink, font=look.font(text), anchor="ls", **options)
        line = partial(self._line, pen, x, length, max(1, round(size / 16)), ink)
        line(y + size * (ASCENT + 0.1), look.underline)
        line(y + size * (ASCENT - 0.28), look.strike)
        line(y + size * 0.05, int(look.overscore))

    def _spell(
        self, image: Image, x: float, base: float, text: str, look: Lettering, step: float, ink: int | Color
    ) -> None:
        """Write letter by letter; each is drawn once, and then kept."""
        size, line = look.font_size, round(base)
        for number, one in enumerate(text):
            found = fonts.letter(look.bold, size, self.color, one)
            if found is not None:
                mask, left, top = found
                image.paste(ink, (round(x + number * step) + left, line + top), mask)

    def _line(
        self, pen: ImageDraw, x: float, length: float, thick: int, ink: int | Color, y: float, lines: int
    ) -> None:
        for number in range(lines):
            top = round(y) + number * 2 * thick
            pen.rectangle((round(x), top, round(x + length) - 1, top + thick - 1), fill=ink)

    def _mask(self, text: str, look: Lettering, length: int, stretch: float) -> Image:
        """Where ink is to be, of a text that is slanted, stretched or turned."""
        from PIL import Image

        # Letters that are to be wider are drawn larger, and made as low as they are to be.
        large = max(1, math.ceil(stretch - _CLOSE))
        pitch = None if look.pitch is None else look.pitch * large
        drawn = replace(look, size=look.size * large, pitch=pitch)
        # What slants sticks out to the right.
        lean = math.ceil(drawn.height * _SLANT) if look.italic else 0
        natural = min(max(1, math.ceil(length * large / stretch)), MOST_DOTS // max(1, drawn.height))
        mask = Image.new("L", (natural + lean, drawn.height), 0)
        self._write(mask, self._made_pen(mask), 0, 0, text, drawn, natural, 255)
        if look.italic:
            shear = (1, _SLANT, -_SLANT * drawn.size * look.high * ASCENT, 0, 1, 0)
            mask = mask.transform(
                mask.size, Image.Transform.AFFINE, shear, resample=Image.Resampling.BILINEAR
            )
        if mask.height != look.height or abs(stretch - 1) > _CLOSE:
            wide = max(1, round(mask.width * stretch / large))
            mask = mask.resize((wide, look.height), Image.Resampling.BILINEAR)
        mask = turned(mask, look.rotation)
        return mask if self.color else mask.point(lambda shade: 255 * (shade > 110))

    def picture(self, x: float, y: float, picture: Image) -> None:
        """Print a picture, its dots as they are; what is transparent is not printed."""
        self.reach(y + picture.height)
        place = round(x), round(y)
        if picture.mode == "1":
            self._image.paste(picture.convert(self._mode), place)
            return
        mask = None
        if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            mask = picture.getchannel("A")
        if self.color:
            self._image.paste(picture.convert("RGB"), place, mask)
        else:
            dithered = picture.convert("RGB").convert("L").convert("1").convert("L")
            self._image.paste(dithered, place, mask and mask.point(lambda shade: 255 * (shade > 127)))

    def symbol(self, x: float, y: float, symbol: Image, color: Color = BLACK) -> None:
        """Print the black dots of a picture in a colour, and its white ones as white."""
        self.reach(y + symbol.height)
        place = round(x), round(y)
        self._image.paste(self._shade(WHITE), (*place, place[0] + symbol.width, place[1] + symbol.height))
        self._image.paste(
            self._shade(color), place, symbol.convert("L").point(lambda shade: 255 * (shade < 128))
        )

    def through(self, x: float, y: float, mask: Image, color: Color = BLACK) -> None:
        """Print a colour wherever a picture of one bit is set."""
        self.reach(y + mask.height)
        self._image.paste(self._shade(color), (round(x), round(y)), mask)

    def paste(self, other: Canvas, x: float, y: float, rotation: Literal[0, 90, 180, 270] = 0) -> None:
        """Print what is on another one, turned with the clock."""
        image = turned(other.finished(), rotation)
        self.reach(y + image.height)
        self._image.paste(image.convert(self._mode), (round(x), round(y)))
        self.words.extend(
            Words(round(x), round(y), image.width, image.height, one.text) for one in other.words
        )


def turned(picture: Image, rotation: Literal[0, 90, 180, 270]) -> Image:
    """A picture, turned with the clock."""
    from PIL import Image

    # Pillow turns against it.
    turn = {
        90: Image.Transpose.ROTATE_270,
        180: Image.Transpose.ROTATE_180,
        270: Image.Transpose.ROTATE_90,
    }
    return picture.transpose(turn[rotation]) if rotation else picture
