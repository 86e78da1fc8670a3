"""Objects of booleans, by which the standard says which of several things are meant or can be done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

__all__ = ["chosen", "flags"]

_Flags = TypeVar("_Flags", bound=msgspec.Struct)


def flags(kind: type[_Flags], names: Iterable[str]) -> _Flags:
    """An object of booleans, those true that `names` has as on the wire; all others false."""
    wanted = set(names)
    return kind(**{field.name: field.encode_name in wanted for field in msgspec.structs.fields(kind)})


def chosen(given: Any) -> frozenset[str]:
    """The names, as on the wire, of what is true in an object of booleans; none of None."""
    if given is None:
        return frozenset()
    fields = msgspec.structs.fields(given)
    return frozenset(field.encode_name for field in fields if getattr(given, field.name) is True)
