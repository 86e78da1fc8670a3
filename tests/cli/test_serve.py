"""`xfs4iot serve`: real services from a file, orderly to the end, and a log that keeps secrets."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from xfs4iot import client
from xfs4iot.transport.certificates import test_authority as authority
from xfs4iot.transport.tokens import make_token

SERVICE = "CashDispenser"
FIFTY = {"denomination": {"denomination": {"service": {"currencies": {"EUR": 50}, "mix": "mix1"}}}}


@dataclass
class Serving:
    process: trio.Process
    uri: str
    ca: Path
    token: str
    log: Path

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@asynccontextmanager
async def serving(directory: Path, seconds: float = 0.0) -> AsyncIterator[Serving]:
    """`xfs4iot serve` with TLS, a bearer token and the most talkative log, until the block ends."""
    made = authority(directory / "ca")
    certificate, key = made.issue_device("device", ["localhost", "127.0.0.1"])
    token, hashed = make_token()
    config = directory / "atm.toml"
    config.write_text(
        f"""
[publisher]
port = 0
[tls]
certificate = "{certificate}"
key = "{key}"
[access]
anonymous = []
[[access.client]]
name = "switch"
token_hash = "{hashed}"
allow = ["*"]
[ledger]
file = "ledger.sqlite"
[log]
format = "json"
level = "debug"
messages = true
[limits]
drain_seconds = 10.0
[[service]]
name = "{SERVICE}"
device = "xfs4iot.simulator:SimulatedCashDispenser"
[service.options]
seconds = {seconds}
"""
    )
    log = directory / "log.jsonl"
    with log.open("wb") as stderr:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "xfs4iot", "serve", str(config)], stderr=stderr
        )
    try:
        with trio.fail_after(20):
            while "publishing at" not in log.read_text():
                assert process.poll() is None, log.read_text()
                await trio.sleep(0.05)
        started = next(json.loads(line) for line in log.read_text().splitlines() if "publishing at" in line)
        publisher = str(started["text"]).rpartition(" ")[2]
        yield Serving(process, f"{publisher}/{SERVICE}", made.certificate_file, token, log)
    finally:
        process.kill()
        await process.wait()


async def test_a_whole_session_leaves_no_secret_in_the_log(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        async with client.connect(service.uri, ca=service.ca, token=service.token) as dispenser:
            await dispenser.call("Common.Status")
            secrets = {"token": "NONCE=SECRET,TOKENFORMAT=1", "track2": "SECRETTRACK", "pin": "SECRETPIN"}
            with pytest.raises(client.CommandFailed):
                await dispenser.call("CashDispenser.Dispense", {**FIFTY, **secrets, "position": "outRear"})
            await dispenser.call("CashDispenser.Dispense", FIFTY)
            await dispenser.call("CashDispenser.Present", {})
        with pytest.raises(client.Disconnected, match="401"):
            async with client.connect(service.uri, ca=service.ca, token="SECRETTOKEN"):
                pass
        text = service.log.read_text()
        for secret in ("SECRET", service.token):
            assert secret not in text
        done = [line for line in service.lines() if line.get("command") == "CashDispenser.Dispense"]
        assert [line["completionCode"] for line in done][-1] == "success"
        assert str(done[-1]["identity"]).startswith("switch at 127.0.0.1:")
        assert done[-1]["requestId"] == 5
        assert isinstance(done[-1]["seconds"], float)


async def test_sigterm_completes_what_runs_and_cancels_what_waits(tmp_path: Path) -> None:
    async with serving(tmp_path, seconds=1.5) as service:
        outcomes: dict[str, str] = {}

        async with client.connect(service.uri, ca=service.ca, token=service.token) as dispenser:

            async def call(name: str, command: str, payload: dict[str, object]) -> None:
                try:
                    await dispenser.call(command, payload)
                    outcomes[name] = "success"
                except client.CommandFailed as failed:
                    outcomes[name] = failed.completion_code

            async with trio.open_nursery() as nursery:
                nursery.start_soon(call, "running", "CashDispenser.Dispense", FIFTY)
                await trio.sleep(0.3)
                nursery.start_soon(call, "waiting", "CashManagement.Reset", {})
                await trio.sleep(0.3)
                service.process.send_signal(signal.SIGTERM)
        assert outcomes == {"running": "success", "waiting": "canceled"}
        with trio.fail_after(10):
            assert await service.process.wait() == 0


def test_check_names_mistakes_and_exits_with_2(tmp_path: Path) -> None:
    config = tmp_path / "atm.toml"
    config.write_text('[publisher]\nprot = 5\n[ledger]\nfile = "x"\n[[service]]\nname = "A"\n')
    done = subprocess.run(
        [sys.executable, "-m", "xfs4iot", "serve", "--check", str(config)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert f"{config}:2:" in done.stderr
    assert "did you mean port?" in done.stderr
    assert "service[0].device is missing" in done.stderr


async def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        async with serving(tmp_path) as service:
            seen = {notified.recv(1000).partition(b"\n")[0] for _ in range(3)}
            assert seen == {b"READY=1", b"WATCHDOG=1"}
            service.process.send_signal(signal.SIGTERM)
            ends = time.monotonic() + 10
            while notified.recv(1000) != b"STOPPING=1":
                assert time.monotonic() < ends
            await service.process.wait()
