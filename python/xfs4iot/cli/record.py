"""`xfs4iot record`: write down what clients and services say to each other."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import trio

from xfs4iot import client
from xfs4iot.cli import arguments
from xfs4iot.cli.characters import escape
from xfs4iot.cli.connection import connection_options, print_json, refuse_plain, run
from xfs4iot.cli.group import UntilTold
from xfs4iot.cli.hosting import heard, until_told
from xfs4iot.cli.listener_options import listener_options
from xfs4iot.cli.prose import Console
from xfs4iot.cli.published import show_published
from xfs4iot.cli.waiting import waiting
from xfs4iot.protocol.visible import visible
from xfs4iot.recording import Listener, Recorder, Writer

__all__ = ["new_recording", "record"]


@contextmanager
def new_recording(file: Path, uri: str) -> Iterator[Writer]:
    """A new file for a recording; none is written over.

    If nothing could be recorded it is taken away: the next attempt may have the same name.

    Raises:
        ValueError: it is there already.
    """
    try:
        opened = file.open("xb")
    except FileExistsError:
        raise ValueError(f"{file} is there already: name a new file, or delete it") from None
    with opened:
        writer = Writer(opened, uri)
        try:
            yield writer
        except BaseException:
            if writer.messages == 0:
                opened.close()
                file.unlink(missing_ok=True)
            raise


@click.command(cls=UntilTold)
@click.argument("uri", callback=arguments.service_uri)
@click.option(
    "--output", "-o", required=True, type=arguments.NewFile(),
    callback=arguments.new_file,
    help="File to write the recording to; it must not exist.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@listener_options
@connection_options
def record(
    uri: str, output: Path, as_json: bool, listener: Callable[[], Listener], connection: dict[str, Any]
) -> None:
    """Record what is said to the publisher, or the one service, at URI, until interrupted.

    The recorder stands in between: point clients to the address that it prints. PINs, keys, card data and
    tokens are masked as they are written.

    \b
    xfs4iot record wss://atm17:443/xfs4iot/v1.0 -o atm17.x4r --ca bank.pem
    """
    refuse_plain(uri, connection)
    console = Console()
    credentials = client.Credentials(
        connection["ca"], connection["certificate"], connection["key"], connection["token"]
    )

    async def main() -> int:
        begun = False
        with new_recording(output, uri) as writer, heard(signal.SIGINT, signal.SIGTERM) as signals:
            where = listener()
            recorder = Recorder(uri, credentials, where, writer)
            async with until_told(signals):
                with waiting(f"asking {visible(uri)}", traced=connection["trace"] is not None):
                    await recorder.find_services()
                await where.open()
                begun = True
                own = {name: recorder.own_uri(name) for name in recorder.services}
                if as_json:
                    print_json({"ready": True, "publisher": recorder.own_uri(), "services": own}, indent=0)
                else:
                    show_published(console, recorder.own_uri(), own, f"recording to {output}; Ctrl-C ends")
                await recorder.serve()
        if not begun:
            await trio.Path(output).unlink()
        if as_json:
            print_json({"messages": writer.messages, "file": str(output)}, indent=0)
        else:
            console.print(f"{writer.messages} messages recorded in {escape(str(output))}", highlight=False)
        return 0

    run(main)
