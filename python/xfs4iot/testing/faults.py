"""What is done to a device while it carries out an operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import trio

__all__ = ["FAULTS", "LINE_FAULTS", "Struck", "struck", "struck_line"]

FAULTS = {
    "slow": "the operation takes longer than the command's timeout",
    "cancelled": "the client cancels the command while the operation runs",
    "raising": "the operation raises something that is not an XfsError",
    "power cut": "the power fails while the operation runs; then the service starts again",
}
"""The faults by name, each with what happens."""
LINE_FAULTS = {
    "jam": "the hardware fails at the first thing that the operation asks of it",
    "lying": "the hardware answers with what cannot be",
}
"""Faults of the hardware itself; only for a device whose line to it is one attribute."""


class DriverFailed(Exception):
    """What the operation raises: something that a driver might raise."""


class Struck:
    """One fault, at one operation.

    Args:
        fault: its name.
        jam: makes what a jammed line raises.

    Attributes:
        armed: the command that it is meant for is running.
        reached: the operation has begun.
        release: it may go on.
        again: the line was used again after it had failed: the operation may have tried once more.
    """

    def __init__(self, fault: str, jam: Callable[[str], Exception] = OSError) -> None:
        self.fault = fault
        self.jam = jam
        self.armed = False
        self.reached = trio.Event()
        self.release = trio.Event()
        self.again = False

    async def strike(self) -> None:
        """What happens before the operation does its work, the first time that its command calls it."""
        if not self.armed or self.reached.is_set():
            return
        self.reached.set()
        if self.fault == "raising":
            raise DriverFailed("raised by the check, as a driver might")
        await self.release.wait()


class _Line:
    """The line to the hardware, with a fault in it."""

    def __init__(self, line: Any, fault: Struck) -> None:
        self.__dict__.update(_line=line, _fault=fault)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._line, name, value)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._line, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def faulty(*arguments: Any, **named: Any) -> Any:
            fault = self._fault
            if not fault.armed or fault.reached.is_set():
                fault.again |= fault.reached.is_set()
                return await found(*arguments, **named)
            fault.reached.set()
            if fault.fault == "jam":
                raise fault.jam("jammed by the check, as the hardware might")
            told = await found(*arguments, **named)
            # What says nothing cannot lie.
            return None if told is None else _Nonsense()

        return faulty


class _Nonsense:
    """What no hardware should answer; `bytes` and `str` of it do not exist, nor any number."""

    def __repr__(self) -> str:
        return "nonsense of the check"


def struck_line(device: Any, line: str, fault: Struck) -> None:
    """Put a fault into the attribute of a device that is its line to the hardware."""
    setattr(device, line, _Line(getattr(device, line), fault))


def struck(kind: type[Any], operation: str, fault: Struck) -> type[Any]:
    """The device class with a fault at one of its operations."""
    whole: Callable[..., Any] = getattr(kind, operation)

    async def faulty(self: Any, *arguments: Any, **named: Any) -> Any:
        await fault.strike()
        return await whole(self, *arguments, **named)

    faulty.__name__ = operation
    # Name and module stay, so that what names the class reads as without the fault.
    return type(kind.__name__, (kind,), {operation: faulty, "__module__": kind.__module__})
