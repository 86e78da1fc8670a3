"""`xfs4iot fleet`: what is known of the devices of a fleet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import trio
from rich.console import Console
from rich.table import Table

from xfs4iot.cli.connection import print_json, run
from xfs4iot.cli.group import Group
from xfs4iot.cli.uplink import broker_is_trusted
from xfs4iot.fleet.carrier import CarrierLost
from xfs4iot.fleet.nats import Login, Nats
from xfs4iot.fleet.registry import PRESENCE, Registry
from xfs4iot.fleet.store import KeyValue
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.transport import tls

__all__ = ["fleet_command"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_BROKER_SECONDS = 10.0


@click.group("fleet", cls=Group)
@click.option("--broker", "servers", multiple=True, default=("nats://127.0.0.1:4222",), show_default=True)
@click.option("--tenant", default="fleet", show_default=True, help="Whose fleet it is.")
@click.option("--certificate", type=_FILE, help="PEM file by which the broker knows you.")
@click.option("--key", type=_FILE, help="PEM file of its key.")
@click.option("--ca", type=_FILE, help="PEM file of the authorities that sign brokers.")
@click.pass_context
def fleet_command(ctx: click.Context, /, **settings: Any) -> None:
    """List and readmit the devices of a fleet."""
    ctx.obj = settings


def _with_registry(settings: dict[str, Any], what: Any) -> None:
    """Do something with what is known of the devices, over a connection of its own."""
    servers, tenant = settings["servers"], settings["tenant"]
    try:
        broker_is_trusted(servers)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    files = {name: settings[name] for name in ("ca", "certificate", "key")}

    async def main() -> int:
        login = Login(lambda: tls.client_context(**files)) if servers[0].startswith("tls:") else None
        carrier = Nats(servers, login, name="xfs4iot fleet")
        failure = None
        async with trio.open_nursery() as nursery:
            await nursery.start(carrier.run)
            with trio.move_on_after(_BROKER_SECONDS) as patience:
                await carrier.until_connected()
            if patience.cancelled_caught:
                failure = f"the broker cannot be reached: {carrier.trouble}"
            else:
                try:
                    store = KeyValue(carrier, PRESENCE.format(tenant))
                    await what(Registry(store, carrier, Subjects(tenant)))
                except CarrierLost as problem:
                    failure = str(problem)
                except KeyError as unknown:
                    failure = f"there is no device {unknown.args[0]} in this fleet; see `xfs4iot fleet list`"
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise click.ClickException(failure)
        return 0

    run(main)


def _readable(moment: object) -> str:
    """A moment of UTC on few columns."""
    return str(moment).removesuffix("+00:00").replace("T", " ")


@fleet_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def list_devices(settings: dict[str, Any], as_json: bool) -> None:
    """List all devices: whether they are there, since when, and their software."""

    async def show(registry: Registry) -> None:
        known = await registry.everything()
        rows = [
            {
                "device": name,
                "online": one.online,
                "since": datetime.fromtimestamp(one.since, UTC).isoformat(timespec="seconds"),
                "epoch": one.epoch,
                "alarms": one.alarms,
                "version": one.version,
                "services": list(one.services),
            }
            for name, one in sorted(known.items())
        ]
        if as_json:
            print_json(rows)
            return
        table = Table("device", "", "since (UTC)", "epoch", "alarms", "version")
        for row in rows:
            state = "[green]online[/]" if row["online"] else "offline"
            table.add_row(
                str(row["device"]), state, _readable(row["since"]), str(row["epoch"]), str(row["alarms"]),
                str(row["version"]),
            )  # fmt: skip
        Console().print(table)

    _with_registry(settings, show)


@fleet_command.command()
@click.argument("device")
@click.pass_obj
def readmit(settings: dict[str, Any], device: str) -> None:
    """Take DEVICE in again whose ledger was replaced, after a clone alarm that was none."""
    _with_registry(settings, lambda registry: registry.readmit(device))
