"""Denomination against OR-tools CP-SAT, on random cases too large to enumerate."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Sequence

import pytest

from xfs4iot.comparison import peers
from xfs4iot.comparison.cases import CASES
from xfs4iot.denominate import NotDispensable, TooManyItems, Unit, denominate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
cp_model = pytest.importorskip("ortools.sat.python.cp_model", exc_type=ImportError)

MONEY = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def random_case(seed: int) -> tuple[list[Unit], int]:
    """Units and an amount: notes, coins, values nearly equal, with nothing in common, in clusters."""
    draw = random.Random(seed)
    kind, n = seed % 7, draw.randint(2, 8)
    stocks: Sequence[int] = (0, 1, 2, 7, 100, 3000)
    if kind == 0:
        values = draw.choices(MONEY, k=n)
    elif kind == 1:
        values = [100, 50, 20, *draw.choices((1, 2, 3, 5, 7), k=2)]
    elif kind == 2:
        least = draw.randint(50, 2000)
        values = draw.sample(range(least, least + 30), n)
    elif kind == 3:
        values = draw.sample(range(1, 1000), n)
    elif kind == 4:
        values = draw.sample(range(950, 1000), 20)
        stocks = (1, 2, 3)
    elif kind == 5:
        values = [*range(501, 515, 2), 100, 50, *draw.choices(range(1, 60), k=8)]
        stocks = (2, 50, 2000, 2500)
    else:
        values = draw.sample(range(1, 3000), 24)
    units = [Unit(f"U{place}", "EUR", value, draw.choice(stocks)) for place, value in enumerate(values)]
    held = sum(int(unit.value) * unit.count for unit in units)
    where = draw.random()
    if where < 0.1:
        # Nearly all the cash.
        return units, max(1, held - draw.randint(0, 2000))
    roof = held if where < 0.4 else min(held, 40 * max(values))
    return units, draw.randint(1, max(1, roof))


class Model:
    """The amount made up of items from each unit."""

    def __init__(self, units: Sequence[Unit], amount: int) -> None:
        self.model = cp_model.CpModel()
        self.units = units
        self.counts = [self.model.new_int_var(0, unit.count, unit.id) for unit in units]
        pairs = zip(self.counts, units, strict=True)
        self.model.add(sum(count * int(unit.value) for count, unit in pairs) == amount)

    def solve(self) -> int | None:
        """The objective's best value; None if there is no solution."""
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        status = solver.solve(self.model)
        if status == cp_model.INFEASIBLE:
            return None
        assert status == cp_model.OPTIMAL
        return round(solver.objective_value)

    def fewest_items(self) -> int | None:
        self.model.minimize(sum(self.counts))
        return self.solve()


def paid(units: Sequence[Unit], values: dict[str, int]) -> int:
    assert all(0 <= values.get(unit.id, 0) <= unit.count for unit in units)
    return sum(int(unit.value) * values.get(unit.id, 0) for unit in units)


def check_fewest(seed: int) -> None:
    units, amount = random_case(seed)
    best = Model(units, amount).fewest_items()
    if best is None:
        with pytest.raises(NotDispensable):
            denominate(amount, units)
        return
    found = denominate(amount, units, max_items=best)
    assert found.items == best, (units, amount)
    assert paid(units, found.values) == amount
    if best > 0:
        with pytest.raises(TooManyItems):
            denominate(amount, units, max_items=best - 1)


@pytest.mark.parametrize("block", range(8))
def test_the_optimum_is_that_of_cp_sat(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        check_fewest(seed)


@pytest.mark.long
@pytest.mark.parametrize("block", range(8, 300))
def test_the_optimum_is_that_of_cp_sat_many_times(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        check_fewest(seed)


def test_no_way_is_more_even_than_equal_emptying() -> None:
    for seed in range(120):
        units, amount = random_case(seed)
        try:
            values = denominate(amount, units, mix="equalEmptying").values
        except NotDispensable:
            assert Model(units, amount).fewest_items() is None
            continue
        assert paid(units, values) == amount
        share, whole = max(
            ((values.get(unit.id, 0), unit.count) for unit in units if unit.count),
            key=lambda pair: pair[0] / pair[1],
        )
        lower = Model(units, amount)
        for unit, count in zip(units, lower.counts, strict=True):
            lower.model.add(count * whole <= max(0, share * unit.count - 1))
        assert lower.fewest_items() is None, (units, amount)


def test_no_way_takes_from_more_units_than_max_cash_units() -> None:
    for seed in range(120):
        if len(random_case(seed)[0]) > 17:
            continue
        units, amount = random_case(seed)
        try:
            values = denominate(amount, units, mix="maxCashUnits").values
        except NotDispensable:
            assert Model(units, amount).fewest_items() is None
            continue
        assert paid(units, values) == amount
        most = Model(units, amount)
        taken = [most.model.new_bool_var(f"t{place}") for place in range(len(units))]
        for one, count in zip(taken, most.counts, strict=True):
            most.model.add(count >= one)
        scale = sum(unit.count for unit in units) + 1
        most.model.maximize(scale * sum(taken) - sum(most.counts))
        assert most.solve() == scale * len(values) - sum(values.values()), (units, amount)


@pytest.mark.posix
def test_an_interrupt_while_cp_sat_searches_ends_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "TIME_OUT", 0.5)
    setting = peers.CP_SAT_SETTINGS["one worker, no presolve, no linear relaxation"]
    endless = next(case for case in CASES if case.name == "18 nearly equal values, 10^9 each")

    def search() -> None:
        peers.cp_sat(endless, **setting)
        # It is raised as soon as Python runs again; a search that took it for itself raises nothing.
        time.sleep(0.5)

    # A search before this one, which caught interrupts, has left the process without Python's handler.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        search()
