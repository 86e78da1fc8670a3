"""Start-up time and memory: of the import, of one simulated ATM, of a hundred in one process.

    python benches/startup.py [--json]

Each figure comes from a process of its own; times are medians of seven. Memory is what the process has
resident in all, and how much of that is its own; the rest are pages of libraries' files, which all processes
share. Exits with 1 if one ATM takes more than its bars.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import click
from rich.console import Console
from rich.table import Table

HEAD = """
import time; began = time.perf_counter()

def report():
    found = {"seconds": time.perf_counter() - began}
    with open("/proc/self/smaps_rollup") as lines:
        for line in lines:
            name, _, size = line.partition(":")
            if name in ("Rss", "Anonymous"):
                found[name] = int(size.split()[0]) / 1024
    import json
    print(json.dumps(found))
"""
IMPORT = """
import xfs4iot
report()
"""
SIMULATE = """
import xfs4iot.cli
import tempfile
from pathlib import Path
import trio
import xfs4iot.cli.simulate
from xfs4iot.cli.hosting import simulated_atm

async def main():
    with tempfile.TemporaryDirectory() as state:
        async with simulated_atm(Path(state), port=0):
            report()

trio.run(main)
"""
ATMS = """
import trio, xfs4iot
from xfs4iot.simulator import atm

async def main():
    async with trio.open_nursery() as nursery:
        for _ in range({count}):
            services = atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
            await nursery.start(xfs4iot.Publisher(services, port=0).serve)
        report()
        nursery.cancel_scope.cancel()

trio.run(main)
"""
ONE = "one ATM of all interfaces behind TLS, ready for clients"
CASES = {
    "import xfs4iot": IMPORT,
    ONE: SIMULATE,
    "the same, plain text, in a program of one's own": ATMS.format(count=1),
    "a hundred of these in one process": ATMS.format(count=100),
}
BARS = {"seconds": 1.0, "Rss": 60.0}
"""What one ATM may take: seconds, and MiB."""
ROUNDS = 7


def measured(code: str) -> dict[str, float]:
    """Medians of what the code reports of itself."""
    runs = [
        json.loads(
            subprocess.run([sys.executable, "-c", HEAD + code], capture_output=True, check=True).stdout
        )
        for _ in range(ROUNDS)
    ]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


@click.command()
@click.option("--json", "as_json", is_flag=True)
def main(as_json: bool) -> None:
    """Measure and print; exit 1 if a bar is missed."""
    with Console(stderr=True).status("measuring"):
        results = {name: measured(code) for name, code in CASES.items()}
    if as_json:
        click.echo(json.dumps(results))
    else:
        table = Table("", "seconds", "resident, MiB", "its own, MiB")
        for name, found in results.items():
            table.add_row(name, f"{found['seconds']:.3f}", f"{found['Rss']:.1f}", f"{found['Anonymous']:.1f}")
        Console().print(table)
    sys.exit(any(results[ONE][name] > bar for name, bar in BARS.items()))


if __name__ == "__main__":
    main()
