"""Another client, who must be served whatever one client makes a service do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from dialogue import Dialogue

__all__ = ["Watch", "served", "watching"]


class Watch:
    """Another client, who asks for the status all the time, and sees how large the process gets."""

    def __init__(self, client: Dialogue) -> None:
        self._client = client
        self.answers = 0
        self.before = self.most = resident()

    async def ask(self, scope: trio.CancelScope) -> None:
        while not scope.cancel_called:
            await self._client.success("Common.Status")
            self._client.passed.clear()
            self.answers += 1
            self.most = max(self.most, resident())

    @property
    def grown(self) -> int:
        return self.most - self.before


def resident() -> int:
    """Bytes of memory of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


@asynccontextmanager
async def watching(client: Dialogue, nursery: trio.Nursery) -> AsyncIterator[Watch]:
    """Let a client ask all the time."""
    watch = Watch(client)
    with trio.CancelScope() as scope:
        nursery.start_soon(watch.ask, scope)
        yield watch
        scope.cancel()


async def served(watch: Watch, client: Dialogue, name: str, payload: Any) -> dict[str, Any]:
    """Carry out a command; others must be answered meanwhile.

    Who is held up is answered once at most; how much oftener others are depends on the machine.
    """
    request = await client.send(name, payload)
    await client.until("acknowledge", request)
    before = watch.answers
    completion = await client.until("completion", request)
    assert watch.answers - before >= 2, (name, watch.answers - before)
    return completion
