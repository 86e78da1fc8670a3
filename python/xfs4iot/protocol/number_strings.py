"""Strings where the standard has a number: refused, though the decoder reads decimals from strings.

`"50"`, `" 50 "`, `"5_0"`, `"NaN"` and digits of other scripts are all decimals to Python. The
decoder cannot be configured otherwise, so a decoded payload is looked at once more, but only if its
class has decimals and one of its strings starts like a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from xfs4iot.protocol import errors
from xfs4iot.protocol.kinds import parts_of

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
    parts = parts_of(kind)
    if isinstance(content, str):
        # Where text is allowed as well, a string of digits is simply text.
        return path if parts.number and not parts.text else None
    inside: Iterable[tuple[str, Any, Any]] = ()
    if isinstance(content, dict):
        inside = ((f"{path}.{name}", parts.named.get(name, parts.free), one) for name, one in content.items())
    elif isinstance(content, list):
        inside = ((f"{path}[{index}]", parts.element, one) for index, one in enumerate(content))
    return next((found for where, part, one in inside if (found := _found(part, one, where))), None)


@cache
def _has_decimals(kind: Any) -> bool:
    """Whether a type has a decimal anywhere in it."""
    open_, seen = [kind], set[Any]()
    while open_:
        parts = parts_of(open_.pop())
        if parts.number:
            return True
        # Types may contain themselves: without `seen` this would never end.
        new = {*parts.named.values(), parts.free, parts.element} - seen
        seen |= new
        open_.extend(new)
    return False
