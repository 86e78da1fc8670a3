"""A movement of things that are counted, as a transaction: intent, device, booking, events.

1. The intent is booked, durably, with what is planned. Nothing has moved.
2. The device moves. From here on cancel and timeout wait; it may look at `events.cancel_requested`.
3. What it says it has moved is booked, with all that depends on it, in one transaction, which also closes the
   intent.
4. Only then are events sent and the command completed.

A service that dies between 1 and 3 leaves the intent open. It is settled at the next start, and before
anything moves again, with what the interface finds out (`find`). What the ledger could not take at 3 is held
in memory and tried again until it is booked; nothing moves meanwhile, and the units concerned are in doubt.
What cannot be booked at all, because it cannot be true, is booked as a movement of which nobody knows what it
has moved, so that it does not hold up every movement after it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import field
from typing import Any, Generic, TypeVar

import trio

from xfs4iot.dataclass import dataclass
from xfs4iot.interfaces.storage.kept_first import Keeping, KeptFirst
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.ledger import Intent, LedgerUnavailable, Posting
from xfs4iot.protocol import errors
from xfs4iot.protocol.message import Payload
from xfs4iot.server.command import Command
from xfs4iot.server.service import Service
from xfs4iot.server.trying_again import TryingAgain

__all__ = ["INACCURATE", "Booking", "Found", "Movements", "Moving"]

_Moved = TypeVar("_Moved")
_Result = TypeVar("_Result")

INACCURATE = "its units are inaccurate; count what is in them, and say so with Storage.SetStorage"
"""Of a movement of which nobody knows what it has moved, for the log."""


class Moving:
    """What the device is given: the command's events, and the movement's number.

    Attributes:
        shield: what holds up cancel and timeout while the device moves.
        kept_first: by which its events are sent; None where none of them must be kept.
    """

    def __init__(
        self,
        command: Command[Any] | None,
        operation: int,
        shield: trio.CancelScope | None = None,
        kept_first: KeptFirst | None = None,
    ) -> None:
        self._command = command
        self.shield = shield
        self.operation = operation
        self.kept_first = kept_first

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let cancel and timeout through while the block lasts: the device waits for somebody.

        Who lets them through takes care of what has moved by then, and goes on as if nothing had happened:
        the movement is booked, and the command ends at its next checkpoint.
        """
        assert self.shield is not None
        self.shield.shield = False
        try:
            yield
        finally:
            self.shield.shield = True

    @property
    def cancel_requested(self) -> bool:
        return self._command is not None and self._command.cancel_requested

    def send(self, event: Payload, keeping: Keeping | None = None) -> None:
        if self._command is None or (send := self._command.prepared(event)) is None:
            return
        if self.kept_first is None:
            send()
        else:
            self.kept_first.send(send, keeping)


@dataclass(frozen=True)
class Booking:
    """What is booked of a movement.

    Attributes:
        postings: the counts that change.
        documents: what else changes with them.
        done: called when it is durable.
        doubtful: units whose counts are not certain with it.
        failed: whether it did not do all it was asked to.
    """

    postings: Iterable[Posting] = ()
    documents: Mapping[str, bytes] = field(default_factory=dict)
    done: Callable[[], object] = lambda: None
    doubtful: Collection[str] = ()
    failed: bool = False


@dataclass(frozen=True)
class _Held(Generic[_Moved]):
    """What has moved and is not booked yet; None if nothing has."""

    moved: _Moved | None
    certain: bool


@dataclass(frozen=True)
class Found(Generic[_Moved]):
    """What has come of a movement that was interrupted.

    Attributes:
        moved: what has moved, as far as it is known.
        certain: whether that is all.
        text: the same, for the log.
    """

    moved: _Moved
    certain: bool
    text: str


