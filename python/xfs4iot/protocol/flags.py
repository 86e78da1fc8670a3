"""Objects of booleans, which the standard uses to say which of several things are meant or supported."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

import msgspec

from xfs4iot.protocol.message import FreeKeys

__all__ = ["chosen", "flags", "named"]

_Flags = TypeVar("_Flags", bound=msgspec.Struct | FreeKeys)


def flags(kind: type[_Flags], names: Iterable[str]) -> _Flags:
    """An object of booleans, those true that `names` has as on the wire; all others false.

    Names of the vendor's own become free keys, where the object may have some.
    """
    wanted = set(names)
    if issubclass(kind, FreeKeys):
        return kind.of(dict.fromkeys(kind.PROPERTIES.values(), False) | dict.fromkeys(wanted, True))
    return kind(**{attribute: name in wanted for attribute, name in _names(kind)})


def named(kind: type[_Flags], names: Iterable[str]) -> frozenset[str]:
    """Those of `names` that such an object has a property for; all, if it may have free keys."""
    return frozenset(names) if issubclass(kind, FreeKeys) else frozenset(names) & {n for _, n in _names(kind)}


def chosen(given: Any) -> frozenset[str]:
    """The names, as on the wire, of what is true in an object of booleans; none of None."""
    if given is None:
        return frozenset()
    if isinstance(given, FreeKeys):
        return frozenset(name for name, value in given.to_plain().items() if value is True)
    kind: Any = type(given)
    return frozenset(name for attribute, name in _names(kind) if getattr(given, attribute) is True)


@cache
def _names(kind: Any) -> tuple[tuple[str, str], ...]:
    """Attributes and names on the wire; msgspec evaluates all annotations anew for each question."""
    return tuple((field.name, field.encode_name) for field in msgspec.structs.fields(kind))
