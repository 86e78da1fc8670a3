"""Steps that tests of cash share: requests, counts, and the comparison with the physical truth."""

from __future__ import annotations

from typing import Any

from dialogue import Dialogue

__all__ = ["amount", "chosen", "content", "dispense", "laws", "present", "truth", "unit"]


def amount(value: Any, mix: str = "mix1", currency: str = "EUR", **more: Any) -> dict[str, Any]:
    """A request for an amount by mix."""
    return {"denomination": {"service": {"currencies": {currency: value}, "mix": mix, **more}}}


def chosen(counts: dict[str, int], **currencies: Any) -> dict[str, Any]:
    """A request for items named by the application."""
    return {"denomination": {"app": {"currencies": currencies or {"EUR": 0}, "counts": counts}}}


async def dispense(dispenser: Dialogue, value: Any = 230, **header: Any) -> dict[str, Any]:
    """Dispense an amount to the stacker."""
    return await dispenser.success("CashDispenser.Dispense", {"denomination": amount(value)}, **header)


async def present(dispenser: Dialogue, value: Any = 230) -> None:
    """Dispense and present an amount."""
    await dispense(dispenser, value)
    await dispenser.success("CashDispenser.Present", {})


async def unit(dispenser: Dialogue, name: str) -> dict[str, Any]:
    """The `cash` of one unit."""
    found: dict[str, Any] = (await dispenser.success("Storage.GetStorage"))["storage"][name]["cash"]
    return found


def items(counts: dict[str, Any] | None) -> int:
    """All items of a count object."""
    return sum(one if isinstance(one, int) else sum(one.values()) for one in (counts or {}).values())


def content(cash: dict[str, Any]) -> int:
    """What a unit holds by its counts: what it began with, less what left, more what came."""
    status = cash["status"]
    left = sum(items(counts) for counts in status.get("out", {}).values())
    came = sum(items(counts) for counts in status.get("in", {}).values() if isinstance(counts, dict))
    return items(status.get("initial")) - left + came


def bucket(cash: dict[str, Any], direction: str, name: str) -> int:
    """One bucket of a unit's counts."""
    return items(cash["status"].get(direction, {}).get(name))


async def truth(simulator: Dialogue) -> dict[str, dict[str, int]]:
    """Where every item really is."""
    places: dict[str, dict[str, int]] = (await simulator.success("Simulator.GetTruth"))["places"]
    return places


async def laws(dispenser: Dialogue, simulator: Dialogue) -> None:
    """The counts of every unit are what is physically in it, and so are stacker and transport."""
    storage = (await dispenser.success("Storage.GetStorage"))["storage"]
    places = await truth(simulator)
    for name, found in storage.items():
        assert content(found["cash"]) == sum(places.get(name, {}).values()), name
        for place, kind in (("stacker", "stacked"), ("transport", "transport")):
            assert bucket(found["cash"], "out", kind) == places.get(place, {}).get(name, 0), (name, place)
