"""What is told to end while it still starts ends in order: no traceback, no state left, the status of an end.

The moments are not guessed: the program itself raises the signal when it comes to import or open something.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.posix

AT = """
import os, runpy, sys

left = [one.split(":", 2) for one in sys.argv.pop(1).split()]

def raised(event, arguments):
    if left and event == left[0][1] and left[0][2] in str(arguments[0] if arguments else ""):
        os.kill(os.getpid(), int(left.pop(0)[0]))

sys.addaudithook(raised)
sys.argv[0] = "xfs4iot"
runpy.run_module("xfs4iot", run_name="__main__", alter_sys=True)
"""
"""Runs the program, which raises NUMBER:EVENT:WORD..., one after the other, at audit events with the word."""

FIRST = "import:click"
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

CONFIGURATION = """
[publisher]
port = 0
plain = true

[ledger]
file = "{where}/ledger.sqlite"

[[service]]
name = "Lights"
device = "xfs4iot.simulator:SimulatedLights"
"""


def ended(moments: str, *arguments: str | Path, where: Path) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of the program that raises signals at these moments."""
    place = {**os.environ, "TMPDIR": str(where)}
    done = subprocess.run(
        [sys.executable, "-c", AT, moments, *arguments], capture_output=True, text=True, env=place
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def serving(tmp_path: Path) -> tuple[str, Path]:
    file = tmp_path / "serve.toml"
    file.write_text(CONFIGURATION.format(where=tmp_path))
    return "serve", file


def cases(*moments: str, signals: list[signal.Signals] = SIGNALS) -> list[object]:
    """Each signal at each moment; in short runs the first signal at the first moment, and so on."""
    return [
        pytest.param(
            number, moment, id=f"{number.name}-{moment}", marks=() if which == place else pytest.mark.long
        )
        for place, moment in enumerate(moments)
        for which, number in enumerate(signals)
    ]


@pytest.mark.parametrize(
    ("number", "moment"),
    cases(
        FIRST,
        "import:sqlite3",
        "tempfile.mkdtemp:",
        "import:trio",
        "import:xfs4iot.cli.simulate",
        "socket.bind:",
    ),
)
def test_a_simulated_atm(number: signal.Signals, moment: str, tmp_path: Path) -> None:
    status, _, stderr = ended(f"{number}:{moment}", "simulate", "--plain", "--port", "0", where=tmp_path)
    assert (status, stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "moment"),
    cases(
        "sqlite3.connect:",
        FIRST,
        "import:xfs4iot.cli.serve",
        "import:trio",
        "open:serve.toml",
        signals=SIGNALS[:2],
    ),
)
def test_a_service(number: signal.Signals, moment: str, serving: tuple[str, Path], tmp_path: Path) -> None:
    status, _, stderr = ended(f"{number}:{moment}", *serving, where=tmp_path)
    assert status == 0, stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "ledger.sqlite-wal").exists()


def test_a_service_that_hangs_up_early_goes_on(serving: tuple[str, Path], tmp_path: Path) -> None:
    """SIGHUP has it take up certificates, which it has not read yet."""
    moments = f"{signal.SIGHUP}:{FIRST} {signal.SIGTERM}:socket.bind:"
    status, _, stderr = ended(moments, *serving, where=tmp_path)
    assert status == 0, stderr
    assert "SIGTERM: the services end" in stderr


def test_a_service_that_hangs_up_early_is_told_to_end_in_order_all_the_same(
    serving: tuple[str, Path], tmp_path: Path
) -> None:
    moments = f"{signal.SIGHUP}:{FIRST} {signal.SIGHUP}:import:trio {signal.SIGTERM}:open:serve.toml"
    status, _, stderr = ended(moments, *serving, where=tmp_path)
    assert (status, "SIGTERM: the services end" in stderr) == (0, True), stderr


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGHUP, False), (signal.SIGTERM, True)])
def test_only_what_is_to_end_may_not_start_for_ever(number: signal.Signals, ends: bool) -> None:
    program = "import os, signal; from xfs4iot.held_signals import hold; hold(); "
    program += f"os.kill(os.getpid(), {number}); print(signal.alarm(0))"
    rest = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert (int(rest) > 0) == ends


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    moments = f"{signal.SIGINT}:{FIRST} {signal.SIGINT}:import:trio"
    status, _, stderr = ended(moments, "simulate", "--plain", "--port", "0", where=tmp_path)
    assert (status, stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)],
)
@pytest.mark.parametrize(
    ("moment", "arguments"),
    [
        (FIRST, "discover 127.0.0.1 --plain"),
        ("import:xfs4iot.client", "discover 127.0.0.1 --plain"),
        ("import:rich", "token check - --key-file key"),
        ("socket.bind:", "demo"),
        ("socket.bind:", "demo --scenario withdrawal"),
        ("sqlite3.connect:", "check-device xfs4iot.simulator:SimulatedLights"),
        ("socket.bind:", "check-device xfs4iot.simulator:SimulatedLights"),
    ],
)
def test_any_other_command_clears_up_and_ends_as_always(
    number: signal.Signals, status: int, moment: str, arguments: str, tmp_path: Path
) -> None:
    told, _, stderr = ended(f"{number}:{moment}", *arguments.split(), where=tmp_path)
    assert (told, stderr) == (status, "")
    assert list(tmp_path.iterdir()) == []


def test_a_background_job_that_ctrl_c_does_not_reach_is_ended_by_sigterm(tmp_path: Path) -> None:
    """A shell has its background jobs ignore SIGINT."""
    program = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + AT
    done = subprocess.run(
        [sys.executable, "-c", program, f"{signal.SIGTERM}:import:rich", "demo"],
        capture_output=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, b"")
