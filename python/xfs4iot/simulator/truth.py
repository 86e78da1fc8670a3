"""The physical truth of the simulated devices: what is where, whatever the services' books say.

Each device has a document of its own, a msgspec struct, in the ATM's directory. Each change replaces
the whole file at once, so that a process killed at any moment leaves behind a state that existed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec

__all__ = ["Document", "Parts"]

_State = TypeVar("_State")


class Parts(Protocol):
    """What a state only names: large things that are kept apart, and do not change."""

    def written(self, value: Any) -> str:
        """A part as the file has it."""

    def read(self, kind: type[Any], name: Any) -> Any:
        """A part that the file names; ValueError if there is none."""

    def saved(self) -> None:
        """The file has been read or written."""


class Document(Generic[_State]):
    """A state that outlives its process.

    Args:
        file: where it is kept; None keeps it in memory.
        new: the state of a device that is new; its class, a msgspec struct, says what the file holds.
        parts: of it that are kept apart; None for none.

    Attributes:
        state: change it, then `save`.

    Raises:
        ValueError: what the file holds cannot be read; the text says what to do.
    """

    def __init__(self, file: Path | None, new: _State, parts: Parts | None = None) -> None:
        self._file, self._parts = file, parts
        if file is not None and file.exists():
            try:
                dec_hook = None if parts is None else parts.read
                self.state = msgspec.json.decode(file.read_bytes(), type=type(new), dec_hook=dec_hook)
                if parts is not None:
                    parts.saved()
            # Also of what is not UTF-8.
            except ValueError as wrong:
                raise ValueError(
                    f"{file} cannot be read: {wrong}. It is damaged, or another version wrote it: name "
                    "another directory by --state, or remove this one, and the ATM begins as new"
                ) from None
        else:
            self.state = new
            self.save()

    def save(self) -> None:
        """Keep the state as it is now."""
        if self._file is None:
            return
        # In the same directory: a replacement is atomic only within one file system.
        new = self._file.with_suffix(".new")
        enc_hook = None if self._parts is None else self._parts.written
        new.write_bytes(msgspec.json.encode(self.state, enc_hook=enc_hook))
        os.replace(new, self._file)
        if self._parts is not None:
            self._parts.saved()
