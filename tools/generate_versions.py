"""Write docs/versions.md below its mark: what changed between the versions, from the catalogue.

python tools/generate_versions.py            write it
python tools/generate_versions.py --check    exit 1 if what is checked in is not current
"""

from __future__ import annotations

import html
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from current import keep_current

from xfs4iot.protocol import differences
from xfs4iot.protocol.adapters import CHANGES, FALLBACKS, SPELT, STEPS, WITHDRAWN, canonical
from xfs4iot.protocol.adapters.changes import Change, Kept, Left, Moved, Part, Reshaped, Values
from xfs4iot.protocol.adapters.formats import FORMATS
from xfs4iot.protocol.catalogue import catalogue
from xfs4iot.protocol.differences import Difference

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "versions.md"
MARK = "<!-- generated from the catalogue by tools/generate_versions.py -->\n"
COMPOSED = ("Common.Capabilities", "Common.Status", "Common.StatusChangedEvent")
"""Messages that have a part of each interface."""
MANY = 4
"""From so many paths that differ in one place on, they are named together."""
PARTS: dict[Part, str] = {"request": "command", "completion": "completion", "event": "event"}


def code(texts: Iterable[str]) -> str:
    """Names as code, listed."""
    return ", ".join(f"`{text}`" for text in texts)


def topmost(paths: Iterable[str], others: set[str]) -> list[str]:
    """Paths that only one version has, with whole objects named once."""
    known = {prefix for other in others for prefix in _prefixes(other)}
    return sorted({next((one for one in _prefixes(path) if one not in known), path) for path in paths})


def _prefixes(path: str) -> list[str]:
    pieces = path.split(".")
    return [".".join(pieces[: count + 1]) for count in range(len(pieces))]


def together(paths: Iterable[str]) -> list[str]:
    """Paths as code; those that differ in one place only as one."""
    left = list(dict.fromkeys(paths))
    found: list[str] = []
    for place in range(max((path.count(".") + 1 for path in left), default=0)):
        groups: defaultdict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
        for path in left:
            pieces = path.split(".")
            if place < len(pieces) > 1:
                groups[tuple(pieces[:place]), tuple(pieces[place + 1 :])].append(pieces[place])
        for (before, after), names in groups.items():
            if len(names) >= MANY:
                whole = [".".join((*before, name, *after)) for name in names]
                left = [path for path in left if path not in whole]
                pattern = ".".join((*before, "…", *after))
                shown = code(names[:MANY]) + (f" and {len(names) - MANY} more" if len(names) > MANY else "")
                found.append(f"`{pattern}` ({shown})")
    return [*found, *(f"`{path}`" for path in left)]


def lines(older: str, part: Part, name: str, newer_name: str) -> Iterator[str]:
    """What a reader who migrates one message part has to know, a line each."""
    found = differences.differences(older, part, name, newer_name)
    changes = CHANGES.get((older, part, canonical(name)), ())
    moved = [change for change in changes if isinstance(change, Moved)]
    yield from _moved(moved)
    left = [change for change in changes if isinstance(change, Left)]
    for change in left:
        yield f"without {', '.join(together(change.paths))}: {change.reason}"
    kept = [change for change in changes if isinstance(change, Kept)]
    for kept_one in kept:
        yield f"without {', '.join(together(kept_one.paths))}, {kept_one.reason}"
    reasons = [path for one in (*left, *kept) for path in one.paths]
    told = [*(one.older for one in moved), *reasons]
    came = [one.path for one in found if one.kind == "added"]
    went = [one.path for one in found if one.kind == "removed" and not _below(one.path, told)]
    both = _both(older, part, name, found)
    before = both | {one.path for one in found if one.kind != "added"}
    after = both | {one.path for one in found if one.kind != "removed"}
    new = [path for path in topmost(came, before) if not _made(path, moved)]
    gone = topmost(went, after)
    yield from _replaced(gone, new, apart=canonical(name) in COMPOSED)
    for change in changes:
        if isinstance(change, Reshaped) and change.paths and (doc := (change.up or change.down).__doc__):
            yield f"how: {doc.splitlines()[0]}"
    yield from _kinds(found, changes, told)


