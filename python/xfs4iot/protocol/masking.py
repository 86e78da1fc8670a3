"""What is masked in a message that is kept: nobody may find a secret in a recording, or in a fleet's events.

The names of properties tell most (`xfs4iot.protocol.sensitive`). The rest is for services of others, which
put card data into the texts of errors and onto screens, and keys and templates under names that no standard
has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from xfs4iot.protocol import versions
from xfs4iot.protocol.catalogue import catalogue
from xfs4iot.protocol.sensitive import MASK, without_secrets
from xfs4iot.telling import masked_text, without_data

__all__ = ["is_masked", "without_secrets_anywhere"]

_DESCRIPTION = "errorDescription"
_LONGEST_DESCRIPTION = 4000
"""Characters; nobody reads more, and looking for secrets takes time that grows with them."""
_LONGEST_NAME = 200
_BINARY = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
"""What may be 8 bytes or more in hexadecimal, and 12 in base64."""
_DIGIT, _LOWER, _UPPER = map(re.compile, ("[0-9]", "[a-z]", "[A-Z]"))
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")
_CODELINE = re.compile("[\u2446-\u2449]")
"""The signs between the numbers of a cheque."""
_SOUNDS = re.compile("codeline|micr|template|minutia|fingerprint", re.IGNORECASE)
"""Names that vendors give to what the standard calls otherwise."""
_LONGEST = 64 * 1024
"""Characters of a text that is looked through; a longer one that might have a secret is masked as a whole."""
_MOST_NAMES = 4096
_CARDS = 10**12
"""Card numbers have more digits."""
_DIGITS = re.compile(r"\d(?:[ -]?\d){12}")
_NAMED = re.compile(r"[=:]|\b[Bb](?:earer|EARER)\b")
"""What stands between a name and a secret."""


def is_masked(value: Any) -> bool:
    """Whether a value of a recording is masked, or a part of it."""
    return isinstance(value, str) and MASK in value


def without_secrets_anywhere(message: dict[str, Any]) -> dict[str, Any]:
    """A copy of a decoded message or payload, masked for a recording."""
    masked: dict[str, Any] = _object(without_secrets(message))
    header = masked.get("header")
    if isinstance(header, dict):
        name = header.get("name")
        if isinstance(name, str):
            header["name"] = without_data(name[:_LONGEST_NAME])
    return masked


def _object(content: dict[str, Any]) -> dict[str, Any]:
    return {_name(name): _value(name, value) for name, value in content.items()}


def _name(name: str) -> str:
    if not _DIGITS.search(name):
        return name
    return MASK if len(name) > _LONGEST else masked_text(name)


def _value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, list):
        return [_value(name, one) for one in value]
    if isinstance(value, str):
        return _text(name, value)
    if isinstance(value, int) and not -_CARDS <= value <= _CARDS and name != "requestId":
        return MASK if masked_text(str(value)[:_LONGEST_NAME]) != str(value)[:_LONGEST_NAME] else value
    return value


def _text(name: str, text: str) -> str:
    if name == _DESCRIPTION:
        more = "…" if len(text) > _LONGEST_DESCRIPTION else ""
        return without_data(masked_text(text[:_LONGEST_DESCRIPTION]), pins=True) + more
    if _tells(name[:_LONGEST_NAME]) or _CODELINE.search(text):
        return MASK
    if _NAMED.search(text) or _DIGITS.search(text):
        text = MASK if len(text) > _LONGEST else masked_text(text)
    # The names of all versions take time and memory: they are asked for only where something looks like data.
    if any(map(_is_data, _BINARY.finditer(text))) and name not in _names():
        if len(text) > _LONGEST:
            return MASK
        text = _BINARY.sub(lambda found: MASK if _is_data(found) else found[0], text)
    return text


def _is_data(found: re.Match[str]) -> bool:
    """Whether a run of letters and digits is none of words."""
    run = found[0]
    if not _DIGIT.search(run) and not run.endswith("="):
        return False
    return bool((_LOWER.search(run) and _UPPER.search(run)) or _HEXADECIMAL.fullmatch(run))


@lru_cache(_MOST_NAMES)
def _tells(name: str) -> bool:
    """Whether a name that is not the standard's sounds like what the standard has other names for."""
    return _SOUNDS.search(name) is not None and name not in _names()


@cache
def _names() -> frozenset[str]:
    """Names of all properties of the standard: which of them are secret is known."""

    def walk(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            for key, value in schema.items():
                if key == "properties" and isinstance(value, dict):
                    yield from value
                yield from walk(value)
        elif isinstance(schema, list):
            for one in schema:
                yield from walk(one)

    return frozenset(name for version in versions.SPECIFICATIONS for name in walk(catalogue(version)))
