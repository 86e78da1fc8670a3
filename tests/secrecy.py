"""No key, PIN or track that simulated devices hold is told: not in a log, an output, a failure, or a file.

What devices hold is registered where it comes to them: values of keys, parts of keys, PINs, tracks of cards.
After each test all that it has logged, printed, failed with and written is searched for what was registered.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from xfs4iot.simulator.card_reader.cards import Card
from xfs4iot.simulator.secure_part.key_loading import KeyLoading
from xfs4iot.simulator.secure_part.pins import Pins
from xfs4iot.simulator.secure_part.store import Held

__all__ = ["Secrecy", "forms_of_bytes", "forms_of_pin"]

_PUBLIC_MODES = frozenset("VE")
_LEAST_BYTES = 7
_LEAST_DIGITS = 6
"""Shorter ones occur by chance, in times, ports and counts; their lists are searched for all the same."""
_LARGEST = 64 << 20
_NOT_TOLD = (".toml", ".secure-key", ".truth.json")
"""Files that may have them: what a test says of its devices, the chip's own key, the truth of the world."""


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


def forms_of_text(value: bytes) -> Iterator[str]:
    """How a track could be told."""
    yield value.decode("latin-1")
    yield from forms_of_bytes(value)


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
        self.log = _Listening()

    def begin(self) -> None:
        """Forget what was registered and logged."""
        self.values.clear()
        self.log.lines.clear()

    def register(self, what: str, value: bytes, forms: Callable[[bytes], Iterator[str]]) -> None:
        """Remember a secret, by all its forms."""
        for form in forms(value):
            self.values[form] = (what, value)

    def key(self, value: bytes) -> None:
        """A key, or a part of one; those that are all alike occur by chance."""
        if len(value) >= _LEAST_BYTES and len(set(value)) > 2:
            self.register("key", value, forms_of_bytes)

    def pin(self, digits: bytes) -> None:
        """A PIN."""
        if len(digits) >= 4:
            self.register("PIN", digits, forms_of_pin)

    def track(self, text: bytes) -> None:
        """A track of a card."""
        if len(text) >= _LEAST_BYTES:
            self.register(
                "track", text, lambda value: iter((value.decode("latin-1"), *forms_of_bytes(value)))
            )

    def found_in_text(self, where: str, text: str) -> list[str]:
        """What a text tells; never the secret itself."""
        return sorted({f"a {what} is in {where}" for form, (what, _) in self.values.items() if form in text})

    def found_in_files(self, directory: Path) -> list[str]:
        """What files tell."""
        found = set()
        for file in sorted(directory.rglob("*")):
            if not file.is_file() or file.name.endswith(_NOT_TOLD) or file.stat().st_size > _LARGEST:
                continue
            content = file.read_bytes()
            for form, (what, value) in self.values.items():
                long = len(value) >= _LEAST_BYTES or what != "PIN"
                if form.encode() in content or (long and value in content):
                    found.add(f"a {what} is in the file {file.name}")
        return sorted(found)

    def listen(self) -> None:
        """Register what simulated devices come to hold from now on."""
        logging.getLogger().addHandler(self.log)
        _before(Held, "__init__", self._held)
        _before(Pins, "hold", lambda _, digits: self.pin(bytes(digits)))
        _before(KeyLoading, "store_part", self._part)
        tracks = Card.tracks.fget
        assert tracks is not None
        Card.tracks = property(lambda card: self._tracks(tracks(card)))  # type: ignore[assignment,method-assign]

    def _held(self, _: Any, stored: Any, value: Any) -> None:
        attributes = stored.attributes
        if attributes.algorithm != "R" or attributes.mode_of_use not in _PUBLIC_MODES:
            self.key(bytes(value))

    def _part(self, loading: Any, *_: Any) -> None:
        if loading.entered is not None:
            self.key(bytes(loading.entered))

    def _tracks(self, tracks: Mapping[str, bytes]) -> Mapping[str, bytes]:
        for text in tracks.values():
            self.track(text)
        return tracks


def _before(owner: type, name: str, see: Callable[..., None]) -> None:
    original = getattr(owner, name)

    def seen(*arguments: Any) -> Any:
        see(*arguments)
        return original(*arguments)

    setattr(owner, name, seen)
