"""Finger minutiae records: ISO/IEC 19794-2:2005 (`isoFmd`) and ANSI INCITS 378-2004 (`ansiFmd`).

Both begin with `FMR`, a version and a length, tell what made the record and the size of the picture, and then
have a view for each impression: its minutiae, six bytes each, and a block of extended data. They differ
in the form of the length, the identification of the product and the unit of angles. Numbers are big-endian.

Written is one view without extended data. Read are records with several views and with extended data, which
is passed over; the first view with points counts. The compact card formats of ISO/IEC 19794-2 are not read.
"""

from __future__ import annotations

import math
import struct
from typing import Literal, NamedTuple

from xfs4iot.dataclass import dataclass
from xfs4iot.simulator.biometric.minutiae import Minutia

__all__ = ["BadRecord", "MinutiaeRecord", "decode", "encode"]

RecordFormat = Literal["isoFmd", "ansiFmd"]

_MAGIC, _VERSION = b"FMR\0", b" 20\0"
_PER_CENTIMETRE = 197
_ANGLE_UNIT = {"isoFmd": 360 / 256, "ansiFmd": 2.0}
_ANGLES = {"isoFmd": 256, "ansiFmd": 180}
_KINDS: tuple[Literal["other", "ending", "bifurcation"], ...] = ("other", "ending", "bifurcation")
_LAST_POSITION = 10
_COORDINATES = 0x3FFF


class BadRecord(ValueError):
    """Something is no such record; the text says where it is wrong, and shows nothing of it."""


@dataclass(frozen=True)
class MinutiaeRecord:
    """One impression.

    Attributes:
        minutiae: up to 255.
        position: code of the finger; 0: unknown.
        quality: 0 to 100.
        width, height: of the picture, in pixels.
    """

    minutiae: tuple[Minutia, ...]
    position: int
    quality: int
    width: int
    height: int


def encode(record: MinutiaeRecord, format: RecordFormat) -> bytes:
    """The record's bytes."""
    size = struct.pack(">HHHH", record.width, record.height, _PER_CENTIMETRE, _PER_CENTIMETRE)
    view = struct.pack(">BBBB", record.position, 0, record.quality, len(record.minutiae))
    unit, angles = _ANGLE_UNIT[format], _ANGLES[format]
    for one in record.minutiae:
        kind = _KINDS.index(one.kind) << 14
        view += struct.pack(">HHBB", kind | one.x, one.y, round(one.angle / unit) % angles, one.quality)
    body = view + struct.pack(">H", 0)
    if format == "isoFmd":
        # Equipment: no certificate, no number.
        head = struct.pack(">H", 0) + size + bytes((1, 0))
        length = struct.pack(">I", 12 + len(head) + len(body))
    else:
        # Product: none of CBEFF; then the equipment.
        head = struct.pack(">HHH", 0, 0, 0) + size + bytes((1, 0))
        length = struct.pack(">H", 10 + len(head) + len(body))
    return _MAGIC + _VERSION + length + head + body


class _Reader:
    """Takes a record apart from its beginning."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, form: str) -> tuple[int, ...]:
        """The next numbers, as `struct` describes them.

        Raises:
            BadRecord: it ends before.
        """
        try:
            found: tuple[int, ...] = struct.unpack_from(f">{form}", self.data, self.at)
        except struct.error:
            raise BadRecord(f"it ends after {len(self.data)} bytes, within a field") from None
        self.at += struct.calcsize(f">{form}")
        return found

    def skip(self, count: int) -> None:
        """Pass over bytes.

        Raises:
            BadRecord: it ends before.
        """
        if self.at + count > len(self.data):
            raise BadRecord(f"it ends after {len(self.data)} bytes, within a block of {count}")
        self.at += count


def decode(data: bytes, format: RecordFormat, padded: bool = False) -> MinutiaeRecord:
    """The first impression with points.

    Args:
        padded: zeros may follow, as a cipher leaves them behind.

    Raises:
        BadRecord: it is not such a record.
    """
    if data[:4] != _MAGIC or data[4:8] != _VERSION:
        raise BadRecord("it does not begin with FMR and version 20")
    reader = _Reader(data)
    reader.skip(8)
    if format == "isoFmd":
        (length,) = reader.take("I")
    else:
        (length,) = reader.take("H")
        if length == 0:
            (length,) = reader.take("I")
    if length != len(data) and not (padded and length <= len(data) and not any(data[length:])):
        raise BadRecord(f"it has {len(data)} bytes, and says {length}")
    reader.data = data[:length]
    reader.skip(2 if format == "isoFmd" else 6)
    width, height, across, down, views, _ = reader.take("HHHHBB")
    if not (width and height and across and down):
        raise BadRecord("the size or the resolution of its picture is 0")
    picture = _Picture(width, height, _scale(across), _scale(down))
    if max(picture.size) > _COORDINATES:
        raise BadRecord(f"its picture has more than {_COORDINATES} pixels a side at 500 per inch")
    found: MinutiaeRecord | None = None
    for _ in range(views):
        view = _view(reader, format, picture)
        if found is None or not found.minutiae:
            found = view
    if reader.at != length:
        raise BadRecord(f"{length - reader.at} bytes follow its last view")
    if found is None or not found.minutiae:
        raise BadRecord("it has no minutiae")
    return found


class _Picture(NamedTuple):
    """Size of a picture as its record has it, and what a pixel of it is at 500 per inch."""

    width: int
    height: int
    across: float
    down: float

    @property
    def size(self) -> tuple[int, int]:
        """At 500 per inch, rounded up, so that each point, rounded down, is inside of it."""
        return math.ceil(self.width * self.across), math.ceil(self.height * self.down)

    def point(self, x: int, y: int) -> tuple[int, int]:
        return int(x * self.across), int(y * self.down)


def _scale(per_centimetre: int) -> float:
    scale = 500 / 2.54 / per_centimetre
    # Resolutions are whole numbers per centimetre; 197 is what 500 per inch is then.
    return 1 if abs(scale - 1) < 0.01 else scale


def _view(reader: _Reader, format: RecordFormat, picture: _Picture) -> MinutiaeRecord:
    position, _, quality, count = reader.take("BBBB")
    if position > _LAST_POSITION or quality > 100:
        raise BadRecord("finger position above 10, or quality above 100")
    points = []
    for number in range(count):
        x, y, angle, own = reader.take("HHBB")
        if x >> 14 > 2 or angle >= _ANGLES[format] or own > 100:
            raise BadRecord(f"minutia {number}: its kind, angle or quality is none")
        kind, x, y = _KINDS[x >> 14], x & _COORDINATES, y & _COORDINATES
        if x >= picture.width or y >= picture.height:
            raise BadRecord(f"minutia {number} is outside the picture")
        points.append(Minutia(*picture.point(x, y), angle * _ANGLE_UNIT[format], kind, own))
    (extended,) = reader.take("H")
    reader.skip(extended)
    return MinutiaeRecord(tuple(points), position, quality, *picture.size)
