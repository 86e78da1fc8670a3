"""Framing, envelope and replies beside their yardsticks: `pytest benches/test_framing.py`."""

from __future__ import annotations

from typing import Any

import pytest
from framing import Row, rows

CASES = [
    pytest.param(row, contender, id=f"{row.what}, {name}")
    for row in rows()
    for name, contender in (("ours", row.ours), (row.against, row.theirs))
]


@pytest.mark.parametrize(("row", "contender"), CASES)
def test_framing(benchmark: Any, row: Row, contender: Any) -> None:
    benchmark.group = row.what
    benchmark(contender)
