"""Has a device forget what it holds, and asks again until it has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress

import trio

from xfs4iot.protocol import errors
from xfs4iot.server.service import Service

__all__ = ["Forgetting"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 60.0
"""Seconds after which a device that did not forget is asked again."""


class Forgetting:
    """One thing that a device forgets when it is asked to.

    Args:
        service: of the device.
        what: continues "the device did not forget ...".
        ask: asks the device.
        is_held: whether it is held rightly: another was entered since, and must stay.

    Attributes:
        owed: the device was asked, and has not forgotten yet.
    """

    def __init__(
        self, service: Service, what: str, ask: Callable[[], Awaitable[None]], is_held: Callable[[], bool]
    ) -> None:
        self._service = service
        self._what = what
        self._ask = ask
        self._is_held = is_held
        self._one = trio.Lock()
        self.owed = False

    def held_off(self) -> AbstractAsyncContextManager[None]:
        """While another is entered the device forgets nothing: it could be the new one."""
        return self._one

    async def __call__(self) -> None:
        """Have it forgotten unless another is held; if that fails, ask again in the background."""
        try:
            await self._unless_held()
        except errors.XfsError as fault:
            self._service.log.error("the device did not forget %s, and is asked again: %s", self._what, fault)
            if not self.owed:
                self.owed = True
                self._service.nursery.start_soon(self._at_last)

    async def now(self) -> None:
        """Have it forgotten, or fail.

        Raises:
            XfsError: the device did not forget.
        """
        async with self._one:
            await self._ask()
            self.owed = False

    async def _unless_held(self) -> None:
        async with self._one:
            # Only now: another may have been entered while this waited.
            if not self._is_held():
                await self._ask()
            self.owed = False

    async def _at_last(self) -> None:
        """Ask until it is forgotten, or another is held."""
        pause = _FIRST_PAUSE
        while self.owed:
            await trio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            if self.owed:
                with suppress(errors.XfsError):
                    await self._unless_held()
