"""Denomination against an enumeration of every set of items, on cases small enough for that."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfs4iot.denominate import (
    DenominateError,
    MixRow,
    MixTable,
    NotDispensable,
    TooManyItems,
    Unit,
    denominate,
    nearest,
)

type_of_counts = tuple[int, ...]


@st.composite
def cassettes(draw: st.DrawFn, most: int = 4, count: int = 4, limits: bool = True) -> list[Unit]:
    units = []
    for place in range(draw(st.integers(1, most))):
        held = draw(st.integers(0, count))
        low = draw(st.sampled_from([0, 0, 0, 1])) if limits and held else 0
        high = draw(st.sampled_from([None, None, None, max(1, held - 1)])) if limits else None
        value = draw(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 10, 20, 50]))
        units.append(Unit(f"U{place}", "EUR", value, held, low, high))
    return units


def limits(unit: Unit) -> tuple[int, int]:
    return unit.minimum, unit.count if unit.maximum is None else min(unit.count, unit.maximum)


def worth(units: Sequence[Unit], counts: Sequence[int]) -> Decimal:
    return sum((unit.value * count for unit, count in zip(units, counts, strict=True)), Decimal(0))


def all_ways(units: Sequence[Unit], amount: Decimal | int) -> Iterator[type_of_counts]:
    ranges = [range(low, high + 1) for low, high in map(limits, units)]
    return (counts for counts in itertools.product(*ranges) if worth(units, counts) == amount)


def by_value(units: Sequence[Unit], counts: Sequence[int]) -> list[int]:
    """Items by value, the largest value first."""
    values = sorted({unit.value for unit in units}, reverse=True)
    return [
        sum(count for unit, count in zip(units, counts, strict=True) if unit.value == value)
        for value in values
    ]


def tie_key(units: Sequence[Unit], counts: Sequence[int]) -> tuple[int, list[int]]:
    return sum(counts), [-count for count in by_value(units, counts)]


def answer(units: Sequence[Unit], values: Mapping[str, int]) -> type_of_counts:
    return tuple(values.get(unit.id, 0) for unit in units)


def expected_error(ways: list[type_of_counts], max_items: int | None) -> type[DenominateError] | None:
    if not ways:
        return NotDispensable
    if max_items is not None and min(map(sum, ways)) > max_items:
        return TooManyItems
    return None


ROW = st.dictionaries(st.sampled_from([5, 10, 20, 50]), st.integers(1, 4), min_size=1)
HELD = st.tuples(st.integers(1, 9), st.integers(0, 2), st.integers(0, 9))
AMOUNTS = st.integers(1, 160)
LIMIT = st.none() | st.integers(0, 12)


@settings(max_examples=600, deadline=None)
@given(cassettes(), AMOUNTS, LIMIT)
def test_minimum_bills_is_the_fewest_items_and_larger_values_first(
    units: list[Unit], amount: int, max_items: int | None
) -> None:
    ways = list(all_ways(units, amount))
    if wrong := expected_error(ways, max_items):
        with pytest.raises(wrong):
            denominate(amount, units, max_items=max_items)
        return
    found = denominate(amount, units, max_items=max_items)
    counts = answer(units, found.values)
    assert counts in ways
    assert found.items == sum(counts)
    assert tie_key(units, counts) == min(tie_key(units, way) for way in ways)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=4),
    st.data(),
)
def test_items_of_one_value_come_from_the_unit_whose_share_is_then_smallest(
    held: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    units = [
        Unit(f"U{place}", "EUR", 10, count, min(low, count), max(min(low, count), high))
        for place, (count, low, high) in enumerate(held)
    ]
    ranges = [limits(unit) for unit in units]
    total = data.draw(st.integers(sum(low for low, _ in ranges), sum(high for _, high in ranges)))
    counts = [low for low, _ in ranges]
    for _ in range(total - sum(counts)):
        able = [place for place, (_, high) in enumerate(ranges) if counts[place] < high]
        counts[min(able, key=lambda place: Fraction(counts[place] + 1, units[place].count))] += 1
    assert answer(units, denominate(10 * total, units).values) == tuple(counts)


def emptying(units: Sequence[Unit], counts: Sequence[int]) -> Fraction:
    """The largest share of a unit that gives more than it must."""
    return max(
        (
            Fraction(count, unit.count)
            for unit, count in zip(units, counts, strict=True)
            if count > unit.minimum
        ),
        default=Fraction(0),
    )


def evenness(units: Sequence[Unit], counts: Sequence[int], amount: int, most: Fraction) -> Fraction:
    """The smallest share of a unit that could give more."""
    shares = [
        Fraction(count, unit.count)
        for unit, count in zip(units, counts, strict=True)
        if unit.value <= amount
        and limits(unit)[1] > 0
        and count < max(unit.minimum, min(limits(unit)[1], math.floor(most * unit.count)))
    ]
    return min(shares, default=Fraction(2))


@settings(max_examples=600, deadline=None)
@given(cassettes(count=6), AMOUNTS, LIMIT)
def test_equal_emptying_is_the_most_even_of_all_ways(
    units: list[Unit], amount: int, max_items: int | None
) -> None:
    ways = list(all_ways(units, amount))
    if wrong := expected_error(ways, max_items):
        with pytest.raises(wrong):
            denominate(amount, units, mix="equalEmptying", max_items=max_items)
        return
    ways = [way for way in ways if max_items is None or sum(way) <= max_items]
    counts = answer(units, denominate(amount, units, mix="equalEmptying", max_items=max_items).values)
    assert counts in ways
    most = min(emptying(units, way) for way in ways)
    assert emptying(units, counts) == most
    ways = [way for way in ways if emptying(units, way) == most]
    least = max(evenness(units, way, amount, most) for way in ways)
    assert evenness(units, counts, amount, most) == least
    ways = [way for way in ways if evenness(units, way, amount, most) == least]
    assert tie_key(units, counts) == min(tie_key(units, way) for way in ways)


@settings(max_examples=600, deadline=None)
@given(cassettes(most=5, count=3), AMOUNTS, LIMIT)
def test_max_cash_units_takes_from_the_most_units(
    units: list[Unit], amount: int, max_items: int | None
) -> None:
    def key(counts: Sequence[int]) -> tuple[int, int, list[int]]:
        return -sum(count > 0 for count in counts), *tie_key(units, counts)

    ways = list(all_ways(units, amount))
    if wrong := expected_error(ways, max_items):
        with pytest.raises(wrong):
            denominate(amount, units, mix="maxCashUnits", max_items=max_items)
        return
    counts = answer(units, denominate(amount, units, mix="maxCashUnits", max_items=max_items).values)
    assert counts in ways
    assert key(counts) == min(key(way) for way in ways if max_items is None or sum(way) <= max_items)


@settings(max_examples=300, deadline=None)
@given(cassettes(limits=False), AMOUNTS, st.data())
def test_partial_counts_are_contained_whenever_any_set_contains_them(
    units: list[Unit], amount: int, data: st.DataObject
) -> None:
    partial = {unit.id: data.draw(st.integers(0, min(2, unit.count))) for unit in units}
    ways = [
        way
        for way in all_ways(units, amount)
        if all(count >= partial[unit.id] for unit, count in zip(units, way, strict=True))
    ]
    if not ways:
        with pytest.raises(NotDispensable):
            denominate(amount, units, partial=partial)
        return
    counts = answer(units, denominate(amount, units, partial=partial).values)
    assert counts in ways
    assert tie_key(units, counts) == min(tie_key(units, way) for way in ways)


@settings(max_examples=300, deadline=None)
@given(cassettes(limits=False), st.integers(1, 200), st.none() | st.integers(1, 9))
def test_nearest_amounts_are_the_next_dispensable_ones(
    units: list[Unit], amount: int, max_items: int | None
) -> None:
    ranges = [range(unit.count + 1) for unit in units]
    sums = {
        int(worth(units, counts))
        for counts in itertools.product(*ranges)
        if max_items is None or sum(counts) <= max_items
    } - {0}
    below, above = nearest(amount, units, max_items=max_items)
    assert below == max((one for one in sums if one <= amount), default=None)
    assert above == min((one for one in sums if one >= amount), default=None)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from([5, 10, 20, 50]), st.integers(1, 4), min_size=1),
        min_size=1,
        max_size=5,
    ),
    cassettes(limits=False),
)
def test_a_mix_table_gives_the_first_row_that_the_units_can_pay(
    rows: list[dict[int, int]], units: list[Unit]
) -> None:
    amount = sum(value * count for value, count in rows[0].items())
    table = MixTable([MixRow(sum(value * count for value, count in row.items()), row) for row in rows])
    held: dict[Decimal, int] = {}
    for unit in units:
        held[unit.value] = held.get(unit.value, 0) + unit.count
    fitting = [row for row in rows if sum(value * count for value, count in row.items()) == amount]
    payable = [
        row for row in fitting if all(held.get(Decimal(value), 0) >= count for value, count in row.items())
    ]
    if not payable:
        with pytest.raises(NotDispensable):
            denominate(amount, units, mix=table)
        return
    found = denominate(amount, units, mix=table)
    given_out: dict[int, int] = {}
    for unit in units:
        given_out[int(unit.value)] = given_out.get(int(unit.value), 0) + found.values.get(unit.id, 0)
    assert {value: count for value, count in given_out.items() if count} == payable[0]
