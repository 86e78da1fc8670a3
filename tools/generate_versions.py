"""Write docs/versions.md: what changed between the versions of the standard, from the catalogue.

python tools/generate_versions.py            write it
python tools/generate_versions.py --check    exit 1 if what is checked in is not current
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CATALOGUE = ROOT / "python" / "xfs4iot" / "protocol" / "catalogue"
PAGE = ROOT / "docs" / "versions.md"
STEPS = (("2021-1", "2023-2"), ("2023-2", "2024-3"))
DEPTH = 12
Schema = dict[str, Any]

INTRODUCTION = """# Versions of the standard

One service serves clients of 2021-1, 2023-2 and 2024-3 at the same time, each as if the others did
not exist. Inside there is only the newest version; at the edge, the requests of older clients are
adapted up, and completions and events down.

## How a client's version is found

The version in a command's header decides in which version of the standard its acknowledge, events and
completion are written; a command without one comes from a client of 2021-1. Where several versions of
the standard have a command in the same version, what the client chose by `Common.SetVersions` decides,
then what it has shown of itself by a message that only one version has, then the older version:
clients in the field cannot be changed, and a newer one can always say so. Unsolicited events follow the
version the client spoke last, and one that has not spoken yet gets the newest. Whatever one client
chooses changes nothing for another.

`Common.Capabilities` lists every version of each command and event that is served. The envelope
differs as well: 2021-1 has no version in the header, and carries `timeout`, `status`, `completionCode`
and `errorDescription` in the payload.

```sh
xfs4iot call URI Common.Status --version 2021-1
```

```python
async with xfs4iot.connect(host, "CashDispenser", version="2023-2") as dispenser:
    ...
```

## What changed

From the catalogue of messages that this package carries: `+` came, `−` went, `~` changed.
"""


def parts(message: Schema, is_event: bool) -> Iterator[tuple[str, Schema | None]]:
    """The parts of a message that have payloads."""
    if is_event:
        yield "event", message["payload"]
    else:
        yield "command", message["payload"]
        yield "completion", message["completion"]["payload"]


def flat(schema: Schema | None, catalogue: Schema, path: str = "", depth: int = 0) -> dict[str, str]:
    """Every property by its path, and what it may be."""
    if schema is None or depth > DEPTH:
        return {}
    if "anyOf" in schema:
        options = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return flat(options[0], catalogue, path, depth) if len(options) == 1 else {path: "any"}
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return flat(catalogue["definitions"][name], catalogue, path, depth + 1)
    if "enum" in schema:
        return {path: "one of " + ", ".join(sorted(str(v) for v in schema["enum"] if v is not None))}
    found: dict[str, str] = {}
    for name, inner in (schema.get("properties") or {}).items():
        found |= flat(inner, catalogue, f"{path}.{name}" if path else name, depth + 1)
    free = schema.get("additionalProperties")
    values = (
        free if isinstance(free, dict) else next(iter((schema.get("patternProperties") or {}).values()), None)
    )
    if values is not None:
        found |= flat(values, catalogue, f"{path}.*" if path else "*", depth + 1)
    if "items" in schema:
        found |= flat(schema["items"], catalogue, f"{path}[]", depth + 1)
    if not found and path:
        kinds = schema.get("type", "any")
        kind = next((one for one in kinds if one != "null"), "any") if isinstance(kinds, list) else kinds
        found[path] = str(kind)
    return found


def topmost(paths: set[str], others: dict[str, str]) -> list[str]:
    """Paths, with whole new objects named once."""
    prefixes = {path for other in others for path in _prefixes(other)}
    named = set()
    for path in paths:
        named.add(next((prefix for prefix in _prefixes(path) if prefix not in prefixes), path))
    return sorted(named)


def _prefixes(path: str) -> list[str]:
    pieces = path.split(".")
    return [".".join(pieces[: count + 1]) for count in range(len(pieces))]


def changes(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    """One line for each difference between two sets of properties."""
    for path in topmost(new.keys() - old.keys(), old):
        yield f"+ `{path}`"
    for path in topmost(old.keys() - new.keys(), new):
        yield f"− `{path}`"
    for path in sorted(old.keys() & new.keys()):
        before, after = old[path], new[path]
        if before == after:
            continue
        if before.startswith("one of ") and after.startswith("one of "):
            had, has = set(before[7:].split(", ")), set(after[7:].split(", "))
            came = "".join(f" +{value}" for value in sorted(has - had))
            went = "".join(f" −{value}" for value in sorted(had - has))
            yield f"~ `{path}`:{came}{went}"
        else:
            yield f"~ `{path}`: {before} → {after}"


def section(interface: str, old: Schema, new: Schema, old_all: Schema, new_all: Schema) -> Iterator[str]:
    """What changed in one interface."""
    for kind, is_event in (("commands", False), ("events", True)):
        before, after = old[kind], new[kind]
        for sign, names in (("+", after.keys() - before.keys()), ("−", before.keys() - after.keys())):
            if names:
                yield f"- {sign} {kind}: {', '.join(f'`{name}`' for name in sorted(names))}"
        for name in (name for name in after if name in before):
            lines: list[str] = []
            for (part, was), (_, is_now) in zip(
                parts(before[name], is_event), parts(after[name], is_event), strict=True
            ):
                found = list(changes(flat(was, old_all), flat(is_now, new_all)))
                lines += [f"  - {part}: {'; '.join(found)}"] if found else []
            if lines:
                yield f"- `{name}`"
                yield from lines


def page() -> str:
    """The whole page."""
    catalogues = {
        version: json.loads((CATALOGUE / f"{version}.json").read_text("utf-8"))
        for version in dict.fromkeys(version for step in STEPS for version in step)
    }
    lines = [INTRODUCTION]
    for before, after in STEPS:
        old, new = catalogues[before], catalogues[after]
        lines.append(f"### From {before} to {after}\n")
        came = [name for name in new["interfaces"] if name not in old["interfaces"]]
        if came:
            lines.append(f"New interfaces: {', '.join(came)}.\n")
        for interface, content in new["interfaces"].items():
            if interface in old["interfaces"]:
                found = list(section(interface, old["interfaces"][interface], content, old, new))
                if found:
                    lines += [f"#### {interface}\n", *found, ""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Write, or compare."""
    text = page()
    if "--check" in sys.argv:
        if not PAGE.exists() or PAGE.read_text("utf-8") != text:
            print("docs/versions.md is not current; run tools/generate_versions.py", file=sys.stderr)
            sys.exit(1)
        return
    PAGE.write_text(text, "utf-8")
    print(f"{PAGE.name} written: {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
