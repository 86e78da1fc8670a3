"""What the commands of a printer share: its forms and media, what waits to be printed, and its paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import trio

from xfs4iot import devices
from xfs4iot.devices import MediaAction, Printed, PrintJob, implements
from xfs4iot.interfaces.forms.definitions import Definitions
from xfs4iot.interfaces.forms.media_definitions import Media, sheet_of, sheet_of_paper
from xfs4iot.interfaces.forms.print_buffer import PrintBuffer
from xfs4iot.interfaces.forms.print_geometry import Sheet
from xfs4iot.interfaces.forms.print_media import PrintMedia
from xfs4iot.interfaces.forms.print_supplies import BinThresholds, Thresholds
from xfs4iot.interfaces.forms.printer_failures import as_defined, as_told, failures_of, saying_more
from xfs4iot.interfaces.forms.printer_forms import ready
from xfs4iot.interfaces.forms.printer_values import refused, unprintable_field
from xfs4iot.interfaces.forms.ready_form import Form, ReadyForm
from xfs4iot.protocol import errors
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import printer as messages
from xfs4iot.server.command import Command, Connection
from xfs4iot.server.handler import Interface
from xfs4iot.server.results import require_defined
from xfs4iot.server.service import Service

__all__ = ["PrinterState", "actions_of"]

_Result = TypeVar("_Result")

_ORDER: tuple[tuple[str, MediaAction], ...] = (
    ("alarm", "alarm"),
    ("turn_media", "turnMedia"),
    ("rotate180", "rotate180"),
    ("stamp", "stamp"),
    ("perforate", "perforate"),
    ("skip", "skip"),
    ("cut", "cut"),
    ("partial_cut", "partialCut"),
)
"""What is done with the medium, in this order; pages are turned after the alarm, and a move comes last."""
_MOST_READY = 32
"""Forms that are kept worked out."""
_PAPER_FAILURES: Mapping[str, Any] = {"paperOut": "out", "paperJammed": "jammed"}
_SUPPLY_FAILURES: Mapping[str, tuple[str, Any]] = {
    "tonerOut": ("toner", "out"),
    "inkOut": ("ink", "out"),
    "lampInoperative": ("lamp", "inop"),
}


def actions_of(
    control: messages.MediaControl | messages.MediaControlNullable | None,
) -> tuple[MediaAction, ...]:
    """What a client wants done with the medium, in the order in which it is done; a flush is not of it."""
    if control is None:
        return ()
    actions: list[MediaAction] = [action for name, action in _ORDER if getattr(control, name)]
    turn: MediaAction | None = None
    if control.turn_page is not None:
        turn = "pageForward" if control.turn_page == "forward" else "pageBackward"
        actions.insert(1 if "alarm" in actions else 0, turn)
    if control.move is not None:
        actions.append(control.move)
    return tuple(actions)


class PrinterState(Interface[devices.Printer]):
    """The interface of printers, without its commands.

    Attributes:
        forms, media_definitions: that clients have set.
        buffer: what waits to be printed.
        media: the medium.
        drawn_from: the paper source of what is in the print position, if that is known.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.forms = Definitions(service, "Printer.forms", lambda: messages.SetFormForm)
        self.media_definitions = Definitions(
            service, "Printer.mediaDefinitions", lambda: messages.SetMediaMedia
        )
        self.buffer = PrintBuffer()
        self.media = PrintMedia(service)
        self.drawn_from: str | None = None
        self._accepting = False
        self._paper_before: object = None
        """The levels of paper when the device began what it does."""
        self._takings_before = 0
        self._thresholds: Thresholds | None = None
        self._bins: BinThresholds | None = None
        self._ready: dict[str, tuple[Form, ReadyForm]] = {}

    async def start(self) -> None:
        """Recall forms, media definitions, and where the medium is."""
        self.service.operations.keep_sound(devices.Printer)
        self.forms.start()
        self.media_definitions.start()
        await self.media.start()
        self._thresholds = Thresholds(self.device.status.printer)
        if self.media.units is not None and self.media.storage is not None:
            self._bins = BinThresholds(self.media.units)
            self.media.storage.changed.append(self._bins_changed)

    async def reopened(self) -> None:
        """Settle what could not be settled before."""
        self._ready.clear()
        await self.media.settle()

    def observe(self, event: Payload) -> object:
        """See what the device tells of the medium; one that is waited for was not inserted unasked."""
        if self._accepting and isinstance(event, messages.MediaInsertedUnsolicitedEvent):
            return True
        return self.media.observe(event)

    def status_told(self) -> None:
        """Tell of levels that were crossed."""
        if self._thresholds is not None:
            for event in self._thresholds.crossed(self.device.status.printer):
                self.service.broadcast(event)

    def _bins_changed(self) -> None:
        """Tell clients of older versions of their bins."""
        if self._bins is not None:
            for event in self._bins.crossed():
                self.service.broadcast(event)

    def disconnected(self, connection: Connection) -> None:
        """What nobody is there for is not printed."""
        if not self.service.sessions:
            self.buffer.clear()

    # Definitions.

    async def in_thread(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        """Work something out in the printer's one thread, see `Definitions.in_thread`."""
        return await self.forms.in_thread(work, *arguments)

    async def ready_form(self, name: str) -> ReadyForm:
        """A form that exists, made ready for the device as it is now.

        Raises:
            CommandError: `formInvalid`, it was kept from another version of this software.
        """
        form = self.forms[name]
        known = self._ready.get(name)
        if known is None or known[0] is not form:
            known = (form, await self.in_thread(ready, form, self.device))
            self._ready.pop(name, None)
            while len(self._ready) >= _MOST_READY:
                del self._ready[next(iter(self._ready))]
            self._ready[name] = known
        return known[1]

    def media_named(self, name: str | None) -> Media:
        """A media definition.

        Raises:
            CommandError: `mediaNotFound`.
        """
        if name is None or name not in self.media_definitions:
            raise errors.CommandError("mediaNotFound", "there is no such media; see Printer.GetMediaList")
        return self.media_definitions[name]

    def media_for(self, request: Any) -> Media | None:
        """The media that a request names; None if it names none, or has an empty name.

        Raises:
            CommandError: `mediaNotFound`.
        """
        name = getattr(request, "media_name", None)
        return self.media_named(name) if name else None

    def source_for(self, wanted: str | None, media: Media | None) -> str | None:
        """The paper source to print from; None if the device has none.

        Args:
            wanted: by the client; None or `any` for what the medium says, or one with paper.

        Raises:
            CommandError: `sourceInvalid`.
        """
        sources = self.device.paper_sources
        if wanted is None and media is not None:
            wanted = media.source
        if wanted in (None, "any"):
            paper = self.device.status.printer.paper
            levels = {} if paper is None else paper.to_plain()
            # What is parked is somebody's: it is taken only if it is asked for.
            papers = [name for name in sources if name != "park"]
            filled = [name for name in papers if levels.get(name) not in ("out", "jammed")]
            return next(iter(filled or papers), None)
        if wanted not in sources:
            raise errors.CommandError(
                "sourceInvalid",
                "the device has no such paper source; it has " + (", ".join(sorted(sources)) or "none"),
            )
        return wanted

    def sheet_for(self, media: Media | None, source: str | None) -> Sheet | None:
        """What is printed on; None if neither a definition nor the device says how large it is.

        Args:
            media: that the client has named.
            source: to draw paper from; None if a medium is there already.
        """
        if media is not None:
            return sheet_of(media, self.device)
        source = source or self.drawn_from or self.source_for(None, None)
        if source is not None:
            return sheet_of_paper(self.device.paper_sources[source])
        return sheet_of_paper(self.device.inserted[0]) if self.device.inserted else None

    # The medium.

    async def media_in(self, command: Command[Any], prompt: str | None = None) -> None:
        """Wait for a medium to be inserted, unless one is there.

        The wait can be given up, but not a medium that has come in: the command goes on with it then.
        """
        if self.media.is_present or not implements(self.device, "accept_media"):
            return
        command.send(messages.NoMediaEvent(user_prompt=prompt))
        self._accepting = True
        try:
            await self.service.operations.ask(
                devices.Printer.accept_media, command, rename=failures_of(command.name)
            )
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                is_in = await self._stopped()
            if not is_in:
                raise
        except errors.XfsError as fault:
            self.show_failure(as_told(fault))
            raise
        finally:
            self._accepting = False
        with trio.CancelScope(shield=True):
            await self.media.is_at("present")
        command.send(messages.MediaInsertedEvent())

    async def _stopped(self) -> bool:
        """Close the slot; whether a medium is in nevertheless."""
        if not implements(self.device, "stop_accepting"):
            return self.media.is_present
        try:
            place = await self.ask(devices.Printer.stop_accepting, moving=True)
        except errors.XfsError as fault:
            self.service.log.error("whether the slot is closed is not known: %s", fault)
            return False
        if place is not None:
            await self.media.is_at(place)
        return place == "present"

    async def ask_whole(
        self,
        command: Command[Any],
        operation: Callable[..., Awaitable[_Result]],
        *arguments: Any,
        source: str | None = None,
        believe: Callable[[_Result], None] | None = None,
    ) -> _Result:
        """Let the device do something with the medium, without interruption; its failures are shown.

        Args:
            source: that paper is drawn from; None: of what is there already.
        """
        self._paper_before = self.device.status.printer.paper
        self._takings_before = self.device._media_takings
        try:
            with trio.CancelScope(shield=True):
                result = await self.service.operations.ask(
                    operation, *arguments, moving=True, believe=believe, rename=failures_of(command.name)
                )
        except errors.XfsError as fault:
            self.show_failure(as_told(fault), source)
            raise
        return result

    def show_failure(self, failure: errors.XfsError | None, source: str | None = None) -> None:
        """Let the status say what a failure tells, where the device class has not."""
        code = failure.error_code if isinstance(failure, errors.CommandError) else ""
        status = self.device.status.printer
        if code == "mediaJammed" and status.media not in (None, "jammed"):
            self.device.media_at("jammed")
        elif code in _PAPER_FAILURES:
            level = _PAPER_FAILURES[code]
            paper = status.paper.to_plain() if status.paper is not None else {}
            if status.paper is not self._paper_before and level in paper.values():
                # The device has said itself by now which one it is.
                return
            source = source or self.drawn_from
            if source is None and level not in paper.values():
                # Nobody has said which: one that could have been drawn from.
                source = self.source_for(None, None)
            if source is not None and paper.get(source) != level:
                self.device.paper_is(source, level)
        elif code in _SUPPLY_FAILURES:
            name, level = _SUPPLY_FAILURES[code]
            if getattr(status, name) not in (None, level):
                setattr(status, name, level)

    def bin_for(self, actions: tuple[MediaAction, ...]) -> str | None:
        """The bin for a retract among actions: the first with room.

        Raises:
            CommandError: `retractBinFull`.
        """
        if "retract" not in actions or not self.media.bins:
            return None
        bins = self.media.roomy_bins
        if not bins:
            raise errors.CommandError("retractBinFull", "no retract bin has room; empty one")
        return bins[0]

    async def control(self, command: Command[Any], actions: tuple[MediaAction, ...], done: str = "") -> None:
        """Do what a client wants done with the medium; what waits has been printed.

        Args:
            done: what the command has done before, for whoever reads that this has failed.
        """
        if not actions:
            return
        try:
            await self.media.control(command, actions, self.bin_for(actions))
        except errors.XfsError as fault:
            self.show_failure(as_told(fault))
            raise (saying_more(fault, done) if done else fault) from fault.__cause__

    # Printing.

    def throw_away(self, control: messages.MediaControl | messages.MediaControlNullable | None) -> None:
        """What waits, if an older client, which has no `Printer.ClearBuffer`, says so by a flag."""
        if control is not None and control.clear_buffer:
            self.buffer.clear()

    async def flush(self, command: Command[Any]) -> None:
        """Print what waits."""
        job = self.buffer.job
        if job is not None:
            await self.print_job(job, command)

    async def print_job(self, job: PrintJob, command: Command[Any], prompt: str | None = None) -> None:
        """Print pages on what is in the print position, or on paper that is drawn in, or inserted.

        Raises:
            XfsError: it was not printed, or not all of it.
        """
        source = job.source
        if self.media.is_present:
            source = None
        elif source is None or source == "external":
            await self.media_in(command, prompt)
            source = None if self.media.is_present else source
        job = dataclasses.replace(job, source=source)
        with trio.CancelScope(shield=True):
            try:
                printed = await self.ask_whole(
                    command,
                    devices.Printer.print_pages,
                    job,
                    command,
                    source=source,
                    believe=self.possible_for(command, len(job.pages)),
                )
            except errors.XfsError as fault:
                told = as_told(fault)
                code = told.error_code if isinstance(told, errors.CommandError) else ""
                if code != "charSetData":
                    raise
                wrong = fault
                if command.name == "Printer.PrintForm" and (field := unprintable_field(told)) is not None:
                    wrong = refused(*field, command)
                if not self.buffer.is_empty:
                    # It can never be printed, nor could anything that joined it.
                    self.buffer.clear()
                    wrong = saying_more(wrong, "what waited to be printed is forgotten")
                if wrong is fault:
                    raise
                raise wrong from told
            await self.was_printed(printed, source, command, len(job.pages))

    async def worked_at(self, place: str) -> None:
        """The device has worked on the medium, which is here; unless it was taken meanwhile.

        Then the device has said last where the medium is, or what came behind it.
        """
        if place != "present" or self.device._media_takings == self._takings_before:
            await self.media.is_at(place)

    def possible_for(self, command: Command[Any], pages: int | None) -> Callable[[Printed], None]:
        """What sees that printing can have ended so.

        Args:
            pages: how many there were; None if not known.
        """

        def possible(printed: Printed) -> None:
            self.media.require_possible(printed.at)
            if pages is not None and (printed.pages or 0) > pages:
                raise Mismatch(f"at most {pages}, as many as the job has", repr(printed.pages), "pages")
            if printed.failure is not None:
                require_defined(as_defined(printed.failure, command), command)

        return possible

    async def was_printed(
        self,
        printed: Printed,
        source: str | None,
        command: Command[Any],
        pages: int | None,
    ) -> None:
        """Show how printing has ended.

        Args:
            pages: how many there were; None if not known.

        Raises:
            XfsError: it failed; says how much was printed.
        """
        failure = printed.failure
        if printed.pages or printed.length or (failure is None and printed.pages is None):
            # Some of it is on paper: it must not be printed again.
            self.buffer.clear()
            self.drawn_from = source or self.drawn_from
            await self.worked_at(printed.at or "present")
            self.media.await_taking()
        elif printed.at is not None:
            await self.media.is_at(printed.at)
        # Where nobody knows how many there are, only a client who wants no more ends it before the last.
        whole = not command.cancel_requested if pages is None else (printed.pages or 0) >= pages
        if failure is None and printed.pages is not None and not whole:
            said = _how_far(printed, pages)
            # A device may stop early when it is asked to.
            stopped = errors.Canceled if command.cancel_requested else errors.HardwareError
            raise stopped(said)
        if failure is None:
            return
        self.show_failure(failure, source)
        raise saying_more(as_defined(failure, command), _how_far(printed, pages))


def _how_far(printed: Printed, pages: int | None) -> str:
    """How much was printed before a failure."""
    whole = printed.pages or 0
    count = f"{whole} of {pages}" if pages is not None else str(whole)
    far = f"{count} pages were printed whole"
    if printed.length is not None:
        far += f", and {printed.length / 1000:.1f} mm of the next"
    return far
