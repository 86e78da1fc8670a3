"""Checks of single values: numbers, texts, bytes, literals, and their limits; see `exact`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from xfs4iot.protocol.mismatch import Mismatch, shown

__all__ = ["PLAIN", "Check", "anything", "bounded", "literal", "nothing"]

Check = Callable[[Any], Any]
"""Returns the value, or another that says the same and is exactly of the type; raises Mismatch."""

_LARGEST = 2**53
"""Whole numbers up to here pass through JSON, whoever reads it."""
# The same bound as `wire` sets for numbers that clients send.
_MOST_DIGITS = 40


def anything(value: Any) -> Any:
    """Any value."""
    return value


def nothing(value: Any) -> None:
    """None."""
    if value is not None:
        raise Mismatch("None", shown(value))


def boolean(value: Any) -> Any:
    """True or False, and not 1 or 0."""
    if type(value) is not bool:
        raise Mismatch("True or False", shown(value))
    return value


def whole(least: int, most: int) -> Check:
    """Whole numbers between bounds."""

    def check(value: Any) -> Any:
        # Not isinstance, which would let True pass as 1.
        if type(value) is not int or not least <= value <= most:
            raise Mismatch(f"an int from {least} to {most}", shown(value))
        return value

    return check


def binary(value: Any) -> Any:
    """Bytes."""
    if type(value) is not bytes:
        raise Mismatch("bytes", shown(value))
    return value


def real(value: Any) -> Any:
    """A finite float, or a whole number."""
    if type(value) is int:
        return any_whole(value)
    if type(value) is not float or not math.isfinite(value):
        raise Mismatch("a finite float", shown(value))
    return value


def decimal(value: Any) -> Any:
    """A Decimal that can be calculated with; a whole number becomes one."""
    if type(value) is int and abs(value) <= _LARGEST:
        return Decimal(value)
    if type(value) is Decimal and value.is_finite():
        # A few characters such as 1E+999999 are gigabytes once written out: the exponent is what to bound.
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)
        if value.adjusted() < _MOST_DIGITS and exponent >= -_MOST_DIGITS:
            return value
    raise Mismatch(
        f"a finite Decimal of at most {_MOST_DIGITS} digits before and behind the point", shown(value)
    )


def text(value: Any) -> Any:
    """Text that can be written as UTF-8; exactly `str` from then on."""
    if type(value) is not str:
        if not issubclass(type(value), str):
            raise Mismatch("text (str)", shown(value))
        # Not `str(value)`: a subclass may override `__str__`.
        value = str.__str__(value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Mismatch("text that can be written as UTF-8", shown(value)) from None
    return value


any_whole = whole(-_LARGEST, _LARGEST)
PLAIN: Mapping[type[Any], Check] = {
    bool: boolean,
    int: any_whole,
    float: real,
    str: text,
    bytes: binary,
    Decimal: decimal,
}


def literal(options: tuple[Any, ...]) -> Check:
    """One of some values, and of the same type."""
    expected = "one of " + ", ".join(map(repr, options)) if len(options) > 1 else repr(options[0])
    if all(type(option) is str for option in options):
        return _one_of_texts(frozenset(options), expected)
    # By type, because 1, 1.0 and True are equal and hash alike.
    by_type: dict[type[Any], frozenset[Any]] = {}
    for option in options:
        by_type[type(option)] = by_type.get(type(option), frozenset()) | {option}

    def check(value: Any) -> Any:
        if issubclass(type(value), str):
            value = str.__str__(value)
        if value not in by_type.get(type(value), ()):
            raise Mismatch(expected, shown(value))
        return value

    return check


def _one_of_texts(options: frozenset[str], expected: str) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not str and issubclass(type(value), str):
            value = str.__str__(value)
        # Only text is looked up: what else there is may not even have a hash.
        if type(value) is not str or value not in options:
            raise Mismatch(expected, shown(value))
        return value

    return check


def bounded(kind: Any, inner: Check, limits: msgspec.Meta) -> Check:
    """What `inner` checks, within limits."""
    if kind is int:
        least = limits.ge if limits.ge is not None else limits.gt + 1 if limits.gt is not None else -_LARGEST
        most = limits.le if limits.le is not None else limits.lt - 1 if limits.lt is not None else _LARGEST
        return whole(int(least), int(most))
    # Searched, not matched, further down: msgspec does not anchor patterns either.
    pattern = re.compile(limits.pattern) if limits.pattern is not None else None

    def fits(value: Any) -> bool:
        return (
            (limits.ge is None or value >= limits.ge)
            and (limits.gt is None or value > limits.gt)
            and (limits.le is None or value <= limits.le)
            and (limits.lt is None or value < limits.lt)
            and (limits.min_length is None or len(value) >= limits.min_length)
            and (limits.max_length is None or len(value) <= limits.max_length)
            and (pattern is None or pattern.search(value) is not None)
        )

    wanted = ", ".join(
        f"{name} {limit}"
        for name, limit in (
            ("at least", limits.ge),
            ("above", limits.gt),
            ("at most", limits.le),
            ("below", limits.lt),
            ("of a length of at least", limits.min_length),
            ("of a length of at most", limits.max_length),
            ("text like", limits.pattern),
        )
        if limit is not None
    )

    def check(value: Any) -> Any:
        value = inner(value)
        if not fits(value):
            raise Mismatch(wanted, shown(value))
        return value

    return check
