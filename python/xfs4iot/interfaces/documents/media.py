"""The media of one device: its transaction, its units, and how movements are booked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import trio

from xfs4iot import devices
from xfs4iot.devices import MediaPresented, MediaStored, implements
from xfs4iot.interfaces.documents.reported import require_retracted, require_stored
from xfs4iot.interfaces.documents.transaction import KEPT, Private, Transaction, is_refusal
from xfs4iot.interfaces.storage.check import CheckUnits
from xfs4iot.interfaces.storage.movements import INACCURATE, Booking, Found, Movements, Moving
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.ledger import Intent, Posting
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import check as messages
from xfs4iot.server.command import Command, running
from xfs4iot.server.handler import Interface
from xfs4iot.server.results import require_defined
from xfs4iot.server.service import Service

__all__ = ["KINDS", "MediaState"]

KINDS = ("mediaInEnd", "mediaInRollback", "mediaAction", "mediaRetract", "mediaReset")
"""Kinds of movements in the journal."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Moved:
    """What has moved, and the transaction afterwards.

    Attributes:
        stored: items that were accepted into units, by unit.
        retracted: items that one operation has retracted, by unit.
        after: the transaction.
    """

    stored: Mapping[str, int]
    retracted: Mapping[str, int]
    after: Transaction


class Watching:
    """What the device is given: it notes the items that the device reports."""

    def __init__(self, media: MediaState, command: Command[Any], operation: int = 0) -> None:
        self.operation = operation
        self.items = 0
        self._media = media
        self._command = command

    @property
    def cancel_requested(self) -> bool:
        return self._command.cancel_requested

    def send(self, event: Payload) -> None:
        if isinstance(event, messages.MediaDataEvent):
            self.items += 1
            self._media.arrived(event)
        elif isinstance(event, messages.MediaRefusedEvent):
            self._media.transaction.was_refused(event)
        self._command.send(event)


