"""Where each card is, as a transaction: intent, motor, booking, events.

A card's way from one place to another is booked durably before the motor turns and again when it is
there, so that power may fail at any moment and no card is lost or counted twice:

    from            to             booked
    park unit       anywhere       one less in the unit
    dispense unit   transport      nothing yet: the unit's count includes a card that is still inside
    dispense unit   exit, bin      one less in the unit, when it gets there
    anywhere        retain unit    one more in it; of a dispense unit's card its `retainCount`
    anywhere        park unit      one more in it

From which unit the card in the reader came is kept, as long as the card is there. What a crash left open is
settled at the start: by what the device recalls, else by what its sensors see. A card that they see was not
booked at its target; if they see none it is there, if that is a unit; sensors that are blind decide
nothing, `media` is `unknown`, and the units concerned are in doubt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.devices import implements
from xfs4iot.interfaces.storage.card import CardUnits
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.ledger import Document, Intent, LedgerUnavailable, Posting
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.message import Payload
from xfs4iot.server.command import Command
from xfs4iot.server.service import Service

__all__ = ["ACTION", "MOVE", "RESET", "CardWays", "Way"]

MOVE, RESET, ACTION = "cardMove", "cardReset", "cardAction"
"""Kinds of movements in the journal; the last is one that no command asked for."""
KINDS = (MOVE, RESET, ACTION)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0

Way = tuple[str, str]
"""From where to where a card has moved: `exit`, `transport`, `unknown`, a unit."""

_Result = TypeVar("_Result")


class Given(msgspec.Struct):
    """A card that came from a unit.

    Attributes:
        unit: it came from.
        counted: it was taken off the unit's count already.
    """

    unit: str
    counted: bool = False


class Cards(msgspec.Struct):
    """What is kept of cards that came from units: the one in the reader, and those parked."""

    here: Given | None = None
    parked: dict[str, Given] = {}


_KEPT = Document("CardReader.cards", Cards)


class _Moving:
    """What the device is given while it moves a card."""

    def __init__(self, command: Command[Any] | None, operation: int) -> None:
        self._command = command
        self.operation = operation

    @property
    def cancel_requested(self) -> bool:
        return self._command is not None and self._command.cancel_requested

    def send(self, event: Payload) -> None:
        if self._command is not None:
            self._command.send(event)


class CardWays:
    """Moves cards, and keeps the books of it; of one service.

    Attributes:
        units: of cards; None if the reader has none.
        cards: what is kept.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.storage: Storage | None = None
        self.units: CardUnits | None = None
        if Storage.name in service.interfaces:
            self.storage = service.interface(Storage)
            self.units = self.storage.kind(CardUnits)
            self.storage.settled = self._all_settled
        self.cards = Cards()
        self._held: dict[int, tuple[Way, ...]] = {}
        self._lock = trio.Lock()
        self._retrying = False

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
        """Settle open movements, if the device answers already."""
        try:
            async with self._lock:
                await self._settle()
        except errors.XfsError as fault:
            self.service.log.error("open movements of cards are not settled yet: %s", fault)

    @asynccontextmanager
    async def _all_settled(self) -> AsyncIterator[None]:
        async with self._lock:
            await self._settle()
            yield

    async def carry_out(
        self,
        command: Command | None,
        kind: str,
        planned: Way,
        ask: Callable[[devices.MovingCard], Awaitable[_Result]],
        ways: Callable[[_Result], tuple[Way, ...]],
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
        async with self._lock:
            await self._settle()
            with trio.CancelScope(shield=True):
                intent = await self._begin(command, kind, planned)
                sightings = self.device._card_sightings
                try:
                    result = await ask(_Moving(command, intent.id))
                except errors.HardwareError:
                    if self.device._card_sightings == sightings:
                        self.device.card_at("unknown")
                    await self._settle_quietly()
                    raise
                except errors.XfsError:
                    await self._close(intent, ())
                    raise
                await self._close(intent, ways(result))
        return result

    async def _begin(self, command: Command | None, kind: str, planned: Way) -> Intent:
        postings, _ = self._booking((planned,))
        return await self.service.ledger.begin(
            kind,
            command=command.name if command is not None else "",
            request_id=command.request_id if command is not None else 0,
            identity=command.identity if command is not None else "",
            planned=postings,
            detail={"from": planned[0], "to": planned[1]},
        )

    async def acted(self, way: Way) -> None:
        """Book what the reader has done by itself."""
        async with self._lock:
            postings, cards = self._booking((way,))
            await self.service.ledger.record(ACTION, postings, documents=self._documents(cards))
            self.cards = cards
        self._publish()

    async def gone(self) -> None:
        """The card in the reader was taken."""
        if self.cards.here is not None:
            async with self._lock:
                self.cards = msgspec.structs.replace(self.cards, here=None)
                await self.service.ledger.put_document(_KEPT.name, wire.encode(self.cards))

    def _booking(self, ways: Iterable[Way]) -> tuple[list[Posting], Cards]:
        """What to post when cards have moved so, and what is kept of cards afterwards."""
        here, parked = self.cards.here, dict(self.cards.parked)
        changes: Counter[tuple[str, str]] = Counter()
        for source, target in ways:
            if source == target and self._type(target) is not None:
                continue
            if self._type(source) == "park":
                changes[source, "count"] -= 1
                here = parked.pop(source, None)
            elif self._type(source) == "dispense":
                here = Given(source)
            arrived = self._type(target)
            if here is not None and not here.counted and (target == "exit" or arrived == "retain"):
                changes[here.unit, "count"] -= 1
                here = Given(here.unit, True)
            if arrived is not None:
                changes[target, "count"] += 1
                if here is not None and arrived == "retain":
                    changes[here.unit, "retained"] += 1
                elif here is not None and arrived == "park":
                    parked[target] = here
                here = None
        return list(self._postings(changes)), Cards(here, parked)

    def _type(self, place: str) -> str | None:
        kept = self.units.kept.get(place) if self.units is not None else None
        return kept.type if kept is not None else None

    def _postings(self, changes: Counter[tuple[str, str]]) -> Iterable[Posting]:
        """The changes, as far as the books allow: a unit they have as empty gives no card less."""
        assert self.units is not None or not changes
        for (unit, bucket), delta in changes.items():
            if self.units is None or not delta:
                continue
            if self.units.counts.value(unit, bucket) + delta < 0:
                self.service.log.error(
                    "%s has given out a card although it was empty by its count; count it anew", unit
                )
                continue
            yield from self.units.counts.changes(unit, {bucket: delta})

    def _documents(self, cards: Cards) -> dict[str, bytes]:
        return {_KEPT.name: wire.encode(cards)} if cards != self.cards else {}

    async def _close(self, intent: Intent, ways: tuple[Way, ...], outcome: str | None = None) -> None:
        """Book a movement; one that cannot be written is held, and tried again until it can.

        Raises:
            InternalError: it could not be written.
        """
        self._held[intent.id] = ways
        postings, cards = self._booking(ways)
        documents = self._documents(cards)
        if outcome == "unknown" and self.storage is not None:
            doubtful = {intent.detail.get("from"), intent.detail.get("to")} - {None}
            documents |= self.storage.doubt(map(str, doubtful))
        try:
            await self.service.ledger.book(
                intent, postings, outcome=outcome or ("done" if ways else "failed"), documents=documents
            )
        except LedgerUnavailable as fault:
            self._try_again()
            raise errors.InternalError(
                f"the card has moved, but that is not booked yet: {fault}; it is held and booked as soon as "
                "the ledger can be written; see Common.Status, do not repeat the command"
            ) from fault
        del self._held[intent.id]
        self.cards = cards
        self._publish()

    def _publish(self) -> None:
        if self.storage is not None:
            self.storage.publish()

    def _try_again(self) -> None:
        if not self._retrying:
            self._retrying = True
            self.service.nursery.start_soon(self._settle_later)

    async def _settle_later(self) -> None:
        pause = _FIRST_PAUSE
        while self._held:
            await trio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            async with self._lock:
                await self._settle_quietly()
        self._retrying = False

    async def _settle_quietly(self) -> None:
        try:
            await self._settle()
        except errors.XfsError as fault:
            self.service.log.error("a movement of a card is not settled yet: %s", fault)

    async def _settle(self) -> None:
        """Find out where open movements have left their cards, and book it."""
        with trio.CancelScope(shield=True):
            for intent in self.service.ledger.open_intents():
                if intent.kind not in KINDS:
                    continue
                if intent.id in self._held:
                    await self._close(intent, self._held[intent.id])
                    continue
                ways, known = await self._found(intent)
                await self._close(intent, ways, None if known else "unknown")
                self.service.log.warning(
                    "%s of request %d was interrupted: %s",
                    intent.command or intent.kind,
                    intent.request_id,
                    "; ".join(f"the card went from {source} to {target}" for source, target in ways)
                    or ("the card did not move" if known else "where the card went is not known"),
                )

    async def _found(self, intent: Intent) -> tuple[tuple[Way, ...], bool]:
        """Which way the card of an open movement went, and whether that is certain."""
        if not self.service.operations.opened:
            raise errors.DeviceNotReady("the device is not open")
        source, target = str(intent.detail.get("from")), str(intent.detail.get("to"))
        if implements(self.device, "recall_card"):
            place = await self.service.operations.ask(devices.CardReader.recall_card, intent.id)
            if place is None or place == source:
                return (), True
            if place not in ("jammed", "unknown"):
                return ((source, place),), True
            return (), False
        media = self.device.status.card_reader.media
        if media in ("present", "latched", "entering"):
            place = "exit" if media == "entering" else "transport"
            return (((source, place),) if place != source else ()), True
        if media == "notPresent" and self._type(target) in ("retain", "park"):
            return ((source, target),), self._type(source) is None
        return (), False
