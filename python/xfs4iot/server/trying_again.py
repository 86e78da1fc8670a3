"""What could not be done at once is tried again in the background, after pauses that grow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from xfs4iot.server.service import Service

__all__ = ["FIRST_PAUSE", "LONGEST_PAUSE", "TryingAgain"]

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds."""


class TryingAgain:
    """One thing that is tried until it is done, by one task at a time.

    Args:
        service: whose device or ledger it is about.
        attempt: tries once, and gives whether it is done now; why it is not, it says itself.
    """

    def __init__(self, service: Service, attempt: Callable[[], Awaitable[bool]]) -> None:
        self._service, self._attempt = service, attempt
        self._under_way = False

    def begin(self) -> None:
        """Try it after a pause, unless that is under way."""
        if not self._under_way:
            self._under_way = True
            self._service.nursery.start_soon(self._until_done)

    async def _until_done(self) -> None:
        pause = FIRST_PAUSE
        await trio.sleep(pause)
        while not await self._attempt():
            pause = min(2 * pause, LONGEST_PAUSE)
            await trio.sleep(pause)
        self._under_way = False
