"""Checks before something is entered at the keyboard."""

from __future__ import annotations

import re
from typing import Any, Protocol

from xfs4iot import devices
from xfs4iot.devices import EntryMode
from xfs4iot.interfaces.keys.layouts import names
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import keyboard as messages
from xfs4iot.server.handler import Check, check

__all__ = ["active", "keys_active", "keys_named", "keys_supported"]

_NAME = re.compile(
    "(zero|one|two|three|four|five|six|seven|eight|nine|[a-f]|enter|cancel|clear|backspace|help|decPoint|shift|"
    "doubleZero|tripleZero|fdk(0[1-9]|[12][0-9]|3[0-2])|oem[a-zA-Z0-9]*)"
)
_HEXADECIMAL = frozenset(
    {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", *"abcdef"}
)
_DIGITS = {"des": (16,), "tripleDes": (32, 48), "aes": (32, 48, 64), None: (16, 32, 48, 64)}


class _On(Protocol):
    @property
    def device(self) -> devices.Keyboard: ...


def active(request: Any) -> dict[str, bool]:
    """The keys that can be pressed, and whether each ends the entry."""
    return {
        name: bool(key is not None and key.terminate) for name, key in (request.active_keys or {}).items()
    }


def keys_active(mode: EntryMode, code: str = "noActivekeys") -> Check:
    """A check that keys are active and that the device has some for this entry."""

    def some(on: _On, request: Any) -> None:
        if request is None or not request.active_keys:
            raise errors.CommandError(
                code, "$.activeKeys is missing or empty; name the keys that can be pressed"
            )
        if not names(on.device.layouts.get(mode, ()), shifted=True):
            raise errors.CommandError(code, f"the keyboard has no keys for {mode}; see Keyboard.GetLayout")

    some.__doc__ = "`activeKeys`, and whether the keyboard has keys for this entry"
    return check(code, name="keys active")(some)


def _named(on: _On, request: Any) -> None:
    """whether all active keys have names of the standard"""
    for name in request.active_keys:
        if not _NAME.fullmatch(name):
            raise errors.CommandError(
                "keyInvalid", f"$.activeKeys: {name[:40]!r} is not a key of the standard"
            )


keys_named = check("keyInvalid", name="keys named")(_named)


def keys_supported(mode: EntryMode) -> Check:
    """A check that the keyboard has all active keys."""

    def there(on: _On, request: Any) -> None:
        known = names(on.device.layouts.get(mode, ()), shifted=True)
        for name in request.active_keys:
            if name not in known:
                raise errors.CommandError(
                    "keyNotSupported", f"$.activeKeys: the keyboard has no {name} for {mode}; see GetLayout"
                )

    there.__doc__ = "whether the keyboard has all active keys, with shift or without"
    return check("keyNotSupported", name="keys supported")(there)


@check("minimumLength")
def lengths_possible(on: _On, request: messages.PinEntry) -> None:
    """whether `minLen` is not above `maxLen`"""
    if (request.min_len or 0) > (request.max_len or 0) > 0:
        raise errors.CommandError("minimumLength", "$.minLen is above $.maxLen")


@check("noTerminatekeys")
def pin_can_end(on: _On, request: messages.PinEntry) -> None:
    """whether something ends an entry with `maxLen`: `autoEnd`, or a key"""
    if request.max_len and not request.auto_end and not any(active(request).values()):
        raise errors.CommandError(
            "noTerminatekeys", "$.activeKeys: no key ends the entry, and autoEnd does not"
        )


@check("invalidData")
def echo_short(on: _On, request: messages.PinEntry) -> None:
    """whether `echo` is one character at most"""
    if len(request.echo or "") > 1:
        raise errors.InvalidData("$.echo: one character stands for each digit")


@check("accessDenied")
def parts_taken(on: Any, request: messages.SecureKeyEntry) -> None:
    """whether the device takes keys in parts"""
    if not getattr(on.device, "key_import_through_parts", False):
        raise errors.CommandError("accessDenied", "the device takes no keys in parts")


@check("invalidKeyLength")
def key_length_possible(on: _On, request: messages.SecureKeyEntry) -> None:
    """whether `keyLen` fits `cryptoMethod`"""
    if request.key_len not in _DIGITS[request.crypto_method]:
        raise errors.CommandError(
            "invalidKeyLength",
            f"$.keyLen: {request.crypto_method} has keys of {_DIGITS[request.crypto_method]}",
        )


@check("modeNotSupported")
def check_value_offered(on: Any, request: messages.SecureKeyEntry) -> None:
    """whether the device makes check values of `verificationType`"""
    if request.verification_type not in getattr(on.device, "key_check_modes", ()):
        raise errors.CommandError("modeNotSupported", "$.verificationType: see keyCheckModes in Capabilities")


@check("missingKeys")
def all_digits_active(on: _On, request: messages.SecureKeyEntry) -> None:
    """whether all hexadecimal digits can be entered"""
    missing = _HEXADECIMAL - request.active_keys.keys() if request.active_keys else _HEXADECIMAL
    if missing:
        raise errors.CommandError("missingKeys", f"$.activeKeys: without {', '.join(sorted(missing))}")


@check("noTerminatekeys")
def key_can_end(on: _On, request: messages.SecureKeyEntry) -> None:
    """whether something ends the entry: `autoEnd`, or a key"""
    if not request.auto_end and not any(active(request).values()):
        raise errors.CommandError(
            "noTerminatekeys", "$.activeKeys: no key ends the entry, and autoEnd does not"
        )
