"""Checks before a biometric device does something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from xfs4iot import devices
from xfs4iot.devices import BiometricMatch
from xfs4iot.interfaces.biometrics.templates import Templates
from xfs4iot.interfaces.keys.checks import illegal
from xfs4iot.interfaces.keys.key_table import IllegalAccess, KeyTable
from xfs4iot.interfaces.keys.purposes import DECRYPT_BIOMETRIC, ENCRYPT_BIOMETRIC, Purpose
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import biometric as messages
from xfs4iot.server.command import running
from xfs4iot.server.handler import check

__all__ = [
    "capture_there",
    "captures_possible",
    "clearable",
    "compare_mode_supported",
    "criteria_same",
    "criteria_set",
    "data_types_whole",
    "encryption_possible",
    "formats_readable",
    "formats_takeable",
    "identifier_given",
    "identifier_known",
    "import_keys_usable",
    "match_of",
    "maximum_given",
    "persistence_supported",
    "read_keys_usable",
    "read_mode_supported",
    "require_capture",
    "room_for_templates",
    "templates_imported",
    "templates_whole",
    "threshold_given",
]


class _OnBiometric(Protocol):
    """The interface, as far as the checks look at it."""

    @property
    def device(self) -> devices.Biometric: ...

    @property
    def table(self) -> KeyTable: ...

    @property
    def templates(self) -> Templates: ...

    @property
    def criteria(self) -> BiometricMatch | None: ...

    @property
    def compared(self) -> BiometricMatch | None: ...

    @property
    def captured(self) -> bool: ...

    @property
    def owner(self) -> object: ...


def match_of(request: messages.Match | messages.SetMatch) -> BiometricMatch:
    """What a request wants compared; what does not belong to its mode is left out."""
    assert request.compare_mode is not None
    assert request.threshold is not None
    verifies = request.compare_mode == "verify"
    return BiometricMatch(
        compare_mode=request.compare_mode,
        identifier=request.identifier if verifies else None,
        maximum=None if verifies else request.maximum,
        threshold=request.threshold,
    )


def _types(request: messages.Read | messages.Import | None) -> Iterator[tuple[str, messages.DataType]]:
    """Where the types of data stand in a request, and what they are."""
    if isinstance(request, messages.Read):
        yield from ((f"$.dataTypes[{at}]", one) for at, one in enumerate(request.data_types or ()))
    elif request is not None:
        for at, one in enumerate(request.templates or ()):
            if one.type is not None:
                yield f"$.templates[{at}].type", one.type


@check("invalidData")
def data_types_whole(on: _OnBiometric, request: messages.Read | None) -> None:
    """each of `dataTypes`: a format, and another than the others"""
    seen: dict[tuple[Any, ...], str] = {}
    for where, one in _types(request):
        if one.format is None:
            raise errors.InvalidData(f"{where}.format is missing")
        # A picture for each of ten thousand entries would be more than there is memory. What is not
        # encrypted is the same whatever key is named with it.
        key = one.key_name if one.algorithm is not None else None
        first = seen.setdefault((one.format, one.algorithm, key), where)
        if first != where:
            raise errors.InvalidData(f"{where} is that of {first}; name each type once")


@check("invalidData")
def captures_possible(on: _OnBiometric, request: messages.Read | None) -> None:
    """`numCaptures`: no more than the device makes"""
    wanted, most = (request.num_captures or 0) if request else 0, on.device.max_capture
    if most and wanted > most:
        raise errors.InvalidData(f"$.numCaptures: the device makes {most} attempts at most, not {wanted}")


@check("modeNotSupported")
def read_mode_supported(on: _OnBiometric, request: messages.Read | None) -> None:
    """`mode`, if it is said"""
    if request is not None and request.mode is not None and request.mode not in on.device.scan_modes:
        raise errors.CommandError(
            "modeNotSupported",
            f"$.mode: the device reads for {', '.join(sorted(on.device.scan_modes)) or 'no mode'}",
        )


def _formats_known(on: _OnBiometric, request: Any) -> None:
    for where, one in _types(request):
        if one.format not in on.device.data_formats:
            raise errors.CommandError(
                "formatNotSupported",
                f"{where}.format: the device has {', '.join(sorted(on.device.data_formats)) or 'none'}",
            )


@check("formatNotSupported")
def formats_readable(on: _OnBiometric, request: messages.Read | None) -> None:
    """whether the device gives data in these formats"""
    _formats_known(on, request)


@check("formatNotSupported")
def formats_takeable(on: _OnBiometric, request: messages.Import) -> None:
    """whether the device takes data in these formats"""
    _formats_known(on, request)


@check("unsupportedData")
def encryption_possible(on: _OnBiometric, request: Any) -> None:
    """whether the device encrypts in this way"""
    for where, one in _types(request):
        if one.algorithm is not None and one.algorithm not in on.device.encryption_algorithms:
            known = ", ".join(sorted(on.device.encryption_algorithms)) or "nothing"
            raise errors.UnsupportedData(f"{where}.algorithm: the device encrypts by {known}")


def _keys_usable(on: _OnBiometric, request: Any, purpose: Purpose) -> None:
    for where, one in _types(request):
        if one.algorithm is None:
            continue
        if not one.key_name:
            raise errors.CommandError("keyNotFound", f"{where}.keyName is missing; name the key")
        try:
            key = on.table.for_use(one.key_name, purpose, f"{where}.keyName")
        except IllegalAccess as refused:
            # The one code that these commands have; the event tells what was really wrong.
            raise IllegalAccess("keyNotFound", refused.description, refused.key, refused.reason) from None
        if (one.algorithm == "rsa") != (key.algorithm == "R"):
            raise illegal(
                one.key_name,
                "keyNotFound",
                f"{where}.keyName: a key of algorithm {key.algorithm} does not encrypt by {one.algorithm}",
                "algorithmNotSupported",
            )


@check("keyNotFound")
def read_keys_usable(on: _OnBiometric, request: messages.Read | None) -> None:
    """whether the keys are there, and may encrypt by the algorithm"""
    _keys_usable(on, request, ENCRYPT_BIOMETRIC)


@check("keyNotFound")
def import_keys_usable(on: _OnBiometric, request: messages.Import) -> None:
    """whether the keys are there, and may decrypt by the algorithm"""
    _keys_usable(on, request, DECRYPT_BIOMETRIC)


@check("invalidData")
def templates_whole(on: _OnBiometric, request: messages.Import | None) -> None:
    """`templates`: one or more, each with a format and data"""
    if request is None or not request.templates:
        raise errors.CommandError(
            "invalidData", "$.templates is missing or empty; Biometric.Clear erases all"
        )
    for at, one in enumerate(request.templates):
        if one.type is None or one.type.format is None or not one.data:
            raise errors.CommandError(
                "invalidData", f"$.templates[{at}] lacks type.format or data; see dataRead of Biometric.Read"
            )


@check("capacityExceeded")
def room_for_templates(on: _OnBiometric, request: messages.Import) -> None:
    """whether there is room for all of them"""
    size, room = sum(len(one.data or b"") for one in request.templates or ()), on.device.template_storage
    if room is not None and size > room:
        raise errors.CommandError("capacityExceeded", f"$.templates: {size} bytes; there is room for {room}")


@check("noImportedData")
def templates_imported(on: _OnBiometric, request: object) -> None:
    """whether there are templates"""
    if not on.templates.held:
        raise errors.CommandError("noImportedData", "nothing is imported; see Biometric.Import")


@check("invalidThreshold")
def threshold_given(on: object, request: messages.Match | messages.SetMatch) -> None:
    """`threshold`"""
    if request.threshold is None:
        raise errors.CommandError("invalidThreshold", "$.threshold is missing; 0 to 100")


@check("modeNotSupported")
def compare_mode_supported(on: _OnBiometric, request: messages.Match | messages.SetMatch) -> None:
    """whether the device compares in this mode"""
    if request.compare_mode not in on.device.compare_modes:
        known = ", ".join(sorted(on.device.compare_modes)) or "none"
        raise errors.CommandError("modeNotSupported", f"$.compareMode: the device has {known}")


@check("invalidData")
def maximum_given(on: object, request: messages.Match | messages.SetMatch) -> None:
    """`maximum`, to identify somebody"""
    if request.compare_mode == "identity" and request.maximum is None:
        raise errors.InvalidData("$.maximum is missing; say how many candidates are wanted")


@check("invalidIdentifier")
def identifier_given(on: object, request: messages.Match | messages.SetMatch) -> None:
    """`identifier`, to verify somebody"""
    if request.compare_mode == "verify" and request.identifier is None:
        raise errors.CommandError("invalidIdentifier", "$.identifier is missing; name a template")


@check("invalidIdentifier")
def identifier_known(on: _OnBiometric, request: messages.Match | messages.SetMatch) -> None:
    """whether the template is there"""
    if request.compare_mode == "verify" and request.identifier not in on.templates.held:
        raise errors.CommandError(
            "invalidIdentifier", "$.identifier: there is no such template; see Biometric.GetStorageInfo"
        )


@check("sequenceError")
def criteria_set(on: _OnBiometric, request: messages.Match) -> None:
    """whether SetMatch came before, at a device that compares while it reads"""
    if on.device.match_supported == "combinedMatch" and on.criteria is None:
        raise errors.SequenceError("nothing is set; see Biometric.SetMatch, and read again after it")


@check("invalidCompareMode")
def criteria_same(on: _OnBiometric, request: messages.Match) -> None:
    """whether SetMatch said the same"""
    if on.criteria is not None and on.criteria != match_of(request):
        raise errors.CommandError(
            "invalidCompareMode", "SetMatch said something else than $; say the same, or set it and read anew"
        )


@check("noCaptureData", "sequenceError")
def capture_there(on: _OnBiometric, request: messages.Match) -> None:
    """whether there is a capture; at a device that compares while it reads, one made after SetMatch"""
    require_capture(on)


def require_capture(on: _OnBiometric) -> None:
    """Refuse to compare what there is not.

    Raises:
        CommandError: `noCaptureData`.
        SequenceError: it was compared by something else.
    """
    if not on.captured:
        raise errors.CommandError(
            "noCaptureData",
            "nothing is captured; see Biometric.Read, and stay connected: a capture ends with the last "
            "connection, and unless the mode is persist once it was returned or compared",
        )
    command = running()
    if on.device.guards_capture and command is not None and command.session is not on.owner:
        raise errors.CommandError(
            "noCaptureData", "what is captured is another client's; see Biometric.Read for one of your own"
        )
    if on.criteria is not None and on.compared != on.criteria:
        raise errors.SequenceError("the capture was made before SetMatch, or only to scan; read again")


@check("modeNotSupported")
def persistence_supported(on: _OnBiometric, request: messages.SetDataPersistence) -> None:
    """whether the device has the mode"""
    if request.persistence_mode not in on.device.persistence_modes:
        known = ", ".join(sorted(on.device.persistence_modes))
        raise errors.CommandError("modeNotSupported", f"$.persistenceMode: the device has {known}")


@check("unsupportedData")
def clearable(on: _OnBiometric, request: messages.Clear | messages.Reset | None) -> None:
    """`clearData`: what the device can clear for itself, if it is said"""
    kind = None if request is None else request.clear_data
    if kind is not None and kind not in on.device.clear_data:
        known = ", ".join(sorted(on.device.clear_data)) or "nothing for itself"
        raise errors.UnsupportedData(f"$.clearData: the device clears {known}")
