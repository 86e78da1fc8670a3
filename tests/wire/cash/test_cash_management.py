"""CashManagement: retract, reset, shutter, calibration, items, classification."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import xfs4iot
from cash import bucket, dispense, items, laws, present, truth, unit
from dialogue import Dialogue, dialogue


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


async def test_items_not_taken_are_retracted_and_counted_as_such(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await present(dispenser, 230)
    done = await dispenser.success(
        "CashManagement.Retract", {"location": {"retractArea": "retract", "index": 1}}
    )
    assert done["storage"]["unit5"]["retractOperations"] == 1
    assert items(done["storage"]["unit5"]["retracted"]) == 4
    into = await unit(dispenser, "unit5")
    assert bucket(into, "in", "retracted") == 4
    assert into["status"]["in"]["retractOperations"] == 1
    assert bucket(await unit(dispenser, "unit4"), "out", "presented") == 2
    status = await dispenser.success("Common.Status")
    assert status["cashDispenser"]["positions"][0]["shutter"] == "closed"
    await laws(dispenser, simulator)


async def test_items_never_presented_are_no_retracted_items(dispenser: Dialogue, simulator: Dialogue) -> None:
    await dispense(dispenser, 100)
    await dispenser.success("CashManagement.Retract", {})
    into = await unit(dispenser, "unit5")
    assert bucket(into, "in", "retracted") == 0
    assert bucket(into, "in", "rejected") == 1
    await laws(dispenser, simulator)


async def test_items_are_retracted_to_the_stacker_and_presented_again(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await present(dispenser, 100)
    done = await dispenser.success("CashManagement.Retract", {"location": {"retractArea": "stacker"}})
    assert done["stacker"] == {"typeEUR100": {"fit": 1}}
    assert bucket(await unit(dispenser, "unit4"), "out", "stacked") == 1
    await laws(dispenser, simulator)
    await dispenser.success("CashDispenser.Present", {})
    assert bucket(await unit(dispenser, "unit4"), "out", "presented") == 1


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ({"retractArea": "retract", "index": 2}, "invalidRetractPosition"),
        ({"retractArea": "retract", "index": 0}, "invalidData"),
        ({"retractArea": "transport"}, "notRetractArea"),
        ({"retractArea": "cashIn"}, "notRetractArea"),
        ({"retractArea": "itemCassette"}, "notRetractArea"),
    ],
)
async def test_where_items_cannot_be_retracted_to(
    dispenser: Dialogue, location: dict[str, Any], code: str
) -> None:
    await present(dispenser, 100)
    assert await dispenser.failure("CashManagement.Retract", {"location": location}) == code


@pytest.mark.parametrize(
    "location",
    [
        None,
        {},
        {"retractArea": "reject"},
        {"retractArea": "retract"},
        {"outputPosition": "outFront"},
        {"outputPosition": "outDefault", "retractArea": "retract", "index": 1},
    ],
)
async def test_where_items_are_retracted_from_and_to(
    dispenser: Dialogue, simulator: Dialogue, location: dict[str, Any] | None
) -> None:
    await present(dispenser, 100)
    await dispenser.success("CashManagement.Retract", {"location": location})
    assert bucket(await unit(dispenser, "unit5"), "in", "retracted") == 1
    await laws(dispenser, simulator)


async def test_a_position_that_the_device_lacks_has_no_items_to_retract(dispenser: Dialogue) -> None:
    await present(dispenser, 100)
    location = {"location": {"outputPosition": "outRear"}}
    assert await dispenser.failure("CashManagement.Retract", location) == "unsupportedData"


async def test_what_can_go_wrong_with_a_retract(dispenser: Dialogue, simulator: Dialogue) -> None:
    assert await dispenser.failure("CashManagement.Retract", {}) == "noItems"
    await dispense(dispenser, 100)
    to_stacker = {"location": {"retractArea": "stacker"}}
    assert await dispenser.failure("CashManagement.Retract", to_stacker) == "positionNotEmpty"
    await dispenser.success("CashDispenser.Present", {})
    await simulator.success("Simulator.Inject", {"fault": "shutterJammed"})
    assert await dispenser.failure("CashManagement.Retract", {}) == "shutterNotClosed"
    await simulator.success("Simulator.ClearFaults")
    await simulator.success("Simulator.Inject", {"fault": "itemsTaken"})
    assert await dispenser.failure("CashManagement.Retract", {}) == "itemsTaken"
    await laws(dispenser, simulator)


async def test_an_incomplete_retract_tells_what_came_back(dispenser: Dialogue, simulator: Dialogue) -> None:
    await present(dispenser, 200)
    await simulator.success("Simulator.Inject", {"fault": "incompleteRetract"})
    request = await dispenser.send("CashManagement.Retract", {})
    completion = await dispenser.until("completion", request)
    assert completion["payload"]["errorCode"] == "incompleteRetract"
    event = await dispenser.until("event", request, "CashManagement.IncompleteRetractEvent")
    assert event["payload"]["reason"] == "retractFailure"
    assert items(event["payload"]["itemNumberList"]["unit5"]["retracted"]) == 1
    await laws(dispenser, simulator)


async def test_a_full_retract_unit_is_a_unit_error(dispenser: Dialogue) -> None:
    initial = {"typeEUR10": {"fit": 299}}
    await dispenser.success(
        "Storage.SetStorage", {"storage": {"unit5": {"cash": {"status": {"initial": initial}}}}}
    )
    await present(dispenser, 100)
    await dispenser.success("CashManagement.Retract", {})
    event = await dispenser.until("unsolicited", name="Storage.StorageThresholdEvent")
    while event["payload"].get("unit5") is None:
        event = await dispenser.until("unsolicited", name="Storage.StorageThresholdEvent")
    assert (await unit(dispenser, "unit5"))["status"]["replenishmentStatus"] == "full"


@pytest.mark.parametrize(
    ("position", "code"),
    [
        ({"target": "singleUnit"}, "invalidData"),
        ({"target": "singleUnit", "unit": "unit9"}, "invalidCashUnit"),
        ({"target": "singleUnit", "unit": "unit1"}, "invalidCashUnit"),
        ({"target": "transport"}, "notRetractArea"),
        ({"target": "retract", "index": 3}, "invalidRetractPosition"),
        ({"target": "retract", "index": 0}, "invalidData"),
        ({"target": "outRear"}, "unsupportedPosition"),
    ],
)
async def test_where_reset_cannot_move_items(
    dispenser: Dialogue, position: dict[str, Any], code: str
) -> None:
    assert await dispenser.failure("CashManagement.Reset", {"position": position}) == code


@pytest.mark.parametrize("position", [None, {"target": "reject"}, {"target": "singleUnit", "unit": "unit5"}])
async def test_reset_clears_the_way(
    dispenser: Dialogue, simulator: Dialogue, position: dict[str, Any] | None
) -> None:
    await dispense(dispenser, 230)
    await dispenser.success("CashManagement.Reset", {"position": position} if position else {})
    places = await truth(simulator)
    assert "stacker" not in places
    assert sum(places["unit5"].values()) == 4
    await laws(dispenser, simulator)


async def test_the_shutter_opens_and_closes_once(dispenser: Dialogue, simulator: Dialogue) -> None:
    front = {"position": "outFront"}
    assert await dispenser.failure("CashManagement.CloseShutter", front) == "shutterClosed"
    await dispenser.success("CashManagement.OpenShutter", front)
    assert await dispenser.failure("CashManagement.OpenShutter", front) == "shutterOpen"
    await simulator.success("Simulator.Inject", {"fault": "shutterJammed"})
    assert await dispenser.failure("CashManagement.CloseShutter", {}) == "shutterNotClosed"
    await simulator.success("Simulator.ClearFaults")
    await dispenser.success("CashManagement.CloseShutter", {})
    await simulator.success("Simulator.Inject", {"fault": "shutterJammed"})
    assert await dispenser.failure("CashManagement.OpenShutter", {}) == "shutterNotOpen"


@pytest.mark.parametrize("command", ["OpenShutter", "CloseShutter"])
@pytest.mark.parametrize("position", ["outRear", "inRear"])
async def test_only_the_devices_own_shutters_move(dispenser: Dialogue, command: str, position: str) -> None:
    payload = {"position": position}
    assert await dispenser.failure(f"CashManagement.{command}", payload) == "unsupportedPosition"


async def test_calibration_moves_items_of_a_unit_to_the_reject_unit(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    done = await dispenser.success("CashManagement.CalibrateCashUnit", {"unit": "unit2", "numOfBills": 4})
    assert done["result"] == {
        "unit": "unit2",
        "numOfBills": 4,
        "position": {"target": "singleUnit", "unit": "unit5"},
    }
    await laws(dispenser, simulator)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"numOfBills": 4}, "invalidData"),
        ({"unit": "unit2"}, "invalidData"),
        ({"unit": "unit2", "numOfBills": 0}, "invalidData"),
        ({"unit": "unit2", "numOfBills": -1}, "invalidData"),
        ({"unit": "unit9", "numOfBills": 1}, "invalidCashUnit"),
        ({"unit": "unit1", "numOfBills": 1, "position": {"target": "cashIn"}}, "unsupportedPosition"),
        ({"unit": "unit5", "numOfBills": 1}, "cashUnitError"),
    ],
)
async def test_what_cannot_be_calibrated(dispenser: Dialogue, payload: dict[str, Any], code: str) -> None:
    assert await dispenser.failure("CashManagement.CalibrateCashUnit", payload) == code


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        ("Retract", {}),
        ("OpenShutter", {}),
        ("CloseShutter", {}),
        ("CalibrateCashUnit", {"unit": "unit1", "numOfBills": 1}),
    ],
)
async def test_an_exchange_excludes_movements_of_cash(
    dispenser: Dialogue, command: str, payload: dict[str, Any]
) -> None:
    await dispenser.success("Storage.StartExchange")
    assert await dispenser.failure(f"CashManagement.{command}", payload) == "exchangeActive"


async def test_the_known_notes_are_listed(dispenser: Dialogue) -> None:
    notes = (await dispenser.success("CashManagement.GetBankNoteTypes"))["items"]
    assert notes["typeEUR50"] == {
        "cashItem": {"noteID": 3, "currency": "EUR", "value": 50, "release": 1},
        "enabled": True,
    }


async def test_the_classification_list_is_kept_as_a_whole(dispenser: Dialogue) -> None:
    elements = [{"serialNumber": "X1", "currency": "EUR", "value": 50, "level": "suspect"}]
    wanted = {"version": "1", "classificationElements": elements}
    await dispenser.success("CashManagement.SetClassificationList", wanted)
    assert await dispenser.success("CashManagement.GetClassificationList") == wanted
    for wrong in ({"currency": "EUR"}, {"currency": "euro", "level": "suspect"}, {"level": "odd"}):
        bad = {"version": "2", "classificationElements": [*elements, {"serialNumber": "X2", **wrong}]}
        assert await dispenser.failure("CashManagement.SetClassificationList", bad) == "invalidData"
        assert await dispenser.success("CashManagement.GetClassificationList") == wanted
    await dispenser.success("CashManagement.SetClassificationList", {"version": "3"})
    assert await dispenser.success("CashManagement.GetClassificationList") == {"version": "3"}


async def test_items_on_the_classification_list_are_said_to_be(dispenser: Dialogue) -> None:
    await dispense(dispenser, 120)
    found = (await dispenser.success("CashManagement.GetItemInfo", {}))["itemsList"]
    assert all("onClassificationList" not in item for item in found)
    (serial,) = (item["serialNumber"] for item in found if item["noteType"] == "typeEUR100")
    mask = f"{serial[:2]}*{serial[-4:-1]}?"
    elements = [{"serialNumber": mask, "currency": "EUR", "value": 100, "level": "suspect"}]
    await dispenser.success("CashManagement.SetClassificationList", {"classificationElements": elements})
    found = (await dispenser.success("CashManagement.GetItemInfo", {}))["itemsList"]
    assert {item["noteType"]: item["onClassificationList"] for item in found} == {
        "typeEUR100": "onClassificationList",
        "typeEUR20": "notOnClassificationList",
    }


async def test_reset_tells_where_it_moved_items_to(dispenser: Dialogue) -> None:
    await dispenser.success("CashManagement.Reset", {})
    await dispense(dispenser, 100)
    await dispenser.success("CashManagement.Reset", {"position": {"target": "singleUnit", "unit": "unit5"}})
    told = await dispenser.until("unsolicited", name="CashManagement.MediaDetectedEvent")
    assert told["payload"] == {"target": "singleUnit", "unit": "unit5"}
    assert "CashManagement.MediaDetectedEvent" not in {m["header"].get("name") for m in dispenser.passed}


async def test_an_open_safe_door_is_the_users_fault_where_there_is_no_code_for_it(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.OpenSafeDoor")
    request = {"unit": "unit1", "numOfBills": 1}
    assert await dispenser.failure("CashManagement.CalibrateCashUnit", request) == "userError"
    assert await dispenser.failure("CashDispenser.TestCashUnits", {}) == "userError"


async def test_tellers_are_not_offered_by_a_self_service_device(dispenser: Dialogue) -> None:
    for command in ("GetTellerInfo", "SetTellerInfo"):
        assert await dispenser.failure(f"CashManagement.{command}") == "unsupportedCommand"
