"""Messages made from the catalogue: valid ones, and ones that are almost valid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import jsonschema

__all__ = ["Traffic", "catalogue"]

_STRINGS = (
    "",
    "unit1",
    "unit5",
    "EUR",
    "mix1",
    "mixTable21",
    "outDefault",
    "0",
    "7",
    "2.0",
    "unknown",
    "typeEUR20",
    "A" * 32,
    "0123456789ABCDEF",
    "QUJD",
    "2026-01-31T23:59:59Z",
    "{00000000-0000-0000-0000-000000000000}",
    "äöü€𝄞",
)
_HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    2**64,
    10**30,
    0.1,
    1e308,
    "",
    "x" * 5000,
    "\x00",
    "\u2028",
    [],
    {},
    [[[[[[]]]]]],
    {"": {"": {}}},
)


@cache
def catalogue(version: str) -> dict[str, Any]:
    """One version of the standard, as data."""
    text = files("xfs4iot.protocol.catalogue").joinpath(f"{version}.json").read_text("utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


class Traffic:
    """Makes messages of one version of the standard, the same for the same seed.

    Args:
        version: of the standard.
        seed: of the choices.
        likely: values that properties of these names mostly have, where their schemas allow it;
            None leaves the property out.
    """

    def __init__(self, version: str, seed: int, likely: Mapping[str, Any] | None = None) -> None:
        self.likely = likely or {}
        self.catalogue = catalogue(version)
        self.version = version
        self.random = Random(seed)
        self.commands: dict[str, dict[str, Any]] = {
            f"{interface}.{name}": command
            for interface, content in self.catalogue["interfaces"].items()
            for name, command in content["commands"].items()
        }

    def payload(self, schema: dict[str, Any] | None, depth: int = 0) -> Any:
        """A value that the schema allows."""
        if schema is None:
            return {}
        choose = self.random
        if "$ref" in schema:
            return self.payload(self.catalogue["definitions"][schema["$ref"].rpartition("/")[2]], depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return choose.choice([value for value in schema["enum"] if value is not None])
        if "anyOf" in schema:
            options = [one for one in schema["anyOf"] if one.get("type") != "null"]
            return self.payload(choose.choice(options), depth)
        kinds = schema.get("type", "object")
        kind = choose.choice([k for k in kinds if k != "null"]) if isinstance(kinds, list) else kinds
        return getattr(self, f"_{kind}")(schema, depth)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        content = {}
        for name, inner in schema.get("properties", {}).items():
            if name in self.likely and self.random.random() < 0.7 and self._allows(inner, self.likely[name]):
                if self.likely[name] is not None:
                    content[name] = self.likely[name]
            elif self.random.random() < 0.9**depth:
                content[name] = self.payload(inner, depth + 1)
        free = schema.get("additionalProperties")
        if isinstance(free, dict):
            for _ in range(self.random.randint(0, 2)):
                content[self.random.choice(_STRINGS[1:5])] = self.payload(free, depth + 1)
        return content

    def _allows(self, schema: dict[str, Any], value: Any) -> bool:
        whole = {**schema, "definitions": self.catalogue["definitions"]}
        return jsonschema.Draft202012Validator(whole).is_valid(value)

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        size = self.random.randint(0, 2)
        return [self.payload(schema.get("items", {"type": "string"}), depth + 1) for _ in range(size)]

    def _string(self, schema: dict[str, Any], depth: int) -> str:
        fitting = _STRINGS
        if pattern := schema.get("pattern"):
            fitting = tuple(one for one in _STRINGS if re.search(pattern, one)) or _STRINGS
        return self.random.choice(fitting)

    def _integer(self, schema: dict[str, Any], depth: int) -> int:
        low = schema.get("minimum", 0)
        return self.random.randint(low, max(low, min(schema.get("maximum", low + 300), low + 300)))

    def _number(self, schema: dict[str, Any], depth: int) -> float | int:
        return self.random.choice([0, 5, 20, 50, 230, 0.5, 1000])

    def _boolean(self, schema: dict[str, Any], depth: int) -> bool:
        return self.random.random() < 0.5

    def command(self, name: str, request_id: int) -> dict[str, Any]:
        """A valid command with a payload that its schema allows."""
        header: dict[str, Any] = {"name": name, "requestId": request_id, "type": "command"}
        payload = self.payload(self.commands[name]["payload"])
        if self.version == "2021-1":
            payload["timeout"] = 0
        else:
            header["version"] = self.commands[name]["version"]
        return {"header": header, "payload": payload}

    def mutated(self, message: dict[str, Any]) -> bytes:
        """Almost the same message: values replaced, moved, left out; or its text damaged."""
        choose = self.random
        message = deepcopy(message)
        for _ in range(choose.randint(1, 3)):
            places = list(_places(message))
            if not places:
                break
            holder, key = choose.choice(places)
            match choose.randrange(5):
                case 0:
                    holder[key] = deepcopy(choose.choice(_HOSTILE))
                case 1 if isinstance(holder, dict):
                    del holder[key]
                case 2:
                    other, which = choose.choice(places)
                    holder[key] = deepcopy(other[which])
                case 3 if isinstance(holder, dict):
                    holder[choose.choice(_STRINGS)] = deepcopy(choose.choice(_HOSTILE))
                case _:
                    holder[key] = [deepcopy(holder[key]) for _ in range(choose.randint(0, 3))]
        text = bytearray(json.dumps(message, ensure_ascii=choose.random() < 0.5).encode("utf-8", "replace"))
        if choose.random() < 0.3:
            for _ in range(choose.randint(1, 4)):
                where = choose.randrange(len(text) + 1)
                match choose.randrange(4):
                    case 0:
                        del text[where : where + choose.randint(1, 20)]
                    case 1:
                        text[where:where] = bytes([choose.randrange(128)])
                    case 2:
                        text[where:where] = choose.choice([b"{", b"[", b'"', b"\\u12", b"\\", b"1e", b"nul"])
                    case _:
                        text[where:where] = text[max(0, where - 30) : where]
        return bytes(text)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
