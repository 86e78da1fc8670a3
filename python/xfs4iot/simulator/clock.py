"""The time of the simulated devices.

It follows real time until it is stopped; from then on it moves only when told to, so that a test
waits for nothing and sees every moment it wants to see. A movement of many steps times each step
from the one before (`Timeline`), not from when it woke up: one advance of ten seconds carries it
through all the steps that fit into them.
"""

from __future__ import annotations

import math

import trio

__all__ = ["Clock", "Timeline"]


class Clock:
    """A clock that can be stopped and moved forward. It starts at 0 and runs once trio does."""

    def __init__(self) -> None:
        self._shown = 0.0
        self._since: float | None = None
        self._stopped = False
        self._moved = trio.Event()

    @property
    def stopped(self) -> bool:
        """Whether it moves only when it is told to."""
        return self._stopped

    @property
    def now(self) -> float:
        """Seconds since it was first looked at while trio ran; 0 before."""
        # Devices may be made before trio runs: they find a clock that has not begun.
        if not self._stopped and trio.lowlevel.in_trio_run():
            real = trio.current_time()
            self._shown += real - (real if self._since is None else self._since)
            self._since = real
        return self._shown

    def stop(self) -> None:
        """Let time stand still."""
        self._shown = self.now
        self._stopped = True
        self._wake()

    def start(self) -> None:
        """Let time run again, from where it stands."""
        self._since = None
        self._stopped = False
        self._wake()

    def advance(self, seconds: float) -> None:
        """Move it forward."""
        self._shown = self.now + seconds
        self._wake()

    def _wake(self) -> None:
        # Whoever waits holds the old event; the next wait needs one that is not set yet.
        self._moved.set()
        self._moved = trio.Event()

    async def until(self, moment: float) -> None:
        """Wait until it shows `moment`; a checkpoint in any case."""
        await trio.lowlevel.checkpoint()
        # Tolerant of rounding: steps that add up to one advance may exceed it by a sliver, and a stopped
        # clock would never make up for that.
        while (left := moment - self.now) > 1e-9:
            moved = self._moved
            # Looping, since the clock may have been stopped, started or advanced meanwhile.
            with trio.move_on_after(math.inf if self._stopped else left):
                await moved.wait()


class Timeline:
    """The steps of one movement, each timed from the one before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moment = clock.now

    async def step(self, seconds: float) -> None:
        """Wait until the next step is done."""
        self._moment += seconds
        await self._clock.until(self._moment)
