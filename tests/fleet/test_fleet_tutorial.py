"""The tutorial does what it says: each of its commands, in its order, as processes of their own."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from xfs4iot.fleet.broker import free_port

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "first_fleet.md"


class Terminal:
    """Runs the page's commands in a directory, on ports that are free here."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.running: list[subprocess.Popen[str]] = []
        self._ports = {"8443": str(free_port()), "4222": str(free_port())}

    def arguments(self, line: str) -> list[str]:
        for port, free in self._ports.items():
            line = re.sub(rf"\b{port}\b", free, line)
        line = line.replace("--embedded-broker", f"--embedded-broker --broker-port {self._ports['4222']}")
        line = re.sub("fleet (?=list|show)", f"fleet --broker nats://127.0.0.1:{self._ports['4222']} ", line)
        _, *arguments = shlex.split(line)
        return [sys.executable, "-m", "xfs4iot", *arguments]

    def start(self, line: str) -> None:
        """What goes on until it is ended; returns when it has said that it is ready."""
        one = subprocess.Popen(self.arguments(line), stdout=subprocess.PIPE, text=True, cwd=self._directory)
        self.running.append(one)
        assert one.stdout is not None
        assert one.stdout.readline()

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(line), capture_output=True, text=True, timeout=60, check=False, cwd=self._directory
        )

    def until(self, line: str, *wanted: str) -> str:
        """What a command prints when it prints this, if it is asked often enough."""
        for _ in range(100):
            said = self.run(line).stdout
            if all(re.search(one, said) for one in wanted):
                return said
            time.sleep(0.2)
        pytest.fail(f"{line} says: {said}")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    for one in reversed(opened.running):
        if one.poll() is None:
            one.terminate()
            one.wait(30)
        if one.stdout is not None:
            one.stdout.close()


def test_the_first_fleet(server: str, terminal: Terminal) -> None:
    page = PAGE.read_text("utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    install, gateway, *atms = lines[:5]
    listed, denominate, status, kill, absent, listed_again, shown = lines[5:]
    assert install == "pip install 'xfs4iot[fleet,simulator]'"
    terminal.start(gateway)
    for line in atms:
        terminal.start(line.removesuffix(" &"))
    assert re.search("atm1 .*online(.|\n)*atm2 .*online(.|\n)*atm3 .*online", terminal.run(listed).stdout)
    assert '"unit' in terminal.run(denominate).stdout
    assert '"online"' in terminal.run(status).stdout
    # A job of the shell, by what its command has in it.
    assert kill == "kill '%?atm3'"
    assert [at for at, line in enumerate(lines[:5]) if "atm3" in line] == [4]
    terminal.running[3].kill()
    terminal.running[3].wait(10)
    refused = terminal.run(absent)
    assert refused.returncode == 1
    # Or a gateway has looked meanwhile, and knows before it asks.
    assert re.search(r"HTTP 503: Device atm3 is (not connected at present|offline)\.", refused.stderr)
    assert 'HTTP 503, "Device atm3 is not connected at present."' in page
    terminal.until(listed_again, "atm2 .*online", "atm3 .*offline")
    terminal.start(atms[2].removesuffix(" &"))
    terminal.until(listed_again, "atm3 .*online")
    terminal.until(shown, "atm3 online since .*, epoch 2")
