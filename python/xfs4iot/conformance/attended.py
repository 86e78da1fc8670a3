"""How somebody at the device is asked to do something, and what the service must notice of it.

That the service noticed is the proof that it was done. If it did not, somebody has to say whether he did
it: then the service is at fault; else the rule could not be tried, and its case is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xfs4iot.conformance.outcome import Deviates, NotApplicable, Unattended
from xfs4iot.conformance.person import Act, Person
from xfs4iot.conformance.target import Answer, Conversation, Target

__all__ = ["done", "noticed", "person_of", "seen", "unnoticed"]


def person_of(target: Target) -> Person:
    """Who stands before the device.

    Raises:
        Unattended: nobody.
    """
    if target.person is None:
        raise Unattended("nobody stands before the device: say --attended")
    return target.person


async def done(
    target: Target,
    talk: Conversation,
    act: Act,
    command: str,
    payload: Mapping[str, Any],
    *,
    asks: str = "",
) -> Answer:
    """Let somebody do what a command waits for.

    Args:
        asks: the event by which the service asks for it; empty if it has none.

    Returns:
        How the command ended.

    Raises:
        Unattended: nobody did it.
        Deviates: it was done, and the service did not notice; or it did not ask.
        NotApplicable: the command cannot be tried now.
    """
    person = person_of(target)
    number = await talk.begin(command, payload, round(person.seconds * 1000))
    waited = await talk.waits(number, asks)
    if waited:
        await person.please(act)
    answer = await talk.answer(number, person.seconds + target.patience)
    if answer.code == "timeOut":
        if asks and not waited:
            raise Deviates(f"{asks} before {command} ends", answer.told())
        await unnoticed(person, act, f"{command} ended timeOut")
    if answer.code in ("unsupportedData", "deviceNotReady"):
        raise NotApplicable(f"{command} cannot be tried now: {answer.told()}: {answer.description}")
    return answer


async def seen(target: Target, talk: Conversation, act: Act, event: str) -> dict[str, Any]:
    """Let somebody do what the service tells by an event.

    Returns:
        The event's payload.

    Raises:
        Unattended: nobody did it.
        Deviates: it was done, and the event did not come.
    """
    person = person_of(target)
    await person.please(act)
    return await noticed(target, talk, act, event)


async def noticed(target: Target, talk: Conversation, act: Act, event: str) -> dict[str, Any]:
    """Wait for the event by which the service tells what somebody was asked for.

    Returns, raises:
        As `seen`.
    """
    person = person_of(target)
    found = await talk.event(event, person.seconds)
    if found is None:
        await unnoticed(person, act, f"{event} did not come in {person.seconds:g} s")
    return found or {}


async def unnoticed(person: Person, act: Act, seen: str) -> None:
    """Judge that the service has not noticed what somebody was asked for.

    Raises:
        Deviates: he says that he did it.
        Unattended: he did not.
    """
    if await person.did(act):
        raise Deviates(f"the service to notice it ({act.text})", seen)
    raise Unattended(f"nobody did it within {person.seconds:g} s ({act.text}): {seen}")
