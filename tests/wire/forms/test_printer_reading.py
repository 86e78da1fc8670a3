"""Media that are inserted and read, over the wire."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio

from dialogue import Dialogue, another
from printers import Receipts, Scribe, form
from vendors import refusal, serving

READ, IMAGE, EXTENTS = "Printer.ReadForm", "Printer.ReadImage", "Printer.MediaExtents"
FIELDS = {
    "number": (2, 1, 10, 1, {"access": "read", "fieldType": "ocr"}),
    "stripe": (0, 0, 1, 1, {"access": "readWrite", "fieldType": "msf", "coercivity": "low"}),
    "line": (0, 4, 5, 1, {"access": "read", "fieldType": "barcode", "index": {"repeatCount": 2, "y": 1}}),
    "text": (0, 8, 5, 1),
}
FRONT: dict[str, Any] = {"frontImage": {"imageType": "jpg", "colorFormat": "fullcolor"}}


@pytest.fixture
def device() -> Scribe:
    return Scribe()


@pytest.fixture
async def client(device: Scribe, nursery: trio.Nursery) -> Dialogue:
    client = await serving(device, nursery)
    await client.success("Printer.SetForm", {"name": "F", "form": form(FIELDS, userPrompt="your passbook")})
    return client


async def test_a_medium_is_waited_for_and_then_read(client: Dialogue, device: Scribe) -> None:
    device.read = ("4711", "1234=99", "a", "b")
    number = await client.send(READ, {"formName": "F", "mediaControl": {"move": "eject"}})
    wanted = await client.until("event", number, "Printer.NoMediaEvent")
    assert wanted["payload"] == {"userPrompt": "your passbook"}
    device.inserted_media.set()
    await client.until("event", number, "Printer.MediaInsertedEvent")
    completion = await client.until("completion", number)
    fields = {"number": "4711", "stripe": "1234=99", "line": ["a", "b"]}
    assert completion["payload"] == {"fields": fields}
    assert device.called[-1] == ("control_media", ("eject",), None)
    place = device.wanted[0]
    assert device.cell_of(place.x, place.y) == (2, 1)
    assert (place.kind, place.page, place.side) == ("ocr", 0, "front")
    assert (device.wanted[1].kind, device.wanted[1].coercivity) == ("msf", "low")


async def test_single_elements_are_read(client: Dialogue, device: Scribe, nursery: trio.Nursery) -> None:
    device.media_inserted()
    device.read = ("b", "4711")
    names = ["line[1]", "number"]
    assert await client.success(READ, {"formName": "F", "fieldNames": names}) == {
        "fields": {"line[1]": "b", "number": "4711"}
    }
    assert [one.name for one in device.wanted] == names
    # An older client gets the elements of a field apart.
    device.read = ("a", "b")
    older = await another(client, nursery, "2023-2")
    found = await older.success(READ, {"formName": "F", "fieldNames": ["line"]})
    assert found == {"fields": {"line[0]": "a", "line[1]": "b"}}


@pytest.mark.parametrize(
    ("names", "code", "failure"),
    [
        (["text"], "fieldError", "notRead"),
        (["x"], "fieldError", "notFound"),
        (["line[2]"], "fieldError", "notFound"),
        (["number[0]"], "fieldError", "notFound"),
        (["line["], "fieldSpecFailure", "notFound"),
        (["number", "number"], "fieldSpecFailure", None),
    ],
)
async def test_what_cannot_be_read_is_said_before_anything_moves(
    client: Dialogue, device: Scribe, names: list[str], code: str, failure: str | None
) -> None:
    assert await client.failure(READ, {"formName": "F", "fieldNames": names}) == code
    told = [one["payload"]["failure"] for one in client.passed if "FieldError" in one["header"]["name"]]
    assert told == ([] if failure is None else [failure])
    assert not device.called


async def test_a_form_without_readable_fields(client: Dialogue) -> None:
    await client.success("Printer.SetForm", {"name": "G", "form": form({"f": (0, 0, 5, 1)})})
    assert await client.failure(READ, {"formName": "G"}) == "readNotSupported"
    assert await client.failure(READ, {"formName": "X"}) == "formNotFound"
    assert await client.failure(READ, {"formName": "G", "mediaName": "X"}) == "mediaNotFound"


async def test_what_is_unreadable_is_told_and_nothing_else_is(client: Dialogue, device: Scribe) -> None:
    device.media_inserted()
    device.read = ("4711", None)
    payload = {"formName": "F", "fieldNames": ["number", "line[0]"]}
    completion = await client.completion(READ, payload)
    assert completion["payload"] == {"errorCode": "fieldError"}
    event = await client.until("event", name="Printer.FieldErrorEvent")
    assert event["payload"] == {"formName": "F", "fieldName": "line[0]", "failure": "hwerror"}


async def test_what_is_read_is_in_no_log(
    client: Dialogue, device: Scribe, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    device.media_inserted()
    wrong: Any = ("stripe-of-4711", 5)
    device.read = wrong
    assert await client.failure(READ, {"formName": "F", "fieldNames": ["stripe"]}) == "hardwareError"
    device.read = ("stripe-of-4711",)
    await client.success(READ, {"formName": "F", "fieldNames": ["stripe"]})
    assert not any("4711" in record.getMessage() for record in caplog.records)


CODES = "mediaSkewed shutterFail mediaJammed inkOut lampInoperative sequenceInvalid mediaSize msfError noMSF"


@pytest.mark.parametrize("code", [*CODES.split(), "mediaRejected"])
async def test_reading_fails_as_the_device_says(client: Dialogue, device: Scribe, code: str) -> None:
    device.media_inserted()
    device.refuses["read_form"] = refusal(code)
    assert await client.failure(READ, {"formName": "F"}) == code


async def test_a_medium_that_cannot_be_taken_is_rejected(client: Dialogue, device: Scribe) -> None:
    device.inserted_media.set()
    device.refuses["accept_media"] = refusal("mediaRejected")
    for command, payload in (
        (READ, {"formName": "F"}),
        (IMAGE, FRONT),
        (EXTENTS, {"unit": {"base": "mm", "x": 1, "y": 1}}),
        ("Printer.PrintForm", {"formName": "F", "fields": {"text": "x"}}),
    ):
        assert await client.failure(command, payload) == "mediaRejected"
        rejected = await client.until("event", name="Printer.MediaRejectedEvent")
        assert rejected["payload"] == {"reason": "long"}
    assert not device.jobs


async def test_a_medium_is_told_of_once(client: Dialogue, device: Scribe) -> None:
    """A device whose sensor tells of every insertion, also of one that is waited for."""
    number = await client.send(IMAGE, FRONT)
    await device.asked.wait()
    device.media_inserted()
    device.inserted_media.set()
    await client.until("completion", number)
    told = [one["header"]["name"] for one in client.passed if "Inserted" in one["header"]["name"]]
    assert told == ["Printer.MediaInsertedEvent"]
    device.media_inserted()
    await client.until("unsolicited", name="Printer.MediaInsertedUnsolicitedEvent")


async def test_nobody_inserts_anything_in_time(client: Dialogue, device: Scribe) -> None:
    completion = await client.completion(READ, {"formName": "F"}, timeout=100)
    assert completion["header"]["completionCode"] == "timeOut"
    assert device.called == [("stop_accepting",)]
    assert (await client.success("Common.Status"))["printer"]["media"] == "notPresent"


async def test_a_medium_that_came_in_with_the_cancel_is_read_all_the_same(
    client: Dialogue, device: Scribe
) -> None:
    device.read, device.refuses["stop_accepting"] = ("4711",), "present"
    number = await client.send(READ, {"formName": "F", "fieldNames": ["number"]})
    await device.asked.wait()
    await client.success("Common.Cancel", {"requestIds": [number]})
    completion = await client.until("completion", number)
    assert completion["payload"] == {"fields": {"number": "4711"}}


async def test_images_of_what_was_asked_for(client: Dialogue, device: Scribe) -> None:
    device.media_inserted()
    wanted = {
        **FRONT,
        "backImage": {"imageType": "png", "colorFormat": "grayscale"},
        "passportDataGroup1": True,
    }
    found = await client.success(IMAGE, wanted)
    picture = {"status": "ok", "data": "cGljdHVyZQ=="}
    assert found == {
        "images": {"front": picture, "back": {"status": "missing"}, "passportDataGroup1": picture}
    }
    assert device.wanted["back"].type == "png"
    assert device.wanted["passportDataGroup1"] is None


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"frontImage": {"imageType": "jpg"}},
        {"frontImage": {"imageType": "gif", "colorFormat": "fullcolor"}},
        {"frontImage": {"imageType": "jpg", "colorFormat": "binary"}},
        {"backImage": {"imageType": "jpg", "colorFormat": "fullcolor"}},
        {"passportDataGroup2": True},
    ],
)
async def test_images_that_the_device_does_not_take(client: Dialogue, payload: Any) -> None:
    assert await client.failure(IMAGE, payload) == "invalidData"


@pytest.mark.parametrize("code", ["shutterFail", "mediaJammed", "lampInoperative", "mediaSize"])
async def test_images_fail_as_the_device_says(client: Dialogue, device: Scribe, code: str) -> None:
    device.media_inserted()
    device.refuses["read_image"] = refusal(code)
    assert await client.failure(IMAGE, FRONT) == code


async def test_media_are_measured_in_the_clients_unit(client: Dialogue, device: Scribe) -> None:
    device.media_inserted()
    # One direction is not measured; the other in tenths of a millimetre.
    assert await client.success(EXTENTS, {"unit": {"base": "mm", "x": 10, "y": 10}}) == {"x": 1250}
    assert await client.success(EXTENTS, {"unit": {"base": "inch", "x": 16, "y": 1}}) == {"x": 79}
    assert await client.failure(EXTENTS, {"unit": {"base": "inch"}}) == "invalidData"
    for code in ("mediaJammed", "lampInoperative", "mediaSize"):
        device.media_at("present")
        device.refuses["media_extents"] = refusal(code)
        assert await client.failure(EXTENTS, {"unit": {"base": "mm", "x": 1, "y": 1}}) == code


async def test_a_device_that_measures_nothing(nursery: trio.Nursery) -> None:
    class Guessing(Scribe):
        extents = frozenset()

    client = await serving(Guessing(), nursery)
    payload = {"unit": {"base": "mm", "x": 1, "y": 1}}
    assert await client.failure(EXTENTS, payload) == "extentNotSupported"


async def test_a_printer_that_takes_nothing_in_reads_nothing(nursery: trio.Nursery) -> None:
    client = await serving(Receipts(), nursery)
    for command in (READ, IMAGE, EXTENTS, "Printer.ControlPassbook"):
        assert await client.failure(command, {}) == "unsupportedCommand"
