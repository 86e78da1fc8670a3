"""How much of the standard was exercised, interface by interface and version by version.

What counts is what a version of the standard has; what its catalogue does not register, and what is left
out for a reason, does not. Reasons stand where they are true: in `never` of a handler, in `WITHDRAWN`
of the adapters, and for what else no device of ours can cause in `exercised_exceptions.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from exercised import Exercised
from traffic import catalogue
from xfs4iot.interfaces import MODULES, interface
from xfs4iot.protocol.adapters import SPECIFICATIONS, WITHDRAWN, canonical
from xfs4iot.protocol.adapters.changes import STILL_SERVED

__all__ = [
    "Left",
    "Row",
    "exceptions",
    "left_out",
    "rows",
    "short",
    "shortfalls",
    "table",
    "unfounded",
]

EXCEPTIONS = Path(__file__).parent / "exercised_exceptions.toml"
PAGES = Path(__file__).parents[1] / "docs" / "interfaces"
LEAST: Mapping[str, float] = {"commands": 100, "error codes": 95, "events": 98}
"""Per cent, of all interfaces of each version together."""
_KINDS = ("commands", "error codes", "events")
_HEAD = """# What was exercised

Everything that services send during the tests of `tests/wire` is held against the schemas of its version:
each acknowledge, event and completion. This is what was seen of what the standard has, over a real WebSocket:
commands that succeeded, error codes, events. Tests that are in `tests/older_clients.toml` run again with
clients of older versions. Written by `pytest tests/wire --exercised docs/exercised.md`; a run of all these
tests fails if there is less of any version than {least}, or less than this page says.

