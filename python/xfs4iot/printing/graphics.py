"""Pictures to be printed: files of the usual formats, made to fit."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Literal, get_args

from xfs4iot.devices import GraphicFormat
from xfs4iot.printing import fonts

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MOST_DOTS", "PRINTED_GRAPHICS", "NotAPicture", "fitted", "opened"]

PRINTED_GRAPHICS: frozenset[GraphicFormat] = frozenset(get_args(GraphicFormat))
"""All that forms can ask for: a printer that draws here has them all."""
MOST_DOTS = 20_000_000
_FORMATS = ("PNG", "BMP", "JPEG", "TIFF", "GIF")


class NotAPicture(ValueError):
    """A file is no picture that can be read, or too large a one."""


def opened(file: bytes) -> Image:
    """The picture in a file: PNG, BMP, JPEG, TIFF or GIF.

    Raises:
        NotAPicture: it is none, or has more dots than `MOST_DOTS`.
        HardwareError: Pillow is not installed.
    """
    fonts.pillow()
    from PIL import Image, UnidentifiedImageError

    try:
        # Pillow warns of what is broken but can be read, and of bombs, which are refused below.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture: Image.Image = Image.open(io.BytesIO(file), formats=_FORMATS)
            # `open` has read the header only; the check comes before `load` unpacks the dots.
            if picture.width * picture.height > MOST_DOTS:
                raise NotAPicture(f"more than {MOST_DOTS:,} dots; make it smaller")
            picture.load()
    except NotAPicture:
        raise
    except Image.DecompressionBombError:
        raise NotAPicture(f"more than {MOST_DOTS:,} dots; make it smaller") from None
    except UnidentifiedImageError:
        raise NotAPicture("no picture in PNG, BMP, JPEG, TIFF or GIF") from None
    # Decoders of broken files raise whatever they stumble over.
    except Exception as wrong:
        raise NotAPicture(f"a broken picture: {str(wrong)[:200]}") from None
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        picture = picture.convert("L")
    return picture


def fitted(
    picture: Image, width: int, height: int, scaling: Literal["bestFit", "asIs", "maintainAspect"]
) -> Image:
    """A picture made to fit into a box: stretched to it, cut off, or as large as it goes undistorted."""
    from PIL import Image

    if scaling == "asIs":
        return picture.crop((0, 0, min(width, picture.width), min(height, picture.height)))
    size = width, height
    if scaling == "maintainAspect":
        scale = min(width / picture.width, height / picture.height)
        size = max(1, int(picture.width * scale)), max(1, int(picture.height * scale))
    if picture.mode == "P":
        picture = picture.convert("RGBA")
    # Scaled before it is dithered to one bit, hence not in one bit.
    return (picture.convert("L") if picture.mode == "1" else picture).resize(size, Image.Resampling.LANCZOS)
