"""A movement of cash as a transaction: intent, device, booking, events.

The order is what keeps the books right through any crash:

1. The intent is booked, durably, with what is planned. Nothing has moved.
2. The device moves. From here on cancel and timeout wait: the device may look at
   `events.cancel_requested` and stop by itself, but it is not interrupted.
3. What the device says it has moved is booked with all that depends on it (present status,
   accuracy, teller totals), in one transaction, which also closes the intent.
4. Only then are events sent and the command completed.

A service that dies between 1 and 3, or a device operation that fails without saying what it
moved, leaves the intent open. It is settled at the next start, and before anything moves
again: with what the device itself recorded (`recall`), else with the counts of a device that
counts by itself (`unit_counts`; what is missing then left to an unknown place), else by
marking the units concerned as inaccurate. A device that does not answer leaves the intent
open, and nothing moves until it does.

What the device says is believed only if it can be (`reported`): a result that cannot be true, or that
cannot be booked, leaves the movement with an unknown outcome, as if the operation had raised.

A ledger that cannot be written (a full disk) refuses at 1, and nothing moves. If it fails at 3,
what the device said is held in memory and tried again until it is booked; meanwhile the units
concerned say that their counts are not known, the present status is unknown, and nothing moves.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Generic, TypeVar

import trio

from xfs4iot import devices
from xfs4iot.devices import CashMovement, CashUnitError, ItemsMoved, Tested, implements
from xfs4iot.interfaces.cash.counts import Booking
from xfs4iot.interfaces.cash.places import Places
from xfs4iot.interfaces.cash.reported import dispensed_as_asked, require_counts_possible, require_possible
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.interfaces.checks import require_ready
from xfs4iot.ledger import Intent, LedgerUnavailable, Posting
from xfs4iot.protocol import errors
from xfs4iot.protocol.message import SentEvent
from xfs4iot.server.command import Command
from xfs4iot.server.operations import WrongResult
from xfs4iot.server.results import require_defined

__all__ = ["DEPOSITS", "CashMovements", "Consequence"]

DEPOSITS = frozenset(
    {"cashIn", "cashInEnd", "cashInRollback", "preparePresent", "presentMedia", "createSignature"}
)
"""Kinds of movements of what a customer has inserted: stored by them, it is deposited."""

_Movement = TypeVar("_Movement", bound=CashMovement)

Consequence = Callable[[Mapping[str, Any], "CashMovement | None", Booking], dict[str, bytes]]
"""The documents that change with a movement: called with the intent's detail, what has moved
(None if nobody knows) and its booking."""

_Result = TypeVar("_Result")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds between attempts to book what a ledger could not take."""


class _Events(Generic[SentEvent]):
    """What the device is given: the command's events and the movement's number.

    Attributes:
        sent: how many events of each kind it has sent.
    """

    def __init__(
        self,
        command: Command[SentEvent],
        operation: int,
        everything: Callable[[str, str], tuple[ItemsMoved, ...]],
    ) -> None:
        self._command = command
        self.operation = operation
        self._everything = everything
        self.sent: Counter[type] = Counter()

    @property
    def cancel_requested(self) -> bool:
        return self._command.cancel_requested

    def send(self, event: SentEvent) -> None:
        self.sent[type(event)] += 1
        self._command.send(event)

    def everything(self, source: str, target: str) -> tuple[ItemsMoved, ...]:
        return self._everything(source, target)


