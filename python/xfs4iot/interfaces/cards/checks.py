"""Checks before a card reader does something."""

from __future__ import annotations

import re

from xfs4iot.interfaces.cards.contactless import require_configuration, require_data, require_members
from xfs4iot.interfaces.cards.reading import MOST_OF_TRACK
from xfs4iot.interfaces.cards.sources import wanted, writes
from xfs4iot.interfaces.cards.state import ReaderState
from xfs4iot.interfaces.checks import given
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import card_reader as messages
from xfs4iot.server.command import running
from xfs4iot.server.handler import check

__all__: list[str] = []

_CAPABILITY = {"track1Front": "frontTrack1"}

# The gaps are the sentinels: % and ? of track 1, ; and ? of the others.
_ALPHANUMERIC = re.compile(rb"[\x20-\x24\x26-\x3e\x40-\x5f]*")
_NUMERIC = re.compile(rb"[\x30-\x3a\x3c-\x3e]*")
_ANY = re.compile(rb".*", re.DOTALL)
_CONTENT = {"track1": (_ALPHANUMERIC, 76), "track2": (_NUMERIC, 37), "track3": (_NUMERIC, 104)}
"""ISO/IEC 7811: characters of a track and how many, without sentinels and check character."""
_LONGEST_APDU = 65_544
"""ISO/IEC 7816-3: header, extended lengths, and 65535 bytes of data."""


@check("invalidData")
def sources_supported(on: ReaderState, request: messages.ReadRawData | None) -> None:
    """whether the device reads all that is wanted"""
    device = on.device
    for name in wanted(request):
        if name == "chip":
            supported = bool(device.chip_protocols)
        elif name == "memoryChip":
            supported = bool(device.memory_chip_protocols)
        elif name == "security":
            supported = device.security_type is not None
        else:
            supported = _CAPABILITY.get(name, name) in device.read_tracks
        if not supported:
            raise errors.InvalidData(f"$.{name}: the device does not read it; see Common.Capabilities")


@check("sequenceError")
def card_is_the_clients(on: ReaderState, request: object) -> None:
    """whether the card in the reader is another client's, at a device that guards it"""
    command = running()
    if (
        on.device.guards_card
        and on.holds
        and on.owner is not None
        and command is not None
        and command.session is not on.owner
    ):
        raise errors.SequenceError(
            "the card in the reader was taken in by another client; wait until it goes"
        )


@check("mediaJam")
def not_jammed(on: ReaderState, request: object) -> None:
    """whether a card is stuck"""
    if on.media == "jammed":
        raise errors.CommandError("mediaJam", "a card is stuck in the reader; see CardReader.Reset")


@check("invalidData")
def tracks_given(on: ReaderState, request: messages.WriteRawData | None) -> None:
    """whether there is a track to write"""
    if not writes(request):
        raise errors.InvalidData("no track is given; name track1, track2, track3 or another to write")


@check("invalidData")
def tracks_writable(on: ReaderState, request: messages.WriteRawData) -> None:
    """whether the device writes the tracks"""
    if request.additional_properties is not None:
        raise errors.InvalidData("$.additionalProperties: the device writes no tracks of a vendor's own")
    for name in writes(request):
        if _CAPABILITY.get(name, name) not in on.device.write_tracks:
            raise errors.InvalidData(f"$.{name}: the device does not write it; see Common.Capabilities")


@check("writeMethod")
def methods_supported(on: ReaderState, request: messages.WriteRawData) -> None:
    """the methods"""
    for name, track in writes(request).items():
        method = track.write_method or "auto"
        if method not in on.device.write_mode:
            raise errors.CommandError(
                "writeMethod",
                f"$.{name}.writeMethod: the device does not write {method}; it writes "
                f"{', '.join(sorted(on.device.write_mode)) or 'nothing'}",
            )


@check("invalidData")
def tracks_sound(on: ReaderState, request: messages.WriteRawData) -> None:
    """what is to be written: characters of the track, without sentinels, and not too many"""
    for name, track in writes(request).items():
        if not track.data:
            raise errors.InvalidData(f"$.{name}.data is missing or empty")
        characters, most = _CONTENT.get(name, (_ANY, MOST_OF_TRACK))
        if len(track.data) > most:
            raise errors.InvalidData(
                f"$.{name}.data: {len(track.data)} characters; the track holds {most}, sentinels not counted"
            )
        if not characters.fullmatch(track.data):
            raise errors.InvalidData(
                f"$.{name}.data has a character that the track cannot hold; leave sentinels out"
            )


from_given = given("from_", "say where the card is: exit, transport or a unit")
to_given = given("to", "say where the card is to go: exit, transport or a unit")
chip_data_given = given("chip_data", "say what the chip is to be sent")
action_given = given("chip_power", "say cold, warm or off")
key_given = given("key_value")


