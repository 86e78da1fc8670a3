"""What a printer is given to print: pages, on which everything has its place.

All lengths are whole thousandths of a millimetre (µm), from the left and the top edge of the medium as it
passes the head, landscape forms included: whoever prints need not know of forms, units or alignment.
`MICROMETRES_PER_INCH` is exact. Every item lies within its box; a box that is rotated is the place on the
page, `rotation` says how its content runs in it.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal, TypeAlias
from unicodedata import category, east_asian_width

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import exact

__all__ = [
    "MICROMETRES_PER_INCH",
    "MICROMETRES_PER_POINT",
    "BarcodeText",
    "GraphicFormat",
    "Paper",
    "PrintBarcode",
    "PrintColor",
    "PrintFont",
    "PrintFrame",
    "PrintGraphic",
    "PrintItem",
    "PrintJob",
    "PrintOrigin",
    "PrintPage",
    "PrintRotation",
    "PrintStripe",
    "PrintStyle",
    "PrintSymbology",
    "PrintText",
]

MICROMETRES_PER_INCH = 25_400
MICROMETRES_PER_POINT = 25_400 / 72

_THIN_PER_INCH, _THICK, _GAP = 150, 3, 2
"""Lines of frames: thin ones; how much thicker thick ones are; what is between double ones, in lines."""

Length = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Some = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Byte = Annotated[int, Meta(ge=0, le=255)]
PrintColor: TypeAlias = tuple[Byte, Byte, Byte]
"""Red, green and blue."""
PrintRotation = Literal[0, 90, 180, 270]
"""Degrees, clockwise. With 90 text runs from the top down."""
PrintSymbology = Literal[
    "CODE128",
    "GS1128",
    "CODE39",
    "CODE93",
    "CODABAR",
    "ITF",
    "EAN13",
    "EAN8",
    "UPCA",
    "UPCE",
    "QR",
    "PDF417",
    "DATAMATRIX",
    "AZTEC",
]
"""The kinds of barcodes that forms can name."""
BarcodeText = Literal["none", "above", "below", "both"]
"""Where a barcode's value stands as text."""
GraphicFormat = Literal["bmp", "jpg", "png", "gif", "tif"]


@dataclass(frozen=True)
class Paper:
    """Paper, or another medium that can be printed on.

    Attributes:
        width: in µm, as all here.
        length: None for endless paper.
        left, top, right, bottom: margins that cannot be printed on.
    """

    width: Some
    length: Some | None = None
    left: Length = 0
    top: Length = 0
    right: Length = 0
    bottom: Length = 0


@dataclass(frozen=True)
class PrintStyle:
    """How text looks, as the standard has it.

    Attributes:
        width, height: the characters' size, as a multiple of the font's.
        opaque: what lies below the text's box is wiped out.
    """

    bold: bool = False
    italic: bool = False
    underline: Literal["none", "single", "double"] = "none"
    width: Literal[1, 2, 3, 4] = 1
    height: Literal[1, 2, 3, 4] = 1
    strike: Literal["none", "single", "double"] = "none"
    overscore: bool = False
    spacing: Literal["standard", "proportional", "condensed"] = "standard"
    script: Literal["standard", "superscript", "subscript"] = "standard"
    quality: Literal["standard", "letter", "nearLetter"] = "standard"
    opaque: bool = False


@dataclass(frozen=True)
class PrintFont:
    """A font as a form names it; None is the device's own.

    Attributes:
        name: of the font.
        point_size: points of 1/72 inch.
        cpi: characters per inch.
        lpi: lines per inch.
        style: how it looks.
    """

    name: str | None = None
    point_size: Some | None = None
    cpi: Some | None = None
    lpi: Some | None = None
    style: PrintStyle = PrintStyle()


@dataclass(frozen=True)
class PrintOrigin:
    """The form and the field that something is printed for."""

    form: str
    field: str


@dataclass(frozen=True)
class PrintText:
    """Characters side by side in one line. A justified line is a run for each word.

    Attributes:
        x, y, width, height: its box; `width` as `measure` said, `height` as `text_height` (the other
            way round where it is rotated by 90 or 270).
        text: in the order in which it is read, whatever the direction.
        font, color, rotation: how it is printed.
        direction: `rtl` for Hebrew and Arabic.
        kind: `ocr` and `micr` for what machines read.
        origin: what it is printed for; None for a frame's title.
    """

    x: Length
    y: Length
    width: Length
    height: Length
    text: str = field(repr=False)
    font: PrintFont = PrintFont()
    color: PrintColor = (0, 0, 0)
    rotation: PrintRotation = 0
    direction: Literal["ltr", "rtl"] = "ltr"
    kind: Literal["text", "ocr", "micr"] = "text"
    origin: PrintOrigin | None = field(default=None, compare=False)


@dataclass(frozen=True)
class PrintGraphic:
    """A picture.

    Attributes:
        x, y, width, height: its box.
        data: the file.
        format: what kind of file it is.
        scaling: `bestFit`: to the whole box; `asIs`: dot for dot, cut at the box; `maintainAspect`: as
            large as it fits without distortion.
        rotation: of the picture in its box.
        origin: what it is printed for.
    """

    x: Length
    y: Length
    width: Length
    height: Length
    data: bytes = field(repr=False)
    format: GraphicFormat
    scaling: Literal["bestFit", "asIs", "maintainAspect"] = "bestFit"
    rotation: PrintRotation = 0
    origin: PrintOrigin | None = field(default=None, compare=False)


