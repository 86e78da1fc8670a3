"""Pairs of commands of two recordings: right, least, and found in a time that grows with the differences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfs4iot.recording import pairing
from xfs4iot.recording.pairing import Pair, pairs

NAMES = st.lists(st.sampled_from("abc"), max_size=12)


def check(names: list[str], others: list[str], found: list[Pair]) -> None:
    assert sorted(i for i, _ in found if i is not None) == list(range(len(names)))
    assert sorted(j for _, j in found if j is not None) == list(range(len(others)))
    assert all(names[i] == others[j] for i, j in found if i is not None and j is not None)


def longest_common(names: list[str], others: list[str]) -> int:
    row = [0] * (len(others) + 1)
    for name in names:
        before = 0
        for place, other in enumerate(others, 1):
            before, row[place] = row[place], before + 1 if name == other else max(row[place], row[place - 1])
    return row[-1]


@given(NAMES, NAMES)
def test_as_many_as_can_be_are_paired_in_order(names: list[str], others: list[str]) -> None:
    found = pairs(names, others)
    check(names, others, found)
    both = [(i, j) for i, j in found if i is not None and j is not None]
    assert both == sorted(both)
    assert [j for _, j in both] == sorted(j for _, j in both)
    assert len(both) == longest_common(names, others)


@given(NAMES, NAMES)
def test_with_too_many_differences_the_nth_of_each_name_are_paired(
    names: list[str], others: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairing, "_MOST_EDITS", 0)
        check(names, others, pairs(names, others))


@pytest.mark.timeout(60)
def test_days_are_compared_as_fast_as_they_are_alike() -> None:
    day = ["Common.Status", "CashDispenser.Denominate", "Common.Status"] * 10_000
    other = [*day[:5000], "CashDispenser.Reset", *day[5000:20_000], *day[20_001:]]
    assert len([one for one in pairs(day, other) if None in one]) == 2
    assert len(pairs(day, ["x", "Common.Status", "y"] * 10_000)) == 50_000
