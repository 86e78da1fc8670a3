"""Pictures and barcodes of an ESC/POS printer: what its commands say of them, and how they look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xfs4iot.printing.barcodes import Symbol, symbol

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Symbols"]

_LINEAR = {
    0: "UPCA",
    1: "UPCE",
    2: "EAN13",
    3: "EAN8",
    4: "CODE39",
    5: "ITF",
    6: "CODABAR",
    65: "UPCA",
    66: "UPCE",
    67: "EAN13",
    68: "EAN8",
    69: "CODE39",
    70: "ITF",
    71: "CODABAR",
    72: "CODE93",
    73: "CODE128",
    79: "CODE128",
}
_QR, _PDF417, _DATA_MATRIX, _AZTEC = 49, 48, 54, 53
_TWO_DIMENSIONAL = {_QR: "QRCODE", _PDF417: "PDF417", _DATA_MATRIX: "DATAMATRIX", _AZTEC: "AZTEC"}
_MODULE, _LEVEL, _STORE, _PRINT = 67, 69, 80, 81
_MOST_BYTES = 7089
_MOST_DOTS = 4_000_000
_TALL = 3
"""Dots of the paper that one dot of a picture with eight rows is high, at its usual density."""


class Symbols:
    """The settings of one printer, and what was stored in it.

    Attributes:
        height: of barcodes, in dots.
        module: width of their narrowest bar, in dots.
        readable: where their text stands: 1 above, 2 below, 3 both.
    """

    def __init__(self) -> None:
        self.height, self.module, self.readable = 162, 3, 0
        self._modules = dict.fromkeys(_TWO_DIMENSIONAL, 3)
        self._level = "L"
        self._stored: dict[int, bytes] = {}
        self._downloaded: Image | None = None
        self._graphics: Image | None = None

    def set(self, **settings: int) -> None:
        """Change settings."""
        for name, value in settings.items():
            setattr(self, name, value)

    def barcode(self, data: bytes) -> Symbol | None:
        """GS k: a barcode; None if its kind is not known.

        Raises:
            Unprintable: it cannot hold this.
        """
        kind = _LINEAR.get(data[0])
        if kind is None:
            return None
        content = data[1:].rstrip(b"\x00") if data[0] < 65 else data[2:]
        if kind == "CODE128":
            return symbol(kind, _code_128(content))
        if kind == "CODABAR":
            # Start and stop are letters of either case, in the library of one.
            content = content.upper()
        return symbol(kind, content.decode("latin-1"))

    def two_dimensional(self, data: bytes) -> Image | None:
        """GS ( k: a setting, data that are stored, or the barcode with what is stored.

        Raises:
            Unprintable: it cannot hold this.
        """
        if len(data) < 2 or data[0] not in _TWO_DIMENSIONAL:
            return None
        kind, function, parameters = data[0], data[1], data[2:]
        if function == _MODULE and parameters:
            self._modules[kind] = min(max(parameters[0], 1), 16)
        elif function == _LEVEL and parameters and kind == _QR:
            self._level = "LMQH"[parameters[0] - 48] if 48 <= parameters[0] <= 51 else self._level
        elif function == _STORE:
            self._stored[kind] = parameters[1 : 1 + _MOST_BYTES]
        elif function == _PRINT and self._stored.get(kind):
            options: dict[str, Any] = {"ec_level": self._level} if kind == _QR else {}
            made = symbol(_TWO_DIMENSIONAL[kind], _text_or_bytes(self._stored[kind]), **options)
            times = self._modules[kind]
            return made.scaled(made.modules.width * times, made.modules.height * times)
        return None

    def raster(self, data: bytes) -> Image | None:
        """GS v 0: a picture, row by row."""
        wide, high = int.from_bytes(data[2:4], "little"), int.from_bytes(data[4:6], "little")
        picture = _rows(data[6:], wide, high)
        mode = data[1] & 3
        return None if picture is None else _larger(picture, 1 + (mode & 1), 1 + (mode >> 1))

    def columns(self, data: bytes) -> Image | None:
        """ESC *: a picture, column by column."""
        mode, bits = data[0], data[3:]
        if mode not in (0, 1, 32, 33):
            return None
        high = 3 if mode >= 32 else 1
        picture = _columns(bits, high, len(bits) // high)
        if picture is None:
            return None
        return _larger(picture, 1 if mode & 1 else 2, 1 if high == 3 else _TALL)

    def download(self, data: bytes) -> None:
        """GS *: a picture to be printed later."""
        wide, high = data[0] * 8, data[1]
        self._downloaded = _columns(data[2:], high, wide)

    def downloaded(self, mode: int) -> Image | None:
        """GS /: the picture of GS *."""
        picture = self._downloaded
        return None if picture is None else _larger(picture, 1 + (mode & 1), 1 + (mode >> 1 & 1))

    def graphics(self, data: bytes) -> Image | None:
        """GS ( L: a picture that is stored, or the one that is."""
        if len(data) < 2:
            return None
        if data[1] == 112 and len(data) >= 10:
            wide, high = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
            picture = _rows(data[10:], (wide + 7) // 8, high)
            if picture is not None:
                picture = picture.crop((0, 0, wide, high))
                self._graphics = _larger(picture, min(max(data[3], 1), 2), min(max(data[4], 1), 2))
        elif data[1] in (2, 50):
            printed, self._graphics = self._graphics, None
            return printed
        return None


def _rows(bits: bytes, wide: int, high: int) -> Image | None:
    """A picture from rows of so many bytes, the highest bit at the left; set bits are black."""
    from PIL import Image

    if not wide or not high or len(bits) < wide * high or wide * 8 * high > _MOST_DOTS:
        return None
    return Image.frombytes("1", (wide * 8, high), bits[: wide * high], "raw", "1;I")


def _columns(bits: bytes, high: int, wide: int) -> Image | None:
    """A picture from columns of so many bytes, the highest bit at the top."""
    from PIL import Image

    rows = _rows(bits, high, wide)
    return None if rows is None else rows.transpose(Image.Transpose.TRANSPOSE)


def _larger(picture: Image, wide: int, high: int) -> Image:
    from PIL import Image

    if (wide, high) == (1, 1):
        return picture
    return picture.resize((picture.width * wide, picture.height * high), Image.Resampling.NEAREST)


def _text_or_bytes(content: bytes) -> str | bytes:
    """Text where it is text, since readers take bytes that are none of it for something else."""
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        return content


def _code_128(content: bytes) -> str:
    """What a barcode of Code 128 holds, whose sets `{A`, `{B` and `{C` are named in between."""
    text, at, pairs = "", 0, False
    while at < len(content):
        code = content[at]
        if code == 0x7B and at + 1 < len(content):
            name = chr(content[at + 1])
            at += 2
            if name in "ABC":
                pairs = name == "C"
            elif name == "1":
                text += "\x1d"
            elif name == "{":
                text += "{"
            continue
        text += f"{code % 100:02d}" if pairs else chr(code)
        at += 1
    return text
