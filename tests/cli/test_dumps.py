"""What runs an ATM is in no core dump, and nobody else's debugger reads it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
XFS4IOT = (sys.executable, "-m", "xfs4iot")
SERVED = """
[publisher]
host = "127.0.0.1"
port = 0
plain = true
[ledger]
file = "ledger.sqlite"
[[service]]
name = "PinPad"
device = "pad:Pad"
"""
PAD = """
from xfs4iot.simulator.key_management import SimulatedKeyManagement
from xfs4iot.simulator.keyboard import SimulatedKeyboard
from xfs4iot.simulator.pin_pad import SimulatedPinPad


class Pad(SimulatedKeyManagement, SimulatedKeyboard, SimulatedPinPad):
    pass
"""
PROGRAMS = {
    "simulate": (("simulate", "--plain", "--port", "0", "--json"), '"ready"'),
    "demo": (("demo", "--scenario", "withdrawal", "--json"), "{"),
    "serve": (("serve", "atm.toml"), "publishing at"),
}
"""By name: how it is started, and what it says as soon as it has keys."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_has_keys_is_in_no_core_dump(tmp_path: Path, program: str) -> None:
    (tmp_path / "atm.toml").write_text(SERVED, "utf-8")
    (tmp_path / "pad.py").write_text(PAD, "utf-8")
    arguments, says = PROGRAMS[program]
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)

    def dumps_wanted() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    with subprocess.Popen(
        (*XFS4IOT, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        preexec_fn=dumps_wanted,
    ) as process:
        try:
            assert process.stdout is not None
            assert any(says in line for line in process.stdout), f"{program} ended early"
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            (core,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
            assert core.split()[4:6] == ["0", "0"]
            process.send_signal(signal.SIGABRT)
            assert process.wait(20) == -signal.SIGABRT
        finally:
            process.kill()
    assert not list(tmp_path.glob("core*"))


def test_what_must_not_be_dumped_says_so_to_the_system() -> None:
    script = (
        "import ctypes; from xfs4iot._core import forbid_dumps; libc = ctypes.CDLL(None); "
        "print(libc.prctl(3, 0, 0, 0, 0), forbid_dumps(), libc.prctl(3, 0, 0, 0, 0))"
    )
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert made.stdout.split() == ["1", "True", "0"]
