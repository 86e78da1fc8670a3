"""What a movement did, as completions and events of the standard say it."""

from __future__ import annotations

from xfs4iot.interfaces.cash.counts import Booking, ItemCounts, cash_counts
from xfs4iot.protocol.messages import cash_management as messages

__all__ = ["storage_changes", "taken_in"]


def storage_changes(booking: Booking) -> messages.StorageInOut:
    """What a movement has changed of the counts, unit by unit."""
    out: dict[str, dict[str, ItemCounts]] = {}
    for posting in booking.postings:
        direction, _, bucket = posting.bucket.partition(".")
        if direction == "out" and posting.delta > 0:
            counts = out.setdefault(posting.unit, {}).setdefault(bucket, {})
            counts[posting.item, posting.level] = posting.delta
    into = {
        unit: messages.StorageCashIn(
            retract_operations=None, **{name: cash_counts(items) for name, items in buckets.items()}
        )
        for unit, buckets in booking.taken_in.items()
    }
    left = {
        unit: messages.StorageCashOut(**{name: cash_counts(items) for name, items in buckets.items()})
        for unit, buckets in out.items()
    }
    return messages.StorageInOut(in_=into or None, out=left or None)


def taken_in(booking: Booking) -> dict[str, messages.StorageCashIn]:
    """What has come into each unit, with the retract operations."""
    return {
        unit: messages.StorageCashIn(
            retract_operations=1 if unit in booking.into else None,
            **{name: cash_counts(items) for name, items in booking.taken_in.get(unit, {}).items()},
        )
        for unit in sorted({*booking.taken_in, *booking.into})
    }
