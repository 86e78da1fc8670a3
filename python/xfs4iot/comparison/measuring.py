"""The comparison: every named case with every way of denominating, side by side in one run.

A figure is the quickest of several rounds; in every round each peer has its turn, so that the
noise of the machine falls on all. Whatever is used from Python is timed from Python, with
everything that it needs for one amount: arguments, model, search, answer; by `timeit`, as a line
of a program. Where an exact peer gives another answer than ours, the comparison fails.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import warnings
from collections.abc import Callable, Iterator
from dataclasses import field
from pathlib import Path
from timeit import Timer
from typing import Any

from xfs4iot import _core
from xfs4iot.comparison.cases import CASES, Case
from xfs4iot.comparison.peers import PEERS, Items
from xfs4iot.dataclass import dataclass
from xfs4iot.denominate import NotDispensable, Stock, TooManyItems, Unit, denominate

ROOT = Path(__file__).parents[3]
"""The source tree, if this is one."""
OURS, RUST, CP_SAT = "ours", "ours, in Rust", "CP-SAT"
PREPARED, BESIDE, PREPARED_BESIDE = (
    "ours, units read before",
    "ours, without the search",
    "units read before, without the search",
)
BAR = 1200
"""How many times quicker than CP-SAT a median case is to be, where the call itself allows it."""
SHORT = 0.002
"""Seconds that a batch of calls lasts at least, so that the clock's grain does not matter."""


@dataclass
class Row:
    """What was measured of one case.

    Attributes:
        case: its name.
        items: the fewest items; None if the amount is not dispensable.
        seconds: by peer, for one denomination; the best setting of CP-SAT goes by `CP-SAT`.
        remarks: by peer, why there is no time, or what is wrong with the answer.
    """

    case: str
    items: Items
    seconds: dict[str, float] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """How many times as long CP-SAT takes."""
        return self.seconds[CP_SAT] / self.seconds[OURS]

    @property
    def prepared(self) -> float:
        """The same, of a stock that has read the units before."""
        return self.seconds[CP_SAT] / self.seconds[PREPARED]

    @property
    def most(self) -> float:
        """The ratio of a search that takes no time: what reading what is asked for and answering leave."""
        return self.seconds[CP_SAT] / self.seconds[BESIDE]

    @property
    def prepared_most(self) -> float:
        """The same, of a stock."""
        return self.seconds[CP_SAT] / self.seconds[PREPARED_BESIDE]


class Disagreement(Exception):
    """An exact peer has another answer."""


def ours(case: Case) -> tuple[Items, dict[str, Timer]]:
    """The fewest items, and what is timed, each as it stands in a program.

    That is a call that denominates and reads the items by unit, the same of a stock that has read the units
    before, and both with the answer known: all that such a call does but for the search.
    """
    units = [Unit(f"unit{place}", *unit) for place, unit in enumerate(case.units)]
    partial = {f"unit{place}": count for place, count in case.partial.items()}
    amounts: Any = case.amounts if len(case.amounts) > 1 else next(iter(case.amounts.values()))
    # What goes without saying is not said.
    options: dict[str, Any] = {
        **({} if case.max_items is None else {"max_items": case.max_items}),
        **({"partial": partial} if partial else {}),
    }
    words = "".join(f", {name}={name}" for name in options)
    stock = Stock(units)
    names = {
        **options,
        "amounts": amounts,
        "units": units,
        "stock": stock,
        "denominate": denominate,
        "known": _core._Floor(stock, amounts, **options),
        "failures": (NotDispensable, TooManyItems),
    }

    def timer(call: str) -> Timer:
        return Timer(f"try:\n    {call}\nexcept failures:\n    pass", globals=names)

    try:
        items = denominate(amounts, units, **options).items
    except (NotDispensable, TooManyItems):
        items = None
    return items, {
        OURS: timer(f"denominate(amounts, units{words}).values"),
        PREPARED: timer(f"stock.denominate(amounts{words}).values"),
        BESIDE: timer(f"known.denominate(amounts, units{words}).values"),
        PREPARED_BESIDE: timer(f"known.of_stock(amounts{words}).values"),
    }


def once(timer: Timer) -> float:
    """Seconds of one call; of short ones, the mean of a batch."""
    spent = timer.timeit(1)
    if spent > SHORT:
        return spent
    number = max(1, int(SHORT / max(spent, 1e-7)))
    return timer.timeit(number) / number


def measure(rounds: int, progress: Callable[[str], None], peers: bool = True) -> Iterator[Row]:
    """All cases, one after the other."""
    warnings.simplefilter("ignore", DeprecationWarning)
    for case in CASES:
        progress(case.name)
        items, timers = ours(case)
        row = Row(case.name, items)
        for peer in PEERS if peers else ():
            # This call is not timed, so that importing a peer counts for nothing.
            answer = peer.solve(case)
            if isinstance(answer, str):
                row.remarks[peer.name] = answer
                continue
            if answer != row.items:
                if peer.exact:
                    raise Disagreement(f"{case.name}: {peer.name} has {answer} items, ours {row.items}")
                row.remarks[peer.name] = "finds none" if answer is None else f"{answer} items"
            timers[peer.name] = Timer("solve(case)", globals={"solve": peer.solve, "case": case})
        for _ in range(rounds):
            for name, timer in timers.items():
                row.seconds[name] = min(row.seconds.get(name, float("inf")), once(timer))
        settings = [name for name in row.seconds if name.startswith(f"{CP_SAT}, ")]
        if settings:
            row.seconds[CP_SAT] = min(row.seconds[name] for name in settings)
        yield row


def rust(rows: list[Row]) -> str | None:
    """Add the times of the solver alone, by criterion; gives why there are none."""
    cargo = shutil.which("cargo")
    if not (ROOT / "Cargo.toml").exists():
        return "they are measured in a checkout of the source tree"
    if cargo is None:
        return "cargo is not here"
    command = [cargo, "bench", "--quiet", "--bench", "denominate", "--"]
    options = ["--warm-up-time", "0.2", "--measurement-time", "0.5", "--noplot"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "cargo bench failed"
    for place, row in enumerate(rows):
        file = ROOT / "target" / "criterion" / "denominate" / f"{place:02}" / "new" / "estimates.json"
        # Criterion reports nanoseconds.
        row.seconds[RUST] = json.loads(file.read_text())["median"]["point_estimate"] * 1e-9
    return None


def summary(rows: list[Row]) -> dict[str, float]:
    """The figures that the bars are about."""
    everyday = rows[0].seconds
    figures = {
        "everyday call, times all but its search": everyday[OURS] / everyday[BESIDE],
        "slowest case, seconds": max(row.seconds[OURS] for row in rows),
    }
    if all(CP_SAT in row.seconds for row in rows):
        figures["median ratio to CP-SAT"] = statistics.median(row.ratio for row in rows)
        figures["the same of a search that takes no time"] = statistics.median(row.most for row in rows)
        figures["median ratio with units read before"] = statistics.median(row.prepared for row in rows)
        figures["that of a search that takes no time"] = statistics.median(row.prepared_most for row in rows)
        allowing = [row.prepared for row in rows if row.prepared_most >= BAR]
        if allowing:
            figures[f"that of cases whose call allows {BAR:,}"] = statistics.median(allowing)
    return figures
