"""One writer for each ledger: a lock that the operating system lets go when its process ends.

SQLite alone would let two services write one file in turns, each with its own idea of the
counts in memory. The lock is on a file of its own beside the ledger, since closing any other
handle of the ledger's file would let go of SQLite's own locks; readers need none.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from xfs4iot.ledger.errors import LedgerUnavailable

__all__ = ["WriterLock"]

if sys.platform == "win32":
    import msvcrt

    def _try(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WriterLock:
    """Held from construction to `release`.

    Args:
        file: the ledger.

    Raises:
        LedgerUnavailable: another process, or another ledger of this one, holds it.
    """

    def __init__(self, file: Path) -> None:
        path = Path(f"{file.resolve()}.lock")
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise LedgerUnavailable(
                f"ledger {file} cannot be locked: {path}: {error.strerror}; check directory and rights"
            ) from error
        try:
            _try(self._handle)
        except OSError:
            holder = os.read(self._handle, 20).decode("ascii", "replace").strip()
            os.close(self._handle)
            raise LedgerUnavailable(
                f"ledger {file} is in use by process {holder or 'unknown'}; one service writes a ledger at a "
                "time: stop the other one, or give this one a file of its own"
            ) from None
        try:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, str(os.getpid()).encode(), 0)
        except OSError:
            # The number is for people; on a full disk the lock holds without it.
            return

    def release(self) -> None:
        """Let another one write."""
        os.close(self._handle)
