"""Writing the ledger: one writer, every write synced before it is answered.

What is asked for while a commit is on its way to the disk is written together with the next
one (group commit), so that several services share the cost of a sync.

A write that fails is not simply tried again: whether it got through is not known, since a
commit whose sync failed may lie whole in the file. So memory stays as the disk was last known
to be, and before anything more is written the file is opened again, what it holds is brought
into its main part and synced, and its last line is looked at: it is the line before the failed
write, or the last line of that write, and memory is read anew. Until that succeeds nothing is
accepted, and nothing moves.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from xfs4iot.dataclass import dataclass
from xfs4iot.ledger import files
from xfs4iot.ledger.batch import Batch, Name, Postings, Scope, Sealed, Unwritable
from xfs4iot.ledger.errors import (
    CountBelowZero,
    LedgerCorrupt,
    LedgerError,
    LedgerFull,
    LedgerUnavailable,
    remedy,
)
from xfs4iot.ledger.journal import GENESIS, TAIL, verify
from xfs4iot.ledger.lock import WriterLock
from xfs4iot.ledger.mark import Mark
from xfs4iot.ledger.records import (
    STEP,
    CounterKey,
    Intent,
    JournalLine,
    Posting,
    SetPosting,
    planned_postings,
)
from xfs4iot.ledger.service_ledger import ServiceLedger
from xfs4iot.telling import logger

__all__ = ["Ledger", "ServiceLedger"]

_log = logger("xfs4iot.ledger")

_LARGEST = 2**62
_LARGEST_COUNT = 2**53
"""Far above all that is let in at the door, and far below what sums of many need in the file."""


@dataclass(eq=False)
class _Write:
    prepare: Callable[[Batch], Any]
    result: Any = None
    failure: Exception | None = None
    done: bool = False
    written: bool = False


class Ledger:
    """The ledger of a process; `service(name)` gives each service its own part.

    Args:
        connection: to the file, or to memory.
        path: the file; None for memory.
        lock: held while the file is open.
        mark: where it is noted how far the ledger has got.

    Attributes:
        lost: why movements must be missing from it, in words; None if nothing speaks for that. Storage
            takes all counts for inaccurate then.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path | None,
        lock: WriterLock | None = None,
        mark: Mark | None = None,
    ) -> None:
        self.path = path
        self.lost: str | None = None
        self._mark = mark
        self._unreadable: dict[Name, bytes] = {}
        self._connection = connection
        self._file_lock = lock
        self._waiting: list[_Write] = []
        self._lock = trio.Lock()
        self._broken: LedgerUnavailable | None = None
        self._failed: Batch | None = None
        self._refused: list[Intent] = []
        self._load()

    @classmethod
    def open(cls, path: str | Path | None) -> Ledger:
        """Open or make the file at `path`; None keeps everything in memory.

        Raises:
            LedgerUnavailable: the file cannot be opened or written, or another service writes it.
            LedgerCorrupt: it is damaged or no ledger; the text says what to do.
        """
        if path is None:
            return cls(files.in_memory(), None)
        file = files.place(Path(path))
        # Locked before it is opened: two processes must not both create or migrate the file.
        lock = WriterLock(file, Path(path))
        try:
            connection = files.opened(file)
        except BaseException:
            lock.release()
            raise
        try:
            # The file may only just have been created, so the lock on the file itself is taken here.
            lock.hold()
            lock.opened()
            try:
                ledger = cls(connection, file, lock, Mark(file))
            except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as wrong:
                raise LedgerCorrupt(file, [f"what it holds cannot be read: {wrong}"]) from wrong
            except OSError as wrong:
                raise LedgerUnavailable(
                    f"ledger {file} cannot be opened: {wrong}; {remedy(wrong)}"
                ) from wrong
            ledger._look_back()
            lock.written()
        except BaseException:
            connection.close()
            lock.release()
            raise
        return ledger

    def _look_back(self) -> None:
        """See whether this is the ledger that was written last, by the mark beside it."""
        assert self._mark is not None
        noted = self._mark.noted
        # Line 0 is that of a journal in which nothing stands yet: no file can lack it.
        if noted is not None and noted[0] > 0:
            row = self._connection.execute(
                "SELECT hash FROM journal WHERE sequence = ?", noted[:1]
            ).fetchone()
            recovered = self._connection.execute(
                "SELECT max(sequence) FROM journal WHERE kind = 'recover' AND entry = 'begin'"
            ).fetchone()[0]
            if (row is None or row[0] != noted[1]) and (recovered or 0) <= noted[0]:
                batch = Batch(self._sequence, self._head)
                self._skip(
                    batch,
                    noted[0],
                    f"line {noted[0]} was written last and is not in it, it ends with line {self._sequence}: "
                    "its write-ahead log is lost, or an old copy was put in its place",
                )
                batch.store(self._connection)
                self._take_over(batch)
        self._mark.note(self._sequence, self._head)

    def _skip(self, batch: Batch, used: int, why: str) -> None:
        """Go on above every number that may have been used, and take note that lines are missing."""
        number = (max(self._sequence, used) // STEP + 1) * STEP
        text = planned_postings((), {"lost": why})
        line = batch.add("begin", None, "", "recover", "", 0, "", detail=text, sequence=number)
        batch.end(line.as_intent(), "unknown")
        self.lost = why
        _log.critical(
            "ledger %s lacks movements: %s; all counts are taken for inaccurate: count the units and set "
            "their counts (Storage.SetStorage)",
            self.path,
            why,
        )

    async def skip(self, used: int, why: str) -> None:
        """Take note that movements up to the number `used` are missing.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        await self._write(lambda batch: self._skip(batch, used, why))

    @property
    def last_line(self) -> int:
        """Number of the journal's last line."""
        return self._sequence

    def _load(self) -> None:
        """Read into memory what the file holds."""
        execute = self._connection.execute
        self._counters: dict[Name, dict[CounterKey, int]] = defaultdict(dict)
        for row in execute("SELECT service, unit, bucket, item, level, value FROM counter"):
            self._counters[row[0], row[1]][CounterKey(*row[1:5])] = row[5]
        self._documents: dict[Name, bytes] = {
            (row[0], row[1]): row[2] for row in execute("SELECT service, name, value FROM document")
        }
        self._vendor_data: dict[Name, bytes] = {
            (row[0], row[1]): row[2] for row in execute("SELECT service, name, value FROM vendor_data")
        }
        self._vault: dict[Name, Sealed] = {
            (row[0], row[1]): Sealed(*row[2:])
            for row in execute("SELECT service, name, attributes, nonce, sealed FROM vault")
        }
        columns = ", ".join(JournalLine._fields)
        intents = [
            JournalLine._make(row).as_intent()
            for row in execute(
                f"SELECT {columns} FROM journal WHERE sequence IN (SELECT intent FROM open_intent) "
                "ORDER BY sequence"
            )
        ]
        self._open: dict[int, Intent] = {intent.id: intent for intent in intents}
        self._sequence, self._head = self._last()

    def _last(self) -> tuple[int, bytes]:
        """Number and hash of the last line in the file."""
        found = self._connection.execute(
            "SELECT sequence, hash FROM journal ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        return (0, GENESIS) if found is None else (found[0], found[1])

    def service(self, name: str) -> ServiceLedger:
        """The part of one service."""
        return ServiceLedger(self, name)

    def close(self) -> None:
        """Close the file; everything answered is on the disk already."""
        self._connection.close()
        if self._mark is not None:
            self._mark.close()
            self._mark = None
        if self._file_lock is not None:
            self._file_lock.release()
            self._file_lock = None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _write(self, prepare: Callable[[Batch], Any]) -> Any:
        """Commit what `prepare` puts into a batch; returns its result when it is on the disk."""
        write = _Write(prepare)
        self._waiting.append(write)
        try:
            async with self._lock:
                # Whoever held the lock before may have committed this write along with its own.
                if not write.done:
                    await self._commit()
        except trio.Cancelled:
            if not write.done:
                # Nobody has begun with it: it must not be booked behind the back of a caller that is gone.
                self._waiting.remove(write)
                raise
            # Somebody is at it: its caller learns how that ends, and is cancelled at its next checkpoint.
            with trio.CancelScope(shield=True):
                async with self._lock:
                    pass
        if write.failure is not None:
            raise write.failure
        return write.result

    async def _commit(self) -> None:
        """Write everything that waits, in one transaction."""
        writes, self._waiting = self._waiting, []
        for write in writes:
            write.done = True
        if self._broken is None and (why := self._displaced() or self._touched()):
            self._broken = LedgerUnavailable(why)
        if self._broken is not None:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._mend)
        if self._broken is not None:
            for write in writes:
                write.failure = self._broken
            return
        if self._refused:
            writes.insert(0, _Write(self._close_refused))
        failure: Exception = LedgerUnavailable("the service ended before this was written")
        try:
            await self._put_down(writes)
        except LedgerUnavailable as unavailable:
            failure = unavailable
        finally:
            # Whatever was raised: what is not on the disk is never reported as done.
            for write in writes:
                if not write.written:
                    write.failure = write.failure or failure

    async def _put_down(self, writes: list[_Write]) -> None:
        """Write all in one transaction; where one of them cannot be written, each by itself."""
        batch = Batch(self._sequence, self._head)
        for write in writes:
            try:
                with batch.whole():
                    write.result = write.prepare(batch)
            except LedgerError as refused:
                write.failure = refused
            except Exception as fault:
                # Others wait for the same commit, and must not pay for it.
                write.failure = LedgerError(f"{type(fault).__name__} while a booking was made up: {fault}")
                write.failure.__cause__ = fault
        writes = [write for write in writes if write.failure is None]
        try:
            if not batch.empty:
                await self._store(batch)
        except Unwritable as refused:
            if len(writes) > 1:
                for write in writes:
                    # `prepare` runs again on a fresh batch: its numbers and hashes depend on the lines
                    # before.
                    await self._put_down([write])
            else:
                for write in writes:
                    write.failure = LedgerError(f"this cannot be written into the ledger: {refused}")
            return
        for write in writes:
            write.written = True

    async def _store(self, batch: Batch) -> None:
        """Store a batch, and make memory as the disk is then.

        Raises:
            Unwritable: its contents cannot be written.
            LedgerUnavailable: it is not known whether it was written.
        """
        try:
            if self.path is None:
                batch.store(self._connection)
            else:
                with trio.CancelScope(shield=True):
                    # Shielded: a cancelled caller must not fail the commit of everyone else waiting for it.
                    await trio.to_thread.run_sync(batch.store, self._connection)
        except Unwritable:
            raise
        except BaseException as error:
            refusal = self._refusal(error)
            # In memory there is no sync to fail: a write that was rolled back did not happen.
            if self.path is not None or self._connection.in_transaction:
                self._broken, self._failed = refusal, batch
            if not isinstance(error, Exception):
                raise
            raise refusal from error
        self._take_over(batch)

    def _close_refused(self, batch: Batch) -> None:
        """Book as failed what was announced in a write that was told to have failed, and had not."""
        for intent in self._refused:
            self._close(batch, intent, "failed")

    @staticmethod
    def _close(batch: Batch, intent: Intent, outcome: str) -> None:
        batch.end(intent, outcome)
        batch.closed.add(intent.id)

    def _take_over(self, batch: Batch) -> None:
        """Make memory as the disk is now."""
        self._refused = []
        self._sequence, self._head = batch.sequence, batch.head
        if self._file_lock is not None:
            self._file_lock.written()
        if self._mark is not None:
            self._mark.note(self._sequence, self._head)
        for (service, key), count in batch.counters.items():
            self._counters[service, key.unit][key] = count
        self._documents |= batch.documents
        for name, value in batch.vendor_data.items():
            if value is None:
                self._vendor_data.pop(name, None)
            else:
                self._vendor_data[name] = value
        for name, record in batch.vault.items():
            if record is None:
                self._vault.pop(name, None)
            else:
                self._vault[name] = record
        self._open |= batch.opened
        for intent in batch.closed:
            self._open.pop(intent, None)

    def _displaced(self) -> str | None:
        """Why nothing must be written now: the files are not those that are open; None if they are."""
        displaced = self._file_lock.displaced if self._file_lock is not None else None
        if displaced is None:
            return None
        return (
            f"ledger {self.path} cannot be written: {displaced}; nothing moves and nothing more is accepted. "
            "Put it back as it was (the service then goes on by itself); do not stop the service before that"
        )

    def _touched(self) -> str | None:
        """Why the file must be looked at before it is written: another hand was at it."""
        if self._file_lock is None or not self._file_lock.touched:
            return None
        return f"ledger {self.path} was changed by something else than this service"

    def _refusal(self, error: BaseException) -> LedgerUnavailable:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        return (LedgerFull if full else LedgerUnavailable)(
            f"ledger {self.path} cannot be written: {error}; nothing moves and nothing more is accepted, so "
            f"that nothing is lost: {remedy(error)}; the service then goes on by itself"
        )

    def _mend(self) -> None:
        """Open the file again after a write failed, and find out how far it got."""
        try:
            if self.path is None:
                self._connection.execute("ROLLBACK")
            else:
                assert self._file_lock is not None
                # Asked before the file is reopened: bringing the log home changes the file as well.
                doubtful = self._file_lock.touched
                if self._file_lock.lost_log:
                    # What was committed lies in the log that is open still, and nowhere else.
                    files.bring_home(self._connection)
                    self._connection.close()
                    self._connection = files.connected(self.path)
                    _log.error("%s-wal was removed while it is written; nothing of it was lost", self.path)
                elif why := self._displaced():
                    self._broken = LedgerUnavailable(why)
                    return
                else:
                    connection = files.connected(self.path)
                    # Swapped only now: if opening fails, the old connection stays in place.
                    before, self._connection = self._connection, connection
                    before.close()
                if doubtful and (problems := verify(self._connection, tail=TAIL).problems):
                    self._broken = LedgerUnavailable(
                        f"ledger {self.path} was damaged by something else than this service: {problems[0]}; "
                        "nothing more is accepted: stop the service and see "
                        f"`xfs4iot ledger check {self.path}`"
                    )
                    return
                files.bring_home(self._connection)
                self._file_lock.opened()
            last, failed = self._last(), self._failed
            if failed is not None and last == (failed.sequence, failed.head):
                # Whoever announced these was told that it failed, and moved nothing.
                self._refused = list(failed.opened.values())
            elif last != (self._sequence, self._head):
                self._broken = LedgerUnavailable(
                    f"ledger {self.path} was changed by something else than this service; nothing more is "
                    f"accepted: stop the service and see `xfs4iot ledger check {self.path}`"
                )
                return
            self._load()
        except Exception as error:
            self._broken = self._refusal(error)
            return
        self._broken = self._failed = None

    def _post(self, batch: Batch, service: str, origin: Intent, postings: Postings) -> None:
        """Put postings into the batch.

        Raises:
            CountBelowZero: there would be fewer than no items.
            LedgerError: there would be more items than any unit holds, or a posting is not of text and
                whole numbers, which alone SQLite gives back as the journal has hashed them.
        """
        postings = tuple(postings)
        for posting in postings:
            _require_keepable(posting)
        changes: dict[Scope, int] = {}
        lines: list[tuple[CounterKey, int]] = []
        for posting in postings:
            scope = (service, posting.key)
            before = self._counters.get((service, posting.key.unit), {}).get(posting.key, 0)
            # Newest first: changes of this call, then of this batch, then what is on the disk.
            held = changes.get(scope, batch.counters.get(scope, before))
            delta = posting.delta if isinstance(posting, Posting) else posting.value - held
            if not delta:
                continue
            changes[scope] = held + delta
            lines.append((posting.key, delta))
        for (_, key), value in changes.items():
            delta = sum(change for one, change in lines if one == key)
            # A count that is already out of bounds may still be brought back.
            if abs(value) > _LARGEST_COUNT and abs(value) > abs(value - delta):
                raise LedgerError(
                    f'{service}: unit "{key.unit}" would have {value} items in {key.bucket}, more than any '
                    "unit holds; nothing was booked"
                )
            if key.bucket == "count" and value < 0:
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


def _require_keepable(posting: Posting | SetPosting) -> None:
    amount = posting.delta if isinstance(posting, Posting) else posting.value
    # Not isinstance: a bool would be hashed as `true`, but read back from SQLite as 1.
    keepable = type(amount) is int and -_LARGEST <= amount <= _LARGEST
    for part in posting.key:
        # isascii() is quick; only other text has to be searched for lone surrogates.
        keepable = keepable and type(part) is str and (part.isascii() or _is_utf8(part))
    if not keepable:
        raise LedgerError(f"{posting!r:.200} cannot be kept: names are text, numbers whole and below 2**62")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
