"""`xfs4iot diff`: compare two recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from xfs4iot.cli import arguments
from xfs4iot.cli.characters import escape
from xfs4iot.cli.complaint import complain
from xfs4iot.cli.connection import print_json
from xfs4iot.cli.prose import Console
from xfs4iot.cli.waiting import waiting
from xfs4iot.protocol import wire
from xfs4iot.recording import Deviation, RecordingError, differences, read

__all__ = ["diff", "show_deviations"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_MOST_TOLD = 200
"""Characters of a value."""
_SAID = {
    "command": "sent only in one of the two",
    "request": "sent with another payload",
    "acknowledge": "acknowledged otherwise",
    "events": "other events",
    "completion": "completed otherwise",
    "payload": "answered otherwise",
    "time": "took longer",
}


@click.command()
@click.argument("expected", type=_FILE)
@click.argument("seen", type=_FILE)
@click.option(
    "--ignore", multiple=True, metavar="PATH", callback=arguments.json_paths,
    help="A path in payloads not to look at, such as '$.positions[*].shutter' or '$..serialNumber'; "
    "may be given again.",
)  # fmt: skip
@click.option(
    "--slower", type=arguments.NumberRange(min=1), metavar="TIMES",
    help="Also complain of commands that took so many times as long.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def diff(expected: Path, seen: Path, ignore: tuple[str, ...], slower: float | None, as_json: bool) -> None:
    """Say in what the recording SEEN differs from the recording EXPECTED.

    Exit 0 if in nothing, 1 if in something, 2 if they cannot be compared. Request ids, times, addresses,
    texts of errors and masked values are not compared.
    """
    try:
        with waiting("comparing"):
            recordings = read(expected), read(seen)
            found = differences(*recordings, ignore=ignore, slower=slower)
    except (RecordingError, OSError) as problem:
        complain(problem)
        raise SystemExit(2) from None
    if not any(one.message for recording in recordings for one in recording.entries):
        complain(f"neither {expected} nor {seen} has a message: there is nothing to compare")
        raise SystemExit(2)
    if as_json:
        print_json([as_object(one) for one in found])
    else:
        show_deviations(Console(), found)
    raise SystemExit(1 if found else 0)


def as_object(deviation: Deviation) -> dict[str, Any]:
    """A deviation as JSON has it."""
    return {
        "service": deviation.service,
        "exchange": deviation.number,
        "command": deviation.command,
        "what": deviation.what,
        "path": deviation.path,
        "expected": deviation.expected,
        "seen": deviation.seen,
    }


def show_deviations(console: Console, found: Sequence[Deviation]) -> None:
    """Print each deviation for people, under the command that it is about."""
    about: tuple[str, int, str] | None = None
    for one in found:
        if about != (about := (one.service, one.number, one.command)):
            number = f" #{one.number}" if one.number else ""
            console.print(
                f"[bold]{escape(one.service or 'publisher')}[/]{number} [cyan]{escape(one.command)}[/]",
                highlight=False,
            )
        path = f" [magenta]{escape(one.path)}[/]" if one.path else ""
        values = f"[green]{_value(one, one.expected)}[/] → [red]{_value(one, one.seen)}[/]"
        console.print(
            f"  {_SAID[one.what]}:{path} {values}",
            highlight=False,
        )
    if not found:
        console.print("[green]no difference[/]")
    else:
        console.print(f"{len(found)} difference{'s' if len(found) > 1 else ''}", highlight=False)


def _value(deviation: Deviation, value: Any) -> str:
    if value is None:
        return "nothing"
    if deviation.what == "time":
        return f"{value / 1000:.1f} ms"
    text = wire.encode([value]).decode()[1:-1]
    return escape(text if len(text) <= _MOST_TOLD else text[:_MOST_TOLD] + "…")
