"""No key, PIN, track or finger that devices hold is told: not in a log, an output, a failure, or a file.

What devices hold is registered where it comes to them: values of keys, parts of keys, keys of tokens, PINs,
tracks of cards, keys of their chips, templates of fingers; and the private keys of TLS where they are
written. After each test all that it has logged, printed, failed with and written is searched for what
was registered; after the last one, all that the whole suite has left is searched for all of it.

Processes that tests start do the same: `started/sitecustomize.py` is on their path. What they hold, print
and log is written down in a directory that only this suite knows, and searched with the rest.

This module imports nothing of ours: it is imported before what it watches.
"""

from __future__ import annotations

import base64
import importlib
import importlib.abc
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib.machinery import ModuleSpec
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

__all__ = [
    "WHERE",
    "Secrecy",
    "Suite",
    "forms_of_bytes",
    "forms_of_pin",
    "outputs_of_started",
    "watch",
    "watch_what_is_imported",
    "written_down",
]

WHERE = "XFS4IOT_SECRECY"
"""The variable that tells processes where to write down what they hold."""
STARTED = Path(__file__).parent / "started"
Note: TypeAlias = Callable[[str, bytes], None]
"""Is given a secret: what it is, and its value."""

_PUBLIC_MODES = frozenset("VE")
_LEAST_BYTES = 7
_LEAST_DIGITS = 6
"""Shorter ones occur by chance, in times, ports and counts; their lists are searched for all the same."""
_LARGEST = 64 << 20
_NOT_TOLD = (".toml", ".secure-key", ".truth.json", ".key", ".key.old", ".p12", ".pem", ".py")
"""Files that may have them: what a test says of its devices, the chip's own key, the truth, keys of hosts,
programs."""
_ANSWERED = frozenset({"call", "watch"})
"""Commands that print what a service has answered, because that is what they are asked for."""


def forms_of_bytes(value: bytes) -> Iterator[str]:
    """How bytes could be told."""
    text = base64.b64encode(value).decode()
    yield from (value.hex(), value.hex().upper(), value.hex(" "), value.hex(":"))
    yield from (text, base64.urlsafe_b64encode(value).decode(), text.rstrip("="))
    yield from (repr(value), repr(bytearray(value)), str(list(value)), ", ".join(map(hex, value)))


def forms_of_pin(digits: bytes) -> Iterator[str]:
    """How a PIN could be told."""
    text = "".join(map(str, digits))
    yield from (str(list(digits)), repr(digits), repr(bytearray(digits)), repr(tuple(digits)))
    if len(digits) >= _LEAST_DIGITS:
        yield text


def forms_of_track(value: bytes) -> Iterator[str]:
    """How a track could be told."""
    yield value.decode("latin-1")
    yield from forms_of_bytes(value)


def forms_of_private_key(value: bytes) -> Iterator[str]:
    """How a private key could be told: in PEM, in which its lines are enough, or in DER."""
    yield from forms_of_bytes(value)
    text = base64.b64encode(value).decode()
    # The first line is alike for all keys of a kind, the last one may be short.
    yield from (text[at : at + 64] for at in range(64, len(text) - 64, 64))


_FORMS: Mapping[str, Callable[[bytes], Iterator[str]]] = {
    "key": forms_of_bytes,
    "private-key": forms_of_private_key,
    "template": forms_of_bytes,
    "PIN": forms_of_pin,
    "track": forms_of_track,
}


def _could_be_anything(what: str, value: bytes) -> bool:
    """Whether a value occurs by chance: it is short, or all alike."""
    if what == "PIN":
        return len(value) < 4
    return len(value) < _LEAST_BYTES or len(set(value)) <= 2


def _occurs_elsewhere(value: bytes) -> bool:
    """Whether a value counts up or down, as what other tests have that is no secret."""
    return len({(b - a) & 0xFF for a, b in pairwise(value)}) <= 2


