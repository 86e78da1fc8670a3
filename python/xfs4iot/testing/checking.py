"""The check: a device class is served as `serve` would, and everything it offers is driven through the wire.

First once without faults, by the plans of its interfaces (`testing.plans`). Then, for every operation that
a command asks for, once with each fault (`testing.faults`): each time with a new device, a new service and
a new ledger, up to the command that is struck. A power cut is what a ledger looks like that is copied while
the operation runs: a service must start with the copy and settle what was open.

Where a plan does not say how a command may end, nothing is assumed about what the hardware does: an error
code of the command is a good answer. What counts as wrong: outcomes that a plan does not name, answers that
the catalogue does not know, `internalError`, `hardwareError` from a device that nothing was done to, commands
without a completion, a service that does not answer meanwhile, and books that do not add up.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from xfs4iot.assembly import Publisher, Service
from xfs4iot.devices import Device
from xfs4iot.devices._mistakes import mistakes
from xfs4iot.interfaces import MODULES
from xfs4iot.ledger import Ledger, LedgerCorrupt, LedgerReader
from xfs4iot.protocol import registry
from xfs4iot.protocol.index import COMMANDS
from xfs4iot.server.handler import Interface
from xfs4iot.testing import plans
from xfs4iot.testing.conversation import Conversation, NoAnswer, converse, outcome
from xfs4iot.testing.faults import FAULTS, LINE_FAULTS, Struck, struck, struck_line
from xfs4iot.testing.report import Finding, Report

__all__ = ["check_device"]

_NEVER_GOOD = ("internalError", "unsupportedCommand", "invalidMessage", "invalidCommand")
_ONLY_WITH_FAULTS = ("hardwareError", "deviceNotReady", "timeOut", "canceled")
# The command's timeout in ms, and the seconds its operation is held: well beyond it.
_SLOW_MS, _BEYOND = 100, 0.3
_SERVICE = "Device"


class _Bench:
    """One device in one service with one ledger."""

    def __init__(self, service: Service, talk: Conversation) -> None:
        self.service = service
        self.talk = talk

    async def values(self) -> dict[str, Any]:
        """What the placeholders of the plans stand for."""
        if "Storage.GetStorage" not in self.service.handlers:
            return {}
        found = await self.talk.ask("Storage.GetStorage")
        values: dict[str, Any] = {}
        for name, unit in ((found.get("payload") or {}).get("storage") or {}).items():
            configuration = (unit.get("cash") or {}).get("configuration") or {}
            types = configuration.get("types") or {}
            if unit.get("status") != "ok" or not types:
                continue
            if items := configuration.get("cashItems"):
                values.setdefault("item", items[0])
            if types.get("replenishment"):
                values.setdefault("refill", name)
            if types.get("cashOut") and configuration.get("value") and configuration.get("currency"):
                values.setdefault("currency", configuration["currency"])
                values.setdefault("amount", configuration["value"])
                values.setdefault("unit", name)
            if types.get("cashIn"):
                values.setdefault("acceptingUnit", name)
        return values


class _Told(logging.Handler):
    """Keeps what services log as errors.

    Attributes:
        errors: since it was last emptied.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first line of a record."""
        self.errors.append(record.getMessage().partition("\n")[0])


class _Check:
    def __init__(
        self,
        kind: type[Device],
        options: Mapping[str, Any],
        stand_in: Callable[[Device], object] | None,
        faults: tuple[str, ...],
        patience: float,
        progress: Callable[[str], None],
        line: str | None,
        jam: Callable[[str], Exception],
    ) -> None:
        self.kind = kind
        self.line = line
        self.jam = jam
        self.options = options
        self.stand_in = stand_in
        self.faults = faults
        self.patience = patience
        self.progress = progress
        self.report = Report(kind.__name__)
        self.operations: dict[str, str] = {}
        self.plan: list[plans.Step] = []
        self.told = _Told()

    async def run(self, directory: Path) -> Report:
        """Everything, one after the other."""
        ledger = directory / "ledger.sqlite"
        try:
            async with self._bench(self.kind, ledger) as bench:
                self._look(bench.service)
                await self._drive(bench)
        except Exception as wrong:
            self._found("service", problem=f"the device cannot be served: {_first(wrong)!r}")
            return self.report
        self._verify(ledger, "")
        driven = {step.command for step in self.plan}
        for command, operation in self.operations.items():
            for fault in self.faults if command in driven else ():
                self.progress(f"{command}, {fault}")
                await self._strike(command, operation, fault, directory)
        return self.report

    @asynccontextmanager
    async def _bench(
        self, kind: type[Device], ledger: Path, strike: Struck | None = None
    ) -> AsyncIterator[_Bench]:
        device = kind(_SERVICE, dict(self.options))
        device.name = _SERVICE
        if self.stand_in is not None:
            self.stand_in(device)
        if self.line is not None and strike is not None and strike.fault in LINE_FAULTS:
            struck_line(device, self.line, strike)
        book = Ledger.open(ledger)
        try:
            service = Service(device, ledger=book, operation_limit=self.patience, open_limit=self.patience)
            publisher = Publisher([service], port=0)
            async with trio.open_nursery() as nursery:
                await nursery.start(publisher.serve)
                async with converse(publisher.uri(_SERVICE), self.patience) as talk:
                    yield _Bench(service, talk)
                nursery.cancel_scope.cancel()
        finally:
            book.close()

    def _look(self, service: Service) -> None:
        """What the device offers, what not, and what its class probably got wrong."""
        device = service.device
        assert device is not None
        report = self.report
        report.interfaces = list(service.interfaces)
        report.offered = sorted(name for name in service.handlers if name in COMMANDS)
        for interface in service.interfaces.values():
            assert isinstance(interface, Interface)
            for mark in interface.handled():
                operation = mark.operation(type(device))
                if mark.command in service.handlers:
                    if operation is not None and mark.waits:
                        self.operations.setdefault(mark.command, operation)
                elif operation is not None:
                    report.missing[mark.command] = f"{self.kind.__name__} does not override {operation}"
                else:
                    report.missing[mark.command] = "its capabilities or configuration exclude it"
        for mistake in mistakes(device, opened=True):
            self._found("class", problem=mistake)
        if self.line is not None and not hasattr(device, self.line):
            name = f"{self.kind.__name__} has no attribute {self.line!r} after __init__"
            self._found("line", problem=f"{name}: name the one that is the line to the hardware")
            self.faults = tuple(fault for fault in self.faults if fault not in LINE_FAULTS)
        state = device.status.common.device
        # What was logged at the start is wrong also where the device is served all the same, by defaults.
        errors = list(self.told.errors)
        said = [] if state == "online" else errors[:1]
        for error in errors[len(said) :]:
            self._found("class", problem=error)
        self._found(
            "open",
            outcome=str(state),
            problem="" if state == "online" else ": ".join([f"after open() the device is {state}", *said]),
        )
        for name in report.interfaces:
            module = MODULES[name].rpartition(".")[2]
            steps = plans.steps(module)
            if steps is None:
                steps = [
                    plans.Step(command)
                    for command in report.offered
                    if command.startswith(f"{name}.") and registry.command(command).request is None
                ]
            self.plan += steps

    async def _drive(self, bench: _Bench) -> None:
        """The whole plan, without faults."""
        values = await bench.values()
        for step in self.plan:
            if step.command not in bench.service.handlers:
                continue
            self.progress(step.command)
            began = trio.current_time()
            try:
                payload = plans.filled(step.payload, values)
            except plans.Unfilled as lacking:
                self._found(step.command, skipped=f"no unit gives a {lacking} to ask for")
                continue
            # What came between commands is not to be blamed on this one.
            bench.talk.problems.clear()
            self.told.errors.clear()
            try:
                ended = outcome(await bench.talk.ask(step.command, payload, step.timeout))
            except NoAnswer as silent:
                self._found(step.command, problem=str(silent), seconds=trio.current_time() - began)
                continue
            problems = list(bench.talk.problems)
            if ended in _NEVER_GOOD or (ended in _ONLY_WITH_FAULTS and ended not in step.ends):
                problems.append(": ".join([f"it ended with {ended}", *self.told.errors[:1]]))
            elif not step.allows(ended):
                problems.append(f"it ended with {ended}; its plan allows {', '.join(step.good)}")
            self._found(
                step.command,
                outcome=ended,
                problem="; ".join(problems),
                seconds=trio.current_time() - began,
            )
        driven = {step.command for step in self.plan}
        for command in bench.service.handlers:
            if command in COMMANDS and command not in driven:
                self._found(command, skipped="no plan says with what payload")

    async def _strike(self, command: str, operation: str, fault: str, directory: Path) -> None:
        """One operation with one fault."""
        began = trio.current_time()
        ledger = directory / f"{command}.{fault}.sqlite".replace(" ", "-")
        strike = Struck(fault, self.jam)
        kind = self.kind if fault in LINE_FAULTS else struck(self.kind, operation, strike)
        problems: list[str] = []
        ended = ""
        try:
            async with self._bench(kind, ledger, strike) as bench:
                values = await bench.values()
                for step in self.plan:
                    if step.command not in bench.service.handlers:
                        continue
                    with suppress(plans.Unfilled):
                        payload = plans.filled(step.payload, values)
                        # The steps before bring the device into the state that the command needs.
                        if step.command != command:
                            await bench.talk.ask(step.command, payload, step.timeout)
                            continue
                        bench.talk.problems.clear()
                        # Not earlier: other commands may call the same operation.
                        strike.armed = True
                        ended = await self._struck_command(bench, step, payload, strike, ledger, problems)
                        strike.armed = False
                        # If not, a later step may get there with another payload.
                        if strike.reached.is_set():
                            break
                problems += bench.talk.problems
        except Exception as wrong:
            problems.append(f"the service failed: {_first(wrong)!r}")
        if not strike.reached.is_set() and not problems:
            self._found(
                command,
                fault,
                skipped=f"{operation} asks nothing of the hardware"
                if fault in LINE_FAULTS and ended == "success"
                else f"the plan does not get to {operation}: it ended with {ended}",
            )
            return
        problems += self._ledger_problems(ledger)
        if fault == "power cut" and strike.reached.is_set():
            problems += await self._starts_again(ledger.with_suffix(".copy"))
        self._found(command, fault, ended, "; ".join(problems), trio.current_time() - began)

    async def _struck_command(
        self,
        bench: _Bench,
        step: plans.Step,
        payload: Any,
        strike: Struck,
        ledger: Path,
        problems: list[str],
    ) -> str:
        """Send the command, do to it what the fault says, and see it end."""
        talk = bench.talk
        number = await talk.send(step.command, payload, _SLOW_MS if strike.fault == "slow" else step.timeout)
        completed: list[str] = []

        async def see() -> None:
            completed.append(outcome(await talk.completion(number)))
            # If the command never calls the operation, `disturb` would wait for it for ever.
            nursery.cancel_scope.cancel()

        async def disturb() -> None:
            await strike.reached.wait()
            if strike.fault == "slow":
                await trio.sleep(_BEYOND)
            elif strike.fault == "cancelled":
                await talk.ask("Common.Cancel", {"requestIDs": [number]})
            elif strike.fault == "power cut":
                _copy(ledger, ledger.with_suffix(".copy"))
            # Before the release: a command that is held must not hold up another.
            over = strike.fault in ("raising", *LINE_FAULTS)
            if not over and outcome(await talk.ask("Common.Status")) != "success":
                problems.append("Common.Status was not answered meanwhile")
            strike.release.set()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(see)
                nursery.start_soon(disturb)
        except* NoAnswer as silent:
            problems.append(str(_first(silent)))
        # Also when `disturb` was cancelled: the operation must not be held any longer.
        strike.release.set()
        ended = completed[0] if completed else ""
        if strike.fault == "raising" and strike.reached.is_set() and ended != "hardwareError":
            problems.append(f"it ended with {ended or 'nothing'} instead of hardwareError")
        elif ended in _NEVER_GOOD:
            problems.append(f"it ended with {ended}; see the log")
        elif strike.fault == "jam" and strike.reached.is_set() and ended == "success" and not strike.again:
            problems.append("it ended with success, though the hardware had failed and was not asked again")
        if outcome(await talk.ask("Common.Status")) != "success":
            problems.append("Common.Status is not answered afterwards")
        return ended

    async def _starts_again(self, ledger: Path) -> list[str]:
        """What is wrong with a service that starts with what the power cut has left."""
        try:
            async with self._bench(self.kind, ledger) as bench:
                if outcome(await bench.talk.ask("Common.Status")) != "success":
                    return ["after the power cut Common.Status is not answered"]
                problems = list(bench.talk.problems)
                if bench.service.ledger.open_intents():
                    problems.append("after the power cut a movement stays open; see the log")
        except Exception as wrong:
            return [f"after the power cut the service does not start: {_first(wrong)!r}"]
        return problems + self._ledger_problems(ledger)

    def _verify(self, ledger: Path, fault: str) -> None:
        self._found("ledger", fault, problem="; ".join(self._ledger_problems(ledger)))

    @staticmethod
    def _ledger_problems(ledger: Path) -> list[str]:
        try:
            with LedgerReader.open(ledger) as reader:
                return [f"ledger: {problem}" for problem in reader.verify().problems]
        except LedgerCorrupt as damaged:
            return [f"ledger: {damaged}"]

    def _found(
        self,
        subject: str,
        fault: str = "",
        outcome: str = "",
        problem: str = "",
        seconds: float = 0.0,
        skipped: str = "",
    ) -> None:
        self.report.findings.append(Finding(subject, fault, outcome, problem, seconds, skipped))


def _copy(ledger: Path, target: Path) -> None:
    """The files of a ledger as they are at this moment."""
    # Not `-shm`: SQLite makes that index of the WAL anew.
    for suffix in ("", "-wal"):
        source = ledger.with_name(ledger.name + suffix)
        if source.exists():
            shutil.copyfile(source, target.with_name(target.name + suffix))


def _first(fault: BaseException) -> BaseException:
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return fault


async def check_device(
    kind: type[Device],
    options: Mapping[str, Any] | None = None,
    *,
    stand_in: Callable[[Device], object] | None = None,
    faults: tuple[str, ...] = tuple(FAULTS),
    patience: float = 30.0,
    progress: Callable[[str], None] = lambda what: None,
    line: str | None = None,
    jam: Callable[[str], Exception] = OSError,
) -> Report:
    """Check a device class as a whole.

    Args:
        kind: the class; objects of it are made often, one after the other.
        options: handed to each.
        stand_in: called with each object before it is opened, to put something in the place of its hardware.
        faults: names of `FAULTS` that are tried at each operation.
        patience: seconds that a command may take.
        progress: told what comes next.
        line: attribute of the device that is its line to the hardware: an object whose coroutines are all
            that the device asks of it. With it, `LINE_FAULTS` are tried as well.
        jam: makes what the line raises when the hardware fails, from a text.

    Raises:
        ValueError: there is no such fault.
    """
    known = (*FAULTS, *LINE_FAULTS)
    if unknown := [name for name in faults if name not in known]:
        raise ValueError(f"there is no fault {unknown[0]!r}; faults are {', '.join(known)}")
    if line is not None and faults == tuple(FAULTS):
        faults = known
    if line is None and (lineless := [name for name in faults if name in LINE_FAULTS]):
        raise ValueError(f"{lineless[0]!r} needs `line`, the attribute that is the line to the hardware")
    with tempfile.TemporaryDirectory(prefix="xfs4iot-check-") as directory:
        check = _Check(kind, options or {}, stand_in, faults, patience, progress, line, jam)
        services = logging.getLogger("xfs4iot")
        services.addHandler(check.told)
        try:
            return await check.run(Path(directory))
        finally:
            services.removeHandler(check.told)
