"""Whether what a device says it has moved can be true.

Its types have been checked by then (`server.results`). What is left is what only the books, the units
and the request can show: the places exist; no more comes out of a unit, or goes into it, than it
can hold; a success did what was asked, no less and nothing else. A failure may have done less.

The device is believed before the books within what is possible: it sees the items, and the books may be wrong
after a jam or a hand. So a unit's capacity is the bound, not its count; where the capacity is not
known, the count is, unless the unit is known to be inaccurate or its items have just been counted. But books
that are said to be accurate and a device that fills a unit beyond its capacity cannot both be right: nobody
knows which is, so neither is believed. The same is true of more than a customer has inserted.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Literal

from xfs4iot.devices import (
    CashMovement,
    CashReturned,
    Counted,
    ItemsMoved,
    Presented,
    Retracted,
    Tested,
    UnitsCounted,
)
from xfs4iot.devices.cash_management import PLACES
from xfs4iot.interfaces.cash.counts import INSIDE, WITHIN_REACH, origin_of
from xfs4iot.interfaces.cash.positions import stacker_capacity
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.protocol.exact import Mismatch, shown

__all__ = [
    "arrived",
    "bunch_as_asked",
    "calibrated_as_asked",
    "content_as_possible",
    "counted_as_asked",
    "dispensed_as_asked",
    "emptied_as_asked",
    "prepared_as_asked",
    "presented_as_asked",
    "refilled_as_asked",
    "rejected_as_asked",
    "require_counts_possible",
    "require_inserted",
    "require_possible",
    "require_units",
    "returned_as_asked",
    "stored_as_asked",
    "taken_in_as_possible",
    "tested_as_asked",
]

_ON_THE_WAY = ("stacker", "output", "customer")
_ITEM = re.compile(r"type[0-9A-Z]+")


def require_possible(cash: CashUnits, movement: CashMovement) -> None:
    """See that a movement can have happened.

    Raises:
        Mismatch: it cannot.
    """
    units = cash.kept
    for number, items in enumerate(movement.moved):
        try:
            _require_places(items, units)
            _require_item(items, cash.known_items)
        except Mismatch as wrong:
            raise wrong.inside(f"moved[{number}]") from None
    require_units(units, movement.inaccurate, "inaccurate")
    require_units(units, movement.emptied, "emptied")
    if isinstance(movement, Retracted):
        require_units(units, movement.into, "into")
    _require_room(cash, movement)


def _require_places(items: ItemsMoved, units: Collection[str]) -> None:
    for name, place in (("source", items.source), ("target", items.target)):
        if place not in units and place not in PLACES:
            raise Mismatch(f"a unit of the device or one of {', '.join(PLACES)}", shown(place), name)
    if items.origin is not None:
        if items.origin not in units:
            raise Mismatch("a unit of the device, or None", shown(items.origin), "origin")
        if items.source in units and items.origin != items.source:
            raise Mismatch(
                f"{items.source!r}, the unit they come from, or None", shown(items.origin), "origin"
            )


def _require_item(items: ItemsMoved, known: Collection[str]) -> None:
    if items.item is not None and (not _ITEM.fullmatch(items.item) or (known and items.item not in known)):
        raise Mismatch("the id of an item in the device's bank_notes", shown(items.item), "item")
    if items.item is not None and items.level == "unrecognized":
        raise Mismatch("None for what is not recognised", shown(items.item), "item")


def require_units(units: Collection[str], named: Collection[str], where: str) -> None:
    """See that what is named are units.

    Raises:
        Mismatch: they are not.
    """
    for name in named:
        if name not in units:
            raise Mismatch("units of the device", shown(name), where)


def _require_room(cash: CashUnits, movement: CashMovement) -> None:
    left: Counter[tuple[str, str]] = Counter()
    came: Counter[tuple[str, str]] = Counter()
    for items in movement.moved:
        unit = items.source if items.source in cash.kept else items.origin
        if unit is not None:
            left[unit, items.source] += items.count
        unit = items.target if items.target in cash.kept else origin_of(items)
        if unit is not None:
            came[unit, items.target] += items.count
    _require_room_on_stacker(cash, movement)
    for (unit, place), count in left.items():
        # What came to a place may leave it again within the same movement.
        most = _most_from(cash, unit, place, isinstance(movement, Counted)) + came[unit, place]
        if count > most:
            whose = "" if place == unit else f" of {unit}"
            raise Mismatch(f"at most {most} items{whose} from {place!r}", f"{count} in all", "moved")
    for (unit, place), count in came.items():
        capacity = _capacity(cash, unit)
        if place != unit or not capacity:
            continue
        room = max(capacity - _held_for_certain(cash, unit), 0) + left[unit, place]
        if count > room:
            raise Mismatch(f"at most {room} items into {place!r}", f"{count} in all", "moved")


def _held_for_certain(cash: CashUnits, unit: str) -> int:
    """What a unit holds, of all kinds, if its books are accurate."""
    if not _is_accurate(cash, unit):
        return 0
    return cash.counts.total(unit) + cash.others_hold(unit)


def _is_accurate(cash: CashUnits, unit: str) -> bool:
    return cash.accuracy(unit) in ("accurate", "accurateSet")


def _require_room_on_stacker(cash: CashUnits, movement: CashMovement) -> None:
    """See that an acceptor's stacker can hold what came to it, and had what left it."""
    capacity = stacker_capacity(cash.device)
    if not capacity:
        return
    counts = cash.counts
    held = counts.total("stacker") + sum(counts.at("stacker").values())
    most = max(capacity, held)
    for items in movement.moved:
        if items.source == items.target:
            continue
        if items.source == "stacker":
            # The books may have too little: the device may have had as much as there is room for.
            held = max(held, min(items.count, most)) - items.count
        if items.target == "stacker":
            held += items.count
        if not 0 <= held <= most:
            raise Mismatch(f"at most {most} items on the stacker", f"{items.count} moved", "moved")


