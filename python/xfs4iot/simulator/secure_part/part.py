"""The secure part: holds keys, and uses each for nothing but its purpose.

The service has checked a command before it comes here; the secure part checks again, as firmware does that
trusts no host. What it refuses it refuses with the error codes of the commands.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.constant_time import bytes_eq

from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.interfaces.keys.purposes import (
    DECRYPT_DATA,
    ENCRYPT_DATA,
    GENERATE_MAC,
    VERIFY_MAC,
    Purpose,
)
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import ciphers, macs
from xfs4iot.simulator.secure_part.store import Held, KeyStore

__all__ = ["SecurePart"]


class SecurePart:
    """Keys and what is done with them.

    Args:
        directory: of the ATM's truth; None keeps everything in memory.
        name: of the device.
        room: how many keys there is room for.

    Attributes:
        store: the values; for the modules of this package only.
    """

    def __init__(self, directory: Path | None, name: str, room: int = 256) -> None:
        self.store = KeyStore(directory, name)
        self._room = room

    @property
    def keys(self) -> Mapping[str, StoredKey]:
        """What may be told of the keys, by name."""
        return {name: held.stored for name, held in self.store.keys.items()}

    def put(self, name: str, stored: StoredKey, value: bytes) -> None:
        """Keep a key in the place of one of the same name.

        Raises:
            CommandError: `noKeyRam`, `invalidKeyLength`, `duplicateKey` for a key that was preloaded.
        """
        before = self.store.keys.get(name)
        if before is None and len(self.store.keys) >= self._room:
            raise errors.CommandError("noKeyRam", f"there is room for {self._room} keys; delete some")
        if before is not None and before.stored.preloaded and not stored.preloaded:
            raise errors.CommandError("duplicateKey", "the key was preloaded and cannot be replaced")
        lengths = ciphers.KEY_BYTES.get(stored.attributes.algorithm)
        if lengths is not None and len(value) not in lengths and not self._is_xts(stored.attributes, value):
            raise errors.CommandError(
                "invalidKeyLength",
                f"a key of {len(value) * 8} bits does not fit algorithm {stored.attributes.algorithm}",
            )
        self.store.put(name, Held(stored, value))

    @staticmethod
    def _is_xts(attributes: KeyAttributes, value: bytes) -> bool:
        return attributes.algorithm == "A" and attributes.usage[0] == "D" and len(value) == 64

    def erase(self, name: str | None) -> None:
        """Erase a key, or all that were not preloaded."""
        if name is not None:
            self.store.remove(name)
        else:
            self.store.remove(*(n for n, held in self.store.keys.items() if not held.stored.preloaded))

    def held(self, name: str, purpose: Purpose | None = None) -> Held:
        """A key with its value, for the modules of this package.

        Raises:
            CommandError: `keyNotFound`, or `useViolation` if it is not for this purpose.
        """
        held = self.store.keys.get(name)
        if held is None:
            raise errors.CommandError("keyNotFound", "the device has no such key")
        attributes = held.stored.attributes
        if purpose is not None and not (
            purpose.allows_usage(attributes.usage)
            and purpose.allows_mode(attributes.usage, attributes.mode_of_use)
        ):
            raise errors.CommandError("useViolation", f"this key may not {purpose.text}")
        return held

    def random(self, count: int) -> bytes:
        """Random bytes, from the system."""
        return secrets.token_bytes(count)

    def check_value(self, name: str, mode: Literal["self", "zero"]) -> bytes:
        """The check value of a symmetric key; of a private or public key there is none of these.

        Raises:
            CommandError: `keyNotFound`, `modeNotSupported`.
        """
        held = self.held(name)
        algorithm = held.stored.attributes.algorithm
        if algorithm not in ("D", "T", "A", "H"):
            raise errors.CommandError(
                "modeNotSupported", f"keys of algorithm {algorithm} have no check value"
            )
        return macs.check_value(algorithm, bytes(held.value), mode)

    def crypt(
        self,
        name: str,
        direction: Literal["encrypt", "decrypt"],
        method: ciphers.Method,
        data: bytes,
        *,
        iv: bytes | None = None,
        padding: int = 0,
        purpose: Purpose | None = None,
    ) -> bytes:
        """Encrypt or decrypt data by a symmetric key.

        Args:
            padding: fills data up that is to be encrypted in blocks.
            purpose: other than that of data.

        Raises:
            CommandError: `useViolation`, `invalidKeyLength`.
            InvalidData: data to be decrypted has not whole blocks, or is too short for XTS.
        """
        encrypting = direction == "encrypt"
        held = self.held(name, purpose or (ENCRYPT_DATA if encrypting else DECRYPT_DATA))
        return symmetric(
            held.stored.attributes.algorithm, bytes(held.value), direction, method, data, iv, padding
        )

    def mac(self, name: str, data: bytes, *, iv: bytes | None = None, padding: int = 0) -> bytes:
        """The MAC of data, as the usage of the key says.

        Raises:
            CommandError: `useViolation`, `algorithmNotSupported`, `invalidKeyLength`.
        """
        return self._mac(self.held(name, GENERATE_MAC), data, iv, padding)

    def verify_mac(
        self, name: str, data: bytes, given: bytes, *, iv: bytes | None = None, padding: int = 0
    ) -> bool:
        """Whether a MAC, or its first 4 bytes or more, is that of data; takes the same time either way.

        Raises:
            CommandError: as for `mac`.
        """
        made = self._mac(self.held(name, VERIFY_MAC), data, iv, padding)
        return 4 <= len(given) <= len(made) and bytes_eq(made[: len(given)], given)

    @staticmethod
    def _mac(held: Held, data: bytes, iv: bytes | None, padding: int) -> bytes:
        attributes = held.stored.attributes
        if attributes.algorithm not in macs.MAC_USAGES.get(attributes.usage, ""):
            raise errors.CommandError(
                "algorithmNotSupported",
                f"the device makes no MAC by keys of usage {attributes.usage} "
                f"and algorithm {attributes.algorithm}",
            )
        try:
            return macs.mac(
                attributes.usage, attributes.algorithm, bytes(held.value), data, iv=iv, padding=padding
            )
        except ciphers.BadKey as wrong:
            raise errors.CommandError("invalidKeyLength", str(wrong)) from None


def symmetric(
    algorithm: str,
    value: bytes,
    direction: Literal["encrypt", "decrypt"],
    method: ciphers.Method,
    data: bytes,
    iv: bytes | None,
    padding: int,
) -> bytes:
    """Encrypt or decrypt by a value; for what `SecurePart.crypt` says."""
    size = ciphers.block_size(algorithm)
    encrypting = direction == "encrypt"
    if method in ("ecb", "cbc") and len(data) % size:
        if not encrypting:
            raise errors.InvalidData(f"$.data has {len(data)} bytes; it needs whole blocks of {size}")
        data = macs.padded(data, size, padding)
    if method == "xts" and len(data) < size:
        raise errors.InvalidData(f"$.data has {len(data)} bytes; xts needs {size} or more")
    try:
        run = ciphers.encrypt if encrypting else ciphers.decrypt
        return run(algorithm, value, data, method, iv)
    except ciphers.BadKey as wrong:
        raise errors.CommandError("invalidKeyLength", str(wrong)) from None
