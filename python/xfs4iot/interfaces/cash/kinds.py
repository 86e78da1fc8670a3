"""Whether items can be of the kinds, and of the units, that a device says when it has moved them.

What leaves a place was there before, so of each kind no more can leave than stood there or came in the same
movement, and no more that was dispensed from each unit. What the books could not tell apart may turn out to
be of any kind, and so may what leaves a place beyond all that the books have there: they had too few. Else
the device has taken one kind for another, at this movement or at the one before; nobody knows at which, so it
is not believed.

Only the kind counts here, not the level: how fit a note is, or how suspect, a device may judge anew, and the
books keep what was told first. Nothing is held against books that are not said to be accurate, or against a
count, which is there to find out what a unit really holds. What a customer had in hand may be anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import field
from typing import NoReturn

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import CashMovement, Counted, ItemsMoved, UnitsCounted
from xfs4iot.interfaces.cash.counts import INSIDE, WITHIN_REACH, ItemCounts, origin_of
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.protocol.exact import Mismatch

__all__ = ["require_kinds"]

_SHOWN = 6
"""Kinds that a message names at most."""
_Account = tuple[str, str]
"""The unit whose books have the items, or "" for what was inserted; and the place where they are."""


@dataclass
class _Moved:
    """What has moved from and to one account, by item; "" is what was not told apart.

    Attributes:
        number: of the first items that have left it.
    """

    number: int = 0
    left: Counter[str] = field(default_factory=Counter)
    came: Counter[str] = field(default_factory=Counter)


def require_kinds(
    cash: CashUnits, movement: CashMovement, *, at_output: Mapping[str, int], inserted_known: bool
) -> None:
    """See that no kind of item has moved that was not there.

    Args:
        at_output: items there, by the unit that they were dispensed from.
        inserted_known: whether the books have all that customers have inserted.

    Raises:
        Mismatch: one has.
    """
    if isinstance(movement, Counted | UnitsCounted):
        return
    _require_origins(cash, movement, at_output)
    for account, moved in _by_account(cash, movement).items():
        if moved.left and _is_known(cash, account, inserted_known):
            _require_there(cash, account, moved)


def _require_origins(cash: CashUnits, movement: CashMovement, at_output: Mapping[str, int]) -> None:
    """See that what moves was dispensed from the units that it is said to be from."""
    for place in (*INSIDE, "output"):
        moved = _Moved()
        for number, items in enumerate(movement.moved):
            unit = origin_of(items)
            if unit is None or place not in (items.source, items.target) or items.source == items.target:
                continue
            if items.source == place:
                moved.number = moved.number if moved.left else number
                moved.left[unit] += items.count
            else:
                moved.came[unit] += items.count
        if moved.left:
            there = Counter(at_output if place == "output" else cash.counts.at(place)) + moved.came
            beyond = moved.left - there
            surplus = max(moved.left.total() - there.total(), 0)
            certain = {unit: count for unit, count in beyond.items() if _is_known(cash, (unit, place), False)}
            if sum(certain.values()) > surplus:
                _refuse(place, there, certain, moved.number)


def _by_account(cash: CashUnits, movement: CashMovement) -> dict[_Account, _Moved]:
    found: dict[_Account, _Moved] = {}
    for number, items in enumerate(movement.moved):
        if not items.count or items.source == items.target:
            continue
        item, unit = items.item or "", origin_of(items)
        if (source := _account(cash, items, items.source, unit)) is not None:
            one = found.setdefault(source, _Moved(number))
            if not one.left:
                one.number = number
            one.left[item] += items.count
        if (target := _account(cash, items, items.target, unit)) is not None:
            found.setdefault(target, _Moved(number)).came[item] += items.count
    return found


def _account(cash: CashUnits, items: ItemsMoved, place: str, unit: str | None) -> _Account | None:
    """Where the books have what is at a place; None where they cannot tell what it was."""
    if place in cash.kept:
        return place, place
    if place in INSIDE:
        return unit or "", place
    return (unit, place) if unit is not None and place in WITHIN_REACH else None


def _is_known(cash: CashUnits, account: _Account, inserted_known: bool) -> bool:
    unit, _ = account
    return cash.accuracy(unit) in ("accurate", "accurateSet") if unit else inserted_known


def _require_there(cash: CashUnits, account: _Account, moved: _Moved) -> None:
    unit, place = account
    held: Counter[str] = Counter()
    for (item, _), count in _booked(cash, account).items():
        held[item] += count
    there = held + moved.came
    beyond = {item: count - there[item] for item, count in moved.left.items() if item}
    beyond = {item: count for item, count in beyond.items() if count > 0}
    surplus = max(moved.left.total() - there.total(), 0)
    if sum(beyond.values()) > there[""] + surplus:
        _refuse(place, there, beyond, moved.number)
    possible = _kinds_of(cash, unit)
    if possible and (strange := beyond.keys() - possible - there.keys()):
        _refuse(place, there, strange, moved.number)


def _refuse(place: str, there: Counter[str], beyond: Collection[str], number: int) -> NoReturn:
    known = [
        f"{count} of {item or 'what is not recognised'}" for item, count in sorted(there.items()) if count
    ]
    told = ", ".join(known[:_SHOWN] + ["…"] * (len(known) > _SHOWN)) or "nothing"
    strange = ", ".join(sorted(beyond)[:_SHOWN])
    raise Mismatch(f"of what was at {place!r}: {told}", f"more of {strange}", f"moved[{number}]")


def _booked(cash: CashUnits, account: _Account) -> ItemCounts:
    unit, place = account
    counts = cash.counts
    if not unit:
        # A device need not know which unit items come from that were dispensed.
        found: Counter[tuple[str, str]] = Counter(counts.inserted_at(place))
        for name in counts.at(place):
            found.update(counts.dispensed_at(place, name))
        return dict(found)
    return counts.items(unit) if unit == place else counts.dispensed_at(place, unit)


def _kinds_of(cash: CashUnits, unit: str) -> frozenset[str]:
    """The kinds that a unit is for, as the device says; empty if it does not."""
    layout = cash.units.get(unit)
    if layout is None or layout.cash_items or layout.value is None:
        return frozenset() if layout is None else frozenset(layout.cash_items)
    worth = layout.currency, layout.value
    return frozenset(
        item
        for item, note in cash.bank_notes.items()
        if note.cash_item is not None and (note.cash_item.currency, note.cash_item.value) == worth
    )
