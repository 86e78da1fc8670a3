"""`xfs4iot ledger`: what an auditor asks of a ledger, and what saves a damaged one.

All but `recover` only read, and may be used while a service writes the file.
"""

from __future__ import annotations

import csv
import functools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import click
import orjson
from rich.box import SIMPLE_HEAD

from xfs4iot.cli import arguments
from xfs4iot.cli.characters import escape, utf8_output
from xfs4iot.cli.complaint import subcommand
from xfs4iot.cli.group import Group
from xfs4iot.cli.prose import Console
from xfs4iot.cli.table import Table
from xfs4iot.cli.waiting import waiting
from xfs4iot.interfaces import MODULES
from xfs4iot.interfaces.storage.storage import KINDS
from xfs4iot.ledger import (
    CounterKey,
    JournalLine,
    LedgerCorrupt,
    LedgerReader,
    LedgerUnavailable,
    Movement,
    NewerLedger,
    NoLedger,
    Selection,
    unreadable,
)
from xfs4iot.ledger import recover as recover_ledger
from xfs4iot.protocol.visible import visible

__all__ = ["ledger"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = arguments.NewFile()
_OUTCOMES = {"done": "green", "failed": "yellow", "unknown": "red", "open": "magenta"}


@click.group(cls=Group)
def ledger() -> None:
    """Verify, list, export and recover ledgers.

    A ledger may be read while its service runs; the service takes no notice.
    """


_command = subcommand(ledger, LedgerCorrupt, LedgerUnavailable, OSError)


def _selection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filters; passed on as the argument `chosen`."""

    @click.option("--service", help="Only this service.")
    @click.option("--kind", help="Only this kind: dispense, present, reject, retract, set, exchange, …")
    @click.option("--command", help="Only this command, such as CashDispenser.Dispense.")
    @click.option("--since", help="From this time (UTC, ISO 8601, or the beginning of one: 2026-01-05).")
    @click.option("--until", help="Before this time.")
    @click.option("--identity", help="Only what clients asked for whose identity has this in it.")
    @click.option("--unit", help="Only movements that changed a count of this unit.")
    @click.option("--movement", type=int, help="Only the movement with this number.")
    @functools.wraps(function)
    def wrapped(*args: Any, **options: Any) -> Any:
        # The options are named like its fields.
        chosen = Selection(**{name: options.pop(name) for name in Selection.__slots__})
        return function(*args, chosen=chosen, **options)

    return wrapped


def _head(context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, str] | None:
    if value is None:
        return None
    number, _, hashed = value.partition(":")
    if not number.isdigit() or not hashed:
        raise click.BadParameter("write the number of a line, a colon, and its hash, as `check` prints them")
    return int(number), hashed.lower()


@_command
@click.argument("file", type=_FILE)
@click.option("--head", callback=_head, help="NUMBER:HASH of an earlier check; the journal must contain it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(file: Path, head: tuple[int, str] | None, as_json: bool) -> int:
    """Prove that FILE is whole, its journal unaltered, and its counts the sums of its journal.

    Exit 0 if so, 1 with every problem named if not. An auditor notes the head that is
    printed; a later `check --head` proves that nothing before it was rewritten.
    """
    number, hashed, movements = 0, "", 0
    documents: list[str] = []
    advice = f"Stop its service, then save what can be proved: xfs4iot ledger recover {file} NEW"
    try:
        with waiting(f"checking {visible(str(file))}"), LedgerReader.open(file) as reader:
            found = reader.verify()
            problems, hashed, movements = list(found.problems), found.head, found.open_intents
            number, count = found.last, found.lines
            documents = [] if problems else _unreadable(reader)
            if head is not None:
                kept = reader.line_hash(head[0])
                if kept is None or kept.hex() != head[1]:
                    state = "gone" if kept is None else "not the one that was noted"
                    problems.append(
                        f"journal: line {head[0]} is {state}: the journal was rewritten or cut since"
                    )
    except LedgerCorrupt as damaged:
        problems, count = damaged.problems, 0
        if isinstance(damaged, NoLedger | NewerLedger):
            advice = damaged.advice
    if as_json:
        facts = {
            "good": not problems and not documents,
            "problems": problems,
            "unreadable": documents,
            "lines": count,
            "openMovements": movements,
            "head": f"{number}:{hashed}" if hashed else None,
        }
        click.echo(orjson.dumps(facts))
        return 1 if problems or documents else 0
    console = Console(highlight=False)
    for problem in problems:
        console.print(f"[red]✗[/] {escape(problem)}")
    if problems:
        console.print(f"[bold]{escape(str(file))} cannot be trusted.[/] {escape(advice)}")
        return 1
    console.print(f"[green]✓[/] {escape(str(file))}: {count} lines, all counts are the sums of the journal")
    if movements:
        console.print(f"[yellow]![/] {movements} movements have no outcome yet; the service settles them")
    console.print(f"head  {number}:{hashed}")
    for text in documents:
        console.print(f"[yellow]![/] {escape(text)}")
    return 1 if documents else 0


def _unreadable(reader: LedgerReader) -> list[str]:
    """What is wrong with the documents that interfaces keep; each is read as its interface reads it."""
    for module in (*MODULES.values(), *(module for module, _ in KINDS.values())):
        # Of an interface that is not there nothing is kept either.
        with suppress(ModuleNotFoundError):
            import_module(f"xfs4iot.interfaces.{module}")
    return list(unreadable(reader.documents()))


@_command
@click.argument("file", type=_FILE)
@_selection
@click.option("--counts", is_flag=True, help="The counts now instead of the movements.")
@click.option("--last", type=click.IntRange(min=1), help="Only so many movements, the last ones.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(file: Path, chosen: Selection, counts: bool, last: int | None, as_json: bool) -> None:
    """List the movements in FILE, or its counts."""
    with LedgerReader.open(file) as reader:
        if counts:
            _show_counts(reader.counters(chosen.service), chosen.unit, as_json)
            return
        found: Iterable[Movement] = reader.movements(chosen)
        if last is not None:
            # The others stream past: a whole journal need not fit into memory.
            with _reading(file):
                found = deque(found, maxlen=last)
        if as_json:
            with _reading(file, streams=True):
                _json_array(utf8_output(), map(_movement, found))
            return
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for title in ("number", "time (UTC)", "kind", "outcome"):
            table.add_column(title, no_wrap=True)
        table.add_column("asked for by, and what changed", overflow="fold")
        with _reading(file):
            for movement in found:
                intent = movement.intent
                asked = f"{intent.identity} {intent.command} #{intent.request_id}" if intent.command else ""
                table.add_row(
                    str(intent.id),
                    intent.time[:19].replace("T", " "),
                    intent.kind,
                    f"[{_OUTCOMES[movement.outcome]}]{movement.outcome}[/]",
                    escape("\n".join(filter(None, (asked, *_changes(movement))))),
                )
        Console().print(table)


def _reading(file: Path, *, streams: bool = False) -> AbstractContextManager[None]:
    """Show that a journal is read. What streams to a terminal shows that itself."""
    return waiting(f"reading {visible(str(file))}", traced=streams and sys.stdout.isatty())


def _changes(movement: Movement) -> Iterator[str]:
    """One line for each unit and kind of item: what was added where, and what was taken."""
    for (unit, item, level), changes in groupby(
        # `groupby` joins only neighbours.
        sorted(movement.changes, key=lambda one: (one.unit, one.item, one.level)),
        key=lambda one: (one.unit, one.item, one.level),
    ):
        what = " ".join(filter(None, (unit, item, level if level != "fit" else "")))
        yield f"{what}: {', '.join(f'{change.bucket} {change.delta:+}' for change in changes)}"


def _show_counts(found: dict[tuple[str, CounterKey], int], unit: str | None, as_json: bool) -> None:
    rows = [(*where, value) for where, value in found.items() if unit in (None, where[1].unit) and value]
    if as_json:
        _json_array(
            utf8_output(),
            ({"service": service, **key._asdict(), "value": value} for service, key, value in rows),
        )
        return
    table = Table("service", "unit", "bucket", "item", "level")
    table.add_column("items", justify="right")
    for service, key, value in rows:
        table.add_row(service, *key, str(value))
    Console().print(table)


def _movement(movement: Movement) -> dict[str, Any]:
    intent = movement.intent
    return {
        "number": intent.id,
        "time": intent.time,
        "ended": movement.ended,
        "service": intent.service,
        "kind": intent.kind,
        "command": intent.command,
        "requestId": intent.request_id,
        "identity": intent.identity,
        "detail": intent.detail,
        "outcome": movement.outcome,
        "changes": [{**change.key._asdict(), "delta": change.delta} for change in movement.changes],
    }


@_command
@click.argument("file", type=_FILE)
@_selection
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
@click.option(
    "--output", type=arguments.NewFile(streams=True), help="File to write; default: standard output."
)
def export(file: Path, chosen: Selection, form: str, output: Path | None) -> None:
    """Write the journal in FILE out line by line, with its hashes, so that others can verify it.

    Each hash is the SHA-256 of the hash of the line before (32 zero bytes before the first)
    and of the line's other columns as a compact JSON array.
    """
    with LedgerReader.open(file) as reader:
        if output is None:
            with _reading(file, streams=True):
                _write(utf8_output(), reader.lines(chosen), form)
            return
        writing = waiting(f"writing {visible(str(output))}")
        with writing, output.open("w", newline="", encoding="utf-8") as stream:
            _write(stream, reader.lines(chosen), form)


def _write(stream: IO[str], lines: Iterator[JournalLine], form: str) -> None:
    if form == "json":
        _json_array(stream, ({**line._asdict(), "hash": line.hash.hex()} for line in lines))
        return
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(JournalLine._fields)
    for line in lines:
        writer.writerow((*line[:-1], line.hash.hex()))


def _json_array(stream: IO[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows one by one: a journal need not fit into memory."""
    separator = "["
    for row in rows:
        stream.write(f"{separator}\n{orjson.dumps(row).decode()}")
        separator = ","
    stream.write("[]\n" if separator == "[" else "\n]\n")


@_command
@click.argument("damaged", type=_FILE)
@click.argument("new", type=_NEW)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def recover(damaged: Path, new: Path, as_json: bool) -> None:
    """Save what can be proved of DAMAGED into the file NEW; its service must be stopped.

    Journal lines are kept up to the first that does not fit. If any are missing, all units
    of the new ledger are marked as inaccurate when its service starts, until they are counted.
    """
    with waiting(f"saving what can be proved of {visible(str(damaged))}"):
        found = recover_ledger(damaged, new)
    if as_json:
        facts = {
            "lines": found.lines,
            "cut": found.cut,
            "counts": found.counts,
            "uncertain": found.uncertain,
            "dropped": found.dropped,
        }
        click.echo(orjson.dumps(facts))
        return
    console = Console(highlight=False)
    console.print(f"[green]✓[/] {found.lines} journal lines saved into {escape(str(new))}")
    if found.cut is not None:
        console.print(f"[yellow]![/] the journal ends there: {escape(found.cut)}")
        source = "the table of counts" if found.counts == "counter" else "the journal, as far as it goes"
        console.print(f"[yellow]![/] the counts are those of {source}; nothing proves them")
        for service, units in found.uncertain.items():
            console.print(f"  count these units of {escape(service)}: {', '.join(units)}")
    for dropped in found.dropped:
        console.print(f"[yellow]![/] left out: {escape(dropped)}")
