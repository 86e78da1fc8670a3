"""Each tool meets each hostile service: it ends, says why in a few lines, and nothing steers the terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hostile_services import HIDDEN, SERVICES, hostile

MOST_MEGABYTES = 400
"""Of memory: a process that met nobody has 100, and the largest message is 64."""
MEASURED = """
import atexit, os, pathlib, re, runpy, sys

def tell():
    # What the system tells of children would count the tests' own memory, too, from which this was forked.
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        peak = re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())
        pathlib.Path(os.environ["PEAK"]).write_text(str(int(peak[1]) // 1024))

atexit.register(tell)
runpy.run_module("xfs4iot", run_name="__main__", alter_sys=True)
"""
"""The program, which leaves in a file how many MiB it took at most."""
LONGEST = 2_000
"""Bytes that may be printed, but for what a user asked for: the answer of a service, or its events."""
ASKED = ("Common.Status", "--silence", "1", "--patience", "1", "--timeout", "500")
COMMAND = {"name": "Common.Status", "requestId": 1, "version": "2.0"}


def recording(directory: Path) -> Path:
    """One command, and its answers."""
    spoken = [
        ("client", {"header": {"type": "command", **COMMAND}, "payload": {}}),
        ("service", {"header": {"type": "acknowledge", **COMMAND}, "payload": None}),
        (
            "service",
            {"header": {"type": "completion", **COMMAND}, "payload": {"common": {"device": "online"}}},
        ),
    ]
    place = {"at": 1, "connection": 1, "service": "S"}
    lines = [
        {"x4r": 1, "uri": "ws://a/xfs4iot/v1.0/S", "recorded": "2026-01-01T00:00:00Z", "by": "x"},
        place,
        *({**place, "from": sender, "message": message} for sender, message in spoken),
    ]
    file = directory / "good.x4r"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return file


class Ended:
    """What a command did."""

    def __init__(self, *arguments: str) -> None:
        with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile() as peak:
            process = subprocess.Popen(
                [sys.executable, "-c", MEASURED, *arguments], env={**os.environ, "PEAK": peak.name},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            timer = threading.Timer(60, process.kill)
            timer.start()
            self.exit = process.wait()
            timer.cancel()
            output.seek(0)
            self.said = output.read().decode(errors="surrogateescape")
            self.peak = int(peak.read() or 0)


def recorded(port: int, directory: Path) -> list[Ended]:
    """A call through the recorder, and a comparison of what was recorded with itself."""
    file = str(directory / "hostile.x4r")
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "xfs4iot", "record", uri(port), "-o", file, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="surrogateescape",
    ) as recorder:  # fmt: skip
        try:
            assert recorder.stdout is not None
            through = json.loads(recorder.stdout.readline())["services"]["S"]
            call = Ended("call", through, *ASKED)
            recorder.send_signal(signal.SIGINT)
            said, _ = recorder.communicate(timeout=20)
        finally:
            recorder.kill()
    assert recorder.returncode == 0, said
    assert "Traceback" not in said, said
    assert not HIDDEN.search(said), said
    compared = Ended("diff", file, file)
    assert compared.exit in (0, 2), compared.said
    compared.exit = call.exit
    return [call, compared]


def uri(port: int) -> str:
    return f"ws://127.0.0.1:{port}/xfs4iot/v1.0/S"


TOOLS: dict[str, tuple[int, Callable[[int, Path], list[Ended]]]] = {
    "call": (1, lambda port, _: [Ended("call", uri(port), *ASKED)]),
    "watch": (1, lambda port, _: [Ended("watch", uri(port), "--count", "3", "--silence", "1")]),
    "discover": (1, lambda port, _: [Ended("discover", "127.0.0.1", "--port", str(port), "--plain")]),
    "conform": (2, lambda port, _: [Ended("conform", uri(port), "--patience", "0.5", "--case", "COM-*P")]),
    "replay": (
        1,
        lambda port, at: [Ended("replay", str(recording(at)), "--to", uri(port), "--patience", "0.5")],
    ),
    "record": (1, recorded),
}
"""By name: the exit code with a service that cannot be understood, and how it is used."""
OTHERWISE: dict[tuple[str, str], int] = {
    ("has no payload where one must be", "call"): 0,
    ("has no payload where one must be", "conform"): 1,
    ("has no payload where one must be", "discover"): 0,
    ("has no payload where one must be", "record"): 0,
    ("is huge", "call"): 0,
    ("is huge", "record"): 0,
    ("draws", "discover"): 0,
    ("draws", "conform"): 1,
    ("floods", "watch"): 0,
    ("floods", "discover"): 0,
    ("floods", "conform"): 1,
    ("lists what is no interface", "call"): 0,
    ("lists what is no interface", "record"): 0,
    **{(service, "replay"): 2 for service in list(SERVICES)[: list(SERVICES).index("draws in its head")]},
    ("chooses an extension", "replay"): 2,
}
"""Exit codes where a tool understands what is said, or none can begin to talk."""
ANSWERS = {("is huge", "call"), ("is huge", "record"), ("floods", "call"), ("floods", "record")}
"""Where what was asked for is printed, and it is long."""
WAITING = {
    (service, "watch")
    for service in (
        *("draws", "has no payload where one must be", "is huge", "lists what is no interface"),
        *("answers nothing but pings", "acknowledges and no more"),
    )
} | {("acknowledges and no more", "replay")}
"""Where the service is understood, and watched or waited for until Ctrl-C."""
TIMED = {("is huge", tool) for tool in ("discover", "record", "conform")}
"""Where it depends on the machine whether all comes within the time that there is."""
SLOW = ("floods", "has a type of another type")
ALL = ("is no HTTP", "has a name of another type")
"""Which each tool meets in ordinary runs, too."""
FOUND = {
    ("chooses an extension", "record"),
    *((service, "conform") for service in ("has a payload of another kind", "lists what is no interface")),
}
"""Where a tool did not end in words once."""


def pairs() -> list[object]:
    """All; in ordinary runs each service meets a tool, and each tool meets some."""
    found: list[object] = []
    for row, service in enumerate(SERVICES):
        for column, tool in enumerate(TOOLS):
            if (service, tool) in WAITING | TIMED:
                continue
            sampled = service in ALL or (row % len(TOOLS) == column and service not in SLOW)
            sampled = sampled or (service, tool) in FOUND
            marks = [
                *([] if sampled else [pytest.mark.long]),
                *([pytest.mark.posix] if tool == "record" else []),
            ]
            found.append(pytest.param(service, tool, marks=marks, id=f"{tool}: a service that {service}"))
    return found


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("service", "tool"), pairs())
def test_a_tool_ends_in_words(service: str, tool: str, tmp_path: Path) -> None:
    expected, use = TOOLS[tool]
    with hostile(SERVICES[service]) as port:
        done = use(port, tmp_path)
    for one in done:
        assert one.exit == OTHERWISE.get((service, tool), expected), one.said[-LONGEST:]
        assert "Traceback" not in one.said, one.said[-LONGEST:]
        assert not HIDDEN.search(one.said)
        assert one.peak < MOST_MEGABYTES
        assert one.peak or sys.platform != "linux"
        assert one.said.strip()
        assert len(one.said) < LONGEST or (service, tool) in ANSWERS
