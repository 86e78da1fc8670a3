"""Counts of units whose items are not told apart: one number for each bucket of a unit."""

from __future__ import annotations

from collections.abc import Mapping

from xfs4iot.ledger import Posting, ServiceLedger, SetPosting

__all__ = ["Counts"]


class Counts:
    """The counts of all units of one kind of one service.

    Args:
        ledger: the service's.
        kind: of items, such as `card`.
    """

    def __init__(self, ledger: ServiceLedger, kind: str) -> None:
        self._ledger = ledger
        self._kind = kind

    def value(self, unit: str, bucket: str = "count") -> int:
        """What one bucket of a unit holds."""
        return sum(value for key, value in self._ledger.counters_of(unit).items() if key.bucket == bucket)

    def begin_anew(self, unit: str, values: Mapping[str, int]) -> list[SetPosting]:
        """Set buckets of a unit; all others become 0."""
        buckets = dict.fromkeys((key.bucket for key in self._ledger.counters_of(unit)), 0)
        return [SetPosting(unit, bucket, "", "", value) for bucket, value in {**buckets, **values}.items()]

    def changes(self, unit: str, deltas: Mapping[str, int]) -> list[Posting]:
        """What to post when buckets of a unit change."""
        return [Posting(unit, bucket, "", "", delta) for bucket, delta in deltas.items() if delta]
