"""What all commands of the client's side share: options of the connection, errors, printing."""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec
import trio

from xfs4iot.cli import arguments
from xfs4iot.cli.characters import escape
from xfs4iot.cli.complaint import complain, innermost, nobody_reads
from xfs4iot.ledger import LedgerError
from xfs4iot.protocol import versions, wire
from xfs4iot.protocol.sensitive import masked
from xfs4iot.protocol.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

    from xfs4iot import client

__all__ = [
    "CONNECTION_OPTIONS",
    "connection_options",
    "patience_option",
    "print_json",
    "refuse_plain",
    "run",
    "silence_option",
    "tracer",
]

_MOST_COLOURED = 100_000
"""Bytes; colouring takes time that grows with them."""
CONNECTION_OPTIONS = ("ca", "certificate", "key", "token_file", "plain", "version", "trace")
"""Names of the parameters that `connection_options` adds."""
_FILE = click.Path(exists=True, dir_okay=False)


def connection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how to connect; passed on as the dict `connection`."""

    @click.option("--ca", type=_FILE, help="PEM file of the authorities to trust; default: the platform's.")
    @click.option("--certificate", type=_FILE, help="PEM file of this client's certificate.")
    @click.option("--key", type=_FILE, help="PEM file of its private key.")
    @click.option("--token-file", type=click.File(), help="File that holds a bearer token.")
    @click.option("--plain", is_flag=True, help="Plain text, no TLS (only for devices on this machine).")
    @click.option(
        "--version",
        type=click.Choice(list(versions.SPECIFICATIONS)),
        help="Version of the standard to speak; default: the newest that the service offers.",
    )
    @click.option("--trace", is_flag=True, help="Print every message, on standard error.")
    @functools.wraps(function)
    def wrapped(
        *args: Any,
        ca: Any,
        certificate: Any,
        key: Any,
        token_file: Any,
        plain: bool,
        version: str | None,
        trace: bool,
        **rest: Any,
    ) -> Any:
        connection = {
            "ca": ca,
            "certificate": certificate,
            "key": key,
            "token": token_file.read().strip() if token_file else None,
            "plain": plain,
            "version": version,
            "trace": _on_standard_error() if trace else None,
        }
        return function(*args, connection=connection, **rest)

    return wrapped


def refuse_plain(uri: str, connection: dict[str, Any]) -> None:
    """Take `--plain` out of the options where a whole URI says already whether there is TLS."""
    if connection.pop("plain") and uri.startswith("wss:"):
        raise click.UsageError(f"--plain contradicts {uri}: give a ws:// URI, or leave --plain out")


def _on_standard_error() -> client.Trace:
    from rich.console import Console

    return tracer(Console(stderr=True))


def tracer(console: Console) -> client.Trace:
    """A trace that prints each message on one line, in colour, what is sensitive masked."""

    def trace(direction: str, text: str) -> None:
        colour = "cyan" if direction == "→" else "green"
        console.print(f"[{colour}]{direction}[/] {escape(masked(text))}", soft_wrap=True, highlight=False)

    return trace


silence_option = click.option(
    "--silence", type=arguments.NumberRange(min=0), default=30.0, show_default=True,
    help="Seconds after which a service that says nothing is pinged, and must answer; 0 for never.",
)  # fmt: skip

patience_option = click.option(
    "--patience", type=arguments.NumberRange(min=0), default=30.0, show_default=True,
    help="Seconds that the service has to acknowledge a command, and to complete it when --timeout has run "
    "out; 0 for ever.",
)  # fmt: skip


def run(main: Callable[[], Awaitable[int]], *, failed: int = 1) -> None:
    """Run a command's main function; print what the client could not do, and exit.

    Args:
        main: gives the exit code.
        failed: the exit code if it could not do it; another than 1 where 1 is an answer.
    """
    code, said = 1, None
    try:
        code = trio.run(main)
    except* KeyboardInterrupt:
        # 128 + SIGINT, as a shell reports it.
        code = 130
    except* (click.ClickException, click.Abort) as told:
        # Raised again without the group that nurseries make of it, which click does not know.
        said = innermost(told)
    except* (BrokenPipeError, SystemExit):
        # Rich turns a closed pipe into SystemExit.
        nobody_reads()
    except* _expected() as problems:
        code = failed
        complain(problems)
    if isinstance(said, BaseException):
        raise said
    sys.exit(code)


def _expected() -> tuple[type[Exception], ...]:
    """What is told in a line, without a traceback."""
    # Services run by this, too: only what fails needs to know of the client's errors.
    from xfs4iot import client

    return client.CallError, client.CredentialsRefused, LedgerError, OSError, ValueError


def print_json(value: Mapping[str, Any] | Sequence[Any], *, indent: int = 2) -> None:
    """Print a value as JSON, amounts exact, in UTF-8; in colour for people.

    Args:
        value: plain objects.
        indent: 0 for all on one line.
    """
    encoded = wire.encode(value)
    if indent:
        encoded = msgspec.json.format(encoded, indent=indent)
    encoded = visible(encoded.decode()).encode()
    from rich.console import Console
    from rich.highlighter import JSONHighlighter

    console = Console()
    if console.is_terminal and indent and len(encoded) < _MOST_COLOURED:
        console.print(JSONHighlighter()(encoded.decode()), soft_wrap=True)
    else:
        click.echo(encoded)
