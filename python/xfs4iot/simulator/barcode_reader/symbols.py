"""Barcodes by the standard's names: drawn as pictures, and read from pictures, by zxing-cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xfs4iot.devices import Barcode
from xfs4iot.printing import graphics
from xfs4iot.protocol import errors

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["SYMBOLOGIES", "drawn", "mirrored", "opened", "read", "require_view", "side_by_side"]

_FORMATS = {
    "ean8": "EAN8",
    "ean13": "EAN13",
    "jan13": "EAN13",
    "upcA": "UPCA",
    "upcE0": "UPCE",
    "upcE1": "UPCE",
    "codabar": "Codabar",
    "itf": "ITF",
    "code39": "Code39",
    "code93": "Code93",
    "code128": "Code128",
    "ean128": "Code128",
    "pdf417": "PDF417",
    "microPdf417": "MicroPDF417",
    "dataMatrix": "DataMatrix",
    "maxiCode": "MaxiCode",
    "telepenAim": "TelepenAlpha",
    "rss": "DataBarOmni",
    "rssExpanded": "DataBarExp",
    "rssRestricted": "DataBarLtd",
    "qrCode": "QRCode",
    "aztec": "Aztec",
}
"""What the library draws a symbology as."""
_WITH_ADD_ON = ("ean8", "ean13", "upcA", "upcE0", "upcE1")
SYMBOLOGIES = frozenset(_FORMATS) | {f"{name}_{digits}" for name in _WITH_ADD_ON for digits in (2, 5)}
"""The standard's names of all that is read."""

_READ_AS = {
    "EAN8": "ean8",
    "Codabar": "codabar",
    "ITF": "itf",
    "ITF14": "itf",
    "Code39": "code39",
    "Code39Std": "code39",
    "Code39Ext": "code39",
    "Code93": "code93",
    "PDF417": "pdf417",
    "CompactPDF417": "pdf417",
    "MicroPDF417": "microPdf417",
    "DataMatrix": "dataMatrix",
    "MaxiCode": "maxiCode",
    "TelepenAlpha": "telepenAim",
    "DataBarOmni": "rss",
    "DataBarStk": "rss",
    "DataBarStkOmni": "rss",
    "DataBarExp": "rssExpanded",
    "DataBarExpStk": "rssExpanded",
    "DataBarLtd": "rssRestricted",
    "QRCode": "qrCode",
    "QRCodeModel2": "qrCode",
    "Aztec": "aztec",
    "AztecCode": "aztec",
}
"""The standard's name of what the library has read, where that does not depend on the content."""
_MOST_IN_VIEW = 20
_MOST_DOTS = 24_000_000
"""Of a view: the largest picture, and a margin around it."""
_JAPANESE = (b"45", b"49")
_MARGIN = 40


def _zxing() -> Any:
    try:
        import zxingcpp
    except ImportError:
        raise errors.HardwareError(
            "the simulated barcode reader cannot see: pip install 'xfs4iot[simulator]'"
        ) from None
    return zxingcpp


