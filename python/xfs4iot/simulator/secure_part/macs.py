"""Message authentication codes and key check values.

The algorithm of a MAC follows from the usage of its key (ANSI X9.143): M0 ISO 16609 algorithm 1 (TDES),
M1 ISO 9797-1 algorithm 1, M2 algorithm 2, M3 algorithm 3 (the retail MAC), M4 algorithm 4, M6 CMAC (algorithm
5 of 2011, NIST SP 800-38B), M7 HMAC by SHA-256. A TDES key of M2, M3 or M4 is two DES keys; where an
algorithm needs one more, it is made by exclusive-or with F0 (ISO 9797-1:2011, key derivation method 2).
Data that does not fill a whole block is padded with one repeated byte; with zeros, that is padding method 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hmac import HMAC

from xfs4iot._core import Secret
from xfs4iot.simulator.secure_part.ciphers import (
    BadKey,
    Key,
    block_size,
    decrypt,
    encrypt,
    masked_key,
    readable,
    xor,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["MAC_USAGES", "check_value", "cmac", "mac", "padded"]

MAC_USAGES = {"M0": "T", "M1": "DTA", "M2": "DT", "M3": "T", "M4": "T", "M6": "TA", "M7": "H"}
"""Usages of keys that make MACs, and the algorithms of these keys."""


def padded(data: bytes, size: int, byte: int = 0) -> bytes:
    """Data filled up to whole blocks; whole blocks stay, nothing becomes one block."""
    return data + bytes([byte]) * ((-len(data)) % size if data else size)


def mac(
    usage: str, algorithm: str, key: Key, data: bytes, *, iv: bytes | None = None, padding: int = 0
) -> bytes:
    """The whole MAC of data.

    Args:
        usage: of the key: one of `MAC_USAGES`.
        iv: start value of a block chain; None for zeros.

    Raises:
        BadKey: the key does not fit the algorithm, or the usage is not one of these.
    """
    key = memoryview(key)
    match usage:
        case "M0" | "M1":
            return _chained(algorithm, key, data, iv, padding)
        case "M2" if algorithm == "D":
            return encrypt("D", _varied(key), _chained("D", key, data, iv, padding))
        case "M2":
            left, right = _halves(usage, key)
            return encrypt("D", right, _chained("D", left, data, iv, padding))
        case "M4":
            left, right = _halves(usage, key)
            whole = padded(data, 8, padding)
            # The first block alone is encrypted twice; the chain goes on from it.
            first = encrypt("D", _varied(right), encrypt("D", left, whole[:8], "cbc", iv))
            chained = encrypt("D", left, whole[8:], "cbc", first)[-8:] or first
            return encrypt("D", right, chained)
        case "M3":
            if len(key) not in (16, 24):
                raise BadKey("algorithm 3 of ISO 9797-1 takes keys of 128 or 192 bits")
            left, middle, last = key[:8], key[8:16], key[16:] or key[:8]
            chained = _chained("D", left, data, iv, padding)
            return encrypt("D", last, decrypt("D", middle, chained))
        case "M6":
            return cmac(algorithm, key, data)
        case "M7":
            made = HMAC(key, hashes.SHA256())
            made.update(data)
            return made.finalize()
    raise BadKey(f"keys of usage {usage} make no MAC")


def _halves(usage: str, key: memoryview) -> tuple[memoryview, memoryview]:
    if len(key) != 16:
        raise BadKey(f"a MAC of usage {usage} takes keys of 128 bits, which are two keys")
    return key[:8], key[8:]


def _varied(key: memoryview) -> Secret:
    return masked_key(key, b"\xf0" * len(key))


def _chained(algorithm: str, key: Key, data: bytes, iv: bytes | None, padding: int) -> bytes:
    size = block_size(algorithm)
    return encrypt(algorithm, key, padded(data, size, padding), "cbc", iv)[-size:]


def cmac(algorithm: str, key: Key, data: Buffer) -> bytes:
    """CMAC by AES or TDES; `cryptography` refuses TDES here, so its subkeys are made as SP 800-38B says.

    Raises:
        BadKey: the key does not fit.
    """
    if algorithm == "A":
        try:
            made = CMAC(AES(memoryview(key)))
        except ValueError as wrong:
            raise BadKey(str(wrong)) from None
        made.update(readable(data))
        return made.finalize()
    size = block_size(algorithm)
    text = memoryview(data)
    whole = bool(len(text)) and len(text) % size == 0
    subkey = _doubled(encrypt(algorithm, key, bytes(size)))
    if not whole:
        subkey = _doubled(subkey)
        text = memoryview(Secret(text, b"\x80", bytes((-len(text) - 1) % size)))
    last = xor(text[-size:], subkey)
    return encrypt(algorithm, key, Secret(text[:-size], last), "cbc")[-size:]


def _doubled(block: bytes) -> bytes:
    size = len(block)
    value = int.from_bytes(block, "big") << 1
    if value >> (8 * size):
        # The reduction constants of SP 800-38B for blocks of 128 and 64 bits; the bit shifted out goes too.
        value ^= (1 << 8 * size) | (0x87 if size == 16 else 0x1B)
    return value.to_bytes(size, "big")


def check_value(algorithm: str, key: Key, mode: str) -> bytes:
    """The check value of a key (ANSI X9.24-1, annex A).

    Of DES and TDES the first 3 bytes of zeros, or of the key, encrypted; of AES the first 5 bytes of
    the CMAC of a block of zeros, or of the key's first block, encrypted; of HMAC those of the HMAC.

    Args:
        mode: `zero` or `self`.
    """
    key = memoryview(key)
    if algorithm == "H":
        return mac("M7", "H", key, b"" if mode == "zero" else bytes(key))[:5]
    size = block_size(algorithm)
    if algorithm == "A":
        made = cmac("A", key, bytes(size)) if mode == "zero" else encrypt("A", key, key[:size])
        return made[:5]
    return encrypt(algorithm, key, bytes(size) if mode == "zero" else key[:size])[:3]
