"""Storage: units, counts, thresholds, configuration and exchanges."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount, bucket, content, dispense, items, unit
from dialogue import Dialogue, another, dialogue, outcome


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


def configure(unit_name: str, **configuration: Any) -> dict[str, Any]:
    return {"storage": {unit_name: {"cash": {"configuration": configuration}}}}


def fill(name: str, **initial: Any) -> dict[str, Any]:
    return {"storage": {name: {"cash": {"status": {"initial": initial}}}}}


async def test_all_units_are_reported_whole(dispenser: Dialogue) -> None:
    storage = (await dispenser.success("Storage.GetStorage"))["storage"]
    assert sorted(storage) == ["unit1", "unit2", "unit3", "unit4", "unit5", "unit6", "unit7"]
    first = storage["unit2"]
    assert first["status"] == "ok"
    assert first["capacity"] == 2000
    assert first["id"] == "C2"
    assert first["cash"]["capabilities"]["types"]["cashOut"] is True
    assert first["cash"]["capabilities"]["types"]["reject"] is False
    assert first["cash"]["configuration"]["currency"] == "EUR"
    assert first["cash"]["configuration"]["value"] == 20
    assert first["cash"]["status"]["index"] == 2
    assert first["cash"]["status"]["initial"]["typeEUR20"] == {"fit": 500}
    assert first["cash"]["status"]["replenishmentStatus"] == "ok"
    assert first["cash"]["status"]["accuracy"] == "accurateSet"
    assert storage["unit5"]["cash"]["status"]["replenishmentStatus"] == "empty"


async def test_setting_counts_begins_them_anew(dispenser: Dialogue) -> None:
    await dispenser.success("CashDispenser.TestCashUnits", {})
    await dispenser.success("Storage.SetStorage", fill("unit1", typeEUR10={"fit": 120, "unfit": 3}))
    after = await unit(dispenser, "unit1")
    assert content(after) == 123
    assert after["status"]["initial"]["typeEUR10"] == {"fit": 120, "unfit": 3}
    assert bucket(after, "out", "rejected") == 0
    assert after["status"]["accuracy"] == "accurateSet"


REFUSED = [
    ("nothing", {}, "invalidData"),
    ("no units", {"storage": {}}, "invalidData"),
    ("unknown unit", configure("unit9", appLockOut=True), "invalidUnit"),
    ("no cash", {"storage": {"unit1": {}}}, "invalidData"),
    ("high above capacity", configure("unit1", highThreshold=2000), "invalidData"),
    ("low above high", configure("unit1", highThreshold=10, lowThreshold=20), "invalidData"),
    ("unknown item", configure("unit1", cashItems=["typeUSD10"]), "invalidData"),
    ("types beyond the unit", configure("unit1", types={"cashIn": True}), "invalidData"),
    ("capacity as low threshold", configure("unit1", lowThreshold=2000), "invalidData"),
    ("negative count", fill("unit1", typeEUR10={"fit": -1}), "invalidData"),
    ("negative retracts", configure("unit5", maxRetracts=-1), "invalidData"),
    ("kind outside an exchange", configure("unit1", value=20), "noExchangeActive"),
    ("item not configured", fill("unit1", typeEUR20={"fit": 1}), "invalidData"),
    ("a count beyond 63 bits", fill("unit5", unrecognized=2**63), "invalidData"),
    ("the largest of 63 bits", fill("unit5", unrecognized=2**63 - 1), "invalidData"),
    ("many counts, too many together", fill("unit5", unrecognized=10**9 + 1), "invalidData"),
    ("a threshold beyond all units", configure("unit5", highThreshold=2**63 - 1), "invalidData"),
    ("a count as a string", fill("unit1", typeEUR10={"fit": "5"}), "invalidData"),
    ("a value as a string", configure("unit1", value="10"), "invalidData"),
    ("more than fits", fill("unit1", typeEUR10={"fit": 2001}), "invalidData"),
]


@pytest.mark.parametrize(
    ("payload", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
async def test_a_wrong_setting_is_refused_as_a_whole(
    dispenser: Dialogue, payload: dict[str, Any], code: str
) -> None:
    before = await dispenser.success("Storage.GetStorage")
    if payload.get("storage"):
        good = configure("unit2", appLockOut=True)["storage"]
        payload = {"storage": {**good, **payload["storage"]}}
    assert await dispenser.failure("Storage.SetStorage", payload) == code
    assert await dispenser.success("Storage.GetStorage") == before


@pytest.mark.parametrize("value", [-1, "1e16", "10.000001"])
async def test_a_value_that_is_no_money_is_refused(dispenser: Dialogue, value: Any) -> None:
    await dispenser.success("Storage.StartExchange")
    change = configure("unit1", value=float(value))
    assert await dispenser.failure("Storage.SetStorage", change) == "invalidData"


async def test_a_retract_unit_is_full_after_so_many_retracts(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await dispenser.success("Storage.SetStorage", configure("unit5", maxRetracts=1))
    await dispense(dispenser, 100)
    await dispenser.success("CashDispenser.Present", {})
    await dispenser.success("CashManagement.Retract", {})
    assert (await unit(dispenser, "unit5"))["status"]["replenishmentStatus"] == "full"


async def test_a_cancelled_exchange_is_either_begun_or_not(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    request = await client.send("Storage.StartExchange")
    await client.success("Common.Cancel", {"requestIds": [request]})
    code = outcome(await client.until("completion", request))
    status = (await client.success("Common.Status"))["common"]["exchange"]
    assert (code, status) in (("success", "active"), ("canceled", "active"), ("canceled", "inactive"))
    kept = slow_atm.services["CashDispenser"].ledger.document("Storage.exchange")
    assert (kept == b"true") is (status == "active")


async def test_what_a_unit_holds_changes_in_an_exchange(dispenser: Dialogue) -> None:
    await dispenser.success("Storage.StartExchange")
    change = configure("unit1", value=20, cashItems=["typeEUR20"], name="twenties")
    await dispenser.success("Storage.SetStorage", change)
    await dispenser.success("Storage.SetStorage", fill("unit1", typeEUR20={"fit": 10}))
    await dispenser.success("Storage.EndExchange")
    after = await unit(dispenser, "unit1")
    assert after["configuration"]["value"] == 20
    assert after["configuration"]["name"] == "twenties"
    assert content(after) == 10


async def test_each_property_of_a_unit_is_set_alone(dispenser: Dialogue) -> None:
    """The reference skips a unit of which these alone are given, and forgets the currency that is not."""
    await dispenser.success("Storage.StartExchange")
    before = await unit(dispenser, "unit1")
    await dispenser.success("Storage.SetStorage", configure("unit1", value=12.5))
    await dispenser.success("Storage.SetStorage", configure("unit1", name="tens"))
    await dispenser.success("Storage.SetStorage", configure("unit1", items={"fit": False, "unfit": True}))
    await dispenser.success("Storage.SetStorage", fill("unit1", unrecognized=7))
    after = await unit(dispenser, "unit1")
    now, was = after["configuration"], before["configuration"]
    assert (now["value"], now["name"], now["currency"], now["types"]) == (
        12.5,
        "tens",
        was["currency"],
        was["types"],
    )
    assert (now["items"]["fit"], now["items"]["unfit"]) == (False, True)
    assert after["status"]["initial"] == {"unrecognized": 7}
    assert content(after) == 7


async def test_a_movement_tells_its_counts_and_then_thresholds_and_status(dispenser: Dialogue) -> None:
    await dispenser.success("Storage.SetStorage", fill("unit4", typeEUR100={"fit": 51}))
    request = await dispenser.send("CashDispenser.Dispense", {"denomination": amount(200)})
    await dispenser.until("completion", request)
    counts = [m for m in dispenser.passed if m["header"].get("name") == "Storage.CountsChangedEvent"][-1]
    assert items(counts["payload"]["unit4"]["cash"]["status"]["out"]["stacked"]) == 2
    threshold = await dispenser.until("unsolicited", name="Storage.StorageThresholdEvent")
    assert threshold["payload"]["unit4"]["cash"]["status"]["replenishmentStatus"] == "low"
    names = [m["header"].get("name") for m in dispenser.passed if m["header"]["type"] == "unsolicited"]
    assert "Storage.StorageChangedEvent" in names


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_older_clients_are_told_of_counts_as_changes_of_the_units(
    atm: xfs4iot.Publisher, dispenser: Dialogue, nursery: trio.Nursery, version: str
) -> None:
    older: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), version)
    request = await older.send("Common.Status", {} if version == "2021-1" else None)
    await older.until("completion", request)
    await dispense(dispenser, 200)
    told = await older.until("unsolicited", name="Storage.StorageChangedEvent")
    assert items(told["payload"]["unit4"]["cash"]["status"]["out"]["stacked"]) == 2


async def test_a_threshold_is_told_each_time_it_is_crossed_and_only_then(dispenser: Dialogue) -> None:
    await dispenser.success("Storage.SetStorage", fill("unit4", typeEUR100={"fit": 51}))
    levels = []
    for value in (100, 100, 100, 4700):
        await dispenser.completion("CashDispenser.Dispense", {"denomination": chosen_hundreds(value)})
        await dispenser.success("CashDispenser.Reject")
        for message in dispenser.passed:
            if message["header"].get("name") == "Storage.StorageThresholdEvent":
                levels += [
                    one["cash"]["status"]["replenishmentStatus"]
                    for name, one in message["payload"].items()
                    if name == "unit4"
                ]
        dispenser.passed.clear()
    assert levels == ["low"]
    await dispenser.success("Storage.SetStorage", fill("unit4", typeEUR100={"fit": 0}))
    told = await dispenser.until("unsolicited", name="Storage.StorageThresholdEvent")
    assert told["payload"]["unit4"]["cash"]["status"]["replenishmentStatus"] == "empty"


def chosen_hundreds(value: int) -> dict[str, Any]:
    """Items of unit4, as many as it takes and the device dispenses at once."""
    count = min(value // 100, 40)
    return {"denomination": {"app": {"currencies": {"EUR": 0}, "counts": {"unit4": count}}}}


@pytest.mark.parametrize(
    ("count", "status"), [(0, "empty"), (1, "low"), (49, "low"), (50, "ok"), (1999, "ok"), (2000, "full")]
)
async def test_replenishment_status_follows_the_count(dispenser: Dialogue, count: int, status: str) -> None:
    await dispenser.success("Storage.SetStorage", fill("unit1", typeEUR10={"fit": count}))
    assert (await unit(dispenser, "unit1"))["status"]["replenishmentStatus"] == status


async def test_high_needs_only_the_high_threshold(dispenser: Dialogue) -> None:
    await dispenser.success("Storage.SetStorage", configure("unit5", highThreshold=10))
    await dispenser.success("Storage.SetStorage", fill("unit5", unrecognized=10))
    assert (await unit(dispenser, "unit5"))["status"]["replenishmentStatus"] == "ok"
    await dispenser.success("Storage.SetStorage", fill("unit5", unrecognized=11))
    assert (await unit(dispenser, "unit5"))["status"]["replenishmentStatus"] == "high"


@pytest.mark.parametrize(("count", "status"), [(9, "low"), (10, "ok"), (1000, "ok"), (1001, "high")])
async def test_a_unit_that_recycles_has_both_thresholds(dispenser: Dialogue, count: int, status: str) -> None:
    await dispenser.success("Storage.SetStorage", configure("unit2", lowThreshold=10, highThreshold=1000))
    await dispenser.success("Storage.SetStorage", fill("unit2", typeEUR20={"fit": count}))
    assert (await unit(dispenser, "unit2"))["status"]["replenishmentStatus"] == status


async def test_what_stops_a_command_is_told_to_its_own_client_only(
    dispenser: Dialogue, nursery: trio.Nursery
) -> None:
    bystander = await another(dispenser, nursery)
    await dispenser.success("Storage.SetStorage", configure("unit1", appLockOut=True))
    chosen = {"denomination": {"app": {"currencies": {"EUR": 10}, "counts": {"unit1": 1}}}}
    request = await dispenser.send("CashDispenser.Dispense", {"denomination": chosen})
    event = await dispenser.until("event", request, "Storage.StorageErrorEvent")
    assert (event["payload"]["failure"], set(event["payload"]["unit"])) == ("locked", {"unit1"})
    await dispenser.until("completion", request)
    await bystander.success("Common.Status")
    assert "Storage.StorageErrorEvent" not in {one["header"]["name"] for one in bystander.passed}


async def test_storage_is_read_while_cash_moves(slow_atm: xfs4iot.Publisher, nursery: trio.Nursery) -> None:
    client: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    request = await client.send("CashDispenser.Dispense", {"denomination": amount(100)})
    await client.until("event", request, "CashDispenser.StartDispenseEvent")
    during = (await client.success("Storage.GetStorage"))["storage"]
    assert during["unit4"]["cash"]["status"]["accuracy"] == "unknown"
    await client.until("completion", request)
    after = (await client.success("Storage.GetStorage"))["storage"]
    assert after["unit4"]["cash"]["status"]["accuracy"] == "accurateSet"


async def test_the_health_of_the_dispenser_follows_its_units(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.Inject", {"fault": "inoperative", "unit": "unit1"})
    assert (await dispenser.success("Common.Status"))["cashManagement"]["dispenser"] == "attention"
    for name in ("unit2", "unit3", "unit4"):
        await simulator.success("Simulator.Inject", {"fault": "missing", "unit": name})
    assert (await dispenser.success("Common.Status"))["cashManagement"]["dispenser"] == "stop"
    await simulator.success("Simulator.ClearFaults")
    assert (await dispenser.success("Common.Status"))["cashManagement"]["dispenser"] == "ok"
    for name, few, many in (
        ("unit1", {"typeEUR10": {"fit": 1}}, {"typeEUR10": {"fit": 500}}),
        ("unit5", {"unrecognized": 300}, {"unrecognized": 0}),
    ):
        for initial, health in ((few, "attention"), (many, "ok")):
            await dispenser.success("Storage.SetStorage", fill(name, **initial))
            assert (await dispenser.success("Common.Status"))["cashManagement"]["dispenser"] == health


async def test_a_unit_whose_hardware_changes_is_told(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "missing", "unit": "unit3"})
    event = await dispenser.until("unsolicited", name="Storage.StorageChangedEvent")
    assert event["payload"] == {"unit3": {"status": "missing"}}
    storage = (await dispenser.success("Storage.GetStorage"))["storage"]
    assert storage["unit3"]["status"] == "missing"


async def test_an_exchange_begins_and_ends_once(dispenser: Dialogue) -> None:
    assert await dispenser.failure("Storage.EndExchange") == "noExchangeActive"
    await dispenser.success("Storage.StartExchange")
    assert (await dispenser.success("Common.Status"))["common"]["exchange"] == "active"
    assert await dispenser.failure("Storage.StartExchange") == "exchangeActive"
    await dispenser.success("Storage.EndExchange")
    assert (await dispenser.success("Common.Status"))["common"]["exchange"] == "inactive"


async def test_a_transaction_excludes_an_exchange(dispenser: Dialogue) -> None:
    active = {"state": "active", "transactionID": "t1"}
    await dispenser.success("Common.SetTransactionState", active)
    assert await dispenser.failure("Storage.StartExchange") == "transactionActive"


async def test_what_the_books_lack_is_found_and_marked_inaccurate(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await dispenser.success("Storage.SetStorage", fill("unit4", typeEUR100={"fit": 1}))
    await dispenser.success("CashDispenser.Count", {"unit": "unit4"})
    after = await unit(dispenser, "unit4")
    assert content(after) == 0
    assert after["status"]["accuracy"] == "inaccurate"


async def test_counts_and_exchange_and_configuration_survive_a_restart(tmp_path: Any) -> None:
    from xfs4iot.simulator import atm as simulated_atm

    async def run(steps: Any) -> Any:
        ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
        publisher = xfs4iot.Publisher(simulated_atm(ledger=ledger, state=tmp_path, seconds=0), port=0)
        async with trio.open_nursery() as nursery:
            await nursery.start(publisher.serve)
            found = await steps(await nursery.start(dialogue, publisher.uri("CashDispenser")))
            nursery.cancel_scope.cancel()
        ledger.close()
        return found

    async def first(dispenser: Dialogue) -> Any:
        await dispense(dispenser, 230)
        await dispenser.success("Storage.SetStorage", configure("unit1", lowThreshold=7))
        rows = [{"amount": 100, "mix": [{"value": 20, "count": 5}]}]
        await dispenser.success(
            "CashDispenser.SetMixTable", {"mixNumber": 21, "name": "House mix", "mixRows": rows}
        )
        await dispenser.success("Storage.StartExchange")
        active = {"state": "active", "transactionID": "T-1"}
        await dispenser.success("Common.SetTransactionState", active)
        return await state(dispenser)

    async def state(dispenser: Dialogue) -> Any:
        return [
            await dispenser.success("Storage.GetStorage"),
            await dispenser.success("CashDispenser.GetPresentStatus", {}),
            await dispenser.success("CashDispenser.GetMixTable", {"mix": "mixTable21"}),
            await dispenser.success("Common.GetTransactionState"),
            (await dispenser.success("Common.Status"))["common"]["exchange"],
            (await dispenser.success("Common.Status"))["cashDispenser"],
        ]

    assert await run(first) == await run(state)
