"""CashAcceptor over the wire: the cash-in, its states, its limits, and what it gives back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from acceptors import NOTES, UNKNOWN, Acceptor, Direct, Recalling, begin, do, laws, note, take_in
from cash import bucket, items, unit
from dialogue import Dialogue, another, dialogue, outcome
from vendors import power_cut, refusal, serving
from xfs4iot import devices
from xfs4iot.devices import CashMovement, CashReturned, ItemsMoved
from xfs4iot.ledger import LedgerReader
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.protocol.messages import cash_management


@pytest.fixture
def device() -> Acceptor:
    return Acceptor()


@pytest.fixture
async def client(device: Acceptor, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def cannot(client: Dialogue, name: str, payload: Any = None, **header: Any) -> str:
    return await client.failure(f"CashAcceptor.{name}", payload, **header)


async def state(client: Dialogue) -> str:
    found: str = (await do(client, "GetCashInStatus"))["status"]
    return found


async def places(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Common.Status"))["cashAcceptor"]
    return found


def events(client: Dialogue, name: str) -> list[dict[str, Any]]:
    return [one.get("payload") or {} for one in client.passed if one["header"]["name"] == name]


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


async def test_what_the_books_have_and_the_device_leaves_out_is_lost_and_said_so(
    client: Dialogue, device: Acceptor, caplog: pytest.LogCaptureFixture
) -> None:
    await take_in(client, device, note(20), note(20))
    device.lies["cash_in_end"] = lambda result: CashMovement()
    device.truth["stacker"].clear()
    await do(client, "CashInEnd")
    assert "2 of a customer on the stacker" in caplog.text
    assert await state(client) == "ok"
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


LIMITS = {"totalItemsLimit": 3, "amountLimit": [{"currency": "EUR", "value": 100.5}]}


async def test_limits_are_given_to_the_device_as_what_is_left_of_them(
    client: Dialogue, device: Acceptor
) -> None:
    await begin(client, **LIMITS)
    device.slot = [note(20)]
    await do(client, "CashIn")
    device.slot = [note(20), note(20), note(20)]
    await do(client, "CashIn")
    asked = [call[1] for call in device.called if call[0] == "cash_in"]
    assert [(one.most, str(one.amounts["EUR"])) for one in asked] == [(3, "100.5"), (2, "80.5")]
    assert (await do(client, "GetCashInStatus"))["numOfRefused"] == 1
    assert await cannot(client, "CashIn") == "tooManyItems"
    await do(client, "CashInRollback")


async def test_an_amount_limit_of_every_currency_stops_the_next_cash_in(
    client: Dialogue, device: Acceptor
) -> None:
    limits = [{"currency": "EUR", "value": 20}, {"currency": "USD", "value": 20}]
    await begin(client, amountLimit=limits)
    device.slot = [note(20)]
    await do(client, "CashIn")
    device.slot = [note(20, currency="USD")]
    await do(client, "CashIn")
    assert await cannot(client, "CashIn") == "tooManyItems"


@pytest.mark.parametrize(
    ("limits", "slot", "beyond"),
    [
        ({"totalItemsLimit": 1}, [note(20), note(20)], "2 items where 1"),
        ({"amountLimit": [{"currency": "EUR", "value": 30}]}, [note(20), note(20)], "40 EUR where 30"),
        ({}, [note(20, currency="USD")], "typeUSD20"),
    ],
    ids=["items", "amount", "disabled"],
)
async def test_what_a_device_accepts_beyond_its_orders_is_booked_but_not_credited(
    client: Dialogue, device: Acceptor, limits: Any, slot: Any, beyond: str
) -> None:
    await do(client, "ConfigureNoteTypes", {"items": [{"item": "typeUSD20", "enabled": False}]})
    await begin(client, **limits)

    def more(result: devices.CashedIn) -> devices.CashedIn:
        device.truth["stacker"].clear()
        for kind in slot:
            device.truth["stacker"][kind] += 1
        return devices.CashedIn(moved=devices.items_inserted(device.truth["stacker"]), refused=0)

    device.lies["cash_in"] = more
    completion = await client.completion("CashAcceptor.CashIn")
    assert outcome(completion) == "hardwareError"
    assert beyond in completion["header"]["errorDescription"]
    assert items((await do(client, "GetCashInStatus"))["noteNumberList"]) == len(slot)
    await laws(client, device)
    await do(client, "CashInRollback")
    await laws(client, device)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"amountLimit": [{"currency": "EUR"}]}, "invalidData"),
        ({"amountLimit": [{"value": 5}]}, "invalidData"),
        ({"amountLimit": [{"currency": "EUR", "value": -1}]}, "invalidData"),
        ({"amountLimit": [{"currency": "EUR", "value": 1}, {"currency": "EUR", "value": 2}]}, "invalidData"),
        ({"inputPosition": "inRear"}, "unsupportedPosition"),
        ({"outputPosition": "outRear"}, "unsupportedPosition"),
    ],
    ids=str,
)
async def test_a_cash_in_is_begun_as_the_device_can(
    client: Dialogue, device: Acceptor, wanted: Any, code: str
) -> None:
    assert await cannot(client, "CashInStart", wanted) == code
    assert not device.called


@pytest.mark.parametrize("wanted", [{"totalItemsLimit": 5}, {"amountLimit": LIMITS["amountLimit"]}], ids=str)
async def test_limits_that_the_device_does_not_keep_are_refused(nursery: trio.Nursery, wanted: Any) -> None:
    class Unlimited(Acceptor):
        cash_in_limit = frozenset()

    client = await serving(Unlimited(), nursery)
    assert await cannot(client, "CashInStart", wanted) == "unsupportedData"
    await begin(client, totalItemsLimit=0, amountLimit=[{"currency": "EUR", "value": 0}])


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


async def test_note_types_are_enabled_by_the_framework(
    client: Dialogue, device: Acceptor, nursery: trio.Nursery
) -> None:
    disabled = {"items": [{"item": "typeEUR50", "enabled": False}, {"item": "typeEUR5", "enabled": True}]}
    await do(client, "ConfigureNoteTypes", disabled)
    shown = (await client.success("CashManagement.GetBankNoteTypes"))["items"]
    assert {item for item, one in shown.items() if one["enabled"]} == {
        "typeEUR5",
        "typeEUR10",
        "typeEUR20",
        "typeUSD20",
    }
    assert device.called[-1] == ("configure_note_types", frozenset(shown) - {"typeEUR50"})
    await take_in(client, device, note(20))
    (asked,) = [call[1] for call in device.called if call[0] == "cash_in"]
    assert asked.items == frozenset(shown) - {"typeEUR50"}


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {"items": []},
        {"items": [{"item": "typeEUR5"}]},
        {"items": [{"enabled": True}]},
        {"items": [{"item": "typeEUR5", "enabled": True}] * 2},
        {"items": [{"item": "typeX", "enabled": True}]},
    ],
    ids=str,
)
async def test_note_types_are_named_once_and_known(client: Dialogue, device: Acceptor, wrong: Any) -> None:
    assert await cannot(client, "ConfigureNoteTypes", wrong) == "invalidData"
    assert not device.called


async def test_the_note_reader_is_configured(client: Dialogue, device: Acceptor) -> None:
    assert await do(client, "ConfigureNoteReader", {"loadAlways": True}) == {"rebootNecessary": True}
    assert device.called[-1] == ("configure_note_reader", True)
    device.raises["configure_note_reader"] = refusal("loadFailed")
    assert await cannot(client, "ConfigureNoteReader") == "loadFailed"


A, B = ({"noteType": "typeEUR20", "signature": data} for data in ("YSBub3Rl", "YW5vdGhlcg=="))
COMPARED = {"referenceSignatures": [A], "signatures": [B, A]}


async def test_a_signature_is_created_and_the_clients_own_are_compared(
    client: Dialogue, device: Acceptor
) -> None:
    made = await do(client, "CreateSignature")
    assert made == {"noteType": "typeEUR20", "orientation": "frontTop", "signature": "YSBub3Rl"}
    matched = await do(client, "CompareSignature", COMPARED)
    assert matched == {"signaturesIndex": [{"index": 1, "confidenceLevel": 90, "comparisonData": "close"}]}
    _, references, candidates = device.called[-1]
    assert [one.signature for one in references] == [b"a note"]
    assert [one.signature for one in candidates] == [b"another", b"a note"]
    await laws(client, device)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"referenceSignatures": []}, "invalidReferenceSignature"),
        ({"referenceSignatures": [{"noteType": "typeEUR20"}]}, "invalidReferenceSignature"),
        ({"referenceSignatures": [{**A, "noteType": "typeX"}]}, "invalidReferenceSignature"),
        ({"signatures": []}, "invalidTransactionSignature"),
        ({"signatures": [{"noteType": "typeEUR20"}]}, "invalidTransactionSignature"),
    ],
    ids=str,
)
async def test_signatures_are_there_and_of_known_items(client: Dialogue, change: Any, code: str) -> None:
    assert await cannot(client, "CompareSignature", {**COMPARED, **change}) == code


async def test_a_device_that_reads_no_signatures_offers_none(nursery: trio.Nursery) -> None:
    class Plain(Acceptor):
        item_info_types = frozenset()

    client = await serving(Plain(), nursery)
    assert await cannot(client, "CreateSignature") == "unsupportedData"
    assert await cannot(client, "CompareSignature", COMPARED) == "unsupportedData"


async def test_the_device_and_units_are_locked(client: Dialogue, device: Acceptor) -> None:
    unknown = [{"storageUnit": name, "unitLockStatus": "lockUnknown"} for name in ("unitA", "unitB", "unitR")]
    assert await do(client, "GetDeviceLockStatus") == {"deviceLockStatus": "lockUnknown", "unitLock": unknown}
    await do(client, "DeviceLockControl", {"deviceAction": "lock", "cashUnitAction": "lockAll"})
    one = {"storageUnit": "unitB", "unitAction": "unlock"}
    await do(client, "DeviceLockControl", {"cashUnitAction": "lockIndividual", "unitLockControl": [one]})
    assert device.called[-1] == ("device_lock_control", None, {"unitB": "unlock"})
    known = await do(client, "GetDeviceLockStatus")
    assert known["deviceLockStatus"] == "lock"
    assert [one["unitLockStatus"] for one in known["unitLock"]] == ["lock", "unlock", "lock"]
    asked = len(device.called)
    await do(client, "DeviceLockControl", {"deviceAction": "noLockAction"})
    assert len(device.called) == asked
    device.raises["device_lock_control"] = refusal("deviceLockFailure")
    assert await cannot(client, "DeviceLockControl", {"deviceAction": "lock"}) == "deviceLockFailure"


@pytest.mark.parametrize(
    ("units", "code"),
    [
        ([], "invalidData"),
        ([{"unitAction": "lock"}], "invalidData"),
        ([{"storageUnit": "unitA"}, {"storageUnit": "unitA"}], "invalidData"),
        ([{"storageUnit": "unit9"}], "invalidCashUnit"),
    ],
    ids=str,
)
async def test_units_to_lock_are_named_once_and_exist(client: Dialogue, units: Any, code: str) -> None:
    wanted = {"cashUnitAction": "lockIndividual", "unitLockControl": units}
    assert await cannot(client, "DeviceLockControl", wanted) == code


async def test_units_that_cannot_take_items_are_not_named_to_the_device(
    client: Dialogue, device: Acceptor
) -> None:
    locked = {"storage": {"unitA": {"cash": {"configuration": {"appLockIn": True}}}}}
    await client.success("Storage.SetStorage", locked)
    await take_in(client, device, note(20))
    await do(client, "CashInEnd")
    assert bucket(await unit(client, "unitB"), "in", "deposited") == 1
    device.unit_changed("unitB", "inoperative")
    await begin(client)
    assert await cannot(client, "CashIn") == "cashUnitError"
    (told,) = events(client, "Storage.StorageErrorEvent")
    assert (told["failure"], set(told["unit"])) == ("full", {"unitA", "unitB"})
    device.unit_changed("unitB", "ok")
    device.slot = [note(20)]
    await do(client, "CashIn")
    device.unit_changed("unitB", "inoperative")
    assert await cannot(client, "CashInEnd") == "cashUnitError"
    assert await state(client) == "active"


async def test_a_cancelled_cash_in_ends_as_cancelled_if_nothing_came(
    client: Dialogue, device: Acceptor, nursery: trio.Nursery
) -> None:
    waiting = trio.Event()

    async def until_cancelled() -> None:
        waiting.set()
        await trio.sleep(0.05)

    device.hand["cash_in"] = until_cancelled
    await begin(client)
    request_id = await client.send("CashAcceptor.CashIn")
    await waiting.wait()
    await client.success("Common.Cancel", {"requestIds": [request_id]})
    assert outcome(await client.until("completion", request_id)) == "canceled"
    device.slot = [note(20)]
    waiting = trio.Event()
    request_id = await client.send("CashAcceptor.CashIn")
    await waiting.wait()
    await client.success("Common.Cancel", {"requestIds": [request_id]})
    completion = await client.until("completion", request_id)
    assert outcome(completion) == "success", completion
    assert completion["payload"]["items"] == {"typeEUR20": {"fit": 1}}
    await laws(client, device)


@pytest.mark.parametrize("command", ["CashIn", "CreateSignature"])
async def test_a_device_that_goes_on_waiting_when_the_client_does_not_is_given_up(
    nursery: trio.Nursery, command: str
) -> None:
    device = Recalling()
    publisher = xfs4iot.Publisher([xfs4iot.Service(device, operation_limit=0.1)], port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("Cash"))

    async def forever() -> None:
        await trio.sleep_forever()

    name = {"CashIn": "cash_in", "CreateSignature": "create_signature"}[command]
    device.hand[name] = forever
    if command == "CashIn":
        await begin(client)
    assert await cannot(client, command, timeout=100) == "hardwareError"

    async def for_a_while() -> None:
        await trio.sleep(0.3)

    # Longer than the device may take for anything else: it waits for a customer.
    device.hand[name] = for_a_while
    device.slot = [note(20)]
    await do(client, command)
    await laws(client, device)


class Patient(Recalling):
    """It senses that items are inserted."""

    def __init__(self) -> None:
        super().__init__()
        self.inserted = trio.Event()

    async def wait_inserted(self, position: str) -> None:
        self.called.append(("wait_inserted", position))
        await self.inserted.wait()


async def test_the_service_waits_for_the_customer_and_gives_up_with_the_client(
    nursery: trio.Nursery,
) -> None:
    device = Patient()
    client = await serving(device, nursery)
    assert (await client.success("Common.Capabilities"))["cashAcceptor"]["itemsInsertedSensor"] is True
    await begin(client)
    assert await cannot(client, "CashIn", timeout=20) == "timeOut"
    assert ("cash_in" in {call[0] for call in device.called}) is False
    device.inserted.set()
    device.slot = [note(20)]
    await do(client, "CashIn")
    assert events(client, "CashManagement.ItemsInsertedEvent") == [{"position": "inDefault"}]
    await laws(client, device)


@pytest.mark.parametrize(
    ("name", "command", "code"),
    [
        ("cash_in_start", "CashInStart", "safeDoorOpen"),
        *(
            ("cash_in", "CashIn", code)
            for code in (
                "noItems",
                "tooManyItems",
                "shutterNotClosed",
                "shutterNotOpen",
                "safeDoorOpen",
                "foreignItemsDetected",
                "positionNotEmpty",
                "cashUnitError",
            )
        ),
        *(("cash_in_end", "CashInEnd", code) for code in ("positionNotEmpty", "safeDoorOpen")),
        *(("cash_in_rollback", "CashInRollback", code) for code in ("shutterNotOpen", "cashUnitError")),
        *(
            ("create_signature", "CreateSignature", code)
            for code in (
                "tooManyItems",
                "noItems",
                "positionNotEmpty",
                "shutterNotOpen",
                "shutterNotClosed",
                "foreignItemsDetected",
            )
        ),
    ],
)
async def test_what_the_device_refuses_reaches_the_client_and_moves_nothing(
    client: Dialogue, device: Acceptor, name: str, command: str, code: str
) -> None:
    if command in ("CashIn", "CashInEnd", "CashInRollback"):
        await take_in(client, device, note(20))
    device.raises[name] = refusal(code)
    assert await cannot(client, command) == code
    await laws(client, device)


async def test_shutters_of_both_sides_are_moved(client: Dialogue, device: Acceptor) -> None:
    await client.success("CashManagement.OpenShutter", {"position": "inDefault"})
    assert device.called[-1] == ("open_shutter", "inDefault")
    shown = {one["position"]: one["shutter"] for one in (await places(client))["positions"]}
    assert shown == {"inDefault": "open", "outDefault": "closed"}
    assert await client.failure("CashManagement.OpenShutter", {"position": "inDefault"}) == "shutterOpen"
    await client.success("CashManagement.CloseShutter")
    await client.success("CashManagement.OpenShutter", {"position": "outDefault"})
    assert device.called[-1] == ("open_shutter", "outDefault")
    wrong = {"position": "inRear"}
    assert await client.failure("CashManagement.OpenShutter", wrong) == "unsupportedPosition"


async def test_the_acceptors_health_follows_from_its_units(client: Dialogue, device: Acceptor) -> None:
    async def health() -> str:
        found: str = (await client.success("Common.Status"))["cashManagement"]["acceptor"]
        return found

    assert await health() == "ok"
    device.unit_changed("unitA", "missing")
    assert await health() == "attention"
    device.unit_changed("unitB", "missing")
    assert await health() == "stop"


async def left_over(
    tmp_path: Path, *slot: Any, at: str, again: Acceptor, device: Acceptor | None = None
) -> tuple[Acceptor, xfs4iot.Ledger]:
    """A device, and the ledger as it was when the power failed while an operation ran."""
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")

    async with trio.open_nursery() as nursery:
        device = device or Acceptor()
        client = await serving(device, nursery, ledger)
        await begin(client)
        if at == "cash_in":
            device.hand[at] = power_cut(tmp_path)
        await take_in(client, device, *slot)
        if at != "cash_in":
            device.hand[at] = power_cut(tmp_path)
            command = {"cash_in_end": "CashInEnd", "cash_in_rollback": "CashInRollback"}[at]
            await do(client, command)
        nursery.cancel_scope.cancel()
    ledger.close()
    again.truth, again.recalls = device.truth, device.recalls
    return again, xfs4iot.Ledger.open(tmp_path / "copy.sqlite")


@pytest.mark.parametrize(
    ("at", "after"), [("cash_in", "active"), ("cash_in_end", "ok"), ("cash_in_rollback", "rollback")]
)
async def test_a_movement_that_the_power_cut_is_booked_as_the_device_recalls_it(
    tmp_path: Path, at: str, after: str
) -> None:
    slot = note(20), note(50), UNKNOWN
    device, ledger = await left_over(tmp_path, *slot, at=at, again=Recalling())
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            client = await serving(device, nursery, ledger)
            status = await do(client, "GetCashInStatus")
            assert status["status"] == after
            assert items(status["noteNumberList"]) == 3
            await laws(client, device)
            nursery.cancel_scope.cancel()
        ledger.close()
        with LedgerReader.open(tmp_path / "copy.sqlite") as reader:
            assert reader.verify().problems == []
        ledger = xfs4iot.Ledger.open(tmp_path / "copy.sqlite")
    ledger.close()


STAGES: list[dict[str, Any]] = [
    {"typeEUR20": {"fit": 2}},
    {"unrecognized": 1, "typeEUR20": {"fit": 1}, "typeEUR5": {"inked": 1}},
]
TOLD = {"unrecognized": 1, "typeEUR20": {"fit": 3}, "typeEUR5": {"inked": 1}}


class InStages(Acceptor):
    """It takes a bunch in by stages."""

    async def cash_in(self, request: devices.CashInRequest, events: Any) -> devices.CashedIn:
        for stage in STAGES:
            counts = {name: levels for name, levels in stage.items() if name != "unrecognized"}
            known = {name: cash_management.StorageCashCount(**levels) for name, levels in counts.items()}
            unknown: Any = stage.get("unrecognized")
            events.send(messages.SubCashInEvent(unrecognized=unknown, additional=known))
        for kind in [*[note(20)] * 3, note(5, "inked"), UNKNOWN]:
            self.truth["stacker"][kind] += 1
        await trio.sleep(0.05)
        await self._do("cash_in", request)
        moved = devices.items_inserted({note(20): 3, note(5, "inked"): 1}, unrecognized=1)
        return devices.CashedIn(moved=moved, refused=0)


async def test_each_stage_of_a_cash_in_is_told_once_and_all_of_them_by_the_completion(
    nursery: trio.Nursery,
) -> None:
    device = InStages()
    client = await serving(device, nursery)
    assert await take_in(client, device) == {"items": TOLD}
    assert events(client, "CashAcceptor.SubCashInEvent") == STAGES
    await laws(client, device)


async def test_what_a_cash_in_has_told_by_stages_is_kept_when_the_device_fails(nursery: trio.Nursery) -> None:
    device = InStages()
    client = await serving(device, nursery)
    await begin(client)
    device.raises["cash_in"] = RuntimeError("broken")
    assert await cannot(client, "CashIn") == "hardwareError"
    known = await do(client, "GetCashInStatus")
    assert (known["status"], known["noteNumberList"]) == ("unknown", TOLD)
    await laws(client, device, doubts=True)
    # All of it can be given back.
    await do(client, "CashInRollback")
    assert device.truth["output"].total() == 5
    await laws(client, device, doubts=True)


async def test_what_a_cash_in_has_told_by_stages_is_kept_when_the_power_fails(tmp_path: Path) -> None:
    device, ledger = await left_over(tmp_path, at="cash_in", device=InStages(), again=Acceptor())
    async with trio.open_nursery() as nursery:
        client = await serving(device, nursery, ledger)
        known = await do(client, "GetCashInStatus")
        assert (known["status"], known["noteNumberList"]) == ("unknown", TOLD)
        await laws(client, device, doubts=True)
        nursery.cancel_scope.cancel()
    ledger.close()


@pytest.mark.parametrize("at", ["cash_in", "cash_in_end", "cash_in_rollback"])
async def test_a_movement_that_nobody_recalls_leaves_the_cash_in_active_and_its_counts_unknown(
    tmp_path: Path, at: str
) -> None:
    device, ledger = await left_over(tmp_path, note(20), at=at, again=Acceptor())
    async with trio.open_nursery() as nursery:
        client = await serving(device, nursery, ledger)
        assert (await do(client, "GetCashInStatus"))["status"] == "unknown"
        assert await cannot(client, "CashInStart") == "cashInActive"
        # Whatever is inside is found and stored.
        await client.success("CashManagement.Reset", {})
        assert await state(client) == "unknown"
        await begin(client)
        assert await state(client) == "active"
        nursery.cancel_scope.cancel()
    ledger.close()


async def test_a_cash_in_goes_on_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
        async with trio.open_nursery() as nursery:
            device = Recalling()
            client = await serving(device, nursery, ledger)
            if not (tmp_path / "first").exists():
                (tmp_path / "first").touch()
                disabled = {"items": [{"item": "typeEUR5", "enabled": False}]}
                await do(client, "ConfigureNoteTypes", disabled)
                await begin(client, **LIMITS)
                await take_in(client, device, note(20), "bad")
                await do(client, "CashInRollback")
                await begin(client, **LIMITS)
                await take_in(client, device, note(20), "bad")
                kept = device.truth
            else:
                assert ("configure_note_types", frozenset(NOTES) - {"typeEUR5"}) in device.called
                device.truth = kept
                status = await do(client, "GetCashInStatus")
                assert (status["status"], status["numOfRefused"]) == ("active", 1)
                assert items((await do(client, "GetPresentStatus"))["returnedItems"]) == 1
                await do(client, "CashIn")
                (asked,) = [call[1] for call in device.called if call[0] == "cash_in"]
                assert (asked.most, str(asked.amounts["EUR"])) == (2, "80.5")
                await do(client, "CashInEnd")
                await laws(client, device)
            nursery.cancel_scope.cancel()
        ledger.close()


async def test_a_class_that_fails_leaves_the_cash_in_active_and_unknown(
    client: Dialogue, device: Acceptor
) -> None:
    await take_in(client, device, note(20))
    device.raises["cash_in_end"] = RuntimeError("broken")
    assert await cannot(client, "CashInEnd") == "hardwareError"
    assert await state(client) == "unknown"
    assert await cannot(client, "CashInStart") == "cashInActive"
    del device.raises["cash_in_end"]
    await do(client, "CashInEnd")
    assert await state(client) == "unknown"
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
