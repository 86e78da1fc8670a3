"""The simulated acceptor and recycler, over the wire: customers with notes in hand, and what can go wrong."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount, laws, present, truth, unit
from dialogue import Dialogue, dialogue, outcome
from vendors import serving
from xfs4iot.simulator.cash.commands import TakeItems, UnitItems
from xfs4iot.simulator.cash.inserting import Inserted, InsertNotes
from xfs4iot.simulator.kinds import device_class

START, IN, END = "CashAcceptor.CashInStart", "CashAcceptor.CashIn", "CashAcceptor.CashInEnd"
ROLLBACK = "CashAcceptor.CashInRollback"
STATUS = "CashAcceptor.GetPresentStatus"
Bunch = list[dict[str, Any]]


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


def notes(note: str | None, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"count": count, **({"note": note} if note else {}), **more}


async def insert(client: Dialogue, simulator: Dialogue, *bunch: dict[str, Any]) -> dict[str, Any]:
    """A CashIn for which a customer inserts something; its completion."""
    request = await client.send(IN)
    await client.until("event", name="CashAcceptor.InsertItemsEvent")
    await simulator.success("Simulator.InsertNotes", {"notes": list(bunch)})
    return await client.until("completion", request)


async def accepted(client: Dialogue, simulator: Dialogue, *bunch: dict[str, Any]) -> Any:
    """What a CashIn has accepted, of a cash-in that begins with it."""
    await client.success(START, {})
    completion = await insert(client, simulator, *bunch)
    assert outcome(completion) == "success", completion
    return completion["payload"]["items"]


def told(client: Dialogue, name: str) -> list[Any]:
    return [one.get("payload") for one in client.passed if one["header"]["name"] == name]


async def test_a_deposit_is_stored_in_the_units_for_its_notes_and_paid_out_again(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    worn = notes("EUR20", condition="unfit")
    items = await accepted(
        dispenser, simulator, notes("EUR20", 3, condition="fit"), worn, notes("EUR50", 2), notes("EUR200")
    )
    assert items == {
        "typeEUR20": {"fit": 3, "unfit": 1},
        "typeEUR50": {"fit": 2},
        "typeEUR200": {"fit": 1},
    }
    assert (await truth(simulator))["stacker"] == {"customer": 7}
    stored = (await dispenser.success(END))["storage"]
    assert stored["unit2"]["deposited"] == {"typeEUR20": {"fit": 3}}
    assert stored["unit3"]["deposited"] == {"typeEUR50": {"fit": 2}}
    # Worn notes, and those that are not paid out, are not recycled.
    assert stored["unit6"]["deposited"] == {"typeEUR20": {"unfit": 1}, "typeEUR200": {"fit": 1}}
    await laws(dispenser, simulator)
    await present(dispenser, 40)
    assert (await simulator.success("Simulator.TakeItems"))["items"] == {"unit2": 2}
    await laws(dispenser, simulator)


async def test_the_note_that_was_deposited_last_is_paid_out_first_and_is_the_same(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await accepted(dispenser, simulator, notes("EUR20", serial="MINE1"))
    await dispenser.success(END)
    await dispenser.success("CashDispenser.Dispense", {"denomination": amount(20)})
    wanted = {"items": {"level": "fit"}}
    (found,) = (await dispenser.success("CashManagement.GetItemInfo", wanted))["itemsList"]
    assert found["serialNumber"] == "MINE1"
    await dispenser.success("CashDispenser.Present", {})
    await simulator.success("Simulator.TakeItems")
    # He has it in his hand, and deposits it again.
    await accepted(dispenser, simulator, notes("EUR20"))
    (found,) = (await dispenser.success("CashManagement.GetItemInfo", wanted))["itemsList"]
    assert found["serialNumber"] == "MINE1"


async def test_what_is_not_accepted_comes_out_again_with_the_reason(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    items = await accepted(
        dispenser,
        simulator,
        notes("EUR10"),
        notes("GBP5"),
        notes(None, 2),
        notes("EUR50", condition="inked"),
        notes("EUR50", condition="counterfeit"),
        notes("EUR100", condition="suspect"),
        notes("EUR20", condition="unrecognized"),
    )
    # The rules of the ECB: what may be false is kept.
    assert items == {
        "typeEUR10": {"fit": 1},
        "typeEUR100": {"suspect": 1},
        "typeEUR50": {"counterfeit": 1},
    }
    assert told(dispenser, "CashAcceptor.InputRefuseEvent") == [{"reason": "invalidBill"}] * 5
    assert (await dispenser.success("CashAcceptor.GetCashInStatus"))["numOfRefused"] == 5
    assert (await truth(simulator))["output"] == {"customer": 5}
    assert await dispenser.failure(IN) == "positionNotEmpty"
    await simulator.success("Simulator.TakeItems")
    await dispenser.until("unsolicited", name="CashManagement.ItemsTakenEvent")
    await dispenser.success(END)
    await laws(dispenser, simulator)


async def test_a_rollback_gives_everything_back(dispenser: Dialogue, simulator: Dialogue) -> None:
    await accepted(dispenser, simulator, notes("EUR20", 4), notes("EUR5"))
    await dispenser.success(ROLLBACK)
    assert (await truth(simulator))["output"] == {"customer": 5}
    known = await dispenser.success("CashAcceptor.GetPresentStatus")
    assert known["returnedItems"] == {"typeEUR20": {"fit": 4}, "typeEUR5": {"fit": 1}}
    assert sum((await simulator.success("Simulator.TakeItems"))["items"].values()) == 5
    await laws(dispenser, simulator)


async def test_a_rollback_keeps_what_may_be_false(dispenser: Dialogue, simulator: Dialogue) -> None:
    doubtful = [notes("EUR50", condition="counterfeit"), notes("EUR100", 2, condition="suspect")]
    await accepted(dispenser, simulator, notes("EUR20", 3), *doubtful, notes("EUR5"))
    kept = {"typeEUR50": {"counterfeit": 1}, "typeEUR100": {"suspect": 2}}
    assert await dispenser.success(ROLLBACK) == {"storage": {"unit6": {"deposited": kept}}}
    assert (await truth(simulator))["output"] == {"customer": 4}
    known = await dispenser.success("CashAcceptor.GetPresentStatus")
    assert known["returnedItems"] == {"typeEUR20": {"fit": 3}, "typeEUR5": {"fit": 1}}
    assert (await dispenser.success("CashAcceptor.GetCashInStatus"))["status"] == "rollback"
    await simulator.success("Simulator.TakeItems")
    await laws(dispenser, simulator)
    # Of nothing else nothing comes out, and the next customer can begin.
    await accepted(dispenser, simulator, notes("EUR50", condition="counterfeit"))
    await dispenser.success(ROLLBACK)
    assert "output" not in await truth(simulator)
    await accepted(dispenser, simulator, notes("EUR20"))
    await laws(dispenser, simulator)


async def test_what_a_customer_leaves_is_retracted(dispenser: Dialogue, simulator: Dialogue) -> None:
    await accepted(dispenser, simulator, notes("EUR20", 4))
    await dispenser.success(ROLLBACK)
    await simulator.success("Simulator.TakeItems", {"count": 1})
    await dispenser.success("CashManagement.Retract", {})
    retracted = (await unit(dispenser, "unit5"))["status"]["in"]["retracted"]
    assert retracted == {"typeEUR20": {"fit": 3}}
    await laws(dispenser, simulator)


async def test_limits_are_kept(dispenser: Dialogue, simulator: Dialogue) -> None:
    limits = {"totalItemsLimit": 4, "amountLimit": [{"currency": "EUR", "value": 70}]}
    await dispenser.success(START, limits)
    completion = await insert(dispenser, simulator, notes("EUR50", 2), notes("EUR5", 5))
    assert completion["payload"]["items"] == {"typeEUR5": {"fit": 3}, "typeEUR50": {"fit": 1}}
    reasons = [one["reason"] for one in told(dispenser, "CashAcceptor.InputRefuseEvent")]
    assert reasons == ["limitOverAmount", "limitOverTotalItems", "limitOverTotalItems"]


async def test_notes_that_are_not_enabled_are_refused(dispenser: Dialogue, simulator: Dialogue) -> None:
    off = {"items": [{"item": "typeEUR50", "enabled": False}]}
    await dispenser.success("CashAcceptor.ConfigureNoteTypes", off)
    assert await accepted(dispenser, simulator, notes("EUR50"), notes("EUR20")) == {"typeEUR20": {"fit": 1}}


async def test_a_client_that_gives_up_closes_the_shutter(dispenser: Dialogue, simulator: Dialogue) -> None:
    await dispenser.success(START, {})
    completion = await dispenser.completion(IN, timeout=50)
    assert completion["header"]["completionCode"] == "timeOut"
    assert (await simulator.success("Simulator.GetTruth"))["shutter"] == "closed"
    wanted = {"notes": [notes("EUR20")]}
    assert await simulator.failure("Simulator.InsertNotes", wanted) == "sequenceError"


@pytest.mark.parametrize(
    ("fault", "code"),
    [("takesBack", "noItems"), ("shutterJammed", "shutterNotClosed")],
)
async def test_what_goes_wrong_before_anything_is_taken_in(
    dispenser: Dialogue, simulator: Dialogue, fault: str, code: str
) -> None:
    await dispenser.success(START, {})
    request = await dispenser.send(IN)
    await dispenser.until("event", name="CashAcceptor.InsertItemsEvent")
    await simulator.success("Simulator.Inject", {"fault": fault})
    await simulator.success("Simulator.InsertNotes", {"notes": [notes("EUR20")]})
    completion = await dispenser.until("completion", request)
    assert completion["payload"]["errorCode"] == code
    assert (await dispenser.success("CashAcceptor.GetCashInStatus"))["status"] == "active"
    assert await dispenser.failure(END) == "noItems"
    await laws(dispenser, simulator)


@pytest.mark.parametrize("condition", ["crumpled", "foreign"])
async def test_what_cannot_be_fed_stays_in_the_slot_until_it_is_taken(
    dispenser: Dialogue, simulator: Dialogue, condition: str
) -> None:
    await dispenser.success(START, {})
    completion = await insert(dispenser, simulator, notes("EUR20", condition=condition), notes("EUR20"))
    assert completion["payload"]["errorCode"] == "foreignItemsDetected"
    await simulator.success("Simulator.TakeBack")
    assert await simulator.failure("Simulator.TakeBack") == "sequenceError"
    completion = await insert(dispenser, simulator, notes("EUR20"))
    assert completion["payload"]["items"] == {"typeEUR20": {"fit": 1}}


async def test_too_many_notes_at_once_are_not_taken_in(dispenser: Dialogue, simulator: Dialogue) -> None:
    await dispenser.success(START, {})
    completion = await insert(dispenser, simulator, notes("EUR20", 101))
    assert completion["payload"]["errorCode"] == "tooManyItems"
    assert (await truth(simulator))["input"] == {"customer": 101}
    await simulator.success("Simulator.TakeBack")
    await laws(dispenser, simulator)


@pytest.mark.parametrize(
    ("fault", "accepted"), [("doubleInsert", 2), ("misreads", 3)], ids=["doubleInsert", "misreads"]
)
async def test_a_note_that_is_fed_or_read_badly_is_given_back(
    dispenser: Dialogue, simulator: Dialogue, fault: str, accepted: int
) -> None:
    await simulator.success("Simulator.Inject", {"fault": fault})
    await dispenser.success(START, {})
    completion = await insert(dispenser, simulator, notes("EUR20", 4))
    assert completion["payload"]["items"] == {"typeEUR20": {"fit": accepted}}
    assert (await truth(simulator))["output"] == {"customer": 4 - accepted}
    assert bool(told(dispenser, "CashManagement.NoteErrorEvent")) is (fault == "doubleInsert")
    await laws(dispenser, simulator)


@pytest.mark.parametrize("command", [IN, END, ROLLBACK])
async def test_notes_that_get_stuck_are_the_customers_until_they_are_in_a_unit(
    dispenser: Dialogue, simulator: Dialogue, command: str
) -> None:
    await dispenser.success(START, {})
    if command != IN:
        await insert(dispenser, simulator, notes("EUR20", 4))
    await simulator.success("Simulator.Inject", {"fault": "jam"})
    if command == IN:
        completion = await insert(dispenser, simulator, notes("EUR20", 4))
    else:
        completion = await dispenser.completion(command)
    assert completion["header"]["completionCode"] == "hardwareError"
    places = await truth(simulator)
    assert places["transport"] == {"customer": 1}
    known = await dispenser.success("CashAcceptor.GetCashInStatus")
    assert known["status"] == "active"
    shown = (await dispenser.success("Common.Status"))["cashAcceptor"]["positions"][0]
    assert (shown["transport"], shown["transportStatus"]) == ("inoperative", "notEmptyCustomer")
    await dispenser.success("CashManagement.Reset", {"position": {"target": "reject"}})
    assert (await dispenser.success("CashAcceptor.GetCashInStatus"))["status"] == "reset"
    await laws(dispenser, simulator)


@pytest.mark.parametrize(("command", "inside"), [(END, 3), (ROLLBACK, 3)])
async def test_a_cash_in_whose_end_was_interrupted_goes_on(
    dispenser: Dialogue, simulator: Dialogue, command: str, inside: int
) -> None:
    await accepted(dispenser, simulator, notes("EUR20", 4))
    await simulator.success("Simulator.Inject", {"fault": "breaks"})
    completion = await dispenser.completion(command)
    assert completion["header"]["completionCode"] == "hardwareError"
    assert (await truth(simulator))["stacker"] == {"customer": inside}
    known = await dispenser.success("CashAcceptor.GetCashInStatus")
    assert (known["status"], known["noteNumberList"]) == ("active", {"typeEUR20": {"fit": 4}})
    if command == ROLLBACK:
        await simulator.success("Simulator.TakeItems")
    await dispenser.success(command)
    await laws(dispenser, simulator)


async def test_a_reader_that_fails_is_told_and_takes_nothing_in(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.Inject", {"fault": "readerFails"})
    assert (await dispenser.success("Common.Status"))["cashAcceptor"]["banknoteReader"] == "inoperable"
    await dispenser.success(START, {})
    completion = await insert(dispenser, simulator, notes("EUR20"))
    assert completion["header"]["completionCode"] == "hardwareError"
    assert (await truth(simulator))["input"] == {"customer": 1}


async def test_an_open_safe_takes_nothing_in(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.OpenSafeDoor")
    assert await dispenser.failure(START, {}) == "safeDoorOpen"


async def test_a_full_unit_sends_notes_to_the_unit_for_all(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.FillUnit", {"unit": "unit2", "count": 1499})
    await accepted(dispenser, simulator, notes("EUR20", 3))
    stored = (await dispenser.success(END))["storage"]
    assert stored["unit2"]["deposited"] == {"typeEUR20": {"fit": 1}}
    assert stored["unit6"]["deposited"] == {"typeEUR20": {"fit": 2}}


async def test_a_signature_is_of_a_note_and_recognises_it(dispenser: Dialogue, simulator: Dialogue) -> None:
    async def made(**note: Any) -> dict[str, Any]:
        request = await dispenser.send("CashAcceptor.CreateSignature")
        await dispenser.until("event", name="CashAcceptor.InsertItemsEvent")
        await simulator.success("Simulator.InsertNotes", {"notes": [notes("EUR20", **note)]})
        completion = await dispenser.until("completion", request)
        assert outcome(completion) == "success", completion
        assert (await truth(simulator))["output"] == {"customer": 1}
        await simulator.success("Simulator.TakeItems")
        found: dict[str, Any] = completion["payload"]
        return found

    one, other = await made(serial="A1"), await made(serial="B2")
    same = await made(serial="A1")
    compared = {"referenceSignatures": [one], "signatures": [other, same]}
    found = await dispenser.success("CashAcceptor.CompareSignature", compared)
    assert found["signaturesIndex"] == [{"index": 1, "confidenceLevel": 100}]
    await laws(dispenser, simulator)


async def test_a_note_on_the_list_is_told(dispenser: Dialogue, simulator: Dialogue) -> None:
    element = {"serialNumber": "STOLEN*", "currency": "EUR", "value": 20, "level": "suspect"}
    wanted = {"version": "1", "classificationElements": [element]}
    await dispenser.success("CashManagement.SetClassificationList", wanted)
    await accepted(dispenser, simulator, notes("EUR20", serial="STOLEN7"), notes("EUR20", serial="FINE"))
    everything = {"items": {"level": "fit"}}
    found = (await dispenser.success("CashManagement.GetItemInfo", everything))["itemsList"]
    assert [one.get("onClassificationList") for one in found] == [
        "onClassificationList",
        "notOnClassificationList",
    ]


async def test_units_are_replenished_and_depleted(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.FillUnit", {"unit": "unit7", "count": 30})
    await dispenser.success("CashAcceptor.CashUnitCount", {"units": ["unit7"]})
    wanted = {"source": "unit7", "replenishTargets": [{"target": "unit2", "numberOfItemsToMove": 20}]}
    assert (await dispenser.success("CashAcceptor.Replenish", wanted))["numberOfItemsRemoved"] == 20
    deplete = {"cashUnitTarget": "unit6", "depleteSources": [{"source": "unit3", "numberOfItemsToMove": 7}]}
    assert (await dispenser.success("CashAcceptor.Deplete", deplete))["numberOfItemsReceived"] == 7
    # What does not belong there is not offered, and refused.
    targets = await dispenser.success("CashAcceptor.GetReplenishTarget", {"source": "unit7"})
    assert targets == {"targets": [{"target": "unit2"}]}
    strange = {"source": "unit7", "replenishTargets": [{"target": "unit3", "numberOfItemsToMove": 2}]}
    assert await dispenser.failure("CashAcceptor.Replenish", strange) == "invalidCashUnit"
    await laws(dispenser, simulator)


async def test_locks_may_be_stuck(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "locksStuck"})
    lock = {"deviceAction": "lock"}
    assert await dispenser.failure("CashAcceptor.DeviceLockControl", lock) == "deviceLockFailure"
    await dispenser.success("CashAcceptor.DeviceLockControl", lock)
    assert (await dispenser.success("CashAcceptor.GetDeviceLockStatus"))["deviceLockStatus"] == "lock"


async def test_everything_follows_from_the_seed(nursery: trio.Nursery) -> None:
    read = []
    for _ in range(2):
        device = device_class(("CashAcceptor",))("Acceptor", seconds=0)
        client = await serving(device, nursery)
        offered = {one["name"] for one in (await client.success("Common.Capabilities"))["interfaces"]}
        assert {"CashAcceptor", "CashManagement"} <= offered
        assert "CashDispenser" not in offered
        await client.success(START, {})
        request = await client.send(IN)
        await client.until("event", name="CashAcceptor.InsertItemsEvent")
        device.insert_notes(_inserted("EUR20", 3))  # type: ignore[attr-defined]
        await client.until("completion", request)
        wanted = {"items": {"level": "fit"}}
        found = (await client.success("CashManagement.GetItemInfo", wanted))["itemsList"]
        read.append([one["serialNumber"] for one in found])
        await client.success(END)
    assert read[0] == read[1]
    assert len(set(read[0])) == 3


def _inserted(note: str, count: int) -> Any:
    return InsertNotes(notes=[Inserted(note=note, count=count)])


async def _come_in(client: Dialogue, device: Any, note: str, count: int) -> Any:
    """A cash-in begins, and a customer inserts some notes; what is accepted."""
    await client.success(START, {})
    request = await client.send(IN)
    await client.until("event", name="CashAcceptor.InsertItemsEvent")
    device.insert_notes(_inserted(note, count))
    return (await client.until("completion", request))["payload"]["items"]


async def test_a_bunch_is_told_by_stages(nursery: trio.Nursery) -> None:
    device: Any = device_class(("CashAcceptor",))("Acceptor", {"stage": 2}, seconds=0)
    client = await serving(device, nursery)
    assert await _come_in(client, device, "EUR20", 5) == {"typeEUR20": {"fit": 5}}
    stages = [one["typeEUR20"]["fit"] for one in told(client, "CashAcceptor.SubCashInEvent")]
    assert stages == [2, 2, 1]


@pytest.mark.parametrize("kinds", [("CashPresenter",), ("CashDispenser", "CashPresenter")])
async def test_a_rollback_that_is_larger_than_one_presentation_is_given_in_bunches(
    nursery: trio.Nursery, kinds: tuple[str, ...]
) -> None:
    device: Any = device_class(kinds)("Cash", seconds=0)
    client = await serving(device, nursery)
    positions = (await client.success("Common.Capabilities"))["cashAcceptor"]["positions"]
    output = next(one for one in positions if one["position"] == "outDefault")
    assert (output["presentControl"], output["preparePresent"]) == (False, True)
    await _come_in(client, device, "EUR20", 90)
    await client.success(ROLLBACK)
    known = await client.success(STATUS)
    assert (known["presentState"], known["bunchesRemaining"]) == ("notPresented", 3)
    await client.success("CashAcceptor.PreparePresent", {})
    for out, total, more in ((40, 40, 2), (40, 80, 1), (10, 90, 0)):
        client.passed.clear()
        await client.success("CashAcceptor.PresentMedia", {})
        known = await client.success(STATUS)
        assert known["presentState"] == "presented"
        assert known.get("bunchesRemaining", 0) == more
        assert known["additionalBunches"] == ("oneMore" if more else "none")
        assert known["returnedItems"] == {"typeEUR20": {"fit": out}}
        assert known["totalReturnedItems"] == {"typeEUR20": {"fit": total}}
        if more:
            assert known["remainingItems"] == {"typeEUR20": {"fit": 90 - total}}
            assert await client.failure("CashAcceptor.PreparePresent", {}) == "positionNotEmpty"
        presented = await client.until("unsolicited", name="CashManagement.ItemsPresentedEvent")
        device.take_items(TakeItems())
        taken = await client.until("unsolicited", name="CashManagement.ItemsTakenEvent")
        for event in (presented, taken):
            assert event["payload"] == {"position": "outDefault", "additionalBunches": str(more)}
    assert await client.failure("CashAcceptor.PresentMedia", {}) == "noItems"
    assert device.truth.content("customer") == {("typeEUR20", "fit"): 90}
    await client.success(START, {})


@pytest.mark.parametrize(
    ("fault", "code"),
    [("shutterJammed", "shutterNotOpen"), ("foreignItems", "foreignItemsDetected"), ("jam", "hardwareError")],
)
async def test_a_bunch_that_cannot_be_presented_stays_inside(
    nursery: trio.Nursery, fault: str, code: str
) -> None:
    device: Any = device_class(("CashPresenter",))("Cash", seconds=0)
    client = await serving(device, nursery)
    await _come_in(client, device, "EUR20", 50)
    await client.success(ROLLBACK)
    device.inject(fault)
    assert await client.failure("CashAcceptor.PresentMedia", {}) == code
    known = await client.success(STATUS)
    assert known["remainingItems"] == {"typeEUR20": {"fit": 50}}
    assert device.truth.total("output") == 0
    device.clear_faults()
    await client.success("CashManagement.Reset", {"position": {"target": "outDefault"}})
    assert device.truth.total("output") == 50


async def test_every_level_can_be_caused(nursery: trio.Nursery) -> None:
    device: Any = device_class(("CashAcceptor",))(
        "Acceptor", {"retains": ["counterfeit", "suspect", "inked"]}, seconds=0
    )
    client = await serving(device, nursery)
    levels: list[Any] = ["unrecognized", "counterfeit", "suspect", "inked", "fit", "unfit"]
    await client.success(START, {})
    request = await client.send(IN)
    await client.until("event", name="CashAcceptor.InsertItemsEvent")
    device.insert_notes(InsertNotes(notes=[Inserted(note="EUR50", condition=level) for level in levels]))
    completion = await client.until("completion", request)
    # What is not recognised goes back.
    assert completion["payload"]["items"] == {"typeEUR50": dict.fromkeys(levels[1:], 1)}
    assert told(client, "CashAcceptor.InputRefuseEvent") == [{"reason": "invalidBill"}]
    (info,) = told(client, "CashManagement.InfoAvailableEvent")
    assert {one["level"]: one["numOfItems"] for one in info["itemInfoSummary"]} == dict.fromkeys(
        levels[1:], 1
    )


@pytest.mark.parametrize("retains", [True, False])
async def test_notes_that_were_stained_come_in_as_inked(nursery: trio.Nursery, retains: bool) -> None:
    kinds = ("CashDispenser", "CashAcceptor", "BanknoteNeutralization")
    settings = {"retains": ["inked"] if retains else []}
    device: Any = device_class(kinds)("Cash", settings, seconds=0)
    client = await serving(device, nursery)
    await client.success("BanknoteNeutralization.TriggerNeutralization", {"neutralizationAction": "trigger"})
    (item, level), count = next(iter(device.truth.content("unit2").items()))
    assert (item, level) == ("typeEUR20", "inked")
    device.empty_unit(UnitItems(unit="unit2"))
    assert device.truth.content("customer") == {(item, level): count}
    await client.success("Storage.StartExchange")
    await client.success("Storage.EndExchange")
    # The thief pays them in: he says nothing of their state, which is seen.
    await client.success(START, {})
    request = await client.send(IN)
    await client.until("event", name="CashAcceptor.InsertItemsEvent")
    device.insert_notes(_inserted("EUR20", 3))
    items = (await client.until("completion", request)).get("payload", {}).get("items")
    assert items == ({"typeEUR20": {"inked": 3}} if retains else None)


async def test_what_is_inserted_is_said_rightly(simulator: Dialogue) -> None:
    for bunch in ([], [notes("EUR20", 2, serial="A")], [notes("20 EUR")], [notes("EUR20", condition="new")]):
        assert await simulator.failure("Simulator.InsertNotes", {"notes": bunch}) == "invalidData"
