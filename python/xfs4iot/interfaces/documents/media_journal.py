"""Where the journal has the items that customers have inserted, as it has their notes.

An item that came in is `inserted` for good. It is counted where it is until somebody has it:

    inserted = returned + accepted + what is in the device + what is nobody knows where

`returned` it is with the customer, `accepted` in a unit, whose own counts are another matter. Each item says
where the books have it, in the record that is kept with them: it moves there once, whatever is interrupted.
"""

from __future__ import annotations

from collections import Counter

from xfs4iot.interfaces.documents.media_transaction import Transaction
from xfs4iot.interfaces.storage.check import CheckUnits
from xfs4iot.ledger import Posting

__all__ = ["LEVEL", "booked"]

LEVEL = CheckUnits.name
"""What the books have as the level of cheques."""
_CUSTOMER = "customer"


def booked(transaction: Transaction) -> tuple[list[Posting], Transaction]:
    """What to post so that the journal has every item where it is, and the record that goes with it."""
    after = transaction.copy()
    changes: Counter[tuple[str, str]] = Counter()
    for item in after.items.values():
        if item.books == item.place:
            continue
        if item.books:
            changes[_counter(item.books)] -= 1
        else:
            changes[_CUSTOMER, "inserted"] += 1
        changes[_counter(item.place)] += 1
        item.books = item.place
    return [
        Posting(unit, bucket, "", LEVEL, delta) for (unit, bucket), delta in changes.items() if delta
    ], after


def _counter(place: str) -> tuple[str, str]:
    """The counter of a place: unit and bucket."""
    if place == "customer":
        return _CUSTOMER, "returned"
    return (place, "count") if place in ("device", "unknown") else (_CUSTOMER, "accepted")
