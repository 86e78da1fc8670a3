"""`xfs4iot demo`: the main job, end to end, on this machine and gone afterwards."""

from __future__ import annotations

import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from xfs4iot import client
from xfs4iot.cli.arguments import money
from xfs4iot.cli.connection import run, tracer
from xfs4iot.cli.hosting import dialect_option, simulated_atm
from xfs4iot.cli.published import show_published
from xfs4iot.cli.table import Table
from xfs4iot.protocol import versions

__all__ = ["demo"]


@click.command()
@click.option("--amount", default="230", show_default=True, callback=money, help="EUR to pay out.")
@click.option("--trace", is_flag=True, help="Print every message.")
@dialect_option
def demo(amount: Decimal, trace: bool, dialect: str | None) -> None:
    """A simulated ATM behind TLS is discovered and pays out money.

    Real WebSocket messages over a real TLS socket, with a throw-away certificate
    authority; nothing is left behind.
    """
    console = Console()

    async def main() -> int:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="xfs4iot-demo-") as directory:
            async with simulated_atm(Path(directory), dialect=dialect) as atm:
                await _withdraw(console, atm.publisher.uri(), atm.ca, amount, trace)
        console.print(f"[green]✓[/] all of it in {time.perf_counter() - began:.1f} s; nothing is left behind")
        return 0

    run(main)


async def _withdraw(console: Console, publisher: str, ca: Path | None, amount: Decimal, trace: bool) -> None:
    def step(text: str) -> None:
        console.print(f"[bold cyan]▸[/] {text}", highlight=False, soft_wrap=True)

    settings: dict[str, Any] = {
        "ca": ca,
        "version": versions.NEWEST,
        "trace": tracer(console) if trace else None,
    }
    answered = await client.discover("127.0.0.1", **settings)
    # Other publishers on this machine may answer as well.
    found = next(one for one in answered if one.uri == publisher)
    step("discover 127.0.0.1 on the standard's ports: a publisher answers")
    show_published(console, found.uri, found.services)
    async with (
        client.connect(found.services["CashDispenser"], **settings) as dispenser,
        client.connect(found.services["Simulator"], **settings) as simulator,
    ):
        status = await dispenser.call("Common.Status")
        step(f"Common.Status: the device is [green]{status['common']['device']}[/]")
        capabilities = await dispenser.call("Common.Capabilities")
        names = ", ".join(one["name"] for one in capabilities["interfaces"])
        limit = capabilities["cashDispenser"]["maxDispenseItems"]
        step(f"Common.Capabilities: {names}; at most {limit} items at once")
        before = (await dispenser.call("Storage.GetStorage"))["storage"]
        request = {"denomination": {"service": {"currencies": {"EUR": amount}, "mix": "mix1"}}}
        answer = await dispenser.call("CashDispenser.Denominate", {"request": request})
        notes = ", ".join(f"{count} from {unit}" for unit, count in answer["result"]["values"].items())
        step(f"CashDispenser.Denominate {amount} EUR: {notes}")
        # Subscribed before anything moves, so that the event cannot be missed.
        async with dispenser.events("CashManagement.ItemsTakenEvent") as taken:
            await dispenser.call("CashDispenser.Dispense", {"denomination": request}, timeout=30)
            step("CashDispenser.Dispense: the notes are on the stacker")
            await dispenser.call("CashDispenser.Present", {"position": "outDefault"}, timeout=30)
            step("CashDispenser.Present: the shutter is open, the notes wait for the customer")
            await simulator.call("Simulator.TakeItems")
            event = await anext(taken)
            step(f"CashManagement.ItemsTakenEvent at {event.payload.get('position')}: the customer has them")
        after = (await dispenser.call("Storage.GetStorage"))["storage"]
    console.print(_counts(before, after))


def _counts(before: dict[str, Any], after: dict[str, Any]) -> Table:
    table = Table("Unit", "Holds", "Before", "After", "Presented", title="Cash units")
    for unit, content in after.items():
        cash = content["cash"]
        configuration = cash.get("configuration", {})
        value = configuration.get("value")
        holds = f"{value} {configuration.get('currency', '')}" if value else "rejects and retracts"
        then, now = _content(before[unit]), _content(content)
        table.add_row(
            unit, holds, str(then), f"[yellow]{now}[/]" if now != then else str(now), str(_presented(content))
        )
    return table


def _sum(counts: dict[str, Any] | None) -> int:
    """All items of one count object of the wire."""
    return sum(value if isinstance(value, int) else sum(value.values()) for value in (counts or {}).values())


def _content(unit: dict[str, Any]) -> int:
    """What a unit holds: what it began with, less what left it, more what came in."""
    status = unit["cash"]["status"]
    out = sum(_sum(counts) for counts in status.get("out", {}).values())
    came = sum(_sum(counts) for counts in status.get("in", {}).values() if isinstance(counts, dict))
    return _sum(status.get("initial")) - out + came


def _presented(unit: dict[str, Any]) -> int:
    return _sum(unit["cash"]["status"].get("out", {}).get("presented"))
