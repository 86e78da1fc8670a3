"""Camera: taking pictures.

The service counts the pictures on each camera's medium, and keeps the counts. They give `pictures`
and `media` of the status, `MediaThresholdEvent` at each crossing in either direction, and
`mediaFull` before the shutter moves. A device that stores on a disk that nobody counts shows neither.

A text that cannot be written into the picture as it came (the device writes none, it is too long, it has
control characters) does not stop the picture: `InvalidDataEvent` says so, and what can be written is.
A camera that failed is `inop` until a Reset, which leaves the pictures alone.

A picture shows people, and a text may hold their names or numbers: neither reaches a log.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from xfs4iot import devices
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.ledger import Document
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.command_events.camera import TakePictureEvents
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import camera as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, check, handles
from xfs4iot.server.service import Service

__all__ = ["Camera"]

Media = Literal["ok", "high", "full"]

_KEPT = Document("Camera.pictures", dict[str, int])
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@check("cameraNotSupported")
def camera_exists(on: Camera, request: messages.TakePicture) -> None:
    """the camera"""
    if request.camera not in on.device.cameras:
        raise errors.CommandError(
            "cameraNotSupported",
            f"$.camera: the device has no {request.camera}; cameras: {', '.join(on.device.cameras)}",
        )


@check("cameraInoperable")
def camera_works(on: Camera, request: messages.TakePicture) -> None:
    """whether the camera works"""
    states = on.device.status.camera.cameras
    if states is not None and states.to_plain().get(request.camera or "") == "inop":
        raise errors.CommandError("cameraInoperable", f"{request.camera} does not work; see Camera.Reset")


@check("mediaFull")
def room_on_medium(on: Camera, request: messages.TakePicture) -> None:
    """whether the medium has room"""
    if on.media == "full":
        raise errors.CommandError("mediaFull", "the medium is full; empty it at the machine")


class Camera(Interface[devices.Camera]):
    """The interface of cameras."""

    name: ClassVar[str] = "Camera"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._pictures: dict[str, int] = {}

    async def start(self) -> None:
        """Recall how many pictures there are, and let a device that knows correct it."""
        self._pictures = _KEPT.of(self.service.ledger) or {}
        await self._ask_how_many()
        self._show()

    async def reopened(self) -> None:
        """Somebody may have emptied the medium meanwhile."""
        before = self.media
        await self._ask_how_many()
        self._show()
        self._tell_threshold(before)

    async def _ask_how_many(self) -> None:
        if not devices.implements(self.device, "stored_pictures"):
            return
        try:
            self._pictures = dict(await self.ask(devices.Camera.stored_pictures))
        except errors.XfsError as fault:
            self.service.log.error("the device does not say how many pictures it stores: %s", fault)

    @property
    def media(self) -> Media | None:
        """How full the medium is; None for a disk that is not counted."""
        most = self.device.max_pictures
        if most is None:
            return None
        held = sum(self._pictures.values())
        if held >= most:
            return "full"
        return "high" if held * 100 >= most * self.device.high_percent else "ok"

    def _show(self) -> None:
        """Make the status say how many pictures there are."""
        status, cameras, media = self.device.status.camera, self.device.cameras, self.media
        held = {name: self._pictures.get(name, 0) for name in cameras}
        status.pictures = messages.StatusPictures.of(held)
        if media is not None:
            status.media = messages.StatusMedia.of(dict.fromkeys(cameras, media))

    @handles(
        "Camera.TakePicture",
        checks=(
            given("camera", "name the camera"),
            camera_exists,
            device_ready,
            camera_works,
            room_on_medium,
        ),
        device=("cameraInoperable",),
    )
    async def take_picture(
        self, request: messages.TakePicture, command: Command[TakePictureEvents]
    ) -> messages.TakePictureCompletion:
        """`Camera.TakePicture` 2.0, completion 3.0."""
        camera = request.camera
        assert camera is not None
        text = self._text(request.cam_data)
        if text != request.cam_data:
            command.send(messages.InvalidDataEvent())
        try:
            picture = await self.ask(devices.Camera.take_picture, camera, text)
        except errors.CommandError as fault:
            if fault.error_code == "cameraInoperable":
                self.device.camera_changed(camera, "inop")
            raise
        before = self.media
        self._pictures[camera] = self._pictures.get(camera, 0) + 1
        await self.service.ledger.put_document(_KEPT.name, wire.encode(self._pictures))
        self._show()
        self._tell_threshold(before)
        return messages.TakePictureCompletion(picture_file=picture or None)

    def _text(self, wanted: str | None) -> str | None:
        """What of a text can be written into a picture."""
        if wanted is None or not self.device.man_add:
            return None
        return _CONTROL.sub(" ", wanted)[: self.device.max_data_length]

    def _tell_threshold(self, before: Media | None) -> None:
        if self.media != before:
            self.service.broadcast(messages.MediaThresholdEvent(media_threshold=self.media))

    def observe(self, event: Payload) -> None:
        """Begin to count anew when the device says that its medium was emptied."""
        if isinstance(event, messages.MediaThresholdEvent) and event.media_threshold == "ok":
            self._pictures = {}
            self._show()
            self.service.nursery.start_soon(self._keep)

    async def _keep(self) -> None:
        try:
            await self.service.ledger.put_document(_KEPT.name, wire.encode(self._pictures))
        except errors.XfsError as fault:
            self.service.log.error("that the medium was emptied could not be kept: %s", fault)

    @handles("Camera.Reset", checks=(device_ready,))
    async def reset(self, request: None, command: Command) -> None:
        """`Camera.Reset` 2.0: cameras that failed are used again."""
        await self.ask(devices.Camera.reset)
        for camera in self.device.cameras:
            self.device.camera_changed(camera, "ok")
