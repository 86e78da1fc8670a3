"""The physical truth of a simulated cash device: where every note is, whatever the books say.

It is what the ledger is compared with. Each note has a kind, a condition and, once a machine has read it, a
serial number, which it keeps wherever it goes; notes that nobody has read yet are counted together. A place
is a pile: units give the note that came last, all other places the one that came first.

    world ↔ customer → input → transport, stacker ↔ units → output → customer

The device's own record of its last operation is in the same document, as a real device keeps it in its
own memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable
from typing import get_args

import msgspec

from xfs4iot.devices import ItemsMoved
from xfs4iot.devices.cash_management import PLACES
from xfs4iot.devices.storage import Level
from xfs4iot.simulator.world import World

__all__ = ["CUSTOMER", "CashTruth", "Notes", "as_read"]

CUSTOMER = "customer"
"""The origin of notes that a customer has brought, until they are in a unit."""
_KNOWN = 200
"""Notes of each pile whose serial numbers are kept; that of the others is forgotten."""
_REACH = ("input", "output", "customer")
"""Where notes are in a customer's hands, for the device one place but for the output."""


class Notes(msgspec.Struct, array_like=True, frozen=True):
    """Notes that lie together and are alike.

    Attributes:
        origin: the unit they were dispensed from or loaded into, or `customer`.
        item: which they are; "" for what is no bank note.
        level: their condition; "" for any, where a customer is to insert some.
        count: how many; 1 if there is a serial number.
        serial: their serial number; "" if nobody has read it.
    """

    origin: str
    item: str
    level: str
    count: int = 1
    serial: str = ""

    def like(self, other: Notes) -> bool:
        """Whether they can lie in one entry."""
        return not (self.serial or other.serial) and self.alike == other.alike

    def meant(self, other: Notes) -> bool:
        """Whether a customer who is to insert these could insert the others."""
        same = self.item == other.item and self.level in ("", other.level)
        return same and self.serial in ("", other.serial)

    @property
    def alike(self) -> tuple[str, str, str]:
        return self.origin, self.item, self.level


class _State(msgspec.Struct):
    """What the document holds.

    Attributes:
        places: what lies where, in the order in which it came.
        world: what was brought from outside (negative) and taken there, by origin.
        shutter, door: `open` or `closed`.
        returning: what a customer has inserted is on its way back, bunch by bunch.
        cassettes: by unit, how often its cassette was replaced by another one.
        operation: number of the operation the device recorded last.
        notes: how many the device has read so far.
        moved: what it moved: count, source, target, origin, accessible, item, level.
    """

    places: dict[str, list[Notes]]
    world: dict[str, int] = {}
    shutter: str = "closed"
    door: str = "closed"
    returning: bool = False
    cassettes: dict[str, int] = {}
    operation: int = 0
    notes: int = 0
    moved: list[tuple[int, str, str, str, bool, str, str]] = []


