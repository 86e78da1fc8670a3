"""Reading and checking a ledger.

The journal is a chain: each line's hash is the SHA-256 of the hash of the line before followed
by the line's columns, without the hash, as a compact JSON array in the table's order. Whoever
changes, removes or inserts a line must recompute every line after it, so an auditor who noted
the head (number and hash of the last line) of an earlier day sees it: `check --head`.

The counts in the table `counter` are a convenience; the sum of a count's `post` lines is the
truth, and `verify` compares the two. A reader opens the file read-only, sees one consistent
snapshot and never holds up the service that writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from xfs4iot.dataclass import dataclass
from xfs4iot.digests import sha256
from xfs4iot.ledger import schema
from xfs4iot.ledger.errors import LedgerCorrupt, LedgerUnavailable, NewerLedger, NoLedger
from xfs4iot.ledger.records import CounterKey, Intent, JournalLine, Movement
from xfs4iot.ledger.uris import uri

__all__ = ["GENESIS", "LedgerReader", "Selection", "Verification", "chain", "digest", "lines", "verify"]

GENESIS = bytes(32)
"""The hash before the first line."""

_encode = msgspec.json.Encoder().encode
_COLUMNS = ", ".join(JournalLine._fields)
TAIL = 5000
"""How many of the last lines have their hashes recomputed when a ledger is opened."""


def chain(previous: bytes, columns: tuple[Any, ...]) -> bytes:
    """The hash of a journal line whose columns (all but the hash) are `columns`."""
    return sha256(previous + _encode(columns))


def digest(value: bytes) -> bytes:
    """What is stored beside a document to detect damage."""
    return sha256(value)


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Attributes:
        problems: in words, each naming where; empty when the ledger is sound.
        lines: how many lines the journal has.
        last: its number.
        head: the hash of the last line, in hexadecimal; what an auditor notes, with its number.
        open_intents: how many movements have no outcome (yet).
    """

    problems: list[str]
    lines: int
    last: int
    head: str
    open_intents: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which lines of a journal; what is None chooses all.

    Attributes:
        service, kind, command: exactly so.
        since, until: ISO 8601 UTC times or prefixes of them; from the first, and before the second.
        identity: part of the identity that asked.
        unit: all lines of the movements that changed a count of this unit.
        movement: its number.
    """

    service: str | None = None
    kind: str | None = None
    command: str | None = None
    since: str | None = None
    until: str | None = None
    identity: str | None = None
    unit: str | None = None
    movement: int | None = None


def lines(
    connection: sqlite3.Connection,
    *,
    chosen: Selection = Selection(),
    after: int = 0,
) -> Iterator[JournalLine]:
    """The journal's lines that are chosen, in order."""
    conditions, values = ["sequence > ?"], [after]  # type: tuple[list[str], list[Any]]
    for condition, value in (
        ("service = ?", chosen.service),
        ("time >= ?", chosen.since),
        ("time < ?", chosen.until),
        ("kind = ?", chosen.kind),
        ("command = ?", chosen.command),
        ("instr(identity, ?) > 0", chosen.identity),
        ("intent = ?", chosen.movement),
        ("intent IN (SELECT intent FROM journal WHERE unit = ?)", chosen.unit),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    query = f"SELECT {_COLUMNS} FROM journal WHERE {' AND '.join(conditions)} ORDER BY sequence"
    return map(JournalLine._make, connection.execute(query, values))


def verify(connection: sqlite3.Connection, *, tail: int | None = None) -> Verification:
    """Recompute everything that can be recomputed, in one snapshot.

    Args:
        tail: recompute the hashes of only so many last lines; None for all.
    """
    connection.execute("BEGIN")
    try:
        return _verify(connection, tail)
    except (sqlite3.DatabaseError, ValueError, TypeError) as error:
        # TypeError and ValueError: a column is not of its type, or is not UTF-8.
        return Verification([f"the file cannot be read through: {error}"], 0, 0, "", 0)
    finally:
        connection.execute("ROLLBACK")


def _verify(connection: sqlite3.Connection, tail: int | None) -> Verification:
    problems = [
        f"database file: {row[0]}"
        for row in connection.execute("PRAGMA quick_check(20)" if tail else "PRAGMA integrity_check(20)")
        if row[0] != "ok"
    ]
    last = connection.execute("SELECT coalesce(max(sequence), 0), count(*) FROM journal").fetchone()
    skipped = connection.execute(
        "SELECT coalesce(sum(sequence - 1 - (SELECT coalesce(max(sequence), 0) FROM journal AS before "
        "WHERE before.sequence < journal.sequence)), 0) FROM journal "
        "WHERE kind = 'recover' AND entry = 'begin'"
    ).fetchone()[0]
    if last[0] - skipped != last[1]:
        problems.append(
            f"journal: the last line is number {last[0]}, but there are {last[1]} lines"
            + (f" and {skipped} numbers skipped by recoveries" if skipped else "")
        )
    head = _verify_chain(connection, tail, problems)
    _verify_counts(connection, problems)
    intents = _verify_intents(connection, problems)
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for table in sorted(tables & {"document", "vendor_data"}):
        for service, name, value, stored in connection.execute(
            f"SELECT service, name, value, digest FROM {table}"
        ):
            if digest(value) != stored:
                problems.append(f'{table} "{name}" of {service}: its contents were altered')
    return Verification(problems, last[1], last[0], head.hex(), intents)


def _verify_chain(connection: sqlite3.Connection, tail: int | None, problems: list[str]) -> bytes:
    query = "SELECT sequence, hash FROM journal ORDER BY sequence DESC LIMIT 1 OFFSET ?"
    before = connection.execute(query, (tail,)).fetchone() if tail is not None else None
    after, previous = before if before is not None else (0, GENESIS)
    expected = after + 1
    for line in lines(connection, after=after):
        if line.sequence != expected and not line.recovers:
            problems.append(f"journal: line {expected} is missing, line {line.sequence} follows")
        try:
            fits = chain(previous, line[:-1]) == line.hash
        except (TypeError, ValueError) as wrong:
            fits = False
            problems.append(f"journal: line {line.sequence}: a column is damaged: {wrong}")
        if not fits:
            problems.append(
                f"journal: line {line.sequence} ({line.time}, {line.service} {line.command}) "
                "does not fit the line before it: one of them was altered"
            )
        # The stored hash, not the computed one: otherwise one altered line would condemn all after it.
        previous = line.hash
        expected = line.sequence + 1
    return previous


def _verify_counts(connection: sqlite3.Connection, problems: list[str]) -> None:
    def read(query: str) -> dict[tuple[str, ...], int]:
        return {tuple(row[:5]): row[5] for row in connection.execute(query)}

    key = "service, unit, bucket, item, level"
    held = read(f"SELECT {key}, value FROM counter")
    derived = read(f"SELECT {key}, sum(delta) FROM journal WHERE entry = 'post' GROUP BY {key}")
    for where in sorted(held.keys() | derived.keys()):
        if held.get(where, 0) != derived.get(where, 0):
            service, *rest = where
            problems.append(
                f"counts: {service} {' '.join(filter(None, rest))} is {held.get(where, 0)}, "
                f"but its journal adds up to {derived.get(where, 0)}"
            )
        if where[2] == "count" and derived.get(where, 0) < 0:
            problems.append(f"counts: {where[0]} {where[1]} has a negative count of {where[3] or 'items'}")


def _verify_intents(connection: sqlite3.Connection, problems: list[str]) -> int:
    noted = {row[0] for row in connection.execute("SELECT intent FROM open_intent")}
    derived = {
        row[0]
        for row in connection.execute(
            "SELECT intent FROM journal WHERE entry <> 'post' GROUP BY intent "
            "HAVING sum(entry = 'begin') = 1 AND sum(entry = 'end') = 0"
        )
    }
    for intent in sorted(noted ^ derived):
        problems.append(
            f"movement {intent}: the journal says {'open' if intent in derived else 'booked'}, "
            f"the list of open movements says {'open' if intent in noted else 'booked'}"
        )
    for (intent,) in connection.execute(
        "SELECT intent FROM journal WHERE entry = 'end' GROUP BY intent HAVING count(*) > 1"
    ):
        problems.append(f"movement {intent}: booked more than once")
    return len(derived)


class LedgerReader:
    """A ledger's file opened read-only, also while a service writes it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> LedgerReader:
        """Open `path`.

        Raises:
            LedgerUnavailable: there is no such file, or it may not be read.
            LedgerCorrupt: it is not a ledger.
        """
        if not path.is_file():
            raise LedgerUnavailable(f"ledger {path}: no such file")
        # The log lies beside the file itself, not beside a link to it.
        path = path.resolve()
        # A file in WAL mode that no one has open has no -shm; only `immutable` needs none.
        mode = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
        try:
            connection = sqlite3.connect(uri(path, mode), uri=True, isolation_level=None, timeout=10)
            known = connection.execute("PRAGMA application_id").fetchone()[0]
            version = schema.version(connection)
        except sqlite3.OperationalError as error:
            raise LedgerUnavailable(f"ledger {path}: {error}") from error
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
                raise NoLedger(path, str(error)) from error
            raise LedgerCorrupt(path, [str(error)]) from error
        if known != schema.APPLICATION_ID or version < 1:
            connection.close()
            raise NoLedger(
                path, f"it is a database, but not a ledger (application {known:#x}, schema {version})"
            )
        if version > len(schema.MIGRATIONS):
            connection.close()
            raise NewerLedger(path, version, len(schema.MIGRATIONS))
        return cls(path, connection)

    def lines(self, chosen: Selection = Selection(), *, after: int = 0) -> Iterator[JournalLine]:
        """The journal's lines in order, after one with this number.

        Raises LedgerCorrupt where the file is damaged.
        """
        try:
            yield from lines(self._connection, chosen=chosen, after=after)
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            raise LedgerCorrupt(self.path, [str(error)]) from error

    def movements(self, chosen: Selection = Selection(), *, after: int = 0) -> Iterator[Movement]:
        """The movements that began after a line, in the order of their outcomes, those that have none last.

        Raises LedgerCorrupt where the file is damaged.
        """
        begun: dict[int, Movement] = {}
        for line in self.lines(chosen, after=after):
            if line.entry == "begin":
                begun[line.intent] = Movement(line.as_intent())
            elif line.intent not in begun:
                continue
            elif line.entry == "post":
                begun[line.intent].changes.append(line.posting)
            else:
                movement = begun.pop(line.intent)
                movement.outcome, movement.ended = line.detail, line.time
                yield movement
        yield from begun.values()

    def last_movements(self, count: int) -> list[Movement]:
        """The movements that began last, as `movements` gives them; older lines are not read.

        Raises LedgerCorrupt where the file is damaged.
        """
        query = "SELECT intent FROM journal WHERE entry = 'begin' ORDER BY sequence DESC LIMIT ?"
        try:
            begun = [row[0] for row in self._connection.execute(query, (count,))]
        except sqlite3.DatabaseError as error:
            raise LedgerCorrupt(self.path, [str(error)]) from error
        return list(self.movements(after=min(begun) - 1)) if begun else []

    def line_hash(self, sequence: int) -> bytes | None:
        """The hash of one line; None when there is no such line."""
        row = self._connection.execute("SELECT hash FROM journal WHERE sequence = ?", (sequence,)).fetchone()
        return row[0] if row else None

    def counters(self, service: str | None = None) -> dict[tuple[str, CounterKey], int]:
        """The counts, by service and key."""
        rows = self._connection.execute(
            "SELECT service, unit, bucket, item, level, value FROM counter "
            "WHERE service = ?1 OR ?1 IS NULL ORDER BY service, unit, bucket, item, level",
            (service,),
        )
        return {(row[0], CounterKey(*row[1:5])): row[5] for row in rows}

    def open_intents(self) -> list[Intent]:
        """The movements without an outcome."""
        with closing(
            self._connection.execute(
                f"SELECT {_COLUMNS} FROM journal WHERE sequence IN (SELECT intent FROM open_intent) "
                "ORDER BY sequence"
            )
        ) as rows:
            return [JournalLine._make(row).as_intent() for row in rows]

    def documents(self) -> Iterator[tuple[str, str, bytes]]:
        """Every document that services keep: service, name, content."""
        yield from self._connection.execute(
            "SELECT service, name, value FROM document ORDER BY service, name"
        )

    def verify(self) -> Verification:
        """Recompute everything: file, chain, sums, open movements, documents."""
        return verify(self._connection)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> LedgerReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
