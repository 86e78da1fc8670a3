"""The simulated barcode reader: what it is shown, it decodes."""

from __future__ import annotations

import base64
import io
import threading
from typing import Any

import pytest
import trio
import trio.testing
from PIL import Image, ImageDraw

import xfs4iot
from dialogue import Dialogue, another, dialogue, outcome
from xfs4iot.simulator.barcode_reader.symbols import SYMBOLOGIES

READ = "BarcodeReader.Read"
SHOW = "Simulator.ShowBarcode"
QR = {"symbology": "qrCode", "text": "HELLO"}
SAMPLES = {
    "ean8": ("96385074", b"96385074"),
    "ean8_2": ("96385074+12", b"9638507412"),
    "ean8_5": ("96385074+12345", b"9638507412345"),
    "ean13": ("5901234123457", b"5901234123457"),
    "ean13_2": ("4006381333931+12", b"400638133393112"),
    "ean13_5": ("4006381333931+12345", b"400638133393112345"),
    "jan13": ("4901234567894", b"4901234567894"),
    "upcA": ("036000291452", b"036000291452"),
    "upcA_2": ("036000291452+12", b"03600029145212"),
    "upcA_5": ("036000291452+12345", b"03600029145212345"),
    "upcE0": ("01234565", b"01234565"),
    "upcE0_2": ("01234565+12", b"0123456512"),
    "upcE0_5": ("01234565+12345", b"0123456512345"),
    "upcE1": ("11234562", b"11234562"),
    "upcE1_2": ("11234562+12", b"1123456212"),
    "upcE1_5": ("11234562+12345", b"1123456212345"),
    "codabar": ("A1234B", b"A1234B"),
    "itf": ("12345670", b"12345670"),
    "code39": ("CODE 39", b"CODE 39"),
    "code93": ("CODE93", b"CODE93"),
    "code128": ("Code 128", b"Code 128"),
    "ean128": ("[01]09501101530003[10]ABC[21]7", b"010950110153000310ABC\x1d217"),
    "pdf417": ("PDF", b"PDF"),
    "microPdf417": ("MICRO", b"MICRO"),
    "dataMatrix": ("matrix", b"matrix"),
    "maxiCode": ("HELLO", b"HELLO"),
    "telepenAim": ("ABC12", b"ABC12"),
    "rss": ("0950110153000", b"0109501101530003"),
    "rssExpanded": ("[01]09501101530003[10]ABC", b"010950110153000310ABC"),
    "rssRestricted": ("0950110153000", b"0109501101530003"),
    "qrCode": ("HELLO", b"HELLO"),
    "aztec": ("aztec", b"aztec"),
}


@pytest.fixture
async def client(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("BarcodeReader"))
    return found


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


def codes(completion: dict[str, Any]) -> list[tuple[str, bytes]]:
    """Symbology and content of all that was read."""
    return [
        (one["symbology"], base64.b64decode(one["barcodeData"]))
        for one in completion["payload"]["readOutput"]
    ]


async def waiting(client: Dialogue, payload: Any = None, **header: Any) -> int:
    """A Read that has begun."""
    request = await client.send(READ, payload, **header)
    await client.until("acknowledge", request)
    while True:
        event = await client.until("unsolicited", name="Common.StatusChangedEvent")
        if event["payload"].get("barcodeReader") == {"scanner": "on"}:
            return request


def test_there_is_a_sample_of_each_symbology() -> None:
    assert set(SAMPLES) == SYMBOLOGIES


@pytest.mark.parametrize("symbology", SAMPLES)
async def test_each_symbology_is_drawn_decoded_and_told_by_its_name(
    client: Dialogue, simulator: Dialogue, symbology: str
) -> None:
    text, content = SAMPLES[symbology]
    await simulator.success(SHOW, {"symbology": symbology, "text": text})
    assert codes(await client.completion(READ, {"symbologies": {symbology: True}})) == [(symbology, content)]


@pytest.mark.parametrize("symbology", ["qrCode", "dataMatrix", "aztec", "pdf417"])
async def test_symbols_hold_any_bytes(client: Dialogue, simulator: Dialogue, symbology: str) -> None:
    content = bytes(range(256))
    await simulator.success(SHOW, {"symbology": symbology, "data": base64.b64encode(content).decode()})
    assert codes(await client.completion(READ)) == [(symbology, content)]


async def test_all_codes_in_view_are_read_in_one_look(client: Dialogue, simulator: Dialogue) -> None:
    three = ["qrCode", "ean13_5", "code128"]
    for symbology in three:
        await simulator.success(SHOW, {"symbology": symbology, "text": SAMPLES[symbology][0]})
    assert codes(await client.completion(READ)) == [(one, SAMPLES[one][1]) for one in three]
    only = await client.completion(READ, {"symbologies": {"code128": True}})
    assert codes(only) == [("code128", b"Code 128")]


