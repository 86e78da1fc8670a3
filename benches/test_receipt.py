"""A receipt of forty fields on its way to paper: `pytest benches/test_receipt.py`.

With everything that PrintForm does it is to take less than 10 ms, rendering included.
"""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any

import pytest

from xfs4iot import devices
from xfs4iot.devices import PrintFont, PrintPage
from xfs4iot.interfaces.forms.device_fonts import DeviceFonts
from xfs4iot.interfaces.forms.form_pages import FormPages, Placement
from xfs4iot.interfaces.forms.media_definitions import sheet_of_paper
from xfs4iot.interfaces.forms.printer_forms import ready
from xfs4iot.interfaces.forms.printer_values import values_of
from xfs4iot.interfaces.forms.ready_form import ReadyForm
from xfs4iot.printing.pages import Head
from xfs4iot.protocol import wire
from xfs4iot.protocol.messages import printer as messages

FIELDS = 40
PROSE = "Keep this receipt for your records; it is the only proof of the transaction that was made here."


class Roll(devices.Printer):
    """A receipt printer whose characters have widths of their own."""

    paper_sources = {"upper": devices.Paper(80_000)}  # noqa: RUF012
    barcodes = frozenset({"QR", "EAN13"})

    async def print_pages(self, job: devices.PrintJob, events: Any) -> devices.Printed:
        return devices.Printed()

    def measure(self, text: str, font: PrintFont) -> int:
        return sum(1200 if one in "ijl.,:; " else 2400 for one in text)


class Drawn(Roll):
    """One that draws, as the simulated ones and those for ESC/POS do."""

    head = Head(dots=203)

    def measure(self, text: str, font: PrintFont) -> int:
        return self.head.measure(text, font)

    def lacks(self, text: str, font: PrintFont) -> str:
        return self.head.lacks(text, font)


def fonts_of(device: devices.Printer) -> DeviceFonts:
    """The printer's fonts, as the service asks for them: anew for each form."""
    service: Any = SimpleNamespace(device=device, log=logging.getLogger(__name__))
    return DeviceFonts(service)


def receipt() -> dict[str, Any]:
    """The form: amounts at the right, prose justified, a total that follows it, two barcodes."""
    fields: dict[str, Any] = {}
    for number in range(FIELDS - 4):
        fields[f"line{number}"] = {
            "position": {"x": 0 if number % 2 == 0 else 40, "y": 5 * (number // 2)},
            "size": {"width": 38, "height": 5},
            "horizontal": "left" if number % 2 == 0 else "right",
        }
    fields["prose"] = {
        "position": {"x": 0, "y": 100},
        "size": {"width": 78, "height": 40},
        "horizontal": "justify",
        "vertical": "top",
        "overflow": "wordWrap",
        "class": "static",
        "initialValue": 3 * PROSE,
    }
    fields["total"] = {"follows": "prose", "size": {"width": 78, "height": 5}}
    for number, kind in enumerate(("EAN13", "QR")):
        fields[kind] = {
            "position": {"x": 40 * number, "y": 170},
            "size": {"width": 38, "height": 30},
            "fieldType": "barcode",
            "font": {"name": kind},
        }
    return {"unit": {"base": "mm", "x": 1, "y": 1}, "size": {"width": 80, "height": 200}, "fields": fields}


def values() -> dict[str, str | list[str]]:
    """What is printed in them."""
    lines: dict[str, str | list[str]] = {
        f"line{number}": f"item {number}" if number % 2 == 0 else f"{number}.50 EUR"
        for number in range(FIELDS - 4)
    }
    return {
        **lines,
        "total": "Total 648.00 EUR",
        "EAN13": "400638133393",
        "QR": "https://bank.example/r/4711",
    }


def laid_out(form: ReadyForm, device: devices.Printer) -> tuple[PrintPage, ...]:
    """The receipt as pages."""
    pages = FormPages(form, device, fonts_of(device))
    found = values_of(form, values())
    for name, field in form.fields.items():
        pages.put(field, found[name])
    return pages.pages(sheet_of_paper(device.paper_sources["upper"]), Placement())


def definition() -> messages.SetFormForm:
    """The form as a client has set it."""
    return wire.decode(messages.SetFormForm, wire.encode(receipt()))


def test_lay_out(benchmark: Any) -> None:
    device = Roll("Roll")
    form = ready(definition(), device)
    (page,) = benchmark(laid_out, form, device)
    assert len(form.fields) == FIELDS
    assert len(page.front) > FIELDS


def rendered(form: ReadyForm, device: Drawn) -> Any:
    """The receipt as a picture."""
    (page,) = laid_out(form, device)
    return device.head.draw(page).finished()


@pytest.mark.benchmark(timer=time.process_time)
def test_render(benchmark: Any) -> None:
    """All of it: values, layout, the picture, two barcodes."""
    device = Drawn("Drawn")
    form = ready(definition(), device)
    picture = benchmark(rendered, form, device)
    assert picture.size[0] == 639


def test_make_ready(benchmark: Any) -> None:
    device = Roll("Roll")
    form = benchmark(ready, definition(), device)
    assert form.misfit is None
