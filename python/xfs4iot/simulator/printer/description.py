"""What a profile may say about the simulated printer, and what follows for its capabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.printing.barcodes import PRINTED_BARCODES
from xfs4iot.printing.graphics import PRINTED_GRAPHICS
from xfs4iot.simulator.printer.documents import Document

__all__ = ["BinSettings", "PaperSettings", "PrinterSettings", "capabilities_of", "lacking"]

PrinterType = Literal["receipt", "journal", "document", "passbook", "scanner"]
_Length = Annotated[int, Meta(ge=1, le=2_000)]
_MILLIMETRE = 1_000
_ROLLS = ("receipt", "journal")
_TRANSPORTS = ("receipt", "document")
"""Kinds whose transport is a place to retract to."""
_INSERTS = ("document", "passbook", "scanner")
_CONTROLS: dict[str, frozenset[Any]] = {
    "receipt": frozenset(
        {"cut", "partialCut", "eject", "ejectToTransport", "expel", "retract", "skip", "alarm"}
    ),
    "journal": frozenset({"skip", "alarm"}),
    "document": frozenset(
        {"eject", "ejectToTransport", "expel", "retract", "stamp", "perforate", "turnMedia", "rotate180"}
    ),
    "passbook": frozenset({"eject", "retract", "park", "pageForward", "pageBackward"}),
    "scanner": frozenset({"eject", "expel", "retract", "turnMedia"}),
}


@dataclass(frozen=True)
class PaperSettings:
    """The paper of one source: a roll, or a tray of sheets.

    Attributes:
        width: that can be printed on, in mm.
        length: of a sheet, in mm; None for a roll.
        full: of a roll, in mm; of a tray, sheets.
        low: when it counts as low.
    """

    width: _Length = 72
    length: _Length | None = None
    full: Annotated[int, Meta(ge=1, le=1_000_000)] = 80_000
    low: Annotated[int, Meta(ge=0)] = 5_000


@dataclass(frozen=True)
class BinSettings:
    """A bin for what is retracted: retracts it has room for, and when it is high."""

    capacity: Annotated[int, Meta(ge=1)] = 50
    high: Annotated[int, Meta(ge=1)] | None = None


@dataclass(frozen=True, kw_only=True)
class PrinterSettings:
    """What a profile may say of a printer.

    Attributes:
        type: of printer.
        dots: per inch.
        colors: whether it prints colours, and shades.
        columns: characters per inch of its own font.
        language: of PrintRaw.
        paper: by source; a receipt or journal printer has one roll unless it says otherwise.
        inserted: width and length, in mm, of the largest medium that can be inserted.
        unasked: whether a medium is drawn in that nobody has asked for.
        stacker: pieces that are bundled before they are ejected; 0 for none.
        mark: mm from one black mark on the paper to the next; 0 for none.
        units: bins for what is retracted, by name.
        parks: whether a medium can be parked while another one is printed on.
        documents: what people have to insert, by name.
        customer: the one that somebody inserts by himself whenever one is asked for.
        takes_after: seconds after which he takes what comes out.
        auto_retract_period: milliseconds after which what nobody takes is retracted; 0 for never.
        toner, ink: pages that a cartridge lasts; None for a printer that has none.
        lamp: whether it has one for its scanner.
        keep: how many printouts are kept.
    """

    type: PrinterType = "receipt"
    dots: Annotated[int, Meta(ge=60, le=1200)] = 203
    colors: bool = False
    columns: Annotated[int, Meta(ge=1, le=60)] = 17
    language: Literal["escpos", "text"] = "escpos"
    paper: dict[str, PaperSettings] | None = None
    inserted: tuple[_Length, _Length] | None = None
    unasked: bool = False
    stacker: Annotated[int, Meta(ge=0, le=1000)] = 0
    mark: Annotated[int, Meta(ge=0, le=2000)] = 0
    units: dict[str, BinSettings] = field(default_factory=dict)
    parks: bool = False
    documents: dict[str, Document] = field(default_factory=dict)
    customer: str | None = None
    takes_after: Decimal | None = None
    auto_retract_period: Annotated[int, Meta(ge=0)] = 0
    toner: Annotated[int, Meta(ge=1)] | None = None
    ink: Annotated[int, Meta(ge=1)] | None = None
    lamp: bool = False
    keep: Annotated[int, Meta(ge=1, le=100_000)] = 500

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        for name in self.units:
            if not name.startswith("unit") or not name.isalnum():
                yield ("units", name), "names of units are `unit` and then letters or digits"
        for name, paper in (self.paper or {}).items():
            if not name.isalnum() or not name[:1].isalpha() or not name.isascii():
                yield ("paper", name), "names of sources are letters and digits, such as `upper`"
            if paper.low > paper.full:
                yield ("paper", name, "low"), f"{paper.full}, which is full, or less"
        if self.customer is not None and self.customer not in self.documents:
            yield ("customer",), f"name one of the documents: {', '.join(self.documents)}"
        if self.customer is not None and self.type not in _INSERTS:
            yield ("customer",), f"nothing can be inserted into a {self.type} printer"
        if self.takes_after is not None and self.takes_after < 0:
            yield ("takes_after",), "0 or more"

    @property
    def sources(self) -> dict[str, PaperSettings]:
        """The paper of each source."""
        if self.paper is not None:
            return self.paper
        if self.type in _ROLLS:
            return {"upper": PaperSettings()}
        if self.type == "document":
            return {"upper": PaperSettings(width=210, length=297, full=250, low=20)}
        return {}

    @property
    def largest(self) -> tuple[int, int] | None:
        """Width and length, in mm, of what can be inserted; None if nothing can."""
        if self.type not in _INSERTS:
            return None
        return self.inserted or ((125, 180) if self.type == "passbook" else (210, 297))


def lacking(settings: PrinterSettings) -> frozenset[str]:
    """The operations that a printer of this kind does not have."""
    kind = settings.type
    found: set[str] = set()
    if kind in _ROLLS:
        found |= {
            "accept_media",
            "stop_accepting",
            "read_form",
            "read_image",
            "read_codeline",
            "media_extents",
        }
    if kind == "journal" or not (settings.units or kind in _TRANSPORTS):
        found |= {"retract_media"}
    if kind != "passbook":
        found |= {"control_passbook"}
    if kind == "scanner":
        found |= {"print_pages", "print_native", "supply_replenish"}
    if kind not in _ROLLS:
        found |= {"print_raw"}
    if kind == "journal" or not settings.sources:
        found |= {"dispense_paper"}
    if not settings.mark:
        found |= {"set_black_mark_mode"}
    return frozenset(found)


def capabilities_of(settings: PrinterSettings) -> dict[str, Any]:
    """The attributes of the device that follow from its settings."""
    kind = settings.type
    prints, reads = kind != "scanner", kind in _INSERTS
    controls = set(_CONTROLS[kind])
    if settings.stacker:
        controls.add("stack")
    if not settings.units:
        controls.discard("retract")
    if not settings.parks:
        controls.discard("park")
    if not settings.mark:
        controls.discard("skip")
    sources = {
        name: devices.Paper(
            width=paper.width * _MILLIMETRE,
            length=None if paper.length is None else paper.length * _MILLIMETRE,
        )
        for name, paper in settings.sources.items()
    }
    if settings.parks and settings.largest is not None:
        sources["park"] = _paper(settings.largest)
    scans = frozenset({"binary", "grayscale", "full"}) if reads else frozenset()
    return {
        "printer_type": frozenset({kind, "scanner"}) if reads and prints else frozenset({kind}),
        "resolutions": frozenset({"medium" if settings.dots <= 240 else "high"}),
        "paper_sources": sources,
        "inserted": () if settings.largest is None else (_paper(settings.largest),),
        "dots_per_inch": (settings.dots, settings.dots),
        "columns_per_inch": settings.columns,
        "colors": None if settings.colors else frozenset({"black"}),
        "barcodes": PRINTED_BARCODES if prints else frozenset(),
        "graphics": PRINTED_GRAPHICS if prints else frozenset(),
        "writes": frozenset({"text", "ocr", "micr", *(("msf",) if kind == "passbook" else ())})
        if prints
        else frozenset(),
        "reads": frozenset({"ocr", "micr", "barcode", "pageMark", *(("msf",) if kind == "passbook" else ())})
        if reads
        else frozenset(),
        "controls": frozenset(controls),
        "max_media_on_stacker": settings.stacker,
        "multi_page": kind in ("passbook", "document"),
        "print_sides": "dual" if kind in ("document", "passbook") else "single" if prints else None,
        "media_taken_sensor": kind != "journal",
        "media_presented_sensor": kind != "journal",
        "accepts_unasked": reads and settings.unasked,
        "auto_retract_period": settings.auto_retract_period
        if "retract_media" not in lacking(settings)
        else 0,
        "retract_to_transport": kind in _TRANSPORTS,
        "scan_types": frozenset({"tif", "bmp", "jpg", "png", "gif"}) if reads else frozenset(),
        "scan_sources": frozenset({"imageFront", "imageBack"}) if reads else frozenset(),
        "codelines": {"e13b": "abcd?", "cmc7": "abcde?"} if reads else {},
        "front_scan_colors": scans,
        "back_scan_colors": frozenset("grayScale" if one == "grayscale" else one for one in scans),
        "coercivities": frozenset({"auto"}) if kind == "passbook" else frozenset(),
        "passbook_actions": frozenset({"turnForward", "turnBackward", "closeForward", "closeBackward"})
        if kind == "passbook"
        else frozenset(),
        "os_printer": "Pictures: PNG, TIFF, JPEG, BMP, GIF" if prints else None,
        "measures_supplies": True,
        "supplies": frozenset(
            name for name in ("toner", "ink", "lamp") if getattr(settings, name) not in (None, False)
        ),
    }


def _paper(size: tuple[int, int]) -> devices.Paper:
    return devices.Paper(width=size[0] * _MILLIMETRE, length=size[1] * _MILLIMETRE)
