"""Where the card is, and what else the commands of a card reader share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal, TypeVar

import trio

from xfs4iot import devices
from xfs4iot.devices import implements
from xfs4iot.interfaces.cards.contactless import Contactless
from xfs4iot.interfaces.cards.movement import ACTION, TAKEN, CardWays, Way
from xfs4iot.interfaces.cards.reading import Insertion
from xfs4iot.protocol import errors
from xfs4iot.protocol.exact import Mismatch, shown
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import card_reader as messages
from xfs4iot.server.command import Command, Connection
from xfs4iot.server.handler import Interface
from xfs4iot.server.results import require_defined
from xfs4iot.server.service import Service

__all__ = ["ReaderState"]

_HERE = ("present", "latched", "entering")
_AWAY = ("powerOff", "noDevice", "offline")
_Result = TypeVar("_Result")


def _in_the_reader(place: str | None) -> None:
    if place is not None and place.startswith("unit"):
        raise Mismatch("a place in the reader, or None: no card goes into a unit here", shown(place), "it")


class ReaderState(Interface[devices.CardReader]):
    """A card reader's state: its card, its units, the client whose card it is.

    Attributes:
        ways: moves cards and keeps the books.
        contactless: the transaction of a reader with kernels.
        owner: the client that took the card in the reader in.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.ways = CardWays(service)
        self.contactless = Contactless(service)
        self.owner: Connection | None = None
        self._early: list[messages.CardActionEvent] | None = []
        """What the reader did by itself before its units were known; None from then on."""
        self._away = False

    async def start(self) -> None:
        """Recall where cards are, and treat a card in the reader as the device wishes."""
        await self.ways.start()
        # Set to None before the loop: from here on `observe` books events itself instead of queueing them.
        early, self._early = self._early or [], None
        for event in early:
            self._acted(event)
        await self.contactless.start()
        wish = self.device.on_start
        target = {"exit": "exit", "retain": next(iter(self._roomy_bins()), None)}.get(wish)
        if self.media == "present" and target is not None:
            await self._move_unasked(target)

    async def reopened(self) -> None:
        """Settle what could not be settled before."""
        await self.ways.settle()
        await self.contactless.start()

    @property
    def media(self) -> str | None:
        """Where the card is; None if the device holds no cards."""
        return self.device.status.card_reader.media

    def unit_type(self, unit: str) -> str | None:
        """`retain`, `dispense` or `park`; None if there is no such unit."""
        found = self.ways.units.units.get(unit) if self.ways.units is not None else None
        return found.type if found is not None else None

    def units_of_type(self, kind: str) -> list[str]:
        """The units of this type."""
        units = self.ways.units.units if self.ways.units is not None else {}
        return [name for name, unit in units.items() if unit.type == kind]

    def cards_in(self, unit: str) -> int:
        """How many cards a unit has."""
        return self.ways.units.counts.value(unit) if self.ways.units is not None else 0

    def room(self, place: str) -> int:
        """How many cards a place can have at most."""
        units = self.ways.units.units if self.ways.units is not None else {}
        if place == "unknown":
            return devices.MOST_CARDS
        return 1 if place not in units else units[place].capacity or devices.MOST_CARDS

    def is_full(self, unit: str) -> bool:
        """Whether a unit has no room."""
        capacity = self.ways.units.units[unit].capacity if self.ways.units is not None else 0
        return bool(capacity) and self.cards_in(unit) >= capacity

    def _roomy_bins(self) -> list[str]:
        return [unit for unit in self.units_of_type("retain") if not self.is_full(unit)]

    def observe(self, event: Payload) -> bool:
        """Book what the reader did by itself before telling clients, and forget a card that was taken."""
        if isinstance(event, messages.CardActionEvent):
            # True keeps the event from clients until it has been booked; `_acted` broadcasts it then.
            if self._early is not None:
                self._early.append(event)
                return True
            self._acted(event)
            return True
        if isinstance(event, messages.MediaRemovedEvent):
            self.owner = None
            self.ways.happened(("transport", TAKEN))
        return False

    def _acted(self, event: messages.CardActionEvent) -> None:
        way = event.from_ or "unknown", event.to or "unknown"
        try:
            for place in way:
                self.require_real(place)
        except Mismatch as wrong:
            self.service.log.error("card_acted says what cannot be, and is not booked: %s", wrong)
            self.device.card_at("unknown")
            return
        # Clients are told when it is booked.
        self.ways.happened(way, partial(self.service.broadcast, event))

    def status_told(self) -> None:
        """Take notice that the reader has gone, or is back: what it holds is not known meanwhile."""
        common = self.device.status.common
        away = common is not None and common.device in _AWAY
        if away is self._away:
            return
        self._away = away
        permanent = self.device.reader_type == "permanent"
        if away:
            # A chip without power has forgotten its dialogue, and a kernel the card that it waits for.
            self.device._chip_contact = "none"
            if self.contactless.state == "awaitingUpdate":
                self.contactless.happened("reset")
            if permanent:
                self.show_chip("unknown")
            elif self.media is not None:
                self.device.card_at("unknown")
            return
        if permanent:
            self.show_chip("poweredOff")
        self.service.nursery.start_soon(self._configure_again)

    async def _configure_again(self) -> None:
        """A kernel that was without power may have forgotten what it was configured to."""
        async with self.service.turn():
            if not self._away:
                await self.contactless.start()

    @property
    def holds(self) -> bool:
        """Whether a card is in the reader, stuck in it, or in talks with it in its field."""
        return self.media not in (None, "notPresent") or self.device._chip_contact != "none"

    def _give(self, owner: Connection) -> None:
        """The card in the reader is this client's, unless it has gone meanwhile."""
        self.owner = owner
        if owner not in self.service.sessions:
            self.disconnected(owner)

    def disconnected(self, connection: Connection) -> None:
        """The card of a client that is gone belongs to nobody; it may be ejected after a while."""
        if self.contactless.owner is connection:
            # It may come again, and go on.
            self.contactless.owner = None
        if self.owner is not connection:
            return
        self.owner = None
        # A card of a unit's own is nobody's property yet: it is not handed out unasked.
        if self.device.eject_after is not None and self.ways.cards.here is None:
            self.service.nursery.start_soon(
                self._eject_later, self.device.eject_after, self.device._card_sightings
            )

    async def _eject_later(self, seconds: float, sightings: int) -> None:
        await trio.sleep(seconds)
        # The count shows whether it is still the same card: another may have come while this slept.
        async with self.service.turn():
            if self.owner is None and self.media == "present" and self.device._card_sightings == sightings:
                await self._move_unasked("exit")

    async def _move_unasked(self, target: str) -> None:
        """Move the card in the reader without a command, and tell clients."""
        try:
            moved = await self.moved(None, ACTION, "transport", target)
        except errors.XfsError as fault:
            self.service.log.error("the card in the reader could not be moved to %s: %s", target, fault)
            return
        self.service.broadcast(messages.CardActionEvent(to=moved.at or target, from_="transport"))

    async def ask_card(
        self,
        operation: Callable[..., Awaitable[_Result]],
        *arguments: Any,
        believe: Callable[[_Result], None] | None = None,
    ) -> _Result:
        """Ask the device to do something with the card, without interruption.

        If the device finds the card stuck or missing, the status says so from then on.
        """
        try:
            return await self.service.operations.ask(operation, *arguments, moving=True, believe=believe)
        except errors.CommandError as fault:
            self._show_failure(fault)
            raise

    def _show_failure(self, fault: errors.XfsError | None) -> None:
        code = fault.error_code if isinstance(fault, errors.CommandError) else None
        if code == "mediaJam":
            self.device.card_at("jammed")
        elif code == "noMedia":
            self.device.card_at(None)

    def show_chip(self, power: str) -> None:
        """Show the state of the chip, if the device reports it."""
        status = self.device.status.card_reader
        if status.chip_power is not None:
            status.chip_power = power  # type: ignore[assignment]

    def show_contact(self, contact: Literal["off", "on"], power: str, takings: int) -> None:
        """Show what has become of the chip, unless its card was taken meanwhile."""
        if self.device._card_takings == takings:
            self.device._chip_contact = contact
            self.show_chip(power)

    async def take_in(self, wanted: frozenset[str], flux_inactive: bool, command: Command) -> Insertion:
        """Wait for a card, unless one is in; the wait can be given up, but not a card that has come."""
        insertion = Insertion(self.device, command)
        device = self.device
        if self.media in ("present", "latched"):
            # Who goes on with a card that belongs to nobody has it from now on.
            if self.owner is None and command.session in self.service.sessions:
                self.owner = command.session
            return insertion
        # Compared afterwards: a card may be taken before the device's call has returned.
        takings, sightings = device._card_takings, device._card_sightings
        try:
            await self.service.operations.ask(
                devices.CardReader.accept_card, wanted, flux_inactive, insertion
            )
        except trio.Cancelled:
            # Closing the entrance must not be cancelled itself, or a card could come in unnoticed.
            with trio.CancelScope(shield=True):
                is_in = await self._stopped(insertion)
            # Otherwise the cancel is swallowed on purpose: a card that is in is read, and the command
            # succeeds.
            if not is_in:
                raise
        except errors.CommandError as fault:
            self._show_failure(fault)
            raise
        except errors.HardwareError:
            # It may be anywhere, unless a sensor has told.
            if device._card_sightings == sightings:
                device.card_at("unknown")
            raise
        # For devices that do not tell it themselves; a second MediaInsertedEvent is dropped by `Insertion`.
        if device.reader_type in ("motor", "latchedDip") and device._card_takings == takings:
            insertion.media_inserted()
            device.card_at("transport")
        self._give(command.session)
        return insertion

    async def _stopped(self, insertion: Insertion) -> bool:
        """Close the entrance; whether a card is in nevertheless."""
        if not implements(self.device, "stop_accepting"):
            return self.media == "present"
        sightings = self.device._card_sightings
        try:
            place = await self.ask_card(devices.CardReader.stop_accepting, believe=_in_the_reader)
        except errors.XfsError as fault:
            self.service.log.error("whether the entrance is closed is not known: %s", fault)
            if self.device._card_sightings == sightings:
                self.device.card_at("unknown")
            return False
        self.device.card_at(place)
        return place in ("transport", "latched")

    def show_read(self, chips: tuple[devices.CardData, ...]) -> None:
        """Show what a cold reset of the chip has found."""
        device = self.device
        if self.media == "notPresent" and device.reader_type != "dip":
            return
        if any(chip.data and chip.status is None for chip in chips):
            device._chip_contact = "on"
            self.show_chip("online")
            if device.reader_type == "latchedDip":
                device.card_at("latched")
        elif chips and all(chip.status == "dataSourceMissing" for chip in chips):
            self.show_chip("noDevice")
        else:
            device._chip_contact = "off"
            self.show_chip("hardwareError")

    async def moved(self, command: Command | None, kind: str, source: str, target: str) -> devices.CardMoved:
        def possible(moved: devices.CardMoved) -> None:
            if command is not None:
                require_defined(moved.failure, command)
            if moved.at is None or moved.at == target:
                return
            # A latched dip only unlatches: its card stays where it is.
            if moved.failure is None and self.device.reader_type != "latchedDip":
                raise Mismatch(f"{target}, or failure says why it is not", shown(moved.at), "at")
            if moved.at != source:
                self.ways.require_room(moved.at)

        async def ask(events: devices.MovingCard) -> devices.CardMoved:
            takings = self.device._card_takings
            try:
                moved = await self.service.operations.ask(
                    devices.CardReader.move_card, source, target, events, moving=True, believe=possible
                )
            except errors.CommandError as fault:
                if fault.error_code != "mediaRetained":
                    raise
                bins = self.units_of_type("retain")
                known = len(bins) == 1 and not self.is_full(bins[0])
                moved = devices.CardMoved(bins[0] if known else "unknown", fault)
            if moved.failure is None or moved.at is not None:
                self.show_place(source, moved.at or target, takings)
                if source.startswith("unit") and command is not None and self.media in _HERE:
                    # Who has let a card out of its unit has it, as if he had taken it in.
                    self._give(command.session)
            self._show_failure(moved.failure)
            return moved

        def ways(moved: devices.CardMoved) -> tuple[Way, ...]:
            at = moved.at or (target if moved.failure is None else source)
            return () if at == source else ((source, at),)

        try:
            return await self.ways.carry_out(command, kind, (source, target), ask, ways)
        except errors.CommandError as fault:
            self._show_failure(fault)
            raise

    def require_real(self, place: str) -> None:
        """See that a card can be at a place. Raises Mismatch."""
        self.ways.require_real(place)

    def show_place(self, source: str, at: str, takings: int) -> None:
        """Show where a card is after it has moved."""
        device = self.device
        if at.startswith("unit"):
            if source in ("exit", "transport"):
                device.card_at(None)
                self.owner = None
        elif device._card_takings == takings:
            # A latched dip cannot move a card; it only unlatches it, and the card stays where it is.
            released = at == "exit" and device.reader_type == "latchedDip"
            device.card_at("transport" if released else at)
            if released or at == "exit":
                device._chip_contact = "none"
                self.show_chip("poweredOff")

    def show_reset(self, done: devices.CardsReset, takings: int) -> None:
        """After a reset a chip has no contact, and the card is where the reset has left it."""
        device = self.device
        device._chip_contact = "none"
        left = [place for place in done.cards if not place.startswith("unit")]
        if device.reader_type != "permanent" and device._card_takings == takings:
            device.card_at(left[-1] if left else None)
        taken = device._card_takings != takings
        powerless = (left and not taken) or device.reader_type == "permanent"
        self.show_chip("poweredOff" if powerless else "noCard")
        if not left:
            self.owner = None
        self._show_failure(done.failure)
