"""One simulated device, with a client of its service and one of `Simulator`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.simulator.profile import read

__all__ = ["Bench", "bench_of"]


class Bench:
    """A client of one service, and one of `Simulator`.

    Attributes:
        service: its name, and that of its interface.
        client, simulator: the conversations.
    """

    service: str

    def __init__(self, client: Dialogue, simulator: Dialogue) -> None:
        self.client = client
        self.simulator = simulator

    def _whole(self, name: str) -> str:
        return name if "." in name else f"{self.service}.{name}"

    async def do(self, name: str, payload: Any = None) -> dict[str, Any]:
        """Let the device do something; without a dot the command is of the service's own interface."""
        return await self.client.success(self._whole(name), payload)

    async def cannot(self, name: str, payload: Any = None) -> str:
        """How it fails."""
        return await self.client.failure(self._whole(name), payload)

    async def hand(self, name: str, **payload: Any) -> dict[str, Any]:
        """Let somebody, or bad luck, do something."""
        return await self.simulator.success(f"Simulator.{name}", payload)

    async def inject(self, fault: str) -> None:
        await self.hand("Inject", fault=fault)

    async def truth(self) -> dict[str, Any]:
        """Where everything really is."""
        found: dict[str, Any] = (await self.hand("GetTruth", service=self.service))["services"][self.service]
        return found

    async def advance_until(self, reached: Callable[[dict[str, Any]], bool]) -> None:
        """Let time pass in small steps until the truth is so; the clock must have been stopped."""
        for _ in range(100):
            if reached(await self.truth()):
                return
            await self.hand("Advance", milliseconds=250)
            # Pictures are drawn in a thread, which the clock does not wait for.
            await trio.sleep(0.02)
        raise AssertionError("it has not come to that")

    async def units(self) -> dict[str, dict[str, Any]]:
        """What the service says of its units."""
        found: dict[str, dict[str, Any]] = (await self.client.success("Storage.GetStorage"))["storage"]
        return found

    async def status(self, part: str) -> dict[str, Any]:
        """A part of the status."""
        found: dict[str, Any] = (await self.client.success("Common.Status"))[part]
        return found


_Bench = TypeVar("_Bench", bound=Bench)


@asynccontextmanager
async def bench_of(
    kind: type[_Bench],
    directory: Path | None = None,
    ledger: xfs4iot.Ledger | None = None,
    seconds: float = 0,
    profile: str = "default",
    **settings: Any,
) -> AsyncIterator[_Bench]:
    """The device of one service of a profile, with other settings.

    Args:
        directory: where its truth is kept.
        seconds: how long a movement takes.
    """
    whole = read(profile)
    one = whole.services[kind.service]
    one = type(one)(one.device, {**one.settings, **settings})
    alone = type(whole)({kind.service: one}, whole.seed, whole.seconds, whole.dialect)
    ledger = ledger or xfs4iot.Ledger.open(None)
    publisher = xfs4iot.Publisher(
        simulated_atm(alone, ledger=ledger, state=directory, seconds=seconds), port=0
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(publisher.serve)
        client: Dialogue = await nursery.start(dialogue, publisher.uri(kind.service))
        simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
        yield kind(client, simulator)
        nursery.cancel_scope.cancel()
