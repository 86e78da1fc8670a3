"""The secure part: it holds keys, and uses each only for its purpose.

The service has already checked a command by the time it gets here; the secure part checks again, as firmware
that trusts no host would. It refuses with the error codes of the commands.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from cryptography.hazmat.primitives.constant_time import bytes_eq

from xfs4iot._core import Secret
from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.interfaces.keys.key_block import optional_block
from xfs4iot.interfaces.keys.key_table import RESERVED_NAMES
from xfs4iot.interfaces.keys.purposes import (
    DECRYPT_DATA,
    DUKPT,
    ENCRYPT_DATA,
    GENERATE_MAC,
    GENERATE_SIGNATURE,
    VERIFY_MAC,
    VERIFY_SIGNATURE,
    Purpose,
)
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import ciphers, dukpt, macs, rsa_keys
from xfs4iot.simulator.secure_part.bindings import SYMMETRIC, Bindings
from xfs4iot.simulator.secure_part.ciphers import Key
from xfs4iot.simulator.secure_part.store import Held, KeyStore

__all__ = ["SecurePart", "Told"]

Told: TypeAlias = Callable[[bytes], None]
"""Is given the serial number of a DUKPT transaction."""
_COUNTED = "counted:"
_COUNTERS = 4096
"""Of how many DUKPT keys it is remembered where they stood."""
_FIRST_KSN = {"T": bytes.fromhex("FFFF9876543210E00000"), "A": bytes.fromhex("123456789012345600000000")}
"""Serial numbers of DUKPT keys that come without one."""


class SecurePart:
    """Keys and what is done with them.

    Args:
        directory: of the ATM's truth; None keeps everything in memory.
        name: of the device.
        room: how many keys there is room for.
        bits: of the working keys of DUKPT by AES, no more than their initial keys have; None: as many.
        hmac: MACs of DUKPT by AES are HMACs by SHA-256; else CMACs.

    Attributes:
        store: the values; for the modules of this package only.
        is_full: whether there is no room for another key, whatever their number.
    """

    def __init__(
        self,
        directory: Path | None,
        name: str,
        room: int = 256,
        *,
        bits: int | None = None,
        hmac: bool = False,
    ) -> None:
        self.store = KeyStore(directory, name)
        self._bindings = Bindings(self.store)
        self.is_full: Callable[[], bool] = lambda: False
        self._room = room
        self._bits = bits
        self._hmac = hmac

    @property
    def keys(self) -> Mapping[str, StoredKey]:
        """What may be told of the keys, by name."""
        return {name: held.stored for name, held in self.store.keys.items()}

    def put(self, name: str, stored: StoredKey, value: Key, *, loose: bool = False) -> None:
        """Keep a key in the place of one of the same name; a DUKPT key begins to count.

        Args:
            loose: it came in a way that does not say that its parts belong together.

        Raises:
            CommandError: `noKeyRam`, `invalidKeyLength`, `duplicateKey` for a key that was preloaded,
                `useViolation` for one that was for another purpose.
        """
        before = self.store.keys.get(name)
        loaded = sum(not held.stored.preloaded for held in self.store.keys.values())
        if before is None and not stored.preloaded and (loaded >= self._room or self.is_full()):
            raise errors.CommandError("noKeyRam", f"there is no room for {loaded + 1} keys; delete some")
        if name in RESERVED_NAMES and not stored.preloaded:
            raise errors.CommandError("duplicateKey", "the name is reserved for a key of the device")
        if before is not None and before.stored.preloaded and not stored.preloaded:
            raise errors.CommandError("duplicateKey", "the key was preloaded and cannot be replaced")
        lengths, length = ciphers.KEY_BYTES.get(stored.attributes.algorithm), len(memoryview(value))
        if lengths is not None and length not in lengths and not self._is_xts(stored.attributes, length):
            raise errors.CommandError(
                "invalidKeyLength",
                f"a key of {length * 8} bits does not fit algorithm {stored.attributes.algorithm}",
            )
        if stored.attributes.usage in DUKPT and stored.attributes.algorithm == "T" and length != 16:
            raise errors.CommandError("invalidKeyLength", "DUKPT by TDES begins with a key of 128 bits")
        if stored.attributes.algorithm in SYMMETRIC:
            self._bindings.bind(stored.attributes, value, loose=loose)
        if stored.attributes.usage in DUKPT:
            self._begin_counting(name, stored.attributes, value)
        self.store.put(name, Held(stored, value))

    def _begin_counting(self, name: str, attributes: KeyAttributes, value: Key) -> None:
        """Set the counter of a DUKPT key: where it stood, if the device has had the key before.

        Whoever has recorded how the key came could load it again, or under another name, and have its
        transactions made once more.

        Raises:
            CommandError: `noKeyRam`: too many keys have counted.
        """
        ksn = _first_ksn(attributes)
        counted = self._counted(attributes.algorithm, value, ksn)
        known = [one for one in self.store.secrets if one.startswith(_COUNTED)]
        if counted not in known and len(known) >= _COUNTERS:
            raise errors.CommandError("noKeyRam", "the device keeps no more counters of DUKPT keys")
        # Set first: `store.put` saves key and counter together.
        self.store.secrets[f"ksn:{name}"] = max(ksn, self.store.secrets.get(counted, ksn))

    def _counted(self, algorithm: str, value: Key, ksn: bytes) -> str:
        """The name under which the last number of a DUKPT key is kept, whatever the key is called."""
        fixed, _ = dukpt.counter_of(algorithm, ksn)
        return _COUNTED + self._bindings.fingerprint(value, fixed)

    @staticmethod
    def _is_xts(attributes: KeyAttributes, length: int) -> bool:
        return attributes.algorithm == "A" and attributes.usage[0] == "D" and length == 64

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
        return os.urandom(count)

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
        return macs.check_value(algorithm, held.value, mode)

    def crypt(
        self,
        name: str,
        direction: Literal["encrypt", "decrypt"],
        method: Any,
        data: bytes,
        *,
        iv: bytes | None = None,
        padding: int = 0,
        purpose: Purpose | None = None,
        told: Told | None = None,
    ) -> bytes:
        """Encrypt or decrypt data.

        Args:
            padding: fills data up that is to be encrypted in blocks.
            purpose: other than that of data.
            told: is given the serial number of a DUKPT transaction.

        Raises:
            CommandError: `useViolation`, `invalidKeyLength`.
            InvalidData: data to be decrypted has not whole blocks, or is too short for XTS.
        """
        encrypting = direction == "encrypt"
        held = self.held(name, purpose or (ENCRYPT_DATA if encrypting else DECRYPT_DATA))
        algorithm = held.stored.attributes.algorithm
        if algorithm == "R":
            return _by_rsa(held, encrypting, method, data)
        value = held.value
        if held.stored.attributes.usage in DUKPT:
            value = self.transaction_key(name, held, "encrypt" if encrypting else "decrypt", told)
        return symmetric(algorithm, value, direction, method, data, iv, padding)

    def transaction_key(self, name: str, held: Held, use: dukpt.Use, told: Told | None) -> Secret:
        """The key of a DUKPT transaction: a new one for what goes out, the last one for the answer to it.

        Its serial number is kept before anything is made with it.

        Raises:
            CommandError: `dukptOverflow`: all transactions were made; `accessDenied`: none was, yet.
        """
        algorithm, secrets = held.stored.attributes.algorithm, self.store.secrets
        ksn = secrets[f"ksn:{name}"]
        if use in ("pin", "mac", "encrypt"):
            counted = self._counted(algorithm, held.value, ksn)
            try:
                # The same key may have counted under another name.
                ksn = dukpt.following(algorithm, max(ksn, secrets.get(counted, ksn)))
            except dukpt.Exhausted as wrong:
                raise errors.CommandError("dukptOverflow", str(wrong)) from None
            # Saved before the key is used: after a crash a number is skipped, never used twice.
            secrets[f"ksn:{name}"] = secrets[counted] = ksn
            self.store.save()
        elif not dukpt.counter_of(algorithm, ksn)[1]:
            raise errors.CommandError("accessDenied", "no transaction was made yet that this answers")
        if told is not None:
            told(ksn)
        return dukpt.working_key(algorithm, held.value, ksn, use, self._kind(algorithm, held.value, use))

    def _kind(self, algorithm: str, initial: Key, use: dukpt.Use) -> dukpt.Kind | None:
        """Of which kind a working key is."""
        own = len(memoryview(initial)) * 8
        bits = min(own, self._bits or own)
        if algorithm != "A" or (bits == own and not self._hmac):
            return None
        family = "hmac" if self._hmac and use in ("mac", "verifyMac") else "aes"
        kind: Any = f"{family}{bits}"
        return kind  # type: ignore[no-any-return]

    def sign_data(self, name: str, method: str, hash_algorithm: str, data: bytes) -> bytes:
        """The signature of a client's data, by a key that does not sign for the device.

        What the device exports is signed by the keys that it was made with: if they signed a client's data
        as well, any client could pass off its own public key as the device's.

        Raises:
            CommandError: `useViolation`, `accessDenied`.
        """
        if self.held(name, GENERATE_SIGNATURE).stored.preloaded:
            raise errors.CommandError("accessDenied", "this key signs only what the device exports")
        return self.sign(name, method, hash_algorithm, data)

    def sign(self, name: str, method: str, hash_algorithm: str, data: bytes) -> bytes:
        """The signature of what the device exports.

        Raises:
            CommandError: `useViolation`.
        """
        key = rsa_keys.private_key(self.held(name, GENERATE_SIGNATURE).value)
        return rsa_keys.sign(key, method, hash_algorithm, data)

    def verify_signature(
        self, name: str, method: str, hash_algorithm: str, data: bytes, signature: bytes
    ) -> bool:
        """Whether a signature is that of data.

        Raises:
            CommandError: `useViolation`.
        """
        key = rsa_keys.public_of(self.held(name, VERIFY_SIGNATURE).value)
        return rsa_keys.verify(key, method, hash_algorithm, data, signature)

    def mac(
        self, name: str, data: bytes, *, iv: bytes | None = None, padding: int = 0, told: Told | None = None
    ) -> bytes:
        """The MAC of data, as the usage of the key says.

        Raises:
            CommandError: `useViolation`, `algorithmNotSupported`, `invalidKeyLength`.
        """
        held = self.held(name, GENERATE_MAC)
        if held.stored.attributes.usage in DUKPT:
            key = self.transaction_key(name, held, "mac", told)
            return self._dukpt_mac(held, key, data, iv, padding)
        return self._mac(held, data, iv, padding)

    def verify_mac(
        self,
        name: str,
        data: bytes,
        given: bytes,
        *,
        iv: bytes | None = None,
        padding: int = 0,
        told: Told | None = None,
    ) -> bool:
        """Whether a MAC, or its first 4 bytes or more, is that of data; takes the same time either way.

        Raises:
            CommandError: as for `mac`.
        """
        held = self.held(name, VERIFY_MAC)
        if held.stored.attributes.usage in DUKPT:
            key = self.transaction_key(name, held, "verifyMac", told)
            made = self._dukpt_mac(held, key, data, iv, padding)
        else:
            made = self._mac(held, data, iv, padding)
        return (
            4 <= len(given) <= len(made)
            and bytes_eq(made[: len(given)], given)
            and not self._is_check_value(held, given)
        )

    @staticmethod
    def _is_check_value(held: Held, given: bytes) -> bool:
        """Whether a MAC is no more than what GenerateKCV tells every client of the key.

        The check value of a key of AES or HMAC is itself the beginning of a MAC, of zeros or of nothing.
        """
        algorithm = held.stored.attributes.algorithm
        return algorithm in "AH" and macs.check_value(algorithm, held.value, "zero").startswith(given)

    def _dukpt_mac(self, held: Held, key: Key, data: bytes, iv: bytes | None, padding: int) -> bytes:
        """By TDES the retail MAC, by AES the CMAC or the HMAC."""
        algorithm = held.stored.attributes.algorithm
        usage = "M3" if algorithm != "A" else "M7" if self._hmac else "M6"
        return macs.mac(usage, algorithm, key, data, iv=iv, padding=padding)

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
            return macs.mac(attributes.usage, attributes.algorithm, held.value, data, iv=iv, padding=padding)
        except ciphers.BadKey as wrong:
            raise errors.CommandError("invalidKeyLength", str(wrong)) from None


def _first_ksn(attributes: KeyAttributes) -> bytes:
    """The serial number with which a key comes: in the block KS (TDES) or IK (AES) of its key block."""
    block = {"T": "KS", "A": "IK"}[attributes.algorithm]
    first = _FIRST_KSN[attributes.algorithm]
    text = optional_block(attributes.optional_block_header, block)
    with contextlib.suppress(ValueError):
        said = bytes.fromhex(text or "")
        if block == "IK" and len(said) == 8:
            return said + bytes(4)
        if len(said) == len(first):
            return said
    return first


def _by_rsa(held: Held, encrypting: bool, method: str, data: bytes) -> bytes:
    try:
        if encrypting:
            return rsa_keys.encrypt(rsa_keys.public_of(held.value), method, data)
        return rsa_keys.decrypt(rsa_keys.private_key(held.value), method, data)
    except ValueError:
        raise errors.InvalidData(
            f"$.data cannot be {'en' if encrypting else 'de'}crypted by this key"
        ) from None


def symmetric(
    algorithm: str,
    value: Key,
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