def _require_place(on: ReaderState, path: str, place: str, *kinds: str) -> None:
    """Refuse a place that a card cannot come from, or go to."""
    if place in ("exit", "transport"):
        if place not in on.device.card_positions:
            raise errors.InvalidData(f"{path}: the device has no {place}; see Common.Capabilities")
        return
    kind = on.unit_type(place)
    if kind is None:
        raise errors.InvalidData(f"{path}: there is no unit {place!r}; see Storage.GetStorage")
    if kind not in kinds:
        raise errors.InvalidData(f"{path}: {place} is a {kind} unit; name one of type {' or '.join(kinds)}")


@check("invalidData")
def source_exists(on: ReaderState, request: messages.Move) -> None:
    """`from`: a place of the device, or a unit of type dispense or park"""
    _require_place(on, "$.from", request.from_ or "", "dispense", "park")


@check("invalidData")
def target_exists(on: ReaderState, request: messages.Move) -> None:
    """`to`: a place of the device, or a unit of type retain or park, and another than `from`"""
    _require_place(on, "$.to", request.to or "", "retain", "park")
    if request.to == request.from_ != "exit":
        raise errors.InvalidData(
            f"$.to: the card is to go from {request.to} to {request.to}; name another place"
        )


@check("sequenceError")
def units_not_exchanged(on: ReaderState, request: messages.Move) -> None:
    """an exchange, where units are concerned"""
    places = {request.from_, request.to} - {"exit", "transport"}
    if places and on.ways.storage is not None and on.ways.storage.exchange_active:
        raise errors.SequenceError("units are being exchanged; see Storage.EndExchange")


@check("hardwareError")
def units_work(on: ReaderState, request: messages.Move) -> None:
    """whether the units work"""
    for place in (request.from_, request.to):
        if place in ("exit", "transport") or on.ways.storage is None:
            continue
        status = on.ways.storage.hardware_status(place or "")
        if status != "ok":
            raise errors.HardwareError(f"{place} is {status}; see Storage.GetStorage")


@check("noMedia")
def card_at_source(on: ReaderState, request: messages.Move) -> None:
    """whether a card is where it is to come from"""
    source = request.from_ or ""
    if source in ("exit", "transport"):
        here = {"entering": "exit", "present": "transport", "latched": "transport"}.get(on.media or "", "")
        # If the service does not know where the card is, the device decides.
        if on.media in (None, "unknown") or source == here:
            return
    elif on.cards_in(source):
        return
    raise errors.CommandError("noMedia", f"$.from: there is no card at {source}; see Common.Status")


@check("occupied")
def target_free(on: ReaderState, request: messages.Move) -> None:
    """whether another card is where it is to go"""
    if request.to in ("exit", "transport"):
        # Between exit and transport it is the same card that moves, and cannot be in its own way.
        if request.from_ not in ("exit", "transport") and on.media in ("present", "latched", "entering"):
            raise errors.CommandError("occupied", "$.to: a card is in the reader; move it first")
    elif on.unit_type(request.to or "") == "park" and on.is_full(request.to or ""):
        raise errors.CommandError("occupied", f"$.to: a card is parked in {request.to}")


@check("full")
def target_not_full(on: ReaderState, request: messages.Move) -> None:
    """whether the unit has room"""
    if on.unit_type(request.to or "") == "retain" and on.is_full(request.to or ""):
        raise errors.CommandError("full", f"$.to: {request.to} is full; see Storage.GetStorage")


@check("invalidData")
def reset_possible(on: ReaderState, request: messages.Reset | None) -> None:
    """`to`: exit only where the device moves cards, retain only with a unit for it"""
    to = request.to if request is not None else None
    moves = on.device.reader_type == "motor" or (to == "exit" and on.device.reader_type == "latchedDip")
    if to in ("exit", "retain") and not moves:
        raise errors.InvalidData(f"$.to: a reader of type {on.device.reader_type} cannot {to} a card")
    if to == "retain" and not on.units_of_type("retain"):
        raise errors.InvalidData("$.to: the device has no unit that retains cards; see Storage.GetStorage")


@check("invalidData")
def retain_unit_exists(on: ReaderState, request: messages.Reset | None) -> None:
    """`storageId`, where cards are retained: a unit of type retain"""
    if request is not None and request.to == "retain" and request.storage_id is not None:
        _require_place(on, "$.storageId", request.storage_id, "retain")


