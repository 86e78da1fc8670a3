"""A browser, and ATMs that run beside it: the browser's own loop cannot share a thread with trio's."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from xfs4iot.console import Console
from xfs4iot.server.access import Access
from xfs4iot.simulator import atm
from xfs4iot.simulator.control import Simulator
from xfs4iot.transport.rotation import Credentials
from xfs4iot.transport.tls import TLSConfig

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
PATIENCE = 15.0


@dataclass
class Served:
    """An ATM with a console that runs in a thread.

    Attributes:
        simulated: whether the page knows that it is; otherwise it takes it for hardware.
        tls: serves TLS by these files and rules.
        session_seconds: how long a login is good.
        port: stays the same when it is started again.
    """

    directory: Path
    access: Access | None = None
    simulated: bool = True
    tls: TLSConfig | None = None
    session_seconds: float = 3600.0
    port: int = 0
    uri: str = ""
    _ends: list[Callable[[], None]] = field(default_factory=list)

    def start(self) -> None:
        ready, ended = threading.Event(), threading.Event()
        thread = threading.Thread(target=trio.run, args=(self._run, ready, ended))
        thread.start()
        assert ready.wait(PATIENCE)

        def end() -> None:
            ended.set()
            thread.join()

        self._ends.append(end)

    def stop(self) -> None:
        while self._ends:
            self._ends.pop()()

    async def _run(self, ready: threading.Event, ended: threading.Event) -> None:
        file = self.directory / "ledger.sqlite"
        with xfs4iot.Ledger.open(file) as ledger:
            services = atm(ledger=ledger, state=self.directory, seconds=0)
            described = services[-1].interface(Simulator).described()
            if not self.simulated:
                services.pop()
            credentials = None if self.tls is None else Credentials(self.tls)
            publisher = xfs4iot.Publisher(
                services, port=self.port, access=self.access, credentials=credentials
            )
            console = Console(
                publisher,
                ledger=file,
                simulator=described if self.simulated else None,
                session_seconds=self.session_seconds,
            )
            async with trio.open_nursery() as nursery:
                await nursery.start(publisher.serve)
                self.port, self.uri = publisher.port or 0, console.uri
                ready.set()
                await trio.to_thread.run_sync(ended.wait)
                nursery.cancel_scope.cancel()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: the console's page is not tested")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts ATMs that end with the test."""
    started: list[Served] = []

    def start(**settings: Any) -> Served:
        directory = tmp_path / f"atm{len(started)}"
        directory.mkdir()
        served = Served(directory, **settings)
        started.append(served)
        served.start()
        return served

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of; a test that expects something of it empties the list."""
    return []


@pytest.fixture
def visit(browser: Any, complaints: list[str]) -> Iterator[Callable[..., Any]]:
    """Opens the console of an ATM, in a profile of its own; nothing in it may fail."""
    contexts: list[Any] = []

    def open_page(served: Served, **settings: Any) -> Any:
        context = browser.new_context(
            **({"viewport": {"width": 1440, "height": 900}, "locale": "en"} | settings)
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        page.on("pageerror", lambda wrong: complaints.append(str(wrong)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.goto(served.uri)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
