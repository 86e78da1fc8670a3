"""A line between two hosts, each a network namespace: with a delay, cut off or mended while it is used.

    python wide_area.py NAMESPACE ADDRESS PEER NAMESPACE ADDRESS PEER

Makes a network device `line` in each of them, and carries what one sends to the other. Lines on standard
input: `delay SECONDS` (each way), `cut` (what is sent is lost without a word), `mend`.
For Linux; needs to be root.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque

_TUNSETIFF = 0x400454CA
_TUN, _NO_INFORMATION = 1, 0x1000
_NEW_NETWORK = 0x40000000
_LARGEST = 65_536


def end_in(namespace: str, address: str, peer: str) -> int:
    """One end of the line; a descriptor that gives and takes packets."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}", "rb") as there:
        if libc.setns(there.fileno(), _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), f"setns to {namespace}")
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH", b"line", _TUN | _NO_INFORMATION))
    for arguments in (
        ("address", "add", address, "peer", peer, "dev", "line"),
        ("link", "set", "line", "up"),
    ):
        subprocess.run(["ip", *arguments], check=True)
    return end


def carry(one: int, other: int) -> None:
    """Until standard input ends."""
    to = {one: other, other: one}
    under_way: dict[int, deque[tuple[float, bytes]]] = {one: deque(), other: deque()}
    delay, whole = 0.0, True
    while True:
        first = min((queue[0][0] for queue in under_way.values() if queue), default=None)
        wait = None if first is None else max(0.0, first - time.monotonic())
        ready, _, _ = select.select([one, other, sys.stdin], [], [], wait)
        now = time.monotonic()
        for end in (one, other):
            if end in ready:
                try:
                    while packet := os.read(end, _LARGEST):
                        if whole:
                            under_way[to[end]].append((now + delay, packet))
                except BlockingIOError:
                    pass
        for end, queue in under_way.items():
            while queue and queue[0][0] <= now:
                with contextlib.suppress(OSError):
                    os.write(end, queue.popleft()[1])
        if sys.stdin in ready:
            line = sys.stdin.readline().split()
            if not line:
                return
            if line[0] == "delay":
                delay = float(line[1])
            whole = line[0] != "cut" and (whole or line[0] == "mend")
            print("done", flush=True)


if __name__ == "__main__":
    ends = end_in(*sys.argv[1:4]), end_in(*sys.argv[4:7])
    print("ready", flush=True)
    carry(*ends)
