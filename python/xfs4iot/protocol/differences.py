"""What differs between two versions of the standard, computed from the catalogue.

Properties are compared by their path, through all interfaces: those that only one version has,
those whose type or format differs, enumerations with other values. Bounds of numbers are not compared:
a request from an older client that exceeds them is `invalidData` in any version.

Most differences need nothing, by rule. Up: a property that an older version lacks is absent,
which every handler allows. Down: what the older version lacks is left out (`adaptation`), and
what only the older version has is no loss where no property is required. The rest needs an adapter,
or a reason why it needs none (`needed`, `open_differences`):

- what an older client may say in a request that the next version says differently, or not at all;
- what an older client expects in an answer that the next version puts elsewhere or omits;
- values in an answer that the older version lacks: without them the answer would say less;
- texts whose format differs (`formats` gives the reasons that hold everywhere).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from xfs4iot.dataclass import dataclass
from xfs4iot.protocol.adapters import CHANGES, STEPS, canonical, spelling
from xfs4iot.protocol.adapters.changes import Part, Values
from xfs4iot.protocol.adapters.formats import FORMATS
from xfs4iot.protocol.catalogue import catalogue

__all__ = ["Difference", "compare", "differences", "messages", "needed", "open_differences", "properties"]

Schema = dict[str, Any]
Kinds = dict[str, tuple[str, ...]]
# Definitions may refer to themselves, so the walk through them has to be bounded.
_DEPTH = 14


@dataclass(frozen=True, order=True)
class Difference:
    """One property on which two versions differ.

    Attributes:
        path: of the property in the payload; `*` stands for any key, `[]` for each element.
        kind: `added` or `removed` by the newer version, `retyped`, with other `values`, or a text of
            another `format`.
        came, went: types, values or patterns that only the newer or only the older version has.
    """

    path: str
    kind: Literal["added", "removed", "retyped", "values", "format"]
    came: tuple[str, ...] = ()
    went: tuple[str, ...] = ()


def messages(older: str) -> Iterator[tuple[Part, str, str]]:
    """The message parts of a step that both versions have: part, the older's name, the newer's name."""
    newer = STEPS[older]
    for interface, content in catalogue(older)["interfaces"].items():
        after = catalogue(newer)["interfaces"].get(interface)
        if after is None:
            continue
        kinds: tuple[tuple[str, tuple[Part, ...]], ...] = (
            ("commands", ("request", "completion")),
            ("events", ("event",)),
        )
        for kind, parts in kinds:
            for short in content[kind]:
                name = f"{interface}.{short}"
                spelt = spelling(name, newer)
                if spelt.partition(".")[2] in after[kind]:
                    for part in parts:
                        yield part, name, spelt


def differences(older: str, part: Part, name: str, newer_name: str) -> list[Difference]:
    """What differs in one message part between a version and the next."""
    newer = STEPS[older]
    return compare(
        _flat(_schema(older, part, name), catalogue(older), "", 0),
        _flat(_schema(newer, part, newer_name), catalogue(newer), "", 0),
    )


def compare(before: Kinds, after: Kinds) -> list[Difference]:
    """What differs between two sets of properties."""
    found = [Difference(path, "added") for path in after.keys() - before.keys()]
    found += [Difference(path, "removed") for path in before.keys() - after.keys()]
    for path in before.keys() & after.keys():
        old, new = before[path], after[path]
        if set(old[1:]) == set(new[1:]) and old[0] == new[0]:
            continue
        if old[0] == new[0] == "string":
            found.append(Difference(path, "format", new[1:] or ("",), old[1:] or ("",)))
        elif old[0] == new[0]:
            came, went = sorted(set(new) - set(old)), sorted(set(old) - set(new))
            found.append(Difference(path, "values", tuple(came), tuple(went)))
        else:
            found.append(Difference(path, "retyped", (new[0],), (old[0],)))
    return sorted(found)


def needed(part: Part, difference: Difference) -> bool:
    """Whether a difference needs an adapter or a reason."""
    if difference.kind == "values":
        if part == "request":
            return bool(difference.went)
        # An error code the older version lacks is replaced elsewhere: see `versions.completion_code`.
        return bool(difference.came) and difference.path != "errorCode"
    if difference.kind == "format":
        return (difference.went[0], difference.came[0]) not in FORMATS
    return difference.kind in ("removed", "retyped")


def open_differences(older: str, part: Part, name: str, newer_name: str) -> list[Difference]:
    """The differences of a message part for which there is neither an adapter nor a reason."""
    changes = CHANGES.get((older, part, canonical(name)), ())
    covered = [path for change in changes for path in change.covers]
    named: dict[str, set[str]] = {}
    for change in changes:
        if isinstance(change, Values):
            named.setdefault(change.path, set()).update(change.up if part == "request" else change.down)
    return [
        one
        for one in differences(older, part, name, newer_name)
        if needed(part, one)
        and not any(_below(one.path, path) for path in covered)
        and not (one.kind == "format" and one.path in named)
        and not (
            one.kind == "values"
            and set(one.went if part == "request" else one.came) <= named.get(one.path, set())
        )
    ]


def _below(path: str, covered: str) -> bool:
    return path == covered or path.startswith((f"{covered}.", f"{covered}["))


def _schema(version: str, part: Part, name: str) -> Schema | None:
    interface, _, short = name.partition(".")
    own = catalogue(version)["interfaces"][interface]
    if part == "event":
        found: Schema | None = own["events"][short]["payload"]
    elif part == "request":
        found = own["commands"][short]["payload"]
    else:
        found = own["commands"][short]["completion"]["payload"]
    return found


def _flat(schema: Schema | None, content: Schema, path: str, depth: int) -> Kinds:
    """Every property by its path: its type, and behind it the values of an enumeration."""
    if schema is None or depth > _DEPTH:
        return {}
    if "anyOf" in schema:
        options = [one for one in schema["anyOf"] if one.get("type") != "null"]
        if len(options) == 1:
            return _flat(options[0], content, path, depth)
        found: Kinds = {path: ("any",)}
        for option in options:
            found |= {
                below: kind for below, kind in _flat(option, content, path, depth).items() if below != path
            }
        return found
    if "$ref" in schema:
        return _flat(content["definitions"][schema["$ref"].rpartition("/")[2]], content, path, depth + 1)
    if "enum" in schema:
        return {path: ("enum", *sorted(str(value) for value in schema["enum"] if value is not None))}
    found = {}
    for name, inner in (schema.get("properties") or {}).items():
        found |= _flat(inner, content, f"{path}.{name}" if path else name, depth + 1)
    free = schema.get("additionalProperties")
    for inner in (free, *(schema.get("patternProperties") or {}).values()):
        if isinstance(inner, dict):
            found |= _flat(inner, content, f"{path}.*" if path else "*", depth + 1)
    if "items" in schema:
        found |= _flat(schema["items"], content, f"{path}[]", depth + 1)
    if not found and path:
        kinds = schema.get("type", "any")
        kind = next((one for one in kinds if one != "null"), "any") if isinstance(kinds, list) else kinds
        found[path] = (kind, schema["pattern"]) if "pattern" in schema else (str(kind),)
    return found


def properties(version: str, part: Part, name: str) -> set[str]:
    """The path of every property of a message part."""
    return set(_flat(_schema(version, part, name), catalogue(version), "", 0))
