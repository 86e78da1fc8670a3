"""Fails when telemetry costs more than it may, counted in instructions.

    python benches/guard/telemetry.py

Commands are handed to a session of a simulated dispenser, without a network below it, under callgrind:
without the hook of observers at all (its lines are cut out of the engine as it is compiled), with it and
nobody observing, with metrics, and with metrics and traces. Callgrind writes its counters at each call of
getppid, which nothing else calls. How names hash makes some instructions more or less, half a per cent of
them, and is otherwise in each process of Python, so that each is counted by several seeds, of which the
middle one counts.
The bars: what is off costs nothing that can be measured (1 %), what is
on 11 % of the engine alone, and less of the commands a second of a service, for which the kernel works too:
`benches/telemetry.py` measures those.
"""

from __future__ import annotations

import ast
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import truediv
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.table import Table

PROCESSES = (("without",), ("off", "metrics", "all"))
"""What is measured in one process, one after another."""
SEEDS = range(5)
"""Of the hashes of names."""
BARS = {"off": 1.01, "metrics": 1.11, "all": 1.11}
"""Instructions of a command, as a multiple of those without the hook."""
READS, TOGETHER = 40, 32
HOOKED = ("xfs4iot.server.session", "xfs4iot.server.service")
COMMAND = '{"header":{"name":"Common.Status","requestId":%d,"type":"command","version":"3.0"},"payload":{}}'


class Unhooked(ast.NodeTransformer):
    """Leaves out what is done only for an observer."""

    def __init__(self) -> None:
        self.found = 0

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if "observer" in ast.unparse(node.test) and "None" in ast.unparse(node.test):
            self.found += 1
            return ast.Pass()
        return self.generic_visit(node)


class Loader(importlib.machinery.SourceFileLoader):
    """Compiles a module of the engine without its hook."""

    def get_code(self, fullname: str) -> Any:
        tree, without = ast.parse(self.get_data(self.path)), Unhooked()
        changed = ast.fix_missing_locations(without.visit(tree))
        assert without.found, f"{fullname} asks for no observer any more: name the modules that do"
        return compile(changed, self.path, "exec")


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that have the hook."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in HOOKED:
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert found is not None
        assert found.origin is not None
        found.loader = Loader(fullname, found.origin)
        return found


def run(modes: Sequence[str]) -> None:
    """Answer commands in each of some modes; this is what is counted."""
    if "without" in modes:
        sys.meta_path.insert(0, Finder())
    sys.path.insert(0, str(Path(__file__).parent.parent))
    import trio
    from framing import masked
    from test_session import Nowhere

    import xfs4iot
    from xfs4iot.server.channel import SessionLimits
    from xfs4iot.server.observation import Observer
    from xfs4iot.server.peer import Peer
    from xfs4iot.server.session import Session
    from xfs4iot.simulator import SimulatedCashDispenser
    from xfs4iot.telemetry.metrics import Metrics
    from xfs4iot.transport.readers import Readers

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            service = xfs4iot.Service(SimulatedCashDispenser("CashDispenser"))
            await nursery.start(service.run)
            metrics = Metrics(xfs4iot.Publisher([service], port=0))
            observers: dict[str, Observer] = {"metrics": metrics, "all": metrics}
            if "all" in modes:
                from xfs4iot.telemetry.traces import Traces

                # As in a service at work, where nearly every command comes when so many spans were made.
                Traces("http://127.0.0.1:9", metrics, 0)
            peer = Peer("nowhere", "nobody", "localhost")
            session = Session(service, Nowhere(), Readers(), peer, SessionLimits())
            numbers = itertools.count(1)
            reads = [
                b"".join(masked((COMMAND % next(numbers)).encode()) for _ in range(TOGETHER))
                for _ in range(READS)
            ]
            gc.disable()
            for mode in modes:
                service.observer = observers.get(mode)
                # The first of a kind does more: only those after it are counted.
                session.received(reads[0], trio.current_time())
                os.getppid()
                for read in reads:
                    session.received(read, trio.current_time())
                os.getppid()
            nursery.cancel_scope.cancel()

    trio.run(main)


def counted(modes: Sequence[str], seed: int) -> dict[str, float]:
    """Instructions of a command, by mode, in a process whose names hash by this seed."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--dump-before=getppid",
                f"--callgrind-out-file={directory}/out",
                sys.executable,
                __file__,
                *modes,
            ],
            capture_output=True,
            check=True,
            # Without a seed the count would be another each time.
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        )
        found = {}
        for place, mode in enumerate(modes):
            # Before each mode, and at its end.
            text = (Path(directory) / f"out.{2 * place + 2}").read_text()
            total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
            assert total is not None
            found[mode] = int(total[1]) / READS / TOGETHER
    return found


def main() -> int:
    """Count, and compare."""
    if shutil.which("valgrind") is None:
        print("valgrind is not here: what telemetry costs is not checked")
        return 0
    traced = importlib.util.find_spec("opentelemetry") is not None
    processes = [
        ([one for one in modes if traced or one != "all"], seed) for modes in PROCESSES for seed in SEEDS
    ]
    counts: dict[str, list[float]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(counted, *zip(*processes, strict=True)):
            for mode, count in found.items():
                counts.setdefault(mode, []).append(count)
    cost = {mode: median(of) for mode, of in counts.items()}
    # Of one seed both: what the layout of names adds, it adds to both.
    ratios = {mode: median(map(truediv, of, counts["without"])) for mode, of in counts.items()}
    table = Table("telemetry", "instructions of a command", "ratio", "bar")
    worse = []
    for mode, count in cost.items():
        ratio, bar = ratios[mode], BARS.get(mode)
        if bar is not None and ratio > bar:
            worse.append(mode)
        mark = "red" if mode in worse else "green"
        table.add_row(mode, f"{count:.0f}", f"[{mark}]{ratio:.3f}[/]", "" if bar is None else f"{bar:.2f}")
    Console().print(table)
    if worse:
        print(f"telemetry costs more than it may: {', '.join(worse)}")
    return bool(worse)


if __name__ == "__main__":
    if sys.argv[1:]:
        run(sys.argv[1:])
    else:
        sys.exit(main())
