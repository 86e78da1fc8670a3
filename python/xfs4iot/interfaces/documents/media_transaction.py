"""The media-in transaction: its state, its items, what was refused.

    state                what leads there
    ok                   MediaInEnd; the first state
    active               MediaIn
    rollback             MediaInRollback; rollbackAfterDeposit, if ActionItem had stored something
    retract, reset       RetractMedia, Reset, while it was active
    failure              a device failure in one of these
    unknown              a MediaIn, or an end, of which nobody knows whether it has moved anything

Refusals (a wrong order, full bins, items in the way, no media in time) leave the state as it is. A new
transaction empties the record when its first item is in. Code lines and images are personal: they stay in
memory, and are gone with the process or the next transaction.

The record is booked with the counts, and what a client is told of items on their way in is kept before. So
after a power cut it is as it was when the last movement was booked, and a movement that was interrupted is
added as the device recalls it. An active transaction goes on: it can be ended, rolled back, retracted or
reset. If nobody confirms what is inside, it goes on too, but its state is told as `unknown`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Literal

import msgspec

from xfs4iot.ledger import Document
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import check as messages

__all__ = ["KEPT", "TOLD", "Item", "Private", "State", "Told", "Transaction", "is_refusal"]

State = Literal["ok", "active", "rollback", "rollbackAfterDeposit", "retract", "failure", "unknown", "reset"]
_REFUSALS = frozenset(
    {
        "refusedItems",
        "positionNotEmpty",
        "feederNotEmpty",
        "stackerFull",
        "mediaPresent",
        "mediaRejected",
        "allBinsFull",
        "noMedia",
        "noItems",
        "noMediaPresent",
        "invalidBin",
        "noBin",
    }
)


def is_refusal(fault: errors.XfsError) -> bool:
    """Whether a failure left everything as it was."""
    if isinstance(fault, errors.CommandError):
        return fault.error_code in _REFUSALS
    return not isinstance(fault, errors.HardwareError | errors.InternalError)


class Item(msgspec.Struct):
    """An item of the transaction.

    Attributes:
        place: `device`, `customer`, `unknown` or a unit.
        access: whether the customer can reach it.
        books: where the journal has it; "" as long as it does not have it.
        orientation, size, validity, magnetic: as the device has told.
    """

    place: str = "device"
    books: str = ""
    access: Literal["unknown", "customer", "none"] = "none"
    orientation: messages.InsertOrientation | None = None
    size: messages.MediaSize | None = None
    validity: messages.MediaValidityEnum | None = None
    magnetic: messages.MagneticReadIndicatorEnum | None = None


class Private(msgspec.Struct):
    """What an item says of its owner: its code line and its images, by side."""

    codeline: str | None = None
    images: dict[Any, messages.ImageData] = {}


class Transaction(msgspec.Struct):
    """The record.

    Attributes:
        state: of the transaction.
        reliable: whether it is known what is inside.
        on_stacker, last, last_on_stacker: counts of items; None if not known.
        refused, bunches: items and bunches that were refused.
        items: by number, in the order of their arrival.
        must_present: something was refused that must be presented first.
        deposited: ActionItem has stored something.
        most, application_refuses: as the first MediaIn said.
    """

    state: State = "ok"
    reliable: bool = True
    on_stacker: int | None = 0
    last: int | None = 0
    last_on_stacker: int | None = 0
    refused: int = 0
    bunches: int = 0
    items: dict[int, Item] = {}
    must_present: bool = False
    deposited: bool = False
    most: int = 0
    application_refuses: bool = False

    def told(self, in_doubt: bool) -> State:
        """The state as a client is told it."""
        return "unknown" if in_doubt or (self.state == "active" and not self.reliable) else self.state

    @property
    def kept_inside(self) -> frozenset[int]:
        """The items that are in the device and out of the customer's reach."""
        return frozenset(number for number in self.inside if self.items[number].access != "customer")

    @property
    def inside(self) -> list[int]:
        """The items that are in the device."""
        return [number for number, item in self.items.items() if item.place == "device"]

    @property
    def next_number(self) -> int:
        """What the next item is numbered."""
        # Highest plus one, not the number of items: devices may leave gaps in their numbering.
        return max(self.items, default=0) + 1

    def arrived(self, event: messages.MediaDataEvent) -> int:
        """Take an item into the record; its number."""
        number = event.media_id if event.media_id is not None else self.next_number
        # An item that is taken again, after something was printed on it, is told in part.
        known = self.items.get(number, Item())
        told = {
            "orientation": event.insert_orientation,
            "size": event.media_size,
            "validity": event.media_validity,
            "magnetic": event.magnetic_read_indicator,
        }
        self.items[number] = msgspec.structs.replace(
            known, **{name: value for name, value in told.items() if value is not None}
        )
        return number

    def was_refused(self, event: messages.MediaRefusedEvent) -> None:
        """Count what was refused."""
        if event.reason in ("invalidBunch", "otherBunch"):
            self.bunches += 1
        else:
            self.refused += 1
        self.must_present = self.must_present or bool(event.present_required)

    def copy(self) -> Transaction:
        """The same, to be changed."""
        # Items are changed in place: a shallow copy would alter the record before the booking is durable.
        return deepcopy(self)


class Told(msgspec.Struct):
    """The transaction as a client was told it while a movement went on, which its number names."""

    operation: int = 0
    transaction: Transaction = msgspec.field(default_factory=Transaction)


KEPT = Document("Check.transaction", Transaction)
TOLD = Document("Check.told", Told)
