"""`xfs4iot fleet`: begin a fleet, decide who comes in, and what is known of its devices."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click
import trio

from xfs4iot.cli.connection import print_json, run
from xfs4iot.cli.fleet_call import call
from xfs4iot.cli.fleet_view import fields, list_devices, show, watch
from xfs4iot.cli.group import Group
from xfs4iot.cli.hosting import until_told
from xfs4iot.cli.operator import as_operator, device_argument
from xfs4iot.fleet.callout import Callout
from xfs4iot.fleet.deployment import deploy
from xfs4iot.fleet.nats import Login, Nats
from xfs4iot.fleet.nkeys import NKey
from xfs4iot.fleet.registry import PRESENCE, Registry
from xfs4iot.fleet.store import KeyValue
from xfs4iot.fleet.subjects import Subjects, check_id
from xfs4iot.transport import tls

__all__ = ["fleet_command"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("fleet", cls=Group)
@click.option("--broker", "servers", multiple=True, default=("nats://127.0.0.1:4222",), show_default=True)
@click.option("--tenant", default="fleet", show_default=True, help="Whose fleet it is.")
@click.option("--certificate", type=_FILE, help="PEM file by which the broker knows you.")
@click.option("--key", type=_FILE, help="PEM file of its key.")
@click.option("--ca", type=_FILE, help="PEM file of the authorities that sign brokers.")
@click.pass_context
def fleet_command(ctx: click.Context, /, **settings: Any) -> None:
    """Begin a fleet, let its parts in; list, watch and call its devices."""
    ctx.obj = settings


for _one in (list_devices, show, watch, call, fields):
    fleet_command.add_command(_one)


@fleet_command.command()
@device_argument
@click.pass_obj
def readmit(settings: dict[str, Any], device: str) -> None:
    """Take DEVICE in again whose ledger was replaced, after a clone alarm that was none."""

    async def main(carrier: Nats) -> None:
        store = KeyValue(carrier, PRESENCE.format(settings["tenant"]))
        await Registry(store, carrier, Subjects(settings["tenant"])).readmit(device)

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

    Start `nats-server -c nodeN.conf` on each node, then `xfs4iot fleet callout`, then gateways.
    """
    try:
        made = deploy(directory, settings["tenant"], hosts, port=port, routes=routes)
    except (ValueError, OSError) as problem:
        raise click.ClickException(str(problem)) from None
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
    brokers = " ".join(f"--broker {one}" for one in made.servers)
    click.echo(f"xfs4iot fleet {brokers} --tenant {settings['tenant']} callout {made.keys}")


@fleet_command.command()
@click.argument("keys", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--revoked", multiple=True, metavar="SHA256", help="A certificate that is not let in any more.")
@click.pass_obj
def callout(settings: dict[str, Any], keys: Path, revoked: tuple[str, ...]) -> None:
    """Decide for the broker who may connect, by the keys that `init` has written to KEYS.

    Run two or more: while none runs, nobody new comes in.
    """
    try:
        issuer, user = (NKey.of((keys / f"{name}.seed").read_text("ascii")) for name in ("issuer", "callout"))
        check_id(settings["tenant"], "tenant")
    except (ValueError, OSError) as problem:
        raise click.ClickException(f"{keys}: {problem}") from None
    login = Login(
        lambda: tls.client_context(
            ca=keys / "ca.pem", certificate=keys / "callout.pem", key=keys / "callout.key"
        ),
        nkey=user.public,
        sign=user.sign,
    )
    unwanted = frozenset(one.replace(":", "").lower() for one in revoked)

    async def main() -> int:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with until_told(signals), trio.open_nursery() as nursery:
                carrier = Nats(settings["servers"], login, name="xfs4iot callout")
                Callout(carrier, issuer, settings["tenant"], unwanted)
                await nursery.start(carrier.run)
                await carrier.until_connected()
                await carrier.flush()
                click.echo(f"deciding who comes in to {', '.join(settings['servers'])}; Ctrl-C ends")
                await trio.sleep_forever()
        return 0

    run(main)
