"""DUKPT: a key for each transaction, derived from one initial key and a counter (ANSI X9.24).

TDES (X9.24-1) counts in the 21 low bits of a serial number of 10 bytes, and uses no counter of more than
10 ones; AES (X9.24-3) in the last 4 of 12 bytes, of no more than 16 ones. Both derive key from key along
the ones of the counter, from the highest, and the working key at the end. By AES, working keys may be of
another kind than the initial key, but not stronger: TDES, AES and HMAC keys of all lengths.

A real device keeps only the future keys, so that whoever opens it learns no past key. Here the initial key
stays.
"""

from __future__ import annotations

from typing import Literal

from xfs4iot._core import Secret
from xfs4iot.simulator.secure_part import ciphers
from xfs4iot.simulator.secure_part.ciphers import Key

__all__ = ["Exhausted", "Kind", "Use", "counter_of", "following", "initial_key", "working_key"]

Use = Literal["pin", "mac", "verifyMac", "encrypt", "decrypt"]
OtherUse = Literal["macBoth", "both", "keys", "derive"]
"""Uses that AES has besides: MACs and data of both directions, keys that are sent, and the derivation key."""
Kind = Literal["tdes2", "tdes3", "aes128", "aes192", "aes256", "hmac128", "hmac192", "hmac256"]

_TDES_BITS, _TDES_ONES = 21, 10
_AES_BITS, _AES_ONES = 32, 16
_MASK = bytes.fromhex("C0C0C0C000000000C0C0C0C000000000")
_VARIANTS: dict[Use, bytes] = {
    "pin": bytes.fromhex("00000000000000FF") * 2,
    "mac": bytes.fromhex("000000000000FF00") * 2,
    "verifyMac": bytes.fromhex("00000000FF000000") * 2,
    "encrypt": bytes.fromhex("0000000000FF0000") * 2,
    "decrypt": bytes.fromhex("000000FF00000000") * 2,
}
_USES: dict[Use | OtherUse, int] = {
    "keys": 0x0002,
    "pin": 0x1000,
    "mac": 0x2000,
    "verifyMac": 0x2001,
    "macBoth": 0x2002,
    "encrypt": 0x3000,
    "decrypt": 0x3001,
    "both": 0x3002,
}
_DERIVATION, _INITIAL = 0x8000, 0x8001
_KINDS: dict[Kind, tuple[int, int]] = {
    "tdes2": (0, 16),
    "tdes3": (1, 24),
    "aes128": (2, 16),
    "aes192": (3, 24),
    "aes256": (4, 32),
    "hmac128": (5, 16),
    "hmac192": (5, 24),
    "hmac256": (5, 32),
}
"""Number and length in bytes of each kind of working key."""
_AES: dict[int, Kind] = {16: "aes128", 24: "aes192", 32: "aes256"}


class Exhausted(ValueError):
    """The counter has come to its end: a new initial key is needed."""


def following(algorithm: str, ksn: bytes) -> bytes:
    """The serial number of the next transaction.

    Raises:
        Exhausted: there is none.
    """
    bits, ones = (_AES_BITS, _AES_ONES) if algorithm == "A" else (_TDES_BITS, _TDES_ONES)
    whole = int.from_bytes(ksn, "big")
    counter = whole & ((1 << bits) - 1)
    fixed = whole - counter
    counter += 1
    while counter.bit_count() > ones:
        # Adding the lowest one carries: it skips all counters with too many ones in few steps.
        counter += counter & -counter
    if counter >> bits:
        raise Exhausted("the key has made all its transactions; load a new one")
    return (fixed | counter).to_bytes(len(ksn), "big")


def counter_of(algorithm: str, ksn: bytes) -> tuple[bytes, int]:
    """A serial number as what stays of it, and the number of its transaction."""
    whole = int.from_bytes(ksn, "big")
    counter = whole & ((1 << (_AES_BITS if algorithm == "A" else _TDES_BITS)) - 1)
    return (whole - counter).to_bytes(len(ksn), "big"), counter


def initial_key(algorithm: str, base_key: Key, ksn: bytes) -> Secret:
    """The initial key of a device; for hosts and tests."""
    if algorithm == "A":
        return _derived(base_key, _INITIAL, ksn[:8], _AES[len(memoryview(base_key))])
    start = bytearray(ksn[:8])
    # The five counter bits in this byte are not part of the device's number.
    start[7] &= 0xE0
    left = ciphers.encrypt_key("T", base_key, start)
    return Secret(left, ciphers.encrypt_key("T", ciphers.masked_key(base_key, _MASK), start))


def working_key(
    algorithm: str, initial: Key, ksn: bytes, use: Use | OtherUse, kind: Kind | None = None
) -> Secret:
    """The key of a transaction, for one use.

    Args:
        kind: of the key; None for that of the initial key. By AES only, as are the other uses.

    Raises:
        BadKey: the key would be stronger than the one it comes from, or TDES has no such use or kind.
    """
    if algorithm == "A":
        return _aes(initial, ksn, use, kind)
    if kind is not None or use not in _VARIANTS:
        raise ciphers.BadKey("DUKPT by TDES derives keys of its own kind, for its own uses")
    return _tdes(initial, ksn, use)


def _tdes(initial: Key, ksn: bytes, use: Use) -> Secret:
    whole = int.from_bytes(ksn[-8:], "big")
    counter = whole & ((1 << _TDES_BITS) - 1)
    register, key = whole - counter, Secret(initial)
    for bit in range(_TDES_BITS - 1, -1, -1):
        if counter >> bit & 1:
            register |= 1 << bit
            data = register.to_bytes(8, "big")
            # The masked key makes the left half, as the standard has it; swapped halves are another key.
            key = Secret(_one_way(ciphers.masked_key(key, _MASK), data), _one_way(key, data))
    key = ciphers.masked_key(key, _VARIANTS[use])
    # Data keys alone go through one more one-way step: the variant encrypted under itself.
    if use in ("encrypt", "decrypt"):
        key = ciphers.encrypt_key("T", key, key)
    return key


def _one_way(key: Secret, data: bytes) -> Secret:
    left, right = memoryview(key)[:8], memoryview(key)[8:]
    return ciphers.masked_key(ciphers.encrypt_key("D", left, ciphers.masked_key(right, data)), right)


def _aes(initial: Key, ksn: bytes, use: Use | OtherUse, kind: Kind | None) -> Secret:
    counter = int.from_bytes(ksn[-4:], "big")
    own = _AES[len(memoryview(initial))]
    wanted = kind or own
    if not wanted.startswith("tdes") and _KINDS[wanted][1] > _KINDS[own][1]:
        raise ciphers.BadKey(f"a working key {wanted} would be stronger than its initial key {own}")
    key, working = Secret(initial), 0
    for bit in range(_AES_BITS - 1, -1, -1):
        if counter >> bit & 1:
            working |= 1 << bit
            key = _derived(key, _DERIVATION, ksn[4:8] + working.to_bytes(4, "big"), own)
    if use == "derive":
        return key
    return _derived(key, _USES[use], ksn[4:8] + counter.to_bytes(4, "big"), wanted)


def _derived(key: Key, usage: int, what: bytes, kind: Kind) -> Secret:
    made = []
    number, length = _KINDS[kind]
    for count in range(1, -(-length // 16) + 1):
        head = bytes([1, count]) + usage.to_bytes(2, "big") + number.to_bytes(2, "big")
        made.append(ciphers.encrypt_key("A", key, head + (length * 8).to_bytes(2, "big") + what))
    return Secret(memoryview(Secret(*made))[:length])
