"""A movement of cash: what is asked of the device, what it says, and what is booked of it.

How a movement is a transaction says `storage.movements`; this is what is particular to cash. What the device
says is believed only if it can be (`reported`); a result that cannot be true leaves the movement with an
unknown outcome, as if the operation had raised. An unknown outcome is settled with what the device itself
recorded (`recall`), else with the counts of a device that counts by itself (`unit_counts`; what is missing
then left to an unknown place), else by marking the units concerned as inaccurate. Of a cash-in that nobody
recalls, what the client was told by `SubCashInEvent`s is booked at least: it is on the stacker. A device that
does not answer leaves the movement open, and nothing moves until it does.

All that depends on a movement (present status, cash-in, teller totals, tokens) is booked with it, as its
consequence.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import CashMovement, CashUnitError, ItemsMoved, Tested, implements
from xfs4iot.interfaces.cash.counts import Booking
from xfs4iot.interfaces.cash.kinds import require_kinds
from xfs4iot.interfaces.cash.places import Places
from xfs4iot.interfaces.cash.positions import stacker_capacity
from xfs4iot.interfaces.cash.reported import (
    dispensed_as_asked,
    require_counts_possible,
    require_inserted,
    require_possible,
)
from xfs4iot.interfaces.cash.stages import Stages
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.interfaces.checks import require_ready
from xfs4iot.interfaces.storage import movements
from xfs4iot.interfaces.storage.kept_first import Keeping
from xfs4iot.interfaces.storage.movements import Found, Movements, Moving
from xfs4iot.ledger import Intent, Posting
from xfs4iot.protocol import errors
from xfs4iot.protocol.message import Payload
from xfs4iot.server.command import Command
from xfs4iot.server.operations import WrongResult
from xfs4iot.server.results import require_defined

__all__ = ["DEPOSITS", "KINDS", "CashMovements", "Consequence"]

_Movement = TypeVar("_Movement", bound=CashMovement)

Consequence = Callable[[Mapping[str, Any], "CashMovement | None", Booking], dict[str, bytes]]
"""The documents that change with a movement: called with the intent's detail, what has moved
(None if nobody knows) and its booking."""

DEPOSITS = frozenset(
    {"cashIn", "cashInEnd", "cashInRollback", "preparePresent", "presentMedia", "createSignature"}
)
"""Kinds of movements of what a customer has inserted: stored by them, it is deposited."""
KINDS = DEPOSITS | {
    "dispense",
    "present",
    "reject",
    "retract",
    "reset",
    "count",
    "test",
    "calibrate",
    "unitCount",
    "replenish",
    "deplete",
    "recover",
}
"""Kinds of movements of cash, in the journal."""


class _Events(Moving):
    """What the device is given: the command's events, the movement's number, and what is on the books.

    Attributes:
        sent: how many events of each kind it has sent.
    """

    def __init__(
        self,
        command: Command[Any],
        moving: Moving,
        everything: Callable[[str, str], tuple[ItemsMoved, ...]],
        happened: Callable[[int, Payload], Keeping | None],
    ) -> None:
        super().__init__(command, moving.operation, kept_first=moving.kept_first)
        self._everything = everything
        self._happened = happened
        self.sent: Counter[type] = Counter()

    def send(self, event: Payload, keeping: Keeping | None = None) -> None:
        self.sent[type(event)] += 1
        super().send(event, keeping or self._happened(self.operation, event))

    def everything(self, source: str, target: str) -> tuple[ItemsMoved, ...]:
        return self._everything(source, target)


@dataclass
class _Moved:
    """What has moved.

    Attributes:
        kind: of the movement.
        result: as the device says; None if nobody knows.
        certain: whether that is all.
        planned: it has not moved yet, so nothing follows from it.
        booking: as it was worked out last.
        followed: what follows from it: documents, and whether units changed. Worked out once, for it
            changes what is known of tellers, tokens and units, and a booking that the ledger could not
            take is tried again.
    """

    kind: str
    result: CashMovement | None
    certain: bool = True
    planned: bool = False
    booking: Booking = dataclasses.field(default_factory=Booking)
    followed: tuple[dict[str, bytes], bool] | None = None


class CashMovements:
    """Carries out and books the movements of one service.

    Attributes:
        consequences: what changes with a movement, by its kind.
        stages: of a movement under way, kept for the case that nobody recalls it.
        places: shows what lies where.
        inserted_known: whether the books have all that customers have inserted and that is inside.
    """

    def __init__(self, cash: CashUnits) -> None:
        self.cash = cash
        self.storage = storage = cash.storage
        self.consequences: defaultdict[str, list[Consequence]] = defaultdict(list)
        self.stages = Stages(storage.service)
        self.places: Places | None = None
        self.inserted_known: Callable[[], bool] = lambda: True
        self._movements: Movements[_Moved] = Movements(
            storage.service,
            storage,
            KINDS,
            book=self._booking,
            find=self._found,
            unknown=lambda intent: _Moved(intent.kind, None, certain=False),
            where="Storage.GetStorage, and CashDispenser.GetPresentStatus or CashAcceptor.GetCashInStatus",
        )

    @property
    def in_doubt(self) -> bool:
        """Whether there is a movement of which nobody knows yet what it has moved."""
        return self._movements.in_doubt

    @asynccontextmanager
    async def settled(self) -> AsyncIterator[None]:
        """No movement is open or begins while the block lasts.

        Raises:
            XfsError: the device does not answer, or what is open could not be booked.
        """
        async with self._movements.settled():
            yield

    async def start(self) -> None:
        """Settle what a crash left open, if the device answers already."""
        try:
            await self._compare()
        except errors.XfsError as fault:
            # How a device failed is in the log already.
            why = "the device failed" if isinstance(fault, errors.HardwareError) else fault
            self.storage.service.log.error("it is not known whether the ledger is complete: %s", why)
            return
        await self._movements.settle()

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
        detail: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
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
            detail: what is needed to settle it after a crash; or what gives it when all earlier movements are
                booked. `inserted`: how many items there are that customers have inserted, and no more can
                be stored or given back; None, or left out, if that is not known.
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
        assert kind in KINDS, kind
        require_ready(self.storage.device)
        booked: list[_Moved] = []
        known: dict[str, Any] = {}

        def noted() -> Mapping[str, Any]:
            if check is not None:
                check()
            known.update(detail() if callable(detail) else detail or {})
            return {**known, "units": self._concerned(plan, units)}

        def possible(operation: int, result: _Movement) -> None:
            self._require_possible(known, operation, result)
            require_defined(result.failure, command)
            if believe is not None:
                believe(result)

        async def ask(moving: Moving) -> _Movement:
            events = _Events(command, moving, self._everything, self.stages.happened)
            result = await self.storage.service.operations.ask(
                operation,
                *arguments,
                events,
                moving=True,
                waits=(lambda: not command.cancel_requested) if waits else None,
                believe=partial(possible, moving.operation),
            )
            return result if finish is None else finish(result, events.sent)

        def moved(result: _Movement) -> _Moved:
            whole: CashMovement = result
            if clears is not None and result.failure is None:
                whole = self._cleared(command, result, tuple(clears(result)), kind in DEPOSITS)
            booked.append(_Moved(kind, whole))
            return booked[0]

        # Settling is shielded: a cancel that came meanwhile takes effect after it, at the last chance.
        async with self.settled():
            pass
        plan = _Moved(kind, CashMovement(moved=tuple(planned)), planned=True)
        result = await self._movements.carry_out(command, kind, plan, noted, ask, moved)
        return result, booked[0].booking

    def _concerned(self, plan: _Moved, units: Iterable[str]) -> list[str]:
        """The units that a movement may concern."""
        counts, named = self.cash.counts, set(units)
        if plan.result is not None:
            postings = counts.booking_of(plan.result, deposits=plan.kind in DEPOSITS).postings
            named |= {posting.unit for posting in postings}
        # Items outside the units stay on the books of the unit they came from, so those units are concerned
        # as well, even where nothing is planned for them.
        places = ("stacker", "transport", *(("output",) if plan.kind in ("retract", "reset") else ()))
        outside = {unit for place in places for unit in counts.at(place)}
        return sorted((named | outside) & self.cash.kept.keys())

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

    def _booking(self, detail: Mapping[str, Any], moved: _Moved) -> movements.Booking:
        """What to book of a movement, with all that follows from it."""
        result = moved.result if moved.result is not None else CashMovement()
        booking = moved.booking = self.cash.counts.booking_of(result, deposits=moved.kind in DEPOSITS)
        if moved.planned:
            return movements.Booking(booking.postings)
        # Empty for the device while the books still have items.
        ran_out, untested = self._found_empty(result)
        told = moved.result if moved.certain else None
        if moved.followed is None:
            learnt = self.cash.learn(ran_out | untested, result.moved)
            followed: dict[str, bytes] = {}
            for consequence in self.consequences.get(moved.kind, ()):
                followed |= consequence(detail, told, booking)
            moved.followed = followed, learnt
        documents, learnt = moved.followed

        def done() -> None:
            if self.places is not None:
                self.places.followed(moved.kind, detail, told, booking)

        return movements.Booking(
            booking.postings,
            {**documents, **(self.cash.documents() if learnt else {})},
            done,
            doubtful=booking.inaccurate | ran_out,
            failed=result.failure is not None,
        )

    def _found_empty(self, result: CashMovement) -> tuple[set[str], set[str]]:
        """Units that fed nothing though the books have items in them: that stopped it, or failed a test."""
        failure = result.failure
        ran_out = failure.units if isinstance(failure, CashUnitError) and failure.failure == "empty" else ()
        failed = result.failed.items() if isinstance(result, Tested) else ()
        untested = (name for name, why in failed if why == "empty")
        total = self.cash.counts.total
        return {name for name in ran_out if total(name)}, {name for name in untested if total(name)}

    async def _found(self, intent: Intent) -> Found[_Moved]:
        """What an interrupted movement has moved, as far as it can be found out."""
        result, known = await self._recalled(intent)
        text = "booked as the device recorded it" if known else movements.INACCURATE
        return Found(_Moved(intent.kind, result, certain=known), known, text)

    async def _recalled(self, intent: Intent) -> tuple[CashMovement | None, bool]:
        """What an open movement has moved, and whether that is certain."""
        storage, device = self.storage, self.storage.device
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
        return self.stages.moved(intent) if stacker_capacity(device) else None, False

    def _require_possible(self, detail: Mapping[str, Any], operation: int, result: CashMovement) -> None:
        """See that a movement can have happened so. Raises Mismatch."""
        require_possible(self.cash, result)
        require_kinds(self.cash, result, at_output=self._at_output(), inserted_known=self.inserted_known())
        self.stages.require_told(operation, result)
        if (inserted := detail.get("inserted")) is not None:
            require_inserted(self.cash, result, inserted)

    def _at_output(self) -> Mapping[str, int]:
        """What was dispensed and may be at an output, by unit."""
        known = self.places.dispensed if self.places is not None else None
        return self.cash.counts.at("output") if known is None else known

    def _recallable(self, intent: Intent, recalled: CashMovement | None) -> None:
        """See that a movement can have moved what the device recalls of it. Raises Mismatch."""
        if recalled is None:
            return
        self._require_possible(intent.detail, intent.id, recalled)
        if intent.kind == "dispense":
            planned: Counter[str] = Counter()
            for posting in intent.planned:
                if isinstance(posting, Posting) and posting.bucket in ("out.stacked", "out.presented"):
                    planned[posting.unit] += posting.delta
            # As if it had failed: an interrupted dispense may have brought less than planned, never more.
            dispensed_as_asked(planned)(dataclasses.replace(recalled, failure=errors.HardwareError()))
