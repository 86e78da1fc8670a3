"""A certificate is renewed by command while its service runs, and is seen from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from secured import HOSTS, Pair
from xfs4iot.cli import certificate as cli
from xfs4iot.transport.certificates import TestAuthority, test_authority

CONFIGURATION = """
[publisher]
port = {port}
[tls]
certificate = "tls.pem"
key = "tls.key"
client_certificates = "required"
client_ca = "bank/ca.pem"
[ledger]
file = "ledger.sqlite"
[[service]]
name = "CashDispenser"
device = "xfs4iot.simulator:SimulatedCashDispenser"
"""


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    return test_authority(tmp_path / "bank")


@pytest.fixture
def config(tmp_path: Path, authority: TestAuthority) -> Path:
    certificate, key = authority.issue_device("old", HOSTS)
    certificate.rename(tmp_path / "tls.pem")
    key.rename(tmp_path / "tls.key")
    file = tmp_path / "atm.toml"
    file.write_text(CONFIGURATION.format(port=0))
    return file


def certificate(*arguments: object, code: int = 0) -> Any:
    """What a subcommand prints, or says on standard error if it is to fail without a result."""
    result = CliRunner().invoke(cli.certificate, [*map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if result.stdout else result.stderr


@contextmanager
def serving(config: Path, *, seen: Path) -> Iterator[int]:
    """`xfs4iot serve` at the port that the log names; the configuration names it, too, from then on."""
    with seen.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "xfs4iot", "serve", str(config)], stdout=log, stderr=log, env=WIDE
        )
    try:
        wait_for(seen, "publishing at")
        port = int(seen.read_text().partition("publishing at wss://127.0.0.1:")[2].partition("/")[0])
        config.write_text(CONFIGURATION.format(port=port))
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, seen.read_text()


WIDE = {**os.environ, "COLUMNS": "1000"}


def wait_for(log: Path, words: str) -> None:
    deadline = time.monotonic() + 30
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def test_a_command_renews_what_a_running_service_shows(
    config: Path, authority: TestAuthority, tmp_path: Path
) -> None:
    new: Pair = authority.issue_device("new", HOSTS, kind="rsa", days=100)
    (tmp_path / "tls.key").chmod(0o640)
    with serving(config, seen=tmp_path / "log") as port:
        before = certificate("served", f"localhost:{port}", "--ca", tmp_path / "bank" / "ca.pem")
        assert (before["subject"], before["good"]) == ("CN=old", True)
        done = certificate("renew", config, *new)
        assert (done["takenUp"], done["content"]["subject"]) == (True, "CN=new")
        after = certificate("served", f"localhost:{port}", "--days", 101, code=1)
        assert after["subject"] == "CN=new"
        assert [one["what"] for one in after["findings"] if not one["good"]] == ["renewal"]
    assert (tmp_path / "tls.key").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "tls.key").read_bytes() == new[1].read_bytes()
    assert (tmp_path / "tls.key.old").stat().st_mode & 0o777 == 0o640


def test_a_certificate_in_doubt_changes_nothing(
    config: Path, authority: TestAuthority, tmp_path: Path
) -> None:
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    elsewhere = authority.issue_device("elsewhere", ["atm18.bank.example"])
    client = authority.issue_client("client")
    assert "which the old one is for" in certificate("renew", config, *elsewhere, code=1)
    assert "it is not for a device" in certificate("renew", config, *client, code=1)
    assert "is not the key of" in certificate("renew", config, elsewhere[0], code=1)
    assert before == {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}


def test_without_a_service_it_is_taken_up_at_the_next_start(
    config: Path, authority: TestAuthority, tmp_path: Path
) -> None:
    config.write_text(CONFIGURATION.format(port=1))
    new = authority.issue_device("elsewhere", ["atm18.bank.example"])
    assert certificate("renew", config, *new, "--rename")["takenUp"] is None
    config.write_text(CONFIGURATION.format(port=0))
    with serving(config, seen=tmp_path / "log") as port:
        assert certificate("served", f"127.0.0.1:{port}", "--host", "atm18.bank.example")["good"]


def test_what_expires_stands_in_the_status_of_the_service(
    config: Path, authority: TestAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief = authority.issue_device("brief", HOSTS, days=5)
    certificate("renew", config, *brief, "--wait", 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(30)
        monkeypatch.setitem(WIDE, "NOTIFY_SOCKET", str(tmp_path / "notify"))
        with serving(config, seen=tmp_path / "log"):
            ready = notified.recv(2000).decode()
            assert ready.startswith("READY=1\nSTATUS=publishing at wss://")
            assert "in 4 days: renew it" in ready
            (tmp_path / "tls.pem").write_text("nothing")
            wait_for(tmp_path / "log", "the old ones go on serving")
            while "not taken up: " not in (status := notified.recv(2000).decode()):
                assert status.startswith("STATUS=")
    assert "in 4 days: renew it" in (tmp_path / "log").read_text()


def test_a_hangup_does_not_end_a_service_without_tls(config: Path, tmp_path: Path) -> None:
    config.write_text(
        re.sub(r"\[tls\].*?\[ledger\]", "plain = true\n[ledger]", config.read_text(), flags=re.DOTALL)
    )
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "xfs4iot", "serve", str(config)], stdout=log, stderr=log, env=WIDE
        )
    try:
        wait_for(tmp_path / "log", "publishing at ws:")
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    "command", [["call", "wss://localhost:1/", "Common.Status"], ["discover", "localhost"]]
)
def test_a_file_that_will_not_do_ends_a_client_with_one_line(config: Path, command: list[str]) -> None:
    arguments = [sys.executable, "-m", "xfs4iot", *command, "--ca", str(config)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == f"error: {config} holds no certificate in PEM\n"


def test_where_no_device_is_nothing_is_seen() -> None:
    assert "nothing answers at 127.0.0.1 on port 1" in certificate("served", "127.0.0.1:1", code=1)