class _Listening(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        # With the traceback, as a log has it.
        self.lines.append(self.format(record))


class Secrecy:
    """What was registered, and the search for it."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[str, bytes]] = {}
        self.all: set[tuple[str, bytes]] = set()
        self.log = _Listening()

    def begin(self) -> None:
        """Forget what was registered and logged since the last test began; `all` remembers it."""
        self.values.clear()
        self.log.lines.clear()

    def note(self, what: str, value: bytes) -> None:
        """Remember a secret: a `key`, `PIN` or `track`."""
        if not _could_be_anything(what, value):
            self.all.add((what, value))
            for form in _FORMS[what](value):
                self.values[form] = (what, value)

    def found_in_text(self, where: str, text: str) -> list[str]:
        """What a text tells; never the secret itself."""
        return sorted({f"a {what} is in {where}" for form, (what, _) in self.values.items() if form in text})

    def found_in_files(self, directory: Path) -> list[str]:
        """What files tell."""
        found = set()
        for file, content in _contents(directory):
            for form, (what, value) in self.values.items():
                long = len(value) >= _LEAST_BYTES or what != "PIN"
                if form.encode() in content or (long and value in content):
                    found.add(f"a {what} is in the file {file.name}")
        return sorted(found)

    def found_in_all(self, directories: Iterable[Path]) -> list[str]:
        """What files tell of all that was ever registered."""
        from ahocorasick_rs import BytesAhoCorasick

        forms: dict[bytes, str] = {}
        for what, value in self.all:
            if what == "PIN":
                quoted = [f"{mark}{''.join(map(str, value))}{mark}" for mark in "\"'"]
                lists = (str(list(value)), repr(bytearray(value)))
                texts: Iterable[str] = (*quoted, *(lists if len(value) >= _LEAST_DIGITS else ()))
            elif _occurs_elsewhere(value):
                continue
            else:
                texts = _FORMS[what](value)
                forms[value] = what
            forms |= dict.fromkeys((text.encode() for text in texts), what)
        if not forms:
            return []
        patterns = list(forms)
        search = BytesAhoCorasick(patterns)
        return sorted(
            {
                f"a {forms[patterns[number]]} is in {file}"
                for directory in directories
                for file, content in _contents(directory)
                for number, _, _ in search.find_matches_as_indexes(content)
            }
        )

    def listen(self) -> None:
        """Register what simulated devices of this process come to hold from now on."""
        logging.getLogger().addHandler(self.log)
        for name in WATCHED:
            watch(importlib.import_module(name), self.note)


def _contents(directory: Path) -> Iterator[tuple[Path, bytes]]:
    for file in sorted(directory.rglob("*")):
        if file.is_symlink() or not file.is_file() or file.name.endswith(_NOT_TOLD):
            continue
        if file.stat().st_size <= _LARGEST and os.access(file, os.R_OK):
            yield file, file.read_bytes()


def _watch_store(module: ModuleType, note: Note) -> None:
    def held(_: Any, stored: Any, value: Any) -> None:
        attributes = stored.attributes
        if attributes.algorithm != "R" or attributes.mode_of_use not in _PUBLIC_MODES:
            note("key", bytes(value))

    _before(module.Held, "__init__", held)


def _watch_pins(module: ModuleType, note: Note) -> None:
    _before(module.Pins, "hold", lambda _, digits: note("PIN", bytes(digits)))


def _watch_loading(module: ModuleType, note: Note) -> None:
    def part(loading: Any, *_: Any) -> None:
        if loading.entered is not None:
            note("key", bytes(loading.entered))

    _before(module.KeyLoading, "store_part", part)


def _watch_cards(module: ModuleType, note: Note) -> None:
    get = module.Card.tracks.fget

    def tracks(card: Any) -> Mapping[str, bytes]:
        found: Mapping[str, bytes] = get(card)
        for text in found.values():
            note("track", text)
        return found

    module.Card.tracks = property(tracks)


def _watch_tokens(module: ModuleType, note: Note) -> None:
    _before(module, "_code", lambda key, _: note("key", bytes(key)))


def _watch_chips(module: ModuleType, note: Note) -> None:
    keys = module.scheme_keys

    def noted() -> Any:
        made = keys()
        note("key", made.master_ac)
        for key in (made.authority, made.issuer, made.card):
            note("key", key.private.to_bytes(key.size).lstrip(b"\0"))
        return made

    module.scheme_keys = noted
    for name in ("card_key", "session_key"):
        _after(module, name, lambda made: note("key", made))


def _watch_fingers(module: ModuleType, note: Note) -> None:
    # Not in the code that writes and reads records: what its own tests make up is nobody's finger.
    _before(module.SimulatedBiometric, "_points", lambda _, __, one: note("template", bytes(one.data)))
    _after(module, "_record", lambda made: note("template", bytes(made)))


def _watch_private_keys(module: ModuleType, note: Note) -> None:
    from cryptography.hazmat.primitives import serialization as form

    def see(_: Path, key: Any) -> None:
        none = form.NoEncryption()
        note("private-key", key.private_bytes(form.Encoding.DER, form.PrivateFormat.PKCS8, none))

    _before(module, "write_key", see)


WATCHED: Mapping[str, Callable[[ModuleType, Note], None]] = {
    "xfs4iot.simulator.secure_part.store": _watch_store,
    "xfs4iot.simulator.secure_part.pins": _watch_pins,
    "xfs4iot.simulator.secure_part.key_loading": _watch_loading,
    "xfs4iot.simulator.card_reader.cards": _watch_cards,
    "xfs4iot.simulator.card_reader.cryptogram": _watch_chips,
    "xfs4iot.simulator.biometric.device": _watch_fingers,
    "xfs4iot.transport.certificates": _watch_private_keys,
    "xfs4iot.tokens": _watch_tokens,
}
"""Where secrets come to devices."""


def watch(module: ModuleType, note: Note) -> None:
    """Note what comes to a module from now on."""
    WATCHED[module.__name__](module, note)


def _before(owner: Any, name: str, see: Callable[..., None]) -> None:
    original = getattr(owner, name)

    def seen(*arguments: Any, **more: Any) -> Any:
        see(*arguments, **more)
        return original(*arguments, **more)

    setattr(owner, name, seen)


def _after(owner: Any, name: str, see: Callable[[Any], None]) -> None:
    original = getattr(owner, name)

    def seen(*arguments: Any, **more: Any) -> Any:
        made = original(*arguments, **more)
        see(made)
        return made

    setattr(owner, name, seen)


class _Watching(importlib.abc.MetaPathFinder):
    """Lets modules be watched as soon as they are imported."""

    def __init__(self, note: Note) -> None:
        self._note = note

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in WATCHED:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                loader = spec.loader
                assert loader is not None
                loader.exec_module = partial(self._executed, loader.exec_module)  # type: ignore[method-assign]
                return spec
        return None

    def _executed(self, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
        execute(module)
        watch(module, self._note)


def watch_what_is_imported(note: Note) -> None:
    """Watch modules that will be imported; for processes that tests start."""
    sys.meta_path.insert(0, _Watching(note))


def written_down(directory: Path) -> Iterator[tuple[str, bytes]]:
    """What processes have written down that they hold."""
    for file in sorted(directory.rglob("*.secrets")):
        for line in file.read_text("ascii").splitlines():
            what, _, value = line.partition(" ")
            yield what, bytes.fromhex(value)


def outputs_of_started(directory: Path) -> Iterator[tuple[str, str]]:
    """What processes have printed and logged: where, and the text."""
    for file in sorted(directory.rglob("*.std*")):
        text = file.read_text("utf-8", "replace")
        yield re.sub(r"\A[0-9]+\.", "the ", file.name) + " of a process", text


class Suite:
    """The part of pytest: registers, searches, and fails what tells."""

    def __init__(self) -> None:
        self.secrecy = Secrecy()
        self._told: list[str] = []
        self._count = 0
        self._found: list[str] = []
        # Of this user alone, and outside of what tests leave behind: secrets stand there in clear.
        self._directory = Path(tempfile.mkdtemp(prefix="xfs4iot-secrecy-"))
        self._log = (self._directory / "suite.log").open("a", encoding="utf-8")
        self._environment = {name: os.environ.get(name) for name in (WHERE, "PYTHONPATH")}
        path = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{STARTED}{os.pathsep}{path}" if path else str(STARTED)
        self._of_test = self._directory
        self.secrecy.listen()

    def pytest_runtest_setup(self, item: Any) -> None:
        self.secrecy.begin()
        self._told.clear()
        self._count += 1
        self._of_test = self._directory / f"{self._count}"
        os.environ[WHERE] = str(self._of_test)

    def finished(self, item: Any, when: str, report: Any) -> list[str]:
        """What has told a key, a PIN or a track, at the end of the test."""
        told = f"{report.longreprtext}\n{report.capstdout}\n{report.capstderr}"
        self._told.append(told)
        if when != "teardown":
            return []
        for what, value in written_down(self._of_test):
            self.secrecy.note(what, value)
        log = "\n".join(self.secrecy.log.lines)
        # Not by its name, in which published keys may stand.
        self._log.write(f"test {self._count}\n{log}\n{''.join(self._told)}\n")
        if not self.secrecy.values:
            return []
        found = self.secrecy.found_in_text("the log", log)
        found += self.secrecy.found_in_text("what the test printed or failed with", "\n".join(self._told))
        for where, text in outputs_of_started(self._of_test):
            found += self.secrecy.found_in_text(where, text)
        directory = getattr(item, "funcargs", {}).get("tmp_path")
        if directory is not None:
            found += self.secrecy.found_in_files(directory)
        return found

    def pytest_sessionfinish(self, session: Any) -> None:
        """Search all that the suite has left for all that it has used."""
        self._log.close()
        for what, value in written_down(self._directory):
            self.secrecy.note(what, value)
        for file in self._directory.rglob("*.secrets"):
            file.unlink()
        left = [self._directory]
        factory = getattr(session.config, "_tmp_path_factory", None)
        if factory is not None and factory._basetemp is not None:
            left.append(factory._basetemp)
        self._found = self.secrecy.found_in_all(left)
        if self._found and session.exitstatus == 0:
            session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for line in self._found:
            terminalreporter.write_line(f"SECRET TOLD: {line}", red=True)

    def pytest_unconfigure(self) -> None:
        if not os.environ.get("XFS4IOT_SECRECY_KEEP"):
            shutil.rmtree(self._directory, ignore_errors=True)
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def is_answer(arguments: Iterable[str]) -> bool:
    """Whether what a process prints is what a client was answered."""
    return not _ANSWERED.isdisjoint(arguments)