@dataclass(frozen=True)
class PrintBarcode:
    """A barcode, with the text that stands by it.

    Attributes:
        x, y, width, height: its box, the text included.
        value: for EAN and UPC with its check digit.
        symbology: what kind of barcode it is.
        text: where its value stands as text.
        font: of that text.
        color, rotation: how it is printed.
        origin: what it is printed for.
    """

    x: Length
    y: Length
    width: Length
    height: Length
    value: str = field(repr=False)
    symbology: PrintSymbology
    text: BarcodeText = "none"
    font: PrintFont = PrintFont()
    color: PrintColor = (0, 0, 0)
    rotation: PrintRotation = 0
    origin: PrintOrigin | None = field(default=None, compare=False)


@dataclass(frozen=True)
class PrintFrame:
    """A frame, or a line, where its width or height is small.

    Attributes:
        x, y, width, height: its box, the lines included.
        shape: what it is.
        line: how its lines are drawn.
        color: of the lines.
        fill_color: of what is inside; None: as `color`.
        fill_style: how the inside is filled.
        substitute: a character to draw it with where lines cannot be drawn.
        beyond: how far the whole frame goes on beyond its box to the left, the top, the right and the
            bottom: of that nothing is drawn, so that the frame is open there.
    """

    x: Length
    y: Length
    width: Length
    height: Length
    shape: Literal["rectangle", "roundedCorner", "ellipse"] = "rectangle"
    line: Literal["singleThin", "doubleThin", "singleThick", "doubleThick", "dotted"] = "singleThin"
    color: PrintColor = (0, 0, 0)
    fill_color: PrintColor | None = None
    fill_style: Literal[
        "none", "solid", "bdiagonal", "cross", "diagcross", "fdiagonal", "horizontal", "vertical"
    ] = "none"
    substitute: str | None = None
    beyond: tuple[Length, Length, Length, Length] = (0, 0, 0, 0)

    def lines(self, dots: int) -> tuple[int, tuple[int, ...]]:
        """How thick its lines are, and how far in each begins: in dots, so many per inch.

        Titles stand within the innermost: a class that draws frames itself draws them no deeper.
        """
        thin = max(1, round(dots / _THIN_PER_INCH))
        thick = thin * (_THICK if self.line.endswith("Thick") else 1)
        if self.line == "dotted" and self.shape != "rectangle":
            # A curve that is thinner than its dots would pass between them.
            thick = thin * 2
        return thick, (0, thick * (1 + _GAP)) if self.line.startswith("double") else (0,)

    def depth(self, dots: int) -> int:
        """How far its lines reach in from its edges, in µm, on a head of so many dots per inch."""
        thick, insets = self.lines(dots)
        return -(-(insets[-1] + thick) * MICROMETRES_PER_INCH // dots)


@dataclass(frozen=True)
class PrintStripe:
    """What is written on the stripe of a passbook; it has no place on the page.

    Attributes:
        data: the characters.
        format: as the form says it.
        coercivity: `auto`: as suits the stripe.
    """

    data: Annotated[str, exact.Secret] = field(repr=False)
    format: str | None = None
    coercivity: Literal["auto", "low", "high"] = "auto"


PrintItem: TypeAlias = PrintText | PrintGraphic | PrintBarcode | PrintFrame | PrintStripe


@dataclass(frozen=True)
class PrintPage:
    """One sheet, or one page of a passbook.

    Attributes:
        width, length: of the medium; no length for endless paper.
        front, back: what is printed on each side, in this order; later items lie above earlier ones.
    """

    width: Some
    length: Some | None
    front: tuple[PrintItem, ...] = ()
    back: tuple[PrintItem, ...] = ()

    @property
    def end(self) -> int:
        """Where the last item ends, in µm from the top: so much endless paper is needed at least."""
        items = (*self.front, *self.back)
        return max((item.y + item.height for item in items if not isinstance(item, PrintStripe)), default=0)


@dataclass(frozen=True)
class PrintJob:
    """What is to be printed at once.

    Attributes:
        pages: one after the other.
        source: where paper is to be drawn from; None: the medium is in the print position already.
        resolution: that the client wishes; None: as the device likes.
        media_name, media_type: of the medium, if the client has named a definition.
        skew: degrees that a medium may be askew; beyond, `mediaSkewed`. None: as the device likes.
        fold: how the medium is folded, as its definition says; None: it is not, or nothing is said.
        staggering: from the top of the medium to its fold; None where nothing is said, as below.
        page_count: of a passbook.
        line_count: that can be printed on a page.
    """

    pages: Annotated[tuple[PrintPage, ...], Meta(min_length=1)]
    source: str | None = None
    resolution: Literal["low", "medium", "high", "veryHigh"] | None = None
    media_name: str | None = None
    media_type: Literal["generic", "passbook", "multipart"] = "generic"
    skew: int | None = None
    fold: Literal["horizontal", "vertical"] | None = None
    staggering: Length | None = None
    page_count: Some | None = None
    line_count: Some | None = None


def columns_of(text: str) -> int:
    """How many columns a text takes where all characters are equally wide."""
    if text.isascii():
        return len(text)
    count = 0
    for one in text:
        if east_asian_width(one) in ("W", "F"):
            count += 2
        elif category(one) not in ("Mn", "Me", "Cf"):
            count += 1
    return count
