"""The ten commands of docs/tls.md, run as they stand there, lead to mutual TLS."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xfs4iot.transport.certificates import test_authority

GUIDE = Path(__file__).parents[2] / "docs" / "tls.md"


def run(line: str, directory: Path) -> subprocess.CompletedProcess[str]:
    arguments = shlex.split(line)
    if arguments[0] == "xfs4iot":
        arguments[:1] = [sys.executable, "-m", "xfs4iot"]
    return subprocess.run(arguments, cwd=directory, capture_output=True, text=True, check=False, timeout=60)


def sign(directory: Path) -> None:
    """What the bank's authority does."""
    bank = test_authority(directory / "bank")
    for line in ("bank atm17.csr atm17.pem", "bank atm17.csr new.pem", "bank switch.csr switch.pem --client"):
        assert run(f"xfs4iot certificate sign {line}", directory).returncode == 0
    bank.certificate_file.rename(directory / "bank.pem")
    (directory / "bank" / "ca.pem").symlink_to(directory / "bank.pem")
    assert run("xfs4iot certificate revoke bank", directory).returncode == 0
    (directory / "bank" / "crl.pem").rename(directory / "bank.crl")


@pytest.mark.posix
def test_the_ten_commands_of_the_guide_work(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = GUIDE.read_text().partition("## Without an authority")[0]
    text = text.replace("atm17.bank.example", "localhost").replace("10.20.30.17", "127.0.0.1")
    text = text.replace("5846", str(port)).replace("discover localhost", f"discover localhost --port {port}")
    text = text.replace("served localhost", f"served localhost:{port}")
    commands = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
    assert len(commands) == 10
    configuration = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert configuration is not None
    (tmp_path / "atm.toml").write_text(configuration[1])
    server: subprocess.Popen[bytes] | None = None
    try:
        for number, command in enumerate(commands):
            if number == 2:
                sign(tmp_path)
            if command == "xfs4iot serve atm.toml":
                with (tmp_path / "log").open("wb") as log:
                    server = subprocess.Popen(
                        [sys.executable, "-m", *shlex.split(command)], cwd=tmp_path, stdout=log, stderr=log
                    )
                wait_until(tmp_path, "publishing at")
                continue
            result = run(command, tmp_path)
            assert result.returncode == 0, (command, result.stdout, result.stderr)
        assert server is not None
        assert (tmp_path / "log").read_text().count("certificate taken up") == 2
        server.send_signal(signal.SIGHUP)
        wait_until(tmp_path, "certificate taken up", times=3)
        stranger = run(commands[7].replace("--certificate switch.pem --key switch.key", ""), tmp_path)
        assert stranger.returncode == 1
        assert "demands a certificate" in " ".join(stranger.stderr.split())
    finally:
        if server is not None:
            server.terminate()
            assert server.wait(30) == 0, (tmp_path / "log").read_text()


def wait_until(directory: Path, words: str, times: int = 1) -> None:
    deadline = time.monotonic() + 30
    while (directory / "log").read_text().count(words) < times:
        assert time.monotonic() < deadline, (directory / "log").read_text()
        time.sleep(0.05)
