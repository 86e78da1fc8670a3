"""CardReader: what a vendor writes for a device that reads cards.

class MyReader(devices.CardReader):
    reader_type = "swipe"
    read_tracks = frozenset({"track2"})

    async def accept_card(self, wanted, flux_inactive, events):
        events.insert_card()
        self.line = await self.port.swipe()

    async def read_card(self, wanted, events):
        return devices.CardContent({"track2": devices.CardData(self.line)})

A reader with bins, stacks or parking stations is a `devices.Storage` as well, with `CardUnit`s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Protocol, TypeAlias

from msgspec import Meta

from xfs4iot.devices._cards import (
    CardContent,
    CardMoved,
    CardPlace,
    CardSource,
    CardsReset,
    CardTrack,
    CardWrite,
    ChipProtocol,
    ContactlessApplication,
    ContactlessConfiguration,
    ContactlessOutcome,
)
from xfs4iot.devices._device import CommandEvents, Device, operation
from xfs4iot.devices._operation import implements, waits_for_people
from xfs4iot.devices._parts import derived
from xfs4iot.protocol import exact
from xfs4iot.protocol.command_events.card_reader import ReadRawDataEvents, WriteRawDataEvents
from xfs4iot.protocol.message import SentEvent
from xfs4iot.protocol.messages import card_reader as messages

__all__ = [
    "CardAction",
    "CardEvents",
    "CardReader",
    "ContactlessEvents",
    "MovingCard",
]

ReaderType = Literal[
    "motor", "swipe", "dip", "latchedDip", "contactless", "intelligentContactless", "permanent"
]
ReadTrack = Literal[
    "track1",
    "track2",
    "track3",
    "watermark",
    "frontTrack1",
    "frontImage",
    "backImage",
    "track1JIS",
    "track3JIS",
    "ddi",
]
CardAction = Literal["exit", "retain", "exitThenRetain", "transport"]
"""What the reader does with a card by itself when the power comes or goes."""
Bytes = Annotated[bytes, Meta(max_length=65_538), exact.Secret]
"""What a chip is sent and answers: an APDU, extended at most."""
Unit = Annotated[str, Meta(pattern=r"^unit[0-9A-Za-z]+\Z")]

_MEDIA: Mapping[str | None, Any] = {
    None: "notPresent",
    "exit": "entering",
    "transport": "present",
    "latched": "latched",
    "jammed": "jammed",
    "unknown": "unknown",
}
_WITHOUT_CONTACT: Mapping[str | None, Any] = {None: "noCard", "unknown": "unknown", "exit": "poweredOff"}
"""The chip's power where it has no contact."""


class CardEvents(CommandEvents[SentEvent], Protocol[SentEvent]):
    """What a reader is given while it waits for a card or reads one."""

    def insert_card(self) -> None:
        """Tell that the entrance is open: the customer may insert, swipe, dip or tap."""

    def invalid_media(self) -> None:
        """Tell that a card was inserted the wrong way and is handed back; the wait goes on."""

    def media_inserted(self) -> None:
        """Tell that the card is in."""

    def track_detected(self, tracks: Iterable[str]) -> None:
        """Tell that a stripe has passed the head, and which tracks were found on it."""


class MovingCard(CommandEvents, Protocol):
    """What a reader is given while it moves a card.

    Attributes:
        operation: the movement's number, for a reader that keeps what it moved; see `recall_card`.
    """

    operation: int


ContactlessEvents: TypeAlias = "CommandEvents[messages.EMVClessReadStatusEvent]"
"""What a reader is given during a transaction: it sends `EMVClessReadStatusEvent`s."""


def _media(device: Any) -> str | None:
    if not device.holds_cards:
        return None
    return "present" if device.reader_type == "permanent" else "notPresent"


def _chip_power(device: Any) -> str | None:
    if not device.chip_protocols or not device.holds_cards:
        return None
    return "poweredOff" if device.reader_type == "permanent" else "noCard"


def _ok_if(attribute: str, *names: str) -> Any:
    def module(device: Any) -> str | None:
        stated = getattr(device, attribute)
        return "ok" if (stated and (not names or stated & set(names))) else None

    return derived(module)


