"""Keys of a text terminal: their names, which are active, and what a typed key counts as.

On the wire a digit is a word (`one`), any other character itself; command keys have names of their own.
An upper-case letter alone makes the key active and yields the upper-case letter; with both cases active,
the letter comes as typed. A lower-case letter alone is not a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import TextTerminal
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import text_terminal as messages

__all__ = ["ENTERS", "ActiveKeys", "of_device", "typed_on_the_wire"]

_DIGITS = dict(
    zip(
        "0123456789",
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
        strict=True,
    )
)
_WORDS = {word: digit for digit, word in _DIGITS.items()}
_COMMAND_KEY = re.compile(
    r"enter|cancel|clear|backspace|help|doubleZero|tripleZero|arrow(Up|Down|Left|Right)"
    r"|fdk(0[1-9]|[12][0-9]|3[0-2])|oem[A-Za-z0-9]*"
)
ENTERS: Mapping[str, str] = {"doubleZero": "00", "tripleZero": "000"}
"""Command keys that put characters into the input."""


def typed_on_the_wire(character: str) -> str:
    """A character of the keyboard as messages have it."""
    return _DIGITS.get(character, character)


@dataclass(frozen=True)
class ActiveKeys:
    """What may be typed.

    Attributes:
        characters: as they are typed.
        commands: command keys, and whether each ends the input.
    """

    characters: frozenset[str]
    commands: Mapping[str, bool]

    @classmethod
    def of(cls, keys: Iterable[str] | None, commands: Mapping[str, messages.Key] | None) -> ActiveKeys:
        """From a request's `activeKeys` and `activeCommandKeys`."""
        return cls(
            frozenset(_WORDS.get(key, key) for key in keys or ()),
            {name: bool(key.terminate) for name, key in (commands or {}).items()},
        )

    @property
    def ends(self) -> bool:
        """Whether a command key can end the input."""
        return any(self.commands.values())

    @property
    def names(self) -> frozenset[str]:
        """All of them, as the device knows them."""
        return self.characters | self.commands.keys()

    def counts_as(self, typed: str) -> str | None:
        """The character or command key that a typed key is taken for; None if it is not active."""
        if typed in self.commands or typed in self.characters:
            return typed
        upper = typed.upper()
        return upper if upper in self.characters else None

    def require_keys(self) -> None:
        """Refuse what is not a key on any device.

        Raises:
            CommandError: `keyInvalid`.
        """
        for key in self.characters:
            if key != key.upper() and key.upper() not in self.characters and len(key.upper()) == 1:
                raise errors.CommandError(
                    "keyInvalid", f"$.activeKeys: {key} alone is not a key; list {key.upper()}, or both"
                )
        for name in self.commands:
            if not _COMMAND_KEY.fullmatch(name):
                raise errors.CommandError(
                    "keyInvalid",
                    f"$.activeCommandKeys.{name[:40]} is not the name of a command key; "
                    "see TextTerminal.GetKeyDetail",
                )

    def require_on(self, device: TextTerminal) -> None:
        """Refuse keys that the device does not have.

        Raises:
            CommandError: `keyNotSupported`.
        """
        known = of_device(device)
        for key in sorted(self.characters):
            if known.counts_as(key) is None and key.upper() not in known.characters:
                raise errors.CommandError(
                    "keyNotSupported",
                    f"$.activeKeys: the device has no key {typed_on_the_wire(key)}; "
                    "see TextTerminal.GetKeyDetail",
                )
        for name in self.commands:
            if name not in known.commands:
                raise errors.CommandError(
                    "keyNotSupported",
                    f"$.activeCommandKeys: the device has no key {name}; see TextTerminal.GetKeyDetail",
                )


def of_device(device: TextTerminal) -> ActiveKeys:
    """All keys of a device, with what each command key does unless a client says otherwise."""
    return ActiveKeys(frozenset(device.keys), dict(device.command_keys))
