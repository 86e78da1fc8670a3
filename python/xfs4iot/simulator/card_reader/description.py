"""What a profile may say about the simulated card reader, and the capabilities that follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.simulator.card_reader.cards import Card

__all__ = ["CardReaderSettings", "CardUnitSettings", "capabilities_of"]

ReaderType = Literal[
    "motor", "swipe", "dip", "latchedDip", "contactless", "intelligentContactless", "permanent"
]
Action = Literal["exit", "retain", "exitThenRetain", "transport"]
_READS = frozenset({"track1", "track2", "track3"})
_CONTACT = frozenset({"chipT0", "chipT1", "chipProtocolNotRequired"})
_FIELD = frozenset({"chipTypeAPart4", "chipProtocolNotRequired"})


@dataclass(frozen=True)
class CardUnitSettings:
    """One unit of cards.

    Attributes:
        type: `retain`, `dispense` or `park`.
        capacity: cards it has room for.
        threshold: at which it is high, or low.
        card: which card it gives out; its name among the cards.
        count: cards in it when the device is new.
    """

    type: Literal["retain", "dispense", "park"]
    capacity: Annotated[int, Meta(ge=1)] = 50
    threshold: Annotated[int, Meta(ge=0)] | None = None
    card: str | None = None
    count: Annotated[int, Meta(ge=0)] = 0


@dataclass(frozen=True)
class CardReaderSettings:
    """What a profile may say of a card reader.

    Attributes:
        type: of reader.
        units: of cards, by name; of a motor reader only.
        cards: that people have, by name.
        reads: sources besides tracks 1 to 3 and the chip, as the capabilities name them.
        security: type of its security module.
        power_on: what it does with a card when power is back.
        retain_after: seconds after which it retains a card that nobody takes; it does not without.
        customer: a card that somebody inserts, or taps, by himself whenever one is asked for.
        inserts_after, takes_after: seconds after which he does, and takes it again.
        on_start, guards_card, eject_after: as in `devices.CardReader`.
        built_in: the card whose chip is built into a permanent one.
    """

    type: ReaderType = "motor"
    units: dict[str, CardUnitSettings] = field(default_factory=dict)
    cards: dict[str, Card] = field(default_factory=dict)
    reads: tuple[
        Literal["frontTrack1", "track1JIS", "track3JIS", "watermark", "ddi", "frontImage", "backImage"], ...
    ] = ()
    security: Literal["mm", "cim86"] | None = None
    power_on: Action = "transport"
    retain_after: Decimal | None = None
    customer: str | None = None
    inserts_after: Decimal = Decimal(2)
    takes_after: Decimal | None = None
    on_start: Literal["keep", "exit", "retain"] = "keep"
    guards_card: bool = False
    eject_after: Decimal | None = None
    built_in: str | None = None

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        for name, card in self.cards.items():
            for text in card.mistakes():
                yield ("cards", name), text
        for name, unit in self.units.items():
            if not name.startswith("unit") or not name.isalnum():
                yield ("units", name), "names of units are `unit` and then letters or digits"
            if unit.type == "dispense" and unit.card not in self.cards:
                yield ("units", name, "card"), f"name one of the cards: {', '.join(self.cards)}"
            if unit.count > unit.capacity:
                yield ("units", name), f"{unit.count} cards do not go into a unit for {unit.capacity}"
            if unit.count and unit.type != "dispense":
                yield ("units", name), "only a unit that gives cards out has some at first"
        for key in ("customer", "built_in"):
            if getattr(self, key) is not None and getattr(self, key) not in self.cards:
                yield (key,), f"name one of the cards: {', '.join(self.cards)}"
        for key in ("retain_after", "inserts_after", "takes_after", "eject_after"):
            if (getattr(self, key) or 0) < 0:
                yield (key,), "0 or more"
        if self.type == "permanent" and self.built_in is None:
            yield ("type",), "say by built_in which card is built in"


def capabilities_of(settings: CardReaderSettings) -> dict[str, Any]:
    """The attributes of the device that follow from its settings."""
    kind = settings.type
    stripes = kind in ("motor", "swipe", "dip", "latchedDip")
    contact = kind in ("motor", "dip", "latchedDip", "permanent")
    found: dict[str, Any] = {
        "reader_type": kind,
        "read_tracks": frozenset({*_READS, *settings.reads}) if stripes else frozenset(),
        "write_tracks": _READS if kind == "motor" else frozenset(),
        "write_mode": frozenset({"loco", "hico", "auto"}) if kind == "motor" else frozenset(),
        "chip_protocols": _CONTACT if contact else _FIELD if kind.endswith("ontactless") else frozenset(),
        "chip_power_actions": frozenset({"cold", "warm", "off"}) if contact else frozenset(),
        "memory_chip_protocols": frozenset({"gpm896"}) if kind == "motor" else frozenset(),
        "security_type": settings.security,
        "card_taken_sensor": kind in ("motor", "dip", "latchedDip"),
        "read_write_access_from_exit": kind == "motor",
        "card_positions": frozenset({"exit", "transport"})
        if kind in ("motor", "latchedDip", "contactless", "intelligentContactless")
        else frozenset(),
        "power_on_option": settings.power_on if kind == "motor" else None,
        "ifm_identifiers": {"emv": "SIM-IFM-1"} if contact else {},
        "on_start": settings.on_start,
        "guards_card": settings.guards_card,
        "eject_after": float(settings.eject_after) if settings.eject_after is not None else None,
    }
    return found
