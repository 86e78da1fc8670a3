"""Tests that run again with clients of an older version, and what they show of it.

A test is written for the newest version. The rows of older_clients.toml say which tests run again with
clients of which older version, and what of that version each shows: a command that succeeds, an error code,
an event. The steps are the same, said in that version's words (see `spoken`). A row whose test does not show
it fails.

For an interface that is new, or a test that has changed, `pytest tests/wire/... --older` runs tests with
clients of older versions only, and prints rows for what docs/exercised.md has among what was not seen. A test
that looks at what only the newest version says fails then, and is no row.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from json import dumps
from pathlib import Path
from typing import Any, cast

import pytest

from dialogue import Dialogue
from exercised import Exercised
from older import OLDER
from spoken import spoken
from xfs4iot.protocol.adapters import NEWEST

__all__ = ["OlderClients", "version_of"]

_ROWS = Path(__file__).with_suffix(".toml")
_WIRE = Path(__file__).parent / "wire"
_PAGE = Path(__file__).parents[1] / "docs" / "exercised.md"
_PATIENCE = 5
_NOT_SEEN = re.compile(r"\| (\S+)(?: `(\w+)`)? \| ([\d, -]+) \|")
_Rows = Mapping[str, Mapping[str, Mapping[str, list[str]]]]
"""What is shown, by version, file below tests/wire, and test."""


def version_of(item: pytest.Item) -> str:
    """The version that a test's clients speak."""
    call = getattr(item, "callspec", None)
    return NEWEST if call is None else cast("str", call.params.get("speaks", NEWEST))


def _file(path: Path) -> str:
    return path.relative_to(_WIRE).as_posix() if _WIRE in path.parents else ""


def _name(item: pytest.Item) -> str:
    """The name of a test without the version that its clients speak."""
    version = version_of(item)
    if version == NEWEST:
        return item.name
    return re.sub(rf"\[{version}\]$", "", item.name).replace(f"[{version}-", "[", 1)


class OlderClients:
    """Lets tests run again with clients of older versions.

    Args:
        exercised: what is seen.
        only: every test, with clients of older versions only; else the rows' tests, beside all others.
    """

    def __init__(self, exercised: Exercised, only: bool) -> None:
        self._exercised = exercised
        self._only = only
        self._rows: _Rows = tomllib.loads(_ROWS.read_text("utf-8"))
        self._collected: set[tuple[str, str, str]] = set()
        self._shown: dict[tuple[str, str, str], tuple[set[str], float]] = {}
        if only:
            exercised.afresh = True
            Dialogue.patience = _PATIENCE

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        file, function = _file(metafunc.definition.path), metafunc.function.__name__
        versions: Iterable[Any] = OLDER
        if not self._only:
            versions = [version for version in OLDER if self._runs_again(version, file, function)]
            versions = versions and [pytest.param(NEWEST, id=pytest.HIDDEN_PARAM), *versions]
        if file and versions:
            metafunc.parametrize("speaks", versions, indirect=True)

    def _runs_again(self, version: str, file: str, function: str) -> bool:
        return any(name.partition("[")[0] == function for name in self._rows.get(version, {}).get(file, ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [
            item for item in items if self._only or version_of(item) == NEWEST or self._row(item) is not None
        ]
        self._collected = {(version_of(item), _file(item.path), _name(item)) for item in items}

    def _row(self, item: pytest.Item) -> list[str] | None:
        return self._rows.get(version_of(item), {}).get(_file(item.path), {}).get(_name(item))

    def ended(self, item: pytest.Item, seconds: float) -> list[str]:
        """What the row of a test that has passed says that it shows, and it does not."""
        version = version_of(item)
        if self._only:
            # What a test of older clients shows needs no row: it runs anyway.
            if not spoken.otherwise:
                shown = {name for one, name in self._exercised.shown if one == version}
                self._shown[version, _file(item.path), _name(item)] = shown, seconds
            return []
        claims = self._row(item) or () if version != NEWEST else ()
        return [
            f"{version}: it does not show {what}, as {_ROWS.name} says"
            for what in claims
            if not any(self._exercised.has_seen(version, kind, what) for kind in ("commands", "events"))
        ]

    def unknown(self) -> Iterator[str]:
        """Rows that name no test, after all were collected."""
        for version, files in self._rows.items():
            for file, tests in files.items():
                for name in tests:
                    if (version, file, name) not in self._collected:
                        yield f"{_ROWS.name}: there is no test {file}::{name} for clients of {version}"

    def rows(self) -> Iterator[str]:
        """Rows for what was not seen before: the tests that show most of it, in the least time."""
        for version in OLDER:
            missing = _not_seen(version)
            chosen: dict[str, dict[str, list[str]]] = {}
            tests = {key: one for key, one in self._shown.items() if key[0] == version}
            while tests:
                best = max(tests, key=lambda key: (len(tests[key][0] & missing), -tests[key][1]))
                if not (found := tests[best][0] & missing):
                    break
                chosen.setdefault(best[1], {})[best[2]] = sorted(found)
                missing -= found
            for file in sorted(chosen):
                yield f'["{version}"."{file}"]'
                for name, shown in sorted(chosen[file].items()):
                    yield f"{dumps(name)} = {dumps(shown)}"
                yield ""


def _not_seen(version: str) -> set[str]:
    """What the page says was not seen."""
    page = _PAGE.read_text("utf-8").partition("\n## Not seen\n")[2].partition("\n## ")[0]
    return {
        f"{found[1]} {found[2] or ''}".strip()
        for line in page.splitlines()
        if (found := _NOT_SEEN.match(line)) and version in found[3].split(", ")
    }
