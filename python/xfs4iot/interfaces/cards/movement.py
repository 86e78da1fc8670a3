"""Where each card is, as a transaction: intent, motor, booking, events.

A card's way from one place to another is booked durably before the motor turns and again on arrival, so
that no card is lost or counted twice, whenever power fails:

    from            to             booked
    park unit       anywhere       one less in the unit
    dispense unit   transport      nothing yet: the unit's count includes a card that is still inside
    dispense unit   exit, bin      one less in the unit, when it gets there, or when somebody takes it before
    anywhere        retain unit    one more in it; of a dispense unit's card its `retainCount`
    anywhere        park unit      one more in it; a dispense unit's card is still in that unit's count

The unit that the card in the reader came from is remembered as long as the card is there. What a crash left
open is settled at the start: by what the device recalls, else by what its sensors see. If they see a card, it
has not reached its target; if they see none, it has, provided that the target is a unit. If they are blind,
nothing is decided: `media` is `unknown`, and the units concerned are in doubt.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.devices import implements
from xfs4iot.interfaces.storage.card import CardUnits
from xfs4iot.interfaces.storage.movements import Booking, Found, Movements
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.ledger import Document, Intent, LedgerUnavailable, Posting
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.exact import Mismatch, shown
from xfs4iot.server.command import Command
from xfs4iot.server.operations import WrongResult
from xfs4iot.server.service import Service
from xfs4iot.server.trying_again import FIRST_PAUSE, LONGEST_PAUSE

__all__ = ["ACTION", "MOVE", "RESET", "TAKEN", "CardWays", "Way"]

MOVE, RESET, ACTION = "cardMove", "cardReset", "cardAction"
"""Kinds of movements in the journal; the last is one that no command asked for."""
KINDS = (MOVE, RESET, ACTION)

Way = tuple[str, str]
Ways = tuple[Way, ...]
"""From where to where a card has moved: `exit`, `transport`, `unknown`, a unit; to `TAKEN`."""
TAKEN = "taken"
"""Where a card is that left the reader by somebody's hand."""

_Result = TypeVar("_Result")


class Given(msgspec.Struct):
    """A card that came from a unit.

    Attributes:
        unit: the unit it came from.
        counted: whether it has been taken off the unit's count already.
    """

    unit: str
    counted: bool = False


class Cards(msgspec.Struct):
    """What is kept of cards that came from units: the one in the reader, and those parked."""

    here: Given | None = None
    parked: dict[str, Given] = {}


_KEPT = Document("CardReader.cards", Cards)


