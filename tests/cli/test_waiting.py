"""What takes long shows that it goes on, to a person who looks on and to nobody else."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from xfs4iot.cli import waiting as module
from xfs4iot.cli.waiting import waiting


def screen(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=40, color_system=None)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def until(console: Console, what: str) -> None:
    deadline = time.monotonic() + 30
    while what not in printed(console):
        assert time.monotonic() < deadline, printed(console)
        time.sleep(0.01)


def test_what_lasts_is_shown_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AFTER_SECONDS", 0.0)
    console = screen(terminal=True)
    with waiting("asking [bold]atm" + "x" * 100, console):
        until(console, "asking [bold]atm")
        console.print("an event")
    assert "an event" in printed(console)
    assert max(map(len, printed(console).replace("\r", "\n").splitlines())) <= 60
    assert printed(console).endswith(("\x1b[2K", "\x1b[?25h", "\x1b[1A\x1b[2K"))


def test_what_is_quick_shows_nothing_and_leaves_no_thread() -> None:
    console = screen(terminal=True)
    before = set(threading.enumerate())
    with waiting("asking", console):
        pass
    # Threads of other tests may end meanwhile: only a new one was left by this.
    assert (printed(console), set(threading.enumerate()) - before) == ("", set())


@pytest.mark.parametrize(("terminal", "traced"), [(False, False), (True, True)])
def test_nobody_else_is_shown_anything(terminal: bool, traced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AFTER_SECONDS", 0.0)
    console = screen(terminal=terminal)
    with waiting("asking", console, traced=traced):
        time.sleep(0.05)
    assert printed(console) == ""


@pytest.mark.posix
@pytest.mark.parametrize(
    ("line", "what"),
    [("call {uri}/Lights Common.Status", b"Common.Status"), ("record {uri} -o {file}", b"asking ws://")],
)
def test_a_command_shows_what_it_waits_for(line: str, what: bytes, tmp_path: Path) -> None:
    """A port that accepts and says nothing."""
    import pty
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    ours, theirs = pty.openpty()
    uri = f"ws://127.0.0.1:{listener.getsockname()[1]}/xfs4iot/v1.0"
    command = [sys.executable, "-m", "xfs4iot", *line.format(uri=uri, file=tmp_path / "x.x4r").split()]
    place = {**os.environ, "TERM": "xterm"}
    with (
        listener,
        subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=place) as process,
    ):
        os.close(theirs)
        shown = b""
        try:
            while what not in shown:
                shown += os.read(ours, 4096)
        finally:
            process.kill()
            os.close(ours)
