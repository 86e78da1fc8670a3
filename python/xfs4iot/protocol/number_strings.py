"""Strings where the standard has a number: refused, though the decoder reads decimals from strings.

`"50"`, `" 50 "`, `"5_0"`, `"NaN"` and digits of other scripts are all decimals to Python. The
decoder cannot be configured otherwise, so a decoded payload is looked at once more, but only if its
class has decimals and one of its strings starts like a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec

from xfs4iot.protocol import errors
from xfs4iot.protocol.message import FreeKeys

__all__ = ["possible", "refuse"]

_LIKE_A_NUMBER = re.compile(
    rb"""
    "[ +_-]*                               # blanks and underscores say nothing to the decoder
    (?: [0-9.\\\x80-\xff]                   # a digit, or what may stand for one
      | [iI]_*(?: \\ | [nN]_*(?: \\ | [fF]))
      | [sS]?_*(?: \\ | [nN]_*(?: \\ | [aA]_*(?: \\ | [nN])))
    )
    """,
    re.VERBOSE,
)
_read = msgspec.json.Decoder(float_hook=Decimal).decode


def possible(kind: Any, payload: bytes) -> bool:
    """Whether a string of the payload may have been read as a number; most often False, and fast."""
    return _has_decimals(kind) and _LIKE_A_NUMBER.search(payload) is not None


def refuse(kind: Any, payload: bytes) -> None:
    """Look for strings in the place of numbers, in a payload that `kind` was decoded from.

    Raises:
        InvalidData: there is one; the text names the JSON path.
    """
    if (path := _found(kind, _read(payload), "$")) is not None:
        raise errors.InvalidData(f"{path}: expected `number`, got `str`")


def _found(kind: Any, content: Any, path: str) -> str | None:
    """The path of the first string in the place of a number."""
    # Prunes the walk: most branches of a payload cannot hold a decimal.
    if not _has_decimals(kind):
        return None
    parts = _parts(kind)
    if isinstance(content, str):
        # Where text is allowed as well, a string of digits is simply text.
        return path if parts.number and not parts.text else None
    inside: Iterable[tuple[str, Any, Any]] = ()
    if isinstance(content, dict):
        inside = ((f"{path}.{name}", parts.named.get(name, parts.free), one) for name, one in content.items())
    elif isinstance(content, list):
        inside = ((f"{path}[{index}]", parts.element, one) for index, one in enumerate(content))
    return next((found for where, part, one in inside if (found := _found(part, one, where))), None)


class _Parts(NamedTuple):
    """What a type consists of; None where it has nothing of the kind."""

    named: dict[str, Any]
    """The properties of an object, by wire name."""
    free: Any = None
    """What stands under free keys."""
    element: Any = None
    number: bool = False
    text: bool = False


@cache
def _parts(kind: Any) -> _Parts:
    if kind is Decimal or kind is str:
        return _Parts({}, number=kind is Decimal, text=kind is str)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _parts(arguments[0])
    if origin in (Union, UnionType):
        options = [_parts(one) for one in arguments]
        return _Parts(
            {name: part for option in options for name, part in option.named.items()},
            next((option.free for option in options if option.free is not None), None),
            next((option.element for option in options if option.element is not None), None),
            any(option.number for option in options),
            any(option.text for option in options),
        )
    if origin in (dict, Mapping):
        return _Parts({}, free=arguments[1])
    if origin in (list, tuple, set, frozenset):
        return _Parts({}, element=arguments[0])
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _Parts({field.encode_name: field.type for field in msgspec.structs.fields(kind)})
    if isinstance(kind, type) and issubclass(kind, FreeKeys):
        own, free = kind.kinds()
        return _Parts(own, free=free)
    return _Parts({})


@cache
def _has_decimals(kind: Any) -> bool:
    """Whether a type has a decimal anywhere in it."""
    open_, seen = [kind], set[Any]()
    while open_:
        parts = _parts(open_.pop())
        if parts.number:
            return True
        # Types may contain themselves: without `seen` this would never end.
        new = {*parts.named.values(), parts.free, parts.element} - seen
        seen |= new
        open_.extend(new)
    return False
