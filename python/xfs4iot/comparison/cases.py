"""The named cases: what is asked for, and of which units.

The Rust benches have them too, as `benches/denominate/write_cases.py` writes them.
"""

from __future__ import annotations

from dataclasses import field

from xfs4iot.dataclass import dataclass

__all__ = ["CASES", "Case"]


@dataclass(frozen=True)
class Case:
    """One denomination.

    Attributes:
        name: what it is about.
        amounts: by currency, in whole units of it.
        units: currency, value and count of each.
        max_items: items altogether, at most.
        partial: items that must be contained, by place of the unit.
        mix: an algorithm of the standard.
    """

    name: str
    amounts: dict[str, int]
    units: list[tuple[str, int, int]]
    max_items: int | None = None
    partial: dict[int, int] = field(default_factory=dict)
    mix: str = "minimumBills"


def _eur(*held: tuple[int, int]) -> list[tuple[str, int, int]]:
    return [("EUR", value, count) for value, count in held]


NEARLY_EQUAL = [971, 973, 977, 979, 983, 987, 989, 991, 993, 997]

CASES = [
    Case(
        "everyday: 380 from 100, 50, 20, 10",
        {"EUR": 380},
        _eur((100, 2000), (50, 2000), (20, 2000), (10, 2000)),
    ),
    Case(
        "1230 from 50, 20, 20, empty 10", {"EUR": 1230}, _eur((50, 200), (20, 3000), (20, 100), (10, 0)), 60
    ),
    Case("no tens: 1010 from 50, 20", {"EUR": 1010}, _eur((50, 2000), (20, 2000))),
    Case(
        "large: 10,030 from two 50s, four 20s",
        {"EUR": 10_030},
        _eur((50, 2500), (50, 2500), *[(20, 3000)] * 4),
    ),
    Case("infeasible by gcd: 8005", {"EUR": 8005}, _eur((100, 2000), (50, 2000), (20, 2000), (10, 2000))),
    Case(
        "infeasible, scarce small notes: 8008",
        {"EUR": 8008},
        _eur((100, 2000), (50, 2000), (20, 2000), (5, 1), (2, 1)),
    ),
    Case(
        "scarce small notes: 8007", {"EUR": 8007}, _eur((100, 2000), (50, 2000), (20, 2000), (5, 1), (2, 1))
    ),
    Case(
        "large notes run out: 48,580",
        {"EUR": 48_580},
        _eur((500, 60), (200, 40), (100, 55), (50, 80), (20, 300), (10, 100), (5, 7)),
    ),
    Case("all the cash: 85,350", {"EUR": 85_350}, _eur((100, 200), (50, 300), (20, 2500), (10, 35))),
    Case("item limit binds: 2,990", {"EUR": 2990}, _eur((100, 2000), (50, 2000), (20, 2000)), 32),
    Case(
        "20 hoppers of 10^9 coins",
        {"EUR": 10**12 + 7},
        _eur(*((value, 10**9) for value in range(101, 121))),
    ),
    Case(
        "ten nearly equal values, ample", {"EUR": 1_234_567}, _eur(*((value, 3000) for value in NEARLY_EQUAL))
    ),
    Case(
        "twenty nearly equal values, 2 each",
        {"EUR": 19_811},
        _eur(*((value, 2) for value in range(981, 1001))),
    ),
    Case(
        "twenty nearly equal values, a hard sum",
        {"EUR": 19_811},
        _eur(*((value, 2) for value in range(962, 1002, 2)), (3, 1)),
    ),
    Case(
        "two currencies: 470 and 1,360",
        {"EUR": 470, "USD": 1360},
        [*_eur((50, 900), (20, 900), (10, 3)), ("USD", 100, 700), ("USD", 20, 900)],
    ),
    Case(
        "partial: 990 with ten 20s",
        {"EUR": 990},
        _eur((100, 2000), (50, 2000), (20, 2000), (10, 2000)),
        partial={2: 10},
    ),
    Case(
        "six-digit values: 6,729,059",
        {"EUR": 6_729_059},
        _eur(
            (914_347, 3), (729_809, 2), (651_487, 3), (533_989, 1), (427_081, 2), (310_567, 3), (129_769, 2)
        ),
    ),
    Case(
        "64 units",
        {"EUR": 765_431},
        _eur(*((3 + 31 * place + place % 7, 5 + 40 * (place % 5)) for place in range(64))),
    ),
    Case(
        "odd coins among ample notes, infeasible",
        {"EUR": 45_763},
        _eur(
            (500, 107), (497, 1), (495, 100), (490, 50), (105, 3000), (100, 3000), (20, 50), (17, 2), (10, 1)
        ),
        512,
    ),
    Case(
        "30 values in two clusters",
        {"EUR": 1_596_464},
        _eur(*((value, 2000) for value in (*range(102, 116), *range(11, 27)))),
    ),
    Case(
        "18 nearly equal values, 10^9 each",
        {"EUR": 10**12 + 987},
        _eur(*((value, 10**9) for value in range(1055, 1091, 2))),
    ),
    Case(
        "nearly all the cash: 4,173,497",
        {"EUR": 200 * sum(range(651, 847, 7)) - 1303},
        _eur(*((value, 200) for value in range(651, 847, 7)), (5, 9)),
    ),
    Case(
        "notes near 500, each small value: 4,078,375",
        {"EUR": 4_078_375},
        _eur(
            *(
                (value, 2000)
                for value in (516, 509, 506, 503, 502, 500, 497, *range(2, 57, 2), *range(3, 30, 2))
            ),
            *((533, 3), (515, 7), (498, 50)),
        ),
    ),
]
"""All of them; the first is the everyday one."""
