"""Counts of units whose items are not told apart: one number for each bucket of a unit.

Of a kind whose units may hold cash as well, the books have the kind where cash has its level.
"""

from __future__ import annotations

from collections.abc import Mapping

from xfs4iot.ledger import Posting, ServiceLedger, SetPosting

__all__ = ["Counts"]


class Counts:
    """The counts of all units of one kind of one service.

    Args:
        ledger: the service's.
        level: what the books have as the level of these items.
    """

    def __init__(self, ledger: ServiceLedger, level: str = "") -> None:
        self._ledger = ledger
        self._level = level

    def value(self, unit: str, bucket: str = "count") -> int:
        """What one bucket of a unit holds."""
        counters = self._ledger.counters_of(unit).items()
        return sum(value for key, value in counters if key.bucket == bucket and key.level == self._level)

    def begin_anew(self, unit: str, values: Mapping[str, int]) -> list[SetPosting]:
        """Set buckets of a unit; all others become 0."""
        known = self._ledger.counters_of(unit)
        buckets = {key.bucket: 0 for key in known if key.level == self._level} | dict(values)
        return [SetPosting(unit, bucket, "", self._level, value) for bucket, value in buckets.items()]

    def changes(self, unit: str, deltas: Mapping[str, int]) -> list[Posting]:
        """What to post when buckets of a unit change."""
        return [Posting(unit, bucket, "", self._level, delta) for bucket, delta in deltas.items() if delta]