def _replaced(gone: list[str], new: list[str], apart: bool) -> Iterator[str]:
    """What came in the place of what; apart for each interface, where a message has parts of many."""
    groups: defaultdict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for index, paths in enumerate((gone, new)):
        for path in paths:
            groups[path.partition(".")[0].partition("[")[0] if apart else ""][index].append(path)
    only_new: list[str] = []
    for left, came in groups.values():
        if left and came:
            yield f"{', '.join(together(left))} → {', '.join(together(came))}"
        elif left:
            yield f"without {', '.join(together(left))}"
        else:
            only_new += came
    if only_new:
        yield f"new: {', '.join(together(only_new))}"


def _below(path: str, told: Iterable[str]) -> bool:
    return any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in told)


def _made(path: str, moved: Iterable[Moved]) -> bool:
    """Whether a new property has its value from an old one."""
    return any(one.newer == path or one.newer.startswith(f"{path}.") for one in moved)


def _both(older: str, part: Part, name: str, found: Iterable[Difference]) -> set[str]:
    """The paths that both versions have."""
    own = differences.properties(older, part, name)
    return own - {one.path for one in found if one.kind == "removed"}


def _moved(moved: list[Moved]) -> Iterator[str]:
    for change in moved:
        yield f"`{change.older}` is now `{change.newer}`"


def _kinds(found: Iterable[Difference], changes: Iterable[Change], told: list[str]) -> Iterator[str]:
    """Other values and other types; the same change of many properties in one line."""
    names = {change.path: {**change.up} for change in changes if isinstance(change, Values)}
    for change in changes:
        if isinstance(change, Values):
            names[change.path] |= {old: new for new, old in change.down.items() if old is not None}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for one in found:
        if one.kind == "retyped" and not _below(one.path, told):
            groups[f"was {one.went[0]}, is {one.came[0]}"].append(one.path)
        elif one.kind == "format" and (one.went[0], one.came[0]) not in FORMATS:
            named = [f"`{old}` is now `{new}`" for old, new in names.get(one.path, {}).items() if new]
            gone = [f"no longer `{old}`" for old, new in names.get(one.path, {}).items() if not new]
            groups["; ".join([*named, *gone]) or f"now as `{one.came[0]}`"].append(one.path)
        elif one.kind == "values" and not _below(one.path, told):
            groups["; ".join(_values(one, names.get(one.path, {})))].append(one.path)
    for text, paths in groups.items():
        yield f"{', '.join(together(paths))}: {text}"


def _values(one: Difference, names: dict[str, str | None]) -> Iterator[str]:
    renamed = {old: new for old, new in names.items() if new in one.came and old in one.went}
    for old, new in renamed.items():
        yield f"`{old}` is now `{new}`"
    if came := [value for value in one.came if value not in renamed.values()]:
        yield f"may be {code(came)}"
    if went := [value for value in one.went if value not in renamed]:
        yield f"no longer {code(went)}"


def versions(older: str, part: Part, name: str, newer_name: str) -> str:
    """`1.0 → 2.0`, the versions of a message part."""
    found = []
    for specification, own in ((older, name), (STEPS[older], newer_name)):
        interface, _, short = own.partition(".")
        content = catalogue(specification)["interfaces"][interface]
        message = content["events"][short] if part == "event" else content["commands"][short]
        found.append(message["completion"]["version"] if part == "completion" else message["version"])
    return " → ".join(dict.fromkeys(found))


