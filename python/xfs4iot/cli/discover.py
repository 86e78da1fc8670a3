"""`xfs4iot discover`: find the publishers and services of a host."""

from __future__ import annotations

from typing import Any

import click

from xfs4iot import client
from xfs4iot.cli import arguments
from xfs4iot.cli.connection import connection_options, print_json, run
from xfs4iot.cli.prose import Console
from xfs4iot.cli.published import show_published
from xfs4iot.cli.waiting import waiting
from xfs4iot.protocol.endpoints import PORTS
from xfs4iot.protocol.visible import visible

__all__ = ["discover"]


@click.command()
@click.argument("host", callback=arguments.host)
@click.option(
    "--port", "ports", type=arguments.PORT, multiple=True, help="Ask only this port; may be given again."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@connection_options
def discover(host: str, ports: tuple[int, ...], as_json: bool, connection: dict[str, Any]) -> None:
    """Ask the standard's ports of HOST for publishers and list their services."""

    async def main() -> int:
        with waiting(f"asking {visible(host)}", traced=connection["trace"] is not None):
            found = await client.discover(host, ports=ports or PORTS, **connection)
        if as_json:
            print_json(
                [
                    {"publisher": one.uri, "vendorName": one.vendor_name, "services": one.services}
                    for one in found
                ]
            )
            return 0
        for one in found:
            show_published(Console(), one.uri, one.services, one.vendor_name, headers=True)
        return 0

    run(main)
