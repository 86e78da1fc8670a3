"""A case: one rule of the standard, how it is tried, and how that came out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import field
from typing import Any, Literal, get_args

from xfs4iot.conformance.target import Target
from xfs4iot.dataclass import dataclass

__all__ = [
    "APPLICATION",
    "LEVELS",
    "PREFIXES",
    "Case",
    "Level",
    "Result",
    "Verdict",
    "case",
    "written",
]

Level = Literal["safe", "moves", "destructive"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""`safe` looks; `moves` may move things; `destructive` leaves counts, keys or exchanges changed."""

Verdict = Literal["pass", "fail", "warn", "notApplicable", "skipped", "waived", "error"]

PREFIXES = {
    "Auxiliaries": "AUX",
    "BanknoteNeutralization": "BN",
    "BarcodeReader": "BR",
    "Biometric": "BIO",
    "Camera": "CAM",
    "CardReader": "CR",
    "CashAcceptor": "CA",
    "CashDispenser": "CD",
    "CashManagement": "CM",
    "Check": "CHK",
    "Common": "COM",
    "Crypto": "CRY",
    "Deposit": "DEP",
    "German": "DK",
    "KeyManagement": "KM",
    "Keyboard": "KB",
    "Lights": "LT",
    "MixedMedia": "MM",
    "PinPad": "PIN",
    "PowerManagement": "PM",
    "Printer": "PRT",
    "ServicePublisher": "SP",
    "Storage": "ST",
    "TextTerminal": "TT",
    "VendorApplication": "VA",
    "VendorMode": "VM",
}
"""How the ids of each interface's cases begin; `WS` and `MSG` are those of WebSocket and of the envelope."""

APPLICATION = "Application"
"""The profile of what an application did; all others are of services."""

Run = Callable[[Target], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """One rule and how it is tried.

    Attributes:
        id: stable; ends in P if something right is tried, in N if something wrong is.
        title: the rule, in one sentence.
        cites: what it rests on.
        interface: whose profile it belongs to; `WebSocket` and `Envelope` are every service's.
        level: what trying it may do.
        moves: what may move, for the user to read before it does; empty if nothing.
        command: the command that it is about; the service must offer it.
        attended: what somebody must do at the device meanwhile; empty if nobody need be there.
        run: tries it; raises `Deviates`, `Advises`, `NotApplicable` or `Unattended`.
    """

    id: str
    title: str
    cites: str
    interface: str
    level: Level
    run: Run
    moves: str = ""
    command: str = ""
    attended: str = ""


@dataclass(frozen=True)
class Result:
    """How a case came out.

    Attributes:
        verdict: see `Verdict`.
        expected, seen: what differs, for `fail` and `warn`.
        reason: why it was skipped, waived, does not apply, or could not be tried;
            of an application, what to do.
        trace: the messages that went both ways, `→ ` or `← ` before each, secrets masked.
        seconds: how long it took.
    """

    case: Case
    verdict: Verdict
    expected: str = ""
    seen: str = ""
    reason: str = ""
    trace: tuple[str, ...] = ()
    seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        """As a JSON object."""
        told: dict[str, Any] = {
            "id": self.case.id,
            "title": self.case.title,
            "cites": self.case.cites,
            "profile": self.case.interface,
            "level": self.case.level,
            "verdict": self.verdict,
            "seconds": round(self.seconds, 3),
        }
        for name in ("expected", "seen", "reason"):
            if getattr(self, name):
                told[name] = getattr(self, name)
        if self.verdict in ("fail", "warn", "error"):
            told["trace"] = list(self.trace)
        return told


@dataclass
class _Written:
    cases: dict[str, Case] = field(default_factory=dict)


_written = _Written()


def case(
    id: str,
    title: str,
    *,
    cites: str,
    interface: str,
    level: Level = "safe",
    moves: str = "",
    command: str = "",
    attended: str = "",
) -> Callable[[Run], Run]:
    """Make a function a case; arguments as of `Case`."""

    def made(run: Run) -> Run:
        assert id not in _written.cases, id
        _written.cases[id] = Case(id, title, cites, interface, level, run, moves, command, attended)
        return run

    return made


def written(interfaces: Iterable[str] | None = None) -> Iterator[Case]:
    """The cases that were written by hand, of the interfaces named; None for all."""
    wanted = None if interfaces is None else set(interfaces)
    for one in _written.cases.values():
        if wanted is None or one.interface in wanted:
            yield one
