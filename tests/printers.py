"""Printers as vendors write them, each told by a test what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from xfs4iot import devices
from xfs4iot.devices import Paper, PrintText
from xfs4iot.protocol.messages import printer as messages

__all__ = ["Receipts", "ReceiptsWithBins", "Scribe", "form", "texts"]

CELLS: dict[str, Any] = {"base": "rowColumn", "x": 1, "y": 1}
"""The unit of forms in rows and columns."""


def form(fields: dict[str, Any], width: int = 20, height: int = 10, **more: Any) -> dict[str, Any]:
    """A form in rows and columns. A field is `(x, y, width, height)`, with what it has besides in a dict."""
    whole = {}
    for name, said in fields.items():
        x, y, across, down, *rest = said
        whole[name] = {
            "position": {"x": x, "y": y},
            "size": {"width": across, "height": down},
            "vertical": "top",
            **(rest[0] if rest else {}),
        }
        if "follows" in whole[name]:
            del whole[name]["position"]
    return {"unit": CELLS, "size": {"width": width, "height": height}, "fields": whole, **more}


class Receipts(devices.Printer):
    """A receipt printer with a presenter.

    Attributes:
        jobs: what was printed.
        called: operations that were asked for, with their arguments.
        refuses: what an operation raises, or ends with, by its name.
        hand: what happens while an operation runs, by its name.
    """

    paper_sources = {"upper": Paper(80_000), "lower": Paper(210_000, 297_000, 5_000, 5_000, 5_000, 5_000)}  # noqa: RUF012
    controls = frozenset({"cut", "eject", "expel", "retract", "alarm", "partialCut", "skip"})
    barcodes = frozenset({"QR", "EAN13", "CODE39"})
    graphics = frozenset({"png", "bmp"})
    colors = frozenset({"black", "red"})
    fonts = frozenset({"Courier", "Sans"})
    point_sizes = (6, 48)
    cpi = (5, 20)
    styles = frozenset({"bold", "underline", "width", "lineSpacing", "rotate"})
    media_taken_sensor = True
    media_presented_sensor = True
    supplies = frozenset({"toner", "lamp"})

    def __init__(self, name: str = "Printer", options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, options)
        self.jobs: list[devices.PrintJob] = []
        self.called: list[tuple[Any, ...]] = []
        self.refuses: dict[str, Any] = {}
        self.hand: dict[str, Any] = {}

    async def _do(self, name: str, *arguments: Any) -> Any:
        self.called.append((name, *arguments))
        if name in self.hand:
            await self.hand[name]()
        told = self.refuses.get(name)
        if isinstance(told, Exception):
            raise told
        return told

    async def print_pages(self, job: devices.PrintJob, events: Any) -> devices.Printed:
        told = await self._do("print_pages")
        self.jobs.append(job)
        return told or devices.Printed()

    async def print_raw(self, data: bytes, answers: bool, events: Any) -> bytes | None:
        told: bytes | None = await self._do("print_raw", data, answers)
        return told

    async def print_native(self, data: bytes, source: Any, after_page: Any, events: Any) -> devices.Printed:
        told = await self._do("print_native", data, source, after_page)
        return told or devices.Printed()

    async def control_media(self, actions: Any, unit: Any, events: Any) -> devices.PrinterMediaMoved:
        told = await self._do("control_media", actions, unit)
        return told or devices.PrinterMediaMoved()

    async def retract_media(self, to: str, events: Any) -> devices.PrinterMediaMoved:
        told = await self._do("retract_media", to)
        return told or devices.PrinterMediaMoved()

    async def reset(self, to: Any, events: Any) -> devices.PrinterMediaMoved:
        told = await self._do("reset", to)
        return told or devices.PrinterMediaMoved()

    async def dispense_paper(self, source: str, events: Any) -> None:
        await self._do("dispense_paper", source)

    async def set_black_mark_mode(self, on: bool) -> None:
        await self._do("set_black_mark_mode", on)

    async def supply_replenish(self, supplies: Any) -> None:
        await self._do("supply_replenish", supplies)


class ReceiptsWithBins(Receipts, devices.Storage):
    """The same with two retract bins, and a transport that keeps one receipt."""

    retract_to_transport = True

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {
            "unitBIN1": devices.PrinterUnit(index=1, capacity=3, high_threshold=2),
            "unitBIN2": devices.PrinterUnit(index=2, capacity=1),
        }


class Scribe(devices.Printer):
    """A printer for passbooks, which also scans: what is printed on is inserted.

    Attributes:
        inserted_media: set when somebody inserts one.
        read: values of fields, in order.
        called, refuses: as of `Receipts`.
    """

    printer_type = frozenset({"passbook", "scanner"})
    inserted = (Paper(125_000, 180_000),)
    controls = frozenset({"eject", "pageForward", "pageBackward", "turnMedia", "park", "flush"} - {"flush"})
    reads = frozenset({"msf", "ocr", "micr", "barcode"})
    writes = frozenset({"text", "msf"})
    coercivities = frozenset({"low", "high", "auto"})
    print_sides = "dual"
    multi_page = True
    passbook_actions = frozenset({"turnForward", "turnBackward", "closeForward"})
    scan_types = frozenset({"jpg", "png"})
    scan_sources = frozenset({"imageFront", "imageBack", "passportDataGroup1"})
    front_scan_colors = frozenset({"full", "grayscale"})
    back_scan_colors = frozenset({"grayScale"})

    def __init__(self, name: str = "Printer", options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, options)
        self.jobs: list[devices.PrintJob] = []
        self.called: list[tuple[Any, ...]] = []
        self.refuses: dict[str, Any] = {}
        self.inserted_media = trio.Event()
        self.asked = trio.Event()
        self.read: tuple[str | None, ...] = ()
        self.wanted: Any = None

    async def _do(self, name: str, *arguments: Any) -> Any:
        self.called.append((name, *arguments))
        told = self.refuses.get(name)
        if isinstance(told, Exception):
            raise told
        return told

    async def accept_media(self, events: Any) -> None:
        self.asked.set()
        await self.inserted_media.wait()
        if "accept_media" in self.refuses:
            events.send(messages.MediaRejectedEvent(reason="long"))
        await self._do("accept_media")

    async def stop_accepting(self) -> Any:
        return await self._do("stop_accepting")

    async def print_pages(self, job: devices.PrintJob, events: Any) -> devices.Printed:
        told = await self._do("print_pages")
        self.jobs.append(job)
        return told or devices.Printed()

    async def control_media(self, actions: Any, unit: Any, events: Any) -> devices.PrinterMediaMoved:
        told = await self._do("control_media", actions, unit)
        return told or devices.PrinterMediaMoved()

    async def read_form(self, fields: tuple[devices.ReadWanted, ...], events: Any) -> tuple[str | None, ...]:
        self.wanted = fields
        await self._do("read_form")
        return self.read

    async def read_image(self, wanted: Any, events: Any) -> Any:
        self.wanted = wanted
        await self._do("read_image")
        return {name: b"picture" for name in wanted if name != "back"}

    async def media_extents(self) -> tuple[int | None, int | None]:
        await self._do("media_extents")
        return 125_000, None

    async def control_passbook(self, action: Any, count: int) -> None:
        await self._do("control_passbook", action, count)


def texts(device: Receipts | Scribe, page: int = 0, side: str = "front") -> list[tuple[int, int, str]]:
    """What was printed last: column, row and text of each piece."""
    items = getattr(device.jobs[-1].pages[page], side)
    return [(*device.cell_of(one.x, one.y), one.text) for one in items if isinstance(one, PrintText)]
