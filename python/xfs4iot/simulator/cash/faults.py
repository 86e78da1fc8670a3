"""What can go wrong with a simulated cash device; docs/simulator.md says what a client sees of each."""

from __future__ import annotations

from xfs4iot.devices import UnitStatus
from xfs4iot.simulator.faults import Fault

__all__ = ["FAULTS", "STATUS_OF_FAULT"]

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
    "smallBunches": Fault("lasts", "at most `count` items are presented at once", counted=True),
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

STATUS_OF_FAULT: dict[str, UnitStatus] = {
    "inoperative": "inoperative",
    "manipulated": "manipulated",
    "missing": "missing",
    "notConfigured": "notConfigured",
}
"""Faults of a unit that its hardware status tells; the others show when it is used."""
