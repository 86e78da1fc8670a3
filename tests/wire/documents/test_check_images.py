"""Check over the wire: images and code lines, which are personal."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio

from dialogue import Dialogue, outcome
from media_ins import FRONT, cannot, do, take_in
from scanners import Scanner
from vendors import refusal, serving


@pytest.fixture
def device() -> Scanner:
    return Scanner()


@pytest.fixture
async def client(device: Scanner, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


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


@pytest.mark.parametrize("rescan", [True, False])
async def test_a_side_that_the_device_takes_no_image_of_is_not_supported(
    nursery: trio.Nursery, rescan: bool
) -> None:
    device = type("Rescanning", (Scanner,), {"rescan": rescan})()
    client = await serving(device, nursery)
    await take_in(client, device)
    both = [{**FRONT, "source": "back"}, FRONT]
    back, front = (await do(client, "ReadImage", {"mediaID": 1, "image": both}))["data"]["image"]
    assert back == {"imageSource": "back", "imageStatus": "sourceNotSupported"}
    assert (front["imageSource"], front["imageStatus"]) == ("front", "ok")
    for wrong in ({**FRONT, "source": "back", "type": None}, {**FRONT, "type": "bmp"}):
        assert await cannot(client, "ReadImage", {"mediaID": 1, "image": [wrong]}) == "invalidData"


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


async def test_neither_code_lines_nor_images_reach_a_log(
    client: Dialogue, device: Scanner, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await take_in(client, device)
        await do(client, "GetTransactionStatus")
        await do(client, "SetMediaParameters", {"destination": "unit1", "printData": "ENDORSED"})
    assert "LINE1" not in caplog.text
    assert base64.b64encode(b"picture of a cheque").decode() not in caplog.text
