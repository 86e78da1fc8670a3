"""Simulated cameras, which draw what they see: their name, the time of the devices' clock, a text."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import errors
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.commands import Completion, Count, Request, command
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

__all__ = ["SimulatedCamera"]

_WIDTH, _HEIGHT = 640, 480
_COLOURS = {"room": "#28465f", "person": "#5f4628", "exitSlot": "#285f46"}


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What a profile may say.

    Attributes:
        cameras: their names.
        max_pictures: that the medium holds; 0 for a disk that is not counted.
        max_data_length: characters of text in a picture; 0: no text.
    """

    cameras: tuple[str, ...] = ("room", "person", "exitSlot")
    max_pictures: Count = 100
    max_data_length: Count = 60


class _Stored(msgspec.Struct):
    """The medium: how many pictures of each camera are on it, and how many were ever taken."""

    pictures: dict[str, int] = {}
    taken: int = 0


class PullOutMedium(Request):
    """The medium is emptied."""


class ShownTruth(Completion):
    """How many pictures of each camera are on the medium."""

    pictures: dict[str, int]


class SimulatedCamera(SimulatedDevice, devices.Camera):
    """Cameras that draw a picture."""

    Settings = _Settings
    FAULTS: ClassVar = {
        "cameraDead": Fault("once", "the next picture finds its camera dead"),
        "lensCovered": Fault("lasts", "pictures are black"),
        "slowExposure": Fault("once", "the next picture takes `count` seconds"),
        "pictureBroken": Fault("once", "the next picture is cut off in the middle of its file"),
        "noDisk": Fault("lasts", "there is nothing to store pictures on"),
    }

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        settings = self.configured(_Settings)
        self.cameras = settings.cameras
        self.max_pictures = settings.max_pictures or None
        self.man_add = bool(settings.max_data_length)
        self.max_data_length = settings.max_data_length or None
        self.auto_add = True
        self._stored = self.world.document(name, _Stored())

    async def stored_pictures(self) -> Mapping[str, int]:
        return dict(self._stored.state.pictures)

    async def take_picture(self, camera: str, text: str | None) -> bytes | None:
        exposure = Timeline(self.clock)
        await exposure.step(self.faults.take("slowExposure") or self.seconds)
        if self.faults.strikes("cameraDead"):
            raise errors.CommandError("cameraInoperable", f"{camera} does not answer; see Camera.Reset")
        if self.faults.active("noDisk"):
            raise errors.HardwareError("there is no disk to store the picture on; put one in")
        state = self._stored.state
        state.taken += 1
        state.pictures[camera] = state.pictures.get(camera, 0) + 1
        picture = self._drawn(camera, state.taken, text)
        self._stored.save()
        return picture[: len(picture) // 2] if self.faults.strikes("pictureBroken") else picture

    def _drawn(self, camera: str, number: int, text: str | None) -> bytes:
        """A JPEG file of what the camera sees."""
        try:
            from PIL import Image, ImageDraw
        except ImportError:
            raise errors.HardwareError(
                "the simulated camera cannot draw: pip install 'xfs4iot[simulator]'"
            ) from None
        covered = bool(self.faults.active("lensCovered"))
        picture: Image.Image = Image.new("RGB", (_WIDTH, _HEIGHT), "black" if covered else "#101418")
        if not covered:
            pen = ImageDraw.Draw(picture)
            self._scene(pen, camera)
            lines = [f"{camera}  picture {number}", f"{self.clock.now:.1f} s", *([text] if text else [])]
            pen.multiline_text((16, 16), "\n".join(lines), fill="white", font_size=20, spacing=8)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=80)
        return file.getvalue()

    def _scene(self, pen: Any, camera: str) -> None:
        """Something that differs from picture to picture: a person who stands somewhere else each time."""
        pen.rectangle((0, 300, _WIDTH, _HEIGHT), fill=_COLOURS.get(camera, "#46285f"))
        where = self.chance.randrange(80, _WIDTH - 80)
        pen.ellipse((where - 40, 180, where + 40, 260), fill="#c8a078")
        pen.rounded_rectangle((where - 60, 265, where + 60, 440), 30, fill="#708090")

    async def reset(self) -> None:
        """The cameras start anew."""

    @command
    def pull_out_medium(self, request: PullOutMedium) -> None:
        """Somebody takes the medium, with all pictures, and puts in an empty one."""
        self._stored.state.pictures = {}
        self._stored.save()
        self.medium_emptied()

    def shown_truth(self) -> ShownTruth:
        return ShownTruth(pictures=dict(self._stored.state.pictures))
