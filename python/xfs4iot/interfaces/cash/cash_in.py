"""The cash-in: what one customer inserts, from CashInStart until it is stored or given back.

    state                        command that succeeds → state
    ok, rollback, retract,       CashInStart → active
    reset, unknown
    active                       CashIn → active   CashInEnd → ok   CashInRollback → rollback
                                 Retract → retract   Reset → reset

A command that fails has moved some of the items or none. The state follows what moved: as long as anything
of the customer's is inside, the cash-in is active, and can be ended, rolled back, retracted or reset.
Retract and Reset without an active cash-in, or with items left inside, leave the state as it is.

The record is booked with the counts, in one transaction, so after a power cut it is as it was when the last
movement was booked, and a movement that was interrupted is added as the device recalls it. If nobody knows
what that has moved, the cash-in goes on, but its status is told as `unknown`: the counts are not reliable.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from xfs4iot.devices import CashedIn, CashInStartRequest, CashMovement, CashReturned
from xfs4iot.interfaces.cash.counts import CUSTOMER, INSIDE, Booking, ItemCounts
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.ledger import Document
from xfs4iot.protocol import errors, wire

__all__ = ["CashIn", "CashInRecord", "Returned", "Step", "from_list", "to_list"]

State = Literal["ok", "rollback", "active", "retract", "unknown", "reset"]
Step = Literal["CashInStart", "CashIn", "CashInEnd", "CashInRollback", "Retract", "Reset"]
Listed = list[tuple[str, str, int]]
"""Counts by item and level, as they are kept."""

_BEGINS: Mapping[Step, State] = {"CashInStart": "active"}
_NEXT: Mapping[State, Mapping[Step, State]] = {
    "ok": _BEGINS,
    "rollback": _BEGINS,
    "retract": _BEGINS,
    "reset": _BEGINS,
    "unknown": _BEGINS,
    "active": {
        "CashIn": "active",
        "CashInEnd": "ok",
        "CashInRollback": "rollback",
        "Retract": "retract",
        "Reset": "reset",
    },
}


class CashInRecord(msgspec.Struct, frozen=True):
    """What is known of the cash-in that is active, or else of the last one.

    Attributes:
        state: see the module.
        reliable: whether it is known what every movement has moved.
        refused: items that were refused.
        accepted: what was accepted, also if it was given back since.
        input_position, output_position, use_recycle_units, teller, total_items_limit, amount_limits: as
            `CashInStart` said.
    """

    state: State = "unknown"
    reliable: bool = True
    refused: int = 0
    accepted: Listed = []
    input_position: str = "inDefault"
    output_position: str = "outDefault"
    use_recycle_units: bool = True
    teller: int | None = None
    total_items_limit: int | None = None
    amount_limits: dict[str, Decimal] = {}

    @property
    def counts(self) -> ItemCounts:
        """What was accepted."""
        return from_list(self.accepted)

    @property
    def start(self) -> CashInStartRequest:
        """What the application wanted of it."""
        return CashInStartRequest(
            self.input_position,
            self.output_position,
            self.use_recycle_units,
            self.teller,
            self.total_items_limit,
            dict(self.amount_limits),
        )

    def told(self, in_doubt: bool) -> State:
        """The state as a client is told it."""
        return self.state if self.reliable and not in_doubt else "unknown"


class Returned(msgspec.Struct, frozen=True):
    """What has come out at an output position.

    Attributes:
        position: the position; None: nothing has yet.
        presented: whether it was within the customer's reach; None if nobody knows.
        bunches: how many are still to be presented; None if nobody knows.
        items: what the last command brought out.
        total: what all commands since the cash-in's last one brought out.
    """

    position: str | None = None
    presented: bool | None = None
    bunches: int | None = None
    items: Listed = []
    total: Listed = []


_RECORD = Document("CashAcceptor.cashIn", CashInRecord)
_RETURNED = Document("CashAcceptor.returned", Returned)


def to_list(counts: ItemCounts) -> Listed:
    """Counts as they are kept."""
    return [(*kind, count) for kind, count in sorted(counts.items()) if count]


def from_list(listed: Listed) -> ItemCounts:
    """Counts as they were kept."""
    return {(item, level): count for item, level, count in listed}


def _sum(one: ItemCounts, other: ItemCounts) -> ItemCounts:
    return {kind: one.get(kind, 0) + other.get(kind, 0) for kind in one.keys() | other.keys()}


class CashIn:
    """The cash-in of one service, and what it has given back.

    Attributes:
        record, returned: what is known.
    """

    def __init__(self, cash: CashUnits) -> None:
        self._cash = cash
        self._ledger = cash.service.ledger
        self.record = CashInRecord()
        self.returned = Returned()

    def start(self) -> None:
        """Recall what is kept."""
        self.record = _RECORD.of(self._ledger) or self.record
        self.returned = _RETURNED.of(self._ledger) or self.returned

    @property
    def active(self) -> bool:
        """Whether a cash-in is active."""
        return self.record.state == "active"

    def require(self, step: Step) -> None:
        """Refuse what does not follow from the state.

        Raises:
            CommandError: `cashInActive` or `noCashInActive`.
        """
        if step in _NEXT[self.record.state]:
            return
        if self.active:
            raise errors.CommandError(
                "cashInActive",
                "a cash-in is active; end it (CashAcceptor.CashInEnd) or give it back "
                "(CashAcceptor.CashInRollback) first",
            )
        raise errors.CommandError(
            "noCashInActive", "no cash-in is active; begin one with CashAcceptor.CashInStart"
        )

    def _next(self, step: Step) -> State:
        return _NEXT[self.record.state].get(step, self.record.state)

    async def begin(self, wanted: CashInStartRequest) -> None:
        """Begin one, durably."""
        record = CashInRecord(
            state=self._next("CashInStart"),
            input_position=wanted.input_position,
            output_position=wanted.output_position,
            use_recycle_units=wanted.use_recycle_units,
            teller=wanted.teller,
            total_items_limit=wanted.total_items_limit,
            amount_limits=dict(wanted.amount_limits),
        )
        returned = msgspec.structs.replace(self.returned, total=[])
        await self._ledger.record(
            "cashInStart",
            (),
            command="CashAcceptor.CashInStart",
            documents={_RECORD.name: wire.encode(record), _RETURNED.name: wire.encode(returned)},
        )
        self.record, self.returned = record, returned

    async def end_empty(self, step: Literal["CashInEnd", "CashInRollback"]) -> None:
        """End one that has nothing inside, durably."""
        record = msgspec.structs.replace(self.record, state=self._next(step))
        await self._ledger.put_document(_RECORD.name, wire.encode(record))
        self.record = record

    @property
    def empty(self) -> bool:
        """Whether it is certain that nothing was accepted."""
        return self.record.reliable and not self.record.accepted and not self._cash.counts.inside()

    @property
    def inserted(self) -> int | None:
        """Items that customers have inserted and that are inside, or lost on their way; None if not known."""
        if not self.record.reliable:
            return None
        lost = self._cash.counts.inserted_at("unknown")
        return sum(self._cash.counts.inside().values()) + sum(lost.values())

    # What follows from movements: called when they are booked, see `movement`.

    def after_cash_in(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        """What changes when items have come in."""
        if result is None:
            return self._unreliable(_onto_stacker(booking))
        record = msgspec.structs.replace(
            self.record,
            refused=self.record.refused + _refused(result),
            accepted=to_list(_sum(self.record.counts, booking.accepted)),
        )
        return self._keep(record) | self._brought_out(detail, result, booking, anew=True)

    def after_end(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        """What changes when items were stored."""
        return self._ended("CashInEnd", detail, result, booking)

    def after_rollback(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        """What changes when items were given back."""
        return self._ended("CashInRollback", detail, result, booking)

    def after_retract(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        """What changes when items were brought back inside."""
        return self._ended("Retract", detail, result, booking)

    def after_reset(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        """What changes when the way was cleared."""
        return self._ended("Reset", detail, result, booking)

    def after_present(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        """What changes when a bunch was presented, or made ready for it."""
        return self._brought_out(detail, result, booking, anew=False)

    def _ended(
        self, step: Step, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        out = self._brought_out(detail, result, booking, anew=True)
        if not self.active:
            return out
        if result is None:
            return self._unreliable() | out
        left = self._cash.counts.inside(after=booking)
        # What was to go to the stacker or the transport is where it belongs there, and what is given back may
        # come in several bunches; of a rollback that was interrupted the device recalls how far it came.
        in_bunches = step == "CashInRollback" and isinstance(result, CashReturned)
        stays = in_bunches or detail.get("target") in INSIDE
        if left and (result.failure is not None or not stays):
            return out
        # A failure that has moved nothing leaves all as it was, and so does one of which not all is known.
        if result.failure is not None and not (booking.postings and self.record.reliable):
            return out
        return self._keep(msgspec.structs.replace(self.record, state=self._next(step))) | out

    def _unreliable(self, came: ItemCounts | None = None) -> dict[str, bytes]:
        if not self.active:
            return {}
        accepted = to_list(_sum(self.record.counts, came or {}))
        return self._keep(msgspec.structs.replace(self.record, reliable=False, accepted=accepted))

    def _keep(self, record: CashInRecord) -> dict[str, bytes]:
        self.record = record
        return {_RECORD.name: wire.encode(record)}

    def _brought_out(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking, *, anew: bool
    ) -> dict[str, bytes]:
        """What has come out by a movement; `anew` if the total begins with it."""
        items: ItemCounts = {
            (posting.item, posting.level): posting.delta
            for posting in booking.postings
            if posting.unit == CUSTOMER and posting.bucket == "returned" and posting.delta > 0
        }
        gives_back = detail.get("givesBack", False)
        before = self.returned
        if not items and not gives_back:
            after = msgspec.structs.replace(before, total=[] if anew else before.total)
        else:
            after = Returned(
                position=detail.get("position"),
                presented=_presented(result, bool(items)),
                bunches=self._bunches_left(result, booking),
                items=to_list(items),
                total=to_list(items if anew else _sum(from_list(before.total), items)),
            )
        if after == before:
            return {}
        self.returned = after
        return {_RETURNED.name: wire.encode(after)}

    def _bunches_left(self, result: CashMovement | None, booking: Booking) -> int | None:
        """Bunches that are still to be presented, as the device says; None if nobody knows."""
        told: int | None = None if result is None else getattr(result, "additional_bunches", 0)
        if told == 0 and not (isinstance(result, CashReturned) and result.failure is None):
            # It has failed, or is recalled after a crash: what it has left inside is still the customer's.
            return None if self._cash.counts.inside(after=booking) else 0
        return told


def _onto_stacker(booking: Booking) -> ItemCounts:
    """What has come in of a cash-in that nobody recalls, as far as the client was told."""
    return {
        (posting.item, posting.level): posting.delta
        for posting in booking.postings
        if (posting.unit, posting.bucket) == ("stacker", "count") and posting.delta > 0
    }


def _presented(result: CashMovement | None, out: bool) -> bool | None:
    """Whether items got into the customer's reach: as the device says, unless nothing came out."""
    if result is None:
        return None
    told: bool | None = getattr(result, "presented", out)
    return out if told else told


def _refused(result: CashMovement) -> int:
    """Items that a `CashIn` has refused: as the device counts them, else those that it says are out."""
    if isinstance(result, CashedIn) and result.refused is not None:
        return result.refused
    out = (items.count for items in result.moved if (items.source, items.target) == ("customer", "output"))
    return sum(out)
