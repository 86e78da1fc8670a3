"""Whole forms as the simulated printer prints them, held against pictures that somebody has approved."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image, ImageDraw, features

import xfs4iot
from approved import require_approved
from dialogue import Dialogue, dialogue
from xfs4iot.simulator import atm as simulated_atm

pytestmark = pytest.mark.skipif(
    not features.check("raqm"), reason="without Raqm Pillow rounds distances of letters otherwise"
)

PROFILE = """
seconds = 0

[services.Documents]
kinds = ["Printer"]
type = "document"
paper = { upper = { width = 100, length = 130 } }
units = {}
"""
MM = {"base": "mm", "x": 1, "y": 1}
LONG = "Words that are broken between lines, not in them, and a-word-with-many-parts"


def at(x: int, y: int, width: int, height: int, **more: Any) -> dict[str, Any]:
    return {"position": {"x": x, "y": y}, "size": {"width": width, "height": height}, **more}


def says(text: str, x: int, y: int, width: int, height: int, **more: Any) -> dict[str, Any]:
    return at(x, y, width, height, **({"class": "static", "initialValue": text, "vertical": "top"} | more))


def logo() -> str:
    picture, file = Image.new("1", (60, 30), 1), io.BytesIO()
    pen = ImageDraw.Draw(picture)
    pen.ellipse((1, 1, 28, 28), fill=0)
    pen.rectangle((32, 4, 58, 26), outline=0, width=3)
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


STATEMENT = {
    "unit": MM,
    "size": {"width": 100, "height": 130},
    "fields": {
        "bank": says("First Bank", 5, 2, 60, 6, header="ALL", style={"bold": True}, case="upper"),
        "logo": at(75, 2, 20, 10, fieldType="graphic", scaling="maintainAspect"),
        "name": at(5, 12, 60, 5, **{"class": "required"}),
        "left": says("left, top", 5, 20, 29, 8),
        "center": says("center", 35, 20, 29, 8, horizontal="center", vertical="center"),
        "right": says("right, bottom", 65, 20, 30, 8, horizontal="right", vertical="bottom"),
        "just": says(LONG, 5, 32, 43, 18, horizontal="justify", overflow="wordWrap"),
        "hebrew": says(
            "שלום עולם, יותר מילים שנשברות בין השורות",
            52,
            32,
            43,
            14,
            horizontal="justify",
            overflow="wordWrap",
        ),
        "cut": says(LONG, 5, 52, 43, 9, overflow="truncate"),
        "small": says(LONG, 52, 52, 43, 9, overflow="bestFit", font={"name": "Sans", "pointSize": 12}),
        "beyond": says(LONG[:60], 5, 61, 43, 5, overflow="overwrite"),
        "date": at(8, 72, 25, 5, index={"repeatCount": 3, "x": 0, "y": 5}),
        "amount": at(60, 72, 30, 5, index={"repeatCount": 3, "x": 0, "y": 5}, horizontal="right"),
        "note": at(8, 92, 40, 5, follows="date", overflow="wordWrap"),
        "turned": says("rotate 90", 84, 98, 6, 24, style={"rotate": "ninety"}),
        "back": says("rotate 270", 91, 98, 6, 24, style={"rotate": "twoSeventy"}),
        "upside": says("upside down", 44, 92, 36, 5, style={"rotate": "upsideDown"}),
        "code": at(5, 100, 40, 16, fieldType="barcode", font={"name": "EAN13"}, barcode="below"),
        "qr": at(50, 98, 22, 22, fieldType="barcode", font={"name": "QR"}),
        "page": says("in each page's foot", 5, 123, 90, 5, footer="ALL", horizontal="center"),
        "empty": at(5, 117, 30, 5),
        "second": says(
            "Second page", 5, 20, 60, 10, position={"x": 5, "y": 20, "z": 1}, style={"width": "double"}
        ),
    },
    "frames": {
        "table": at(4, 67, 88, 21, style="doubleThin", title="Bookings", horizontal="left"),
        "rows": at(6, 72, 84, 5, repeat={"repeatCountY": 2, "offsetY": 5}, style="dotted"),
    },
}
VALUES = {
    "name": "Zoë Müller-Öst",
    "logo": logo(),
    "date": ["2026-01-30", "2026-01-31", "2026-02-01"],
    "amount": ["€ 1.00", "€ -20.00", "€ 3,300.00"],
    "note": "below the dates",
    "code": "400638133393",
    "qr": "https://example.com/receipt/4711",
}
TICKET = {
    "unit": MM,
    "size": {"width": 100, "height": 60},
    "orientation": "landscape",
    "fields": {
        "to": says("Along the length", 5, 5, 90, 12, font={"pointSize": 20}),
        "row": says("and below it", 5, 20, 60, 6, style={"underline": "double"}),
        "code": says("4711", 60, 20, 35, 35, fieldType="barcode", font={"name": "QR"}),
    },
    "frames": {"edge": at(2, 2, 96, 56, style="singleThick")},
}


@pytest.fixture
async def printer(nursery: trio.Nursery, tmp_path: Path) -> tuple[Dialogue, Dialogue]:
    file = tmp_path / "printers.toml"
    file.write_text(PROFILE)
    publisher = xfs4iot.Publisher(simulated_atm(file, ledger=xfs4iot.Ledger.open(None)), port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("Documents"))
    simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
    return client, simulator


async def printed(printer: tuple[Dialogue, Dialogue], form: Any, values: Any) -> list[Image.Image]:
    """The sheets that come out."""
    client, simulator = printer
    await client.success("Printer.SetForm", {"name": "F", "form": form})
    asked = {"formName": "F", "fields": values, "mediaControl": {"move": "eject"}}
    await client.success("Printer.PrintForm", asked)
    sheets: list[Image.Image] = []
    last: int = (await simulator.success("Simulator.GetPrintout", {"service": "Documents"}))["number"]
    for number in range(1, last + 1):
        wanted = {"service": "Documents", "number": number}
        picture = (await simulator.success("Simulator.GetPrintout", wanted))["picture"]
        sheets.append(Image.open(io.BytesIO(base64.b64decode(picture))))
    return sheets


async def test_a_statement_of_two_pages_looks_as_approved(
    printer: tuple[Dialogue, Dialogue], tmp_path: Path
) -> None:
    first, second = await printed(printer, STATEMENT, VALUES)
    require_approved("statement_1", first, tmp_path)
    require_approved("statement_2", second, tmp_path)


async def test_a_landscape_ticket_looks_as_approved(
    printer: tuple[Dialogue, Dialogue], tmp_path: Path
) -> None:
    (sheet,) = await printed(printer, TICKET, {})
    require_approved("ticket", sheet, tmp_path)
