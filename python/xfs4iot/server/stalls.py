"""Finds what holds up the event loop, which serves every client of every service.

A device class that blocks (`time.sleep`, a serial port read without a thread) stops the
whole process. A watching thread notices that the loop no longer turns and logs where it
hangs, so that the class at fault is known while it still hangs.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback

import trio

__all__ = ["watch"]

_log = logging.getLogger("xfs4iot.stalls")
_INNERMOST = 5
"""Calls that are logged."""


async def watch(limit: float = 1.0) -> None:
    """Log an error whenever the loop has not turned for `limit` seconds; runs until cancelled."""
    turned = time.monotonic()
    ended = threading.Event()
    loop = threading.get_ident()

    def look() -> None:
        told = 0.0
        while not ended.wait(limit / 2):
            if time.monotonic() - turned > limit and told != turned:
                told = turned
                frame = sys._current_frames().get(loop)
                where = "".join(traceback.format_stack(frame)[-_INNERMOST:]) if frame else "?"
                _log.error(
                    "nothing is served: the event loop has been blocked for %.1f s; "
                    "a device class must not block, see trio.to_thread.run_sync. It hangs here:\n%s",
                    time.monotonic() - turned,
                    where,
                )

    thread = threading.Thread(target=look, name="xfs4iot stalls", daemon=True)
    thread.start()
    try:
        while True:
            await trio.sleep(limit / 4)
            turned = time.monotonic()
    finally:
        ended.set()
