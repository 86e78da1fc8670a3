"""`xfs4iot serve`: real services from a file, orderly to the end, and a log that keeps secrets."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner

from traffic import Traffic, catalogue
from xfs4iot import client
from xfs4iot.cli import logs
from xfs4iot.cli.complaint import has_a_name
from xfs4iot.cli.serve import serve
from xfs4iot.fleet.authority import NotSigned
from xfs4iot.fleet.carrier import CarrierLost
from xfs4iot.protocol.sensitive import MASK, SENSITIVE
from xfs4iot.transport.certificates import test_authority as authority
from xfs4iot.transport.tls import CredentialsRefused
from xfs4iot.transport.tokens import make_token

SERVICE = "CashDispenser"
SIMULATED = "xfs4iot.simulator:SimulatedCashDispenser"
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
async def serving(
    directory: Path,
    seconds: float = 0.0,
    device: str = "xfs4iot.simulator:SimulatedCashDispenser",
    drain: float = 10.0,
) -> AsyncIterator[Serving]:
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
drain_seconds = {drain}
[[service]]
name = "{SERVICE}"
device = "{device}"
[service.options]
seconds = {seconds}
"""
    )
    log = directory / "log.jsonl"
    with log.open("wb") as stderr:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "xfs4iot", "serve", str(config)],
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": str(directory)},
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


def filled(schema: Any, name: str, types: dict[str, Any], depth: int = 0) -> Any:
    """A payload of this schema in which every sensitive text is a secret."""
    if not isinstance(schema, dict) or depth > 8:
        return None
    if "$ref" in schema:
        return filled(types[schema["$ref"].rpartition("/")[2]], name, types, depth + 1)
    kinds = schema.get("type")
    kind = next((one for one in kinds if one != "null"), None) if isinstance(kinds, list) else kinds
    if "anyOf" in schema:
        return filled(schema["anyOf"][0], name, types, depth + 1)
    if kind == "array":
        return [filled(schema.get("items"), name, types, depth + 1)]
    if "properties" in schema:
        inner = schema["properties"].items()
        return {part: filled(content, part, types, depth + 1) for part, content in inner}
    if isinstance(schema.get("additionalProperties"), dict):
        return {"any": filled(schema["additionalProperties"], name, types, depth + 1)}
    if kind == "string" and name in SENSITIVE and "enum" not in schema:
        return f"SECRET{name}"
    return None


async def test_a_whole_session_leaves_no_secret_in_the_log(tmp_path: Path) -> None:
    offered = Traffic("2024-3", seed=3).commands
    types = catalogue("2024-3")["definitions"]
    async with serving(tmp_path) as service:
        async with client.connect(service.uri, ca=service.ca, token=service.token) as dispenser:
            await dispenser.call("Common.Status")
            secrets = {"token": "NONCE=SECRET,TOKENFORMAT=1", "track2": "SECRETTRACK", "pin": "SECRETPIN"}
            with pytest.raises(client.CommandFailed):
                await dispenser.call("CashDispenser.Dispense", {**FIFTY, **secrets, "position": "outRear"})
            await dispenser.call("CashDispenser.Dispense", FIFTY)
            await dispenser.call("CashDispenser.Present", {})
            for name, command in offered.items():
                with contextlib.suppress(client.CommandFailed):
                    await dispenser.call(name, filled(command["payload"], "", types) or {})
        with pytest.raises(client.Disconnected, match="401"):
            async with client.connect(service.uri, ca=service.ca, token="SECRETTOKEN"):
                pass
        service.process.send_signal(signal.SIGTERM)
        await service.process.wait()
        text = service.log.read_text()
        assert "KeyManagement.ImportKey" in text
        assert MASK in text
        for secret in ("SECRET", service.token):
            assert secret not in text
        done = [line for line in service.lines() if line.get("command") == "CashDispenser.Dispense"]
        assert "success" in [line["completionCode"] for line in done]
        assert str(done[0]["identity"]).startswith("switch at 127.0.0.1:")
        assert str(done[0]["connection"]).startswith("127.0.0.1:")
        assert isinstance(done[0]["requestId"], int)
        assert isinstance(done[0]["seconds"], float)


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


