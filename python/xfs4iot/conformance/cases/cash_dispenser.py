"""CashDispenser: what is paid, and that every note is accounted for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from xfs4iot.conformance.case import case
from xfs4iot.conformance.cases.storage import units
from xfs4iot.conformance.outcome import Advises, Deviates, NotApplicable
from xfs4iot.conformance.target import OLDEST, Answer, Conversation, Target

_MOST = 4
"""Notes that are dispensed to try it."""


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
            count = _total(status.get("initial")) + _total(status.get("in")) - _total(status.get("out"))
        value, currency = configuration.get("value"), configuration.get("currency")
        pays = (configuration.get("types") or {}).get("cashOut")
        if pays and value and currency and unit.get("status") in ("ok", "good"):
            found[name] = (currency, Decimal(str(value)), int(count))
    if not found:
        raise NotApplicable("no unit can pay: none is for cashOut, good, with a currency and a value")
    return found


def _total(counts: Any) -> int:
    if isinstance(counts, dict):
        return sum(_total(one) for one in counts.values())
    return counts if isinstance(counts, int) and not isinstance(counts, bool) else 0


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
        chosen = {"currencies": {currency: value * _MOST}, "values": {name: _MOST}}
        if target.specification == OLDEST:
            payload: dict[str, Any] = {"denomination": {"denomination": chosen}}
        else:
            app = {"currencies": chosen["currencies"], "counts": chosen["values"]}
            payload = {"denomination": {"denomination": {"app": app}}}
        answer = await talk.call("CashDispenser.Dispense", payload)
        if answer.code in ("invalidToken", "authorizationRequired", "noCommandNonce"):
            raise NotApplicable(f"the service demands a token: {answer.code}")
        if answer.code != "success":
            raise Deviates("success", f"{answer.told()}: {answer.description}")
        during = (await _cash(target))[name][2]
        back = await talk.call("CashDispenser.Reject")
    if before - during != _MOST:
        raise Deviates(f"{_MOST} items less in {name}", f"{before} before, {during} after")
    if back.code != "success":
        raise Deviates("Reject to succeed", back.told())
