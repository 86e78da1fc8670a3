"""Gives memory back to the system: after the start, and when a crowd has left.

When connections end, their memory becomes free, but only for this process: the C library
keeps it, because a few long-lived blocks lie in between. A device's computer has other work
to do, so when half of the connections are gone, the free pages are returned.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["Tide", "give_back"]

_CROWD = 128
"""Fewer connections are not worth the walk through the heap."""


def give_back() -> None:
    """Return free pages to the system, where the C library can (glibc); takes some milliseconds."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


class Tide:
    """Gives memory back each time the number of open connections has fallen by half."""

    def __init__(self) -> None:
        self._most = 0

    def rises(self, connections: int) -> None:
        """So many are open now, one more than before."""
        self._most = max(self._most, connections)

    def falls(self, connections: int) -> None:
        """So many are open now, one fewer than before."""
        if self._most >= _CROWD and connections * 2 <= self._most:
            self._most = connections
            give_back()
