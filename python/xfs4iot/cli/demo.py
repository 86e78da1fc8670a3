"""`xfs4iot demo`: the main job, end to end, on this machine and gone afterwards."""

from __future__ import annotations

import re
import secrets
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from xfs4iot import client
from xfs4iot.cli import arguments
from xfs4iot.cli.arguments import money
from xfs4iot.cli.connection import run, tracer
from xfs4iot.cli.extras import require
from xfs4iot.cli.hosting import dialect_option, simulated_atm
from xfs4iot.cli.prose import Console
from xfs4iot.cli.published import show_published
from xfs4iot.cli.story_screen import JsonTeller, ScreenTeller
from xfs4iot.dataclass import dataclass
from xfs4iot.interfaces.common.end_to_end_security import EndToEndSecurity
from xfs4iot.protocol import versions
from xfs4iot.stories import STORIES, play
from xfs4iot.stories.books import cash_before_and_after
from xfs4iot.stories.host import Host
from xfs4iot.stories.stage import Stage, StepFailed

__all__ = ["demo", "injected"]

_PICTURE_COLUMNS = 100


@click.command()
@click.option("--amount", default="230", show_default=True, callback=money, help="EUR to pay out.")
@click.option(
    "--scenario",
    type=click.Choice(list(STORIES)),
    help="Play a whole story instead, step by step, at an ATM with all its devices.",
)
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    callback=arguments.directory,
    help="With --scenario: where receipts and cheques go. Default: a new directory among temporary files.",
)
@click.option(
    "--inject",
    metavar="[SERVICE:]FAULT[:UNIT]",
    multiple=True,
    help="With --scenario: a fault of the simulated devices strikes, such as jam; may be given again.",
)
@click.option("--json", "as_json", is_flag=True, help="With --scenario: print JSON, an object to a line.")
@click.option("--trace", is_flag=True, help="Print every message; with --json on standard error.")
@click.option(
    "--picture",
    type=arguments.NewFile(),
    help="Write what is printed to this file, too, as a picture (SVG).",
)
@dialect_option
def demo(
    amount: Decimal,
    scenario: str | None,
    pictures: Path | None,
    inject: tuple[str, ...],
    as_json: bool,
    trace: bool,
    picture: Path | None,
    dialect: str | None,
) -> None:
    """A simulated ATM behind TLS is discovered and pays out money.

    Real WebSocket messages over a real TLS socket, with a throw-away certificate
    authority; nothing is left behind but the pictures that a scenario names.
    """
    if picture is not None and as_json:
        raise click.UsageError("--picture shows what a person sees; leave --json out")
    # One for all of it: what is traced is printed above the step that is under way.
    console = Console(stderr=as_json, record=picture is not None, width=_PICTURE_COLUMNS if picture else None)
    if scenario is not None:
        require("simulator", f"the scenario {scenario}", *STORIES[scenario].needs)
        told = _Told(as_json, trace, pictures, picture, inject, dialect)
        run(lambda: _tell(console, scenario, told))
    if pictures or inject or as_json:
        raise click.UsageError("--pictures, --inject and --json need a --scenario")

    async def main() -> int:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="xfs4iot-demo-") as directory:
            async with simulated_atm(Path(directory), dialect=dialect) as atm:
                await _withdraw(console, atm.publisher.uri(), atm.ca, amount, trace)
        console.print(f"[green]✓[/] all of it in {time.perf_counter() - began:.1f} s; nothing is left behind")
        _draw(console, "xfs4iot demo", picture)
        return 0

    run(main)


def injected(text: str) -> dict[str, str]:
    """What `--inject` says, as the payload of `Simulator.Inject`.

    A service begins with a capital letter, as interfaces do, a fault with a small one.
    """
    parts = text.split(":")
    service = {"service": parts.pop(0)} if len(parts) > 1 and parts[0][:1].isupper() else {}
    fault, *unit = parts
    return service | {"fault": fault} | ({"unit": ":".join(unit)} if unit else {})


@dataclass(frozen=True)
class _Told:
    """How a story is told: the options of the command line."""

    as_json: bool
    trace: bool
    pictures: Path | None
    picture: Path | None
    faults: tuple[str, ...]
    dialect: str | None


async def _tell(console: Console, name: str, told: _Told) -> int:
    """Play a story at an ATM of its own; the exit code."""
    teller = JsonTeller() if told.as_json else ScreenTeller(console)
    token_key = secrets.token_bytes(32)
    began = time.perf_counter()
    code = 0
    with tempfile.TemporaryDirectory(prefix="xfs4iot-demo-") as directory:
        async with simulated_atm(
            Path(directory),
            STORIES[name].profile,
            security=EndToEndSecurity(key=token_key, required="always", responses="always"),
            dialect=told.dialect,
        ) as atm:
            connection: dict[str, Any] = {
                "ca": atm.ca,
                "version": versions.NEWEST,
                "trace": tracer(console) if told.trace else None,
            }
            found = await _discovered(atm.publisher.uri(), connection)
            teller.opens(name, STORIES[name].summary, found.uri, found.services)
            pictures = told.pictures or Path(tempfile.gettempdir()) / f"xfs4iot-{name}-{secrets.token_hex(4)}"
            async with Stage.opened(
                found.services, teller=teller, host=Host(token_key), pictures=pictures, **connection
            ) as stage:
                for fault in told.faults:
                    await stage.hand("Inject", injected(fault))
                try:
                    await play(name, stage)
                except StepFailed:
                    code = 1
                finally:
                    teller.leaves()
    teller.closes(name, not code, time.perf_counter() - began)
    _draw(console, f"xfs4iot demo --scenario {name}", told.picture)
    return code


def _draw(console: Console, title: str, picture: Path | None) -> None:
    """What was printed, as a picture."""
    if picture is not None:
        drawn = console.export_svg(title=title)
        # Its fonts would be fetched from the network: every system has one of a fixed width.
        picture.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), "utf-8")


async def _discovered(publisher: str, connection: dict[str, Any]) -> client.Published:
    """The ATM as its clients find it."""
    answered = await client.discover("127.0.0.1", **connection)
    # Other publishers on this machine may answer as well.
    return next(one for one in answered if one.uri == publisher)


async def _withdraw(console: Console, publisher: str, ca: Path | None, amount: Decimal, trace: bool) -> None:
    def step(text: str) -> None:
        console.print(f"[bold cyan]▸[/] {text}", highlight=False)

    settings: dict[str, Any] = {
        "ca": ca,
        "version": versions.NEWEST,
        "trace": tracer(console) if trace else None,
    }
    found = await _discovered(publisher, settings)
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
    ScreenTeller(console).shows(cash_before_and_after(before, after))
