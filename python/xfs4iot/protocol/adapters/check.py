"""Check between the versions of the standard."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, Values

__all__ = ["CHANGES"]

_POSITION = (Values("position", up={"rebuncher": "output"}, down={"output": "rebuncher"}),)

CHANGES: Changes = {
    ("2023-2", "event", "Check.MediaPresentedEvent"): _POSITION,
    ("2023-2", "event", "Check.MediaTakenEvent"): _POSITION,
    ("2023-2", "event", "Check.ShutterStatusChangedEvent"): _POSITION,
}
