"""The part of systemd's notification protocol that a service needs: ready, stopping, alive.

Without systemd (no `NOTIFY_SOCKET`) every call does nothing. A notification that cannot be
delivered is logged and never holds up or ends the service.
"""

from __future__ import annotations

import os
import socket
import sys

import trio

from xfs4iot.telling import logger

__all__ = ["notify", "watchdog"]

_log = logger("xfs4iot.systemd")


def notify(state: str) -> None:
    """Tell systemd `READY=1`, `STOPPING=1`, `STATUS=…` or `WATCHDOG=1`."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address or sys.platform == "win32":
        return
    # `@` stands for the NUL byte that begins a name in Linux's abstract namespace.
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            # If systemd does not read, this raises instead of stopping the event loop.
            channel.setblocking(False)
            channel.sendto(state.encode(), address)
    except OSError as problem:
        _log.warning("systemd could not be told %s: %s", state.partition("\n")[0], problem)


async def watchdog() -> None:
    """Say that the event loop turns, twice in each interval that systemd asks for."""
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
    # The variables may be inherited from a parent that is the one systemd watches.
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    while microseconds:
        notify("WATCHDOG=1")
        await trio.sleep(microseconds / 2_000_000)
