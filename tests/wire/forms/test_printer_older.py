"""What clients of 2021-1 and 2023-2 are answered by a printer, in the words of their own version."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
import trio

from dialogue import Dialogue, another, outcome
from printers import Receipts, ReceiptsWithBins, Scribe, form
from vendors import refusal, serving
from xfs4iot import devices

FIELDS = {
    "number": (2, 1, 10, 1, {"access": "read", "fieldType": "ocr"}),
    "line": (0, 4, 5, 1, {"access": "read", "fieldType": "barcode", "index": {"repeatCount": 2, "y": 1}}),
    "text": (0, 8, 5, 1),
}
OLDER = ("2021-1", "2023-2")
READ, IMAGE, EXTENTS = "Printer.ReadForm", "Printer.ReadImage", "Printer.MediaExtents"
CONTROL, RETRACT, PRINT = "Printer.ControlMedia", "Printer.RetractMedia", "Printer.PrintForm"
MEASURED = {"base": "mm", "unitX": 1, "unitY": 1}
FRONT = {"frontImageType": "jpg", "frontImageColorFormat": "fullcolor"}
CODES = {
    READ: "mediaSkewed shutterFail mediaJammed inkOut lampInoperative sequenceInvalid mediaSize "
    "msfError noMSF mediaRejected",
    IMAGE: "shutterFail mediaJammed lampInoperative mediaSize mediaRejected",
    EXTENTS: "mediaJammed lampInoperative mediaSize mediaRejected",
    CONTROL: "flushFail pageTurnFail mediaTurnFail shutterFail mediaJammed paperJammed paperOut inkOut "
    "tonerOut sequenceInvalid mediaRetained blackMark mediaRetracted",
}
ASKED: dict[str, tuple[str, Any]] = {
    READ: ("read_form", {"formName": "F"}),
    IMAGE: ("read_image", FRONT),
    EXTENTS: ("media_extents", MEASURED),
    CONTROL: ("control_media", {"mediaControl": {"eject": True}}),
}


class NumberedBins(ReceiptsWithBins):
    """Its bins have names that are numbers, as all had before 2024-3, and nothing stays in the transport."""

    retract_to_transport = False

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {name.replace("BIN", ""): unit for name, unit in (await super().units()).items()}


@pytest.fixture(params=OLDER)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def ended(client: Dialogue, command: str, payload: Any = None) -> str:
    """How a command ended; in 2021-1 no description says why."""
    completion = await client.completion(command, payload)
    code = outcome(completion)
    return str(completion["payload"]["errorCode"]) if code == "commandErrorCode" else code


Serve = Callable[[devices.Printer], Awaitable[Dialogue]]


@pytest.fixture
def serve(version: str, nursery: trio.Nursery) -> Serve:
    """Serve a printer that has a form, to a client of an older version."""

    async def begin(device: devices.Printer) -> Dialogue:
        client = await serving(device, nursery)
        fields = FIELDS if isinstance(device, Scribe) else {"f": (0, 0, 5, 1)}
        await client.success("Printer.SetForm", {"name": "F", "form": form(fields, userPrompt="insert")})
        return await another(client, nursery, version)

    return begin


async def test_what_is_inserted_is_read_scanned_and_measured(serve: Serve, version: str) -> None:
    device = Scribe()
    older = await serve(device)
    device.read = ("4711", "a", "b")
    request = await older.send(READ, {"formName": "F"})
    await older.until("event", request, "Printer.NoMediaEvent")
    device.inserted_media.set()
    await older.until("event", request, "Printer.MediaInsertedEvent")
    read = (await older.until("completion", request))["payload"]
    read.pop("completionCode", None)
    assert read == {"fields": {"number": "4711", "line[0]": "a", "line[1]": "b"}}
    images = (await older.success(IMAGE, FRONT))["images"]
    front = images["front"] if "front" in images else next(iter(images.values()))
    assert base64.b64decode(front["data"]) == b"picture"
    measured = await older.success(EXTENTS, MEASURED)
    measured.pop("completionCode", None)
    assert measured == {"sizeX": 125}


@pytest.mark.parametrize(
    ("command", "code"), [(command, code) for command, codes in CODES.items() for code in codes.split()]
)
async def test_a_command_ends_as_the_device_says(
    serve: Serve, command: str, code: str, version: str, nursery: trio.Nursery
) -> None:
    device: Any = Receipts() if command == CONTROL else Scribe()
    older = await serve(device)
    device.media_inserted()
    operation, payload = ASKED[command]
    device.refuses[operation] = refusal(code)
    assert await ended(older, command, payload) == code


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["text"], "fieldError"),
        (["x"], "fieldError"),
        (["line["], "fieldSpecFailure"),
        (["number", "number"], "fieldSpecFailure"),
    ],
)
async def test_fields_that_cannot_be_read(serve: Serve, version: str, names: list[str], code: str) -> None:
    assert await ended(await serve(Scribe()), READ, {"formName": "F", "fieldNames": names}) == code


async def test_definitions_that_do_not_exist(serve: Serve, version: str) -> None:
    older = await serve(Receipts())
    assert await ended(older, "Printer.GetQueryForm", {"formName": "x"}) == "formNotFound"
    assert await ended(older, "Printer.GetQueryField", {"formName": "x"}) == "formNotFound"
    query = {"formName": "F", "fieldName": "x"}
    assert await ended(older, "Printer.GetQueryField", query) == "fieldNotFound"
    assert await ended(older, "Printer.GetQueryMedia", {"mediaName": "x"}) == "mediaNotFound"


async def test_a_medium_is_asked_for_without_a_prompt(serve: Serve, version: str) -> None:
    device = Scribe()
    older = await serve(device)
    request = await older.send(IMAGE, FRONT)
    event = await older.until("event", request, "Printer.NoMediaEvent")
    assert not event.get("payload")


async def test_nothing_that_could_be_read(serve: Serve, version: str, nursery: trio.Nursery) -> None:
    older = await serve(Receipts())
    assert await ended(older, READ, {"formName": "F"}) in ("readNotSupported", "unsupportedCommand")
    older = await serve(Scribe())
    newest = await another(older, nursery)
    await newest.success("Printer.SetForm", {"name": "G", "form": form({"f": (0, 0, 5, 1)})})
    assert await ended(older, READ, {"formName": "G"}) == "readNotSupported"


async def test_a_printer_that_measures_nothing(serve: Serve, version: str) -> None:
    device = Scribe()
    device.extents = frozenset()  # type: ignore[misc]
    assert await ended(await serve(device), EXTENTS, MEASURED) == "extentNotSupported"


async def test_a_medium_is_retracted_into_a_bin_until_that_is_full(serve: Serve, version: str) -> None:
    device = NumberedBins()
    older = await serve(device)
    assert await ended(older, RETRACT) == "noMediaPresent"
    printed = {"formName": "F", "fields": {"f": "x"}}
    await older.success(PRINT, printed)
    device.refuses["retract_media"] = refusal("mediaJammed")
    assert await ended(older, RETRACT) == "mediaJammed"
    del device.refuses["retract_media"]
    device.media_at("present")
    told = await older.success(RETRACT)
    assert (told["binNumber"] == 1) if version == "2021-1" else (told == {"result": "unit1"})
    # The first bin takes three, the second one.
    for _ in range(3):
        await older.success(PRINT, printed)
        await older.success(RETRACT)
    await older.success(PRINT, printed)
    assert await ended(older, RETRACT) == "retractBinFull"
    assert await ended(older, CONTROL, {"mediaControl": {"retract": True}}) == "retractBinFull"
    assert await ended(older, PRINT, {**printed, "mediaControl": {"retract": True}}) == "retractBinFull"


async def test_a_device_that_retracts_on_its_own_is_told_of(serve: Serve, version: str) -> None:
    class Alone(NumberedBins):
        retracts_by_itself = True
        auto_retract_period = 1_000

    device = Alone()
    older = await serve(device)
    await older.success(PRINT, {"formName": "F", "fields": {"f": "x"}, "mediaControl": {"eject": True}})
    device.media_auto_retracted("unit1")
    event = await older.until("unsolicited", name="Printer.MediaAutoRetractedEvent")
    told = {"retractResult": "ok", "binNumber": 1} if version == "2021-1" else {"result": "unit1"}
    assert event["payload"] == told
