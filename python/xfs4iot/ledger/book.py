"""Writing the ledger: one writer, every write synced before it is answered.

What is asked for while a commit is on its way to the disk is written together with the next
one (group commit), so that several services share the price of a sync. A write that fails
leaves memory as the disk was last known to be, and the ledger accepts no more: whether the
failed write got through is known only when the file is opened again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import trio

from xfs4iot.ledger import schema
from xfs4iot.ledger.errors import CountBelowZero, LedgerCorrupt, LedgerError, LedgerUnavailable
from xfs4iot.ledger.journal import GENESIS, TAIL, chain, digest, verify
from xfs4iot.ledger.records import (
    OUTCOMES,
    CounterKey,
    Intent,
    JournalLine,
    Posting,
    SetPosting,
    planned_postings,
)

__all__ = ["Ledger", "ServiceLedger"]

_Postings = Iterable[Posting | SetPosting]
_Scope = tuple[str, CounterKey]
_NO_COUNT = CounterKey("", "", "", "")


@dataclass
class _Batch:
    """What one commit writes, and how memory looks after it."""

    sequence: int
    head: bytes
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    counters: dict[_Scope, int] = field(default_factory=dict)
    documents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    opened: dict[int, Intent] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)

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
    ) -> JournalLine:
        """Put a line at the end of the journal."""
        self.sequence += 1
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
        self.head = chain(self.head, line[:-1])
        line = line._replace(hash=self.head)
        self.rows.append(line)
        return line


@dataclass
class _Write:
    prepare: Callable[[_Batch], Any]
    result: Any = None
    failure: Exception | None = None
    done: bool = False


class Ledger:
    """The ledger of a process; `service(name)` gives each service its own part.

    Args:
        connection: to the file, or to memory.
        path: the file; None for memory.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self.path = path
        self._connection = connection
        self._waiting: list[_Write] = []
        self._lock = trio.Lock()
        self._broken: str | None = None
        self._counters: dict[_Scope, int] = {}
        self._documents: dict[tuple[str, str], bytes] = {}
        self._open: dict[int, Intent] = {}
        self._sequence = 0
        self._head = GENESIS
        self._load()

    @classmethod
    def open(cls, path: str | Path | None) -> Ledger:
        """Open or make the file at `path`; None keeps everything in memory.

        Raises:
            LedgerUnavailable: the file cannot be opened or written.
            LedgerCorrupt: it is damaged or no ledger; the text says what to do.
        """
        file = None if path is None else Path(path)
        try:
            connection = sqlite3.connect(
                ":memory:" if file is None else file, isolation_level=None, check_same_thread=False, timeout=2
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            known = connection.execute("PRAGMA application_id").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            if tables and known != schema.APPLICATION_ID and file is not None:
                raise LedgerCorrupt(file, ["it is a database, but no ledger"])
            if schema.version(connection) > len(schema.MIGRATIONS) and file is not None:
                raise LedgerCorrupt(file, ["it was written by a newer version of xfs4iot"])
            schema.migrate(connection)
            found = verify(connection, tail=TAIL)
        except sqlite3.OperationalError as error:
            raise LedgerUnavailable(
                f"ledger {file} cannot be opened: {error}; check the path, the rights and the disk"
            ) from error
        except sqlite3.DatabaseError as error:
            raise LedgerCorrupt(file or Path(":memory:"), [str(error)]) from error
        if found.problems and file is not None:
            connection.close()
            raise LedgerCorrupt(file, found.problems)
        return cls(connection, file)

    def _load(self) -> None:
        execute = self._connection.execute
        for row in execute("SELECT service, unit, bucket, item, level, value FROM counter"):
            self._counters[row[0], CounterKey(*row[1:5])] = row[5]
        for service, name, value in execute("SELECT service, name, value FROM document"):
            self._documents[service, name] = bytes(value)
        columns = ", ".join(JournalLine._fields)
        for row in execute(
            f"SELECT {columns} FROM journal WHERE sequence IN (SELECT intent FROM open_intent) "
            "ORDER BY sequence"
        ):
            intent = JournalLine._make(row).as_intent()
            self._open[intent.id] = intent
        last = execute("SELECT sequence, hash FROM journal ORDER BY sequence DESC LIMIT 1").fetchone()
        if last is not None:
            self._sequence, self._head = last

    def service(self, name: str) -> ServiceLedger:
        """The part of one service."""
        return ServiceLedger(self, name)

    def close(self) -> None:
        """Close the file; everything answered is on the disk already."""
        self._connection.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _write(self, prepare: Callable[[_Batch], Any]) -> Any:
        """Commit what `prepare` puts into a batch; returns its result when it is on the disk."""
        write = _Write(prepare)
        self._waiting.append(write)
        async with self._lock:
            if not write.done:
                await self._commit()
        if write.failure is not None:
            raise write.failure
        return write.result

    async def _commit(self) -> None:
        """Write everything that waits, in one transaction."""
        writes, self._waiting = self._waiting, []
        batch = _Batch(self._sequence, self._head)
        for write in writes:
            write.done = True
            if self._broken is not None:
                write.failure = LedgerUnavailable(self._broken)
                continue
            try:
                write.result = write.prepare(batch)
            except LedgerError as refused:
                write.failure = refused
        if self._broken is not None or not (batch.rows or batch.documents):
            return
        try:
            if self.path is None:
                self._store(batch)
            else:
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(self._store, batch)
        except sqlite3.Error as error:
            self._broken = (
                f"ledger {self.path} cannot be written: {error}; nothing more is accepted, so that nothing "
                "is lost: make room or mend the disk, then restart the service"
            )
            for write in writes:
                write.failure = write.failure or LedgerUnavailable(self._broken)
            return
        self._sequence, self._head = batch.sequence, batch.head
        self._counters |= batch.counters
        self._documents |= batch.documents
        self._open |= batch.opened
        for intent in batch.closed:
            self._open.pop(intent, None)

    def _store(self, batch: _Batch) -> None:
        execute, many = self._connection.execute, self._connection.executemany
        execute("BEGIN IMMEDIATE")
        try:
            marks = ", ".join("?" * len(JournalLine._fields))
            many(f"INSERT INTO journal VALUES ({marks})", batch.rows)
            many(
                "INSERT INTO counter VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET value = excluded.value",
                [(service, *key, value) for (service, key), value in batch.counters.items()],
            )
            many(
                "INSERT INTO document VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET value = excluded.value, digest = excluded.digest",
                [(*where, value, digest(value)) for where, value in batch.documents.items()],
            )
            many("INSERT INTO open_intent VALUES (?)", [(intent,) for intent in batch.opened])
            many("DELETE FROM open_intent WHERE intent = ?", [(intent,) for intent in batch.closed])
            execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise

    def _post(self, batch: _Batch, service: str, origin: Intent, postings: _Postings) -> None:
        """Put postings into the batch.

        Raises:
            CountBelowZero: there would be fewer than no items; the batch is as before.
        """
        changes: dict[_Scope, int] = {}
        lines: list[tuple[CounterKey, int]] = []
        for posting in postings:
            scope = (service, posting.key)
            held = changes.get(scope, batch.counters.get(scope, self._counters.get(scope, 0)))
            delta = posting.delta if isinstance(posting, Posting) else posting.value - held
            if not delta:
                continue
            changes[scope] = held + delta
            lines.append((posting.key, delta))
        for (_, key), value in changes.items():
            if key.bucket == "count" and value < 0:
                delta = sum(change for one, change in lines if one == key)
                raise CountBelowZero(service, key.unit, key.item, value - delta, delta)
        for key, delta in lines:
            batch.add(
                "post",
                origin,
                service,
                origin.kind,
                origin.command,
                origin.request_id,
                origin.identity,
                key,
                delta,
            )
        batch.counters |= changes


class ServiceLedger:
    """One service's part of the ledger."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self.ledger = ledger
        self.name = name

    def document(self, name: str) -> bytes | None:
        """A document as last put; None if there is none."""
        return self.ledger._documents.get((self.name, name))

    async def put_document(self, name: str, value: bytes) -> None:
        """Keep a document.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        if self.document(name) == value:
            return

        def prepare(batch: _Batch) -> None:
            batch.documents[self.name, name] = value

        await self.ledger._write(prepare)

    def counters(self) -> dict[CounterKey, int]:
        """Every count of the service."""
        return {key: value for (service, key), value in self.ledger._counters.items() if service == self.name}

    def open_intents(self) -> list[Intent]:
        """Movements that were begun and not booked, oldest first."""
        return [intent for intent in self.ledger._open.values() if intent.service == self.name]

    async def begin(
        self,
        kind: str,
        *,
        command: str = "",
        request_id: int = 0,
        identity: str = "",
        planned: _Postings = (),
        detail: Mapping[str, Any] | None = None,
    ) -> Intent:
        """Announce a movement; it is on the disk when this returns, and nothing has moved yet.

        Args:
            kind: see `Intent`.
            command, request_id, identity: what asks for it, and who.
            planned: postings expected when all goes well.
            detail: what is needed to settle it after a crash.

        Raises:
            LedgerUnavailable: it could not be written; the device must not move.
        """
        noted = tuple(planned)
        text = planned_postings(noted, detail)

        def prepare(batch: _Batch) -> Intent:
            line = batch.add("begin", None, self.name, kind, command, request_id, identity, detail=text)
            intent = line.as_intent()
            batch.opened[intent.id] = intent
            return intent

        intent: Intent = await self.ledger._write(prepare)
        return intent

    async def book(
        self,
        intent: Intent,
        postings: _Postings,
        *,
        outcome: str = "done",
        documents: Mapping[str, bytes] | None = None,
    ) -> None:
        """Book what a movement has moved, with the documents that change with it, in one transaction.

        Raises:
            LedgerError: the movement is booked already, or a count would fall below zero.
            LedgerUnavailable: it could not be written; the movement stays open.
        """
        if outcome not in OUTCOMES:
            raise ValueError(f"outcome is one of {', '.join(OUTCOMES)}, not {outcome}")
        changes = tuple(postings)

        def prepare(batch: _Batch) -> None:
            ledger = self.ledger
            if (intent.id not in ledger._open and intent.id not in batch.opened) or intent.id in batch.closed:
                raise LedgerError(f"movement {intent.id} ({intent.command}) is booked already")
            ledger._post(batch, self.name, intent, changes)
            batch.add(
                "end",
                intent,
                self.name,
                intent.kind,
                intent.command,
                intent.request_id,
                intent.identity,
                detail=outcome,
            )
            batch.closed.add(intent.id)
            for name, value in (documents or {}).items():
                batch.documents[self.name, name] = value

        await self.ledger._write(prepare)

    async def record(
        self,
        kind: str,
        postings: _Postings,
        *,
        command: str = "",
        request_id: int = 0,
        identity: str = "",
        detail: Mapping[str, Any] | None = None,
        documents: Mapping[str, bytes] | None = None,
    ) -> None:
        """Book at once what needs no announcement: a count that was set, an item that was taken.

        Raises:
            CountBelowZero, LedgerUnavailable: nothing was booked.
        """
        changes = tuple(postings)
        noted = orjson.dumps({"planned": [], "detail": dict(detail or {})}).decode()

        def prepare(batch: _Batch) -> None:
            before = len(batch.rows), batch.sequence, batch.head
            line = batch.add("begin", None, self.name, kind, command, request_id, identity, detail=noted)
            intent = line.as_intent()
            try:
                self.ledger._post(batch, self.name, intent, changes)
            except CountBelowZero:
                del batch.rows[before[0] :]
                batch.sequence, batch.head = before[1:]
                raise
            batch.add("end", intent, self.name, kind, command, request_id, identity, detail="done")
            for name, value in (documents or {}).items():
                batch.documents[self.name, name] = value

        await self.ledger._write(prepare)
