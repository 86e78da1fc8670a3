"""What only older versions have and their clients are served: its schemas, put into the newest catalogue.

The adapters say what it is: the paths of their `Kept`, and the commands of their `WITHDRAWN` that are still
served. Its schemas are those of the last version that has it, with its definitions written out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from xfs4iot.protocol.adapters import CHANGES, NEWEST, WITHDRAWN, spelling
from xfs4iot.protocol.adapters.changes import STILL_SERVED, Kept

__all__ = ["Rows", "kept_commands", "kept_properties", "with_kept"]

Schema = dict[str, Any]
Rows = dict[str, tuple[tuple[str, str, tuple[str, ...]], ...]]


def kept_commands(catalogues: Mapping[str, Schema]) -> dict[str, str]:
    """The last version of every command that is served and not in the newest version."""
    found = {}
    for (last, name), reason in WITHDRAWN.items():
        interface, _, short = name.partition(".")
        is_command = short in catalogues[last]["interfaces"][interface]["commands"]
        newest = catalogues[NEWEST]["interfaces"][interface]["commands"]
        if is_command and short not in newest and reason.startswith(STILL_SERVED):
            found[name] = last
    return found


def kept_properties(catalogues: Mapping[str, Schema]) -> Rows:
    """By message: the part, the last version that has it, and the steps to each thing that is kept.

    A kept command is listed by Common.Capabilities, where it is kept from others like a property.
    """
    found: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {}
    for (last, part, name), changes in CHANGES.items():
        for change in changes:
            if isinstance(change, Kept):
                newest = _payload(catalogues[NEWEST], part, name)
                lacked = {_lacked(newest, catalogues[NEWEST], path.split(".")) for path in change.paths}
                found.setdefault(name, []).extend((part, last, steps) for steps in sorted(lacked))
    for name, last in kept_commands(catalogues).items():
        steps = ("interfaces", "[]", "commands", name)
        found.setdefault("Common.Capabilities", []).append(("completion", last, steps))
    return {name: tuple(rows) for name, rows in sorted(found.items())}


def with_kept(catalogues: Mapping[str, Schema]) -> Schema:
    """The newest catalogue, and in it all that is kept."""
    newest = copy.deepcopy(catalogues[NEWEST])
    for name, last in kept_commands(catalogues).items():
        interface, _, short = name.partition(".")
        own = catalogues[last]["interfaces"][interface]["commands"][short]
        newest["interfaces"][interface]["commands"][short] = _written_out(own, catalogues[last])
    put: set[tuple[int, str]] = set()
    for (last, part, name), changes in CHANGES.items():
        for change in changes:
            for path in change.paths if isinstance(change, Kept) else ():
                older = _payload(catalogues[last], part, spelling(name, last))
                _graft(_payload(newest, part, name), newest, older, catalogues[last], path.split("."), put)
    return newest


def _lacked(newest: Schema, catalogue: Schema, steps: list[str]) -> tuple[str, ...]:
    """The first of these steps that the newest version lacks, and those before it."""
    for number, step in enumerate(steps, 1):
        properties = _object(newest, catalogue).get("properties") or {}
        if step not in properties:
            return tuple(steps[:number])
        newest = properties[step]
    return tuple(steps)


def _payload(catalogue: Schema, part: str, name: str) -> Schema:
    interface, _, short = name.partition(".")
    own = catalogue["interfaces"][interface]
    if part == "event":
        return dict(own["events"][short])["payload"]
    command = dict(own["commands"][short])
    return command["payload"] if part == "request" else command["completion"]["payload"]


def _graft(
    into: Schema, newest: Schema, schema: Schema, older: Schema, steps: list[str], put: set[tuple[int, str]]
) -> None:
    """Put the property at the end of these steps where it stood.

    Args:
        put: what has been put so far, for messages share definitions.
    """
    into, schema = _object(into, newest), _object(schema, older)
    first, *rest = steps
    if first not in schema["properties"]:
        raise SystemExit(f"nothing is called {first!r} in the older version, so it cannot be kept")
    if not rest:
        if first in into.setdefault("properties", {}) and (id(into), first) not in put:
            raise SystemExit(f"{first!r} is in the newest version as well, so it need not be kept")
        into["properties"][first] = _written_out(schema["properties"][first], older)
        put.add((id(into), first))
        return
    below = into.setdefault("properties", {}).setdefault(first, {"type": ["object", "null"]})
    _graft(below, newest, schema["properties"][first], older, rest, put)


def _object(schema: Schema, catalogue: Schema) -> Schema:
    """The object that a schema means: itself, a definition, or the alternative of null."""
    while "$ref" in schema or "anyOf" in schema:
        if "anyOf" in schema:
            schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
        else:
            schema = catalogue["definitions"][schema["$ref"].rpartition("/")[2]]
    return schema


def _written_out(schema: Any, catalogue: Schema) -> Any:
    """A copy in which every definition is written out."""
    if isinstance(schema, list):
        return [_written_out(one, catalogue) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return _written_out(catalogue["definitions"][schema["$ref"].rpartition("/")[2]], catalogue)
    return {name: _written_out(one, catalogue) for name, one in schema.items()}
