"""Work in threads that lasts for as long as somebody waits for it.

A page can take seconds to draw, and a client may give it up meanwhile. Then nobody should have to wait for
the rest of it: neither the client, nor whoever comes next. A thread cannot be stopped from outside, so the
work looks now and then whether it is still wanted; what touches nothing but its own result is left behind
until it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import trio

from xfs4iot.protocol import errors

__all__ = ["PATIENT", "GivenUp", "Patience", "while_wanted"]

_Result = TypeVar("_Result")
_LOOK_SECONDS = 0.05


class GivenUp(Exception):
    """Nobody waits for the work any more."""


class Patience:
    """Whether somebody still waits for a piece of work."""

    __slots__ = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False

    def check(self) -> None:
        """Go on with the work, if it is wanted.

        Raises:
            GivenUp: it is not.
        """
        if self.is_over:
            raise GivenUp


PATIENT = Patience()
"""Of work that is never given up."""


class _Asked(Protocol):
    @property
    def cancel_requested(self) -> bool: ...


async def while_wanted(
    events: _Asked,
    work: Callable[..., _Result],
    *arguments: Any,
    limiter: trio.CapacityLimiter | None = None,
    leave: bool = True,
) -> _Result:
    """Work in a thread until it is done, or the client of a command gives that up.

    Args:
        events: of the command.
        work: looks at the `Patience` that it is given first; what it raises is raised here.
        limiter: of the threads.
        leave: it is left behind once it is given up; else its end is waited for, which must be near then.

    Raises:
        Canceled: the client cancelled the command, or its time is over.
    """
    patience = Patience()
    outcome: list[_Result] = []
    fault: Exception | None = None

    async def watch() -> None:
        try:
            # Asked again and again: a device class is only told when it asks.
            while not events.cancel_requested:  # noqa: ASYNC110
                await trio.sleep(_LOOK_SECONDS)
        finally:
            # Also when somebody else ends this: the thread must notice as well.
            patience.is_over = True
        if leave:
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        try:
            outcome.append(
                await trio.to_thread.run_sync(
                    work, patience, *arguments, abandon_on_cancel=leave, limiter=limiter
                )
            )
        except GivenUp:
            pass
        # Taken out of the nursery as it is: those raise groups.
        except Exception as raised:
            fault = raised
        nursery.cancel_scope.cancel()
    if fault is not None:
        raise fault
    if not outcome:
        raise errors.Canceled
    return outcome[0]
