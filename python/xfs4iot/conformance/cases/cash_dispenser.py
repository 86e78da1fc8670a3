"""CashDispenser: what is paid, and that every note is accounted for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from xfs4iot.conformance.attended import person_of, seen
from xfs4iot.conformance.case import case
from xfs4iot.conformance.cases.storage import came_in, total, units
from xfs4iot.conformance.outcome import Advises, Deviates, NotApplicable, Unattended
from xfs4iot.conformance.person import Act
from xfs4iot.conformance.rules import EXCHANGED, exchanging, holds, refuses
from xfs4iot.conformance.target import OLDEST, Answer, Conversation, Target

_MOST = 4
"""Notes that are dispensed to try it."""
_TAKE = Act("takeNotes", "take the note")
_LEAVE = Act("leaveNotes", "leave the note where it is presented, do not take it")
_EMPTY = {"cashDispenser.intermediateStacker": ("empty", "notSupported")}


def _request(target: Target, denomination: dict[str, Any]) -> dict[str, Any]:
    """The payload of Denominate."""
    if target.specification == OLDEST:
        return {"denomination": denomination, "mix": "mix1"}
    return {"request": {"denomination": {"service": {**denomination, "mix": "mix1"}}}}


async def _cash(target: Target) -> dict[str, tuple[str, Decimal, int]]:
    """Currency, value and count of each unit from which can be paid."""
    found = {}
    for name, unit in (await units(target)).items():
        cash = unit.get("cash") or {}
        configuration, status = cash.get("configuration") or {}, cash.get("status") or {}
        count = status.get("count")
        if count is None:
            count = total(status.get("initial")) + total(status.get("in")) - total(status.get("out"))
        value, currency = configuration.get("value"), configuration.get("currency")
        pays = (configuration.get("types") or {}).get("cashOut")
        if pays and value and currency and unit.get("status") in ("ok", "good"):
            found[name] = (currency, Decimal(str(value)), int(count))
    if not found:
        raise NotApplicable("no unit can pay: none is for cashOut, good, with a currency and a value")
    return found


async def _denominated(talk: Conversation, target: Target, amount: Decimal, currency: str) -> Answer:
    return await talk.call("CashDispenser.Denominate", _request(target, {"currencies": {currency: amount}}))


def _values(answer: Answer) -> dict[str, int]:
    result = answer.payload.get("result") or answer.payload
    found: dict[str, int] = result.get("values") or result.get("counts") or {}
    return found


@case("CD-DENOMINATE-01P", "A denomination adds up to the amount, from units that have the items",
      cites="CWA 17852, CashDispenser.Denominate", interface="CashDispenser",
      command="CashDispenser.Denominate")  # fmt: skip
async def adds_up(target: Target) -> None:
    cash = await _cash(target)
    currency, value, _ = next(iter(cash.values()))
    async with target.conversation() as talk:
        for items in (1, 2, 3, 7):
            answer = await _denominated(talk, target, value * items, currency)
            if answer.code != "success":
                if answer.error_code in ("notDispensable", "tooManyItems"):
                    continue
                raise Deviates("success", answer.told())
            chosen = _values(answer)
            total = sum((cash[name][1] * count for name, count in chosen.items() if name in cash), Decimal())
            if total != value * items:
                raise Deviates(f"items worth {value * items} {currency}", f"{total}: {chosen}")
            for name, count in chosen.items():
                if count > cash[name][2]:
                    raise Deviates(f"at most {cash[name][2]} items from {name}", str(count))


@case("CD-DENOMINATE-02N", "An amount smaller than any item is notDispensable",
      cites="CWA 17852, CashDispenser.Denominate, notDispensable", interface="CashDispenser",
      command="CashDispenser.Denominate")  # fmt: skip
async def too_small(target: Target) -> None:
    currency = next(iter((await _cash(target)).values()))[0]
    async with target.conversation() as talk:
        answer = await _denominated(talk, target, Decimal("0.01"), currency)
    if answer.code == "success":
        raise Deviates("notDispensable", answer.told())
    if answer.error_code != "notDispensable":
        raise Advises("commandErrorCode with notDispensable", answer.told())


@case("CD-DENOMINATE-03N", "A currency of no unit is invalidCurrency",
      cites="CWA 17852, CashDispenser.Denominate, invalidCurrency", interface="CashDispenser",
      command="CashDispenser.Denominate")  # fmt: skip
async def other_currency(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await _denominated(talk, target, Decimal(100), "XTS")
    if answer.code == "success":
        raise Deviates("invalidCurrency", answer.told())
    if answer.error_code not in ("invalidCurrency", "notDispensable"):
        raise Advises("commandErrorCode with invalidCurrency", answer.told())


@case("CD-DENOMINATE-04N", "A negative amount is not denominated",
      cites="CWA 17852, CashDispenser.Denominate", interface="CashDispenser",
      command="CashDispenser.Denominate")  # fmt: skip
async def negative(target: Target) -> None:
    currency = next(iter((await _cash(target)).values()))[0]
    async with target.conversation() as talk:
        answer = await _denominated(talk, target, Decimal(-100), currency)
    if answer.code == "success":
        raise Deviates("invalidData, or notDispensable", answer.told())


@case("CD-MIXES-01P", "The mixes that can be named are listed",
      cites="CWA 17852, CashDispenser.GetMixTypes", interface="CashDispenser",
      command="CashDispenser.GetMixTypes")  # fmt: skip
async def mixes(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("CashDispenser.GetMixTypes")
    if answer.code != "success":
        raise Deviates("success", answer.told())


@case("CD-MIXES-02N", "The table of a mix that is not there is invalidMixNumber",
      cites="CWA 17852, CashDispenser.GetMixTable", interface="CashDispenser",
      command="CashDispenser.GetMixTable")  # fmt: skip
async def no_table(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("CashDispenser.GetMixTable", {"mix": "mixNotThere"})
    if answer.error_code not in ("invalidMix", "invalidMixNumber"):
        raise Deviates("commandErrorCode with invalidMix", answer.told())


@case("CD-PRESENT-01N", "Nothing can be presented when nothing was dispensed",
      cites="CWA 17852, CashDispenser.Present, noItems", interface="CashDispenser", level="moves",
      command="CashDispenser.Present", moves="nothing, unless items are on the stacker already")  # fmt: skip
async def nothing_there(target: Target) -> None:
    async with target.conversation() as talk:
        status = await talk.call("Common.Status")
        stacker = (status.payload.get("cashDispenser") or {}).get("intermediateStacker")
        if stacker != "empty":
            raise NotApplicable(f"the stacker is {stacker}")
        answer = await talk.call("CashDispenser.Present")
    if answer.code == "success":
        raise Deviates("noItems", answer.told())
    if answer.error_code not in ("noItems", "presentErrorNoItems"):
        raise Advises("commandErrorCode with noItems", answer.told())


def _payload(target: Target, unit: str, currency: str, value: Decimal, items: int) -> dict[str, Any]:
    """For CashDispenser.Dispense: items of one unit."""
    amounts = {currency: value * items}
    if target.specification == OLDEST:
        return {"denomination": {"denomination": {"currencies": amounts, "values": {unit: items}}}}
    return {"denomination": {"denomination": {"app": {"currencies": amounts, "counts": {unit: items}}}}}


async def _one_item(target: Target) -> dict[str, Any]:
    """For CashDispenser.Dispense: one item of the fullest unit."""
    name, (currency, value, there) = max((await _cash(target)).items(), key=lambda one: one[1][2])
    if not there:
        raise NotApplicable("every unit is empty")
    return _payload(target, name, currency, value, 1)


refuses(
    "CD-EXCHANGE-01N", "Nothing is dispensed while units are exchanged", "CashDispenser.Dispense", _one_item,
    "exchangeActive", "sequenceError", level="destructive", moves=EXCHANGED, during=exchanging,
    state={"cashDispenser.intermediateStacker": ("empty",)},
)  # fmt: skip


async def _dispensed(
    target: Target, talk: Conversation, unit: str, currency: str, value: Decimal, items: int
) -> None:
    """Dispense items of one unit.

    Raises:
        NotApplicable: the service demands a token.
        Deviates: it cannot be done.
    """
    answer = await talk.call("CashDispenser.Dispense", _payload(target, unit, currency, value, items))
    if answer.code in ("invalidToken", "authorizationRequired", "noCommandNonce"):
        raise NotApplicable(f"the service demands a token: {answer.code}")
    answer.require_success()


@case("CD-DISPENSE-01P", "What is dispensed is taken from the counts, item for item, and Reject puts it away",
      cites="CWA 17852, CashDispenser.Dispense and Reject", interface="CashDispenser", level="moves",
      command="CashDispenser.Dispense",
      moves=f"up to {_MOST} notes go to the stacker and into the reject unit")  # fmt: skip
async def dispense_and_reject(target: Target) -> None:
    target.requires("CashDispenser.Reject")
    cash = await _cash(target)
    name, (currency, value, before) = max(cash.items(), key=lambda one: one[1][2])
    if before < _MOST:
        raise NotApplicable(f"no unit has {_MOST} items")
    async with target.conversation() as talk:
        await _dispensed(target, talk, name, currency, value, _MOST)
        during = (await _cash(target))[name][2]
        back = await talk.call("CashDispenser.Reject")
    if before - during != _MOST:
        raise Deviates(f"{_MOST} items less in {name}", f"{before} before, {during} after")
    if back.code != "success":
        raise Deviates("Reject to succeed", back.told())


async def _presented(target: Target, talk: Conversation) -> None:
    """One note is at the output.

    Raises:
        NotApplicable: none can be.
        Deviates: it cannot be presented.
    """
    await holds(talk, _EMPTY)
    cash = await _cash(target)
    name, (currency, value, count) = min(cash.items(), key=lambda one: (not one[1][2], one[1][1]))
    if not count:
        raise NotApplicable("no unit has items")
    await _dispensed(target, talk, name, currency, value, 1)
    answer = await talk.call("CashDispenser.Present")
    answer.require_success("Present to succeed")


async def _position(talk: Conversation) -> str:
    """What the sensors say of the output."""
    places = await talk.status("cashDispenser", "positions") or []
    return ", ".join(sorted({str(one.get("positionStatus")) for one in places}))


@case("CD-TAKE-01P", "Items that are presented and taken are told by ItemsTakenEvent, and in the status",
      cites="CWA 17852, CashManagement.ItemsTakenEvent", interface="CashDispenser", level="destructive",
      moves="one note is paid out", command="CashDispenser.Present",
      attended="takes the note that is presented")  # fmt: skip
async def taken(target: Target) -> None:
    async with target.conversation() as talk:
        await _presented(target, talk)
        await seen(target, talk, _TAKE, "CashManagement.ItemsTakenEvent")
        if "notEmpty" in (found := await _position(talk)):
            raise Deviates("positionStatus empty", found)


@case("CD-LEAVE-01P", "Items that nobody takes are told until they are retracted, and are in a unit then",
      cites="CWA 17852, CashManagement.Retract", interface="CashDispenser", level="destructive",
      moves="one note is presented and retracted", command="CashManagement.Retract",
      attended="leaves the note that is presented")  # fmt: skip
async def left(target: Target) -> None:
    before = await came_in(target)
    async with target.conversation() as talk:
        await person_of(target).please(_LEAVE)
        await _presented(target, talk)
        found = await _position(talk)
        answer = await talk.call("CashManagement.Retract")
        if answer.error_code in ("itemsTaken", "noItems") and not await person_of(target).did(_LEAVE):
            raise Unattended(f"the note was taken: {answer.told()}")
    if "notEmpty" not in found:
        raise Deviates("positionStatus notEmpty while the note is there", found)
    answer.require_success("Retract to succeed")
    after = await came_in(target)
    if after != before + 1:
        raise Deviates(f"{before + 1} items in the units that take back", str(after))
