"""Write the message classes and the index of names from the catalogue.

    python tools/generate_messages.py            write them
    python tools/generate_messages.py --check    exit 1 if what is checked in is not current

One module per interface in `protocol/messages`, from the newest version of the catalogue, and
`protocol/index.py`, which knows every command and event of every version by name, so that
nothing has to read the catalogue to find its way. And `client/_calls.pyi`, by which type checkers
know what each command of the client takes and answers.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
from pathlib import Path
from typing import Any

from typed_calls import typed_calls

PACKAGE = Path(__file__).parent.parent / "python" / "xfs4iot"
PROTOCOL = PACKAGE / "protocol"
NEWEST = "2024-3"
OLDER = ("2021-1", "2023-2")
Schema = dict[str, Any]


def snake(name: str) -> str:
    """`serviceURI` → `service_uri`; a keyword gets a `_`."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    name = re.sub(r"\W", "_", name)
    return f"{name}_" if keyword.iskeyword(name) else name


def camel(name: str) -> str:
    """What msgspec makes of a snake_case name."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


OPEN = {"Lights.CapabilitiesLights", "Lights.SetLight", "Lights.Status"}
"""Objects to which a vendor may add names of its own, though the newest catalogue does not say so:
older versions do, and unknown properties are to be ignored by who does not know them."""
VENDORS_OWN = {"Camera.TakePictureCamera"}
"""Enumerations whose values a vendor may add to: names of what a device has, as its status and
capabilities may list them under free keys."""


def not_null(schema: Schema) -> Schema:
    """The schema without its alternative null."""
    if "anyOf" in schema:
        options = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return options[0] if len(options) == 1 else {"anyOf": options}
    return schema


def is_token(pattern: str | None) -> bool:
    """Whether a text is an end-to-end token: a service names each way to break one by its own code."""
    return pattern is not None and "TOKENFORMAT=" in pattern


def free_values(schema: Schema) -> Schema | None:
    """The schema of the values under free keys, if the object has any."""
    if isinstance(schema.get("additionalProperties"), dict):
        return dict(schema["additionalProperties"])
    for values in schema.get("patternProperties", {}).values():
        return dict(values)
    return None


class Module:
    """One generated module."""

    def __init__(self, interface: str, catalogue: Schema) -> None:
        self.interface = interface
        self.catalogue = catalogue
        self.classes: dict[str, str] = {}
        self.uses: set[str] = set()
        self.typing: set[str] = set()
        own = catalogue["interfaces"][interface]
        taken = {*own["commands"], *own["events"]}
        self.renamed = {name: f"{name}Location" for name in taken}

    def name_of(self, reference: str) -> tuple[str, str]:
        """Interface and class of a `$ref`."""
        interface, _, name = reference.rpartition("/")[2].partition(".")
        own = self.catalogue["interfaces"][interface]
        if name in own["commands"] or name in own["events"]:
            name = f"{name}Location"
        return interface, name

    def type_of(self, schema: Schema, name: str, observed: bool) -> str:
        """The annotation for a value; makes the classes it needs, named after `name`."""
        schema = not_null(schema)
        if "anyOf" in schema:
            return " | ".join(
                self.type_of(one, f"{name}{n}", observed) for n, one in enumerate(schema["anyOf"])
            )
        if "$ref" in schema:
            return self.reference(schema["$ref"])
        if "enum" in schema and f"{self.interface}.{name}" in VENDORS_OWN:
            return self.bounded("str", {"pattern": "^.{1,256}$"})
        if "enum" in schema:
            values = [value for value in schema["enum"] if value is not None]
            self.typing.add("Literal")
            return f"Literal[{', '.join(map(repr, values))}]"
        kinds = schema.get("type")
        kind = next((k for k in kinds if k != "null"), None) if isinstance(kinds, list) else kinds
        match kind:
            case "string":
                if schema.get("contentEncoding") == "base64":
                    return "bytes"
                pattern = schema.get("pattern")
                return self.bounded("str", {} if is_token(pattern) else {"pattern": pattern})
            case "integer":
                return self.bounded("int", {"ge": schema.get("minimum"), "le": schema.get("maximum")})
            case "number":
                return self.bounded("Decimal", {"ge": schema.get("minimum"), "le": schema.get("maximum")})
            case "boolean":
                return "bool"
            case "array":
                return f"list[{self.type_of(schema.get('items', {}), f'{name}Item', observed)}]"
            case "object":
                return self.object_type(schema, name, observed)
        self.typing.add("Any")
        return "Any"

    def reference(self, reference: str) -> str:
        schema = not_null(self.catalogue["definitions"][reference.rpartition("/")[2]])
        interface, name = self.name_of(reference)
        if "enum" not in schema and not schema.get("properties") and free_values(schema) is None:
            return self.type_of(schema, name, False)
        if interface == self.interface:
            return name
        self.uses.add(snake(interface))
        return f"_{snake(interface)}.{name}"

    def object_type(self, schema: Schema, name: str, observed: bool) -> str:
        if schema.get("properties"):
            self.add_class(name, schema, observed)
            return name
        values = free_values(schema)
        if values is None:
            self.typing.add("Any")
            return "dict[str, Any]"
        return f"dict[str, {self.type_of(values, name, observed)}]"

    def bounded(self, kind: str, bounds: dict[str, Any]) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in bounds.items() if value is not None)
        if not given:
            return kind
        self.typing.add("Annotated")
        return f"Annotated[{kind}, Meta({given})]"

    def add_class(self, name: str, schema: Schema, observed: bool) -> None:
        """Make a class for an object."""
        if name in self.classes:
            raise SystemExit(f"{self.interface}: two classes would be called {name}")
        self.classes[name] = ""
        fields: list[tuple[str, str, str]] = []
        for prop, inner in (schema.get("properties") or {}).items():
            annotation = self.type_of(inner, name + prop[0].upper() + re.sub(r"\W", "", prop[1:]), observed)
            fields.append((snake(prop), prop, f"{annotation} | None"))
        values = free_values(schema)
        if f"{self.interface}.{name}" in OPEN:
            values = not_null(next(iter(schema["properties"].values())))
        if values is not None:
            self.classes[name] = self.with_free_keys(
                name, fields, self.type_of(values, f"{name}Value", observed)
            )
            return
        base = "ObservedMessage" if observed else "Message"
        lines = [f"class {name}({base}):"]
        for attribute, prop, annotation in fields:
            default = "None" if camel(attribute) == prop else f"field(default=None, name={prop!r})"
            lines.append(f"    {attribute}: {annotation} = {default}")
        self.classes[name] = "\n".join(lines if fields else [lines[0], "    pass"])

    @staticmethod
    def with_free_keys(name: str, fields: list[tuple[str, str, str]], values: str) -> str:
        names = ", ".join(f"{attribute!r}: {prop!r}" for attribute, prop, _ in fields)
        lines = [
            f"class {name}(FreeKeys):",
            f"    __slots__ = ({''.join(f'{attribute!r}, ' for attribute, _, _ in fields)}'additional',)",
            f"    PROPERTIES = {{{names}}}",
            *(f"    {attribute}: {annotation}" for attribute, _, annotation in fields),
            f"    additional: dict[str, {values}]",
            "",
            "    def __init__(",
            "        self,",
        ]
        rest = [f"        {attribute}: {annotation} = None," for attribute, _, annotation in fields]
        free = f"        additional: dict[str, {values}] | None = None,"
        lines += [*rest, free] if fields else [free]
        lines.append("    ) -> None:")
        lines += [f"        self.{attribute} = {attribute}" for attribute, _, _ in fields]
        lines.append("        self.additional = {} if additional is None else additional")
        return "\n".join(lines)

    def build(self, observed_definitions: set[str]) -> None:
        """Make every class of the interface."""
        own = self.catalogue["interfaces"][self.interface]
        for full, schema in self.catalogue["definitions"].items():
            interface, _, _ = full.partition(".")
            schema = not_null(schema)
            if interface != self.interface:
                continue
            _, name = self.name_of(full)
            if "enum" in schema:
                values = ", ".join(repr(value) for value in schema["enum"] if value is not None)
                self.typing.add("Literal")
                self.classes[name] = f"{name}: TypeAlias = Literal[{values}]"
            elif schema.get("properties") or free_values(schema) is not None:
                self.add_class(name, schema, full in observed_definitions)
        observed = self.interface == "Common"
        for name, command in own["commands"].items():
            if command["payload"]:
                self.add_class(name, command["payload"], False)
            if command["completion"]["payload"]:
                whole = observed and name == "Status"
                self.add_class(f"{name}Completion", command["completion"]["payload"], whole)
        for name, event in own["events"].items():
            self.add_class(name, event["payload"] or {}, False)

    def text(self) -> str:
        """The module's source."""
        body = "\n\n\n".join(self.classes.values())
        if "TypeAlias" in body:
            self.typing.add("TypeAlias")
        if self.uses:
            self.typing.add("TYPE_CHECKING")
        typing = sorted(self.typing)
        base = sorted(name for name in ("FreeKeys", "Message", "ObservedMessage") if f"({name})" in body)
        lines = [
            f'"""Messages of {self.interface} ({NEWEST}). Generated by tools/generate_messages.py."""',
            "",
            "from __future__ import annotations",
            "",
            *(["from decimal import Decimal"] if "Decimal" in body else []),
            *([f"from typing import {', '.join(typing)}"] if typing else []),
            "",
        ]
        specific = [name for name in ("Meta", "field") if f"{name}(" in body]
        if specific:
            lines.append(f"from msgspec import {', '.join(specific)}")
        if base:
            lines += ["", f"from xfs4iot.protocol.message import {', '.join(base)}"]
        uses = sorted(self.uses)
        if uses:
            lines += ["", "if TYPE_CHECKING:"]
            lines += [f"    from xfs4iot.protocol.messages import {use} as _{use}" for use in uses]
        lines += ["", f"_USES = {tuple(uses)!r}", "", "", body, ""]
        return "\n".join(lines)


