"""What card readers are given and what they return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import errors, exact
from xfs4iot.protocol.messages import card_reader as messages

__all__ = [
    "MOST_CARDS",
    "CardContent",
    "CardData",
    "CardMoved",
    "CardPlace",
    "CardSource",
    "CardTrack",
    "CardWrite",
    "CardsReset",
    "ChipProtocol",
    "ContactlessApplication",
    "ContactlessConfiguration",
    "ContactlessKey",
    "ContactlessOutcome",
]

CardTrack = Literal["track1", "track2", "track3", "track1Front", "track1JIS", "track3JIS"]
"""A track that can be read and written."""
CardSource = Literal[
    "track1",
    "track2",
    "track3",
    "track1Front",
    "track1JIS",
    "track3JIS",
    "watermark",
    "ddi",
    "frontImage",
    "backImage",
    "memoryChip",
    "chip",
    "security",
]
"""What can be read of a card, as `CardReader.ReadRawData` names it."""
CardPlace = Annotated[str, Meta(pattern=r"^(exit|transport|latched|jammed|unknown|unit[0-9A-Za-z]+)\Z")]
"""Where a card is: in the slot, in the reader, there and held by its latch, stuck, lost to the sensors, or in
the unit of this name."""
MOST_CARDS = 16
"""Cards that one reset can find."""
ChipProtocol = Literal[
    "chipT0",
    "chipT1",
    "chipProtocolNotRequired",
    "chipTypeAPart3",
    "chipTypeAPart4",
    "chipTypeB",
    "chipTypeNFC",
]


@dataclass(frozen=True)
class CardData:
    """What one source of a card gave.

    Attributes:
        data: of a track: its characters, without parity, sentinels and check character; of a chip: its ATR,
            or what identifies it; of an image: one file, PNG for choice. None if it cannot be read.
        status: why it is not good; None for good.
        protocol: of a memory chip.
    """

    data: Annotated[bytes | None, exact.Secret] = field(default=None, repr=False)
    status: messages.CardDataStatusEnum | None = None
    protocol: ChipProtocol | None = None


@dataclass(frozen=True)
class CardContent:
    """What was read of a card.

    Attributes:
        sources: all but chip and security, by name; one that was wanted and is left out is `dataMissing`.
        chips: one chip in contact, or all that are in the field.
        security: what the security module says of the card.
    """

    sources: Mapping[CardSource, Annotated[CardData, exact.Secret]] = field(default_factory=dict, repr=False)
    chips: tuple[Annotated[CardData, exact.Secret], ...] = field(default=(), repr=False)
    security: (
        Literal[
            "readLevel1",
            "readLevel2",
            "readLevel3",
            "readLevel4",
            "readLevel5",
            "badReadLevel",
            "dataInvalid",
            "hardwareError",
            "notInitialized",
        ]
        | None
    ) = None


@dataclass(frozen=True)
class CardWrite:
    """What is to be written on a track.

    Attributes:
        data: its characters.
        method: `loco` or `hico`; None for what suits the card.
    """

    data: bytes = field(repr=False)
    method: Literal["loco", "hico"] | None = None


@dataclass(frozen=True)
class CardMoved:
    """How a movement of a card ended.

    Attributes:
        at: where the card is now; None: where it was to go or, with a failure, where it was.
        failure: why it is not where it was to go, such as `CommandError("mediaRetained")`, with the unit
            in `at`.
    """

    at: CardPlace | None = None
    failure: errors.XfsError | None = None


@dataclass(frozen=True)
class CardsReset:
    """How a reset ended.

    Attributes:
        cards: where each card that was found in the reader is now; none: there was none. 16 at most.
        failure: what went wrong, such as `CommandError("mediaJam")`.
    """

    cards: Annotated[tuple[CardPlace, ...], Meta(max_length=MOST_CARDS)] = ()
    failure: errors.XfsError | None = None


@dataclass(frozen=True)
class ContactlessApplication:
    """An application of the reader's kernels, or one that a terminal accepts.

    Attributes:
        aid: application identifier.
        kernel: of the reader, that handles it.
        partial_selection: whether longer identifiers match as well.
        transaction_type: as tag 9C has it.
        configuration: of the application, as TLV objects.
    """

    aid: bytes
    kernel: bytes | None = None
    partial_selection: bool = False
    transaction_type: int = 0
    configuration: bytes = b""


@dataclass(frozen=True)
class ContactlessKey:
    """A public key of a certification authority."""

    rid: bytes
    index: int
    algorithm: int
    exponent: bytes
    modulus: bytes
    checksum: bytes


@dataclass(frozen=True)
class ContactlessConfiguration:
    """All that a terminal sets for contactless transactions."""

    terminal: bytes
    applications: tuple[ContactlessApplication, ...]
    keys: tuple[ContactlessKey, ...]


@dataclass(frozen=True)
class ContactlessOutcome:
    """How a contactless transaction ended.

    Attributes:
        outcome: as EMV's entry point has it. After an IssuerUpdate one of `approve`, `decline`,
            `multipleCards`, `tryAgain` and `tryAnotherInterface`.
        action: what the cardholder is to do.
        data: of a chip TLV objects, of a stripe a track.
        details: what EMV's entry point says besides.
    """

    outcome: Literal[
        "multipleCards",
        "approve",
        "decline",
        "onlineRequest",
        "onlineRequestCompletionRequired",
        "tryAgain",
        "tryAnotherInterface",
        "endApplication",
        "confirmationRequired",
    ]
    action: Literal["none", "retap", "holdCard"] = "none"
    data: Annotated[bytes | None, exact.Secret] = field(default=None, repr=False)
    details: Annotated[messages.EMVClessOutcome | None, exact.Secret] = field(default=None, repr=False)
