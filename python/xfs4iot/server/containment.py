"""Awaits a vendor's code so that whatever it raises harms nothing else.

A device class may raise what ends programs: `SystemExit`, `KeyboardInterrupt`, `GeneratorExit`, a
`trio.Cancelled` that it kept from somewhere, a group of all of these. It may await what trio
does not know, such as a future of asyncio, for which trio would end the task's whole nursery.
Here all of this becomes an exception to look at. What remains is what really comes from outside:
cancellation of the task that awaits, and Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from types import coroutine
from typing import Any, TypeVar

import trio

__all__ = ["fault_of", "is_ctrl_c", "vetted"]

_Result = TypeVar("_Result")
_MOST_FOREIGN = 16
"""How often one call may await what trio does not know, before it is not asked again."""


@coroutine
def vetted(awaitable: Awaitable[_Result]) -> Generator[Any, Any, _Result]:
    """Await something, and raise inside of it where it awaits what is not trio's."""
    inner = awaitable.__await__()
    answer: Any = None
    foreign = 0
    try:
        message = inner.send(None)
        while True:
            if _is_of_trio(message):
                foreign = 0
                # trio only ever sends: an error arrives as a value too, unwrapped by its own code inside.
                answer = yield message
                message = inner.send(answer)
            elif foreign < _MOST_FOREIGN:
                foreign += 1
                message = inner.throw(
                    TypeError("a device class awaits with trio; this is of another library, such as asyncio")
                )
            else:
                raise TypeError("it goes on awaiting what is not trio's")
    except StopIteration as done:
        result: _Result = done.value
        return result


def _is_of_trio(message: Any) -> bool:
    """Whether what a task has yielded is for trio: one of its messages, or a class of them."""
    kind = message if isinstance(message, type) else type(message)
    return kind.__module__.partition(".")[0] == "trio"


def is_ctrl_c(fault: BaseException) -> bool:
    """Whether a KeyboardInterrupt comes from the keyboard, and not from the code that it passed."""
    if not isinstance(fault, KeyboardInterrupt):
        return False
    where = fault.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    return where is not None and where.tb_frame.f_globals.get("__name__") == "trio._core._ki"


async def fault_of(awaitable: Awaitable[Any]) -> BaseException | None:
    """Await something; what it raised, or None.

    Raises:
        Cancelled: the calling task is cancelled.
    """
    try:
        await vetted(awaitable)
    except BaseException as fault:
        if is_ctrl_c(fault):
            raise
        # Raises if this task really is cancelled; otherwise a `Cancelled` is one the class had kept.
        await trio.lowlevel.checkpoint_if_cancelled()
        return fault
    return None
