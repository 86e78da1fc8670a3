"""What a cash-in of 200 notes costs the service, beside a dispense and a present of as many.

    python benches/cash.py [--json] [--directory DIR]

A device that moves at once, a client over a real socket, a ledger that syncs every commit. The device reports
each note by itself, which is the most that there can be to book. The two are taken in turns, in one run;
the bar is for the cash-in: 5 ms a note at most, start and end included.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import trio
from rich.console import Console
from rich.table import Table

import xfs4iot
from xfs4iot import client, devices
from xfs4iot.devices import ItemsMoved

NOTES = 200
ROUNDS = 9
BAR = 0.005
"""Seconds of the service for each note of a cash-in."""
WISH = {"service": {"currencies": {"EUR": 20 * NOTES}, "mix": "mix1"}}


class Instant(devices.CashDispenser, devices.CashAcceptor):
    """It moves whatever it is asked to at once."""

    stacker_capacity = NOTES

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        types: frozenset[devices.UnitType] = frozenset({"cashIn", "cashOut"})
        unit = devices.CashUnit(index=1, types=types, currency="EUR", value=Decimal(20), initial=10**6)
        return {"unit1": unit}

    async def dispense(self, request: devices.DispenseRequest, events: Any) -> devices.Dispensed:
        one = ItemsMoved(1, "unit1", "stacker", origin="unit1", item="typeEUR20", level="fit")
        return devices.Dispensed(moved=(one,) * NOTES)

    async def present(self, position: str, events: Any) -> devices.Presented:
        one = ItemsMoved(1, "stacker", "customer", origin="unit1", item="typeEUR20", level="fit")
        return devices.Presented(moved=(one,) * NOTES)

    async def cash_in(self, request: devices.CashInRequest, events: Any) -> devices.CashedIn:
        one = ItemsMoved(1, "customer", "stacker", item="typeEUR20", level="fit")
        return devices.CashedIn(moved=(one,) * NOTES)

    async def cash_in_end(self, request: devices.StoreRequest, events: Any) -> devices.CashMovement:
        one = ItemsMoved(1, "stacker", "unit1", item="typeEUR20", level="fit")
        return devices.CashMovement(moved=(one,) * NOTES)


async def cashed_in(device: client.Client) -> float:
    """Seconds of one cash-in."""
    began = time.perf_counter()
    await device.call("CashAcceptor.CashInStart", {})
    await device.call("CashAcceptor.CashIn", timeout=30)
    await device.call("CashAcceptor.CashInEnd")
    return time.perf_counter() - began


async def paid_out(device: client.Client) -> float:
    """Seconds of one dispense with its present."""
    began = time.perf_counter()
    await device.call("CashDispenser.Dispense", {"denomination": {"denomination": WISH}}, timeout=30)
    await device.call("CashDispenser.Present", {})
    return time.perf_counter() - began


async def measured(directory: Path) -> tuple[list[float], list[float]]:
    """Seconds of each round: of the cash-in, and of the dispense."""
    found: tuple[list[float], list[float]] = ([], [])
    with xfs4iot.Ledger.open(directory / "ledger.sqlite") as ledger:
        async with trio.open_nursery() as nursery:
            service = xfs4iot.Service(Instant("Cash"), ledger=ledger)
            publisher = xfs4iot.Publisher([service], port=0)
            await nursery.start(publisher.serve)
            async with client.connect(publisher.uri("Cash"), plain=True) as device:
                for _ in range(ROUNDS):
                    found[0].append(await cashed_in(device))
                    found[1].append(await paid_out(device))
            nursery.cancel_scope.cancel()
    return found


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), help="On the disk to measure.")
def main(as_json: bool, directory: Path | None) -> None:
    """Measure and print; medians of rounds. Ends with 1 if the bar is missed."""
    with tempfile.TemporaryDirectory(dir=directory) as made, Console(stderr=True).status("measuring"):
        taken, paid = (statistics.median(found) for found in trio.run(measured, Path(made)))
    results = {
        "cashInMillisecondsPerNote": round(1000 * taken / NOTES, 3),
        "dispenseMillisecondsPerNote": round(1000 * paid / NOTES, 3),
        "cashInToDispense": round(taken / paid, 2),
    }
    if as_json:
        click.echo(json.dumps(results))
    else:
        table = Table("of 200 notes", "a note", "cash-in / dispense")
        ratio = f"{results['cashInToDispense']:.2f}"
        table.add_row("CashInStart, CashIn, CashInEnd", f"{1000 * taken / NOTES:.2f} ms", ratio)
        table.add_row("Dispense, Present", f"{1000 * paid / NOTES:.2f} ms", "")
        Console().print(table)
    if taken / NOTES > BAR:
        sys.exit(f"a note costs {1000 * taken / NOTES:.1f} ms; {1000 * BAR:g} ms are the bar")


if __name__ == "__main__":
    main()
