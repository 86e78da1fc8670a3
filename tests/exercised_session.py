"""A session of pytest that ran all of tests/wire fails if too little of the standard was seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import exercised_table
from exercised import Exercised

__all__ = ["ExercisedSession"]

WIRE = Path(__file__).parent / "wire"
PAGE = Path(__file__).parents[1] / "docs" / "exercised.md"
_LEAST_BY_CHANCE, _PART_BY_CHANCE = 3, 0.1
"""What random traffic reaches in one run and not in another: so many of an interface, or that part."""
_CELL = re.compile(r"(\d+) of (\d+)")


class ExercisedSession:
    """Looks at what tests of tests/wire exercise, and says at the end whether that is enough."""

    def __init__(self) -> None:
        self.exercised = Exercised()
        self._files: set[Path] = set()
        self._waiting: set[str] = set()
        self._whole = False
        self._seconds = 0.0

    def collected(self, config: pytest.Config, items: Iterable[pytest.Item]) -> None:
        """Know what is going to run."""
        own = [item for item in items if WIRE in item.path.parents]
        self._waiting = {item.nodeid for item in own}
        files = {item.path for item in own}
        parts = any("::" in argument for argument in config.args)
        self._whole = not parts and files == set(WIRE.rglob("test_*.py"))

    def deselected(self, items: Iterable[pytest.Item]) -> None:
        """Know that something is not going to run."""
        self._whole &= not any(WIRE in item.path.parents for item in items)

    def begins(self, item: pytest.Item) -> None:
        """Look at what this test exercises, if it is one of tests/wire."""
        self.exercised.begin(WIRE in item.path.parents)

    def ended(self, item: pytest.Item) -> list[str]:
        """What is wrong with what services sent in this test."""
        self._waiting.discard(item.nodeid)
        return self.exercised.wrong()

    @property
    def whole(self) -> bool:
        """Whether all tests of tests/wire have run."""
        return self._whole and not self._waiting

    def faults(self) -> list[str]:
        """What the session fails for; nothing unless all of tests/wire has run."""
        if not self.whole:
            return []
        found = [*exercised_table.unfounded(self.exercised), *exercised_table.shortfalls(self.exercised)]
        return [*found, *self._overstated()]

    def _overstated(self) -> Iterator[str]:
        """What the page says was seen, and was not."""
        now = dict(_claims(exercised_table.table(self.exercised)))
        for name, claimed in _claims(PAGE.read_text("utf-8")):
            if any(
                less < more - max(_LEAST_BY_CHANCE, _PART_BY_CHANCE * more)
                for less, more in zip(now.get(name, ()), claimed, strict=False)
            ):
                yield f"docs/{PAGE.name} claims more of {name} than was seen: write it anew by --exercised"


def _claims(page: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """How much was seen of each interface, in the order of the columns."""
    for line in page.splitlines():
        if named := re.match(r"\| \[?(\w+)\b", line):
            cells = [_CELL.search(cell) for cell in line.split("|")[2:-1]]
            if not any(cells):
                continue
            yield named[1], tuple(int(cell[1]) if cell else 0 for cell in cells)
