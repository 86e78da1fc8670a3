"""A fingerprint sensor that fingers are laid on, with a matcher that really compares; see `minutiae`.

What it holds is gone with its power. A template is compared as the points that its record has; an impression
is new each time, so that the same finger never gives the same data twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import trio
from msgspec import Meta

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import (
    BiometricCandidate,
    BiometricDataType,
    BiometricMatch,
    BiometricReadRequest,
    BiometricTemplate,
    CommandEvents,
)
from xfs4iot.interfaces.keys.purposes import DECRYPT_BIOMETRIC, ENCRYPT_BIOMETRIC
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.biometric import ReadEvents
from xfs4iot.protocol.messages import biometric as messages
from xfs4iot.simulator.biometric import image_records
from xfs4iot.simulator.biometric.fingers import (
    HEIGHT,
    POSITIONS,
    WIDTH,
    FingerSettings,
    Impression,
    minutiae_of,
    pressed,
)
from xfs4iot.simulator.biometric.minutiae import Minutia, score
from xfs4iot.simulator.commands import Completion, Milliseconds, Request, command
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault
from xfs4iot.simulator.secure_device import SecureDevice
from xfs4iot.simulator.secure_part import rsa_keys

__all__ = ["SimulatedBiometric"]

_ATTEMPTS = 3
_RSA_OVERHEAD = 66
"""Bytes of a block that OAEP by SHA-256 takes."""


@dataclass(frozen=True)
class BiometricSettings:
    """What a profile may say.

    Attributes:
        fingers: by name.
        customer: a finger that somebody lays on by himself whenever one is asked for, and lifts again.
        match: when it compares: after a Read (storedMatch), during it (combinedMatch), or not at all.
        room: bytes of templates.
        attempts: of one Read at most.
        gives_templates: whether a candidate comes with its template.
        confidence_step, matches_per_capture: see `devices.Biometric`.
    """

    fingers: Mapping[str, FingerSettings] = field(default_factory=dict)
    customer: str = ""
    match: Literal["storedMatch", "combinedMatch", "none"] = "storedMatch"
    room: Annotated[int, Meta(ge=0)] = 65_536
    attempts: Annotated[int, Meta(ge=1)] = 5
    gives_templates: bool = False
    confidence_step: Annotated[int, Meta(ge=1, le=100)] = 1
    matches_per_capture: Annotated[int, Meta(ge=0)] = 0

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        if self.customer and self.customer not in self.fingers:
            yield ("customer",), f"one of {', '.join(self.fingers) or 'the fingers; there is none'}"
        for name, finger in self.fingers.items():
            for way, text in finger.mistakes():
                yield ("fingers", name, *way), text


class _Kept(msgspec.Struct):
    """What outlives its power: the key of the service's vault."""

    vault_key: str


class PresentFinger(Request):
    """A finger is laid on the sensor.

    Attributes:
        finger: its name.
        after: so many milliseconds later.
        lasts: it is lifted after so many; without it, it stays until `LiftFinger`.
        turned: it lies the wrong way round.
        alive: or a copy made of silicone.
        wet: or dry, or pressed too hard: the picture is bad.
    """

    finger: str | None = None
    after: Milliseconds | None = None
    lasts: Milliseconds | None = None
    turned: bool = False
    alive: bool = True
    wet: bool = False


class GetTemplate(Request):
    """A template of a finger, as a bank took it when it made its customer's acquaintance."""

    finger: str | None = None
    format: Literal["isoFmd", "ansiFmd"] = "isoFmd"


class GetTemplateCompletion(Completion):
    """The record, to be imported."""

    template_data: bytes


class ShownTruth(Completion):
    """What is on the sensor, and how much it holds."""

    finger: str | None
    captured: bool
    templates: int


