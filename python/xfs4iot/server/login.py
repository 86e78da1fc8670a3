"""A person's login at one of our own pages: as long as it is good, so are the connections made by it."""

from __future__ import annotations

import trio

__all__ = ["Login"]


class Login:
    """A login.

    Args:
        rule: name of the access rule that the person has logged in to.
        ends: when it ends by itself, by trio's clock.
    """

    __slots__ = ("_ended", "_ends", "rule")

    def __init__(self, rule: str, ends: float) -> None:
        self.rule = rule
        self._ends = ends
        self._ended = trio.Event()

    @property
    def good(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.is_set() and trio.current_time() < self._ends

    def end(self) -> None:
        """End it now, with every connection made by it."""
        self._ended.set()

    async def wait_ended(self) -> None:
        """Wait until it ends."""
        with trio.move_on_at(self._ends):
            await self._ended.wait()