class CashTruth:
    """Where every note is.

    Args:
        world: keeps it.
        name: of the device.
        loaded: notes in each unit of a device that is new.
        kinds: by unit, the item that it holds, if it holds one kind.
        known: the items that the device knows.
    """

    def __init__(
        self,
        world: World,
        name: str,
        loaded: dict[str, int],
        kinds: dict[str, str],
        known: Collection[str],
    ) -> None:
        self._kinds = kinds
        self._known = known
        new = _State(
            places={
                unit: [Notes(unit, kinds.get(unit, ""), "fit", count)]
                for unit, count in loaded.items()
                if count
            }
        )
        self._document = world.document(name, new)
        self._state = self._document.state
        self._save = self._document.save

    @property
    def places(self) -> dict[str, dict[str, int]]:
        """Notes by place and origin; without empty entries, and with what came from the world."""
        found = {place: self.at(place) for place in self._state.places}
        found["world"] = {origin: count for origin, count in self._state.world.items() if count}
        return found

    def notes(self, place: str) -> tuple[Notes, ...]:
        """What lies at a place, in the order in which it came."""
        return tuple(self._state.places.get(place, ()))

    def at(self, place: str) -> dict[str, int]:
        """Notes at a place, by origin."""
        if place == "world":
            return dict(self._state.world)
        found: dict[str, int] = {}
        for notes in self.notes(place):
            found[notes.origin] = found.get(notes.origin, 0) + notes.count
        return found

    def content(self, place: str) -> dict[tuple[str, str], int]:
        """Notes at a place, by item and level."""
        found: dict[tuple[str, str], int] = {}
        for notes in self.notes(place):
            found[notes.item, notes.level] = found.get((notes.item, notes.level), 0) + notes.count
        return found

    def total(self, place: str) -> int:
        """How many notes are at a place."""
        return sum(notes.count for notes in self._state.places.get(place, ()))

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

    @property
    def returning(self) -> bool:
        """Whether what a customer has inserted goes back, bunch by bunch."""
        return self._state.returning

    @returning.setter
    def returning(self, state: bool) -> None:
        self._state.returning = state
        self._save()

    def stain(self, unit: str) -> None:
        """Ink gets on all notes in a unit."""
        pile = self._state.places.get(unit, [])
        pile[:] = [msgspec.structs.replace(notes, level="inked") for notes in pile]
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
        """What the operation recorded last has moved, as a device reports it."""
        return tuple(
            ItemsMoved(
                count,
                source,
                target,
                origin=None if origin == CUSTOMER else origin,
                item=self.told(item, level)[0],
                level=self.told(item, level)[1],
                accessible=accessible,
            )
            for count, source, target, origin, accessible, item, level in self._state.moved
        )

    def told(self, item: str, level: str) -> tuple[str | None, Level]:
        """Item and level of a note, as far as the device knows them."""
        return as_read(self._known, item, level)

    def read(self, place: str, serial: Callable[[int], str]) -> Notes:
        """Read the note that came to a place last.

        Args:
            serial: makes the serial number of a note that has none yet, of how many were read before.
        """
        pile = self._state.places[place]
        last = pile[-1]
        if not last.serial and last.item:
            self._state.notes += 1
            known = msgspec.structs.replace(last, count=1, serial=serial(self._state.notes))
            if last.count > 1:
                pile[-1] = msgspec.structs.replace(last, count=last.count - 1)
                pile.append(known)
            else:
                pile[-1] = known
            return known
        return msgspec.structs.replace(last, count=1)

    def next(self, place: str) -> Notes | None:
        """The note that leaves a place next; None if there is none."""
        pile = self._state.places.get(place)
        return pile[-1 if _is_unit(place) else 0] if pile else None

    def move(
        self, source: str, target: str, origin: str | None = None, count: int = 1, *, accessible: bool = False
    ) -> None:
        """Move notes, and record it as part of the operation; those of one origin, where one is said."""
        for notes in self._shift(source, target, origin, count):
            self._record(notes, source, target, accessible)
        self._save()

    def move_all(self, source: str, target: str, *, accessible: bool = False) -> int:
        """Move everything at a place, in one go; returns how many notes."""
        count = self.total(source)
        self.move(source, target, count=count, accessible=accessible)
        return count

    def _record(self, notes: Notes, source: str, target: str, accessible: bool) -> None:
        # The device cannot tell the slot from the hand that put something there.
        source = CUSTOMER if source == "input" else source
        entry = (source, target, notes.origin, accessible, notes.item, notes.level)
        moved = self._state.moved
        # Merged with the last row, so that the record does not grow by one row per note.
        if moved and moved[-1][1:] == entry:
            moved[-1] = (moved[-1][0] + notes.count, *entry)
        else:
            moved.append((notes.count, *entry))

    def shift(self, source: str, target: str, *, origin: str | None = None, count: int | None = None) -> int:
        """Move notes without the device knowing: hands at work. Returns how many."""
        held = self.at(source)
        here = held.get(origin, 0) if origin is not None else sum(held.values())
        moved = here if count is None else min(count, here)
        self._shift(source, target, origin, moved)
        self._save()
        return moved

    def bring(self, target: str, notes: Iterable[Notes]) -> None:
        """Let notes come from the world, or from the hands of the customer, if he has some like these."""
        for wanted in notes:
            left = wanted.count
            hand = self._state.places.get(CUSTOMER, [])
            # From the last to the first: entries are taken out in the loop.
            for held in [one for one in hand if wanted.meant(one)][::-1]:
                if not left:
                    break
                took = min(left, held.count)
                hand.remove(held)
                if held.count > took:
                    hand.append(msgspec.structs.replace(held, count=held.count - took))
                self._put(target, msgspec.structs.replace(held, origin=CUSTOMER, count=took))
                left -= took
            if left:
                self._from_world(CUSTOMER, left)
                level = wanted.level or "fit"
                self._put(target, msgspec.structs.replace(wanted, origin=CUSTOMER, level=level, count=left))
        self._save()

    def replace(self, unit: str, count: int) -> None:
        """Put another cassette in the place of a unit's, with that many notes in it."""
        cassettes = self._state.cassettes
        cassettes[unit] = cassettes.get(unit, 0) + 1
        self.shift(unit, "world")
        self.load(unit, count)

    def cassette(self, unit: str) -> int:
        """How often the unit's cassette was replaced."""
        return self._state.cassettes.get(unit, 0)

    def load(self, unit: str, count: int) -> None:
        """Put notes of the unit's kind into it by hand."""
        self._from_world(unit, count)
        if count:
            self._put(unit, Notes(unit, self._kinds.get(unit, ""), "fit", count))
        self._save()

    def _from_world(self, origin: str, count: int) -> None:
        self._state.world[origin] = self._state.world.get(origin, 0) - count

    def _shift(self, source: str, target: str, origin: str | None, count: int) -> list[Notes]:
        """Move notes; returns them as they were taken.

        Raises:
            ValueError: they are not there.
        """
        pile = self._state.places.get(source, [])
        taken: list[Notes] = []
        unit = _is_unit(source)
        while count:
            places = range(len(pile) - 1, -1, -1) if unit else range(len(pile))
            # What leaves a unit comes from it, wherever it was before it came there.
            found = next((at for at in places if unit or origin in (None, pile[at].origin)), None)
            if found is None:
                raise ValueError(f"{count} notes of {origin or 'any kind'} at {source} are not there")
            held = pile[found]
            some = min(count, held.count)
            if some == held.count:
                del pile[found]
            else:
                pile[found] = msgspec.structs.replace(held, count=held.count - some)
            left = msgspec.structs.replace(held, origin=source if unit else held.origin, count=some)
            taken.append(left)
            self._put(target, left)
            count -= some
        return taken

    def _put(self, target: str, notes: Notes) -> None:
        if target == "world":
            world = self._state.world
            world[notes.origin] = world.get(notes.origin, 0) + notes.count
            return
        pile = self._state.places.setdefault(target, [])
        if pile and pile[-1].like(notes):
            pile[-1] = msgspec.structs.replace(notes, count=pile[-1].count + notes.count)
            return
        pile.append(notes)
        if len(pile) > 2 * _KNOWN:
            self._state.places[target] = _forgotten(pile)


def as_read(known: Container[str], item: str, level: str) -> tuple[str | None, Level]:
    """Item and level of a note, as a reader tells them that knows these items."""
    if item in known and level != "unrecognized" and level in get_args(Level):
        return item, level  # type: ignore[return-value]
    return None, "unrecognized"


def _is_unit(place: str) -> bool:
    return place not in PLACES and place not in _REACH and place != "world"


def _forgotten(pile: list[Notes]) -> list[Notes]:
    """A pile without the serial numbers of its oldest notes, which lie together as far as they are alike."""
    old, new = pile[:-_KNOWN], pile[-_KNOWN:]
    alike: dict[tuple[str, str, str], int] = {}
    for notes in old:
        alike[notes.alike] = alike.get(notes.alike, 0) + notes.count
    return [*(Notes(*key, count) for key, count in alike.items()), *new]
