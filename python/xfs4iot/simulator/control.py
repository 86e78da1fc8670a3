"""The service `Simulator`: what hands, customers and bad luck do to the simulated devices.

Its commands come in the same envelope as all others, so that any client can script them:

    Simulator.TakeItems        the customer takes what is presented
    Simulator.Inject           something fails (see `FAULTS` of the device)
    Simulator.ClearFaults      everything works again
    Simulator.EmptyUnit        a unit is emptied by hand, unknown to the device
    Simulator.FillUnit         items are put into a unit by hand, unknown to the device
    Simulator.OpenSafeDoor, Simulator.CloseSafeDoor
    Simulator.GetTruth         where every item really is
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from xfs4iot.protocol import registry
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, handles
from xfs4iot.simulator.cash_dispenser import SimulatedCashDispenser

__all__ = ["Simulator"]


class TakeItemsCompletion(msgspec.Struct, rename="camel", omit_defaults=True):
    """What was taken, by the unit it came from."""

    items: dict[str, int] | None = None


class Inject(msgspec.Struct, rename="camel", omit_defaults=True):
    """A fault; for some the unit, or how often."""

    fault: str | None = None
    unit: str | None = None
    count: int | None = None


class EmptyUnit(msgspec.Struct, rename="camel", omit_defaults=True):
    """The unit; without a count, all of it."""

    unit: str | None = None
    count: int | None = None


class FillUnit(msgspec.Struct, rename="camel", omit_defaults=True):
    """The unit, and how many items are put into it."""

    unit: str | None = None
    count: int | None = None


class GetTruthCompletion(msgspec.Struct, rename="camel", omit_defaults=True):
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
            _command("TakeItems", None, TakeItemsCompletion),
            _command("Inject", Inject),
            _command("ClearFaults"),
            _command("EmptyUnit", EmptyUnit),
            _command("FillUnit", FillUnit),
            _command("OpenSafeDoor"),
            _command("CloseSafeDoor"),
            _command("GetTruth", None, GetTruthCompletion),
        )
    }
)


class Simulator(Interface):
    """Drives the simulated devices."""

    name: ClassVar[str] = "Simulator"
    dispenser: SimulatedCashDispenser
    """Set by the builder of the ATM."""

    @handles("Simulator.TakeItems")
    def take_items(self, request: None, command: Command) -> TakeItemsCompletion:
        """The customer takes what is at the output."""
        return TakeItemsCompletion(items=self.dispenser.take())

    @handles("Simulator.Inject")
    def inject(self, request: Inject, command: Command) -> None:
        """Something fails."""
        self.dispenser.inject(request.fault or "", request.unit, request.count or 1)

    @handles("Simulator.ClearFaults")
    def clear_faults(self, request: None, command: Command) -> None:
        """Everything works again."""
        self.dispenser.clear_faults()

    @handles("Simulator.EmptyUnit")
    def empty_unit(self, request: EmptyUnit, command: Command) -> None:
        """Somebody takes items out of a unit."""
        unit = self.dispenser.require_unit(request.unit)
        self.dispenser.truth.shift(unit, "world", count=request.count)

    @handles("Simulator.FillUnit")
    def fill_unit(self, request: FillUnit, command: Command) -> None:
        """Somebody puts items into a unit."""
        self.dispenser.truth.load(self.dispenser.require_unit(request.unit), request.count or 0)

    @handles("Simulator.OpenSafeDoor")
    def open_safe_door(self, request: None, command: Command) -> None:
        """Somebody opens the safe door."""
        self.dispenser.truth.door = "open"

    @handles("Simulator.CloseSafeDoor")
    def close_safe_door(self, request: None, command: Command) -> None:
        """Somebody closes the safe door."""
        self.dispenser.truth.door = "closed"

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
