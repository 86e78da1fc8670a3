"""The code pages of ESC/POS printers, by the numbers by which `ESC t` selects them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

__all__ = ["CODE_PAGES", "INTERNATIONAL", "decoded", "encoded"]

CODE_PAGES: Mapping[int, str] = {
    0: "cp437",
    2: "cp850",
    3: "cp860",
    4: "cp863",
    5: "cp865",
    13: "cp857",
    14: "cp737",
    15: "iso8859_7",
    16: "cp1252",
    17: "cp866",
    18: "cp852",
    19: "cp858",
    32: "cp720",
    33: "cp775",
    34: "cp855",
    35: "cp861",
    36: "cp862",
    37: "cp864",
    38: "cp869",
    39: "iso8859_2",
    40: "iso8859_15",
    45: "cp1250",
    46: "cp1251",
    47: "cp1253",
    48: "cp1254",
    49: "cp1255",
    50: "cp1256",
    51: "cp1257",
    52: "cp1258",
}
"""Python's names of them. Others (Katakana, Thai, Vietnamese) are read as the first."""

_REPLACED = r"#$@[\]^`{|}~"
INTERNATIONAL: Mapping[int, str] = {
    0: r"#$@[\]^`{|}~",
    1: "#$à°ç§^`éùè¨",
    2: "#$§ÄÖÜ^`äöüß",
    3: r"£$@[\]^`{|}~",
    4: "#$@ÆØÅ^`æøå~",
    5: "#¤ÉÄÖÅÜéäöåü",
    6: r"#$@°\é^ùàòèì",
    7: "₧$@¡Ñ¿^`¨ñ}~",
    8: "#$@[¥]^`{|}~",
    9: "#¤ÉÆØÅÜéæøåü",
    10: "#$ÉÆØÅÜéæøåü",
    11: "#$á¡Ñ¿é`íñóú",
    12: "#$á¡Ñ¿éüíñóú",
    13: "#$@[₩]^`{|}~",
}
"""What `ESC R` puts in the places of `#$@[\\]^`{|}~`: USA, France, Germany, UK, Denmark, and so on."""


_UNKNOWN = "\ufffd"


@cache
def _page(number: int) -> str:
    name = CODE_PAGES.get(number, CODE_PAGES[0])
    return bytes(range(256)).decode(name, "replace").replace("\x7f", " ")


@cache
def _table(number: int, country: int) -> dict[int, str]:
    # cp864 has an Arabic per cent sign in the place of the plain one.
    table = dict(enumerate(_page(number)))
    table |= {code: chr(code) for code in range(0x20, 0x7F)}
    for plain, there in zip(_REPLACED, INTERNATIONAL.get(country, _REPLACED), strict=True):
        table[ord(plain)] = there
    return table


@cache
def _codes(number: int) -> dict[str, int]:
    """Codes by character; those below a blank are commands."""
    found = {one: code for code, one in _table(number, 0).items() if code >= 0x20 and one != _UNKNOWN}
    return found | {chr(code): code for code in range(0x20, 0x7F)}


def decoded(text: bytes, number: int, country: int = 0) -> str:
    """Text as the printer prints it with this code page and this country's characters."""
    return text.decode("latin-1").translate(_table(number, country))


def encoded(text: str, numbers: tuple[int, ...] = tuple(CODE_PAGES)) -> tuple[int, bytes] | None:
    """The first of these code pages that has all of a text, and the text in it; None if none has."""
    for number in numbers:
        codes = _codes(number)
        if all(one in codes for one in text):
            return number, bytes(codes[one] for one in text)
    return None
