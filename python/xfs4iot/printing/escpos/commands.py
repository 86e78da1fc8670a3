"""ESC/POS as a sequence of commands: where one ends and the next begins, whatever bytes come.

A table says how long each command is. A command that is not in it is taken to be as long as its name, as
printers do; bytes that belong to none are passed over. What comes in pieces waits until it is whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from xfs4iot.dataclass import dataclass

__all__ = ["Command", "Parser"]

_DLE, _ESC, _FS, _GS = 0x10, 0x1B, 0x1C, 0x1D
_LONGEST = 8 << 20
"""Bytes of data of one command that are kept; a longer one is passed over."""
_ENDLESS = 1024
"""Bytes within which a list that ends with NUL must have ended."""

_TEXT = re.compile(rb"[^\x00-\x1f]{1,4096}")
"""A long text comes in pieces, so that none holds up what is made of it."""

_Length = Callable[[bytes | bytearray, int], int | None]
"""Of the parameters that begin at a place in the data; None while it cannot be told."""


@dataclass(frozen=True)
class Command:
    """A command, or text.

    Attributes:
        name: its first bytes, `ESC !` for example; empty for text.
        data: its parameters, or the text.
    """

    name: bytes
    data: bytes = b""


def _fixed(count: int) -> _Length:
    return lambda data, at: count


def _until_nul(data: bytes | bytearray, at: int) -> int | None:
    end = data.find(0, at, at + _ENDLESS)
    if end >= 0:
        return end + 1 - at
    return _ENDLESS if len(data) - at >= _ENDLESS else None


def _sized(before: int, digits: int, factor: int = 1) -> _Length:
    """So many parameters, then the length in so many bytes, low ones first, then the data."""

    def length(data: bytes | bytearray, at: int) -> int | None:
        if len(data) < at + before + digits:
            return None
        size = int.from_bytes(data[at + before : at + before + digits], "little")
        return before + digits + size * factor

    return length


def _bit_image(data: bytes | bytearray, at: int) -> int | None:
    if len(data) < at + 3:
        return None
    return 3 + int.from_bytes(data[at + 1 : at + 3], "little") * (3 if data[at] >= 32 else 1)


def _raster(data: bytes | bytearray, at: int) -> int | None:
    if len(data) < at + 6:
        return None
    # The byte behind `GS v` is a digit, the mode follows; then bytes of a row, and rows.
    return 6 + int.from_bytes(data[at + 2 : at + 4], "little") * int.from_bytes(
        data[at + 4 : at + 6], "little"
    )


def _downloaded(data: bytes | bytearray, at: int) -> int | None:
    return None if len(data) < at + 2 else 2 + data[at] * data[at + 1] * 8


def _barcode(data: bytes | bytearray, at: int) -> int | None:
    if len(data) < at + 1:
        return None
    if data[at] < 65:
        length = _until_nul(data, at + 1)
        return None if length is None else 1 + length
    return None if len(data) < at + 2 else 2 + data[at + 1]


def _cut(data: bytes | bytearray, at: int) -> int | None:
    return None if len(data) < at + 1 else 2 if data[at] in (65, 66, 97, 98, 103, 104) else 1


def _characters(data: bytes | bytearray, at: int) -> int | None:
    """User-defined characters: how many bytes high, first and last code, then each with its width."""
    if len(data) < at + 3:
        return None
    high, first, last = data[at : at + 3]
    place = at + 3
    for _ in range(first, last + 1):
        if len(data) <= place:
            return None
        place += 1 + data[place] * high
    return place - at


def _stored_pictures(data: bytes | bytearray, at: int) -> int | None:
    if len(data) < at + 1:
        return None
    place = at + 1
    for _ in range(data[at]):
        if len(data) < place + 4:
            return None
        columns = int.from_bytes(data[place : place + 2], "little")
        place += 4 + columns * int.from_bytes(data[place + 2 : place + 4], "little") * 8
    return place - at


def _drawer_or_other(data: bytes | bytearray, at: int) -> int | None:
    """DLE DC4: a pulse has two more parameters, switching off one more, clearing seven."""
    if len(data) < at + 1:
        return None
    return {1: 3, 2: 3, 3: 6, 7: 2, 8: 8}.get(data[at], 1)


_TABLE: dict[bytes, _Length] = {
    **{bytes([_ESC, code]): _fixed(0) for code in b"2<@LSimv\x0c"},
    **{bytes([_ESC, code]): _fixed(1) for code in b" !%-3=?EGJKMRTUVadert{"},
    **{bytes([_ESC, code]): _fixed(2) for code in b"$\\c"},
    b"\x1bp": _fixed(3),
    b"\x1bW": _fixed(8),
    b"\x1bD": _until_nul,
    b"\x1b*": _bit_image,
    b"\x1b&": _characters,
    b"\x1b(": _sized(1, 2),
    **{bytes([_GS, code]): _fixed(0) for code in b":c"},
    **{bytes([_GS, code]): _fixed(1) for code in b"!/BEHITabfhjrw"},
    **{bytes([_GS, code]): _fixed(2) for code in b"$ALPW\\"},
    b"\x1d^": _fixed(3),
    b"\x1dk": _barcode,
    b"\x1dv": _raster,
    b"\x1d*": _downloaded,
    b"\x1dV": _cut,
    b"\x1d(": _sized(1, 2),
    b"\x1d8": _sized(1, 4),
    **{bytes([_FS, code]): _fixed(0) for code in b"&."},
    **{bytes([_FS, code]): _fixed(1) for code in b"!-CW"},
    **{bytes([_FS, code]): _fixed(2) for code in b"Sp?"},
    b"\x1cq": _stored_pictures,
    b"\x1c(": _sized(1, 2),
    b"\x10\x04": _fixed(1),
    b"\x10\x05": _fixed(1),
    b"\x10\x14": _drawer_or_other,
}
_PREFIXES = (_DLE, _ESC, _FS, _GS)


class Parser:
    """Takes bytes as they come, and gives commands as they are whole."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[Command]:
        """The commands that are whole now."""
        self._data += data
        at = 0
        while True:
            if self._skip:
                passed = min(self._skip, len(self._data) - at)
                self._skip -= passed
                at += passed
            found = self._next(at)
            if found is None:
                break
            command, at = found
            if command is not None:
                yield command
        del self._data[:at]

    @property
    def waiting(self) -> bool:
        """Whether a command has begun that is not whole yet."""
        return bool(self._data or self._skip)

    def clear(self) -> None:
        """Forget a command that is not whole yet, as a printer does when it is switched off."""
        self._data, self._skip = bytearray(), 0

    def _next(self, at: int) -> tuple[Command | None, int] | None:
        """What stands at a place, and where it ends; None if it is not whole."""
        data = self._data
        if at >= len(data):
            return None
        if (text := _TEXT.match(data, at)) is not None:
            return Command(b"", text[0]), text.end()
        if data[at] not in _PREFIXES:
            return Command(bytes(data[at : at + 1])), at + 1
        if at + 1 >= len(data):
            return None
        name = bytes(data[at : at + 2])
        length = _TABLE.get(name)
        if length is None:
            return Command(name), at + 2
        size = length(data, at + 2)
        if size is None:
            return None
        if size > _LONGEST:
            self._skip = size
            return None, at + 2
        end = at + 2 + size
        return None if end > len(data) else (Command(name, bytes(data[at + 2 : end])), end)
