"""What stands for a masked value when a recording is played: nothing secret, and allowed there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from xfs4iot.protocol import versions
from xfs4iot.protocol.catalogue import catalogue
from xfs4iot.protocol.masking import is_masked
from xfs4iot.protocol.sensitive import MASK

__all__ = ["masked_paths", "stand_in", "with_stand_ins"]

_TOKEN = f"NONCE=00,TOKENFORMAT=1,TOKENLENGTH=0164,STANDIN=1,HMACSHA256={'0' * 64}"
_WITHIN = "0000"
"""What stands for a part of a text."""
_CANDIDATES = ("AAAA", "0000", "0" * 12, "0" * 16, "0" * 23, "0" * 32, "one", _TOKEN)


@cache
def _patterns() -> dict[str, tuple[str, ...]]:
    """The patterns that the standard has for properties of a name, wherever they stand."""
    found: dict[str, set[str]] = {}

    def walk(schema: Any, name: str) -> None:
        if isinstance(schema, dict):
            if isinstance(pattern := schema.get("pattern"), str):
                found.setdefault(name, set()).add(pattern)
            for key, value in schema.items():
                if key == "properties" and isinstance(value, dict):
                    for own, inner in value.items():
                        walk(inner, own)
                else:
                    walk(value, name)
        elif isinstance(schema, list):
            for one in schema:
                walk(one, name)

    walk(catalogue(versions.NEWEST), "")
    return {name: tuple(sorted(patterns)) for name, patterns in found.items()}


@cache
def stand_in(name: str) -> str:
    """A text for a property: the first that most patterns for its name allow."""
    patterns = _patterns().get(name, ())
    return max(_CANDIDATES, key=lambda text: sum(bool(re.search(pattern, text)) for pattern in patterns))


def with_stand_ins(content: Any, name: str = "") -> Any:
    """A copy of a message, or a part of one, without masks."""
    if isinstance(content, dict):
        return {key: with_stand_ins(value, key) for key, value in content.items()}
    if isinstance(content, list):
        return [with_stand_ins(one, name) for one in content]
    if not is_masked(content):
        return content
    return stand_in(name) if content == MASK else content.replace(MASK, _WITHIN)


def masked_paths(content: Any, path: str = "$") -> Iterator[str]:
    """Where values are masked."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from masked_paths(value, f"{path}.{name}")
    elif isinstance(content, list):
        for place, value in enumerate(content):
            yield from masked_paths(value, f"{path}[{place}]")
    elif is_masked(content):
        yield path
