"""Payloads from one version of the standard to another.

Down, a payload is cut to what the older version's schema knows: properties it does not have and
values its enumerations lack are left out. Up, a payload passes as it is: what the newest version
does not know is ignored there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

from xfs4iot.protocol import wire

__all__ = ["adapt"]

Part = Literal["request", "completion", "event"]
_Cut = Callable[[Any], Any]
_NOTHING = object()
_read = msgspec.json.Decoder(float_hook=Decimal).decode


def adapt(part: Part, name: str, payload: bytes | None, specification: str) -> bytes | None:
    """One payload to (`request`: from) an older version of the standard."""
    if part == "request" or payload is None:
        return payload
    cut = _compiled(part, name, specification)
    content = cut(_read(payload))
    return wire.encode(content) if content else None


@cache
def _catalogue(specification: str) -> dict[str, Any]:
    text = files("xfs4iot.protocol").joinpath(f"catalogue/{specification}.json").read_text("utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@cache
def _compiled(part: Part, name: str, specification: str) -> _Cut:
    """The cut of one message part."""
    interface, _, short = name.partition(".")
    own = _catalogue(specification)["interfaces"].get(interface)
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
    return _cut(_catalogue(specification)["definitions"][definition], specification)


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
