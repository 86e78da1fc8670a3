"""How far the ledger had got, noted apart from it.

A ledger that has lost its write-ahead log, or is an old copy put back, is sound in itself: nothing in it
shows that movements are missing. So the number and hash of the last line are noted in a small file
beside it after each commit. It is not synced, and may lag behind after a power cut; it is never
ahead. A ledger that does not have the noted line is not the one that was written last.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["Mark"]

_FORM = re.compile(rb"(\d{20}) ([0-9a-f]{64})\n")


class Mark:
    """The mark of the ledger `file`; open until `close`.

    Attributes:
        noted: number and hash of the last line as noted before; None if there is no legible mark.
    """

    def __init__(self, file: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._handle = os.open(f"{file}.mark", flags, 0o600)
        found = _FORM.fullmatch(os.read(self._handle, 200))
        self.noted = (int(found[1]), bytes.fromhex(found[2].decode())) if found else None

    def note(self, sequence: int, head: bytes) -> None:
        """Note the last line; a mark that cannot be written only lags behind."""
        try:
            os.lseek(self._handle, 0, os.SEEK_SET)
            line = b"%020d %s\n" % (sequence, head.hex().encode())
            os.write(self._handle, line)
            # What somebody else wrote there may be longer, and would make the mark illegible.
            os.ftruncate(self._handle, len(line))
        except OSError:
            return

    def close(self) -> None:
        os.close(self._handle)