class CardReader(
    Device,
    messages=messages,
    capabilities={"type": "reader_type", "positions": "card_positions", "chip_power": "chip_power_actions"},
    status={
        "media": derived(_media),
        "security": derived(lambda device: "open" if device.security_type else None),
        "chip_power": derived(_chip_power),
        "chip_module": _ok_if("chip_protocols"),
        "mag_write_module": _ok_if("write_tracks"),
        "front_image_module": _ok_if("read_tracks", "frontImage"),
        "back_image_module": _ok_if("read_tracks", "backImage"),
    },
    needs=(("accept_card", "chip_io", "emv_cless_perform_transaction"),),
):
    """A device that reads cards. Override what it can do; `accept_card` and `read_card` for most.

    The service keeps in `status.card_reader` (`media`, `chip_power`) where the card is and whether its chip
    is in contact, from what the operations return. The device reports anything else: `card_at` in `open` for
    what its sensors see, `card_taken` when a card is taken, `card_acted` when it moves one by itself.

    Attributes:
        reader_type: a `motor` draws cards in, a `latchedDip` holds them, and so on.
        read_tracks, write_tracks: what it reads and writes, as the capabilities name it.
        write_mode: `loco`, `hico`, `auto`.
        chip_protocols, memory_chip_protocols: that it speaks.
        chip_power_actions: `cold`, `warm`, `off`.
        security_type: of its security module, `mm` or `cim86`.
        power_on_option, power_off_option: what it does with a card by itself.
        flux_sensor_programmable: whether the sensor at the entrance can be told to look for any material.
        read_write_access_from_exit: whether a card at the exit is drawn back to be read.
        card_positions: `exit`, `transport`; both for a device that moves cards.
        card_taken_sensor: whether it calls `card_taken`.
        ifm_identifiers: of its approvals, by authority: `emv`, `europay`, `visa`, `giecb`.
        emv_applications: that the kernels of an intelligent contactless reader handle.
        on_start: what is done with a card that is found in the reader at the start.
        guards_card: whether the card of one client is refused to the others.
        eject_after: seconds after which a card whose client is gone is moved to the exit; None: never.
    """

    reader_type: ReaderType = "motor"
    read_tracks: frozenset[ReadTrack] = frozenset()
    write_tracks: frozenset[
        Literal["track1", "track2", "track3", "frontTrack1", "track1JIS", "track3JIS"]
    ] = frozenset()
    write_mode: frozenset[Literal["loco", "hico", "auto"]] = frozenset()
    chip_protocols: frozenset[ChipProtocol] = frozenset()
    memory_chip_protocols: frozenset[Literal["siemens4442", "gpm896"]] = frozenset()
    chip_power_actions: frozenset[Literal["cold", "warm", "off"]] = derived(
        lambda device: frozenset({"cold", "warm", "off"} if implements(device, "chip_power") else ())
    )
    security_type: Literal["mm", "cim86"] | None = None
    power_on_option: CardAction | None = None
    power_off_option: CardAction | None = None
    flux_sensor_programmable: bool = False
    read_write_access_from_exit: bool = False
    card_positions: frozenset[Literal["exit", "transport"]] = derived(
        lambda device: frozenset({"exit", "transport"} if implements(device, "move_card") else ())
    )
    card_taken_sensor: bool = False
    ifm_identifiers: Mapping[Literal["emv", "europay", "visa", "giecb"], str] = {}
    emv_applications: tuple[ContactlessApplication, ...] = ()
    on_start: Literal["keep", "exit", "retain"] = "keep"
    guards_card: bool = False
    eject_after: float | None = None

    _chip_contact: Literal["none", "off", "on"] = "none"
    """Whether the chip of the card was ever in contact, and is powered; the service's."""
    _card_takings: int = 0
    """How often a card was taken, so that the service sees one that is taken while it is still moving."""
    _card_sightings: int = 0
    """How often the device has told where the card is."""

    @property
    def holds_cards(self) -> bool:
        """Whether a card can be in the reader, so that `media` says where it is."""
        return self.reader_type not in ("swipe", "contactless", "intelligentContactless")

    def card_at(self, place: CardPlace | None) -> None:
        """Tell where the card is: `exit`, `transport`, `latched`, `jammed`, `unknown`; None for no card."""
        status = self.status.card_reader
        if place not in _MEDIA:
            place = None
        self._card_sightings += 1
        if status.media is not None and status.media != _MEDIA[place]:
            new = status.media in ("notPresent", "unknown")
            status.media = _MEDIA[place]
            if status.chip_power is not None and (new or place in _WITHOUT_CONTACT):
                status.chip_power = _WITHOUT_CONTACT.get(place, "poweredOff")
        if place in _WITHOUT_CONTACT:
            self._chip_contact = "none"

    def card_taken(self) -> None:
        """Tell that the card was taken from the exit, or pulled out: sends `MediaRemovedEvent`."""
        self._card_takings += 1
        self.card_at(None)
        self.send(messages.MediaRemovedEvent())

    def card_acted(self, source: str, target: str) -> None:
        """Tell that the reader has moved a card by itself: sends `CardActionEvent`.

        Args:
            source: `exit`, `transport`, a unit, or `unknown`.
            target: `exit`, `transport`, or a unit, in which the card is counted before clients are told.
        """
        # A card that went into a unit is no longer in the reader itself.
        self.card_at(target if target in ("exit", "transport") else None)
        self.send(messages.CardActionEvent(to=target, from_=source))

    @waits_for_people
    @operation
    async def accept_card(
        self, wanted: frozenset[CardSource], flux_inactive: bool, events: CardEvents[WriteRawDataEvents]
    ) -> None:
        """Wait until a card is where it can be used; asked only where it can come from outside.

        Cancelled when the client no longer wants it or its timeout has run out: close the entrance, or let
        `stop_accepting` do it. A card inserted the wrong way goes back (`events.invalid_media()`), and the
        wait goes on.

        Args:
            wanted: what will be read of it; nothing if it is only to come in, or to be written.
            flux_inactive: whether the sensor at the entrance takes any material for a card.

        Raises:
            CommandError: `mediaJam`, `shutterFail`, `noMedia`, `invalidMedia`, `cardTooShort`, `cardTooLong`.
        """
        raise NotImplementedError

    @operation
    async def stop_accepting(self) -> CardPlace | None:
        """Close the entrance after `accept_card` was cancelled, and hand back a card that is not in yet.

        Returns:
            Where a card is now: `transport` if it was fully in; None for no card.
        """
        raise NotImplementedError

    @operation
    async def read_card(
        self, wanted: frozenset[CardSource], events: CardEvents[ReadRawDataEvents]
    ) -> CardContent:
        """`CardReader.ReadRawData`: read the card that is in, or what `accept_card` has read of it.

        With `chip`, the chip is reset anew. A source that cannot be read has a status and fails nothing.

        Raises:
            CommandError: `mediaJam`, `shutterFail`, `noMedia`, `invalidMedia` (neither stripe nor chip),
                `cardCollision`.
        """
        raise NotImplementedError

    @operation
    async def write_card(
        self, tracks: Mapping[CardTrack, CardWrite], events: CardEvents[WriteRawDataEvents]
    ) -> None:
        """`CardReader.WriteRawData`: write tracks, and read them back to verify.

        Raises:
            CommandError: as `read_card`, and `writeMethod`.
            HardwareError: what was written is not what is read; name the track.
        """
        raise NotImplementedError

    @operation
    async def move_card(self, source: CardPlace, target: CardPlace, events: MovingCard) -> CardMoved:
        """`CardReader.Move`: move a card; ends when it is there, not when it is taken.

        Never torn out of its work. What is raised says that the card is where it was; a card that
        is elsewhere is returned: `CardMoved("jammed", CommandError("mediaJam"))`.

        Args:
            source, target: `exit`, `transport`, or a unit.
        """
        raise NotImplementedError

    @operation
    async def recall_card(self, operation: int) -> CardPlace | None:
        """Where the movement of this number has left the card; None if the device has not begun it.

        Asked after a crash. Without it, the sensors decide (see `card_at`).
        """
        raise NotImplementedError

    @operation
    async def reset(
        self, to: Literal["exit", "retain", "currentPosition", "auto"], unit: Unit | None, events: MovingCard
    ) -> CardsReset:
        """`CardReader.Reset`: make the device ready again, and bring cards that are found in it `to` a place.

        Args:
            to: `auto`: as the device thinks best.
            unit: for `retain`; None for one that the device chooses.
        """
        raise NotImplementedError

    @operation
    async def chip_io(self, protocol: ChipProtocol | None, data: Bytes) -> Bytes:
        """`CardReader.ChipIO`: send a command to the chip; its answer, with its status word, as it is.

        Raises:
            CommandError: `mediaJam`, `noMedia`, `invalidMedia`, `invalidData`, `atrNotObtained`,
                `cardCollision`.
        """
        raise NotImplementedError

    @operation
    async def chip_power(
        self, action: Literal["cold", "warm", "off"]
    ) -> Annotated[bytes, Meta(max_length=33), exact.Secret] | None:
        """`CardReader.ChipPower`: reset the chip and return its ATR, or switch it off and return None.

        Raises:
            CommandError: `chipPowerNotSupported`, `mediaJam`, `noMedia`, `invalidMedia`, `invalidData`,
                `atrNotObtained`.
        """
        raise NotImplementedError

    @operation
    async def set_key(self, key: Bytes) -> None:
        """`CardReader.SetKey`: the key of a `cim86` security module.

        Raises:
            CommandError: `invalidKey`.
        """
        raise NotImplementedError

    @operation
    async def emv_cless_configure(self, configuration: ContactlessConfiguration) -> None:
        """`CardReader.EMVClessConfigure`: all of it, in the place of what was set before; or nothing.

        Called again with what is in force, at each start and when the device is back after an outage.

        Raises:
            CommandError: `invalidTerminalData`, `invalidAidData`, `invalidKeyData`.
        """
        raise NotImplementedError

    @waits_for_people
    @operation
    async def emv_cless_perform_transaction(
        self, data: Bytes | None, events: ContactlessEvents
    ) -> Annotated[
        Mapping[Literal["chip", "track1", "track2", "track3"], ContactlessOutcome], Meta(min_length=1)
    ]:
        """`CardReader.EMVClessPerformTransaction`: wait for a tap, and go through the transaction.

        The field is off when this ends, also if it is cancelled.

        Args:
            data: of the transaction, as TLV objects.

        Raises:
            CommandError: `noMedia`, `invalidMedia`.
        """
        raise NotImplementedError

    @waits_for_people
    @operation
    async def emv_cless_issuer_update(
        self, data: Bytes | None, events: ContactlessEvents
    ) -> ContactlessOutcome | None:
        """`CardReader.EMVClessIssuerUpdate`: hand the issuer's answer to the card, which is tapped again.

        Raises:
            CommandError: `noMedia`, `invalidMedia` for another card.
        """
        raise NotImplementedError
