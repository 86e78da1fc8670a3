"""Pictures that somebody has looked at and approved: a test compares what is printed with them.

    XFS4IOT_APPROVE=1 pytest tests/core/test_printed_pages.py

writes them anew; look at each before it is committed. Versions of the libraries that draw letters may set
dots at their edges otherwise: a few dots that differ, thinly spread, are let pass. A letter that is missing
is not: its dots stand together.
"""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image, ImageChops, ImageFilter

APPROVED = Path(__file__).parent / "core" / "approved"


def require_approved(name: str, picture: Image.Image, rejected: Path) -> None:
    """Fail unless a picture looks as the approved one of that name."""
    file = APPROVED / f"{name}.png"
    if os.environ.get("XFS4IOT_APPROVE"):
        file.parent.mkdir(exist_ok=True)
        picture.convert("1").save(file, optimize=True)
        return
    approved = Image.open(file)
    difference = how_different(approved, picture)
    if difference is not None:
        picture.save(rejected / f"{name}.png")
        raise AssertionError(
            f"{name}: {difference}; see {rejected / name}.png, and {__name__}.py to approve it"
        )


def how_different(approved: Image.Image, picture: Image.Image) -> str | None:
    """What differs between two pictures, more than letters that are drawn a little otherwise."""
    if approved.size != picture.size:
        return f"its size is {picture.size}, not {approved.size}"
    one, other = (
        image.convert("L").point(lambda shade: 255 * (shade < 128)) for image in (approved, picture)
    )
    # Ink of either that has none of the other within a dot: strokes that are not there.
    lost = ImageChops.subtract(one, other.filter(ImageFilter.MaxFilter(3)))
    new = ImageChops.subtract(other, one.filter(ImageFilter.MaxFilter(3)))
    for what, dots in (("lost", lost), ("new", new)):
        # Of single dots nothing is left; of strokes, something.
        if dots.filter(ImageFilter.BoxBlur(1)).point(lambda shade: 255 * (shade > 110)).getbbox():
            return f"strokes are {what} around {dots.getbbox()}"
    return None
