"""Whether an application does what the standard says: its messages are watched on their way to a service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from datetime import date
from typing import Any, Literal

import msgspec

from xfs4iot.conformance.application_rules import ENDS, RULES, STEPS, untimely, waits_for_somebody
from xfs4iot.conformance.case import APPLICATION, Case, Result
from xfs4iot.conformance.running import Report
from xfs4iot.conformance.schemas import problems
from xfs4iot.conformance.target import OLDEST, Target, shortened
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import versions
from xfs4iot.protocol.catalogue import catalogue
from xfs4iot.protocol.sensitive import masked
from xfs4iot.recording.moving import moves
from xfs4iot.recording.recorder import ABRUPTLY

__all__ = ["Auditor"]

_MOST_FOUND = 20
"""Findings of one rule that are kept."""
_TRACE = 6
"""Messages of a connection that are shown with a finding."""

_LONGEST = 500
"""Characters of a finding."""
_MANY_CONNECTIONS = 8
"""More of them to one service look as if they were forgotten."""
_AGAIN_AND_AGAIN = 5
"""Times that the same fails in turn."""
_MOST_RUNNING = 10_000
_MOST_IDS = 100_000
"""Commands and request ids of a connection that are remembered."""
_DATA = ("invalidData", "invalidCommand", "invalidRequestID")


@dataclass
class _Running:
    name: str
    payload: Any
    acknowledged: bool = False


@dataclass
class _Connection:
    service: str
    running: dict[int, _Running] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    last: int = 0
    versions: bool = False
    trace: list[str] = field(default_factory=list)


@dataclass
class _Service:
    """What the application knows of a service, by all of its connections.

    Attributes:
        codes: completion code of the last of each command.
        failures: the last command that failed, its payload, and how often it was sent like that in turn.
        connections: how many are open.
        begun: what was begun and not ended, as `ENDS` has it.
    """

    codes: dict[str, str] = field(default_factory=dict)
    failures: tuple[str, Any, int] = ("", None, 0)
    connections: int = 0
    begun: set[str] = field(default_factory=set)


class Auditor:
    """Takes notes of what an application sends, as a recorder does, and judges it.

    Args:
        uri: where the services are.
        offered: versions of each command that a service offers, by service; none are judged of others.

    Attributes:
        messages: how many messages went by.
    """

    def __init__(self, uri: str, offered: Mapping[str, Mapping[str, Sequence[str]]] | None = None) -> None:
        self.messages = 0
        self._uri = uri
        self._offered = offered or {}
        self._connections: dict[int, _Connection] = {}
        self._services: dict[str, _Service] = {}
        self._last = 0
        self._discovered = False
        self._exercised: set[str] = set()
        self._found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def opened(self, service: str) -> int:
        """Note a new connection; its number is returned."""
        self._last += 1
        talk = self._connections[self._last] = _Connection(service)
        known = self._services.setdefault(service, _Service())
        known.connections += 1
        if service:
            self._exercised |= {"APP-DISCOVERY-01", "APP-CONNECTIONS-01"}
            if not self._discovered:
                self._find("APP-DISCOVERY-01", f"{service} was connected to first")
            if known.connections > _MANY_CONNECTIONS:
                self._find("APP-CONNECTIONS-01", f"{known.connections} to {service}", talk)
        return self._last

    def ended(self, connection: int, service: str, why: str) -> None:
        """Note the end of a connection."""
        ended = self._connections.pop(connection)
        known = self._services[service]
        known.connections -= 1
        begun: list[str] = []
        if not known.connections:
            begun = sorted(known.begun)
            known.begun.clear()
        if "client" not in why:
            return
        for name in begun:
            self._find("APP-WAIT-03", f"{name}, and then none of {', '.join(ENDS[name])}", ended)
        self._exercised |= {"APP-WAIT-01", "APP-WAIT-02", "APP-CLOSE-01"}
        if why.endswith(ABRUPTLY):
            self._find("APP-CLOSE-01", f"{service or 'the publisher'}: {why}", ended)
        for one in ended.running.values():
            if waits_for_somebody(one.name):
                self._find("APP-WAIT-02", f"{one.name} was waiting", ended)
            elif moves(one.name):
                self._find("APP-WAIT-01", f"{one.name} was running", ended)

    def asked(self, connection: int, answered: bool) -> None:
        """Note whether a client has answered a ping in time."""
        self._exercised.add("APP-READ-01")
        talk = self._connections.get(connection)
        if not answered and talk is not None:
            self._find("APP-READ-01", f"{talk.service or 'the publisher'}: a ping was not answered", talk)

    def message(
        self, connection: int, service: str, sender: Literal["client", "service"], text: str | bytes
    ) -> None:
        """Note a message."""
        self.messages += 1
        talk = self._connections[connection]
        shown = masked(text)
        talk.trace.append(f"{'→' if sender == 'client' else '←'} {shortened(shown)}")
        del talk.trace[:-_TRACE]
        content: Any = None
        with suppress(msgspec.DecodeError, RecursionError, UnicodeError):
            content = msgspec.json.decode(text)
        header = content.get("header") if isinstance(content, dict) else None
        if sender == "client":
            self._exercised |= {"APP-MESSAGE-01", "APP-REFUSED-01", "APP-HEADER-01"}
            if not isinstance(header, dict) or header.get("type", "command") != "command":
                self._find("APP-MESSAGE-01", f"{shown[:200]}: {_no_command(text)}", talk)
            else:
                self._command(talk, header, content)
        elif isinstance(header, dict):
            payload = content.get("payload")
            self._answer(talk, header, payload if isinstance(payload, dict) else {})

    def _command(self, talk: _Connection, header: dict[str, Any], content: dict[str, Any]) -> None:
        name, request_id = str(header.get("name")), header.get("requestId")
        if name == "ServicePublisher.GetServices":
            self._discovered = True
        specification = _spoken(name, header)
        self._exercised |= {"APP-NAME-01", "APP-SCHEMA-01", "APP-OFFERED-01", "APP-DATA-01", "APP-ERROR-01"}
        missing = [one for one in ("type", "name", "requestId") if header.get(one) is None]
        if talk.versions and "version" not in header:
            missing.append("version")
        talk.versions |= "version" in header
        if missing:
            self._find("APP-HEADER-01", f"{name} without {', '.join(missing)}", talk)
        if specification is None:
            self._find("APP-NAME-01", f"{name} is no command of the standard", talk)
        elif "type" in header:
            for problem in problems(specification, content):
                # Which versions may be sent the service says, and not one specification.
                if "header.version is" not in problem or name not in self._offered.get(talk.service, {}):
                    self._find("APP-SCHEMA-01", problem, talk)
        self._version(talk, name, header.get("version"))
        if not isinstance(request_id, int):
            return
        self._identified(talk, name, request_id)
        self._ordered(talk, name)
        payload = content.get("payload")
        timeout = header.get("timeout") or (payload.get("timeout") if isinstance(payload, dict) else None)
        if waits_for_somebody(name):
            self._exercised.add("APP-TIMEOUT-01")
            if not timeout:
                self._find("APP-TIMEOUT-01", f"{name} has none", talk)
        if len(talk.running) < _MOST_RUNNING:
            talk.running[request_id] = _Running(name, payload)

    def _version(self, talk: _Connection, name: str, version: Any) -> None:
        offered = self._offered.get(talk.service, {}).get(name)
        if offered and version is not None:
            self._exercised.add("APP-VERSION-01")
            if str(version).partition(".")[0] not in {one.partition(".")[0] for one in offered}:
                self._find(
                    "APP-VERSION-01", f"{name} {str(version)[:20]}; offered are {', '.join(offered)}", talk
                )

    def _identified(self, talk: _Connection, name: str, request_id: int) -> None:
        self._exercised |= {"APP-REQUESTID-01", "APP-REQUESTID-02", "APP-REQUESTID-03"}
        if request_id in talk.running:
            self._find(
                "APP-REQUESTID-01", f"{name} has the id {request_id} of {talk.running[request_id].name}", talk
            )
        if request_id in talk.used:
            self._find("APP-REQUESTID-03", f"{name} has the id {request_id} again", talk)
        elif request_id <= talk.last:
            self._find("APP-REQUESTID-02", f"{name} has the id {request_id} after {talk.last}", talk)
        talk.last = max(talk.last, request_id)
        if len(talk.used) < _MOST_IDS:
            talk.used.add(request_id)

    def _ordered(self, talk: _Connection, name: str) -> None:
        if moves(name):
            self._exercised.add("APP-ORDER-01")
            for one in talk.running.values():
                if not one.acknowledged and moves(one.name):
                    self._find("APP-ORDER-01", f"{name} before {one.name} was acknowledged", talk)
        if (needed := STEPS.get(name)) is None:
            return
        self._exercised |= {"APP-ORDER-02", "APP-CODE-01"}
        if any(one.name == needed for one in talk.running.values()):
            self._find("APP-ORDER-02", f"{name} before {needed} was completed", talk)
        elif (code := self._services[talk.service].codes.get(needed, "success")) != "success":
            self._find("APP-CODE-01", f"{name} after {needed} was completed {code}", talk)

    def _answer(self, talk: _Connection, header: dict[str, Any], payload: dict[str, Any]) -> None:
        said = {**payload, **header}
        name, kind = str(said.get("name")), said.get("type")
        # A message without a usable one is refused, too.
        given = said.get("requestId")
        request_id = given if isinstance(given, int) else 0
        running = talk.running.get(request_id)
        if kind == "acknowledge" and said.get("status") not in (None, "ok"):
            asked = "what is no command" if name in ("", "None") else name
            self._find("APP-REFUSED-01", _told(asked, said["status"], said.get("errorDescription")), talk)
            # A repeated id is refused, and the first command that has it goes on.
            if running is not None and not running.acknowledged:
                talk.running.pop(request_id)
        elif kind == "acknowledge" and running is not None:
            running.acknowledged = True
        if kind == "completion":
            talk.running.pop(request_id, None)
            self._completed(talk, name, said, running)

    def _completed(self, talk: _Connection, name: str, said: dict[str, Any], asked: _Running | None) -> None:
        code = str(said.get("completionCode") or "success")
        told = _told(name, code, said.get("errorCode"), said.get("errorDescription"))
        service = self._services[talk.service]
        if asked is not None and asked.name == name:
            service.codes[name] = code
            again = (name, asked.payload) == service.failures[:2]
            times = service.failures[2] + 1 if again else 1
            self._begun(service, name, code)
            if code != "success":
                self._exercised.add("APP-CODE-02")
                service.failures = (name, asked.payload, times)
                if times >= _AGAIN_AND_AGAIN:
                    self._find("APP-CODE-02", f"{told}, {times} times in turn", talk)
            elif moves(name) or again:
                service.failures = ("", None, 0)
        if code == "unsupportedCommand":
            self._find("APP-OFFERED-01", told, talk)
        elif code in _DATA:
            self._find("APP-DATA-01", told, talk)
        elif untimely(name, code, said.get("errorCode")):
            self._find("APP-ERROR-01", told, talk)
        if name == "Common.Cancel":
            self._exercised.add("APP-CANCEL-01")
            if said.get("errorCode") == "noMatchingRequestIDs":
                self._find("APP-CANCEL-01", told, talk)

    def _begun(self, service: _Service, name: str, code: str) -> None:
        """Note what a command begins or ends."""
        if code != "success":
            return
        service.begun -= {one for one in service.begun if name in ENDS[one]}
        if name in ENDS:
            self._exercised.add("APP-WAIT-03")
            service.begun.add(name)

    def _find(self, rule: str, problem: str, talk: _Connection | None = None) -> None:
        found = self._found.setdefault(rule, [])
        if len(found) < _MOST_FOUND:
            found.append((problem[:_LONGEST], tuple(talk.trace) if talk is not None else ()))

    def report(self, today: date | None = None) -> Report:
        """What the application did right and wrong so far."""
        report = Report(self._uri, versions.NEWEST, "The application", None, today or date.today())
        for rule, (title, gravity, remedy) in RULES.items():
            case = Case(rule, title, "CWA 17852, the client's side", APPLICATION, "safe", _watched)
            found = self._found.get(rule, [])
            result = Result(case, "pass")
            if found:
                seen = "; ".join(dict.fromkeys(problem for problem, _ in found))
                result = replace(
                    result, verdict=gravity, expected="none such", seen=seen, reason=remedy, trace=found[0][1]
                )
            elif rule not in self._exercised:
                result = replace(result, verdict="notApplicable", reason="nothing of the kind was done")
            report.results.append(result)
        return report


def _told(*parts: Any) -> str:
    """What was said of a command: what there is of name, code and description."""
    return ": ".join(str(part) for part in parts if part)


def _no_command(text: str | bytes) -> str:
    """Why a message is no command; nothing of what is in it."""
    try:
        content = msgspec.json.decode(text)
    except RecursionError:
        return "nested too deep"
    except UnicodeError:
        return "not UTF-8"
    except msgspec.DecodeError as wrong:
        return str(wrong)
    if not isinstance(content, dict):
        return "no JSON object"
    if "header" not in content:
        return "it has no header"
    if not isinstance(content["header"], dict):
        return "its header is no object"
    return "its type is not command"


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
