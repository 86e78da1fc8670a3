"""Fonts: DejaVu Sans and DejaVu Sans Mono, which come with the package, and text written from right to left.

Pillow shapes and orders text itself where its Raqm finds FriBiDi, which not every system has. Elsewhere
letters are joined and put into the order in which they are seen before Pillow gets them, by arabic-reshaper
and python-bidi, and look the same.

Characters that the fonts lack (Chinese, emoji) are printed as U+FFFD, in as many columns as they have: what
is missing on a receipt must be seen there.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import category

from xfs4iot.protocol import errors

if TYPE_CHECKING:
    from PIL import ImageFont
    from PIL.Image import Image

__all__ = [
    "ADVANCE",
    "ASCENT",
    "DESCENT",
    "Face",
    "face_for",
    "font",
    "from_the_right",
    "lacking",
    "letter",
    "ordered",
    "pillow",
    "replaced",
]

Face = Literal["mono", "sans"]

ADVANCE = 1233 / 2048
"""Width of a character of `mono`, in parts of the font's size."""
ASCENT, DESCENT = 1901 / 2048, 483 / 2048
"""Room above and below the base line, in parts of the font's size; of both faces."""

_DIRECTORY = Path(__file__).parent / "fonts"
_FILES = {
    ("mono", False): "DejaVuSansMono.ttf",
    ("mono", True): "DejaVuSansMono-Bold.ttf",
    ("sans", False): "DejaVuSans.ttf",
    ("sans", True): "DejaVuSans-Bold.ttf",
}
_HEBREW = re.compile("[\u0590-\u05ff\ufb1d-\ufb4f]")
_FROM_THE_RIGHT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u200f\u202b\u202e\u2067]")
_ARABIC = re.compile("[\u0600-\u06ff]")
_REPLACEMENT = "\ufffd"
_SELECTOR = re.compile("[\u00ad\u200b\u2060\ufeff\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Variation selectors and where words may break: they say how others look, and are nothing themselves."""


def pillow() -> Any:
    """Pillow, which is an optional extra.

    Raises:
        HardwareError: it is not installed.
    """
    try:
        import PIL
        from PIL import Image, ImageDraw, ImageFont  # noqa: F401
    except ImportError:
        raise errors.HardwareError(
            "the printer cannot draw: pip install 'xfs4iot[simulator]' or 'xfs4iot[escpos]'"
        ) from None
    return PIL


def from_the_right(text: str) -> bool:
    """Whether some of it is written from right to left."""
    return _FROM_THE_RIGHT.search(text) is not None


def face_for(text: str, face: Face) -> Face:
    """The face that has the letters of a text: `mono` has no Hebrew."""
    return "sans" if _HEBREW.search(text) else face


@cache
def _shapes() -> bool:
    """Whether Pillow shapes and orders text itself."""
    from PIL import features

    return bool(features.check("raqm"))


@lru_cache(maxsize=256)
def font(face: Face, bold: bool, size: float, shaped: bool = True) -> ImageFont.FreeTypeFont:
    """A font of this size (of its em square) in dots; without `shaped` letters stay as they come."""
    from PIL import ImageFont

    layout = ImageFont.Layout.RAQM if shaped and _shapes() else ImageFont.Layout.BASIC
    return ImageFont.truetype(_DIRECTORY / _FILES[face, bold], size, layout_engine=layout)


@lru_cache(maxsize=2048)
def letter(bold: bool, size: float, shades: bool, one: str) -> tuple[Image, int, int] | None:
    """A letter of `mono`: its ink, and where that is from the letter's origin; None for a blank."""
    from PIL import Image, ImageDraw

    drawn = font("mono", bold, size, shaped=False)
    left, top, right, bottom = map(int, drawn.getbbox(one, "L" if shades else "1", anchor="ls"))
    if right <= left or bottom <= top:
        return None
    image = Image.new("L", (right - left, bottom - top), 0)
    pen = ImageDraw.Draw(image)
    pen.fontmode = "L" if shades else "1"
    pen.text((-left, -top), one, fill=255, font=drawn, anchor="ls")
    return (image if shades else image.convert("1")), left, top


@lru_cache(maxsize=8192)
def _has(face: Face, bold: bool, one: str) -> bool:
    """Whether a font has a character: one that it lacks looks as U+FFFF, which is none."""
    drawn = font(face, bold, 20, shaped=False)
    mask, none = drawn.getmask(one), drawn.getmask("\uffff")
    return mask.size != none.size or bytes(mask) != bytes(none)


def lacking(text: str, face: Face, bold: bool) -> str:
    """The characters of a text that a font lacks, each once."""
    if text.isascii():
        return ""
    face = face_for(text, face)
    # What controls or joins others is in no font, and is not missed.
    seen = (one for one in dict.fromkeys(_SELECTOR.sub("", text)) if category(one) not in ("Cc", "Cf"))
    return "".join(one for one in seen if not _has(face, bold, one))


def replaced(text: str, face: Face, bold: bool, columns: bool = True) -> str:
    """A text as a font can show it: U+FFFD for what it lacks.

    Args:
        columns: take up as many columns as the text.
    """
    if text.isascii():
        return text
    lacks = set(lacking(text, face, bold))
    if not lacks:
        return _SELECTOR.sub("", text)
    from wcwidth import iter_graphemes, wcswidth

    found = []
    for one in iter_graphemes(text):
        if lacks.isdisjoint(one):
            found.append(_SELECTOR.sub("", one))
        else:
            found.append(_REPLACEMENT.ljust(wcswidth(one) if columns else 1))
    return "".join(found)


def ordered(text: str, direction: Literal["ltr", "rtl"]) -> tuple[str, dict[str, Any]]:
    """A text as Pillow is to get it, and with which options: in reading order, or as it is seen."""
    if direction == "ltr" and not from_the_right(text):
        return text, {}
    if _shapes():
        return text, {"direction": direction}
    try:
        from bidi import get_display
    except ImportError:
        raise errors.HardwareError(
            "text from right to left needs python-bidi: pip install 'xfs4iot[simulator]'"
        ) from None
    if _ARABIC.search(text):
        from arabic_reshaper import reshape

        text = reshape(text)
    return str(get_display(text, base_dir=direction[0].upper())), {}
