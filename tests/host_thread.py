"""A simulated ATM in a thread of its own, for tests that are no coroutines: those of Hypothesis."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot.simulator import atm

__all__ = ["Host", "explore"]

_MEMORY = Path("/dev/shm")


class Host:
    """The service in a thread of its own, over all its lives.

    Args:
        names: the services that are talked to, besides `Simulator`.

    Attributes:
        clients: a conversation with each of them, by name.
    """

    def __init__(self, *names: str) -> None:
        self.names = names
        self.clients: dict[str, Dialogue] = {}
        self.directory = Path(tempfile.mkdtemp(dir=_MEMORY if _MEMORY.is_dir() else None))
        self._ended = False
        self._up = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._wait()

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as failure:
            self._failure = failure
            self._up.set()

    def _wait(self) -> None:
        assert self._up.wait(30)
        if self._failure is not None:
            raise self._failure

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        while not self._ended:
            self._down = trio.Event()
            with xfs4iot.Ledger.open(self.ledger) as ledger:
                async with trio.open_nursery() as nursery:
                    services = atm(ledger=ledger, state=self.directory, seconds=0)
                    # Of the device of cash, whose fault it is not to answer.
                    services[0].operations.limit = 0.2
                    publisher = xfs4iot.Publisher(services, port=0)
                    await nursery.start(publisher.serve)
                    for name in (*self.names, "Simulator"):
                        self.clients[name] = await nursery.start(dialogue, publisher.uri(name))
                    self._up.set()
                    await self._down.wait()
                    nursery.cancel_scope.cancel()

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger.sqlite"

    def run(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Call a coroutine function in the service's thread."""
        return trio.from_thread.run(function, *arguments, trio_token=self._token)

    async def ask(self, service: str, name: str, payload: Any = None) -> dict[str, Any]:
        """The payload of a command that succeeds."""
        return await self.clients[service].success(name, payload)

    async def attended(
        self, service: str, name: str, payload: Any, event: str, hand: str, done: Any
    ) -> dict[str, Any]:
        """The completion of a command, during which somebody does something when an event asks for it."""
        client = self.clients[service]
        request = await client.send(name, payload, timeout=1000)
        while True:
            message = await client.receive()
            header = message["header"]
            if header["type"] == "completion" and header["requestId"] == request:
                return message
            if header["name"] == event:
                await self.clients["Simulator"].completion(f"Simulator.{hand}", done)

    def restart(self) -> None:
        """End the service in order and start it again."""
        self._up.clear()
        trio.from_thread.run_sync(self._down.set, trio_token=self._token)
        self._wait()

    def end(self) -> None:
        self._ended = True
        with contextlib.suppress(trio.RunFinishedError):
            trio.from_thread.run_sync(self._down.set, trio_token=self._token)
        self._thread.join()
        shutil.rmtree(self.directory)


def explore(world: type[RuleBasedStateMachine], examples: int, steps: int) -> None:
    """Let Hypothesis play a world, so often and so long."""
    run_state_machine_as_test(
        world,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
