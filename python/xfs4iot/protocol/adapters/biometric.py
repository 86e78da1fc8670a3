"""Biometric between the versions of the standard."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, Moved

__all__ = ["CHANGES"]

CHANGES: Changes = {
    ("2021-1", "completion", "Common.Capabilities"): (
        Moved("biometric.encryptionalAlgorithm", "biometric.encryptionAlgorithms"),
    ),
}
