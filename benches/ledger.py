"""What durability costs: movements a second with every commit synced, and without.

    python benches/ledger.py [--json] [--directory DIR]

A movement is an intent and a booking of four posts: two commits, as a dispense makes them.
`synchronous=OFF` writes the same without waiting for the disk; the ratio is the price of
surviving a power cut. With several services on one ledger, commits that wait together share
a sync. The last figures are the time to open and to check a journal of a million lines.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import trio
from rich.console import Console
from rich.table import Table

from xfs4iot.ledger import Ledger, LedgerReader, Posting
from xfs4iot.ledger.batch import Batch

MOVEMENTS = 60
ROUNDS = 7
LINES = 1_000_000
MOVED = (
    Posting("unit1", "count", "typeEUR20", "fit", -2),
    Posting("unit1", "out.stacked", "typeEUR20", "fit", 2),
    Posting("unit2", "count", "typeEUR50", "fit", -1),
    Posting("unit2", "out.stacked", "typeEUR50", "fit", 1),
)
FILLED = (
    Posting("unit1", "count", "typeEUR20", "fit", 10**9),
    Posting("unit2", "count", "typeEUR50", "fit", 10**9),
)


async def move(ledger: Ledger, name: str, times: int) -> None:
    """So many movements of one service, one after the other."""
    service = ledger.service(name)
    for number in range(times):
        intent = await service.begin(
            "dispense", command="CashDispenser.Dispense", request_id=number, identity="bench", planned=MOVED
        )
        await service.book(intent, MOVED)


def rate(directory: Path, synchronous: str, services: int) -> float:
    """Movements a second."""

    async def main() -> float:
        with Ledger.open(directory / f"{synchronous}{services}{time.monotonic_ns()}.sqlite") as ledger:
            ledger._connection.execute(f"PRAGMA synchronous = {synchronous}")
            for number in range(services):
                await ledger.service(f"Service{number}").record("set", FILLED)
            began = time.perf_counter()
            async with trio.open_nursery() as nursery:
                for number in range(services):
                    nursery.start_soon(move, ledger, f"Service{number}", MOVEMENTS // services)
            return MOVEMENTS / (time.perf_counter() - began)

    return trio.run(main)


def large(file: Path) -> None:
    """A journal of LINES lines."""
    with Ledger.open(file) as ledger:
        ledger._connection.execute("PRAGMA synchronous = OFF")
        trio.run(ledger.service("Service0").record, "set", FILLED)
        service = ledger.service("Service0")
        while ledger._sequence < LINES:
            batch = Batch(ledger._sequence, ledger._head)
            for number in range(2000):
                line = batch.add(
                    "begin",
                    None,
                    service.name,
                    "dispense",
                    "CashDispenser.Dispense",
                    number,
                    "bench",
                    detail='{"planned":[],"detail":{}}',
                )
                ledger._post(batch, service.name, line.as_intent(), MOVED)
                ledger._close(batch, line.as_intent(), "done")
            batch.closed.clear()
            batch.store(ledger._connection)
            ledger._take_over(batch)


def seconds(function: Callable[[], Any]) -> float:
    """CPU seconds, which others on the machine disturb less."""
    began = time.process_time()
    function()
    return time.process_time() - began


def checked(file: Path) -> None:
    with LedgerReader.open(file) as reader:
        assert not reader.verify().problems


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), help="On the disk to measure.")
def main(as_json: bool, directory: Path | None) -> None:
    """Measure and print; medians of rounds, the settings taken in turns."""
    cases = [("FULL", 1), ("OFF", 1), ("FULL", 8), ("OFF", 8)]
    rates: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory(dir=directory) as made, Console(stderr=True).status("measuring"):
        for _ in range(ROUNDS):
            for case in cases:
                rates[case].append(rate(Path(made), *case))
        file = Path(made) / "large.sqlite"
        large(file)
        opening = seconds(lambda: Ledger.open(file).close())
        checking = seconds(lambda: checked(file))
        size = file.stat().st_size
    median = {case: statistics.median(found) for case, found in rates.items()}
    results = {
        "movementsPerSecond": {f"{name}/{count}": round(median[name, count], 1) for name, count in cases},
        "fullToOff": round(median["FULL", 1] / median["OFF", 1], 3),
        "fullToOffOfEight": round(median["FULL", 8] / median["OFF", 8], 3),
        "millionLines": {"openSeconds": round(opening, 2), "checkSeconds": round(checking, 2), "bytes": size},
    }
    if as_json:
        click.echo(json.dumps(results))
        return
    table = Table("services", "synced", "not synced", "synced / not")
    for count in (1, 8):
        full, off = median["FULL", count], median["OFF", count]
        table.add_row(str(count), f"{full:.0f} movements/s", f"{off:.0f} movements/s", f"{full / off:.2f}")
    console = Console()
    console.print(table)
    console.print(
        f"a million lines ({size / 2**20:.0f} MiB): opened and verified in {opening:.1f} s of CPU, "
        f"checked whole in {checking:.1f} s",
        highlight=False,
    )


if __name__ == "__main__":
    try:
        main()
    except BaseException as ended:
        # A nursery makes a group of it, perhaps with what failed because of it.
        if BaseExceptionGroup("all", [ended]).subgroup(KeyboardInterrupt) is None:
            raise
        sys.exit("Aborted!")
