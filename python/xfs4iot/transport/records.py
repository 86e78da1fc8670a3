"""Counts whole TLS records by their headers.

A header has five bytes, the last two of which are the length of what follows.
"""

from __future__ import annotations

__all__ = ["RECORD", "WholeRecords"]

RECORD = 16 * 1024
"""The most that a record holds."""
# What TLS 1.2 allows encryption to add; TLS 1.3 allows less.
_LONGEST = RECORD + 2048
_HEADER = 5


class WholeRecords:
    """Counts the records that arrive, piece by piece."""

    __slots__ = ("_body_left", "_header_begun")

    def __init__(self) -> None:
        self._body_left = 0
        self._header_begun = b""

    def completed(self, data: bytes | bytearray | memoryview) -> int:
        """How many records `data` completes. A length that no record may have counts at once."""
        begun, start = self._body_left > 0, self._body_left
        if self._header_begun:
            data = self._header_begun + bytes(data)
            self._header_begun = b""
        end, count = len(data), 0
        while start <= end:
            count += begun
            if start == end:
                self._body_left = 0
                return count
            if end - start < _HEADER:
                self._header_begun, self._body_left = bytes(data[start:]), 0
                return count
            length = data[start + 3] << 8 | data[start + 4]
            # OpenSSL should see and refuse it now, not after a body that may never come.
            if length > _LONGEST:
                self._body_left = 0
                return count + 1
            begun, start = True, start + _HEADER + length
        self._body_left = start - end
        return count
