"""What a scanner of cheques is made of, what is inserted into it, and where each item is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xfs4iot import devices
from xfs4iot.dataclass import dataclass

__all__ = ["CheckSettings", "CheckUnitSettings", "Cheque", "State", "Wish"]

_LONGEST, _SHORTEST, _WIDEST, _NARROWEST, _THICKEST = 230, 120, 105, 60, 30
_MOST_IN_LINE = 40
"""Characters of a code line that fit on the longest cheque, and some more."""

Orientation = Literal["codeLineRight", "codeLineLeft", "codeLineBottom", "codeLineTop", "faceUp", "faceDown"]


@dataclass(frozen=True)
class CheckUnitSettings:
    """One unit: what it is used for, how many items it has room for, and when it is high."""

    uses: tuple[Literal["mediaIn", "retract"], ...] = ("mediaIn",)
    capacity: Annotated[int, Meta(ge=1)] = 200
    high: Annotated[int, Meta(ge=1)] | None = None


@dataclass(frozen=True)
class CheckSettings:
    """What a profile may say.

    Attributes:
        flow: `bunch` with a stacker, `refusing`: the application decides on each item, `single`: without one.
        stacker: items that it has room for.
        bunch: items that go back to the customer at once; 0 for all.
        present_control: it presents what goes back by itself.
        output, refused, rebuncher: it has a slot of its own for what goes back, and one for what was refused,
            and a place where what goes back is gathered.
        rescan: it can take pictures again of what is on the stacker.
        print_rows, print_rows_front: lines that it prints on each side; 0 for none.
        stamp: whether it has one.
        orientations: in which items may be inserted.
        refuse_unreadable: it refuses an item whose code line cannot be read as a whole.
        units: by name.
        customer: items that somebody inserts by himself whenever some are asked for, and takes again.
    """

    flow: Literal["bunch", "refusing", "single"] = "bunch"
    stacker: Annotated[int, Meta(ge=2)] = 50
    bunch: Annotated[int, Meta(ge=0)] = 0
    present_control: bool = True
    output: bool = False
    refused: bool = False
    rebuncher: bool = False
    rescan: bool = True
    print_rows: Annotated[int, Meta(ge=0, le=4)] = 3
    print_rows_front: Annotated[int, Meta(ge=0, le=2)] = 0
    stamp: bool = True
    orientations: tuple[Orientation, ...] = ("codeLineBottom", "codeLineTop", "faceUp", "faceDown")
    refuse_unreadable: bool = False
    units: dict[str, CheckUnitSettings] = field(default_factory=dict)
    customer: Annotated[int, Meta(ge=0)] = 0

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        for name, unit in self.units.items():
            if not name.startswith("unit") or not name.isalnum():
                yield ("units", name), "names of units are `unit` and then letters or digits"
            if not unit.uses:
                yield ("units", name, "uses"), "mediaIn, retract or both"


class Cheque(msgspec.Struct, rename="camel"):
    """An item that somebody inserts.

    Attributes:
        kind: what it is.
        codeline: digits, spaces, and small letters for the symbols: see `codelines`; capitals for letters, in
            CMC-7 only; None for none.
        font: of its code line.
        blots: places of the code line, from 0 at the left, that are covered with ink.
        magnetic: whether the ink of the code line is.
        amount, payee, date: what is written on it.
        long_edge, short_edge: in millimetres.
        thickness: in hundredths of a millimetre.
        staple: one is in it.
        code_line, face: how it is inserted: where its code line is, and its face.
        value, currency, condition: of a banknote.
        serial: of a banknote; it gets one when it is read first.
        counted: a banknote that was accepted.
        printed, printed_front, stamped: what the device has put on it.
        number: that the device gave it.
    """

    kind: Literal["cheque", "paper", "banknote"] = "cheque"
    codeline: Annotated[str, Meta(pattern="^[0-9a-eA-Z ]*$", max_length=_MOST_IN_LINE)] | None = (
        "a111000025a 0123456789c 1001"
    )
    font: Literal["e13b", "cmc7"] = "e13b"
    blots: tuple[Annotated[int, Meta(ge=0, lt=_MOST_IN_LINE)], ...] = ()
    magnetic: bool = True
    amount: Annotated[str, Meta(max_length=20)] = "100.00"
    payee: Annotated[str, Meta(max_length=40)] = "Somebody"
    date: Annotated[str, Meta(max_length=20)] = "2024-03-01"
    long_edge: Annotated[int, Meta(ge=1, le=1000)] = 152
    short_edge: Annotated[int, Meta(ge=1, le=1000)] = 70
    thickness: Annotated[int, Meta(ge=1, le=1000)] = 11
    staple: bool = False
    code_line: Literal["right", "left", "bottom", "top"] = "bottom"
    face: Literal["up", "down"] = "up"
    value: Annotated[int, Meta(ge=1)] = 20
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "EUR"
    condition: Literal["fit", "unfit", "suspect", "counterfeit", "inked", "unrecognized"] = "fit"
    serial: Annotated[str, Meta(max_length=40)] = ""
    counted: bool = False
    printed: str = ""
    printed_front: str = ""
    stamped: bool = False
    number: int = 0

    @property
    def note(self) -> str:
        """What kind of banknote it is, as the standard calls it."""
        return f"type{self.currency}{self.value}"

    def refusal(self, orientations: Iterable[str]) -> str | None:
        """Why the device does not take it."""
        inserted = {f"codeLine{self.code_line.capitalize()}", f"face{self.face.capitalize()}"}
        reasons = (
            (self.kind == "banknote", "foreignItems"),
            (self.staple, "metal"),
            (self.long_edge > _LONGEST, "tooLong"),
            (self.long_edge < _SHORTEST, "tooShort"),
            (self.short_edge > _WIDEST, "tooWide"),
            (self.short_edge < _NARROWEST, "tooNarrow"),
            (self.thickness > _THICKEST, "tooThick"),
            (self.kind == "paper", "invalidMedia"),
            (not inserted <= set(orientations), "invalidOrientation"),
        )
        return next((reason for is_so, reason in reasons if is_so), None)


class Wish(msgspec.Struct):
    """What is to become of an item: where it goes, and what is put on it and pictured before."""

    destination: str = "customer"
    stamp: bool = False
    back: str = ""
    front: str = ""
    images: tuple[devices.ImageWish, ...] = ()

    @classmethod
    def of(cls, parameters: devices.MediaParameters) -> Wish:
        """As SetMediaParameters says it."""
        back, _, front = (parameters.print_data or "").partition("\r\f")
        return cls(parameters.destination, parameters.stamp, back, front, parameters.images)


class State(msgspec.Struct):
    """What is kept: items by place, what is to become of them, what the last movement did.

    Attributes:
        waiting: what goes back and is not presented yet.
        refused: what was refused and must be presented first.
        presented, position: what the customer can take, and where.
        bunches: of what goes back, that were presented so far.
        pulled: units that are not in their places.
        inserted, taken, emptied: items so far that people put into the slot, took from there, and took out of
            units.
    """

    slot: list[Cheque] = []
    stacker: list[Cheque] = []
    waiting: list[Cheque] = []
    refused: list[Cheque] = []
    presented: list[Cheque] = []
    position: Literal["input", "refused", "output"] = "input"
    bunches: int = 0
    units: dict[str, list[Cheque]] = {}
    pulled: list[str] = []
    wishes: dict[str, Wish] = {}
    last: int = 0
    jammed: bool = False
    operation: int = 0
    stored: dict[str, int] = {}
    places: dict[str, str] = {}
    inserted: int = 0
    taken: int = 0
    emptied: int = 0
