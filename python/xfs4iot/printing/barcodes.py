"""Barcodes for printers: drawn by zxing-cpp, one dot per module and then as often as there is room for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import PrintSymbology
from xfs4iot.protocol import errors

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PRINTED_BARCODES", "SYMBOLOGIES", "Symbol", "Unprintable", "symbol", "symbology_of"]

_FORMATS = {
    "CODE128": "Code128",
    "GS1128": "Code128",
    "CODE39": "Code39",
    "CODE93": "Code93",
    "CODABAR": "Codabar",
    "ITF": "ITF",
    "EAN13": "EAN13",
    "EAN8": "EAN8",
    "UPCA": "UPCA",
    "UPCE": "UPCE",
    "QRCODE": "QRCode",
    "DATAMATRIX": "DataMatrix",
    "PDF417": "PDF417",
    "AZTEC": "Aztec",
    "MAXICODE": "MaxiCode",
}
_OTHER_NAMES = {
    "QR": "QRCODE",
    "EAN128": "GS1128",
    "UCC128": "GS1128",
    "JAN13": "EAN13",
    "JAN8": "EAN8",
    "EAN": "EAN13",
    "NW7": "CODABAR",
    "INTERLEAVED2OF5": "ITF",
    "I2OF5": "ITF",
    "2OF5": "ITF",
    "3OF9": "CODE39",
    "39": "CODE39",
    "93": "CODE93",
    "128": "CODE128",
}
SYMBOLOGIES = tuple(_FORMATS)
"""The names of what can be drawn."""
PRINTED_BARCODES: frozenset[PrintSymbology] = frozenset(get_args(PrintSymbology))
"""All that forms can ask for: a printer that draws here has them all."""
_IDENTIFIER = re.compile(r"\[(\d{2,4})\]")
"""What says in GS1 data what follows; people read it in round brackets, whatever it came in."""
_STACKED = {"QRCODE", "DATAMATRIX", "PDF417", "AZTEC", "MAXICODE"}


class Unprintable(ValueError):
    """A barcode cannot be drawn: there is no such kind, or it cannot hold this."""


@dataclass(frozen=True)
class Symbol:
    """A barcode, one dot per module; one row only, where all rows are the same.

    Attributes:
        modules: black and white, without quiet zones.
        linear: whether its rows are all the same, so that it can be made as high as one likes.
        text: what people read below it, check digits included.
    """

    modules: Image
    linear: bool
    text: str

    def scaled(self, width: int, height: int) -> Image:
        """As large as fits into a box, each module as many dots wide as the others.

        Raises:
            Unprintable: the box is too small.
        """
        from PIL import Image

        wide, high = self.modules.size
        times = width // wide if self.linear else min(width // wide, height // high)
        if times < 1 or height < 1:
            raise Unprintable(f"the barcode needs {wide} x {high} dots; there is room for {width} x {height}")
        size = (wide * times, height if self.linear else high * times)
        return self.modules.resize(size, Image.Resampling.NEAREST)


def symbology_of(name: str) -> str | None:
    """The symbology with this name, written in whatever way; None if there is none."""
    short = re.sub(r"[^A-Z0-9]", "", name.upper())
    short = _OTHER_NAMES.get(short, short)
    return short if short in _FORMATS else None


def symbol(symbology: str, content: str | bytes, **options: Any) -> Symbol:
    """A barcode.

    Args:
        symbology: one of `SYMBOLOGIES`.
        content: check digits may be left out; of GS1-128 with identifiers in brackets.
        options: of zxing-cpp, `ec_level` for example.

    Raises:
        Unprintable: it cannot hold this.
        HardwareError: zxing-cpp is not installed.
    """
    try:
        import zxingcpp
        from PIL import Image
    except ImportError:
        raise errors.HardwareError(
            "the printer cannot draw barcodes: pip install 'xfs4iot[simulator]' or 'xfs4iot[escpos]'"
        ) from None
    if symbology not in _FORMATS:
        raise Unprintable(f"{symbology[:20]!r} is not one of {', '.join(SYMBOLOGIES)}")
    if symbology == "GS1128":
        options["gs1"] = True
    try:
        made = zxingcpp.create_barcode(
            content, getattr(zxingcpp.BarcodeFormat, _FORMATS[symbology]), **options
        )
        drawn: Any = made.to_image(scale=1, add_quiet_zones=False)
    except (ValueError, RuntimeError) as wrong:
        raise Unprintable(f"{symbology} cannot hold this: {str(wrong)[:200]}") from None
    height, width = drawn.shape
    # Copied: the library complains of pictures of its own that live until the process ends.
    image = Image.frombytes("L", (width, height), memoryview(drawn).tobytes())
    linear = symbology not in _STACKED
    if linear:
        # The first row: guard bars of EAN reach further down than the others.
        image = image.crop((0, 0, width, 1))
    shown = content if isinstance(content, str) else content.decode("latin-1")
    if symbology in ("EAN13", "EAN8", "UPCA"):
        shown = str(made.text)[-{"EAN13": 13, "EAN8": 8, "UPCA": 12}[symbology] :]
    if symbology == "GS1128":
        shown = _IDENTIFIER.sub(r"(\1)", shown)
    return Symbol(image, linear, shown)
