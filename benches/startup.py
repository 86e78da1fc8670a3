"""Start-up time and memory: of the import, of one simulated ATM, of a hundred in one process.

    python benches/startup.py [--json]

Each figure comes from a process of its own; times are medians of seven.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import click
from rich.console import Console
from rich.table import Table

IMPORT = """
import time; began = time.perf_counter()
import xfs4iot
print([time.perf_counter() - began, 0])
"""
ATMS = """
import time; began = time.perf_counter()
import resource, trio, xfs4iot
from xfs4iot.simulator import atm

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()

async def main():
    before = resident()
    async with trio.open_nursery() as nursery:
        for _ in range({count}):
            services = atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
            await nursery.start(xfs4iot.Publisher(services, port=0).serve)
        print([time.perf_counter() - began, resident() - before])
        nursery.cancel_scope.cancel()

trio.run(main)
"""
CASES = {
    "import xfs4iot": IMPORT,
    "one ATM, ready for clients": ATMS.format(count=1),
    "a hundred ATMs in one process": ATMS.format(count=100),
}
ROUNDS = 7


def measured(code: str) -> tuple[float, int]:
    """Seconds and bytes that the code reports of itself."""
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(ROUNDS)
    ]
    return statistics.median(seconds for seconds, _ in runs), int(statistics.median(size for _, size in runs))


@click.command()
@click.option("--json", "as_json", is_flag=True)
def main(as_json: bool) -> None:
    """Measure and print."""
    results = {}
    with Console(stderr=True).status("measuring"):
        for name, code in CASES.items():
            results[name] = measured(code)
    if as_json:
        click.echo(json.dumps({name: {"seconds": s, "bytes": b} for name, (s, b) in results.items()}))
        return
    table = Table("", "seconds", "memory, MiB")
    for name, (seconds, size) in results.items():
        table.add_row(name, f"{seconds:.3f}", f"{size / 2**20:.1f}" if size else "")
    Console().print(table)


if __name__ == "__main__":
    main()