def step(older: str) -> Iterator[str]:
    """Everything that changed from one version to the next."""
    newer = STEPS[older]
    before, after = catalogue(older)["interfaces"], catalogue(newer)["interfaces"]
    yield f"## From {older} to {newer}\n"
    changed: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
    for part, name, newer_name in differences.messages(older):
        said = list(lines(older, part, name, newer_name))
        if said:
            interface, _, short = newer_name.partition(".")
            head = f"{PARTS[part]} {versions(older, part, name, newer_name)}"
            changed[interface].setdefault(short, []).append(f"  - {head}")
            changed[interface][short] += [f"    - {line}" for line in said]
    yield "| interface | messages that changed | new | withdrawn |"
    yield "|---|---|---|---|"
    for interface, content in after.items():
        own = before.get(interface)
        new = [
            short
            for kind in ("commands", "events")
            for short in content[kind]
            if own is None or not _had(own[kind], interface, short, newer)
        ]
        gone = [
            name.partition(".")[2]
            for version, name in WITHDRAWN
            if version == older and name.startswith(f"{interface}.")
        ]
        if own is None:
            yield f"| {interface} | new interface | {code(new)} | |"
        elif changed[interface] or new or gone:
            names = (
                f"[{len(changed[interface])}](#{interface.lower()}-{newer})" if changed[interface] else "0"
            )
            yield f"| {interface} | {names} | {code(new)} | {code(gone)} |"
    yield ""
    for interface in after:
        if changed[interface]:
            yield f"### {interface} {newer}\n"
            for short, said in changed[interface].items():
                yield f"- **{short}**"
                yield from said
            yield ""


def _had(own: dict[str, object], interface: str, short: str, newer: str) -> bool:
    newest = canonical(f"{interface}.{short}")
    spellings = {newest, *(older for (_, older), name in SPELT.items() if name == newest)}
    return any(f"{interface}.{one}" in spellings for one in own)


def tables() -> Iterator[str]:
    """What is the same in both steps: spelling, error codes, what was withdrawn."""
    yield "## Commands that a version spells otherwise\n"
    yield "Every spelling is served in every version, and answered as it was asked.\n"
    yield "| 2021-1 and 2024-3 | 2023-2 |\n|---|---|"
    for (_, older), newest in SPELT.items():
        yield f"| `{newest}` | `{older}` |"
    yield "\n## Error codes that a version of a command lacks\n"
    yield "A client whose version of a command lacks an `errorCode` gets a completion code instead;"
    yield "completion codes are the same in all versions.\n"
    yield "| error code | completion code |\n|---|---|"
    for error_code, completion_code in sorted(FALLBACKS.items()):
        yield f"| `{error_code}` | `{completion_code}` |"
    yield "\n## Formats of texts\n"
    yield "Where only the pattern of a text changed, texts pass as they are:\n"
    yield "| older | newer | why |\n|---|---|---|"
    for (old, new), reason in FORMATS.items():
        yield f"| {_pattern(old)} | {_pattern(new)} | {reason} |"
    yield "\n## Withdrawn messages\n"
    yield "Unless it says that one is still served, the commands are answered `unsupportedCommand`, and the"
    yield "events are not sent.\n"
    yield "| last in | message | instead |\n|---|---|---|"
    for (version, name), reason in sorted(WITHDRAWN.items()):
        yield f"| {version} | `{name}` | {reason} |"
    yield ""


def _pattern(pattern: str) -> str:
    """A pattern as a cell of a table, without what Markdown takes for a link or the cell's end."""
    shown = html.escape(pattern).replace("|", "&#124;").replace("](", "]&#40;").replace("*", "&#42;")
    return f"<code>{shown}</code>" if pattern else "any text"


def page() -> str:
    """The whole page: what is written by hand, and what is generated."""
    written, mark, _ = PAGE.read_text("utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"{PAGE.name} has no line {MARK.strip()!r}: it says where the generated part begins")
    text = [line for older in STEPS for line in step(older)]
    text += tables()
    return written + mark + "\n" + "\n".join(text).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(keep_current(PAGE, page()))
