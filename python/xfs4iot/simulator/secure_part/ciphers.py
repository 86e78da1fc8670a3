"""Block ciphers and their modes of operation: DES, TDES and AES in ECB, CBC, CFB, OFB, CTR and XTS.

All of it is done by `cryptography`, which keeps TripleDES among its decrepit algorithms; single DES is TDES
with three equal keys. CFB uses whole blocks as segments. TDES in counter mode, which OpenSSL lacks, is built
from counter blocks in ECB (NIST SP 800-38A, 6.5).

Keys are read where they lie, in a `Secret` as a rule, and what becomes a key is written into one: what is
made of keys in between is overwritten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from cryptography.hazmat.decrepit.ciphers import modes as decrepit_modes
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from xfs4iot._core import Secret

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "KEY_BYTES",
    "BadKey",
    "Key",
    "Method",
    "block_size",
    "decrypt",
    "decrypt_key",
    "encrypt",
    "encrypt_key",
    "masked_key",
    "parity_adjusted",
    "readable",
    "wipe",
    "xor",
]

Key: TypeAlias = "Buffer"
"""A key: a `Secret`, a part of one, or bytes of a test."""
Method = Literal["ecb", "cbc", "cfb", "ofb", "ctr", "xts"]

KEY_BYTES = {"D": (8,), "T": (16, 24), "A": (16, 24, 32)}
"""Lengths of keys, by algorithm."""


class BadKey(ValueError):
    """A key that cannot be used with its algorithm or method."""


def block_size(algorithm: str) -> int:
    """Bytes of a block."""
    return 16 if algorithm == "A" else 8


def readable(secret: Buffer) -> bytes:
    """Where a secret lies, for `cryptography`, which reads all that offers its bytes, and says `bytes`."""
    return cast("bytes", memoryview(secret))


def wipe(secret: bytearray) -> None:
    """Overwrite a secret."""
    secret[:] = bytes(len(secret))


def xor(one: Buffer, other: Buffer) -> bytes:
    """Two byte strings of the same length, exclusive-ored."""
    return bytes(a ^ b for a, b in zip(memoryview(one), memoryview(other), strict=True))


def masked_key(key: Key, mask: Buffer) -> Secret:
    """A key, exclusive-ored with what is as long."""
    made = bytearray(a ^ b for a, b in zip(memoryview(key), memoryview(mask), strict=True))
    try:
        return Secret(made)
    finally:
        wipe(made)


def parity_adjusted(key: Key) -> Secret:
    """A DES key whose bytes have odd parity."""
    made = bytearray((byte & 0xFE) | (1 ^ ((byte >> 1).bit_count() & 1)) for byte in memoryview(key))
    try:
        return Secret(made)
    finally:
        wipe(made)


def _algorithm(algorithm: str, key: Key, method: Method) -> BlockCipherAlgorithm:
    key = memoryview(key)
    if method == "xts":
        if algorithm != "A" or len(key) not in (32, 64):
            raise BadKey("XTS takes AES keys of 256 or 512 bits, which are two keys")
        return AES(key)
    if len(key) not in KEY_BYTES.get(algorithm, ()):
        raise BadKey(f"a key of {len(key) * 8} bits does not fit algorithm {algorithm}")
    if algorithm == "A":
        return AES(key)
    parts = {8: (key, key, key), 16: (key, key[:8]), 24: (key,)}[len(key)]
    return TripleDES(readable(Secret(*parts)))


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


def encrypt(algorithm: str, key: Key, data: Buffer, method: Method = "ecb", iv: bytes | None = None) -> bytes:
    """Encrypt whole blocks; streams (`cfb`, `ofb`, `ctr`) of any length, `xts` of 16 bytes or more.

    Args:
        algorithm: `D`, `T` or `A`.
        iv: start value, counter or tweak, of a block; None for zeros.

    Raises:
        BadKey: the key does not fit.
        ValueError: the data has not whole blocks.
    """
    return _run(algorithm, key, data, method, iv, True)


def decrypt(algorithm: str, key: Key, data: Buffer, method: Method = "ecb", iv: bytes | None = None) -> bytes:
    """Decrypt what `encrypt` gave; likewise."""
    return _run(algorithm, key, data, method, iv, False)


def encrypt_key(
    algorithm: str, key: Key, data: Buffer, method: Method = "ecb", iv: bytes | None = None
) -> Secret:
    """Encrypt what becomes a key; as `encrypt`."""
    return _run_to_key(algorithm, key, data, method, iv, True)


def decrypt_key(
    algorithm: str, key: Key, data: Buffer, method: Method = "ecb", iv: bytes | None = None
) -> Secret:
    """Decrypt a key, or what has one in it; as `decrypt`."""
    return _run_to_key(algorithm, key, data, method, iv, False)


def _run(algorithm: str, key: Key, data: Buffer, method: Method, iv: bytes | None, encrypting: bool) -> bytes:
    if method == "ctr" and algorithm != "A":
        return _counted(algorithm, key, data, iv)
    run = _made(algorithm, key, method, iv, encrypting)
    made: bytes = run.update(memoryview(data)) + run.finalize()
    return made


def _run_to_key(
    algorithm: str, key: Key, data: Buffer, method: Method, iv: bytes | None, encrypting: bool
) -> Secret:
    if method == "ctr" and algorithm != "A":
        return Secret(_counted(algorithm, key, data, iv))
    run = _made(algorithm, key, method, iv, encrypting)
    # cryptography wants room for all but one byte of a block more.
    room = bytearray(len(memoryview(data)) + block_size(algorithm) - 1)
    try:
        count = run.update_into(memoryview(data), room)
        run.finalize()
        return Secret(memoryview(room)[:count])
    finally:
        wipe(room)


def _made(algorithm: str, key: Key, method: Method, iv: bytes | None, encrypting: bool) -> Any:
    cipher = _algorithm(algorithm, key, method)
    start = bytes(block_size(algorithm)) if iv is None else bytes(iv)
    made: Cipher[Any] = Cipher(cipher, _mode(method, start))
    return made.encryptor() if encrypting else made.decryptor()


def _counted(algorithm: str, key: Key, data: Buffer, iv: bytes | None) -> bytes:
    size = block_size(algorithm)
    first = int.from_bytes(iv or b"", "big")
    length = len(memoryview(data))
    # The counter wraps around at the size of a block.
    counters = b"".join(
        ((first + i) % (1 << 8 * size)).to_bytes(size, "big") for i in range(-(-length // size))
    )
    return xor(data, encrypt(algorithm, key, counters)[:length])
