"""The pages of a job of the operating system's printer: the pictures of a file; TIFF and GIF hold several."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from xfs4iot.printing import graphics
from xfs4iot.printing.patience import Patience
from xfs4iot.protocol import errors

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["NativePages"]

_MOST_PAGES = 100
_MOST_DOTS = 500_000_000
"""Of all pages together: more than a hundred of A4 at 200 dots per inch have."""


class NativePages:
    """The pages of one job; all of it takes its time, so use it in a thread.

    Args:
        patience: of whoever waits for it.
        data: the job.

    Raises:
        InvalidData: it is no picture, a page of it is broken, or there is more than can be printed.
        GivenUp: nobody waits for it any more.
    """

    def __init__(self, patience: Patience, data: bytes) -> None:
        try:
            self._file: Image = graphics.opened(data)
        except graphics.NotAPicture as wrong:
            raise errors.InvalidData(f"$.data: {wrong}") from None
        self.count: int = getattr(self._file, "n_frames", 1)
        if self.count > _MOST_PAGES:
            raise errors.InvalidData(f"$.data: {self.count} pages; print {_MOST_PAGES} at most at once")
        drawn = 0
        # Each is unpacked once before the first is printed: a broken one must not waste the others' paper.
        for number in range(self.count):
            patience.check()
            dots = math.prod(self._page(number, unpacked=False).size)
            drawn += dots
            if dots > graphics.MOST_DOTS or drawn > _MOST_DOTS:
                raise errors.InvalidData(
                    f"$.data: page {number + 1} has {dots:,} dots, and those up to it {drawn:,}; "
                    f"a page has {graphics.MOST_DOTS:,} at most, and a job {_MOST_DOTS:,}"
                )
        for number in range(self.count):
            patience.check()
            self._page(number)

    def _page(self, number: int, unpacked: bool = True) -> Image:
        try:
            self._file.seek(number)
            if unpacked:
                self._file.load()
        # Decoders of broken files raise whatever they stumble over.
        except Exception as wrong:
            raise errors.InvalidData(f"$.data: page {number + 1} is broken: {str(wrong)[:200]}") from None
        return self._file

    def page(self, number: int) -> bytes:
        """A page, counted from 0, as a file of its own."""
        picture, file = self._page(number), io.BytesIO()
        (picture if picture.mode in ("1", "L") else picture.convert("RGB")).save(
            file, "PNG", compress_level=1
        )
        return file.getvalue()
