"""What can go wrong with a simulated cash dispenser.

A fault is injected by its name. It strikes once, or as often as its count says, or lasts until it
is cleared; faults of a unit name the unit. `FAULTS` is the whole list, and docs/simulator.md says
what a client sees of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xfs4iot.protocol import errors

__all__ = ["FAULTS", "Fault", "Faults"]


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        strikes: `once` per count, `lasts` until cleared, or `unit`: lasts, and is one unit's.
        text: what it does.
    """

    strikes: Literal["once", "lasts", "unit"]
    text: str


FAULTS = {
    "jam": Fault("once", "the next item that moves to or from the stacker is stuck on the transport"),
    "breaks": Fault("once", "the device class fails with an exception in the middle of the next movement"),
    "doesNotAnswer": Fault("once", "the next movement never comes to an end"),
    "rejects": Fault("once", "the next items picked are bad and go to the reject unit"),
    "doubleNotes": Fault("once", "the next items picked are two at once; both go to the reject unit"),
    "delayed": Fault("once", "the next dispense begins `count` seconds late"),
    "nothingPresented": Fault("once", "the next present fails; the items stay on the stacker"),
    "partlyPresented": Fault("once", "the next present stops with one item in the customer's reach"),
    "presentUnknown": Fault("once", "the next present fails, and the sensors do not see where the items are"),
    "itemsTaken": Fault("once", "the customer takes the items when the next retract begins"),
    "incompleteRetract": Fault("once", "the next retract or reset moves one item and leaves the others"),
    "foreignItems": Fault("once", "the customer has put something into the output"),
    "smallBunches": Fault("lasts", "at most `count` items are presented at once"),
    "unitsStuck": Fault("once", "the units can be neither released, nor locked, nor set up"),
    "shutterJammed": Fault("lasts", "the shutter does not move"),
    "sensorsUnknown": Fault("lasts", "the device does not see whether items are at its positions"),
    "notInPosition": Fault("lasts", "the device has been pulled out of its position"),
    "offline": Fault("lasts", "the device does not answer any more"),
    "powerOff": Fault("lasts", "the device is switched off"),
    "fraudAttempt": Fault("lasts", "somebody tampers with the output"),
    "inoperative": Fault("unit", "`unit` does not work"),
    "feedsNothing": Fault("unit", "`unit` gives no items, though it holds some"),
    "manipulated": Fault("unit", "`unit` was opened outside an exchange"),
    "missing": Fault("unit", "`unit` is pulled out"),
    "notConfigured": Fault("unit", "`unit` is not set up"),
}
"""What can be injected, by name."""


class Faults:
    """The faults that wait or last."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self.of_units: dict[str, str] = {}

    def inject(self, name: str, unit: str | None, count: int) -> None:
        """Let something go wrong.

        Raises:
            InvalidData: there is no such fault.
        """
        fault = FAULTS.get(name)
        if fault is None:
            raise errors.InvalidData(f"$.fault: {name!r} is none of {', '.join(FAULTS)}")
        if fault.strikes == "unit":
            assert unit is not None
            self.of_units[unit] = name
        else:
            self._counts[name] = count

    def clear(self) -> list[str]:
        """Let everything work again; returns the units that had a fault."""
        self._counts.clear()
        units = list(self.of_units)
        self.of_units.clear()
        return units

    def active(self, name: str) -> int:
        """How often, or how much, a fault is still to strike; 0 if it is not active."""
        return self._counts.get(name, 0)

    def strikes(self, name: str) -> bool:
        """Whether a fault strikes now; one strike is used up."""
        left = self._counts.get(name, 0)
        if left > 1:
            self._counts[name] = left - 1
        else:
            self._counts.pop(name, None)
        return left > 0

    def take(self, name: str) -> int:
        """The count of a fault, all of which is used up now; 0 if it is not active."""
        return self._counts.pop(name, 0)
