"""What only clients of older versions are told, and asked for.

Of what a later version dropped, some is still served: to clients of the versions that have it, by classes
of the newest version that have these properties too (`Kept` in `adapters.changes`). Here it is taken out of
what all other clients are told, and of what they send: to them it is an unknown property.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from xfs4iot.protocol import wire
from xfs4iot.protocol.index import KEPT

if TYPE_CHECKING:
    from xfs4iot.protocol.adapters.changes import Part

__all__ = ["without_kept"]

_Steps = tuple[str, ...]
_read = msgspec.json.Decoder(float_hook=Decimal).decode
_last: dict[tuple[str, str], tuple[bytes, bytes]] = {}


def without_kept(part: Part, name: str, payload: bytes | None, specification: str) -> bytes | None:
    """A payload in the newest version's shape, without what a client of this version does not know."""
    unknown = _unknown(part, name, specification)
    if payload is None or not unknown:
        return payload
    # Most have nothing of the kind, and may be long. Clients may escape the letters of a name, we do not.
    if not any(b'"%s"' % steps[-1].encode() in payload for steps in unknown) and (
        part != "request" or b"\\u" not in payload
    ):
        return payload
    last = _last.get((name, specification))
    if part != "request" and last is not None and last[0] == payload:
        return last[1]
    content = _read(payload)
    for steps in unknown:
        _take(content, steps)
    left = wire.encode(content)
    # All clients are told the same of what a device can do; nothing else is kept, for it may be secret.
    if name == "Common.Capabilities":
        _last[name, specification] = payload, left
    return left


@cache
def _unknown(part: Part, name: str, specification: str) -> tuple[_Steps, ...]:
    # Versions are named by year, so that they can be compared.
    return tuple(steps for kept, last, steps in KEPT[name] if kept == part and last < specification)


def _take(content: Any, steps: Sequence[str]) -> None:
    """Take out what stands at the end of these steps, if it is there."""
    first, *rest = steps
    if first == "[]":
        for one in content if isinstance(content, list) else ():
            _take(one, rest)
    elif isinstance(content, dict):
        if rest:
            _take(content.get(first), rest)
        else:
            content.pop(first, None)
