"""Taking a card in and telling what was read of it.

`InsertCardEvent` says that the entrance is open, `MediaInsertedEvent` that the card is in; between them
an `InvalidMediaEvent` for each wrong insertion. The service keeps that order whatever a device does: one
MediaInsertedEvent at most, and none without an InsertCardEvent before.

When a wait is given up (cancelled, timed out, its client gone), the entrance is closed first, and only then
is the device asked where the card is. A card that was not drawn in goes back to its holder. One that was is
read, which is quick, and the command succeeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xfs4iot import devices
from xfs4iot.interfaces.cards.sources import SOURCES
from xfs4iot.protocol import errors
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import card_reader as messages
from xfs4iot.server.command import Command

__all__ = ["MOST_OF_TRACK", "Insertion", "content_told", "possible_content"]

_FAILED = ("hardwareError", "notInitialized")
_IMAGES = ("frontImage", "backImage")
MOST_OF_TRACK = 107
"""Characters of a track of ISO/IEC 7811, at most."""
_MOST_CHIPS = 16
_MOST_BYTES_OF: Mapping[str, int] = {
    **dict.fromkeys(_IMAGES, 16 << 20),
    "memoryChip": 65_536,
    "watermark": 4096,
    "ddi": 4096,
    "chip": 254,
}
"""Tracks apart. The answer of a chip has 33 bytes by contact (ISO/IEC 7816-3), 254 in a field
(ISO/IEC 14443-4)."""
_FIELD = ("contactless", "intelligentContactless")


class Insertion:
    """What the device is given while a card is taken in and read.

    Args:
        device: the reader.
        command: the command that wants the card; it knows which events are its own.

    Attributes:
        inserted: whether the device has said that the card is in.
    """

    def __init__(self, device: devices.CardReader, command: Command[Any]) -> None:
        self.inserted = False
        self._device = device
        self._command = command
        self._open = False

    @property
    def cancel_requested(self) -> bool:
        return self._command.cancel_requested

    def send(self, event: Payload) -> None:
        if isinstance(event, messages.InsertCardEvent):
            if not self._open:
                self._open = True
                self._command.send(event)
        elif isinstance(event, messages.MediaInsertedEvent):
            # The device may say it, and the service after it: clients get it once.
            if self._open and not self.inserted:
                self.inserted = True
                self._command.send(event)
        elif isinstance(event, messages.TrackDetectedEvent):
            # An event without any track says nothing.
            if any(getattr(event, name) for name in event.__struct_fields__):
                self._command.send(event)
        else:
            self._command.send(event)

    def insert_card(self) -> None:
        self.send(messages.InsertCardEvent())

    def invalid_media(self) -> None:
        self.send(messages.InvalidMediaEvent())

    def media_inserted(self) -> None:
        self.send(messages.MediaInsertedEvent())

    def track_detected(self, tracks: Iterable[str]) -> None:
        found = frozenset(tracks)
        if found:
            self.send(flags(messages.TrackDetectedEvent, found))


def possible_content(reader_type: str, content: devices.CardContent) -> None:
    """See that a card can hold so much. Raises Mismatch."""
    found = [*content.sources.items(), *(("chip", chip) for chip in content.chips)]
    for name, one in found:
        size, most = len(one.data or b""), _MOST_BYTES_OF.get(name, MOST_OF_TRACK)
        if name == "chip" and reader_type not in _FIELD:
            most = 33
        if size > most:
            raise Mismatch(f"{most} bytes at most", f"{size} bytes", name)
    if len(content.chips) > _MOST_CHIPS:
        raise Mismatch(f"{_MOST_CHIPS} at most", f"{len(content.chips)} chips", "chips")


def _status(found: devices.CardData) -> messages.CardDataStatusEnum | None:
    return found.status or (None if found.data else "dataMissing")


def content_told(wanted: frozenset[str], content: devices.CardContent) -> messages.ReadRawDataCompletion:
    """The completion of ReadRawData: everything that was wanted, with its status.

    Raises:
        CommandError: `securityFail`: nothing else was wanted, and the module could not look.
    """
    told: dict[str, Any] = {}
    by_name: Mapping[Any, devices.CardData] = content.sources
    for field, name in SOURCES.items():
        if name not in wanted or name in ("chip", "security"):
            continue
        found = by_name.get(name, devices.CardData())
        # No bytes are no data: on the wire there is no empty base64.
        data, status = found.data or None, _status(found)
        if name in _IMAGES:
            told[field] = data
        elif name == "memoryChip":
            protocol: Any = None if found.protocol == "chipProtocolNotRequired" else found.protocol
            told[field] = messages.ReadRawDataCompletionMemoryChip(
                status=status, protocol=protocol, data=data
            )
        else:
            told[field] = messages.CardDataNullable(status=status, data=data)
    if "chip" in wanted:
        chips = content.chips or (devices.CardData(status="dataMissing"),)
        told["chip"] = [messages.CardData(status=_status(chip), data=chip.data or None) for chip in chips]
    if "security" in wanted:
        verdict = content.security or "notInitialized"
        if wanted == {"security"} and verdict in _FAILED:
            raise errors.CommandError("securityFail", f"the security module could not look: {verdict}")
        told["security"] = messages.ReadRawDataCompletionSecurity(data=verdict)
    return messages.ReadRawDataCompletion(**told)
