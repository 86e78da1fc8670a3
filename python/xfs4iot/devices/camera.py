"""Camera: what a vendor writes for a device that takes pictures.

class MyCameras(devices.Camera):
    cameras = ("room", "exitSlot", "parkingLot")

    async def take_picture(self, camera, text):
        return await trio.to_thread.run_sync(self.shoot, camera, text)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from xfs4iot.devices._device import Device
from xfs4iot.devices._operation import operation
from xfs4iot.devices._parts import derived
from xfs4iot.protocol.messages import camera as messages

__all__ = ["Camera", "CameraState"]

CameraState = messages.CamerasStateEnum


class Camera(
    Device,
    messages=messages,
    status={
        "cameras": derived(lambda device: messages.StatusCameras.of(dict.fromkeys(device.cameras, "ok")))
    },
    capabilities={"cam_data": "overlays"},
):
    """A device with cameras. Override `take_picture`.

    Attributes:
        cameras: their names: `room`, `person`, `exitSlot`, and others of the vendor's own.
        max_pictures: how many pictures the medium holds, of all cameras together; None for a disk that
            is not counted.
        high_percent: from how full on the medium counts as `high`.
        auto_add: whether the device writes time or place into the picture by itself.
        man_add: whether it writes the client's text into the picture.
        max_data_length: how many characters of that; None for any number.
    """

    cameras: tuple[str, ...] = ()
    max_pictures: Annotated[int, Meta(ge=1)] | None = None
    high_percent: Annotated[int, Meta(ge=1, le=100)] = 90
    auto_add: bool = False
    man_add: bool = False
    max_data_length: Annotated[int, Meta(ge=0)] | None = None
    overlays: frozenset[str] = derived(
        lambda device: frozenset(
            name for name, can in (("autoAdd", device.auto_add), ("manAdd", device.man_add)) if can
        )
    )

    @operation
    async def take_picture(self, camera: str, text: str | None) -> bytes | None:
        """`Camera.TakePicture`: take one picture, as a file of a usual format, JPEG at best.

        Clients take messages of 2 MB at least: keep it below 1.4 MB. None keeps the picture in the device.

        Args:
            camera: one of `cameras`.
            text: to be written into the picture.

        Raises:
            CommandError: `cameraInoperable`; the camera then counts as inoperative until a Reset.
        """
        raise NotImplementedError

    @operation
    async def stored_pictures(self) -> Mapping[str, int]:
        """How many pictures of each camera the medium holds, from a device that knows; asked at the start."""
        raise NotImplementedError

    @operation
    async def reset(self) -> None:
        """`Camera.Reset`: make the cameras ready again; pictures stay."""

    def camera_changed(self, camera: str, state: CameraState) -> None:
        """Tell that a camera works, or does not, or that nobody knows."""
        known = self.status.camera.cameras
        before = known.to_plain() if known is not None else {}
        self.status.camera.cameras = messages.StatusCameras.of({**before, camera: state})

    def medium_emptied(self) -> None:
        """Tell that somebody has taken all pictures away from the medium."""
        self.send(messages.MediaThresholdEvent(media_threshold="ok"))