class MediaState(Interface[devices.Check]):
    """What the commands of Check share.

    Attributes:
        transaction: the record.
        private: code lines and images of its items; in memory only.
        takings: how often the customer has taken something.
        also_reset: called after a reset, with its command, to clear the rest of the device.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.transaction = Transaction()
        self.private: dict[int, Private] = {}
        self.storage = service.interface(Storage)
        self.units = self.storage.kind(CheckUnits)
        self.storage.busy.append(lambda: self.transaction.state == "active")
        self.takings = 0
        self.also_reset: list[Callable[[Command[Any]], Awaitable[None]]] = []
        self._taken = trio.Event()
        self._movements: Movements[Moved] = Movements(
            service, self.storage, KINDS, book=self._booking, find=self._found
        )

    async def start(self) -> None:
        """Recall the transaction; one that was active goes on if the device confirms what is inside."""
        self.transaction = KEPT.of(self.service.ledger) or self.transaction
        await self._movements.settle()
        if self.transaction.state == "active" and not await self._confirmed():
            self.transaction.state = "unknown"
            await self.keep()
        self._show()

    async def reopened(self) -> None:
        """Settle what could not be settled before."""
        await self._movements.settle()

    async def _confirmed(self) -> bool:
        if not implements(self.device, "media_inside") or not self.service.operations.opened:
            return False
        try:
            inside = await self.ask(devices.Check.media_inside)
        except errors.XfsError as fault:
            self.service.log.error("the device does not say which items are inside: %s", fault)
            return False
        return inside == frozenset(self.transaction.inside)

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
        before, self.transaction, self.private = self.transaction, Transaction(state="active"), {}
        self.transaction.refused, self.transaction.bunches = before.refused, before.bunches
        self.transaction.must_present = before.must_present
        self.transaction.most = before.most
        self.transaction.application_refuses = before.application_refuses

    def arrived(self, event: messages.MediaDataEvent) -> None:
        """An item was taken in, or taken again after something was printed on it."""
        if self.transaction.state != "active":
            # The first item of a new transaction.
            self.begin()
        number = self.transaction.arrived(event)
        images = {one.image_source: one for one in event.image or () if one.image_source is not None}
        known = self.private.get(number, Private())
        self.private[number] = Private(event.codeline_data or known.codeline, {**known.images, **images})

    def observe(self, event: Payload) -> object:
        """What the customer has taken is his."""
        if isinstance(event, messages.MediaTakenEvent):
            for item in self.transaction.items.values():
                if item.access == "customer":
                    item.place = "customer"
            self._show()
            self.takings += 1
            self._taken.set()
            self._taken = trio.Event()
            # `observe` is synchronous, and the event must not wait for the disk.
            self.service.nursery.start_soon(self._keep_quietly)
        return None

    async def _keep_quietly(self) -> None:
        try:
            await self.keep()
        except errors.XfsError as fault:
            self.service.log.error("that items were taken is not kept: %s", fault)

    def _booking(self, detail: Mapping[str, Any], moved: Moved) -> Booking:
        postings: list[Posting] = []
        for unit, items in moved.stored.items():
            postings += self.units.stored(unit, items)
        for unit, items in moved.retracted.items():
            postings += self.units.retracted(unit, items)

        def done() -> None:
            self.transaction = moved.after
            self._show()
            if self.transaction.state != "active" and self.private:
                self.service.nursery.start_soon(self._forget, self.private)

        return Booking(postings, {KEPT.name: wire.encode(moved.after)}, done)

    async def _forget(self, private: dict[int, Private]) -> None:
        """Forget what items say of their owners, some time after the transaction's end."""
        await trio.sleep(self.device.private_seconds)
        # The next transaction has a record of its own.
        if self.transaction.state != "active" or private is not self.private:
            private.clear()

    async def _found(self, intent: Intent) -> Found[Moved]:
        """What an interrupted movement has moved, if the device recalls it."""
        after = self.transaction.copy()
        # Whatever was interrupted, an active transaction cannot simply go on.
        after.state = "unknown" if after.state == "active" else after.state
        if implements(self.device, "recall_media"):
            recalled = await self.service.operations.ask(
                devices.Check.recall_media, intent.id, believe=self._possible
            )
            if recalled is None:
                return Found(Moved({}, {}, after), True, "nothing has moved")
            self._take_places(after, recalled.items)
            retracts = intent.kind in ("mediaRetract", "mediaReset")
            moved = Moved({}, recalled.stored, after) if retracts else Moved(recalled.stored, {}, after)
            return Found(moved, True, "booked as the device recorded it")
        return Found(Moved({}, {}, after), False, INACCURATE)

    def _possible(self, result: MediaStored | None) -> None:
        """See that a device can have stored items so. Raises Mismatch."""
        self.believe_failure(result)
        if result is not None:
            require_stored(self, result)
            self._possible_bunches(result.more)

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

    def _take_places(self, after: Transaction, places: Mapping[int, str]) -> None:
        for number, place in places.items():
            if number in after.items:
                item = after.items[number]
                # What is presented is inside until it is taken. Without `presentControl` nothing is, yet.
                presented = place == "customer" and self.device.media_present_control
                item.access = "customer" if presented else "none"
                item.place = "device" if place == "customer" else place

    @staticmethod
    def _take_presented(after: Transaction, presented: MediaPresented | None) -> None:
        """Let the customer reach what was presented."""
        named = presented.items if presented is not None else frozenset()
        if not named and after.state != "active":
            named = frozenset(after.inside)
        for number in named & after.items.keys():
            if after.items[number].place == "device":
                after.items[number].access = "customer"

    async def present(
        self, command: Command[Any], ask: Callable[[], Awaitable[MediaPresented | None]]
    ) -> MediaPresented | None:
        """Let the device present something, and keep what the customer can reach."""
        presented = await ask()
        with trio.CancelScope(shield=True):
            # The items are at the customer's already: a cancel must not leave the duty to present them.
            self.transaction.must_present = False
            self._take_presented(self.transaction, presented)
            await self.keep()
        return presented

    def believe_presented(self, presented: MediaPresented | None) -> None:
        """See that a device can have presented that. Raises Mismatch."""
        self._possible_bunches(presented is not None and presented.more)

    async def present_rest(self, command: Command[Any], more: bool, takings: int) -> None:
        """Present bunch after bunch, each when the one before was taken; who gives up leaves the rest inside.

        Args:
            takings: how often something had been taken before the first was presented.
        """

        async def ask() -> MediaPresented:
            return await self.service.operations.ask(
                devices.Check.present_next, command, moving=True, believe=self.believe_presented
            )

        while more:
            while self.takings == takings:
                await self._taken.wait()
            takings = self.takings
            presented = await self.present(command, ask)
            more = presented is not None and presented.more

    async def end(
        self,
        command: Command[Any],
        kind: str,
        ask: Callable[[Watching], Awaitable[MediaStored]],
        success: str,
    ) -> MediaStored:
        """End the transaction, or one item of it, and book where its items went.

        Args:
            ask: calls the device.
            success: the state after it; `active` for one item of several.
        """

        async def asked(moving: Moving) -> MediaStored:
            try:
                return await ask(Watching(self, command, moving.operation))
            except errors.CommandError as fault:
                return MediaStored(failure=fault)

        def moved(result: MediaStored) -> Moved:
            after = self.transaction.copy()
            failed = result.failure is not None
            # A refusal that has stored something did move items, and is booked like a failure.
            if failed and is_refusal(result.failure) and not result.stored:  # type: ignore[arg-type]
                return Moved({}, {}, after)
            if success != "active" or failed:
                after.state = "failure" if failed else success  # type: ignore[assignment]
            after.refused = after.refused if result.refused is None else result.refused
            after.bunches = after.bunches if result.bunches_refused is None else result.bunches_refused
            after.deposited = after.deposited or (success == "active" and bool(result.stored))
            if not failed and success != "active":
                for item in after.items.values():
                    # Only a default: where the device names a place, `_take_places` below puts it right.
                    item.place = "unknown" if item.place == "device" else item.place
                after.on_stacker = 0
            self._take_places(after, result.items)
            return Moved(dict(result.stored), {}, after)

        units = [name for name, kept in self.units.kept.items() if "mediaIn" in kept.types]
        takings = self.takings
        result = await self._movements.carry_out(
            command, kind, Moved({}, {}, self.transaction), {"units": units}, asked, moved
        )
        if result.failure is not None:
            raise result.failure
        await self.present_rest(command, result.more, takings)
        return result

    async def bring_back(
        self,
        command: Command[Any],
        kind: str,
        ask: Callable[[Watching], Awaitable[devices.MediaRetracted]],
        success: str,
        target: str | None,
    ) -> devices.MediaRetracted:
        """Retract or reset, and book what came into a unit."""

        async def asked(moving: Moving) -> devices.MediaRetracted:
            try:
                return await ask(Watching(self, command, moving.operation))
            except errors.CommandError as fault:
                return devices.MediaRetracted(failure=fault)

        def moved(result: devices.MediaRetracted) -> Moved:
            after = self.transaction.copy()
            failed, place = result.failure is not None, result.location or ""
            if failed and is_refusal(result.failure) and not place:  # type: ignore[arg-type]
                return Moved({}, {}, after)
            if after.state in ("active", "unknown"):
                after.state = "failure" if failed else success  # type: ignore[assignment]
            into_unit = place in self.units.kept
            for item in after.items.values() if place and result.count != 0 else ():
                presented = item.access == "customer"
                if item.place in ("device", "customer") and (presented or kind == "mediaReset"):
                    item.place, item.access = (place if into_unit else "device"), "none"
            if not failed:
                after.must_present, after.on_stacker = False, 0 if kind == "mediaReset" else after.on_stacker
            if result.presented is not None:
                self._take_presented(after, result.presented)
            retracted = {place: result.count or 0} if into_unit and result.count != 0 else {}
            return Moved({}, retracted, after)

        # Without a named unit the device chooses: all units are in doubt until it is booked.
        units = [target] if target in self.units.kept else list(self.units.kept)
        takings = self.takings
        result = await self._movements.carry_out(
            command, kind, Moved({}, {}, self.transaction), {"units": units}, asked, moved
        )
        if result.failure is not None:
            raise result.failure
        await self.present_rest(command, result.presented is not None and result.presented.more, takings)
        return result

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

    async def take_in(self, command: Command[Any], ask: Callable[[Watching], Awaitable[_Result]]) -> _Result:
        """Let items come in, and keep the record whatever happens."""
        watching = Watching(self, command)
        try:
            result = await ask(watching)
        except errors.XfsError as fault:
            await self._took_in(fault)
            raise
        with trio.CancelScope(shield=True):
            # The device may say of its failure in the result instead of raising it.
            await self._took_in(getattr(result, "failure", None))
        return result

    async def _took_in(self, fault: errors.XfsError | None) -> None:
        if fault is not None and not is_refusal(fault):
            self.transaction.state = "failure"
        self._show()
        await self.keep()
