"""docs/fleet.md does what it says, from nothing to three devices and the end of one, and with a cluster."""

from __future__ import annotations

import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secured_fleet import free_ports
from xfs4iot.fleet.broker import free_port

FILES = (("certificate", "operator.pem"), ("key", "operator.key"), ("ca", "ca.pem"))
PAGE = Path(__file__).parents[2] / "docs" / "fleet.md"


def lines_of(heading: str) -> list[str]:
    """The commands below a heading."""
    text = PAGE.read_text("utf-8").partition(f"\n{heading}\n")[2]
    block = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return block[1].splitlines()


def without_times(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "…", text)


class Shell:
    """Runs lines of the page in a directory, on ports that are free here."""

    def __init__(self, directory: Path, server: str) -> None:
        self.directory, self._server = directory, server
        self.broker_port, self._office, self._gateway = free_ports(6), free_port(), free_ports(2)
        self._processes: list[subprocess.Popen[str]] = []

    def _script(self, line: str) -> str:
        line = line.replace("nats-server", shlex.quote(self._server))
        line = re.sub(r"init \w+", rf"\g<0> --port {self.broker_port} --routes {self.broker_port + 3}", line)
        line = re.sub(r"\bauthority\b", f"authority --port {self._office}", line)
        line = line.replace("127.0.0.1 --directory", f"127.0.0.1:{self._office} --directory")
        line = line.replace("8443", str(self._gateway)).replace("8444", str(self._gateway + 1))
        return f'xfs4iot() {{ {shlex.quote(sys.executable)} -m xfs4iot "$@"; }}\n{line}\n'

    def start(self, line: str, count: int = 1) -> None:
        """What goes on until it is ended; returns when so many programs have said that they are ready."""
        one = subprocess.Popen(
            ["bash", "-c", self._script(line) + "wait\n"],
            stdout=subprocess.PIPE, text=True, cwd=self.directory, start_new_session=True,
        )  # fmt: skip
        self._processes.append(one)
        assert one.stdout is not None
        for _ in range(count):
            assert one.stdout.readline()

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", self._script(line)], capture_output=True, text=True, timeout=120, check=False,
            cwd=self.directory,
        )  # fmt: skip

    def paste(self, lines: list[str]) -> str:
        """All lines as one, as into a shell that does not wait; what they print, until the last has ended."""
        file = self.directory / "pasted.txt"
        with file.open("w") as said:
            one = subprocess.Popen(
                ["bash", "-s"], stdin=subprocess.PIPE, stdout=said, stderr=said, text=True,
                cwd=self.directory, start_new_session=True,
            )  # fmt: skip
        self._processes.append(one)
        assert one.stdin is not None
        # What goes on ends with the shell, which therefore waits.
        with one.stdin:
            one.stdin.write(self._script("\n".join(lines)) + "echo ended with $? >&2\nwait\n")
        for _ in range(1200):
            if "ended with" in (printed := file.read_text("utf-8")):
                return printed
            time.sleep(0.1)
        pytest.fail(printed)

    def good(self, line: str) -> str:
        done = self.run(line)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    def end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for one in reversed(self._processes):
                try:
                    os.killpg(one.pid, number)
                except ProcessLookupError:
                    continue
                if number == signal.SIGTERM:
                    try:
                        one.wait(15)
                    except subprocess.TimeoutExpired:
                        continue
        for one in self._processes:
            if one.stdout is not None:
                one.stdout.close()
            one.wait(15)


@pytest.fixture
def shell(server: str, tmp_path: Path) -> Iterator[Shell]:
    one = Shell(tmp_path, server)
    yield one
    one.end()


@pytest.mark.posix
def test_from_nothing_to_three_devices_and_the_end_of_one(shell: Shell) -> None:
    lines = lines_of("## From nothing to three devices")
    assert len(lines) <= 10
    *_, invite, _, _, listed, call = lines
    printed = shell.paste(lines)
    assert "ended with 0\n" in printed, printed
    assert [line for line in printed.splitlines() if line.startswith("codes/")] == [
        f"codes/atm{one}.code" for one in (1, 2, 3)
    ]
    # The codes themselves, without which nobody comes in, are their reader's alone.
    codes = list((shell.directory / "codes").iterdir())
    assert {stat.S_IMODE(one.stat().st_mode) for one in codes} == {0o600}
    assert printed.count("enrolled as atm") == 3
    shown = re.search(r"```\n(┏.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert shown is not None
    # Between them another part may still be saying that it is ready.
    for part in without_times(shown[1]).partition("{"):
        assert part in without_times(printed)
    revoke, enrolled = lines_of("### Revocation")
    shell.good(revoke)
    assert re.search(r"atm1 .*enrolled(.|\n)*atm2 .*revoked(.|\n)*atm3 .*enrolled", shell.good(enrolled))
    for _ in range(50):
        refused = shell.run(call)
        if refused.returncode:
            break
        time.sleep(0.1)
    assert "HTTP 503: Device atm2 is" in refused.stderr
    assert '"online"' in shell.good(call.replace("atm2", "atm3"))
    # It comes back by another key, which its service, that runs, takes up.
    again, back = lines_of("A device that is to come back is enrolled anew, with another key:")
    assert shell.good(again) == "codes/atm2.code\n"
    assert "say --replace" in " ".join(shell.run(back.replace(" --replace", "")).stderr.split())
    shell.good(back)
    assert "atm2" in shell.good(f"{listed.replace(' 3', ' 1')} --where 'device == atm2'")
    assert '"online"' in shell.good(call)
    shell.good(revoke)
    # The same without the directory, as on another host.
    files = " ".join(f"--{one} fleet/keys/{two}" for one, two in FILES)
    elsewhere = (
        f"xfs4iot fleet --broker tls://127.0.0.1:{shell.broker_port} --tenant fleet {files} enrolled --json"
    )
    assert shell.good(elsewhere).count('"enrolled"') == 2
    # And what a person gets who has not read on.
    assert "is enrolled already; to replace it" in shell.run(invite.replace("atm1 atm2", "atm1")).stderr


@pytest.mark.posix
def test_a_cluster_serves_on_when_a_node_has_died(shell: Shell) -> None:
    printed = shell.paste(lines_of("### A cluster"))
    assert "ended with 0\n" in printed, printed
    before, dies, after = printed.partition("Initiating Shutdown")
    assert dies, printed
    for listed in before, after:
        assert re.search(r"atm1 +│ online", listed), printed
    assert '"device": "online"' in after
