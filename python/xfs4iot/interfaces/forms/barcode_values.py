"""Which values a kind of barcode can carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

from xfs4iot.devices import PrintSymbology

__all__ = ["barcode_value", "symbology_named", "symbology_of"]

_MOST_CHARACTERS = 4296
"""A QR code holds no more, and no other kind does."""
_DIGITS: Mapping[str, int] = {"EAN13": 13, "EAN8": 8, "UPCA": 12, "UPCE": 8}
"""Digits with the check digit."""
_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "CODE39": re.compile(r"[0-9A-Z\-. $/+%]{1,80}"),
    "CODE93": re.compile(r"[\x00-\x7f]{1,80}"),
    "CODE128": re.compile(r"[\x20-\x7e\t]{1,80}"),
    "GS1128": re.compile(r"[\x20-\x7e]{1,80}"),
    "CODABAR": re.compile(r"[A-Da-d]?[0-9\-$:/.+]{1,60}[A-Da-d]?"),
    "ITF": re.compile(r"([0-9]{2}){1,40}"),
}


def symbology_of(name: str | None) -> PrintSymbology | None:
    """The kind of barcode that a form names, however it spells it (`Code 128`, `ean-13`, `QR Code`)."""
    if name is None:
        return None
    plain = "".join(one for one in name[:40].upper() if one.isalnum())
    known: tuple[PrintSymbology, ...] = get_args(PrintSymbology)
    spelt = {"QRCODE": "QR", "UPC": "UPCA", "EAN": "EAN13", "INTERLEAVED2OF5": "ITF", "EAN128": "GS1128"}
    return next((one for one in known if one == spelt.get(plain, plain)), None)


def symbology_named(font: str | None, form: str | None) -> PrintSymbology | None:
    """The kind of barcode that a field names: its font, or else its format."""
    return symbology_of(font) or symbology_of(form)


def barcode_value(symbology: PrintSymbology, value: str) -> str:
    """A value as it is printed: EAN and UPC with their check digit, whether it was given or not.

    Raises:
        ValueError: this kind cannot carry it; the text does not show it.
    """
    if symbology in _DIGITS:
        return _with_check_digit(symbology, value)
    if symbology in _PATTERNS:
        if _PATTERNS[symbology].fullmatch(value) is None:
            raise ValueError(f"{symbology} cannot carry a value with such characters or of this length")
        return value
    if not 0 < len(value) <= _MOST_CHARACTERS:
        raise ValueError(f"{symbology} carries 1 to {_MOST_CHARACTERS} characters")
    return value


def _with_check_digit(symbology: PrintSymbology, value: str) -> str:
    digits = _DIGITS[symbology]
    if not (value.isascii() and value.isdigit() and len(value) in (digits - 1, digits)):
        raise ValueError(f"{symbology} carries {digits - 1} digits and their check digit")
    if symbology == "UPCE" and value[0] not in "01":
        raise ValueError("UPCE begins with 0 or 1")
    body, given = value[: digits - 1], value[digits - 1 :]
    # The check digit of UPC-E is that of the UPC-A which it stands for.
    whole = _upc_a(body) if symbology == "UPCE" else body
    # From the right, every other digit counts three times, the last one first.
    total = sum(int(one) * (3 if number % 2 == 0 else 1) for number, one in enumerate(reversed(whole)))
    check = str(-total % 10)
    if given and given != check:
        raise ValueError(f"the check digit of {symbology} is wrong")
    return body + check


def _upc_a(body: str) -> str:
    """The eleven digits of UPC-A that seven of UPC-E stand for."""
    system, one, last = body[0], body[1:6], body[6]
    if last in "012":
        return system + one[:2] + last + "0000" + one[2:]
    if last == "3":
        return system + one[:3] + "00000" + one[3:]
    if last == "4":
        return system + one[:4] + "00000" + one[4:]
    return system + one + "0000" + last
