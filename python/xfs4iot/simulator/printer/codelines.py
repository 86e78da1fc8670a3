"""The code line of a document, along its lower edge: drawn as on a cheque, whatever the head's resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageChops

from xfs4iot.devices import MICROMETRES_PER_INCH
from xfs4iot.printing.canvas import Words
from xfs4iot.simulator.check import codelines

if TYPE_CHECKING:
    from xfs4iot.printing.pages import Head

__all__ = ["codeline_in", "with_codeline"]

_BAND = 12_000
"""Micrometres from the lower edge, in which a code line stands."""


def codeline_in(picture: Image.Image, font: str, head: Head) -> str | None:
    """The code line in the picture of a front; None if no character of the font is there."""
    size, band = _band_of(picture, head)
    return codelines.read(picture.crop(band).convert("L").resize(size, Image.Resampling.BICUBIC), font)


def with_codeline(picture: Image.Image, text: str, font: str, head: Head) -> Words:
    """Draw a code line at the lower edge of a picture; where it stands."""
    size, band = _band_of(picture, head)
    drawn = Image.new("L", size, "white")
    codelines.drawn(drawn, text, font)
    paper = picture.crop(band)
    ink = drawn.resize(paper.size, Image.Resampling.BOX)
    picture.paste(ImageChops.multiply(paper, ink.convert(picture.mode)), band[:2])
    left, top, right, bottom = ImageChops.invert(ink).getbbox() or (0, 0, 1, 1)
    return Words(left, band[1] + top, right - left, bottom - top, text)


def _band_of(picture: Image.Image, head: Head) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """How large the band with the code line is when it is read, and where in a picture it is."""
    high = min(picture.height, max(1, round(head.in_dots(_BAND))))
    scale = codelines.SCALE * MICROMETRES_PER_INCH / (head.dots * 1_000)
    size = max(1, round(picture.width * scale)), max(1, round(high * scale))
    return size, (0, picture.height - high, picture.width, picture.height)
