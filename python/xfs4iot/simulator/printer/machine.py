"""The body of the simulated printer: where paper and media really are, its supplies, people at its slot.

Paper from a roll hangs in the print position as soon as something is printed on it, and is a piece of its
own once it is cut or torn off. A sheet or what somebody has inserted lies there until it is moved.
Everything is at one place, also after a restart: under the head, on the stacker, in the transport, in the
slot where people reach it, parked, or in a bin; jammed says that it does not move.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
import trio

from xfs4iot import devices, printing
from xfs4iot.printing.escpos.sensors import Sensors
from xfs4iot.protocol import errors
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.printer.description import PrinterSettings, capabilities_of
from xfs4iot.simulator.printer.documents import Document, Medium, Side, medium_of
from xfs4iot.simulator.printer.drawings import Drawings
from xfs4iot.simulator.printer.faults import FAULTS
from xfs4iot.simulator.printer.printouts import Printouts

if TYPE_CHECKING:
    from PIL.Image import Image

    from xfs4iot.printing.canvas import Words
    from xfs4iot.printing.escpos.interpreter import EscPosInterpreter
    from xfs4iot.printing.pages import Head
    from xfs4iot.printing.plain_text import PlainTextInterpreter

__all__ = ["Offered", "PrinterMachine"]

_MILLIMETRE = 1_000
_LOW_SUPPLY = 10
"""One part in so many of a cartridge is left when it is low."""
_SLOT = 100
"""Pieces that lie in the slot at most; what comes then makes the first ones fall out."""


class Offered(msgspec.Struct):
    """What somebody holds to the slot, and how; the medium is the document as it looks."""

    document: Document
    medium: Medium
    way: str = "right"


class PrinterState(msgspec.Struct):
    """The truth about a printer.

    Attributes:
        left: of each source, µm on its roll or sheets in its tray.
        medium: under the head.
        slot, stacker, transport: what lies there.
        parked: in the parking station.
        bins: retracts in each bin.
        jammed: what is stuck: `paper` or `media`.
        open: the cover.
        toner, ink: pages that are left.
        lamp: of its scanner.
        mark_mode: it looks for black marks.
        operation, place: the last movement, and where it left the medium.
        printed: number of the last piece.
    """

    left: dict[str, int] = {}
    medium: Medium | None = None
    slot: list[Medium] = []
    stacker: list[Medium] = []
    transport: list[Medium] = []
    parked: Medium | None = None
    bins: dict[str, int] = {}
    jammed: str | None = None
    open: bool = False
    toner: int = 0
    ink: int = 0
    lamp: str = "ok"
    mark_mode: bool = False
    operation: int = 0
    place: str = "notPresent"
    printed: int = 0


class PrinterMachine(SimulatedDevice, devices.Printer):
    """What the operations of the simulated printer stand on.

    Attributes:
        setup: what its profile says.
        drawings: what is on its paper.
        came: set when somebody holds something to the slot, or power goes.
    """

    Settings: ClassVar = PrinterSettings
    FAULTS: ClassVar = FAULTS
    service_version = "1.0"

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self.setup = self.configured(PrinterSettings)
        for attribute, value in capabilities_of(self.setup).items():
            setattr(self, attribute, value)
        state = self.world.state
        self.drawings = Drawings(None if state is None else state / f"{name}.paper")
        self._truth = self.world.document(
            name,
            PrinterState(
                left={source: self._full(source) for source in self.setup.sources},
                bins=dict.fromkeys(self.setup.units, 0),
                toner=self.setup.toner or 0,
                ink=self.setup.ink or 0,
            ),
            self.drawings,
        )
        self.drawings.sweep()
        self.printouts = Printouts(None if state is None else state / name, self.setup.keep, self.setup.dots)
        self._timeline: Timeline | None = None
        self._raw: EscPosInterpreter | PlainTextInterpreter | None = None
        self.hand: Offered | None = None
        self.came = trio.Event()
        self.slot_open = False
        self._drawing = trio.CapacityLimiter(1)
        """Of threads that draw: one that was given up may still be at it for a moment."""

    @property
    def state(self) -> PrinterState:
        """The truth; `save` it when it has changed."""
        state: PrinterState = self._truth.state
        return state

    def save(self) -> None:
        """Keep the truth as it is now; small, for what is drawn on paper is in files of its own."""
        self._truth.save()

    async def open(self) -> None:
        await super().open()
        self._show()
        self.media_at(self.place)

    # What its sensors see.

    @property
    def place(self) -> str:
        """Where media are, as `devices.Printer` says it."""
        state = self.state
        if state.jammed is not None:
            return "jammed"
        if state.slot:
            return "entering"
        if state.medium is not None:
            return "present"
        return "stacker" if state.stacker else "transport" if state.transport else "notPresent"

    def _show(self) -> None:
        """Make the status say what is."""
        state, status = self.state, self.status.printer
        if self.faults.active("printerPowerOff"):
            self.status.common.device = "powerOff"
        elif self.faults.active("printerOffline"):
            self.status.common.device = "offline"
        else:
            self.status.common.device = "userError" if state.open else "online"
        for source in self.setup.sources:
            self.paper_is(source, self._supply(source))
        for name in ("toner", "ink"):
            full = getattr(self.setup, name)
            if full is not None:
                left = getattr(state, name)
                setattr(status, name, "out" if not left else "low" if left <= full // _LOW_SUPPLY else "full")
        if self.setup.lamp:
            status.lamp = state.lamp  # type: ignore[assignment]
        if self.setup.mark:
            status.black_mark_mode = "on" if state.mark_mode else "off"
        if self.faults.active("printerPowerOff") or self.faults.active("printerOffline"):
            self.came.set()

    def _full(self, source: str) -> int:
        paper = self.setup.sources[source]
        return paper.full * (_MILLIMETRE if paper.length is None else 1)

    def _supply(self, source: str) -> Any:
        paper, left = self.setup.sources[source], self.state.left.get(source, 0)
        low = paper.low * (_MILLIMETRE if paper.length is None else 1)
        if self.state.jammed == "paper":
            return "jammed"
        return "out" if left <= 0 else "low" if left <= low else "full"

    def sensors(self) -> Sensors:
        """What a printer says of itself that is asked in its own language."""
        source = next(iter(self.setup.sources), None)
        supply = "full" if source is None else self._supply(source)
        return Sensors(
            offline=self.state.open or supply in ("out", "jammed"),
            cover_open=self.state.open,
            paper_out=supply == "out",
            paper_low=supply == "low",
            cutter_failed=self.state.jammed is not None,
        )

    # Movements.

    def begin(self) -> None:
        """An operation begins.

        Raises:
            DeviceNotReady: it cannot.
        """
        if self.faults.active("printerPowerOff") or self.faults.active("printerOffline"):
            raise errors.DeviceNotReady("the printer cannot be reached; see Simulator.ClearFaults")
        if self.state.open:
            raise errors.DeviceNotReady("the printer is open; see Simulator.ClosePrinter")
        self._timeline = Timeline(self.clock)

    def require_free(self, told: Literal["paper", "media"] | None = None) -> None:
        """Raise `paperJammed` or `mediaJammed` if something is stuck.

        Args:
            told: which of them the operation can say, if only one, whatever is stuck.
        """
        stuck = self.state.jammed
        if stuck is not None:
            raise errors.CommandError(f"{told or stuck}Jammed", f"{stuck} is stuck; see Printer.Reset")

    def require_exit(self) -> None:
        """Raise `shutterFail` if the shutter is stuck."""
        if self.faults.active("exitStuck"):
            raise errors.CommandError("shutterFail", "the shutter does not move; see Simulator.ClearFaults")

    async def time(self, part: float = 1.0) -> None:
        """Let a part of a movement's time pass."""
        if self.faults.strikes("printerHangs"):
            await trio.sleep_forever()
        if self.seconds and self._timeline is not None:
            await self._timeline.step(self.seconds * part)
        else:
            await trio.lowlevel.checkpoint()

    def jam(self, what: str) -> errors.CommandError:
        """Something is stuck from now on; how the operation ends."""
        self.state.jammed = what
        self.save()
        self._show()
        self.media_at("jammed")
        return errors.CommandError(f"{what}Jammed", f"{what} is stuck; see Printer.Reset")

    def use_up(self) -> None:
        """A page was printed."""
        state = self.state
        state.toner, state.ink = max(0, state.toner - 1), max(0, state.ink - 1)

    def require_supplies(self) -> None:
        """Raise `tonerOut` or `inkOut` if there is none."""
        for name in ("toner", "ink"):
            if getattr(self.setup, name) is not None and not getattr(self.state, name):
                raise errors.CommandError(f"{name}Out", f"there is no {name}; see Simulator.ReplaceSupply")

    # Printing.

    @property
    def raw(self) -> EscPosInterpreter | PlainTextInterpreter:
        """What understands the bytes of PrintRaw."""
        # Loaded when somebody prints so.
        from xfs4iot.printing.escpos.interpreter import EscPosInterpreter
        from xfs4iot.printing.plain_text import PlainTextInterpreter

        if self._raw is None:
            source = next(iter(self.setup.sources.values()))
            width = max(8, round(self.head.in_dots(source.width * _MILLIMETRE)))
            if self.setup.language == "escpos":
                self._raw = EscPosInterpreter(width, color=self.setup.colors, sensors=self.sensors)
            else:
                dots = self.setup.dots
                cell = round(dots / self.setup.columns), round(dots / self.rows_per_inch)
                self._raw = PlainTextInterpreter(width, cell)
        return self._raw

    @cached_property
    def head(self) -> Head:
        """What it prints with."""
        return printing.Head(self.setup.dots, self.setup.columns, self.rows_per_inch, self.setup.colors)

    async def print_on_roll(
        self, source: str, picture: Image, words: Iterable[Words], most: int | None = None
    ) -> int:
        """Print a picture, or so many dots of it, on paper from a roll, below what hangs from it already.

        Returns:
            How many were printed before the paper was out.
        """
        state = self.state
        before = state.left[source]
        dots = picture.height if most is None else min(most, picture.height)
        printed = min(dots, round(self.head.in_dots(before)))
        if printed:
            await self._print_below(source, picture.crop((0, 0, picture.width, printed)), tuple(words))
        used = round(self.head.in_micrometres(printed))
        # Somebody may have put in another roll meanwhile.
        is_out = printed < dots and state.left[source] == before
        state.left[source] = 0 if is_out else max(0, state.left[source] - used)
        self.save()
        self._show()
        self.media_at(self.place)
        return printed

    async def _print_below(self, source: str, picture: Image, words: tuple[Words, ...]) -> None:
        """Put a picture on the paper that hangs from a roll, or on what somebody has left of it."""
        state = self.state
        while True:
            hanging = state.medium
            if hanging is None:
                width = self.setup.sources[source].width * _MILLIMETRE
                medium = Medium("roll", width, 0, [(Side(), Side())], source=source, cut=False)
            else:
                medium = hanging
            longer = await trio.to_thread.run_sync(self._longer, medium, picture, words)
            if state.medium is not hanging:
                # Torn off meanwhile: this is printed on what comes then.
                continue
            if longer is None:
                # So long a strip falls off by its own weight.
                self.finish(medium)
                state.medium = None
                continue
            front, medium.length = longer
            medium.sides[medium.page] = front, medium.side("back")
            state.medium = medium
            return

    def _longer(self, medium: Medium, picture: Image, words: tuple[Words, ...]) -> tuple[Side, int] | None:
        """The front of a strip, and its length, with a picture below it; None where it gets too long."""
        before = medium.side().opened()
        top = 0 if before is None else before.height
        if top and top + picture.height > printing.LONGEST:
            return None
        whole = printing.Canvas(
            picture.width, min(top + picture.height, printing.LONGEST), color=self.setup.colors
        )
        if before is not None:
            whole.picture(0, 0, before)
        whole.picture(0, top, picture)
        front = Side(medium.side().drawn)
        shown = [one for one in words if one.y < picture.height]
        front.put(whole.finished(), shown, self.drawings, top)
        return front, round(self.head.in_micrometres(top + picture.height))

    async def print_on(
        self, medium: Medium, name: Literal["front", "back"], items: Iterable[devices.PrintItem]
    ) -> None:
        """Print items on a sheet, beside what is on it."""
        await trio.to_thread.run_sync(self._draw_on, medium, name, tuple(items))

    def _draw_on(
        self, medium: Medium, name: Literal["front", "back"], items: tuple[devices.PrintItem, ...]
    ) -> None:
        side = medium.side(name)
        before = side.opened()
        # What was inserted may have colours, whatever the printer prints.
        color = self.setup.colors or medium.kind not in ("roll", "sheet")
        size = (
            max(1, round(self.head.in_dots(medium.width))),
            min(max(1, round(self.head.in_dots(medium.length))), printing.LONGEST),
        )
        canvas = printing.Canvas(*size, color=color)
        if before is not None:
            canvas.picture(0, 0, before)
        self.head.draw_on(canvas, items)
        side.put(canvas.finished(), canvas.words, self.drawings)

    # People at the slot, and where media go.

    async def offered(self, document: Document, way: str = "right") -> Offered:
        """A document as somebody holds it.

        Raises:
            InvalidData: there can be none that looks so.
        """
        medium = await trio.to_thread.run_sync(medium_of, document, self.head, self.drawings)
        return Offered(document, medium, way)

    def hold(self, offered: Offered) -> None:
        """Somebody holds something to the slot: it goes in if the slot is open, or waits until it is."""
        if self.slot_open or not self.setup.unasked:
            self.hand = offered
            self.came.set()
        elif self.state.medium is None and self.state.jammed is None and self.refusal(offered) is None:
            self.state.medium = offered.medium
            self.save()
            self.media_inserted()

    def refusal(self, offered: Offered) -> Any:
        """Why something is handed back; None if it is not."""
        largest = self.setup.largest
        assert largest is not None
        document = offered.document
        if offered.way == "askew":
            return "align"
        if offered.way == "multiple":
            return "multiple"
        if document.width > largest[0] or document.length > largest[1]:
            return "long"
        return "short" if document.length < largest[1] // 4 else None

    def finish(self, medium: Medium) -> None:
        """A piece has left the printer, or is where nobody prints on it any more; `save` it then."""
        self.state.printed += 1
        self.printouts.add(medium, self.state.printed)

    async def written(self) -> None:
        """Wait until there are files of all pieces that are finished."""
        if self.printouts.pending:
            try:
                await trio.to_thread.run_sync(self.printouts.write)
            except OSError as wrong:
                # They are to be looked at; the paper is where it is without them.
                self.log.error("a printout cannot be written: %s; make room for the next ones", wrong)

    def write_soon(self) -> None:
        """Let the files be made meanwhile: nobody waits for them."""
        if self.world.nursery is not None:
            self.world.nursery.start_soon(self.written)

    def deliver(self, media: list[Medium]) -> None:
        """Bring media to the slot, where people reach them."""
        for medium in media:
            self.finish(medium)
        self.put_out(media)
        self.expect_taking(list(media))

    def put_out(self, media: list[Medium]) -> None:
        """Let finished media lie in the slot, where people reach them."""
        slot = self.state.slot
        slot += media
        del slot[: -max(_SLOT, self.setup.stacker)]
        self.save()

    def expect_taking(self, media: list[Medium]) -> None:
        """Somebody comes for what lies in the slot, if the profile says so."""
        if media and self.setup.takes_after is not None and self.world.nursery is not None:
            self.world.later(float(self.setup.takes_after), partial(self._take_if, media))

    def _take_if(self, media: list[Medium]) -> None:
        # They may have been retracted, or taken by hand, since this was scheduled.
        meant = {id(medium) for medium in media}
        if any(id(one) in meant for one in self.state.slot):
            self.take()

    def take(self) -> list[Medium]:
        """Somebody takes what is in the slot, or tears off what hangs out of it.

        Raises:
            SequenceError: there is nothing to take.
        """
        state = self.state
        if state.jammed is not None:
            raise errors.SequenceError("what is in the printer is stuck; see Printer.Reset")
        taken, state.slot = state.slot, []
        hanging = state.medium
        if not taken and hanging is not None and hanging.kind == "roll":
            self.finish(hanging)
            taken, state.medium = [hanging], None
            self.write_soon()
        if not taken:
            raise errors.SequenceError("there is nothing to take")
        self.save()
        self.media_taken()
        if self.place != "notPresent":
            self.media_at(self.place)
        return taken

    def inside(self) -> list[Medium]:
        """Take everything that is in the path, the slot included, out of its places."""
        state = self.state
        found = [*state.stacker, *state.transport, *([] if state.medium is None else [state.medium])]
        for medium in found:
            self.finish(medium)
        found = [*state.slot, *found]
        state.slot, state.stacker, state.transport, state.medium = [], [], [], None
        return found
