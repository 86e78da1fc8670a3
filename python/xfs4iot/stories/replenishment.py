"""A replenishment: an operator opens the safe, fills the units in an exchange, and closes the books."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xfs4iot.stories.books import cash_content, compare_cash, units_of
from xfs4iot.stories.stage import Stage

__all__ = ["play"]

BROUGHT = {"unit1": 300, "unit2": 100, "unit4": 250}
"""Notes that the operator brings, by unit."""


async def play(stage: Stage) -> None:
    """An operator brings 650 notes."""
    before = await units_of(stage, "CashDispenser")
    await door(stage, "open")
    async with stage.step("Exchange begun") as step:
        await stage.call("Storage.StartExchange", of="CashDispenser")
        status = await stage.call("Common.Status", of="CashDispenser")
        stage.expect("the exchange to be", "active", status["common"]["exchange"])
        step.saw("nothing is dispensed now")
    async with stage.step("Units filled") as step:
        for unit, count in BROUGHT.items():
            await stage.hand("FillUnit", {"service": "CashDispenser", "unit": unit, "count": count})
        step.saw(", ".join(f"{count} notes into {unit}" for unit, count in BROUGHT.items()))
    async with stage.step("Counts set") as step:
        held = {unit: cash_content(before[unit]) + count for unit, count in BROUGHT.items()}
        wanted = {unit: _initial(before[unit], count) for unit, count in held.items()}
        await stage.call("Storage.SetStorage", {"storage": wanted}, of="CashDispenser")
        step.saw(", ".join(f"{unit} holds {count}" for unit, count in held.items()))
    async with stage.step("Exchange ended") as step:
        await stage.call("Storage.EndExchange", of="CashDispenser")
        after = await units_of(stage, "CashDispenser")
        stage.expect("the books to say", held, {unit: cash_content(after[unit]) for unit in held})
        bad = [name for name, unit in after.items() if unit.get("status") not in ("ok", "good", None)]
        stage.expect("units out of order:", [], bad)
        step.saw("the books are those of what is there, and every unit is in order")
    await door(stage, "closed")
    await compare_cash(stage, before)


def _initial(unit: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The count that an operator sets: all of the kind that the unit holds."""
    configuration = unit["cash"]["configuration"]
    kind = f"type{configuration['currency']}{configuration['value']}"
    return {"cash": {"status": {"initial": {kind: {"fit": count}}}}}


async def door(stage: Stage, position: str) -> None:
    """One step: the operator moves the door of the safe, and the sensors of the cabinet tell it."""
    async with stage.step("Safe opened" if position == "open" else "Safe closed") as step:
        moved = {"name": "safeDoor", "value": position}
        told = await stage.hand("SetAuxiliary", moved, then=("Auxiliaries", "Common.StatusChangedEvent"))
        stage.expect("the door to be", position, told["auxiliaries"].get("safeDoor"))
        hand = "OpenSafeDoor" if position == "open" else "CloseSafeDoor"
        await stage.hand(hand, {"service": "CashDispenser"})
        step.saw(f"the sensors say so: safeDoor {position}")
