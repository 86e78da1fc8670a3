"""A recycler over the wire: what comes in goes out again, and what excludes what."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import xfs4iot
from acceptors import Recycler, begin, do, laws, note, take_in
from cash import amount, bucket, items, unit
from dialogue import Dialogue
from secured_tokens import KEY, asked, connected, secured, token
from vendors import refusal, serving
from xfs4iot import devices
from xfs4iot.devices import CashUnitError, ItemsMoved
from xfs4iot.protocol.messages import cash_management
from xfs4iot.tokens import read_present_token


@pytest.fixture
def device() -> Recycler:
    return Recycler()


@pytest.fixture
async def client(device: Recycler, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def cannot(client: Dialogue, name: str, payload: Any = None) -> str:
    return await client.failure(f"CashAcceptor.{name}", payload)


async def dispensed(client: Dialogue, value: int) -> dict[str, int]:
    done = await client.success("CashDispenser.Dispense", {"denomination": amount(value)})
    found: dict[str, int] = done["denomination"]["values"]
    return found


async def test_what_comes_in_goes_out_again(client: Dialogue, device: Recycler) -> None:
    offered = {one["name"] for one in (await client.success("Common.Capabilities"))["interfaces"]}
    assert {"CashAcceptor", "CashDispenser", "CashManagement", "Storage"} <= offered
    ask = {"request": amount(1000)}
    assert await client.failure("CashDispenser.Denominate", ask) == "notDispensable"
    await take_in(client, device, *[note(50)] * 12, note(50, "unfit"), note(20, "counterfeit"))
    ended = await do(client, "CashInEnd")
    assert ended["storage"] == {
        "unit50": {"deposited": {"typeEUR50": {"fit": 12}}},
        "unitA": {"deposited": {"typeEUR50": {"unfit": 1}, "typeEUR20": {"counterfeit": 1}}},
    }
    result = (await client.success("CashDispenser.Denominate", ask))["result"]
    assert result["values"] == {"unit50": 20}
    assert await dispensed(client, 1000) == {"unit50": 20}
    await laws(client, device)
    await client.success("CashDispenser.Present", {})
    assert bucket(await unit(client, "unit50"), "out", "presented") == 20
    assert (await client.success("CashDispenser.GetPresentStatus", {}))["presentState"] == "presented"
    await laws(client, device)


async def test_while_a_cash_in_is_active_nothing_else_moves(client: Dialogue, device: Recycler) -> None:
    await take_in(client, device, note(20))
    for command, payload in (
        ("CashDispenser.Dispense", {"denomination": amount(20)}),
        ("CashDispenser.Present", {}),
        ("CashDispenser.Reject", None),
    ):
        assert await client.failure(command, payload) == "sequenceError"
    for name, payload in (
        ("CashUnitCount", {}),
        ("Replenish", {"source": "unitRefill", "replenishTargets": [{"target": "unit20"}]}),
        ("Deplete", {"cashUnitTarget": "unitRefill", "depleteSources": [{"source": "unit20"}]}),
    ):
        assert await cannot(client, name, payload) == "cashInActive"
    assert await client.failure("Storage.StartExchange") == "transactionActive"
    await client.success("CashDispenser.Denominate", {"request": amount(20)})
    await do(client, "CashInRollback")
    await laws(client, device)


async def test_while_dispensed_items_are_inside_no_cash_in_begins(client: Dialogue, device: Recycler) -> None:
    await dispensed(client, 20)
    shown = (await client.success("Common.Status"))["cashAcceptor"]
    assert (shown["intermediateStacker"], shown["stackerItems"]) == ("notEmpty", "noCustomerAccess")
    assert await cannot(client, "CashInStart", {}) == "sequenceError"
    await client.success("CashDispenser.Reject")
    await begin(client)
    await laws(client, device)


async def test_items_of_an_earlier_cash_in_are_in_the_way_of_a_dispense(
    client: Dialogue, device: Recycler
) -> None:
    await take_in(client, device, note(20))
    device.lies["cash_in_rollback"] = lambda result: devices.CashReturned(
        moved=(ItemsMoved(1, "stacker", "transport", item="typeEUR20", level="fit"),), presented=False
    )
    await do(client, "CashInRollback")
    wanted = {"denomination": amount(20)}
    assert await client.failure("CashDispenser.Dispense", wanted) == "itemsLeft"


async def test_both_present_statuses_are_kept_apart(client: Dialogue, device: Recycler) -> None:
    await take_in(client, device, note(50))
    await do(client, "CashInRollback")
    given_back = await do(client, "GetPresentStatus")
    assert given_back["returnedItems"] == {"typeEUR50": {"fit": 1}}
    paid = await client.success("CashDispenser.GetPresentStatus", {})
    assert "denomination" not in paid
    await client.success("CashManagement.Retract", {})
    await dispensed(client, 20)
    assert (await do(client, "GetPresentStatus"))["returnedItems"] == {"typeEUR50": {"fit": 1}}
    await client.success("CashDispenser.Present", {})
    assert (await client.success("CashDispenser.GetPresentStatus", {}))["denomination"]["values"] == {
        "unit20": 1
    }
    await laws(client, device)


async def test_what_a_customer_did_not_take_back_is_no_retracted_payout(nursery: trio.Nursery) -> None:
    device = Recycler()
    publisher = xfs4iot.Publisher([xfs4iot.Service(device, security=secured())], port=0)
    await nursery.start(publisher.serve)
    client = await connected(nursery, publisher, "Cash")
    paid = asked(20, await token(client, EUR=20))
    await client.success("CashDispenser.Dispense", paid)
    await client.success("CashDispenser.Present", {})
    device.truth["output"].clear()
    device.send(cash_management.ItemsTakenEvent(position="outDefault"))
    await take_in(client, device, note(50))
    await do(client, "CashInRollback")
    await client.success("CashManagement.Retract", {})
    told = (await client.success("CashDispenser.GetPresentStatus", {"nonce": "14"}))["token"]
    report = read_present_token(told, KEY, "14")
    assert (report.dispensed, report.retracted) == ({"EUR": 20}, False)


async def test_a_teller_takes_cash_in(nursery: trio.Nursery) -> None:
    class Counter(Recycler):
        acceptor_type = "tellerBill"

    device = Counter()
    client = await serving(device, nursery)
    assert await cannot(client, "CashInStart", {}) == "invalidTellerId"
    details = {"tellerID": 7, "inputPosition": "inRear"}
    wanted = {"action": "create", "tellerDetails": details}
    assert await client.failure("CashManagement.SetTellerInfo", wanted) == "unsupportedPosition"
    details["inputPosition"] = "inDefault"
    await client.success("CashManagement.SetTellerInfo", wanted)
    await begin(client, tellerID=7)
    await take_in(client, device, note(50), note(20), note(20, currency="USD"))
    await do(client, "CashInEnd")
    (known,) = (await client.success("CashManagement.GetTellerInfo"))["tellerDetails"]
    received = {currency: one["itemsReceived"] for currency, one in known["tellerTotals"].items()}
    assert received == {"EUR": 70, "USD": 20}


async def test_recycling_units_take_no_items_if_the_application_says_so(
    client: Dialogue, device: Recycler
) -> None:
    await begin(client, useRecycleUnits=False)
    await take_in(client, device, note(50))
    assert set(device.called[-1][1].units) == {"unitA", "unitB"}
    assert set(await do(client, "CashInEnd")) == {"storage"}
    assert bucket(await unit(client, "unitA"), "in", "deposited") == 1


async def test_an_exchange_excludes_what_moves_between_units(client: Dialogue) -> None:
    await client.success("Storage.StartExchange")
    for name, payload in (
        ("CashUnitCount", {}),
        ("Replenish", {"source": "unitRefill", "replenishTargets": [{"target": "unit20"}]}),
        ("Deplete", {"cashUnitTarget": "unitRefill", "depleteSources": [{"source": "unit20"}]}),
    ):
        assert await cannot(client, name, payload) == "exchangeActive"


async def test_counting_makes_the_books_agree_and_forgets_nothing(client: Dialogue, device: Recycler) -> None:
    device.truth["unit20"].clear()
    device.truth["unit20"][note(20)] = 7
    device.truth["unit20"][note(50, "unfit")] = 2
    await do(client, "CashUnitCount", {"units": ["unit20", "unit5"]})
    assert device.called[-1] == ("cash_unit_count", ("unit20", "unit5"))
    found = await unit(client, "unit20")
    assert found["status"]["accuracy"] == "accurate"
    assert bucket(found, "out", "unknown") == 3
    await laws(client, device)
    before = await unit(client, "unit50")
    await do(client, "CashUnitCount")
    assert (await unit(client, "unit50"))["status"] == before["status"] | {"accuracy": "accurate"}
    await laws(client, device)


@pytest.mark.parametrize("code", ["tooManyItemsToCount", "countPositionNotEmpty"])
async def test_counting_may_fail(client: Dialogue, device: Recycler, code: str) -> None:
    device.refuses["cash_unit_count"] = refusal(code)
    assert await cannot(client, "CashUnitCount", {"units": ["unit20"]}) == code
    await laws(client, device)


async def test_units_to_count_exist_and_work(client: Dialogue, device: Recycler) -> None:
    assert await cannot(client, "CashUnitCount", {"units": ["unit9"]}) == "invalidCashUnit"
    device.unit_changed("unit5", "inoperative")
    assert await cannot(client, "CashUnitCount", {"units": ["unit5"]}) == "cashUnitError"


async def test_a_device_that_counts_all_units_only(nursery: trio.Nursery) -> None:
    class All(Recycler):
        count_actions = frozenset({"all"})

    client = await serving(All(), nursery)
    assert await cannot(client, "CashUnitCount", {"units": ["unit5"]}) == "unsupportedData"
    await do(client, "CashUnitCount")


async def test_units_are_replenished_and_depleted(client: Dialogue, device: Recycler) -> None:
    targets = (await do(client, "GetReplenishTarget", {"source": "unitRefill"}))["targets"]
    # What it holds is of no use to a unit for another kind.
    assert targets == [{"target": "unit20"}]
    wanted = {"target": "unit20", "numberOfItemsToMove": 30}
    done = await do(client, "Replenish", {"source": "unitRefill", "replenishTargets": [wanted]})
    assert done == {
        "numberOfItemsRemoved": 30,
        "replenishTargetResults": [
            {"target": "unit20", "cashItem": "typeEUR20", "numberOfItemsReceived": 30}
        ],
    }
    assert bucket(await unit(client, "unit20"), "in", "distributed") == 30
    assert bucket(await unit(client, "unitRefill"), "out", "distributed") == 30
    await laws(client, device)
    sources = (await do(client, "GetDepleteSource", {"cashUnitTarget": "unitA"}))["depleteSources"]
    assert {"cashUnitSource": "unit20"} in sources
    two = [{"source": "unit20"}, {"source": "unit5", "numberOfItemsToMove": 4}]
    done = await do(client, "Deplete", {"cashUnitTarget": "unitA", "depleteSources": two})
    assert device.called[-1] == ("deplete", {"unit20": None, "unit5": 4}, "unitA")
    assert (done["numberOfItemsReceived"], done["numberOfItemsRejected"]) == (44, 0)
    assert done["depleteSourceResults"] == [
        {"cashUnitSource": "unit20", "cashItem": "typeEUR20", "numberOfItemsRemoved": 40},
        {"cashUnitSource": "unit5", "cashItem": "typeEUR5", "numberOfItemsRemoved": 4},
    ]
    await laws(client, device)


async def test_items_rejected_on_the_way_are_told(client: Dialogue, device: Recycler) -> None:
    def worn(result: devices.CashMovement) -> devices.CashMovement:
        (moved,) = result.moved
        device.truth["unit20"][note(20)] -= 1
        device.truth.setdefault("unitBin", type(device.truth["unit20"])())[note(20)] += 1
        return devices.CashMovement(
            moved=(
                ItemsMoved(moved.count - 1, "unitRefill", "unit20"),
                ItemsMoved(1, "unitRefill", "unitBin", origin="unitRefill"),
            )
        )

    device.lies["replenish"] = worn
    wanted = {"target": "unit20", "numberOfItemsToMove": 5}
    done = await do(client, "Replenish", {"source": "unitRefill", "replenishTargets": [wanted]})
    assert (done["numberOfItemsRemoved"], done["numberOfItemsRejected"]) == (5, 1)
    assert done["replenishTargetResults"][0]["numberOfItemsReceived"] == 4
    await laws(client, device)


@pytest.mark.parametrize(
    ("name", "payload", "event"),
    [
        (
            "Replenish",
            {"source": "unitRefill", "replenishTargets": [{"target": "unit20", "numberOfItemsToMove": 9}]},
            {
                "replenish": {
                    "numberOfItemsRemoved": 7,
                    "replenishTargetResults": [
                        {"target": "unit20", "cashItem": "typeEUR20", "numberOfItemsReceived": 7}
                    ],
                }
            },
        ),
        (
            "Deplete",
            {"cashUnitTarget": "unitA", "depleteSources": [{"source": "unit20", "numberOfItemsToMove": 9}]},
            {
                "deplete": {
                    "numberOfItemsReceived": 7,
                    "numberOfItemsRejected": 0,
                    "depleteSourceResults": [
                        {"cashUnitSource": "unit20", "cashItem": "typeEUR20", "numberOfItemsRemoved": 7}
                    ],
                }
            },
        ),
    ],
    ids=["replenish", "deplete"],
)
async def test_what_stops_half_way_is_told_and_booked(
    client: Dialogue, device: Recycler, name: str, payload: Any, event: Any
) -> None:
    device.refuses[name.lower()] = CashUnitError("full", ["unit20"])
    device.short = 2
    completion = await client.completion(f"CashAcceptor.{name}", payload)
    assert completion["payload"]["errorCode"] == "cashUnitError"
    told = [
        one["payload"] for one in client.passed if one["header"]["name"].startswith("CashAcceptor.Incomp")
    ]
    assert told == [event]
    assert {key: completion["payload"][key] for key in event[name.lower()]} == event[name.lower()]
    await laws(client, device)


@pytest.mark.parametrize(
    ("name", "payload", "code"),
    [
        ("Replenish", {"replenishTargets": [{"target": "unit20"}]}, "invalidData"),
        ("Replenish", {"source": "unitRefill"}, "invalidData"),
        ("Replenish", {"source": "unitRefill", "replenishTargets": [{}]}, "invalidData"),
        ("Replenish", {"source": "unitRefill", "replenishTargets": [{"target": "unit5"}] * 2}, "invalidData"),
        ("Replenish", {"source": "unit9", "replenishTargets": [{"target": "unit20"}]}, "invalidCashUnit"),
        ("Replenish", {"source": "unitRefill", "replenishTargets": [{"target": "unitA"}]}, "invalidCashUnit"),
        (
            "Replenish",
            {"source": "unitRefill", "replenishTargets": [{"target": "unit50"}]},
            "invalidCashUnit",
        ),
        ("Deplete", {"depleteSources": [{"source": "unit20"}]}, "invalidData"),
        ("Deplete", {"cashUnitTarget": "unitA", "depleteSources": []}, "invalidData"),
        ("Deplete", {"cashUnitTarget": "unit20", "depleteSources": [{"source": "unit5"}]}, "invalidCashUnit"),
        ("Deplete", {"cashUnitTarget": "unitA", "depleteSources": [{"source": "unitB"}]}, "invalidCashUnit"),
        ("GetDepleteSource", {"cashUnitTarget": "unit20"}, "invalidData"),
        ("GetReplenishTarget", {"source": "unit20"}, "invalidData"),
    ],
    ids=str,
)
async def test_units_to_refill_go_together(
    client: Dialogue, device: Recycler, name: str, payload: Any, code: str
) -> None:
    assert await cannot(client, name, payload) == code
    assert not device.called


async def test_units_to_refill_work_and_have_items_and_room(client: Dialogue, device: Recycler) -> None:
    refill = {"source": "unitRefill", "replenishTargets": [{"target": "unit20"}]}
    locked = {"storage": {"unit20": {"cash": {"configuration": {"appLockIn": True}}}}}
    await client.success("Storage.SetStorage", locked)
    assert await cannot(client, "Replenish", refill) == "cashUnitError"
    device.unit_changed("unit20", "inoperative")
    assert await cannot(client, "Replenish", refill) == "cashUnitError"
    device.truth["unit5"].clear()
    await do(client, "CashUnitCount", {"units": ["unit5"]})
    empty = {"cashUnitTarget": "unitA", "depleteSources": [{"source": "unit5"}]}
    assert await cannot(client, "Deplete", empty) == "cashUnitError"


async def test_the_device_may_sense_its_locks(client: Dialogue) -> None:
    assert await do(client, "GetDeviceLockStatus") == {
        "deviceLockStatus": "unlock",
        "unitLock": [{"storageUnit": "unitA", "unitLockStatus": "lock"}],
    }


class Unlocked(Recycler):
    """It has locks of units, and none of its own."""

    async def device_locks(self) -> devices.DeviceLocks:
        return devices.DeviceLocks("lockNotSupported", {"unitA": "lock"})


async def test_a_device_without_a_lock_of_its_own_says_so(nursery: trio.Nursery) -> None:
    client = await serving(Unlocked(), nursery)
    known = await do(client, "GetDeviceLockStatus")
    assert known["deviceLockStatus"] == "lockNotSupported"
    assert known["unitLock"] == [{"storageUnit": "unitA", "unitLockStatus": "lock"}]


async def test_both_sides_report_the_same_output(client: Dialogue, device: Recycler) -> None:
    device.items_taken_sensor = True
    device._host.derive()  # type: ignore[union-attr, attr-defined]
    await take_in(client, device, note(20))
    await do(client, "CashInRollback")
    status = await client.success("Common.Status")
    shown = [status["cashDispenser"]["positions"][0], status["cashAcceptor"]["positions"][1]]
    assert [one["positionStatus"] for one in shown] == ["notEmpty", "notEmpty"]
    assert [one["shutter"] for one in shown] == ["open", "open"]
    assert items((await do(client, "GetPresentStatus"))["returnedItems"]) == 1


@pytest.mark.parametrize("area", ["transport", "stacker", "reject", "itemCassette"])
async def test_field_11_the_area_of_a_retract_reaches_the_device(nursery: trio.Nursery, area: str) -> None:
    class Areas(Recycler):
        retract_areas = frozenset({"retract", "transport", "stacker", "reject", "itemCassette"})

        async def retract(
            self, request: devices.RetractRequest, events: devices.CashEvents
        ) -> devices.Retracted:
            await self._do("retract", request)
            return devices.Retracted()

    device = Areas()
    client = await serving(device, nursery)
    await take_in(client, device, note(20))
    await do(client, "CashInRollback")
    await client.success("CashManagement.Retract", {"location": {"retractArea": area}})
    assert device.called[-1][1].destination.target == area
    refused = await client.failure("CashManagement.Retract", {"location": {"retractArea": "cashIn"}})
    assert refused == "notRetractArea"
    wrong = {"location": {"retractArea": "retract", "index": 9}}
    assert await client.failure("CashManagement.Retract", wrong) == "invalidRetractPosition"


async def test_field_09_items_of_a_cash_in_are_reset_into_the_reject_unit(
    client: Dialogue, device: Recycler
) -> None:
    await take_in(client, device, note(20))
    await client.success("CashManagement.Reset", {"position": {"target": "reject"}})
    assert device.called[-1][1] == devices.Destination("reject", "unitBin")
    assert bucket(await unit(client, "unitBin"), "in", "retracted") == 1
    await laws(client, device)


async def test_field_05_a_device_that_cannot_detect_its_units_starts_and_takes_nothing_in(
    nursery: trio.Nursery,
) -> None:
    class Blind(Recycler):
        async def units(self) -> None:
            return None

    client = await serving(Blind(), nursery)
    assert await client.success("Storage.GetStorage") == {}
    await begin(client)
    assert await cannot(client, "CashIn") == "cashUnitError"
    assert await cannot(client, "CashInEnd") == "noItems"