What is left out stands below, with the reason.
"""


@dataclass(frozen=True)
class Left:
    """Something of the standard that is not exercised.

    Attributes:
        version: of the standard.
        kind: "commands", "error codes" or "events".
        name: of the message, with the error code if it is one: `Check.GetTransactionStatus noMediaPresent`.
        reason: why.
        stated: it stands in the file of exceptions.
    """

    version: str
    kind: str
    name: str
    reason: str
    stated: bool = False


@dataclass
class Row:
    """What an interface has in a version, and what of it was seen; by kind."""

    interface: str
    version: str
    has: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in _KINDS})
    seen: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in _KINDS})

    @property
    def missing(self) -> Iterator[tuple[str, str]]:
        for kind in _KINDS:
            for name in sorted(self.has[kind] - self.seen[kind]):
                yield kind, name


def _of_standard(version: str) -> Iterator[tuple[str, str, str]]:
    """Interface, kind and name of all that a version has."""
    for interface_name, content in catalogue(version)["interfaces"].items():
        for short, command in content["commands"].items():
            if command.get("registered", True):
                name = f"{interface_name}.{short}"
                yield interface_name, "commands", name
                for code in command["completion"].get("errorCodes") or ():
                    yield interface_name, "error codes", f"{name} {code}"
        for short, event in content["events"].items():
            if event.get("registered", True):
                yield interface_name, "events", f"{interface_name}.{short}"


@cache
def _never() -> Mapping[str, str]:
    """The reason for each error code that a handler says is never given."""
    return {
        f"{mark.command} {code}": reason
        for name in MODULES
        for mark in interface(name).handled()
        for code, reason in mark.never.items()
    }


@cache
def _withdrawn() -> Mapping[tuple[str, str], str]:
    """The reason for each message that a version is not served with any more."""
    return {key: reason for key, reason in WITHDRAWN.items() if not reason.startswith(STILL_SERVED)}


def _last_with(name: str) -> str | None:
    return next((version for version, one in _withdrawn() if one == name), None)


@cache
def exceptions() -> tuple[Left, ...]:
    """What the file of exceptions lists."""
    content = tomllib.loads(EXCEPTIONS.read_text("utf-8"))
    return tuple(
        Left(version, one["kind"], name, one["reason"], stated=True)
        for one in content["exception"]
        for version in one["versions"]
        for name in one["names"]
    )


def _canonical(name: str) -> str:
    message, _, code = name.partition(" ")
    return f"{canonical(message)} {code}".strip()


@cache
def left_out() -> Mapping[tuple[str, str, str], Left]:
    """All that does not count, by version, kind and name."""
    found: dict[tuple[str, str, str], Left] = {}
    for version in SPECIFICATIONS:
        for _, kind, name in _of_standard(version):
            message = _canonical(name).partition(" ")[0]
            last = _last_with(message)
            reason = _never().get(_canonical(name))
            if last is not None and version <= last:
                reason = f"{message} was withdrawn: {_withdrawn()[last, message]}"
            if reason:
                found[version, kind, name] = Left(version, kind, name, reason)
    for one in exceptions():
        found[one.version, one.kind, one.name] = one
    return found


def unfounded(exercised: Exercised) -> Iterator[str]:
    """What is wrong with the exceptions: they name nothing, or something that was seen."""
    known = {version: {(kind, name) for _, kind, name in _of_standard(version)} for version in SPECIFICATIONS}
    for one in exceptions():
        if (one.kind, one.name) not in known.get(one.version, ()):
            yield f"{one.version} has no {one.name} among its {one.kind}: take it out of {EXCEPTIONS.name}"
    for (version, kind, name), one in left_out().items():
        if exercised.has_seen(version, kind, name):
            where = EXCEPTIONS.name if one.stated else "the reason that is given for it"
            yield f"{name} ({kind}, {version}) was seen: it must not be left out, see {where}"


def rows(exercised: Exercised) -> list[Row]:
    """One for each interface and version, in the order of the catalogue."""
    found: dict[tuple[str, str], Row] = {}
    for version in SPECIFICATIONS:
        for interface_name, kind, name in _of_standard(version):
            row = found.setdefault((interface_name, version), Row(interface_name, version))
            if (version, kind, name) not in left_out():
                row.has[kind].add(name)
                if exercised.has_seen(version, kind, name):
                    row.seen[kind].add(name)
    return sorted(found.values(), key=lambda row: (row.interface, row.version))


def _sums(found: list[Row], version: str, kind: str) -> tuple[int, int]:
    own = [row for row in found if row.version == version]
    return sum(len(row.seen[kind]) for row in own), sum(len(row.has[kind]) for row in own)


def _percent(seen: int, has: int) -> float:
    return 100 * seen / has if has else 100.0


def shortfalls(exercised: Exercised) -> Iterator[str]:
    """Where less was seen than there must be."""
    found = rows(exercised)
    for version in SPECIFICATIONS:
        for kind in _KINDS:
            seen, has = _sums(found, version, kind)
            if _percent(seen, has) < LEAST[kind]:
                missing = [
                    name
                    for row in found
                    if row.version == version
                    for one, name in row.missing
                    if one == kind
                ]
                yield (
                    f"{version}: {seen} of {has} {kind}, {_percent(seen, has):.1f} %, "
                    f"wanted are {LEAST[kind]:g} %; not seen: {', '.join(missing)}"
                )


def table(exercised: Exercised) -> str:
    """What was seen, as Markdown."""
    return "\n".join(_lines(rows(exercised))) + "\n"


def short(exercised: Exercised) -> str:
    """The same for a terminal, without what was not seen and what is left out."""
    found = rows(exercised)
    lines = [f"{exercised.messages} messages, each valid by the schemas of its version"]
    heads = "".join(f"{version + ' ' + kind:>22}" for version in SPECIFICATIONS for kind in _KINDS)
    lines.append(f"{'':24}{heads}")
    by_name = {(row.interface, row.version): row for row in found}
    for name in sorted({row.interface for row in found}):
        cells = [
            _cell(len(row.seen[kind]), len(row.has[kind])) if (row := by_name.get((name, version))) else ""
            for version in SPECIFICATIONS
            for kind in _KINDS
        ]
        lines.append(f"{name:24}" + "".join(f"{cell:>22}" for cell in cells))
    sums = [_sums(found, version, kind) for version in SPECIFICATIONS for kind in _KINDS]
    lines.append(f"{'per cent':24}" + "".join(f"{_percent(*one):>22.1f}" for one in sums))
    return "\n".join(lines)


def _cell(seen: int, has: int) -> str:
    return f"{seen} of {has}" if has else ""


def _lines(found: list[Row]) -> Iterator[str]:
    least = ", ".join(f"{percent:g} % of {kind}" for kind, percent in LEAST.items())
    yield _HEAD.format(least=least)
    columns = [(version, kind) for version in SPECIFICATIONS for kind in _KINDS]
    yield "| | " + " | ".join(f"{version} {kind}" for version, kind in columns) + " |"
    yield "|---|" + "---|" * len(columns)
    by_name = {(row.interface, row.version): row for row in found}
    for name in sorted({row.interface for row in found}):
        cells = []
        for version, kind in columns:
            row = by_name.get((name, version))
            cells.append(_cell(len(row.seen[kind]), len(row.has[kind])) if row else "")
        page = MODULES.get(name, "service_publisher").rpartition(".")[2]
        shown = f"[{name}](interfaces/{page}.md)" if (PAGES / f"{page}.md").exists() else name
        yield f"| {shown} | " + " | ".join(cells) + " |"
    sums = [_sums(found, version, kind) for version, kind in columns]
    yield "| **all** | " + " | ".join(f"**{_cell(*one)}**" for one in sums) + " |"
    yield "| **per cent** | " + " | ".join(f"**{_percent(*one):.1f}**" for one in sums) + " |"
    yield "\n## Not seen\n"
    missing: dict[tuple[str, str], list[str]] = {}
    for row in found:
        for kind, name in row.missing:
            missing.setdefault((kind, name), []).append(row.version)
    yield from (_missing_lines(missing) if missing else ["Nothing."])
    yield "\n## Left out, with the reason\n"
    yield "| what | versions | why |"
    yield "|---|---|---|"
    grouped: dict[tuple[str, str], list[str]] = {}
    for one in left_out().values():
        grouped.setdefault((one.name, one.reason), []).append(one.version)
    for (name, reason), versions in sorted(grouped.items()):
        yield f"| {_shown(name)} | {', '.join(versions)} | {reason} |"


def _missing_lines(missing: Mapping[tuple[str, str], list[str]]) -> Iterator[str]:
    yield "| what | versions |"
    yield "|---|---|"
    for (_, name), versions in sorted(missing.items(), key=lambda one: one[0][1]):
        yield f"| {_shown(name)} | {', '.join(versions)} |"


def _shown(name: str) -> str:
    message, _, code = name.partition(" ")
    return f"{message} `{code}`" if code else message
