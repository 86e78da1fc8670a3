"""Denomination: cases that break others, what is refused, and how."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

import xfs4iot
from xfs4iot import _core
from xfs4iot.denominate import (
    AmountNotInMixTable,
    DenominateError,
    InvalidCurrency,
    InvalidDenomination,
    MixRow,
    MixTable,
    NoCurrencyMix,
    NotDispensable,
    Stock,
    TooManyItems,
    Unit,
    WorkLimit,
    denominate,
    nearest,
)


def units(*held: tuple[object, int], currency: str = "EUR") -> list[Unit]:
    return [
        Unit(f"{currency}{place}", currency, value, count)  # type: ignore[arg-type]
        for place, (value, count) in enumerate(held)
    ]


AMPLE = 2000
BEST = [
    ([50, 20], 50, 1),
    ([50, 20], 100, 2),
    ([50, 20], 60, 3),
    ([50, 20], 80, 4),
    ([100, 50], 100, 1),
    ([50, 20, 10, 5], 100, 2),
    ([100, 50, 20], 400, 4),
    ([8, 5, 1], 10, 2),
    ([4, 3, 1], 6, 2),
    (["0.20", "0.10"], Decimal("0.30"), 2),
    (["0.2", "0.1", "0.05"], Decimal("0.35"), 3),
    ([50, 20], 10_030, 203),
]


@pytest.mark.parametrize(("values", "amount", "items"), BEST)
def test_fewest_items_where_greedy_choices_fail(
    values: list[object], amount: Decimal | int, items: int
) -> None:
    assert denominate(amount, units(*((value, AMPLE) for value in values))).items == items


def test_scarce_notes() -> None:
    assert denominate(40, units((20, 2), (10, 1))).items == 2
    assert denominate(100, units((100, 1), (20, 4), (10, 2))).items == 1
    assert denominate(40, units((50, 1), (20, 1), (10, 2))).items == 3


def test_two_units_of_one_value_pay_together() -> None:
    assert denominate(100, units((50, 1), (50, 1))).values == {"EUR0": 1, "EUR1": 1}


def test_units_of_one_value_are_emptied_in_proportion() -> None:
    assert denominate(1240, units((20, 3000), (20, 100))).values == {"EUR0": 60, "EUR1": 2}


@pytest.mark.parametrize("amount", [10, 30, 8005, 1])
def test_what_cannot_be_made_up_is_not_dispensable(amount: int) -> None:
    with pytest.raises(NotDispensable) as refused:
        denominate(amount, units((50, AMPLE), (20, AMPLE)))
    assert refused.value.error_code == "notDispensable"
    assert str(amount) in str(refused.value)


def test_all_the_cash_there_is() -> None:
    held = units((50, 200), (20, 3000), (10, 7))
    found = denominate(50 * 200 + 20 * 3000 + 70, held)
    assert found.values == {"EUR0": 200, "EUR1": 3000, "EUR2": 7}
    with pytest.raises(NotDispensable):
        denominate(50 * 200 + 20 * 3000 + 80, held)


def test_an_item_limit_that_binds_exactly() -> None:
    held = units((50, AMPLE), (20, AMPLE))
    assert denominate(110, held, max_items=4).items == 4
    with pytest.raises(TooManyItems, match="4 items") as refused:
        denominate(110, held, max_items=3)
    assert refused.value.error_code == "tooManyItems"


def test_twenty_hoppers_of_a_milliard_coins() -> None:
    held = units(*((value, 10**9) for value in range(101, 121)))
    found = denominate(10**12 + 7, held)
    assert sum(unit.value * found.values.get(unit.id, 0) for unit in held) == 10**12 + 7
    assert found.items == -(-(10**12 + 7 - 10**9 * sum(range(113, 121))) // 112) + 8 * 10**9


def test_odd_coins_among_ample_notes_are_decided() -> None:
    held = units(
        (500, 107), (497, 1), (495, 100), (490, 50), (105, 3000), (100, 3000), (20, 50), (17, 2), (10, 1)
    )
    with pytest.raises(NotDispensable):
        denominate(45_763, held, max_items=512)


def test_many_values_close_to_each_other() -> None:
    clusters = units(*((value, AMPLE) for value in (*range(102, 116), *range(11, 27))))
    assert denominate(1_596_464, clusters).items == 14_264
    milliards = units(*((value, 10**9) for value in range(1055, 1091, 2)))
    assert denominate(10**12 + 987, milliards).items == 918_273_647


def test_most_units_for_a_small_amount() -> None:
    held = units(*((value, 10**9) for value in (502, 196, 88, 48, 22, 21, 19, 17, 13, 8, 5, 4, 2, 1)))
    assert len(denominate(150, held, mix="maxCashUnits").values) == 10


def test_absurd_amounts_are_refused_at_once() -> None:
    held = units((50, 10**9), (20, 10**9))
    for amount in (10**15, 10**40, 10**5_000, Decimal("1e30"), Decimal("1E+999999")):
        with pytest.raises(NotDispensable):
            denominate(amount, held)


def test_what_help_says_is_what_the_stub_says() -> None:
    stub = ast.parse(Path(_core.__file__ or "").with_name("_core.pyi").read_text("utf-8"))
    told = {one.name: one for one in stub.body if isinstance(one, ast.FunctionDef | ast.ClassDef)}
    for thing in (denominate, nearest, Stock, Unit, MixRow, MixTable):
        assert inspect.getdoc(thing) == ast.get_docstring(told[thing.__name__]), thing.__name__


def test_numbers_that_python_does_not_write_are_as_all_that_are_too_large() -> None:
    held = units((50, 10**9), (20, 10**9))
    for amount in (10**5000, Decimal("1E+5000")):
        with pytest.raises(NotDispensable, match=r"^more than \d+\.44575 EUR cannot be made up"):
            denominate(amount, held)
    assert denominate(70, held, max_items=10**5000).items == 2
    for wrong in (
        lambda: denominate(-(10**5000), held),
        lambda: denominate(70, held, max_items=-(10**5000)),
        lambda: Unit("A", "EUR", 10**5000, 1),
        lambda: Unit("A", "EUR", "9" * 10_000, 1),
        lambda: denominate(Decimal("0." + "1" * 10_000), held),
    ):
        with pytest.raises(InvalidDenomination) as refused:
            wrong()
        assert len(str(refused.value)) < 200


@pytest.mark.parametrize("mix", ["minimumBills", "equalEmptying", "maxCashUnits"])
def test_what_is_not_reckoned_with_is_said_as_that(mix: str) -> None:
    held = units((1406, 10**15), (2689, 10**15))
    for amount in (4095 * 10**15, 4095 * 10**15 - 1406):
        assert denominate(amount, held, mix=mix).items in (2 * 10**15, 2 * 10**15 - 1)
    held = units((1406, 10**15), (2689, 10**15), (90_300, 10**15))
    for ask in (Stock(held).denominate, lambda amount, mix: denominate(amount, held, mix=mix)):
        with pytest.raises(WorkLimit, match=r"^94395000000000000000 EUR is more than can be reckoned with"):
            ask(94_395 * 10**15, mix=mix)


def test_values_and_amounts_at_the_ends_of_the_range() -> None:
    finest = units(("0.00001", 10**9), ("0.00002", 10**9))
    assert denominate(Decimal("0.00007"), finest).items == 4
    largest = units((10**14, 10**9), (10**14 - 1, 10**9))
    assert denominate(3 * 10**14 - 1, largest).items == 3
    with pytest.raises(InvalidDenomination, match=r"at most 184467440737095\.51615"):
        units((2 * 10**14, 1))


def test_currencies_are_paid_each_from_its_own_units() -> None:
    held = [*units((50, 10), (20, 10)), *units((100, 5), (10, 10), currency="USD")]
    found = denominate({"USD": 120, "EUR": 90}, held)
    assert found.values == {"EUR0": 1, "EUR1": 2, "USD0": 1, "USD1": 2}
    assert found.amounts == {"USD": 120, "EUR": 90}
    with pytest.raises(NotDispensable, match="USD"):
        denominate({"EUR": 50, "USD": 610}, held)
    with pytest.raises(TooManyItems, match="6 items"):
        denominate({"USD": 120, "EUR": 90}, held, max_items=5)


def test_the_item_limit_is_shared_between_currencies() -> None:
    held = [*units((50, 100), (10, 100)), *units((50, 100), (10, 100), currency="USD")]
    found = denominate({"EUR": 100, "USD": 100}, held, mix="equalEmptying", max_items=9)
    assert found.items <= 9
    assert found.values["USD0"] == 2


def test_partial_counts_steer_the_mix() -> None:
    held = units((20, 50), (10, 50), (5, 50))
    assert denominate(100, held, partial={"EUR1": 2}).values == {"EUR0": 4, "EUR1": 2}
    assert denominate(100, held, partial={"EUR0": 2}).values == {"EUR0": 5}


@pytest.mark.parametrize(
    ("partial", "error"),
    [
        ({"EUR9": 1}, NotDispensable),
        ({"EUR0": 51}, NotDispensable),
        ({"EUR0": 6}, NotDispensable),
        ({"EUR0": -1}, InvalidDenomination),
        ({"USD0": 1}, InvalidCurrency),
    ],
)
def test_partial_counts_that_cannot_be_contained(
    partial: dict[str, int], error: type[DenominateError]
) -> None:
    held = [*units((20, 50), (10, 50)), *units((5, 50), currency="USD")]
    with pytest.raises(error):
        denominate({"EUR": 100}, held, partial=partial)


def test_equal_emptying_takes_the_same_share_of_every_unit() -> None:
    held = units((50, 100), (20, 200), (10, 400))
    assert denominate(1300, held, mix="equalEmptying").values == {"EUR0": 10, "EUR1": 20, "EUR2": 40}


def test_max_cash_units_takes_from_all() -> None:
    held = units((50, 100), (20, 200), (10, 400), (100, 0))
    assert denominate(100, held, mix="maxCashUnits").values == {"EUR0": 1, "EUR1": 2, "EUR2": 1}


def test_mix_tables() -> None:
    table = MixTable([MixRow(100, {50: 2}), (60, {"20": 3}), (Decimal(100), {Decimal(20): 5})], 21, "ours")
    assert (table.number, table.name, len(table.rows)) == (21, "ours", 3)
    assert denominate(100, units((50, 1), (50, 1)), mix=table).values == {"EUR0": 1, "EUR1": 1}
    assert denominate(100, units((50, 1), (20, 9)), mix=table).values == {"EUR1": 5}
    with pytest.raises(TooManyItems):
        denominate(100, units((50, 1), (20, 9)), mix=table, max_items=4)
    with pytest.raises(NotDispensable):
        denominate(60, units((50, 9)), mix=table)
    with pytest.raises(AmountNotInMixTable) as refused:
        denominate(70, units((50, 9), (20, 9)), mix=table)
    assert refused.value.error_code == "amountNotInMixTable"
    with pytest.raises(InvalidDenomination):
        MixRow(100, {50: 1})


def test_what_stands_in_the_way_of_an_amount_is_named() -> None:
    held = units((50, 10), (20, 10))
    with pytest.raises(
        NotDispensable, match=r"^30 EUR cannot be made up exactly from the units, .* another amount$"
    ):
        denominate(30, held)
    with pytest.raises(NotDispensable, match=r"with the items that must be contained .* or for other items"):
        denominate(60, held, partial={"EUR0": 1})
    # Not items of another currency, and not where all that there is would not do.
    both = [*held, *units((50, 10), currency="USD")]
    for amounts, partial in (({"EUR": 30, "USD": 50}, {"USD0": 1}), ({"EUR": 1000}, {"EUR0": 1, "EUR1": 0})):
        with pytest.raises(
            NotDispensable, match=r"cannot be made up exactly from the units, .* another amount$"
        ):
            denominate(amounts, both, partial=partial)
    table = MixTable([(60, {20: 3}), (70, {10: 7})])
    with pytest.raises(NotDispensable, match=r"^70 EUR is in the mix table, but no row for it can be paid"):
        denominate(70, held, mix=table)


def test_currency_errors() -> None:
    held = [*units((50, 10)), *units((50, 10), currency="USD")]
    with pytest.raises(InvalidCurrency):
        denominate({"CHF": 50}, held)
    with pytest.raises(NoCurrencyMix):
        denominate(50, held)
    with pytest.raises(InvalidCurrency):
        denominate(50, [])
    assert denominate({"EUR": 0}, held).values == {}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Unit("A", "EUR", -5, 1),
        lambda: Unit("A", "EUR", 0, 1),
        lambda: Unit("A", "EUR", 5, -1),
        lambda: Unit("A", "EUR", 5, 10**16),
        lambda: Unit("A", "EUR", "NaN", 1),
        lambda: Unit("A", "EUR", Decimal("Infinity"), 1),
        lambda: Unit("A", "EUR", "0.000001", 1),
        lambda: denominate(-5, units((5, 1))),
        lambda: denominate(Decimal("1.000001"), units((5, 1))),
        lambda: denominate(5, [*units((5, 1)), *units((5, 1))]),
        lambda: denominate(5, [Unit(str(place), "EUR", 5, 1) for place in range(65)]),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidDenomination):
        wrong()  # type: ignore[operator]


@pytest.mark.parametrize("money", [1.5, True, None, [5]])
def test_money_is_never_a_float(money: object) -> None:
    with pytest.raises(TypeError):
        Unit("A", "EUR", money, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        denominate(money, units((5, 1)))  # type: ignore[arg-type]


def test_every_error_is_a_value_error() -> None:
    assert issubclass(DenominateError, ValueError)
    assert issubclass(WorkLimit, DenominateError)


def test_units_are_values() -> None:
    one = Unit("A", "EUR", Decimal("0.50"), 7, 1, 5)
    assert one == Unit("A", "EUR", "0.5", 7, 1, 5)
    assert hash(one) == hash(Unit("A", "EUR", "0.5", 7, 1, 5))
    assert one != Unit("B", "EUR", "0.5", 7, 1, 5)
    assert (one.id, one.currency, one.value, one.count, one.minimum, one.maximum) == (
        "A", "EUR", Decimal("0.5"), 7, 1, 5,
    )  # fmt: skip
    assert pickle.loads(pickle.dumps(one)) == one == copy.copy(one)
    with pytest.raises(AttributeError):
        one.count = 8  # type: ignore[misc]
    assert eval(repr(one)) == one


def test_the_module_is_a_public_name() -> None:
    assert xfs4iot.denominate.Unit is Unit


def unlike() -> list[Unit]:
    """Values with nothing in common, an amount among which takes long to find or to exclude."""
    return units(*((10**9 + pow(place + 2, 11, 999_999_937), 900) for place in range(1, 40)))


UNLIKELY = 7_654_321_987_123


def test_a_search_that_is_cut_off_says_so() -> None:
    with pytest.raises(WorkLimit, match="work_limit"):
        denominate(UNLIKELY, unlike(), work_limit=1000)


def test_other_threads_run_during_a_long_search() -> None:
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        began = time.perf_counter()
        with pytest.raises(WorkLimit):
            denominate(UNLIKELY, unlike(), work_limit=20_000_000)
        ended = time.perf_counter()
    finally:
        done.set()
        thread.join()
    assert sum(began < moment < ended for moment in ticks) > 3


def test_nearest_amounts() -> None:
    held = units((50, 200), (20, 3000))
    assert nearest(30, held) == (Decimal(20), Decimal(40))
    assert nearest(10, held) == (None, Decimal(20))
    assert nearest(10**9, held) == (Decimal(70_000), None)
    assert nearest(70, held) == (Decimal(70), Decimal(70))
    assert nearest({"EUR": 1000}, held, max_items=3) == (Decimal(150), None)
