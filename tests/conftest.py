"""What all tests share: a running simulated ATM, and the option for the long ones."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, settings

import elsewhere  # before the package is
import exercised_table
import xfs4iot
from dialogue import Dialogue, dialogue
from exercised_session import ExercisedSession
from headings import Headings
from older_clients import OlderClients
from power import Launcher
from secrecy import Suite
from spoken import spoken
from xfs4iot.protocol.adapters import NEWEST
from xfs4iot.simulator import atm as simulated_atm

_exercised = ExercisedSession()
_headings = Headings()
_suite = pytest.StashKey[Suite]()
_took = pytest.StashKey[float]()
"""The seconds of a test that has passed."""
_older = pytest.StashKey[OlderClients]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests that take minutes, too")
    parser.addoption(
        "--exercised",
        metavar="FILE",
        help="write how much of the standard the tests of tests/wire have exercised; - prints it",
    )
    parser.addoption(
        "--older",
        action="store_true",
        help="run tests of tests/wire with clients of older versions only, and print rows for what is new",
    )
    parser.addoption("--pictures", metavar="DIR", help="write the pictures of the console there; docs: anew")


# What a change breaks must depend neither on chance nor on how busy the machine is; `--long` looks
# where nobody has looked before.
settings.register_profile(
    "same every time", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def pytest_configure(config: pytest.Config) -> None:
    # Where the suite runs in the background, interrupts and the hang-up of its terminal are ignored, and
    # every process that a test starts would inherit that: one that is to end by it would run for ever.
    # What is handled, it does not inherit.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda number, frame: None)
    if not config.getoption("--long"):
        # Before tests are imported, whose own settings build on it.
        settings.load_profile("same every time")
    config.stash[_suite] = Suite()
    config.pluginmanager.register(config.stash[_suite])
    _exercised.exercised.listen()
    _headings.listen()
    config.stash[_older] = OlderClients(_exercised.exercised, only=config.getoption("--older"))
    config.pluginmanager.register(config.stash[_older])


def pytest_runtest_setup(item: pytest.Item) -> None:
    _exercised.begins(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Fail what has told a secret, or sent what is not the standard's, or what docs/ do not explain.

    See `secrecy`, `exercised`, `headings`.
    """
    outcome = yield
    report = outcome.get_result()
    found = item.config.stash[_suite].finished(item, call.when or "", report)
    if call.when == "call" and report.passed:
        item.stash[_took] = call.duration
    if call.when != "teardown":
        return
    found += _exercised.ended(item)
    found += [f"no heading of docs/troubleshooting is {text!r}" for text in _headings.missing()]
    if report.passed and not found and _took in item.stash:
        found += item.config.stash[_older].ended(item, item.stash[_took])
    if found and report.passed:
        report.outcome = "failed"
        report.longrepr = "; ".join(found)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _faults(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("--older"):
        terminalreporter.section("rows for older_clients.toml")
        for row in config.stash[_older].rows():
            terminalreporter.write_line(row)
        return
    where = config.getoption("--exercised")
    if where and where != "-":
        Path(where).write_text(exercised_table.table(_exercised.exercised), "utf-8")
    if _exercised.whole or where == "-":
        terminalreporter.section("exercised")
        terminalreporter.write_line(exercised_table.short(_exercised.exercised))
    for fault in _faults(config):
        terminalreporter.write_line(fault, red=True)


def _faults(config: pytest.Config) -> list[str]:
    """What a session that ran all of tests/wire fails for."""
    if not _exercised.whole or config.getoption("--older"):
        return []
    return [*_exercised.faults(), *config.stash[_older].unknown()]


def pytest_deselected(items: Iterable[pytest.Item]) -> None:
    _exercised.deselected(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    _exercised.collected(session.config, session.items)


def pytest_collection_modifyitems(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    for item in items:
        if "posix" in item.keywords and elsewhere.where() == "windows":
            item.add_marker(pytest.mark.skip(reason="is about what Windows does not have"))
        if "long" in item.keywords:
            if not config.getoption("--long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes; run with --long"))
            elif "timeout" not in item.keywords:
                item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(autouse=True)
def speaks(request: pytest.FixtureRequest) -> Iterator[str]:
    """The version that the clients of a test speak which does not say itself; see `older_clients`."""
    spoken.version, spoken.otherwise = getattr(request, "param", NEWEST), False
    yield spoken.version
    spoken.version = NEWEST


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """Starts simulated ATMs whose power can fail."""
    made = Launcher(tmp_path_factory.mktemp("power"))
    yield made
    made.close()


@pytest.fixture
async def atm(nursery: trio.Nursery) -> xfs4iot.Publisher:
    """A simulated ATM on plain text whose devices move at once."""
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return publisher


@pytest.fixture
async def slow_atm(nursery: trio.Nursery) -> xfs4iot.Publisher:
    """A simulated ATM on plain text whose devices take a second for a movement."""
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=1)
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return publisher


@pytest.fixture
async def dispenser(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    """A raw conversation with the simulated cash dispenser."""
    return await nursery.start(dialogue, atm.uri("CashDispenser"))
