"""Storage between the versions of the standard: 2021-1 knows fewer reasons why a unit fails."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, SentOtherwise, ToldBy, Values

__all__ = ["CHANGES", "SENT_OTHERWISE", "TOLD_BY"]

CHANGES: Changes = {
    ("2021-1", "event", "Storage.StorageErrorEvent"): (
        Values(
            "failure",
            up={},
            down={"feedModuleProblem": "error", "physicalLocked": "locked", "physicalUnlocked": "error"},
        ),
    ),
}

SENT_OTHERWISE: SentOtherwise = {
    ("2021-1", "Storage.StorageErrorEvent"): "unsolicited",
}

TOLD_BY: ToldBy = {
    "Storage.CountsChangedEvent": "Storage.StorageChangedEvent",
}
