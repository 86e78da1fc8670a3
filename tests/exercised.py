"""What was exercised: each command in each version, and how it ended; see the option --exercised."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from traffic import catalogue
from xfs4iot.protocol.adapters import SPECIFICATIONS, spelling
from xfs4iot.protocol.adapters import canonical as canonical_name

__all__ = ["record", "table"]

_outcomes: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
_HEAD = """# What was exercised

Every command of every version, requested by a payload made from that version's schema, of the simulated
ATM as it is: each acknowledge, event and completion was valid by that version's schemas. The cells say
how the commands ended, and how often; `·` stands for a command that the device does not offer,
answered `unsupportedCommand` in the client's own version; an empty cell for a version without it.

Written by `pytest tests/wire/test_versions.py --exercised docs/exercised.md`.
"""


_SUMMARY: dict[str, Callable[[dict[str, int]], int]] = {
    "commands that the version has": bool,
    "of these, the device offers": lambda outcomes: set(outcomes) != {"unsupportedCommand"},
    "of these, succeeded at least once": lambda outcomes: "success" in outcomes,
    "requests sent": lambda outcomes: sum(outcomes.values()),
}


def record(version: str, name: str, outcome: str) -> None:
    """Remember how a command of a version ended."""
    _outcomes[canonical_name(name), version][outcome] += 1


def table() -> str:
    """Command by version, as Markdown; served commands first in each interface's section."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "| | " + " | ".join(SPECIFICATIONS) + " |"
    yield "|---|" + "---|" * len(SPECIFICATIONS)
    for text, counts in _SUMMARY.items():
        found = [[dict(one) for (_, own), one in _outcomes.items() if own == v] for v in SPECIFICATIONS]
        yield f"| {text} | " + " | ".join(str(sum(map(counts, one))) for one in found) + " |"
    yield ""
    interfaces = sorted({name.partition(".")[0] for name, _ in _outcomes})
    for interface in interfaces:
        yield f"## {interface}\n"
        yield "| command | " + " | ".join(SPECIFICATIONS) + " |"
        yield "|---|" + "---|" * len(SPECIFICATIONS)
        for name in sorted({name for name, _ in _outcomes if name.startswith(f"{interface}.")}):
            yield f"| {name.partition('.')[2]} | " + " | ".join(_cell(name, v) for v in SPECIFICATIONS) + " |"
        yield ""


def _cell(name: str, version: str) -> str:
    interface, _, short = spelling(name, version).partition(".")
    if short not in catalogue(version)["interfaces"].get(interface, {"commands": ()})["commands"]:
        return ""
    outcomes = _outcomes[name, version]
    if set(outcomes) == {"unsupportedCommand"}:
        return "·"
    return ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common()) or "not exercised"