class Movements(Generic[_Moved]):
    """Carries out and books the movements of one kind of things of one service.

    Args:
        service: whose.
        storage: its units; None if it has none.
        kinds: of movements, for the journal; all others are left alone.
        book: what to book when so much has moved; called with the intent's detail.
        find: finds out what an interrupted movement has moved; raises `XfsError` if the device does not
            answer.
        lost: called when the device class has failed while it moved something.
        unknown: what is booked when nobody knows what has moved, or it cannot be booked.
        where: the commands that tell what is known meanwhile, for error texts.
    """

    def __init__(
        self,
        service: Service,
        storage: Storage | None,
        kinds: Collection[str],
        *,
        book: Callable[[Mapping[str, Any], _Moved], Booking],
        find: Callable[[Intent], Awaitable[Found[_Moved]]],
        lost: Callable[[], object] = lambda: None,
        unknown: Callable[[Intent], _Moved] | None = None,
        where: str = "Common.Status",
    ) -> None:
        self._service = service
        self._storage = storage
        self._kinds = kinds
        self._book = book
        self._find = find
        self._lost = lost
        self._unknown = unknown
        self._where = where
        self._held: dict[int, _Held[_Moved]] = {}
        self._at_work: int | None = None
        self._lock = trio.Lock()
        self._again = TryingAgain(service, self._settled_at_last)
        if storage is not None:
            storage.movements.append(self.settled)

    @property
    def in_doubt(self) -> bool:
        """Whether there is a movement of which nobody knows yet what it has moved."""
        return any(intent.id != self._at_work for intent in self._open())

    def _open(self) -> list[Intent]:
        return [intent for intent in self._service.ledger.open_intents() if intent.kind in self._kinds]

    @asynccontextmanager
    async def settled(self) -> AsyncIterator[None]:
        """No movement is open or begins while the block lasts."""
        async with self._lock:
            await self._settle()
            yield

    async def settle(self) -> None:
        """Settle open movements, if the device answers already."""
        async with self._lock:
            await self._settle_quietly()

    async def carry_out(
        self,
        command: Command[Any] | None,
        kind: str,
        planned: _Moved,
        detail: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
        ask: Callable[[Moving], Awaitable[_Result]],
        moved: Callable[[_Result], _Moved],
    ) -> _Result:
        """Let the device move something, and book what it says; a failure in its result is not raised.

        Args:
            command: what asked for it.
            planned: what is expected to move.
            detail: what is needed to settle it after a crash; `units`: those that are in doubt then. Or what
                gives it when all earlier movements are booked; it may refuse the movement.
            ask: calls the device.
            moved: what its result says.

        Raises:
            XfsError: nothing has moved.
            HardwareError: the device failed; what had moved is booked if that can be found out.
        """
        async with self._lock:
            await self._settle()
            noted = detail() if callable(detail) else detail
            with trio.CancelScope(shield=True) as shield:
                intent = await self._service.ledger.begin(
                    kind,
                    command=command.name if command is not None else "",
                    request_id=command.request_id if command is not None else 0,
                    identity=command.identity if command is not None else "",
                    planned=tuple(self._book(noted, planned).postings),
                    detail=noted,
                )
                self._doubt(intent)
                self._at_work = intent.id
                kept_first = KeptFirst(self._service)
                try:
                    try:
                        result = await ask(Moving(command, intent.id, shield, kept_first))
                    finally:
                        await kept_first.all_sent()
                # It may have moved something; if that cannot be found out now, the intent stays open.
                except errors.HardwareError:
                    self._at_work = None
                    self._lost()
                    await self._settle_quietly()
                    self._publish()
                    raise
                # Any other error means that nothing has moved.
                except errors.XfsError:
                    self._at_work = None
                    await self._close(intent, _Held(None, True))
                    raise
                self._at_work = None
                if not await self._close(intent, _Held(moved(result), True)):
                    raise errors.HardwareError(
                        f"what the device says that {intent.command or kind} has moved cannot be booked; "
                        "its units are inaccurate: see Storage.GetStorage"
                    )
        return result

    async def record(self, kind: str, moved: _Moved) -> None:
        """Book what has moved without being asked to."""
        async with self._lock:
            booking = self._book({}, moved)
            await self._service.ledger.record(kind, tuple(booking.postings), documents=booking.documents)
            booking.done()
        self._publish()

    async def _close(self, intent: Intent, held: _Held[_Moved]) -> bool:
        """Book a movement, or else that nobody knows what it has moved; False for the latter.

        One that cannot be written is held, and tried again until it can.

        Raises:
            InternalError: it could not be written.
        """
        # Held before it is written: if the ledger fails, this is all there is of what has moved.
        self._held[intent.id] = held
        try:
            booked = await self._booked(intent, held)
        except LedgerUnavailable as fault:
            self._again.begin()
            self._publish()
            raise errors.InternalError(
                f"{intent.command or intent.kind} came to its end, but its outcome is not booked yet: "
                f"{fault}; it is held and booked as soon as the ledger can be written; until then see "
                f"{self._where}; do not repeat the command"
            ) from fault
        del self._held[intent.id]
        self._show()
        self._publish()
        return booked

    async def _booked(self, intent: Intent, held: _Held[_Moved]) -> bool:
        if held.moved is None:
            await self._service.ledger.book(intent, (), outcome="failed")
            return True
        try:
            await self._write(intent, self._book(intent.detail, held.moved), held.certain)
            return True
        except LedgerUnavailable:
            raise
        except Exception:
            if self._unknown is None:
                raise
            self._service.log.exception("what %s has moved cannot be booked", intent.command)
        try:
            await self._write(intent, self._book(intent.detail, self._unknown(intent)), False)
        except LedgerUnavailable:
            raise
        except Exception:
            self._service.log.exception("what follows from %s cannot be booked", intent.command)
            # Closed without its consequences rather than left open: an open intent holds up every movement.
            await self._write(intent, Booking(), False)
        return False

    async def _write(self, intent: Intent, booking: Booking, certain: bool) -> None:
        documents = dict(booking.documents)
        doubtful = {*booking.doubtful, *(() if certain else _units(intent))}
        if doubtful and self._storage is not None:
            documents |= self._storage.doubt(doubtful)
        outcome = "unknown" if not certain else "failed" if booking.failed else "done"
        postings = tuple(booking.postings)
        await self._service.ledger.book(intent, postings, outcome=outcome, documents=documents)
        booking.done()

    def _doubt(self, intent: Intent) -> None:
        """Let the units that a movement may concern say that their counts are not known now."""
        if self._storage is not None:
            self._storage.unsettled |= _units(intent)

    def _show(self) -> None:
        """Let units that no open movement concerns say that their counts are known again."""
        if self._storage is not None:
            self._storage.unsettled = frozenset().union(*map(_units, self._open()))

    def _publish(self) -> None:
        if self._storage is not None:
            self._storage.publish()

    async def _settled_at_last(self) -> bool:
        async with self._lock:
            await self._settle_quietly()
        return not self._held

    async def _settle_quietly(self) -> None:
        try:
            await self._settle()
        except errors.XfsError as fault:
            # How a device failed is in the log already.
            why = "the device failed" if isinstance(fault, errors.HardwareError) else fault
            self._service.log.error("an open movement is not settled yet: %s", why)

    async def _settle(self) -> None:
        """Find out what open movements have moved, and book it."""
        # Shielded: the command that waits for this may be cancelled, but a device that is asked what it has
        # moved is not interrupted while it answers.
        with trio.CancelScope(shield=True):
            for intent in self._open():
                self._doubt(intent)
                # Its outcome is known, only not written yet: the device need not be open for that.
                if intent.id in self._held:
                    await self._close(intent, self._held[intent.id])
                    continue
                if not self._service.operations.opened:
                    raise errors.DeviceNotReady("the device is not open")
                found = await self._find(intent)
                booked = await self._close(intent, _Held(found.moved, found.certain))
                self._service.log.warning(
                    "%s of request %d was interrupted: %s",
                    intent.command or intent.kind,
                    intent.request_id,
                    found.text if booked else INACCURATE,
                )


def _units(intent: Intent) -> frozenset[str]:
    """The units that a movement may concern."""
    return frozenset(map(str, intent.detail.get("units", ())))
