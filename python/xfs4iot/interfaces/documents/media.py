"""The media of one device: its transaction, its units, and what is kept of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import trio

from xfs4iot import devices
from xfs4iot.devices import MediaPresented, MediaStored, implements
from xfs4iot.interfaces.documents import media_journal, media_recovery
from xfs4iot.interfaces.documents.media_moved import PLANNED, Moved
from xfs4iot.interfaces.documents.media_reported import require_all_told, require_retracted, require_stored
from xfs4iot.interfaces.documents.media_transaction import KEPT, TOLD, Private, Told, Transaction
from xfs4iot.interfaces.resetting import AlsoReset
from xfs4iot.interfaces.storage.check import CheckUnits
from xfs4iot.interfaces.storage.kept_first import Keeping
from xfs4iot.interfaces.storage.movements import Booking, Found, Movements
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.ledger import Intent
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import check as messages
from xfs4iot.server.command import running
from xfs4iot.server.handler import Interface
from xfs4iot.server.results import require_defined
from xfs4iot.server.service import Service

__all__ = ["KINDS", "MediaState"]

KINDS = (*media_recovery.ARRIVALS, *media_recovery.ENDS, "mediaAction", "mediaPresent", "mediaTaken")
"""Kinds of movements in the journal."""


class MediaState(Interface[devices.Check]):
    """What the commands of Check share.

    Attributes:
        transaction: the record.
        private: code lines and images of its items; in memory only.
        takings: how often the customer has taken something.
        also_reset: called after a reset to clear the rest of the device.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.transaction = Transaction()
        self.private: dict[int, Private] = {}
        self.storage = service.interface(Storage)
        self.units = self.storage.kind(CheckUnits)
        self.storage.busy.append(lambda: self.transaction.state == "active")
        self.takings = 0
        self.also_reset: list[AlsoReset] = []
        self.taken = trio.Event()
        self._resumed = False
        self.movements: Movements[Moved] = Movements(
            service,
            self.storage,
            KINDS,
            book=self._booking,
            find=self._found,
            unknown=lambda intent: media_recovery.of_nothing_known(self, intent),
            where="Check.GetTransactionStatus and Storage.GetStorage",
        )

    async def start(self) -> None:
        """Recall the transaction; one that was active goes on."""
        self.transaction = KEPT.of(self.service.ledger) or self.transaction
        told = TOLD.of(self.service.ledger)
        open_now = {intent.id for intent in self.service.ledger.open_intents() if intent.kind in KINDS}
        if told is not None and told.operation in open_now:
            self.transaction = told.transaction
        await self._resume()

    async def reopened(self) -> None:
        """Settle what could not be settled before."""
        await self._resume()

    async def _resume(self) -> None:
        """Go on, as soon as the device answers."""
        await self.movements.settle()
        if self._resumed or not self.service.operations.opened or self.movements.in_doubt:
            self._show()
            return
        self._resumed = True
        before = self.transaction.copy()
        await media_recovery.take_what_is_gone(self)
        if self.transaction.state == "active":
            await media_recovery.confirm(self)
        if self.transaction != before:
            await self._book_what_is_known("mediaFound")
        self._show()

    async def keep(self) -> None:
        """Keep the transaction."""
        await self.service.ledger.put_document(KEPT.name, wire.encode(self.transaction))

    def _show(self) -> None:
        """Make the status say what is inside."""
        status, inside = self.device.status.check, len(self.transaction.inside)
        if status.media in ("present", "notPresent", None):
            status.media = "present" if inside else "notPresent"
        if status.stacker in ("empty", "notEmpty", "full"):
            on_stacker = self.transaction.on_stacker
            most = self.device.max_media_on_stacker
            if on_stacker is not None:
                status.stacker = "full" if on_stacker >= most else "notEmpty" if on_stacker else "empty"

    def begin(self) -> None:
        """Begin a transaction: nothing is left of the one before but what this MediaIn has set."""
        before, self.private = self.transaction, {}
        self.transaction = Transaction(
            state="active",
            refused=before.refused,
            bunches=before.bunches,
            must_present=before.must_present,
            most=before.most,
            application_refuses=before.application_refuses,
        )

    def arrived(self, event: messages.MediaDataEvent) -> None:
        """An item was taken in, or taken again after something was printed on it."""
        if self.transaction.state != "active":
            # The first item of a new transaction.
            self.begin()
        number = self.transaction.arrived(event)
        images = {one.image_source: one for one in event.image or () if one.image_source is not None}
        known = self.private.get(number, Private())
        self.private[number] = Private(event.codeline_data or known.codeline, {**known.images, **images})

    def keeping(self, operation: int) -> Keeping:
        """What a client is told of a movement that goes on, kept should it be interrupted."""
        return Keeping(TOLD.name, lambda: wire.encode(Told(operation, self.transaction)), "a media-in")

    def observe(self, event: Payload) -> object:
        """What the customer has taken is his."""
        if isinstance(event, messages.MediaTakenEvent):
            media_recovery.all_taken(self.transaction)
            self._show()
            self.takings += 1
            self.taken.set()
            self.taken = trio.Event()
            self.service.nursery.start_soon(self._book_what_is_known, "mediaTaken")
        return None

    async def _book_what_is_known(self, kind: str) -> None:
        """Book where items are that nothing of ours has moved."""
        try:
            await self.movements.record(kind, Moved(None))
        except errors.XfsError as fault:
            self.service.log.error(
                "where items are now is not booked yet: %s; it is with the next movement", fault
            )

    def _booking(self, detail: Mapping[str, Any], moved: Moved) -> Booking:
        if moved is PLANNED:
            return Booking()
        takings = self.takings if moved.takings is None else moved.takings
        after = (self.transaction if moved.after is None else moved.after).copy()
        if takings != self.takings:
            # The customer was quicker than the device's answer.
            media_recovery.all_taken(after)
        postings, after = media_journal.booked(after)
        for unit, items in moved.stored.items():
            postings += self.units.stored(unit, items)
        for unit, items in moved.retracted.items():
            postings += self.units.retracted(unit, items)
        taken = self.takings

        def done() -> None:
            if taken != self.takings:
                media_recovery.all_taken(after)
            self.transaction = after
            self._show()
            if after.state != "active" and self.private:
                self.service.nursery.start_soon(self._forget, self.private)

        return Booking(postings, {KEPT.name: wire.encode(after)}, done)

    async def _forget(self, private: dict[int, Private]) -> None:
        """Forget what items say of their owners, some time after the transaction's end."""
        await trio.sleep(self.device.private_seconds)
        # The next transaction has a record of its own.
        if self.transaction.state != "active" or private is not self.private:
            private.clear()

    async def _found(self, intent: Intent) -> Found[Moved]:
        """What an interrupted movement has moved, as far as it can be found out."""
        return await media_recovery.found(self, intent)

    def possible(self, result: MediaStored | None) -> None:
        """See that a device can have stored items so. Raises Mismatch."""
        self.believe_failure(result)
        if result is not None:
            require_stored(self, result)
            self._possible_bunches(result.more)

    def believe_ended(self, result: MediaStored) -> None:
        """See that a device can have ended a transaction so, or one item of it. Raises Mismatch."""
        self.possible(result)
        require_all_told(self, result)

    @staticmethod
    def believe_failure(result: Any) -> None:
        """See that a device's failure is one of the command's. Raises Mismatch."""
        require_defined(getattr(result, "failure", None), running())

    def believe_found(self, done: devices.MediaRetracted) -> None:
        """See that a device can have found that. Raises Mismatch."""
        self.believe_failure(done)
        require_retracted(self, done)
        self.believe_presented(done.presented)

    def _possible_bunches(self, more: bool) -> None:
        """See that a device can present further bunches. Raises Mismatch."""
        if more and not implements(self.device, "present_next"):
            raise Mismatch("false, for the class has no present_next", "true", "more")

    def believe_presented(self, presented: MediaPresented | None) -> None:
        """See that a device can have presented that. Raises Mismatch."""
        self._possible_bunches(presented is not None and presented.more)

    def take_places(self, after: Transaction, places: Mapping[int, str]) -> None:
        for number, place in places.items():
            if number in after.items:
                item = after.items[number]
                # What is presented is inside until it is taken. Without `presentControl` nothing is, yet.
                presented = place == "customer" and self.device.media_present_control
                item.access = "customer" if presented else "none"
                item.place = "device" if place == "customer" else place

    @staticmethod
    def take_presented(after: Transaction, presented: MediaPresented | None) -> None:
        """Let the customer reach what was presented."""
        named = presented.items if presented is not None else frozenset()
        # A bunch that others follow is never all that is inside: what was refused has no numbers.
        whole = presented is None or not presented.more
        if not named and whole and after.state != "active":
            named = frozenset(after.inside)
        for number in named & after.items.keys():
            if after.items[number].place == "device":
                after.items[number].access = "customer"

    def usable(self, names: Iterable[str]) -> list[str]:
        """Those of the units that work and have room."""
        return [
            name
            for name in names
            if self.storage.hardware_status(name) == "ok" and not self.units.is_full(name)
        ]

    def units_for(self, use: str) -> list[str]:
        """The units that are used for `mediaIn` or `retract`."""
        return [name for name in self.units.units if use in self.units.kept[name].types]