def _most_from(cash: CashUnits, unit: str, place: str, counted: bool) -> int:
    """How many items of a unit can have come from a place."""
    if place == "unknown":
        return 2**53
    booked = cash.counts.total(unit) if place == unit else cash.counts.at(place).get(unit, 0)
    capacity = _capacity(cash, unit)
    if capacity:
        return max(capacity, booked)
    return booked if _is_accurate(cash, unit) and not counted else 2**31


def _capacity(cash: CashUnits, unit: str) -> int:
    """What a unit can hold; 0 if not known."""
    layout = cash.units.get(unit)
    return 0 if layout is None else layout.capacity


def require_counts_possible(cash: CashUnits, counts: Mapping[str, int]) -> None:
    """See that units can hold what the device counts in them.

    Raises:
        Mismatch: they cannot, or there are no such units.
    """
    for unit, count in counts.items():
        if unit not in cash.kept:
            raise Mismatch("a unit of the device", shown(unit), "a key")
        capacity = _capacity(cash, unit)
        if capacity and count > capacity:
            raise Mismatch(f"at most its capacity of {capacity}", shown(count), f"[{unit!r}]")


def arrived(movement: CashMovement) -> dict[str, int]:
    """Items that are on their way to the customer after a movement, or with the customer, by unit."""
    found: Counter[str] = Counter()
    for items in movement.moved:
        origin = origin_of(items)
        if origin is not None:
            # On the way counts up, off it again counts down; from stacker to output nothing changes.
            found[origin] += items.count * ((items.target in _ON_THE_WAY) - (items.source in _ON_THE_WAY))
    return {unit: count for unit, count in found.items() if count > 0}


def _out_of(movement: CashMovement) -> Counter[str]:
    out: Counter[str] = Counter()
    for items in movement.moved:
        out[items.source] += items.count
    return out


def dispensed_as_asked(counts: Mapping[str, int]) -> Callable[[CashMovement], None]:
    """A dispense brings what was asked from each unit, or says why not."""
    wanted = dict(counts)

    def require(result: CashMovement) -> None:
        got = arrived(result)
        for unit in sorted(wanted.keys() | got.keys()):
            asked, came = wanted.get(unit, 0), got.get(unit, 0)
            if came > asked or (came < asked and result.failure is None):
                wish = f"{asked} items of {unit} on their way to the customer, as asked"
                raise Mismatch(wish if result.failure is None else f"at most {wish}", str(came), "moved")

    return require


def presented_as_asked(cash: CashUnits) -> Callable[[Presented], None]:
    """A present brings what it was to into the customer's reach, or says why not."""

    def require(result: Presented) -> None:
        if result.failure is not None:
            return
        if result.presented is not True:
            raise Mismatch("True, or there must be a failure", shown(result.presented), "presented")
        if not any(items.count and items.target in ("output", "customer") for items in result.moved):
            raise Mismatch("what came to 'output', or there must be a failure", "without it", "moved")
        if result.additional_bunches == 0:
            # No bunch is left to present, so the stacker has to be empty.
            _require_cleared(cash, result, ("stacker",))

    return require