HUNG = """
import threading
import trio
from xfs4iot.simulator import SimulatedCashDispenser

class Hung(SimulatedCashDispenser):
    async def dispense(self, request, events):
        await {}
"""


@pytest.mark.parametrize(
    ("hangs", "code"),
    [("trio.sleep_forever()", 0), ("trio.to_thread.run_sync(threading.Event().wait)", 1)],
    ids=["waits for ever", "waits in a thread that cannot be interrupted"],
)
async def test_sigterm_ends_a_service_whose_device_never_returns(
    tmp_path: Path, hangs: str, code: int
) -> None:
    (tmp_path / "hung.py").write_text(HUNG.format(hangs))
    async with serving(tmp_path, device="hung:Hung", drain=0.2) as service:
        async with (
            client.connect(service.uri, ca=service.ca, token=service.token) as dispenser,
            trio.open_nursery() as nursery,
        ):

            async def call() -> None:
                with pytest.raises(client.CommandFailed) as failed:
                    await dispenser.call("CashDispenser.Dispense", FIFTY)
                assert failed.value.completion_code == "hardwareError"

            nursery.start_soon(call)
            await trio.sleep(0.3)
            service.process.send_signal(signal.SIGTERM)
        with trio.fail_after(60):
            assert await service.process.wait() == code
        if code:
            assert service.lines()[-1]["level"] == "critical"


def started(config: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xfs4iot", "serve", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        **more,
    )


PLAIN = """
[publisher]
port = {port}
plain = true
[ledger]
file = "ledger.sqlite"
[[service]]
name = "CashDispenser"
device = "{device}"
"""


def test_a_port_that_is_taken_ends_with_1_and_says_so(tmp_path: Path) -> None:
    config = tmp_path / "atm.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(PLAIN.format(port=port, device=SIMULATED))
        done = started(config)
    assert done.returncode == 1
    assert f"{port}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


UPLINK = """
[uplink]
servers = ["tls://127.0.0.1:1"]
tenant = "bank"
device = "atm1"
certificate = "{certificate}"
key = "{key}"
ca = "{ca}"
gateway_ca = "{gateway_ca}"
"""


@pytest.mark.parametrize("check", [(), ("--check",)])
def test_an_uplink_whose_certificate_cannot_be_used_is_a_mistake_in_the_file(
    tmp_path: Path, check: tuple[str, ...]
) -> None:
    made = authority(tmp_path)
    certificate, key = made.issue_client("atm1", ["xfs4iot://device/atm1"])
    _, other = made.issue_client("other", ["xfs4iot://device/other"])
    (tmp_path / "junk").write_text("junk")
    good = {
        "certificate": certificate,
        "key": key,
        "ca": tmp_path / "ca.pem",
        "gateway_ca": tmp_path / "ca.pem",
    }
    config = tmp_path / "atm.toml"
    plain = PLAIN.format(port=0, device=SIMULATED)
    for name, file, said in (
        ("certificate", "junk", "holds no certificate in PEM"),
        ("key", other.name, "is not the key of"),
        ("ca", "junk", "holds no certificate in PEM"),
        ("gateway_ca", "junk", "holds no certificate in PEM"),
    ):
        config.write_text(plain + UPLINK.format(**{**good, name: tmp_path / file}))
        done = CliRunner().invoke(serve, [str(config), *check])
        assert done.exit_code == 2, name
        line = plain.count("\n") + 2
        assert f"atm.toml:{line}: " in done.output
        assert said in done.output.replace("\n", " ")


@pytest.mark.parametrize(("days", "doubt"), [(90, True), (400, False)])
def test_a_check_tells_of_an_uplink_that_has_ended(tmp_path: Path, days: int, doubt: bool) -> None:
    """The service starts all the same: what it does on the spot needs no fleet."""
    begins = datetime.now(UTC) - timedelta(days=100)
    made = authority(tmp_path)
    certificate, key = made.issue_client("atm1", ["xfs4iot://device/atm1"], begins=begins, days=days)
    ca = tmp_path / "ca.pem"
    config = tmp_path / "atm.toml"
    uplink = UPLINK.format(certificate=certificate, key=key, ca=ca, gateway_ca=ca)
    config.write_text(PLAIN.format(port=0, device=SIMULATED) + uplink)
    done = CliRunner().invoke(serve, [str(config), "--check"])
    assert done.exit_code == 0, done.output
    assert ("cannot come to its fleet" in done.stderr) == doubt


