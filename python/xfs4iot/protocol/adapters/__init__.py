"""What the versions of the standard say differently, one module per interface.

A module's `CHANGES` lists, by step and message part, what `changes` can express; what an
interface contributes to Common.Status and Common.Capabilities stands in its own module, too.
What is not listed needs nothing, by the rules of `differences`; a test holds every message that
is served against the catalogue. An interface that is served anew adds its changes here; a new
version of the standard adds a step.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from typing import Literal

from xfs4iot.protocol.adapters.cash_management import shutters
from xfs4iot.protocol.adapters.changes import Adapter, Change, Changes, Part, Plain

__all__ = [
    "CHANGES",
    "FALLBACKS",
    "NEWEST",
    "SENT_OTHERWISE",
    "SPECIFICATIONS",
    "SPELT",
    "STEPS",
    "TOLD_APART",
    "TOLD_BY",
    "Adapter",
    "Part",
    "canonical",
    "spelling",
]

SPECIFICATIONS = ("2021-1", "2023-2", "2024-3")
"""The versions of the standard that are served, oldest first."""
NEWEST = SPECIFICATIONS[-1]
STEPS = dict(pairwise(SPECIFICATIONS))
"""The version that follows each."""

_INTERFACES = (
    "auxiliaries",
    "biometric",
    "camera",
    "card_reader",
    "cash_acceptor",
    "cash_dispenser",
    "cash_management",
    "check",
    "common",
    "crypto",
    "key_management",
    "keyboard",
    "lights",
    "printer",
    "storage",
    "text_terminal",
    "vendor_application",
)


def _collected() -> Changes:
    found: dict[tuple[str, Part, str], tuple[Change, ...]] = {}
    for interface in _INTERFACES:
        own: Changes = import_module(f"{__name__}.{interface}").CHANGES
        for key, changes in own.items():
            found[key] = found.get(key, ()) + changes
    return found


CHANGES = _collected()

SPELT: dict[tuple[str, str], str] = {
    ("2023-2", "Auxiliaries.ClearAutoStartUpTime"): "Auxiliaries.ClearAutoStartupTime",
    ("2023-2", "Auxiliaries.GetAutoStartUpTime"): "Auxiliaries.GetAutoStartupTime",
    ("2023-2", "Auxiliaries.SetAutoStartUpTime"): "Auxiliaries.SetAutoStartupTime",
}
"""Messages that a version spells otherwise than the newest; documents disagree, so all clients may."""

SENT_OTHERWISE: dict[tuple[str, str], Literal["command", "unsolicited"]] = {
    ("2021-1", "Biometric.PresentSubjectEvent"): "unsolicited",
    ("2021-1", "Biometric.RemoveSubjectEvent"): "unsolicited",
    ("2021-1", "Biometric.SubjectDetectedEvent"): "unsolicited",
    ("2021-1", "CardReader.MediaDetectedEvent"): "command",
    ("2021-1", "CashManagement.MediaDetectedEvent"): "command",
    ("2021-1", "CashManagement.TellerInfoChangedEvent"): "command",
    ("2021-1", "Storage.StorageErrorEvent"): "unsolicited",
}
"""Events that a version sends otherwise than the newest: with a command, or to every client."""

TOLD_BY = {"Storage.CountsChangedEvent": "Storage.StorageChangedEvent"}
"""The event that tells the same, in the same shape, in versions that have none of that name."""

TOLD_APART: dict[tuple[str, str], tuple[str, Callable[[Plain], list[Plain]]]] = {
    ("2021-1", "Common.StatusChangedEvent"): ("CashManagement.ShutterStatusChangedEvent", shutters),
}
"""What a version tells in an event of its own, because its own form of the newest's event has no place
for it: that event, and a function that takes its payloads out of the newest's."""

FALLBACKS: dict[str, str] = {
    "accessDenied": "userError",
    "cameraInoperable": "hardwareError",
    "cameraNotSupported": "unsupportedData",
    "contentInvalid": "invalidData",
    "exchangeActive": "sequenceError",
    "formatInvalid": "invalidData",
    "formatNotSupported": "unsupportedData",
    "invalidIdentifier": "invalidData",
    "invalidKeyLength": "invalidData",
    "invalidValue": "invalidData",
    "itemsLeft": "sequenceError",
    "keyNoValue": "sequenceError",
    "keyNotFound": "invalidData",
    "macInvalid": "invalidData",
    "mediaFull": "notEnoughSpace",
    "modeOfUseNotSupported": "unsupportedData",
    "noPin": "sequenceError",
    "positionNotEmpty": "sequenceError",
    "safeDoorOpen": "userError",
    "signatureInvalid": "invalidData",
    "useViolation": "invalidData",
}
"""The completion code for an error code that a version of a command lacks, by error code.

Every version has the same completion codes.
"""

_CANONICAL = {older: newest for (_, older), newest in SPELT.items()}
_SPELLING = {(version, newest): older for (version, older), newest in SPELT.items()}


def canonical(name: str) -> str:
    """A message's name as the newest version spells it."""
    return _CANONICAL.get(name, name)


def spelling(name: str, specification: str) -> str:
    """A message's name as a version spells it."""
    newest = canonical(name)
    return _SPELLING.get((specification, newest), newest)
