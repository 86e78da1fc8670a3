"""Camera between the versions of the standard."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, Left

__all__ = ["CHANGES"]

CHANGES: Changes = {
    ("2021-1", "request", "Camera.TakePicture"): (
        Left(("pictureFile",), "a picture is given by the service, not to it"),
    ),
    ("2021-1", "completion", "Common.Capabilities"): (
        Left(("camera.pictureFile", "camera.type"), "pictures are always returned in the completion"),
    ),
}
