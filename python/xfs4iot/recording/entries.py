"""A recording: what went between clients and services, one JSON object a line.

The first line says what was recorded; each other line is a message, or the beginning or end of a
connection. Sensitive values are masked before a line is written: a recording may be mailed. Nothing
is ever taken back or sorted, so that a recording that was cut off is good up to its last whole line.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from xfs4iot import __version__
from xfs4iot.protocol import wire
from xfs4iot.protocol.masking import without_secrets_anywhere

__all__ = ["Entry", "Heading", "Recording", "RecordingError", "Writer", "read"]

FORMAT = 1
_MOST_NESTED = 100
"""Levels of a message; the standard's have no tenth of them."""
_MOST_TOLD = 100
"""Characters of a line that is complained about."""


class RecordingError(Exception):
    """A file is not a recording; the text says where and why."""


class Heading(msgspec.Struct, kw_only=True, frozen=True):
    """The first line.

    Attributes:
        x4r: version of the format.
        uri: what was recorded.
        recorded: when it began, ISO 8601 in UTC.
        by: the program that wrote it.
    """

    x4r: int
    uri: str
    recorded: str
    by: str


class Entry(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, rename={"sender": "from"}):
    """One line.

    Attributes:
        at: microseconds since the recording began.
        connection: number of the connection, from 1.
        service: name of the service, as published; empty for the publisher.
        sender: who sent the message; None when the line tells of the connection itself.
        message: it, sensitive values masked; None if it was not JSON.
        unreadable: number of characters of a message that was not a JSON object.
        ended: why the connection ended; None as long as it has not.
    """

    at: int
    connection: int
    service: str
    sender: Literal["client", "service"] | None = None
    message: dict[str, Any] | None = None
    unreadable: int = 0
    ended: str | None = None

    def part(self, name: str) -> Any:
        """`header` or `payload` of the message; an empty object if it is missing or something else."""
        found = (self.message or {}).get(name)
        return found if isinstance(found, dict) else {}

    @property
    def kind(self) -> str:
        """The message's type: `command`, `acknowledge`, `event`, `unsolicited`, `completion`."""
        return str(self.part("header").get("type", ""))

    @property
    def name(self) -> str:
        return str(self.part("header").get("name", ""))

    @property
    def request_id(self) -> int | None:
        found = self.part("header").get("requestId")
        return found if isinstance(found, int) else None


class Recording(msgspec.Struct, frozen=True):
    """A recording that was read.

    Attributes:
        heading: its first line.
        entries: all others, in order.
        cut: whether the last line was incomplete, and left out.
    """

    heading: Heading
    entries: tuple[Entry, ...]
    cut: bool = False

    def of_connections(self) -> dict[int, list[Entry]]:
        """The entries of each connection."""
        found: dict[int, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.connection, []).append(entry)
        return found


class Writer:
    """Writes a recording to a file, each line at once."""

    def __init__(self, file: IO[bytes], uri: str) -> None:
        self._file = file
        self._began = time.monotonic_ns()
        self._connections = 0
        self.messages = 0
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._write(Heading(x4r=FORMAT, uri=uri, recorded=now, by=f"xfs4iot {__version__}"))

    def opened(self, service: str) -> int:
        """Note a new connection.

        Returns:
            Its number.
        """
        self._connections += 1
        self._write(Entry(at=self._now(), connection=self._connections, service=service))
        return self._connections

    def ended(self, connection: int, service: str, why: str) -> None:
        """Note the end of a connection."""
        self._write(Entry(at=self._now(), connection=connection, service=service, ended=why))

    def message(
        self, connection: int, service: str, sender: Literal["client", "service"], text: str | bytes
    ) -> None:
        """Note a message, masked."""
        self.messages += 1
        content: Any = None
        with suppress(msgspec.DecodeError, RecursionError, UnicodeError):
            content = _decode(text)
        entry = Entry(at=self._now(), connection=connection, service=service, sender=sender)
        if isinstance(content, dict) and not _nests(content):
            entry = msgspec.structs.replace(entry, message=without_secrets_anywhere(content))
        else:
            entry = msgspec.structs.replace(entry, unreadable=len(text))
        self._write(entry)

    def _now(self) -> int:
        return (time.monotonic_ns() - self._began) // 1000

    def _write(self, line: Heading | Entry) -> None:
        self._file.write(wire.encode(msgspec.to_builtins(line, builtin_types=(Decimal,))) + b"\n")
        self._file.flush()


_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_heading = msgspec.json.Decoder(Heading).decode
_entry = msgspec.json.Decoder(Entry, float_hook=Decimal).decode


def read(file: Path) -> Recording:
    """Read a recording.

    Raises:
        RecordingError: it is none, or a line in it is damaged; the text says which.
        OSError: the file cannot be read.
    """
    lines = file.read_bytes().split(b"\n")
    whole = not lines[-1]
    lines = lines[:-1] if whole else lines
    if not lines:
        raise RecordingError(f"{file} is empty; make a recording with `xfs4iot record`")
    heading: Heading = _line(_heading, lines[0], file, 1)
    if heading.x4r != FORMAT:
        raise RecordingError(
            f"{file} is a recording of format {heading.x4r}, this program reads format {FORMAT}: "
            "use a newer one"
        )
    if not whole:
        lines.pop()
    return Recording(heading, tuple(_entries(file, lines[1:])), cut=not whole)


def _nests(content: Any) -> bool:
    """Whether something is nested deeper than any message; whoever walks through it would not come back."""
    level: list[Any] = [content]
    for _ in range(_MOST_NESTED):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _entries(file: Path, lines: list[bytes]) -> Iterator[Entry]:
    for number, line in enumerate(lines, 2):
        entry = _line(_entry, line, file, number)
        if _nests(entry.message or {}):
            raise RecordingError(
                f"{file}, line {number} has a message nested more than {_MOST_NESTED} deep; take it out"
            )
        yield entry


def _line(decode: Any, line: bytes, file: Path, number: int) -> Any:
    try:
        return decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as wrong:
        shown = line[:_MOST_TOLD].decode(errors="replace")
        raise RecordingError(
            f"{file}, line {number} is not a line of a recording ({wrong}): {shown!r}"
        ) from None
