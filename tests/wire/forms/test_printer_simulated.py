"""The simulated printers: what is printed on them can be seen, and what people and bad luck do to them."""

from __future__ import annotations

import base64
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import zxingcpp
from PIL import Image, ImageOps

import xfs4iot
from dialogue import Dialogue, another, dialogue
from xfs4iot import devices
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.simulator.printer.faults import FAULTS

PROFILE = """
seconds = 0

[services.Receipts]
kinds = ["Printer"]
paper = { upper = { width = 72, full = 1000, low = 200 }, lower = { width = 72, full = 500, low = 100 } }
units = { unitONE = { capacity = 2, high = 2 } }

[services.Bundles]
kinds = ["Printer"]
stacker = 3
mark = 50
units = {}

[services.Kiosk]
kinds = ["Printer"]
auto_retract_period = 50
units = { unitONE = { capacity = 2 } }

[services.Journal]
kinds = ["Printer"]
type = "journal"
language = "text"
units = {}

[services.Documents]
kinds = ["Printer"]
type = "document"
colors = true
toner = 20
ink = 3
lamp = true
unasked = true
paper = { upper = { width = 100, length = 150, full = 4, low = 2 } }
units = { unitDOC = { capacity = 5 } }

[services.Documents.documents.contract]
width = 100
length = 150
text = ["Contract 4711"]
barcode = "C-4711"
codeline = "0815"

[services.Passbooks]
kinds = ["Printer"]
type = "passbook"
parks = true
units = {}
paper = {}

[services.Passbooks.documents.savings]
kind = "passbook"
width = 100
length = 150
pages = 3
stripe = "4711"

[services.Patient]
kinds = ["Printer"]
type = "scanner"
units = {}
documents = { cheque = { width = 150, length = 80, barcode = "4006381333931", symbology = "EAN13" } }
customer = "cheque"
takes_after = 1
"""
MM = {"base": "mm", "x": 1, "y": 1}


@pytest.fixture
def state() -> Path | None:
    return None


@pytest.fixture
async def atm(nursery: trio.Nursery, tmp_path: Path, state: Path | None) -> xfs4iot.Publisher:
    file = tmp_path / "printers.toml"
    file.write_text(PROFILE)
    services = simulated_atm(file, ledger=xfs4iot.Ledger.open(None), state=state)
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return publisher


Opened = Callable[[str], Any]


