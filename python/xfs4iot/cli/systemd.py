"""The part of systemd's notification protocol that a service needs: ready, stopping, alive.

Without systemd (no `NOTIFY_SOCKET`) every call does nothing.
"""

from __future__ import annotations

import os
import socket

import trio

__all__ = ["notify", "watchdog"]


def notify(state: str) -> None:
    """Tell systemd `READY=1`, `STOPPING=1`, `STATUS=…` or `WATCHDOG=1`."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(state.encode(), address)


async def watchdog() -> None:
    """Say that the event loop turns, twice in each interval that systemd asks for."""
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
    while microseconds:
        notify("WATCHDOG=1")
        await trio.sleep(microseconds / 2_000_000)
