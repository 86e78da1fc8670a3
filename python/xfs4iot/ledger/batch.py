"""What one commit writes, put together in memory and stored in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from datetime import UTC, datetime
from typing import NamedTuple

from xfs4iot.dataclass import dataclass
from xfs4iot.ledger.journal import chain, digest
from xfs4iot.ledger.records import CounterKey, Intent, JournalLine, Posting, SetPosting

__all__ = ["Batch", "Name", "Postings", "Scope", "Sealed", "Unwritable"]

Scope = tuple[str, CounterKey]
"""One count of one service."""

Name = tuple[str, str]
"""A service, and the name of what it keeps."""

Postings = Iterable[Posting | SetPosting]

_PARTS = ("counters", "documents", "vendor_data", "vault", "opened", "closed")
_NO_COUNT = CounterKey("", "", "", "")


class Sealed(NamedTuple):
    """A secret as it lies in the file: see `vault`."""

    attributes: bytes
    nonce: bytes
    sealed: bytes


class Unwritable(Exception):
    """Something in a batch cannot stand in the file, such as a number of 64 bits; nothing was written."""


@dataclass
class Batch:
    """What one commit writes, and how memory looks after it.

    Attributes:
        sequence, head: number and hash of the last journal line, with this batch.
        rows: the new journal lines.
        counters, documents, vendor_data, vault: new values; None removes what may be removed.
        opened, closed: movements that were begun, and booked.
    """

    sequence: int
    head: bytes
    rows: list[JournalLine] = field(default_factory=list)
    counters: dict[Scope, int] = field(default_factory=dict)
    documents: dict[Name, bytes] = field(default_factory=dict)
    vendor_data: dict[Name, bytes | None] = field(default_factory=dict)
    vault: dict[Name, Sealed | None] = field(default_factory=dict)
    opened: dict[int, Intent] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.rows or self.documents or self.vendor_data or self.vault)

    def end(self, intent: Intent, outcome: str) -> None:
        """Put the outcome of a movement at the end of the journal."""
        self.add(
            "end",
            intent,
            intent.service,
            intent.kind,
            intent.command,
            intent.request_id,
            intent.identity,
            detail=outcome,
        )

    def add(
        self,
        entry: str,
        origin: Intent | None,
        service: str,
        kind: str,
        command: str,
        request_id: int,
        identity: str,
        key: CounterKey = _NO_COUNT,
        delta: int = 0,
        detail: str = "",
        sequence: int | None = None,
    ) -> JournalLine:
        """Put a line at the end of the journal; `sequence` skips numbers, after a recovery."""
        self.sequence = self.sequence + 1 if sequence is None else sequence
        line = JournalLine(
            self.sequence,
            datetime.now(UTC).isoformat(timespec="milliseconds"),
            entry,
            service,
            self.sequence if origin is None else origin.id,
            kind,
            command,
            request_id,
            identity,
            *key,
            delta,
            detail,
            b"",
        )
        # The hash is the last column: computed over all the others, then filled in.
        self.head = chain(self.head, line[:-1])
        line = line._replace(hash=self.head)
        self.rows.append(line)
        return line

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All that the block puts in, or nothing if it raises anything at all."""
        lines, sequence, head = len(self.rows), self.sequence, self.head
        # Shallow copies suffice: entries are replaced, never changed in place.
        kept = {name: getattr(self, name).copy() for name in _PARTS}
        try:
            yield
        except BaseException:
            del self.rows[lines:]
            self.sequence, self.head = sequence, head
            for name, before in kept.items():
                setattr(self, name, before)
            raise

    def store(self, connection: sqlite3.Connection) -> None:
        """Write everything in one transaction; whatever is raised, no transaction stays open.

        Raises:
            Unwritable: its contents cannot be written; nothing was.
            sqlite3.Error: it was not written, or it is not known whether it was.
        """
        try:
            # IMMEDIATE takes the write lock now, so that a busy file fails before anything is written.
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._store(connection)
            except Exception as error:
                if not _is_of_contents(error):
                    raise
                connection.execute("ROLLBACK")
                raise Unwritable(str(error)) from error
            connection.execute("COMMIT")
        except BaseException:
            # After some errors (disk full, I/O) SQLite has rolled back by itself; another ROLLBACK would
            # raise.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _store(self, connection: sqlite3.Connection) -> None:
        many = connection.executemany
        marks = ", ".join("?" * len(JournalLine._fields))
        many(f"INSERT INTO journal VALUES ({marks})", self.rows)
        many(
            "INSERT INTO counter VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            [(service, *key, value) for (service, key), value in self.counters.items()],
        )
        many("INSERT INTO open_intent VALUES (?)", [(intent,) for intent in self.opened])
        many("DELETE FROM open_intent WHERE intent = ?", [(intent,) for intent in self.closed])
        self._replace(connection, "document", _digested(self.documents))
        self._replace(connection, "vendor_data", _digested(self.vendor_data))
        self._replace(connection, "vault", self.vault)

    @staticmethod
    def _replace(
        connection: sqlite3.Connection, table: str, values: Mapping[Name, tuple[bytes, ...] | None]
    ) -> None:
        for where, columns in values.items():
            connection.execute(f"DELETE FROM {table} WHERE service = ? AND name = ?", where)
            if columns is not None:
                marks = ", ".join("?" * (2 + len(columns)))
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", (*where, *columns))


def _is_of_contents(error: Exception) -> bool:
    """Whether an error comes from what was to be written, and not from the file or the disk."""
    if isinstance(error, sqlite3.IntegrityError):
        # Only a line of another writer trips the triggers.
        return error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_TRIGGER
    return isinstance(error, sqlite3.DataError | sqlite3.ProgrammingError | ArithmeticError | ValueError)


def _digested(
    values: Mapping[Name, bytes] | Mapping[Name, bytes | None],
) -> dict[Name, tuple[bytes, ...] | None]:
    return {where: None if value is None else (value, digest(value)) for where, value in values.items()}
