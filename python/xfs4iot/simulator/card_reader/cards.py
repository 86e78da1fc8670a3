"""Cards as data: what is on their stripes and in their chips, and what happens to them.

    [services.CardReader.cards.credit]
    pan = "4761739001010010"
    expiry = "2912"
    chip = { pin = "1234", applications = [{ aid = "A0000000031010", label = "CREDIT" }] }

Tracks follow from number, name, expiry and service code (ISO/IEC 7813), or are given as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xfs4iot.dataclass import dataclass

__all__ = ["Application", "Card", "CardMemory", "Chip"]

Hex = Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2})+$")]
Track = Literal["track1", "track2", "track3"]
Source = Literal["track1Front", "track1JIS", "track3JIS", "watermark", "ddi", "memoryChip"]

_ATR = {"T=0": "3B65000020631C0000", "T=1": "3BE500008131FE4520631C0000B1"}


@dataclass(frozen=True)
class Application:
    """An application of a chip.

    Attributes:
        aid: its identifier.
        label: its name, for people.
        priority: among the card's applications, 1 for the first.
        kernel: of a contactless reader, as tag 9F2A.
    """

    aid: Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2}){5,16}$")] = "A0000000031010"
    label: Annotated[str, Meta(min_length=1, max_length=16)] = "CREDIT"
    priority: Annotated[int, Meta(ge=1, le=15)] = 1
    kernel: Hex = "03"


@dataclass(frozen=True)
class Chip:
    """A chip with an EMV card application.

    Attributes:
        protocol: in contact.
        atr: as the chip gives it; without it one that fits the protocol.
        mute: it gives none.
        pin: of its holder.
        tries: of the PIN, until it is blocked.
        limit: up to which amount, in the smallest unit of the currency, it approves without the issuer.
        applications: what it offers.
        contactless: it has an antenna.
        uid: by which it is told apart in the field.
        outcome: how it lets a contactless transaction end, where that does not follow from its
            cryptogram.
    """

    protocol: Literal["T=0", "T=1"] = "T=0"
    atr: Hex | None = None
    mute: bool = False
    pin: Annotated[str, Meta(pattern="^[0-9]{4,12}$")] = "1234"
    tries: Annotated[int, Meta(ge=1, le=15)] = 3
    limit: Annotated[int, Meta(ge=0)] = 0
    applications: tuple[Application, ...] = (Application(),)
    contactless: bool = False
    uid: Hex = "04A1B2C3"
    outcome: (
        Literal[
            "tryAgain",
            "tryAnotherInterface",
            "endApplication",
            "confirmationRequired",
            "onlineRequestCompletionRequired",
        ]
        | None
    ) = None

    @property
    def answer_to_reset(self) -> bytes:
        """Its ATR."""
        return bytes.fromhex(self.atr or _ATR[self.protocol])

    @property
    def applications_in_order(self) -> list[Application]:
        """Those it offers, the first one first."""
        return sorted(self.applications, key=lambda one: one.priority)


@dataclass(frozen=True)
class Card:
    """A card.

    Attributes:
        pan: its number.
        sequence: number among the cards of this PAN.
        expiry: year and month, `YYMM`.
        holder: name, as the stripe has it.
        service_code: of the stripe.
        stripe: whether it has one.
        track1, track2, track3: what is on it, where that does not follow from the number.
        damaged: tracks that cannot be read.
        length: whether it is as long as a card.
        sources: what else readers find on it, as hexadecimal.
        chip: None for none.
    """

    pan: Annotated[str, Meta(pattern="^[0-9]{8,19}$")] = "4761739001010010"
    sequence: Annotated[int, Meta(ge=0, le=99)] = 1
    expiry: Annotated[str, Meta(pattern="^[0-9]{2}(0[1-9]|1[0-2])$")] = "2912"
    holder: Annotated[str, Meta(pattern="^[A-Z .]{1,20}/[A-Z .]{0,5}$")] = "CARDHOLDER/TEST"
    service_code: Annotated[str, Meta(pattern="^[0-9]{3}$")] = "201"
    stripe: bool = True
    track1: str | None = None
    track2: str | None = None
    track3: str | None = None
    damaged: tuple[Track, ...] = ()
    length: Literal["normal", "short", "long"] = "normal"
    sources: dict[Source, Hex] = field(default_factory=dict, hash=False)
    chip: Chip | None = None

    def mistakes(self) -> Iterator[str]:
        """What no single value shows."""
        if not self.stripe and (self.track1 or self.track2 or self.track3 or self.damaged):
            yield "a card without a stripe has no tracks"
        aids = [one.aid.upper() for one in self.chip.applications] if self.chip is not None else []
        if len(set(aids)) < len(aids):
            yield "two applications have the same aid"

    @property
    def tracks(self) -> dict[str, bytes]:
        """What is on the stripe of a new card."""
        if not self.stripe:
            return {}
        follow = f"{self.expiry}{self.service_code}"
        made = {
            "track1": f"B{self.pan}^{self.holder}^{follow}0000000000" if self.track1 is None else self.track1,
            "track2": f"{self.pan}={follow}0000000000"[:37] if self.track2 is None else self.track2,
            "track3": self.track3 or "",
        }
        return {name: text.encode("latin-1", "replace") for name, text in made.items()}


class CardMemory(msgspec.Struct):
    """What of a card changes, and is kept.

    Attributes:
        tracks: that were written.
        counter: transactions of its chip so far.
        online: the counter of its last one that the issuer approved.
        tries: of the PIN that were wrong.
    """

    tracks: dict[str, bytes] = {}
    counter: int = 0
    online: int = 0
    tries: int = 0
