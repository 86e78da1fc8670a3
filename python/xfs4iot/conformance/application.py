"""Whether an application does what the standard says: its messages are watched on their way to a service."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

import msgspec

from xfs4iot.conformance.case import Case, Result, Verdict
from xfs4iot.conformance.running import Report
from xfs4iot.conformance.schemas import problems
from xfs4iot.conformance.target import OLDEST, Target
from xfs4iot.protocol import versions
from xfs4iot.protocol.catalogue import catalogue
from xfs4iot.protocol.sensitive import masked
from xfs4iot.recording.moving import moves

__all__ = ["RULES", "Auditor"]

PROFILE = "Application"
_MOST_FOUND = 20
"""Findings of one rule that are kept."""
_TRACE = 6
"""Messages of a connection that are shown with a finding."""

RULES: dict[str, tuple[str, Verdict]] = {
    "APP-DISCOVERY-01": ("The publisher is asked for the services, before one is connected to", "warn"),
    "APP-MESSAGE-01": ("Every message is a JSON object with the header of a command", "fail"),
    "APP-NAME-01": ("Every command is one of the standard", "fail"),
    "APP-SCHEMA-01": ("Header and payload of every command are what their schema says", "fail"),
    "APP-OFFERED-01": ("Only commands that the service offers are sent", "warn"),
    "APP-REQUESTID-01": ("No request id is used again while its command runs", "fail"),
    "APP-REQUESTID-02": ("Request ids rise", "warn"),
    "APP-REFUSED-01": ("No message is refused by an acknowledge", "fail"),
    "APP-DATA-01": ("No command is completed invalidData, invalidCommand or invalidRequestID", "fail"),
    "APP-ERROR-01": (
        "No command is answered sequenceError: the application knows the state",
        "warn",
    ),
    "APP-CANCEL-01": ("Only commands that run are cancelled", "warn"),
    "APP-WAIT-01": ("No connection is ended while a command that moves something runs", "fail"),
}
"""Each rule for applications: what it says, and how grave it is to break it."""
_DATA = ("invalidData", "invalidCommand", "invalidRequestID")


@dataclass
class _Connection:
    service: str
    running: dict[int, str] = field(default_factory=dict)
    last: int = 0
    trace: list[str] = field(default_factory=list)


class Auditor:
    """Takes notes of what an application sends, as a recorder does, and judges it.

    Attributes:
        messages: how many messages went by.
    """

    def __init__(self, uri: str) -> None:
        self.messages = 0
        self._uri = uri
        self._connections: dict[int, _Connection] = {}
        self._last = 0
        self._discovered = False
        self._exercised: set[str] = set()
        self._found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}

    def opened(self, service: str) -> int:
        """Note a new connection; its number is returned."""
        self._last += 1
        self._connections[self._last] = _Connection(service)
        if service:
            self._exercised.add("APP-DISCOVERY-01")
            if not self._discovered:
                self._find("APP-DISCOVERY-01", f"{service} was connected to first")
        return self._last

    def ended(self, connection: int, service: str, why: str) -> None:
        """Note the end of a connection."""
        ended = self._connections.pop(connection)
        if "client" in why:
            self._exercised.add("APP-WAIT-01")
            for name in filter(moves, ended.running.values()):
                self._find("APP-WAIT-01", f"{name} was running", ended)

    def message(
        self, connection: int, service: str, sender: Literal["client", "service"], text: str | bytes
    ) -> None:
        """Note a message."""
        self.messages += 1
        talk = self._connections[connection]
        talk.trace.append(f"{'→' if sender == 'client' else '←'} {masked(text)}")
        del talk.trace[:-_TRACE]
        content: Any = None
        with suppress(msgspec.DecodeError, RecursionError):
            content = msgspec.json.decode(text)
        header = content.get("header") if isinstance(content, dict) else None
        if sender == "client":
            self._exercised |= {"APP-MESSAGE-01", "APP-REFUSED-01"}
            if not isinstance(header, dict) or header.get("type") != "command":
                self._find("APP-MESSAGE-01", f"{masked(text)[:200]}", talk)
            else:
                self._command(talk, header, content)
        elif isinstance(header, dict):
            self._answer(talk, header, content.get("payload") or {})

    def _command(self, talk: _Connection, header: dict[str, Any], content: dict[str, Any]) -> None:
        name, request_id = str(header.get("name")), header.get("requestId")
        if name == "ServicePublisher.GetServices":
            self._discovered = True
        specification = _spoken(name, header)
        self._exercised |= {"APP-NAME-01", "APP-SCHEMA-01", "APP-OFFERED-01", "APP-DATA-01", "APP-ERROR-01"}
        if specification is None:
            self._find("APP-NAME-01", f"{name} is no command of the standard", talk)
        else:
            for problem in problems(specification, content):
                self._find("APP-SCHEMA-01", problem, talk)
        if not isinstance(request_id, int):
            return
        self._exercised |= {"APP-REQUESTID-01", "APP-REQUESTID-02"}
        if request_id in talk.running:
            self._find(
                "APP-REQUESTID-01", f"{name} has the id {request_id} of {talk.running[request_id]}", talk
            )
        if request_id <= talk.last:
            self._find("APP-REQUESTID-02", f"{name} has the id {request_id} after {talk.last}", talk)
        talk.last = max(talk.last, request_id)
        talk.running[request_id] = name

    def _answer(self, talk: _Connection, header: dict[str, Any], payload: dict[str, Any]) -> None:
        said = {**payload, **header}
        name, kind = str(said.get("name")), said.get("type")
        if kind == "acknowledge" and said.get("status") not in (None, "ok"):
            self._find(
                "APP-REFUSED-01", f"{name}: {said['status']}: {said.get('errorDescription', '')}", talk
            )
            talk.running.pop(said.get("requestId", 0), None)
        if kind != "completion":
            return
        talk.running.pop(said.get("requestId", 0), None)
        code = said.get("completionCode")
        told = f"{name}: {code}: {said.get('errorDescription', '')}"
        if code == "unsupportedCommand":
            self._find("APP-OFFERED-01", told, talk)
        elif code in _DATA:
            self._find("APP-DATA-01", told, talk)
        elif code == "sequenceError":
            self._find("APP-ERROR-01", told, talk)
        if name == "Common.Cancel":
            self._exercised.add("APP-CANCEL-01")
            if payload.get("errorCode") == "noMatchingRequestIDs":
                self._find("APP-CANCEL-01", told, talk)

    def _find(self, rule: str, problem: str, talk: _Connection | None = None) -> None:
        found = self._found.setdefault(rule, [])
        if len(found) < _MOST_FOUND:
            found.append((problem, tuple(talk.trace) if talk is not None else ()))

    def report(self, today: date | None = None) -> Report:
        """What the application did right and wrong so far."""
        report = Report(self._uri, versions.NEWEST, "The application", "safe", today or date.today())
        for rule, (title, gravity) in RULES.items():
            case = Case(rule, title, "CWA 17852, the client's side", PROFILE, "safe", _watched)
            found = self._found.get(rule, [])
            result = Result(case, "pass")
            if found:
                seen = "; ".join(dict.fromkeys(problem for problem, _ in found))
                result = replace(result, verdict=gravity, expected="none such", seen=seen, trace=found[0][1])
            elif rule not in self._exercised:
                result = replace(result, verdict="notApplicable", reason="nothing of the kind was done")
            report.results.append(result)
        return report


async def _watched(target: Target) -> None:
    """Nothing is tried: applications are watched."""


def _spoken(name: str, header: dict[str, Any]) -> str | None:
    """The version of the standard in which a command is meant; None if none has it."""
    interface, _, command = name.partition(".")
    having = [
        one
        for one in versions.SPECIFICATIONS
        if command in catalogue(one)["interfaces"].get(interface, {}).get("commands", {})
    ]
    if "version" not in header:
        return OLDEST if OLDEST in having else (having[0] if having else None)
    having = [one for one in having if one != OLDEST] or having
    exact = [
        one
        for one in having
        if catalogue(one)["interfaces"][interface]["commands"][command]["version"] == header["version"]
    ]
    return (exact or having)[-1] if having else None
