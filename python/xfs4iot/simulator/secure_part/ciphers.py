"""Block ciphers and their modes of operation: DES, TDES and AES in ECB, CBC, CFB, OFB, CTR and XTS.

All of it is done by `cryptography`, which keeps TripleDES among its decrepit algorithms; single DES is TDES
with three equal keys. CFB uses whole blocks as segments. TDES in counter mode, which OpenSSL lacks, is built
from counter blocks in ECB (NIST SP 800-38A, 6.5).
"""

from __future__ import annotations

from typing import Any, Literal

from cryptography.hazmat.decrepit.ciphers import modes as decrepit_modes
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

__all__ = ["KEY_BYTES", "BadKey", "Method", "block_size", "decrypt", "encrypt", "parity_adjusted", "xor"]

Method = Literal["ecb", "cbc", "cfb", "ofb", "ctr", "xts"]

KEY_BYTES = {"D": (8,), "T": (16, 24), "A": (16, 24, 32)}
"""Lengths of keys, by algorithm."""


class BadKey(ValueError):
    """A key that cannot be used with its algorithm or method."""


def block_size(algorithm: str) -> int:
    """Bytes of a block."""
    return 16 if algorithm == "A" else 8


def xor(one: bytes | bytearray, other: bytes | bytearray) -> bytes:
    """Two byte strings of the same length, exclusive-ored."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def parity_adjusted(key: bytes) -> bytes:
    """A DES key whose bytes have odd parity."""
    return bytes((byte & 0xFE) | (1 ^ ((byte >> 1).bit_count() & 1)) for byte in key)


def _algorithm(algorithm: str, key: bytes, method: Method) -> BlockCipherAlgorithm:
    key = bytes(key)
    if method == "xts":
        if algorithm != "A" or len(key) not in (32, 64):
            raise BadKey("XTS takes AES keys of 256 or 512 bits, which are two keys")
        return AES(key)
    if len(key) not in KEY_BYTES.get(algorithm, ()):
        raise BadKey(f"a key of {len(key) * 8} bits does not fit algorithm {algorithm}")
    if algorithm == "A":
        return AES(key)
    return TripleDES({8: key * 3, 16: key + key[:8], 24: key}[len(key)])


def _mode(method: Method, iv: bytes) -> modes.Mode:
    match method:
        case "ecb":
            return modes.ECB()
        case "cbc":
            return modes.CBC(iv)
        case "cfb":
            return decrepit_modes.CFB(iv)
        case "ofb":
            return decrepit_modes.OFB(iv)
        case "ctr":
            return modes.CTR(iv)
        case "xts":
            return modes.XTS(iv)


def encrypt(
    algorithm: str, key: bytes, data: bytes, method: Method = "ecb", iv: bytes | None = None
) -> bytes:
    """Encrypt whole blocks; streams (`cfb`, `ofb`, `ctr`) of any length, `xts` of 16 bytes or more.

    Args:
        algorithm: `D`, `T` or `A`.
        iv: start value, counter or tweak, of a block; None for zeros.

    Raises:
        BadKey: the key does not fit.
        ValueError: the data has not whole blocks.
    """
    return _run(algorithm, key, data, method, iv, True)


def decrypt(
    algorithm: str, key: bytes, data: bytes, method: Method = "ecb", iv: bytes | None = None
) -> bytes:
    """Decrypt what `encrypt` gave; likewise."""
    return _run(algorithm, key, data, method, iv, False)


def _run(
    algorithm: str, key: bytes, data: bytes, method: Method, iv: bytes | None, encrypting: bool
) -> bytes:
    cipher = _algorithm(algorithm, key, method)
    start = bytes(block_size(algorithm)) if iv is None else bytes(iv)
    if method == "ctr" and algorithm != "A":
        return _counted(algorithm, key, data, start)
    made: Cipher[Any] = Cipher(cipher, _mode(method, start))
    run = made.encryptor() if encrypting else made.decryptor()
    return run.update(bytes(data)) + run.finalize()


def _counted(algorithm: str, key: bytes, data: bytes, start: bytes) -> bytes:
    size = len(start)
    first = int.from_bytes(start, "big")
    count = -(-len(data) // size)
    # The counter wraps around at the size of a block.
    counters = b"".join(((first + i) % (1 << 8 * size)).to_bytes(size, "big") for i in range(count))
    return xor(data, encrypt(algorithm, key, counters)[: len(data)])
