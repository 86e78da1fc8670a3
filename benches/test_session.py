"""A connection of the simulated ATM without a network below it: `pytest benches/test_session.py`.

What arrives is handed to the session, and what it sends is thrown away: the time of the engine
alone, which a service adds to what the kernel and TLS take.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio
from framing import masked

import xfs4iot
from xfs4iot.server.channel import SessionLimits
from xfs4iot.server.peer import Peer
from xfs4iot.server.session import Session
from xfs4iot.simulator import atm
from xfs4iot.transport.readers import Readers

COMMAND = (
    '{"header":{"name":"%s","requestId":%d,"type":"command","version":"%s","timeout":30000},"payload":%s}'
)
AMOUNT = '{"request":{"denomination":{"service":{"currencies":{"EUR":380},"mix":"mix1"}}}}'
PAYLOADS = {"CashDispenser.Denominate": AMOUNT}


class Nowhere:
    """Takes everything at once and keeps nothing."""

    has_unsent = False
    sends = 0

    def send_now(self, data: bytes) -> int:
        self.sends += 1
        return len(data)

    def fileno(self) -> int:
        return -1

    def receive_now(self) -> bytes | None:
        return None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        pass

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("commands", [1, 32])
@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("Common.Status", "3.0"),
        ("Common.Status", "2.0"),
        ("Common.Capabilities", "3.0"),
        ("Common.No", "1.0"),
        ("CashDispenser.Denominate", "3.0"),
    ],
)
async def test_commands_of_one_read(
    benchmark: Any, nursery: trio.Nursery, name: str, version: str, commands: int
) -> None:
    services = atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
    await nursery.start(services[0].run)
    stream, peer = Nowhere(), Peer("nowhere", "nobody", "localhost")
    session = Session(services[0], stream, Readers(), peer, SessionLimits())
    numbers = itertools.count(1)
    texts = (COMMAND % (name, next(numbers), version, PAYLOADS.get(name, "{}")) for _ in range(commands))
    read = b"".join(masked(text.encode()) for text in texts)
    benchmark.group = f"{commands} in one read"
    benchmark(session.received, read, trio.current_time())
    assert stream.sends > 0
    nursery.cancel_scope.cancel()
