"""Modules of others that are imported early and loaded when used."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import pytest

from xfs4iot.late import late_libraries

NAME = "made_for_late_libraries"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    return tmp_path / f"{NAME}.py"


def test_a_late_library_is_loaded_by_the_first_name_that_is_asked_for(file: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    file.write_text(f"with open({str(ran)!r}, 'a') as ran: ran.write('x')\nfound = 3\n")
    late_libraries([NAME])
    module = importlib.import_module(NAME)
    assert module.__file__ == str(file)
    assert not hasattr(module, "__path__")
    assert not ran.exists()
    assert module.found == 3
    with pytest.raises(AttributeError, match=f"module '{NAME}' has no attribute 'lost'"):
        _ = module.lost
    late_libraries([NAME])
    assert sys.modules[NAME] is module
    assert ran.read_text() == "x"


def test_a_late_library_may_have_late_names_and_fail(file: Path) -> None:
    file.write_text("import missing_for_late_libraries")
    late_libraries([NAME, "nowhere_for_late_libraries"])
    assert "nowhere_for_late_libraries" not in sys.modules
    module = importlib.import_module(NAME)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="missing_for_late_libraries"):
            _ = module.found
    file.write_text("def __getattr__(name): return name.upper()\n")
    assert (module.found, module.other) == ("FOUND", "OTHER")


def test_threads_that_ask_at_once_get_the_whole_library(file: Path) -> None:
    file.write_text("import time\ntime.sleep(0.02)\nfound = 3\n")
    late_libraries([NAME])
    module, found, barrier = importlib.import_module(NAME), [], Barrier(4)

    def ask() -> None:
        barrier.wait()
        found.append(module.found)

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3] * 4


@pytest.mark.posix  # What pretends to be Windows has loaded ssl.
def test_what_the_program_makes_late_works_when_it_is_used() -> None:
    program = """
import xfs4iot.cli, sys
import trio, ssl, hashlib, hmac, secrets, idna, shutil
assert "_ssl" not in sys.modules and "_hashlib" not in sys.modules
assert hashlib.sha256(b"").hexdigest().startswith("e3b0c442")
assert hmac.digest(b"k", b"d", "sha256") and len(secrets.token_bytes(3)) == 3
assert ssl.create_default_context().check_hostname and isinstance(ssl.SSLError(), OSError)
assert idna.encode("b\u00fccher.example") == b"xn--bcher-kva.example"
from shutil import which
assert which("no such program") is None
"""
    subprocess.run([sys.executable, "-c", program], check=True)
