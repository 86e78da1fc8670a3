"""What operators and engineers do: vendor mode, the vendor's programs, modes and doors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from xfs4iot.conformance.attended import person_of, unnoticed
from xfs4iot.conformance.case import case
from xfs4iot.conformance.outcome import Deviates, NotApplicable
from xfs4iot.conformance.person import Act
from xfs4iot.conformance.rules import holds, must_refuse, refuses
from xfs4iot.conformance.target import Answer, Conversation, Target

_LOOKS_SECONDS = 0.05
"""Between two looks at the status."""
_ENTERS = "vendor mode is entered and left: applications let go of the devices"

refuses(
    "VM-ENTER-01N", "Nothing can be acknowledged when vendor mode was not asked for",
    "VendorMode.EnterModeAcknowledge", {}, "sequenceError", level="moves",
)  # fmt: skip
refuses(
    "VM-EXIT-01N", "Nothing can be acknowledged when nobody wants to leave vendor mode",
    "VendorMode.ExitModeAcknowledge", {}, "sequenceError", level="moves",
)  # fmt: skip
refuses(
    "VM-EXIT-02N", "Vendor mode that is not active cannot be left",
    "VendorMode.ExitModeRequest", {}, "sequenceError", level="moves",
    state={"vendorMode.service": ("inactive",)},
)  # fmt: skip
refuses(
    "VA-START-01N", "A program that is not there cannot be started",
    "VendorApplication.StartLocalApplication", {"appName": "programNotThere"}, "invalidData",
    level="destructive", moves="a program is asked for that no machine has",
)  # fmt: skip


async def _reaches(talk: Conversation, path: str, wanted: tuple[str, ...], seconds: float) -> str:
    """A value of the status, once it is a wanted one, or as it is when the time is up."""
    found = None
    with trio.move_on_after(seconds):
        while True:
            found = await talk.status(*path.split("."))
            if found in wanted:
                break
            await trio.sleep(_LOOKS_SECONDS)
    return str(found)


async def _mode(target: Target, talk: Conversation, wanted: str) -> str:
    """The mode, once it is the wanted one, or as it still is when patience ends."""
    return await _reaches(talk, "vendorMode.service", (wanted,), target.patience)


async def _change(
    target: Target, application: Conversation, engineer: Conversation, way: str, asked: bool = True
) -> Answer:
    """Ask for a change of the mode, and acknowledge it as a registered application.

    Args:
        way: `Enter` or `Exit`.
        asked: whether it is an error if the application is not asked.
    """
    number = await engineer.begin(f"VendorMode.{way}ModeRequest", {}, round(target.patience * 1000))
    event = f"VendorMode.{way}ModeRequestEvent"
    if await application.event(event, target.patience) is None and asked:
        raise Deviates(f"{event} to a registered application", "nothing of the kind")
    await application.call(f"VendorMode.{way}ModeAcknowledge", {})
    # It may complete at once, or when the mode has been reached.
    answer = await engineer.answer(number)
    if answer.code == "timeOut":
        raise NotApplicable("another application did not acknowledge")
    answer.require_success()
    return answer


@asynccontextmanager
async def _two(target: Target) -> AsyncIterator[tuple[Conversation, Conversation]]:
    """A registered application and an engineer, while vendor mode is not active; it is left afterwards."""
    target.requires("VendorMode.EnterModeRequest")
    target.requires("VendorMode.ExitModeRequest")
    async with target.conversation() as application, target.conversation() as engineer:
        await holds(engineer, {"vendorMode.service": ("inactive",)})
        told = await application.call("VendorMode.Register", {"appName": "xfs4iot conform"})
        told.require_success()
        try:
            yield application, engineer
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + target.patience * 2):
                if await engineer.status("vendorMode", "service") in ("active", "enterPending"):
                    await application.call("VendorMode.EnterModeAcknowledge", {})
                    if await _mode(target, engineer, "active") == "active":
                        await _change(target, application, engineer, "Exit", asked=False)


@case("VM-MODE-01P", "A registered application is asked, and waited for, before vendor mode is entered",
      cites="CWA 17852, VendorMode.EnterModeRequestEvent", interface="VendorMode", level="moves",
      moves=_ENTERS, command="VendorMode.Register")  # fmt: skip
async def asked_first(target: Target) -> None:
    async with _two(target) as (application, engineer):
        number = await engineer.begin("VendorMode.EnterModeRequest", {}, round(target.patience * 1000))
        if await application.event("VendorMode.EnterModeRequestEvent", target.patience) is None:
            raise Deviates(
                "VendorMode.EnterModeRequestEvent to a registered application", "nothing of the kind"
            )
        meanwhile = await application.status("vendorMode", "service")
        await application.call("VendorMode.EnterModeAcknowledge", {})
        await engineer.answer(number)
    if meanwhile != "enterPending":
        raise Deviates("enterPending until it has acknowledged", str(meanwhile))


@case("VM-MODE-02P", "Vendor mode that was entered is told by ModeEnteredEvent, and in the status",
      cites="CWA 17852, VendorMode.ModeEnteredEvent", interface="VendorMode", level="moves",
      moves=_ENTERS, command="VendorMode.Register")  # fmt: skip
async def entered(target: Target) -> None:
    async with _two(target) as (application, engineer):
        await _change(target, application, engineer, "Enter", asked=False)
        if (mode := await _mode(target, engineer, "active")) != "active":
            raise Deviates("vendorMode.service active", mode)
        if await application.event("VendorMode.ModeEnteredEvent", target.patience) is None:
            raise Deviates("VendorMode.ModeEnteredEvent", "nothing of the kind")


@case("VM-MODE-03P", "Vendor mode that was left is told by ModeExitedEvent, which names who was registered",
      cites="CWA 17852, VendorMode.ModeExitedEvent", interface="VendorMode", level="moves",
      moves=_ENTERS, command="VendorMode.Register")  # fmt: skip
async def left(target: Target) -> None:
    async with _two(target) as (application, engineer):
        await _change(target, application, engineer, "Enter", asked=False)
        await _mode(target, engineer, "active")
        await _change(target, application, engineer, "Exit", asked=False)
        if (mode := await _mode(target, engineer, "inactive")) != "inactive":
            raise Deviates("vendorMode.service inactive", mode)
        told = await application.event("VendorMode.ModeExitedEvent", target.patience)
    if told is None:
        raise Deviates("VendorMode.ModeExitedEvent", "nothing of the kind")
    if "xfs4iot conform" not in (told.get("connectedApplications") or []):
        raise Deviates("connectedApplications with the name that was registered", f"{told}")


@case("VM-MODE-04N", "Vendor mode that is active cannot be entered again",
      cites="CWA 17852, VendorMode.EnterModeRequest, sequenceError", interface="VendorMode", level="moves",
      moves=_ENTERS, command="VendorMode.Register")  # fmt: skip
async def entered_twice(target: Target) -> None:
    async with _two(target) as (application, engineer):
        await _change(target, application, engineer, "Enter", asked=False)
        await _mode(target, engineer, "active")
        number = await engineer.begin("VendorMode.EnterModeRequest", {}, round(target.patience * 500))
        again = await engineer.answer(number)
    must_refuse(again, ("sequenceError",))


@asynccontextmanager
async def _shown(target: Target) -> AsyncIterator[tuple[Conversation, str]]:
    """A conversation while the other of the two interfaces is active, and which; it is put back."""
    target.requires("VendorApplication.GetActiveInterface")
    async with target.conversation() as talk:
        before = (await talk.call("VendorApplication.GetActiveInterface")).payload.get("activeInterface")
        others = {"consumer": "operator", "operator": "consumer"}
        if before not in others:
            raise NotApplicable(f"the active interface is {before}")
        answer = await talk.call("VendorApplication.SetActiveInterface", {"activeInterface": others[before]})
        if answer.code in ("unsupportedData", "invalidData", "hardwareError"):
            raise NotApplicable(f"the interface cannot be switched: {answer.told()}")
        answer.require_success()
        try:
            yield talk, others[before]
        finally:
            await talk.call("VendorApplication.SetActiveInterface", {"activeInterface": before})


_SWITCHES = "the vendor's program shows on the other screen for a moment"


@case("VA-SHOW-01P", "The interface that was set is the active one",
      cites="CWA 17852, VendorApplication.SetActiveInterface", interface="VendorApplication", level="moves",
      moves=_SWITCHES, command="VendorApplication.SetActiveInterface")  # fmt: skip
async def shown(target: Target) -> None:
    async with _shown(target) as (talk, wanted):
        told = (await talk.call("VendorApplication.GetActiveInterface")).payload.get("activeInterface")
    if told != wanted:
        raise Deviates(f"activeInterface {wanted}", str(told))


@case("VA-SHOW-02P", "Another interface is told by InterfaceChangedEvent",
      cites="CWA 17852, VendorApplication.InterfaceChangedEvent", interface="VendorApplication",
      level="moves", moves=_SWITCHES, command="VendorApplication.SetActiveInterface")  # fmt: skip
async def shown_told(target: Target) -> None:
    async with _shown(target) as (talk, wanted):
        told = await talk.event("VendorApplication.InterfaceChangedEvent", target.patience)
    if told is None:
        raise Deviates("VendorApplication.InterfaceChangedEvent", "nothing of the kind")
    if told.get("activeInterface") != wanted:
        raise Deviates(f"activeInterface {wanted}", f"{told}")


_MODES = ("cashAccept", "checkAccept")
_SETS = "which items are accepted is set, and put back"


async def _modes(talk: Conversation) -> dict[str, bool]:
    """What is accepted now; a mode that is not told is off.

    Raises:
        NotApplicable: not both can be switched.
    """
    told = await talk.status("mixedMedia", "modes") or {}
    return {name: bool(told.get(name)) for name in _MODES}


@asynccontextmanager
async def _both(target: Target) -> AsyncIterator[Conversation]:
    """A conversation with both modes on; they are put back afterwards.

    Raises:
        NotApplicable: the device cannot accept both.
    """
    able = (target.capabilities.get("mixedMedia") or {}).get("modes") or {}
    if not all(able.get(name) for name in _MODES):
        raise NotApplicable("the capabilities do not list both modes")
    async with target.conversation() as talk:
        before = await _modes(talk)
        answer = await talk.call("MixedMedia.SetMode", {"modes": dict.fromkeys(_MODES, True)})
        if answer.error_code == "transactionActive":
            raise NotApplicable("a transaction is active")
        answer.require_success()
        try:
            yield talk
        finally:
            await talk.call("MixedMedia.SetMode", {"modes": before})


@case("MM-MODE-01P", "A mode that was switched off is off in the status, and on again",
      cites="CWA 17852, MixedMedia.SetMode", interface="MixedMedia", level="moves", moves=_SETS,
      command="MixedMedia.SetMode")  # fmt: skip
async def mode_told(target: Target) -> None:
    async with _both(target) as talk:
        for name in _MODES:
            for on in (False, True):
                (await talk.call("MixedMedia.SetMode", {"modes": {name: on}})).require_success()
                if (await _modes(talk))[name] != on:
                    raise Deviates(f"{name} {on}", str(not on))


@case("MM-MODE-02P", "A mode that is not named stays as it is",
      cites="CWA 17852, MixedMedia.SetMode", interface="MixedMedia", level="moves", moves=_SETS,
      command="MixedMedia.SetMode")  # fmt: skip
async def mode_stays(target: Target) -> None:
    async with _both(target) as talk:
        for named, other in (_MODES, _MODES[::-1]):
            (await talk.call("MixedMedia.SetMode", {"modes": {named: False}})).require_success()
            if not (await _modes(talk))[other]:
                raise Deviates(f"{other} as before", "it was switched off with the other")
            (await talk.call("MixedMedia.SetMode", {"modes": {named: True}})).require_success()


@case("MM-TRANSACTION-01N", "No mode is changed while a transaction is active, if that cannot be",
      cites="CWA 17852, MixedMedia.SetMode, transactionActive", interface="MixedMedia", level="moves",
      moves="a cash-in is begun and ended; the shutter may open", command="MixedMedia.SetMode")  # fmt: skip
async def mode_kept(target: Target) -> None:
    if (target.capabilities.get("mixedMedia") or {}).get("dynamic"):
        raise NotApplicable("the capabilities say dynamic: modes may change at any time")
    target.requires("CashAcceptor.CashInStart")
    async with _both(target) as talk:
        started = await talk.call("CashAcceptor.CashInStart", {})
        if started.code != "success":
            raise NotApplicable(f"no cash-in can be begun: {started.told()}: {started.description}")
        try:
            answer = await talk.call("MixedMedia.SetMode", {"modes": {"cashAccept": False}})
        finally:
            await talk.call("CashAcceptor.CashInRollback", {})
            await talk.call("CashAcceptor.CashInEnd", {})
    must_refuse(answer, ("transactionActive",))


_OPEN = Act("openSafeDoor", "open the safe door")
_CLOSE = Act("closeSafeDoor", "close the safe door")
_DOOR = "opens and closes the safe door"
_SHUT = ("closed", "locked", "bolted")


@asynccontextmanager
async def _closed(target: Target) -> AsyncIterator[Conversation]:
    """A conversation with the safe door closed; whoever opened it is asked to close it."""
    person = person_of(target)
    async with target.conversation() as talk:
        found = await talk.status("auxiliaries", "safeDoor")
        if found not in _SHUT:
            raise NotApplicable(f"auxiliaries.safeDoor is {found}, not {' or '.join(_SHUT)}")
        try:
            yield talk
        finally:
            if await talk.status("auxiliaries", "safeDoor") not in _SHUT:
                await person.please(_CLOSE)
                await _reaches(talk, "auxiliaries.safeDoor", _SHUT, person.seconds)


@case("AUX-DOOR-01P", "A safe door that is opened, and closed, is shown by the status",
      cites="CWA 17852, Common.Status, auxiliaries.safeDoor", interface="Auxiliaries", level="moves",
      moves="nothing; somebody opens the safe door", command="Common.Status", attended=_DOOR)  # fmt: skip
async def door_shown(target: Target) -> None:
    person = person_of(target)
    async with _closed(target) as talk:
        for act, wanted in ((_OPEN, ("open",)), (_CLOSE, _SHUT)):
            await person.please(act)
            found = await _reaches(talk, "auxiliaries.safeDoor", wanted, person.seconds)
            if found not in wanted:
                await unnoticed(person, act, f"auxiliaries.safeDoor is {found}")


_REGISTERS = "2021-1"
"""Only there, events of auxiliaries go to who registered, and StatusChangedEvent knows nothing of them."""


@case("AUX-DOOR-02P", "A safe door that is opened is told by an event, in 2021-1 to who has registered",
      cites="CWA 17852, Common.StatusChangedEvent, auxiliaries.safeDoor; Auxiliaries.Register of 2021-1",
      interface="Auxiliaries", level="moves", moves="nothing; somebody opens the safe door",
      command="Common.Status", attended=_DOOR)  # fmt: skip
async def door_told(target: Target) -> None:
    person = person_of(target)
    registers = target.specification == _REGISTERS
    async with _closed(target) as talk:
        if registers:
            target.requires("Auxiliaries.Register")
            answer = await talk.call("Auxiliaries.Register", {"safeDoor": "register"})
            if answer.code != "success":
                raise Deviates("the safe door, which the status tells of, to be registered", answer.told())
        await person.please(_OPEN)
        event = "Auxiliaries.AuxiliaryStatusEvent" if registers else "Common.StatusChangedEvent"
        told: object = None
        with trio.move_on_after(person.seconds):
            while told != "open":
                payload = await talk.event(event, person.seconds) or {}
                told = (
                    payload.get("safeDoorState")
                    if registers
                    else (payload.get("auxiliaries") or {}).get("safeDoor")
                )
        if told != "open":
            await unnoticed(person, _OPEN, f"no {event} tells of it")