class CashMovements:
    """Carries out and books the movements of one service.

    Attributes:
        consequences: what changes with a movement, by its kind.
        places: shows what lies where.
    """

    def __init__(self, cash: CashUnits) -> None:
        self.cash = cash
        self.storage = storage = cash.storage
        self.consequences: defaultdict[str, list[Consequence]] = defaultdict(list)
        self.places: Places | None = None
        self._held: dict[int, CashMovement] = {}
        self._followed: dict[tuple[int, bool], tuple[dict[str, bytes], bool]] = {}
        """What follows from movements that are not booked yet: documents, and whether units changed."""
        self._lock = trio.Lock()
        self._retrying = False
        self._at_work: int | None = None
        storage.settled = self._all_settled

    @property
    def in_doubt(self) -> bool:
        """Whether there is a movement of which nobody knows yet what it has moved."""
        intents = self.storage.service.ledger.open_intents()
        return any(intent.id != self._at_work for intent in intents if _is_cash(intent))

    @asynccontextmanager
    async def _all_settled(self) -> AsyncIterator[None]:
        """No movement is open or begins while the block lasts."""
        async with self._lock:
            await self._settle()
            yield

    async def settle(self) -> None:
        """Settle what is open.

        Raises:
            XfsError: the device does not answer, or it could not be booked.
        """
        async with self._lock:
            await self._settle()

    async def start(self) -> None:
        """Settle what a crash left open, if the device answers already."""
        try:
            await self._compare()
            async with self._lock:
                await self._settle()
        except errors.XfsError as fault:
            self._not_settled("open movements are", fault)

    async def _compare(self) -> None:
        """See whether the device has recorded movements that the ledger does not have."""
        storage = self.storage
        if not implements(storage.device, "last_movement"):
            return
        last = await storage.ask(devices.CashManagement.last_movement)
        if last is not None:
            await storage.service.ledger.compare(last)
            await storage.doubt_what_was_lost()

    async def move(
        self,
        command: Command,
        kind: str,
        operation: Callable[..., Awaitable[_Movement]],
        *arguments: Any,
        planned: Iterable[ItemsMoved] = (),
        units: Iterable[str] = (),
        check: Callable[[], None] | None = None,
        believe: Callable[[_Movement], None] | None = None,
        clears: Callable[[_Movement], Iterable[str]] | None = None,
        detail: Mapping[str, Any] | None = None,
        waits: bool = False,
        finish: Callable[[_Movement, Mapping[type, int]], _Movement] | None = None,
    ) -> tuple[_Movement, Booking]:
        """Carry out one movement.

        Args:
            kind: of the movement, for the journal; its `consequences` are booked with it.
            operation: as the abstract device class has it.
            arguments: of the operation; it is called with the movement's events last.
            planned: what is expected to move.
            units: what else it concerns.
            check: raises what refuses it by the counts as they are when open movements are settled.
            believe: raises `exact.Mismatch` if the device cannot have done that when it was asked for this.
            clears: the places that are empty after a success, whatever the device says of them.
            detail: what is needed to settle it after a crash.
            waits: whether the device waits for a customer, as long as the client does.
            finish: adds to what the device says, before it is booked, what follows from the events that it
                has sent.

        Returns:
            What has moved and how it was booked. A failure in it is not raised: the caller
            completes the command with what it has to say besides.

        Raises:
            XfsError: nothing has moved.
            HardwareError: the device failed; what had moved is booked if the device knows.
        """
        require_ready(self.storage.device)
        async with self._lock:
            await self._settle()
            # Settling is shielded: a cancel that came meanwhile takes effect here, at the last chance.
            await trio.lowlevel.checkpoint()
            if check is not None:
                check()
            with trio.CancelScope(shield=True):
                moved = await self._move(
                    command,
                    kind,
                    operation,
                    arguments,
                    planned,
                    set(units),
                    believe,
                    clears,
                    detail or {},
                    waits,
                    finish,
                )
        return moved

    async def _move(
        self,
        command: Command,
        kind: str,
        operation: Callable[..., Awaitable[_Movement]],
        arguments: tuple[Any, ...],
        planned: Iterable[ItemsMoved],
        units: set[str],
        believe: Callable[[_Movement], None] | None,
        clears: Callable[[_Movement], Iterable[str]] | None,
        detail: Mapping[str, Any],
        waits: bool,
        finish: Callable[[_Movement, Mapping[type, int]], _Movement] | None,
    ) -> tuple[_Movement, Booking]:
        storage = self.storage
        service = storage.service
        deposits = kind in DEPOSITS
        plan = self.cash.counts.booking_of(CashMovement(moved=tuple(planned)), deposits=deposits)
        kept = self.cash.kept
        places = ("stacker", "transport", *(("output",) if kind in ("retract", "reset") else ()))
        # Items outside the units stay on the books of the unit they came from, so those units are concerned
        # as well, even where nothing is planned for them.
        outside = {unit for place in places for unit in self.cash.counts.at(place)}
        concerned = sorted(({posting.unit for posting in plan.postings} | units | outside) & kept.keys())
        intent = await service.ledger.begin(
            kind,
            command=command.name,
            request_id=command.request_id,
            identity=command.identity,
            planned=plan.postings,
            detail={**detail, "units": concerned},
        )
        storage.unsettled = frozenset(concerned)
        self._at_work = intent.id

        def possible(result: _Movement) -> None:
            require_possible(self.cash, result)
            require_defined(result.failure, command)
            if believe is not None:
                believe(result)

        events = _Events(command, intent.id, self._everything)
        try:
            result = await service.operations.ask(
                operation,
                *arguments,
                events,
                moving=True,
                waits=(lambda: not command.cancel_requested) if waits else None,
                believe=possible,
            )
        # It may have moved something: what, is found out at once. If that fails the intent stays open.
        except errors.HardwareError:
            self._at_work = None
            try:
                await self._settle()
            except errors.XfsError as fault:
                self._not_settled(f"{command.name} is", fault)
            storage.publish()
            raise
        except errors.XfsError as refused:
            # Any other error means that nothing has moved. Held until it is written: if the ledger fails,
            # `_settle` closes the intent with it and need not ask the device.
            self._held[intent.id] = CashMovement(failure=refused)
            self._at_work = None
            await self._once_written(command, service.ledger.book(intent, (), outcome="failed"))
            del self._held[intent.id]
            storage.unsettled = frozenset()
            raise
        if finish is not None:
            result = finish(result, events.sent)
        whole = result
        if clears is not None and result.failure is None:
            whole = self._cleared(command, result, tuple(clears(result)), deposits)
        # Held before it is written: if the ledger fails, this is all there is of what the device said.
        self._held[intent.id] = whole
        self._at_work = None
        booking = await self._once_written(command, self._close(intent, whole))
        del self._held[intent.id]
        storage.unsettled = frozenset()
        storage.publish()
        if booking is None:
            raise errors.HardwareError(
                f"what the device says that {command.name} has moved cannot be booked; "
                "its units are inaccurate: see Storage.GetStorage"
            )
        return result, booking

    def _everything(self, source: str, target: str) -> tuple[ItemsMoved, ...]:
        """All that is at a place, moved to another."""
        if self.places is not None and source == "output":
            return self.places.at_output(target)
        return self.cash.counts.everything(source, target)

    def _cleared(
        self, command: Command, result: _Movement, clears: tuple[str, ...], deposits: bool
    ) -> _Movement:
        """The result, with what the books have at places that are empty now and the device leaves out."""
        storage = self.storage
        lost = tuple(
            items
            for place in clears
            for items in self.cash.counts.everything(place, "unknown", result, deposits=deposits)
        )
        if not lost:
            return result
        told = ", ".join(
            f"{items.count} of {items.origin or 'a customer'} on the {items.source}" for items in lost
        )
        storage.service.log.error(
            "%s succeeded and says nothing of items that should have been there: %s; their place is "
            "unknown now and their units are inaccurate: look for them",
            command.name,
            told,
        )
        storage.service.operations.blame(moving=True)
        return dataclasses.replace(
            result,
            moved=result.moved + lost,
            inaccurate=result.inaccurate | {items.origin for items in lost if items.origin is not None},
        )

    async def _close(self, intent: Intent, result: CashMovement | None, known: bool = True) -> Booking | None:
        """Book a movement; if what it moved cannot be booked, that nobody knows it, and return None.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        if result is not None:
            try:
                return await self._conclude(intent, result, moved_unknown=not known)
            except LedgerUnavailable:
                raise
            except Exception:
                self.storage.service.log.exception("what %s has moved cannot be booked", intent.command)
        try:
            await self._conclude(intent, None, moved_unknown=True)
        except LedgerUnavailable:
            raise
        except Exception:
            self.storage.service.log.exception("what follows from %s cannot be booked", intent.command)
            # Closed without its consequences rather than left open: an open intent holds up every movement.
            await self.storage.service.ledger.book(
                intent, (), outcome="unknown", documents=self.storage.doubt(_units(intent))
            )
        return None

    async def _once_written(self, command: Command, booking: Awaitable[_Result]) -> _Result:
        """Wait for a booking; one that cannot be written is tried again until it can."""
        try:
            return await booking
        except LedgerUnavailable as fault:
            self._try_again()
            self.storage.publish()
            raise errors.InternalError(
                f"{command.name} came to its end, but its outcome is not booked yet: {fault}; it is held and "
                "booked as soon as the ledger can be written; until then see Storage.GetStorage, and "
                "CashDispenser.GetPresentStatus or CashAcceptor.GetCashInStatus; do not repeat the command"
            ) from fault

    def _try_again(self) -> None:
        if not self._retrying:
            self._retrying = True
            self.storage.service.nursery.start_soon(self._settle_later)

    async def _settle_later(self) -> None:
        """Settle what could not be booked, as soon as the ledger can be written."""
        storage = self.storage
        pause = _FIRST_PAUSE
        while True:
            await trio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                async with self._lock:
                    await self._settle()
            except LedgerUnavailable:
                continue
            except errors.XfsError as fault:
                # The device does not answer: the next movement asks it again, not this loop.
                self._not_settled("open movements are", fault)
            break
        self._retrying = False
        storage.publish()

    def _not_settled(self, what: str, fault: errors.XfsError) -> None:
        # How a device failed is in the log already.
        why = "the device failed" if isinstance(fault, errors.HardwareError) else fault
        self.storage.service.log.error("%s not settled yet: %s", what, why)

    async def _conclude(
        self, intent: Intent, result: CashMovement | None, moved_unknown: bool = False
    ) -> Booking:
        """Work out what follows from a movement, and book all of it in one transaction."""
        storage = self.storage
        booking = self.cash.counts.booking_of(
            result if result is not None else CashMovement(), deposits=intent.kind in DEPOSITS
        )
        inaccurate = booking.inaccurate
        if moved_unknown:
            inaccurate = inaccurate | _units(intent)
        failure = result.failure if result is not None else None
        empty: set[str] = set()
        if isinstance(failure, CashUnitError) and failure.failure == "empty":
            # Empty for the device while the books still have items: the counts are wrong.
            empty = {unit for unit in failure.units if self.cash.counts.total(unit)}
            inaccurate = inaccurate | empty
        if isinstance(result, Tested):
            fed_nothing = {name for name, why in result.failed.items() if why == "empty"}
            empty |= {name for name in fed_nothing if self.cash.counts.total(name)}
        told = None if moved_unknown else result
        if (intent.id, moved_unknown) not in self._followed:
            # Once: it changes what is known of tellers, tokens and units, and a booking that the ledger
            # could not take is tried again.
            learnt = self.cash.learn(empty, () if result is None else result.moved)
            followed: dict[str, bytes] = {}
            for consequence in self.consequences.get(intent.kind, ()):
                followed |= consequence(intent.detail, told, booking)
            self._followed[intent.id, moved_unknown] = followed, learnt
        documents, learnt = self._followed[intent.id, moved_unknown]
        outcome = (
            "unknown"
            if moved_unknown or result is None
            else "failed"
            if result.failure is not None
            else "done"
        )
        await storage.service.ledger.book(
            intent,
            booking.postings,
            outcome=outcome,
            documents={
                **documents,
                **(self.cash.documents() if learnt else {}),
                **(storage.doubt(inaccurate) if inaccurate else {}),
            },
        )
        for unknown in (True, False):
            self._followed.pop((intent.id, unknown), None)
        if self.places is not None:
            self.places.followed(intent.kind, intent.detail, told, booking)
        return booking

    async def _settle(self) -> None:
        """Find out what open movements have moved, and book it.

        Raises:
            XfsError: the device does not answer.
            LedgerUnavailable: it could not be booked, and is tried again.
        """
        storage = self.storage
        # Shielded: the command that waits for this may be cancelled, but a device that is asked what it has
        # moved is not interrupted while it answers.
        with trio.CancelScope(shield=True):
            for intent in storage.service.ledger.open_intents():
                if not _is_cash(intent):
                    continue
                storage.unsettled = storage.unsettled | _units(intent)
                result, known = await self._recalled(intent)
                try:
                    closed = await self._close(intent, result, known)
                except LedgerUnavailable:
                    self._try_again()
                    raise
                storage.service.log.warning(
                    "%s of request %d was interrupted: %s",
                    intent.command,
                    intent.request_id,
                    "booked as the device recorded it"
                    if known and closed is not None
                    else "its units are inaccurate",
                )
            self._held.clear()
            storage.unsettled = frozenset()

    async def _recalled(self, intent: Intent) -> tuple[CashMovement | None, bool]:
        """What an open movement has moved, and whether that is certain."""
        storage, device = self.storage, self.storage.device
        if intent.id in self._held:
            return self._held[intent.id], True
        if implements(device, "recall") and intent.kind != "recover":
            with suppress(WrongResult):
                recalled = await storage.ask(
                    devices.CashManagement.recall, intent.id, believe=partial(self._recallable, intent)
                )
                if recalled is not None:
                    return recalled, True
        if implements(device, "unit_counts"):
            with suppress(WrongResult):
                counted = await storage.ask(
                    devices.Storage.unit_counts, believe=partial(require_counts_possible, self.cash)
                )
                # What a unit has more came from where the customer's items were.
                source = {"cashIn": "customer", "cashInEnd": "stacker"}.get(intent.kind, "unknown")
                # Counts alone say how many are missing, not where they went: to `unknown`, and the units are
                # inaccurate. The movement is closed all the same, for nothing more will ever be known of it.
                gone = []
                for unit, held in counted.items():
                    missing = self.cash.counts.total(unit) - held
                    if missing > 0:
                        gone.append(ItemsMoved(missing, unit, "unknown", origin=unit))
                    elif missing < 0:
                        gone.append(ItemsMoved(-missing, source, unit))
                return CashMovement(moved=tuple(gone)), False
        return None, False

    def _recallable(self, intent: Intent, recalled: CashMovement | None) -> None:
        """See that a movement can have moved what the device recalls of it. Raises Mismatch."""
        if recalled is None:
            return
        require_possible(self.cash, recalled)
        if intent.kind == "dispense":
            planned: Counter[str] = Counter()
            for posting in intent.planned:
                if isinstance(posting, Posting) and posting.bucket in ("out.stacked", "out.presented"):
                    planned[posting.unit] += posting.delta
            # As if it had failed: an interrupted dispense may have brought less than planned, never more.
            dispensed_as_asked(planned)(dataclasses.replace(recalled, failure=errors.HardwareError()))


def _is_cash(intent: Intent) -> bool:
    """Whether it is a movement of cash; all others are settled by their own interfaces."""
    return not intent.kind.startswith(("card", "media"))


def _units(intent: Intent) -> set[str]:
    """The units that a movement may concern."""
    return set(intent.detail.get("units", ()))
