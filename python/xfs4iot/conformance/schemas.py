"""Whether a message is what its version of the standard says it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import jsonschema

from xfs4iot.protocol.catalogue import catalogue

__all__ = ["payload_schema", "problems"]


def payload_schema(version: str, kind: str, name: str) -> dict[str, Any] | None:
    """The payload's schema of one message; None where it has no payload.

    Raises:
        KeyError: that version has no such message.
    """
    content = catalogue(version)
    interface, _, short = name.partition(".")
    own = content["interfaces"][interface]
    if kind in ("event", "unsolicited"):
        schema = own["events"][short]["payload"]
    elif kind == "completion":
        schema = own["commands"][short]["completion"]["payload"]
    else:
        schema = own["commands"][short]["payload"] if kind == "command" else None
    return cast("dict[str, Any] | None", schema)


@cache
def _validator(version: str, kind: str, name: str) -> jsonschema.Draft202012Validator | None:
    schema = payload_schema(version, kind, name)
    if schema is None:
        return None
    definitions = catalogue(version)["definitions"]
    return jsonschema.Draft202012Validator({**schema, "definitions": definitions})


@cache
def _base(version: str, kind: str) -> jsonschema.Draft202012Validator:
    """What 2021-1 carries in every payload of a type, beside the message's own."""
    base = (catalogue(version).get("payloadBase") or {}).get("event" if kind == "unsolicited" else kind)
    return jsonschema.Draft202012Validator(base or {})


@cache
def _header(version: str, kind: str) -> jsonschema.Draft202012Validator:
    schema = catalogue(version)["headers"][kind]
    # A completion without a code is a good one: the catalogue requires a code where there is one.
    required = [one for one in schema["required"] if one != "completionCode"]
    return jsonschema.Draft202012Validator({**schema, "required": required, "additionalProperties": False})


def _unknown(schema: dict[str, Any], content: Any, version: str, path: str = "") -> Iterator[str]:
    """Properties that the schema does not name: another version's, as these clients see it."""
    if "$ref" in schema:
        schema = catalogue(version)["definitions"][schema["$ref"].rpartition("/")[2]]
    options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(options) == 1:
        yield from _unknown(options[0], content, version, path)
    elif isinstance(content, list):
        for one in content:
            yield from _unknown(schema.get("items", {}), one, version, f"{path}[]")
    elif isinstance(content, dict) and "properties" in schema:
        free = schema.get("additionalProperties")
        others = [free, *schema.get("patternProperties", {}).values()]
        other = next((one for one in others if isinstance(one, dict)), None)
        for name, value in content.items():
            inner = schema["properties"].get(name, other)
            if inner is None:
                yield f"{path}.{name}"
            else:
                yield from _unknown(inner, value, version, f"{path}.{name}")


def problems(version: str, message: dict[str, Any]) -> list[str]:
    """What is wrong with a message of a service, by the schemas of `version`."""
    message = json.loads(json.dumps(message, default=float))
    header = message["header"]
    kind, name = header["type"], header["name"]
    found = [
        f"header{error.json_path[1:]}: {error.message}"
        for error in _header(version, kind).iter_errors(header)
    ]
    interface, _, short = name.partition(".")
    own = catalogue(version)["interfaces"].get(interface)
    table = "events" if kind in ("event", "unsolicited") else "commands"
    if own is None or short not in own[table]:
        return [*found, f"{version} has no {name}"]
    if table == "events" and own[table][short]["kind"] != ("command" if kind == "event" else kind):
        found.append(f"type is {kind}, the catalogue says {own[table][short]['kind']}")
    if version != "2021-1":
        part = own[table][short]
        wanted = part["completion"]["version"] if kind == "completion" else part["version"]
        if kind != "acknowledge" and header.get("version") != wanted:
            found.append(f"header.version is {header.get('version')}, the catalogue says {wanted}")
    validator = _validator(version, kind, name)
    payload = message.get("payload", {})
    if payload is None:
        payload = {}
    elif not isinstance(payload, dict):
        return [f"{name} ({kind}): {one}" for one in (*found, "payload: it is no object")]
    base = _base(version, kind)
    found += [f"payload{error.json_path[1:]}: {error.message}" for error in base.iter_errors(payload)]
    if validator is not None:
        known = base.schema.get("properties", {})
        payload = {name: value for name, value in payload.items() if name not in known}
        for error in validator.iter_errors(payload):
            found.append(f"payload{error.json_path[1:]}: {error.message[:200]}")
        found += [f"payload{path} is unknown" for path in _unknown(validator.schema, payload, version)]
    if kind == "completion":
        code = header.get("completionCode", payload.get("completionCode"))
        known = own["commands"][short]["completion"].get("errorCodes") or []
        if code == "commandErrorCode" and payload.get("errorCode") not in known:
            found.append(f"errorCode {payload.get('errorCode')} is none of {', '.join(known)}")
    return [f"{name} ({kind}): {one}" for one in found]
