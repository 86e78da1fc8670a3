"""Check and Deposit: media that is not there, and transactions that were not begun."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from xfs4iot.conformance.attended import done, seen
from xfs4iot.conformance.case import case
from xfs4iot.conformance.outcome import Deviates, NotApplicable
from xfs4iot.conformance.person import Act
from xfs4iot.conformance.rules import Undo, holds, refuses, waits
from xfs4iot.conformance.target import Answer, Conversation, Target

_NO_MEDIA = {"check.media": ("notPresent",), "check.stacker": ("empty", "notSupported")}
_IMAGE = {"source": "front", "type": "tif", "colorFormat": "binary", "scanColor": "white"}
_IF_A_CHEQUE = "nothing, unless somebody puts a cheque in"


async def _idle(target: Target) -> dict[str, object]:
    """An empty payload, if no transaction is active."""
    async with target.conversation() as talk:
        told = await talk.call("Check.GetTransactionStatus")
    if told.payload.get("mediaInTransaction") in ("active", "unknown"):
        raise NotApplicable("a transaction is active, or it cannot be known")
    return {}


for _number, (_command, _codes) in enumerate(
    {
        "Check.MediaInEnd": ("noMedia", "sequenceError"),
        "Check.MediaInRollback": ("noMedia", "sequenceError"),
        "Check.PresentMedia": ("noMedia", "sequenceError", "unsupportedCommand", "invalidData"),
        "Check.RetractMedia": ("noMediaPresent", "sequenceError"),
        "Check.ExpelMedia": ("noItems", "sequenceError"),
    }.items(),
    1,
):
    refuses(
        f"CHK-ORDER-0{_number}N", f"{_command} needs media",
        _command, _idle, *_codes, level="moves", state=_NO_MEDIA,
    )  # fmt: skip
refuses(
    "CHK-IMAGE-01N", "An item that is not there has no image",
    "Check.ReadImage",
    {"mediaID": 9999, "image": [_IMAGE]},
    "invalidMediaID", "noMedia", "sequenceError", "unsupportedData", "invalidData", level="moves",
)  # fmt: skip
refuses(
    "CHK-PARAMETERS-01N", "An item that is not there has no destination",
    "Check.SetMediaParameters", {"mediaID": 9999, "destination": "customer"},
    "invalidMediaID", "noItems", "sequenceError", level="moves",
)  # fmt: skip


async def _over(talk: Conversation) -> None:
    told = await talk.call("Check.GetTransactionStatus")
    if told.payload.get("mediaInTransaction") == "active":
        await talk.call("Check.MediaInRollback")


_end: Undo = _over
waits("CHK-MEDIAIN", "Check.MediaIn", {}, level="moves", moves=_IF_A_CHEQUE, state=_NO_MEDIA, after=_end)
waits("DEP-ENTRY", "Deposit.Entry", {}, level="moves", moves="the shutter opens and closes")
refuses(
    "DEP-RETRACT-01N", "No envelope can be retracted when none is there",
    "Deposit.Retract", {}, "noEnv", "unsupportedCommand", "unsupportedData", level="moves",
)  # fmt: skip


@case("CHK-STATUS-01P", "Outside of a transaction nothing is on the stacker",
      cites="CWA 17852, Check.GetTransactionStatus", interface="Check",
      command="Check.GetTransactionStatus")  # fmt: skip
async def nothing_on_the_stacker(target: Target) -> None:
    await _idle(target)
    async with target.conversation() as talk:
        told = await talk.call("Check.GetTransactionStatus")
    if told.code != "success":
        raise Deviates("success", told.told())
    if (count := told.payload.get("mediaOnStacker")) not in (None, "0", "unknown"):
        raise Deviates("mediaOnStacker 0", str(count))


_INSERT = Act("insertCheque", "put a cheque in")
_TAKE = Act("takeCheque", "take the cheque back")
_CHEQUE = "a cheque is drawn in and given back"
_GIVES = "puts a cheque in and takes it back"


@asynccontextmanager
async def _cheque(target: Target) -> AsyncIterator[tuple[Conversation, Answer]]:
    """A conversation while a cheque is in the device, and how it was taken in; it is given back."""
    await _idle(target)
    async with target.conversation() as talk:
        await holds(talk, _NO_MEDIA)
        answer = await done(target, talk, _INSERT, "Check.MediaIn", {})
        if answer.code != "success":
            raise NotApplicable(f"the cheque was not taken in: {answer.told()}: {answer.description}")
        try:
            yield talk, answer
        finally:
            if (await talk.call("Check.MediaInRollback")).code == "success" and target.person is not None:
                await target.person.please(_TAKE)
                await talk.event("Check.MediaTakenEvent", target.person.seconds)


@case("CHK-MEDIA-01P", "A cheque that is put in is told by MediaInsertedEvent, and has an id",
      cites="CWA 17852, Check.MediaIn", interface="Check", level="moves", moves=_CHEQUE,
      command="Check.MediaIn", attended=_GIVES)  # fmt: skip
async def cheque_told(target: Target) -> None:
    async with _cheque(target) as (_, answer):
        told = dict(answer.events)
        if "Check.MediaInsertedEvent" not in told:
            raise Deviates("Check.MediaInsertedEvent", f"{list(told)}")
        if not (told.get("Check.MediaDataEvent") or {}).get("mediaID"):
            raise Deviates("Check.MediaDataEvent with mediaID", f"{list(told)}")


@case("CHK-MEDIA-02P", "A cheque that was given back and is taken is told by MediaTakenEvent",
      cites="CWA 17852, Check.MediaTakenEvent", interface="Check", level="moves", moves=_CHEQUE,
      command="Check.MediaInRollback", attended=_GIVES)  # fmt: skip
async def cheque_taken(target: Target) -> None:
    async with _cheque(target) as (talk, _):
        answer = await talk.call("Check.MediaInRollback")
        answer.require_success("the cheque to be given back")
        await seen(target, talk, _TAKE, "Check.MediaTakenEvent")


@case("DEP-ENVELOPE-01P", "An envelope that is put in is told by EnvInsertedEvent and EnvDepositedEvent",
      cites="CWA 17852, Deposit.Entry", interface="Deposit", level="destructive",
      moves="an envelope stays in the machine", command="Deposit.Entry",
      attended="puts an envelope in, which stays in the machine")  # fmt: skip
async def envelope(target: Target) -> None:
    act = Act("insertEnvelope", "put an envelope in")
    async with target.conversation() as talk:
        answer = await done(target, talk, act, "Deposit.Entry", {}, asks="Deposit.InsertDepositEvent")
        if answer.code != "success":
            raise NotApplicable(f"the envelope was not taken: {answer.told()}: {answer.description}")
        for name in ("Deposit.EnvInsertedEvent", "Deposit.EnvDepositedEvent"):
            if await talk.event(name, target.patience) is None:
                raise Deviates(name, "nothing of the kind")
