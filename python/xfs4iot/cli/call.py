"""`xfs4iot call`: send one command to a service and print its answer."""

from __future__ import annotations

from typing import Any

import click

from xfs4iot import client
from xfs4iot.cli import arguments
from xfs4iot.cli.characters import escape
from xfs4iot.cli.connection import (
    connection_options,
    patience_option,
    print_json,
    refuse_plain,
    run,
    silence_option,
)
from xfs4iot.cli.prose import Console
from xfs4iot.cli.waiting import waiting
from xfs4iot.protocol import wire
from xfs4iot.protocol.visible import visible

__all__ = ["call"]

_MOST_EVENTS = 2_000
"""Of one command; a service that sends more does not come to an end."""


@click.command()
@click.argument("uri", callback=arguments.service_uri)
@click.argument("command", shell_complete=arguments.command_names)
@click.argument("payload", required=False)
@click.option(
    "--timeout",
    type=click.IntRange(min=0),
    default=0,
    help="Milliseconds that the command may take; 0 for as long as it needs.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object: completion code, payload, events."
)
@silence_option
@patience_option
@connection_options
def call(
    uri: str,
    command: str,
    payload: str | None,
    timeout: int,
    as_json: bool,
    silence: float,
    patience: float,
    connection: dict[str, Any],
) -> None:
    """Send COMMAND (Interface.Command) with PAYLOAD (a JSON object) to the service at URI.

    \b
    xfs4iot call wss://atm17/xfs4iot/v1.0/CardReader Common.Status --ca bank.pem
    """
    content = arguments.payload(payload)
    if "." not in command:
        raise click.BadParameter("COMMAND is Interface.Command, such as Common.Status")
    refuse_plain(uri, connection)
    diagnostics = Console(stderr=True)

    async def main() -> int:
        events: list[dict[str, Any]] = []

        def show(event: client.Event) -> None:
            if len(events) == _MOST_EVENTS:
                raise ValueError(
                    f"given up: {uri} sent more than {_MOST_EVENTS} events for {command}; "
                    "`xfs4iot watch` shows any number of them"
                )
            events.append({"name": event.name, "payload": event.payload})
            if not as_json:
                text = wire.encode(event.payload).decode()
                diagnostics.print(
                    f"[magenta]{escape(event.name)}[/] {escape(text)}", highlight=False, soft_wrap=True
                )

        failure: client.CommandFailed | None = None
        answer: dict[str, Any] = {}
        with waiting(visible(command), diagnostics, traced=connection["trace"] is not None):
            async with client.connect(
                uri, silence=silence or None, patience=patience or None, **connection
            ) as service:
                try:
                    answer = await service.call(command, content, timeout=timeout / 1000, on_event=show)
                except client.CommandFailed as failed:
                    failure = failed
        if as_json:
            result = {
                "completionCode": failure.completion_code if failure else "success",
                "errorDescription": failure.description if failure else None,
                "payload": failure.payload if failure else answer,
                "events": events,
            }
            print_json(result)
        elif failure is None:
            print_json(answer)
        if failure is not None and not as_json:
            diagnostics.print(f"[bold red]{escape(str(failure))}[/]", highlight=False)
            # Only a name that the service does not know may be meant for another: some are in no standard.
            unknown = failure.completion_code in ("unsupportedCommand", "invalidMessage")
            if unknown and (near := client.nearest_command(command)):
                diagnostics.print(f"did you mean {near}?", highlight=False)
        return 1 if failure else 0

    run(main)
