"""What a device with keys may say of what it did, beyond the type of its result.

Each is given to `Interface.ask` as `believe`: what cannot be true of what was asked is not booked and not
told, and the device is asked what keys it has. No value is named: what stands in a wrong place may be a key.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Literal

from xfs4iot.devices import (
    AuthenticationRequest,
    CryptoRequest,
    DataEntered,
    DeviceSignedItem,
    EntryRequest,
    ImportedKey,
    ImportedToken,
    IssuerSignedItem,
    KeyAttributes,
    KeyEntered,
    KeyImport,
    KeyKind,
    KeyTokenImport,
    PinBlockRequest,
    PinEntered,
    SecureKeyRequest,
    StoredKey,
)
from xfs4iot.interfaces.keys.checks import is_name
from xfs4iot.interfaces.keys.key_table import RESERVED_NAMES, Key, KeyTable
from xfs4iot.protocol.exact import Mismatch

__all__: list[str] = []

_BITS = {"D": (64,), "T": (128, 192), "A": (128, 192, 256, 512)}
"""Lengths of symmetric keys; AES keys for XTS are two."""
_ENDS = frozenset({"auto", "enter", "cancel", "fdk", "fk", "help", "clear", "backspace"})
"""What can end an entry; everything else is told of a key that was pressed meanwhile."""
_LEAST_MAC, _MOST_MAC = 4, 64
_DIGESTS = {"sha1": 20, "sha256": 32}
_TOO_SHORT_TO_TELL = 8
"""Bytes below which what was encrypted may be the same by chance."""


def _require(true: bool, expected: str, found: str, path: str = "") -> None:
    if not true:
        raise Mismatch(expected, found, path)


def _require_key(stored: StoredKey, path: str) -> None:
    """See that a key was not there before it came, and has a length that its algorithm can have."""
    _require(not stored.preloaded, "False: it was just loaded", "True", f"{path}preloaded")
    bits = _BITS.get(stored.attributes.algorithm)
    if bits is not None and stored.length:
        wanted = " or ".join(map(str, bits))
        _require(stored.length in bits, f"{wanted} bits", "another number", f"{path}length")


def key_imported_as_asked(wanted: KeyImport) -> Callable[[ImportedKey], None]:
    """A key is stored for what it was loaded for."""

    def require(result: ImportedKey) -> None:
        _require_key(result.key, "key.")
        of = _purpose(result.key.attributes)
        _require(of == _purpose(wanted.attributes), "what was asked for", "another", "key.attributes")

    return require


def _purpose(attributes: KeyAttributes) -> tuple[KeyKind, str | None]:
    return attributes.kind, attributes.restricted_key_usage


def token_taken_as_asked(
    wanted: KeyTokenImport, table: KeyTable, kinds: Container[KeyKind]
) -> Callable[[ImportedToken], None]:
    """A token brings the key that was named, of a kind that comes so, and replaces none that must stay."""

    def require(result: ImportedToken) -> None:
        _require_key(result.key, "key.")
        attributes = result.key.attributes
        _require(is_name(result.name), "the name of a key", "none", "name")
        _require(wanted.name in (None, result.name), "the name that was asked for", "another", "name")
        known = table.find(result.name)
        free = result.name not in RESERVED_NAMES and (known is None or not known.stored.preloaded)
        _require(free, "not that of a preloaded key", "one", "name")
        _require(wanted.usage in (None, attributes.usage), "as asked for", "another", "key.attributes.usage")
        _require(attributes.kind in kinds, "of a kind that comes by tokens", "another", "key.attributes")

    return require


def pair_made_as_asked(mode: Literal["S", "T"]) -> Callable[[StoredKey], None]:
    """A pair of RSA keys signs, or does both."""

    def require(result: StoredKey) -> None:
        _require_key(result, "")
        _require(result.attributes.algorithm == "R", "R", "another", "attributes.algorithm")
        _require(result.attributes.mode_of_use == mode, mode, "another", "attributes.mode_of_use")

    return require


def public_key_taken_as_asked(usage: str | None, kinds: Container[KeyKind]) -> Callable[[StoredKey], None]:
    """A public key of a card scheme is for what it was loaded for."""

    def require(result: StoredKey) -> None:
        _require_key(result, "")
        attributes = result.attributes
        _require(attributes.usage == usage, "as asked for", "another", "attributes.usage")
        _require(attributes.kind in kinds, "of a kind that comes so", "another", "attributes")

    return require


def key_derived(result: StoredKey) -> None:
    """A derived key was not there before."""
    _require_key(result, "")


def keys_named(result: Mapping[str, StoredKey]) -> None:
    """All keys that a device has have names that a client can say."""
    _require(all(map(is_name, result)), "a mapping of names of keys", "one with something else")


def item_signed(result: IssuerSignedItem) -> None:
    """What the manufacturer has signed has its signature."""
    _require(result.algorithm == "na" or bool(result.signature), "a signature", "none", "signature")


def item_signed_as_asked(signing_key: str | None) -> Callable[[DeviceSignedItem], None]:
    """What the device was to sign has its signature."""

    def require(result: DeviceSignedItem) -> None:
        _require(signing_key is None or bool(result.signature), "a signature", "none", "signature")

    return require


def data_crypted_as_asked(wanted: CryptoRequest, key: Key) -> Callable[[bytes], None]:
    """What was encrypted is as long as it must be, and not the same; so is what was decrypted."""

    def require(result: bytes) -> None:
        length = len(wanted.data)
        if key.algorithm in _BITS:
            size = 16 if key.algorithm == "A" else 8
            if wanted.method in ("ecb", "cbc"):
                length += -length % size
            _require(len(result) == length, f"{length} bytes", "another number")
        else:
            _require(len(result) > 0, "some bytes", "none")
        same = len(result) >= _TOO_SHORT_TO_TELL and result == wanted.data
        _require(not same, f"{'en' if wanted.encrypting else 'de'}crypted", "what was given")

    return require


def data_authenticated_as_asked(wanted: AuthenticationRequest, length: int | None) -> Callable[[bytes], None]:
    """A MAC has as many bytes as are asked for, and a signature has some."""

    def require(result: bytes) -> None:
        if wanted.method is not None:
            _require(len(result) > 0, "a signature", "none")
            return
        least = max(_LEAST_MAC, length or 0)
        fits = least <= len(result) <= _MOST_MAC
        _require(fits, f"a MAC of {least} to {_MOST_MAC} bytes", "one of another number")

    return require


def digested_as_asked(algorithm: str | None) -> Callable[[bytes], None]:
    """A digest has its length."""

    def require(result: bytes) -> None:
        length = _DIGESTS.get(algorithm or "", len(result))
        _require(len(result) == length, f"{length} bytes", "another number")

    return require


def block_made_as_asked(wanted: PinBlockRequest, key: Key) -> Callable[[bytes], None]:
    """A PIN block has the length of its cipher."""

    def require(result: bytes) -> None:
        length = {"T": 8, "A": 16}.get(key.algorithm, key.stored.length // 8 or len(result))
        _require(len(result) == length > 0, f"{length} bytes", "another number")

    return require


def _require_entry(completion: str, digits: int, least: int, most: int) -> None:
    _require(completion in _ENDS, "what ends an entry", "something else", "completion")
    _require(not most or digits <= most, f"{most} at most", "more", "digits")
    whole = completion not in ("auto", "enter") or digits >= least
    _require(whole, f"{least} or more, or another completion", "less", "digits")


def pin_entered_as_asked(wanted: EntryRequest) -> Callable[[PinEntered], None]:
    """A PIN has as many digits as it may have."""

    def require(result: PinEntered) -> None:
        _require_entry(result.completion, result.digits, wanted.min_len, wanted.max_len)

    return require


def part_entered_as_asked(wanted: SecureKeyRequest) -> Callable[[KeyEntered], None]:
    """A part of a key is not longer than it is to be, and not shorter where it ended by itself."""

    def require(result: KeyEntered) -> None:
        _require_entry(result.completion, result.digits, 0, wanted.key_len)
        whole = result.completion != "auto" or result.digits == wanted.key_len
        _require(whole, f"{wanted.key_len}, or another completion", "less", "digits")

    return require


def data_entered_as_asked(wanted: EntryRequest) -> Callable[[DataEntered], None]:
    """Only active keys were pressed."""

    def require(result: DataEntered) -> None:
        _require(result.completion in _ENDS, "what ends an entry", "something else", "completion")
        _require(_all_in(result, wanted.active_keys), "active keys", "others", "keys")

    return require


def _all_in(result: DataEntered, active: Iterable[str]) -> bool:
    known = frozenset(active)
    return all(one.key in known for one in result.keys)
