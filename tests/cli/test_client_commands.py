"""`discover`, `call` and `watch` against `simulate`: what an application writer does first."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DENOMINATE = '{"request":{"denomination":{"service":{"currencies":{"EUR":%s},"mix":"mix1"}}}}'


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xfs4iot", *arguments], capture_output=True, text=True, timeout=60
    )


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs while the block lasts; a test that fails does not wait for it."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "xfs4iot", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def ready() -> Iterator[dict[str, Any]]:
    """A simulated ATM behind TLS in a process of its own: the line it prints when it is ready."""
    with started("simulate", "--port", "0", "--seconds", "0", "--json") as process:
        assert process.stdout is not None
        line: dict[str, Any] = json.loads(process.stdout.readline())
        yield line
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stdout.read() == ""
    assert not Path(line["ca"]).exists(), "without --state nothing is left behind"


def test_ready_names_everything_a_client_needs(ready: dict[str, Any]) -> None:
    assert ready["ready"] is True
    assert ready["publisher"].startswith("wss://127.0.0.1:")
    assert set(ready["services"]) >= {"CashDispenser", "Simulator"}
    assert "BEGIN CERTIFICATE" in Path(ready["ca"]).read_text()


def test_discover_prints_whole_uris(ready: dict[str, Any]) -> None:
    port = ready["publisher"].split(":")[2].partition("/")[0]
    done = run("discover", "127.0.0.1", "--port", port, "--ca", ready["ca"])
    assert done.returncode == 0, done.stderr
    assert all(uri in done.stdout.split() for uri in ready["services"].values())
    listed = json.loads(run("discover", "127.0.0.1", "--port", port, "--ca", ready["ca"], "--json").stdout)
    assert listed[0]["services"] == ready["services"]


def test_call_prints_the_answer_and_exits_with_0(ready: dict[str, Any]) -> None:
    uri = ready["services"]["CashDispenser"]
    done = run("call", uri, "CashDispenser.Denominate", DENOMINATE % "70.0", "--ca", ready["ca"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["currencies"] == {"EUR": 70}


@pytest.mark.parametrize("version", ["2021-1", "2023-2", "2024-3"])
def test_call_speaks_the_version_asked_for(ready: dict[str, Any], version: str) -> None:
    uri = ready["services"]["CashDispenser"]
    done = run("call", uri, "Common.Status", "--ca", ready["ca"], "--version", version, "--trace")
    assert done.returncode == 0, done.stderr
    acknowledge = next(line for line in done.stderr.splitlines() if '"acknowledge"' in line)
    assert ('"status":"ok"' in acknowledge) == (version == "2021-1")


def test_a_failed_call_says_why_and_exits_with_1(ready: dict[str, Any]) -> None:
    arguments = (ready["services"]["CashDispenser"], "CashDispenser.Denominate", DENOMINATE % 5)
    done = run("call", *arguments, "--ca", ready["ca"])
    assert done.returncode == 1
    assert done.stdout == ""
    assert "commandErrorCode/notDispensable: 5 EUR" in done.stderr
    answer = json.loads(run("call", *arguments, "--ca", ready["ca"], "--json").stdout)
    assert answer["completionCode"] == "commandErrorCode"
    assert answer["payload"]["errorCode"] == "notDispensable"


def test_an_authority_that_is_not_known_is_said(ready: dict[str, Any]) -> None:
    done = run("call", ready["services"]["CashDispenser"], "Common.Status")
    assert done.returncode == 1
    assert "not trusted" in done.stderr


def test_watch_prints_events_as_they_come(ready: dict[str, Any]) -> None:
    uri = ready["services"]["CashDispenser"]
    arguments = ["watch", uri, "--ca", ready["ca"], "--event", "StatusChangedEvent", "--count", "1"]
    with started(*arguments) as watching:
        assert watching.stderr is not None
        assert "watching" in watching.stderr.readline()
        request = '{"denomination":' + DENOMINATE[len('{"request":') :] % 70
        assert run("call", uri, "CashDispenser.Dispense", request, "--ca", ready["ca"]).returncode == 0
        printed, _ = watching.communicate(timeout=20)
    assert watching.returncode == 0
    assert "Common.StatusChangedEvent" in printed
    assert '"cashDispenser":{"intermediateStacker":"notEmpty"}' in printed


def test_an_interrupted_watch_ends_quietly(ready: dict[str, Any]) -> None:
    arguments = ["watch", ready["services"]["CashDispenser"], "--ca", ready["ca"]]
    with started(*arguments) as watching:
        assert watching.stderr is not None
        assert "watching" in watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 130
        assert watching.stderr.read() == ""


def test_output_that_nobody_reads_is_no_error() -> None:
    demo = f"{sys.executable} -m xfs4iot demo --trace"
    done = subprocess.run(
        f"{demo} | head -n 1", shell=True, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_the_tests_end_where_interrupts_are_ignored() -> None:
    """As under `nohup`, or in the background of a shell script."""
    test = f"{__file__}::test_an_interrupted_watch_ends_quietly"
    done = subprocess.run(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "pytest", test],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_watch_whose_service_ends_says_so_and_exits_with_1() -> None:
    with started("simulate", "--plain", "--port", "0", "--json") as service:
        assert service.stdout is not None
        uri = json.loads(service.stdout.readline())["services"]["CashDispenser"]
        with started("watch", uri) as watching:
            assert watching.stderr is not None
            assert "watching" in watching.stderr.readline()
            service.terminate()
            assert f"the connection to {uri} has ended: " in watching.stderr.readline()
            assert watching.wait(20) == 1


def test_a_command_that_there_is_not_is_answered_with_the_nearest(ready: dict[str, Any]) -> None:
    done = run("call", ready["services"]["CashDispenser"], "Common.Statsu", "--ca", ready["ca"])
    assert done.returncode == 1
    assert "did you mean Common.Status?" in done.stderr


def test_a_command_that_was_understood_is_not_taken_for_another(ready: dict[str, Any]) -> None:
    nobody = ("Simulator.PresentFinger", '{"finger": "nobody"}')
    done = run("call", ready["services"]["Simulator"], *nobody, "--ca", ready["ca"])
    assert done.returncode == 1
    assert "$.finger: one of alice" in done.stderr
    assert "did you mean" not in done.stderr
