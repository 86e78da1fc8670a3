"""Storage between the versions of the standard: 2021-1 knows fewer reasons why a unit fails."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, Values

__all__ = ["CHANGES"]

CHANGES: Changes = {
    ("2021-1", "event", "Storage.StorageErrorEvent"): (
        Values(
            "failure",
            up={},
            down={"feedModuleProblem": "error", "physicalLocked": "locked", "physicalUnlocked": "error"},
        ),
    ),
}
