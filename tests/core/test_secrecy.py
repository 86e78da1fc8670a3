"""The search for secrets finds what was told; without that, finding nothing would prove nothing."""

from __future__ import annotations

import base64
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from secrecy import Secrecy
from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.simulator.card_reader.cards import Card
from xfs4iot.simulator.secure_part.pins import Pins
from xfs4iot.simulator.secure_part.store import Held

KEY = bytes.fromhex("a1b2c3d4e5f60718293a4b5c6d7e8f90")
PIN = bytes([7, 3, 0, 5, 1, 9])


@pytest.fixture
def secrecy() -> Secrecy:
    """One that has a key and a PIN, registered by hand."""
    made = Secrecy()
    made.key(KEY)
    made.pin(PIN)
    made.track(b"4761739001010010=29122010000000000")
    return made


@pytest.mark.parametrize(
    "tell",
    [
        bytes.hex,
        lambda value: value.hex().upper(),
        lambda value: base64.b64encode(value).decode(),
        repr,
        lambda value: repr(bytearray(value)),
        lambda value: str(list(value)),
    ],
)
@pytest.mark.parametrize("value", [KEY, PIN])
def test_a_secret_in_a_text_is_found_in_any_form(
    secrecy: Secrecy, tell: Callable[[bytes], str], value: bytes
) -> None:
    told = tell(value) if value is KEY else str(list(value))
    (found,) = secrecy.found_in_text("the log", f"before {told} after")
    assert found.endswith("is in the log")
    assert told not in found
    assert not secrecy.found_in_text("the log", "before and after")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"x" + KEY + b"y", "key"),
        (base64.b64encode(KEY), "key"),
        (b'{"pin": "730519"}', "PIN"),
        (b"\0;4761739001010010=29122010000000000?", "track"),
    ],
)
def test_a_secret_in_a_file_is_found(secrecy: Secrecy, tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "ledger.db").write_bytes(bytes(1000) + content)
    assert secrecy.found_in_files(tmp_path) == [f"a {what} is in the file ledger.db"]


def test_what_is_logged_is_kept_with_its_traceback(secrecy: Secrecy) -> None:
    log = logging.getLogger("secrecy's own")
    log.addHandler(secrecy.log)
    try:
        raise ValueError(KEY.hex())
    except ValueError:
        log.exception("it failed")
    assert secrecy.found_in_text("the log", "\n".join(secrecy.log.lines))
    log.removeHandler(secrecy.log)


def test_what_devices_come_to_hold_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Secrecy()
    monkeypatch.setattr(Held, "__init__", Held.__init__)
    monkeypatch.setattr(Pins, "hold", Pins.hold)
    monkeypatch.setattr(Card, "tracks", Card.tracks)
    made.listen()
    try:
        Held(StoredKey(KeyAttributes(usage="P0", algorithm="T", mode_of_use="E"), 128), KEY)
        Pins().hold(bytearray(PIN))
        assert Card().tracks
    finally:
        logging.getLogger().removeHandler(made.log)
    assert {what for what, _ in made.values.values()} == {"key", "PIN", "track"}


SUITE = """
from pathlib import Path
from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.simulator.secure_part.store import Held

def test_that_tells(tmp_path: Path) -> None:
    value = bytes.fromhex("a1b2c3d4e5f60718293a4b5c6d7e8f90")
    Held(StoredKey(KeyAttributes(usage="P0", algorithm="T", mode_of_use="E"), 128), value)
    {tell}
"""


@pytest.mark.parametrize(
    ("tell", "failed"),
    [
        ("import logging; logging.getLogger('x').error('%s', value)", True),
        ("print(value.hex())", True),
        ("(tmp_path / 'trace.jsonl').write_bytes(value)", True),
        ("assert value", False),
    ],
)
def test_a_test_that_tells_a_secret_fails(tmp_path: Path, tell: str, failed: bool) -> None:
    tests = Path(__file__).parents[1]
    (tmp_path / "conftest.py").write_bytes((tests / "conftest.py").read_bytes())
    (tmp_path / "test_telling.py").write_text(SUITE.format(tell=tell))
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {tests}\nmarkers = long\n")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", tmp_path / "base"]
    result = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    # The test itself passes; what it told fails its end.
    assert ("1 passed, 1 error" if failed else "1 passed") in result.stdout, result.stdout
    if failed:
        assert "a key is in" in result.stdout
