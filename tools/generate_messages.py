"""Write the message classes and the index of names from the catalogue.

    python tools/generate_messages.py            write them
    python tools/generate_messages.py --check    exit 1 if what is checked in is not current

The classes have, beside what is in the newest version, what is kept of older ones (`kept_messages`).

For most interfaces two modules in `protocol/messages`, from the newest version of the catalogue. One is
called as the interface and has what Common.Status, Common.Capabilities and Storage.GetStorage tell of
it. The other,
`<interface>_commands`, has the payloads of commands and events; it is loaded when the first of them is
asked for, in the interface's module, where all are to be had: of a whole ATM's 800 classes 500 wait for that.
And `protocol/index.py`, which knows every command and event of every version by name, so that
nothing has to read the catalogue to find its way. And `client/_calls.pyi`, by which type checkers
know what each command of the client takes and answers. `protocol/command_events` has, by interface, the
events that each command may send, for type checkers likewise.

No two modules import each other: where they refer to each other's types, those of one of them
that the other needs stand in a module of their own, `<interface>_shared`, and are also to be had from
the interface's module.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from kept_messages import kept_commands, kept_properties, with_kept
from typed_calls import typed_calls

from xfs4iot.protocol.adapters import SPECIFICATIONS

PACKAGE = Path(__file__).parent.parent / "python" / "xfs4iot"
PROTOCOL = PACKAGE / "protocol"
FOLDERS = (PROTOCOL / "messages", PROTOCOL / "command_events")
"""Where every module but `__init__` is generated."""
*OLDER, NEWEST = SPECIFICATIONS
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


WHOLE = {"Auxiliaries", "Common", "VendorMode"}
"""Interfaces of one module: of the first and the last a service has messages in hand when it starts, and all
clients ask Common."""
AT_START = {
    "CashManagement.BankNote",
    "KeyManagement.AuthenticationMethodEnum",
    "KeyManagement.RSASignatureAlgorithmEnum",
    "Keyboard.EntryCompletionEnum",
}
"""What a service has in hand when it starts, beside its status, its capabilities and its storage units."""


def not_null(schema: Schema) -> Schema:
    """The schema without its alternative null."""
    if "anyOf" in schema:
        options = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return options[0] if len(options) == 1 else {"anyOf": options}
    return schema


def is_token(pattern: str | None) -> bool:
    """Whether a text is an end-to-end token: a service names each way to break one by its own code."""
    return pattern is not None and "TOKENFORMAT=" in pattern


def in_python(pattern: str | None) -> str | None:
    """A pattern of the standard as Python writes it.

    For Python `$` is also before a line feed at the end, and digits are those of all scripts.
    """
    if pattern is None:
        return None
    told = {"$": r"\Z", r"\d": "[0-9]", r"\D": "[^0-9]"}
    return re.sub(r"\\.|\[[^\]]*\]|\$", lambda found: told.get(found[0], found[0]), pattern)


def free_values(schema: Schema) -> Schema | None:
    """The schema of the values under free keys, if the object has any."""
    if isinstance(schema.get("additionalProperties"), dict):
        return dict(schema["additionalProperties"])
    for values in schema.get("patternProperties", {}).values():
        return dict(values)
    return None


def references(value: Any) -> Iterator[str]:
    """The definitions that a part of the catalogue refers to by itself."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def parts_of(catalogue: Schema, *payloads: Schema) -> set[str]:
    """The definitions that these payloads consist of."""
    found: set[str] = set()
    open_ = list(payloads)
    while open_:
        new = set(references(open_.pop())) - found
        found |= new
        open_ += [catalogue["definitions"][name] for name in new]
    return found


def answer(catalogue: Schema, interface: str, command: str) -> Schema:
    """The payload of a command's completion."""
    return dict(catalogue["interfaces"][interface]["commands"][command]["completion"]["payload"])


def of_status(catalogue: Schema) -> set[str]:
    """Definitions that are part of Common.Status, whose changes are told to clients."""
    return parts_of(catalogue, answer(catalogue, "Common", "Status"))


def at_start(catalogue: Schema) -> set[str]:
    """Definitions without which no service starts."""
    answers = [answer(catalogue, "Common", "Capabilities"), answer(catalogue, "Storage", "GetStorage")]
    others = [catalogue["definitions"][name] for name in AT_START]
    return AT_START | of_status(catalogue) | parts_of(catalogue, *answers, *others)


def payload_homes(catalogue: Schema) -> dict[str, str]:
    """The module of the payloads of commands and events, by interface."""
    split = {name.partition(".")[0] for name in at_start(catalogue)} - WHOLE
    return {
        interface: f"{snake(interface)}_commands" if interface in split else snake(interface)
        for interface in catalogue["interfaces"]
    }


