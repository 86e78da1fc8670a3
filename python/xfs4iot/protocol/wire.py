"""Payloads from bytes to message classes and back. Amounts stay exact on the way.

Numbers with a fraction are read as `Decimal` straight from their digits and written back as the
shortest number that says the same; nothing passes through a float. A string is never a number,
whatever digits are in it: see `number_strings`.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import msgspec

from xfs4iot import _core
from xfs4iot.protocol import errors, number_strings
from xfs4iot.protocol.json_path import pointed, with_known
from xfs4iot.protocol.kinds import choices_at, examples_of
from xfs4iot.protocol.message import FreeKeys, Payload
from xfs4iot.protocol.messages import interface_module

__all__ = ["REMEDIES", "check_numbers", "decode", "encode", "plain"]

_Type = TypeVar("_Type")
_PATTERN = re.compile(r"matching regex ('.*'|\".*\")$")
"""How msgspec ends its text about a string that does not match: with the pattern as Python writes it."""
REMEDIES: dict[tuple[str, str], str] = {}
"""What to do about a mistake whose text does not say it: by a payload's class, as `printer.SetMedia`, and
the path in it. The interfaces say it."""


def _enc_hook(value: Any) -> Any:
    if isinstance(value, FreeKeys):
        return value.to_plain()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def _dec_hook(kind: type[Any], content: Any) -> Any:
    if issubclass(kind, FreeKeys):
        _resolve(kind.__module__)
        try:
            return kind.from_plain(content, _dec_hook)
        except msgspec.ValidationError as wrong:
            # To this type of error msgspec adds where it stands in the whole.
            raise ValueError(str(wrong)) from None
    raise TypeError(f"{kind.__name__} is not the type of a message")


_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=_enc_hook).encode
_MOST_DIGITS = 40
"""Digits of a number before and behind the point: more than any amount, count or value has."""
_LARGEST_INTEGER = 2**63 - 1
"""What the ledger, and most clients, can hold."""
_LONG = len(str(_LARGEST_INTEGER))
# Strings come first in the pattern, so that digits inside them are consumed, not rewritten.
# Possessive: a picture in base64 is passed over at once, not character by character.
_LENGTHY = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')
# A cheap first look: most payloads have nothing to shorten.
_MAYBE_LENGTHY = re.compile(rb"\d\.\d*0[,}\]]|\d[eE][+-]?\d")


def encode(message: Payload | Mapping[str, Any] | Sequence[Any] | None) -> bytes:
    """A payload, or any part of one, as JSON; None is an empty object."""
    if message is None:
        return b"{}"
    text = _encode(message)
    if (b"." in text or b"E" in text) and _MAYBE_LENGTHY.search(text):
        return _LENGTHY.sub(_shortest, text)
    return text


def _shortest(match: re.Match[bytes]) -> bytes:
    text = match[0]
    if text[:1] == b'"' or text.lstrip(b"-").isdigit():
        return text
    number = Decimal(text.decode())
    if not number:
        return b"0"
    exponent = number.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    if abs(exponent) > _MOST_DIGITS:
        return text
    plainly = f"{number:f}"
    return (plainly.rstrip("0").rstrip(".") if "." in plainly else plainly).encode()


def plain(message: Any) -> Any:
    """A message as plain objects, by wire names; amounts stay Decimal."""
    return msgspec.to_builtins(message, builtin_types=(Decimal,), enc_hook=_enc_hook)


def _bounded(digits: str) -> Decimal:
    try:
        number = Decimal(digits)
    except ArithmeticError:
        # Too extreme even for Decimal; infinity has no exponent and is refused below.
        number = Decimal("Infinity")
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or number.adjusted() >= _MOST_DIGITS or exponent < -_MOST_DIGITS:
        raise ValueError(f"number has more than {_MOST_DIGITS} digits before or behind the point")
    return number


_read_bounded = msgspec.json.Decoder(float_hook=_bounded).decode


def check_numbers(payload: bytes | None) -> None:
    """Refuse numbers of a few characters that would take gigabytes or hours to calculate with.

    Raises:
        InvalidData: the text names the JSON path.
    """
    if not payload:
        return
    if not _core.may_have_extremes(payload, _LONG):
        return
    try:
        _refuse_extremes(payload)
    except msgspec.ValidationError as wrong:
        text, path = pointed(wrong, payload, _read_bounded)
        raise errors.InvalidData(f"{path}: {text}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise errors.InvalidData(f"$: the payload cannot be read: {wrong}") from None


def _refuse_extremes(payload: bytes) -> None:
    rest = [("$", _read_bounded(payload))]
    while rest:
        path, content = rest.pop()
        if isinstance(content, dict):
            rest.extend((f"{path}.{name}", value) for name, value in content.items())
        elif isinstance(content, list):
            rest.extend((f"{path}[{index}]", value) for index, value in enumerate(content))
        elif isinstance(content, int) and abs(content) > _LARGEST_INTEGER:
            raise msgspec.ValidationError(f"integer is beyond {_LARGEST_INTEGER} - at `{path}`")


@cache
def _decoder(kind: Any) -> Callable[[bytes], Any]:
    _resolve(kind.__module__)
    return msgspec.json.Decoder(kind, dec_hook=_dec_hook, float_hook=Decimal).decode


_resolved: set[str] = set()


def _resolve(module: str) -> None:
    """Import the message modules whose classes a module's classes refer to, directly or not."""
    open_ = [module]
    while open_:
        name = open_.pop()
        if name in _resolved:
            continue
        # Before its imports are followed: modules refer to one another in circles.
        _resolved.add(name)
        own = vars(import_module(name))
        for used in own.get("_USES", ()):
            other = f"xfs4iot.protocol.messages.{used}"
            own[f"_{used}"] = import_module(other)
            open_.append(other)


def decode(kind: type[_Type], payload: bytes | None) -> _Type:
    """A payload as a message class; None is an empty object.

    Properties that the class does not have are ignored, unless it forbids them.

    Raises:
        InvalidData: it does not fit; the text names the JSON path and what was expected.
    """
    key: Any = kind
    decoder = _decoder(key)
    check_numbers(payload)
    try:
        message: _Type = decoder(payload or b"{}")
    except msgspec.ValidationError as wrong:
        text, path = with_known(pointed(wrong, payload or b"{}", decoder), kind)
        if text.startswith("invalid enum value") and (choices := ", ".join(choices_at(kind, path))):
            text += f"; give one of {choices}"
        elif (pattern := _PATTERN.search(text)) and (
            examples := ", ".join(examples_of(literal_eval(pattern[1])))
        ):
            text += f"; for example {examples}"
        elif remedy := REMEDIES.get((f"{interface_module(kind).rpartition('.')[2]}.{kind.__name__}", path)):
            text += f"; {remedy}"
        raise errors.InvalidData(f"{path}: {text}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise errors.InvalidData(f"$: the payload cannot be read: {wrong}") from None
    if payload and number_strings.possible(key, payload):
        number_strings.refuse(key, payload)
    return message
