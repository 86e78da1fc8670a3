"""How media move: in, to where they stay, back to the customer, and away when nobody takes them.

Each is a movement as `storage.movements` says: noted before, booked after, with all that depends on it. While
items come in, what the client is told of each is kept first; a client that gives up ends the wait for
people, and what has come in by then is booked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import trio

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import MediaPresented, MediaStored
from xfs4iot.interfaces.documents.media import MediaState
from xfs4iot.interfaces.documents.media_moved import PLANNED, Moved
from xfs4iot.interfaces.documents.media_transaction import Transaction, is_refusal
from xfs4iot.interfaces.storage.kept_first import Keeping
from xfs4iot.interfaces.storage.movements import Moving
from xfs4iot.protocol import errors
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import check as messages
from xfs4iot.server.command import Command

__all__ = ["MediaMoves", "Watching"]

_Result = TypeVar("_Result")


class Watching(Moving):
    """What the device is given: it notes the items that the device reports.

    Attributes:
        presented_at: how often the customer had taken something when this began to present, if it has.
    """

    def __init__(self, media: MediaState, command: Command[Any], moving: Moving) -> None:
        super().__init__(command, moving.operation, moving.shield, moving.kept_first)
        self.presented_at: int | None = None
        self._media = media

    def send(self, event: Payload, keeping: Keeping | None = None) -> None:
        media = self._media
        if isinstance(event, messages.MediaPresentedEvent) and self.presented_at is None:
            self.presented_at = media.takings
        if isinstance(event, messages.MediaDataEvent):
            media.arrived(event)
            keeping = media.keeping(self.operation)
        elif isinstance(event, messages.MediaRefusedEvent):
            media.transaction.was_refused(event)
            keeping = media.keeping(self.operation)
        super().send(event, keeping)


@dataclass(frozen=True)
class _Came(Generic[_Result]):
    """What a device says when items have come in, or how that has failed; or the client gave up."""

    result: _Result | None
    failure: errors.XfsError | None = None
    stopped: bool = False


class MediaMoves(MediaState):
    """The movements."""

    async def take_in(
        self,
        command: Command[Any],
        kind: str,
        ask: Callable[[Watching], Awaitable[_Result]],
        follows: Callable[[Transaction, _Result], None] = lambda after, result: None,
        *,
        stop: Callable[[], Awaitable[_Result | None]] | None = None,
        ends: bool = True,
    ) -> _Result:
        """Let items come in, and book them whatever happens.

        Args:
            follows: what else it changes of the transaction.
            stop: what to do when a client gives up while the device waits for people; None: it does not.
            ends: whether a failure of the device ends the transaction.

        Raises:
            XfsError: as the device says; what had come in before is booked.
        """
        detail = {
            "most": self.transaction.most,
            "applicationRefuses": self.transaction.application_refuses,
        }

        async def asked(moving: Moving) -> _Came[_Result]:
            events = Watching(self, command, moving)
            try:
                if stop is None:
                    result = await ask(events)
                else:
                    with events.interruptible():
                        result = await ask(events)
            except trio.Cancelled:
                if stop is None:
                    raise
                return _Came(await stop(), stopped=True)
            except errors.HardwareError:
                raise
            except errors.XfsError as fault:
                return _Came(None, fault)
            # The device may say of its failure in the result instead of raising it.
            return _Came(result, getattr(result, "failure", None))

        def moved(came: _Came[_Result]) -> Moved:
            if came.failure is None and not came.stopped and self.transaction.state != "active":
                # All of it was refused: a transaction without items.
                self.begin()
            after = self.transaction.copy()
            if came.failure is None or came.result is not None:
                follows(after, came.result)  # type: ignore[arg-type]
            if ends and came.failure is not None and not is_refusal(came.failure):
                after.state = "failure"
            return Moved(after)

        try:
            came = await self.movements.carry_out(command, kind, PLANNED, detail, asked, moved)
        except errors.HardwareError:
            if ends:
                await self._failed()
            raise
        if came.failure is not None:
            raise came.failure
        if came.stopped:
            # The movement is booked: now the command ends as it was to.
            await trio.lowlevel.checkpoint()
        return came.result  # type: ignore[return-value]

    async def _failed(self) -> None:
        """Keep that the device has failed."""
        with trio.CancelScope(shield=True):
            self.transaction.state = "failure"
            self._show()
            await self.keep()

    async def present(
        self,
        command: Command[Any],
        ask: Callable[[Watching], Awaitable[MediaPresented | None]],
    ) -> MediaPresented | None:
        """Let the device present something, and keep what the customer can reach."""
        watching: list[Watching] = []

        async def asked(moving: Moving) -> MediaPresented | None:
            watching.append(Watching(self, command, moving))
            return await ask(watching[0])

        def moved(presented: MediaPresented | None) -> Moved:
            after = self.transaction.copy()
            after.must_present = False
            self.take_presented(after, presented)
            return Moved(after, takings=watching[0].presented_at)

        return await self.movements.carry_out(command, "mediaPresent", PLANNED, {}, asked, moved)

    async def present_rest(self, command: Command[Any], more: bool, takings: int) -> None:
        """Present bunch after bunch, each when the one before was taken; who gives up leaves the rest inside.

        Args:
            takings: how often something had been taken before the first was presented.
        """

        async def ask(events: Watching) -> MediaPresented:
            return await self.service.operations.ask(
                devices.Check.present_next, events, moving=True, believe=self.believe_presented
            )

        while more:
            while self.takings == takings:
                await self.taken.wait()
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
        watching: list[Watching] = []

        async def asked(moving: Moving) -> MediaStored:
            watching.append(Watching(self, command, moving))
            try:
                return await ask(watching[0])
            except errors.CommandError as fault:
                return MediaStored(failure=fault)

        def moved(result: MediaStored) -> Moved:
            after = self.transaction.copy()
            failed = result.failure is not None
            # A refusal that has stored something did move items, and is booked like a failure.
            if failed and is_refusal(result.failure) and not result.stored:  # type: ignore[arg-type]
                return Moved(after)
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
            self.take_places(after, result.items)
            return Moved(after, stored=dict(result.stored), takings=watching[0].presented_at)

        units = [name for name, kept in self.units.kept.items() if "mediaIn" in kept.types]
        takings = self.takings
        result = await self.movements.carry_out(command, kind, PLANNED, {"units": units}, asked, moved)
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
        watching: list[Watching] = []

        async def asked(moving: Moving) -> devices.MediaRetracted:
            watching.append(Watching(self, command, moving))
            try:
                return await ask(watching[0])
            except errors.CommandError as fault:
                return devices.MediaRetracted(failure=fault)

        def moved(result: devices.MediaRetracted) -> Moved:
            after = self.transaction.copy()
            failed, place = result.failure is not None, result.location or ""
            if failed and is_refusal(result.failure) and not place:  # type: ignore[arg-type]
                return Moved(after)
            if after.state in ("active", "unknown"):
                after.state = "failure" if failed else success  # type: ignore[assignment]
            into_unit = place in self.units.kept
            self._take_found(after, kind, result, into_unit)
            if not failed:
                after.must_present, after.on_stacker = False, 0 if kind == "mediaReset" else after.on_stacker
            if result.presented is not None:
                self.take_presented(after, result.presented)
            elif not failed and kind == "mediaReset" and (not place or result.count == 0):
                self._lose_the_rest(command, after)
            retracted = {place: result.count or 0} if into_unit and result.count != 0 else {}
            return Moved(after, retracted=retracted, takings=watching[0].presented_at)

        # Without a named unit the device chooses: all units are in doubt until it is booked.
        units = [target] if target in self.units.kept else list(self.units.kept)
        takings = self.takings
        result = await self.movements.carry_out(command, kind, PLANNED, {"units": units}, asked, moved)
        if result.failure is not None:
            raise result.failure
        await self.present_rest(command, result.presented is not None and result.presented.more, takings)
        return result

    @staticmethod
    def _take_found(after: Transaction, kind: str, result: devices.MediaRetracted, into_unit: bool) -> None:
        """Take the items that were found to where they are now; if some are missing, nobody knows where."""
        place = result.location
        if place is None or result.count == 0:
            return
        found = [
            item
            for item in after.items.values()
            # What the customer has taken is his, whatever else is found.
            if item.place == "device" and (item.access == "customer" or kind == "mediaReset")
        ]
        # Which of them is missing cannot be told.
        if_in_unit = place if result.count is None or result.count >= len(found) else "unknown"
        for item in found:
            item.place, item.access = (if_in_unit if into_unit else "device"), "none"

    def _lose_the_rest(self, command: Command[Any], after: Transaction) -> None:
        """The way is clear and the device has found nothing: what should have been inside is not."""
        for number in after.inside:
            self.service.operations.blame(moving=True)
            after.items[number].place = "unknown"
            self.service.log.error(
                "%s succeeded and says nothing of item %d, which should have been inside; nobody knows where "
                "it is: look for it",
                command.name,
                number,
            )
