"""Pages as the service hands them to a printer, drawn: every item in its place, in dots of the printer.

Drawing comes before anything moves, so that what cannot be printed (a barcode that cannot hold its value, a
file that is no picture) wastes no paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal
from unicodedata import bidirectional

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import (
    MICROMETRES_PER_INCH,
    PrintBarcode,
    PrintFont,
    PrintFrame,
    PrintGraphic,
    PrintItem,
    PrintPage,
    PrintStripe,
    PrintText,
    UnprintableItem,
)
from xfs4iot.printing import barcodes, fonts, graphics
from xfs4iot.printing.canvas import LONGEST, MOST_DOTS, Canvas, Color, Lettering, longest_of, turned
from xfs4iot.printing.fonts import ADVANCE, ASCENT, DESCENT, Face
from xfs4iot.printing.frames import draw_frame
from xfs4iot.printing.patience import PATIENT, Patience
from xfs4iot.protocol import errors

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Head"]

_POINTS_PER_INCH = 72
_CONDENSED = 0.6
_MOST_DRAWN = 500_000_000
"""Dots of all items of a side together: seconds of work, a hundred times a metre of receipt."""
_MOST_OF_JOB = 2_000_000_000
"""Dots of all sides of a job, and of all items on them: a hundred pages of A4, each drawn on five times."""
_LINES = {"none": 0, "single": 1, "double": 2}
_PROPORTIONAL = ("sans", "helvetica", "arial", "times", "serif", "proportional", "verdana")


@dataclass(frozen=True)
class Head:
    """What a printer prints with.

    Attributes:
        dots: per inch.
        columns, rows: per inch, of its own font.
        color: whether it has colours.
    """

    dots: int = 203
    columns: int = 17
    rows: int = 6
    color: bool = False

    def in_dots(self, length: float) -> float:
        """A length of a page, in dots."""
        return float(length * self.dots / MICROMETRES_PER_INCH)

    def in_micrometres(self, dots: float) -> float:
        """A number of dots, as a length of a page."""
        return float(dots * MICROMETRES_PER_INCH / self.dots)

    def lettering(
        self,
        font: PrintFont,
        color: Color = (0, 0, 0),
        rotation: Literal[0, 90, 180, 270] = 0,
        direction: Literal["ltr", "rtl"] = "ltr",
    ) -> Lettering:
        """How a font of a form looks on this printer."""
        style = font.style
        row = self.dots / (font.lpi or self.rows)
        pitch: float | None = self.dots / (font.cpi or self.columns)
        assert pitch is not None
        if font.point_size is not None:
            size = font.point_size * self.dots / _POINTS_PER_INCH
            # What a point size says of the height says also how wide its characters are.
            pitch = pitch if font.cpi is not None else size * ADVANCE
        else:
            size = min(pitch / ADVANCE, row / (ASCENT + DESCENT))
        name = (font.name or "").lower()
        face: Face = "mono"
        if style.spacing == "proportional" or (
            "mono" not in name and any(one in name for one in _PROPORTIONAL)
        ):
            face = "sans"
        return Lettering(
            face=face,
            size=size,
            pitch=pitch * (_CONDENSED if style.spacing == "condensed" else 1),
            bold=style.bold,
            italic=style.italic,
            underline=_LINES[style.underline],  # type: ignore[arg-type]
            strike=_LINES[style.strike],  # type: ignore[arg-type]
            overscore=style.overscore,
            wide=style.width,
            high=style.height,
            rotation=rotation,
            script=None if style.script == "standard" else style.script,
            opaque=style.opaque,
            color=color,
            direction=direction,
        )

    def measure(self, text: str, font: PrintFont) -> int:
        """How wide a text is, in micrometres."""
        return round(self.in_micrometres(self.lettering(font, direction=_direction(text)).width(text)))

    def lacks(self, text: str, font: PrintFont) -> str:
        """The characters of a text that are printed as a replacement, each once."""
        look = self.lettering(font)
        return fonts.lacking(text, look.face, look.bold)

    def require_drawable(self, pages: Iterable[PrintPage]) -> None:
        """Refuse a job that would take minutes to draw, or of which something would be missing.

        Takes its time with many items.

        Raises:
            CommandError: `charSetData`, or `mediaOverflow` for a page that is too long.
        """
        drawn = 0
        for page in pages:
            longest = longest_of(round(self.in_dots(page.width)))
            if round(self.in_dots(page.end)) > longest:
                raise errors.CommandError(
                    "mediaOverflow",
                    f"the page ends at {page.end / 1000:g} mm, beyond the "
                    f"{self.in_micrometres(longest) / 1000:.0f} mm that are drawn at once; "
                    "print it in several pieces",
                )
            for items in (page.front, page.back):
                if items:
                    wide, high = self.in_dots(page.width), self.in_dots(page.length or page.end)
                    drawn += math.prod(_bounded(wide, high)) + sum(map(self._dots, items))
            if drawn > _MOST_OF_JOB:
                raise errors.CommandError(
                    "charSetData",
                    f"the job has more than {_MOST_OF_JOB:,} dots to draw; print fewer pages at once",
                )

    def _dots(self, item: PrintItem) -> int:
        """How many dots an item has; of a stripe none are drawn."""
        return 0 if isinstance(item, PrintStripe) else math.prod(_bounded(*self._box(item)[2:]))

    def try_out(self, pages: Iterable[PrintPage], patience: Patience = PATIENT) -> None:
        """See that nothing will be refused when pages are drawn one by one, while others are on paper.

        Raises:
            CommandError, HardwareError, GivenUp: as `draw`.
        """
        for page in pages:
            self.draw_on(None, page.front, patience)
            self.draw_on(None, page.back, patience)

    def draw(
        self, page: PrintPage, side: Literal["front", "back"] = "front", patience: Patience = PATIENT
    ) -> Canvas:
        """One side of a page; of endless paper as long as what is on it.

        Raises:
            CommandError: `charSetData` for a barcode, a graphic or a page that cannot be printed.
            HardwareError: what draws is not installed.
            GivenUp: nobody waits for it any more.
        """
        length = None if page.length is None else min(round(self.in_dots(page.length)), LONGEST)
        canvas = Canvas(max(1, round(self.in_dots(page.width))), length, color=self.color)
        self.draw_on(canvas, page.front if side == "front" else page.back, patience)
        return canvas

    def draw_on(
        self, canvas: Canvas | None, items: Iterable[PrintItem], patience: Patience = PATIENT
    ) -> None:
        """Draw items on what may have been printed on before.

        Args:
            canvas: None: they are only tried.

        Raises:
            CommandError, HardwareError, GivenUp: as `draw`.
        """
        drawn = 0
        repeated: tuple[PrintGraphic, Image] | None = None
        for item in items:
            patience.check()
            drawn += self._dots(item)
            if drawn > _MOST_DRAWN:
                raise errors.CommandError("charSetData", "the page has more on it than can be drawn in time")
            match item:
                case PrintGraphic():
                    # A repeated field has the same picture in each element: made to fit once.
                    if repeated is None or replace(repeated[0], x=item.x, y=item.y) != item:
                        picture, unpacked = self._picture(item, fit=canvas is not None)
                        drawn += unpacked
                        repeated = item, picture
                    if canvas is not None:
                        canvas.picture(*self._box(item)[:2], repeated[1])
                case PrintBarcode():
                    self._barcode(canvas, item)
                case PrintText() if canvas is not None:
                    self._text(canvas, item)
                case PrintFrame() if canvas is not None:
                    draw_frame(canvas, item, *self._box(item), self.dots)
                case _:
                    # A stripe is written on, not printed.
                    pass

    def _box(
        self, item: PrintText | PrintGraphic | PrintBarcode | PrintFrame
    ) -> tuple[float, float, float, float]:
        return (
            self.in_dots(item.x),
            self.in_dots(item.y),
            self.in_dots(item.width),
            self.in_dots(item.height),
        )

    def _text(self, canvas: Canvas, item: PrintText) -> None:
        x, y, width, height = self._box(item)
        look = self.lettering(item.font, item.color, item.rotation, item.direction)
        # The line stands in the middle of its box, whose height is the pitch of lines rather than the font's.
        if item.rotation in (90, 270):
            x += (width - look.height) / 2
        else:
            y += (height - look.height) / 2
        canvas.text(x, y, item.text, look)

    def _picture(self, item: PrintGraphic, fit: bool) -> tuple[Image, int]:
        """A graphic, as it fits into its box if that is wanted, and the dots of its file."""
        size = _bounded(*self._box(item)[2:])
        try:
            picture = graphics.opened(item.data)
        except graphics.NotAPicture as wrong:
            raise UnprintableItem(item, f"a graphic cannot be printed: {wrong}") from None
        dots = picture.width * picture.height
        if fit:
            picture = graphics.fitted(turned(picture, item.rotation), *size, item.scaling)
        return picture, dots

    def _barcode(self, canvas: Canvas | None, item: PrintBarcode) -> None:
        x, y, width, height = self._box(item)
        across, along = _bounded(*((height, width) if item.rotation in (90, 270) else (width, height)))
        look = self.lettering(item.font, item.color)
        above = look.height if item.text in ("above", "both") else 0
        below = look.height if item.text in ("below", "both") else 0
        kind = barcodes.symbology_of(item.symbology)
        try:
            made = barcodes.symbol(kind or item.symbology, item.value)
            bars = made.scaled(across, along - above - below)
        except barcodes.Unprintable as wrong:
            raise UnprintableItem(item, str(wrong)) from None
        if canvas is None:
            return
        part = Canvas(across, along, color=self.color)
        left = (part.width - bars.width) / 2
        part.symbol(left, above, bars, item.color)
        text_left = (part.width - look.width(made.text)) / 2
        if above:
            part.text(text_left, 0, made.text, look)
        if below:
            part.text(text_left, above + bars.height, made.text, look)
        canvas.paste(part, x, y, item.rotation)


def _bounded(width: float, height: float) -> tuple[int, int]:
    """The size of a box in whole dots, none larger than what can be printed."""
    wide = min(max(1, round(width)), LONGEST)
    return wide, min(max(1, round(height)), MOST_DOTS // wide, LONGEST)


def _direction(text: str) -> Literal["ltr", "rtl"]:
    """In which direction a text is read as a whole: that of its first letter."""
    first = next((bidirectional(one) for one in text if bidirectional(one) in ("L", "R", "AL")), "L")
    return "ltr" if first == "L" else "rtl"
