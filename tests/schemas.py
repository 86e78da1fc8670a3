"""Whether a message is what its version of the standard says it is."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema

from traffic import catalogue

__all__ = ["problems"]


@cache
def _validator(version: str, kind: str, name: str) -> jsonschema.Draft202012Validator | None:
    """The payload's schema of one message; None where it has no payload."""
    content = catalogue(version)
    interface, _, short = name.partition(".")
    own = content["interfaces"][interface]
    if kind in ("event", "unsolicited"):
        schema = own["events"][short]["payload"]
    elif kind == "completion":
        schema = own["commands"][short]["completion"]["payload"]
    else:
        schema = own["commands"][short]["payload"] if kind == "command" else None
    base = (content.get("payloadBase") or {}).get("event" if kind == "unsolicited" else kind)
    if schema is None and base is None:
        return None
    both = [one for one in (schema, base) if one is not None]
    return jsonschema.Draft202012Validator({"allOf": both, "definitions": content["definitions"]})


@cache
def _header(version: str, kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(catalogue(version)["headers"][kind])


def problems(version: str, message: dict[str, Any]) -> list[str]:
    """What is wrong with a message of a service, by the schemas of `version`."""
    message = json.loads(json.dumps(message, default=float))
    header = message["header"]
    kind, name = header["type"], header["name"]
    found = [f"header: {error.message}" for error in _header(version, kind).iter_errors(header)]
    interface, _, short = name.partition(".")
    own = catalogue(version)["interfaces"].get(interface)
    table = "events" if kind in ("event", "unsolicited") else "commands"
    if own is None or short not in own[table]:
        return [*found, f"{version} has no {name}"]
    if version != "2021-1":
        part = own[table][short]
        wanted = part["completion"]["version"] if kind == "completion" else part["version"]
        if kind != "acknowledge" and header.get("version") != wanted:
            found.append(f"header.version is {header.get('version')}, the catalogue says {wanted}")
    validator = _validator(version, kind, name)
    payload = message.get("payload", {})
    if validator is not None:
        for error in validator.iter_errors(payload):
            found.append(f"payload{error.json_path[1:]}: {error.message[:200]}")
    if kind == "completion":
        code = header.get("completionCode", payload.get("completionCode"))
        known = own["commands"][short]["completion"].get("errorCodes") or []
        if code == "commandErrorCode" and payload.get("errorCode") not in known:
            found.append(f"errorCode {payload.get('errorCode')} is none of {', '.join(known)}")
    return [f"{name} ({kind}): {one}" for one in found]
