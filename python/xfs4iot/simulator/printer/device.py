"""The operations of the simulated printer: what its hardware does when it is asked to."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec
import trio

from xfs4iot import devices, printing
from xfs4iot.interfaces.forms.printer_failures import saying_more
from xfs4iot.printing import graphics
from xfs4iot.printing.patience import Patience, while_wanted
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import printer as messages
from xfs4iot.simulator import shipped
from xfs4iot.simulator.printer.commands import PrinterCommands
from xfs4iot.simulator.printer.description import PrinterSettings, lacking
from xfs4iot.simulator.printer.documents import Medium, Side
from xfs4iot.simulator.printer.media import PrinterMedia

if TYPE_CHECKING:
    from PIL.Image import Image

    from xfs4iot.printing.canvas import Canvas
    from xfs4iot.simulator.printer.native_pages import NativePages


__all__ = ["SimulatedPrinter"]

_FED = 40
"""Dots of paper from what is printed last to the knife."""


@lru_cache(maxsize=64)
def _of_kind(kind: Any, without: frozenset[str], bins: bool) -> type[Any]:
    """The class of a printer that lacks some operations: what it has not does not exist on the wire."""
    missing = {name: getattr(devices.Printer, name) for name in without}
    bases = (kind, devices.Storage) if bins else (kind,)
    return type(kind.__name__, bases, {"__module__": kind.__module__, **missing})


class SimulatedPrinter(PrinterMedia, PrinterCommands):
    """A printer that can be told what people and bad luck do to it; its settings say which kind it is."""

    def __new__(cls, *arguments: Any, **more: Any) -> Self:
        """Make an object that has the operations that its kind of printer has."""
        given = arguments[1] if len(arguments) > 1 else more.get("options")
        said = {**shipped.settings_of(cls), **dict(given or {})}
        setup = msgspec.convert(said, PrinterSettings, strict=False)
        made: Any = cls
        kind: type[Self] = _of_kind(made, lacking(setup), bool(setup.units))
        return super().__new__(kind, *arguments, **more)

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        """The bins; asked only of a printer that has some."""
        return {
            name: devices.PrinterUnit(
                index=number,
                capacity=one.capacity,
                high_threshold=one.high,
                initial=self.state.bins.get(name, 0),
                serial_number=f"SIM-{name}",
            )
            for number, (name, one) in enumerate(self.setup.units.items(), 1)
        }

    def measure(self, text: str, font: devices.PrintFont) -> int:
        return self.head.measure(text, font)

    def lacks(self, text: str, font: devices.PrintFont) -> str:
        return self.head.lacks(text, font)

    # Printing.

    async def print_pages(self, job: devices.PrintJob, events: Any) -> devices.Printed:
        self.begin()
        self.require_free()
        self.require_supplies()
        # Drawn before anything moves: what cannot be printed wastes no paper. Only one page is kept so.
        await trio.to_thread.run_sync(self.head.require_drawable, job.pages)
        for page in reversed(job.pages):
            canvas = await self._drawn(page, events)
        for number, page in enumerate(job.pages):
            if number:
                try:
                    canvas = await self._drawn(page, events)
                except errors.Canceled:
                    return devices.Printed(pages=number)
            failure = await self._print_page(page, canvas, job.source, number)
            if failure is not None:
                code, length = failure
                at = "jammed" if code == "paperJammed" else None
                return devices.Printed(pages=number, length=length, at=at, failure=self._failed(code))
        if self.setup.type == "journal":
            self._wind_up()
        await self.written()
        return devices.Printed()

    async def _drawn(self, page: devices.PrintPage, events: Any) -> Canvas:
        """A page, drawn unless the client gives it up meanwhile: whoever comes then must not wait for it.

        Raises:
            CommandError, HardwareError: it cannot be printed.
            Canceled: it was given up.
        """
        return await while_wanted(events, self._draw, page, limiter=self._drawing)

    def _draw(self, patience: Patience, page: devices.PrintPage) -> Canvas:
        if page.back:
            self.head.draw(page, "back", patience)
        return self.head.draw(page, patience=patience)

    def _failed(self, code: str) -> errors.CommandError:
        said = {
            "paperJammed": "paper is stuck; see Printer.Reset",
            "paperOut": "there is no paper left; see Simulator.LoadPaper",
            "blackMark": "the black mark was not found",
            "noMSF": "the medium has no magnetic stripe",
            "msfError": "the magnetic stripe could not be written",
            "mediaSize": "the page is larger than the medium",
            "tonerOut": "there is no toner; see Simulator.ReplaceSupply",
            "inkOut": "there is no ink; see Simulator.ReplaceSupply",
        }
        return errors.CommandError(code, said[code])

    async def _print_page(
        self, page: devices.PrintPage, canvas: Canvas, source: str | None, number: int
    ) -> tuple[str, int] | None:
        """Print a page; None if it is whole, else why it is not, and how many µm of it are printed."""
        state = self.state
        if source is None and (roll := self._roll()) is not None:
            source = roll
        if source is None and number and state.medium is not None and state.medium.kind == "sheet":
            # The sheet that was there is full: the others come from the tray.
            source = next(iter(self.setup.sources), None)
        paper = self.setup.sources.get(source) if source is not None else None
        if self.supplies & {"toner", "ink"}:
            try:
                self.require_supplies()
            except errors.CommandError as out:
                return str(out.error_code), 0
        await self.time(0.5)
        jams = self.faults.strikes("paperJams")
        if paper is not None and paper.length is None:
            assert source is not None
            return await self._print_strip(page, canvas, source, jams)
        if source == "park" and state.parked is not None:
            state.medium, state.parked = state.parked, None
        elif paper is not None and source is not None:
            if state.left[source] <= 0:
                return "paperOut", 0
            self._draw_sheet(source)
        medium = state.medium
        if medium is None:
            return "paperOut", 0
        if number and paper is None and not self._turn(medium, 1):
            return "mediaSize", 0
        if (wrong := self._write_stripe(medium, (*page.front, *page.back))) is not None:
            return wrong, 0
        if jams:
            self.jam("paper")
            return "paperJammed", 0
        for side, items in (("front", page.front), ("back", page.back)):
            if items:
                await self.print_on(medium, side, items)  # type: ignore[arg-type]
        self.use_up()
        self.save()
        await self.time(0.5)
        self._show()
        return None

    async def _print_strip(
        self, page: devices.PrintPage, canvas: Canvas, source: str, jams: bool
    ) -> tuple[str, int] | None:
        state = self.state
        if state.medium is not None and state.medium.cut:
            # What is printed next pushes out what was cut and never asked for.
            pushed, state.medium = state.medium, None
            self.deliver([pushed])
        if state.mark_mode and self.faults.strikes("markMissed"):
            return "blackMark", 0
        if page.length is None:
            canvas.reach(canvas.reached + (0 if self.setup.type == "journal" else _FED))
        picture = await trio.to_thread.run_sync(canvas.finished)
        wanted = picture.height // 2 if jams else picture.height
        printed = await self.print_on_roll(source, picture, canvas.words, wanted)
        await self.time(0.5)
        length = round(self.head.in_micrometres(printed))
        if printed < wanted:
            return "paperOut", length
        if jams:
            self.jam("paper")
            return "paperJammed", length
        self.use_up()
        return None

    def _roll(self) -> str | None:
        """The roll whose paper is under the head; None if something else is."""
        medium = self.state.medium
        if medium is not None:
            return medium.source if medium.kind == "roll" else None
        rolls = [name for name, paper in self.setup.sources.items() if paper.length is None]
        return rolls[0] if rolls and self.setup.largest is None else None

    def _draw_sheet(self, source: str) -> None:
        """Draw a blank sheet under the head; the one that was there makes room."""
        state, paper = self.state, self.setup.sources[source]
        if state.medium is not None:
            (state.stacker if self.setup.stacker else state.transport).append(state.medium)
        length = 1 if paper.length is None else paper.length * 1_000
        state.medium = Medium("sheet", paper.width * 1_000, length, [(Side(), Side())])
        state.left[source] -= 1
        self.save()
        self._show()

    def _wind_up(self) -> None:
        """A journal winds up what it has printed: each print is a piece of its own for whoever looks."""
        state = self.state
        if state.medium is not None:
            wound, state.medium = state.medium, None
            self.finish(wound)
            self.save()

    def _write_stripe(self, medium: Medium, items: Iterable[devices.PrintItem]) -> str | None:
        """Write what a page has for the stripe; why that failed."""
        for item in items:
            if isinstance(item, devices.PrintStripe):
                if medium.stripe is None:
                    return "noMSF"
                if self.faults.strikes("stripeUnwritable"):
                    return "msfError"
                medium.stripe = item.data
        return None

    async def print_raw(self, data: bytes, answers: bool, events: Any) -> bytes | None:
        self.begin()
        self.require_free()
        self.require_supplies()
        source = next(iter(self.setup.sources))
        await self.time()
        # Here, and below: each way to print, and reading, is loaded when it is first used.
        from xfs4iot.simulator.printer.raw_work import RawWork

        work = RawWork(self.raw, data)
        out: deque[Medium] = deque(maxlen=_LAST)
        printed = pieces = 0
        try:
            # Piece by piece: what is printed is never more than there is paper.
            while (piece := await while_wanted(events, work.next_piece, leave=False)) is not None:
                dots = await self.print_on_roll(source, piece.piece, piece.words)
                printed += dots
                if dots < piece.piece.height:
                    raise self._failed("paperOut")
                pieces += 1
                if work.is_rest:
                    break
                self.require_exit()
                if self.faults.strikes("cutterFails"):
                    raise self.jam("paper")
                medium, self.state.medium = self.state.medium, None
                if medium is not None:
                    medium.cut = True
                    self.finish(medium)
                    self.put_out([medium])
                    out.append(medium)
                    await self.written()
        except errors.XfsError as wrong:
            length = round(self.head.in_micrometres(printed)) / 1_000
            raise saying_more(
                wrong, f"{length:.1f} mm were printed, with {pieces} pieces that are whole"
            ) from None
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(work.give_up)
            self.expect_taking(list(out))
            self.use_up()
            self.save()
            if self.setup.type == "journal":
                self._wind_up()
            if out:
                events.send(messages.MediaPresentedEvent(wad_index=1, total_wads=1))
            self.media_at(self.place)
        await self.written()
        return bytes(work.answer) if answers else None

    async def print_native(
        self, data: bytes, source: str | None, after_page: tuple[Any, ...], events: Any
    ) -> devices.Printed:
        self.begin()
        self.require_free()
        self.require_supplies()
        from xfs4iot.simulator.printer.native_pages import NativePages

        pages = await while_wanted(events, NativePages, data, limiter=self._drawing)
        for number in range(pages.count):
            at: Any = None
            if number and after_page and not events.cancel_requested:
                moved = await self.carry_out(after_page)
                if moved.failure is not None:
                    return devices.Printed(pages=number, at=moved.at, failure=moved.failure)
                at = moved.at
            try:
                page, canvas = await while_wanted(
                    events, self._native_page, pages, number, source, limiter=self._drawing
                )
            except errors.Canceled as given_up:
                if not number:
                    raise
                return devices.Printed(pages=number, at=at, failure=given_up)
            failure = await self._print_page(page, canvas, source, number)
            if failure is not None:
                code, length = failure
                at = "jammed" if code == "paperJammed" else None
                return devices.Printed(pages=number, length=length, at=at, failure=self._failed(code))
        return devices.Printed()

    def _native_page(
        self, patience: Patience, pages: NativePages, number: int, source: str | None
    ) -> tuple[devices.PrintPage, Canvas]:
        """A page that a picture fills."""
        picture = pages.page(number)
        paper = self.setup.sources.get(source or "")
        medium = self.state.medium
        width, length = 210_000, None
        if paper is not None:
            width = paper.width * 1_000
            length = None if paper.length is None else paper.length * 1_000
        elif medium is not None:
            width, length = medium.width, medium.length
        opened = graphics.opened(picture)
        high = length or max(1, round(width * opened.height / opened.width))
        item = devices.PrintGraphic(
            x=0, y=0, width=width, height=high, data=picture, format="png", scaling="maintainAspect"
        )
        page = devices.PrintPage(width=width, length=length, front=(item,))
        return page, self.head.draw(page, patience=patience)

    async def dispense_paper(self, source: str, events: Any) -> None:
        self.begin()
        self.require_free("paper")
        if source not in self.setup.sources:
            raise errors.CommandError("sourceInvalid", f"there is no source {source[:30]}")
        if self.state.left[source] <= 0:
            raise self._failed("paperOut")
        await self.time()
        if self.faults.strikes("paperJams"):
            raise self.jam("paper")
        if self.setup.sources[source].length is None:
            blank = printing.Canvas(
                max(1, round(self.head.in_dots(self.setup.sources[source].width * 1_000)))
            )
            blank.reach(self.setup.dots)
            await self.print_on_roll(source, blank.finished(), ())
        else:
            self._draw_sheet(source)

    async def supply_replenish(self, supplies: frozenset[Any]) -> None:
        # Levels are measured, so that what somebody only says changes nothing.
        self._show()

    async def set_black_mark_mode(self, on: bool) -> None:
        self.begin()
        self.state.mark_mode = on
        self.save()
        self._show()

    # Reading.

    def _require_lamp(self) -> None:
        if self.setup.lamp and self.state.lamp == "inop":
            raise errors.CommandError("lampInoperative", "the lamp is dead; see Simulator.ReplaceSupply")

    async def read_form(self, fields: tuple[devices.ReadWanted, ...], events: Any) -> tuple[str | None, ...]:
        self.begin()
        self.require_free("media")
        medium = self.require_medium()
        if any(one.kind != "msf" for one in fields):
            self._require_lamp()
        await self.time()
        found: list[str | None] = []
        for one in fields:
            if one.kind == "msf":
                if medium.stripe is None:
                    raise self._failed("noMSF")
                if self.faults.strikes("stripeUnwritable"):
                    raise errors.CommandError("msfError", "the magnetic stripe cannot be read")
                found.append(medium.stripe)
            elif self.faults.strikes("printBlurred"):
                found.append(None)
            else:
                from xfs4iot.simulator.printer.scanning import scanned

                found.append(await trio.to_thread.run_sync(scanned, medium, one, self.head))
        return tuple(found)

    async def read_image(
        self, wanted: Mapping[Any, devices.ImageWanted | None], events: Any
    ) -> Mapping[Any, bytes | None]:
        self.begin()
        self.require_free("media")
        medium = self.require_medium()
        self._require_lamp()
        await self.time()
        found: dict[Any, bytes | None] = {}
        for source, how in wanted.items():
            if how is None or source not in ("front", "back") or self.faults.strikes("printBlurred"):
                found[source] = None
                continue
            found[source] = await trio.to_thread.run_sync(self._scanned, medium, source, how)
        return found

    async def read_codeline(self, form: devices.CodelineFormat, events: Any) -> str | None:
        self.begin()
        self.require_free("media")
        medium = self.require_medium()
        self._require_lamp()
        await self.time()
        front = medium.side("front")
        if front.picture is None or self.faults.strikes("printBlurred"):
            return None
        return await trio.to_thread.run_sync(self._codeline, front, form)

    def _codeline(self, side: Side, form: str) -> str | None:
        from xfs4iot.simulator.printer.codelines import codeline_in

        picture = side.opened()
        return None if picture is None else codeline_in(picture, form, self.head)

    def _scanned(self, medium: Medium, source: Literal["front", "back"], how: devices.ImageWanted) -> bytes:
        size = (
            max(1, round(self.head.in_dots(medium.width))),
            max(1, round(self.head.in_dots(medium.length))),
        )
        return _file(medium.side(source).opened() or printing.Canvas(*size, color=True).finished(), how)

    async def media_extents(self) -> tuple[int | None, int | None]:
        self.begin()
        self.require_free("media")
        medium = self.require_medium()
        await self.time(0.5)
        return medium.width, medium.length


_MODES: Mapping[str, Literal["1", "L", "RGB"]] = {"binary": "1", "grayscale": "L", "fullcolor": "RGB"}
_FORMATS = {"tif": "TIFF", "bmp": "BMP", "jpg": "JPEG", "png": "PNG", "gif": "GIF"}
_LAST = 100
"""Pieces of one PrintRaw that are remembered; the slot holds no more of them."""


def _file(picture: Image, how: devices.ImageWanted) -> bytes:
    file = io.BytesIO()
    image = picture.convert(_MODES[how.color_format])
    # JPEG has no pictures of one bit.
    (image.convert("L") if how.type == "jpg" and image.mode == "1" else image).save(file, _FORMATS[how.type])
    return file.getvalue()
