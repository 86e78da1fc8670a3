"""What the books of storage units say, as tables that are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xfs4iot.stories.stage import Rows, Stage

__all__ = ["cash_before_and_after", "cash_content", "compare_cash", "items", "units_of", "worth"]

Units = Mapping[str, Mapping[str, Any]]


async def units_of(stage: Stage, interface: str) -> Units:
    """The storage units of the service of an interface."""
    answer = await stage.call("Storage.GetStorage", of=interface)
    found: Units = answer["storage"]
    return found


def items(counts: Mapping[str, Any] | None) -> int:
    """All items of one count object of the wire."""
    return sum(value if isinstance(value, int) else sum(value.values()) for value in (counts or {}).values())


def cash_content(unit: Mapping[str, Any]) -> int:
    """What a cash unit holds: what it began with, less what left it, more what came in."""
    status = unit["cash"]["status"]
    out = sum(items(counts) for counts in status.get("out", {}).values())
    came = sum(items(counts) for counts in status.get("in", {}).values() if isinstance(counts, dict))
    return items(status.get("initial")) - out + came


def _holds(unit: Mapping[str, Any]) -> str:
    configuration = unit["cash"].get("configuration", {})
    value = configuration.get("value")
    if value:
        return f"{value} {configuration.get('currency', '')}"
    kinds = configuration.get("types", {})
    return "deposits" if kinds.get("cashIn") else "rejects and retracts"


def _counted(unit: Mapping[str, Any], way: str, count: str) -> int:
    return items(unit["cash"]["status"].get(way, {}).get(count))


def cash_before_and_after(before: Units, after: Units) -> Rows:
    """The cash units, and which of them have changed; what was paid in or out between, if anything was."""
    told: dict[str, list[str | int]] = {
        "Unit": list(after),
        "Holds": [_holds(unit) for unit in after.values()],
        "Before": [cash_content(before[name]) for name in after],
        "After": [cash_content(unit) for unit in after.values()],
    }
    for header, way, count in (("Paid in", "in", "deposited"), ("Paid out", "out", "presented")):
        counts = [
            _counted(unit, way, count) - _counted(before[name], way, count) for name, unit in after.items()
        ]
        if any(counts):
            told[header] = [*counts]
    changed = [then != now for then, now in zip(told["Before"], told["After"], strict=True)]
    return Rows(
        "Cash units",
        tuple(told),
        list(zip(*told.values(), strict=True)),
        frozenset(number for number, one in enumerate(changed) if one),
    )


async def worth(stage: Stage, counts: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int, int]]:
    """Counts by item and level as denomination, count and amount; what is doubtful is worth nothing."""
    known = (await stage.call("CashManagement.GetBankNoteTypes"))["items"]
    found = []
    for item, levels in sorted(counts.items()):
        if item != "unrecognized":
            good = levels.get("fit", 0) + levels.get("unfit", 0)
            value = int(known[item]["cashItem"]["value"])
            found.append((value, (item.removeprefix("type"), good, value * good)))
    return [told for _, told in sorted(found)]


async def compare_cash(stage: Stage, before: Units) -> Units:
    """One step: the books of the cash units are what is really in them; both are shown."""
    async with stage.step("Books compared") as step:
        after = await units_of(stage, "CashDispenser")
        service = stage.service_of("CashDispenser")
        truth = (await stage.hand("GetTruth", {"service": service}))["services"][service]["places"]
        there = {name: sum(truth.get(name, {}).values()) for name in after}
        stage.expect("the books to say", there, {name: cash_content(unit) for name, unit in after.items()})
        step.saw("every unit holds what its counts say")
    stage.shows(cash_before_and_after(before, after))
    return after