def observed_definitions(catalogue: Schema) -> set[str]:
    """Definitions that are part of Common.Status, whose changes are told to clients."""
    found: set[str] = set()

    def follow(value: Any) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str):
                name = reference.rpartition("/")[2]
                if name not in found:
                    found.add(name)
                    follow(catalogue["definitions"][name])
            for inner in value.values():
                follow(inner)
        elif isinstance(value, list):
            for inner in value:
                follow(inner)

    follow(catalogue["interfaces"]["Common"]["commands"]["Status"]["completion"]["payload"])
    return found


def index(catalogues: dict[str, Schema]) -> str:
    """Every command and event by name."""
    newest = catalogues[NEWEST]["interfaces"]
    commands, events = {}, {}
    for interface, own in newest.items():
        for name, command in own["commands"].items():
            completion = command["completion"]
            commands[f"{interface}.{name}"] = (
                command["version"],
                bool(command["payload"]),
                completion["version"],
                bool(completion["payload"]),
                tuple(completion.get("errorCodes") or ()),
                tuple(command.get("eventNames") or ()),
            )
        for name, event in own["events"].items():
            events[f"{interface}.{name}"] = (
                event["version"],
                event["kind"] == "unsolicited",
                bool(event["payload"]),
            )
    older: dict[str, dict[str, Any]] = {}
    for version in OLDER:
        found: dict[str, tuple[str, str]] = {}
        for interface, own in catalogues[version]["interfaces"].items():
            for name, command in own["commands"].items():
                found[f"{interface}.{name}"] = (command["version"], command["completion"]["version"])
            for name, event in own["events"].items():
                found[f"{interface}.{name}"] = (event["version"], event["version"])
        older[version] = found

    def rows(table: dict[str, Any]) -> str:
        return "".join(f"    {name!r}: {row!r},\n" for name, row in table.items())

    text = (
        '"""Every command and event by name. Generated by tools/generate_messages.py."""\n\n'
        "from __future__ import annotations\n\n"
        "COMMANDS: dict[str, tuple[str, bool, str, bool, tuple[str, ...], tuple[str, ...]]] = {\n"
        f"{rows(commands)}}}\n"
        f'"""{NEWEST}: version, has a payload, the same of its completion, error codes, events."""\n\n'
        "EVENTS: dict[str, tuple[str, bool, bool]] = {\n"
        f"{rows(events)}}}\n"
        f'"""{NEWEST}: version, whether it is unsolicited, whether it has a payload."""\n\n'
        "OLDER: dict[str, dict[str, tuple[str, str]]] = {\n"
    )
    for version, found in older.items():
        text += f"    {version!r}: {{\n"
        text += "".join(f"        {name!r}: {row!r},\n" for name, row in found.items())
        text += "    },\n"
    return text + '}\n"""Older: versions of the command and its completion, or of the event twice."""\n'


