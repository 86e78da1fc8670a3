"""Dispense over the wire: what an fsync leaves of its rate, with one service and with several.

    python benches/dispense.py [--directory DIR] [--rounds 5] [--seconds 1] [--json]

Whole services in a process of their own, each with a client that sends one Dispense after the other; the
device has nothing to move, so what is measured is the plan, two bookings, their syncs and the messages.
Three ledgers in turn: one that is synced, as always in earnest; the same that is not
(`synchronous=OFF`); and none on a disk. Beside them a file that is written to and synced as often as a
Dispense does it, and nothing else: the floor. Services of one ledger share their syncs (group
commit), so several have more than one's rate together.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import click
import trio
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import xfs4iot
from xfs4iot import devices

LEDGERS = ("synced", "unsynced", "memory")
SERVICES = (1, 8)
COMMITS = 2
"""Of one Dispense: the intent, and what moved."""
REQUEST = {"denomination": {"denomination": {"service": {"mix": "mix1", "currencies": {"EUR": 380}}}}}


class Endless(devices.CashDispenser):
    """Four units that never run out, and an output from which items are gone at once."""

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        return {
            f"unit{index}": devices.CashUnit(
                index=index,
                types=frozenset({"cashOut"}),
                currency="EUR",
                value=Decimal(value),
                initial=900_000,
            )
            for index, value in enumerate((10, 20, 50, 100), 1)
        }

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents
    ) -> devices.Dispensed:
        return devices.Dispensed(moved=devices.items_from(request.counts, "customer"))


def serve(kind: str, services: int, directory: Path) -> None:
    """Serve until killed; prints the port when ready."""

    async def main() -> None:
        ledger = xfs4iot.Ledger.open(None if kind == "memory" else directory / f"{kind}{services}.sqlite")
        if kind == "unsynced":
            ledger._connection.execute("PRAGMA synchronous = OFF")
        names = [f"CashDispenser{number}" for number in range(services)]
        publisher = xfs4iot.Publisher(
            [xfs4iot.Service(Endless(name), ledger=ledger) for name in names], port=0
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(publisher.serve)
            print(publisher.port, flush=True)

    trio.run(main)


def rate(port: int, services: int, seconds: float) -> float:
    """Dispenses a second of all services together."""
    done = 0

    async def client(name: str, until: float) -> None:
        nonlocal done
        async with xfs4iot.connect(f"ws://127.0.0.1:{port}/xfs4iot/v1.0/{name}") as dispenser:
            while trio.current_time() < until:
                await dispenser.call("CashDispenser.Dispense", REQUEST)
                done += 1

    async def main() -> None:
        until = trio.current_time() + seconds
        async with trio.open_nursery() as nursery:
            for number in range(services):
                nursery.start_soon(client, f"CashDispenser{number}", until)

    began = time.perf_counter()
    trio.run(main)
    return done / (time.perf_counter() - began)


def floor(directory: Path, seconds: float) -> float:
    """How often a second a file can be written to and synced twice."""
    began, times = time.perf_counter(), 0
    with (directory / "floor").open("wb") as file:
        while time.perf_counter() - began < seconds:
            for _ in range(COMMITS):
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
            times += 1
    return times / (time.perf_counter() - began)


def measure(
    directory: Path, rounds: int, seconds: float, console: Console
) -> tuple[dict[tuple[str, int], list[float]], list[float]]:
    """Rates by ledger and number of services, and of the bare file, round by round."""
    rates: dict[tuple[str, int], list[float]] = {}
    floors: list[float] = []
    with Progress(console=console) as progress:
        task = progress.add_task("dispensing", total=rounds * len(LEDGERS) * len(SERVICES))
        for _ in range(rounds):
            floors.append(floor(directory, seconds / 2))
            for services in SERVICES:
                for kind in LEDGERS:
                    with tempfile.TemporaryDirectory(dir=directory) as own:
                        command = [sys.executable, __file__, "--serve", kind, str(services), own]
                        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                        try:
                            assert server.stdout is not None
                            port = int(server.stdout.readline())
                            rates.setdefault((kind, services), []).append(rate(port, services, seconds))
                        finally:
                            server.kill()
                            server.wait()
                    progress.advance(task)
    return rates, floors


@click.command()
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), help="On the disk to measure.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="Per measurement.")
@click.option("--json", "as_json", is_flag=True)
def main(directory: Path | None, rounds: int, seconds: float, as_json: bool) -> None:
    """Dispenses a second over the wire, with the ledger synced, not synced, and in memory.

    Medians of rounds, everything in turns.
    """
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(dir=directory) as made:
        rates, floors = measure(Path(made), rounds, seconds, console)
    median = {case: statistics.median(found) for case, found in rates.items()}
    bare = statistics.median(floors)
    if as_json:
        found = {f"{kind}/{services}": round(value, 1) for (kind, services), value in median.items()}
        click.echo(json.dumps({"dispensesPerSecond": found, "twoSyncsPerSecond": round(bare, 1)}))
        return
    table = Table("services", *LEDGERS, "synced / unsynced")
    for services in SERVICES:
        ratio = statistics.median(
            a / b for a, b in zip(rates["synced", services], rates["unsynced", services], strict=True)
        )
        cells = [f"{median[kind, services]:,.0f}/s" for kind in LEDGERS]
        table.add_row(str(services), *cells, f"{ratio:.2f}")
    Console().print(table)
    Console().print(f"a bare file, two syncs for each: {bare:,.0f}/s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
