"""From a damaged ledger to a new one: what can be proved is kept, what cannot is said.

The journal is copied line by line for as long as its chain holds; what comes after the first
break is not proved by anything and is left out. If it is whole, the counts are its sums, and
movements that were open stay open, to be settled by the device. If it was cut, the counts are
taken over from the table of counts, or without it from the sums, the difference is written
into the new journal as a line of its own, and for every service a movement of kind `recover`
is left open that concerns all of its units: the service settles it at its start like any
other movement without a report, by the counts of a device that counts by itself, or by
marking the units as inaccurate until somebody counts them.

Numbers of lines are numbers of movements, and a device remembers them. So after a cut the
journal goes on at the next full `STEP`, above every number that may have been used.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import field
from pathlib import Path
from typing import Any

from xfs4iot.dataclass import dataclass
from xfs4iot.ledger import files, schema
from xfs4iot.ledger.batch import Batch
from xfs4iot.ledger.errors import LedgerCorrupt, LedgerUnavailable, NewerLedger, NoLedger
from xfs4iot.ledger.journal import GENESIS, chain, digest, lines, verify
from xfs4iot.ledger.lock import WriterLock
from xfs4iot.ledger.records import STEP, CounterKey, JournalLine, planned_postings
from xfs4iot.ledger.uris import uri

__all__ = ["STEP", "Recovery", "recover"]

_DIGESTED = ("document", "vendor_data")
_DERIVED = ("journal", "counter", "open_intent")


@dataclass
class Recovery:
    """What a recovery found.

    Attributes:
        lines: journal lines that were kept.
        cut: why the journal ends there; None if it is whole.
        counts: where the counts come from: `journal` or `counter`.
        uncertain: units, by service, whose counts are not proved.
        dropped: what was left out besides journal lines, in words.
    """

    lines: int = 0
    cut: str | None = None
    counts: str = "journal"
    uncertain: dict[str, list[str]] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


def recover(damaged: Path, new: Path) -> Recovery:
    """Save what can be proved of the ledger `damaged` into the new file `new`.

    `damaged` is only read; no service may have it open.

    Raises:
        LedgerUnavailable: `damaged` is in use, or `new` is there already or cannot be written.
        LedgerCorrupt: nothing of `damaged` can be read.
    """
    if new.exists():
        raise LedgerUnavailable(f"{new} is there already; name a file that is not")
    name, damaged = damaged, files.place(damaged)
    lock = WriterLock(damaged, name)
    try:
        with closing(_readable(damaged)) as old:
            try:
                files.made(new)
                with closing(files.connected(new)) as connection:
                    found = _copy(old, connection)
                    files.bring_home(connection)
                    problems = verify(connection).problems
            except (sqlite3.Error, OSError) as error:
                new.unlink(missing_ok=True)
                raise LedgerUnavailable(f"{new} cannot be written: {error}") from error
    finally:
        lock.release()
    assert not problems, problems
    return found


def _readable(damaged: Path) -> sqlite3.Connection:
    if not damaged.is_file():
        raise LedgerUnavailable(f"ledger {damaged}: no such file")
    connection = sqlite3.connect(uri(damaged, "mode=ro"), uri=True, isolation_level=None)
    try:
        if connection.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION_ID:
            raise NoLedger(damaged, "it is not a ledger, or its first page is gone")
        if (version := schema.version(connection)) > len(schema.MIGRATIONS):
            raise NewerLedger(damaged, version, len(schema.MIGRATIONS))
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        raise NoLedger(damaged, f"nothing of it can be read: {error}") from error
    except LedgerCorrupt:
        connection.close()
        raise
    return connection


def _copy(old: sqlite3.Connection, new: sqlite3.Connection) -> Recovery:
    found = Recovery()
    kept = list(_proved(old, found))
    found.lines = len(kept)
    sums: dict[tuple[str, CounterKey], int] = {}
    began: dict[int, JournalLine] = {}
    for line in kept:
        if line.entry == "post":
            scope = (line.service, CounterKey(line.unit, line.bucket, line.item, line.level))
            sums[scope] = sums.get(scope, 0) + line.delta
        elif line.entry == "begin":
            began[line.sequence] = line
        else:
            began.pop(line.intent, None)
    batch = Batch(kept[-1].sequence if kept else 0, kept[-1].hash if kept else GENESIS, counters=sums)
    if found.cut is None:
        batch.opened = {number: line.as_intent() for number, line in began.items()}
    else:
        _go_on(old, batch, began, found)
    batch.rows[:0] = kept
    batch.store(new)
    new.execute("BEGIN IMMEDIATE")
    for table in _tables(old):
        _copy_table(old, new, table, found)
    new.execute("COMMIT")
    return found


def _proved(old: sqlite3.Connection, found: Recovery) -> Iterator[JournalLine]:
    """The journal's lines up to the first that does not fit the line before it."""
    previous, last = GENESIS, 0
    try:
        for line in lines(old):
            if line.sequence != last + 1 and not line.recovers:
                found.cut = f"line {last + 1} is missing"
                return
            if chain(previous, line[:-1]) != line.hash:
                found.cut = f"line {line.sequence} does not fit the line before it"
                return
            yield line
            previous, last = line.hash, line.sequence
    except (sqlite3.DatabaseError, UnicodeDecodeError, TypeError) as error:
        found.cut = f"what follows line {last} cannot be read: {error}"
        return
    noted = _read(old, "SELECT max(intent) FROM open_intent")
    if noted and noted[0][0] is not None and noted[0][0] > last:
        found.cut = f"lines after line {last} are gone: movement {noted[0][0]} is known to be open"


