"""The medium of a printer: where it is, how it is moved, and what is booked of it.

A device has one medium on its way at a time. Where it is outlives a restart: a receipt that waits in the
slot is known after power was lost, unless the device's sensors say otherwise. Every movement is a transaction
of `storage/movements`; a retract counts one in the bin, wherever it came from: RetractMedia, ControlMedia,
Reset, or nobody having taken the medium in time.

    present ──eject──> entering ──taken──> notPresent
       │                  └──RetractMedia, or the time is over──> retracted, or present in the transport
       ├──expel, park──> notPresent
       └──retract──> retracted

The customer may be faster than the device's answer: that the medium was taken is told after that it was
presented.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import MediaAction, PrinterMediaMoved, implements
from xfs4iot.devices._printing import media_status
from xfs4iot.interfaces.forms.printer_failures import as_defined, as_told, failures_of
from xfs4iot.interfaces.storage.movements import Booking, Found, Movements, Moving
from xfs4iot.interfaces.storage.printer import PrinterUnits
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.ledger import Document, Intent
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import printer as messages
from xfs4iot.server.command import Command
from xfs4iot.server.results import require_defined
from xfs4iot.server.service import Service

__all__ = ["CONTROL", "RESET", "RETRACT", "PrintMedia"]

CONTROL, RETRACT, RESET = "printerControl", "printerRetract", "printerReset"
"""Kinds of movements in the journal."""

_TARGETS: Mapping[str, str] = {
    "eject": "entering",
    "ejectToTransport": "transport",
    "expel": "expelled",
    "park": "parked",
    "stack": "stacker",
}
_FROM_HEAD = frozenset({"parked", "stacker"})
"""Places to which only what is under the head is brought."""
_TOLD: Mapping[str, str] = {"transport": "present", "stacker": "present"}
"""Places that MediaDetectedEvent has other words for."""


class Kept(msgspec.Struct):
    """Where the medium is, over a restart."""

    place: str = "notPresent"


_KEPT = Document("Printer.media", Kept)


@dataclass(frozen=True)
class Moved:
    """Where a movement has left the medium.

    Attributes:
        place: where it is.
        bin: the retract bin that it came into with this movement.
    """

    place: str
    bin: str | None = None


class PrintMedia:
    """The medium of one service's printer.

    Attributes:
        units: the retract bins; None if it has none.
        storage: of the service; None if it has none.
        turn: held by whoever does something with the medium.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.storage = service.interface(Storage) if Storage.name in service.interfaces else None
        self.units = self.storage.kind(PrinterUnits) if self.storage is not None else None
        self.turn = trio.Lock()
        self._kept = Kept()
        self._held: list[Payload] | None = None
        """Events of the device that wait until its answer is there; None while nothing moves."""
        self._sightings = 0
        self._shown = 0
        """How often the device had told where the medium is when the service itself said it last."""
        self._movements: Movements[Moved] = Movements(
            service,
            self.storage,
            (CONTROL, RETRACT, RESET),
            book=self._booking,
            find=self._found,
            lost=self._lost,
        )

    @property
    def device(self) -> devices.Printer:
        """The printer."""
        found: devices.Printer = self.service.device  # type: ignore[assignment]
        return found

    @property
    def is_present(self) -> bool:
        """Whether a medium is in the print position."""
        media = self.device.status.printer.media
        return media == "present" and self._kept.place not in ("stacker", "transport")

    @property
    def is_somewhere(self) -> bool:
        """Whether there is a medium, as far as is known."""
        return self.device.status.printer.media not in ("notPresent", "retracted")

    @property
    def bins(self) -> list[str]:
        """All retract bins."""
        return [] if self.units is None else list(self.units.units)

    def named(self, place: str | None) -> str | None:
        """A place as the device names it: older clients name a bin by its index, as in `unit1`."""
        if place is None or self.units is None or place in self.units.units:
            return place
        number = place.removeprefix("unit")
        return next((name for name, unit in self.units.units.items() if str(unit.index) == number), place)

    @property
    def roomy_bins(self) -> list[str]:
        """The bins that take another retract; none while they are exchanged."""
        if self.units is None or self.storage is None or self.storage.exchange_active:
            return []
        return self.units.with_room()

    async def start(self) -> None:
        """Recall where the medium is, and settle what a crash left open."""
        self._kept = _KEPT.of(self.service.ledger) or self._kept
        status = self.device.status.printer
        # What the device itself has said in `open` is newer.
        if not self.device._media_sightings and status.media == "notPresent":
            self._show(self._kept.place)
        await self._movements.settle()
        if status.media == "entering":
            self.await_taking()

    async def settle(self) -> None:
        """Settle what a crash left open, if the device answers already."""
        await self._movements.settle()

    def _show(self, place: str) -> None:
        if self.device.status.printer.media is not None:
            self.device.media_at(place)
            self._shown = self.device._media_sightings

    async def is_at(self, place: str) -> None:
        """The medium is here now; kept over a restart."""
        self._show(place)
        await self._keep(place)

    async def _keep(self, place: str) -> None:
        if self._kept.place != place:
            await self.service.ledger.put_document(_KEPT.name, wire.encode(Kept(place)))
            self._kept = Kept(place)

    # What the device tells by itself.

    def observe(self, event: Payload) -> bool:
        """See what the device tells; True holds an event back until what it tells is booked, or is next."""
        if isinstance(event, messages.MediaAutoRetractedEvent):
            self.service.nursery.start_soon(self._retracted_itself, event)
            return True
        if isinstance(event, messages.MediaTakenEvent):
            if self._held is not None:
                self._held.append(event)
                return True
            self.service.nursery.start_soon(self._keep_quietly, "notPresent")
        elif isinstance(event, messages.MediaInsertedUnsolicitedEvent):
            self.service.nursery.start_soon(self._keep_quietly, "present")
        elif isinstance(event, messages.MediaPresentedUnsolicitedEvent):
            self.service.nursery.start_soon(self._keep_quietly, "entering")
            self.await_taking()
        return False

    async def _keep_quietly(self, place: str) -> None:
        try:
            await self._keep(place)
        except errors.XfsError as fault:
            self.service.log.error("where the medium is is not kept: %s", fault)

    async def _retracted_itself(self, event: messages.MediaAutoRetractedEvent) -> None:
        place = event.result or "unknown"
        try:
            # Clients are told even if this fails: the medium has moved either way.
            await self._movements.record(RETRACT, self._moved_to(place))
        except errors.XfsError as fault:
            self.service.log.error("what the printer has retracted by itself is not booked: %s", fault)
        self.service.broadcast(event)

    # Movements.

    def _moved_to(self, place: str) -> Moved:
        if place == "entering" and not self.device.media_taken_sensor:
            # Nobody will say when it is taken.
            place = "notPresent"
        return Moved(place, place if place in self.bins else None)

    def _booking(self, detail: Mapping[str, Any], moved: Moved) -> Booking:
        postings = self.units.retracted(moved.bin) if self.units is not None and moved.bin else ()
        kept = Kept(moved.place)
        return Booking(postings, {_KEPT.name: wire.encode(kept)}, partial(setattr, self, "_kept", kept))

    async def _found(self, intent: Intent) -> Found[Moved]:
        """Where an interrupted movement has left the medium."""
        place = self.device.status.printer.media or "unknown"
        if implements(self.device, "recall_media"):
            recalled = await self.service.operations.ask(
                devices.Printer.recall_media, intent.id, believe=self.require_possible
            )
            if recalled is None:
                return Found(Moved(self._kept.place), True, "it had not begun")
            self._show(recalled)
            return Found(self._moved_to(recalled), True, f"the medium is {recalled}, as the device recalls")
        # Nothing but the service itself has said where the medium is.
        if self.device._media_sightings == self._shown:
            place = "unknown"
            self._show(place)
        # Without a bin that it may have come into, the place is all there is to know.
        certain = not intent.detail.get("units")
        return Found(Moved(place), certain, f"the medium is {place}, as far as the device can tell")

    def _lost(self) -> None:
        """The device class has failed; only its sensors can have told where the medium is."""
        if self.device._media_sightings == self._sightings:
            self._show("unknown")

    def require_possible(self, place: str | None) -> None:
        """See that a medium can have come to a place.

        Raises:
            Mismatch: there is no such bin.
        """
        if place is not None and place.startswith("unit") and place not in self.bins:
            raise Mismatch("a retract bin, such as units() names", repr(place), "at")

    def _possible_for(self, command: Command[Any] | None) -> Callable[[PrinterMediaMoved], None]:
        """What sees that a movement can have ended so."""

        def possible(result: PrinterMediaMoved) -> None:
            self.require_possible(result.at)
            if result.failure is not None:
                require_defined(as_defined(result.failure, command), command)

        return possible

    async def _carried_out(
        self,
        command: Command[Any] | None,
        kind: str,
        planned: str,
        units: Iterable[str],
        ask: Callable[[Moving], Awaitable[PrinterMediaMoved]],
        nothing: str,
    ) -> tuple[PrinterMediaMoved, str]:
        """Let the device move the medium, book it, and show it.

        Args:
            planned: where it is to go.
            units: the bins in which it may end.
            nothing: where it is if the device says of no place.

        Returns:
            What the device says, and where the medium is.
        """
        before, can_be_gone = self._place, self._is_looked_at(planned)
        takings, self._sightings = self.device._media_takings, self.device._media_sightings

        def reached(result: PrinterMediaMoved) -> str:
            if result.failure is None or result.at is not None:
                return result.at or nothing
            return "notPresent" if can_be_gone and _finds_nothing(result.failure) else before

        def moved(result: PrinterMediaMoved) -> Moved:
            return self._moved_to(reached(result))

        try:
            result = await self._movements.carry_out(
                command, kind, self._moved_to(planned), {"to": planned, "units": list(units)}, ask, moved
            )
        except errors.XfsError as fault:
            if can_be_gone and _finds_nothing(as_told(fault)):
                await self.is_at("notPresent")
            raise
        place = moved(result).place
        if self.device._media_takings != takings and place in ("entering", "present"):
            place = "notPresent"
        if (
            result.failure is None
            or result.at is not None
            or (can_be_gone and _finds_nothing(result.failure))
        ):
            self._show(place)
            await self._keep_quietly(place)
        return result, reached(result)

    def _is_looked_at(self, planned: str) -> bool:
        """Whether a device that finds nothing to bring to a place has looked where the medium is.

        What is on the stacker, or in the slot, is not always what it has looked for.
        """
        back = planned == "transport" or planned in self.bins
        looked_at = {"present", "entering"} if back else {"present"}
        return planned not in _FROM_HEAD and self._kept.place in looked_at and self._place in looked_at

    @property
    def _place(self) -> str:
        """Where the medium is: as it is kept, unless the status, set by the device, says otherwise."""
        shown = self.device.status.printer.media
        kept = self._kept.place
        return kept if shown in (None, media_status(kept)) else shown

    @contextmanager
    def _holding_back(self) -> Iterator[None]:
        """Let what the device tells meanwhile wait for its answer, and be sent behind it."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held or [], None
            for event in held:
                self.service.broadcast(event)

    async def control(
        self, command: Command[Any], actions: tuple[MediaAction, ...], unit: str | None
    ) -> None:
        """Do something with the medium; the client is told if it is presented by it.

        Args:
            actions: in the order in which they are done.
            unit: the bin, for a retract.

        Raises:
            XfsError: it failed.
        """
        move = next((one for one in actions if one in _TARGETS or one == "retract"), None)
        presented = _Presented(command)

        async def ask(moving: Moving) -> PrinterMediaMoved:
            presented.operation = moving.operation
            return await self.service.operations.ask(
                devices.Printer.control_media,
                actions,
                unit,
                presented,
                moving=True,
                believe=self._possible_for(command),
                rename=failures_of(command.name),
            )

        with trio.CancelScope(shield=True), self._holding_back():
            if move is None:
                result = await ask(Moving(command, 0))
                place = result.at or self._after(actions)
                if result.at is not None or (result.failure is None and actions != ("alarm",)):
                    await self.is_at(place)
            else:
                target = (unit or "transport") if move == "retract" else _TARGETS[move]
                result, place = await self._carried_out(
                    command, CONTROL, target, [unit] if unit is not None else [], ask, target
                )
            self._count_stack(actions, result)
            if result.failure is not None:
                raise as_defined(result.failure, command)
            if move == "eject" and place == "entering" and not presented.told:
                command.send(messages.MediaPresentedEvent(wad_index=1, total_wads=1))
        self.await_taking()

    def _after(self, actions: tuple[MediaAction, ...]) -> str:
        """Where the medium is after actions that are no moves."""
        if "cut" not in actions:
            return "present"
        if self.device.max_media_on_stacker:
            return "stacker"
        # What a printer cuts off that cannot present it is in the customer's hand.
        return "present" if "eject" in self.device.controls else "notPresent"

    def _count_stack(self, actions: tuple[MediaAction, ...], result: PrinterMediaMoved) -> None:
        """Keep `mediaOnStacker`: what is cut falls on the stacker, and leaves it as one bundle."""
        status = self.device.status.printer
        if status.media_on_stacker is None:
            return
        if result.on_stacker is not None:
            status.media_on_stacker = result.on_stacker
        elif result.failure is None:
            count = status.media_on_stacker + ("cut" in actions) + ("stack" in actions)
            emptied = {"eject", "expel", "retract", "ejectToTransport"} & set(actions)
            status.media_on_stacker = 0 if emptied else count

    async def retract(self, command: Command[Any] | None, to: str) -> PrinterMediaMoved:
        """Take back what was not taken; a failure in the result is not raised.

        Raises:
            XfsError: nothing has moved.
        """

        async def ask(moving: Moving) -> PrinterMediaMoved:
            return await self.service.operations.ask(
                devices.Printer.retract_media,
                to,
                moving,
                moving=True,
                believe=self._possible_for(command),
                rename=failures_of(command.name) if command is not None else None,
            )

        with trio.CancelScope(shield=True), self._holding_back():
            result, _ = await self._carried_out(
                command, RETRACT, to, [to] if to in self.bins else [], ask, to
            )
            self._count_stack(("retract",), result)
        return result

    async def reset(self, command: Command[Any], to: str | None) -> PrinterMediaMoved:
        """Make the device ready, and bring what is found somewhere; a failure is not raised."""
        presented = _Presented(command)

        async def ask(moving: Moving) -> PrinterMediaMoved:
            presented.operation = moving.operation
            return await self.service.operations.ask(
                devices.Printer.reset,
                to,
                presented,
                moving=True,
                believe=self._possible_for(command),
                rename=failures_of(command.name),
            )

        planned = {"eject": "entering", "expel": "expelled"}.get(to or "", to or "notPresent")
        # Without a place that was asked for the device chooses: all bins are in doubt until it is booked.
        units = [to] if to in self.bins else [] if to is not None else self.bins
        with trio.CancelScope(shield=True), self._holding_back():
            result, place = await self._carried_out(command, RESET, planned, units, ask, "notPresent")
            if result.failure is None:
                self._count_stack(("expel",), result)
            if result.at == "entering" and not presented.told:
                command.send(messages.MediaPresentedEvent(wad_index=1, total_wads=1))
            if result.at is not None and place not in ("notPresent", "parked"):
                position: Any = _TOLD.get(place, place)
                self.service.broadcast(messages.MediaDetectedEvent(position=position))
        self.await_taking()
        return result

    # What nobody takes.

    def await_taking(self) -> None:
        """Retract what waits in the slot and nobody takes in time, unless the device does that on its own."""
        device = self.device
        if (
            device.auto_retract_period
            and not device.retracts_by_itself
            and implements(device, "retract_media")
            and device.status.printer.media == "entering"
        ):
            self.service.nursery.start_soon(self._retract_later, device._media_sightings)

    async def _retract_later(self, sightings: int) -> None:
        await trio.sleep(self.device.auto_retract_period / 1000)
        async with self.turn:
            # The count shows whether it is still the same medium: another may be there by now.
            if self.device.status.printer.media != "entering" or self.device._media_sightings != sightings:
                return
            await self._auto_retract()

    async def _auto_retract(self) -> None:
        to = self.place_to_retract()
        if to is None:
            self.service.log.error("nobody has taken the medium, and there is no bin with room for it")
            return
        try:
            result = await self.retract(None, to)
        except errors.XfsError as fault:
            self.service.log.error("what nobody has taken could not be retracted: %s", fault)
            return
        place = result.at or to
        if result.failure is not None:
            self.service.log.error("what nobody has taken could not be retracted: %s", result.failure)
            if result.at != "jammed":
                return
        if place == "notPresent":
            self.service.log.info("the medium was taken while it was to be retracted")
            return
        told: Any = place if place == "transport" or place in self.bins else "jammed"
        self.service.broadcast(messages.MediaAutoRetractedEvent(result=told))

    def place_to_retract(self) -> str | None:
        """Where something is retracted to if nobody says it: a bin with room, or else the transport."""
        return next(iter(self.roomy_bins), "transport" if self.device.retract_to_transport else None)


def _finds_nothing(failure: errors.XfsError) -> bool:
    """Whether the device finds no medium: somebody has taken it, and no sensor has seen it."""
    return isinstance(failure, errors.CommandError) and failure.error_code == "noMediaPresent"


class _Presented:
    """What the device is given while it moves the medium: it notes whether the device told of it."""

    def __init__(self, command: Command[Any]) -> None:
        self.operation = 0
        self.told = False
        self._command = command

    @property
    def cancel_requested(self) -> bool:
        return self._command.cancel_requested

    def send(self, event: Payload) -> None:
        self.told = self.told or isinstance(event, messages.MediaPresentedEvent)
        self._command.send(event)
