"""`xfs4iot replay`: send the commands of a recording again, or answer as its services did."""

from __future__ import annotations

import json
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from xfs4iot import client
from xfs4iot.cli import arguments
from xfs4iot.cli.characters import escape
from xfs4iot.cli.complaint import complain
from xfs4iot.cli.connection import CONNECTION_OPTIONS, connection_options, print_json, refuse_plain, run
from xfs4iot.cli.diff import as_object, show_deviations
from xfs4iot.cli.group import UntilTold
from xfs4iot.cli.hosting import heard, until_told
from xfs4iot.cli.listener_options import LISTENER_OPTIONS, listener_options
from xfs4iot.cli.prose import Console
from xfs4iot.cli.published import show_published
from xfs4iot.cli.record import new_recording
from xfs4iot.held_signals import let_go
from xfs4iot.protocol.endpoints import is_publisher, service_name
from xfs4iot.recording import (
    Listener,
    PlayedDevice,
    Recording,
    RecordingError,
    Refusal,
    Replay,
    differences,
    read,
)

__all__ = ["replay"]

_OF_CLIENTS = ("moves", "values", "ignore", "patience", "output", *CONNECTION_OPTIONS)
"""Options that say something only where clients are played; and those only where services are."""
_OF_SERVICES = LISTENER_OPTIONS
_USAGE = 2
_MOST_NAMED = 20
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _target(ctx: click.Context, param: click.Parameter, given: str | None) -> str | None:
    return None if given is None else arguments.service_uri(ctx, param, given)


@click.command(cls=UntilTold)
@click.argument("recording", type=_FILE)
@click.option("--to", callback=_target, metavar="URI", help="Send its commands to this publisher or service.")
@click.option("--serve", is_flag=True, help="Answer clients as its services did, until interrupted.")
@click.option("--moves", is_flag=True, help="Also send commands that move something or change the books.")
@click.option("--values", type=_FILE, help="JSON file with what is masked: {command: {path: value}}.")
@click.option(
    "--ignore", multiple=True, metavar="PATH", callback=arguments.json_paths,
    help="As in `xfs4iot diff`; may be given again.",
)  # fmt: skip
@click.option(
    "--patience", type=arguments.NumberRange(min=0), default=30.0, show_default=True,
    help="Seconds for an event; for an answer, as long as the service answers pings in that time.",
)  # fmt: skip
@click.option(
    "--output", "-o", type=arguments.NewFile(), callback=arguments.new_file,
    help="Keep the new recording in this file; it must not exist.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@listener_options
@connection_options
def replay(
    recording: Path,
    to: str | None,
    serve: bool,
    moves: bool,
    values: Path | None,
    ignore: tuple[str, ...],
    patience: float,
    output: Path | None,
    as_json: bool,
    listener: Callable[[], Listener],
    connection: dict[str, Any],
) -> None:
    """Play one side of RECORDING: its clients (--to), or its services (--serve).

    With --to, what happens now is compared with what was recorded; exit 0 if it is the same, 1 if it is
    not, 2 if it could not be replayed.

    \b
    xfs4iot replay atm17.x4r --to ws://127.0.0.1:5846/xfs4iot/v1.0 --moves
    xfs4iot replay atm17.x4r --serve --port 5846
    """
    if serve == (to is not None):
        raise click.UsageError("say either --to URI, to play the clients, or --serve, to play the services")
    arguments.refuse_idle(_OF_CLIENTS if serve else _OF_SERVICES, "with --serve" if serve else "with --to")
    if to is not None:
        let_go()
        refuse_plain(to, connection)
    credentials = client.Credentials(
        connection["ca"], connection["certificate"], connection["key"], connection["token"]
    )
    console, diagnostics = Console(), Console(stderr=True)

    def progress(command: str, problem: str) -> None:
        if problem:
            diagnostics.print(f"[yellow]{escape(command)}: {escape(problem)}[/]", highlight=False)
        elif not as_json:
            diagnostics.print(f"[dim]{escape(command)}[/]", highlight=False)

    async def main() -> int:
        try:
            recorded = read(recording)
            if recorded.cut:
                diagnostics.print(
                    f"[yellow]{escape(str(recording))} ends within a line; that line is left out[/]"
                )
            if not any(one.sender == "client" and one.service for one in recorded.entries):
                complain(f"{recording} has no command to a service: there is nothing to replay")
                return _USAGE
            return await _serve(recorded) if to is None else await _replay(recorded, to)
        except (RecordingError, Refusal) as problem:
            raise ValueError(str(problem)) from problem

    async def _serve(recorded: Recording) -> int:
        with heard(signal.SIGINT, signal.SIGTERM) as signals:
            where = listener()
            await where.open()
            played = PlayedDevice(recorded, where, progress=progress)
            async with until_told(signals):
                if as_json:
                    services = {"publisher": played.publisher, "services": played.services}
                    print_json({"ready": True, **services}, indent=0)
                else:
                    show_published(console, played.publisher, played.services, "playing; Ctrl-C ends")
                await played.serve()
        if as_json:
            print_json({"commands": played.commands, "unplayed": played.unplayed}, indent=0)
        elif unplayed := played.unplayed:
            names = Counter(unplayed)
            shown = [f"{name} ({times}×)" if times > 1 else name for name, times in names.items()]
            more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
            console.print(
                f"{len(unplayed)} of {played.commands} commands of the recording were never asked: "
                f"{escape(', '.join(shown[:_MOST_NAMED]))}{more}",
                highlight=False,
            )
        else:
            console.print(f"all {played.commands} commands of the recording were asked", highlight=False)
        return 0

    async def _replay(recorded: Recording, uri: str) -> int:
        given = _read_values(values)
        services = {service_name(uri): uri}
        if is_publisher(uri):
            async with client.connect(
                uri,
                **{**connection, "version": None, "trace": None},
                silence=patience or None,
                patience=patience or None,
            ) as publisher:
                answer = await publisher.call("ServicePublisher.GetServices")
            services = client.services_of(uri, answer)
        with tempfile.TemporaryDirectory() as scratch:
            kept = output or Path(scratch) / "replayed.x4r"
            with new_recording(kept, uri) as writer:
                player = Replay(
                    recorded, services, credentials, writer,
                    moving=moves, values=given, patience=patience, progress=progress,
                )  # fmt: skip
                await player.run()
            found = [one for one in differences(recorded, read(kept), ignore=ignore) if one.service]
        if as_json:
            print_json([as_object(one) for one in found])
        else:
            show_deviations(console, found)
        return 1 if found else 0

    run(main, failed=_USAGE)


def _read_values(file: Path | None) -> dict[str, dict[str, Any]]:
    """What is masked in the recording, by command and path.

    Raises:
        ValueError: the file is something else.
    """
    if file is None:
        return {}
    try:
        content = json.loads(file.read_text(), parse_float=Decimal)
    except ValueError as wrong:
        raise ValueError(f"{file} is not JSON: {wrong}") from None
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        raise ValueError(f'{file} is not {{"Interface.Command": {{"$.path": value}}}}')
    return content
