"""A reset of a device that several interfaces share: each clears what is of its kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from xfs4iot.protocol import errors
from xfs4iot.server.command import Command

__all__ = ["AlsoReset", "reset_all"]

_Result = TypeVar("_Result")

AlsoReset = Callable[[Command[Any], str | None], Awaitable[None]]
"""Clears the rest of a device: called with the command, and the unit that it names, if it does."""


async def reset_all(
    own: Awaitable[_Result], others: Iterable[AlsoReset], command: Command[Any], unit: str | None
) -> _Result:
    """Reset what is of an interface, and the rest, also if a failure of the device leaves something inside.

    Raises:
        XfsError: the first failure, when all have tried. What is no failure of a command's own, such
            as that of a device that does not answer, is raised at once.
    """
    failure: errors.CommandError | None = None
    result: list[_Result] = []
    try:
        result.append(await own)
    except errors.CommandError as fault:
        failure = fault
    for other in others:
        try:
            await other(command, unit)
        except errors.CommandError as fault:
            failure = failure or fault
    if failure is not None:
        raise failure
    return result[0]
