"""What a movement of media has moved, as it is booked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from xfs4iot.dataclass import dataclass
from xfs4iot.interfaces.documents.media_transaction import Transaction

__all__ = ["PLANNED", "Moved"]


@dataclass(frozen=True)
class Moved:
    """What has moved, and the transaction afterwards.

    Attributes:
        after: the transaction; None: as it is when this is booked.
        stored: items that were accepted into units, by unit.
        retracted: items that one operation has retracted, by unit.
        takings: how often the customer had taken something when this began; None if that does not matter.
    """

    after: Transaction | None
    stored: Mapping[str, int] = field(default_factory=dict)
    retracted: Mapping[str, int] = field(default_factory=dict)
    takings: int | None = None


PLANNED = Moved(None)
"""Before anything has moved nobody knows what will."""
