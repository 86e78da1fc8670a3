"""What lies on the stacker and at the output follows from the movements, unless the device tells it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import trio

from cash import amount
from dialogue import Dialogue
from vendors import Minimal, serving
from xfs4iot import devices


class Stacking(Minimal):
    """The dispenser of the README: it says what it moves, and nothing of its places."""

    def __init__(self) -> None:
        super().__init__("Cash")
        self.taken = trio.Event()

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        types = frozenset[devices.UnitType]({"cashOut"})
        kind = {"capacity": 2000, "types": types, "currency": "EUR", "initial": 1000}
        return {"unit1": devices.CashUnit(index=1, value=Decimal(20), **kind)}  # type: ignore[arg-type]

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents
    ) -> devices.Dispensed:
        return devices.Dispensed(moved=devices.items_from(request.counts, "stacker"))

    async def present(self, position: str, events: devices.CashEvents) -> devices.Presented:
        return devices.Presented(moved=events.everything("stacker", "output"))

    async def wait_taken(self, position: str) -> None:
        await self.taken.wait()


class Blind(Stacking):
    """It cannot sense that items are taken."""

    wait_taken = devices.CashDispenser.wait_taken  # as if it were not overridden


async def places(client: Dialogue) -> tuple[str, str, str]:
    """Stacker, output and transport as Status has them."""
    status = (await client.success("Common.Status"))["cashDispenser"]
    (position,) = status["positions"]
    return status["intermediateStacker"], position["positionStatus"], position["transportStatus"]


async def dispense(client: Dialogue) -> dict[str, Any]:
    return await client.success("CashDispenser.Dispense", {"denomination": amount(40)})


async def test_a_dispense_is_on_the_stacker_then_at_the_output_until_it_is_taken(
    nursery: trio.Nursery,
) -> None:
    device = Stacking()
    client = await serving(device, nursery)
    assert await places(client) == ("empty", "unknown", "empty")
    await dispense(client)
    assert await places(client) == ("notEmpty", "unknown", "empty")
    assert await client.failure("CashDispenser.Dispense", {"denomination": amount(40)}) == "itemsLeft"
    await client.success("CashDispenser.Present", {})
    assert await places(client) == ("empty", "notEmpty", "empty")
    assert await client.failure("CashDispenser.Dispense", {"denomination": amount(40)}) == "itemsLeft"
    assert await client.failure("CashDispenser.Present", {}) == "noItems"
    device.taken.set()
    await client.until("unsolicited", None, "CashManagement.ItemsTakenEvent")
    assert await places(client) == ("empty", "empty", "empty")
    await dispense(client)


async def test_units_give_their_notes_a_name(nursery: trio.Nursery) -> None:
    client = await serving(Stacking(), nursery)
    await dispense(client)
    cash = (await client.success("Storage.GetStorage"))["storage"]["unit1"]["cash"]
    assert cash["configuration"]["cashItems"] == ["typeEUR20"]
    assert cash["status"]["out"]["stacked"] == {"typeEUR20": {"fit": 2}}


async def test_the_output_of_a_device_that_cannot_sense_it_is_unknown(nursery: trio.Nursery) -> None:
    client = await serving(Blind(), nursery)
    await dispense(client)
    await client.success("CashDispenser.Present", {})
    assert await places(client) == ("empty", "unknown", "empty")
    await dispense(client)


async def test_what_the_device_tells_of_its_places_stays(nursery: trio.Nursery) -> None:
    class Sensing(Stacking):
        async def dispense(
            self, request: devices.DispenseRequest, events: devices.CashEvents
        ) -> devices.Dispensed:
            self.status.cash_dispenser.intermediate_stacker = "notEmptyUnknown"
            return await super().dispense(request, events)

    client = await serving(Sensing(), nursery)
    await dispense(client)
    assert (await places(client))[0] == "notEmptyUnknown"
    await client.success("CashDispenser.Present", {})
    assert (await places(client))[0] == "notEmptyUnknown"


async def test_after_a_movement_that_nobody_knows_the_places_are_unknown(nursery: trio.Nursery) -> None:
    class Breaking(Stacking):
        async def present(self, position: str, events: devices.CashEvents) -> devices.Presented:
            raise RuntimeError("nobody knows")

    client = await serving(Breaking(), nursery)
    await dispense(client)
    await client.completion("CashDispenser.Present", {})
    assert await places(client) == ("unknown", "unknown", "unknown")
