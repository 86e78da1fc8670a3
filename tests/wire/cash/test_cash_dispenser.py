"""CashDispenser: paying out, and everything that can stop it."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount, bucket, chosen, dispense, laws, present, truth, unit
from dialogue import Dialogue, dialogue, outcome


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


async def test_a_withdrawal_moves_items_from_units_over_the_stacker_to_the_customer(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    done = await dispense(dispenser, 280)
    assert done["denomination"] == {
        "currencies": {"EUR": 280},
        "values": {"unit4": 2, "unit3": 1, "unit2": 1, "unit1": 1},
    }
    assert done["bunches"] == "1"
    assert done["storage"]["out"]["unit4"]["stacked"]["typeEUR100"] == {"fit": 2}
    assert bucket(await unit(dispenser, "unit4"), "out", "stacked") == 2
    status = await dispenser.success("Common.Status")
    assert status["cashDispenser"]["intermediateStacker"] == "notEmpty"
    presented = await dispenser.success("CashDispenser.Present", {})
    assert presented["position"] == {"position": "outDefault", "additionalBunches": "0"}
    status = await dispenser.success("Common.Status")
    assert status["cashDispenser"]["positions"][0]["shutter"] == "open"
    assert await simulator.success("Simulator.TakeItems") == {"items": done["denomination"]["values"]}
    taken = await dispenser.until("unsolicited", name="CashManagement.ItemsTakenEvent")
    assert taken["payload"] == {"position": "outDefault", "additionalBunches": "0"}
    after = await unit(dispenser, "unit4")
    assert bucket(after, "out", "presented") == 2
    assert bucket(after, "out", "stacked") == 0
    await laws(dispenser, simulator)


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        ("CashDispenser.Dispense", {"denomination": amount(100), "position": "outRear"}),
        ("CashDispenser.Present", {"position": "outRear"}),
        ("CashDispenser.GetPresentStatus", {"position": "outRear"}),
        ("CashDispenser.Count", {"unit": "unit1", "position": "outRear"}),
        ("CashDispenser.TestCashUnits", {"target": {"target": "outRear"}}),
        ("CashDispenser.TestCashUnits", {"target": {"target": "cashIn"}}),
    ],
)
async def test_a_position_that_the_device_lacks_is_unsupported(
    dispenser: Dialogue, command: str, payload: dict[str, Any]
) -> None:
    assert await dispenser.failure(command, payload) == "unsupportedPosition"


async def test_a_dispense_needs_a_free_way(dispenser: Dialogue, simulator: Dialogue) -> None:
    await dispense(dispenser, 100)
    request = {"denomination": amount(50)}
    assert await dispenser.failure("CashDispenser.Dispense", request) == "itemsLeft"
    await dispenser.success("CashDispenser.Present", {})
    assert await dispenser.failure("CashDispenser.Dispense", request) == "shutterOpen"
    await simulator.success("Simulator.TakeItems")
    await dispenser.success("CashDispenser.Dispense", request)


async def test_an_open_safe_door_stops_a_dispense(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.OpenSafeDoor")
    request = {"denomination": amount(50)}
    assert await dispenser.failure("CashDispenser.Dispense", request) == "safeDoorOpen"
    assert await dispenser.failure("CashDispenser.Count", {"unit": "unit1"}) == "safeDoorOpen"
    await simulator.success("Simulator.CloseSafeDoor")
    await dispenser.success("CashDispenser.Dispense", request)


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        ("CashDispenser.Denominate", {"request": amount(100)}),
        ("CashDispenser.Dispense", {"denomination": amount(100)}),
        ("CashDispenser.Present", {}),
        ("CashDispenser.Reject", None),
        ("CashDispenser.PrepareDispense", {"action": "start"}),
        ("CashDispenser.Count", {"unit": "unit1"}),
        ("CashDispenser.TestCashUnits", {}),
    ],
)
async def test_an_exchange_excludes_every_movement(
    dispenser: Dialogue, command: str, payload: dict[str, Any] | None
) -> None:
    await dispenser.success("Storage.StartExchange")
    assert await dispenser.failure(command, payload) == "exchangeActive"


async def test_a_unit_that_runs_empty_leaves_what_was_dispensed_on_the_stacker(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.EmptyUnit", {"unit": "unit4", "count": 198})
    request = await dispenser.send("CashDispenser.Dispense", {"denomination": amount(500)})
    completion = await dispenser.until("completion", request)
    assert completion["payload"]["errorCode"] == "cashUnitError"
    error = await dispenser.until("event", request, "Storage.StorageErrorEvent")
    assert error["payload"]["failure"] == "empty"
    assert list(error["payload"]["unit"]) == ["unit4"]
    incomplete = await dispenser.until("event", request, "CashDispenser.IncompleteDispenseEvent")
    assert incomplete["payload"] == {"currencies": {"EUR": 200}, "values": {"unit4": 2}}
    assert bucket(await unit(dispenser, "unit4"), "out", "stacked") == 2
    await dispenser.success("CashDispenser.Reject")
    assert bucket(await unit(dispenser, "unit5"), "in", "rejected") == 2


async def test_bad_items_go_to_the_reject_unit_and_are_replaced(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.Inject", {"fault": "rejects", "count": 3})
    done = await dispense(dispenser, 100)
    assert done["denomination"]["values"] == {"unit4": 1}
    assert done["storage"]["in"]["unit5"]["rejected"]["typeEUR100"] == {"fit": 3}
    assert bucket(await unit(dispenser, "unit4"), "out", "rejected") == 3
    await laws(dispenser, simulator)


async def test_a_jam_is_a_hardware_error_and_reset_clears_it(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.Inject", {"fault": "jam"})
    assert await dispenser.failure("CashDispenser.Dispense", {"denomination": amount(200)}) == "hardwareError"
    assert bucket(await unit(dispenser, "unit4"), "out", "transport") == 1
    status = await dispenser.success("Common.Status")
    assert status["common"]["device"] == "hardwareError"
    assert await dispenser.failure("CashDispenser.Dispense", {"denomination": amount(200)}) == "itemsLeft"
    cleared = await dispenser.success("CashManagement.Reset", {})
    assert cleared["storage"]["unit5"]
    assert (await dispenser.success("Common.Status"))["common"]["device"] == "online"
    await laws(dispenser, simulator)


async def test_a_device_class_that_breaks_mid_dispense_is_booked_as_the_device_recorded(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.Inject", {"fault": "breaks"})
    assert await dispenser.failure("CashDispenser.Dispense", {"denomination": amount(200)}) == "hardwareError"
    status = await dispenser.success("CashDispenser.GetPresentStatus", {})
    assert status["denomination"]["values"] == {"unit4": 1}
    assert status["presentState"] == "notPresented"
    await laws(dispenser, simulator)


async def test_what_can_go_wrong_with_present(dispenser: Dialogue, simulator: Dialogue) -> None:
    assert await dispenser.failure("CashDispenser.Present", {}) == "noItems"
    await dispense(dispenser, 100)
    await simulator.success("Simulator.Inject", {"fault": "shutterJammed"})
    assert await dispenser.failure("CashDispenser.Present", {}) == "shutterNotOpen"
    await simulator.success("Simulator.ClearFaults")
    await simulator.success("Simulator.Inject", {"fault": "jam"})
    assert await dispenser.failure("CashDispenser.Present", {}) == "presentErrorNoItems"
    state = await dispenser.success("CashDispenser.GetPresentStatus", {})
    assert state["presentState"] == "notPresented"
    await laws(dispenser, simulator)


async def test_items_are_presented_once(dispenser: Dialogue) -> None:
    await present(dispenser, 100)
    assert await dispenser.failure("CashDispenser.Present", {}) == "noItems"


async def test_present_status_tells_of_the_last_dispense(dispenser: Dialogue, simulator: Dialogue) -> None:
    assert (await dispenser.success("CashDispenser.GetPresentStatus", {})) == {"presentState": "unknown"}
    await dispense(dispenser, 100)
    expected = {"currencies": {"EUR": 100}, "values": {"unit4": 1}}
    status = await dispenser.success("CashDispenser.GetPresentStatus", {"position": "outFront"})
    assert status == {"denomination": expected, "presentState": "notPresented"}
    await dispenser.success("CashDispenser.Present", {})
    status = await dispenser.success("CashDispenser.GetPresentStatus", {})
    assert status == {"denomination": expected, "presentState": "presented"}


async def test_reject_needs_items_and_room(dispenser: Dialogue, simulator: Dialogue) -> None:
    assert await dispenser.failure("CashDispenser.Reject") == "noItems"
    full = {"storage": {"unit5": {"cash": {"status": {"initial": {"unrecognized": 300}}}}}}
    await dispenser.success("Storage.SetStorage", full)
    await dispense(dispenser, 100)
    assert await dispenser.failure("CashDispenser.Reject") == "cashUnitError"
    error = await dispenser.until("event", name="Storage.StorageErrorEvent")
    assert error["payload"]["failure"] == "full"


async def test_prepare_dispense_starts_and_stops(dispenser: Dialogue) -> None:
    await dispenser.success("CashDispenser.PrepareDispense", {"action": "start"})
    await dispenser.success("CashDispenser.PrepareDispense", {"action": "stop"})
    assert await dispenser.failure("CashDispenser.PrepareDispense", {}) == "invalidData"


async def test_count_empties_a_unit_and_tells_what_was_in_it(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.EmptyUnit", {"unit": "unit4", "count": 5})
    counted = (await dispenser.success("CashDispenser.Count", {"unit": "unit4"}))["countedCashUnits"]
    assert counted == {
        "unit4": {"dispensed": 195, "counted": 195, "replenishmentStatus": "empty", "status": "ok"}
    }
    assert bucket(await unit(dispenser, "unit4"), "out", "unknown") == 5
    assert (await truth(simulator))["output"] == {"unit4": 195}
    assert await dispenser.failure("CashDispenser.Count", {"unit": "unit9"}) == "invalidData"


@pytest.mark.parametrize(
    ("version", "payload"), [("2024-3", {}), ("2023-2", {}), ("2021-1", {}), ("2021-1", {"unit": "all"})]
)
async def test_count_of_all_empties_all_that_pay_out(
    atm: xfs4iot.Publisher,
    dispenser: Dialogue,
    simulator: Dialogue,
    nursery: trio.Nursery,
    version: str,
    payload: dict[str, Any],
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), version)
    request = await client.send("CashDispenser.Count", payload)
    counted = (await client.until("completion", request))["payload"]["countedCashUnits"]
    assert {name: one["counted"] for name, one in counted.items()} == {
        "unit1": 500,
        "unit2": 500,
        "unit3": 500,
        "unit4": 200,
    }
    await laws(dispenser, simulator)


async def test_a_count_that_jams_tells_what_was_counted(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.EmptyUnit", {"unit": "unit1"})
    await simulator.success("Simulator.Inject", {"fault": "jam"})
    assert await dispenser.failure("CashDispenser.Count", {}) == "hardwareError"
    assert bucket(await unit(dispenser, "unit1"), "out", "unknown") == 500
    assert bucket(await unit(dispenser, "unit2"), "out", "transport") == 1
    await laws(dispenser, simulator)


async def test_count_refuses_a_unit_that_does_not_work(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "missing", "unit": "unit2"})
    assert await dispenser.failure("CashDispenser.Count", {"unit": "unit2"}) == "cashUnitError"


async def test_the_test_of_the_units_takes_an_item_of_each_to_the_reject_unit(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await dispenser.success("CashDispenser.TestCashUnits", {})
    assert (await truth(simulator))["unit5"] == {"unit1": 1, "unit2": 1, "unit3": 1, "unit4": 1}
    await laws(dispenser, simulator)


async def test_the_test_of_the_units_names_those_that_fail(dispenser: Dialogue, simulator: Dialogue) -> None:
    lock = {"storage": {"unit1": {"cash": {"configuration": {"appLockOut": True}}}}}
    await dispenser.success("Storage.SetStorage", lock)
    await simulator.success("Simulator.Inject", {"fault": "inoperative", "unit": "unit2"})
    await simulator.success("Simulator.EmptyUnit", {"unit": "unit3"})
    request = await dispenser.send("CashDispenser.TestCashUnits", {})
    assert outcome(await dispenser.until("completion", request)) == "success"
    failed = {}
    for _ in range(3):
        payload = (await dispenser.until("event", request, "Storage.StorageErrorEvent"))["payload"]
        failed[next(iter(payload["unit"]))] = payload["failure"]
    assert failed == {"unit1": "locked", "unit2": "error", "unit3": "empty"}


async def test_the_test_of_the_units_fails_if_none_gives_an_item(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    names = ("unit1", "unit2", "unit3", "unit4")
    for name in names:
        await simulator.success("Simulator.EmptyUnit", {"unit": name})
    assert await dispenser.failure("CashDispenser.TestCashUnits", {}) == "cashUnitError"
    locks = {name: {"cash": {"configuration": {"appLockOut": True}}} for name in names}
    await dispenser.success("Storage.SetStorage", {"storage": locks})
    assert await dispenser.failure("CashDispenser.TestCashUnits", {}) == "cashUnitError"
    request = {"target": {"target": "singleUnit", "unit": "unit9"}}
    assert await dispenser.failure("CashDispenser.TestCashUnits", request) == "invalidCashUnit"


async def test_a_cancelled_dispense_stops_and_is_booked(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    dispenser: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    simulator: Dialogue = await nursery.start(dialogue, slow_atm.uri("Simulator"))
    request = await dispenser.send("CashDispenser.Dispense", {"denomination": chosen({"unit1": 10})})
    await dispenser.until("event", request, "CashDispenser.StartDispenseEvent")
    await dispenser.success("Common.Cancel", {"requestIds": [request]})
    assert outcome(await dispenser.until("completion", request)) == "canceled"
    assert sum((await truth(simulator)).get("stacker", {}).values()) < 10
    await laws(dispenser, simulator)


async def test_a_dispense_out_of_time_stops_and_is_booked(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    dispenser: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    simulator: Dialogue = await nursery.start(dialogue, slow_atm.uri("Simulator"))
    payload = {"denomination": chosen({"unit1": 10})}
    assert await dispenser.failure("CashDispenser.Dispense", payload, timeout=300) == "timeOut"
    assert sum((await truth(simulator)).get("stacker", {}).values()) < 10
    await laws(dispenser, simulator)


async def test_a_unit_that_feeds_nothing_is_left_out_of_the_next_mix(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.EmptyUnit", {"unit": "unit2"})
    seventy = {"denomination": amount(70)}
    request = await dispenser.send("CashDispenser.Dispense", seventy)
    completion = await dispenser.until("completion", request)
    assert completion["payload"]["errorCode"] == "cashUnitError"
    event = await dispenser.until("event", request, "Storage.StorageErrorEvent")
    assert event["payload"]["failure"] == "empty"
    assert (await unit(dispenser, "unit2"))["status"]["replenishmentStatus"] == "empty"
    paid = await dispenser.success("CashDispenser.Dispense", seventy)
    assert paid["denomination"]["values"] == {"unit1": 2, "unit3": 1}
    await dispenser.success("CashDispenser.Reject")
    assert await dispenser.failure("CashDispenser.Dispense", {"denomination": chosen({"unit2": 1})})
    await dispenser.success("Storage.StartExchange")
    filled = {"unit2": {"cash": {"status": {"initial": {"typeEUR20": {"fit": 100}}}}}}
    await simulator.success("Simulator.FillUnit", {"unit": "unit2", "count": 100})
    await dispenser.success("Storage.SetStorage", {"storage": filled})
    await dispenser.success("Storage.EndExchange")
    paid = await dispenser.success("CashDispenser.Dispense", seventy)
    assert paid["denomination"]["values"] == {"unit2": 1, "unit3": 1}
    await dispenser.success("CashDispenser.Reject")


async def test_a_test_that_feeds_an_item_brings_a_unit_back(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.EmptyUnit", {"unit": "unit2"})
    assert await dispenser.failure("CashDispenser.Dispense", {"denomination": amount(20)}) == "cashUnitError"
    await simulator.success("Simulator.FillUnit", {"unit": "unit2", "count": 20})
    assert (await unit(dispenser, "unit2"))["status"]["replenishmentStatus"] == "empty"
    await dispenser.success("CashDispenser.TestCashUnits", {"target": {"target": "reject"}})
    assert (await unit(dispenser, "unit2"))["status"]["replenishmentStatus"] == "ok"
    paid = await dispenser.success("CashDispenser.Dispense", {"denomination": amount(20)})
    assert paid["denomination"]["values"] == {"unit2": 1}


async def test_field_09_items_are_tested_and_calibrated_into_the_reject_unit(dispenser: Dialogue) -> None:
    target = {"target": "reject"}
    await dispenser.success("CashDispenser.TestCashUnits", {"target": target})
    request = {"unit": "unit1", "numOfBills": 1, "position": target}
    calibrated = await dispenser.success("CashManagement.CalibrateCashUnit", request)
    assert calibrated["result"]["numOfBills"] == 1
    rejected = (await unit(dispenser, "unit5"))["status"]["in"]["rejected"]
    assert sum(one["fit"] for one in rejected.values() if isinstance(one, dict)) == 5