async def test_a_code_that_is_shown_while_a_read_waits_ends_it(client: Dialogue, simulator: Dialogue) -> None:
    request = await waiting(client)
    await simulator.success(SHOW, QR)
    assert codes(await client.until("completion", request)) == [("qrCode", b"HELLO")]
    assert (await client.success("Common.Status"))["barcodeReader"]["scanner"] == "off"


async def test_a_damaged_code_does_not_end_the_wait(client: Dialogue, simulator: Dialogue) -> None:
    for symbology in ("qrCode", "code128", "ean13"):
        damaged = {"symbology": symbology, "text": SAMPLES[symbology][0], "damaged": True}
        await simulator.success(SHOW, damaged)
    assert await client.failure(READ, timeout=300) == "timeOut"
    request = await waiting(client)
    await simulator.success(SHOW, QR)
    assert codes(await client.until("completion", request)) == [("qrCode", b"HELLO")]


async def test_a_code_that_was_not_asked_for_does_not_end_the_wait(
    client: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success(SHOW, QR)
    request = await waiting(client, {"symbologies": {"code128": True}})
    await simulator.success(SHOW, {"symbology": "code128", "text": "CODE"})
    assert codes(await client.until("completion", request)) == [("code128", b"CODE")]


@pytest.mark.parametrize("how", ["timeOut", "canceled"])
async def test_the_scanner_is_off_after_a_wait_that_saw_nothing(
    client: Dialogue, simulator: Dialogue, how: str
) -> None:
    request = await waiting(client, timeout=200 if how == "timeOut" else 0)
    if how == "canceled":
        await client.success("Common.Cancel", {"requestIds": [request]})
    assert outcome(await client.until("completion", request)) == how
    assert (await client.success("Common.Status"))["barcodeReader"]["scanner"] == "off"
    await simulator.success(SHOW, QR)
    assert codes(await client.completion(READ)) == [("qrCode", b"HELLO")]


@pytest.mark.parametrize("how", [{"turned": 90}, {"turned": 20}, {"mirrored": True}])
async def test_a_code_is_read_however_it_is_held(
    client: Dialogue, simulator: Dialogue, how: dict[str, Any]
) -> None:
    await simulator.success(SHOW, QR | how)
    assert codes(await client.completion(READ)) == [("qrCode", b"HELLO")]


async def test_a_code_is_taken_away_too_early(client: Dialogue, simulator: Dialogue) -> None:
    async def in_view_after(milliseconds: int) -> int:
        await simulator.success("Simulator.Advance", {"milliseconds": milliseconds})
        await trio.testing.wait_all_tasks_blocked(0.01)
        truth = (await simulator.success("Simulator.GetTruth"))["services"]["BarcodeReader"]
        return int(truth["inView"])

    await simulator.success("Simulator.StopClock")
    await simulator.success(SHOW, QR | {"after": 1000, "lasts": 2000})
    assert [await in_view_after(one) for one in (900, 200, 1000, 1000)] == [0, 1, 1, 0]
    await simulator.success(SHOW, QR | {"after": 1000, "lasts": 2000})
    assert await in_view_after(5000) == 0
    await simulator.success(SHOW, QR)
    await simulator.success("Simulator.TakeAwayBarcodes")
    assert await client.failure(READ, timeout=200) == "timeOut"


def photographed() -> bytes:
    """A picture whose bars we drew ourselves: Code 39, in which `*1*` has nine elements for each sign."""
    signs = {"*": "nwnnwnwnn", "1": "wnnwnnnnw"}
    picture = Image.new("RGB", (900, 300), "#d8d0c0")
    pen, x = ImageDraw.Draw(picture), 120
    for sign in "*11*":
        for number, element in enumerate(signs[sign]):
            width = 4 if element == "n" else 12
            if number % 2 == 0:
                pen.rectangle((x, 60, x + width - 1, 240), fill="#201810")
            x += width
        x += 4
    file = io.BytesIO()
    picture.rotate(3, fillcolor="#d8d0c0").save(file, "JPEG", quality=70)
    return file.getvalue()


async def test_a_picture_out_of_a_file_is_read(client: Dialogue, simulator: Dialogue) -> None:
    picture = base64.b64encode(photographed()).decode()
    await simulator.success("Simulator.ShowPicture", {"picture": picture})
    assert codes(await client.completion(READ)) == [("code39", b"11")]


def blank(width: int, height: int) -> str:
    """A small file of a picture, however large."""
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        (SHOW, {}),
        (SHOW, {"symbology": "qrCode"}),
        (SHOW, {"symbology": "morse", "text": "sos"}),
        (SHOW, {"symbology": "ean13", "text": "no digits"}),
        (SHOW, {"symbology": "qrCode", "text": "x" * 10_000}),
        (SHOW, QR | {"data": "AAAA"}),
        ("Simulator.ShowPicture", {}),
        ("Simulator.ShowPicture", {"picture": base64.b64encode(b"no picture").decode()}),
        ("Simulator.ShowPicture", {"picture": blank(6000, 6000)}),
        ("Simulator.ShowPicture", {"picture": blank(19_000, 19_000)}),
        ("Simulator.ShowPicture", {"picture": blank(10_000_000, 1)}),
        ("Simulator.ShowPicture", {"picture": blank(1, 10_000_000)}),
    ],
)
async def test_what_cannot_be_shown_is_refused(simulator: Dialogue, name: str, payload: Any) -> None:
    assert await simulator.failure(name, payload) == "invalidData"


