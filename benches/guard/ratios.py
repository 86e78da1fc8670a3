"""Fails when the hot paths are no longer as many times faster than others as they must be.

    python benches/guard/ratios.py

Each is measured beside its yardstick in the same run, in rounds that take turns, so that a
slow or busy machine slows both: framing and envelope against wsproto, orjson and msgspec, and
the whole service against a bare trio-websocket server that sends the same replies. The bars
are those of `benches/framing.py` and `benches/compare.py`, less a margin for noise; a bar that
is missed is measured again before it fails. What is 10 % slower and still above its bar is
found by `instructions.py`.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import compare  # noqa: E402
import framing  # noqa: E402

MARGIN = 0.85
"""Part of a bar that must be reached."""
ATTEMPTS = 3
ROUNDS = 15
PEER = "trio-websocket"
SERVICE_ROUNDS, SERVICE_SECONDS = 3, 0.5


def of_framing() -> Iterator[tuple[str, float, float]]:
    """What, ratio and bar of every row of the framing bench that has one."""
    for row in framing.rows():
        if row.bar is None:
            continue
        floor, best = row.bar * MARGIN, 0.0
        for _ in range(ATTEMPTS):
            best = max(best, framing.measured(row, ROUNDS)["ratio"])
            if best >= floor:
                break
        yield f"{row.what} against {row.against}", best, row.bar


def of_service() -> Iterator[tuple[str, float, float]]:
    """What, ratio and bar of the whole service on plain text."""
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=compare.HERE / "load", check=True)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        replies = compare.real_replies(Path(directory))
        ours = stack.enter_context(compare.server(compare.OURS, replies, []))
        theirs = stack.enter_context(compare.server(PEER, replies, []))
        for scenario, (connections, in_flight, secure) in compare.SCENARIOS.items():
            if secure:
                continue

            def speed(
                server: compare.Server, connections: int = connections, in_flight: int = in_flight
            ) -> float:
                done = compare.load(server, connections, in_flight, SERVICE_SECONDS, None)
                return done["commands_per_second"]

            bar, best = compare.BARS[scenario, PEER][0], 0.0
            for _ in range(ATTEMPTS):
                best = max(best, median(speed(ours) / speed(theirs) for _ in range(SERVICE_ROUNDS)))
                if best >= bar * MARGIN:
                    break
            yield f"service, {scenario}, against bare {PEER}", best, bar


def main() -> int:
    """Measure and compare; 1 if a bar is missed by more than the margin."""
    gc.freeze()
    table = Table("what", "times as fast", "bar")
    slow = []
    with Console(stderr=True).status("measuring ratios"):
        for what, ratio, bar in (*of_framing(), *of_service()):
            good = ratio >= bar * MARGIN
            table.add_row(what, f"[{'green' if good else 'red'}]{ratio:.1f}[/]", f"{bar:g}")
            if not good:
                slow.append(what)
    Console().print(table)
    if slow:
        print(f"slower than it must be: {', '.join(slow)}; profile with benches/framing.py and compare.py")
    return bool(slow)


if __name__ == "__main__":
    sys.exit(main())