def homes(catalogue: Schema) -> dict[str, str]:
    """The module of every definition, so chosen that no modules import each other."""
    definitions = catalogue["definitions"]
    first = at_start(catalogue)
    payloads = payload_homes(catalogue)
    home = {
        name: snake(name.partition(".")[0]) if name in first else payloads[name.partition(".")[0]]
        for name in definitions
    }
    while True:
        needs: dict[str, set[str]] = {}
        for interface, own in catalogue["interfaces"].items():
            needs.setdefault(payloads[interface], set()).update(references(own))
        for name, schema in definitions.items():
            needs.setdefault(home[name], set()).update(references(schema))
        try:
            TopologicalSorter(
                {module: {home[used] for used in names} - {module} for module, names in needs.items()}
            ).prepare()
        except CycleError as circle:
            module = min(circle.args[1])
            if module.endswith("_shared"):
                raise SystemExit(f"{module} still refers to a module that refers to it") from None
            others = set(circle.args[1]) - {module}
            open_ = [used for other in others for used in needs[other] if home[used] == module]
            while open_:
                name = open_.pop()
                if home[name] == module:
                    home[name] = f"{module.removesuffix('_commands')}_shared"
                    open_ += references(definitions[name])
        else:
            return home


class Module:
    """One generated module: what is told of an interface, its messages, or its types that others share.

    Args:
        interface: the interface's name.
        catalogue: the newest version of the standard.
        home: the module of every definition.
        payloads: the module of the payloads of commands and events.
        name: of this module.
    """

    def __init__(
        self, interface: str, catalogue: Schema, home: Mapping[str, str], payloads: str, name: str
    ) -> None:
        self.interface = interface
        self.catalogue = catalogue
        self.home = home
        self.payloads = payloads
        self.name = name
        self.classes: dict[str, str] = {}
        self.uses: set[str] = set()
        self.shared: dict[str, str] = {}
        """Module of each name that is imported from another of this interface."""
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
            return self.bounded("str", {"pattern": r"^.{1,256}\Z"})
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
                return self.bounded("str", {} if is_token(pattern) else {"pattern": in_python(pattern)})
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
        home = self.home[reference.rpartition("/")[2]]
        if home == self.name:
            return name
        if interface == self.interface:
            self.shared[name] = home
            return name
        self.uses.add(home)
        return f"_{home}.{name}"

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
            if self.home[full] != self.name:
                if self.name == self.payloads and self.home[full].endswith("_shared"):
                    self.shared[name] = self.home[full]
            elif "enum" in schema:
                values = ", ".join(repr(value) for value in schema["enum"] if value is not None)
                self.typing.add("Literal")
                self.classes[name] = f"{name}: TypeAlias = Literal[{values}]"
            elif schema.get("properties") or free_values(schema) is not None:
                self.add_class(name, schema, full in observed_definitions)
        if self.name != self.payloads:
            return
        observed = self.interface == "Common"
        for name, command in own["commands"].items():
            if command["payload"]:
                self.add_class(name, command["payload"], False)
            if command["completion"]["payload"]:
                whole = observed and name == "Status"
                self.add_class(f"{name}Completion", command["completion"]["payload"], whole)
        for name, event in own["events"].items():
            self.add_class(name, event["payload"] or {}, False)

    def text(self, later: Iterable[str] = ()) -> str:
        """The module's source.

        Args:
            later: names that are to be had from it, too, but are loaded when one of them is asked for.
        """
        body = "\n\n\n".join(self.classes.values())
        if "TypeAlias" in body:
            self.typing.add("TypeAlias")
        later = sorted(later)
        if self.uses or later:
            self.typing.add("TYPE_CHECKING")
        typing = sorted(self.typing)
        base = sorted(name for name in ("FreeKeys", "Message", "ObservedMessage") if f"({name})" in body)
        if later:
            head = f"What a device tells of its {self.interface}; messages when first asked for"
        elif self.name in (snake(self.interface), self.payloads):
            head = f"Messages of {self.interface}"
        else:
            head = f"Types of {self.interface} that others share"
        lines = [
            f'"""{head} ({NEWEST}). Generated by tools/generate_messages.py."""',
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
        if later:
            lines.append("from xfs4iot.protocol.messages import later")
        for home in sorted(set(self.shared.values())):
            names = (name for name in sorted(self.shared) if self.shared[name] == home)
            lines.append(_imported(home, names))
        uses = sorted(self.uses)
        if uses or later:
            lines += ["", "if TYPE_CHECKING:"]
            lines += [f"    from xfs4iot.protocol.messages import {use} as _{use}" for use in uses]
        if later:
            lines += [f"    {_imported(self.payloads, later)}", "else:", "    __getattr__ = later(__name__)"]
        resolved = tuple(sorted({*uses, *self.shared.values()}))
        lines += ["", f"_USES = {resolved!r}", "", "", body, ""]
        return "\n".join(lines)


def _imported(module: str, names: Iterable[str]) -> str:
    """The import of these names, which type checkers take for the importing module's own, too."""
    imported = ", ".join(f"{name} as {name}" for name in names)
    return f"from xfs4iot.protocol.messages.{module} import {imported}"


def command_events(catalogue: Schema, interface: str) -> str:
    """The union of each command's events, by the command's name."""
    unions: dict[str, list[str]] = {}
    for short, command in catalogue["interfaces"][interface]["commands"].items():
        for name in command.get("eventNames") or ():
            owner, _, event = name.partition(".")
            unions.setdefault(short, []).append(f"_{snake(owner)}.{event}")
    modules = sorted({event.partition(".")[0] for events in unions.values() for event in events})
    lines = [
        f'"""Events of the commands of {interface} ({NEWEST}). Generated by tools/generate_messages.py."""',
        "",
        "from typing import TYPE_CHECKING, TypeAlias",
        "",
        "if TYPE_CHECKING:",
        *(f"    from xfs4iot.protocol.messages import {module[1:]} as {module}" for module in modules),
        "",
        *(f"{short}Events: TypeAlias = {' | '.join(events)!r}" for short, events in unions.items()),
        "",
    ]
    return "\n".join(lines) if unions else ""


def row_of(command: Schema) -> tuple[str, bool, str, bool, tuple[str, ...], tuple[str, ...]]:
    """What the index tells of a command."""
    completion = command["completion"]
    return (
        command["version"],
        bool(command["payload"]),
        completion["version"],
        bool(completion["payload"]),
        tuple(completion.get("errorCodes") or ()),
        tuple(command.get("eventNames") or ()),
    )


def index(catalogues: dict[str, Schema]) -> str:
    """Every command and event by name."""
    newest = catalogues[NEWEST]["interfaces"]
    commands, events = {}, {}
    for interface, own in newest.items():
        for name, command in own["commands"].items():
            commands[f"{interface}.{name}"] = row_of(command)
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
    kept = {}
    for name, last in kept_commands(catalogues).items():
        interface, _, short = name.partition(".")
        kept[name] = row_of(catalogues[last]["interfaces"][interface]["commands"][short])
    return text + (
        '}\n"""Older: versions of the command and its completion, or of the event twice."""\n\n'
        "KEPT_COMMANDS: dict[str, tuple[str, bool, str, bool, tuple[str, ...], tuple[str, ...]]] = {\n"
        f"{rows(kept)}}}\n"
        f'"""The same as `COMMANDS` of what {NEWEST} lacks and clients of older versions are served."""\n\n'
        "KEPT: dict[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {\n"
        f"{rows(dict(kept_properties(catalogues)))}}}\n"
        '"""Only for clients of older versions, by message: part, last version that has it, steps to it."""\n'
    )


def generated() -> dict[Path, str]:
    """Every generated file and its text."""
    catalogues = {
        version: json.loads((PROTOCOL / "catalogue" / f"{version}.json").read_text("utf-8"))
        for version in (*OLDER, NEWEST)
    }
    catalogue = with_kept(catalogues)
    observed = of_status(catalogue)
    files = {
        PROTOCOL / "index.py": index(catalogues),
        PACKAGE / "client" / "_calls.pyi": typed_calls(catalogues[NEWEST], snake),
    }
    home = homes(catalogue)
    for interface in catalogue["interfaces"]:
        if text := command_events(catalogue, interface):
            files[PROTOCOL / "command_events" / f"{snake(interface)}.py"] = text
    for interface, payloads in payload_homes(catalogue).items():
        own = {module for name, module in home.items() if name.startswith(f"{interface}.")}
        modules = {}
        for name in sorted({snake(interface), payloads, *own}):
            modules[name] = Module(interface, catalogue, home, payloads, name)
            modules[name].build(observed)
        for name, module in modules.items():
            later: set[str] = set()
            if name == snake(interface) != payloads:
                commands = modules[payloads]
                later = {*commands.classes, *commands.shared} - {*module.classes, *module.shared}
            files[PROTOCOL / "messages" / f"{name}.py"] = module.text(later)
    return files


def main() -> None:
    """Write, or compare."""
    files = generated()
    made = [path for folder in FOLDERS for path in folder.glob("*.py") if path.name != "__init__.py"]
    stale = [path for path in made if path not in files]
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
