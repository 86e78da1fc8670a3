"""Where a story is played: an ATM's services, hands at its slots, and someone to tell each step to.

A step has a title, calls commands of services, and says what was seen. It fails where a command does, where
an event does not come, or where `expect` finds something else than what had to be:

    async with stage.step("Notes out") as step:
        await stage.call("CashDispenser.Present", {"position": "outDefault"})
        step.saw("the shutter is open")

The commands that a step has sent are taken down by `call` and `hand`, and told with it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

import trio

from xfs4iot import client
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import errors
from xfs4iot.stories.host import Host

__all__ = ["Rows", "Stage", "Step", "StepFailed", "Teller"]

_PATIENCE = 30
"""Seconds that a command, or a customer, may take."""
_SERVICES: Mapping[str, tuple[str, ...]] = {
    "CashDispenser": ("CashRecycler", "CashDispenser"),
    "CashAcceptor": ("CashRecycler", "CashDispenser"),
    "CashManagement": ("CashRecycler", "CashDispenser"),
    "KeyManagement": ("PinPad",),
    "Keyboard": ("PinPad",),
    "Printer": ("ReceiptPrinter",),
}
"""Which service has an interface, where it has another name; the first that is there."""

Hand = tuple[str, Mapping[str, Any]]
"""Something that people do: a command of `Simulator`, and its payload."""


class StepFailed(Exception):
    """A step did not go as it had to.

    Attributes:
        number, title: of the step.
        expected, seen: what had to be, and what was.
    """

    def __init__(self, number: int, title: str, expected: str, seen: str) -> None:
        super().__init__(f"step {number}, {title}: expected {expected}, seen {seen}")
        self.number, self.title = number, title
        self.expected, self.seen = expected, seen


class _Unexpected(Exception):
    """What had to be, and what was."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(expected, seen)
        self.expected, self.seen = expected, seen


@dataclass
class Step:
    """What is known of a step.

    Attributes:
        number: counted from 1.
        title: what is done, in a few words.
        seen: what came of it.
        commands: that it has sent, with how often.
    """

    number: int
    title: str
    seen: list[str] = field(default_factory=list)
    commands: dict[str, int] = field(default_factory=dict)

    def saw(self, text: str) -> None:
        """Something worth telling came of it."""
        self.seen.append(text)


