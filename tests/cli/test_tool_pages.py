"""What the pages of the tools show can be typed as it stands: every command, configuration and scenario."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

import xfs4iot
from dialogue import dialogue
from xfs4iot import conformance
from xfs4iot.simulator import atm
from xfs4iot.transport.passwords import hash_password

DOCS = Path(__file__).parents[2] / "docs"
HOST = "5846"
"""The port that the pages have for a service."""
PRINTER = DOCS / "interfaces" / "printer.md"
CASES = Path(conformance.__file__).parent / "cases"
DEVICE = """
[publisher]
port = 0
plain = true
[ledger]
file = "ledger.sqlite"
[[service]]
name = "CashDispenser"
device = "xfs4iot.simulator:SimulatedCashDispenser"
"""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


def typed(line: str) -> list[str]:
    """A line of a page as arguments for our interpreter."""
    return [sys.executable, "-u", "-m", *shlex.split(line, comments=True)]


@contextmanager
def running(line: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A command of a page that goes on until it is interrupted; it has said its first line."""
    with subprocess.Popen(
        typed(line), cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_conformance(tmp_path: Path) -> None:
    port, other = free_port(), free_port()
    lines = [line for block in blocks("conformance.md", "sh") for line in block.splitlines()]
    simulate, conform, watch = (line.replace(HOST, port).replace("5860", other) for line in lines)
    with running(simulate, tmp_path):
        # All of it, which takes long, is tried where conformance is tested.
        done = subprocess.run(
            typed(f"{conform} --case 'CD-*P'"), cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert (tmp_path / "report.html").stat().st_size
    with running(watch, tmp_path) as watching:
        watching.send_signal(signal.SIGINT)
        said, _ = watching.communicate(timeout=20)
    assert watching.returncode == 2, said


def test_waivers(tmp_path: Path) -> None:
    (block,) = blocks("conformance.md", "toml")
    file = tmp_path / "waivers.toml"
    file.write_text(block, "utf-8")
    assert [one.owner for one in conformance.read_waivers(file)] == ["K. Berg"]


def test_attended_cases() -> None:
    ((case, title),) = re.findall(r"```\n(\S+) (.+)\nEnter:", (DOCS / "conformance.md").read_text("utf-8"))
    assert f'@case("{case}", "{title}"' in "".join(one.read_text("utf-8") for one in CASES.glob("*.py"))


@pytest.mark.parametrize("page", ["telemetry.md", "console.md"])
def test_configurations(page: str, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(DEVICE + block.replace("scrypt:…", hash_password("correct horse")), "utf-8")
        done = subprocess.run(
            typed(f"xfs4iot serve {file.name} --check"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)


def test_the_console_opens(tmp_path: Path) -> None:
    (block,) = blocks("console.md", "sh")
    line, _, then = block.strip().partition("#")
    (address,) = re.findall(r"http://\S+", then)
    port = free_port()
    with (
        running(f"{line} --port {port}", tmp_path),
        urllib.request.urlopen(address.replace(HOST, port)) as page,
    ):
        assert page.status == 200


async def test_a_scenario_of_the_console(nursery: trio.Nursery) -> None:
    (block,) = blocks("console.md", "json")
    publisher = xfs4iot.Publisher(atm(ledger=xfs4iot.Ledger.open(None), seconds=0), port=0)
    await nursery.start(publisher.serve)
    for step in json.loads(block):
        client = await nursery.start(dialogue, publisher.uri(step["service"]))
        said = await client.completion(step["command"], step.get("payload"))
        assert said["header"].get("completionCode", "success") == step.get("expect", "success"), step


def test_forms_in_files(tmp_path: Path) -> None:
    """With the definitions of the page that it refers to."""
    for name, head in (("receipt", "XFSFORM"), ("roll", "XFSMEDIA")):
        (definition,) = re.findall(rf"```\n({head} .*?)```", PRINTER.read_text("utf-8"), re.DOTALL)
        (tmp_path / f"{name}.form").write_text(definition, "utf-8")
    (block,) = (one for one in blocks("printers.md", "sh") if "xfs4iot forms" in one)
    for line in block.splitlines():
        done = subprocess.run(typed(line), cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (line, done.stderr)
    assert json.loads((tmp_path / "receipt.json").read_text("utf-8"))["name"] == "receipt"
    assert (tmp_path / "receipt.png").read_bytes().startswith(b"\x89PNG")
