"""The types of the message classes, walked along a JSON path: what may stand where in a payload."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from xfs4iot.protocol.message import FreeKeys

__all__ = ["Parts", "choices_at", "examples_of", "parts_of"]

_WORD = re.compile(r"(?:^|[|(])\^?(\w+)(?=\\Z|[|)])")
_CLASS = re.compile(r"(?:^|[|(])\^?(\w*)\[[^]]*\][+*]?(?=\\Z|[|)])")
_STEP = re.compile(r"\.([^.\[]+)|\[[^\]]*\]")


class Parts(NamedTuple):
    """What a type consists of; None where it has nothing of the kind."""

    named: dict[str, Any]
    """The properties of an object, by wire name."""
    free: Any = None
    """What stands under free keys."""
    element: Any = None
    number: bool = False
    text: bool = False
    choices: tuple[str, ...] = ()
    """The members of an enumeration."""


@cache
def parts_of(kind: Any) -> Parts:
    """What a type of the message classes consists of."""
    if kind is Decimal or kind is str:
        return Parts({}, number=kind is Decimal, text=kind is str)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return parts_of(arguments[0])
    if origin in (Union, UnionType):
        options = [parts_of(one) for one in arguments]
        return Parts(
            {name: part for option in options for name, part in option.named.items()},
            next((option.free for option in options if option.free is not None), None),
            next((option.element for option in options if option.element is not None), None),
            any(option.number for option in options),
            any(option.text for option in options),
            tuple(choice for option in options for choice in option.choices),
        )
    if origin is Literal:
        return Parts({}, choices=tuple(map(str, arguments)))
    if origin in (dict, Mapping):
        return Parts({}, free=arguments[1])
    if origin in (list, tuple, set, frozenset):
        return Parts({}, element=arguments[0])
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return Parts({field.encode_name: field.type for field in msgspec.structs.fields(kind)})
    if isinstance(kind, type) and issubclass(kind, FreeKeys):
        own, free = kind.kinds()
        return Parts(own, free=free)
    return Parts({})


def choices_at(kind: Any, path: str) -> tuple[str, ...]:
    """The members of the enumeration that stands at a JSON path; empty if none does."""
    for name in _STEP.findall(path):
        parts = parts_of(kind)
        kind = parts.named.get(name, parts.free) if name else parts.element
    return parts_of(kind).choices


def examples_of(pattern: str) -> tuple[str, ...]:
    """Texts that match a pattern of the message classes, one for each kind; empty if none is simple."""
    found = _WORD.findall(pattern)
    for prefix in _CLASS.findall(pattern):
        # The first that the class lets through: `unit1`, `A` where digits are not keys.
        found += [prefix + one for one in "1A" if re.fullmatch(pattern, prefix + one)][:1]
    return tuple(dict.fromkeys(one for one in found if re.fullmatch(pattern, one)))[:16]