def _require_cleared(
    cash: CashUnits, result: CashMovement, places: Collection[str], *, deposits: bool = False
) -> None:
    """See that a success leaves nothing where nothing may be left, and has lost nothing."""
    left = sum(
        items.count
        for place in places
        for items in cash.counts.everything(place, "unknown", result, deposits=deposits)
    )
    lost = sum(items.count for items in result.moved if items.source in places and items.target == "unknown")
    if left or lost:
        raise Mismatch(
            f"all that was on {' and '.join(places)}, or there must be a failure",
            f"{left + lost} items fewer",
            "moved",
        )


def stored_as_asked(cash: CashUnits, known: Callable[[], bool]) -> Callable[[CashMovement], None]:
    """All that customers have inserted and that is inside is stored, or the device says why not.

    Args:
        known: whether the books have all that is inside.
    """

    def require(result: CashMovement) -> None:
        if result.failure is None and known():
            _require_cleared(cash, result, INSIDE, deposits=True)

    return require


def taken_in_as_possible(most: int | None) -> Callable[[CashMovement], None]:
    """A cash-in takes items in at all, and no more at once than the device says it can."""

    def require(result: CashMovement) -> None:
        came = sum(
            items.count * ((items.source in WITHIN_REACH) - (items.target in WITHIN_REACH))
            for items in result.moved
        )
        if most is not None and came > most:
            raise Mismatch(f"at most {most} items, its max_cash_in_items", str(came), "moved")

    return require


def require_inserted(cash: CashUnits, movement: CashMovement, held: int) -> None:
    """See that no more is stored or given back than customers have inserted.

    Args:
        held: what of that is inside, or was lost on its way.

    Raises:
        Mismatch: there is more.
    """
    left, somewhere = held, (*INSIDE, "unknown")
    for items in movement.moved:
        source, target = items.source, items.target
        if origin_of(items) is not None or source == target:
            continue
        if target not in somewhere and (source in somewhere or target in cash.kept):
            left -= items.count
        elif target in somewhere and source not in somewhere:
            left += items.count
    if left < 0:
        raise Mismatch(f"at most {held} items, as many as were inserted", str(held - left), "moved")


def returned_as_asked(
    cash: CashUnits, held: int, known: Callable[[], bool]
) -> Callable[[CashReturned], None]:
    """What is returned comes to the customer, or is still to be presented, or the device says why not.

    Args:
        held: items that there are to be returned.
        known: whether the books have all that is inside.
    """

    def require(result: CashReturned) -> None:
        if result.failure is not None or not held:
            return
        out = _came_out(result)
        if result.presented is True and not out:
            raise Mismatch("what came to 'output', or there must be a failure", "without it", "moved")
        if result.presented is False and out:
            raise Mismatch("True, as items came to 'output'", "False", "presented")
        if result.presented is True and result.additional_bunches == 0 and known():
            _require_cleared(cash, result, INSIDE, deposits=True)

    return require


def bunch_as_asked(cash: CashUnits) -> Callable[[CashReturned], None]:
    """A bunch that is presented comes from inside, not out of a unit, and is presented if it came out."""

    def require(result: CashReturned) -> None:
        for number, items in enumerate(result.moved):
            if items.count and items.source in cash.kept:
                raise Mismatch(
                    "a place inside, where what goes back waits",
                    shown(items.source),
                    f"moved[{number}].source",
                )
        if result.failure is None and result.presented is False and _came_out(result):
            raise Mismatch("True, as items came to 'output'", "False", "presented")

    return require


def prepared_as_asked(result: CashReturned) -> None:
    """What is made ready to be presented stays inside, or the device says why not."""
    if result.failure is not None:
        return
    if _came_out(result):
        raise Mismatch("nothing at 'output' yet; present_media presents", "items there", "moved")
    if result.presented:
        raise Mismatch("False, as present_media presents", "True", "presented")


def _came_out(result: CashMovement) -> bool:
    """Whether something came to where the customer can take it."""
    return any(items.count and items.target in WITHIN_REACH for items in result.moved)


