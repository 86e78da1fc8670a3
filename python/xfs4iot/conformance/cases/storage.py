"""Storage and CashManagement: units, their counts, exchanges."""

from __future__ import annotations

import re
from typing import Any

from xfs4iot.conformance.case import case
from xfs4iot.conformance.outcome import Advises, Deviates, NotApplicable
from xfs4iot.conformance.target import Target

_UNIT = re.compile(r"unit[0-9A-Za-z]+")


async def units(target: Target) -> dict[str, Any]:
    """The units of the service, by name.

    Raises:
        Deviates: it does not tell them.
    """
    async with target.conversation() as talk:
        answer = await talk.call("Storage.GetStorage")
    if answer.code != "success":
        raise Deviates("success", answer.told())
    found: dict[str, Any] = answer.payload.get("storage") or {}
    return found


async def came_in(target: Target) -> int:
    """Items that have come into the units of a service, by its books."""
    cash = [(unit.get("cash") or {}).get("status") or {} for unit in (await units(target)).values()]
    # How often was retracted is told among them, and counts no items.
    into = [one.get("in") or {} for one in cash]
    return total([{name: of for name, of in one.items() if name != "retractOperations"} for one in into])


def total(counts: Any) -> int:
    """All items of counts, by whatever they are told apart."""
    if isinstance(counts, dict):
        return sum(total(one) for one in counts.values())
    if isinstance(counts, list):
        return sum(total(one) for one in counts)
    return counts if isinstance(counts, int) and not isinstance(counts, bool) else 0


@case("ST-GETSTORAGE-01P", "Each unit has a name that other commands can use",
      cites="CWA 17852, Storage.GetStorage", interface="Storage", command="Storage.GetStorage")  # fmt: skip
async def names(target: Target) -> None:
    for name, unit in (await units(target)).items():
        if not _UNIT.fullmatch(name):
            raise Deviates("unit, and letters and digits", name)
        if not unit.get("status"):
            raise Deviates(f"the status of {name}", "none")


@case("ST-GETSTORAGE-02P", "Counts are integers that are not negative",
      cites="CWA 17852, StorageCashCounts", interface="Storage", command="Storage.GetStorage")  # fmt: skip
async def counts(target: Target) -> None:
    def check(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                check(f"{path}.{name}", inner)
        elif isinstance(value, int) and not isinstance(value, bool) and value < 0:
            raise Deviates(f"{path} from 0", str(value))

    for name, unit in (await units(target)).items():
        for kind in ("cash", "card", "check", "deposit", "printer"):
            check(f"{name}.{kind}.status", (unit.get(kind) or {}).get("status"))


@case("ST-SETSTORAGE-01N", "A unit that is not there cannot be set",
      cites="CWA 17852, Storage.SetStorage, invalidUnit", interface="Storage", command="Storage.SetStorage",
      level="destructive")  # fmt: skip
async def no_such_unit(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("Storage.SetStorage", {"storage": {"unitNotThere": {"cash": {}}}})
    if answer.code == "success":
        raise Deviates("invalidUnit", answer.told())
    if answer.error_code != "invalidUnit":
        raise Advises("commandErrorCode with invalidUnit", answer.told())


@case("ST-EXCHANGE-01N", "An exchange that was not started cannot end",
      cites="CWA 17852, Storage.EndExchange", interface="Storage", command="Storage.EndExchange",
      level="destructive")  # fmt: skip
async def no_exchange(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("Storage.EndExchange")
    if answer.code == "success":
        raise Deviates("noExchangeActive, or sequenceError", answer.told())


@case("ST-EXCHANGE-02P", "An exchange starts, refuses a second, and ends",
      cites="CWA 17852, Storage.StartExchange", interface="Storage", command="Storage.StartExchange",
      level="destructive", moves="an exchange is started and ended")  # fmt: skip
async def exchange(target: Target) -> None:
    before = await units(target)
    async with target.conversation() as talk:
        started = await talk.call("Storage.StartExchange", {"tellerId": None})
        if started.code != "success":
            raise NotApplicable(f"no exchange could be started: {started.told()}")
        again = await talk.call("Storage.StartExchange")
        ended = await talk.call("Storage.EndExchange")
    if again.code == "success":
        raise Deviates("exchangeActive", again.told())
    if ended.code != "success":
        raise Deviates("the exchange to end", ended.told())
    if set(await units(target)) != set(before):
        raise Deviates("the same units after an exchange without a change", "others")