class CardWays:
    """Moves the cards of one service, and keeps the books.

    Attributes:
        units: of cards; None if the reader has none.
        cards: what is kept.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.storage = service.interface(Storage) if Storage.name in service.interfaces else None
        self.units = self.storage.kind(CardUnits) if self.storage is not None else None
        self.cards = Cards()
        self._sightings = 0
        self._unbooked: deque[tuple[Way, Callable[[], object]]] = deque()
        self._attempted = trio.Event()
        self._not_booked: errors.XfsError | LedgerUnavailable | None = None
        self._booking_unasked = False
        self._movements: Movements[Ways] = Movements(
            service, self.storage, KINDS, book=self._booking, find=self._found, lost=self._lost
        )

    @property
    def device(self) -> devices.CardReader:
        """The reader."""
        found: devices.CardReader = self.service.device  # type: ignore[assignment]
        return found

    async def start(self) -> None:
        """Recall what is kept, and settle what a crash left open."""
        self.cards = _KEPT.of(self.service.ledger) or self.cards
        await self.settle()

    async def settle(self) -> None:
        """Settle what a crash left open, if the device answers already."""
        await self._movements.settle()

    async def carry_out(
        self,
        command: Command[Any] | None,
        kind: str,
        planned: Way,
        ask: Callable[[devices.MovingCard], Awaitable[_Result]],
        ways: Callable[[_Result], Ways],
    ) -> _Result:
        """Let the device move cards, and book what it says; its failure is not raised.

        Args:
            command: what asked for it.
            planned: what is expected.
            ask: calls the device.
            ways: which cards have moved from where to where.

        Raises:
            XfsError: nothing has moved.
            HardwareError: the device failed, and where the card is was found out if possible.
        """
        # What happened before comes first: the books follow the order in which cards have moved.
        while self._unbooked:
            if self._not_booked is not None:
                raise errors.InternalError(
                    f"what the reader did by itself is not booked yet ({self._not_booked}); "
                    "it is tried again, and no card moves before"
                )
            await self._attempted.wait()
        # Remembered so that `_lost` can tell whether a sensor has spoken since.
        self._sightings = self.device._card_sightings
        source, target = planned
        detail = {"from": source, "to": target, "units": [one for one in planned if self._type(one)]}
        return await self._movements.carry_out(command, kind, (planned,), detail, ask, ways)

    def _lost(self) -> None:
        """The device class has failed, and nothing but its sensors can have told where the card is."""
        if self.device._card_sightings == self._sightings:
            self.device.card_at("unknown")

    def happened(self, way: Way, then: Callable[[], object] = lambda: None) -> None:
        """Book what nobody asked for: what the reader did by itself, or that a card was taken.

        Such things are booked one after the other, and after the movement that is under way.

        Args:
            then: called when it is booked; never, if it cannot be true.
        """
        self._unbooked.append((way, then))
        if not self._booking_unasked:
            self._booking_unasked = True
            self.service.nursery.start_soon(self._book_unasked)

    async def _book_unasked(self) -> None:
        pause = FIRST_PAUSE
        try:
            while self._unbooked:
                way, then = self._unbooked[0]
                try:
                    await self._book_one(way)
                except Mismatch as wrong:
                    self.service.log.error("card_acted says what cannot be, and is not booked: %s", wrong)
                    self.device.card_at("unknown")
                    self._attempt(None)
                except (errors.XfsError, LedgerUnavailable) as fault:
                    self._attempt(fault)
                    await trio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                    continue
                else:
                    self._attempt(None)
                    then()
                pause = FIRST_PAUSE
        finally:
            self._booking_unasked = False

    def _attempt(self, fault: errors.XfsError | LedgerUnavailable | None) -> None:
        """What happened first is dealt with, or could not be booked yet: tell who waits for it."""
        if fault is None:
            self._unbooked.popleft()
        elif self._not_booked is None:
            self.service.log.error(
                "what the reader did by itself is not booked yet, and is tried again: %s", fault
            )
        self._not_booked = fault
        attempted, self._attempted = self._attempted, trio.Event()
        attempted.set()

    async def _book_one(self, way: Way) -> None:
        # Only then is what came before it counted. No movement begins between the two: each waits for this.
        async with self._movements.settled():
            if way[1] == TAKEN and self.cards.here is None:
                # The movement under way has not brought a unit's card either.
                return
            self.require_room(way[1])
        await self._movements.record(ACTION, (way,))

    def _booking(self, detail: Mapping[str, Any], ways: Ways) -> Booking:
        """What to post when cards have moved so, and what is kept of cards afterwards."""
        here, parked = self.cards.here, dict(self.cards.parked)
        changes: Counter[tuple[str, str]] = Counter()
        for source, target in ways:
            # A card that went back to its own unit changes no count.
            if source == target and self._type(target) is not None:
                continue
            left, arrived = self._type(source), self._type(target)
            card = here
            if left == "park":
                changes[source, "count"] -= 1
                card = parked.pop(source, None)
            elif left == "dispense":
                # Not counted yet: a dispense unit's count includes its card until that leaves the reader.
                card = Given(source)
            # `counted` keeps a card that comes back from the exit from being taken off twice.
            if card is not None and not card.counted and (target in ("exit", TAKEN) or arrived == "retain"):
                changes[card.unit, "count"] -= 1
                card = Given(card.unit, True)
            if arrived is None:
                here = None if target == TAKEN else card
                continue
            # What goes from unit to unit leaves the card that is in the reader where it is.
            if left is None:
                here = None
            # Back in its unit, whose count still includes it.
            if card == Given(target):
                continue
            changes[target, "count"] += 1
            if card is not None and arrived == "retain":
                changes[card.unit, "retained"] += 1
            elif card is not None and arrived == "park":
                parked[target] = card
        cards = Cards(here, parked)
        documents = {_KEPT.name: wire.encode(cards)} if cards != self.cards else {}
        return Booking(tuple(self._postings(changes)), documents, partial(setattr, self, "cards", cards))

    def require_real(self, place: str | None) -> None:
        """See that a card can be at a place. Raises Mismatch."""
        if place is not None and place.startswith("unit") and self._type(place) is None:
            raise Mismatch("a unit of cards, such as card_units() names", shown(place), "it")

    def require_room(self, place: str | None, cards: int = 1) -> None:
        """See that a card, or so many, can have come to a place. Raises Mismatch."""
        self.require_real(place)
        unit = self.units.units.get(place) if self.units is not None and place is not None else None
        if unit is None or self.units is None or not unit.capacity:
            return
        held = self.units.counts.value(str(place))
        # The count still includes a card that has not left the reader: it has room in its own unit.
        back = self.cards.here == Given(str(place))
        if held + cards - back > unit.capacity:
            raise Mismatch(
                f"a unit with room: {place} has {held} of {unit.capacity}; if it was emptied, set its count",
                shown(place),
                "it",
            )

    def _type(self, place: str) -> str | None:
        kept = self.units.kept.get(place) if self.units is not None else None
        return kept.type if kept is not None else None

    def _postings(self, changes: Counter[tuple[str, str]]) -> Iterable[Posting]:
        """The changes, as far as the books allow: a unit they have as empty gives no card less."""
        assert self.units is not None or not changes
        for (unit, bucket), delta in changes.items():
            if self.units is None or not delta:
                continue
            # The card is a fact and the count is not: the books never go below zero for it.
            if self.units.counts.value(unit, bucket) + delta < 0:
                self.service.log.error(
                    "%s has given out a card although it was empty by its count; count it anew", unit
                )
                continue
            yield from self.units.counts.changes(unit, {bucket: delta})

    async def _found(self, intent: Intent) -> Found[Ways]:
        """Which way the card of an open movement went: as the device recalls, or as its sensors see."""
        ways, certain = await self._traced(
            str(intent.detail.get("from")), str(intent.detail.get("to")), intent.id
        )
        went = "; ".join(f"the card went from {source} to {target}" for source, target in ways)
        return Found(
            ways, certain, went or ("the card did not move" if certain else "where it went is not known")
        )

    async def _traced(self, source: str, target: str, operation: int) -> tuple[Ways, bool]:
        if implements(self.device, "recall_card"):

            def possible(place: str | None) -> None:
                if place != source:
                    self.require_room(place)

            try:
                place = await self.service.operations.ask(
                    devices.CardReader.recall_card, operation, believe=possible
                )
            except WrongResult:
                # Asked again it would say the same, and no card could move any more.
                return (), False
            if place is None or place == source:
                return (), True
            known = place not in ("jammed", "unknown")
            return (((source, place),) if known else ()), known
        media = self.device.status.card_reader.media
        if media in ("present", "latched", "entering"):
            place = "exit" if media == "entering" else "transport"
            return (((source, place),) if place != source else ()), True
        # Certain only if it did not come from a unit: else it may still be in the unit it was to leave.
        if media == "notPresent" and self._type(target) in ("retain", "park"):
            return ((source, target),), self._type(source) is None
        return (), False
