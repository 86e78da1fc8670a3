"""Payloads from one version of the standard to another.

Where two versions say the same thing in different shapes, adapters (see `adapters`) convert it first,
step by step from version to version. Down, a payload is then cut to what the older version's schema
knows: properties it does not have and values its enumerations lack are left out. Up, it passes:
what the newest version does not know is ignored there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from xfs4iot.protocol import adapters, wire
from xfs4iot.protocol.adapters import NEWEST, SPECIFICATIONS, canonical, spelling
from xfs4iot.protocol.catalogue import catalogue

if TYPE_CHECKING:
    from xfs4iot.protocol.adapters.changes import Adapter, Part

__all__ = ["adapt", "adapts", "apart", "lacks_error_code", "raises", "tells_nothing"]

_Cut = Callable[[Any], Any]
_NOTHING = object()
_TOLD_ALIKE = ("Common.", "Storage.")
_last: dict[tuple[Part, str, str], tuple[bytes, bytes | None]] = {}
_read = msgspec.json.Decoder(float_hook=Decimal).decode


def adapt(part: Part, name: str, payload: bytes | None, specification: str) -> bytes | None:
    """One payload to (`request`: from) an older version of the standard.

    The last result for what many clients are told alike, such as the status, is kept; nothing else
    is, for what other messages carry may be secret.

    Returns:
        None where nothing is left to say.
    """
    if payload is None:
        return None
    key = (part, name, specification)
    kept = part != "request" and name.startswith(_TOLD_ALIKE)
    if kept and (last := _last.get(key)) is not None and last[0] == payload:
        return last[1]
    steps = _adapters(part, name, specification)
    # Nothing is cut on the way up, so without adapters the bytes pass unread.
    if part == "request" and not steps:
        return payload
    # Read afresh, so adapters may change it in place.
    content = _read(payload)
    if not isinstance(content, dict):
        return payload
    for adapter in steps:
        content = adapter(content)
    if part != "request":
        content = _compiled(part, name, specification)(content)
    adapted = wire.encode(_without_null(content)) if content else None
    if kept:
        _last[key] = (payload, adapted)
    return adapted


def apart(name: str, payload: bytes | None, specification: str) -> Iterator[tuple[str, bytes]]:
    """What an older version tells by another event than an event of the newest: its name and payload."""
    if payload is None or (specification, name) not in adapters.TOLD_APART:
        return
    for event, payloads in adapters.TOLD_APART[specification, name]:
        # Read anew for each event: its function may change what it is given.
        for content in payloads(_read(payload)):
            yield event, wire.encode(content)


def adapts(part: Part, name: str, specification: str) -> bool:
    """Whether a message part is said in another shape in an older version."""
    from xfs4iot.protocol.adapters.changes import Kept, Left

    steps = SPECIFICATIONS[SPECIFICATIONS.index(specification) : -1]
    changes = [change for step in steps for change in adapters.CHANGES.get((step, part, canonical(name)), ())]
    return any(not isinstance(change, Left | Kept) for change in changes)


@cache
def _adapters(part: Part, name: str, specification: str) -> tuple[Adapter, ...]:
    """The adapters of every step between a version and the newest, in the order of the way."""
    # Here, and above: loaded with the first client of an older version.
    from xfs4iot.protocol.adapters.changes import compiled

    steps = SPECIFICATIONS[SPECIFICATIONS.index(specification) : SPECIFICATIONS.index(NEWEST)]
    up = part == "request"
    made = (
        compiled(adapters.CHANGES.get((step, part, canonical(name)), ()), up)
        for step in (steps if up else steps[::-1])
    )
    found = tuple(adapter for adapter in made if adapter is not None)
    if up and specification == SPECIFICATIONS[0] and _has_free_keys(name):
        return (_without_timeout, *found)
    return found


def _has_free_keys(name: str) -> bool:
    """Whether the names in a command's payload are the client's, in the oldest version."""
    interface, _, short = spelling(name, SPECIFICATIONS[0]).partition(".")
    own = catalogue(SPECIFICATIONS[0])["interfaces"].get(interface, {"commands": {}})["commands"].get(short)
    return own is not None and bool((own["payload"] or {}).get("additionalProperties"))


def _without_timeout(content: dict[str, Any]) -> dict[str, Any]:
    """The payload of the oldest version has the timeout in it, which must not be taken for a free key."""
    content.pop("timeout", None)
    return content


def lacks_error_code(name: str, error_code: str, specification: str) -> bool:
    """Whether a command of an older version does not define an error code."""
    interface, _, short = spelling(name, specification).partition(".")
    own = catalogue(specification)["interfaces"].get(interface, {"commands": {}})["commands"]
    return short in own and error_code not in (own[short]["completion"].get("errorCodes") or ())


def raises(name: str, event: str, specification: str) -> bool:
    """Whether a command of an older version may raise an event."""
    interface, _, short = spelling(name, specification).partition(".")
    own = catalogue(specification)["interfaces"].get(interface, {"commands": {}})["commands"]
    return short in own and event in (own[short].get("eventNames") or ())


@cache
def tells_nothing(event: str, specification: str) -> bool:
    """Whether an event of an older version has no payload at all."""
    interface, _, short = spelling(event, specification).partition(".")
    own = catalogue(specification)["interfaces"].get(interface, {"events": {}})["events"].get(short)
    return own is not None and own["payload"] is None


def _without_null(content: Any) -> Any:
    """Adapters may leave a property null; on the wire it is left out."""
    if isinstance(content, dict):
        return {name: _without_null(value) for name, value in content.items() if value is not None}
    return content


@cache
def _compiled(part: Part, name: str, specification: str) -> _Cut:
    """The cut of one message part."""
    interface, _, short = spelling(name, specification).partition(".")
    own = catalogue(specification)["interfaces"].get(interface)
    if own is None:
        return lambda content: content
    message = own["events"].get(short) if part == "event" else own["commands"].get(short)
    if message is None:
        return lambda content: content
    schema = message["payload"] if part == "event" else message["completion"]["payload"]
    if schema is None:
        return lambda content: {}
    return _cut(schema, specification)


def _cut(schema: dict[str, Any], specification: str) -> _Cut:
    """A function that cuts a value to a schema; `_NOTHING` where nothing of it is left."""
    if "anyOf" in schema:
        options = [one for one in schema["anyOf"] if one.get("type") != "null"]
        # Among several real alternatives there is no telling which is meant: the value passes uncut.
        schema = options[0] if len(options) == 1 else {}
    if "$ref" in schema:
        return _referenced(schema["$ref"].rpartition("/")[2], specification)
    if "enum" in schema:
        values = frozenset(schema["enum"])
        return lambda content: content if isinstance(content, str) and content in values else _NOTHING
    if "items" in schema:
        inner = _cut(schema["items"], specification)
        return lambda content: (
            [cut for one in content if (cut := inner(one)) is not _NOTHING]
            if isinstance(content, list)
            else _NOTHING
        )
    if "properties" in schema or "additionalProperties" in schema or "patternProperties" in schema:
        return _cut_object(schema, specification)
    return lambda content: content


def _referenced(definition: str, specification: str) -> _Cut:
    """The cut of a definition, made when it is first used: definitions may refer to themselves."""

    def lazily(content: Any) -> Any:
        return _definition(definition, specification)(content)

    return lazily


@cache
def _definition(definition: str, specification: str) -> _Cut:
    return _cut(catalogue(specification)["definitions"][definition], specification)


def _cut_object(schema: dict[str, Any], specification: str) -> _Cut:
    known = {prop: _cut(inner, specification) for prop, inner in schema.get("properties", {}).items()}
    free = schema.get("additionalProperties")
    patterns = schema.get("patternProperties") or {}
    values = free if isinstance(free, dict) else next(iter(patterns.values()), None)
    other = _cut(values, specification) if values is not None else None

    def cut(content: Any) -> Any:
        if not isinstance(content, dict):
            return _NOTHING
        left = {}
        for prop, value in content.items():
            inner = known.get(prop, other)
            if inner is not None and (kept := inner(value)) is not _NOTHING:
                left[prop] = kept
        return left

    return cut
