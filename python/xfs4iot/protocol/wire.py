"""Payloads from bytes to message classes and back. Amounts stay exact on the way.

Numbers with a fraction are read as `Decimal` straight from their digits and written back as the
shortest number that says the same; nothing passes through a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import msgspec

from xfs4iot.protocol import errors
from xfs4iot.protocol.json_path import pointed
from xfs4iot.protocol.message import FreeKeys, Payload

__all__ = ["decode", "encode", "plain"]

_Type = TypeVar("_Type")


def _enc_hook(value: Any) -> Any:
    if isinstance(value, FreeKeys):
        return value.to_plain()
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def _dec_hook(kind: type[Any], content: Any) -> Any:
    if issubclass(kind, FreeKeys):
        _resolve(kind.__module__)
        return kind.from_plain(content, _dec_hook)
    raise TypeError(f"{kind.__name__} is no type of a message")


_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=_enc_hook).encode
_LENGTHY = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')
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
    if exponent > 40:
        return text
    plainly = f"{number:f}"
    return (plainly.rstrip("0").rstrip(".") if "." in plainly else plainly).encode()


def plain(message: Any) -> Any:
    """A message as plain objects, by wire names; amounts stay Decimal."""
    return msgspec.to_builtins(message, builtin_types=(Decimal,), enc_hook=_enc_hook)


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
        _resolved.add(name)
        own = vars(import_module(name))
        for used in own.get("_USES", ()):
            other = f"xfs4iot.protocol.messages.{used}"
            own[f"_{used}"] = import_module(other)
            open_.append(other)


def decode(kind: type[_Type], payload: bytes | None) -> _Type:
    """A payload as a message class; None is an empty object, unknown properties are ignored.

    Raises:
        InvalidData: it does not fit; the text names the JSON path and what was expected.
    """
    key: Any = kind
    decoder = _decoder(key)
    try:
        message: _Type = decoder(payload or b"{}")
    except msgspec.ValidationError as wrong:
        text, path = pointed(wrong, payload or b"{}", decoder)
        raise errors.InvalidData(f"{path}: {text}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise errors.InvalidData(f"$: the payload cannot be read: {wrong}") from None
    return message
