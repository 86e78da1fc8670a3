"""`xfs4iot simulate` runs the ATM that a profile says."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner

from dialogue import Dialogue, dialogue
from xfs4iot import client
from xfs4iot.cli.simulate import simulate
from xfs4iot.protocol.endpoints import PORTS

PROGRAM = (sys.executable, "-m", "xfs4iot")
PLAIN = ("--plain", "--port", "0")
needs_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
PROFILE = """
[services.Notes]
kinds = ["CashDispenser"]
[services.Coins]
kinds = ["CashDispenser"]
[services.Coins.units]
unit1 = { currency = "EUR", value = 0.5, count = 30 }
unit2 = { uses = ["reject"] }
"""
SCENARIO = """
[[moment]]
at = 0
do = [{ command = "Simulator.EmptyUnit", payload = { unit = "unit1", service = "Coins", count = 10 } }]
"""


@contextmanager
def simulating(*arguments: str) -> Iterator[dict[str, Any]]:
    """An ATM in a process of its own: the line it prints when it is ready."""
    with subprocess.Popen([*PROGRAM, "simulate", *arguments, "--json"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """An ATM of this profile."""
    profile, scenario = tmp_path / "atm.toml", tmp_path / "day.toml"
    profile.write_text(PROFILE)
    scenario.write_text(SCENARIO)
    with simulating(*PLAIN, "--profile", str(profile), "--scenario", str(scenario), "--seed", "5") as line:
        yield line


async def test_the_services_of_a_profile_are_served_and_its_scenario_is_played(ready: dict[str, Any]) -> None:
    assert list(ready["services"]) == ["Notes", "Coins", "Simulator"]
    async with client.connect(ready["services"]["Simulator"]) as simulator:
        truth = await simulator.call("Simulator.GetTruth")
    assert truth["services"]["Coins"]["places"]["unit1"] == {"unit1": 20}
    assert truth["services"]["Notes"]["places"]["unit1"] == {"unit1": 500}


@pytest.mark.parametrize("host", ["0.0.0.0", pytest.param("::", marks=pytest.mark.posix)])
def test_bound_to_every_address_it_is_found_at_each(tmp_path: Path, host: str) -> None:
    """As the health check of the container recipe asks, and at what it says of itself."""
    with simulating("--host", host, "--port", "0", "--state", str(tmp_path)) as line:
        ca, port = line["ca"], line["publisher"].split(":")[-1].split("/")[0]
        for where in ("127.0.0.1", "localhost") if host == "0.0.0.0" else ("::1",):
            discover = [*PROGRAM, "discover", where, "--port", port, "--ca", ca, "--json"]
            found = subprocess.run(discover, capture_output=True, text=True, timeout=60)
            assert found.returncode == 0, found.stderr
        call = [*PROGRAM, "call", line["services"]["CashDispenser"], "Common.Status", "--ca", ca, "--json"]
        assert subprocess.run(call, capture_output=True, timeout=60).returncode == 0


def test_why_it_is_at_no_port_before_is_said_when_it_is_ready() -> None:
    with socket.socket() as taken:
        with suppress(OSError):  # by another, or not allowed
            taken.bind(("127.0.0.1", PORTS[0]))
            taken.listen()
        with subprocess.Popen([*PROGRAM, "simulate", "--plain"], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                lines = [one.decode() for one in takewhile(lambda one: b"Ctrl-C" not in one, process.stdout)]
            finally:
                process.kill()
    [line] = [one for one in lines if "as none before it was free" in one]
    assert line.startswith(f"on port {lines[0].split(':')[2].split('/')[0]}, ")
    assert f"({PORTS[0]}" in line


@pytest.mark.posix
@pytest.mark.parametrize("options", [[], ["--plain"]], ids=["TLS", "plain"])
def test_it_ends_with_its_terminal_and_leaves_nothing(tmp_path: Path, options: list[str]) -> None:
    command = [*PROGRAM, "simulate", *options, "--port", "0", "--json"]
    place = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=place) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            assert list(tmp_path.iterdir())
            process.send_signal(signal.SIGHUP)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert not list(tmp_path.iterdir())


@pytest.mark.posix
def test_it_outlives_its_terminal_if_it_is_told_to() -> None:
    with subprocess.Popen(
        ["nohup", *PROGRAM, "simulate", *PLAIN, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            line = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGHUP)
            call = [*PROGRAM, "call", line["services"]["CashDispenser"], "Common.Status", "--json"]
            assert subprocess.run(call, capture_output=True, timeout=60).returncode == 0
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "good"),
    [([], "success"), (["--dialect", "sp-dev"], "success"), (["--dialect", "standard"], None)],
)
async def test_the_dialect_is_that_of_the_profile_unless_another_is_given(
    options: list[str], good: str | None, nursery: trio.Nursery
) -> None:
    """Only the dialect `sp-dev` states that a command was successful."""
    with simulating(*PLAIN, "--profile", "sp-dev", *options) as atm:
        for uri in atm["services"].values():
            foreign: Dialogue = await nursery.start(dialogue, uri)
            foreign.dialect = "sp-dev" if good else "standard"
            await foreign.send("Common.Status")
            answer = await foreign.until("completion")
            assert answer["header"].get("completionCode") == good


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--profile", "nowhere"], "no such profile; profiles: default, mixed-media, recycler, sp-dev"),
        (["--scenario", "wrong.toml"], "wrong.toml:2: moment"),
        (["--profile", "wrong.toml"], "wrong.toml:2: moment is not known"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, options: list[str], says: str) -> None:
    (tmp_path / "wrong.toml").write_text('\n[[moment]]\ndo = [{ command = "Simulator.TakeItems" }]\n')
    command = [*PROGRAM, "simulate", *PLAIN, *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


class Operator:
    """Who sits at the terminal in which a simulated ATM shows its screen.

    Attributes:
        line: the terminal's other end.
        seen: all that came.
        uri: of the text terminal.
    """

    def __init__(self, line: int, process: trio.Process) -> None:
        self.line, self.process = line, process
        self.seen = b""

    async def until(self, what: bytes) -> None:
        with trio.fail_after(60):
            while what not in self.seen:
                await trio.lowlevel.wait_readable(self.line)
                self.seen += os.read(self.line, 65536)

    @property
    def uri(self) -> str:
        found = re.search(rb"ws://[^ \r\n]+/TextTerminal", self.seen)
        assert found is not None
        return found[0].decode()


@asynccontextmanager
async def operating(state: Path, **environment: str) -> AsyncIterator[Operator]:
    import pty

    ours, theirs = pty.openpty()
    arguments = ["simulate", "--plain", "--port", "0", "--seconds", "0", "--screen", "--state", str(state)]
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "xfs4iot", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **environment},
    )
    os.close(theirs)
    operator = Operator(ours, process)
    try:
        await operator.until(b"Ctrl-C ends")
        yield operator
        process.terminate()
        with trio.fail_after(30):
            assert await process.wait() == 0
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
        os.close(ours)


@pytest.mark.posix
@needs_terminal
async def test_the_operators_screen_is_shown_and_its_keys_are_taken(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    async with operating(tmp_path) as operator:
        client: Dialogue = await nursery.start(dialogue, operator.uri)
        place = {"mode": "absolute", "posX": 0, "posY": 0}
        await client.success("TextTerminal.Write", {**place, "text": "Supervisor"})
        await operator.until(b"Supervisor")
        commands = {"enter": {"terminate": True}, "arrowUp": {}}
        keys = {"activeKeys": ["one", "A"], "activeCommandKeys": commands}
        request = await client.send("TextTerminal.Read", {**place, "posY": 1, "numOfChars": 9, **keys})
        await client.until("acknowledge", request)
        os.write(operator.line, b"1\x1b[Aa\r")
        completion = await client.until("completion", request)
        assert completion["payload"] == {"input": "1A"}
        await operator.until(b"1A")
        commands = {"cancel": {"terminate": True}, "arrowDown": {}}
        keys = {"activeKeys": ["one", "A"], "activeCommandKeys": commands}
        request = await client.send("TextTerminal.Read", {**place, "posY": 2, "numOfChars": 9, **keys})
        await client.until("acknowledge", request)
        # In pieces as slow lines give them; Del is no key here, and must not be taken for Esc and characters.
        for piece in (b"\x1b", b"[B1\x1b[3", b"~\x1b[1;5A1", b"\x1b"):
            os.write(operator.line, piece)
            await trio.sleep(0.01)
        completion = await client.until("completion", request)
        assert completion["payload"] == {"input": "11"}
        events = [one for one in client.passed if one["header"]["name"] == "TextTerminal.KeyEvent"]
        assert [one["payload"] for one in events[-4:]] == [
            {"commandKey": "arrowDown"},
            {"key": "one"},
            {"key": "one"},
            {"commandKey": "cancel"},
        ]


@pytest.mark.posix
@needs_terminal
async def test_the_screen_follows_the_size_of_the_terminal(tmp_path: Path, nursery: trio.Nursery) -> None:
    import termios

    async with operating(tmp_path, TERM="xterm") as operator:
        client: Dialogue = await nursery.start(dialogue, operator.uri)
        place = {"mode": "absolute", "posX": 0, "posY": 0}
        await client.success("TextTerminal.Write", {**place, "text": "Supervisor of all"})
        # Without a change of what is shown: too small first, then large enough.
        for size, shown in (((4, 12), b"24 x 6 needed"[:12]), ((24, 80), "╰".encode())):
            operator.seen = b""
            termios.tcsetwinsize(operator.line, size)
            operator.process.send_signal(signal.SIGWINCH)
            await operator.until(b"\x1b[2J")
            operator.seen = operator.seen[operator.seen.rindex(b"\x1b[2J") :]
            await operator.until(shown)
            assert b"Supervisor of all"[: size[1]] in operator.seen


@pytest.mark.posix
@needs_terminal
async def test_a_terminal_that_can_do_little_shows_the_screen_too(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    async with operating(tmp_path, TERM="dumb", PYTHONIOENCODING="cp1252", PYTHONUTF8="0") as operator:
        client: Dialogue = await nursery.start(dialogue, operator.uri)
        place = {"mode": "absolute", "posX": 0, "posY": 0}
        await client.success("TextTerminal.Write", {**place, "text": "Grüße 你好!"})
        # Each character has the columns that it has, so that the frame is whole.
        await operator.until("| Grüße ????!          |".encode("cp1252"))
        assert b"\x1b" not in operator.seen


def test_a_screen_needs_a_terminal() -> None:
    result = CliRunner().invoke(simulate, ["--screen", "--plain", "--port", "0"])
    assert result.exit_code == 2
    assert "needs a terminal" in result.stderr
