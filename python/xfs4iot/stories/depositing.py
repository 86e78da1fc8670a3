"""Notes in: a bunch is inserted, what is refused goes back, the rest is counted, and kept or given back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xfs4iot.stories.books import items, worth
from xfs4iot.stories.stage import Rows, Stage

__all__ = ["insert_notes", "keep_notes"]


async def insert_notes(stage: Stage, bunch: Sequence[Mapping[str, Any]]) -> Sequence[tuple[str, int, int]]:
    """The steps until the notes wait inside; denomination, count and amount of what was accepted."""
    async with stage.step("Notes in") as step:
        await stage.call("CashAcceptor.CashInStart", {})
        inserted = ("Simulator.InsertNotes", {"notes": bunch})
        answer = await stage.call("CashAcceptor.CashIn", when={"CashAcceptor.InsertItemsEvent": inserted})
        accepted = answer.get("items", {})
        step.saw(f"{items(accepted)} accepted; they wait on the stacker")
    status: Mapping[str, Any] = {}
    async with stage.step("Notes counted") as step:
        status = await stage.call("CashAcceptor.GetCashInStatus")
        stage.expect("the cash-in to be", "active", status["status"])
        counted = await worth(stage, status["noteNumberList"])
        step.saw(", ".join(f"{count} of {name}" for name, count, _ in counted))
    if status["numOfRefused"]:
        async with stage.step("Refused notes taken") as step:
            await stage.hand(
                "TakeItems",
                {"service": stage.service_of("CashAcceptor")},
                then=("CashManagement", "CashManagement.ItemsTakenEvent"),
            )
            step.saw(f"{status['numOfRefused']} was no bank note; the customer has it back")
    rows = [*counted, ("in all", sum(one[1] for one in counted), sum(one[2] for one in counted))]
    stage.shows(Rows("Deposited", ("Note", "Count", "EUR"), rows))
    return counted


async def keep_notes(stage: Stage) -> Mapping[str, int]:
    """One step: what waits inside is stored; how many notes in each unit."""
    async with stage.step("Notes stored") as step:
        stored = (await stage.call("CashAcceptor.CashInEnd"))["storage"]
        places = {name: items(unit.get("deposited")) for name, unit in stored.items()}
        step.saw("in " + ", ".join(f"{name}: {count}" for name, count in places.items()))
    return places
