"""What is told of failures of the system: file and reason, without Python's numbers."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from xfs4iot.cli import cli
from xfs4iot.reasons import reason


def test_a_file_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "absent"
    with pytest.raises(OSError, match="Errno") as raised:
        file.read_text()
    assert reason(raised.value) == f"{file}: No such file or directory"


async def test_of_attempts_in_vain_the_reason_is_told() -> None:
    with socket.socket() as bound:
        # Nobody listens there, and nobody else can.
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="all attempts") as raised:
            await trio.open_tcp_stream("127.0.0.1", bound.getsockname()[1])
    assert reason(raised.value) == "Connection refused"


def test_a_name_that_is_none_is_told_in_the_resolvers_words() -> None:
    assert reason(socket.gaierror(-2, "Name or service not known")) == "Name or service not known"


@pytest.mark.parametrize("problem", [ValueError("wrong"), OSError("no number")])
def test_other_texts_stay_as_they_are(problem: Exception) -> None:
    assert reason(problem) == str(problem)


@pytest.mark.parametrize(
    "arguments",
    [
        ["enroll", "@absent/atm1.code", "127.0.0.1"],
        ["simulate", "--uplink", "absent/uplink.toml"],
        ["gateway", "--fleet", ".", "--port", "0"],
    ],
)
def test_no_command_prints_pythons_number(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code
    assert "No such file or directory" in " ".join(done.output.split())
    assert "Errno" not in done.output
