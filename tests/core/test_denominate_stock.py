"""A stock, whose units are read once, answers as the function does that reads them with each call."""

from __future__ import annotations

import gc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfs4iot.denominate import (
    DenominateError,
    Denomination,
    InvalidDenomination,
    MixTable,
    Stock,
    Unit,
    denominate,
)

TABLE = MixTable([(60, {50: 1, 10: 1}), (60, {20: 3}), (70, {50: 1, 20: 1})])
UNITS = [Unit("CASS1", "EUR", 50, 2), Unit("CASS2", "EUR", 20, 5), Unit("CASS3", "EUR", 10, 1)]


def told(call: Callable[[], Denomination]) -> Any:
    """The answer, with its items by unit in their order; or the error and what it says."""
    try:
        answer = call()
    except (DenominateError, TypeError, ValueError) as error:
        return type(error), str(error)
    return answer, list(answer.values.items()), answer.items, answer.amounts, answer.mix


@st.composite
def stocked(draw: st.DrawFn) -> list[Unit]:
    several = draw(st.booleans())
    return [
        Unit(
            f"U {place}",
            draw(st.sampled_from(["EUR", "USD"])) if several else "EUR",
            draw(st.sampled_from([1, 2, 5, 10, 20, 50, Decimal("0.5")])),
            draw(st.integers(0, 6)),
            draw(st.sampled_from([0, 0, 0, 1])),
            draw(st.sampled_from([None, None, 2])),
        )
        for place in range(draw(st.integers(0, 10)))
    ]


AMOUNT = st.integers(-1, 200) | st.sampled_from([Decimal("1.5"), Decimal("0.001"), 10**30, 1.5, "12", None])
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "mix": st.sampled_from(["minimumBills", "equalEmptying", "maxCashUnits", TABLE, "none", 1]),
        "max_items": st.sampled_from([None, 0, 3, 40, -1]),
        "partial": st.dictionaries(st.sampled_from(["U 0", "U 1", "U 9", "V"]), st.integers(-1, 3))
        | st.sampled_from([None, 1]),
        "work_limit": st.sampled_from([None, 1, 10_000]),
    },
)


@settings(max_examples=400, deadline=None)
@given(stocked(), AMOUNT | st.dictionaries(st.sampled_from(["EUR", "USD", "GBP", "X"]), AMOUNT), ASKED)
def test_a_stock_answers_as_the_function_does(units: list[Unit], amounts: Any, asked: Any) -> None:
    stock = Stock(units)
    expected = told(lambda: denominate(amounts, units, **asked))
    assert told(lambda: stock.denominate(amounts, **asked)) == expected
    # What was contained in one answer is of no matter to the next.
    assert told(lambda: stock.denominate(amounts)) == told(lambda: denominate(amounts, units))


def test_a_stock_takes_what_the_function_takes_for_units() -> None:
    assert Stock(iter(UNITS)).denominate(130).values == {"CASS1": 2, "CASS2": 1, "CASS3": 1}
    with pytest.raises(InvalidDenomination, match="65 units; at most 64"):
        Stock(Unit(f"U{place}", "EUR", 1, 1) for place in range(65))
    with pytest.raises(InvalidDenomination, match="two units are called 'U'"):
        Stock([Unit("U", "EUR", 1, 1), Unit("U", "EUR", 2, 1)])
    with pytest.raises(TypeError, match="units are of type Unit"):
        Stock([1])  # type: ignore[list-item]


def test_names_are_plain_only_where_requests_from_the_wire_name_them() -> None:
    odd = [Unit("the first", "EUR", 50, 2)]
    assert Stock(odd).denominate(50).values == {"the first": 1}
    assert Stock(odd).answer(b"{}", None, False) is None
    with pytest.raises(ValueError, match="letters and digits"):
        Stock(odd, {"mix1": "minimumBills"})


def test_a_stock_is_as_it_was_when_the_list_of_units_changes() -> None:
    units = list(UNITS)
    stock = Stock(units)
    units.clear()
    assert stock.denominate(100).values == {"CASS1": 2}


class Restless:
    """Equal to the name of a unit; changes what it is a key of when that is asked."""

    def __init__(self, change: Callable[[dict[Any, int]], None]) -> None:
        self.change = change
        self.of: dict[Any, int] = {}

    def __hash__(self) -> int:
        return hash("CASS1")

    def __eq__(self, other: object) -> bool:
        self.change(self.of)
        return other == "CASS1"


@pytest.mark.parametrize("change", [lambda of: of.update(CASS2=1, CASS3=1), lambda of: of.clear()])
def test_a_mapping_that_changes_while_it_is_read_is_an_error(change: Any) -> None:
    for ask in (Stock(UNITS).denominate, lambda amount, partial: denominate(amount, UNITS, partial=partial)):
        key = Restless(change)
        key.of[key] = 1
        key.of["CASS2"] = 1
        with pytest.raises(RuntimeError, match="changed while it was read"):
            ask(100, partial=key.of)


def test_values_of_an_answer_are_one_dict_of_its_own() -> None:
    stock = Stock(UNITS)
    first = stock.denominate(100)
    assert first.values is first.values
    first.values["CASS1"] = 7
    assert stock.denominate(100).values == {"CASS1": 2}


def test_an_answer_outlives_its_stock() -> None:
    stock = Stock(UNITS)
    answer = stock.denominate(20)
    del stock
    gc.collect()
    assert answer.values == {"CASS2": 1}
