"""The order of checks: of every two neighbours that fail at once, the first answers.

A module of tests says for each check of each command how it is made to fail:

    ORDER = {
        "BarcodeReader.Read": Command(
            good={"symbologies": {"qrCode": True}},
            breaks={
                "device_ready": Break(before=offline),
                "symbologies_supported": Break({"symbologies": {"maxiCode": True}}),
            },
        ),
    }

    @pytest.mark.parametrize("pair", pairs(BarcodeReader, ORDER), ids=str)
    async def test_the_first_of_two_failing_checks_answers(pair: Pair, ...) -> None:
        await pair.prove(client, bench)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import older
from dialogue import Dialogue
from spoken import can_say
from xfs4iot.protocol import errors
from xfs4iot.server.handler import Check, Handled, Interface

__all__ = ["Break", "Command", "Pair", "Walk", "pairs", "walks"]

Before = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True)
class Break:
    """How a check is made to fail.

    Attributes:
        payload: what is changed in the good payload; merged into it, where None takes a property away.
        before: what is done first, with what the test has at hand.
        code: how the command then fails, if not by the first of the check's codes.
        says: part of the description, where the neighbour fails by the same code.
    """

    payload: Mapping[str, Any] = field(default_factory=dict)
    before: Before | None = None
    code: str | None = None
    says: str = ""


@dataclass(frozen=True)
class Command:
    """A command that would succeed, and how each of its checks is made to fail.

    Attributes:
        breaks: by name of the check.
        good: payload.
        before: what is done first.
        apart: checks that cannot fail together with the one after them, each with the reason.
        together: by name of the first, both failures at once, where merging the two does not make them.
    """

    breaks: Mapping[str, Break]
    good: Mapping[str, Any] | None = None
    before: Before | None = None
    apart: Mapping[str, str] = field(default_factory=dict)
    together: Mapping[str, Break] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Two neighbours among the checks of a command."""

    name: str
    command: Command
    first: Check
    second: Check

    def __str__(self) -> str:
        return f"{self.name}-{self.first.name}-{self.second.name}".replace(" ", "_")

    async def prove(self, client: Dialogue, bench: Any) -> None:
        """Let both fail and see that the first answers."""
        both = self.command.together.get(self.first.name)
        broken = (
            (both,) if both else (self.command.breaks[self.second.name], self.command.breaks[self.first.name])
        )
        payload: Any = self.command.good
        for one in broken:
            payload = merged(payload, one.payload)
        for before in (self.command.before, *(one.before for one in broken)):
            if before is not None:
                await before(bench)
        expected = broken[-1]
        completion = await client.completion(self.name, payload)
        header = completion["header"]
        code = header.get("completionCode")
        if code == "commandErrorCode":
            code = completion["payload"]["errorCode"]
        assert code == (expected.code or self.first.codes[0]), completion
        assert expected.says in header["errorDescription"], completion
        if client.uri.startswith("ws:"):
            wrong = await older.refused_alike(client, self.name, payload, code)
            assert not wrong, wrong


def merged(good: Any, change: Mapping[str, Any]) -> Any:
    """A payload with some properties changed, deeply; None takes one away."""
    after = dict(good or {})
    for name, value in change.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(after.get(name), Mapping):
            after[name] = merged(after[name], value)
        else:
            after[name] = value
    return after or None


def pairs(interface: type[Interface[Any]], order: Mapping[str, Command]) -> Iterable[Pair]:
    """Every two neighbours of every command of an interface that has two checks or more."""
    found: list[Pair] = []
    for mark in interface.handled():
        for first, second in zip(mark.checks, mark.checks[1:], strict=False):
            command = order.get(mark.command)
            assert command is not None, f"nothing says how the checks of {mark.command} fail"
            if first.name in command.apart:
                continue
            for one in (first, second):
                known = one.name in command.breaks or first.name in command.together
                assert known, f"nothing says how {one.name!r} of {mark.command} fails"
            found.append(Pair(mark.command, command, first, second))
    return found


@dataclass(frozen=True)
class Walk:
    """A command as an older version has it: it succeeds, or the device gives an error code.

    Attributes:
        code: what the device gives; None if it succeeds.
    """

    version: str
    mark: Handled
    command: Command
    code: str | None

    def __str__(self) -> str:
        return f"{self.version}-{self.mark.command}-{self.code or 'success'}"

    async def prove(self, client: Dialogue, bench: Any, device: Any) -> None:
        """Let it end so, for a client of that version."""
        if self.command.before is not None:
            await self.command.before(bench)
        if self.code is not None:
            operation = self.mark.operation(type(device))
            assert operation is not None
            setattr(device, operation, _refusing(self.code))
        found = await older.ask(client.uri, self.version, self.mark.command, self.command.good)
        assert found == (self.code or "success"), f"{self} ends {found}"


def _refusing(code: str) -> Callable[..., Awaitable[None]]:
    async def refuse(*_: Any, **__: Any) -> None:
        raise errors.CommandError(code, "as a device says it")

    return refuse


def walks(
    interface: type[Interface[Any]], order: Mapping[str, Command], apart: Mapping[str, str] | None = None
) -> list[Walk]:
    """Every command that an older version says as the newest: its success, and each code of the device.

    Args:
        apart: why something does not go so, by the name of the command, or by that and the code.
    """
    found: list[Walk] = []
    for mark in interface.handled():
        command = order.get(mark.command)
        if command is None:
            continue
        for version in older.OLDER:
            known = older.codes_in(version, mark.command)
            if known is None or not can_say(version, mark.command, command.good):
                continue
            operated = [code for code in mark.device if code in known and mark.asks is not None]
            for code in (None, *operated):
                if {mark.command, f"{mark.command} {code or 'success'}"}.isdisjoint(apart or {}):
                    found.append(Walk(version, mark, command, code))
    return found
