"""From nothing to an ATM behind a gateway by the commands."""

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
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from xfs4iot.cli import cli, fleet_view, operator
from xfs4iot.fleet.broker import free_port
from xfs4iot.protocol.endpoints import PORTS


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for one in reversed(processes):
        if one.poll() is None:
            one.send_signal(signal.SIGTERM)
            one.wait(30)
        if one.stdout is not None:
            one.stdout.close()


def start(processes: list[subprocess.Popen[str]], *arguments: str) -> dict[str, object]:
    one = subprocess.Popen(
        [sys.executable, "-m", "xfs4iot", *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    processes.append(one)
    assert one.stdout is not None
    said: dict[str, object] = json.loads(one.stdout.readline())
    return said


def called(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "xfs4iot", *arguments], check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_a_simulated_atm_behind_a_gateway(server: str, started: list[subprocess.Popen[str]]) -> None:
    port = str(free_port())
    gateway = start(started, "gateway", "--embedded-broker", "--broker-port", port, "--port", "0", "--json")
    broker = f"nats://127.0.0.1:{port}"
    simulated = ("simulate", "--plain", "--port", "0", "--seconds", "0", "--json")
    start(started, *simulated, "--uplink", broker, "--device", "atm17")
    uri = str(gateway["gateway"]).replace("DEVICE", "atm17/CashDispenser")
    for _ in range(50):
        known = json.loads(called("fleet", "--broker", broker, "list", "--json"))
        if known:
            break
    assert [(one["device"], one["online"]) for one in known] == [("atm17", True)]
    assert "online" in called("call", uri, "Common.Status")


def test_a_gateway_says_why_it_is_at_no_port_before(server: str) -> None:
    asked = ["gateway", "--embedded-broker", "--broker-port", str(free_port())]
    with socket.socket() as taken:
        with suppress(OSError):  # by another, or not allowed
            taken.bind(("127.0.0.1", PORTS[0]))
            taken.listen()
        with subprocess.Popen(
            [sys.executable, "-m", "xfs4iot", *asked], stdout=subprocess.PIPE, text=True
        ) as one:
            assert one.stdout is not None
            why, where = one.stdout.readline(), one.stdout.readline()
            one.send_signal(signal.SIGTERM)
    assert (found := re.match(r"on port (\d+), as none before it was free \(80", why))
    assert f":{found[1]}/" in where


@pytest.mark.posix
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_embedded_broker_ends_with_a_gateway_that_is_killed(
    server: str, started: list[subprocess.Popen[str]]
) -> None:
    port = free_port()
    start(started, "gateway", "--embedded-broker", "--broker-port", str(port), "--port", "0", "--json")
    socket.create_connection(("127.0.0.1", port), 5).close()
    started[0].kill()
    started[0].wait(10)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    pytest.fail("the broker still listens")


def test_the_environment_says_where_the_fleet_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "_BROKER_SECONDS", 0.5)
    known = CliRunner().invoke(cli, ["fleet", "init", str(tmp_path / "fleet"), "--port", str(free_port())])
    assert known.exit_code == 0, known.output
    (file,) = (tmp_path / "fleet").glob("*.toml")
    server = re.search(r"tls://127\.0\.0\.1:\d+", file.read_text("utf-8"))
    assert server is not None
    for environment in ({"XFS4IOT_FLEET": str(tmp_path / "fleet")}, {"XFS4IOT_BROKER": "nats://127.0.0.1:9"}):
        done = CliRunner(env=environment).invoke(cli, ["fleet", "list"])
        assert done.exit_code == 1
        place = server[0] if "XFS4IOT_FLEET" in environment else "nats://127.0.0.1:9"
        assert f"the broker at {place} cannot be reached: " in done.output
        # And what is to be written, if it is another.
        assert "`xfs4iot fleet --fleet DIRECTORY`" in done.output
        assert "XFS4IOT_BROKER" in done.output


@pytest.mark.parametrize("given", ["nan", "inf", "-1", "0"])
def test_a_rate_is_a_number(given: str) -> None:
    """By one that is none there would be no limit."""
    arguments = ["fleet", "call", "Common.Status", "--device", "atm17", "--per-minute", given]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 2
    assert "--per-minute" in done.output


def test_what_is_asked_of_a_fleet_that_is_not_there_yet_is_told(
    server: str, started: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator, "_STORE_SECONDS", 0.5)
    port = str(free_port())
    start(started, "gateway", "--embedded-broker", "--broker-port", port, "--port", "0", "--json")
    broker = f"nats://127.0.0.1:{port}"
    done = CliRunner().invoke(cli, ["fleet", "--broker", broker, "--tenant", "other", "list"])
    assert done.exit_code == 1
    assert "waiting up to 0.5 s for the broker's store" in done.stderr
    assert "nothing of this fleet is kept at the broker yet" in done.stderr
    assert "the tenant (`xfs4iot fleet --tenant`)" in done.stderr


def test_a_list_waits_for_so_many_devices(
    server: str, started: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_view, "_WAIT_SECONDS", 0.5)
    port = str(free_port())
    start(started, "gateway", "--embedded-broker", "--broker-port", port, "--port", "0", "--json")
    listed = ["fleet", "--broker", f"nats://127.0.0.1:{port}", "list", "--where", "device == atm17"]
    late = CliRunner().invoke(cli, [*listed, "--wait", "1"])
    assert late.exit_code == 1
    assert "no device fits --where" in late.stdout
    assert "after 0.5 s 0 of 1 devices are online" in late.stderr
    broker = f"nats://127.0.0.1:{port}"
    simulated = ("simulate", "--plain", "--port", "0", "--seconds", "0", "--json")
    one = subprocess.Popen(
        [sys.executable, "-m", "xfs4iot", *simulated, "--uplink", broker, "--device", "atm17"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    started.append(one)
    monkeypatch.undo()
    there = CliRunner().invoke(cli, [*listed, "--wait", "1"])
    assert there.exit_code == 0
    assert "online" in there.stdout
