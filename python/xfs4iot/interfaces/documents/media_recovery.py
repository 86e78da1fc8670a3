"""What became of a media-in that was interrupted: by a power cut, or by a class that failed.

The device is asked what its last movement has moved (`recall_media`), else what is inside (`media_inside`).
The state follows what moved: as long as items are inside the transaction is active, and goes on. If nobody
knows, it goes on as well, told as `unknown`; items that are not inside any more are then nobody knows where.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from xfs4iot import devices
from xfs4iot.devices import MediaStored, implements
from xfs4iot.interfaces.documents.media_moved import Moved
from xfs4iot.interfaces.documents.media_reported import require_stored
from xfs4iot.interfaces.documents.media_transaction import Item, State, Transaction
from xfs4iot.interfaces.storage.check import CheckUnits
from xfs4iot.interfaces.storage.movements import INACCURATE, Found
from xfs4iot.ledger import Intent
from xfs4iot.protocol import errors
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.server.operations import WrongResult
from xfs4iot.server.service import Service

__all__ = ["ARRIVALS", "ENDS", "all_taken", "confirm", "found", "of_nothing_known", "take_what_is_gone"]

ARRIVALS = ("mediaIn", "mediaNext", "mediaAccept")
"""Kinds of movements by which items come in."""
ENDS: Mapping[str, State] = {
    "mediaInEnd": "ok",
    "mediaInRollback": "rollback",
    "mediaRetract": "retract",
    "mediaReset": "reset",
}
"""Kinds of movements that end a transaction, and its state then."""
_TOLD = "booked as its events have told; see Check.GetTransactionStatus"
_PRESENTING = ("mediaAccept", "mediaPresent", "mediaReset")
"""Those that present, whatever the device does by itself at an end."""
_CLEARING = ("mediaRetract", "mediaReset")


class Recovering(Protocol):
    """The media of a device."""

    service: Service
    transaction: Transaction
    units: CheckUnits

    @property
    def device(self) -> Any: ...

    def begin(self) -> None: ...

    def possible(self, result: MediaStored | None) -> None: ...

    def take_places(self, after: Transaction, places: Mapping[int, str]) -> None: ...


async def found(on: Recovering, intent: Intent) -> Found[Moved]:
    """What an interrupted movement has moved, as far as it can be found out."""
    arrives = intent.kind in ARRIVALS

    def possible(recalled: MediaStored | None) -> None:
        if intent.kind in _CLEARING and recalled is not None:
            require_stored(on, recalled, found=True)
        elif not arrives:
            on.possible(recalled)
        elif recalled is not None and recalled.stored:
            raise Mismatch("nothing, for items came in", str(recalled.stored), "stored")

    if implements(on.device, "recall_media"):
        with suppress(WrongResult):
            recalled = await on.service.operations.ask(
                devices.Check.recall_media, intent.id, believe=possible
            )
            if recalled is None:
                return Found(Moved(on.transaction), True, "nothing has moved")
            after = _recalled(on, intent, recalled)
            stored = dict(recalled.stored)
            moved = (
                Moved(after, retracted=stored) if intent.kind in _CLEARING else Moved(after, stored=stored)
            )
            return Found(moved, True, "booked as the device recorded it")
    # Where no unit is concerned, no count is.
    certain = not intent.detail.get("units")
    inside = await _inside(on)
    if inside is None:
        return Found(of_nothing_known(on, intent), certain, _TOLD if certain else INACCURATE)
    after = _begun(on, intent, bool(inside - _numbers_before(on, intent)))
    _compare(after, inside)
    if not arrives and not after.inside and after.state == "active":
        after.state = "unknown"
    _count(on, after)
    return Found(Moved(after), certain, "booked as the device sees what is inside" if certain else INACCURATE)


def of_nothing_known(on: Recovering, intent: Intent) -> Moved:
    """What to book if nobody knows what has moved: what clients were told."""
    after = on.transaction.copy()
    after.reliable = False
    if after.state != "active" and intent.kind in ("mediaIn", *ENDS):
        after.state = "unknown"
    return Moved(after)


async def confirm(on: Recovering) -> None:
    """Compare an active transaction with what the device sees inside."""
    inside = await _inside(on)
    transaction = on.transaction
    if inside is None:
        transaction.reliable = False
    elif inside != transaction.kept_inside:
        on.service.log.error(
            "other items are inside than there were: %s not any more, %s besides; look for them, then end "
            "the transaction, or see Check.Reset",
            _numbers(transaction.kept_inside - inside),
            _numbers(inside - transaction.kept_inside),
        )
        _compare(transaction, inside)
        transaction.reliable = False


def all_taken(transaction: Transaction) -> None:
    """The customer has what he could reach."""
    for item in transaction.items.values():
        if item.access == "customer":
            item.place = "customer"


async def take_what_is_gone(on: Recovering) -> None:
    """What was presented before a restart was taken since, if the device sees that it is not there now."""
    reached = {number: item for number, item in on.transaction.items.items() if item.access == "customer"}
    if reached and implements(on.device, "media_presented"):
        try:
            there = await on.service.operations.ask(devices.Check.media_presented)
        except errors.XfsError as fault:
            on.service.log.error("the device does not say which items the customer can reach: %s", fault)
            return
        for number in reached.keys() - there:
            reached[number].place = "customer" if reached[number].place == "device" else reached[number].place
        return
    positions = on.device.status.check.positions
    known = [getattr(positions, name) for name in ("input", "output", "refused")] if positions else []
    states = [one.position_status for one in known if one is not None]
    if states and all(state == "empty" for state in states):
        all_taken(on.transaction)


async def _inside(on: Recovering) -> frozenset[int] | None:
    """The items that the device sees inside; None if it cannot tell."""
    if not implements(on.device, "media_inside") or not on.service.operations.opened:
        return None
    try:
        return await on.service.operations.ask(devices.Check.media_inside)
    except errors.XfsError as fault:
        on.service.log.error("the device does not say which items are inside: %s", fault)
        return None


def _numbers_before(on: Recovering, intent: Intent) -> frozenset[int]:
    """Numbers of the items before the movement; none if it began a transaction, which may use them again."""
    begins = on.transaction.state != "active" and intent.kind in ARRIVALS
    return frozenset() if begins else frozenset(on.transaction.items)


def _begun(on: Recovering, intent: Intent, anything: bool) -> Transaction:
    """The transaction that items came into; a new one if none was active and anything did."""
    if anything and on.transaction.state != "active" and intent.kind in ARRIVALS:
        on.begin()
        on.transaction.most = int(intent.detail.get("most", 0))
        on.transaction.application_refuses = bool(intent.detail.get("applicationRefuses"))
    return on.transaction.copy()


def _recalled(on: Recovering, intent: Intent, recalled: MediaStored) -> Transaction:
    """The transaction after a movement that the device recalls."""
    kind = intent.kind
    new = recalled.items.keys() - _numbers_before(on, intent) if kind in ARRIVALS else set()
    after = _begun(on, intent, bool(new))
    before = frozenset(after.inside)
    after.items |= {number: Item() for number in sorted(new)}
    on.take_places(after, recalled.items)
    given = [number for number, place in recalled.items.items() if place == "customer"]
    if kind in _PRESENTING:
        for number in given:
            after.items[number].access = "customer"
    if kind == "mediaAccept":
        after.refused += len(given)
    if kind == "mediaPresent":
        after.must_present = False
    after.refused = after.refused if recalled.refused is None else recalled.refused
    after.bunches = after.bunches if recalled.bunches_refused is None else recalled.bunches_refused
    if recalled.must_present is not None:
        after.must_present = recalled.must_present
    if kind == "mediaAction":
        after.deposited = after.deposited or bool(recalled.stored)
    gone = {number for number, place in recalled.items.items() if place != "device"}
    cleared = kind in _CLEARING and bool(recalled.items or recalled.stored)
    if cleared:
        after.must_present = False
    if after.state == "active" and kind in ENDS and (cleared or before <= gone):
        after.state = "rollbackAfterDeposit" if kind == "mediaInRollback" and after.deposited else ENDS[kind]
    _count(on, after)
    return after


def _compare(transaction: Transaction, inside: frozenset[int]) -> None:
    """Let the record say what the device sees."""
    for number in sorted(inside - transaction.items.keys()):
        transaction.items[number] = Item()
    for number, item in transaction.items.items():
        if number in inside:
            item.place, item.access = "device", "none"
        elif item.place == "device" and item.access != "customer":
            item.place = "unknown"


def _count(on: Recovering, after: Transaction) -> None:
    """Count what is on the stacker, as far as anybody knows."""
    after.on_stacker = len(after.kept_inside) if on.device.max_media_on_stacker else None


def _numbers(items: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(items)[:20])) or "none"