@dataclass(frozen=True)
class Rows:
    """A table that is shown at the end of a story.

    Attributes:
        headers: names of the columns.
        rows: texts and numbers.
        changed: indexes of the rows in which something has changed.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str | int]]
    changed: frozenset[int] = frozenset()


class Teller(Protocol):
    """Tells whoever looks on what happens."""

    def begins(self, step: Step) -> None:
        """A step is under way."""

    def ends(self, step: Step) -> None:
        """It went as it had to."""

    def fails(self, failed: StepFailed) -> None:
        """It did not."""

    def shows(self, rows: Rows) -> None:
        """A table."""

    def keeps(self, file: Path, what: str) -> None:
        """A picture that can be looked at."""


class Stage:
    """An ATM that a story is played at; made by `opened`.

    Attributes:
        host: the bank's side; a test host.
    """

    def __init__(
        self,
        services: Mapping[str, str],
        settings: Mapping[str, Any],
        teller: Teller,
        host: Host,
        pictures: Path,
    ) -> None:
        self.host = host
        self._services = services
        self._settings = settings
        self._teller = teller
        self._pictures = pictures
        self._clients: dict[str, client.Client] = {}
        self._steps = 0
        self._step: Step | None = None

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        services: Mapping[str, str],
        *,
        teller: Teller,
        host: Host,
        pictures: Path,
        **settings: Any,
    ) -> AsyncIterator[Stage]:
        """A stage for as long as the block lasts.

        Args:
            services: URIs by name, as `client.discover` finds them.
            pictures: directory that is made when there is something to put in.
            settings: of each connection, see `client.connect`.
        """
        async with AsyncExitStack() as stack:
            stage = cls(services, settings, teller, host, pictures)
            # All at once: later, a connection could only be made by the task that has opened the stage.
            for service in services:
                stage._clients[service] = await stack.enter_async_context(stage.connect(service))
            yield stage

    @asynccontextmanager
    async def step(self, title: str) -> AsyncIterator[Step]:
        """One step, told when it begins and when it has ended.

        Raises:
            StepFailed: a command in it failed, an event did not come, or an expectation was not met.
        """
        self._steps += 1
        step = self._step = Step(self._steps, title)
        self._teller.begins(step)
        try:
            yield step
        except (client.CallError, errors.XfsError, _Unexpected, LookupError, OSError, ValueError) as problem:
            failed = StepFailed(step.number, title, *_told(problem))
            self._teller.fails(failed)
            raise failed from problem
        finally:
            self._step = None
        self._teller.ends(step)

    def expect(self, what: str, expected: object, seen: object) -> None:
        """Go on only if something is as it has to be."""
        if expected != seen:
            raise _Unexpected(f"{what} {expected}", str(seen))

    def shows(self, rows: Rows) -> None:
        """Show a table."""
        self._teller.shows(rows)

    def keeps(self, name: str, content: bytes, what: str) -> Path:
        """Write a picture where it can be looked at."""
        self._pictures.mkdir(parents=True, exist_ok=True)
        file = self._pictures / name
        # Not another's, even where the directory is open to all.
        file.unlink(missing_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as to:
            to.write(content)
        self._teller.keeps(file, what)
        return file

    def service_of(self, interface: str) -> str:
        """The name of the service that has an interface."""
        for name in _SERVICES.get(interface, ()):
            if name in self._services:
                return name
        return interface

    def connect(self, service: str) -> AbstractAsyncContextManager[client.Client]:
        """Another application's connection to a service."""
        return client.connect(self._services[service], **self._settings)

    def application(self, interface: str) -> client.Client:
        """This application's connection to the service that has an interface."""
        service = self.service_of(interface)
        if service not in self._clients:
            raise _Unexpected(f"a service {service}", ", ".join(self._clients))
        return self._clients[service]

    async def call(
        self,
        command: str,
        payload: Mapping[str, Any] | None = None,
        *,
        of: str | None = None,
        by: client.Client | None = None,
        when: Mapping[str, Hand] | None = None,
    ) -> dict[str, Any]:
        """Send a command and wait for its completion.

        Args:
            of: the interface whose service is meant, of commands that several have (`Storage`, `Common`).
            by: another connection than this application's own.
            when: what people do as soon as an event of the command tells them to.
        """
        self._take_down(command)
        application = by or self.application(of or command.partition(".")[0])
        awaited = dict(when or {})
        asked, hands = trio.open_memory_channel[Hand](len(awaited))
        failures: list[Exception] = []
        answer: dict[str, Any] = {}

        def on_event(event: client.Event[Any]) -> None:
            hand = awaited.pop(event.name, None)
            if hand is not None:
                asked.send_nowait(hand)

        async def act() -> None:
            try:
                async for name, content in hands:
                    self._take_down(name)
                    await self.application("Simulator").call(name, content)
            except client.CallError as problem:
                failures.append(problem)
                nursery.cancel_scope.cancel()

        # What fails is raised outside the nursery, which would wrap it in an exception group.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(act)
            try:
                answer = await application.call(command, payload, timeout=_PATIENCE, on_event=on_event)
            except client.CallError as problem:
                failures.append(problem)
            asked.close()
        if failures:
            raise failures[0]
        if awaited:
            raise _Unexpected(", ".join(awaited), f"{command} completed without it")
        return answer

    def _take_down(self, command: str) -> None:
        if self._step is not None:
            self._step.commands[command] = self._step.commands.get(command, 0) + 1

    async def hand(
        self, name: str, payload: Mapping[str, Any] | None = None, *, then: tuple[str, str] | None = None
    ) -> dict[str, Any]:
        """Let somebody do something at the machine.

        Args:
            name: the command of `Simulator`.
            then: an interface, and its event that has to tell of it; the payload is returned.
        """
        simulator, command = self.application("Simulator"), f"Simulator.{name}"
        self._take_down(command)
        if then is None:
            return dict(await simulator.call(command, payload))
        interface, event = then
        async with self.awaited(interface, event) as comes:
            await simulator.call(command, payload)
            return await comes()

    @asynccontextmanager
    async def awaited(
        self, interface: str, event: str, by: client.Client | None = None
    ) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
        """Listen to an event before anything is done, so that it cannot be missed; what is given waits."""
        application = by or self.application(interface)
        async with application.events(event) as coming:

            async def comes() -> dict[str, Any]:
                with trio.move_on_after(_PATIENCE):
                    came: client.Event[Any] = await anext(coming)
                    return came.payload
                raise _Unexpected(event, f"nothing within {_PATIENCE} s")

            yield comes


def _told(problem: Exception) -> tuple[str, str]:
    """What was expected, and what was seen."""
    if isinstance(problem, _Unexpected):
        return problem.expected, problem.seen
    if isinstance(problem, LookupError):
        return f"an answer with {problem}", "one without it"
    if isinstance(problem, client.CommandFailed):
        code = problem.error_code or problem.completion_code
        return f"{problem.command} to succeed", code + (
            f" ({problem.description})" if problem.description else ""
        )
    return "an answer", str(problem)
