"""What devices that take in cash are given and what they return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices.cash_management import CashMovement, ItemsMoved
from xfs4iot.devices.storage import Count, Level, Name
from xfs4iot.protocol.messages import cash_management as cash

__all__ = [
    "CashInRequest",
    "CashInStartRequest",
    "CashReturned",
    "CashedIn",
    "DeviceLocks",
    "SignatureCreated",
    "SignatureMatch",
    "StoreRequest",
    "UnitContent",
    "UnitsCounted",
    "items_inserted",
]

LockStatus: TypeAlias = Literal["lock", "unlock", "lockUnknown"]


@dataclass(frozen=True)
class CashInStartRequest:
    """What an application wants of a whole cash-in.

    Attributes:
        input_position: where items come in, such as `inDefault`.
        output_position: where refused items and those of a rollback go, such as `outDefault`.
        use_recycle_units: whether items may be stored in units that are dispensed from.
        teller: at teller devices, who works there.
        total_items_limit: items that may be accepted in all; None: no limit.
        amount_limits: amounts that may be accepted in all, by currency; a currency without one has no limit.
    """

    input_position: str
    output_position: str
    use_recycle_units: bool
    teller: int | None
    total_items_limit: int | None
    amount_limits: Mapping[str, Decimal]


@dataclass(frozen=True)
class CashInRequest:
    """What one `CashIn` may accept.

    Attributes:
        start: what was wanted of the whole cash-in.
        most: items that may still be accepted: the least of what the stacker, the device at once and the
            application allow; None: as many as come.
        amounts: amounts that may still be accepted, by currency; see `CashInStartRequest.amount_limits`.
        items: ids of the items that may be accepted, by `CashAcceptor.ConfigureNoteTypes`; None: all that
            the device knows.
        units: units that can take items.
    """

    start: CashInStartRequest
    most: int | None
    amounts: Mapping[str, Decimal]
    items: frozenset[str] | None
    units: tuple[str, ...]


@dataclass(frozen=True)
class StoreRequest:
    """Where accepted items may be stored.

    Attributes:
        units: units that work, have room, are not locked by an application and are for that use.
    """

    units: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CashedIn(CashMovement):
    """What one `CashIn` has taken in, `moved` from the `customer` to the `stacker` or straight into units.

    Attributes:
        refused: items that were inserted and not accepted; None: one for each `InputRefuseEvent` that was
            sent, or what has `moved` from the `customer` to the `output`. Refused items need not be in
            `moved`; a device that senses when they are taken says so, for the service to wait for that.
    """

    refused: Count | None = None


@dataclass(frozen=True, kw_only=True)
class CashReturned(CashMovement):
    """What goes back to the customer: `moved` to the `output`, or as far as it came.

    Attributes:
        additional_bunches: bunches that are still to be presented; None if not known.
        presented: whether items got into the customer's reach; None if not known. False after a success,
            if the application is to call `PresentMedia`.
    """

    additional_bunches: Count | None = 0
    presented: bool | None = True


@dataclass(frozen=True)
class UnitContent:
    """Items of one kind that were counted in a unit.

    Attributes:
        count: how many.
        item: id of the cash item; None if it was not recognised.
        level: how good they are.
    """

    count: Count
    item: Name | None = None
    level: Level = "fit"


@dataclass(frozen=True, kw_only=True)
class UnitsCounted(CashMovement):
    """What counting found.

    Attributes:
        counted: all that is now in each unit that was counted to its end.
    """

    counted: Mapping[Name, tuple[UnitContent, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SignatureCreated(CashMovement):
    """The signature of an item that came in and went back; `moved` has what did not come back, if anything.

    Attributes:
        signature: what was read; None after a failure.
    """

    signature: cash.Signature | None = None


@dataclass(frozen=True)
class SignatureMatch:
    """One signature that resembles a reference.

    Attributes:
        index: its place among the candidates, from 0.
        confidence: from 0 to 100; None if the device has none.
        comparison_data: the vendor's own.
    """

    index: Count
    confidence: Annotated[int, Meta(ge=0, le=100)] | None = None
    comparison_data: str | None = None


@dataclass(frozen=True)
class DeviceLocks:
    """What is locked.

    Attributes:
        device: the device as a whole; `lockNotSupported` if it has no lock.
        units: units that have a lock.
    """

    device: Literal["lock", "unlock", "lockUnknown", "lockNotSupported"]
    units: Mapping[Name, LockStatus] = field(default_factory=dict)


def items_inserted(
    counts: Mapping[tuple[str, Level], int], target: str = "stacker", unrecognized: int = 0
) -> tuple[ItemsMoved, ...]:
    """Items that came in from a customer, by item and level, to one place: what most acceptors report."""
    known = [
        ItemsMoved(count, "customer", target, item=item, level=level)
        for (item, level), count in counts.items()
        if count > 0
    ]
    if unrecognized > 0:
        known.append(ItemsMoved(unrecognized, "customer", target, level="unrecognized"))
    return tuple(known)
