"""Opening a ledger's file for writing: made whole or not at all, refused when it is damaged."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from xfs4iot.ledger import schema
from xfs4iot.ledger.errors import LedgerCorrupt, LedgerUnavailable, NewerLedger, NoLedger, remedy
from xfs4iot.ledger.journal import TAIL, verify
from xfs4iot.ledger.uris import uri

__all__ = ["bring_home", "connected", "in_memory", "made", "opened", "place"]

_BUSY_SECONDS = 2

_BEGINNINGS = {
    "-wal": (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"),
    "-shm": ((3007000).to_bytes(4, "little"), (3007000).to_bytes(4, "big")),
    "-journal": (b"\xd9\xd5\x05\xf9", b"\0\0\0\0"),
    ".mark": (b"0000",),
}
"""How the files beside a ledger begin."""


def place(path: Path) -> Path:
    """Where the ledger `path` lies, links followed; the files beside it lie beside that.

    Raises:
        LedgerUnavailable: it, or what is beside it, is something else than a file of a ledger. Nothing
            was opened: a pipe would hold the service up, and what a link points to would be overwritten.
    """
    try:
        file = path.resolve()
        if file.exists() and not file.is_file():
            raise LedgerUnavailable(f"ledger {path} is no regular file; give the path of a file")
        for suffix, beginnings in _BEGINNINGS.items():
            beside = Path(f"{file}{suffix}")
            if not os.path.lexists(beside):
                continue
            found = beside.lstat()
            own = stat.S_ISREG(found.st_mode)
            if own and found.st_nlink > 1 and found.st_size:
                # A second name is harmless on a copy of the log, and not on somebody's file.
                with beside.open("rb") as opened:
                    own = opened.read(4).startswith(beginnings)
            if not own:
                raise LedgerUnavailable(
                    f"ledger {path} cannot be opened: {beside} would be written, and is a link, or no file "
                    "of a ledger; move it away"
                )
    except (OSError, RuntimeError) as wrong:
        # Path.resolve raises RuntimeError for links in a circle.
        raise LedgerUnavailable(f"ledger {path} cannot be opened: {wrong}; check path and rights") from wrong
    return file


def in_memory() -> sqlite3.Connection:
    """A new ledger that is gone when it is closed."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    schema.migrate(connection)
    return connection


def connected(file: Path) -> sqlite3.Connection:
    """A connection that syncs every commit.

    Raises:
        sqlite3.Error: the file cannot be opened, or is not a database.
    """
    connection = sqlite3.connect(
        # Not rwc: a file that has vanished must not be replaced by an empty one.
        uri(file, "mode=rw"),
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_SECONDS,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def made(file: Path) -> None:
    """Make an empty ledger: under another name, put in its place when it is whole and synced.

    Raises:
        sqlite3.Error, OSError: it cannot be written.
    """
    new = Path(f"{file}.new")
    # Leftovers of a creation that a crash interrupted.
    for suffix in ("", "-journal", "-wal", "-shm"):
        Path(f"{new}{suffix}").unlink(missing_ok=True)
    # SQLite takes over the rights of the file for its logs; only its writer may read a ledger.
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(new, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        schema.migrate(connection)
        # Here, not when it is first opened: a power cut in between would leave a journal to be rolled back.
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    os.replace(new, file)
    if os.name == "posix":
        # Without syncing the directory, a power cut could undo the rename.
        directory = os.open(file.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def bring_home(connection: sqlite3.Connection) -> None:
    """Write all of the write-ahead log into the main file, synced.

    Raises:
        sqlite3.Error: not all of it could be written.
    """
    # PASSIVE waits for no reader; the counts show whether it got everything across.
    busy, logged, written = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if busy or logged != written:
        raise sqlite3.OperationalError("a reader holds up the write-ahead log")


def opened(file: Path) -> sqlite3.Connection:
    """Open or make the ledger `file`, bring it to the newest schema and verify it.

    Raises:
        LedgerUnavailable: it cannot be opened or written.
        LedgerCorrupt: it is damaged, or no ledger of a version that is known here; it is left as it is.
    """
    log = Path(f"{file}-wal")
    try:
        if not file.exists():
            if log.exists():
                raise LedgerUnavailable(
                    f"ledger {file} is gone, but its write-ahead log {log.name} is there: put the file back "
                    "beside it; to begin a new ledger instead, move the log away"
                )
            made(file)
        elif not file.stat().st_size:
            raise LedgerUnavailable(
                f"ledger {file} is empty, it was truncated: put a copy in its place, and count the units "
                "then; to begin a new ledger instead, move it away"
            )
        _require_ledger(file)
        connection = connected(file)
    except OSError as error:
        raise LedgerUnavailable(_cannot(file, error.strerror or str(error), remedy(error))) from error
    except sqlite3.OperationalError as error:
        raise LedgerUnavailable(_cannot(file, str(error), remedy(error))) from error
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise NoLedger(file, str(error)) from error
        raise LedgerCorrupt(file, [str(error)]) from error
    try:
        schema.migrate(connection)
        found = verify(connection, tail=TAIL)
    except sqlite3.OperationalError as error:
        connection.close()
        raise LedgerUnavailable(_cannot(file, str(error), remedy(error))) from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise LedgerCorrupt(file, [str(error)]) from error
    if found.problems:
        connection.close()
        raise LedgerCorrupt(file, found.problems)
    return connection


def _cannot(file: Path, reason: str, remedy: str) -> str:
    return f"ledger {file} cannot be opened: {reason}; {remedy}"


def _require_ledger(file: Path) -> None:
    """Refuse another program's database before anything in it is touched."""
    try:
        known, version = _identity(file, "mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        # The power failed while it was made ready for its write-ahead log, which takes a journal that only
        # a writer can roll back. The identity was there before.
        known, version = _identity(file, "immutable=1")
        if known == schema.APPLICATION_ID:
            known, version = _identity(file, "mode=rw")
    if known != schema.APPLICATION_ID:
        raise NoLedger(file, "it is a database, but not a ledger")
    if version > len(schema.MIGRATIONS):
        raise NewerLedger(file, version, len(schema.MIGRATIONS))


def _identity(file: Path, mode: str) -> tuple[int, int]:
    """Which program's database it is, and the version of its schema."""
    connection = sqlite3.connect(uri(file, mode), uri=True)
    try:
        return connection.execute("PRAGMA application_id").fetchone()[0], schema.version(connection)
    finally:
        connection.close()
