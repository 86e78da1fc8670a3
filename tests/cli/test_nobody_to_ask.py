"""Commands that ask at the terminal say which option answers, where nobody can."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CLI = Path(__file__).parents[2] / "python" / "xfs4iot" / "cli"
ASKING = {
    "certificate password": "add --password-file FILE",
    "certificate pack {file} {file} {directory}/new.p12": "add --password-file FILE",
    "certificate unpack {file} {directory}/new.pem": "add --password-file FILE",
    "enroll - authority.example": "give @FILE in place of -",
}
"""Each, and what it says; `conform` and `fleet call` need a service first, and have tests of their own."""


@pytest.mark.parametrize("command", ASKING)
def test_who_cannot_be_asked_is_told_which_option_answers(command: str, tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_bytes(b"")
    line = command.format(file=file, directory=tmp_path)
    # A session of its own has no terminal that a password could be asked at.
    done = subprocess.run(
        [sys.executable, "-m", "xfs4iot", *line.split()],
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "nobody can be asked" in " ".join(done.stderr.split())
    assert ASKING[command] in " ".join(done.stderr.split())
    assert "Aborted" not in done.stderr
    assert "GetPassWarning" not in done.stderr


def test_all_questions_are_asked_in_one_place() -> None:
    """What asks by itself would end in `Aborted!`."""
    asking = {
        file.name
        for file in CLI.glob("*.py")
        if any(sign in file.read_text() for sign in ("click.prompt", "click.confirm", "getpass", " input("))
    }
    assert asking == {"asking.py"}
