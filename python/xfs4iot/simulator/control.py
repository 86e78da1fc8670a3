"""The service `Simulator`: what hands, customers, bad luck and time do to the simulated devices.

Its commands come in the same envelope as all others, so that any client can script them:

    Simulator.TakeItems        the customer takes what is presented, all or some, now or later
    Simulator.Inject           something fails; see `FAULTS`
    Simulator.ClearFaults      everything works again
    Simulator.GetFaults        what can fail
    Simulator.EmptyUnit        a unit is emptied by hand, unknown to the device
    Simulator.FillUnit         items are put into a unit by hand, unknown to the device
    Simulator.ReplaceUnit      another cassette is put in a unit's place
    Simulator.OpenSafeDoor, Simulator.CloseSafeDoor
    Simulator.StopClock, Simulator.StartClock, Simulator.Advance
    Simulator.GetTruth         where every item really is

Times are in milliseconds of the simulated devices' clock.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, ClassVar

import msgspec

from xfs4iot.protocol import errors, registry
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, handles
from xfs4iot.simulator.cash_dispenser import SimulatedCashDispenser
from xfs4iot.simulator.faults import FAULTS

__all__ = ["Simulator"]

Count = Annotated[int, msgspec.Meta(ge=0)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0)]


class _Message(msgspec.Struct, rename="camel", omit_defaults=True):
    """A payload."""


class TakeItems(_Message):
    """How many items, all without a count; and when, at once without `after`."""

    count: Count | None = None
    after: Milliseconds | None = None


class TakeItemsCompletion(_Message):
    """What was taken, by the unit it came from."""

    items: dict[str, int] | None = None


class Inject(_Message):
    """A fault; for some the unit, or how often."""

    fault: str | None = None
    unit: str | None = None
    count: Count | None = None


class GetFaultsCompletion(_Message):
    """What can be injected, by name, and what it does."""

    faults: dict[str, str] | None = None


class UnitItems(_Message):
    """A unit and a count of items; what no count means depends on the command."""

    unit: str | None = None
    count: Count | None = None


class Advance(_Message):
    """How far to move the clock."""

    milliseconds: Milliseconds | None = None


class GetTruthCompletion(_Message):
    """Items by place, and there by the unit they came from; what the device recorded last."""

    places: dict[str, dict[str, int]] | None = None
    shutter: str | None = None
    safe_door: str | None = None
    operation: int | None = None


def _command(
    name: str, request: type[msgspec.Struct] | None = None, completion: type[msgspec.Struct] | None = None
) -> registry.CommandEntry:
    return registry.CommandEntry(f"Simulator.{name}", "1.0", request, "1.0", completion)


registry.extend(
    {
        entry.name: entry
        for entry in (
            _command("TakeItems", TakeItems, TakeItemsCompletion),
            _command("Inject", Inject),
            _command("ClearFaults"),
            _command("GetFaults", None, GetFaultsCompletion),
            _command("EmptyUnit", UnitItems),
            _command("FillUnit", UnitItems),
            _command("ReplaceUnit", UnitItems),
            _command("OpenSafeDoor"),
            _command("CloseSafeDoor"),
            _command("StopClock"),
            _command("StartClock"),
            _command("Advance", Advance),
            _command("GetTruth", None, GetTruthCompletion),
        )
    }
)


class Simulator(Interface[Any]):
    """Drives the simulated devices."""

    name: ClassVar[str] = "Simulator"
    dispenser: SimulatedCashDispenser
    """Set by the builder of the ATM."""

    @handles("Simulator.TakeItems")
    def take_items(self, request: TakeItems, command: Command) -> TakeItemsCompletion:
        """The customer takes what is at the output, or will."""
        if request.after is not None:
            self.service.nursery.start_soon(self._take_later, request.count, request.after / 1000)
            return TakeItemsCompletion()
        return TakeItemsCompletion(items=self.dispenser.take(request.count))

    async def _take_later(self, count: int | None, seconds: float) -> None:
        clock = self.dispenser.clock
        await clock.until(clock.now + seconds)
        with suppress(errors.SequenceError):
            self.dispenser.take(count)

    @handles("Simulator.Inject")
    def inject(self, request: Inject, command: Command) -> None:
        """Something fails."""
        self.dispenser.inject(request.fault or "", request.unit, request.count or 1)

    @handles("Simulator.ClearFaults")
    def clear_faults(self, request: None, command: Command) -> None:
        """Everything works again."""
        self.dispenser.clear_faults()

    @handles("Simulator.GetFaults")
    def get_faults(self, request: None, command: Command) -> GetFaultsCompletion:
        """What can fail."""
        return GetFaultsCompletion(faults={name: fault.text for name, fault in FAULTS.items()})

    @handles("Simulator.EmptyUnit")
    def empty_unit(self, request: UnitItems, command: Command) -> None:
        """Somebody takes items out of a unit; all of them without a count."""
        unit = self.dispenser.require_unit(request.unit)
        self.dispenser.truth.shift(unit, "world", count=request.count)

    @handles("Simulator.FillUnit")
    def fill_unit(self, request: UnitItems, command: Command) -> None:
        """Somebody puts items into a unit."""
        self.dispenser.fill_unit(self.dispenser.require_unit(request.unit), request.count or 0)

    @handles("Simulator.ReplaceUnit")
    def replace_unit(self, request: UnitItems, command: Command) -> None:
        """Somebody puts another cassette in a unit's place, with that many items; empty without a count."""
        self.dispenser.replace_unit(self.dispenser.require_unit(request.unit), request.count or 0)

    @handles("Simulator.OpenSafeDoor")
    def open_safe_door(self, request: None, command: Command) -> None:
        """Somebody opens the safe door."""
        self.dispenser.truth.door = "open"

    @handles("Simulator.CloseSafeDoor")
    def close_safe_door(self, request: None, command: Command) -> None:
        """Somebody closes the safe door."""
        self.dispenser.truth.door = "closed"

    @handles("Simulator.StopClock")
    def stop_clock(self, request: None, command: Command) -> None:
        """Time stands still until it is advanced, or started again."""
        self.dispenser.clock.stop()

    @handles("Simulator.StartClock")
    def start_clock(self, request: None, command: Command) -> None:
        """Time runs again."""
        self.dispenser.clock.start()

    @handles("Simulator.Advance")
    def advance(self, request: Advance, command: Command) -> None:
        """Time passes at once."""
        if request.milliseconds is None:
            raise errors.InvalidData("$.milliseconds is missing; say how far to move the clock")
        self.dispenser.clock.advance(request.milliseconds / 1000)

    @handles("Simulator.GetTruth")
    def get_truth(self, request: None, command: Command) -> GetTruthCompletion:
        """Where every item really is."""
        truth = self.dispenser.truth
        return GetTruthCompletion(
            places={place: items for place, items in truth.places.items() if items},
            shutter=truth.shutter,
            safe_door=truth.door,
            operation=truth.operation,
        )
