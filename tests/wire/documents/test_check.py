"""Check over the wire: the media-in transaction, its items, its units."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, another, outcome
from scanners import Scanner, Single, forever
from vendors import power_cut, refusal, serving
from xfs4iot import devices
from xfs4iot.interfaces.documents.media_transaction import TOLD

FRONT = {"source": "front", "type": "jpg", "colorFormat": "grayScale", "scanColor": "white"}
ALL = {"codelineFormat": "e13b", "image": [FRONT]}


@pytest.fixture
def device() -> Scanner:
    return Scanner()


@pytest.fixture
async def client(device: Scanner, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def do(client: Dialogue, name: str, payload: Any = None) -> dict[str, Any]:
    return await client.success(f"Check.{name}", payload)


async def cannot(client: Dialogue, name: str, payload: Any = None, **header: Any) -> str:
    return await client.failure(f"Check.{name}", payload, **header)


async def take_in(client: Dialogue, device: Scanner, *slot: str) -> dict[str, Any]:
    device.slot = list(slot or ("good", "good", "good"))
    return await do(client, "MediaIn", ALL)


async def state(client: Dialogue) -> str:
    found: str = (await do(client, "GetTransactionStatus"))["mediaInTransaction"]
    return found


async def counts(client: Dialogue) -> dict[str, tuple[int, int, int] | None]:
    """By unit; None if they are not known."""
    units = (await client.success("Storage.GetStorage"))["storage"]
    found = {name: unit["check"]["status"].get("in") for name, unit in units.items()}
    return {
        name: None if one is None else (one["mediaInCount"], one["count"], one["retractOperations"])
        for name, one in found.items()
    }


EMPTY = {"unit1": (0, 0, 0), "unit2": (0, 0, 0), "unitR": (0, 0, 0)}
UNKNOWN = EMPTY | {"unit1": None, "unit2": None}


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


BAD_IMAGES: list[tuple[Any, str]] = [
    ([{**FRONT, "source": "back"}], "source"),
    ([{**FRONT, "type": "bmp"}], "type"),
    ([{**FRONT, "colorFormat": "full"}], "colorFormat"),
    ([{**FRONT, "scanColor": "blue"}], "scanColor"),
    ([{key: value for key, value in FRONT.items() if key != "type"}], "type"),
    ([FRONT, FRONT], "twice"),
]


@pytest.mark.parametrize(("images", "says"), BAD_IMAGES)
async def test_an_image_that_the_device_cannot_take_is_named(
    client: Dialogue, images: Any, says: str
) -> None:
    completion = await client.completion("Check.MediaIn", {"image": images})
    assert outcome(completion) == "invalidData"
    assert says in completion["header"]["errorDescription"]


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


async def test_refused_items_that_must_be_presented_hold_everything_up(
    client: Dialogue, device: Scanner
) -> None:
    device.presents_first = True
    await take_in(client, device, "good", "foreignItems")
    for name in ("MediaIn", "MediaInEnd", "MediaInRollback", "GetNextItem"):
        assert await cannot(client, name) == "refusedItems"
    assert await cannot(client, "AcceptItem", {"accept": True}) == "refusedItems"
    await do(client, "PresentMedia", {"source": {"position": "input"}})
    assert device.called[-1] == ("return_media", "input")
    await do(client, "MediaInEnd")
    assert await cannot(client, "PresentMedia", {"source": {"position": "rebuncher"}}) == "invalidData"


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


async def test_an_image_is_read_from_what_is_known(client: Dialogue, device: Scanner) -> None:
    await take_in(client, device)
    wanted = {"mediaID": 2, "codelineFormat": "e13b", "image": [FRONT]}
    data = (await do(client, "ReadImage", wanted))["data"]
    assert data["codelineData"] == "LINE2"
    assert base64.b64decode(data["image"][0]["image"]) == b"picture of a cheque"
    assert await cannot(client, "ReadImage", {**wanted, "mediaID": 7}) == "invalidMediaID"
    assert await cannot(client, "ReadImage", {"image": [FRONT]}) == "invalidData"


async def test_an_image_that_was_not_taken_is_missing(client: Dialogue, device: Scanner) -> None:
    device.slot = ["good"]
    await do(client, "MediaIn")
    data = (await do(client, "ReadImage", {"mediaID": 1, "image": [FRONT]}))["data"]
    assert data["image"] == [{"imageSource": "front", "imageStatus": "sourceMissing"}]


@pytest.mark.parametrize("code", ["mediaJammed", "scannerInop", "micrInop"])
async def test_how_another_scan_fails(nursery: trio.Nursery, code: str) -> None:
    device = type("Rescanning", (Scanner,), {"rescan": True})()
    client = await serving(device, nursery)
    await take_in(client, device)
    device.refuses["read_image"] = refusal(code)
    assert await cannot(client, "ReadImage", {"mediaID": 1, "image": [FRONT]}) == code


async def test_a_device_that_scans_again_is_asked_and_the_rest_is_kept(nursery: trio.Nursery) -> None:
    device = type("Rescanning", (Scanner,), {"rescan": True})()
    client = await serving(device, nursery)
    await take_in(client, device)
    data = (await do(client, "ReadImage", {"mediaID": 1, "codelineFormat": "e13b", "image": [FRONT]}))["data"]
    assert (data["codelineData"], base64.b64decode(data["image"][0]["image"])) == ("AGAIN", b"again")
    info = (await do(client, "GetTransactionStatus", {"includeImage": False}))["mediaInfo"][0]
    assert info["mediaSize"] == {"longEdge": 150, "shortEdge": 70}
    assert "image" not in info


async def test_a_retract_counts_as_one_operation(client: Dialogue, device: Scanner) -> None:
    await take_in(client, device)
    await do(client, "MediaInRollback")
    found = await do(client, "RetractMedia", {"retractLocation": "unitR"})
    assert found == {"media": {"count": "2", "retractLocation": "unitR"}}
    assert await counts(client) == EMPTY | {"unitR": (0, 2, 1)}
    assert await state(client) == "rollback"
    places = (await do(client, "GetTransactionStatus"))["mediaInfo"]
    assert {one["mediaLocation"] for one in places} == {"unitR"}


async def test_a_retract_ends_an_active_transaction(client: Dialogue, device: Scanner) -> None:
    await take_in(client, device)
    await do(client, "RetractMedia")
    assert await state(client) == "retract"


@pytest.mark.parametrize(
    ("place", "code"),
    [("unitX", "noBin"), ("unit1", "invalidBin"), ("transport", "invalidData"), ("nowhere", "invalidData")],
)
async def test_where_nothing_can_be_retracted_to(client: Dialogue, place: str, code: str) -> None:
    assert await cannot(client, "RetractMedia", {"retractLocation": place}) == code


@pytest.mark.parametrize(
    ("place", "code"), [("unitX", "invalidBin"), ("unit1", "invalidBin"), ("rebuncher", "invalidData")]
)
async def test_where_a_reset_can_bring_nothing(client: Dialogue, place: str, code: str) -> None:
    assert await cannot(client, "Reset", {"mediaControl": place}) == code


async def test_a_reset_ends_an_active_transaction_and_counts_what_it_brought_away(
    client: Dialogue, device: Scanner
) -> None:
    await take_in(client, device)
    await do(client, "Reset", {"mediaControl": "unitR"})
    assert await state(client) == "reset"
    assert await counts(client) == EMPTY | {"unitR": (0, 3, 1)}
    assert (await client.success("Common.Status"))["check"]["media"] == "notPresent"
    await do(client, "Reset")
    device.media_detected("unitR")
    await client.until("unsolicited", name="Check.MediaDetectedEvent")


async def test_supplies(client: Dialogue, device: Scanner) -> None:
    await do(client, "SupplyReplenish", {"toner": True, "ink": False})
    assert device.called == [("supply_replenish", frozenset({"toner"}))]
    for payload in (None, {}, {"toner": False}):
        assert await cannot(client, "SupplyReplenish", payload) == "invalidData"
    await do(client, "ExpelMedia")


async def presented(client: Dialogue, request: int) -> tuple[int, str]:
    event = (await client.until("event", request, "Check.MediaPresentedEvent"))["payload"]
    return event["bunchIndex"], event["totalBunches"]


async def reachable(client: Dialogue) -> list[str]:
    """Who has each item, or can take it."""
    info = (await do(client, "GetTransactionStatus"))["mediaInfo"]
    return [
        "taken" if one["mediaLocation"] == "customer" else one["customerAccess"].replace("customer", "here")
        for one in info
    ]


async def test_what_goes_back_in_several_bunches_does_so_one_after_the_other(
    client: Dialogue, device: Scanner
) -> None:
    device.bunch = 2
    await take_in(client, device, *["good"] * 5)
    request = await client.send("Check.MediaInRollback")
    await client.until("acknowledge", request)
    expected = (
        ("here here none none none", "1"),
        ("taken taken here here none", "2"),
        ("taken taken taken taken here", "3"),
    )
    for places, index in expected:
        assert await presented(client, request) == (int(index), "3")
        if index == "3":
            assert (await client.until("completion", request))["payload"]["mediaInRollback"][
                "itemsReturned"
            ] == 5
        assert await reachable(client) == places.split()
        device.media_taken("input")
        await client.until("unsolicited", name="Check.MediaTakenEvent")
    assert (await client.success("Common.Status"))["check"]["media"] == "notPresent"
    await take_in(client, device, "good")


async def test_a_bunch_that_nobody_waits_for_stays_inside_until_it_is_presented(
    client: Dialogue, device: Scanner
) -> None:
    device.bunch = 1
    await take_in(client, device)
    await do(client, "SetMediaParameters", {"mediaID": 1, "destination": "unit1"})
    request = await client.send("Check.MediaInEnd", timeout=100)
    completion = await client.until("completion", request)
    assert completion["header"]["completionCode"] == "timeOut"
    assert await counts(client) == EMPTY | {"unit1": (1, 1, 0)}
    assert (await state(client), await reachable(client)) == ("ok", ["none", "here", "none"])
    device.media_taken("input")
    await client.until("unsolicited", name="Check.MediaTakenEvent")
    assert await cannot(client, "MediaIn") == "mediaPresent"
    await do(client, "PresentMedia")
    assert await reachable(client) == ["none", "taken", "here"]


@pytest.mark.parametrize("code", ["shutterFail", "mediaJammed", "positionNotEmpty"])
async def test_a_second_bunch_that_cannot_be_presented(client: Dialogue, device: Scanner, code: str) -> None:
    device.bunch = 2
    await take_in(client, device)
    device.refuses["present_next"] = refusal(code)
    request = await client.send("Check.MediaInRollback")
    await presented(client, request)
    device.media_taken("input")
    completion = await client.until("completion", request)
    assert completion["payload"]["errorCode"] == code
    assert await reachable(client) == ["taken", "taken", "none"]


async def test_what_is_refused_before_the_first_item_is_presented_first_as_well(
    client: Dialogue, device: Scanner
) -> None:
    device.presents_first = True
    await take_in(client, device, "tooLong", "good")
    assert await cannot(client, "MediaInEnd") == "refusedItems"
    await do(client, "PresentMedia", {})
    await do(client, "MediaInEnd")


async def test_without_presenting_by_itself_a_device_waits_for_the_application(
    nursery: trio.Nursery,
) -> None:
    device = type("Waiting", (Scanner,), {"media_present_control": False})()
    device.bunch = 2
    client = await serving(device, nursery)
    await take_in(client, device)
    await do(client, "MediaInRollback")
    assert await reachable(client) == ["none", "none", "none"]
    request = await client.send("Check.PresentMedia", {})
    assert await presented(client, request) == (1, "2")
    device.media_taken("input")
    assert await presented(client, request) == (2, "2")
    await client.until("completion", request)
    assert await reachable(client) == ["taken", "taken", "here"]


async def test_a_class_that_cannot_present_a_second_bunch_is_not_believed(nursery: trio.Nursery) -> None:
    device = type("Lying", (Scanner,), {"present_next": devices.Check.present_next})()
    device.bunch = 1
    client = await serving(device, nursery)
    await take_in(client, device)
    assert await cannot(client, "MediaInRollback") == "hardwareError"


async def test_what_a_reset_ejects_is_the_customers_once_it_is_taken(
    client: Dialogue, device: Scanner
) -> None:
    await take_in(client, device)
    device.ejects = devices.MediaPresented()
    await do(client, "Reset", {"mediaControl": "eject"})
    assert await reachable(client) == ["here", "here", "here"]
    device.media_taken("input")
    await client.until("unsolicited", name="Check.MediaTakenEvent")
    await take_in(client, device, "good")


async def test_images_beyond_what_one_answer_holds_are_read_one_by_one(
    client: Dialogue, device: Scanner
) -> None:
    device.picture = bytes(3 * 512 * 1024)
    await take_in(client, device)
    info = (await do(client, "GetTransactionStatus"))["mediaInfo"]
    assert ["image" in one["image"][0] for one in info] == [True, True, False]
    data = (await do(client, "ReadImage", {"mediaID": 3, "image": [FRONT]}))["data"]
    assert len(base64.b64decode(data["image"][0]["image"])) == len(device.picture)


async def test_what_items_say_of_their_owners_is_forgotten_after_the_transaction(
    client: Dialogue, device: Scanner
) -> None:
    device.private_seconds = 0
    await take_in(client, device)
    await do(client, "MediaInRollback")
    while "codelineData" in (await do(client, "GetTransactionStatus"))["mediaInfo"][0]:
        pass
    assert (await do(client, "GetTransactionStatus"))["totalItems"] == "3"


async def test_a_failure_that_is_not_the_commands_is_not_believed(client: Dialogue, device: Scanner) -> None:
    await take_in(client, device)
    device.refuses["end partly"] = refusal("inkOut")
    assert await cannot(client, "MediaInEnd") == "hardwareError"


DEVICE_CODES = {
    "MediaIn": "shutterFail mediaJammed scannerInop micrInop positionNotEmpty feederNotEmpty mediaRejected "
    "feederInop",
    "MediaInEnd": "shutterFail mediaJammed mediaBinError positionNotEmpty feederNotEmpty",
    "MediaInRollback": "shutterFail mediaJammed positionNotEmpty",
    "GetNextItem": "noItems mediaJammed positionNotEmpty scannerInop micrInop feederInop",
    "AcceptItem": "mediaJammed positionNotEmpty",
    "SetMediaParameters": "mediaJammed scannerInop tonerOut inkOut",
    "PresentMedia": "shutterFail mediaJammed positionNotEmpty",
    "ExpelMedia": "shutterFail mediaJammed noItems",
    "RetractMedia": "noMediaPresent mediaJammed stackerFull mediaBinError shutterFail foreignItemsDetected",
    "Reset": "shutterFail mediaJammed mediaBinError",
}
OPERATIONS = {
    name: "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_") for name in DEVICE_CODES
}
OPERATIONS |= {"PresentMedia": "return_media", "Reset": "reset_media"}
PAYLOADS = {"AcceptItem": {"accept": True}, "SetMediaParameters": {"destination": "unit1"}}
REFUSALS = ("positionNotEmpty", "feederNotEmpty", "mediaRejected", "noMediaPresent", "stackerFull", "noItems")
ENDING = ("MediaIn", "MediaInEnd", "MediaInRollback", "GetNextItem", "RetractMedia", "Reset")


@pytest.mark.parametrize(
    ("name", "code"), [(name, code) for name, codes in DEVICE_CODES.items() for code in codes.split()]
)
async def test_how_a_command_fails_at_the_device(
    client: Dialogue, device: Scanner, name: str, code: str
) -> None:
    await take_in(client, device, "good")
    device.refuses[OPERATIONS[name]] = refusal(code)
    assert await cannot(client, name, PAYLOADS.get(name)) == code
    failed = name in ENDING and code not in REFUSALS
    assert await state(client) == ("failure" if failed else "active")
    assert await counts(client) == EMPTY


@pytest.mark.parametrize(
    "code",
    [
        "inkOut",
        "mediaBinError",
        "mediaJammed",
        "positionNotEmpty",
        "scannerInop",
        "shutterFail",
        "tonerOut",
    ],
)
async def test_how_an_action_fails_at_the_device(nursery: trio.Nursery, code: str) -> None:
    device = Single()
    client = await serving(device, nursery)
    assert await cannot(client, "ActionItem") == "noMediaPresent"
    await take_in(client, device, "good")
    device.refuses["action_item"] = refusal(code)
    assert await cannot(client, "ActionItem") == code


async def test_a_unit_that_jams_is_named_and_what_went_before_is_counted(
    client: Dialogue, device: Scanner
) -> None:
    await take_in(client, device)
    device.refuses["end partly"] = devices.UnitError("mediaBinError", "error", ["unit1"], "it jams")
    assert await cannot(client, "MediaInEnd") == "mediaBinError"
    told = await client.until("event", name="Storage.StorageErrorEvent")
    assert list(told["payload"]["unit"]) == ["unit1"]
    assert await counts(client) == EMPTY | {"unit1": (1, 1, 0)}
    assert await state(client) == "failure"
    assert await cannot(client, "MediaIn") == "mediaPresent"


async def test_no_item_comes_in_during_an_exchange(client: Dialogue, nursery: trio.Nursery) -> None:
    device = type("Exchanged", (Scanner,), {"start_exchange": forever_not, "end_exchange": forever_not})()
    other = await serving(device, nursery)
    await other.success("Storage.StartExchange")
    assert await cannot(other, "MediaIn") == "sequenceError"


async def forever_not(self: Any) -> None:
    pass


@pytest.mark.parametrize("end", ["canceled", "timeOut"])
async def test_a_wait_that_is_given_up_closes_the_slot_and_changes_nothing(
    client: Dialogue, device: Scanner, end: str
) -> None:
    device.hand["media_in"] = forever
    request = await client.send("Check.MediaIn", ALL, timeout=50 if end == "timeOut" else 0)
    await client.until("event", request, "Check.NoMediaEvent")
    if end == "canceled":
        await client.success("Common.Cancel", {"requestIds": [request]})
    assert (await client.until("completion", request))["header"]["completionCode"] == end
    assert device.called[-1] == ("stop_media_in",)
    assert await state(client) == "ok"


class Confirming(Scanner):
    """A device that knows after a restart what is inside, and what its last movement moved."""

    confirms: frozenset[int] = frozenset()
    recalls: devices.MediaStored | None = None

    async def media_inside(self) -> frozenset[int]:
        return self.confirms

    async def recall_media(self, operation: int) -> devices.MediaStored | None:
        return self.recalls


@pytest.mark.parametrize(
    ("kind", "confirms", "expected"),
    [
        (Scanner, frozenset(), "unknown"),
        (Confirming, frozenset({1, 2}), "active"),
        (Confirming, frozenset({1}), "unknown"),
    ],
)
async def test_a_transaction_goes_on_after_a_restart_if_the_device_confirms_it(
    kind: Any, confirms: Any, expected: str
) -> None:
    ledger = xfs4iot.Ledger.open(None)
    for first in (True, False):
        async with trio.open_nursery() as nursery:
            device = kind() if not first else Scanner()
            device.confirms = confirms
            client = await serving(device, nursery, ledger)
            if first:
                await take_in(client, device, "good", "good")
            else:
                status = await do(client, "GetTransactionStatus")
                assert (status["mediaInTransaction"], status["totalItems"]) == (expected, "2")
                assert "codelineData" not in status["mediaInfo"][0]
                # It goes on, whatever the device knows.
                device.inside = [1, 2]
                await do(client, "SetMediaParameters", {"destination": "unit1"})
                await do(client, "MediaInEnd")
                assert await counts(client) == EMPTY | {"unit1": (2, 2, 0)}
                assert await state(client) == "ok"
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("kind", "recalls", "expected"),
    [
        (Scanner, None, UNKNOWN),
        (Confirming, None, EMPTY),
        (
            Confirming,
            devices.MediaStored(stored={"unit1": 2}, items={1: "unit1"}),
            EMPTY | {"unit1": (2, 2, 0)},
        ),
    ],
)
async def test_the_power_fails_while_items_are_stored_and_what_the_device_recalls_is_booked_once(
    tmp_path: Path, kind: Any, recalls: Any, expected: Any
) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")

    async with trio.open_nursery() as nursery:
        device = Scanner()
        client = await serving(device, nursery, ledger)
        await take_in(client, device)
        await do(client, "SetMediaParameters", {"destination": "unit1"})
        device.hand["media_in_end"] = power_cut(tmp_path)
        await do(client, "MediaInEnd")
        nursery.cancel_scope.cancel()
    ledger.close()
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            again = kind()
            again.recalls = recalls
            ledger = xfs4iot.Ledger.open(tmp_path / "copy.sqlite")
            client = await serving(again, nursery, ledger)
            assert await counts(client) == expected
            assert await state(client) == "unknown"
            nursery.cancel_scope.cancel()
        ledger.close()


async def test_a_class_that_fails_leaves_the_transaction_unknown(client: Dialogue, device: Scanner) -> None:
    await take_in(client, device)
    device.refuses["media_in_end"] = RuntimeError("broken")
    assert await cannot(client, "MediaInEnd") == "hardwareError"
    assert await state(client) == "unknown"


async def test_neither_code_lines_nor_images_reach_a_log(
    client: Dialogue, device: Scanner, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await take_in(client, device)
        await do(client, "GetTransactionStatus")
        await do(client, "SetMediaParameters", {"destination": "unit1", "printData": "ENDORSED"})
    assert "LINE1" not in caplog.text
    assert base64.b64encode(b"picture of a cheque").decode() not in caplog.text


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


@pytest.mark.parametrize(
    ("kind", "expected", "known"), [(Scanner, "unknown", [1, 2]), (Confirming, "active", [1, 2, 3])]
)
async def test_what_was_told_of_items_on_their_way_in_is_known_after_a_power_cut(
    tmp_path: Path, kind: Any, expected: str, known: list[int]
) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")

    class Slow(Scanner):
        async def media_in(self, request: Any, events: Any) -> Any:
            self._take(events, request)
            self._take(events, request)
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        client = await serving(Slow(), nursery, ledger)
        request = await client.send("Check.MediaIn", ALL)
        for _ in range(2):
            await client.until("event", request, "Check.MediaDataEvent")
        told = 0
        with trio.fail_after(10):
            while told < 2:
                await power_cut(tmp_path)()
                with xfs4iot.Ledger.open(tmp_path / "copy.sqlite") as copy:
                    kept = TOLD.of(copy.service("Check"))
                    told = len(kept.transaction.items) if kept is not None else 0
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    ledger.close()
    async with trio.open_nursery() as nursery:
        again = kind()
        again.confirms = frozenset({1, 2, 3})
        again.recalls = devices.MediaStored(items={1: "device", 2: "device", 3: "device"})
        with xfs4iot.Ledger.open(tmp_path / "copy.sqlite") as ledger:
            client = await serving(again, nursery, ledger)
            status = await do(client, "GetTransactionStatus")
            assert status["mediaInTransaction"] == expected
            assert [one["mediaID"] for one in status["mediaInfo"]] == known
            await do(client, "MediaInRollback")
            assert await state(client) == "rollback"
            nursery.cancel_scope.cancel()
