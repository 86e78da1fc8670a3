"""What people insert into a printer, and what is printed on it: documents, passbooks, paper from a roll."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from xfs4iot import printing
from xfs4iot.printing import barcodes, graphics
from xfs4iot.protocol import errors
from xfs4iot.simulator.printer.drawings import Drawing, Drawings, WordBox

if TYPE_CHECKING:
    from PIL.Image import Image

    from xfs4iot.printing.canvas import Canvas, Words
    from xfs4iot.printing.pages import Head

__all__ = ["Document", "Medium", "Side", "encoded", "medium_of"]

_MILLIMETRE = 1_000
_Millimetres = Annotated[int, Meta(ge=1, le=2_000)]


class Document(msgspec.Struct, frozen=True, rename="camel"):
    """Something that somebody inserts.

    Attributes:
        kind: what it is; a passbook has pages.
        width, length: in mm.
        pages: of a passbook.
        page: where it is open, from 0.
        text: lines that are printed on it.
        codeline: at its lower edge: digits, spaces, and small letters for the symbols, as
            `simulator.check.codelines` has them; what the font lacks stays blank.
        font: of the code line.
        barcode, symbology: on it.
        stripe: what its magnetic stripe holds; None for none.
        picture: of its front, a file, in place of what is said before.
    """

    kind: Literal["document", "passbook"] = "document"
    width: _Millimetres = 125
    length: _Millimetres = 180
    pages: Annotated[int, Meta(ge=1, le=200)] = 1
    page: Annotated[int, Meta(ge=0)] = 0
    text: tuple[str, ...] = ()
    codeline: Annotated[str, Meta(max_length=60)] | None = None
    font: Literal["e13b", "cmc7"] = "e13b"
    barcode: str | None = None
    symbology: str = "QRCODE"
    stripe: str | None = None
    picture: bytes | None = None


class Side(msgspec.Struct, omit_defaults=True):
    """What is drawn on one side of a page; None for a blank one."""

    drawn: Drawing | None = None

    @property
    def picture(self) -> bytes | None:
        """A PNG file; None for a blank side."""
        return None if self.drawn is None else self.drawn.picture

    @property
    def words(self) -> tuple[WordBox, ...]:
        """The texts with their boxes."""
        return () if self.drawn is None else self.drawn.words

    def opened(self) -> Image | None:
        """The picture, opened; None for a blank side."""
        return None if self.picture is None else graphics.opened(self.picture)

    def put(self, picture: Image, words: Iterable[Words], into: Drawings, offset: int = 0) -> None:
        """Let the side show a picture, with more words than it has."""
        added = ((one.x, one.y + offset, one.width, one.height, one.text) for one in words)
        self.drawn = into.new(encoded(picture), (*self.words, *added))

    def rotate(self, into: Drawings) -> None:
        """Turn it by 180 degrees."""
        picture = self.opened()
        if picture is not None:
            words = (
                (picture.width - x - wide, picture.height - y - high, wide, high, text)
                for x, y, wide, high, text in self.words
            )
            self.drawn = into.new(encoded(picture.rotate(180)), words)


class Medium(msgspec.Struct):
    """A piece of paper, a sheet or a passbook.

    Attributes:
        kind: what it is.
        width, length: in µm; the length of paper that still hangs from its roll grows.
        sides: front and back of each page.
        page: where a passbook is open.
        closed: it is.
        stripe: what its magnetic stripe holds; None for none.
        source: of the paper.
        cut: it hangs from no roll any more.
    """

    kind: Literal["roll", "sheet", "document", "passbook"]
    width: int
    length: int
    sides: list[tuple[Side, Side]]
    page: int = 0
    closed: bool = False
    stripe: str | None = None
    source: str | None = None
    cut: bool = True

    def side(self, name: Literal["front", "back"] = "front", page: int | None = None) -> Side:
        """One side of the open page, or of another one."""
        front, back = self.sides[self.page if page is None else page]
        return front if name == "front" else back

    @property
    def lines(self) -> list[str]:
        """Its texts, from top to bottom and from left to right."""
        words = sorted((y, x, text) for front, _ in self.sides for x, y, _, _, text in front.words)
        return [text for _, _, text in words]


def encoded(picture: Image) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def medium_of(document: Document, head: Head, drawings: Drawings) -> Medium:
    """The medium that somebody inserts, as it looks.

    Raises:
        InvalidData: its barcode or picture cannot be.
    """
    width, length = document.width * _MILLIMETRE, document.length * _MILLIMETRE
    sides = [(Side(), Side()) for _ in range(document.pages)]
    page = min(document.page, document.pages - 1)
    canvas = printing.Canvas(
        max(1, round(head.in_dots(width))), max(1, round(head.in_dots(length))), color=True
    )
    try:
        _draw(canvas, document, head)
    except barcodes.Unprintable as wrong:
        raise errors.InvalidData(f"$.document.barcode: {wrong}") from None
    except graphics.NotAPicture as wrong:
        raise errors.InvalidData(f"$.document.picture: {wrong}") from None
    picture, words = canvas.finished(), list(canvas.words)
    if document.codeline is not None and document.picture is None:
        from xfs4iot.simulator.printer.codelines import with_codeline

        words.append(with_codeline(picture, document.codeline, document.font, head))
    sides[page][0].put(picture, words, drawings)
    return Medium(document.kind, width, length, sides, page, stripe=document.stripe)


def _draw(canvas: Canvas, document: Document, head: Head) -> None:
    assert canvas.height is not None
    if document.picture is not None:
        picture = graphics.opened(document.picture)
        canvas.picture(0, 0, graphics.fitted(picture, canvas.width, canvas.height, "bestFit"))
        return
    margin, look = head.dots // 5, printing.Lettering(size=head.dots / 9)
    for number, line in enumerate(document.text):
        canvas.text(margin, margin + number * look.height * 1.3, line, look)
    if document.barcode is not None:
        kind = barcodes.symbology_of(document.symbology)
        symbol = barcodes.symbol(kind or document.symbology, document.barcode)
        room = canvas.width - 2 * margin, canvas.height // 4
        canvas.symbol(margin, canvas.height * 0.6, symbol.scaled(*room))
