"""The log of `xfs4iot serve`: where it goes, how its lines look, and that it begins and ends."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import xfs4iot
from xfs4iot.cli import logs
from xfs4iot.telling import logger

CONFIG = """
[publisher]
port = 0
plain = true
[ledger]
file = "ledger.sqlite"
[log]
{log}
[[service]]
name = "CashDispenser"
device = "xfs4iot.simulator:SimulatedCashDispenser"
"""
LONG = "a name that is longer than any terminal is wide " * 5
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) +\S.*")


def configuration(directory: Path, log: str = "") -> Path:
    file = directory / "atm.toml"
    file.write_text(CONFIG.format(log=log))
    return file


def served(directory: Path, log: str = "", **environment: str) -> tuple[int, str]:
    """`xfs4iot serve` from its start to an orderly end: its exit code, and what it said."""
    config = configuration(directory, log)
    said = directory / "stderr"
    places = [said, directory / "log"]
    with said.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "xfs4iot", "serve", str(config)],
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": str(directory), **environment},
        )
        try:
            until = time.monotonic() + 60
            while not any("publishing at" in one.read_text() for one in places if one.exists()):
                assert process.poll() is None, said.read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
        finally:
            process.kill()
            process.wait()
    return code, said.read_text()


@pytest.fixture
def restored() -> Iterator[logging.Logger]:
    log = logging.getLogger("xfs4iot")
    before = log.handlers[:], log.propagate, log.level
    yield log
    for handler in log.handlers:
        handler.close()
    log.handlers[:], log.propagate = before[0], before[1]
    log.setLevel(before[2])


def test_the_log_begins_and_ends_with_what_runs_here(tmp_path: Path) -> None:
    code, text = served(tmp_path)
    lines = text.splitlines()
    assert code == 0
    assert f"xfs4iot {xfs4iot.__version__} starts: {tmp_path / 'atm.toml'}" in lines[0]
    assert "services CashDispenser (xfs4iot.simulator:SimulatedCashDispenser)" in lines[0]
    assert any("SIGTERM" in line for line in lines)
    assert f"xfs4iot {xfs4iot.__version__} ends with code 0" in lines[-1]


def test_a_start_that_fails_is_in_the_log_file_as_well(tmp_path: Path) -> None:
    config = configuration(tmp_path, 'file = "log"')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(config.read_text().replace("port = 0", f"port = {port}"))
        done = subprocess.run(
            [sys.executable, "-m", "xfs4iot", "serve", str(config)], capture_output=True, text=True
        )
    assert done.returncode == 1
    lines = (tmp_path / "log").read_text().splitlines()
    assert "CRITICAL" in lines[-2]
    assert f"{port}: Address already in use" in lines[-2]
    assert "ends with code 1" in lines[-1]


def test_lines_are_never_wrapped_where_there_is_no_terminal(
    restored: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure("console", "info")
    logger("xfs4iot.session").warning("%s", LONG, extra={"identity": "switch at 127.0.0.1:1"})
    logger("xfs4iot.session").info("[bold]no markup[/] http://127.0.0.1")
    restored.handlers[0].flush()
    first, second = capfd.readouterr().err.splitlines()
    assert LINE.fullmatch(first)
    assert first.endswith(f"switch at 127.0.0.1:1: {LONG}")
    assert second.endswith("[bold]no markup[/] http://127.0.0.1")


def test_a_log_file_is_for_its_owner_and_group_and_is_turned_over(
    restored: logging.Logger, tmp_path: Path
) -> None:
    file = tmp_path / "log"
    logs.configure("json", "info", file=logs.LogFile(file, bytes=2000, kept=2))
    for number in range(100):
        logger("xfs4iot.session").info("line %d", number)
    restored.handlers[0].flush()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    text = "".join((tmp_path / name).read_text() for name in ("log.2", "log.1", "log"))
    numbers = [int(json.loads(line)["text"].split()[1]) for line in text.splitlines()]
    assert numbers == list(range(numbers[0], 100))
    for one in tmp_path.iterdir():
        assert one.stat().st_size <= 2000
        assert one.stat().st_mode & 0o137 == 0


@pytest.mark.posix
@pytest.mark.parametrize(
    "gone", [lambda file: file.rename(f"{file}.old"), Path.unlink], ids=["moved", "deleted"]
)
def test_a_log_file_that_somebody_put_aside_is_begun_anew(
    restored: logging.Logger, tmp_path: Path, gone: Callable[[Path], object]
) -> None:
    file = tmp_path / "log"
    logs.configure("console", "info", file=logs.LogFile(file, bytes=0, kept=0))
    logger("xfs4iot.session").info("before")
    restored.handlers[0].flush()
    gone(file)
    logger("xfs4iot.session").info("after")
    restored.handlers[0].flush()
    assert "before" not in file.read_text()
    assert file.read_text().endswith("after\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full to stand for a full disk")
def test_lines_that_a_full_disk_did_not_take_are_counted(restored: logging.Logger, tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.symlink_to("/dev/full")
    logs.configure("console", "info", file=logs.LogFile(file, bytes=0, kept=0))
    for _ in range(7):
        logger("xfs4iot.session").info("no room for this")
    restored.handlers[0].flush()
    file.unlink()
    logger("xfs4iot.session").info("there is room again")
    restored.handlers[0].flush()
    assert [line.partition(" ")[2][13:].strip() for line in file.read_text().splitlines()] == [
        "INFO     there is room again",
        "ERROR    7 lines were lost: the log took no more",
    ]


def test_a_handler_of_ones_own_gets_every_line(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import logging\n\ndef handler():\n    return logging.FileHandler('OWN', delay=True)\n".replace(
            "OWN", str(tmp_path / "own")
        )
    )
    code, text = served(tmp_path, 'handler = "own:handler"')
    assert code == 0
    assert (tmp_path / "own").read_text() == text


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ('file = "no/such/log"', "log.file: there is no directory"),
        ('handler = "json:dumps"', "json:dumps fails"),
        ('handler = "logging:getLogger"', "no logging.Handler"),
        ('handler = "nobody:nothing"', "Python finds no module nobody"),
        ('handler = "nothing"', "module:function"),
        ("file_bytes = -1", "log.file_bytes"),
    ],
)
def test_a_log_that_cannot_be_written_is_a_mistake_in_the_file(tmp_path: Path, log: str, why: str) -> None:
    config = configuration(tmp_path, log)
    done = subprocess.run(
        [sys.executable, "-m", "xfs4iot", "serve", "--check", str(config)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert why in done.stderr


def test_the_journal_of_systemd_is_told_the_level_of_each_line(tmp_path: Path) -> None:
    code, text = served(tmp_path)
    assert code == 0
    status = (tmp_path / "stderr").stat()
    code, text = served(tmp_path, JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}")
    assert code == 0
    assert all(re.match(r"<[234567]>\S", line) for line in text.splitlines())
