"""Rules that many commands have in common, each made a case by saying for which command it is tried.

What cannot be done is refused; a command that waits for somebody ends when its time is up, and when it
is cancelled. Nobody has to stand before the device for any of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from xfs4iot.conformance.case import Level, case
from xfs4iot.conformance.outcome import Advises, Deviates, NotApplicable
from xfs4iot.conformance.target import Answer, Conversation, Target

__all__ = [
    "EXCHANGED",
    "REFUSED",
    "WAITING",
    "Undo",
    "exchanging",
    "holds",
    "must_refuse",
    "refuses",
    "waits",
]

REFUSED: dict[str, str] = {}
"""Command of each case of `refuses`, by its id."""
WAITING: dict[str, str] = {}
"""Command of each case of `waits`, by its id."""

_BROKEN = ("success", "internalError", "timeOut", "canceled", "hardwareError")
"""Completion codes that are no refusal."""
_WAITS = 300
"""Milliseconds that a command waits for somebody who does not come."""

Payload = Mapping[str, Any] | Callable[[Target], Awaitable[Mapping[str, Any]]]
Undo = Callable[[Conversation], Awaitable[object]]
During = Callable[[Target, Conversation], AbstractAsyncContextManager[None]]
EXCHANGED = "an exchange is started and ended; a service that breaks the rule moves something meanwhile"
"""What `exchanging` may move."""


async def holds(talk: Conversation, state: Mapping[str, Sequence[str]]) -> None:
    """Go on only if the device is in a state.

    Args:
        state: paths in Common.Status, and the values that are good. What the device has no status of is good
            too, but for one it must have.

    Raises:
        NotApplicable: it is not, or it cannot be known.
    """
    told = []
    for path, good in state.items():
        found = await talk.status(*path.split("."))
        if found is not None and found not in good:
            raise NotApplicable(f"{path} is {found}, not {' or '.join(good)}")
        told.append(found is not None)
    if told and not any(told):
        raise NotApplicable(f"Common.Status does not tell {' or '.join(state)}")


@asynccontextmanager
async def exchanging(target: Target, talk: Conversation) -> AsyncIterator[None]:
    """Units are exchanged meanwhile.

    Raises:
        NotApplicable: no exchange could be started.
    """
    target.requires("Storage.StartExchange")
    started = await talk.call("Storage.StartExchange", {})
    if started.code != "success":
        raise NotApplicable(f"no exchange could be started: {started.told()}: {started.description}")
    try:
        yield
    finally:
        await talk.call("Storage.EndExchange")


def must_refuse(answer: Answer, codes: Sequence[str]) -> None:
    """Judge what came of a command that cannot be done.

    Args:
        codes: error codes, or completion codes, of which one should be told.

    Raises:
        Deviates: it was done, or the service did not know what to say.
        Advises: it was refused for another reason.
    """
    expected = " or ".join(codes)
    if answer.refused or answer.code is None or answer.code in _BROKEN:
        raise Deviates(expected, answer.told())
    if answer.error_code not in codes and answer.code not in codes:
        raise Advises(expected, f"{answer.told()}: {answer.description}")


def refuses(
    id: str,
    title: str,
    command: str,
    payload: Payload,
    *codes: str,
    level: Level = "safe",
    moves: str = "",
    state: Mapping[str, Sequence[str]] | None = None,
    during: During | None = None,
) -> None:
    """Make a case of something that cannot be done.

    Args:
        payload: of the command, or what makes it.
        codes: see `must_refuse`.
        state: in which the rule is tried; see `holds`.
        during: what goes on meanwhile, in that state.
    """

    async def run(target: Target) -> None:
        content = await payload(target) if callable(payload) else payload
        async with target.conversation() as talk:
            await holds(talk, state or {})
            async with during(target, talk) if during is not None else nullcontext():
                answer = await talk.call(command, content)
        must_refuse(answer, codes)

    REFUSED[id] = command
    case(
        id,
        title,
        cites=f"CWA 17852, {command}, {codes[0]}",
        interface=command.partition(".")[0],
        level=level,
        moves=moves,
        command=command,
    )(run)


def waits(
    start: str,
    command: str,
    payload: Payload,
    *,
    level: Level = "safe",
    moves: str = "",
    state: Mapping[str, Sequence[str]] | None = None,
    before: Callable[[Target, Conversation], Awaitable[object]] | None = None,
    after: Undo | None = None,
) -> None:
    """Make two cases of a command that waits for somebody: its time is up, and it is cancelled.

    Args:
        start: of the ids; `-TIMEOUT-P` and `-CANCEL-P` follow.
        payload: of the command, or what makes it.
        state: in which nobody is there; see `holds`.
        before: brings the device to where the command can wait.
        after: brings it back, also after a failure.
    """

    async def run(target: Target, cancelled: bool) -> None:
        content = await payload(target) if callable(payload) else payload
        async with target.conversation() as talk:
            await holds(talk, state or {})
            if before is not None:
                await before(target, talk)
            try:
                await _ends(talk, command, content, cancelled)
            finally:
                if after is not None:
                    await after(talk)

    for word, cancelled, title in (
        ("TIMEOUT", False, "ends with timeOut when nobody comes in the time it was given"),
        ("CANCEL", True, "ends with canceled when it is cancelled while it waits"),
    ):
        id = f"{start}-{word}-P"
        WAITING[id] = command
        case(
            id,
            f"{command} {title}",
            cites=f"CWA 17852, {'Common.Cancel' if cancelled else 'timeout'}",
            interface=command.partition(".")[0],
            level=level,
            moves=moves,
            command=command,
        )(_bound(run, cancelled))


def _bound(
    run: Callable[[Target, bool], Awaitable[None]], cancelled: bool
) -> Callable[[Target], Awaitable[None]]:
    return lambda target: run(target, cancelled)


async def _ends(talk: Conversation, command: str, content: Mapping[str, Any], cancelled: bool) -> None:
    """Begin a command that waits, and see it end.

    Raises:
        Deviates: it does not end as it should.
    """
    expected = "canceled" if cancelled else "timeOut"
    number = await talk.begin(command, content, 0 if cancelled else _WAITS)
    if cancelled:
        answer = await talk.acknowledged(number)
        if answer is None:
            cancel = await talk.call("Common.Cancel", {"requestIds": [number]})
            answer = await talk.answer(number)
            if cancel.code != "success" and answer.code == expected:
                raise Deviates("Common.Cancel to succeed", cancel.told())
    else:
        answer = await talk.answer(number)
    if answer.code in ("unsupportedData", "deviceNotReady", "hardwareError"):
        raise NotApplicable(f"it cannot wait now: {answer.told()}: {answer.description}")
    if answer.code == "success":
        raise NotApplicable("it did not have to wait: somebody was there")
    if answer.code != expected:
        raise Deviates(expected, f"{answer.told()}: {answer.description}".removesuffix(": "))
