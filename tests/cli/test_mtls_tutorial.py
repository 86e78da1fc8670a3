"""The tutorial of mutual TLS does what it says: each of its commands, in its order."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xfs4iot.cli import cli
from xfs4iot.fleet.broker import free_port

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "first_mtls.md"


def test_the_first_mutual_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text("utf-8").replace("5846", str(free_port()))
    Path("atm.toml").write_text(page.partition("```toml\n")[2].partition("```")[0], "utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    install, *made, check, serve, teller, status, refused, nobody, stranger, shown, renewed, served = lines
    assert install == "pip install 'xfs4iot[simulator]'"

    def typed(line: str) -> Result:
        return CliRunner().invoke(cli, shlex.split(line)[1:])

    for line in [*made, check]:
        assert typed(line).exit_code == 0, line
    command = [sys.executable, "-m", "xfs4iot", *shlex.split(serve)[1:]]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        try:
            assert service.stderr is not None
            while "publishing at" not in (said := service.stderr.readline()):
                assert said
            assert '"minimumBills"' in typed(teller).stdout
            assert '"online"' in typed(status).stdout
            assert "authorizationRequired" in (told := typed(refused)).output
            assert told.exit_code == 1
            assert "`authorizationRequired`" in page
            assert "the device demands a certificate" in typed(nobody).output
            assert "an authority that is not trusted here" in typed(stranger).output
            before = typed(shown).stdout
            assert "fingerprint" in before
            assert typed(renewed).exit_code == 0
            for _ in range(100):
                if (after := typed(served).stdout) != before and "fingerprint" in after:
                    break
                time.sleep(0.1)
            else:
                pytest.fail(f"the service still shows {before}")
        finally:
            service.terminate()
