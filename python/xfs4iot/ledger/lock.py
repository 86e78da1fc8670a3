"""One writer for each ledger: a lock that the operating system releases when its process ends.

SQLite alone would let two services write one file in turns, each with its own idea of the
counts in memory. The lock is on a file of its own beside the ledger, and on the ledger itself where the
system has locks that SQLite does not use (`flock`): so it holds for every name of the
ledger, links included, and when the lock file is deleted. The handle of the ledger stays open
until SQLite has closed its own, since closing it would let go of SQLite's locks. Readers need none.

The same handle shows whether the file at the ledger's path is still the one that is written, and
whether someone else has changed it: its size or time differs from what our last write left.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from xfs4iot.ledger.errors import LedgerUnavailable

__all__ = ["WriterLock"]

if sys.platform == "win32":
    import msvcrt

    def _try(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    _LOCKS_LEDGER = False
else:
    import fcntl

    def _try(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    _LOCKS_LEDGER = True

_NUMBER_BYTES = 20
_Identity = tuple[int, int]
_Trace = tuple[int, int, int]


class WriterLock:
    """Held from construction to `release`.

    Args:
        file: the ledger, no link.
        name: the path that was asked for, which may be a link to it.

    Raises:
        LedgerUnavailable: another process, or another ledger of this one, holds it.
    """

    def __init__(self, file: Path, name: Path) -> None:
        self._file = file
        self._name = name
        self._ledger: int | None = None
        self._log: _Identity | None = None
        self._trace: _Trace | None = None
        path = Path(f"{file}.lock")
        # A link planted under this name must not redirect the write into another file.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            self._handle = os.open(path, flags, 0o600)
        except OSError as error:
            raise LedgerUnavailable(
                f"ledger {file} cannot be locked: {path}: {error.strerror}; check directory and rights"
            ) from error
        try:
            self._require_own(path)
            self._take(self._handle)
            if file.exists():
                self.hold()
        except BaseException:
            self.release()
            raise
        try:
            # Only under the lock: until then the number in the file is that of its holder.
            os.ftruncate(self._handle, 0)
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.write(self._handle, str(os.getpid()).encode())
        except OSError:
            # The number is for people; on a full disk the lock holds without it.
            return

    def _require_own(self, path: Path) -> None:
        """Refuse to write into what is not a lock file: another file's link, or somebody's content."""
        found = os.fstat(self._handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_size > _NUMBER_BYTES:
            raise LedgerUnavailable(
                f"ledger {self._file} cannot be locked: {path} is not a lock file; move it away"
            )

    def _take(self, handle: int) -> None:
        try:
            _try(handle)
        except OSError:
            holder = os.read(self._handle, _NUMBER_BYTES).decode("ascii", "replace").strip()
            raise LedgerUnavailable(
                f"ledger {self._file} is in use by process {holder if holder.isdigit() else 'unknown'}; one "
                "service writes a ledger at a time: stop the other one, or give this one a file of its own"
            ) from None

    def hold(self) -> None:
        """Lock the ledger itself, which is there now.

        Raises:
            LedgerUnavailable: it cannot be opened, or is in use under another name.
        """
        if not _LOCKS_LEDGER or self._ledger is not None:
            return
        try:
            self._ledger = os.open(self._file, os.O_RDONLY)
        except OSError as error:
            raise LedgerUnavailable(
                f"ledger {self._file} cannot be opened: {error.strerror}; see that it may be read and written"
            ) from error
        self._take(self._ledger)

    def opened(self) -> None:
        """The ledger has been opened: from now on its write-ahead log is the one that is there."""
        self._log = _identity(f"{self._file}-wal")
        self.written()

    def written(self) -> None:
        """The files are now as this process wrote them."""
        self._trace = self._traced()

    def _traced(self) -> _Trace | None:
        """Size and time of the ledger, and the size of its log."""
        if self._ledger is None:
            return None
        found = os.fstat(self._ledger)
        try:
            logged = os.stat(f"{self._file}-wal").st_size
        except OSError:
            logged = 0
        return found.st_size, found.st_mtime_ns, logged

    @property
    def touched(self) -> bool:
        """Whether another hand has written into the ledger, or cut it or its log off.

        Another program may also have brought the log home (a checkpoint), which harms nothing.
        """
        now, before = self._traced(), self._trace
        return now is not None and before is not None and (now[:2] != before[:2] or now[2] < before[2])

    @property
    def displaced(self) -> str | None:
        """What was removed or replaced of the files that are written; None if nothing was."""
        if self._ledger is not None:
            ours = os.fstat(self._ledger)
            if _identity(self._name) != (ours.st_dev, ours.st_ino):
                return f"the file {self._name} was removed or replaced while it is written"
        if self._log is not None and _identity(f"{self._file}-wal") != self._log:
            return f"the write-ahead log {self._file}-wal was removed or replaced while it is written"
        return None

    @property
    def lost_log(self) -> bool:
        """Whether only the write-ahead log was removed: what is in it can still be brought home."""
        return self.displaced is not None and f"{self._file}-wal" in (self.displaced or "")

    def release(self) -> None:
        """Let another one write."""
        for handle in (self._ledger, self._handle):
            if handle is not None:
                os.close(handle)
        self._ledger = None


def _identity(file: str | Path) -> _Identity | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino
