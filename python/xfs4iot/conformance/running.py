"""Which cases are tried with a service, in which order, and what comes of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, replace
from datetime import date
from importlib import import_module
from typing import Any

import trio

from xfs4iot import client
from xfs4iot.close_matches import close_matches
from xfs4iot.conformance.case import APPLICATION, LEVELS, Case, Level, Result, Verdict, written
from xfs4iot.conformance.cases import WRITTEN
from xfs4iot.conformance.cases.derived import derived, unsupported
from xfs4iot.conformance.choosing import EVERY, SCHEMA, SCHEMA_IDS, Choice
from xfs4iot.conformance.outcome import Advises, Deviates, NotApplicable, Unattended
from xfs4iot.conformance.target import Target
from xfs4iot.conformance.waivers import Waiver, WaiverError
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol.catalogue import catalogue

__all__ = ["Report", "cases_of", "run"]

EVERYWHERE = ("WebSocket", "Envelope", "Common")
"""Profiles that every service has."""
_MOST_NOTICED = 2_000
"""Deviations from schemas that are kept."""


@dataclass
class Report:
    """What came of a run.

    Attributes:
        uri: the service's.
        specification: the version of the standard that was spoken.
        service: what it says of itself, by Common.Capabilities.
        level: how far the run went; None for an application, which is only watched.
        results: of every case, in the order in which they were tried.
        when: the day.
        options: words of the command line by which the service was reached, such as `--ca bank.pem`.
        interrupted: whether somebody ended the run before all had been tried.
    """

    uri: str
    specification: str
    service: str
    level: Level | None
    when: date
    results: list[Result] = field(default_factory=list)
    options: Sequence[str] = ()
    interrupted: bool = False

    def counts(self, profile: str | None = None) -> Counter[Verdict]:
        """How many cases came out in which way, of one profile or all."""
        return Counter(
            one.verdict for one in self.results if profile is None or one.case.interface == profile
        )

    @property
    def profiles(self) -> dict[str, Verdict]:
        """Verdict of each profile: `fail` if a case fails, `skipped` if not all were tried, `waived` if
        somebody answers for one."""
        found: dict[str, Verdict] = {}
        for profile in dict.fromkeys(one.case.interface for one in self.results):
            counts = self.counts(profile)
            found[profile] = next(
                (one for one in ("error", "fail", "skipped", "waived", "warn") if counts[one]), "pass"
            )
        return found

    @property
    def tried(self) -> bool:
        """Whether anything was: a run in which all was skipped says nothing of the service, nor does one in
        which no application came."""
        return any(
            one.verdict != "skipped"
            and one.case.interface != SCHEMA
            and (one.verdict, one.case.interface) != ("notApplicable", APPLICATION)
            for one in self.results
        )

    @property
    def conforms(self) -> bool:
        """Whether something was tried to the end, and nothing failed."""
        return self.tried and not self.interrupted and not self.failed

    @property
    def failed(self) -> bool:
        """Whether something was found wrong, or could not be tried."""
        return bool(self.counts()["fail"] or self.counts()["error"])

    @property
    def outcome(self) -> tuple[Verdict, str]:
        """The verdict of it all, and in words what the service does."""
        if self.failed:
            return "fail", "does not conform"
        if self.conforms:
            return "pass", "conforms"
        return "skipped", f"was not tried{' to the end' if self.tried else ''}, and cannot be said to conform"

    def plain(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "uri": self.uri,
            "specification": self.specification,
            "service": self.service,
            "level": self.level,
            "when": self.when.isoformat(),
            "conforms": self.conforms,
            "profiles": self.profiles,
            "counts": dict(self.counts()),
            "cases": [one.plain() for one in self.results],
        }


def cases_of(target: Target) -> Iterator[Case]:
    """The cases that say something about a service, by what it says it offers."""
    for module in WRITTEN:
        import_module(f"xfs4iot.conformance.cases.{module}")
    profiles = [*EVERYWHERE, *(one for one in target.interfaces if one not in EVERYWHERE)]
    if target.publisher is not None:
        profiles.append("ServicePublisher")
    yield from written(profiles)
    known = catalogue(target.specification)["interfaces"]
    for interface in dict.fromkeys(("Common", *target.interfaces)):
        if interface == "ServicePublisher" or interface not in known:
            continue
        for command, told in known[interface]["commands"].items():
            if told.get("registered") is False:
                continue
            if f"{interface}.{command}" in target.commands:
                yield from derived(target.specification, interface, command)
            else:
                yield unsupported(target.specification, interface, command)


async def run(
    target: Target,
    *,
    level: Level = "safe",
    choice: Choice = EVERY,
    waivers: Sequence[Waiver] = (),
    today: date | None = None,
    chosen: Callable[[Sequence[Case]], None] = lambda cases: None,
    progress: Callable[[Result], None] = lambda result: None,
) -> Report:
    """Try a service.

    What has not been tried when the service is lost, or when a KeyboardInterrupt comes, is skipped.

    Args:
        target: it.
        level: how far to go.
        choice: which cases are meant.
        waivers: deviations that are answered for.
        today: the day on which waivers are judged.
        chosen: called with the cases before the first is tried.
        progress: called with each result.

    Raises:
        Disconnected: the service cannot be reached.
        Deviates: it does not say what it offers.
        NothingChosen: it has no case that is meant.
        WaiverError: no service has a case that a waiver is for.
    """
    today = today or date.today()
    wrong: dict[tuple[str, str], tuple[str, ...]] = {}

    def noticed(name: str, problem: str) -> None:
        if len(wrong) < _MOST_NOTICED:
            wrong.setdefault((name, problem), tuple(target.trace[-4:]))

    target.noticed = noticed
    target.trace.clear()
    await target.find_out()
    report = Report(target.uri, target.specification, _service(target), level, today)
    every = list(cases_of(target))
    _check_waivers(waivers, [one.id for one in every], target.specification)
    cases = choice.of(every)
    chosen([one for one in cases if LEVELS.index(one.level) <= LEVELS.index(level)])
    ended = ""
    for one in sorted(cases, key=lambda case: LEVELS.index(case.level)):
        result = Result(one, "skipped", reason=ended)
        if not ended:
            try:
                result = await _tried(one, target, level)
                if result.verdict == "fail" and not await target.answers():
                    ended = f"the service has not answered since {one.id}; see to it, and begin again"
            except BaseException as problem:
                if not _interrupts(problem):
                    raise
                report.interrupted = True
                ended = f"interrupted at {one.id}"
                result = Result(one, "skipped", reason=ended)
        result = _waived(result, waivers, today)
        report.results.append(result)
        progress(result)
    if choice.of_schemas:
        told = {waiver.message for waiver in waivers} & target.checked
        for result in _schemas(wrong, told, choice):
            result = _waived(result, waivers, today)
            report.results.append(result)
            progress(result)
    return report


def _interrupts(problem: BaseException) -> bool:
    """Whether a user has had enough; nurseries make groups of it."""
    if isinstance(problem, BaseExceptionGroup):
        return problem.subgroup(KeyboardInterrupt) is not None
    return isinstance(problem, KeyboardInterrupt)


def _check_waivers(waivers: Sequence[Waiver], ids: Sequence[str], specification: str) -> None:
    """See that each waiver is for something: one with a slip in its id would never be missed.

    One file may serve all services of an ATM, so each need be for a case of any service only.

    Raises:
        WaiverError: it is for no case at all.
    """
    interfaces = catalogue(specification)["interfaces"]
    idle = [
        one
        for one in waivers
        if not any(map(one.covers, ids))
        # Which messages a service sends shows only at the end.
        and not (one.covers_schema and (one.is_pattern or one.message.partition(".")[0] in interfaces))
    ]
    if not idle:
        return
    others = [one.id for one in _of_any_service(specification)]
    for waiver in idle:
        if not any(map(waiver.covers, others)):
            near = close_matches(waiver.case, (*ids, *others), 1, 0.75)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise WaiverError(
                f"waiver {waiver.case[:80]!r} is for no case of any service in {specification}{hint}; "
                "`xfs4iot conform URI --list` shows the cases of one"
            )


def _of_any_service(specification: str) -> Iterator[Case]:
    yield from written()
    for interface, content in catalogue(specification)["interfaces"].items():
        if interface != "ServicePublisher":
            for command in content["commands"]:
                yield from derived(specification, interface, command)
                yield unsupported(specification, interface, command)


async def _tried(case: Case, target: Target, level: Level) -> Result:
    if LEVELS.index(case.level) > LEVELS.index(level):
        return Result(case, "skipped", reason=f"say --level {case.level} to try it")
    if case.command and case.command not in target.commands:
        return Result(case, "notApplicable", reason=f"Common.Capabilities does not list {case.command}")
    limit = target.patience * 6
    if case.attended:
        if target.person is None:
            reason = f"somebody must stand before the device ({case.attended}): say --attended"
            return Result(case, "skipped", reason=reason)
        if reason := await target.person.ready(case.id, case.title):
            return Result(case, "skipped", reason=reason)
        limit += target.person.seconds * 6
    target.trace.clear()
    began = time.perf_counter()
    result = Result(case, "pass")
    try:
        with trio.fail_after(limit):
            await case.run(target)
    except Exception as problem:
        result = _ended(result, problem)
    return replace(result, trace=tuple(target.trace), seconds=time.perf_counter() - began)


def _ended(result: Result, problem: Exception) -> Result:
    """What a case has found that was ended by this."""
    # A case that does several things at once gives what the first has found in a group.
    while isinstance(problem, ExceptionGroup):
        problem = problem.exceptions[0]
    if isinstance(problem, Advises):
        return replace(result, verdict="warn", expected=problem.expected, seen=problem.seen)
    if isinstance(problem, Deviates):
        return replace(result, verdict="fail", expected=problem.expected, seen=problem.seen)
    if isinstance(problem, NotApplicable):
        return replace(result, verdict="notApplicable", reason=str(problem))
    if isinstance(problem, Unattended):
        return replace(result, verdict="skipped", reason=str(problem))
    if isinstance(problem, client.Disconnected | trio.TooSlowError | OSError):
        return replace(result, verdict="fail", expected="an answer", seen=str(problem) or "none in time")
    return replace(result, verdict="error", reason=f"the case itself failed: {problem!r}")


def _schemas(
    wrong: dict[tuple[str, str], tuple[str, ...]], waived: set[str], choice: Choice
) -> Iterator[Result]:
    """A case for each message that was meant and not what its schema says, and one if none was.

    Messages that came and have a waiver have a case, too: if all were good, the waiver must go.
    """

    async def nothing(target: Target) -> None:
        """It has been tried already, by all the others."""

    cites = "the schemas of CWA 17852"

    def about(name: str, title: str) -> Case:
        return Case(f"{SCHEMA_IDS}{name}P", title, cites, SCHEMA, "safe", nothing)

    meant = {
        name: about(f"{name}-", f"{name} is what its schema says")
        for name in sorted({one for one, _ in wrong})
    }
    meant = {name: case for name, case in meant.items() if choice.means(case)}
    if not meant:
        # Also if others were wrong than those that were asked for, which is another question.
        yield Result(about("", "Every message that the service sent is what its schema says"), "pass")
    for name in sorted(waived - set(meant)):
        yield Result(about(f"{name}-", f"{name} is what its schema says"), "pass")
    for name, case in meant.items():
        found = [problem for other, problem in wrong if other == name]
        # Unknown properties are to be ignored: a newer version may have them.
        verdict: Verdict = "warn" if all(one.endswith("is unknown") for one in found) else "fail"
        told = "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
        trace = wrong[name, found[0]]
        yield Result(case, verdict, expected="what the schema says", seen=told, trace=trace)


def _waived(result: Result, waivers: Sequence[Waiver], today: date) -> Result:
    waiver = next((one for one in waivers if one.covers(result.case.id)), None)
    if waiver is None or result.verdict in ("skipped", "notApplicable"):
        return result
    told = f"{waiver.reason} ({waiver.owner}, until {waiver.until})"
    if result.verdict == "pass":
        # A pattern covers many cases, and may well cover some that pass.
        if waiver.is_pattern:
            return result
        return replace(
            result, verdict="fail", expected="no waiver for a case that passes", seen=f"a waiver: {told}"
        )
    if waiver.until < today:
        # Of a warning as well: somebody promised that it would be gone by now.
        return replace(
            result,
            verdict="fail" if result.verdict == "warn" else result.verdict,
            reason=f"its waiver has expired and no longer counts: {told}; mend it, or ask its owner",
        )
    return replace(result, verdict="waived", reason=told)


def _service(target: Target) -> str:
    # Of any kind: what is wrong with it, cases say.
    common = target.capabilities.get("common")
    information = common.get("deviceInformation") if isinstance(common, dict) else None
    first = information[0] if isinstance(information, list) and information else None
    told = first if isinstance(first, dict) else {}
    words = [str(told.get(name) or "")[:80] for name in ("modelName", "serialNumber", "revisionNumber")]
    return " ".join(word for word in words if word) or ", ".join(target.interfaces)