@check("retainBinFull")
def retain_unit_not_full(on: ReaderState, request: messages.Reset | None) -> None:
    """whether that unit has room for the card in the reader"""
    # Without a card in the reader nothing needs room, so that a reset works with full bins.
    if request is None or request.to != "retain" or on.media == "notPresent":
        return
    units = [request.storage_id] if request.storage_id is not None else on.units_of_type("retain")
    if all(on.is_full(unit) for unit in units):
        raise errors.CommandError("retainBinFull", f"{' and '.join(units)} full; empty it first")


@check("invalidData")
def chip_data_there(on: ReaderState, request: messages.ChipIO) -> None:
    """whether there is something for the chip, and no more than it can be sent at once"""
    if not request.chip_data:
        raise errors.CommandError("invalidData", "$.chipData is empty; the chip needs at least a byte")
    if len(request.chip_data) > _LONGEST_APDU:
        raise errors.CommandError(
            "invalidData",
            f"$.chipData: {len(request.chip_data)} bytes; a chip takes {_LONGEST_APDU} at most",
        )


@check("protocolNotSupported")
def protocol_supported(on: ReaderState, request: messages.ChipIO) -> None:
    """the protocol"""
    protocol = request.chip_protocol
    if protocol is not None and protocol not in on.device.chip_protocols:
        known = ", ".join(sorted(on.device.chip_protocols)) or "none"
        raise errors.CommandError(
            "protocolNotSupported", f"$.chipProtocol: the device does not speak {protocol}, but {known}"
        )


@check("noMedia")
def card_in(on: ReaderState, request: object) -> None:
    """whether a card is in"""
    if on.media in ("notPresent", "entering"):
        raise errors.CommandError("noMedia", "no card is in; see CardReader.ReadRawData")


@check("atrNotObtained")
def chip_powered(on: ReaderState, request: object) -> None:
    """whether the chip is powered"""
    if on.device._chip_contact != "on":
        raise errors.CommandError(
            "atrNotObtained", "the chip has no power: read it by ReadRawData, or see CardReader.ChipPower"
        )


@check("chipPowerNotSupported")
def action_supported(on: ReaderState, request: messages.ChipPower) -> None:
    """the action"""
    if request.chip_power not in on.device.chip_power_actions:
        known = ", ".join(sorted(on.device.chip_power_actions)) or "none"
        raise errors.CommandError(
            "chipPowerNotSupported", f"$.chipPower: the device does not do {request.chip_power}, but {known}"
        )


@check("atrNotObtained")
def chip_contacted(on: ReaderState, request: object) -> None:
    """whether the chip was in contact since the card came in, unless it is permanent"""
    if on.device.reader_type != "permanent" and on.device._chip_contact == "none":
        raise errors.CommandError(
            "atrNotObtained", "the chip is not in contact; read it by CardReader.ReadRawData first"
        )


@check("invalidKey")
def key_there(on: ReaderState, request: messages.SetKey) -> None:
    """whether there is a key"""
    if not request.key_value:
        raise errors.CommandError("invalidKey", "$.keyValue is empty")


@check("invalidData")
def configuration_given(on: ReaderState, request: messages.EMVClessConfigure | None) -> None:
    """whether something is to be configured"""
    if request is None or not (request.terminal_data or request.aid_data or request.key_data):
        raise errors.InvalidData("give terminalData, aidData or keyData; all of them is the rule")


@check("invalidData")
def configuration_whole(on: ReaderState, request: messages.EMVClessConfigure) -> None:
    """whether each part has all its members"""
    require_members(request)


@check("invalidTerminalData", "invalidAidData", "invalidKeyData")
def configuration_sound(on: ReaderState, request: messages.EMVClessConfigure) -> None:
    """whether TLV objects, identifiers and the checksums of keys are right"""
    require_configuration(request)


@check("invalidData")
def data_sound(
    on: ReaderState, request: messages.EMVClessPerformTransaction | messages.EMVClessIssuerUpdate | None
) -> None:
    """`data`, if there are any: TLV objects"""
    require_data(request.data if request is not None else None)


@check("readerNotConfigured")
def reader_configured(on: ReaderState, request: object) -> None:
    """whether the reader is configured"""
    if on.contactless.state == "unconfigured":
        raise errors.CommandError("readerNotConfigured", "see CardReader.EMVClessConfigure")


@check("transactionNotInitiated")
def update_awaited(on: ReaderState, request: object) -> None:
    """whether a transaction awaits the issuer's answer"""
    if on.contactless.state != "awaitingUpdate":
        raise errors.CommandError(
            "transactionNotInitiated",
            "no transaction awaits an update: its outcome was not onlineRequestCompletionRequired",
        )
    command = running()
    owner = on.contactless.owner
    if owner is not None and command is not None and command.session is not owner:
        raise errors.CommandError(
            "transactionNotInitiated", "the transaction is another client's; it hands the answer to the card"
        )
