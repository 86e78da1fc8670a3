"""What is due when: one heap and one sleeping task, instead of a timer for each.

The task sleeps until the earliest deadline and is woken when an earlier one comes in; while
nothing is due, nothing runs. A dropped deadline is only marked, since searching a heap is slow;
when more than half of the heap is marked it is rebuilt, so that a client whose commands all end
long before their timeouts does not make it grow.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

import trio

__all__ = ["Deadline", "Deadlines"]

_FEW = 64
"""Marks that are not worth building the heap anew."""


class Deadline:
    """One thing that is due at some time.

    Attributes:
        at: when, in trio's time.
        due: called then; None when it is no longer due.
    """

    __slots__ = ("at", "due")

    def __init__(self, at: float, due: Callable[[], None]) -> None:
        self.at = at
        self.due: Callable[[], None] | None = due

    def __lt__(self, other: Deadline) -> bool:
        return self.at < other.at


class Deadlines:
    """All deadlines of one service; `run` is their task."""

    def __init__(self) -> None:
        self._heap: list[Deadline] = []
        self._marked = 0
        self._earlier = trio.Event()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, at: float, due: Callable[[], None]) -> Deadline:
        """Call `due` at that time, unless it is dropped before; `due` must not raise."""
        deadline = Deadline(at, due)
        heapq.heappush(self._heap, deadline)
        if self._heap[0] is deadline:
            self._earlier.set()
        return deadline

    def drop(self, deadline: Deadline) -> None:
        """Do not call it; nothing if it was called or dropped already."""
        if deadline.due is None:
            return
        deadline.due = None
        self._marked += 1
        if self._marked > _FEW and self._marked * 2 > len(self._heap):
            self._heap = [one for one in self._heap if one.due is not None]
            heapq.heapify(self._heap)
            self._marked = 0

    async def run(self) -> None:
        """Call what is due, when it is, until cancelled."""
        while True:
            self._earlier = trio.Event()
            with trio.move_on_at(self._heap[0].at if self._heap else math.inf):
                await self._earlier.wait()
            now = trio.current_time()
            # Look at `self._heap` anew each time: `due` may add to it, and `drop` may replace it. Marked
            # ones on top go too, or the task would wake up for them.
            while self._heap and (self._heap[0].at <= now or self._heap[0].due is None):
                due = (first := heapq.heappop(self._heap)).due
                if due is None:
                    self._marked -= 1
                else:
                    # Before the call, so that a `drop` from inside it does not count a mark.
                    first.due = None
                    due()
