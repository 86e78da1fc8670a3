"""What runs an ATM is in no core dump, and nobody else's debugger reads it."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
SIMULATE = (sys.executable, "-m", "xfs4iot", "simulate", "--plain", "--port", "0", "--json")


def test_a_simulated_atm_is_in_no_core_dump(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)

    def dumps_wanted() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    with subprocess.Popen(SIMULATE, stdout=subprocess.PIPE, cwd=tmp_path, preexec_fn=dumps_wanted) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["ready"]
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            (core,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
            assert core.split()[4:6] == ["0", "0"]
            process.send_signal(signal.SIGABRT)
            process.wait(20)
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