def refilled_as_asked(
    cash: CashUnits,
    wanted: Mapping[str, int | None],
    end: Literal["source", "target"],
    sources: Collection[str],
) -> Callable[[CashMovement], None]:
    """A replenish or deplete moves as many items of each unit as asked, or says why not.

    Args:
        wanted: so many by unit; None for all that there are.
        end: whether these units are where items come from or where they go.
        sources: the units that items may come from.
    """

    def require(result: CashMovement) -> None:
        moved: Counter[str] = Counter()
        for number, items in enumerate(result.moved):
            moved[getattr(items, end)] += items.count
            if items.count and items.source in cash.kept and items.source not in sources:
                raise Mismatch(
                    f"a unit that was to be emptied: {', '.join(sources)}",
                    shown(items.source),
                    f"moved[{number}].source",
                )
        for unit, count in wanted.items():
            if count is None:
                continue
            if moved[unit] > count or (end == "source" and moved[unit] < count and result.failure is None):
                raise Mismatch(
                    f"{count} items of {unit!r}, as asked, or there must be a failure",
                    str(moved[unit]),
                    "moved",
                )
        if end == "target" and result.failure is None:
            # Some may be rejected, but all of them have left the source.
            asked, out = (
                sum(count or 0 for count in wanted.values()),
                sum(_out_of(result)[one] for one in sources),
            )
            if out < asked:
                whose = f"{asked} items of {', '.join(sources)}, as asked, or there must be a failure"
                raise Mismatch(whose, str(out), "moved")

    return require


def emptied_as_asked(cash: CashUnits, wanted: Mapping[str, int | None], result: CashMovement) -> CashMovement:
    """A replenish or deplete with the units in doubt that were to be empty, while the books have more.

    Args:
        wanted: so many by unit that was to be emptied; None for all that there are.
    """
    if result.failure is not None:
        return result
    more = {
        unit for unit, count in wanted.items() if count is None and cash.counts.content_after(unit, result)
    }
    return dataclasses.replace(result, inaccurate=result.inaccurate | more)


def content_as_possible(cash: CashUnits, units: Collection[str]) -> Callable[[UnitsCounted], None]:
    """Counting finds in the units that were asked for what can be in them."""

    def require(result: UnitsCounted) -> None:
        require_units(units, result.counted, "counted")
        for unit, content in result.counted.items():
            where = f"counted[{unit!r}]"
            for one in content:
                try:
                    _require_item(
                        ItemsMoved(one.count, unit, unit, item=one.item, level=one.level), cash.known_items
                    )
                except Mismatch as wrong:
                    raise wrong.inside(where) from None
            require_counts_possible(cash, {unit: sum(one.count for one in content)})

    return require


def rejected_as_asked(cash: CashUnits, unit: str) -> Callable[[CashMovement], None]:
    """A reject brings all that was dispensed into a unit, or says why not."""

    def require(result: CashMovement) -> None:
        if result.failure is not None:
            return
        if not any(items.count and items.target not in PLACES for items in result.moved):
            raise Mismatch(f"what came into {unit!r}, or there must be a failure", "without it", "moved")
        _require_cleared(cash, result, ("stacker",))

    return require


def calibrated_as_asked(unit: str, count: int) -> Callable[[CashMovement], None]:
    """A calibration moves as many items of the unit as asked, or says why not."""

    def require(result: CashMovement) -> None:
        out = _out_of(result)[unit]
        if result.failure is None and out < count:
            raise Mismatch(
                f"{count} items from {unit!r}, or there must be a failure", f"{out} of them", "moved"
            )

    return require


def counted_as_asked(units: Collection[str]) -> Callable[[Counted], None]:
    """A count reports on the units that were to be counted, and its two reports agree."""

    def require(result: Counted) -> None:
        require_units(units, result.dispensed, "dispensed")
        require_units(units, result.counted, "counted")
        out = _out_of(result)
        for unit, count in result.dispensed.items():
            if count != out[unit]:
                where = f"dispensed[{unit!r}]"
                raise Mismatch(f"{out[unit]}, which is what `moved` takes from it", shown(count), where)

    return require


def tested_as_asked(units: Collection[str]) -> Callable[[Tested], None]:
    """A test takes an item from each unit, or says why not."""

    def require(result: Tested) -> None:
        require_units(units, result.failed, "failed")
        out = _out_of(result)
        for unit in units:
            if result.failure is None and unit not in result.failed and not out[unit]:
                raise Mismatch(f"an item from {unit!r}, or it must be in `failed`", "without it", "moved")

    return require
