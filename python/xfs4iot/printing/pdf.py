"""Pages as a PDF: pictures in their real size, packed without loss unless they are photographs.

Pillow writes pictures of one bit as a fax machine would, which makes hatched areas larger than they are
unpacked, and all others as JPEG, which blurs the edges of letters.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["as_pdf"]

_POINTS_PER_INCH = 72
_PHOTOGRAPH = 4
"""What cannot be packed to one part in so many is a photograph."""
_SPACES = {"1": ("DeviceGray", 1), "L": ("DeviceGray", 8), "RGB": ("DeviceRGB", 8)}


def as_pdf(pictures: Iterable[Image], dots: int) -> bytes:
    """A PDF of pages in their real size, with so many dots per inch."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    pages: list[bytes] = []
    for picture in pictures:
        number = len(objects) + 1
        wide, high = (f"{one * _POINTS_PER_INCH / dots:.2f}" for one in picture.size)
        page = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {wide} {high}] "
            f"/Resources << /XObject << /I {number + 1} 0 R >> >> /Contents {number + 2} 0 R >>"
        )
        placed = f"q {wide} 0 0 {high} 0 0 cm /I Do Q".encode()
        objects += [page.encode(), _image(picture), _stream("", placed)]
        pages.append(f"{number} 0 R".encode())
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%b] >>" % (len(pages), b" ".join(pages))
    return _file(objects)


def _image(picture: Image) -> bytes:
    if picture.mode not in _SPACES:
        picture = picture.convert("RGB")
    space, bits = _SPACES[picture.mode]
    dots = picture.tobytes()
    data, how = zlib.compress(dots), "FlateDecode"
    if bits > 1 and len(data) > len(dots) // _PHOTOGRAPH:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=90)
        data, how = file.getvalue(), "DCTDecode"
    what = (
        f"/Type /XObject /Subtype /Image /Width {picture.width} /Height {picture.height} "
        f"/ColorSpace /{space} /BitsPerComponent {bits} /Filter /{how}"
    )
    return _stream(what, data)


def _stream(what: str, data: bytes) -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (what.encode(), len(data), data)


def _file(objects: list[bytes]) -> bytes:
    """The file: its objects, and a table of where each of them begins."""
    found = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places: list[int] = []
    for number, one in enumerate(objects, 1):
        places.append(len(found))
        found += b"%d 0 obj\n%b\nendobj\n" % (number, one)
    table = len(found)
    found += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    found += b"".join(b"%010d 00000 n \n" % place for place in places)
    found += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(found)
