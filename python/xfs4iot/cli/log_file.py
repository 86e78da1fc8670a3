"""The handler that writes the log to a file."""

from __future__ import annotations

import logging
import logging.handlers
import os
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

__all__ = ["FileHandler"]


class FileHandler(logging.handlers.RotatingFileHandler):
    """Writes to a file that is put aside when it is full, and begun anew when someone else moved it.

    Args:
        path, size, kept: as in `logs.LogFile`.
    """

    def __init__(self, path: Path, size: int, kept: int) -> None:
        super().__init__(path, maxBytes=size, backupCount=kept, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        return open(
            self.baseFilename,
            "a",
            encoding="utf-8",
            # A lone surrogate, as in a file name that is not UTF-8, must not cost the line.
            errors="backslashreplace",
            opener=lambda path, flags: os.open(path, flags, 0o640),
        )

    def emit(self, record: logging.LogRecord) -> None:
        # On Windows a file that is open here cannot be moved away.
        if self.stream is not None and os.name != "nt" and self._was_moved(self.stream):
            self.let_go()
        super().emit(record)

    def let_go(self) -> None:
        """Close the file, with what it did not take; the next line opens it again."""
        # Forgotten before it is closed: closing flushes, and fails again while the disk is full.
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError):
                stream.close()

    def _was_moved(self, stream: TextIOWrapper) -> bool:
        try:
            there = os.stat(self.baseFilename)
        except OSError:
            return True
        ours = os.fstat(stream.fileno())
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def doRollover(self) -> None:
        """Put the file aside; if that fails (on Windows, while somebody reads it), go on in it."""
        try:
            super().doRollover()
        except OSError:
            # It closes the file before it renames it.
            if self.stream is None:
                self.stream = self._open()