def generated() -> dict[Path, str]:
    """Every generated file and its text."""
    catalogues = {
        version: json.loads((PROTOCOL / "catalogue" / f"{version}.json").read_text("utf-8"))
        for version in (*OLDER, NEWEST)
    }
    catalogue = catalogues[NEWEST]
    observed = observed_definitions(catalogue)
    files = {
        PROTOCOL / "index.py": index(catalogues),
        PACKAGE / "client" / "_calls.pyi": typed_calls(catalogue, snake),
    }
    for interface in catalogue["interfaces"]:
        module = Module(interface, catalogue)
        module.build(observed)
        files[PROTOCOL / "messages" / f"{snake(interface)}.py"] = module.text()
    return files


def main() -> None:
    """Write, or compare."""
    files = generated()
    known = {PROTOCOL / "messages" / "__init__.py"}
    stale = [path for path in (PROTOCOL / "messages").glob("*.py") if path not in files and path not in known]
    if "--check" not in sys.argv:
        for path, text in files.items():
            path.write_text(text, "utf-8")
        for path in stale:
            path.unlink()
        print(f"{len(files)} files written")
        return
    changed = [p for p, text in files.items() if not p.exists() or p.read_text("utf-8") != text] + stale
    for path in changed:
        print(f"{path.name} is not what the catalogue says; run tools/generate_messages.py", file=sys.stderr)
    sys.exit(bool(changed))


if __name__ == "__main__":
    main()
