"""Writes the tables of docs/keys.md: by which ways keys of each kind come, and what they permit then.

    python tools/generate_key_table.py            write them
    python tools/generate_key_table.py --check    fail if they are not what would be written

The members are those of the catalogue, the ways and what they bring those of `interfaces/keys/ways_in.py`,
what is permitted follows from `interfaces/keys/purposes.py`, and the kinds are those of the simulated device.
"""

from __future__ import annotations

import json
import re
import string
import sys
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from current import between_marks, keep_current

from xfs4iot.devices import KeyKind
from xfs4iot.interfaces.keys import purposes, ways_in
from xfs4iot.interfaces.keys.purposes import Purpose
from xfs4iot.simulator.key_management import SimulatedKeyManagement

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "keys.md"
CATALOGUE = ROOT / "python" / "xfs4iot" / "protocol" / "catalogue" / "2024-3.json"

IN_HEADERS = (("key block", ways_in.BY_KEY_BLOCK), ("token", ways_in.BY_TOKEN))
"""Ways on which the header of a key block says what a key is for."""
IN_REQUESTS = (
    ("under a key", ways_in.BY_SYMMETRIC),
    ("by RSA", ways_in.BY_RSA),
    ("in parts", ways_in.BY_PARTS),
    ("in the clear", ways_in.IN_THE_CLEAR),
)
"""Ways on which `keyAttributes` of ImportKey say it."""
PURPOSES = tuple(one for one in vars(purposes).values() if isinstance(one, Purpose))


def properties(command: str, *path: str) -> dict[str, str]:
    """The patterns of a property's own properties, by their names."""
    found: Any = json.loads(CATALOGUE.read_text("utf-8"))["interfaces"]["KeyManagement"]["commands"][command]
    for step in path:
        found = found[step]
    return {name: one["pattern"] for name, one in found["properties"].items() if "pattern" in one}


DETAIL = properties(
    "GetKeyDetail", "completion", "payload", "properties", "keyDetails", "additionalProperties",
    "properties", "keyBlockInfo",
)  # fmt: skip
REQUEST = properties("ImportKey", "payload", "properties", "keyAttributes")


def members(pattern: str) -> list[str]:
    """What fits a pattern of one or two characters; of a vendor's own digits none."""
    letters = string.ascii_uppercase
    candidates = [*letters, *(letter + digit for letter, digit in product(letters, string.digits))]
    return [one for one in candidates if re.match(pattern, one)]


USAGES = members(DETAIL["keyUsage"])
ALGORITHMS = members(DETAIL["algorithm"])
MODES = members(DETAIL["modeOfUse"])
IN_REQUEST = frozenset(members(REQUEST["algorithm"])), frozenset(members(REQUEST["modeOfUse"]))


def ways(kind: KeyKind) -> Iterator[str]:
    """By which ways a key of this kind comes into the simulated device."""
    device = SimulatedKeyManagement
    if kind in device.importable:
        yield from (text for text, way in IN_HEADERS if way.brings(kind))
        usage, algorithm, mode = kind
        if algorithm in IN_REQUEST[0] and mode in IN_REQUEST[1]:
            for text, way in IN_REQUESTS:
                # Start values that are merely encrypted could be any key, cut into pieces.
                if way.brings(kind) and not (usage == "I0" and way is ways_in.BY_RSA):
                    yield text + (" (restricted to I0)" if usage == "I0" and text == "under a key" else "")
        if ways_in.BY_EMV.brings(kind):
            yield "of a card scheme"
    if kind in device.key_pairs:
        yield "made inside"


def permitted(usage: str, modes: Iterable[str]) -> str:
    """What keys of this usage may do, and in which of these modes of use."""
    found = [
        (one.text, "".join(mode for mode in modes if one.allows_mode(usage, mode)))
        for one in PURPOSES
        if one.allows_usage(usage)
    ]
    by_itself = {"I": "be a start value", "E": "verify keys of card schemes, inside"}.get(usage[0], "-")
    return "; ".join(f"{text} ({allowed})" for text, allowed in found if allowed) or by_itself


def by_usage() -> Iterator[str]:
    """A row for each usage, and for each of its kinds that come by other ways."""
    yield "| usage | algorithms | modes of use | comes | may |"
    yield "|---|---|---|---|---|"
    absent = []
    for usage in USAGES:
        rows: dict[tuple[str, str], str] = {}
        for algorithm in ALGORITHMS:
            by_ways: dict[str, str] = {}
            for mode in MODES:
                how = ", ".join(ways((usage, algorithm, mode)))
                if how:
                    by_ways[how] = by_ways.get(how, "") + mode
            for how, modes in by_ways.items():
                rows[modes, how] = rows.get((modes, how), "") + algorithm
        if not rows:
            absent.append(usage)
        for (modes, how), algorithms in rows.items():
            yield f"| {usage} | {algorithms} | {modes} | {how} | {permitted(usage, modes)} |"
    yield ""
    yield f"The simulated device takes no keys of the usages {', '.join(absent)}."


def by_letter(title: str, letters: list[str], place: int) -> Iterator[str]:
    """A row for each algorithm or mode of use: with which usages it comes, and by which ways."""
    yield f"| {title} | usages | comes |"
    yield "|---|---|---|"
    for letter in letters:
        found = [
            kind for kind in product(USAGES, ALGORITHMS, MODES) if kind[place] == letter and any(ways(kind))
        ]
        usages = dict.fromkeys(usage for usage, *_ in found)
        how = dict.fromkeys(way.partition(" (")[0] for kind in found for way in ways(kind))
        yield f"| {letter} | {', '.join(usages) or 'none'} | {', '.join(how) or '-'} |"


def tables() -> Iterator[str]:
    """What is between the marks."""
    yield from by_usage()
    yield ""
    yield from by_letter("algorithm", ALGORITHMS, 1)
    yield ""
    yield from by_letter("mode of use", MODES, 2)


if __name__ == "__main__":
    sys.exit(keep_current(TARGET, between_marks(TARGET.read_text("utf-8"), tables())))