def drawn(symbology: str, content: str | bytes, damaged: bool = False) -> Image:
    """A picture of a barcode.

    Args:
        content: text, or bytes for symbologies that hold any; of GS1 symbologies with identifiers in
            brackets, `[01]09501101530003`. An add-on stands behind a `+`.
        damaged: a broad scratch goes through it, so that nobody can read it.

    Raises:
        InvalidData: there is no such symbology, or it cannot hold this.
    """
    zxing = _zxing()
    from PIL import Image, ImageDraw

    base = symbology.partition("_")[0]
    if symbology not in SYMBOLOGIES:
        raise errors.InvalidData(f"$.symbology: one of {', '.join(sorted(SYMBOLOGIES))}")
    kind = getattr(zxing.BarcodeFormat, _FORMATS[base])
    options = {"gs1": True} if symbology == "ean128" else {}
    try:
        symbol = zxing.create_barcode(content, kind, **options).to_image(scale=4)
        height, width = symbol.shape
        # Copied: the library complains of pictures of its own that live until the process ends.
        picture = Image.frombytes("L", (width, height), memoryview(symbol).tobytes())
    except (ValueError, RuntimeError) as wrong:
        raise errors.InvalidData(f"{symbology} cannot hold this: {str(wrong)[:200]}") from None
    if damaged:
        width, height = picture.size
        ImageDraw.Draw(picture).rectangle((width // 4, 0, 3 * width // 4, height), fill=128)
    return picture


def opened(file: bytes) -> Image:
    """A picture out of a file: PNG, BMP, JPEG, TIFF or GIF.

    Raises:
        InvalidData: it is none, or too large.
    """
    try:
        return graphics.opened(file).convert("L")
    except graphics.NotAPicture as wrong:
        raise errors.InvalidData(f"$.picture: {wrong}") from None


def mirrored(picture: Image) -> Image:
    """A picture as a mirror shows it."""
    from PIL import ImageOps

    return ImageOps.mirror(picture)


def _size(pictures: list[Image]) -> tuple[int, int]:
    """Width and height of a view that has all of them, one below the other."""
    width = max((one.width for one in pictures), default=1) + 2 * _MARGIN
    return width, sum(one.height + _MARGIN for one in pictures) + _MARGIN


def require_view(pictures: list[Image]) -> None:
    """See that a scanner can have all of them in view.

    Raises:
        InvalidData: one is too large by itself.
        SequenceError: they are too many, or too large together.
    """
    for some, refused in ((pictures[-1:], errors.InvalidData), (pictures, errors.SequenceError)):
        width, height = _size(some)
        if width * height > _MOST_DOTS:
            raise refused(
                f"a view of {width} by {height} dots is more than {_MOST_DOTS:,}; show smaller pictures, "
                "or take away those that are there (Simulator.TakeAwayBarcodes)"
            )
    if len(pictures) > _MOST_IN_VIEW:
        raise errors.SequenceError(f"{_MOST_IN_VIEW} are in view; see Simulator.TakeAwayBarcodes")


def side_by_side(pictures: list[Image]) -> Image:
    """All that is in view, as one picture."""
    from PIL import Image

    view = Image.new("L", _size(pictures), "white")
    top = _MARGIN
    for one in pictures:
        view.paste(one, (_MARGIN, top))
        top += one.height + _MARGIN
    return view


def read(view: Image) -> tuple[Barcode, ...]:
    """All barcodes in a picture, from top to bottom."""
    zxing = _zxing()
    found = zxing.read_barcodes(view, ean_add_on_symbol=zxing.EanAddOnSymbol.Read)
    # A symbol with an add-on is found twice, with it and without.
    with_add_on = {(_main(one), _top(one)) for one in found if _add_on(one)}
    kept = [one for one in found if _add_on(one) or not _is_part(one, with_add_on)]
    return tuple(_barcode(one) for one in sorted(kept, key=_top))


def _add_on(symbol: Any) -> str:
    return str((symbol.extra or {}).get("EanAddOn", ""))


def _main(symbol: Any) -> bytes:
    """What a symbol holds without its add-on."""
    content = bytes(symbol.bytes)
    return content[: len(content) - len(_add_on(symbol))]


def _top(symbol: Any) -> int:
    return int(symbol.position.top_left.y)


def _is_part(symbol: Any, with_add_on: set[tuple[bytes, int]]) -> bool:
    """Whether it is the same symbol as one that was found with its add-on."""
    return any(main == bytes(symbol.bytes) and abs(top - _top(symbol)) < _MARGIN for main, top in with_add_on)


def _barcode(symbol: Any) -> Barcode:
    kind, content, add_on = symbol.format.name, _main(symbol), _add_on(symbol).encode()
    name = _READ_AS.get(kind)
    if kind == "Code128":
        # ]C1 is the AIM identifier of Code 128 with FNC1 in front, which is GS1-128.
        name = "ean128" if symbol.symbology_identifier == "]C1" else "code128"
    elif kind == "UPCE":
        # The library gives the long form; a reader gives the eight digits that are printed.
        content = symbol.extra["UPCE"].encode()
        name = f"upcE{content[:1].decode()}"
    elif kind in ("EAN13", "UPCA"):
        if content[:1] == b"0":
            # A UPC-A symbol is an EAN-13 symbol with a leading zero, which a reader leaves out.
            name, content = "upcA", content[1:]
        else:
            name = "jan13" if content[:2] in _JAPANESE and not add_on else "ean13"
    if name is None:
        return Barcode(content, None, str(symbol.format)[:100])
    return Barcode(content + add_on, f"{name}_{len(add_on)}" if add_on else name)
