"""Biometric: what a vendor writes for a device that scans fingers, faces or veins and compares them.

class MyScanner(devices.Biometric):
    biometric_type = frozenset({"fingerprint"})
    data_formats = frozenset({"isoFmd"})
    scan_modes = frozenset({"scan", "match"})
    compare_modes = frozenset({"verify", "identity"})

    async def read(self, request, events):
        events.send(PresentSubjectEvent())
        image = await self.sensor.scan(request.captures)
        events.send(RemoveSubjectEvent())
        return tuple([self.sensor.extract(image, one.format) for one in request.data_types])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import CommandEvents, Device
from xfs4iot.devices._operation import implements, operation, waits_for_people
from xfs4iot.devices._parts import derived
from xfs4iot.protocol import exact
from xfs4iot.protocol.command_events.biometric import ReadEvents
from xfs4iot.protocol.messages import biometric as messages

__all__ = [
    "Biometric",
    "BiometricCandidate",
    "BiometricDataType",
    "BiometricMatch",
    "BiometricReadRequest",
    "BiometricTemplate",
]

Format = Literal[
    "isoFid", "isoFmd", "ansiFid", "ansiFmd", "qso", "wso",
    "reservedRaw1", "reservedTemplate1", "reservedRaw2", "reservedTemplate2", "reservedRaw3",
    "reservedTemplate3",
]  # fmt: skip
Algorithm = Literal["ecb", "cbc", "cfb", "rsa"]
Kind = Literal["scannedData", "importedData", "setMatchedData"]
CompareMode = Literal["verify", "identity"]
Identifier = Annotated[str, Meta(pattern=r"^id[0-9A-Za-z]+\Z")]
Data = Annotated[bytes, Meta(min_length=1), exact.Secret]
Confidence = Annotated[int, Meta(ge=0, le=100)]


@dataclass(frozen=True)
class BiometricDataType:
    """The form of biometric data.

    Attributes:
        format: in the standard's names, such as `isoFmd`.
        algorithm: by which it is encrypted; None: it is not.
        key_name: the key of KeyManagement that encrypts or decrypts it.
    """

    format: Format
    algorithm: Algorithm | None = None
    key_name: str | None = None


@dataclass(frozen=True)
class BiometricTemplate:
    """What a subject is compared with.

    Attributes:
        type: the form of `data`.
        data: as the client gave it, encrypted if the type says so.
    """

    type: BiometricDataType
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class BiometricReadRequest:
    """What a Read is to bring.

    Attributes:
        data_types: forms in which the client wants what is captured; none: it stays in the device.
        captures: attempts to be made; 0: as many as the device likes.
        mode: what it is for, `scan` or `match`; None: not said.
    """

    data_types: tuple[BiometricDataType, ...]
    captures: int
    mode: Literal["scan", "match"] | None


@dataclass(frozen=True)
class BiometricMatch:
    """How to compare.

    Attributes:
        compare_mode: `verify` with one template, `identity` with all.
        identifier: the one template, for `verify`.
        maximum: candidates wanted at most, for `identity`.
        threshold: the least confidence of a candidate.
    """

    compare_mode: CompareMode
    identifier: str | None
    maximum: int | None
    threshold: int


@dataclass(frozen=True)
class BiometricCandidate:
    """A template that is like what was captured.

    Attributes:
        confidence: 0 to 100; 100 is an exact match.
        template_data: the template, if the device gives it out.
    """

    confidence: Confidence
    template_data: Annotated[bytes | None, exact.Secret] = field(default=None, repr=False)


def _match_supported(device: Biometric) -> str | None:
    if not implements(device, "match"):
        return None
    return "combinedMatch" if implements(device, "set_match") else "storedMatch"


def _clear_data(device: Biometric) -> frozenset[str]:
    if not implements(device, "clear"):
        return frozenset()
    kinds = {"scannedData": True, "importedData": implements(device, "import_templates")}
    kinds["setMatchedData"] = device.match_supported == "combinedMatch"
    return frozenset(kind for kind, has in kinds.items() if has)


def _protection(device: Biometric) -> frozenset[str]:
    if not implements(device, "import_templates"):
        return frozenset()
    return frozenset({"secure" if implements(device, "ledger_key") else "clear"})


class Biometric(
    Device,
    messages=messages,
    status={
        "subject": derived(lambda device: "notPresent" if device.detects_subject else None),
        "capture": False,
    },
    capabilities={"type": "biometric_type", "storage": "template_protection"},
    needs=(("read",), ("clear",)),
):
    """A device that captures biometric data and compares it with templates. Override `read` and `clear`.

    The device holds what was scanned, imported and set, in memory that power loss empties; what there
    is of it, and how long it stays, is the service's business, which asks `clear` for what is over.

    Attributes:
        biometric_type: what it scans, such as `fingerprint`.
        guards_capture: whether a capture is for the client alone that made it, and ends with its connection.
        max_capture: attempts of one Read at most; 0: as many as the device likes.
        template_storage: bytes of templates it has room for; None: not said.
        data_formats: in which it gives and takes data.
        encryption_algorithms: by which data can be encrypted, with keys of the device's KeyManagement.
        template_protection: how templates are stored; `secure` for a device with `ledger_key`.
        persistence_modes: `persist` and `clear`, as far as it can do both; see Biometric.SetDataPersistence.
        match_supported: `combinedMatch` for a device with `set_match`, which compares while it reads,
            `storedMatch` for one that only has `match`.
        scan_modes, compare_modes: what Read and Match may ask for.
        clear_data: what can be cleared for itself.
        detects_subject: whether it notices that a subject is there.
        confidence_step: confidences are rounded down to steps of so many, before the threshold is looked at,
            lest they show how to come nearer.
        matches_per_capture: a capture is erased after so many Match commands; 0: not for that.
    """

    biometric_type: frozenset[
        Literal[
            "facialFeatures", "voice", "fingerprint", "fingerVein", "iris", "retina", "handGeometry",
            "thermalFace", "thermalHand", "palmVein", "signature",
        ]
    ] = frozenset()  # fmt: skip
    guards_capture: bool = False
    max_capture: Annotated[int, Meta(ge=0)] = 0
    template_storage: Annotated[int, Meta(ge=0)] | None = None
    data_formats: frozenset[Format] = frozenset()
    encryption_algorithms: frozenset[Algorithm] = frozenset()
    template_protection: frozenset[Literal["secure", "clear"]] = derived(_protection)
    persistence_modes: frozenset[Literal["persist", "clear"]] = frozenset()
    match_supported: Literal["storedMatch", "combinedMatch"] | None = derived(_match_supported)
    scan_modes: frozenset[Literal["scan", "match"]] = frozenset()
    compare_modes: frozenset[CompareMode] = frozenset()
    clear_data: frozenset[Kind] = derived(_clear_data)
    detects_subject: bool = True
    confidence_step: Annotated[int, Meta(ge=1, le=100)] = 1
    matches_per_capture: Annotated[int, Meta(ge=0)] = 0

    def subject_removed(self) -> None:
        """Tell that the subject is away again: sends `SubjectRemovedEvent`."""
        self.send(messages.SubjectRemovedEvent())

    def badly_placed(self) -> None:
        """Tell that the subject must be turned round: sends `OrientationEvent`; the attempt is repeated."""
        self.send(messages.OrientationEvent())

    def data_cleared(self, kind: Kind) -> None:
        """Tell that the device itself has erased data: sends `DataClearedEvent`."""
        self.send(messages.DataClearedEvent(clear_data=kind))

    @waits_for_people
    @operation
    async def read(
        self, request: BiometricReadRequest, events: CommandEvents[ReadEvents]
    ) -> Annotated[tuple[Data, ...], exact.Secret]:
        """`Biometric.Read`: capture, and keep it until `clear` or the next `read`.

        Sends `PresentSubjectEvent` once it is ready, for each attempt `SubjectDetectedEvent`, and
        `RemoveSubjectEvent`. Calls `badly_placed` and `subject_removed` when that happens, also later.
        Cancelled when the client gives up: the sensor is off then, and nothing is kept.

        Returns: the data in each of `request.data_types`, in their order.

        Raises:
            CommandError: `readFailed`, `modeNotSupported`, `formatNotSupported`, `keyNotFound`.
        """
        raise NotImplementedError

    @operation
    async def clear(self, kinds: frozenset[Kind]) -> None:
        """`Biometric.Clear`: erase data of these kinds, if there is any; asked at the start as well."""
        raise NotImplementedError

    @operation
    async def reset(self) -> None:
        """`Biometric.Reset`: make the device ready again; `clear` says what is erased."""
        raise NotImplementedError

    @operation
    async def import_templates(self, templates: Mapping[Identifier, BiometricTemplate]) -> None:
        """`Biometric.Import`: take templates in the place of all those before, or none if one is bad.

        Raises:
            CommandError: `invalidData`, `formatNotSupported`, `capacityExceeded`, `keyNotFound`.
        """
        raise NotImplementedError

    @operation
    async def set_match(self, match: BiometricMatch) -> None:
        """`Biometric.SetMatch`, of a device that compares while it reads: what the next Read is for."""
        raise NotImplementedError

    @operation
    async def match(self, match: BiometricMatch) -> Mapping[Identifier, BiometricCandidate]:
        """`Biometric.Match`: compare what was captured with the templates.

        The service sorts, cuts and drops what is below the threshold; see `BiometricMatch`.
        """
        raise NotImplementedError

    @operation
    async def set_data_persistence(self, mode: Literal["persist", "clear"]) -> None:
        """`Biometric.SetDataPersistence`: learn how long captured data may stay."""
        raise NotImplementedError
