"""Finger image records: ISO/IEC 19794-4:2005 (`isoFid`) and ANSI INCITS 381-2004 (`ansiFid`); only written.

One picture, eight bits a pixel, not compressed. It is drawn, with ridges that end and fork where the finger
has its minutiae: parallel lines whose phase turns once around each of them (by Larkin and Fletcher).
"""

from __future__ import annotations

import math
import struct
from typing import Literal

from xfs4iot.simulator.biometric.fingers import HEIGHT, POSITIONS, WIDTH, Impression

__all__ = ["drawn", "encode"]

_MAGIC = b"FIR\0" + b"010\0"
_RIDGE = 9.0
"""Pixels from one ridge to the next."""
_SHADES = bytes(round(128 + 110 * math.cos(math.tau * step / 256)) for step in range(256))


def drawn(impression: Impression) -> bytes:
    """The picture, a byte for each pixel; takes about a second."""
    wave = math.tau / _RIDGE
    # As parts of a hundred pixels: the product of many distances must not grow beyond what a float holds.
    points = [((one.x + 0.5) / 100, (one.y + 0.5) / 100, one.kind == "ending") for one in impression.minutiae]
    columns = [(x, x / 100) for x in range(WIDTH)]
    pixels = bytearray()
    for y in range(HEIGHT):
        row = [(right, y / 100 - down if ends else down - y / 100) for right, down, ends in points]
        for x, across in columns:
            turned = complex(1)
            for right, below in row:
                # Multiplied, not added up as angles: that would need an arc tangent for each.
                turned *= complex(across - right, below)
            size = abs(turned)
            phase = wave * (y + 0.08 * x) + (math.atan2(turned.imag, turned.real) if size else 0)
            pixels.append(_SHADES[int(phase / math.tau * 256) & 255])
    return bytes(pixels)


def encode(impression: Impression, format: Literal["isoFid", "ansiFid"]) -> bytes:
    """The record's bytes."""
    pixels = drawn(impression)
    block = struct.pack(
        ">IBBBBBHHB",
        14 + len(pixels),
        POSITIONS.index(impression.position),
        1,
        1,
        impression.quality,
        0,
        WIDTH,
        HEIGHT,
        0,
    )
    # Device, level 31 (500 per inch), one finger, scale in inches, resolutions, depth, no compression.
    product = b"" if format == "isoFid" else bytes(4)
    head = product + struct.pack(">HHBBHHHHBBH", 0, 31, 1, 1, 500, 500, 500, 500, 8, 0, 0)
    length = 8 + 6 + len(head) + len(block) + len(pixels)
    return _MAGIC + length.to_bytes(6, "big") + head + block + pixels
