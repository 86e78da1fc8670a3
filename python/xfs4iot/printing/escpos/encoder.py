"""Pages as ESC/POS: as a picture, or as text in the printer's own font where that can show it.

A picture looks the same on every printer, whatever the font, the writing or the style. Text takes a hundredth
of the bytes, which counts on a serial line.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

from xfs4iot.devices import PrintFont, PrintItem, PrintPage, PrintStripe, PrintStyle, PrintText
from xfs4iot.printing.escpos.codepages import encoded
from xfs4iot.printing.fonts import from_the_right
from xfs4iot.printing.pages import Head

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["as_picture", "as_text", "cut", "feed", "setup"]

_BAND = 128
"""Rows of a picture that are sent in one command; no printer has a buffer too small for it."""
_BLANK = 16
"""Rows without ink from which on it is quicker to feed paper."""
_MOST_FEED = 255
_CELL = 12, 24
"""Of font A, in dots."""
_LINES = {"none": 0, "single": 1, "double": 2}


def setup(head: Head) -> bytes:
    """What a job begins with: settings of whoever printed before are gone, and paper is fed in dots."""
    unit = min(head.dots, 255)
    return b"\x1b@\x1dP" + bytes((unit, unit))


def feed(dots: int) -> bytes:
    """Feed paper."""
    whole, rest = divmod(max(0, dots), _MOST_FEED)
    return b"\x1bJ\xff" * whole + (b"\x1bJ" + bytes((rest,)) if rest else b"")


def cut(partial: bool) -> bytes:
    """Feed what was printed past the knife, and cut."""
    return b"\x1dV" + bytes((66 if partial else 65, 0))


def as_picture(image: Image) -> bytes:
    """A picture of one bit per dot."""
    wide = (image.width + 7) // 8
    rows = image.convert("1").tobytes("raw", "1;I")
    # Beyond the right edge the last byte of a row has dots that are no part of the picture.
    spare = wide * 8 - image.width
    blank = bytes(wide - 1) + bytes((0xFF >> (8 - spare) if spare else 0,))
    empty = [rows[at : at + wide] in (blank, bytes(wide)) for at in range(0, len(rows), wide)]
    found, top = bytearray(), 0
    while top < image.height:
        end = _other(empty, top)
        if empty[top] and (end - top >= _BLANK or end == image.height):
            found += feed(end - top)
            top = end
            continue
        # Until there is enough blank paper to feed it.
        while end < image.height and not (empty[end] and _other(empty, end) - end >= _BLANK):
            end = _other(empty, end)
        end = min(end, top + _BAND)
        found += b"\x1dv0\x00" + wide.to_bytes(2, "little") + (end - top).to_bytes(2, "little")
        band = bytearray(rows[top * wide : end * wide])
        if spare:
            for last in range(wide - 1, len(band), wide):
                band[last] &= 0xFF << spare & 0xFF
        found += band
        top = end
    return bytes(found)


def _other(rows: list[bool], start: int) -> int:
    """The first row from `start` on that differs from it."""
    end = start
    while end < len(rows) and rows[end] == rows[start]:
        end += 1
    return end


def as_text(page: PrintPage, head: Head) -> bytes | None:
    """A page in the printer's own font; None if that cannot show all of it."""
    lines = _lines(page.front, head)
    if page.back or lines is None:
        return None
    found, y = bytearray(), 0
    for top, runs in lines:
        found += feed(top - y)
        y = top
        for x, item in sorted(runs, key=lambda run: run[0]):
            text = encoded(item.text)
            if text is None:
                return None
            number, content = text
            found += b"\x1b$" + x.to_bytes(2, "little") + _style(item.font.style)
            found += b"\x1bt" + bytes((number,)) + content
    end = 0 if not lines else max(item.font.style.height for _, item in lines[-1][1]) * _CELL[1]
    return bytes(found + feed(end))


def _lines(items: Iterable[PrintItem], head: Head) -> list[tuple[int, list[tuple[int, PrintText]]]] | None:
    """Texts by their lines, from top to bottom, with the dots where each begins; None if there are others."""
    found: dict[int, list[tuple[int, PrintText]]] = {}
    for item in items:
        if isinstance(item, PrintStripe):
            continue
        if not isinstance(item, PrintText) or not _own_font(item):
            return None
        middle = head.in_dots(item.y + item.height / 2)
        top = max(0, round(middle - item.font.style.height * _CELL[1] / 2))
        found.setdefault(top, []).append((round(head.in_dots(item.x)), item))
    lines = sorted(found.items())
    for (top, runs), (below, _) in pairwise(lines):
        if below - top < max(item.font.style.height for _, item in runs) * _CELL[1]:
            return None
    return lines


def _own_font(item: PrintText) -> bool:
    """Whether a text can be printed in the printer's own font."""
    font, style = item.font, item.font.style
    if item.rotation or font != PrintFont(style=style):
        return False
    # A printer prints characters as they come, from left to right.
    if item.direction == "rtl" or from_the_right(item.text):
        return False
    plain = PrintStyle(
        bold=style.bold,
        underline=style.underline,
        width=style.width,
        height=style.height,
        quality=style.quality,
    )
    return style == plain and item.color != (255, 255, 255)


def _style(style: PrintStyle) -> bytes:
    return (
        b"\x1bE"
        + bytes((style.bold,))
        + b"\x1b-"
        + bytes((_LINES[style.underline],))
        + b"\x1d!"
        + bytes(((style.width - 1) << 4 | style.height - 1,))
    )
