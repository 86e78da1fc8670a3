"""What a printer's failure is called in the command that it happens in.

Each command defines codes of its own, and a device cannot know all that a command makes it do: PrintForm
moves the medium when it has printed, PrintRaw and ReadForm print first what waits, ControlMedia may wait for
a medium. So a device says what is wrong as its operation knows it, and the command says the nearest that it
defines.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from xfs4iot.protocol import errors, registry
from xfs4iot.server.command import Command
from xfs4iot.server.operations import WrongResult
from xfs4iot.server.results import Renamed, renamed

__all__ = ["CODES", "as_defined", "as_told", "failures_of", "saying_more"]

_INSTEAD: Mapping[str, tuple[str, ...]] = {
    "blackMark": (),
    "charSetData": ("flushFail",),
    "extentNotSupported": (),
    "fieldError": ("flushFail",),
    "fieldSpecFailure": ("flushFail",),
    "flushFail": (),
    "inkOut": ("tonerOut",),
    "lampInoperative": (),
    "lastOrFirstPageReached": ("pageTurnFail",),
    "mediaJammed": ("paperJammed",),
    "mediaOverflow": ("mediaSize", "flushFail"),
    "mediaRejected": ("flushFail",),
    "mediaRetained": ("mediaRetracted",),
    "mediaRetracted": ("mediaRetained", "noMediaPresent"),
    "mediaSize": ("mediaOverflow", "mediaRejected", "flushFail"),
    "mediaSkewed": ("mediaRejected", "flushFail"),
    "mediaTurnFail": ("pageTurnFail",),
    "msfError": ("flushFail",),
    "noMSF": ("flushFail",),
    "noMediaPresent": ("sequenceInvalid", "mediaRejected", "paperOut"),
    "pageTurnFail": (),
    "paperJammed": ("mediaJammed",),
    "paperOut": (),
    "passbookClosed": ("pageTurnFail",),
    "readNotSupported": (),
    "retractBinFull": ("stackerFull",),
    "sequenceInvalid": (),
    "shutterFail": (),
    "sourceInvalid": ("paperOut",),
    "stackerFull": ("sequenceInvalid", "retractBinFull"),
    "tonerOut": ("inkOut",),
}
"""Codes of a device, and those that come nearest, the best first, for commands that do not define them."""

_ELSEWHERE: Mapping[tuple[str, str], str] = {
    # Of this command `sequenceInvalid` would say that there is a sheet.
    ("Printer.DispensePaper", "noMediaPresent"): "paperOut",
}
"""What comes nearest in one command only."""

_LASTLY: Mapping[str, type[errors.XfsError]] = {
    "extentNotSupported": errors.UnsupportedData,
    "noMediaPresent": errors.SequenceError,
    "readNotSupported": errors.UnsupportedData,
    "retractBinFull": errors.SequenceError,
    "sequenceInvalid": errors.SequenceError,
    "stackerFull": errors.SequenceError,
}
"""What a command ends with that defines nothing near; all others are a fault of the hardware."""

CODES = frozenset(_INSTEAD)
"""All codes that a device can fail with."""


@cache
def failures_of(command: str) -> Mapping[str, Renamed]:
    """Codes of a device that a command does not define, and what it says in their place."""
    defined = registry.command(command).error_codes
    found: dict[str, Renamed] = {}
    for code, nearest in _INSTEAD.items():
        if code not in defined:
            own = _ELSEWHERE.get((command, code))
            candidates = nearest if own is None else (own, *nearest)
            possible = (one for one in candidates if one in defined)
            found[code] = next(possible, None) or _LASTLY.get(code, errors.HardwareError)
    return found


def as_defined(failure: errors.XfsError, command: Command[Any] | None) -> errors.XfsError:
    """A failure of the device as the command has it; as it is without a command."""
    if command is None:
        return failure
    found = renamed(failure, failures_of(command.name))
    if found is not failure:
        # An exception must not become its own cause.
        found.__cause__ = failure
    return found


def as_told(failure: errors.XfsError) -> errors.XfsError:
    """A failure as the device has told it, before the command has called it something else."""
    if isinstance(failure, WrongResult):
        # Its cause is what no device may raise: nothing of that can be believed.
        return failure
    told = failure.__cause__
    return told if isinstance(told, errors.CommandError) else failure


def saying_more(failure: errors.XfsError, more: str) -> errors.XfsError:
    """The same failure, with something behind what it says."""
    said = f"{failure.description}; {more}" if failure.description else more
    if isinstance(failure, errors.CommandError):
        found: errors.XfsError = errors.CommandError(failure.error_code, said, payload=failure.payload)
    else:
        found = type(failure)(said, payload=failure.payload)
    found.__cause__ = failure.__cause__
    return found
