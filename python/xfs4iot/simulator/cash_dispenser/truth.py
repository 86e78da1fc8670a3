"""The physical truth of a simulated cash device: where every item is, whatever the books say.

It is what the ledger is compared with. The device's own record of its last operation is in the same
document, as a real device keeps it in its own memory.
"""

from __future__ import annotations

import msgspec

from xfs4iot.devices import ItemsMoved
from xfs4iot.devices.cash_management import PLACES
from xfs4iot.simulator.world import World

__all__ = ["CashTruth"]


class _State(msgspec.Struct):
    """What the document holds.

    Attributes:
        places: items by place, and there by the unit they were dispensed from or loaded into.
        shutter, door: `open` or `closed`.
        cassettes: by unit, how often its cassette was replaced by another one.
        notes: how many the device has read so far.
        operation: number of the operation the device recorded last.
        moved: what it moved: count, source, target, origin, accessible.
    """

    places: dict[str, dict[str, int]]
    shutter: str = "closed"
    door: str = "closed"
    cassettes: dict[str, int] = {}
    operation: int = 0
    notes: int = 0
    moved: list[tuple[int, str, str, str, bool]] = []


class CashTruth:
    """Where every item is.

    Args:
        world: keeps it.
        name: of the device.
        loaded: items in each unit of a device that is new.
    """

    def __init__(self, world: World, name: str, loaded: dict[str, int]) -> None:
        new = _State(places={unit: {unit: count} for unit, count in loaded.items()})
        self._document = world.document(name, new)
        self._state = self._document.state
        self._save = self._document.save

    @property
    def places(self) -> dict[str, dict[str, int]]:
        """Items by place and origin; without empty entries."""
        return {
            place: {origin: count for origin, count in items.items() if count}
            for place, items in self._state.places.items()
        }

    def at(self, place: str) -> dict[str, int]:
        """Items at a place, by origin."""
        return self.places.get(place, {})

    def total(self, place: str) -> int:
        """How many items are at a place."""
        return sum(self.at(place).values())

    @property
    def shutter(self) -> str:
        return self._state.shutter

    @shutter.setter
    def shutter(self, state: str) -> None:
        self._state.shutter = state
        self._save()

    @property
    def door(self) -> str:
        return self._state.door

    @door.setter
    def door(self, state: str) -> None:
        self._state.door = state
        self._save()

    def begin(self, operation: int) -> None:
        """Record that an operation begins; the device moves nothing before this is kept."""
        self._state.operation = operation
        self._state.moved = []
        self._save()

    @property
    def operation(self) -> int:
        """The operation recorded last."""
        return self._state.operation

    @property
    def moved(self) -> tuple[ItemsMoved, ...]:
        """What the operation recorded last has moved."""
        return tuple(
            ItemsMoved(count, source, target, origin=origin, accessible=accessible)
            for count, source, target, origin, accessible in self._state.moved
        )

    def count_note(self) -> int:
        """Count a note that is read; its number, which is kept with the next movement."""
        self._state.notes += 1
        return self._state.notes

    def move(
        self, source: str, target: str, origin: str, count: int = 1, *, accessible: bool = False
    ) -> None:
        """Move items, and record it as part of the operation."""
        self._own(source)
        self._shift(source, target, origin, count)
        moved = self._state.moved
        # Merged with the last row, so that the record does not grow by one row per note.
        if moved and moved[-1][1:] == (source, target, origin, accessible):
            moved[-1] = (moved[-1][0] + count, source, target, origin, accessible)
        else:
            moved.append((count, source, target, origin, accessible))
        self._save()

    def move_all(self, source: str, target: str, *, accessible: bool = False) -> int:
        """Move everything at a place, in one go; returns how many items."""
        self._own(source)
        items = self.at(source)
        for origin, count in items.items():
            self._shift(source, target, origin, count)
            self._state.moved.append((count, source, target, origin, accessible))
        self._save()
        return sum(items.values())

    def shift(self, source: str, target: str, *, origin: str | None = None, count: int | None = None) -> int:
        """Move items without the device knowing: hands at work. Returns how many."""
        moved = 0
        for name, held in self.at(source).items():
            if origin in (None, name):
                take = held if count is None else min(held, count - moved)
                self._shift(source, target, name, take)
                moved += take
        self._save()
        return moved

    def replace(self, unit: str, count: int) -> None:
        """Put another cassette in the place of a unit's, with that many items in it."""
        cassettes = self._state.cassettes
        cassettes[unit] = cassettes.get(unit, 0) + 1
        self.shift(unit, "world")
        self.load(unit, count)

    def cassette(self, unit: str) -> int:
        """How often the unit's cassette was replaced."""
        return self._state.cassettes.get(unit, 0)

    def load(self, unit: str, count: int) -> None:
        """Put items of the unit's kind into it by hand."""
        self._shift("world", unit, unit, count)
        self._save()

    def _own(self, source: str) -> None:
        """What leaves a unit comes from it, wherever it was before it came there."""
        if source not in PLACES:
            self._state.places[source] = {source: self.total(source)}

    def _shift(self, source: str, target: str, origin: str, count: int) -> None:
        places = self._state.places
        here = places.setdefault(source, {})
        if source != "world" and here.get(origin, 0) < count:
            raise ValueError(f"{count} items of {origin} at {source}, where {here.get(origin, 0)} are")
        here[origin] = here.get(origin, 0) - count
        there = places.setdefault(target, {})
        there[origin] = there.get(origin, 0) + count
