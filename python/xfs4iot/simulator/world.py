"""What the simulated devices of one ATM share: the clock, the seed, the directory of their truth."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import trio

from xfs4iot.protocol import errors
from xfs4iot.simulator.clock import Clock
from xfs4iot.simulator.truth import Document, Parts

__all__ = ["World"]

_State = TypeVar("_State")


class World:
    """The world that the devices of one ATM share.

    Args:
        state: directory where the devices' physical truth is kept; None keeps it in memory.
        seconds: how long a movement takes unless a device says otherwise; 0 for no time at all.
        seed: what all chance follows from.
        clock: whose time passes.

    Attributes:
        nursery: where things that are to happen later wait; set while the service `Simulator` runs.
    """

    def __init__(
        self,
        *,
        state: Path | None = None,
        seconds: float = 0.2,
        seed: int = 1,
        clock: Clock | None = None,
    ) -> None:
        self.state = state
        self.seconds = seconds
        self.seed = seed
        self.clock = clock or Clock()
        self.nursery: trio.Nursery | None = None

    def chance(self, name: str) -> random.Random:
        """The stream of chance of one device; those of the others do not depend on it."""
        return random.Random(f"{self.seed}:{name}")

    def document(self, name: str, new: _State, parts: Parts | None = None) -> Document[_State]:
        """The truth of one device, or of a part of it: what was kept under this name, else `new`."""
        return Document(self.state / f"{name}.truth.json" if self.state is not None else None, new, parts)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Let something happen when the devices' clock is so far; nothing, if it cannot happen then.

        Raises:
            SequenceError: the service `Simulator` does not run.
        """
        if self.nursery is None:
            raise errors.SequenceError("nothing can happen later: the service Simulator does not run")
        self.nursery.start_soon(self._act, self.clock.now + seconds, action)

    async def _act(self, moment: float, action: Callable[[], object]) -> None:
        await self.clock.until(moment)
        # The occasion may be gone by now, a card taken already for example; that must not end the nursery.
        with suppress(errors.XfsError):
            action()
