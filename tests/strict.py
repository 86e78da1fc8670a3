"""A client that is built on the schemas and forgives nothing: what would make it refuse a message.

It reads every answer that a `Dialogue` receives, in all tests. What it does not look into, because
that costs time, is the values in a payload: see `schemas.problems` for these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from traffic import catalogue
from xfs4iot.protocol.adapters import canonical, spelling

__all__ = ["complaints"]

VERSIONS = ("2021-1", "2023-2", "2024-3")
ACKNOWLEDGE_VERSION = "2.0"
VENDORS_OWN = re.compile(r"(\.lights){1,2}\.[^.]+")
"""Names of a vendor's own that every client has to pass over: all versions but the newest declare them."""
_Schema = dict[str, Any]


@cache
def _header_names(version: str, kind: str) -> frozenset[str]:
    return frozenset(catalogue(version)["headers"][kind]["properties"])


@cache
def _statuses(version: str) -> frozenset[str]:
    own = catalogue(version)
    place = own["payloadBase"]["acknowledge"] or own["headers"]["acknowledge"]
    return frozenset(one for one in place["properties"]["status"]["enum"] if one is not None)


@cache
def _interfaces() -> frozenset[str]:
    """The interfaces of the standard; the messages of others are a vendor's or the simulator's."""
    return frozenset(name for version in VERSIONS for name in catalogue(version)["interfaces"])


@cache
def _schemas(kind: str, name: str, version: str | None) -> tuple[tuple[str, _Schema | None], ...]:
    """The payload's schema in each version of the standard that has the message in this version."""
    interface = name.partition(".")[0]
    found = []
    for one in VERSIONS:
        # A client may ask for the messages of 2021-1, which are 1.0, in the later envelope.
        if version is None and one != "2021-1":
            continue
        short = spelling(canonical(name), one).partition(".")[2]
        own = catalogue(one)["interfaces"].get(interface)
        if own is None:
            continue
        if kind == "completion":
            part = own["commands"].get(short, {}).get("completion")
        else:
            part = own["events"].get(short)
            if part is not None and part["kind"] != ("command" if kind == "event" else "unsolicited"):
                part = None
        if part is not None and version in (None, part["version"]):
            found.append((one, part["payload"]))
    return tuple(found)


def complaints(message: dict[str, Any]) -> list[str]:
    """Why a strict client of the version that a message is in would refuse it."""
    header = message["header"]
    kind, name = header.get("type"), header.get("name", "")
    if kind not in ("acknowledge", "completion", "event", "unsolicited"):
        return [f"type {kind!r} is none that a service sends"]
    version = header.get("version")
    envelope = "2021-1" if version is None else "2024-3"
    found = [f"header.{one} is unknown" for one in header.keys() - _header_names(envelope, kind)]
    found += [f"{one} is unknown" for one in message.keys() - {"header", "payload"}]
    if ("requestId" in header) != (kind != "unsolicited"):
        found.append("an event without a request id is unsolicited, and nothing else is")
    payload = message.get("payload")
    if "payload" in message and not isinstance(payload, dict):
        found.append("the payload is no object")
    said = dict(payload or {}) if version is None else header
    if kind == "acknowledge":
        # The newer enumerations have no `ok`: there a good acknowledge has no status.
        if (version is None or "status" in said) and said.get("status") not in _statuses(envelope):
            found.append(f"status {said.get('status')!r} is none of {', '.join(_statuses(envelope))}")
        if version is None:
            found += [f"payload.{one} is unknown" for one in said.keys() - {"status", "errorDescription"}]
        elif version != ACKNOWLEDGE_VERSION:
            found.append(f"the version of an acknowledge is {ACKNOWLEDGE_VERSION}, not {version}")
        elif payload is not None:
            found.append("an acknowledge has no payload")
        return found
    if kind == "completion":
        code = said.get("completionCode")
        good = "success" if version is None else None
        # The newer lists have no `success`: there a good completion has no code.
        if code != good and code not in catalogue(envelope)["completionCodes"]:
            found.append(f"completionCode {code!r} is none of the standard's")
        if version is None:
            payload = {
                key: one for key, one in said.items() if key not in ("completionCode", "errorDescription")
            }
        if not payload and code not in (None, "success"):
            return found
    return found + list(_payload_complaints(kind, name, version, payload))


def _payload_complaints(kind: str, name: str, version: str | None, payload: Any) -> Iterator[str]:
    if name.partition(".")[0] not in _interfaces():
        return
    schemas = _schemas(kind, name, version)
    if not schemas:
        yield f"{name} in version {version} is no {kind} of the standard"
        return
    first: list[str] = []
    for specification, schema in schemas:
        if schema is None:
            allowed = payload is None or (version is None and not payload)
            unknown = [] if allowed else ["there is no payload in this message"]
        else:
            unknown = [
                f"payload{path} is unknown"
                for path in _unknown(specification, schema, payload)
                if not VENDORS_OWN.fullmatch(path)
            ]
        if not unknown:
            return
        first = first or unknown
    yield from first


@cache
def _definition(specification: str, reference: str) -> _Schema:
    found: _Schema = catalogue(specification)["definitions"][reference.rpartition("/")[2]]
    return found


def _unknown(specification: str, schema: _Schema, content: Any, path: str = "") -> Iterator[str]:
    """Properties that the schema does not name."""
    if not isinstance(content, dict | list):
        return
    if "$ref" in schema:
        schema = _definition(specification, schema["$ref"])
    if "anyOf" in schema:
        options = [one for one in schema["anyOf"] if one.get("type") != "null"]
        if len(options) == 1:
            yield from _unknown(specification, options[0], content, path)
    elif isinstance(content, list):
        for one in content:
            yield from _unknown(specification, schema.get("items", {}), one, f"{path}[]")
    elif "properties" in schema or "additionalProperties" in schema:
        known = schema.get("properties", {})
        others = [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
        other = next((one for one in others if isinstance(one, dict)), None)
        for name, value in content.items():
            inner = known.get(name, other)
            if inner is None:
                yield f"{path}.{name}"
            else:
                yield from _unknown(specification, inner, value, f"{path}.{name}")
