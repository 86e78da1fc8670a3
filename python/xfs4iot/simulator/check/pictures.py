"""Pictures of cheques: what is printed, written, stamped and blotted on them, as a scanner sees it.

A scanner turns every picture upright. In coloured light what has the light's colour disappears: paper and its
pattern are bluish, so that writing stands alone in blue light.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import msgspec

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.simulator.check import codelines
from xfs4iot.simulator.check.items import Cheque

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["codeline_of", "pictured"]

_FORMATS = {"jpg": "JPEG", "tif": "TIFF", "bmp": "BMP"}
_DOTS_PER_INCH = round(codelines.SCALE * 25.4)
_LIGHTS = {"red": 0, "green": 1, "blue": 2, "white": None}
"""Colours of light, and the channel that is seen in each."""
_PAPER, _PATTERN, _STAMP = "#e8f0fa", "#c4d8f4", "#b02020"


@lru_cache(maxsize=64)
def _side(kept: bytes, side: Literal["front", "back"]) -> Image:
    """One side of an item, in white light.

    Raises:
        HardwareError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise errors.HardwareError("the scanner cannot draw: pip install 'xfs4iot[simulator]'") from None
    item, scale = msgspec.json.decode(kept, type=Cheque), codelines.SCALE
    width, height = item.long_edge * scale, item.short_edge * scale
    picture = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(picture)
    for left in range(-height, width, 6 * scale):
        pen.line((left, 0, left + height, height), fill=_PATTERN, width=2)
    if side == "back":
        pen.text((3 * scale, 3 * scale), "ENDORSE HERE", fill="#808080", font_size=3 * scale)
        _lines(pen, item.printed, 10 * scale)
        if item.stamped:
            corner = width - 60 * scale, height // 2
            pen.rectangle((*corner, corner[0] + 50 * scale, corner[1] + 9 * scale), outline=_STAMP, width=4)
            words = corner[0] + 3 * scale, corner[1] + 2 * scale
            pen.text(words, "DEPOSITED", fill=_STAMP, font_size=5 * scale)
        return picture
    pen.text((width - 45 * scale, 5 * scale), item.date, fill="black", font_size=4 * scale)
    pen.text((8 * scale, 18 * scale), f"PAY TO {item.payee}", fill="black", font_size=4 * scale)
    pen.text((width - 45 * scale, 18 * scale), item.amount, fill="black", font_size=5 * scale)
    pen.line((width - 70 * scale, 45 * scale, width - 8 * scale, 45 * scale), fill="black", width=2)
    _lines(pen, item.printed_front, 28 * scale)
    if item.codeline:
        codelines.drawn(picture, item.codeline, item.font)
        codelines.covered(picture, item.codeline, item.font, item.blots)
    return picture


def _lines(pen: object, text: str, top: int) -> None:
    """What the device has printed."""
    for number, line in enumerate(text.split("\r\n")):
        where = 8 * codelines.SCALE, top + number * 5 * codelines.SCALE
        pen.text(where, line, fill="black", font_size=4 * codelines.SCALE)  # type: ignore[attr-defined]


def codeline_of(item: Cheque, font: str) -> str | None:
    """The code line that is read from the picture of the front; None if there is none of this font."""
    return codelines.read(_side(msgspec.json.encode(item), "front"), font)


def pictured(item: Cheque, wish: devices.ImageWish) -> bytes:
    """A picture of one side of an item, as it was asked for."""
    picture = _side(msgspec.json.encode(item), wish.source)
    channel = _LIGHTS[wish.scan_color]
    if channel is not None:
        picture = picture.getchannel(channel).convert("RGB")
    if wish.color_format == "grayScale":
        picture = picture.convert("L")
    elif wish.color_format == "binary":
        # Neither grey nor dithered: what is darker than half is ink.
        picture = picture.convert("L").point(lambda level: 255 if level > 127 else 0).convert("1")
    file = io.BytesIO()
    picture.save(file, _FORMATS[wish.type], dpi=(_DOTS_PER_INCH, _DOTS_PER_INCH))
    return file.getvalue()
