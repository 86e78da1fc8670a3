"""What a type checker finds right and what it refuses, stated in `tests/typing`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parents[1] / "typing").glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_type_checkers_know_what_belongs_to_each_command_and_event(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(file)],
        cwd=file.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
