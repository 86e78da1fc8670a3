"""Printer: what a vendor writes for a device that prints, or reads what is printed.

class MyReceiptPrinter(devices.Printer):
    paper_sources = {"upper": devices.Paper(width=80_000)}
    controls = frozenset({"cut", "eject"})

    async def print_pages(self, job, events):
        for page in job.pages:
            for item in page.front:
                await self.port.write(item.x, item.y, item.text)
        return devices.Printed()

    async def control_media(self, actions, unit, events):
        await self.port.cut()
        return devices.PrinterMediaMoved()
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from xfs4iot.devices import _printer_told as told
from xfs4iot.devices._device import CommandEvents, Device
from xfs4iot.devices._operation import implements, operation, waits_for_people
from xfs4iot.devices._pages import (
    MICROMETRES_PER_INCH,
    MICROMETRES_PER_POINT,
    GraphicFormat,
    Paper,
    PrintFont,
    PrintJob,
    PrintSymbology,
    columns_of,
)
from xfs4iot.devices._parts import derived
from xfs4iot.devices._printing import (
    Codeline,
    CodelineFormat,
    ImageSource,
    ImageWanted,
    MediaAction,
    MediaPlace,
    MovingPrinterMedia,
    Printed,
    PrinterMediaMoved,
    Range,
    ReadWanted,
    Source,
    Supply,
    Symbols,
    Unit,
    media_status,
)
from xfs4iot.devices.storage import Count
from xfs4iot.protocol import exact
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.messages import printer as messages

__all__ = ["Printer"]


class Printer(
    Device,
    messages=messages,
    capabilities={
        "type": "printer_type",
        "resolution": "resolutions",
        "read_form": "read_form_told",
        "write_form": "write_form_told",
        "control": "control_told",
        "extents": "extents_told",
        "accept_media": "accepts_unasked",
        "paper_sources": "paper_sources_told",
        "media_taken": "media_taken_sensor",
        "media_presented": "media_presented_sensor",
        "image_type": "scan_types",
        "front_image_color_format": "front_scan_colors",
        "back_image_color_format": "back_scan_colors",
        "image_source": "image_sources_told",
        "codeline_format": "codeline_formats_told",
        "control_passbook": "passbook_actions",
        "coercivity_type": "coercivities",
    },
    status={
        "media": "notPresent",
        "paper": told.for_each_source(messages.StatusPaper, "full"),
        "paper_type": told.for_each_source(messages.StatusPaperType, "single"),
        "toner": told.supply("toner", "full"),
        "ink": told.supply("ink", "full"),
        "lamp": told.supply("lamp", "ok"),
        "media_on_stacker": derived(lambda device: 0 if device.max_media_on_stacker else None),
        "black_mark_mode": derived(
            lambda device: "off" if implements(device, "set_black_mark_mode") else None
        ),
    },
    needs=(("print_raw", "print_native", "read_form", "read_image", "print_pages"),),
    in_vain={
        "codelines": ("read_codeline",),
        "scan_types": ("read_image",),
        "scan_sources": ("read_image",),
        "reads": ("read_form",),
        "passbook_actions": ("control_passbook",),
    },
):
    """A device that prints: receipts, a journal, passbooks, documents; or a scanner.

    One with retract bins is a `Storage` besides, and its `units` are `PrinterUnit`s.

    The service lays forms out and hands over pages, holds back what is not to be printed yet, and follows
    where the medium is. The device says what only it can know: `paper_is`, `media_at` in `open` for what its
    sensors see, `media_taken`, and `status.printer` (`toner`, `ink`, `lamp`). Thresholds are told of by
    the service.

    Attributes:
        printer_type: `receipt`, `passbook`, `journal`, `document`, `scanner`.
        resolutions: `low`, `medium`, `high`, `veryHigh`.
        paper_sources: the paper of each source: `upper`, `lower`, `external`, `aux`, `aux2`, `park`, or a
            name of your own.
        inserted: what customers can insert, each with its largest size; see `accept_media`.
        dots_per_inch: of the head, horizontally and vertically.
        columns_per_inch, rows_per_inch: of its own font, and of forms in rows and columns.
        row_column_only: it prints characters in cells, and forms must be in rows and columns.
        fonts: that forms may name; None: any, it takes what is nearest.
        point_sizes, cpi, lpi: the smallest and the largest that forms may name; None: any.
        styles: properties of the standard's style (`bold`, `underline`, `lineSpacing`, ...); None: all.
        colors: names of the standard's colours; None: all, and any mixture.
        characters: all that can be printed; None for any.
        orientations: of forms. Landscape ones are turned by the service.
        barcodes, graphics: kinds that it prints.
        writes, reads: what else it prints, and what it reads.
        controls: what `control_media` can do; `retract` only with bins or `retract_to_transport`.
        max_media_on_stacker: 0 for no stacker.
        multi_page, print_sides, accepts_unasked: see the capabilities `multiPage`, `printSides` and
            `acceptMedia`.
        media_taken_sensor: it calls `media_taken`; without it, what was ejected counts as taken.
        media_presented_sensor: see the capability `mediaPresented`.
        auto_retract_period: milliseconds after which what nobody takes is retracted, by the service with
            `retract_media`; 0: never.
        retracts_by_itself: the device does that on its own, and calls `media_auto_retracted`.
        retract_to_transport: whether the transport is a place to retract to.
        scan_types, scan_sources, front_scan_colors, back_scan_colors, coercivities, passbook_actions,
            os_printer: see the capabilities `imageType`, `imageSource`, `frontImageColorFormat`,
            `backImageColorFormat`, `coercivityType`, `controlPassbook` and `osPrinter`.
        codelines: what `read_codeline` reads, for clients of 2021-1: by format, the characters that it gives
            for the font's symbols. Of `e13b` five: transit, amount, on us, dash, unreadable; of `cmc7` six:
            S1 to S5, unreadable; of `ocr` none.
        supplies: of `toner`, `ink` and `lamp`, what it has.
        measures_supplies: it measures how much paper, toner and ink there is; else all that
            `SupplyReplenish` names counts as full.
    """

    printer_type: frozenset[Literal["receipt", "passbook", "journal", "document", "scanner"]] = frozenset(
        {"receipt"}
    )
    resolutions: frozenset[Literal["low", "medium", "high", "veryHigh"]] = frozenset({"medium"})
    paper_sources: Mapping[Source, Paper] = {}
    inserted: tuple[Paper, ...] = ()
    dots_per_inch: Range = (203, 203)
    columns_per_inch: Annotated[int, Meta(ge=1, le=600)] = 12
    rows_per_inch: Annotated[int, Meta(ge=1, le=600)] = 6
    row_column_only: bool = False
    fonts: frozenset[str] | None = None
    point_sizes: Range | None = None
    cpi: Range | None = None
    lpi: Range | None = None
    styles: (
        frozenset[
            Literal[
                "bold",
                "italic",
                "underline",
                "width",
                "strike",
                "rotate",
                "characterSpacing",
                "lineSpacing",
                "script",
                "overscore",
                "quality",
                "opaque",
            ]
        ]
        | None
    ) = None
    colors: frozenset[Literal["black", "white", "gray", "red", "blue", "green", "yellow"]] | None = frozenset(
        {"black"}
    )
    characters: str | None = None
    orientations: frozenset[Literal["portrait", "landscape"]] = frozenset({"portrait", "landscape"})
    barcodes: frozenset[PrintSymbology] = frozenset()
    graphics: frozenset[GraphicFormat] = frozenset()
    writes: frozenset[Literal["text", "ocr", "micr", "msf"]] = frozenset({"text"})
    reads: frozenset[Literal["ocr", "micr", "msf", "barcode", "pageMark", "readEmptyLine"]] = frozenset()
    controls: frozenset[MediaAction] = frozenset()
    max_media_on_stacker: Count = 0
    multi_page: bool = False
    print_sides: Literal["single", "dual"] | None = "single"
    accepts_unasked: bool = False
    media_taken_sensor: bool = False
    media_presented_sensor: bool = False
    auto_retract_period: Count = 0
    retracts_by_itself: bool = False
    retract_to_transport: bool = False
    scan_types: frozenset[Literal["tif", "wmf", "bmp", "jpg", "png", "gif", "svg"]] = frozenset()
    scan_sources: frozenset[
        Literal["imageFront", "imageBack", "passportDataGroup1", "passportDataGroup2"]
    ] = frozenset()
    front_scan_colors: frozenset[Literal["binary", "grayscale", "full"]] = frozenset()
    back_scan_colors: frozenset[Literal["binary", "grayScale", "full"]] = frozenset()
    codelines: Mapping[CodelineFormat, Symbols] = {}
    coercivities: frozenset[Literal["low", "high", "auto"]] = frozenset()
    passbook_actions: frozenset[Literal["turnForward", "turnBackward", "closeForward", "closeBackward"]] = (
        frozenset()
    )
    extents: frozenset[Literal["horizontal", "vertical"]] = derived(
        lambda device: frozenset({"horizontal", "vertical"} if implements(device, "media_extents") else ())
    )
    os_printer: str | None = None
    supplies: frozenset[Literal["toner", "ink", "lamp"]] = frozenset()
    measures_supplies: bool = False
    read_form_told: messages.CapabilitiesReadForm | None = derived(told.reads)
    write_form_told: messages.CapabilitiesWriteForm = derived(told.writes)
    control_told: messages.CapabilitiesControl = derived(told.controls)
    extents_told: messages.CapabilitiesExtents | None = derived(
        lambda device: flags(messages.CapabilitiesExtents, device.extents) if device.extents else None
    )
    codeline_formats_told: messages.CapabilitiesCodelineFormat | None = derived(told.codeline_formats)
    image_sources_told: messages.CapabilitiesImageSource | None = derived(told.image_sources)
    paper_sources_told: messages.CapabilitiesPaperSources | None = derived(
        lambda device: (
            flags(messages.CapabilitiesPaperSources, device.paper_sources) if device.paper_sources else None
        )
    )

    _media_sightings: int = 0
    """How often the device has told where the medium is."""
    _media_takings: int = 0
    """How often a medium was taken, so that the service sees one that is taken while it still moves."""

    def paper_is(self, source: str, supply: Supply) -> None:
        """Tell how much paper a source has: `full`, `low`, `out`, `jammed`, `unknown`."""
        status = self.status.printer
        paper = messages.StatusPaper() if status.paper is None else status.paper
        # A new object: only setting the attribute itself is noticed.
        status.paper = messages.StatusPaper.of({**paper.to_plain(), source: supply})

    def media_at(self, place: MediaPlace) -> None:
        """Tell where the medium is, as the sensors see it."""
        self._media_sightings += 1
        status = self.status.printer
        now = media_status(place)
        if status.media is not None and status.media != now:
            status.media = now

    def media_taken(self) -> None:
        """Tell that the medium was taken from the slot: sends `MediaTakenEvent`."""
        self._media_takings += 1
        self.media_at("notPresent")
        self.send(messages.MediaTakenEvent())

    def media_inserted(self) -> None:
        """Tell that a medium was inserted unasked: sends `MediaInsertedUnsolicitedEvent`."""
        self.media_at("present")
        self.send(messages.MediaInsertedUnsolicitedEvent())

    def media_presented(self, wad: int, wads: int = 0) -> None:
        """Tell that the next bundle is presented: sends `MediaPresentedUnsolicitedEvent`.

        Args:
            wad: its number, from 1.
            wads: how many there are; 0 if not known.
        """
        self.media_at("entering")
        self.send(messages.MediaPresentedUnsolicitedEvent(wad_index=wad, total_wads=wads))

    def media_detected(self, place: MediaPlace) -> None:
        """Tell that a medium was found where none was known of: sends `MediaDetectedEvent`."""
        self.media_at(place)
        self.send(messages.MediaDetectedEvent(position=place))

    def media_auto_retracted(self, result: str) -> None:
        """Tell that the device itself has retracted what nobody took: sends `MediaAutoRetractedEvent`.

        Args:
            result: `transport`, `jammed`, or the bin, in which it is counted before clients are told.
        """
        self.media_at(result)
        self.send(messages.MediaAutoRetractedEvent(result=result))

    def cell_of(self, x: int, y: int) -> tuple[int, int]:
        """The column and row, from 0, of a place on a page; for printers that have no others."""
        inch = MICROMETRES_PER_INCH
        return (
            (2 * x * self.columns_per_inch + inch) // (2 * inch),
            (2 * y * self.rows_per_inch + inch) // (2 * inch),
        )

    def measure(self, text: str, font: PrintFont) -> int:
        """How wide a text is, in µm; asked while a form is laid out, so it must be quick.

        As `text_height` and `lacks`, it is called in a thread, one form at a time.

        By default all characters have the width that follows from the font's cpi, from its point size, or
        from `columns_per_inch`; Chinese ones have two, accents none. Override it where widths differ.
        """
        style = font.style
        times = columns_of(text) * style.width
        if font.cpi is None and font.point_size is not None:
            width = int(times * font.point_size * MICROMETRES_PER_POINT * 6 // 10)
        else:
            width = times * MICROMETRES_PER_INCH // (font.cpi or self.columns_per_inch)
        return width * 6 // 10 if style.spacing == "condensed" else width

    def lacks(self, text: str, font: PrintFont) -> str:
        """Characters of a text that the font lacks, for each of which it prints a replacement that is seen.

        The client is warned of the field, and the log names the characters. By default none; see `characters`
        for what is refused.
        """
        return ""

    def text_height(self, font: PrintFont) -> int:
        """How high a line of text is, in µm, without what is between lines.

        By default it follows from the font's point size, from its lpi, or from `rows_per_inch`.
        """
        if font.point_size is not None:
            return int(font.style.height * font.point_size * MICROMETRES_PER_POINT)
        return font.style.height * MICROMETRES_PER_INCH // (font.lpi or self.rows_per_inch)

    @operation
    async def print_pages(
        self, job: PrintJob, events: CommandEvents[messages.MediaPresentedEvent]
    ) -> Printed:
        """`Printer.PrintForm`: print pages, and leave the medium in the print position.

        Never torn out of its work; look at `events.cancel_requested` to stop between pages. What the
        client wants done with the medium comes afterwards, with `control_media`.

        Raises:
            CommandError: nothing was printed: `paperOut`, `paperJammed`, `mediaJammed`, `tonerOut`, `inkOut`,
                `shutterFail`, `blackMark`, `mediaSize`, `mediaSkewed`, `charSetData`, `mediaRetained`,
                `mediaOverflow`, `msfError`, `noMSF`.
            UnprintableItem: nothing was printed, for this cannot be.
        """
        raise NotImplementedError

    @operation
    async def print_raw(
        self, data: bytes, answers: bool, events: CommandEvents[messages.MediaPresentedEvent]
    ) -> bytes | None:
        """`Printer.PrintRaw`: send bytes to the printer as they are, and return its answer.

        Never torn out of its work; look at `events.cancel_requested` to stop where nothing is left half
        printed, and raise `Canceled` with what was printed.

        Args:
            data: the bytes.
            answers: whether the client waits for an answer.

        Raises:
            CommandError: `shutterFail`, `mediaJammed`, `paperJammed`, `paperOut`, `tonerOut`,
                `mediaRetained`, `blackMark`, `mediaRetracted`.
        """
        raise NotImplementedError

    @operation
    async def print_native(
        self,
        data: bytes,
        source: str | None,
        after_page: tuple[MediaAction, ...],
        events: MovingPrinterMedia,
    ) -> Printed:
        """`Printer.PrintNative`: print a job of the operating system's printer, as `os_printer` names it.

        Never torn out of its work; look at `events.cancel_requested` to stop between pages, and say with
        `Printed.pages` how many were printed.

        Args:
            data: the job.
            source: of paper; None: the medium is in the print position already.
            after_page: what is done with the medium after each page but the last; for the last,
                `control_media` is called.

        Raises:
            CommandError: as `print_pages`.
        """
        raise NotImplementedError

    @waits_for_people
    @operation
    async def accept_media(self, events: CommandEvents[messages.MediaRejectedEvent]) -> None:
        """Wait until a medium is inserted, and draw it to the print position.

        The service has sent `NoMediaEvent`, and sends `MediaInsertedEvent` when this returns. Cancelled
        when the client gives up or its time is over: let `stop_accepting` close the slot. For a medium
        that cannot be taken send `MediaRejectedEvent` with the reason, hand it back, and raise.

        Raises:
            CommandError: `mediaRejected`, `mediaJammed`, `shutterFail`, `mediaSize`, `mediaSkewed`.
        """
        raise NotImplementedError

    @operation
    async def stop_accepting(self) -> MediaPlace | None:
        """Close the slot after `accept_media` was cancelled.

        Returns:
            Where a medium is that had come in; None for none.
        """
        raise NotImplementedError

    @operation
    async def read_form(
        self, fields: tuple[ReadWanted, ...], events: CommandEvents[Any]
    ) -> Annotated[tuple[Annotated[str, exact.Secret] | None, ...], exact.Secret]:
        """`Printer.ReadForm`: read fields of the medium in the print position.

        Returns:
            The value of each of `fields`; of a graphic, base64. None for one that cannot be read.

        Raises:
            CommandError: `mediaJammed`, `lampInoperative`, `mediaSize`, `mediaSkewed`, `msfError`, `noMSF`,
                `shutterFail`, `inkOut`.
        """
        raise NotImplementedError

    @operation
    async def read_image(
        self, wanted: Mapping[ImageSource, ImageWanted | None], events: CommandEvents[Any]
    ) -> Mapping[ImageSource, Annotated[bytes, exact.Secret] | None]:
        """`Printer.ReadImage`: take images of the medium in the print position.

        Args:
            wanted: how each side is wanted; None for a passport's data group, which is read from its chip.

        Returns:
            A file for each; None for what is missing.

        Raises:
            CommandError: `mediaJammed`, `lampInoperative`, `mediaSize`, `shutterFail`.
        """
        raise NotImplementedError

    @operation
    async def read_codeline(
        self, form: CodelineFormat, events: CommandEvents[Any]
    ) -> Annotated[Codeline, exact.Secret] | None:
        """`Printer.ReadImage` of 2021-1: read the code line of the medium in the print position.

        Of a class that has `read_image` as well, which is called before if images are wanted too.

        Args:
            form: one of `codelines`.

        Returns:
            Digits, spaces and the characters of `codelines`; of CMC7 also capitals, of `ocr` any text. None
            if there is no code line of this format.

        Raises:
            CommandError: `mediaJammed`, `lampInoperative`, `mediaSize`, `shutterFail`.
        """
        raise NotImplementedError

    @operation
    async def media_extents(self) -> tuple[Count | None, Count | None]:
        """`Printer.MediaExtents`: width and height of the medium in the print position, in µm.

        None for one that it cannot measure.

        Raises:
            CommandError: `mediaJammed`, `lampInoperative`, `mediaSize`.
        """
        raise NotImplementedError

    @operation
    async def control_media(
        self, actions: tuple[MediaAction, ...], unit: Unit | None, events: MovingPrinterMedia
    ) -> PrinterMediaMoved:
        """`Printer.ControlMedia`: do all of this with the medium, in this order.

        `eject` ends when the medium is at the slot, not when it is taken. Never torn out of its work. The
        service sends `MediaPresentedEvent`, unless this sends it for each bundle of several.

        Args:
            actions: each of `controls`.
            unit: the bin, for `retract`.

        Raises:
            CommandError: nothing was done: `noMediaPresent`, `shutterFail`, `mediaJammed`, `paperJammed`,
                `pageTurnFail`, `mediaTurnFail`, `blackMark`, `retractBinFull`, `stackerFull`,
                `mediaRetained`, `sequenceInvalid`, `paperOut`, `inkOut`, `tonerOut`, `flushFail`.
        """
        raise NotImplementedError

    @operation
    async def dispense_paper(self, source: str, events: CommandEvents[messages.MediaPresentedEvent]) -> None:
        """`Printer.DispensePaper`: draw a blank sheet from `source` to the print position.

        Raises:
            CommandError: `paperJammed`, `paperOut`, `sourceInvalid`.
        """
        raise NotImplementedError

    @operation
    async def retract_media(self, to: str, events: MovingPrinterMedia) -> PrinterMediaMoved:
        """`Printer.RetractMedia`: take back what nobody has taken, `to` a bin or the `transport`.

        The command is offered by a device that has retract bins, or the transport for it.

        Raises:
            CommandError: `noMediaPresent`, `retractBinFull`, `mediaJammed`.
        """
        raise NotImplementedError

    @operation
    async def reset(self, to: str | None, events: MovingPrinterMedia) -> PrinterMediaMoved:
        """`Printer.Reset`: make the device ready again, and bring a medium that is found in it `to` a place.

        Args:
            to: `eject`, `expel`, or a bin; None: as the device thinks best.

        Raises:
            CommandError: `shutterFail`, `retractBinFull`, `mediaJammed`, `paperJammed`.
        """
        raise NotImplementedError

    @operation
    async def recall_media(self, operation: int) -> MediaPlace | None:
        """Where the movement of this number has left the medium; None if the device has not begun it.

        Asked after a crash. Without it, the bin's count is marked as inaccurate.
        """
        raise NotImplementedError

    @operation
    async def supply_replenish(
        self,
        supplies: frozenset[Literal["upper", "lower", "aux", "aux2", "toner", "ink", "lamp"]],
    ) -> None:
        """`Printer.SupplyReplenish`: learn that supplies were refilled; see `measures_supplies`."""

    @operation
    async def set_black_mark_mode(self, on: bool) -> None:
        """`Printer.SetBlackMarkMode`: look for black marks on the paper, or do not."""

    @operation
    async def control_passbook(
        self, action: Literal["forward", "backward", "closeForward", "closeBackward"], count: int
    ) -> None:
        """`Printer.ControlPassbook`: turn so many pages, or close the passbook.

        Raises:
            CommandError: `noMediaPresent`, `pageTurnFail`, `mediaJammed`, `passbookClosed`,
                `lastOrFirstPageReached`, `mediaSize`.
        """
        raise NotImplementedError