def _go_on(old: sqlite3.Connection, batch: Batch, began: dict[int, JournalLine], found: Recovery) -> None:
    """Continue a journal that was cut: the counts as they were, and every unit uncertain."""
    for line in began.values():
        batch.end(line.as_intent(), "unknown")
    counted = _read(old, "SELECT service, unit, bucket, item, level, value FROM counter")
    held = dict(batch.counters)
    if counted is not None:
        found.counts = "counter"
        held = {(row[0], CounterKey(*row[1:5])): row[5] for row in counted}
    highest = _read(old, "SELECT max(sequence) FROM journal")
    used = max(batch.sequence, (highest[0][0] or 0) if highest else 0)
    services = sorted({service for service, _ in held} | {service for service, _ in batch.counters})
    number: int | None = (used // STEP + 1) * STEP
    for service in services:
        units = sorted({key.unit for one, key in held if one == service})
        found.uncertain[service] = units
        text = planned_postings((), {"units": units, "cut": found.cut, "counts": found.counts})
        line = batch.add("begin", None, service, "recover", "", 0, "", detail=text, sequence=number)
        number = None
        intent = line.as_intent()
        batch.opened[intent.id] = intent
        for scope in sorted(held.keys() | batch.counters.keys()):
            delta = held.get(scope, 0) - batch.counters.get(scope, 0)
            if scope[0] == service and delta:
                batch.add("post", intent, service, "recover", "", 0, "", scope[1], delta)
    batch.counters = {scope: held.get(scope, 0) for scope in held.keys() | batch.counters.keys()}


def _tables(old: sqlite3.Connection) -> list[str]:
    """The tables to copy: those that stand by themselves, and that the old schema had already."""
    newest = number = len(schema.MIGRATIONS)
    if 0 < schema.version(old) < newest:
        number = schema.version(old)
    return sorted((schema.tables(newest) & schema.tables(number)) - set(_DERIVED))


def _copy_table(old: sqlite3.Connection, new: sqlite3.Connection, table: str, found: Recovery) -> None:
    """Copy the rows of a table that stands by itself, but for those that were altered."""
    try:
        cursor = old.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        marks = ", ".join("?" * len(names))
        for row in cursor:
            if table in _DIGESTED:
                record = dict(zip(names, row, strict=True))
                if digest(record["value"]) != record["digest"]:
                    found.dropped.append(f'{table} "{record["name"]}" of {record["service"]}: it was altered')
                    continue
            new.execute(f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})", row)
    except sqlite3.DatabaseError as error:
        found.dropped.append(f"what follows in {table}: {error}")


def _read(connection: sqlite3.Connection, query: str) -> list[tuple[Any, ...]] | None:
    """All rows; None if they cannot be read."""
    try:
        return connection.execute(query).fetchall()
    except sqlite3.DatabaseError:
        return None
