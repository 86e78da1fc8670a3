"""Common: status, capabilities, versions, cancelling, nonces."""

from __future__ import annotations

import re

import trio

from xfs4iot.conformance.case import case
from xfs4iot.conformance.outcome import Advises, Deviates, NotApplicable
from xfs4iot.conformance.target import OLDEST, Target, command_text
from xfs4iot.protocol import versions
from xfs4iot.protocol.catalogue import catalogue

_NONCE = re.compile(r"[0-9A-F]{32}|[0-9]+")


@case("COM-STATUS-01P", "Common.Status tells how the device is, and the status of each interface",
      cites="CWA 17852, Common.Status", interface="Common")  # fmt: skip
async def status(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("Common.Status")
    if answer.code != "success":
        raise Deviates("success", answer.told())
    common = answer.payload.get("common")
    if not isinstance(common, dict) or not common.get("device"):
        raise Deviates("common.device", str(common))
    known = catalogue(target.specification)["interfaces"]
    for interface in target.interfaces:
        if known.get(interface, {}).get("status") and _part(interface) not in answer.payload:
            raise Advises(f"{_part(interface)}, for the interface is offered", ", ".join(answer.payload))


def _part(interface: str) -> str:
    """The property of an interface in Common.Status and Common.Capabilities."""
    return interface[0].lower() + interface[1:]


@case("COM-CAPABILITIES-01P", "Common.Capabilities lists interfaces and commands that the standard has",
      cites="CWA 17852, Common.Capabilities", interface="Common")  # fmt: skip
async def capabilities(target: Target) -> None:
    known = catalogue(target.specification)["interfaces"]
    if not target.commands:
        raise Deviates("interfaces with their commands", "none")
    for name in target.commands:
        interface, _, command = name.partition(".")
        # A service of several versions may offer what this one does not know.
        if any(command in catalogue(one)["interfaces"].get(interface, {}).get("commands", {})
               for one in versions.SPECIFICATIONS):  # fmt: skip
            continue
        if interface in known:
            raise Deviates("commands of the standard", name)


@case("COM-CAPABILITIES-02P", "Each command that is listed says in which versions it is offered",
      cites="CWA 17852, Common.Capabilities", interface="Common")  # fmt: skip
async def command_versions(target: Target) -> None:
    for name, offered in target.commands.items():
        if not offered:
            raise Deviates(f"versions of {name}", "none")
        for version in offered:
            if not re.fullmatch(r"[1-9][0-9]*\.(0|[1-9][0-9]*)", version):
                raise Deviates("major.minor", f"{name}: {version}")


@case("COM-SETVERSIONS-01N", "A version that the service does not have cannot be chosen",
      cites="CWA 17852, Common.SetVersions", interface="Common", command="Common.SetVersions")  # fmt: skip
async def no_such_version(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("Common.SetVersions", {"commands": {"Common.Status": 99}})
    if answer.code == "success":
        raise Deviates("invalidData", answer.told())
    if answer.code != "invalidData":
        raise Advises("invalidData", answer.told())


@case("COM-SETVERSIONS-02P", "What one connection chooses is not chosen for another",
      cites="CWA 17852, Common.SetVersions", interface="Common", command="Common.SetVersions")  # fmt: skip
async def own_versions(target: Target) -> None:
    majors = sorted({int(one.partition(".")[0]) for one in target.commands.get("Common.Status", [])})
    if len(majors) < 2:
        raise NotApplicable(f"Common.Status is offered in one major version only: {majors}")
    async with target.conversation() as one, target.conversation() as other:
        before = await other.call("Common.Status")
        chosen = await one.call("Common.SetVersions", {"commands": {"Common.Status": majors[0]}})
        if chosen.code != "success":
            raise Deviates("success", chosen.told())
        after = await other.call("Common.Status")
    if set(before.payload) != set(after.payload):
        raise Deviates(
            "the other connection's status to look the same", f"{set(before.payload) ^ set(after.payload)}"
        )


@case("COM-CANCEL-01N", "Cancelling what is not running is noMatchingRequestIDs",
      cites="CWA 17852, Common.Cancel", interface="Common", command="Common.Cancel")  # fmt: skip
async def nothing_to_cancel(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("Common.Cancel", {"requestIds": [123456]})
    if answer.error_code != "noMatchingRequestIDs":
        raise Deviates("commandErrorCode with noMatchingRequestIDs", answer.told())


@case("COM-CANCEL-02N", "A request id of 0 cannot be cancelled",
      cites="CWA 17852, Common.Cancel", interface="Common", command="Common.Cancel")  # fmt: skip
async def cancel_zero(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("Common.Cancel", {"requestIds": [0]})
    if answer.code == "success":
        raise Deviates("invalidData", answer.told())


@case("COM-NONCE-01P", "Each nonce is another, and of the form that tokens need",
      cites="CWA 17852, Common.GetCommandNonce", interface="Common",
      command="Common.GetCommandNonce")  # fmt: skip
async def nonces(target: Target) -> None:
    async with target.conversation() as talk:
        answers = [await talk.call("Common.GetCommandNonce") for _ in range(3)]
        if "Common.ClearCommandNonce" in target.commands:
            await talk.call("Common.ClearCommandNonce")
    found = [str(one.payload.get("commandNonce")) for one in answers if one.code == "success"]
    if len(found) != len(answers):
        raise Deviates("success", next(one.told() for one in answers if one.code != "success"))
    if len(set(found)) != len(found):
        raise Deviates("three different nonces", "the same twice")
    if not all(_NONCE.fullmatch(one) for one in found):
        raise Deviates("32 hexadecimal digits in capitals, or decimal digits", "another form")


@case("COM-TIMEOUT-01P", "A timeout that is not reached changes nothing",
      cites="CWA 17852, timeout", interface="Common")  # fmt: skip
async def timeout(target: Target) -> None:
    async with target.conversation() as talk:
        number = talk.next_id()
        header = {} if target.specification == OLDEST else {"timeout": 60_000}
        payload = {"timeout": 60_000} if target.specification == OLDEST else None
        text = command_text(target.specification, "Common.Status", number, payload, **header)
        await talk.send(text)
        answer = await talk.answer(number)
    if answer.code != "success":
        raise Deviates("success", answer.told())


@case("COM-TIMEOUT-02N", "A negative timeout is refused, or taken as none; the service goes on",
      cites="CWA 17852, timeout", interface="Common")  # fmt: skip
async def negative_timeout(target: Target) -> None:
    if target.specification == OLDEST:
        raise NotApplicable("2021-1 has the timeout in the payload")
    async with target.conversation() as talk:
        number = talk.next_id()
        await talk.send(command_text(target.specification, "Common.Status", number, timeout=-1))
        await talk.answer(number)
    await target.is_well()


@case("COM-EVERYBODY-01P", "Twenty connections at once are each answered",
      cites="CWA 17852, a service has any number of clients", interface="Common")  # fmt: skip
async def everybody(target: Target) -> None:
    failures: list[str] = []

    async def one() -> None:
        async with target.conversation() as talk:
            answer = await talk.call("Common.Status")
            if answer.code != "success":
                failures.append(answer.told())

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(one)
    if failures:
        raise Deviates("twenty answers", failures[0])
