"""VendorApplication between the versions of the standard."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, Left

__all__ = ["CHANGES"]

CHANGES: Changes = {
    ("2021-1", "completion", "Common.Capabilities"): (
        Left(
            ("vendorApplication.supportedAccessLevels.accessNotSupported",),
            "said by giving no access level at all",
        ),
    ),
}
