"""Whether what a device says of its cheques can be true: no more than there was, or than fits.

A result that cannot be leaves the outcome of the movement unknown: nothing of it is booked that the device
does not recall, and the counts of the units concerned are said to be unknown until somebody sets them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from xfs4iot.devices import MediaRetracted, MediaStored, MediaTakenIn
from xfs4iot.interfaces.documents.media_transaction import Transaction
from xfs4iot.interfaces.storage.check import CheckUnits
from xfs4iot.protocol.exact import Mismatch, shown

__all__ = ["require_all_told", "require_retracted", "require_stored", "require_taken_in"]


class Media(Protocol):
    """What is known of a device's media."""

    transaction: Transaction
    units: CheckUnits

    @property
    def device(self) -> Any: ...


def require_taken_in(on: Media, result: MediaTakenIn) -> None:
    """See that so many items can be on the stacker.

    Raises:
        Mismatch: they cannot.
    """
    most = on.device.max_media_on_stacker
    if on.transaction.reliable:
        told = len(on.transaction.inside)
        most = min(most, told) if most else told
    if result.on_stacker is not None and result.on_stacker > most:
        raise Mismatch(
            f"at most {most} items, as many as its events have told of", str(result.on_stacker), "on_stacker"
        )


def require_stored(on: Media, result: MediaStored, *, found: bool = False) -> None:
    """See that items can have been stored, and given back, so.

    Args:
        found: also what lay about, such as what was refused, which is not of the transaction.

    Raises:
        Mismatch: they cannot.
    """
    for unit, count in result.stored.items():
        _require_unit(on, unit, "stored")
        _require_room(on, unit, count, f"stored[{unit!r}]")
    _require_places(on, result.items, result.stored)
    if found or not on.transaction.reliable:
        return
    inside = len(on.transaction.inside)
    if (stored := sum(result.stored.values())) > inside:
        raise Mismatch(f"at most {inside} items, as many as were inside", f"{stored} in all", "stored")
    if stored + (result.returned or 0) > inside:
        raise Mismatch(
            f"at most {inside - stored}, for {inside} items were inside", str(result.returned), "returned"
        )


def require_all_told(on: Media, result: MediaStored) -> None:
    """See that a success says of all items that were inside where they have gone, by number or by counts.

    Raises:
        Mismatch: it leaves out some.
    """
    if result.failure is not None or not on.transaction.reliable:
        return
    # What the application has refused is with the customer, or will be.
    inside = [number for number in on.transaction.inside if on.transaction.items[number].access != "customer"]
    named = sum(result.items.get(number, "unknown") != "unknown" for number in inside)
    told = max(named, sum(result.stored.values()) + (result.returned or 0))
    if told < len(inside):
        raise Mismatch(
            f"what has become of all {len(inside)} items that were inside, or there must be a failure",
            f"of {told} of them",
            "items",
        )


def _require_places(on: Media, items: Mapping[int, str], stored: Mapping[str, int]) -> None:
    """See that items are where as many were stored."""
    known, named = on.transaction.items, Counter[str]()
    for number, place in items.items():
        if number not in known:
            if not on.transaction.reliable:
                continue
            raise Mismatch("numbers of items of the transaction", shown(number), "items")
        if place.startswith("unit") and known[number].place != place:
            _require_unit(on, place, f"items[{number}]")
            named[place] += 1
    for unit, count in named.items():
        if count > stored.get(unit, 0):
            raise Mismatch(
                f"{count} items, as `items` names there", str(stored.get(unit, 0)), f"stored[{unit!r}]"
            )


def require_retracted(on: Media, result: MediaRetracted) -> None:
    """See that items can have been brought there.

    Raises:
        Mismatch: they cannot.
    """
    place = result.location or ""
    if place.startswith("unit"):
        _require_unit(on, place, "location")
        _require_room(on, place, result.count or 0, "count")


def _require_unit(on: Media, unit: str, where: str) -> None:
    if unit not in on.units.kept:
        raise Mismatch("a unit of cheques, such as units() names", shown(unit), where)


def _require_room(on: Media, unit: str, count: int, where: str) -> None:
    """See that items fit into a unit beside those that are there, if that is known."""
    layout = on.units.units.get(unit)
    if layout is None or not layout.capacity:
        return
    held = on.units.holds(unit) + on.units.others_hold(unit)
    certain = on.units.accuracy(unit) != "inaccurate"
    room = max(layout.capacity - held, 0) if certain else layout.capacity
    if count > room:
        raise Mismatch(f"at most {room} items, for {unit} holds {layout.capacity}", str(count), where)
