"""Scenarios: what hands, customers, bad luck and time do, moment by moment, without a client driving it.

    [[moment]]
    at = 2000                                        # milliseconds after the scenario begins
    do = [{ command = "Simulator.Inject", payload = { fault = "jam" } }]

    [[moment]]
    after = "CashManagement.ItemsPresentedEvent"     # an event, or a command that succeeded
    delay = 3000                                     # milliseconds later
    do = [{ command = "Simulator.TakeItems", payload = { count = 2 } }]

A moment comes once, on the devices' clock. Where it matters, `service` says whose event or command is
meant. `Simulator.Play` takes the same `moments` from a client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from xfs4iot import toml_file
from xfs4iot.protocol import errors, registry
from xfs4iot.protocol.json_path import located, with_known
from xfs4iot.simulator.commands import Milliseconds, Request
from xfs4iot.simulator.world import World
from xfs4iot.telling import logger

__all__ = ["Moment", "Play", "Player", "Step", "read_scenario"]

_log = logger("xfs4iot.simulator.scenario")


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """A command of `Simulator`, with its payload."""

    command: str
    payload: dict[str, Any] = msgspec.field(default_factory=dict)


class Moment(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """When something happens, and what.

    Attributes:
        at: milliseconds after the beginning; or
        after: the event, or the command that succeeded, after which it happens.
        service: whose event or command; any service's without it.
        delay: milliseconds later.
        do: what is done, in order.
    """

    do: list[Step]
    at: Milliseconds | None = None
    after: str | None = None
    service: str | None = None
    delay: Milliseconds = 0


class Play(Request):
    """The moments of a scenario, which begins now, beside those that are played already."""

    moments: list[Moment] = msgspec.field(default_factory=list)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    moment: list[Moment]


def read_scenario(file: Path, player: Player) -> Play:
    """The scenario in a file.

    Args:
        file: in TOML.
        player: who is to play it, and knows its commands.

    Raises:
        ConfigurationError: with the line of the moment that is wrong.
    """
    content, lines = toml_file.load(file, Decimal)
    try:
        moments = msgspec.convert(content, _File).moment
    except msgspec.ValidationError as wrong:
        problem = toml_file.Mistake(0, f"{wrong}; a moment has at or after, service, delay, do")
        raise toml_file.ConfigurationError(file, [problem]) from None
    mistakes = [
        toml_file.Mistake(lines.get(("moment", number), 0), text)
        for number, moment in enumerate(moments)
        if (text := player.mistake_in(moment))
    ]
    if mistakes:
        raise toml_file.ConfigurationError(file, mistakes)
    return Play(moments=moments)


def _mistake(moment: Moment) -> str | None:
    if (moment.at is None) == (moment.after is None):
        return "a moment has either at or after"
    if moment.after is not None:
        try:
            known = registry.is_command(moment.after) or bool(registry.event(moment.after))
        except KeyError:
            known = False
        if not known:
            return f"{moment.after[:50]!r} is neither an event nor a command; see Common.Capabilities"
    return None


class Player:
    """Plays the scenarios of an ATM.

    Args:
        world: whose time it is, and what waits for it.
        act: carries out a command of `Simulator` with its request.
        commands: those there are, with the classes of their requests.
    """

    def __init__(
        self,
        world: World,
        act: Callable[[str, Request], Awaitable[object]],
        commands: Mapping[str, type[Request]],
    ) -> None:
        self._world = world
        self._act = act
        self._commands = commands
        self._waiting: list[tuple[Moment, list[tuple[str, Request]]]] = []
        self.one_by_one = 0

    def play(self, moments: list[Moment]) -> None:
        """Begin a scenario; nothing of it happens if anything in it is wrong.

        Raises:
            InvalidData: a moment is wrong; says which, and what is allowed.
        """
        # All steps are checked before the first is started: a scenario plays whole or not at all.
        prepared = [
            (moment, self._prepared(f"$.moments[{number}]", moment)) for number, moment in enumerate(moments)
        ]
        for moment, steps in prepared:
            if moment.at is not None:
                self._start(self._world.clock.now + (moment.at + moment.delay) / 1000, steps)
            else:
                self._waiting.append((moment, steps))

    def mistake_in(self, moment: Moment) -> str | None:
        """What is wrong with a moment, and what is allowed; None if it can be played."""
        try:
            self._prepared("moment", moment)
        except errors.InvalidData as wrong:
            return str(wrong)
        return None

    def _prepared(self, where: str, moment: Moment) -> list[tuple[str, Request]]:
        if text := _mistake(moment):
            raise errors.InvalidData(f"{where}: {text}")
        steps = []
        for number, step in enumerate(moment.do):
            kind = self._commands.get(step.command)
            if kind is None:
                known = ", ".join(self._commands)
                raise errors.InvalidData(
                    f"{where}.do[{number}].command: {step.command[:50]!r} is not one of {known}"
                )
            try:
                steps.append((step.command, msgspec.convert(step.payload, kind)))
            except msgspec.ValidationError as wrong:
                text, path = with_known(located(wrong), kind)
                raise errors.InvalidData(f"{where}.do[{number}].payload{path[1:]}: {text}") from None
        return steps

    def completed(self, service: str, command: str, code: str, seconds: float) -> None:
        """A command was completed; the scenario goes on after those that have succeeded."""
        if code == "success":
            self._seen(service, command)

    def counted(self, service: str, command: str, code: str) -> None:
        """A scenario may wait for any of them."""

    def told(self, service: str, event: str) -> None:
        """An event was sent."""
        self._seen(service, event)

    def refused(self, service: str, status: str) -> None:
        """A scenario does not follow what was refused."""

    def connected(self, service: str) -> None:
        """Nor who is connected."""

    def disconnected(self, service: str) -> None:
        """Nor who was."""

    def _seen(self, service: str, name: str) -> None:
        if not self._waiting:
            return
        # Collected first, because the list is shortened in the loop.
        come = [one for one in self._waiting if one[0].after == name and one[0].service in (None, service)]
        for one in come:
            self._waiting.remove(one)
            self._start(self._world.clock.now + one[0].delay / 1000, one[1])

    def _start(self, moment: float, steps: list[tuple[str, Request]]) -> None:
        if self._world.nursery is not None:
            self._world.nursery.start_soon(self._run, moment, steps)

    async def _run(self, moment: float, steps: list[tuple[str, Request]]) -> None:
        await self._world.clock.until(moment)
        for name, request in steps:
            try:
                await self._act(name, request)
            # A step that fails must not end the nursery, which carries everything else that is to happen.
            except errors.XfsError as failure:
                _log.warning("%s of the scenario failed: %s", name, failure)
