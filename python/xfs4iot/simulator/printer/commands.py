"""What people do with the simulated printer, and what can be seen of it: its commands of the `Simulator`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from xfs4iot.protocol import errors
from xfs4iot.simulator.commands import Completion, Count, Milliseconds, Request, command
from xfs4iot.simulator.printer.documents import Document
from xfs4iot.simulator.printer.machine import PrinterMachine
from xfs4iot.simulator.printer.printouts import printout_of

__all__ = ["PrinterCommands"]

_MILLIMETRE = 1_000
Way = Literal["right", "askew", "multiple"]


class InsertDocument(Request):
    """A document that somebody holds to the slot; it is drawn in when one is asked for.

    Attributes:
        document: what it is; in place of that `name`, one of the profile's.
        way: how it is held: `right`, `askew`, or `multiple`: two at once.
        after: milliseconds later.
    """

    document: Document | None = None
    name: str | None = None
    way: Way = "right"
    after: Milliseconds | None = None


class TakePrintouts(Request):
    """Somebody takes what is in the slot, or tears off what hangs out of it."""

    after: Milliseconds | None = None


class PrintoutsTaken(Completion):
    """How many pieces were taken."""

    count: int


class LoadPaper(Request):
    """Somebody puts in new paper.

    Attributes:
        source: where; not needed of a printer with one.
        amount: mm of a roll, or sheets; a full one without it.
    """

    source: str | None = None
    amount: Count | None = None


class ReplaceSupply(Request):
    """Toner, ink or the lamp is replaced, or worn out.

    Attributes:
        supply: which one.
        pages: that it lasts; a new one without it.
        state: of the lamp.
    """

    supply: Literal["toner", "ink", "lamp"] = "toner"
    pages: Count | None = None
    state: Literal["ok", "fading", "inop"] = "ok"


class GetPrintout(Request):
    """Ask for what was printed.

    Attributes:
        number: of the piece; the last one without it.
    """

    number: Count | None = None


class PrintoutShown(Completion):
    """A piece that was printed.

    Attributes:
        number: of the piece, from 1; absent for what is still in the printer.
        picture: its front (PNG).
        pictures: all sides that are not blank, by page and side: `1-front`, `1-back`.
        lines: the texts on it, from top to bottom.
    """

    number: int | None = None
    picture: bytes | None = None
    pictures: dict[str, bytes] = msgspec.field(default_factory=dict)
    lines: list[str] = msgspec.field(default_factory=list)


class ShownTruth(Completion):
    """Where everything is.

    Attributes:
        paper: mm on each roll, or sheets in each tray.
        medium: under the head; absent for none.
        page, stripe: of a passbook there.
        slot, stacker, transport: how many lie there.
        parked: whether one is parked.
        bins: media in each.
        jammed: what is stuck.
        open: the cover.
        printed: pieces so far.
    """

    paper: dict[str, int]
    slot: int
    stacker: int
    transport: int
    parked: bool
    bins: dict[str, int]
    open: bool
    printed: int
    medium: str | None = None
    page: int | None = None
    stripe: str | None = None
    jammed: str | None = None
    toner: int | None = None
    ink: int | None = None
    lamp: str | None = None


class PrinterCommands(PrinterMachine):
    """The printer as people have it before them."""

    @command
    async def insert_document(self, request: InsertDocument) -> None:
        """Somebody holds a document to the slot."""
        if self.setup.largest is None:
            raise errors.InvalidData("nothing can be inserted into this printer; see type in the profile")
        document = request.document
        if document is None:
            name = request.name or next(iter(self.setup.documents), "")
            document = self.setup.documents.get(name)
            if document is None and request.name is None:
                document = Document()
            if document is None:
                known = ", ".join(self.setup.documents) or "none"
                raise errors.InvalidData(f"$.name: {name[:50]!r} is not one of {known}")
        offered = await self.offered(document, request.way)
        if request.after is not None:
            self.world.later(request.after / 1000, lambda: self.hold(offered))
        else:
            self.hold(offered)

    @command
    def take_printouts(self, request: TakePrintouts) -> PrintoutsTaken | None:
        """Somebody takes what has come out."""
        if request.after is not None:
            self.world.later(request.after / 1000, self.take)
            return None
        return PrintoutsTaken(count=len(self.take()))

    @command
    def load_paper(self, request: LoadPaper) -> None:
        """Somebody puts in paper."""
        sources = self.setup.sources
        source = request.source or next(iter(sources), "")
        if source not in sources:
            known = ", ".join(sources) or "none"
            raise errors.InvalidData(f"$.source: {source[:50]!r} is not one of {known}")
        factor = _MILLIMETRE if sources[source].length is None else 1
        full = sources[source].full
        self.state.left[source] = (full if request.amount is None else min(request.amount, full)) * factor
        self.save()
        self._show()

    @command
    def replace_supply(self, request: ReplaceSupply) -> None:
        """Somebody puts in toner or ink, or something wears out."""
        supply, state = request.supply, self.state
        if supply not in self.supplies:
            raise errors.InvalidData(f"$.supply: this printer has no {supply}; see the profile")
        if supply == "lamp":
            state.lamp = request.state
        else:
            full: int = getattr(self.setup, supply)
            setattr(state, supply, full if request.pages is None else min(request.pages, full))
        self.save()
        self._show()

    @command
    def open_printer(self, request: Request) -> None:
        """Somebody opens the cover: everything ends `deviceNotReady`."""
        self._cover(True)

    @command
    def close_printer(self, request: Request) -> None:
        """Somebody closes the cover."""
        self._cover(False)

    def _cover(self, is_open: bool) -> None:
        self.state.open = is_open
        self.save()
        self._show()

    @command
    def empty_bins(self, request: Request) -> PrintoutsTaken:
        """Somebody takes what is in the bins; the printer does not notice."""
        count = sum(self.state.bins.values())
        self.state.bins = dict.fromkeys(self.state.bins, 0)
        self.save()
        return PrintoutsTaken(count=count)

    @command
    def get_printout(self, request: GetPrintout) -> PrintoutShown:
        """What was printed last, be it still in the printer, or an earlier piece."""
        medium = self.state.medium
        if request.number is None and medium is not None and medium.side().picture is not None:
            found = printout_of(medium)
        else:
            kept = self.printouts.find(request.number)
            if kept is None:
                raise errors.SequenceError("nothing of that kind was printed, or it is too long ago")
            found = kept
        return PrintoutShown(
            number=found.number,
            picture=found.pictures.get("1-front"),
            pictures=found.pictures,
            lines=found.lines,
        )

    def shown_truth(self) -> ShownTruth:
        state, sources = self.state, self.setup.sources
        medium = state.medium
        has: Any = self.supplies
        return ShownTruth(
            paper={
                source: left // _MILLIMETRE if sources[source].length is None else left
                for source, left in state.left.items()
            },
            medium=None if medium is None else medium.kind,
            page=medium.page if medium is not None and medium.kind == "passbook" else None,
            stripe=None if medium is None else medium.stripe,
            slot=len(state.slot),
            stacker=len(state.stacker),
            transport=len(state.transport),
            parked=state.parked is not None,
            bins=dict(state.bins),
            jammed=state.jammed,
            open=state.open,
            toner=state.toner if "toner" in has else None,
            ink=state.ink if "ink" in has else None,
            lamp=state.lamp if "lamp" in has else None,
            printed=state.printed,
        )
