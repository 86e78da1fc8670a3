"""The simulated cash dispenser: its time, its customer, its cassettes, and all that can go wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount, bucket, chosen, content, dispense, laws, present, truth, unit
from dialogue import Dialogue, dialogue, outcome
from xfs4iot.simulator.cash.faults import FAULTS


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


DISPENSE = ("CashDispenser.Dispense", {"denomination": amount(300)})
PRESENT: tuple[str, Any] = ("CashDispenser.Present", {})
RETRACT: tuple[str, Any] = ("CashManagement.Retract", {})
DISPENSED, PRESENTED = "dispensed", "presented"

STRIKES: dict[str, tuple[str | None, tuple[str, Any], str, str | None]] = {
    "jam": (None, DISPENSE, "hardwareError", "Common.ErrorEvent"),
    "breaks": (None, DISPENSE, "hardwareError", None),
    "rejects": (None, DISPENSE, "success", "CashDispenser.StartDispenseEvent"),
    "doubleNotes": (None, DISPENSE, "success", "CashManagement.NoteErrorEvent"),
    "nothingPresented": (DISPENSED, PRESENT, "presentErrorNoItems", None),
    "partlyPresented": (DISPENSED, PRESENT, "presentErrorItems", "CashManagement.ItemsPresentedEvent"),
    "presentUnknown": (DISPENSED, PRESENT, "presentErrorUnknown", "Common.StatusChangedEvent"),
    "itemsTaken": (PRESENTED, RETRACT, "itemsTaken", "CashManagement.ItemsTakenEvent"),
    "incompleteRetract": (
        PRESENTED,
        RETRACT,
        "incompleteRetract",
        "CashManagement.IncompleteRetractEvent",
    ),
    "foreignItems": (PRESENTED, RETRACT, "foreignItemsDetected", None),
    "unitsStuck": (None, ("Storage.StartExchange", None), "storageUnitError", "Storage.StorageErrorEvent"),
    "smallBunches": (DISPENSED, PRESENT, "success", "CashManagement.ItemsPresentedEvent"),
    "shutterJammed": (DISPENSED, PRESENT, "shutterNotOpen", "Common.StatusChangedEvent"),
    "sensorsUnknown": (DISPENSED, PRESENT, "success", "Common.StatusChangedEvent"),
    "notInPosition": (None, DISPENSE, "deviceNotReady", "Common.StatusChangedEvent"),
    "offline": (None, DISPENSE, "deviceNotReady", "Common.StatusChangedEvent"),
    "powerOff": (None, DISPENSE, "deviceNotReady", "Common.StatusChangedEvent"),
    "fraudAttempt": (None, DISPENSE, "fraudAttempt", "Common.StatusChangedEvent"),
}
"""Fault: what was done before, the command that it strikes, how that ends, and what is told besides."""

ELSEWHERE = {
    "delayed": "test_a_delayed_dispense_says_so_first",
    "doesNotAnswer": "tests/reliability/test_device_faults.py",
}
OF_UNITS = {
    "inoperative": ("inoperative", "error"),
    "missing": ("missing", "error"),
    "manipulated": ("manipulated", "error"),
    "notConfigured": ("notConfigured", "notConfigured"),
    "feedsNothing": ("ok", "feedModuleProblem"),
}


def test_every_fault_is_tried() -> None:
    assert {*STRIKES, *ELSEWHERE, *OF_UNITS} == set(FAULTS)


async def test_the_guides_name_every_fault_and_command(atm: xfs4iot.Publisher, simulator: Dialogue) -> None:
    docs = Path(__file__).parents[2] / "docs"
    pages = [docs / "simulator.md", docs / "printers.md", *(docs / "interfaces").glob("*.md")]
    guide = "".join(page.read_text("utf-8") for page in pages)
    commands = [name for name in atm.services["Simulator"].handlers if name.startswith("Simulator.")]
    faults = (await simulator.success("Simulator.GetFaults"))["faults"]
    missing = [name for name in [*faults, *commands] if f"`{name}`" not in guide]
    assert not missing


@pytest.mark.parametrize("fault", STRIKES)
async def test_a_fault_strikes_is_told_and_ends(dispenser: Dialogue, simulator: Dialogue, fault: str) -> None:
    before, (command, payload), ending, event = STRIKES[fault]
    if before == DISPENSED:
        await dispense(dispenser, 300)
    elif before == PRESENTED:
        await present(dispenser, 300)
    await simulator.success("Simulator.Inject", {"fault": fault})
    request = await dispenser.send(command, payload)
    completion = await dispenser.until("completion", request)
    code = outcome(completion)
    assert (completion["payload"]["errorCode"] if code == "commandErrorCode" else code) == ending
    if event is not None:
        assert event in {message["header"]["name"] for message in dispenser.passed}
    await laws(dispenser, simulator)
    await simulator.success("Simulator.ClearFaults")
    await dispenser.success("CashManagement.Reset", {})
    await present(dispenser, 100)
    await simulator.success("Simulator.TakeItems")
    assert (await dispenser.success("Common.Status"))["common"]["device"] == "online"
    await laws(dispenser, simulator)


@pytest.mark.parametrize("fault", OF_UNITS)
async def test_a_units_fault_is_seen_and_stops_what_is_asked_of_it(
    dispenser: Dialogue, simulator: Dialogue, fault: str
) -> None:
    status, failure = OF_UNITS[fault]
    await simulator.success("Simulator.Inject", {"fault": fault, "unit": "unit3"})
    assert (await dispenser.success("Storage.GetStorage"))["storage"]["unit3"]["status"] == status
    request = await dispenser.send("CashDispenser.Dispense", {"denomination": chosen({"unit3": 1})})
    completion = await dispenser.until("completion", request)
    assert completion["payload"]["errorCode"] == "cashUnitError"
    told = await dispenser.until("event", request, "Storage.StorageErrorEvent")
    assert told["payload"]["failure"] == failure
    assert list(told["payload"]["unit"]) == ["unit3"]
    await simulator.success("Simulator.ClearFaults")
    await dispenser.success("CashDispenser.Dispense", {"denomination": chosen({"unit3": 1})})


async def test_where_the_sensors_fail_the_device_itself_refuses(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.Inject", {"fault": "sensorsUnknown"})
    assert await dispenser.failure(*PRESENT) == "noItems"
    assert await dispenser.failure("CashDispenser.Reject") == "noItems"
    await dispenser.success(*DISPENSE)
    assert await dispenser.failure(*DISPENSE) == "itemsLeft"
    await laws(dispenser, simulator)


async def test_what_is_stuck_is_moved_by_reset_only(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "jam"})
    assert await dispenser.failure(*DISPENSE) == "hardwareError"
    for command, payload in (PRESENT, RETRACT, ("CashDispenser.Reject", None)):
        assert await dispenser.failure(command, payload) == "hardwareError"
    await dispenser.success("CashManagement.Reset", {})
    await dispenser.success(*DISPENSE)
    await laws(dispenser, simulator)


@pytest.mark.parametrize("command", ["CashDispenser.Reject", "CashManagement.Retract"])
async def test_items_may_jam_on_their_way_back(
    dispenser: Dialogue, simulator: Dialogue, command: str
) -> None:
    await dispense(dispenser, 300)
    await simulator.success("Simulator.Inject", {"fault": "jam"})
    assert await dispenser.failure(command, {} if command.endswith("Retract") else None) == "hardwareError"
    assert sum((await truth(simulator))["transport"].values()) == 1
    await laws(dispenser, simulator)


async def test_bad_items_need_room_in_the_reject_unit(dispenser: Dialogue, simulator: Dialogue) -> None:
    full = {"unit5": {"cash": {"status": {"initial": {"unrecognized": 299}}}}}
    await dispenser.success("Storage.SetStorage", {"storage": full})
    await simulator.success("Simulator.FillUnit", {"unit": "unit5", "count": 299})
    await simulator.success("Simulator.Inject", {"fault": "rejects", "count": 2})
    assert await dispenser.failure(*DISPENSE) == "cashUnitError"
    told = await dispenser.until("event", name="Storage.StorageErrorEvent")
    assert (told["payload"]["failure"], list(told["payload"]["unit"])) == ("full", ["unit5"])
    await laws(dispenser, simulator)


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        ("CashDispenser.Reject", None),
        ("CashManagement.Retract", {}),
        ("CashManagement.Retract", {"location": {"retractArea": "retract", "index": 1}}),
        ("CashManagement.Retract", {"location": {"retractArea": "reject"}}),
        ("CashManagement.Reset", {}),
        ("CashManagement.Reset", {"position": {"target": "reject"}}),
        ("CashManagement.Reset", {"position": {"target": "singleUnit", "unit": "unit5"}}),
    ],
)
async def test_nothing_is_moved_into_a_unit_that_does_not_work(
    dispenser: Dialogue, simulator: Dialogue, command: str, payload: Any
) -> None:
    await dispense(dispenser, 300)
    await simulator.success("Simulator.Inject", {"fault": "missing", "unit": "unit5"})
    request = await dispenser.send(command, payload)
    completion = await dispenser.until("completion", request)
    assert completion["payload"]["errorCode"] == "cashUnitError"
    told = await dispenser.until("event", request, "Storage.StorageErrorEvent")
    assert (told["payload"]["failure"], list(told["payload"]["unit"])) == ("error", ["unit5"])
    places = {place for place, items in (await truth(simulator)).items() if sum(items.values())}
    assert places == {"unit1", "unit2", "unit3", "unit4", "stacker"}


async def test_reset_mends_a_unit_that_did_not_work(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "inoperative", "unit": "unit1"})
    await dispenser.success("CashManagement.Reset", {})
    assert (await dispenser.success("Storage.GetStorage"))["storage"]["unit1"]["status"] == "ok"


async def test_there_must_be_something_to_take(simulator: Dialogue) -> None:
    assert await simulator.failure("Simulator.TakeItems") == "sequenceError"


async def test_a_fault_strikes_as_often_as_it_says(dispenser: Dialogue, simulator: Dialogue) -> None:
    await dispense(dispenser, 100)
    await simulator.success("Simulator.Inject", {"fault": "nothingPresented", "count": 2})
    for _ in range(2):
        assert await dispenser.failure(*PRESENT) == "presentErrorNoItems"
    await dispenser.success(*PRESENT)


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        ("Inject", {"fault": "earthquake"}),
        ("Inject", {"fault": "missing"}),
        ("Inject", {"fault": "missing", "unit": "unit9"}),
        ("Inject", {}),
        ("EmptyUnit", {"unit": "unit1", "count": -1}),
        ("FillUnit", {}),
        ("ReplaceUnit", {"unit": "unit9"}),
        ("Advance", {}),
        ("Advance", {"milliseconds": -1}),
    ],
)
async def test_the_simulator_says_what_is_wrong_with_a_command(
    simulator: Dialogue, command: str, payload: dict[str, Any]
) -> None:
    assert await simulator.failure(f"Simulator.{command}", payload) == "invalidData"


async def test_the_faults_are_listed(simulator: Dialogue) -> None:
    found = await simulator.success("Simulator.GetFaults")
    assert set(found["services"]["CashDispenser"]) >= set(FAULTS)
    assert {name for faults in found["services"].values() for name in faults} == set(found["faults"])


async def test_bunches_are_presented_one_after_the_other(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "smallBunches", "count": 2})
    request = await dispenser.send("CashDispenser.Dispense", {"denomination": chosen({"unit1": 5})})
    assert (await dispenser.until("completion", request))["payload"]["bunches"] == "3"
    for more in ("2", "1", "0"):
        done = await dispenser.success("CashDispenser.Present", {})
        assert done["position"]["additionalBunches"] == more
        told = await dispenser.until("unsolicited", name="CashManagement.ItemsPresentedEvent")
        assert told["payload"]["additionalBunches"] == more
        assert await dispenser.failure("CashDispenser.Present", {}) == (
            "shutterOpen" if more != "0" else "noItems"
        )
        await simulator.success("Simulator.TakeItems")
        told = await dispenser.until("unsolicited", name="CashManagement.ItemsTakenEvent")
        assert told["payload"]["additionalBunches"] == more
        await laws(dispenser, simulator)
    assert bucket(await unit(dispenser, "unit1"), "out", "presented") == 5


async def test_a_bunch_that_is_left_is_retracted_with_those_not_presented(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.Inject", {"fault": "smallBunches", "count": 2})
    await dispenser.success("CashDispenser.Dispense", {"denomination": chosen({"unit1": 5})})
    await dispenser.success("CashDispenser.Present", {})
    await dispenser.success("CashManagement.Retract", {})
    into = await unit(dispenser, "unit5")
    assert bucket(into, "in", "retracted") == 2
    assert bucket(into, "in", "rejected") == 3
    assert into["status"]["in"]["retractOperations"] == 1
    await laws(dispenser, simulator)


async def test_the_customer_may_leave_items_behind(dispenser: Dialogue, simulator: Dialogue) -> None:
    await present(dispenser, 300)
    assert await simulator.success("Simulator.TakeItems", {"count": 2}) == {"items": {"unit4": 2}}
    status = (await dispenser.success("Common.Status"))["cashDispenser"]["positions"][0]
    assert (status["shutter"], status["positionStatus"]) == ("open", "notEmpty")
    assert "CashManagement.ItemsTakenEvent" not in {m["header"].get("name") for m in dispenser.passed}
    await dispenser.success("CashManagement.Retract", {})
    assert bucket(await unit(dispenser, "unit5"), "in", "retracted") == 1
    assert bucket(await unit(dispenser, "unit4"), "out", "presented") == 3
    await laws(dispenser, simulator)


async def test_a_cassette_is_exchanged_for_another(dispenser: Dialogue, simulator: Dialogue) -> None:
    await dispenser.success("Storage.StartExchange")
    await simulator.success("Simulator.ReplaceUnit", {"unit": "unit2", "count": 77})
    assert content(await unit(dispenser, "unit2")) == 500
    await dispenser.success("Storage.EndExchange")
    storage = (await dispenser.success("Storage.GetStorage"))["storage"]
    assert storage["unit2"]["status"] == "ok"
    assert content(storage["unit2"]["cash"]) == 77
    assert storage["unit2"]["serialNumber"] != "SIM-unit2"
    await laws(dispenser, simulator)


async def test_a_cassette_replaced_outside_an_exchange_counts_as_manipulated(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.ReplaceUnit", {"unit": "unit2", "count": 77})
    assert (await dispenser.success("Storage.GetStorage"))["storage"]["unit2"]["status"] == "manipulated"
    await dispenser.success("Storage.StartExchange")
    await dispenser.success("Storage.EndExchange")
    storage = (await dispenser.success("Storage.GetStorage"))["storage"]
    assert storage["unit2"]["status"] == "ok"
    assert content(storage["unit2"]["cash"]) == 77


async def test_time_stands_still_and_passes_when_told(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    dispenser: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    simulator: Dialogue = await nursery.start(dialogue, slow_atm.uri("Simulator"))
    await simulator.success("Simulator.StopClock")
    request = await dispenser.send("CashDispenser.Dispense", {"denomination": chosen({"unit1": 10})})
    await dispenser.until("event", request, "CashDispenser.StartDispenseEvent")
    for milliseconds, on_the_stacker in ((550, 5), (249, 7), (1, 8)):
        await simulator.success("Simulator.Advance", {"milliseconds": milliseconds})
        while (there := sum((await truth(simulator)).get("stacker", {}).values())) < on_the_stacker:
            pass
        assert there == on_the_stacker
    await simulator.success("Simulator.Advance", {"milliseconds": 3_600_000})
    assert outcome(await dispenser.until("completion", request)) == "success"
    await simulator.success("Simulator.StartClock")
    await dispenser.success("CashDispenser.Present", {})


async def test_the_customer_takes_the_items_later(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.StopClock")
    await present(dispenser, 100)
    await simulator.success("Simulator.TakeItems", {"after": 5000})
    await simulator.success("Simulator.Advance", {"milliseconds": 4999})
    await dispenser.success("Common.Status")
    assert "output" in await truth(simulator)
    await simulator.success("Simulator.Advance", {"milliseconds": 1})
    await dispenser.until("unsolicited", name="CashManagement.ItemsTakenEvent")


async def test_a_delayed_dispense_says_so_first(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.StopClock")
    await simulator.success("Simulator.Inject", {"fault": "delayed", "count": 30})
    request = await dispenser.send(*DISPENSE)
    delayed = await dispenser.until("event", request)
    assert (delayed["header"]["name"], delayed["payload"]) == (
        "CashDispenser.DelayedDispenseEvent",
        {"delay": 30},
    )
    await simulator.success("Simulator.Advance", {"milliseconds": 30_000})
    assert (await dispenser.until("event", request))["header"]["name"] == "CashDispenser.StartDispenseEvent"
    assert outcome(await dispenser.until("completion", request)) == "success"


async def test_serial_numbers_of_the_items_are_read_and_followed(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    request = await dispenser.send("CashDispenser.Dispense", {"denomination": amount(120)})
    told = await dispenser.until("event", request, "CashManagement.InfoAvailableEvent")
    assert told["payload"]["itemInfoSummary"] == [{"level": "fit", "numOfItems": 2}]
    await dispenser.until("completion", request)

    async def read() -> list[tuple[str, str]]:
        found = (await dispenser.success("CashManagement.GetItemInfo", {}))["itemsList"]
        assert len({item["serialNumber"] for item in found}) == 2
        return sorted((item["noteType"], item["itemLocation"]) for item in found)

    assert await read() == [("typeEUR100", "stacker"), ("typeEUR20", "stacker")]
    await dispenser.success("CashDispenser.Present", {})
    assert await read() == [("typeEUR100", "output"), ("typeEUR20", "output")]
    await simulator.success("Simulator.TakeItems")
    assert await read() == [("typeEUR100", "customer"), ("typeEUR20", "customer")]


@pytest.fixture
async def slow(slow_atm: xfs4iot.Publisher, nursery: trio.Nursery) -> tuple[Dialogue, Dialogue]:
    """Conversations with a slow dispenser and with its simulator; the clock stands still."""
    simulator: Dialogue = await nursery.start(dialogue, slow_atm.uri("Simulator"))
    dispenser: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    await present(dispenser, 230)
    await simulator.success("Simulator.StopClock")
    return dispenser, simulator


@pytest.mark.parametrize("taken", [1, 2, None])
async def test_a_customer_may_take_notes_while_they_are_retracted(
    slow: tuple[Dialogue, Dialogue], taken: int | None
) -> None:
    dispenser, simulator = slow
    request = await dispenser.send("CashManagement.Retract", {"location": {"retractArea": "retract"}})
    await dispenser.until("acknowledge", request)
    await simulator.success("Simulator.Advance", {"milliseconds": 300})
    await simulator.success("Simulator.TakeItems", {} if taken is None else {"count": taken})
    await simulator.success("Simulator.StartClock")
    completion = await dispenser.until("completion", request)
    assert completion["payload"]["errorCode"] == "itemsTaken"
    await laws(dispenser, simulator)


async def test_notes_may_be_taken_while_the_device_is_reset(slow: tuple[Dialogue, Dialogue]) -> None:
    dispenser, simulator = slow
    request = await dispenser.send("CashManagement.Reset", {"position": {"target": "reject"}})
    await dispenser.until("acknowledge", request)
    await simulator.success("Simulator.Advance", {"milliseconds": 300})
    await simulator.success("Simulator.TakeItems", {"count": 1})
    await simulator.success("Simulator.StartClock")
    await dispenser.until("completion", request)
    await laws(dispenser, simulator)


async def test_a_delayed_dispense_ends_at_its_timeout(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "delayed", "count": 3600})
    began = trio.current_time()
    completion = await dispenser.completion(*DISPENSE, timeout=300)
    assert outcome(completion) == "timeOut"
    assert trio.current_time() - began < 60
    await laws(dispenser, simulator)
    await dispenser.success(*DISPENSE)


async def test_a_delayed_dispense_can_be_cancelled(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.StopClock")
    await simulator.success("Simulator.Inject", {"fault": "delayed", "count": 3600})
    request = await dispenser.send(*DISPENSE)
    await dispenser.until("event", request)
    await dispenser.success("Common.Cancel", {"requestIds": [request]})
    assert outcome(await dispenser.until("completion", request)) == "canceled"
