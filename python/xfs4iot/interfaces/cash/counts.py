"""Counts of cash: from movements to bookings, and from the books to the standard's counts.

For every unit the books hold `count` (the items in it), `initial`, and the standard's `out.*`
and `in.*`, each by item and level, with one law, unit by unit:

    count = initial + sum(in.*) - sum(out.*)

An item that leaves a unit stays on the books of that unit of origin, in the bucket that says
where it is now: `stacked` and `transport` for as long as it is there, `presented`, `rejected`,
`distributed` and `unknown` for good. Into a unit it comes as `rejected`, `distributed` or, if
a customer could have touched it, `retracted`. Items that were in a customer's reach count as
`stacked` or `transport`, not as `presented`, while they are back inside.

What a customer has inserted has no unit of origin. Until it is in a unit it is counted at its place
(`stacker`, `transport`, `unknown`), with a second law, item by item:

    inserted = returned + accepted + what is at these places

where `inserted` came from customers, `returned` went back into their reach, and `accepted` is in units: there
as `deposited`, or as `retracted` if it was brought there to clear the way.

What a device moves counts even where the books disagree: if it takes more from a unit than the
books hold, the difference is added to what the unit held at first, and the unit is inaccurate.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import field
from typing import get_args

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import CashMovement, CashUnit, ItemsMoved, Retracted
from xfs4iot.devices.storage import Level
from xfs4iot.ledger import CounterKey, Posting, ServiceLedger, SetPosting
from xfs4iot.protocol.messages import cash_management as messages

__all__ = [
    "CUSTOMER",
    "INSIDE",
    "WITHIN_REACH",
    "Booking",
    "CashCounts",
    "ItemCounts",
    "cash_counts",
    "item_counts",
    "kind_of",
    "origin_of",
]

ItemCounts = dict[tuple[str, str], int]
"""Items by item id and level; items not told apart have the id "" and the level "unrecognized"."""

UNRECOGNIZED = ("", "unrecognized")
RETRACT_OPERATIONS = "in.retractOperations"
_OUT = ("presented", "rejected", "distributed", "unknown", "stacked", "diverted", "transport")
_IN = ("deposited", "retracted", "rejected", "distributed", "transport")
_WHERE = {
    "stacker": "out.stacked",
    "transport": "out.transport",
    "output": "out.presented",
    "customer": "out.presented",
    "unknown": "out.unknown",
}
_LEVELS = frozenset((*get_args(Level), ""))
"""Levels of cash; what a unit holds besides has the name of its kind there."""
WITHIN_REACH = ("output", "customer")
"""Where a customer reaches items."""
CUSTOMER = "customer"
"""Where the books count what customers have inserted."""
INSIDE = ("stacker", "transport")
"""Where items are between a customer and the units."""


def origin_of(items: ItemsMoved) -> str | None:
    """The unit that items were dispensed from; None if nobody knows."""
    if items.origin is not None:
        return items.origin
    return None if items.source in _WHERE else items.source


def kind_of(items: ItemsMoved) -> tuple[str, str]:
    """Item and level of what was moved, as far as it was said."""
    return items.item or "", items.level or ("fit" if items.item else "unrecognized")


def cash_counts(items: Mapping[tuple[str, str], int]) -> messages.StorageCashCounts | None:
    """Counts as the standard writes them; None if there are none."""
    if not any(items.values()):
        return None
    by_item: dict[str, dict[str, int]] = defaultdict(dict)
    for (item, level), count in sorted(items.items()):
        if item and count:
            by_item[item][level] = count
    unrecognized = sum(count for (item, _), count in items.items() if not item)
    return messages.StorageCashCounts(
        unrecognized=unrecognized or None,
        additional={item: messages.StorageCashCount(**levels) for item, levels in by_item.items()},
    )


def item_counts(counts: messages.StorageCashCounts | None) -> ItemCounts:
    """Counts from how the standard writes them: the reverse of `cash_counts`."""
    items: ItemCounts = {}
    if counts is None:
        return items
    if counts.unrecognized:
        items[UNRECOGNIZED] = counts.unrecognized
    for item, levels in counts.additional.items():
        for level in ("fit", "unfit", "suspect", "counterfeit", "inked"):
            if count := getattr(levels, level):
                items[item, level] = count
    return items


@dataclass
class Booking:
    """What a movement changes on the books.

    Attributes:
        postings: the changes.
        inaccurate: units in which the device found more than the books held, or whose count it
            does not trust.
        into: units that took items which had been in a customer's reach.
        taken_in: what came into each unit, by the standard's name of the bucket (`retracted`, ...).
        arrived: what has come to each place that is no unit, and is there at the end of the movement.
    """

    postings: list[Posting] = field(default_factory=list)
    inaccurate: set[str] = field(default_factory=set)
    into: set[str] = field(default_factory=set)
    taken_in: dict[str, dict[str, ItemCounts]] = field(default_factory=lambda: defaultdict(dict))
    arrived: dict[str, ItemCounts] = field(default_factory=lambda: defaultdict(dict))

    @property
    def accepted(self) -> ItemCounts:
        """What a customer has lost hold of by a cash-in: inserted, and not given back at once."""
        found: Counter[tuple[str, str]] = Counter()
        for posting in self.postings:
            if posting.unit == CUSTOMER and posting.bucket in ("inserted", "returned"):
                found[posting.item, posting.level] += posting.delta * (
                    1 if posting.bucket == "inserted" else -1
                )
        return dict(+found)


class CashCounts:
    """The counts of all units of one service."""

    def __init__(self, ledger: ServiceLedger, units: Mapping[str, CashUnit]) -> None:
        self._ledger = ledger
        self._units = units

    def items(self, unit: str, bucket: str = "count") -> ItemCounts:
        """What one bucket of a unit holds."""
        return {
            (key.item, key.level): value
            for key, value in self._ledger.counters_of(unit).items()
            if key.bucket == bucket and value and key.level in _LEVELS
        }

    def total(self, unit: str, bucket: str = "count") -> int:
        """How many items one bucket of a unit holds."""
        return sum(self.items(unit, bucket).values())

    def out(self, unit: str) -> messages.StorageCashOut:
        """What has left the unit, and where it went."""
        return messages.StorageCashOut(
            **{name: cash_counts(self.items(unit, f"out.{name}")) for name in _OUT}
        )

    def taken_in(self, unit: str) -> messages.StorageCashIn:
        """What has come into the unit, and how."""
        return messages.StorageCashIn(
            retract_operations=self.total(unit, RETRACT_OPERATIONS),
            **{name: cash_counts(self.items(unit, f"in.{name}")) for name in _IN},
        )

    def initial(self, unit: str) -> messages.StorageCashCounts:
        """What the unit held when it was last set."""
        return cash_counts(self.items(unit, "initial")) or messages.StorageCashCounts(unrecognized=0)

    def at(self, place: str) -> dict[str, int]:
        """Items that are on the stacker or the transport, by unit of origin."""
        return _at(self._ledger.counters(), place)

    def dispensed_at(self, place: str, unit: str) -> ItemCounts:
        """What was dispensed from a unit and is at a place; at the output, all that ever came there."""
        return self.items(unit, _WHERE[place])

    def inserted_at(self, place: str) -> ItemCounts:
        """What customers have inserted and is at a place now."""
        return self.items(place)

    def inside(self, after: Booking | None = None) -> ItemCounts:
        """What customers have inserted and is neither stored nor returned, nor lost.

        Args:
            after: a booking that is not on the books yet.
        """
        found: Counter[tuple[str, str]] = Counter()
        for place in INSIDE:
            found.update(self.inserted_at(place))
        for posting in after.postings if after is not None else ():
            if posting.unit in INSIDE and posting.bucket == "count":
                found[posting.item, posting.level] += posting.delta
        return dict(+found)

    def content_after(self, unit: str, movement: CashMovement) -> ItemCounts:
        """What a unit holds after a movement that is not booked yet."""
        found: Counter[tuple[str, str]] = Counter(self.items(unit))
        for posting in self.booking_of(movement).postings:
            if posting.unit == unit and posting.bucket == "count":
                found[posting.item, posting.level] += posting.delta
        return dict(+found)

    def everything(
        self, source: str, target: str, after: CashMovement | None = None, *, deposits: bool = False
    ) -> tuple[ItemsMoved, ...]:
        """All that is on the stacker or the transport, moved to `target`.

        Args:
            after: a movement that is not booked yet.
            deposits: whether that is one of a cash-in.
        """
        held: Mapping[CounterKey, int] = self._ledger.counters()
        if after is not None:
            reckoner = _Reckoner(held, self._units, deposits)
            reckoner.booking_of(after)
            held = reckoner.held
        dispensed = (
            ItemsMoved(count, source, target, origin=unit) for unit, count in _at(held, source).items()
        )
        inserted = (
            ItemsMoved(count, source, target, item=key.item or None, level=key.level)  # type: ignore[arg-type]
            for key, count in held.items()
            if key.unit == source and key.bucket == "count" and key.level in _LEVELS and count > 0
        )
        return (*dispensed, *inserted)

    def begin_anew(self, unit: str, initial: ItemCounts) -> list[SetPosting]:
        """Set what a unit holds; nothing has left it or come into it since."""
        postings = [SetPosting(*key, 0) for key in self._ledger.counters_of(unit) if key.level in _LEVELS]
        for (item, level), count in initial.items():
            for bucket in ("initial", "count"):
                wanted = SetPosting(unit, bucket, item, level, count)
                postings = [posting for posting in postings if posting.key != wanted.key]
                postings.append(wanted)
        return postings

    def booking_of(self, movement: CashMovement, *, deposits: bool = False) -> Booking:
        """What to post for a movement, as the device reported it; nothing is written.

        Args:
            deposits: whether it is one of a cash-in: what a customer inserted is deposited by it.
        """
        return _Reckoner(self._ledger.counters(), self._units, deposits).booking_of(movement)


def _at(counters: Mapping[CounterKey, int], place: str) -> dict[str, int]:
    """Items at a place, by unit of origin."""
    bucket = _WHERE[place]
    found: Counter[str] = Counter()
    for key, value in counters.items():
        if key.bucket == bucket and value > 0:
            found[key.unit] += value
    return dict(found)


class _Reckoner:
    """Works out the postings of one movement on a copy of the counters, so that later items of the movement
    find what earlier ones have left."""

    def __init__(
        self, counters: Mapping[CounterKey, int], units: Mapping[str, CashUnit], deposits: bool
    ) -> None:
        # A unit may hold cheques as well, which are no cash.
        self.held = Counter({key: held for key, held in counters.items() if key.level in _LEVELS})
        self._deposits = deposits
        self._units = units
        self._posted: Counter[CounterKey] = Counter()
        self._booking = Booking()

    def booking_of(self, movement: CashMovement) -> Booking:
        booking = self._booking
        for items in movement.moved:
            if items.count > 0 and items.source != items.target:
                self._move(items)
        for unit in movement.emptied:
            # The device found the unit empty: whatever the books still have there went somewhere unseen.
            left = sum(held for key, held in self.held.items() if key.unit == unit and key.bucket == "count")
            if left > 0:
                self._move(ItemsMoved(left, unit, "unknown", origin=unit))
                booking.inaccurate.add(unit)
        booking.inaccurate |= movement.inaccurate
        if isinstance(movement, Retracted):
            booking.into |= movement.into
        for unit in booking.into:
            self._post(unit, RETRACT_OPERATIONS, "", "", 1)
        booking.postings = [Posting(*key, delta) for key, delta in self._posted.items() if delta]
        return booking

    def _move(self, items: ItemsMoved) -> None:
        origin = origin_of(items)
        if self._unit(items.source):
            drawn = self._draw(items.source, "count", items)
        elif origin is None:
            self._move_inserted(items)
            return
        else:
            # What was in a customer's reach stays `presented` for good, even when it comes back.
            drawn = self._draw(origin, _WHERE[items.source], items, keep=items.source in WITHIN_REACH)
        for (item, level), count in drawn.items():
            self._arrive(items, origin, item, level, count)

    def _follow(self, items: ItemsMoved, item: str, level: str, count: int) -> None:
        """Note what has come to places that are no units, and has not gone on from there."""
        kind = item, level
        if (before := self._booking.arrived.get(items.source)) is not None:
            before[kind] = max(before.get(kind, 0) - count, 0)
        if not self._unit(items.target):
            there = self._booking.arrived[items.target]
            there[kind] = there.get(kind, 0) + count

    def _move_inserted(self, items: ItemsMoved) -> None:
        """Move items that no unit's books account for: a customer has inserted them, or they are found."""
        kind, source = kind_of(items), items.source
        if self._deposits and source in WITHIN_REACH:
            known, found = {kind: items.count}, 0
            self._post(CUSTOMER, "inserted", *kind, items.count)
        elif source in WITHIN_REACH:
            known, found = self._take(CUSTOMER, "returned", items)
        else:
            # What nobody knows the place of is of many movements: only what was named can be this.
            known, found = self._take(source, "count", items, only_named=source == "unknown")
            if self._deposits and found:
                # More than the books had: it must have been inserted, or the law no longer holds.
                self._post(CUSTOMER, "inserted", *kind, found)
                known[kind] = known.get(kind, 0) + found
                found = 0
        for (item, level), count in known.items():
            self._arrive_inserted(items, item, level, count)
        if found:
            self._arrive(items, None, *kind, found)

    def _arrive_inserted(self, items: ItemsMoved, item: str, level: str, count: int) -> None:
        target = items.target
        self._follow(items, item, level, count)
        if target in WITHIN_REACH:
            self._post(CUSTOMER, "returned", item, level, count)
            return
        self._post(target, "count", item, level, count)
        if not self._unit(target):
            return
        self._post(CUSTOMER, "accepted", item, level, count)
        # What was lost and is found again by counting was brought there by no retract.
        retracted = items.accessible or not (self._deposits or items.source == "unknown")
        if retracted:
            self._booking.into.add(target)
        self._take_in(target, "retracted" if retracted else "deposited", item, level, count)

    def _take_in(self, unit: str, bucket: str, item: str, level: str, count: int) -> None:
        self._post(unit, f"in.{bucket}", item, level, count)
        arrived = self._booking.taken_in[unit].setdefault(bucket, {})
        arrived[item, level] = arrived.get((item, level), 0) + count

    def _arrive(self, items: ItemsMoved, origin: str | None, item: str, level: str, count: int) -> None:
        source, target = items.source, items.target
        self._follow(items, item, level, count)
        if not self._unit(target):
            if origin is not None and (source not in WITHIN_REACH or target not in WITHIN_REACH):
                self._post(origin, _WHERE[target], item, level, count)
                if source in WITHIN_REACH:
                    # Back inside it counts as stacked or transport instead of presented. Presented more than
                    # the books had: the unit must have held more at first, or its law no longer holds.
                    known = min(count, max(self.held[CounterKey(origin, "out.presented", item, level)], 0))
                    self._post(origin, "out.presented", item, level, -known)
                    self._post(origin, "initial", item, level, count - known)
            return
        self._post(target, "count", item, level, count)
        rejects = "reject" in self._units[target].types if target in self._units else False
        if source in WITHIN_REACH or items.accessible:
            bucket, left = "retracted", "presented"
            self._booking.into.add(target)
        elif rejects and origin != target:
            bucket = left = "rejected"
        else:
            bucket = left = "distributed"
        if origin is not None and source not in WITHIN_REACH:
            if origin == target:
                return  # it is back where it came from, as if it had never left
            self._post(origin, f"out.{left}", item, level, count)
        self._take_in(target, bucket, item, level, count)

    def _draw(self, unit: str, bucket: str, items: ItemsMoved, *, keep: bool = False) -> ItemCounts:
        """Take items from a bucket of a unit, which must have had what its books do not have."""
        drawn, wanted = self._take(unit, bucket, items, keep=keep)
        if items.item is not None and any(item not in ("", items.item) for item, _ in drawn):
            self._booking.inaccurate.add(unit)
        if wanted:
            unknown = self._usual(unit, items)
            drawn[unknown] = drawn.get(unknown, 0) + wanted
            self._booking.inaccurate.add(unit)
            # More than the books had: it must have been there from the start, or the law no longer holds.
            if not keep:
                self._post(unit, "initial", *unknown, wanted)
        return drawn

    def _take(
        self, unit: str, bucket: str, items: ItemsMoved, *, keep: bool = False, only_named: bool = False
    ) -> tuple[ItemCounts, int]:
        """Take items from a bucket: those named, else whatever it holds; and how many it lacks."""
        drawn: ItemCounts = {}
        wanted = items.count
        # Known items before unrecognized ones, in a fixed order: the same movement is always booked alike.
        stock = sorted(
            (
                (key, held)
                for key, held in self.held.items()
                if key.unit == unit and key.bucket == bucket and held > 0
            ),
            key=lambda entry: (entry[0].item == "", entry[0]),
        )
        # First items that are just what was named, then whatever else is there: the device knows how many
        # it moved better than what they were.
        for exact in (True,) if only_named else (True, False):
            for key, held in stock:
                if exact is not self._named(items, key) or (key.item, key.level) in drawn:
                    continue
                if take := min(wanted, held):
                    drawn[key.item, key.level] = take
                    wanted -= take
                    if not keep:
                        self._post(*key, -take)
        return drawn, wanted

    @staticmethod
    def _named(items: ItemsMoved, key: CounterKey) -> bool:
        return items.item in (None, key.item) and items.level in (None, key.level)

    def _usual(self, unit: str, items: ItemsMoved) -> tuple[str, str]:
        """What items that the books know nothing of are taken to be."""
        if items.item is not None:
            return items.item, items.level or "fit"
        layout = self._units.get(unit)
        if layout is not None and len(layout.cash_items) == 1:
            return layout.cash_items[0], items.level or "fit"
        return UNRECOGNIZED

    def _post(self, unit: str, bucket: str, item: str, level: str, delta: int) -> None:
        key = CounterKey(unit, bucket, item, level)
        self._posted[key] += delta
        self.held[key] += delta

    def _unit(self, place: str) -> str | None:
        return None if place in _WHERE else place
