"""`xfs4iot watch`: print the events of a service as they come."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from xfs4iot import client
from xfs4iot.cli import arguments
from xfs4iot.cli.characters import escape
from xfs4iot.cli.connection import connection_options, print_json, refuse_plain, run, silence_option
from xfs4iot.cli.prose import Console
from xfs4iot.protocol import wire

__all__ = ["watch"]


def _known(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    try:
        client.wanted_names(names)
    except ValueError as unknown:
        raise click.BadParameter(str(unknown), ctx, param) from None
    return names


@click.command()
@click.argument("uri", callback=arguments.service_uri)
@click.option(
    "--event", "names", multiple=True, callback=_known, shell_complete=arguments.event_names,
    help="Only events of this name, whole or after the dot; may be given again.",
)  # fmt: skip
@click.option("--count", type=click.IntRange(min=1), help="End after so many events.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@silence_option
@connection_options
def watch(
    uri: str,
    names: tuple[str, ...],
    count: int | None,
    as_json: bool,
    silence: float,
    connection: dict[str, Any],
) -> None:
    """Print the events of the service at URI until interrupted or the service ends."""
    refuse_plain(uri, connection)
    console = Console()

    async def main() -> int:
        seen = 0
        async with client.connect(uri, silence=silence or None, **connection) as service:
            if not as_json:
                told = Console(stderr=True, highlight=False)
                told.print(f"[dim]watching {uri}; Ctrl-C ends[/]")
            async with service.events(*names) as events:
                async for event in events:
                    if as_json:
                        print_json({"name": event.name, "payload": event.payload}, indent=0)
                    else:
                        payload = escape(wire.encode(event.payload).decode())
                        now = datetime.now().strftime("%H:%M:%S")
                        console.print(
                            f"[dim]{now}[/] [magenta]{escape(event.name)}[/] {payload}",
                            highlight=False,
                            soft_wrap=True,
                        )
                    seen += 1
                    if seen == count:
                        return 0
        return 1

    run(main)
