"""Fails when the hot paths are no longer as many times faster than others as they must be.

    python benches/guard/ratios.py

Each is measured beside its yardstick in the same run, in rounds that take turns, so that a
slow or busy machine slows both: framing and envelope against wsproto, orjson and msgspec, a
session against the codec alone, a message through TLS against pyOpenSSL, and the whole service
against a bare trio-websocket server that sends the same replies. The bars are those of
`benches/framing.py`, `benches/engine.py` and `benches/compare.py`, less a margin for noise; a bar
that is missed is measured again before it fails. What is 10 % slower and still above its bar is
found by `instructions.py`.
"""

from __future__ import annotations

import gc
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
import engine  # noqa: E402
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


def of_engine() -> Iterator[tuple[str, float, float]]:
    """What, ratio and bar of a session's everyday commands, and of TLS."""
    best: dict[tuple[str, float], float] = {}
    for _ in range(ATTEMPTS):
        for row in engine.measured(ROUNDS):
            key = f"{row['what']} against {row['against']}", row["bar"]
            best[key] = max(best.get(key, 0.0), row["ratio"])
        if all(ratio >= bar * MARGIN for (_, bar), ratio in best.items()):
            break
    for (what, bar), ratio in best.items():
        yield what, ratio, bar


def of_service() -> Iterator[tuple[str, float, float]]:
    """What, ratio and bar of the whole service on plain text: against the peer, and against itself."""
    compare.build()
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        replies = compare.real_replies(Path(directory))
        running = stack.enter_context(compare.servers([compare.OURS, PEER], replies, []))
        for bar in compare.BARS:
            connections, in_flight, secure = compare.SCENARIOS[bar.scenario]
            if secure or bar.of not in running or bar.against not in running:
                continue

            def speed(row: compare.Row, connections: int = connections, in_flight: int = in_flight) -> float:
                sent = compare.COMMANDS[row.command]
                done = compare.load(running[row], connections, in_flight, SERVICE_SECONDS, sent=sent)
                return done["commands_per_second"]

            best = 0.0
            for _ in range(ATTEMPTS):
                found = median(speed(bar.of) / speed(bar.against) for _ in range(SERVICE_ROUNDS))
                best = max(best, found)
                if best >= bar.must * MARGIN:
                    break
            yield f"{bar.of.label} against {bar.against.label}, {bar.scenario}", best, bar.must


def main() -> int:
    """Measure and compare; 1 if a bar is missed by more than the margin."""
    gc.freeze()
    table = Table("what", "times as fast", "bar")
    slow = []
    with Console(stderr=True).status("measuring ratios"):
        for what, ratio, bar in (*of_framing(), *of_engine(), *of_service()):
            good = ratio >= bar * MARGIN
            table.add_row(what, f"[{'green' if good else 'red'}]{ratio:.2f}[/]", f"{bar:g}")
            if not good:
                slow.append(what)
    Console().print(table)
    if slow:
        print(f"slower than it must be: {', '.join(slow)}; profile with framing.py, engine.py, compare.py")
    return bool(slow)


if __name__ == "__main__":
    sys.exit(main())
