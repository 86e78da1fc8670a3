"""`xfs4iot fleet`: begin a fleet, decide who comes in, and what is known of its devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xfs4iot.cli.broker import EMBEDDED, as_role, fleet_option
from xfs4iot.cli.connection import print_json
from xfs4iot.cli.fleet_call import call
from xfs4iot.cli.fleet_consumer import consumer
from xfs4iot.cli.fleet_trust import admit, authority, callout, enrolled, invite, revoke
from xfs4iot.cli.fleet_view import fields, list_devices, show, watch
from xfs4iot.cli.group import Group
from xfs4iot.cli.operator import as_operator, bucket_of, device_argument
from xfs4iot.fleet.deployment import deploy
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.registry import PRESENCE, Registry
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.reasons import reason

__all__ = ["fleet_command"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("fleet", cls=Group)
@fleet_option(envvar="XFS4IOT_FLEET", show_envvar=True)
@click.option(
    "--broker", "servers", multiple=True, metavar="URL", envvar="XFS4IOT_BROKER", show_envvar=True,
    help=f"Default: {EMBEDDED}.",
)  # fmt: skip
@click.option(
    "--tenant", envvar="XFS4IOT_TENANT", show_envvar=True, help="Whose fleet it is; default: fleet."
)
@click.option("--certificate", type=_FILE, help="PEM file by which the broker knows you.")
@click.option("--key", type=_FILE, help="PEM file of its key.")
@click.option("--ca", type=_FILE, help="PEM file of the authorities that sign brokers.")
@click.pass_context
def fleet_command(ctx: click.Context, /, **settings: Any) -> None:
    """Begin a fleet, let its parts in; list, watch and call its devices."""
    # Whoever is not the operator looks at what was given.
    ctx.obj = {**as_role(settings, "operator"), "given": settings}


_LOOKING = (list_devices, show, watch, call, fields, consumer)
_TRUST = (callout, authority, invite, revoke, admit, enrolled)
for _one in (*_LOOKING, *_TRUST):
    fleet_command.add_command(_one)


@fleet_command.command()
@device_argument
@click.pass_obj
def readmit(settings: dict[str, Any], device: str) -> None:
    """Take DEVICE in again whose ledger was replaced, after a clone alarm that was none."""

    async def main(carrier: Nats) -> None:
        store = bucket_of(carrier, PRESENCE, settings["tenant"])
        await Registry(store, carrier, Subjects(settings["tenant"])).readmit(device)
        click.echo(f"{device} is taken in again, whatever its epoch, when it comes next")

    as_operator(settings, main)


@fleet_command.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--node",
    "hosts",
    multiple=True,
    default=("127.0.0.1",),
    show_default=True,
    help="Host of a node of the broker; 1, 3 or 9 times. The same one again runs several.",
)
@click.option("--port", type=click.IntRange(1, 65000), default=4222, show_default=True, help="For clients.")
@click.option("--routes", type=click.IntRange(1, 65000), default=6222, show_default=True, help="For nodes.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def init(
    settings: dict[str, Any],
    directory: Path,
    hosts: tuple[str, ...],
    port: int,
    routes: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Write what a new fleet needs to DIRECTORY: its brokers' configuration, and keys.

    Start `nats-server -c nodeN.conf` on each node, then what else is printed.
    """
    try:
        made = deploy(directory, settings["tenant"], hosts, port=port, routes=routes)
    except (ValueError, OSError) as problem:
        raise click.ClickException(reason(problem)) from None
    if as_json:
        print_json(
            {
                "nodes": [str(one) for one in made.nodes],
                "servers": list(made.servers),
                "replicas": made.replicas,
                "keys": str(made.keys),
            }
        )
        return
    for file in made.nodes:
        click.echo(f"nats-server -c {file}")
    for command in ("fleet --fleet {} callout", "fleet --fleet {} authority", "gateway --fleet {}"):
        click.echo(f"xfs4iot {command.format(directory)}")
