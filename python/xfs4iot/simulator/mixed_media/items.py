"""What a device for notes and cheques is made of, and where each item is."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.simulator.cash.truth import CUSTOMER, Notes
from xfs4iot.simulator.check.items import CheckSettings, CheckUnitSettings, Cheque, State
from xfs4iot.simulator.commands import Completion

__all__ = ["MixedMediaSettings", "MixedState", "MixedUnitSettings", "Moved", "ShownMixed", "note_of"]


@dataclass(frozen=True)
class MixedUnitSettings(CheckUnitSettings):
    """One unit: what it is used for, and how many items of both kinds it has room for.

    Attributes:
        cash: what it is used for of notes; without it for the same as of cheques.
    """

    cash: tuple[Literal["cashIn", "cashInRetract"], ...] | None = None

    @property
    def cash_uses(self) -> frozenset[Literal["cashIn", "cashInRetract"]]:
        """What it is used for of notes."""
        if self.cash is not None:
            return frozenset(self.cash)
        return frozenset("cashIn" if use == "mediaIn" else "cashInRetract" for use in self.uses)


@dataclass(frozen=True)
class MixedMediaSettings(CheckSettings):
    """What a profile may say, besides what it may say of a scanner and of a device that accepts notes.

    Attributes:
        notes: values that it knows, by currency.
        dynamic: whether the modes may change while a transaction is active.
    """

    units: dict[str, MixedUnitSettings] = field(default_factory=dict)  # type: ignore[assignment]
    notes: dict[str, tuple[Annotated[int, Meta(ge=1)], ...]] = field(
        default_factory=lambda: {"EUR": (5, 10, 20, 50, 100)}
    )
    dynamic: bool = False


class Moved(msgspec.Struct):
    """Notes of one kind and condition that a movement has moved."""

    count: int
    source: str
    target: str
    item: str
    level: str = "fit"


class MixedState(State):
    """What is kept.

    Attributes:
        cash_in: a cash-in is active.
        notes: accepted, on the stacker.
        notes_aside, cheques_aside: drawn in by the command of the other kind.
        notes_stored: by unit.
        notes_read: how many notes have got a serial number so far.
        cash_operation, cash_moved: the last movement of notes.
    """

    cash_in: bool = False
    notes: list[Cheque] = msgspec.field(default_factory=list)
    notes_aside: list[Cheque] = msgspec.field(default_factory=list)
    cheques_aside: list[Cheque] = msgspec.field(default_factory=list)
    notes_stored: dict[str, list[Cheque]] = msgspec.field(default_factory=dict)
    notes_read: int = 0
    cash_operation: int = 0
    cash_moved: list[Moved] = msgspec.field(default_factory=list)


class ShownMixed(Completion):
    """How many notes and cheques are where."""

    slot: int
    stacker: int
    waiting: int
    refused: int
    presented: int
    notes: int
    notes_aside: int
    cheques_aside: int
    units: dict[str, int]
    notes_stored: dict[str, dict[str, int]]


def note_of(item: Cheque) -> Notes:
    """A banknote of a bunch, as a note reader sees it."""
    return Notes(CUSTOMER, item.note, item.condition, serial=item.serial)
