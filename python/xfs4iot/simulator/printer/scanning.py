"""Reading what is on a medium: barcodes from its picture, texts and code lines by what was drawn."""

from __future__ import annotations

import base64
from typing import Any

from xfs4iot import devices
from xfs4iot.printing.pages import Head
from xfs4iot.protocol import errors
from xfs4iot.simulator.printer.documents import Medium, encoded

__all__ = ["scanned"]


def scanned(medium: Medium, wanted: devices.ReadWanted, head: Head) -> str | None:
    """What a field of a medium holds; None if nothing can be read there.

    Raises:
        HardwareError: zxing-cpp is not installed.
    """
    page = medium.page + wanted.page
    if page >= len(medium.sides):
        return None
    side = medium.side(wanted.side, page)
    left, top = round(head.in_dots(wanted.x)), round(head.in_dots(wanted.y))
    right, bottom = left + round(head.in_dots(wanted.width)), top + round(head.in_dots(wanted.height))
    picture = side.opened()
    if picture is not None:
        # A box that reaches beyond the medium would be cut out as it is, however large.
        right, bottom = min(right, picture.width), min(bottom, picture.height)
    if wanted.kind == "pagemark":
        return str(page)
    if picture is None or left >= right or top >= bottom:
        return None
    if wanted.kind == "graphic":
        return base64.b64encode(encoded(picture.crop((left, top, right, bottom)))).decode()
    if wanted.kind == "barcode":
        return _barcode(picture.crop((left, top, right, bottom)))
    # Optical characters are not recognised; what was printed there is known.
    inside = [
        (y, x, text)
        for x, y, width, height, text in side.words
        if left <= x + width / 2 <= right and top <= y + height / 2 <= bottom
    ]
    return "\n".join(text for _, _, text in sorted(inside)) or None


def _barcode(picture: Any) -> str | None:
    try:
        import zxingcpp
        from PIL import ImageOps
    except ImportError:
        raise errors.HardwareError("the scanner cannot see: pip install 'xfs4iot[simulator]'") from None
    # A quiet zone around it, since the field may end where the barcode does.
    found = zxingcpp.read_barcodes(ImageOps.expand(picture.convert("L"), 40, "white"))
    return found[0].text if found else None
