"""Finds what holds up the event loop, which serves every client of every service.

A device class that blocks (`time.sleep`, a serial port read without a thread) stops the
whole process. A watching thread notices that the loop no longer turns and logs where it
hangs, so that the class at fault is known while it still hangs.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback

import trio

from xfs4iot.telling import logger

__all__ = ["watch"]

_log = logger("xfs4iot.stalls")
_INNERMOST = 5
"""Calls that are logged."""
_TURN: trio.lowlevel.RunVar[trio.Lock] = trio.lowlevel.RunVar("xfs4iot stalls")


async def watch(limit: float = 1.0) -> None:
    """Log an error whenever the loop has not turned for `limit` seconds; runs until cancelled.

    A loop is watched once: of several publishers in it the next takes over when one ends.
    """
    try:
        turn = _TURN.get()
    except LookupError:
        turn = trio.Lock()
        _TURN.set(turn)
    async with turn:
        ended = threading.Event()
        arguments = (limit, ended, trio.lowlevel.current_trio_token(), threading.get_ident())
        threading.Thread(target=_look, args=arguments, name="xfs4iot stalls", daemon=True).start()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()


def _look(limit: float, ended: threading.Event, token: trio.lowlevel.TrioToken, loop: int) -> None:
    """Ask the loop again and again to answer, and tell where it hangs if it does not."""
    answered, asked, told = threading.Event(), time.monotonic(), False
    answered.set()
    while not ended.wait(limit / 4):
        if answered.is_set():
            answered.clear()
            asked, told = time.monotonic(), False
            try:
                token.run_sync_soon(answered.set)
            except trio.RunFinishedError:
                return
        elif time.monotonic() - asked > limit and not told:
            told = True
            frame = sys._current_frames().get(loop)
            where = "".join(traceback.format_stack(frame)[-_INNERMOST:]) if frame else "?"
            _log.error(
                "nothing is served: the event loop has been blocked for %.1f s; "
                "a device class must not block, see trio.to_thread.run_sync. It hangs here:\n%s",
                time.monotonic() - asked,
                where,
            )
