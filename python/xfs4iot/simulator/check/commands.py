"""What people do to a simulated scanner of cheques."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from xfs4iot.protocol import errors
from xfs4iot.simulator.check.device import CheckDevice
from xfs4iot.simulator.check.items import Cheque
from xfs4iot.simulator.commands import Completion, Milliseconds, Request, command

__all__ = ["SimulatedCheck"]


class InsertCheques(Request):
    """Items that are put into the slot, now or so many milliseconds later."""

    items: Annotated[tuple[Cheque, ...], Meta(max_length=200)] = msgspec.field(
        default_factory=lambda: (Cheque(),)
    )
    after: Milliseconds | None = None


class TakeCheques(Request):
    """Somebody takes what was presented, now or so many milliseconds later."""

    after: Milliseconds | None = None


class PocketNamed(Request):
    """A unit."""

    unit: str | None = None


class CountOfCheques(Completion):
    """How many items."""

    count: int


class ShownTruth(Completion):
    """How many items are where, and those in the units."""

    slot: int
    stacker: int
    waiting: int
    refused: int
    presented: int
    units: dict[str, int]
    items: dict[str, list[Cheque]]


class SimulatedCheck(CheckDevice):
    """A scanner of cheques."""

    @command
    def insert_cheques(self, request: InsertCheques) -> None:
        """Somebody puts items into the slot, or will."""

        def insert() -> None:
            self._insert(request.items)

        if request.after is not None:
            self.world.later(request.after / 1000, insert)
        else:
            insert()

    @command
    def take_cheques(self, request: TakeCheques) -> CountOfCheques | None:
        """Somebody takes what was presented, or will."""
        if request.after is not None:
            self.world.later(request.after / 1000, self._take)
            return None
        return CountOfCheques(count=self._take())

    @command
    def take_back_cheques(self, request: Request) -> CountOfCheques:
        """Somebody takes out of the slot what was not drawn in yet."""
        count = len(self._state.slot)
        if not count:
            raise errors.SequenceError("there is nothing in the slot")
        self._state.slot = []
        self._state.taken += count
        self._save()
        return CountOfCheques(count=count)

    @command
    def empty_pocket(self, request: PocketNamed) -> CountOfCheques:
        """Somebody takes the items out of a unit, or out of all."""
        names = list(self._state.units) if request.unit is None else [self._pocket(request.unit)]
        count = 0
        for name in names:
            count += len(self._state.units[name])
            self._state.units[name] = []
        self._state.emptied += count
        self._save()
        return CountOfCheques(count=count)

    @command
    def pull_pocket(self, request: PocketNamed) -> None:
        """Somebody takes a unit out."""
        unit = self._pocket(request.unit)
        if unit not in self._state.pulled:
            self._state.pulled.append(unit)
            self._save()
            self.unit_changed(unit, "missing")

    @command
    def put_pocket(self, request: PocketNamed) -> None:
        """Somebody puts a unit back."""
        unit = self._pocket(request.unit)
        if unit in self._state.pulled:
            self._state.pulled.remove(unit)
            self._save()
            self.unit_changed(unit, "ok")

    def _pocket(self, unit: str | None) -> str:
        if unit not in self.setup.units:
            raise errors.InvalidData(f"$.unit: name a unit ({', '.join(self.setup.units)})")
        return unit

    def shown_truth(self) -> ShownTruth:
        state = self._state
        return ShownTruth(
            slot=len(state.slot),
            stacker=len(state.stacker),
            waiting=len(state.waiting),
            refused=len(state.refused),
            presented=len(state.presented),
            units={unit: len(held) for unit, held in state.units.items()},
            items=state.units,
        )
