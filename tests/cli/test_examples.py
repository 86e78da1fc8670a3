"""What the README shows is what is in the examples, and it runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import trio

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("two_cassettes.py", "README.md"),
        ("withdraw.py", "README.md"),
        ("keep_connected.py", "docs/clients.md"),
    ],
)
def test_the_page_shows_the_example(name: str, page: str) -> None:
    assert (EXAMPLES / name).read_text().strip() in (ROOT / page).read_text()


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{one.name}" for one in ROOT.glob("docs/*.md"))])
def test_a_link_leads_somewhere(page: str) -> None:
    file = ROOT / page
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", file.read_text())
    assert [link for link in links if not (file.parent / link).exists()] == []


async def test_the_example_client_is_paid_by_the_example_device() -> None:
    device = await trio.lowlevel.open_process(
        [sys.executable, "-u", str(EXAMPLES / "two_cassettes.py")], stdout=subprocess.PIPE
    )
    try:
        client = ""
        for _ in range(20):
            await trio.sleep(0.5)
            done = await trio.run_process(
                [sys.executable, str(EXAMPLES / "withdraw.py")],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
            if done.returncode == 0:
                client = done.stdout.decode()
                break
        assert client.strip() == "{'unit1': 1, 'unit2': 1}"
        assert device.stdout is not None
        assert b"feeding 1 notes from unit2" in await device.stdout.receive_some()
    finally:
        device.kill()
        await device.wait()
        if device.stdout is not None:
            await device.stdout.aclose()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xfs4iot", *arguments], capture_output=True, text=True, timeout=60
    )


def test_the_demo_pays_out_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = run("demo", "--trace")
    assert list(tmp_path.iterdir()) == []
    assert done.returncode == 0, done.stderr
    assert "the customer has them" in done.stdout
    assert '"name":"CashDispenser.Dispense"' in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "simulate",
        "serve",
        "discover",
        "call",
        "watch",
        "denominate",
        "certificate",
        "token",
        "bench",
        "ledger",
        "completion",
    ],
)
def test_every_command_has_help(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_bad_usage_exits_with_2() -> None:
    assert run("call", "ws://127.0.0.1:1/x", "NoDot").returncode == 2
    assert run("nonsense").returncode == 2


def test_a_service_that_is_not_there_exits_with_1() -> None:
    done = run("call", "ws://127.0.0.1:1/xfs4iot/v1.0/X", "Common.Status")
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
