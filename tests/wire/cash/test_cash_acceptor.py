"""CashAcceptor over the wire: the cash-in, its states, and what it gives back."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from acceptors import UNKNOWN, Acceptor, Direct, begin, do, laws, note, take_in
from cash import bucket, items, unit
from cash_ins import COMPARED, cannot, events, places, state
from dialogue import Dialogue, another
from vendors import refusal, serving
from xfs4iot import devices
from xfs4iot.devices import CashMovement, CashReturned, ItemsMoved
from xfs4iot.protocol.messages import cash_management


@pytest.fixture
def device() -> Acceptor:
    return Acceptor()


@pytest.fixture
async def client(device: Acceptor, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def test_what_is_accepted_is_counted_by_item_and_level_and_stored_at_the_end(
    client: Dialogue, device: Acceptor
) -> None:
    assert (await do(client, "GetCashInStatus")) == {"status": "unknown", "numOfRefused": 0}
    slot = [note(20), note(20), note(20, "unfit"), note(50, "counterfeit"), note(10, "suspect"), UNKNOWN]
    took = await take_in(client, device, *slot, note(5, "inked"), "bad", "bad")
    counts = {
        "unrecognized": 1,
        "typeEUR20": {"fit": 2, "unfit": 1},
        "typeEUR50": {"counterfeit": 1},
        "typeEUR10": {"suspect": 1},
        "typeEUR5": {"inked": 1},
    }
    assert took == {"items": counts}
    assert len(events(client, "CashAcceptor.InputRefuseEvent")) == 2
    assert events(client, "CashAcceptor.SubCashInEvent") == [counts]
    assert len(events(client, "CashAcceptor.InsertItemsEvent")) == 1
    assert await do(client, "GetCashInStatus") == {
        "status": "active",
        "numOfRefused": 2,
        "noteNumberList": counts,
    }
    shown = await places(client)
    assert (shown["intermediateStacker"], shown["stackerItems"]) == ("notEmpty", "customerAccess")
    await laws(client, device)
    ended = await do(client, "CashInEnd")
    assert ended == {"storage": {"unitA": {"deposited": counts}}}
    assert bucket(await unit(client, "unitA"), "in", "deposited") == 7
    assert await do(client, "GetCashInStatus") == {
        "status": "ok",
        "numOfRefused": 2,
        "noteNumberList": counts,
    }
    shown = await places(client)
    assert (shown["intermediateStacker"], shown["stackerItems"]) == ("empty", "noItems")
    await laws(client, device)


async def test_several_cash_ins_add_up_the_refused_and_the_unrecognised_too(
    client: Dialogue, device: Acceptor
) -> None:
    await take_in(client, device, note(20), UNKNOWN, "bad")
    await take_in(client, device, note(20), UNKNOWN, UNKNOWN, "bad", "bad")
    status = await do(client, "GetCashInStatus")
    assert status["numOfRefused"] == 3
    assert status["noteNumberList"] == {"unrecognized": 3, "typeEUR20": {"fit": 2}}
    await do(client, "CashInEnd")
    await begin(client)
    assert await do(client, "GetCashInStatus") == {"status": "active", "numOfRefused": 0}


async def test_what_is_not_recognised_alone_is_accepted_and_told(client: Dialogue, device: Acceptor) -> None:
    only = {"unrecognized": 2}
    assert await take_in(client, device, UNKNOWN, UNKNOWN) == {"items": only}
    assert events(client, "CashAcceptor.SubCashInEvent") == [only]
    assert (await do(client, "GetCashInStatus"))["noteNumberList"] == only
    assert await do(client, "CashInEnd") == {"storage": {"unitA": {"deposited": only}}}
    await laws(client, device)


async def test_a_rollback_gives_everything_back_and_is_told_until_the_next(
    client: Dialogue, device: Acceptor
) -> None:
    await take_in(client, device, note(20), note(50))
    assert await do(client, "CashInRollback") == {}
    assert await state(client) == "rollback"
    both = {"typeEUR20": {"fit": 1}, "typeEUR50": {"fit": 1}}
    assert await do(client, "GetPresentStatus") == {
        "position": "outDefault",
        "presentState": "presented",
        "additionalBunches": "none",
        "returnedItems": both,
        "totalReturnedItems": both,
    }
    assert device.truth["output"].total() == 2
    await laws(client, device)
    await begin(client)
    known = await do(client, "GetPresentStatus")
    assert known["returnedItems"] == both
    assert "totalReturnedItems" not in known


async def test_a_cash_in_in_which_nothing_was_accepted_ends_all_the_same(
    client: Dialogue, device: Acceptor
) -> None:
    await take_in(client, device, "bad")
    assert await cannot(client, "CashInEnd") == "noItems"
    assert await state(client) == "ok"
    await begin(client)
    assert await cannot(client, "CashInRollback") == "noItems"
    assert await state(client) == "rollback"
    assert not [call for call in device.called if call[0] in ("cash_in_end", "cash_in_rollback")]


@pytest.mark.parametrize("command", ["CashInEnd", "CashInRollback"])
async def test_a_failed_end_leaves_the_cash_in_as_what_moved_says(
    client: Dialogue, device: Acceptor, command: str
) -> None:
    name = {"CashInEnd": "cash_in_end", "CashInRollback": "cash_in_rollback"}[command]
    await take_in(client, device, note(20), note(20), note(50))
    device.refuses[name] = refusal("positionNotEmpty")
    assert await cannot(client, command) == "positionNotEmpty"
    assert await state(client) == "active"
    await laws(client, device)
    device.short = 1
    assert await cannot(client, command) == "positionNotEmpty"
    assert await state(client) == "active"
    assert device.truth["stacker"].total() == 1
    await laws(client, device)
    device.short = 0
    device.refuses.clear()
    # What went out with the first attempt must be taken before more comes.
    client_takes = cash_management.ItemsTakenEvent(position="outDefault")
    device.send(client_takes)
    await client.until("unsolicited", name="CashManagement.ItemsTakenEvent")
    await do(client, command)
    assert await state(client) == {"CashInEnd": "ok", "CashInRollback": "rollback"}[command]
    await laws(client, device)


async def test_a_failure_after_all_has_moved_ends_the_cash_in(client: Dialogue, device: Acceptor) -> None:
    await take_in(client, device, note(20), note(20))

    def fails(result: CashMovement) -> CashMovement:
        return CashMovement(moved=result.moved, failure=devices.CashUnitError("full", ["unitA"]))

    device.lies["cash_in_end"] = fails
    completion = await client.completion("CashAcceptor.CashInEnd")
    assert completion["payload"]["errorCode"] == "cashUnitError"
    assert items(completion["payload"]["storage"]["unitA"]["deposited"]) == 2
    assert len(events(client, "Storage.StorageErrorEvent")) == 1
    assert await state(client) == "ok"
    await laws(client, device)


async def test_a_rollback_that_gave_nothing_back_has_presented_nothing(
    client: Dialogue, device: Acceptor
) -> None:
    await take_in(client, device, note(20))
    assert "remainingItems" not in await do(client, "GetPresentStatus")
    device.refuses["cash_in_rollback"] = refusal("shutterNotOpen")
    device.lies["cash_in_rollback"] = lambda result: CashReturned(
        failure=result.failure, additional_bunches=1
    )
    assert await cannot(client, "CashInRollback") == "shutterNotOpen"
    known = await do(client, "GetPresentStatus")
    assert (known["presentState"], known["additionalBunches"]) == ("notPresented", "oneMore")
    assert known["remainingItems"] == {"typeEUR20": {"fit": 1}}
    assert await state(client) == "active"


async def test_a_failed_cash_in_says_what_came_in(client: Dialogue, device: Acceptor) -> None:
    await begin(client)
    device.refuses["cash_in"] = refusal("shutterNotClosed")
    device.slot = [note(20), UNKNOWN]
    completion = await client.completion("CashAcceptor.CashIn")
    assert completion["payload"] == {
        "errorCode": "shutterNotClosed",
        "items": {"unrecognized": 1, "typeEUR20": {"fit": 1}},
    }
    assert items((await do(client, "GetCashInStatus"))["noteNumberList"]) == 2
    await laws(client, device)


async def test_what_the_books_have_and_a_reset_leaves_out_is_lost_and_said_so(
    client: Dialogue, device: Acceptor, caplog: pytest.LogCaptureFixture
) -> None:
    await take_in(client, device, note(20), note(20))
    device.truth["stacker"].clear()
    await client.success("CashManagement.Reset", {})
    assert "2 of a customer on the stacker" in caplog.text
    assert await state(client) == "reset"
    device.truth.clear()
    await laws(client, device)


async def test_a_device_without_a_stacker_stores_at_once(nursery: trio.Nursery) -> None:
    device = Direct()
    client = await serving(device, nursery)
    await take_in(client, device, note(20), note(50))
    assert bucket(await unit(client, "unitA"), "in", "deposited") == 2
    assert await cannot(client, "CashInRollback") == "noItems"
    assert await state(client) == "active"
    await do(client, "CashInEnd")
    assert await state(client) == "ok"
    await laws(client, device)


async def test_the_states_of_the_cash_in(client: Dialogue, device: Acceptor) -> None:
    for command in ("CashIn", "CashInEnd", "CashInRollback"):
        assert await cannot(client, command) == "noCashInActive"
    await begin(client)
    assert await cannot(client, "CashInStart") == "cashInActive"
    for command, payload in (
        ("ConfigureNoteReader", None),
        ("ConfigureNoteTypes", {"items": [{"item": "typeEUR20", "enabled": True}]}),
        ("CreateSignature", None),
        ("CompareSignature", COMPARED),
        ("DeviceLockControl", {"deviceAction": "lock"}),
    ):
        assert await cannot(client, command, payload) == "cashInActive"
    assert await client.failure("Storage.StartExchange") == "transactionActive"


async def test_an_exchange_holds_up_every_command(client: Dialogue) -> None:
    await client.success("Storage.StartExchange")
    for command, payload in (
        ("CashInStart", None),
        ("CashIn", None),
        ("CashInEnd", None),
        ("CashInRollback", None),
        ("ConfigureNoteReader", None),
        ("ConfigureNoteTypes", {"items": [{"item": "typeEUR20", "enabled": True}]}),
        ("CreateSignature", None),
        ("CompareSignature", COMPARED),
        ("DeviceLockControl", {"deviceAction": "lock"}),
    ):
        assert await cannot(client, command, payload) == "exchangeActive"


@pytest.mark.parametrize("command", ["Retract", "Reset"])
async def test_a_retract_and_a_reset_end_the_cash_in(
    client: Dialogue, device: Acceptor, command: str
) -> None:
    await take_in(client, device, note(20), UNKNOWN)
    done = await client.success(f"CashManagement.{command}", {})
    counts = {"unrecognized": 1, "typeEUR20": {"fit": 1}}
    assert done["storage"] == {"unitR": {"retractOperations": 1, "retracted": counts}}
    assert await state(client) == command.lower()
    await laws(client, device)


@pytest.mark.parametrize("command", ["Retract", "Reset"])
async def test_what_is_brought_in_after_a_cash_in_leaves_it_as_it_ended(
    client: Dialogue, device: Acceptor, command: str
) -> None:
    await take_in(client, device, note(20))
    await do(client, "CashInRollback")
    await client.success(f"CashManagement.{command}", {})
    assert await state(client) == "rollback"
    device.truth["output"].clear()
    await laws(client, device)


@pytest.mark.parametrize("command", ["Retract", "Reset"])
async def test_a_failed_retract_leaves_the_cash_in_active(
    client: Dialogue, device: Acceptor, command: str
) -> None:
    await take_in(client, device, note(20))

    async def jam() -> None:
        raise refusal("foreignItemsDetected")

    device.hand[command.lower()] = jam
    assert await client.failure(f"CashManagement.{command}", {}) == "foreignItemsDetected"
    assert await state(client) == "active"
    device.hand.clear()
    await do(client, "CashInEnd")
    await laws(client, device)


async def test_a_reset_without_a_cash_in_changes_nothing_of_the_last(
    client: Dialogue, device: Acceptor
) -> None:
    await take_in(client, device, note(20))
    await do(client, "CashInEnd")
    await client.success("CashManagement.Reset", {})
    assert await state(client) == "ok"


async def test_items_left_inside_must_go_before_the_next_cash_in(client: Dialogue, device: Acceptor) -> None:
    await take_in(client, device, note(20))
    device.lies["cash_in_rollback"] = lambda result: CashReturned(
        moved=(ItemsMoved(1, "stacker", "transport", item="typeEUR20", level="fit"),),
        presented=False,
        additional_bunches=1,
    )
    await do(client, "CashInRollback")
    assert await state(client) == "rollback"
    known = await do(client, "GetPresentStatus")
    assert (known["presentState"], known["additionalBunches"], known["bunchesRemaining"]) == (
        "notPresented",
        "oneMore",
        1,
    )
    assert known["remainingItems"] == {"typeEUR20": {"fit": 1}}
    assert (await places(client))["positions"][1]["transportStatus"] == "notEmptyCustomer"
    assert await cannot(client, "CashInStart") == "sequenceError"
    device.truth["transport"], device.truth["output"] = device.truth["output"], device.truth["transport"]
    await client.success("CashManagement.Reset", {})
    await begin(client)
    await laws(client, device)


async def test_items_that_are_not_taken_are_in_the_way(nursery: trio.Nursery) -> None:
    device = Acceptor()
    device.items_taken_sensor = True
    client = await serving(device, nursery)
    await take_in(client, device, note(20))
    await do(client, "CashInRollback")
    await begin(client)
    assert await cannot(client, "CashIn") == "positionNotEmpty"
    assert await cannot(client, "CashInRollback") == "positionNotEmpty"
    await client.success("CashManagement.Retract", {})
    assert bucket(await unit(client, "unitR"), "in", "retracted") == 1
    await laws(client, device)


@pytest.mark.parametrize("reason", ["retractAreaFull", "retractFailure"])
async def test_a_retract_that_stops_half_way_says_why_and_what_came_back(
    nursery: trio.Nursery, reason: Any
) -> None:
    class Stops(Acceptor):
        async def retract(self, request: devices.RetractRequest, events: Any) -> devices.Retracted:
            moved = tuple(self._move("output", request.destination.unit or "unitR", 1))
            failure = refusal("incompleteRetract")
            return devices.Retracted(moved=moved, failure=failure, reason=reason)

    device = Stops()
    client = await serving(device, nursery)
    await take_in(client, device, note(20), note(20))
    await do(client, "CashInRollback")
    request = await client.send("CashManagement.Retract", {})
    event = await client.until("event", request, "CashManagement.IncompleteRetractEvent")
    assert event["payload"]["reason"] == reason
    assert set(event["payload"]["itemNumberList"]) == {"unitR"}
    assert (await client.until("completion", request))["payload"]["errorCode"] == "incompleteRetract"
    assert bucket(await unit(client, "unitR"), "in", "retracted") == 1
    await laws(client, device)


async def test_clients_of_2021_and_2023_take_cash_in(
    client: Dialogue, device: Acceptor, nursery: trio.Nursery
) -> None:
    for specification in ("2021-1", "2023-2"):
        older = await another(client, nursery, specification)
        device.slot = [note(20), UNKNOWN, "bad"]
        await do(older, "CashInStart", {"useRecycleUnits": False, "totalItemsLimit": 3})
        took = await do(older, "CashIn")
        counts = {"unrecognized": 1, "typeEUR20": {"fit": 1}}
        assert (took if specification == "2021-1" else took["items"]) == counts | (
            {"completionCode": "success"} if "completionCode" in took else {}
        )
        capabilities = (await older.success("Common.Capabilities"))["cashAcceptor"]
        assert capabilities["maxCashInItems"] == 200
        await do(older, "CashInEnd")
        device.raises["cash_in_start"] = refusal("safeDoorOpen")
        refused = await older.completion("CashAcceptor.CashInStart", {})
        assert refused["payload"]["errorCode"] == "safeDoorOpen"
        device.raises.clear()
        assert (await do(older, "GetCashInStatus"))["numOfRefused"] == 1
    await laws(client, device)
