"""`xfs4iot fleet consumer`: other systems that take the events of a fleet."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from xfs4iot.cli.characters import escape
from xfs4iot.cli.connection import print_json
from xfs4iot.cli.group import Group
from xfs4iot.cli.operator import as_operator, checked_name
from xfs4iot.cli.prose import Console
from xfs4iot.cli.table import Table
from xfs4iot.fleet.events import INTERFACES, add_consumer, consumers, remove_consumer
from xfs4iot.fleet.nats import Nats

__all__ = ["consumer"]


@click.group(cls=Group)
def consumer() -> None:
    """Let other systems take the events of all devices, and see how far they are."""


@consumer.command()
@click.argument("name", callback=checked_name)
@click.option(
    "--interface", "interfaces", multiple=True, type=click.Choice(INTERFACES), metavar="NAME",
    help="Only events of this interface, such as CashDispenser; may be given again.",
)  # fmt: skip
@click.option("--new", is_flag=True, help="Not the events that are kept already.")
@click.pass_obj
def add(settings: dict[str, Any], name: str, interfaces: tuple[str, ...], new: bool) -> None:
    """Set events aside for the system NAME: it gets each until it has confirmed it."""

    async def main(carrier: Nats) -> None:
        await add_consumer(carrier, settings["tenant"], name, interfaces, new=new)
        click.echo(f"events of {', '.join(interfaces) or 'all interfaces'} are set aside for {name}")

    as_operator(settings, main, there=consumers)


@consumer.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def list_consumers(settings: dict[str, Any], as_json: bool) -> None:
    """List the systems that take events, and how many wait for each."""

    async def main(carrier: Nats) -> None:
        found = await consumers(carrier, settings["tenant"])
        if as_json:
            print_json([asdict(one) for one in found])
            return
        table = Table("consumer", "waiting", "not confirmed", "interfaces")
        for one in found:
            table.add_row(
                escape(one.name), str(one.waiting), str(one.unacknowledged),
                escape(", ".join(one.interfaces) or "all"),
            )  # fmt: skip
        Console().print(table)

    as_operator(settings, main, there=consumers)


@consumer.command()
@click.argument("name", callback=checked_name)
@click.pass_obj
def remove(settings: dict[str, Any], name: str) -> None:
    """Forget the system NAME, and how far it was."""

    async def main(carrier: Nats) -> None:
        if name not in [one.name for one in await consumers(carrier, settings["tenant"])]:
            raise click.ClickException(f"there is no consumer {name}; see `xfs4iot fleet consumer list`")
        await remove_consumer(carrier, settings["tenant"], name)
        click.echo(f"nothing is set aside for {name} any more")

    as_operator(settings, main, there=consumers)
