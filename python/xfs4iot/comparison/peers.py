"""Other ways of denominating, each as it would be used from Python, for the comparison."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from xfs4iot.comparison.cases import Case
from xfs4iot.dataclass import dataclass

Items = int | str | None
"""Number of items; None for "not dispensable"; text if the peer cannot say."""

TIME_OUT = 2.0
"""Seconds after which a peer is stopped."""


@dataclass(frozen=True)
class Peer:
    """A way of denominating.

    Attributes:
        name: for the table.
        solve: gives the number of items for a case.
        exact: whether it claims the fewest items.
    """

    name: str
    solve: Callable[[Case], Items]
    exact: bool = True


def by_currency(case: Case) -> list[tuple[int, list[tuple[int, int]], int]]:
    """Amount left, what is left of every unit and items taken already, for each currency."""
    parts = []
    for currency, amount in case.amounts.items():
        held, taken = [], 0
        for place, (of, value, count) in enumerate(case.units):
            if of == currency:
                contained = case.partial.get(place, 0)
                amount -= contained * value
                taken += contained
                held.append((value, count - contained))
        parts.append((amount, held, taken))
    return parts


def each_currency(solve: Callable[[int, list[tuple[int, int]]], Items]) -> Callable[[Case], Items]:
    """A solver of cases from one that knows a single currency and nothing of partial counts."""

    def whole(case: Case) -> Items:
        total = 0
        for amount, held, taken in by_currency(case):
            items = solve(amount, held)
            if not isinstance(items, int):
                return items
            total += items + taken
        return total

    return whole


def greedy(amount: int, held: list[tuple[int, int]]) -> Items:
    """Largest value first, and never a second thought."""
    items = 0
    for value, count in sorted(held, reverse=True):
        taken = min(count, amount // value)
        amount -= taken * value
        items += taken
    return items if amount == 0 else None


def dynamic_programming(amount: int, held: list[tuple[int, int]]) -> Items:
    """Fewest items for every sum up to the amount; stocks split into powers of two."""
    import numpy

    if amount > 5_000_000:
        return "too large"
    if sum(value * count for value, count in held) < amount:
        return None
    # Half of the largest number, so that adding a part to it cannot overflow.
    beyond = numpy.iinfo(numpy.int64).max // 2
    fewest = numpy.full(amount + 1, beyond)
    fewest[0] = 0
    for value, stock in held:
        count, part = min(stock, amount // value), 1
        while count > 0:
            part = min(part, count)
            if part * value <= amount:
                # A new array: updating in place would let the same part be taken more than once.
                candidate = fewest[: amount + 1 - part * value] + part
                numpy.minimum(fewest[part * value :], candidate, out=fewest[part * value :])
            count -= part
            part *= 2
    return int(fewest[amount]) if fewest[amount] < beyond else None


CP_SAT_SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "one worker": {"num_workers": 1},
    "one worker, no presolve": {"num_workers": 1, "cp_model_presolve": False},
    "one worker, no presolve, no linear relaxation": {
        "num_workers": 1,
        "cp_model_presolve": False,
        "linearization_level": 0,
    },
    "one worker, full linear relaxation": {"num_workers": 1, "linearization_level": 2},
}
"""All are tried on every case; the quickest counts."""


def cp_sat(case: Case, **setting: Any) -> Items:
    """OR-tools CP-SAT: model and search."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    counts = [
        model.new_int_var(case.partial.get(place, 0), count, "")
        for place, (_, _, count) in enumerate(case.units)
    ]
    for currency, amount in case.amounts.items():
        model.add(
            sum(
                count * value
                for count, (of, value, _) in zip(counts, case.units, strict=True)
                if of == currency
            )
            == amount
        )
    model.minimize(sum(counts))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = TIME_OUT
    # Else Ctrl-C ends this search alone, and the comparison goes on; a later one ends the process unsaid.
    solver.parameters.catch_sigint_signal = False
    for name, value in setting.items():
        setattr(solver.parameters, name, value)
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return None
    return round(solver.objective_value) if status == cp_model.OPTIMAL else "no proof"


def highs(case: Case) -> Items:
    """HiGHS, as a mixed integer program."""
    import highspy

    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("time_limit", TIME_OUT)
    # By default HiGHS accepts a small gap as optimal; only an exact answer counts here.
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.setOptionValue("threads", 1)
    counts = [
        solver.addIntegral(lb=case.partial.get(place, 0), ub=count, obj=1.0)
        for place, (_, _, count) in enumerate(case.units)
    ]
    for currency, amount in case.amounts.items():
        solver.addConstr(
            sum(
                count * value
                for count, (of, value, _) in zip(counts, case.units, strict=True)
                if of == currency
            )
            == amount
        )
    solver.run()
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return None
    if status == highspy.HighsModelStatus.kOptimal:
        fewest: float = solver.getInfo().objective_function_value
        return round(fewest)
    return "no proof"


class _TimeOut(Exception):
    pass


def recursion(amount: int, held: list[tuple[int, int]]) -> Items:
    """Every count of the first unit, from the most down, and the same for the rest: the yardstick."""
    units = sorted(held, reverse=True)
    deadline = time.perf_counter() + TIME_OUT
    steps = 0

    def best(place: int, rest: int) -> int | None:
        nonlocal steps
        steps += 1
        # Reading the clock at every step would distort the measurement.
        if steps & 1023 == 0 and time.perf_counter() > deadline:
            raise _TimeOut
        if rest == 0:
            return 0
        if place == len(units):
            return None
        value, count = units[place]
        fewest: int | None = None
        for taken in range(min(count, rest // value), -1, -1):
            more = best(place + 1, rest - taken * value)
            if more is not None and (fewest is None or taken + more < fewest):
                fewest = taken + more
        return fewest

    try:
        return best(0, amount)
    except _TimeOut:
        return "time-out"


PEERS = [
    Peer("greedy", each_currency(greedy), exact=False),
    Peer("dynamic programming", each_currency(dynamic_programming)),
    *(
        # Bound as a default: a closure would see only the last setting.
        Peer(f"CP-SAT, {name}", lambda case, setting=setting: cp_sat(case, **setting))  # type: ignore[misc]
        for name, setting in CP_SAT_SETTINGS.items()
    ),
    Peer("HiGHS", highs),
    Peer("recursion", each_currency(recursion)),
]