@pytest.mark.parametrize("after", [{}, {"after": 20}])
async def test_no_more_is_in_view_than_a_scanner_can_look_at(
    client: Dialogue, simulator: Dialogue, after: Any
) -> None:
    """Neither by number nor by size: a broad picture and a high one make a view that is both."""
    await simulator.success("Simulator.ShowPicture", {"picture": blank(6000, 1)} | after)
    high = {"picture": blank(1, 6000)} | after
    assert await simulator.failure("Simulator.ShowPicture", high) == "sequenceError"
    for _ in range(19):
        await simulator.success(SHOW, QR | after)
    assert await simulator.failure(SHOW, QR | after) == "sequenceError"
    if after:
        await trio.sleep(0.1)
    assert len(codes(await client.completion(READ, timeout=20_000))) >= 1
    await simulator.success("Simulator.TakeAwayBarcodes")
    await simulator.success("Simulator.ShowPicture", high)


async def test_looks_that_nobody_waits_for_do_not_pile_up(client: Dialogue, simulator: Dialogue) -> None:
    file = io.BytesIO()
    Image.effect_noise((550, 450), 200).resize((3300, 2700), 0).save(file, "PNG")
    await simulator.success("Simulator.ShowPicture", {"picture": base64.b64encode(file.getvalue()).decode()})
    before = threading.active_count()
    for _ in range(10):
        request = await client.send(READ)
        await client.until("acknowledge", request)
        await trio.sleep(0.02)
        await client.success("Common.Cancel", {"requestIds": [request]})
        assert outcome(await client.until("completion", request)) == "canceled"
    assert threading.active_count() - before <= 2
    await simulator.success("Simulator.TakeAwayBarcodes")
    await simulator.success(SHOW, QR)
    assert codes(await client.completion(READ)) == [("qrCode", b"HELLO")]


async def test_faults_strike(client: Dialogue, simulator: Dialogue) -> None:
    async def inject(fault: str, **more: int) -> None:
        where = {"fault": fault, "service": "BarcodeReader", **more}
        await simulator.success("Simulator.Inject", where)

    await simulator.success(SHOW, QR)
    await inject("glare", count=2)
    assert codes(await client.completion(READ)) == [("qrCode", b"HELLO")]
    await inject("givesUp")
    assert await client.failure(READ) == "barcodeInvalid"
    await inject("scannerBreaks")
    for _ in range(2):
        assert await client.failure(READ) == "hardwareError"
    assert (await client.success("Common.Status"))["barcodeReader"]["scanner"] == "inoperative"
    await inject("resetFails")
    assert await client.failure("BarcodeReader.Reset") == "hardwareError"
    await client.success("BarcodeReader.Reset")
    assert codes(await client.completion(READ)) == [("qrCode", b"HELLO")]
    await simulator.success("Simulator.TakeAwayBarcodes")
    request = await waiting(client)
    await inject("unplugged")
    assert outcome(await client.until("completion", request)) == "deviceNotReady"
    assert (await client.success("Common.Status"))["common"]["device"] == "noDevice"
    await simulator.success("Simulator.ClearFaults")
    await simulator.success(SHOW, QR)
    assert codes(await client.completion(READ)) == [("qrCode", b"HELLO")]


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_read_too(
    client: Dialogue, simulator: Dialogue, nursery: trio.Nursery, older: str
) -> None:
    old = await another(client, nursery, older)
    await simulator.success(SHOW, QR)
    completion = await old.until("completion", await old.send(READ, {}))
    assert codes(completion) == [("qrCode", b"HELLO")]
    reset = await old.until("completion", await old.send("BarcodeReader.Reset"))
    assert outcome(reset) == "success"
