"""What the versions of the standard say differently, one module per interface.

Everything about an interface's versions is in the module of the same name, which is found automatically;
an interface without a module differs in nothing but data. A module may define, each under its name:

- `CHANGES`: by step and message part, what `changes` can express; also what the interface contributes to
  Common.Status and Common.Capabilities;
- `SENT_OTHERWISE`, `TOLD_BY`, `TOLD_APART`, `WITHDRAWN`: as their types in `changes` say.

The modules are loaded when the first of these is asked for: for a client of an older version, or an event.
Only `SPELT`, without which no service starts, stands here.

What is not listed needs nothing, by the rules of `differences`; a test holds every message that
is served against the catalogue. A new version of the standard adds a step.
"""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xfs4iot.protocol.adapters.changes import (
        Changes,
        SentOtherwise,
        Spelt,
        ToldApart,
        ToldBy,
        Withdrawn,
    )

    CHANGES: Changes
    SENT_OTHERWISE: SentOtherwise
    TOLD_APART: ToldApart
    TOLD_BY: ToldBy
    WITHDRAWN: Withdrawn

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
    "WITHDRAWN",
    "canonical",
    "spelling",
]

SPECIFICATIONS = ("2021-1", "2023-2", "2024-3")
"""The versions of the standard that are served, oldest first."""
NEWEST = SPECIFICATIONS[-1]
STEPS = dict(pairwise(SPECIFICATIONS))
"""The version that follows each."""

_MECHANISM = ("changes", "formats")


_FACTS = ("CHANGES", "SENT_OTHERWISE", "TOLD_APART", "TOLD_BY", "WITHDRAWN")


def __getattr__(name: str) -> Any:
    if name not in _FACTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: dict[Any, Any] = {}
    for module in sorted(file.stem for file in Path(__file__).parent.glob("[!_]*.py")):
        if module in _MECHANISM:
            continue
        for key, value in getattr(import_module(f"{__name__}.{module}"), name, {}).items():
            # Of a message that several interfaces contribute to, each says its part.
            found[key] = found[key] + value if key in found and isinstance(value, tuple) else value
    globals()[name] = found
    return found


SPELT: Spelt = {
    ("2023-2", "Auxiliaries.ClearAutoStartUpTime"): "Auxiliaries.ClearAutoStartupTime",
    ("2023-2", "Auxiliaries.GetAutoStartUpTime"): "Auxiliaries.GetAutoStartupTime",
    ("2023-2", "Auxiliaries.SetAutoStartUpTime"): "Auxiliaries.SetAutoStartupTime",
}

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