@pytest.mark.parametrize("check", [(), ("--check",)])
def test_a_check_finds_what_the_environment_asks_of_telemetry(
    tmp_path: Path, check: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    config = tmp_path / "atm.toml"
    telemetry = '[telemetry]\notlp = "http://127.0.0.1:4317"\n'
    config.write_text(telemetry + PLAIN.format(port=0, device=SIMULATED))
    done = CliRunner().invoke(serve, [str(config), *check])
    assert (done.exit_code, "but only http/protobuf is sent" in " ".join(done.stderr.split())) == (2, True)


def test_only_what_nobody_foresaw_is_told_by_a_traceback() -> None:
    """`main` tells the rest in one line, whatever the command."""
    foreseen = [CredentialsRefused("no"), CarrierLost("no"), NotSigned("no"), ConnectionRefusedError("no")]
    assert all(map(has_a_name, foreseen))
    assert has_a_name(ExceptionGroup("", [foreseen[0], ExceptionGroup("", foreseen[1:])]))
    assert not has_a_name(KeyError("no"))
    assert not has_a_name(ExceptionGroup("", [foreseen[0], ValueError("no")]))


def test_a_device_class_that_cannot_be_made_ends_with_1_and_says_so(tmp_path: Path) -> None:
    config = tmp_path / "atm.toml"
    (tmp_path / "picky.py").write_text(
        "from xfs4iot.devices import Device\n"
        "class Picky(Device):\n"
        "    def __init__(self, name, options):\n"
        "        options['serial_port']\n"
    )
    config.write_text(PLAIN.format(port=0, device="picky:Picky"))
    done = started(config, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert "picky:Picky could not be made: KeyError('serial_port')" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full to stand for a full disk")
async def test_a_log_on_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        await served_although(tmp_path, full)
    finally:
        os.close(full)


async def test_a_log_that_nobody_takes_stops_nothing(tmp_path: Path) -> None:
    read, write = os.pipe()
    try:
        os.set_blocking(write, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(write, b"x" * 1024)
        os.set_blocking(write, True)
        await served_although(tmp_path, write)
    finally:
        os.close(read)
        os.close(write)


async def served_although(directory: Path, stderr: Any) -> None:
    """A service answers, and ends in order, whatever becomes of its log."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = directory / "atm.toml"
    config.write_text(PLAIN.format(port=port, device=SIMULATED))
    command = [sys.executable, "-m", "xfs4iot", "serve", str(config)]
    uri = f"ws://127.0.0.1:{port}/xfs4iot/v1.0/CashDispenser"
    process = await trio.lowlevel.open_process(command, stderr=stderr)
    try:
        with trio.fail_after(30):
            while True:
                try:
                    async with client.connect(uri) as dispenser:
                        for _ in range(200):
                            await dispenser.call("Common.Status")
                    break
                except client.Disconnected:
                    await trio.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        process.kill()
        await process.wait()


def test_a_client_cannot_write_lines_of_its_own_into_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("xfs4iot")
    before = (logger.handlers[:], logger.propagate, logger.level)
    try:
        logs.configure("console", "info")
        logging.getLogger("xfs4iot.session").warning(
            "%s refused", "A.B\n12:00:00 CRITICAL all is lost\x1b[2J"
        )
        logger.handlers[0].close()
    finally:
        logger.handlers[:], logger.propagate = before[0], before[1]
        logger.setLevel(before[2])
    told = capfd.readouterr().err
    assert "A.B\\x0a12:00:00" in told
    assert "\x1b[2J" not in told


async def test_a_watchdog_that_is_gone_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    async with serving(tmp_path) as service:
        async with client.connect(service.uri, ca=service.ca, token=service.token) as dispenser:
            await trio.sleep(0.1)
            assert await dispenser.call("Common.Status")
        assert "systemd could not be told" in service.log.read_text()
