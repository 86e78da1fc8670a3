"""CashAcceptor over the wire: PreparePresent, PresentMedia, GetPresentStatus; in and out of their order.

Whatever is asked for, and whatever the device says of it, each note is where the books have it, or they say
that they do not know.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from acceptors import Acceptor, Recalling, begin, do, laws, note, take_in
from cash import items
from dialogue import Dialogue
from vendors import power_cut, refusal, serving
from xfs4iot.devices import CashMovement, CashReturned, ItemsMoved
from xfs4iot.protocol.messages import cash_management


class Presenting(Recalling):
    """It presents what is returned by command, in bunches of one."""

    items_taken_sensor = True

    async def cash_in_rollback(self, position: str, events: Any) -> CashReturned:
        await self._do("cash_in_rollback", position)
        moved = self._move("stacker", "transport")
        result = CashReturned(moved=tuple(moved), presented=False, additional_bunches=len(moved))
        found: CashReturned = await self._done("cash_in_rollback", events, result)
        return found

    async def prepare_present(self, position: str, events: Any) -> CashReturned:
        await self._do("prepare_present", position)
        failure = self.refuses.get("prepare_present")
        left = self.truth["transport"].total()
        result = CashReturned(presented=False, additional_bunches=left, failure=failure)
        found: CashReturned = await self._done("prepare_present", events, result)
        return found

    async def present_media(self, position: str, events: Any) -> CashReturned:
        await self._do("present_media", position)
        failure = self.refuses.get("present_media")
        moved = self._move("transport", "output", 0 if failure else 1)
        left = self.truth["transport"].total()
        result = CashReturned(
            moved=tuple(moved), additional_bunches=left, presented=bool(moved), failure=failure
        )
        found: CashReturned = await self._done("present_media", events, result)
        return found

    async def retract(self, request: Any, events: Any) -> Any:
        where = request.destination.unit or request.destination.target
        left = self._move("transport", where)
        done = await super().retract(request, events)
        return type(done)(moved=(*left, *done.moved), failure=done.failure)


async def taken(client: Dialogue, device: Acceptor) -> None:
    device.truth["output"].clear()
    device.send(cash_management.ItemsTakenEvent(position="outDefault"))
    await client.until("unsolicited", name="CashManagement.ItemsTakenEvent")


async def cannot(client: Dialogue, name: str, payload: Any = None) -> str:
    return await client.failure(f"CashAcceptor.{name}", payload)


@pytest.fixture
def device() -> Presenting:
    return Presenting()


@pytest.fixture
async def client(device: Presenting, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def rolled_back(client: Dialogue, device: Acceptor, *notes: Any) -> None:
    """What was inserted is to be presented."""
    await take_in(client, device, *(notes or (note(20), note(50), note(5))))
    await do(client, "CashInRollback")


async def test_an_output_that_presents_when_it_is_told_says_so(nursery: trio.Nursery) -> None:
    client = await serving(Presenting(), nursery)
    positions = (await client.success("Common.Capabilities"))["cashAcceptor"]["positions"]
    assert (positions[1]["presentControl"], positions[1]["preparePresent"]) == (False, True)


async def test_the_present_status_is_of_the_output_that_was_used_last(nursery: trio.Nursery) -> None:
    device = type("Two", (Acceptor,), {"output_positions": ("front", "rear"), "items_taken_sensor": True})()
    client = await serving(device, nursery)
    for number, position in enumerate(("outRear", "outFront"), 1):
        await begin(client, outputPosition=position)
        await take_in(client, device, *[note(20)] * number)
        await do(client, "CashInRollback")
        assert device.called[-1] == ("cash_in_rollback", position)
        known = await do(client, "GetPresentStatus")
        assert (known["position"], items(known["returnedItems"])) == (position, number)
        status = (await client.success("Common.Status"))["cashAcceptor"]["positions"]
        at = {one["position"]: one["positionStatus"] for one in status}
        assert at[position] == "notEmpty"
        device.truth["output"].clear()
        device.send(cash_management.ItemsTakenEvent(position=position))
        await client.until("unsolicited", name="CashManagement.ItemsTakenEvent")
    await laws(client, device)


async def test_bunches_are_presented_one_by_one(nursery: trio.Nursery) -> None:
    device = Presenting()
    client = await serving(device, nursery)
    await take_in(client, device, note(20), note(50))
    await do(client, "CashInRollback")
    await do(client, "PreparePresent", {})
    await do(client, "PresentMedia", {"position": "outDefault"})
    first = await do(client, "GetPresentStatus")
    assert (first["presentState"], first["additionalBunches"]) == ("presented", "oneMore")
    assert (items(first["returnedItems"]), items(first["remainingItems"])) == (1, 1)
    assert await cannot(client, "PreparePresent", {}) == "positionNotEmpty"
    await taken(client, device)
    await do(client, "PresentMedia")
    last = await do(client, "GetPresentStatus")
    assert (items(last["returnedItems"]), items(last["totalReturnedItems"])) == (1, 2)
    assert last["additionalBunches"] == "none"
    await taken(client, device)
    assert await cannot(client, "PresentMedia") == "noItems"
    assert await cannot(client, "PreparePresent", {}) == "noItems"
    for position in ("outRear", "inDefault"):
        assert await cannot(client, "PresentMedia", {"position": position}) == "unsupportedPosition"
    assert await cannot(client, "PreparePresent", {"position": "outRear"}) == "unsupportedPosition"
    await laws(client, device)


async def test_nothing_is_presented_where_nothing_is_to_be(client: Dialogue, device: Presenting) -> None:
    # Where the sensors see nothing; of an output that nobody has looked at, the device is asked.
    for position in device.status.cash_acceptor.positions or ():
        position.position_status = "empty"
    for name in ("PresentMedia", "PreparePresent"):
        assert await cannot(client, name, {}) == "noItems"
        await begin(client)
        assert await cannot(client, name, {}) == "noItems"
        assert await cannot(client, "CashInEnd") == "noItems"
    known = await do(client, "GetPresentStatus")
    assert (known["position"], known["presentState"]) == ("outDefault", "unknown")
    await take_in(client, device, note(20))
    await do(client, "CashInEnd")
    for name in ("PresentMedia", "PreparePresent"):
        assert await cannot(client, name, {}) == "noItems"
    assert [one[0] for one in device.called if "present" in one[0]] == []
    await laws(client, device)


async def test_what_was_cleared_away_is_not_presented(client: Dialogue, device: Presenting) -> None:
    for clear in ("CashManagement.Retract", "CashManagement.Reset"):
        await rolled_back(client, device)
        await do(client, "PresentMedia")
        if clear.endswith("Reset"):
            await taken(client, device)
        to = {"target": "singleUnit", "unit": "unitR"}
        await client.success(clear, {"position": to} if clear.endswith("Reset") else {})
        device.called.clear()
        for name in ("PresentMedia", "PreparePresent"):
            assert await cannot(client, name, {}) == "noItems"
        known = await do(client, "GetPresentStatus")
        assert "remainingItems" not in known
        assert device.called == []
        await laws(client, device)


async def test_an_exchange_holds_up_what_is_to_be_presented(client: Dialogue, device: Presenting) -> None:
    await client.success("Storage.StartExchange")
    device.called.clear()
    assert await cannot(client, "PresentMedia") == "exchangeActive"
    assert await cannot(client, "PreparePresent", {}) == "sequenceError"
    await do(client, "GetPresentStatus")
    assert device.called == []
    await client.success("Storage.EndExchange")


async def test_two_presents_without_a_taking_count_each_note_once(
    client: Dialogue, device: Presenting
) -> None:
    await rolled_back(client, device)
    for count in (1, 2, 3):
        await do(client, "PresentMedia")
        known = await do(client, "GetPresentStatus")
        assert (items(known["returnedItems"]), items(known["totalReturnedItems"])) == (1, count)
        await laws(client, device)
    assert known["additionalBunches"] == "none"
    await taken(client, device)
    assert await cannot(client, "PresentMedia") == "noItems"
    await laws(client, device)


@pytest.mark.parametrize("name", ["PreparePresent", "PresentMedia"])
async def test_a_present_that_fails_changes_nothing(client: Dialogue, device: Presenting, name: str) -> None:
    await rolled_back(client, device)
    before = await do(client, "GetPresentStatus")
    operation = "prepare_present" if name == "PreparePresent" else "present_media"
    code = "cashUnitError" if name == "PreparePresent" else "shutterNotOpen"
    device.refuses[operation] = refusal(code)
    assert await cannot(client, name, {}) == code
    known = await do(client, "GetPresentStatus")
    assert known["remainingItems"] == before["remainingItems"]
    assert known["presentState"] == "notPresented"
    device.refuses.clear()
    for _ in range(3):
        await do(client, "PresentMedia")
        await taken(client, device)
    await laws(client, device)


LIES: dict[str, tuple[str, Callable[[CashReturned], CashReturned]]] = {
    "prepared and presented at once": ("PreparePresent", lambda told: CashReturned()),
    "prepared into the customer's hands": (
        "PreparePresent",
        lambda told: CashReturned(
            moved=(ItemsMoved(1, "transport", "output", item="typeEUR5", level="fit"),), presented=False
        ),
    ),
    "presented and not presented": (
        "PresentMedia",
        lambda told: CashReturned(moved=told.moved, presented=False, additional_bunches=2),
    ),
    "more than was inserted": (
        "PresentMedia",
        lambda told: CashReturned(
            moved=(ItemsMoved(9, "transport", "output", item="typeEUR5", level="fit"),)
        ),
    ),
    "out of a unit": (
        "PresentMedia",
        lambda told: CashReturned(moved=(ItemsMoved(1, "unitA", "output", item="typeEUR5", level="fit"),)),
    ),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_present_that_cannot_be_is_not_believed_and_loses_no_note(
    client: Dialogue, device: Presenting, lie: str
) -> None:
    await rolled_back(client, device)
    name, told = LIES[lie]
    device.lies["prepare_present" if name == "PreparePresent" else "present_media"] = told
    assert await cannot(client, name, {}) == "hardwareError"
    device.lies.clear()
    # It remembers rightly what it did, and is asked.
    await laws(client, device)
    known = await do(client, "GetPresentStatus")
    left = device.truth["transport"].total()
    assert items(known.get("remainingItems", {})) == left
    for _ in range(left):
        await do(client, "PresentMedia")
    await laws(client, device)


@pytest.mark.parametrize("at", ["prepare_present", "present_media"])
@pytest.mark.parametrize("recalls", [True, False])
async def test_the_power_fails_while_something_is_presented(tmp_path: Path, at: str, recalls: bool) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
    async with trio.open_nursery() as nursery:
        device = Presenting()
        client = await serving(device, nursery, ledger)
        await rolled_back(client, device)
        cut = power_cut(tmp_path)
        if at == "present_media":
            device.breaks[at] = cut
        else:
            device.hand[at] = cut
        await do(client, "PresentMedia" if at == "present_media" else "PreparePresent", {})
        nursery.cancel_scope.cancel()
    ledger.close()
    again = Presenting()
    again.truth, again.recalls = device.truth, device.recalls
    if not recalls:

        async def forgets(operation: int) -> CashMovement | None:
            return None

        again.recall = forgets  # type: ignore[method-assign]
    ledger = xfs4iot.Ledger.open(tmp_path / "copy.sqlite")
    async with trio.open_nursery() as nursery:
        client = await serving(again, nursery, ledger)
        known = await do(client, "GetPresentStatus")
        if recalls:
            left = again.truth["transport"].total()
            assert items(known["remainingItems"]) == left
            assert items(known.get("totalReturnedItems", {})) == again.truth["output"].total()
        else:
            assert known["presentState"] == "unknown"
            assert (await do(client, "GetCashInStatus"))["status"] in ("rollback", "unknown")
        # Nobody is kept from getting the rest.
        for _ in range(again.truth["transport"].total()):
            await do(client, "PresentMedia")
        await laws(client, again, doubts=not recalls)
        nursery.cancel_scope.cancel()
    ledger.close()


STEPS = (
    "CashAcceptor.PreparePresent",
    "CashAcceptor.PresentMedia",
    "CashAcceptor.GetPresentStatus",
    "CashAcceptor.CashInStart",
    "CashAcceptor.CashIn",
    "CashAcceptor.CashInEnd",
    "CashAcceptor.CashInRollback",
    "CashManagement.Retract",
    "CashManagement.Reset",
    "Storage.StartExchange",
    "Storage.EndExchange",
    "taken",
    "lie",
)


FIRST = ("CashAcceptor.CashInStart", "CashAcceptor.CashIn", "CashAcceptor.CashInRollback")


@pytest.mark.parametrize("seed", range(6))
async def test_in_any_order_and_whatever_the_device_says_each_note_is_counted_once(
    client: Dialogue, device: Presenting, seed: int
) -> None:
    chance = random.Random(seed)
    inserted = 0
    for number in range(80):
        # Each world begins with something to be presented.
        step = FIRST[number] if number < len(FIRST) else chance.choice(STEPS)
        if step == "lie":
            name, told = chance.choice(list(LIES.values()))
            device.lies["prepare_present" if name == "PreparePresent" else "present_media"] = told
            continue
        if step == "taken":
            if device.truth["output"].total():
                await taken(client, device)
            continue
        payload: Any = {"position": chance.choice(("outDefault", "outRear", "inDefault"))}
        if not step.endswith(("PreparePresent", "PresentMedia")):
            payload = {} if step.endswith(("Start", "Reset", "Retract")) else None
        if step.endswith("CashIn"):
            device.slot = [note(chance.choice((5, 20, 50))) for _ in range(chance.randrange(1, 4))]
        if step.endswith("Reset"):
            payload = {"position": {"target": "singleUnit", "unit": chance.choice(("unitA", "unitR"))}}
        completion = await client.completion(step, payload)
        assert completion["header"].get("completionCode") != "internalError", (step, completion)
        device.slot = []
        device.lies.clear()
        await laws(client, device)
        inserted = max(inserted, sum(pile.total() for pile in device.truth.values()))
    assert inserted, "nothing was ever taken in"
