"""What the versions of the standard say differently, one module per interface.

Everything about an interface's versions is in the module of the same name, which is found automatically;
an interface without a module differs in nothing but data. A module may define, each under its name:

- `CHANGES`: by step and message part, what `changes` can express; also what the interface contributes to
  Common.Status and Common.Capabilities;
- `SPELT`, `SENT_OTHERWISE`, `TOLD_BY`, `TOLD_APART`, `WITHDRAWN`: as their types in `changes` say.

What is not listed needs nothing, by the rules of `differences`; a test holds every message that
is served against the catalogue. A new version of the standard adds a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from xfs4iot.protocol.adapters.changes import (
    Adapter,
    Changes,
    Part,
    SentOtherwise,
    Spelt,
    ToldApart,
    ToldBy,
    Withdrawn,
)

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

_MECHANISM = ("changes", "formats")


def _collected(fact: str) -> Iterator[tuple[Any, Any]]:
    """What the modules of all interfaces say under one name."""
    for found in sorted(module.stem for module in Path(__file__).parent.glob("[!_]*.py")):
        if found not in _MECHANISM:
            yield from getattr(import_module(f"{__name__}.{found}"), fact, {}).items()


CHANGES: Changes = {}
for _key, _changes in _collected("CHANGES"):
    CHANGES[_key] = CHANGES.get(_key, ()) + _changes
SPELT: Spelt = dict(_collected("SPELT"))
SENT_OTHERWISE: SentOtherwise = dict(_collected("SENT_OTHERWISE"))
TOLD_BY: ToldBy = dict(_collected("TOLD_BY"))
TOLD_APART: ToldApart = {}
for _key, _told in _collected("TOLD_APART"):
    TOLD_APART[_key] = TOLD_APART.get(_key, ()) + _told
WITHDRAWN: Withdrawn = dict(_collected("WITHDRAWN"))

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