class SimulatedBiometric(SimulatedDevice, devices.Biometric):
    """A fingerprint sensor."""

    Settings: ClassVar = BiometricSettings
    FAULTS: ClassVar = {
        "badImage": Fault(
            "once", "the next `count` pictures are useless: the attempt is repeated, then readFailed"
        ),
        "notLive": Fault("once", "the next `count` fingers do not seem to live: as a bad picture"),
        "dirtySensor": Fault(
            "lasts", "points are missing, and others are there that are none: low confidence"
        ),
        "noticesNothing": Fault("lasts", "fingers are not noticed: a Read goes on until its timeout"),
        "memoryFull": Fault("lasts", "there is no room for templates: capacityExceeded"),
        "sensorBreaks": Fault("once", "the sensor breaks at the next attempt: hardwareError until a Reset"),
        "sensorStaysBroken": Fault("once", "the next Reset does not help: hardwareError"),
        "sensorUnplugged": Fault("lasts", "the cable is out: deviceNotReady"),
    }

    biometric_type = frozenset({"fingerprint"})
    data_formats = frozenset({"isoFmd", "ansiFmd", "isoFid", "ansiFid"})
    persistence_modes = frozenset({"persist", "clear"})
    scan_modes = frozenset({"scan", "match"})

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self.setup = self.configured(BiometricSettings)
        self.max_capture = self.setup.attempts
        self.template_storage = self.setup.room
        self.confidence_step = self.setup.confidence_step
        self.matches_per_capture = self.setup.matches_per_capture
        self.match_supported = None if self.setup.match == "none" else self.setup.match
        compares = self.setup.match != "none"
        self.compare_modes = frozenset({"verify", "identity"} if compares else ())
        if isinstance(self, SecureDevice):
            self.encryption_algorithms = frozenset({"ecb", "cbc", "cfb", "rsa"})
        self._fingers = {name: minutiae_of(name, one) for name, one in self.setup.fingers.items()}
        self._kept = self.world.document(f"{name}.key", _Kept(os.urandom(32).hex()))
        self._on: PresentFinger | None = None
        self._moved = trio.Event()
        self._broken = False
        # A picture that nobody waits for any more still has its thread: the next one waits for that.
        self._drawing = trio.CapacityLimiter(1)
        self._scan: Impression | None = None
        self._templates: dict[str, tuple[BiometricTemplate, tuple[Minutia, ...]]] = {}
        self._wanted: BiometricMatch | None = None
        self._found: Mapping[str, BiometricCandidate] = {}

    async def ledger_key(self) -> bytes:
        """A key that was made once, in a file beside the truth: good for a simulator only."""
        await trio.lowlevel.checkpoint()
        return bytes.fromhex(self._kept.state.vault_key)

    def _show(self) -> None:
        self.status.common.device = "noDevice" if self.faults.active("sensorUnplugged") else "online"
        self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

    async def _work(self, seconds: float) -> None:
        await self.clock.until(self.clock.now + seconds)
        if self.faults.active("sensorUnplugged"):
            raise errors.DeviceNotReady("the sensor's cable is out; see Simulator.ClearFaults")
        if self._broken:
            raise errors.HardwareError("the sensor is broken; see Biometric.Reset")

    async def read(
        self, request: BiometricReadRequest, events: CommandEvents[ReadEvents]
    ) -> tuple[bytes, ...]:
        await self._work(0)
        self._scan, self._found = None, {}
        events.send(messages.PresentSubjectEvent())
        if self.setup.customer and self._on is None:
            self._put(PresentFinger(finger=self.setup.customer))
        try:
            impression = await self._captured(request.captures or _ATTEMPTS, events)
            events.send(messages.RemoveSubjectEvent())
            data = tuple([await self._written(impression, kind) for kind in request.data_types])
        finally:
            if self.setup.customer:
                self._lift(self._on)
        self._scan = impression
        if self._wanted is not None and request.mode != "scan":
            self._found = await self._compared(self._wanted)
        return data

    async def _captured(self, attempts: int, events: CommandEvents[ReadEvents]) -> Impression:
        """An impression that is good for something."""
        for _ in range(min(attempts, self.max_capture)):
            finger = await self._noticed()
            events.send(messages.SubjectDetectedEvent())
            while finger.turned:
                self.badly_placed()
                finger = await self._noticed(other_than=finger)
                events.send(messages.SubjectDetectedEvent())
            await self._work(self.seconds)
            if self.faults.strikes("sensorBreaks"):
                self._broken = True
                raise errors.HardwareError("the sensor has broken; see Biometric.Reset")
            # Each strikes for itself, whatever else is wrong with this attempt.
            bad = [self.faults.strikes("badImage"), self.faults.strikes("notLive")]
            # Lifted too early, or another one has come.
            if self._on is finger and finger.alive and not finger.wet and not any(bad):
                assert finger.finger is not None
                points, where = self._fingers[finger.finger], self.setup.fingers[finger.finger].position
                return pressed(points, where, self.chance, bool(self.faults.active("dirtySensor")))
        raise errors.CommandError("readFailed", "no good picture in all attempts; clean sensor and finger")

    async def _noticed(self, other_than: PresentFinger | None = None) -> PresentFinger:
        """Wait for a finger."""
        while True:
            # Taken before the look: what comes while it lasts must trigger another one.
            moved = self._moved
            await self._work(0)
            if (
                self._on is not None
                and self._on is not other_than
                and not self.faults.active("noticesNothing")
            ):
                return self._on
            await moved.wait()

    async def _written(self, impression: Impression, kind: BiometricDataType) -> bytes:
        if kind.format == "isoFid" or kind.format == "ansiFid":
            # Drawing takes a second, in which others are served.
            data = await trio.to_thread.run_sync(
                image_records.encode, impression, kind.format, abandon_on_cancel=True, limiter=self._drawing
            )
        else:
            data = _record(impression, kind.format)
        return self._crypt("encrypt", data, kind)

    def _crypt(self, direction: Literal["encrypt", "decrypt"], data: bytes, kind: BiometricDataType) -> bytes:
        """By a key of the module: symmetric ones with a start value of zeros, and zeros to fill up."""
        if kind.algorithm is None:
            return data
        if not isinstance(self, SecureDevice) or kind.key_name is None:
            raise errors.CommandError("keyNotFound", "the sensor has no keys")
        encrypting = direction == "encrypt"
        purpose = ENCRYPT_BIOMETRIC if encrypting else DECRYPT_BIOMETRIC
        use = partial(self.secure.crypt, kind.key_name, direction, purpose=purpose)
        if kind.algorithm != "rsa":
            return use(kind.algorithm, data)
        key = rsa_keys.public_of(self.secure.held(kind.key_name, purpose).value)
        size = key.key_size // 8 - (_RSA_OVERHEAD if encrypting else 0)
        return b"".join(use("rsaesOaep", data[at : at + size]) for at in range(0, len(data), size))

    async def import_templates(self, templates: Mapping[str, BiometricTemplate]) -> None:
        await self._work(self.seconds)
        if self.faults.active("memoryFull"):
            raise errors.CommandError("capacityExceeded", "the memory is full; see Biometric.Clear")
        self._templates = {
            name: (one, self._points(f"$.templates[{at}]", one))
            for at, (name, one) in enumerate(templates.items())
        }

    def _points(self, where: str, template: BiometricTemplate) -> tuple[Minutia, ...]:
        kind = template.type
        if kind.format != "isoFmd" and kind.format != "ansiFmd":
            raise errors.CommandError(
                "formatNotSupported", f"{where}: templates are isoFmd or ansiFmd; {kind.format} is only given"
            )
        from xfs4iot.simulator.biometric import minutiae_records

        try:
            data = self._crypt("decrypt", template.data, kind)
            return minutiae_records.decode(data, kind.format, padded=kind.algorithm is not None).minutiae
        except (minutiae_records.BadRecord, errors.InvalidData) as wrong:
            raise errors.CommandError("invalidData", f"{where} is no {kind.format}: {wrong}") from None

    async def clear(self, kinds: frozenset[str]) -> None:
        await trio.lowlevel.checkpoint()
        if "scannedData" in kinds:
            self._scan, self._found = None, {}
        if "importedData" in kinds:
            self._templates = {}
        if "setMatchedData" in kinds:
            self._wanted = None

    async def reset(self) -> None:
        await self.clock.until(self.clock.now + self.seconds)
        if self.faults.strikes("sensorStaysBroken"):
            raise errors.HardwareError("the sensor stays broken")
        self._broken = False

    async def set_match(self, match: BiometricMatch) -> None:
        await self._work(0)
        self._wanted = match

    async def match(self, match: BiometricMatch) -> Mapping[str, BiometricCandidate]:
        await self._work(0)
        return self._found if self.match_supported == "combinedMatch" else await self._compared(match)

    async def _compared(self, match: BiometricMatch) -> Mapping[str, BiometricCandidate]:
        scan = self._scan
        if scan is None:
            raise errors.CommandError("noCaptureData", "nothing is captured")
        templates = {name: one for name, one in self._templates.items() if match.identifier in (None, name)}

        def compare() -> dict[str, BiometricCandidate]:
            found = {}
            for name, (template, points) in templates.items():
                trio.from_thread.check_cancelled()
                given = template.data if self.setup.gives_templates else None
                found[name] = BiometricCandidate(score(scan.minutiae, points), given)
            return found

        # Large templates take seconds, in which others are served.
        return await trio.to_thread.run_sync(compare)

    async def set_data_persistence(self, mode: str) -> None:
        await trio.lowlevel.checkpoint()

    def _known(self, finger: str | None) -> str:
        if finger not in self._fingers:
            raise errors.InvalidData(
                f"$.finger: one of {', '.join(self._fingers) or 'none; the profile has none'}"
            )
        return finger

    @command
    def present_finger(self, request: PresentFinger) -> None:
        """A finger is laid on the sensor, in the place of one that is there."""
        self._known(request.finger)
        if request.after is None:
            self._put(request)
        else:
            self.world.later(request.after / 1000, partial(self._put, request))

    def _put(self, finger: PresentFinger) -> None:
        if finger.lasts is not None:
            # Before anything has changed: this raises where nothing can happen later.
            self.world.later(finger.lasts / 1000, partial(self._lift, finger))
        self._on = finger
        self._wake()

    def _lift(self, finger: PresentFinger | None) -> None:
        if finger is not None and self._on is finger:
            self._on = None
            self.subject_removed()
            self._wake()

    @command
    def lift_finger(self, request: Request) -> None:
        """The finger is lifted."""
        if self._on is None:
            raise errors.SequenceError("there is no finger on the sensor; see Simulator.PresentFinger")
        self._lift(self._on)

    @command
    def get_template(self, request: GetTemplate) -> GetTemplateCompletion:
        """A template of a finger."""
        name = self._known(request.finger)
        position = self.setup.fingers[name].position
        enrolled = pressed(self._fingers[name], position, self.world.chance(f"{self.name}.enrolled.{name}"))
        return GetTemplateCompletion(template_data=_record(enrolled, request.format))

    def shown_truth(self) -> ShownTruth:
        return ShownTruth(
            finger=self._on.finger if self._on else None,
            captured=self._scan is not None,
            templates=len(self._templates),
        )


def _record(impression: Impression, format: Any) -> bytes:
    from xfs4iot.simulator.biometric import minutiae_records

    record = minutiae_records.MinutiaeRecord(
        impression.minutiae, POSITIONS.index(impression.position), impression.quality, WIDTH, HEIGHT
    )
    return minutiae_records.encode(record, format)
