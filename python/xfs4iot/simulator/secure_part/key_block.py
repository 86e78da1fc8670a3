"""Key blocks of ANSI X9.143 (TR-31): binding a key to its header, and opening what was bound.

Versions A and C mask the protection key (variants), B and D derive two keys from it by CMAC. In B and D the
MAC is of header and plain key and is the start value of the encryption; in A and C it is of header and
encrypted key.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.constant_time import bytes_eq

from xfs4iot._core import Secret
from xfs4iot.interfaces.keys.key_block import MAC_CHARACTERS, PROTECTED_BY, Header, header_of
from xfs4iot.simulator.secure_part import ciphers, macs
from xfs4iot.simulator.secure_part.ciphers import Key

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["NotAuthentic", "unwrap", "wrap"]

_ENCRYPTION, _AUTHENTICATION = 0, 1
_VARIANTS = {_ENCRYPTION: 0x45, _AUTHENTICATION: 0x4D}
_DERIVED = {("T", 16): 0, ("T", 24): 1, ("A", 16): 2, ("A", 24): 3, ("A", 32): 4}


class NotAuthentic(ValueError):
    """The MAC is not that of the block, or what it protects is not a key."""


def _key(version: str, protection_key: Key, use: int) -> Secret:
    """The key that encrypts, or makes the MAC."""
    algorithm = PROTECTED_BY[version]
    length = len(memoryview(protection_key))
    if version in "AC":
        return ciphers.masked_key(protection_key, bytes([_VARIANTS[use]]) * length)
    size = ciphers.block_size(algorithm)
    kind = _DERIVED.get((algorithm, length))
    if kind is None:
        raise ciphers.BadKey(f"a key of {length * 8} bits protects no key block of version {version}")
    made = []
    for count in range(1, -(-length // size) + 1):
        words = bytes([count, 0, use, 0]) + kind.to_bytes(2, "big") + (length * 8).to_bytes(2, "big")
        made.append(macs.cmac(algorithm, protection_key, words))
    return Secret(memoryview(Secret(*made))[:length])


def _mac(version: str, protection_key: Key, head: bytes, text: Buffer) -> bytes:
    key = _key(version, protection_key, _AUTHENTICATION)
    if version in "AC":
        return macs.mac("M0", "T", key, head + bytes(text))[:4]
    return macs.cmac(PROTECTED_BY[version], key, Secret(head, text))


def unwrap(protection_key: Key, block: bytes) -> tuple[Header, Secret]:
    """The header and the key of a block.

    Raises:
        NotAuthentic: it was changed, or protected by another key.
        BadKey: no block of its version is protected by a key of this length.
        CommandError: it does not hold together; see `header_of`.
    """
    header = header_of(block)
    head = header.text.encode()
    rest = block[len(head) :].decode()
    encrypted = bytes.fromhex(rest[: -MAC_CHARACTERS[header.version]])
    given = bytes.fromhex(rest[-MAC_CHARACTERS[header.version] :])
    algorithm = PROTECTED_BY[header.version]
    encryption_key = _key(header.version, protection_key, _ENCRYPTION)
    if header.version in "AC":
        if not bytes_eq(_mac(header.version, protection_key, head, encrypted), given):
            raise NotAuthentic("the key block was changed, or is protected by another key")
        plain = ciphers.decrypt_key(algorithm, encryption_key, encrypted, "cbc", head[:8])
    else:
        plain = ciphers.decrypt_key(algorithm, encryption_key, encrypted, "cbc", given)
        # The MAC is of the plain key here, so it can only be checked after decrypting.
        if not bytes_eq(_mac(header.version, protection_key, head, plain), given):
            raise NotAuthentic("the key block was changed, or is protected by another key")
    view = memoryview(plain)
    length = int.from_bytes(view[:2], "big")
    # The length counts bits; what follows the key is random filling.
    if length % 8 or not 0 < length // 8 <= len(view) - 2:
        raise NotAuthentic("the key block has no key of a length that can be")
    return header, Secret(view[2 : 2 + length // 8])


def wrap(protection_key: Key, header: str, key: bytes, masked_length: int | None = None) -> bytes:
    """A key block; for hosts and tests.

    Args:
        header: 16 characters with their optional blocks, already filled up; the length is written here.
        masked_length: bytes, so that the length of the block does not tell that of the key.
    """
    version = header[0]
    algorithm = PROTECTED_BY[version]
    size = ciphers.block_size(algorithm)
    plain = (len(key) * 8).to_bytes(2, "big") + key
    whole = -(-max(len(plain), 2 + (masked_length or 0)) // size) * size
    plain += os.urandom(whole - len(plain))
    length = len(header) + 2 * whole + MAC_CHARACTERS[version]
    head = (header[0] + f"{length:04}" + header[5:]).encode()
    encryption_key = _key(version, protection_key, _ENCRYPTION)
    if version in "AC":
        encrypted = ciphers.encrypt(algorithm, encryption_key, plain, "cbc", head[:8])
        mac = _mac(version, protection_key, head, encrypted)
    else:
        mac = _mac(version, protection_key, head, plain)
        encrypted = ciphers.encrypt(algorithm, encryption_key, plain, "cbc", mac)
    return head + (encrypted + mac).hex().upper().encode()
