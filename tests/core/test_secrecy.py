"""The search for secrets finds what was told; without that, finding nothing would prove nothing."""

from __future__ import annotations

import base64
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from secrecy import Secrecy, watch
from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.simulator.biometric import device as fingers
from xfs4iot.simulator.biometric.fingers import Impression
from xfs4iot.simulator.biometric.minutiae import Minutia
from xfs4iot.simulator.card_reader import cryptogram
from xfs4iot.simulator.card_reader.cards import Card
from xfs4iot.simulator.secure_part.pins import Pins
from xfs4iot.simulator.secure_part.store import Held
from xfs4iot.transport import certificates

KEY = bytes.fromhex("a1b2c3d4e5f60718293a4b5c6d7e8f90")
PIN = bytes([8, 6, 0, 4, 1, 7])
"""These are planted, and come to no device: the whole suite is searched for those that do."""
HELD_KEY, HELD_PIN = bytes.fromhex("4b0193d7e2c8a65f1d3c9b7e08f2a46c"), bytes([5, 9, 2, 0, 6, 8])


@pytest.fixture
def secrecy() -> Secrecy:
    """One that has a key and a PIN, registered by hand."""
    made = Secrecy()
    made.note("key", KEY)
    made.note("PIN", PIN)
    made.note("track", b"5413330089010467=28122010000000000")
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
        (b'{"pin": "860417"}', "PIN"),
        (b"\0;5413330089010467=28122010000000000?", "track"),
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
        Held(StoredKey(KeyAttributes(usage="P0", algorithm="T", mode_of_use="E"), 128), HELD_KEY)
        Pins().hold(bytearray(HELD_PIN))
        assert Card().tracks
    finally:
        logging.getLogger().removeHandler(made.log)
    assert {what for what, _ in made.values.values()} == {"key", "PIN", "track"}


def test_keys_of_chips_templates_and_private_keys_are_registered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By their sessions, by the records of the reader, and in PEM, of which one line is enough."""
    made = Secrecy()
    for module, names in (
        (cryptogram, ("scheme_keys", "card_key", "session_key")),
        (fingers, ("_record",)),
        (certificates, ("write_key",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))
    points = fingers.SimulatedBiometric._points
    monkeypatch.setattr(fingers.SimulatedBiometric, "_points", points)
    for module in (cryptogram, fingers, certificates):
        watch(module, made.note)
    card = cryptogram.card_key(cryptogram.scheme_keys().master_ac, "4111111111111111", 1)
    session = cryptogram.session_key(card, 7)
    for key in (card, session, cryptogram.scheme_keys().master_ac):
        assert made.found_in_text("the log", key.hex()) == ["a key is in the log"]
    template = fingers._record(Impression((Minutia(10, 20, 30.0, "ending", 50),), "leftThumb", 80), "isoFmd")
    assert made.found_in_text("x", template.hex()) == ["a template is in x"]
    certificates.write_key(tmp_path / "server.key", certificates.new_key())
    line = (tmp_path / "server.key").read_text().splitlines()[2]
    assert made.found_in_text("x", f"line: {line}") == ["a private-key is in x"]
    assert not made.found_in_files(tmp_path)
    (tmp_path / "trace.jsonl").write_text(line)
    assert made.found_in_files(tmp_path) == ["a private-key is in the file trace.jsonl"]
    (tmp_path / "trace.jsonl").unlink()


HOLDING = """
import logging, os, sys
from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.simulator.secure_part.store import Held

value = bytes.fromhex("9c41f7086be25d31a9c7048ef26b13d5")
Held(StoredKey(KeyAttributes(usage="P0", algorithm="T", mode_of_use="E"), 128), value)
"""
SUITE = f"""
import logging, os, subprocess, sys
from pathlib import Path
import pytest

HOLDING = {HOLDING!r}

@pytest.mark.parametrize("tell", {{told!r}})
def test_that_tells(tmp_path: Path, tell: str) -> None:
    os.chdir(tmp_path)
    exec(HOLDING + tell, {{{{}}}})

@pytest.mark.parametrize("tell", {{started!r}})
def test_that_starts(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, tell: str) -> None:
    elsewhere = str(tmp_path_factory.mktemp("elsewhere"))
    subprocess.run([sys.executable, "-c", HOLDING + tell, elsewhere], capture_output=True, cwd=tmp_path)
"""
TOLD = {
    "logging.getLogger('x').error('%s', value)": "the log",
    "print(value.hex())": "what the test printed or failed with",
    "open('trace.jsonl', 'wb').write(value)": "the file trace.jsonl",
    "assert value": None,
}
STARTED = {
    "print(value.hex())": "the stdout of a process",
    "sys.stdout.buffer.write(value.hex().encode())": "the stdout of a process",
    "logging.error('%s', value)": "the stderr of a process",
    "raise ValueError(value)": "the stderr of a process",
    "open('recording.x4r', 'wb').write(value)": "the file recording.x4r",
    "os.fork() or print(value.hex())": "the stdout of a process",
    "assert value": None,
}
ELSEWHERE = "open(sys.argv[1] + '/ledger', 'wb').write(value)"
"""Not in the test's own directory: the search at the end of the suite finds it."""


def run(directory: Path, tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests that have our conftest.py."""
    ours = Path(__file__).parents[1]
    (directory / "conftest.py").write_bytes((ours / "conftest.py").read_bytes())
    (directory / "test_telling.py").write_text(tests, "utf-8")
    (directory / "pytest.ini").write_text(f"[pytest]\npythonpath = {ours}\nmarkers = long\n")
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    arguments += ["--basetemp", str(directory / "base")]
    return subprocess.run(arguments, cwd=directory, capture_output=True, text=True)


def test_a_test_that_tells_a_secret_fails_and_so_does_the_suite(tmp_path: Path) -> None:
    result = run(tmp_path, SUITE.format(told=list(TOLD), started=[*STARTED, ELSEWHERE]))
    # The tests themselves pass; what they told fails their ends.
    expected = [where for where in (*TOLD.values(), *STARTED.values()) if where is not None]
    assert f"{len(TOLD) + len(STARTED) + 1} passed, {len(expected)} errors" in result.stdout, result.stdout
    for where in expected:
        assert f"a key is in {where}" in result.stdout, where
    assert "SECRET TOLD: a key is in" in result.stdout
    assert "elsewhere7/ledger" in result.stdout
    assert "trace.jsonl" in result.stdout


def test_a_suite_whose_tests_all_pass_fails_for_what_it_leaves(tmp_path: Path) -> None:
    result = run(tmp_path, SUITE.format(told=[], started=[ELSEWHERE]))
    assert "1 passed" in result.stdout, result.stdout
    assert "error" not in result.stdout
    assert result.returncode == 1