@pytest.fixture
def opened(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Opened:
    """A conversation with a service."""

    async def begin(service: str) -> Dialogue:
        found: Dialogue = await nursery.start(dialogue, atm.uri(service))
        return found

    return begin


@pytest.fixture
async def receipts(opened: Opened) -> Dialogue:
    found: Dialogue = await opened("Receipts")
    return found


@pytest.fixture
async def simulator(opened: Opened) -> Dialogue:
    found: Dialogue = await opened("Simulator")
    return found


def field(x: int, y: int, width: int, height: int, **more: Any) -> dict[str, Any]:
    return {"position": {"x": x, "y": y}, "size": {"width": width, "height": height}, **more}


async def set_form(client: Dialogue, fields: dict[str, Any], width: int = 70, height: int = 60) -> None:
    form = {"unit": MM, "size": {"width": width, "height": height}, "fields": fields}
    await client.success("Printer.SetForm", {"name": "F", "form": form})


LINE = {"line": field(2, 2, 60, 8)}


async def print_line(client: Dialogue, text: str = "Hello", **more: Any) -> str:
    """Print a form with one line; how it ended."""
    await set_form(client, LINE)
    completion = await client.completion(
        "Printer.PrintForm", {"formName": "F", "fields": {"line": text}, **more}
    )
    code = completion["header"].get("completionCode", "success")
    return str(completion["payload"]["errorCode"] if code == "commandErrorCode" else code)


async def control(client: Dialogue, **actions: Any) -> None:
    await client.success("Printer.ControlMedia", {"mediaControl": actions})


async def control_fails(client: Dialogue, **actions: Any) -> str:
    return await client.failure("Printer.ControlMedia", {"mediaControl": actions})


async def printout(
    simulator: Dialogue, service: str = "Receipts", **more: Any
) -> tuple[Image.Image, list[str]]:
    found = await simulator.success("Simulator.GetPrintout", {"service": service, **more})
    return Image.open(io.BytesIO(base64.b64decode(found["picture"]))), found.get("lines", [])


async def truth(simulator: Dialogue, service: str = "Receipts") -> dict[str, Any]:
    found: dict[str, Any] = (await simulator.success("Simulator.GetTruth"))["services"][service]
    return found


async def status(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Common.Status"))["printer"]
    return found


def base64_png(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def read(picture: Image.Image) -> list[str]:
    return [one.text for one in zxingcpp.read_barcodes(ImageOps.expand(picture.convert("L"), 40, 255))]


# What is printed.


async def test_a_receipt_is_printed_cut_presented_and_taken(receipts: Dialogue, simulator: Dialogue) -> None:
    fields = {**LINE, "code": field(2, 15, 30, 30, fieldType="barcode", font={"name": "QR"})}
    await set_form(receipts, fields)
    payload = {"formName": "F", "fields": {"line": "Grüße, שלום", "code": "https://example.com"}}
    await receipts.success("Printer.PrintForm", {**payload, "mediaControl": {"cut": True, "move": "eject"}})
    assert (await status(receipts))["media"] == "entering"
    picture, lines = await printout(simulator)
    assert lines == ["Grüße, שלום"]
    assert picture.mode == "1"
    assert picture.width == 575
    assert read(picture) == ["https://example.com"]
    await simulator.success("Simulator.TakePrintouts", {"service": "Receipts"})
    await receipts.until("unsolicited", name="Printer.MediaTakenEvent")
    assert (await status(receipts))["media"] == "notPresent"
    assert (await simulator.completion("Simulator.TakePrintouts", {"service": "Receipts"}))["header"][
        "completionCode"
    ] == "sequenceError"


async def test_a_receipt_longer_than_can_be_drawn_is_refused_whole(
    opened: Opened, simulator: Dialogue
) -> None:
    # Not cut short, as if all of it had been printed.
    kiosk = await opened("Kiosk")
    await kiosk.success("Printer.SetMedia", {"name": "roll", "media": {"unit": MM, "size": {"width": 72}}})
    field = {"position": {"x": 0, "y": 0}, "size": {"width": 40, "height": 5}}
    for top, code in ((3_900, None), (4_100, "mediaOverflow")):
        fields = {"first": field, "last": {**field, "position": {"x": 0, "y": top}}}
        form = {"unit": MM, "size": {"width": 72, "height": 5_000}, "fields": fields}
        await kiosk.success("Printer.SetForm", {"name": "long", "form": form})
        asked = {"formName": "long", "mediaName": "roll", "fields": dict.fromkeys(fields, "seen")}
        completion = await kiosk.completion("Printer.PrintForm", asked)
        assert completion.get("payload", {}).get("errorCode") == code
        printed = await simulator.success("Simulator.GetPrintout", {"service": "Kiosk"})
        assert printed["lines"] == ["seen"] * 2
    assert "in several pieces" in completion["header"]["errorDescription"]


async def test_what_the_fonts_lack_is_seen_on_paper_and_told(
    receipts: Dialogue, simulator: Dialogue, caplog: pytest.LogCaptureFixture
) -> None:
    fields = {"name": field(2, 2, 60, 8), "more": field(2, 12, 60, 8), "plain": field(2, 22, 60, 8)}
    await set_form(receipts, fields)
    values = {"name": "王 Ωß 王", "more": "👨\u200d👩\u200d👧 ☺\ufe0f", "plain": "€ ½ ☺ Привет שלום"}
    await receipts.success("Printer.PrintForm", {"formName": "F", "fields": values})
    warned = [one["payload"] for one in receipts.passed if one["header"]["name"].endswith("WarningEvent")]
    assert sorted(warned, key=str) == [{"formName": "F", "fieldName": name} for name in ("more", "name")]
    said = [one.getMessage() for one in caplog.records if "lack" in one.getMessage()]
    assert len(said) == 1
    assert "4 characters" in said[0]
    assert "U+738B, U+1F467, U+1F468, U+1F469" in said[0]
    picture, lines = await printout(simulator)
    assert lines == ["\ufffd Ωß \ufffd", "\ufffd ☺", "€ ½ ☺ Привет שלום"]
    # A replacement is ink, in the room of what it stands for.
    left = picture.crop((16, 16, 16 + 24, 16 + 64)).convert("L").getextrema()
    assert left == (0, 255)


async def test_the_log_names_a_few_of_many_characters(
    receipts: Dialogue, caplog: pytest.LogCaptureFixture
) -> None:
    await set_form(receipts, {"line": field(0, 0, 70, 60)})
    values = {"line": "".join(map(chr, range(0x4E00, 0x4F00)))}
    await receipts.success("Printer.PrintForm", {"formName": "F", "fields": values})
    (said,) = [one.getMessage() for one in caplog.records if "lack" in one.getMessage()]
    assert "256 characters" in said
    assert said.count("U+") == 16


async def test_what_is_not_cut_goes_on_on_the_same_paper(receipts: Dialogue, simulator: Dialogue) -> None:
    for text in ("one", "two", "three"):
        assert await print_line(receipts, text) == "success"
    picture, lines = await printout(simulator)
    assert lines == ["one", "two", "three"]
    await control(receipts, cut=True, move="eject")
    assert (await printout(simulator))[0].height == picture.height
    assert (await truth(simulator))["printed"] == 1


async def test_raw_bytes_are_understood_as_the_printer_does(receipts: Dialogue, simulator: Dialogue) -> None:
    data = b"\x1ba\x01Raw receipt\n\x1dk\x02400638133393\x00\x1dV\x00\x10\x04\x04"
    payload = {"inputData": "yes", "data": base64.b64encode(data).decode()}
    answer = await receipts.success("Printer.PrintRaw", payload)
    assert base64.b64decode(answer["data"]) == b"\x12"
    await receipts.until("event", name="Printer.MediaPresentedEvent")
    picture, lines = await printout(simulator)
    assert lines == ["Raw receipt"]
    assert read(picture) == ["4006381333931"]
    assert (await status(receipts))["media"] == "entering"


async def test_a_picture_is_a_job_of_its_own(receipts: Dialogue, simulator: Dialogue) -> None:
    file = io.BytesIO()
    first, second = Image.new("RGB", (100, 50), "black"), Image.new("RGB", (100, 100), "black")
    first.save(file, "TIFF", save_all=True, append_images=[second])
    payload = {
        "data": base64.b64encode(file.getvalue()).decode(),
        "mediaControl": {"cut": True, "move": "eject"},
    }
    await receipts.success("Printer.PrintNative", payload)
    heights = []
    for number in (1, 2):
        picture, _ = await printout(simulator, number=number)
        box = ImageOps.invert(picture.convert("L")).getbbox()
        assert box is not None
        heights.append(box[3])
    assert heights == [287, 575], "as wide as the paper, each with its own height"
    nothing = {"data": base64.b64encode(b"no picture").decode()}
    assert await receipts.failure("Printer.PrintNative", nothing) == "invalidData"


async def test_a_journal_prints_text_that_nobody_takes(opened: Opened, simulator: Dialogue) -> None:
    journal = await opened("Journal")
    for text in ("first\n", "Überweisung 12,00\n"):
        await journal.success(
            "Printer.PrintRaw", {"inputData": "no", "data": base64.b64encode(text.encode()).decode()}
        )
    assert await print_line(journal, "a form") == "success"
    assert (await printout(simulator, "Journal"))[1] == ["a form"]
    assert (await printout(simulator, "Journal", number=2))[1] == ["Überweisung 12,00"]
    offered = (await journal.success("Common.Capabilities"))["printer"]
    assert not any(offered["control"][one] for one in ("cut", "eject", "retract"))
    assert await journal.failure("Printer.RetractMedia") == "unsupportedCommand"


async def test_pieces_are_bundled_on_a_stacker(opened: Opened, simulator: Dialogue) -> None:
    bundles = await opened("Bundles")
    for number in (1, 2, 3):
        assert await print_line(bundles, f"{number}", mediaControl={"cut": True}) == "success"
        assert (await status(bundles))["mediaOnStacker"] == number
    assert await print_line(bundles, "4", mediaControl={"cut": True}) == "stackerFull"
    await control(bundles, move="eject")
    await bundles.until("event", name="Printer.MediaPresentedEvent")
    assert (await status(bundles))["mediaOnStacker"] == 0
    taken = await simulator.success("Simulator.TakePrintouts", {"service": "Bundles"})
    assert taken["count"] >= 3


async def test_paper_is_fed_to_the_next_black_mark(opened: Opened, simulator: Dialogue) -> None:
    bundles = await opened("Bundles")
    await bundles.success("Printer.SetBlackMarkMode", {"blackMarkMode": True})
    assert (await status(bundles))["blackMarkMode"] == "on"
    assert await print_line(bundles) == "success"
    await control(bundles, skip=True)
    picture, _ = await printout(simulator, "Bundles")
    assert picture.height in range(398, 402), "50 mm at 203 dots per inch"
    await simulator.success("Simulator.Inject", {"service": "Bundles", "fault": "markMissed"})
    assert await print_line(bundles) == "blackMark"


# Supplies.


async def test_paper_gets_low_and_is_out_in_the_middle_of_a_page(
    receipts: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.LoadPaper", {"service": "Receipts", "source": "upper", "amount": 205})
    before = (await truth(simulator))["paper"]["upper"]
    assert await print_line(receipts, paperSource="upper") == "success"
    used = before - (await truth(simulator))["paper"]["upper"]
    assert 5 <= used <= 20
    event = await receipts.until("unsolicited", name="Printer.PaperThresholdEvent")
    assert event["payload"] == {"paperSource": "upper", "threshold": "low"}
    await control(receipts, cut=True, move="eject")
    await simulator.success("Simulator.TakePrintouts", {"service": "Receipts"})
    await simulator.success("Simulator.LoadPaper", {"service": "Receipts", "source": "upper", "amount": 20})
    await set_form(receipts, {"top": field(2, 2, 60, 8), "bottom": field(2, 40, 60, 8)})
    payload = {"formName": "F", "fields": {"top": "there", "bottom": "lost"}, "paperSource": "upper"}
    assert await receipts.failure("Printer.PrintForm", payload) == "paperOut"
    assert (await printout(simulator))[1] == ["there"]
    assert (await status(receipts))["paper"] == {"upper": "out", "lower": "full"}
    await control(receipts, cut=True, move="eject")
    await simulator.success("Simulator.TakePrintouts", {"service": "Receipts"})
    assert await print_line(receipts) == "success", "from the other roll"
    await simulator.success("Simulator.LoadPaper", {"service": "Receipts", "source": "upper"})
    assert (await status(receipts))["paper"]["upper"] == "full"


async def test_toner_and_ink_are_used_up_and_replaced(opened: Opened, simulator: Dialogue) -> None:
    documents = await opened("Documents")
    for _ in range(3):
        assert await print_line(documents, mediaControl={"move": "expel"}) == "success"
    assert (await status(documents))["ink"] == "out"
    assert await print_line(documents) == "inkOut"
    await simulator.success("Simulator.ReplaceSupply", {"service": "Documents", "supply": "ink"})
    assert (await status(documents))["ink"] == "full"
    await simulator.success(
        "Simulator.ReplaceSupply", {"service": "Documents", "supply": "toner", "pages": 1}
    )
    assert (await status(documents))["toner"] == "low"
    assert await print_line(documents) == "success"
    assert (await status(documents))["toner"] == "out"
    assert await documents.failure("Printer.PrintForm", {"formName": "F", "fields": {}}) == "tonerOut"


async def test_a_dispensed_sheet_is_printed_on(opened: Opened, simulator: Dialogue) -> None:
    documents = await opened("Documents")
    await documents.success("Printer.DispensePaper", {"paperSource": "upper"})
    assert await print_line(documents, "on the sheet") == "success"
    found = await truth(simulator, "Documents")
    assert found["paper"]["upper"] == 3
    picture, lines = await printout(simulator, "Documents")
    assert lines == ["on the sheet"]
    assert picture.size == (799, 1199), "a whole sheet"
    await control(documents, stamp=True, move="eject")
    colors = (await printout(simulator, "Documents"))[0].convert("RGB").getcolors(10_000) or []
    assert any(red > 150 and green < 50 for _, (red, green, blue) in colors)  # type: ignore[misc]


# What people insert.


async def test_a_document_is_asked_for_inserted_read_and_scanned(opened: Opened, simulator: Dialogue) -> None:
    documents = await opened("Documents")
    fields = {
        "title": field(0, 0, 100, 30, fieldType="ocr", access="read"),
        "code": field(0, 60, 100, 70, fieldType="barcode", access="read"),
        "line": field(0, 130, 100, 20, fieldType="micr", access="read"),
    }
    await set_form(documents, fields, 100, 150)
    request = await documents.send("Printer.ReadForm", {"formName": "F"})
    await documents.until("event", request, "Printer.NoMediaEvent")
    await simulator.success("Simulator.InsertDocument", {"service": "Documents", "name": "contract"})
    await documents.until("event", request, "Printer.MediaInsertedEvent")
    completion = await documents.until("completion", request)
    assert "fields" in completion["payload"], completion
    assert completion["payload"]["fields"] == {"title": "Contract 4711", "code": "C-4711", "line": "0815"}
    for kind, color, mode in (("png", "fullcolor", "RGB"), ("jpg", "grayscale", "L"), ("bmp", "binary", "1")):
        wanted = {
            "frontImage": {"imageType": kind, "colorFormat": color},
            "backImage": {"imageType": kind, "colorFormat": color},
        }
        images = (await documents.success("Printer.ReadImage", wanted))["images"]
        picture = Image.open(io.BytesIO(base64.b64decode(images["front"]["data"])))
        assert picture.mode == mode
        assert picture.size == (799, 1199)
        assert read(picture) == ["C-4711"]
        assert read(Image.open(io.BytesIO(base64.b64decode(images["back"]["data"])))) == []
    extents = await documents.success("Printer.MediaExtents", {"unit": MM})
    assert extents == {"x": 100, "y": 150}
    await control(documents, turnMedia=True, move="eject")


@pytest.mark.parametrize(
    ("font", "line", "symbols"),
    [("e13b", "a111000025a 0123456789c 1001", "abcd?"), ("cmc7", "a0123456b 789c ABZ", "abcde?")],
)
async def test_the_code_line_of_a_document_is_read_from_its_picture(
    opened: Opened, simulator: Dialogue, nursery: trio.Nursery, font: str, line: str, symbols: str
) -> None:
    documents = await opened("Documents")
    client = await another(documents, nursery, "2021-1")
    found = await client.success("Printer.GetCodelineMapping", {"codelineFormat": font})
    assert found["charMapping"] == symbols
    other = "e13b" if font == "cmc7" else "cmc7"
    looks: list[tuple[dict[str, Any], str | None]] = [
        ({"codeline": line, "font": font}, line),
        ({"codeline": line, "font": other}, None),
        ({}, None),
    ]
    for look, read_as in looks:
        document = {"width": 125, "length": 80, "text": ["Ada"], **look}
        await simulator.success("Simulator.InsertDocument", {"service": "Documents", "document": document})
        wanted = {"frontImageType": "bmp", "frontImageColorFormat": "grayscale", "codelineFormat": font}
        images = (await client.success("Printer.ReadImage", wanted))["images"]
        told = images["codeline"]
        assert (base64.b64decode(told["data"]).decode() if "data" in told else None) == read_as
        assert told["status"] == ("ok" if read_as else "missing")
        await control(documents, move="eject")
        await simulator.success("Simulator.TakePrintouts", {"service": "Documents"})


@pytest.mark.parametrize(
    ("document", "way", "reason"),
    [
        ({"length": 1_000}, "right", "long"),
        ({"length": 20}, "right", "short"),
        ({}, "askew", "align"),
        ({}, "multiple", "multiple"),
    ],
)
async def test_what_cannot_be_taken_is_handed_back(
    opened: Opened, simulator: Dialogue, document: Any, way: str, reason: str
) -> None:
    documents = await opened("Documents")
    wanted = {"frontImage": {"imageType": "png", "colorFormat": "binary"}}
    request = await documents.send("Printer.ReadImage", wanted)
    await documents.until("event", request, "Printer.NoMediaEvent")
    await simulator.success(
        "Simulator.InsertDocument", {"service": "Documents", "document": document, "way": way}
    )
    event = await documents.until("event", request, "Printer.MediaRejectedEvent")
    assert event["payload"] == {"reason": reason}
    completion = await documents.until("completion", request)
    assert completion["payload"]["errorCode"] == "mediaRejected"


async def test_what_nobody_asked_for_is_drawn_in_where_the_profile_says_so(
    opened: Opened, simulator: Dialogue
) -> None:
    documents = await opened("Documents")
    await documents.success("Common.Status")
    await simulator.success("Simulator.InsertDocument", {"service": "Documents", "name": "contract"})
    await documents.until("unsolicited", name="Printer.MediaInsertedUnsolicitedEvent")
    assert (await status(documents))["media"] == "present"


async def test_a_customer_inserts_by_himself_and_takes_it_again(opened: Opened) -> None:
    scanner = await opened("Patient")
    wanted = {"frontImage": {"imageType": "png", "colorFormat": "grayscale"}}
    images = (await scanner.success("Printer.ReadImage", wanted))["images"]
    assert read(Image.open(io.BytesIO(base64.b64decode(images["front"]["data"])))) == ["4006381333931"]
    await control(scanner, move="eject")
    await scanner.until("unsolicited", name="Printer.MediaTakenEvent")
    assert (
        await scanner.failure("Printer.PrintRaw", {"inputData": "no", "data": "AA=="}) == "unsupportedCommand"
    )


async def test_a_passbook_is_turned_written_on_and_its_stripe_too(
    opened: Opened, simulator: Dialogue
) -> None:
    passbooks = await opened("Passbooks")
    await set_form(
        passbooks,
        {"entry": field(5, 5, 80, 8), "stripe": field(0, 0, 1, 1, fieldType="msf", access="readWrite")},
        100,
        150,
    )
    await simulator.success("Simulator.InsertDocument", {"service": "Passbooks", "name": "savings"})
    await passbooks.success(
        "Printer.PrintForm", {"formName": "F", "fields": {"entry": "deposit 100", "stripe": "0815"}}
    )
    read_form = await passbooks.success("Printer.ReadForm", {"formName": "F", "fieldNames": ["stripe"]})
    assert read_form["fields"] == {"stripe": "0815"}
    await passbooks.success("Printer.ControlPassbook", {"action": "forward", "count": 2})
    assert (await truth(simulator, "Passbooks"))["page"] == 2
    code = await passbooks.failure("Printer.ControlPassbook", {"action": "forward", "count": 1})
    assert code == "lastOrFirstPageReached"
    await control(passbooks, turnPage="backward")
    await passbooks.success("Printer.PrintForm", {"formName": "F", "fields": {"entry": "withdrawal 20"}})
    await passbooks.success("Printer.ControlPassbook", {"action": "closeForward"})
    assert await passbooks.failure("Printer.ControlPassbook", {"action": "closeForward"}) == "passbookClosed"
    await control(passbooks, move="eject")
    found = await simulator.success("Simulator.GetPrintout", {"service": "Passbooks"})
    assert found["lines"] == ["deposit 100", "withdrawal 20"]
    assert set(found["pictures"]) == {"1-front", "2-front"}


async def test_a_passbook_is_parked_while_another_medium_is_printed_on(
    opened: Opened, simulator: Dialogue
) -> None:
    passbooks = await opened("Passbooks")
    await set_form(passbooks, LINE, 100, 150)
    await simulator.success("Simulator.InsertDocument", {"service": "Passbooks", "name": "savings"})
    await passbooks.success(
        "Printer.PrintForm",
        {"formName": "F", "fields": {"line": "in the book"}, "mediaControl": {"move": "park"}},
    )
    assert (await truth(simulator, "Passbooks"))["parked"]
    await passbooks.success(
        "Printer.PrintForm", {"formName": "F", "fields": {"line": "back"}, "paperSource": "park"}
    )
    assert not (await truth(simulator, "Passbooks"))["parked"]
    assert sorted((await printout(simulator, "Passbooks"))[1]) == ["back", "in the book"]


async def test_documents_that_cannot_be_are_refused(simulator: Dialogue) -> None:
    for payload in (
        {"service": "Receipts"},
        {"service": "Passbooks", "name": "nothing"},
        {"service": "Passbooks", "document": {"barcode": "ABC", "symbology": "EAN13"}},
        {"service": "Passbooks", "document": {"picture": base64.b64encode(b"none").decode()}},
    ):
        assert await simulator.failure("Simulator.InsertDocument", payload) == "invalidData"


# Bad luck.


async def eject(client: Dialogue) -> None:
    await client.success("Printer.ControlMedia", {"mediaControl": {"cut": True, "move": "eject"}})


async def strike_printing(client: Dialogue, simulator: Dialogue) -> str:
    return await print_line(client)


async def strike_eject(client: Dialogue, simulator: Dialogue) -> str:
    await print_line(client)
    return await control_fails(client, move="eject")


async def strike_cut(client: Dialogue, simulator: Dialogue) -> str:
    await print_line(client)
    return await control_fails(client, cut=True, move="eject")


async def strike_turn(client: Dialogue, simulator: Dialogue) -> str:
    await insert(client, simulator)
    return await client.failure("Printer.ControlPassbook", {"action": "forward", "count": 1})


async def strike_turn_over(client: Dialogue, simulator: Dialogue) -> str:
    await simulator.success("Simulator.InsertDocument", {"service": "Documents", "name": "contract"})
    return await control_fails(client, turnMedia=True)


async def insert(client: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.InsertDocument", {"service": "Passbooks", "name": "savings"})
    await client.success("Printer.MediaExtents", {"unit": MM})


async def strike_stripe(client: Dialogue, simulator: Dialogue) -> str:
    await insert(client, simulator)
    await set_form(client, {"stripe": field(0, 0, 1, 1, fieldType="msf", access="readWrite")}, 100, 150)
    return await client.failure("Printer.ReadForm", {"formName": "F"})


async def strike_reading(client: Dialogue, simulator: Dialogue) -> str:
    await simulator.success("Simulator.InsertDocument", {"service": "Documents", "name": "contract"})
    await set_form(client, {"title": field(0, 0, 100, 30, fieldType="ocr", access="read")}, 100, 150)
    return await client.failure("Printer.ReadForm", {"formName": "F"})


STRIKES: dict[str, tuple[str, Any, str, bool]] = {
    "paperJams": ("Receipts", strike_printing, "paperJammed", True),
    "mediaJams": ("Receipts", strike_eject, "mediaJammed", True),
    "cutterFails": ("Receipts", strike_cut, "paperJammed", True),
    "exitStuck": ("Receipts", strike_eject, "shutterFail", False),
    "markMissed": ("Bundles", None, "blackMark", False),
    "pageDoesNotTurn": ("Passbooks", strike_turn, "pageTurnFail", False),
    "mediaDoesNotTurn": ("Documents", strike_turn_over, "mediaTurnFail", False),
    "stripeUnwritable": ("Passbooks", strike_stripe, "msfError", False),
    "printBlurred": ("Documents", strike_reading, "fieldError", False),
    "printerBreaks": ("Receipts", strike_cut, "hardwareError", False),
    "printerOffline": ("Receipts", strike_printing, "deviceNotReady", False),
    "printerPowerOff": ("Receipts", strike_printing, "deviceNotReady", False),
}
ELSEWHERE = {
    "mediaStaysStuck": "test_what_stays_stuck_is_freed_when_it_can_be",
    "printerHangs": "test_a_printer_that_hangs_does_not_hold_others_up",
}


def test_every_fault_is_tried() -> None:
    assert {*STRIKES, *ELSEWHERE} == set(FAULTS)
    assert all(name in globals() for name in ELSEWHERE.values())


@pytest.mark.parametrize("fault", [name for name in STRIKES if name != "markMissed"])
async def test_a_fault_strikes_is_told_and_ends(opened: Opened, simulator: Dialogue, fault: str) -> None:
    service, strike, code, stuck = STRIKES[fault]
    client = await opened(service)
    await simulator.success("Simulator.Inject", {"service": service, "fault": fault})
    assert await strike(client, simulator) == code
    assert ((await truth(simulator, service)).get("jammed") is not None) is stuck
    if stuck:
        assert (await status(client))["media"] == "jammed"
        assert await print_line(client) in ("paperJammed", "mediaJammed")
    await simulator.success("Simulator.ClearFaults")
    await client.success("Printer.Reset", {"mediaControl": "eject"})
    assert (await client.success("Common.Status"))["common"]["device"] == "online"
    if service == "Receipts":
        await client.success("Printer.Reset", {"mediaControl": "expel"})
        assert await print_line(client) == "success"


@pytest.mark.parametrize("fault", ["paperJams", "mediaJams"])
async def test_what_is_stuck_is_told_as_each_command_can_say_it(
    receipts: Dialogue, simulator: Dialogue, fault: str
) -> None:
    await simulator.success("Simulator.Inject", {"service": "Receipts", "fault": fault})
    await print_line(receipts, mediaControl={"cut": True, "move": "eject"})
    assert await receipts.failure("Printer.RetractMedia", {"mediaControl": "unitONE"}) == "mediaJammed"
    assert await receipts.failure("Printer.DispensePaper", {"paperSource": "upper"}) == "paperJammed"


async def test_what_stays_stuck_is_freed_when_it_can_be(receipts: Dialogue, simulator: Dialogue) -> None:
    for fault in ("paperJams", "mediaStaysStuck"):
        await simulator.success("Simulator.Inject", {"service": "Receipts", "fault": fault})
    assert await print_line(receipts) == "paperJammed"
    assert await receipts.failure("Printer.Reset") == "paperJammed"
    await simulator.success("Simulator.ClearFaults")
    await receipts.success("Printer.Reset")
    found = await truth(simulator)
    assert found["bins"] == {"unitONE": 1}, "nobody takes what may be somebody else's"


async def test_a_printer_that_hangs_does_not_hold_others_up(
    receipts: Dialogue, simulator: Dialogue, nursery: trio.Nursery
) -> None:
    await set_form(receipts, LINE)
    await simulator.success("Simulator.Inject", {"service": "Receipts", "fault": "printerHangs"})
    await receipts.send("Printer.PrintForm", {"formName": "F", "fields": {"line": "x"}})
    other = await another(receipts, nursery)
    assert (await other.success("Printer.GetFormList"))["formList"] == ["F"]


async def test_an_open_printer_prints_nothing(receipts: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.OpenPrinter", {"service": "Receipts"})
    event = await receipts.until("unsolicited", name="Common.StatusChangedEvent")
    assert event["payload"]["common"]["device"] == "userError"
    assert await print_line(receipts) == "deviceNotReady"
    await simulator.success("Simulator.ClosePrinter", {"service": "Receipts"})
    assert await print_line(receipts) == "success"


async def test_what_nobody_takes_is_retracted_until_the_bin_is_full(
    receipts: Dialogue, simulator: Dialogue
) -> None:
    for number in (1, 2):
        assert await print_line(receipts) == "success"
        await eject(receipts)
        result = await receipts.success("Printer.RetractMedia", {"mediaControl": "unitONE"})
        assert result == {"result": "unitONE"}
        assert (await truth(simulator))["bins"] == {"unitONE": number}
    assert await print_line(receipts) == "success"
    await eject(receipts)
    assert await receipts.failure("Printer.RetractMedia", {"mediaControl": "unitONE"}) == "retractBinFull"
    assert (await receipts.success("Printer.RetractMedia"))["result"] == "transport"
    emptied = await simulator.success("Simulator.EmptyBins", {"service": "Receipts"})
    assert emptied == {"count": 2}


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_a_count_that_begins_anew_takes_nothing_out_of_the_bin(
    receipts: Dialogue, simulator: Dialogue, nursery: trio.Nursery, version: str
) -> None:
    older = await another(receipts, nursery, version)

    async def retract() -> str | None:
        assert await print_line(receipts) == "success"
        await eject(receipts)
        done = await receipts.completion("Printer.RetractMedia", {"mediaControl": "unitONE"})
        code: str | None = done["payload"].get("errorCode")
        return code

    async def told_and_there() -> tuple[int, int]:
        units = (await receipts.success("Storage.GetStorage"))["storage"]
        return units["unitONE"]["printer"]["status"]["in"], (await truth(simulator))["bins"]["unitONE"]

    assert [await retract(), await retract()] == [None, None]
    await older.success("Printer.ResetCount")
    assert await told_and_there() == (0, 2)
    # The device knows better than the count that its bin is full.
    assert await retract() == "retractBinFull"
    assert await told_and_there() == (0, 2)
    await simulator.success("Simulator.EmptyBins", {"service": "Receipts"})
    assert await told_and_there() == (0, 0)
    assert await retract() is None
    assert await told_and_there() == (1, 1)


async def test_what_is_left_is_retracted_by_itself(opened: Opened, simulator: Dialogue) -> None:
    kiosk = await opened("Kiosk")
    assert await print_line(kiosk, mediaControl={"cut": True, "move": "eject"}) == "success"
    event = await kiosk.until("unsolicited", name="Printer.MediaAutoRetractedEvent")
    assert event["payload"] == {"result": "unitONE"}
    found = await truth(simulator, "Kiosk")
    assert (found["slot"], found["bins"]) == (0, {"unitONE": 1})
    bins = (await kiosk.success("Storage.GetStorage"))["storage"]["unitONE"]["printer"]["status"]
    assert bins["in"] == 1


async def test_the_lamp_wears_out(opened: Opened, simulator: Dialogue) -> None:
    documents = await opened("Documents")
    await simulator.success("Simulator.InsertDocument", {"service": "Documents", "name": "contract"})
    await simulator.success(
        "Simulator.ReplaceSupply", {"service": "Documents", "supply": "lamp", "state": "inop"}
    )
    wanted = {"frontImage": {"imageType": "png", "colorFormat": "binary"}}
    assert (await status(documents))["lamp"] == "inop"
    assert await documents.failure("Printer.ReadImage", wanted) == "lampInoperative"
    await simulator.success("Simulator.ReplaceSupply", {"service": "Documents", "supply": "lamp"})
    await documents.success("Printer.ReadImage", wanted)


# What is kept.


async def test_printouts_are_files_that_sort_and_truth_outlives_a_restart(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    file, state = tmp_path / "printers.toml", tmp_path / "state"
    state.mkdir()
    file.write_text(PROFILE)
    ledger = xfs4iot.Ledger.open(None)
    for number in (1, 2):
        services = simulated_atm(file, ledger=ledger, state=state)
        publisher = xfs4iot.Publisher(services, port=0)
        async with trio.open_nursery() as running:
            await running.start(publisher.serve)
            receipts = await running.start(dialogue, publisher.uri("Receipts"))
            simulator = await running.start(dialogue, publisher.uri("Simulator"))
            if number == 2:
                assert (await status(receipts))["media"] == "entering"
                assert (await truth(simulator))["slot"] == 1
                await simulator.success("Simulator.TakePrintouts", {"service": "Receipts"})
            assert await print_line(receipts, f"receipt {number}") == "success"
            await eject(receipts)
            running.cancel_scope.cancel()
    names = sorted(one.name for one in (state / "Receipts").iterdir())
    assert names == ["000001.json", "000001.pdf", "000001.png", "000002.json", "000002.pdf", "000002.png"]
    assert json.loads((state / "Receipts" / "000002.json").read_text())["lines"] == ["receipt 2"]
    assert (state / "Receipts" / "000001.pdf").read_bytes().startswith(b"%PDF")


async def test_what_is_on_paper_is_written_once_and_goes_with_the_paper(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    file, state = tmp_path / "printers.toml", tmp_path / "state"
    (state / "Receipts.paper").mkdir(parents=True)
    file.write_text(PROFILE)
    left = state / "Receipts.paper" / "0815.drawing"
    left.write_bytes(b"what a crash has left behind")
    ledger = xfs4iot.Ledger.open(None)
    noise = Image.frombytes("L", (500, 500), random.Random(1).randbytes(250_000))
    for number in (1, 2):
        services = simulated_atm(file, ledger=ledger, state=state)
        assert not left.exists()
        publisher = xfs4iot.Publisher(services, port=0)
        async with trio.open_nursery() as running:
            await running.start(publisher.serve)
            receipts = await running.start(dialogue, publisher.uri("Receipts"))
            simulator = await running.start(dialogue, publisher.uri("Simulator"))
            if number == 1:
                payload = {"data": base64_png(noise)}
                await receipts.success("Printer.PrintNative", payload)
                await eject(receipts)
                await receipts.success("Printer.PrintNative", payload)
                before, _ = await printout(simulator)
            else:
                after, _ = await printout(simulator)
                assert after.tobytes() == before.tobytes()
                await eject(receipts)
                await simulator.success("Simulator.TakePrintouts", {"service": "Receipts"})
            running.cancel_scope.cancel()
        drawn = list((state / "Receipts.paper").iterdir())
        assert len(drawn) == (2 if number == 1 else 0)
        assert all(one.stat().st_size > 20_000 for one in drawn)
        assert (state / "Receipts.truth.json").stat().st_size < 2_000


async def printing_with_state(tmp_path: Path, nursery: trio.Nursery, blocked: str) -> tuple[Dialogue, Path]:
    """A client of a printer that keeps its state, and a directory of it that nobody can write to."""
    file, state = tmp_path / "printers.toml", tmp_path / "state"
    file.write_text(PROFILE)
    state.mkdir()
    services = simulated_atm(file, ledger=xfs4iot.Ledger.open(None), state=state)
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    # A file where the directory should be: whoever runs the tests, root too, cannot write there.
    (state / blocked).touch()
    client: Dialogue = await nursery.start(dialogue, publisher.uri("Receipts"))
    return client, state / blocked


async def test_a_disk_that_takes_no_drawing_is_named_and_nothing_is_printed(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    client, blocked = await printing_with_state(tmp_path, nursery, "Receipts.paper")
    await set_form(client, LINE)
    request = {"formName": "F", "fields": {"line": "x"}}
    completion = await client.completion("Printer.PrintForm", request)
    assert completion["header"]["completionCode"] == "hardwareError"
    assert (
        "what is printed cannot be kept: File exists; make room" in completion["header"]["errorDescription"]
    )
    assert (await status(client))["media"] == "notPresent"
    blocked.unlink()
    assert await print_line(client) == "success"
    assert len(list(blocked.iterdir())) == 1


async def test_a_disk_that_takes_no_printout_is_told_and_hinders_no_client(
    tmp_path: Path, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    client, blocked = await printing_with_state(tmp_path, nursery, "Receipts")
    assert await print_line(client, mediaControl={"cut": True, "move": "eject"}) == "success"
    with trio.fail_after(30):
        while "a printout cannot be written: " not in caplog.text:  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert (await client.success("Common.Status"))["common"]["device"] == "online"
    blocked.unlink()
    assert await print_line(client, mediaControl={"cut": True, "move": "eject"}) == "success"
    with trio.fail_after(30):
        while not list(blocked.glob("*.json")):  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_paper_whose_drawing_is_lost_is_named(tmp_path: Path) -> None:
    file, state = tmp_path / "printers.toml", tmp_path / "state"
    state.mkdir()
    file.write_text(PROFILE)
    publisher = xfs4iot.Publisher(simulated_atm(file, ledger=xfs4iot.Ledger.open(None), state=state), port=0)
    async with trio.open_nursery() as running:
        await running.start(publisher.serve)
        receipts = await running.start(dialogue, publisher.uri("Receipts"))
        assert await print_line(receipts) == "success"
        running.cancel_scope.cancel()
    for one in (state / "Receipts.paper").iterdir():
        one.unlink()
    with pytest.raises(ValueError, match=r"what was drawn is missing.*name another directory by --state"):
        simulated_atm(file, ledger=xfs4iot.Ledger.open(None), state=state)


@pytest.mark.parametrize(
    ("kind", "largest"), [("receipt", None), ("journal", None), ("document", 297_000), ("passbook", 180_000)]
)
def test_a_printer_has_the_paper_of_its_kind(tmp_path: Path, kind: str, largest: int | None) -> None:
    file = tmp_path / "printers.toml"
    file.write_text(f'[services.P]\nkinds = ["Printer"]\ntype = "{kind}"\n')
    service = simulated_atm(file, ledger=xfs4iot.Ledger.open(None))[0]
    assert isinstance(service.device, devices.Printer)
    papers = [*service.device.paper_sources.values(), *service.device.inserted]
    assert {one.length for one in papers} == {largest}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('type = "receipt"\ncustomer = "x"', "name one of the documents"),
        ("units = { BIN1 = { } }", "names of units are"),
        ('paper = { "up per" = { } }', "names of sources"),
        ("paper = { upper = { full = 10, low = 20 } }", "10, which is full"),
        ('type = "teleprinter"', "teleprinter"),
    ],
)
def test_mistakes_in_a_profile_are_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(f'[services.P]\nkinds = ["Printer"]\n{text}\n')
    with pytest.raises(Exception, match=said):
        simulated_atm(file, ledger=xfs4iot.Ledger.open(None))
