"""What a depository is made of, what is put into it, and where each item is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xfs4iot import devices
from xfs4iot.dataclass import dataclass

__all__ = ["TONER", "DepositSettings", "Envelope", "State"]

TONER = 500
"""Envelopes that a new toner prints on; the last tenth is low."""


@dataclass(frozen=True)
class DepositPrinterSettings:
    """The printer: characters that fit on an item, whether it knows those beyond ASCII, what it prints on."""

    max_chars: Annotated[int, Meta(ge=1)] = 32
    unicode: bool = False
    on_retract: bool = True


@dataclass(frozen=True)
class SupplySettings:
    """The supply of envelopes: how many there are at first, how many fit, and when it is low.

    Attributes:
        kind: `motorized`, or `manual`: unlocked for `unlock_seconds`.
    """

    kind: Literal["motorized", "manual"] = "motorized"
    count: Annotated[int, Meta(ge=0)] = 100
    capacity: Annotated[int, Meta(ge=1)] = 150
    low: Annotated[int, Meta(ge=0)] = 20
    unlock_seconds: Annotated[float, Meta(gt=0)] = 30.0


@dataclass(frozen=True)
class DepositSettings:
    """What a profile may say.

    Attributes:
        types: what the slot takes.
        shutter, transport: whether it has them.
        printer, supply: without them there is none.
        capacity, high: of the container.
        retract: where an envelope goes that nobody took; "" for nowhere.
        customer: somebody puts an envelope in whenever one is asked for.
    """

    types: tuple[Literal["envelope", "bag"], ...] = ("envelope",)
    shutter: bool = True
    transport: bool = True
    printer: DepositPrinterSettings | None = None
    supply: SupplySettings | None = None
    capacity: Annotated[int, Meta(ge=1)] = 200
    high: Annotated[int, Meta(ge=1)] = 180
    retract: Literal["container", "dispenser", ""] = "container"
    customer: bool = False

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        if not self.types:
            yield ("types",), "envelope, bag or both"
        if self.supply is not None and self.supply.count > self.supply.capacity:
            yield ("supply", "count"), f"{self.supply.count} envelopes do not go into {self.supply.capacity}"
        if self.retract == "dispenser" and self.supply is None:
            yield ("retract",), "without a supply there is no dispenser: container"


class Envelope(msgspec.Struct, rename="camel"):
    """An item that somebody puts in, or that is dispensed empty.

    Attributes:
        kind: what it is.
        long_edge, short_edge, thickness: in millimetres.
        content: what is in it; "" for nothing.
        printed: what the device has printed on it.
        dispensed: it came from the supply.
    """

    kind: Literal["envelope", "bag"] = "envelope"
    long_edge: Annotated[int, Meta(ge=1, le=1000)] = 220
    short_edge: Annotated[int, Meta(ge=1, le=1000)] = 110
    thickness: Annotated[int, Meta(ge=0, le=500)] = 5
    content: Annotated[str, Meta(max_length=200)] = "100.00 EUR"
    printed: str | None = None
    dispensed: bool = False

    @property
    def fits(self) -> bool:
        """Whether it goes through the slot."""
        most = (240, 130, 20) if self.kind == "envelope" else (350, 250, 80)
        size = (self.long_edge, self.short_edge, self.thickness)
        return all(one <= limit for one, limit in zip(size, most, strict=True))


class State(msgspec.Struct):
    """What is kept.

    Attributes:
        way, place: what is on its way, and at which point of it.
        open: the shutter is.
        pulled: the container is not in its place.
        toner: items that it still prints on.
        operation, moved: the last movement, and where it has left what it moved.
        reset: what it has found and where that is, if it was a reset.
    """

    supply: int = 0
    slot: Envelope | None = None
    way: Envelope | None = None
    place: Literal["transport", "printer", "dispenser"] = "transport"
    container: list[Envelope] = []
    customer: list[Envelope] = []
    lost: list[Envelope] = []
    open: bool = False
    pulled: bool = False
    toner: int = TONER
    operation: int = 0
    moved: devices.DepositPlace = "shutter"
    reset: tuple[str, str | None] | None = None
