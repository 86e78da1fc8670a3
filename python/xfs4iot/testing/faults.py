"""What is done to a device while it carries out an operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

__all__ = ["FAULTS", "Struck", "struck"]

FAULTS = {
    "slow": "the operation takes longer than the command's timeout",
    "cancelled": "the client cancels the command while the operation runs",
    "raising": "the operation raises something that is not an XfsError",
    "power cut": "the power fails while the operation runs; then the service starts again",
}
"""The faults by name, each with what happens."""


class DriverFailed(Exception):
    """What the operation raises: something that a driver might raise."""


class Struck:
    """One fault, at one operation.

    Attributes:
        armed: the command that it is meant for is running.
        reached: the operation has begun.
        release: it may go on.
    """

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.armed = False
        self.reached = trio.Event()
        self.release = trio.Event()

    async def strike(self) -> None:
        """What happens before the operation does its work, the first time that its command calls it."""
        if not self.armed or self.reached.is_set():
            return
        self.reached.set()
        if self.fault == "raising":
            raise DriverFailed("raised by the check, as a driver might")
        await self.release.wait()


def struck(kind: type[Any], operation: str, fault: Struck) -> type[Any]:
    """The device class with a fault at one of its operations."""
    whole: Callable[..., Any] = getattr(kind, operation)

    async def faulty(self: Any, *arguments: Any, **named: Any) -> Any:
        await fault.strike()
        return await whole(self, *arguments, **named)

    faulty.__name__ = operation
    # Name and module stay, so that what names the class reads as without the fault.
    return type(kind.__name__, (kind,), {operation: faulty, "__module__": kind.__module__})
