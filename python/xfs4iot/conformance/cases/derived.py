"""Cases that follow from the catalogue: for each command that a service offers, what its schema forbids.

For each property of a command's payload a message is made that is wrong in just that property: another
type, a value that is not in the list, beyond a bound, or against a pattern. It must be refused, and the
service must go on. A command that is not offered must say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from xfs4iot.conformance.case import PREFIXES, Case
from xfs4iot.conformance.outcome import Advises, Deviates
from xfs4iot.conformance.target import Target
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol.catalogue import catalogue
from xfs4iot.recording.moving import moves

__all__ = ["derived"]

_CITES = "the schema of {} in CWA 17852 ({})"
_REFUSALS = {"invalidData", "invalidCommand", "unsupportedData", "commandErrorCode"}
"""Completion codes that say that the payload was not taken."""
_BROKEN = {"success", "internalError", "timeOut", "canceled"}
"""Those that say that it was, or that the service did not expect it."""
_WRONG_TYPE: dict[str, Any] = {
    "string": 17,
    "integer": "seventeen",
    "number": "seventeen",
    "boolean": "yes",
    "object": "an object",
    "array": "a list",
}
_NOT_LISTED = "notInTheList"
_AGAINST_PATTERNS = ("", "§", "not what the pattern wants", "!" * 50)
_DEEPEST = 6
_BASE = {"timeout"}
"""What 2021-1 has in the payload of every command."""


@dataclass(frozen=True)
class _Wrong:
    """One way to break one property.

    Attributes:
        kind: `TYPE`, `ENUM`, `MINIMUM`, `MAXIMUM` or `PATTERN`.
        path: names from the payload to the property.
        value: what is sent there.
        rule: what the schema says.
    """

    kind: str
    path: tuple[str, ...]
    value: Any
    rule: str

    @property
    def payload(self) -> Any:
        whole = self.value
        for name in reversed(self.path):
            whole = {name: whole}
        return whole


def derived(specification: str, interface: str, command: str) -> Iterator[Case]:
    """The cases of one command of one version of the standard.

    Args:
        command: without its interface.
    """
    name = f"{interface}.{command}"
    content = catalogue(specification)
    schema = content["interfaces"][interface]["commands"][command]["payload"]
    level = "moves" if moves(name) else "safe"
    cites = _CITES.format(name, specification)
    start = f"{PREFIXES[interface]}-{command.upper()}"
    for wrong in _wrongs(schema or {}, content["definitions"], (), _DEEPEST):
        place = ".".join(wrong.path)
        yield Case(
            id=f"{start}-{wrong.kind}-{place}-N",
            title=f"{name} refuses {place} that is not {wrong.rule}",
            cites=cites,
            interface=interface,
            level="moves" if level == "moves" else "safe",
            run=partial(_refuses, name, wrong),
            moves=f"whatever {name} moves, if it does not look at its payload" if level == "moves" else "",
            command=name,
        )


def unsupported(specification: str, interface: str, command: str) -> Case:
    """The case of a command that a service does not offer."""
    name = f"{interface}.{command}"
    return Case(
        id=f"{PREFIXES[interface]}-{command.upper()}-UNSUPPORTED-N",
        title=f"{name}, which is not among the capabilities, is unsupportedCommand",
        cites=f"CWA 17852, unsupportedCommand ({specification})",
        interface=interface,
        level="moves" if moves(name) else "safe",
        run=partial(_unsupported, name),
        moves=f"whatever {name} moves, if it is there after all" if moves(name) else "",
    )


async def _refuses(name: str, wrong: _Wrong, target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call(name, wrong.payload)
    if answer.refused == "invalidMessage":
        return
    if answer.refused or answer.code is None or answer.code in _BROKEN:
        raise Deviates("invalidData", f"{answer.told()}: {answer.description}".removesuffix(": "))
    if answer.code not in _REFUSALS:
        raise Advises("invalidData", f"{answer.told()}: {answer.description}")


async def _unsupported(name: str, target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call(name)
    if answer.code == "success" or answer.code == "internalError":
        raise Deviates("unsupportedCommand", answer.told())
    if answer.code not in ("unsupportedCommand", "invalidCommand"):
        raise Advises("unsupportedCommand", answer.told())


def _wrongs(
    schema: dict[str, Any], definitions: dict[str, Any], path: tuple[str, ...], depth: int
) -> Iterator[_Wrong]:
    """How the properties of an object can be wrong, one at a time."""
    for name, given in (schema.get("properties") or {}).items():
        if not path and name in _BASE:
            continue
        where = (*path, name)
        inner = _resolved(given, definitions)
        types = _types(inner)
        if not types:
            continue
        if (wrong := next((_WRONG_TYPE[one] for one in types if one in _WRONG_TYPE), None)) is not None:
            # A property of several types takes more: only what none of them is, is wrong.
            if len(types) > 1:
                wrong = next((value for value in _WRONG_TYPE.values() if not _is_one(value, types)), None)
            if wrong is not None:
                yield _Wrong("TYPE", where, wrong, " or ".join(sorted(types)))
        yield from _values(inner, types, where)
        if types == {"object"} and depth:
            yield from _wrongs(inner, definitions, where, depth - 1)


def _values(schema: dict[str, Any], types: set[str], where: tuple[str, ...]) -> Iterator[_Wrong]:
    listed = [one for one in schema.get("enum") or () if one is not None]
    if listed and types == {"string"}:
        yield _Wrong("ENUM", where, _NOT_LISTED, "one of the listed values")
    if types == {"integer"} and "minimum" in schema:
        yield _Wrong("MINIMUM", where, int(schema["minimum"]) - 1, f"at least {schema['minimum']}")
    if types == {"integer"} and "maximum" in schema:
        yield _Wrong("MAXIMUM", where, int(schema["maximum"]) + 1, f"at most {schema['maximum']}")
    if types == {"string"} and (pattern := schema.get("pattern")) and not schema.get("contentEncoding"):
        against = next((one for one in _AGAINST_PATTERNS if not re.search(pattern, one)), None)
        if against is not None:
            yield _Wrong("PATTERN", where, against, f"like {pattern}")


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema without references, and without the choice of null."""
    for _ in range(5):
        if "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]]
        options = [one for one in schema.get("anyOf") or () if one.get("type") != "null"]
        if len(options) != 1:
            break
        schema = {**{key: value for key, value in schema.items() if key != "anyOf"}, **options[0]}
    return schema


def _types(schema: dict[str, Any]) -> set[str]:
    if "anyOf" in schema or "$ref" in schema:
        return set()
    told = schema.get("type")
    return {one for one in (told if isinstance(told, list) else [told]) if one not in (None, "null")}


def _is_one(value: Any, types: set[str]) -> bool:
    kinds = {"string": str, "integer": int, "number": int, "boolean": bool, "object": dict, "array": list}
    return any(isinstance(value, kinds[one]) for one in types if one in kinds)
