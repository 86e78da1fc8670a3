"""Every row of docs/robustness.md names a test, and each test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "robustness.md"


def rows() -> list[str]:
    lines = TABLE.read_text("utf-8").splitlines()
    found = [line for line in lines if line.startswith("|")]
    heads = [index for index, line in enumerate(found) if re.fullmatch(r"[|-]+", line)]
    return [line for index, line in enumerate(found) if index not in heads and index + 1 not in heads]


def test_every_row_names_a_test_that_exists() -> None:
    defined: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"^(?:async )?def (test_\w+)", file.read_text("utf-8"), re.M))
    assert len(rows()) > 40
    for row in rows():
        assert re.findall(r"`(test_\w+)`", row.rsplit("|", 2)[1]), row
    named = set(re.findall(r"`(test_\w+)`", TABLE.read_text("utf-8")))
    assert named <= defined, named - defined
