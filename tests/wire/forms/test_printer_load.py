"""Whatever one client prints, the others are served, and memory does not grow with what was sent."""

from __future__ import annotations

import base64
import io
import random
import re
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image

import xfs4iot
from bystanders import Watch, served, watching
from dialogue import Dialogue, another, dialogue, outcome
from xfs4iot.simulator import atm as simulated_atm

PROFILE = """
seconds = 0

[services.Receipts]
kinds = ["Printer"]
units = {}
paper = { upper = { full = 6000, low = 1000 } }

[services.Journal]
kinds = ["Printer"]
type = "journal"
language = "text"
units = {}
paper = { upper = { full = 6000, low = 1000 } }
"""
MM = {"base": "mm", "x": 1, "y": 1}
MEGABYTE = 1024 * 1024


@pytest.fixture
async def atm(nursery: trio.Nursery, tmp_path: Path) -> xfs4iot.Publisher:
    file = tmp_path / "printers.toml"
    file.write_text(PROFILE)
    services = simulated_atm(file, ledger=xfs4iot.Ledger.open(None))
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return publisher


@pytest.fixture
async def bystander(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> AsyncIterator[Watch]:
    client: Dialogue = await nursery.start(dialogue, atm.uri("Receipts"))
    async with watching(client, nursery) as watch:
        yield watch


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def bomb(side: int) -> bytes:
    """A picture of a few kilobytes that is one of gigabytes once it is unpacked."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)),
        (b"IDAT", packed),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


RAW = {
    "one endless line": b"x" * (8 * MEGABYTE),
    "lines": b"a line of text\n" * (8 * MEGABYTE // 15),
    "pieces": b"a\n\x1dV\x00" * (8 * MEGABYTE // 5),
    "one place": b"\x1b$\x00\x00x" * 60_000,
    "questions": b"\x10\x04\x01" * (MEGABYTE // 4),
}


@pytest.mark.parametrize("what", RAW)
async def test_others_are_served_while_megabytes_are_printed(
    what: str, atm: xfs4iot.Publisher, bystander: Watch, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("Receipts"))
    payload = {"data": base64_of(RAW[what]), "inputData": "yes"}
    completion = await served(bystander, client, "Printer.PrintRaw", payload)
    if what == "questions":
        assert len(base64.b64decode(completion["payload"]["data"])) == 64 * 1024
    elif what != "one place":
        # The roll is 6 m long, and the text is longer.
        assert completion["payload"]["errorCode"] == "paperOut"
        said = re.search(r"([0-9.]+) mm were printed", completion["header"]["errorDescription"])
        assert said is not None
        # Each piece ends at a whole dot.
        assert 5_990 < float(said[1]) <= 6_001
        assert (await client.success("Common.Status"))["printer"]["paper"]["upper"] == "out"
    assert bystander.grown < 60 * 8 * MEGABYTE


async def test_others_are_served_while_a_journal_is_flooded(
    atm: xfs4iot.Publisher, bystander: Watch, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("Journal"))
    payload = {"data": base64_of(RAW["one endless line"]), "inputData": "no"}
    completion = await served(bystander, client, "Printer.PrintRaw", payload)
    assert completion["payload"]["errorCode"] == "paperOut"
    assert bystander.grown < 60 * 8 * MEGABYTE


async def test_the_slot_holds_so_many_pieces_and_no_more(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("Receipts"))
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    payload = {"data": base64_of(b"a\n\x1dV\x00" * 250), "inputData": "no"}
    await client.success("Printer.PrintRaw", payload)
    taken = await simulator.success("Simulator.TakePrintouts", {"service": "Receipts"})
    assert taken == {"count": 100}
    last = await simulator.success("Simulator.GetPrintout", {"service": "Receipts"})
    assert last["number"] == 250


def field(x: int, y: int, width: int, height: int, **more: Any) -> dict[str, Any]:
    return {"position": {"x": x, "y": y}, "size": {"width": width, "height": height}, **more}


async def test_a_picture_that_is_a_bomb_is_refused_and_nothing_is_printed(
    atm: xfs4iot.Publisher, bystander: Watch, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("Receipts"))
    form = {
        "unit": MM,
        "size": {"width": 70, "height": 70},
        "fields": {"p": field(0, 0, 70, 70, fieldType="graphic")},
    }
    await client.success("Printer.SetForm", {"name": "F", "form": form})
    packed = base64_of(bomb(30_000))
    wrong = await client.completion("Printer.PrintForm", {"formName": "F", "fields": {"p": packed}})
    assert wrong["payload"]["errorCode"] == "fieldError"
    assert "more than 20,000,000 dots" in wrong["header"]["errorDescription"]
    event = await client.until("event", wrong["header"]["requestId"], "Printer.FieldErrorEvent")
    assert event["payload"] == {"formName": "F", "fieldName": "p", "failure": "graphic"}
    assert await client.failure("Printer.PrintNative", {"data": packed}) == "invalidData"
    assert (await client.success("Common.Status"))["printer"]["media"] == "notPresent"
    assert bystander.grown < 50 * MEGABYTE


MANY = 4_500


async def test_others_are_served_while_thousands_of_fields_are_set_and_laid_out(
    atm: xfs4iot.Publisher, bystander: Watch, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("Receipts"))
    places = [(number % 50, number // 50) for number in range(MANY)]
    form = {
        "unit": MM,
        "size": {"width": 70, "height": 100},
        "fields": {f"f{x}-{y}": field(x, y, 20, 4, overflow="truncate") for x, y in places},
        "frames": {f"g{x}-{y}": field(x, y, 1, 1) for x, y in places},
    }
    values = dict.fromkeys(form["fields"], "many a word that finds no room")
    for name, payload in (
        ("Printer.SetForm", {"name": "F", "form": form}),
        ("Printer.PrintForm", {"formName": "F", "fields": values, "mediaControl": {"flush": False}}),
    ):
        completion = await served(bystander, client, name, payload)
        assert outcome(completion) == "success", completion
    for version in (None, "2023-2"):
        asking = client if version is None else await another(client, nursery, version)
        for name in ("Printer.GetQueryForm", "Printer.GetQueryField"):
            completion = await served(bystander, asking, name, {"formName": "F"})
            assert outcome(completion) == "success"


async def test_a_form_that_is_being_laid_out_can_be_given_up(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("Receipts"))
    form = {
        "unit": MM,
        "size": {"width": 70, "height": MANY},
        "fields": {
            f"f{y}": field(0, y, 70, 1, overflow="bestFit", font={"pointSize": 90}) for y in range(MANY)
        },
    }
    await client.success("Printer.SetForm", {"name": "F", "form": form})
    values = dict.fromkeys(form["fields"], "many a word that finds no room" * 20)
    request = await client.send("Printer.PrintForm", {"formName": "F", "fields": values})
    await client.until("acknowledge", request)
    await client.success("Common.Cancel", {"requestIds": [request]})
    assert outcome(await client.until("completion", request)) == "canceled"
    assert (await client.success("Common.Status"))["printer"]["media"] == "notPresent"


NUMBERS = (0, 1, 2, 1_000, 1_001, 25_401, 1_000_000, 2**31 - 1)
FORM_NUMBERS = ("cpi", "lpi", "pointSize", "skew")
FIELD_NUMBERS = ("cpi", "lpi", "pointSize")


@pytest.mark.parametrize("base", ["mm", "inch", "rowColumn"])
async def test_whatever_form_is_taken_can_be_printed_or_is_refused_for_a_reason(
    base: str, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("Receipts"))
    taken = 0
    for number in NUMBERS:
        forms = [{name: number} for name in FORM_NUMBERS]
        forms += [
            {"unit": {"base": base, "x": number, "y": number}},
            {"size": {"width": number, "height": number}},
        ]
        fields: list[dict[str, Any]] = [{"font": {name: number}} for name in FIELD_NUMBERS]
        fields += [
            {"position": {"x": number, "y": number}},
            {"size": {"width": number, "height": number}},
            {"index": {"repeatCount": number, "x": 0, "y": 0}},
            {"index": {"repeatCount": 2, "x": number, "y": number}},
        ]
        for of_form, of_field in [*((one, {}) for one in forms), *(({}, one) for one in fields)]:
            form = {
                "unit": {"base": base, "x": 1, "y": 1},
                "size": {"width": 2, "height": 2},
                "fields": {"f": field(0, 0, 2, 2, horizontal="center", overflow="bestFit") | of_field},
                **of_form,
            }
            set_ = await client.completion("Printer.SetForm", {"name": "F", "form": form})
            assert outcome(set_) in ("success", "invalidData", "commandErrorCode"), (form, set_)
            if outcome(set_) != "success":
                continue
            taken += 1
            value: Any = ["x"] if "index" in of_field else "x"
            done = await client.completion("Printer.PrintForm", {"formName": "F", "fields": {"f": value}})
            assert outcome(done) in ("success", "invalidData", "commandErrorCode"), (form, done)
            client.passed.clear()
    assert taken > 20


async def test_others_are_served_while_a_form_with_a_large_picture_is_set_and_told(
    atm: xfs4iot.Publisher, bystander: Watch, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("Receipts"))
    noise = Image.frombytes("RGB", (1_700, 1_700), random.Random(1).randbytes(1_700 * 1_700 * 3))
    file = io.BytesIO()
    noise.save(file, "BMP")
    picture = field(0, 0, 70, 70, fieldType="graphic", initialGraphic=base64_of(file.getvalue()))
    form = {"unit": MM, "size": {"width": 70, "height": 70}, "fields": {"p": picture}}
    for name, payload in (
        ("Printer.SetForm", {"name": "F", "form": form}),
        ("Printer.GetQueryForm", {"formName": "F"}),
        ("Printer.GetQueryField", {"formName": "F"}),
    ):
        assert outcome(await served(bystander, client, name, payload)) == "success", name
