"""What the chip of a simulated card says about itself: its directory, its applications, their records."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from xfs4iot.interfaces.cards.tlv import written
from xfs4iot.simulator.card_reader import cryptogram
from xfs4iot.simulator.card_reader.cards import Application, Card

__all__: list[str] = []

PSE, PPSE = b"1PAY.SYS.DDF01", b"2PAY.SYS.DDF01"
Objects = tuple[tuple[int, int], ...]
"""Tags and lengths that a list of data objects asks for."""

OPTIONS: Objects = ((0x9F1A, 2), (0x5F2A, 2))
_TERMINAL: Objects = (
    (0x9F02, 6),
    (0x9F03, 6),
    (0x9F1A, 2),
    (0x95, 5),
    (0x5F2A, 2),
    (0x9A, 3),
    (0x9C, 1),
    (0x9F37, 4),
)
TERMINAL_SIZE = sum(length for _, length in _TERMINAL)
"""Bytes of the terminal that a cryptogram is made over."""
CDOL1: Objects = _TERMINAL
CDOL2: Objects = ((0x8A, 2), *_TERMINAL)

AIP = b"\x3c\x00"
"""Dynamic data authentication, cardholder verification, terminal risk management, issuer authentication."""
AFL = bytes.fromhex("0801010010010301")
"""File 1, record 1; file 2, records 1 to 3, of which the first is authenticated."""
_CVM = bytes.fromhex("00000000000000004403410342035E031F00")
"""Enciphered PIN, plain PIN, online PIN, signature, none; each if the terminal can."""


def _list(objects: Objects) -> bytes:
    return b"".join(tag.to_bytes(2 if tag > 0xFF else 1) + bytes([length]) for tag, length in objects)


def _entry(application: Application, contactless: bool) -> bytes:
    return written(
        0x61,
        written(0x4F, bytes.fromhex(application.aid))
        + written(0x50, application.label.encode("ascii", "replace"))
        + written(0x87, bytes([application.priority]))
        + (written(0x9F2A, bytes.fromhex(application.kernel)) if contactless else b""),
    )


def environment(name: bytes, applications: Iterable[Application]) -> bytes:
    """The answer to SELECT of a payment system environment."""
    if name == PSE:
        inside = written(0x88, b"\x01") + written(0x5F2D, b"en")
    else:
        inside = written(0xBF0C, b"".join(_entry(one, True) for one in applications))
    return written(0x6F, written(0x84, name) + written(0xA5, inside))


def directory(applications: Iterable[Application]) -> bytes:
    """The record of the directory."""
    return written(0x70, b"".join(_entry(one, False) for one in applications))


def information(application: Application) -> bytes:
    """The answer to SELECT of an application."""
    inside = (
        written(0x50, application.label.encode("ascii", "replace"))
        + written(0x87, bytes([application.priority]))
        + written(0x9F38, _list(OPTIONS))
        + written(0x5F2D, b"en")
    )
    return written(0x6F, written(0x84, bytes.fromhex(application.aid)) + written(0xA5, inside))


def _packed(digits: str) -> bytes:
    return bytes.fromhex(digits + "F" * (len(digits) % 2))


@lru_cache(64)
def records(card: Card) -> dict[tuple[int, int], bytes]:
    """The records of an application, by file and number."""
    keys = cryptogram.scheme_keys()
    track2 = f"{card.pan}D{card.expiry}{card.service_code}0000000000"[:37]
    first = written(0x57, _packed(track2)) + written(0x5F20, card.holder.encode("ascii", "replace"))
    static = (
        written(0x5A, _packed(card.pan))
        + written(0x5F34, bytes([int(f"{card.sequence:02}", 16)]))
        + written(0x5F24, bytes.fromhex(f"{card.expiry}28"))
        + written(0x5F28, b"\x02\x80")
        + written(0x5F30, bytes.fromhex(card.service_code.rjust(4, "0")))
        + written(0x9F07, b"\xff\xc0")
        + written(0x8E, _CVM)
        + written(0x9F0D, bytes.fromhex("F040248000"))
        + written(0x9F0E, bytes(5))
        + written(0x9F0F, bytes.fromhex("F040249800"))
        + written(0x8C, _list(CDOL1))
        + written(0x8D, _list(CDOL2))
        + written(0x9F08, b"\x00\x96")
        + written(0x9F4A, b"\x82")
    )
    certificate, rest = keys.issuer_certificate(card.pan)
    own, own_rest = keys.card_certificate(card.pan, static + AIP)
    issuer = (
        written(0x8F, bytes([cryptogram.AUTHORITY_INDEX]))
        + written(0x90, certificate)
        + written(0x9F32, cryptogram.EXPONENT)
        + (written(0x92, rest) if rest else b"")
    )
    mine = (
        written(0x9F46, own)
        + written(0x9F47, cryptogram.EXPONENT)
        + (written(0x9F48, own_rest) if own_rest else b"")
        + written(0x9F49, _list(((0x9F37, 4),)))
    )
    return {
        (1, 1): written(0x70, first),
        (2, 1): written(0x70, static),
        (2, 2): written(0x70, issuer),
        (2, 3): written(0x70, mine),
    }
