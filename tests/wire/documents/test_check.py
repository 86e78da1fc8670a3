"""Check over the wire: the media-in transaction, what becomes of its items, its units."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio

from dialogue import Dialogue, another
from media_ins import ALL, EMPTY, FRONT, cannot, counts, do, state, take_in
from scanners import Scanner, Single
from vendors import refusal, serving


@pytest.fixture
def device() -> Scanner:
    return Scanner()


@pytest.fixture
async def client(device: Scanner, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def test_a_bunch_is_taken_in_stored_and_partly_given_back(client: Dialogue, device: Scanner) -> None:
    first = await take_in(client, device, "good", "tooLong", "good", "good")
    assert first == {
        "mediaIn": {"mediaOnStacker": 3, "lastMedia": 3, "lastMediaOnStacker": 3, "mediaFeeder": "empty"}
    }
    events = [one["header"]["name"] for one in client.passed if one["header"]["type"] == "event"]
    assert events == [
        "Check.MediaInsertedEvent",
        "Check.MediaDataEvent",
        "Check.MediaRefusedEvent",
        "Check.MediaDataEvent",
        "Check.MediaDataEvent",
    ]
    await take_in(client, device, "good")
    status = await do(client, "GetTransactionStatus")
    assert (status["mediaInTransaction"], status["mediaOnStacker"], status["totalItems"]) == (
        "active",
        "4",
        "4",
    )
    assert (status["lastMediaInTotal"], status["totalItemsRefused"]) == ("1", "1")
    assert status["mediaInfo"][0]["codelineData"] == "LINE1"
    assert base64.b64decode(status["mediaInfo"][0]["image"][0]["image"]) == b"picture of a cheque"
    await do(client, "SetMediaParameters", {"destination": "unit1"})
    await do(client, "SetMediaParameters", {"mediaID": 2, "destination": "customer", "stamp": True})
    ended = (await do(client, "MediaInEnd"))["mediaInEnd"]
    assert (ended["itemsReturned"], ended["itemsRefused"]) == (1, 1)
    assert ended["storage"]["storage"]["unit1"]["check"]["status"]["in"]["count"] == 3
    assert await counts(client) == EMPTY | {"unit1": (3, 3, 0)}
    told = [one for one in client.passed if one["header"]["name"] == "Storage.StorageThresholdEvent"]
    assert len(told) == 1
    places = (await do(client, "GetTransactionStatus"))["mediaInfo"]
    assert [one["mediaLocation"] for one in places] == ["unit1", "device", "unit1", "unit1"]
    assert places[1]["customerAccess"] == "customer"
    device.media_taken("input")
    await client.until("unsolicited", name="Check.MediaTakenEvent")
    assert (await do(client, "GetTransactionStatus"))["mediaInfo"][1]["mediaLocation"] == "customer"
    assert await state(client) == "ok"


async def test_a_bunch_that_is_refused_as_a_whole_has_no_items_of_the_one_before(
    client: Dialogue, device: Scanner
) -> None:
    await take_in(client, device, "good", "good")
    await do(client, "SetMediaParameters", {"destination": "unit1"})
    await do(client, "MediaInEnd")
    await take_in(client, device, "tooLong", "tooLong")
    status = await do(client, "GetTransactionStatus")
    assert status["mediaInTransaction"] == "active"
    assert not status.get("mediaInfo")
    assert (status["totalItems"], status["totalItemsRefused"]) == ("0", "2")
    assert (status["mediaOnStacker"], status["lastMediaInTotal"]) == ("0", "0")


async def test_a_rollback_forgets_what_was_set(client: Dialogue, device: Scanner) -> None:
    await take_in(client, device)
    await do(client, "SetMediaParameters", {"destination": "unit1"})
    assert (await do(client, "MediaInRollback"))["mediaInRollback"]["itemsReturned"] == 3
    assert await counts(client) == EMPTY
    assert await state(client) == "rollback"
    device.media_taken("input")
    await client.until("unsolicited", name="Check.MediaTakenEvent")
    await take_in(client, device, "good")
    assert (await do(client, "GetTransactionStatus"))["totalItems"] == "1"


async def test_the_application_decides_item_by_item(client: Dialogue, device: Scanner) -> None:
    device.slot = ["good"]
    await do(client, "MediaIn", {**ALL, "applicationRefuse": True})
    assert device.request.application_refuses
    await do(client, "AcceptItem", {"accept": True})
    assert (await do(client, "GetNextItem")) == {"mediaFeeder": "empty"}
    await do(client, "AcceptItem", {"accept": False})
    told = await do(client, "GetTransactionStatus")
    assert [one["customerAccess"] for one in told["mediaInfo"]] == ["none", "customer"]
    assert told["totalItemsRefused"] == "1"
    device.refuses["get_next_item"] = refusal("noItems")
    assert await cannot(client, "GetNextItem") == "noItems"
    assert await cannot(client, "AcceptItem", {}) == "invalidData"
    assert [call for call in device.called if call[0] == "accept_item"] == [
        ("accept_item", True),
        ("accept_item", False),
    ]
    assert await state(client) == "active"


async def test_without_a_stacker_each_item_goes_its_way(nursery: trio.Nursery) -> None:
    device = Single()
    client = await serving(device, nursery)
    await take_in(client, device, "good")
    await do(client, "SetMediaParameters", {"destination": "unit2"})
    await do(client, "ActionItem")
    assert await counts(client) == EMPTY | {"unit2": (1, 1, 0)}
    assert await state(client) == "active"
    device.refuses["get_next_item"] = refusal("noItems")
    assert await cannot(client, "GetNextItem") == "noItems"
    status = await do(client, "GetTransactionStatus")
    assert "mediaOnStacker" not in status
    await do(client, "MediaInRollback")
    assert await state(client) == "rollbackAfterDeposit"
    assert await cannot(client, "AcceptItem", {"accept": True}) == "unsupportedCommand"


async def test_a_stacker_for_many_has_no_action_for_one(client: Dialogue) -> None:
    assert await cannot(client, "ActionItem") == "unsupportedCommand"


@pytest.mark.parametrize(
    "payload", [{"codelineFormat": "cmc7"}, {"maxMediaOnStacker": 6}, {"image": [None]}, {"image": "x"}]
)
async def test_what_a_media_in_cannot_ask_for(client: Dialogue, payload: Any) -> None:
    assert await cannot(client, "MediaIn", payload) == "invalidData"


async def test_the_limit_of_the_first_media_in_holds(client: Dialogue, device: Scanner) -> None:
    device.slot = ["good", "good", "good"]
    await do(client, "MediaIn", {"maxMediaOnStacker": 2})
    refused = await client.until("event", name="Check.MediaRefusedEvent")
    assert refused["payload"]["reason"] == "stackerFull"
    assert await cannot(client, "MediaIn", {"maxMediaOnStacker": 5}) == "stackerFull"


@pytest.mark.parametrize(
    ("name", "payload", "code"),
    [
        ("MediaInEnd", None, "noMedia"),
        ("MediaInRollback", None, "noMedia"),
        ("PresentMedia", None, "noMedia"),
        ("ReadImage", {"mediaID": 1}, "noMedia"),
        ("GetNextItem", None, "noItems"),
        ("AcceptItem", {"accept": True}, "noItems"),
        ("SetMediaParameters", {"destination": "customer"}, "noItems"),
    ],
)
async def test_without_a_transaction_there_is_nothing(
    client: Dialogue, device: Scanner, name: str, payload: Any, code: str
) -> None:
    assert await cannot(client, name, payload) == code
    assert not device.called


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({}, "invalidData"),
        ({"destination": "nowhere"}, "invalidData"),
        ({"destination": "unitX"}, "noBin"),
        ({"destination": "unitR"}, "invalidBin"),
        ({"destination": "unit1", "mediaID": 9}, "invalidMediaID"),
        ({"destination": "unit1", "printData": "A" * 11}, "invalidData"),
        ({"destination": "unit1", "printData": "A\r\nB\r\nC"}, "invalidData"),
        ({"destination": "unit1", "printData": "A\r\fFRONT"}, "invalidData"),
        ({"destination": "unit1", "image": [{**FRONT, "type": "wmf"}]}, "invalidData"),
    ],
)
async def test_what_cannot_become_of_an_item(
    client: Dialogue, device: Scanner, payload: Any, code: str
) -> None:
    await take_in(client, device)
    assert await cannot(client, "SetMediaParameters", payload) == code


async def test_a_full_unit_takes_nothing(client: Dialogue, device: Scanner) -> None:
    await take_in(client, device)
    full = {"check": {"status": {"initial": {"count": 10}}}}
    await client.success("Storage.SetStorage", {"storage": {"unit1": full}})
    assert await cannot(client, "SetMediaParameters", {"destination": "unit1"}) == "mediaBinFull"
    await client.success("Storage.SetStorage", {"storage": {"unit2": full}})
    await do(client, "MediaInRollback")
    device.media_taken("input")
    await client.until("unsolicited", name="Check.MediaTakenEvent")
    assert await cannot(client, "MediaIn") == "allBinsFull"


async def test_supplies(client: Dialogue, device: Scanner) -> None:
    await do(client, "SupplyReplenish", {"toner": True, "ink": False})
    assert device.called == [("supply_replenish", frozenset({"toner"}))]
    for payload in (None, {}, {"toner": False}):
        assert await cannot(client, "SupplyReplenish", payload) == "invalidData"
    await do(client, "ExpelMedia")


async def test_no_item_comes_in_during_an_exchange(client: Dialogue, nursery: trio.Nursery) -> None:
    device = type("Exchanged", (Scanner,), {"start_exchange": forever_not, "end_exchange": forever_not})()
    other = await serving(device, nursery)
    await other.success("Storage.StartExchange")
    assert await cannot(other, "MediaIn") == "sequenceError"


async def forever_not(self: Any) -> None:
    pass


async def test_clients_of_2023_take_cheques_in(
    client: Dialogue, device: Scanner, nursery: trio.Nursery
) -> None:
    old = await another(client, nursery, "2023-2")
    await take_in(old, device)
    await do(old, "SetMediaParameters", {"destination": "unit2"})
    assert (await do(old, "GetTransactionStatus"))["mediaInfo"][0]["codelineData"] == "LINE1"
    assert (await do(old, "ReadImage", {"mediaID": 1}))["data"]["mediaID"] == 1
    await do(old, "MediaInEnd")
    await take_in(old, device)
    await do(old, "AcceptItem", {"accept": True})
    await do(old, "GetNextItem")
    await do(old, "MediaInRollback")
    await do(old, "PresentMedia", {})
    await do(old, "ExpelMedia")
    await do(old, "RetractMedia", {"retractLocation": "unitR"})
    await do(old, "SupplyReplenish", {"ink": True})
    await do(old, "Reset", {"mediaControl": "eject"})
    single = Single()
    older = await another(await serving(single, nursery), nursery, "2023-2")
    await take_in(older, single, "good")
    await do(older, "ActionItem")


async def test_an_application_refuses_only_where_the_device_lets_it(nursery: trio.Nursery) -> None:
    device = type("Deciding", (Scanner,), {"application_refuse": False})()
    client = await serving(device, nursery)
    device.slot = ["good", "good"]
    await do(client, "MediaIn", {**ALL, "applicationRefuse": True})
    assert not device.request.application_refuses
    # Whole bunches come in, so there is no next item, and none to be accepted.
    assert await cannot(client, "GetNextItem") == "unsupportedCommand"
    assert await cannot(client, "AcceptItem", {"accept": True}) == "unsupportedCommand"


@pytest.mark.parametrize("status", ["missing", "inoperative"])
async def test_units_that_do_not_work_take_nothing(client: Dialogue, device: Scanner, status: Any) -> None:
    device.unit_changed("unit1", status)
    await take_in(client, device, "good")
    await do(client, "MediaInRollback")
    device.media_taken("input")
    await client.until("unsolicited", name="Check.MediaTakenEvent")
    device.unit_changed("unit2", status)
    asked = len(device.called)
    assert await cannot(client, "MediaIn", ALL) == "allBinsFull"
    assert len(device.called) == asked


async def test_without_a_stamp_nothing_is_stamped(nursery: trio.Nursery) -> None:
    device = type("Plain", (Scanner,), {"stamp": False})()
    client = await serving(device, nursery)
    await take_in(client, device)
    assert (
        await cannot(client, "SetMediaParameters", {"destination": "unit1", "stamp": True}) == "invalidData"
    )
    await do(client, "SetMediaParameters", {"destination": "unit1", "stamp": False})
