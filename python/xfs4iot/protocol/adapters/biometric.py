"""Biometric between the versions of the standard."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, Moved, SentOtherwise

__all__ = ["CHANGES", "SENT_OTHERWISE"]

CHANGES: Changes = {
    ("2021-1", "completion", "Common.Capabilities"): (
        Moved("biometric.encryptionalAlgorithm", "biometric.encryptionAlgorithms"),
    ),
}

SENT_OTHERWISE: SentOtherwise = {
    ("2021-1", "Biometric.PresentSubjectEvent"): "unsolicited",
    ("2021-1", "Biometric.RemoveSubjectEvent"): "unsolicited",
    ("2021-1", "Biometric.SubjectDetectedEvent"): "unsolicited",
}
