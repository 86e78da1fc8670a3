"""Keyboard between the versions of the standard."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, Plain, Reshaped

__all__ = ["CHANGES"]


def _areas_listed(keyboard: Plain) -> Plain:
    """One touch area: 2021-1 lists it."""
    area = keyboard.get("etsCaps")
    return {**keyboard, "etsCaps": [area]} if isinstance(area, dict) else keyboard


CHANGES: Changes = {
    ("2021-1", "completion", "Common.Capabilities"): (
        Reshaped(("keyboard.etsCaps[]",), down=_areas_listed, at="keyboard"),
    ),
}
