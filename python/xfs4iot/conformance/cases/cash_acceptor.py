"""CashAcceptor and CashManagement: the order of a cash-in transaction, and items that are not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from xfs4iot.conformance.attended import done, noticed, person_of
from xfs4iot.conformance.case import case
from xfs4iot.conformance.cases.storage import came_in, total
from xfs4iot.conformance.outcome import Advises, Deviates, NotApplicable
from xfs4iot.conformance.person import Act
from xfs4iot.conformance.rules import EXCHANGED, exchanging, holds, must_refuse, refuses, waits
from xfs4iot.conformance.target import Conversation, Target

_START, _END, _ROLLBACK = "CashAcceptor.CashInStart", "CashAcceptor.CashInEnd", "CashAcceptor.CashInRollback"
_STARTED = "a cash-in transaction is started and ended; the shutter may open"
_INSERT = Act("insertNotes", "put one to five good notes into the slot")
_TAKE = Act("takeNotes", "take the notes")
_EMPTY = {"cashAcceptor.intermediateStacker": ("empty", "notSupported")}
_NO_ITEMS = {"cashDispenser.intermediateStacker": ("empty",), **_EMPTY}


async def _start(target: Target, talk: Conversation) -> None:
    """Start a cash-in transaction.

    Raises:
        NotApplicable: it cannot be started now.
    """
    target.requires(_START)
    await holds(talk, _EMPTY)
    answer = await talk.call(_START)
    if answer.code != "success":
        raise NotApplicable(f"no cash-in can be started: {answer.told()}")


async def _end(talk: Conversation) -> None:
    for command in (_END, _ROLLBACK):
        if (await talk.call(command)).code == "success":
            return


@asynccontextmanager
async def _cash_in(target: Target) -> AsyncIterator[Conversation]:
    """A conversation in the middle of a cash-in transaction."""
    async with target.conversation() as talk:
        await _start(target, talk)
        try:
            yield talk
        finally:
            await _end(talk)


async def _inactive(target: Target) -> dict[str, object]:
    """An empty payload, if no cash-in transaction is active."""
    async with target.conversation() as talk:
        if "CashAcceptor.GetCashInStatus" in target.commands:
            told = await talk.call("CashAcceptor.GetCashInStatus")
            if told.payload.get("status") == "active":
                raise NotApplicable("a cash-in transaction is active")
    return {}


for _number, _command in enumerate(("CashAcceptor.CashIn", _END, _ROLLBACK), 1):
    refuses(
        f"CA-ORDER-0{_number}N", f"{_command} needs a cash-in transaction that was started",
        _command, _inactive, "noCashInActive", level="moves",
    )  # fmt: skip

waits("CA-CASHIN", "CashAcceptor.CashIn", {}, level="moves", moves=_STARTED, before=_start, after=_end)
refuses(
    "CA-COUNT-01N", "A unit that is not there cannot be counted",
    "CashAcceptor.CashUnitCount", {"units": ["unitNotThere"]}, "invalidCashUnit", level="moves",
)  # fmt: skip
refuses(
    "CA-DEPLETE-01N", "Nothing can be depleted from a unit that is not there",
    "CashAcceptor.Deplete",
    {"depleteSources": [{"source": "unitNotThere"}], "cashUnitTarget": "unitNorThis"},
    "invalidCashUnit", level="moves",
)  # fmt: skip
refuses(
    "CA-REPLENISH-01N", "Nothing can be replenished from a unit that is not there",
    "CashAcceptor.Replenish",
    {"source": "unitNotThere", "replenishTargets": [{"target": "unitNorThis"}]},
    "invalidCashUnit", level="moves",
)  # fmt: skip
refuses(
    "CA-NOTETYPES-01N", "A note that the device does not know cannot be configured",
    "CashAcceptor.ConfigureNoteTypes", {"items": [{"item": "type9999", "enabled": True}]},
    "invalidData", level="moves",
)  # fmt: skip


async def _nothing_out(target: Target) -> dict[str, object]:
    """An empty payload, if the device sees that nothing is at any position.

    Raises:
        NotApplicable: something is, or it has no sensors that would see it.
    """
    async with target.conversation() as talk:
        for part in ("cashDispenser", "cashAcceptor"):
            for place in await talk.status(part, "positions") or []:
                if (found := place.get("positionStatus")) != "empty":
                    raise NotApplicable(f"{part}, {place.get('position')}: positionStatus is {found}")
    return {}


refuses(
    "CM-RETRACT-01N", "Nothing can be retracted when nothing is there",
    "CashManagement.Retract", _nothing_out, "noItems", "invalidData", level="moves", state=_NO_ITEMS,
)  # fmt: skip


refuses(
    "CA-EXCHANGE-01N", "No cash-in begins while units are exchanged", "CashAcceptor.CashInStart", {},
    "exchangeActive", "sequenceError", level="destructive", moves=EXCHANGED, during=exchanging,
)  # fmt: skip


@case("CA-START-01N", "A cash-in transaction cannot be started in another",
      cites="CWA 17852, CashAcceptor.CashInStart, cashInActive", interface="CashAcceptor", level="moves",
      moves=_STARTED, command=_START)  # fmt: skip
async def only_one(target: Target) -> None:
    async with _cash_in(target) as talk:
        must_refuse(await talk.call(_START), ("cashInActive",))


@case("CA-START-02N", "Notes cannot be configured in a cash-in transaction",
      cites="CWA 17852, CashAcceptor.ConfigureNoteTypes, cashInActive", interface="CashAcceptor",
      level="moves", moves=_STARTED, command="CashAcceptor.ConfigureNoteTypes")  # fmt: skip
async def not_meanwhile(target: Target) -> None:
    async with target.conversation() as talk:
        types = await talk.call("CashManagement.GetBankNoteTypes")
    known = next(iter(types.payload.get("items") or {}), None)
    if known is None:
        raise NotApplicable("the device knows no notes")
    async with _cash_in(target) as talk:
        answer = await talk.call(
            "CashAcceptor.ConfigureNoteTypes", {"items": [{"item": known, "enabled": True}]}
        )
        must_refuse(answer, ("cashInActive",))


@case("CA-STATUS-01P", "A cash-in transaction is active from its start to its end",
      cites="CWA 17852, CashAcceptor.GetCashInStatus", interface="CashAcceptor", level="moves",
      moves=_STARTED, command="CashAcceptor.GetCashInStatus")  # fmt: skip
async def active(target: Target) -> None:
    async with _cash_in(target) as talk:
        during = await talk.call("CashAcceptor.GetCashInStatus")
    async with target.conversation() as talk:
        after = await talk.call("CashAcceptor.GetCashInStatus")
    if during.payload.get("status") != "active":
        raise Deviates("active after CashInStart", str(during.payload.get("status")))
    if after.payload.get("status") == "active":
        raise Deviates("not active after its end", "active")


@case("CM-NOTES-01P", "Each kind of note that is told has a currency and a value",
      cites="CWA 17852, CashManagement.GetBankNoteTypes", interface="CashManagement",
      command="CashManagement.GetBankNoteTypes")  # fmt: skip
async def kinds_of_notes(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("CashManagement.GetBankNoteTypes")
    if answer.code != "success":
        raise Deviates("success", answer.told())
    for name, told in (answer.payload.get("items") or {}).items():
        note = told.get("cashItem") or told
        if not note.get("currency") or not note.get("value"):
            raise Advises(f"currency and value of {name}", f"{note}")


async def _accepted(target: Target, talk: Conversation) -> dict[str, Any]:
    """Notes that somebody put in, counted as CashIn tells them."""
    answer = await done(
        target, talk, _INSERT, "CashAcceptor.CashIn", {}, asks="CashAcceptor.InsertItemsEvent"
    )
    if answer.code != "success":
        raise NotApplicable(f"the notes were not taken in: {answer.told()}: {answer.description}")
    found = answer.payload.get("items", answer.payload)
    items = {name: told for name, told in found.items() if name not in ("errorCode", *_BASE)}
    if not total(items):
        raise NotApplicable(f"no note was accepted: {answer.payload}")
    return items


_BASE = ("completionCode", "errorDescription")
"""What 2021-1 has in the payload of every completion."""


@case("CA-NOTES-01P", "What is put in is counted, and GetCashInStatus tells the same counts",
      cites="CWA 17852, CashAcceptor.CashIn and GetCashInStatus", interface="CashAcceptor", level="moves",
      moves="notes that somebody puts in are counted and given back", command="CashAcceptor.CashIn",
      attended="puts notes in and takes them back")  # fmt: skip
async def counted(target: Target) -> None:
    target.requires("CashAcceptor.GetCashInStatus")
    async with _cash_in(target) as talk:
        items = await _accepted(target, talk)
        told = (await talk.call("CashAcceptor.GetCashInStatus")).payload
        await _given_back(target, talk)
    cash = told.get("noteNumberList") or told.get("cashCounts") or {}
    if total(cash) != total(items):
        raise Deviates(f"{total(items)} items: {items}", f"{total(cash)}: {cash}")


async def _given_back(target: Target, talk: Conversation) -> None:
    """Roll back; somebody takes the notes.

    Raises:
        Deviates: they cannot be given back, or that they were taken is not told.
    """
    answer = await talk.call(_ROLLBACK)
    answer.require_success("the notes to be given back")
    await person_of(target).please(_TAKE)
    await noticed(target, talk, _TAKE, "CashManagement.ItemsTakenEvent")


@case("CA-NOTES-02P", "What is given back is in no unit's counts",
      cites="CWA 17852, CashAcceptor.CashInRollback", interface="CashAcceptor", level="moves",
      moves="notes that somebody puts in are counted and given back", command=_ROLLBACK,
      attended="puts notes in and takes them back")  # fmt: skip
async def rolled_back(target: Target) -> None:
    target.requires("Storage.GetStorage")
    before = await came_in(target)
    async with _cash_in(target) as talk:
        await _accepted(target, talk)
        await _given_back(target, talk)
    if (after := await came_in(target)) != before:
        raise Deviates(f"{before} items that came in, as before", str(after))


@case("CA-NOTES-03P", "Notes that were given back and are taken are told by ItemsTakenEvent",
      cites="CWA 17852, CashManagement.ItemsTakenEvent", interface="CashAcceptor", level="moves",
      moves="notes that somebody puts in are counted and given back", command=_ROLLBACK,
      attended="puts notes in and takes them back")  # fmt: skip
async def taken_back(target: Target) -> None:
    async with _cash_in(target) as talk:
        await _accepted(target, talk)
        await _given_back(target, talk)


@case("CA-NOTES-04P", "What is stored is added to the units' counts, item for item",
      cites="CWA 17852, CashAcceptor.CashInEnd", interface="CashAcceptor", level="destructive",
      moves="notes that somebody puts in stay in the machine", command=_END,
      attended="puts notes in, which stay in the machine")  # fmt: skip
async def stored(target: Target) -> None:
    target.requires("Storage.GetStorage")
    before = await came_in(target)
    async with _cash_in(target) as talk:
        items = total(await _accepted(target, talk))
        answer = await talk.call(_END)
    answer.require_success()
    if (after := await came_in(target)) != before + items:
        raise Deviates(f"{before + items} items that came in", f"{after}")
