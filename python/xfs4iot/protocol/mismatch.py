"""How a wrong value is described: where it stands, what it is, and what was expected."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

__all__ = ["CONTAINERS", "Mismatch", "cut", "shown"]

_SHOWN = 60
_VALUED = frozenset(("bool", "int", "float", "Decimal", "str"))
"""Types whose values `shown` shows."""
_KEYS = re.compile(r"\[(?!\d+\]|…)[^\]]*\]")
"""In a path, the keys of mappings; not the numbers of members."""
CONTAINERS = (tuple, list, dict, set, frozenset, bytes, bytearray)
"""Types whose values are told by their type alone: they may be long, and may be secret."""
_TYPES = _VALUED | {"None"} | {kind.__name__ for kind in CONTAINERS}


class Mismatch(ValueError):
    """A value is not what it must be.

    Attributes:
        expected: what it must be; "" where `found` says all.
        found: what it is, in few words.
        path: where in the whole it stands, such as `moved[0].count`.
    """

    def __init__(self, expected: str, found: str, path: str = "") -> None:
        super().__init__(expected, found, path)
        self.expected = expected
        self.found = found
        self.path = path

    def inside(self, where: str) -> Mismatch:
        """The same, seen from the object that has the value at `where`."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        return type(self)(self.expected, self.found, f"{where}{joint}{self.path}")

    def without_text(self) -> Mismatch:
        """The same, not showing what text was found."""
        return (
            type(self)(self.expected, "str (not shown)", self.path) if self.found.startswith("str ") else self
        )

    def without_values(self) -> Mismatch:
        """The same, showing types only: what was found, and what stands in its path, may be private."""
        first = self.found.split(" ", 1)[0]
        found = f"{first} (not shown)" if first in _VALUED else self.found
        path = _KEYS.sub("[…]", self.path)
        # What was expected may quote another part of the same result.
        return type(self)(self.expected, found, path)

    def unshown(self) -> Mismatch:
        """The same, with the type of what was found only, and that only if it says nothing of the value."""
        first = self.found.split(" ", 1)[0]
        found = first if first in _TYPES else "an object"
        return type(self)(self.expected, f"{found} (not shown)", self.path)

    def __str__(self) -> str:
        if not self.expected:
            return f"{self.path}: {self.found}"
        return f"{self.path or 'it'} is {self.found}; it must be {self.expected}"


def shown(value: Any) -> str:
    """A value in few words, whatever it is."""
    kind = type(value)
    if value is None:
        return "None"
    # Python refuses to write an int of more than 4,300 digits, and is slow before that.
    if kind is int and value.bit_length() > 200:
        return f"an int of {value.bit_length()} bits"
    if kind in (bool, int, float, Decimal):
        text = repr(value) if kind is not Decimal else str(value)
        return f"{kind.__name__} {cut(text)}"
    if kind is str:
        return f"str {cut(value)!r}"
    try:
        return f"{cut(str(kind.__name__))} object" if kind not in CONTAINERS else kind.__name__
    # A metaclass can make even `__name__` raise.
    except Exception:
        return "an object"


def cut(text: str) -> str:
    """A text, or its beginning."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
