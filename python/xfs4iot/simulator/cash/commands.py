"""What people do to a cash device: the customer, and who opens its safe."""

from __future__ import annotations

from xfs4iot.simulator.cash.machine import CashMachine
from xfs4iot.simulator.commands import Completion, Count, Milliseconds, Request, command

__all__ = ["CashCommands"]


class TakeItems(Request):
    """How many items, all without a count; and when, at once without `after`."""

    count: Count | None = None
    after: Milliseconds | None = None


class TakeItemsCompletion(Completion):
    """What was taken, by the unit it came from."""

    items: dict[str, int] | None = None


class UnitItems(Request):
    """A unit and a count of items; what no count means depends on the command."""

    unit: str | None = None
    count: Count | None = None


class ShownTruth(Completion):
    """Items by place, and there by the unit they came from; what the device recorded last."""

    places: dict[str, dict[str, int]]
    shutter: str
    safe_door: str
    operation: int


class CashCommands(CashMachine):
    """The `Simulator` commands of every cash device."""

    @command
    def take_items(self, request: TakeItems) -> TakeItemsCompletion:
        """The customer takes what is at the output, or will."""
        count = request.count
        if request.after is not None:
            self.world.later(request.after / 1000, lambda: self.take(count))
            return TakeItemsCompletion()
        return TakeItemsCompletion(items=self.take(count))

    @command
    def empty_unit(self, request: UnitItems) -> None:
        """Somebody takes items out of a unit; all of them without a count.

        Who takes stained notes is a thief, and has them in his hands.
        """
        unit = self.require_unit(request.unit)
        stained = any(notes.level == "inked" for notes in self.truth.notes(unit))
        self.truth.shift(unit, "customer" if stained else "world", count=request.count)

    @command
    def fill_unit(self, request: UnitItems) -> None:
        """Somebody puts items into a unit; the device does not notice."""
        unit, count = self.require_unit(request.unit), request.count or 0
        self._require_room(unit, count, self.truth.total(unit))
        self.truth.load(unit, count)

    @command
    def replace_unit(self, request: UnitItems) -> None:
        """Another cassette in a unit's place, with that many items; empty without a count.

        Outside an exchange the unit counts as manipulated.
        """
        unit, count = self.require_unit(request.unit), request.count or 0
        self._require_room(unit, count, 0)
        self.truth.replace(unit, count)
        if not self._exchange:
            self.inject("manipulated", unit)

    @command
    def open_safe_door(self, request: Request) -> None:
        """Somebody opens the safe door."""
        self.truth.door = "open"
        self.safe_door_moved()

    @command
    def close_safe_door(self, request: Request) -> None:
        """Somebody closes the safe door."""
        self.truth.door = "closed"
        self.safe_door_moved()

    def shown_truth(self) -> ShownTruth:
        truth = self.truth
        return ShownTruth(
            places={place: items for place, items in truth.places.items() if items},
            shutter=truth.shutter,
            safe_door=truth.door,
            operation=truth.operation,
        )
