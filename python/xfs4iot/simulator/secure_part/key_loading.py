"""How keys get into the secure part: from parts, key blocks, encrypted, and public ones in the clear.

Nothing is stored before everything about it is verified. The reason for refusing a decrypted key
is given no more precisely than the standard requires: otherwise a host could probe a value bit by bit.
"""

from __future__ import annotations

import hmac
from operator import eq
from typing import Any

from cryptography.hazmat.primitives.constant_time import bytes_eq

from xfs4iot._core import Secret
from xfs4iot.devices import ImportedKey, KeyAttributes, KeyImport, KeyVerification, StoredKey
from xfs4iot.interfaces.keys.key_block import PROTECTED_BY
from xfs4iot.interfaces.keys.purposes import (
    LEAST_HOST_MAC,
    MACS,
    RECEIVE_KEY_BLOCKS,
    RECEIVE_KEYS,
    SIGNATURES,
    VERIFY_SIGNATURE,
)
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import ciphers, key_block, macs, rsa_keys
from xfs4iot.simulator.secure_part.bindings import SYMMETRIC
from xfs4iot.simulator.secure_part.ciphers import Key
from xfs4iot.simulator.secure_part.part import SecurePart

__all__ = ["KeyLoading", "is_weak"]

_LEAST_CHECK_VALUE = 3


def is_weak(algorithm: str, value: Key) -> bool:
    """Whether a key is zeros, or single DES in the guise of TDES."""
    view = memoryview(value)
    parts = [view[at : at + 8] for at in range(0, len(view), 8)]
    # Two equal neighbours cancel each other: what is left is one encryption by DES.
    return not any(view) or (algorithm == "T" and any(map(eq, parts, parts[1:])))


class KeyLoading:
    """Takes keys into a secure part.

    Args:
        part: that holds them.

    Attributes:
        entered: what was entered last at the keyboard, until it is stored as a part.
        random_item: of StartKeyExchange, until it was used.
    """

    def __init__(self, part: SecurePart) -> None:
        self.part = part
        self.entered: Secret | None = None
        self._parts: list[Secret] = []
        self._constructing: str | None = None
        self.random_item: bytes | None = None

    def forget(self) -> None:
        """Overwrite what was entered, and all parts."""
        for secret in (*self._parts, *([self.entered] if self.entered is not None else [])):
            secret.erase()
        self.entered, self._parts, self._constructing = None, [], None

    def forget_entered(self) -> None:
        """Overwrite what was entered and not stored."""
        if self.entered is not None:
            self.entered.erase()
        self.entered = None

    def start_exchange(self) -> bytes:
        """A random that the next import by RSA, or the next token, must have."""
        self.random_item = self.part.random(16)
        return self.random_item

    def take_random(self) -> bytes | None:
        """The random of the exchange, once."""
        # Forgotten on any attempt, so that it cannot be tried twice.
        item, self.random_item = self.random_item, None
        return item

    def store_part(self, name: str, number: int) -> None:
        """Store what was entered as part `number` of a key.

        Raises:
            CommandError: `keyNoValue`, also if the parts before are lost; `invalidKeyLength` for parts of
                different lengths, `invalidValue` for one that was stored already.
        """
        if number == 1:
            for old in self._parts:
                old.erase()
            self._parts, self._constructing = [], name
        if self._constructing != name or number != len(self._parts) + 1:
            # Beginning anew here would make a key of fewer parts than its custodians were told.
            raise errors.CommandError(
                "keyNoValue",
                "the parts before are lost; give the key up by KeyManagement.DeleteKey and enter all anew",
            )
        if self.entered is None:
            raise errors.CommandError("keyNoValue", "nothing was entered")
        if self._parts and len(self._parts[0]) != len(self.entered):
            raise errors.CommandError(
                "invalidKeyLength", "the parts of a key are of the same length; enter this part anew"
            )
        if any(hmac.compare_digest(memoryview(part), memoryview(self.entered)) for part in self._parts):
            # The two cancel each other: fewer custodians than it seems would know the key.
            raise errors.CommandError("invalidValue", "this part was stored already; enter another")
        self._parts.append(self.entered)
        self.entered = None

    def import_key(self, request: KeyImport) -> ImportedKey:
        """Take a key.

        Raises:
            CommandError: any of ImportKey's.
        """
        verification = request.verification
        if not self._is_signed(verification):
            self._require_no_signature_needed(request)
        if verification is not None and verification.key is not None:
            self._verify(request.value, verification)
        attributes, value = self._value(request)
        if attributes.algorithm in SYMMETRIC:
            loose = self._is_loose(request)
            imported = self._symmetric(request.name, attributes, value, verification, loose)
        else:
            imported = self._asymmetric(request.name, attributes, value, verification)
        if not request.value:
            # Not before: the key that is not there must have the parts that it seems to have.
            self.forget()
        return imported

    def _is_loose(self, request: KeyImport) -> bool:
        """Whether nothing says that what was encrypted is one value, as it was encrypted.

        A key block, a signature, or the MAC of a key that only verifies says it: no client makes those. By
        all methods but ECB a recorded value can even be altered bit by bit, so that it becomes a key of which
        the client knows how it differs from the one that was recorded: these are not taken without.

        Raises:
            CommandError: `accessDenied`.
        """
        if request.decrypt_key is None or request.decrypt_method is None or not request.value:
            return False
        verification = request.verification
        if verification is not None and verification.key is not None:
            by = self.part.held(verification.key).stored.attributes
            if by.usage in SIGNATURES or by.mode_of_use == "V":
                return False
        if request.decrypt_method != "ecb":
            raise errors.CommandError(
                "accessDenied",
                f"$.verifyKey: what is encrypted by {request.decrypt_method} comes with a signature, or with "
                "a MAC of a key of mode of use V",
            )
        return True

    def _is_signed(self, verification: KeyVerification | None) -> bool:
        """Whether a key comes with a signature.

        A MAC is none: the device makes MACs for every client by each key that makes and verifies them, and
        any client can load one that it does not even know.
        """
        if verification is None or verification.key is None:
            return False
        return self.part.held(verification.key).stored.attributes.usage in SIGNATURES

    def _require_no_signature_needed(self, request: KeyImport) -> None:
        """See that a key may come without anybody's signature.

        Everybody can encrypt by the device's public key, and has public keys of his own: without this, any
        client could load a master key that it knows, or a key by which it authenticates itself.

        Raises:
            CommandError: `accessDenied`.
        """
        if not request.value or request.decrypt_key is None:
            if request.value and request.attributes.usage in SIGNATURES:
                raise errors.CommandError(
                    "accessDenied",
                    "$.verifyKey is missing: a key that verifies comes signed by one that does",
                )
        elif self.part.held(request.decrypt_key).stored.attributes.algorithm == "R":
            raise errors.CommandError(
                "accessDenied", "$.verifyKey is missing: what is encrypted by RSA comes signed by its host"
            )

    def _verify(self, value: bytes, verification: KeyVerification) -> None:
        """See that a signature or MAC is that of the value as it came."""
        assert verification.key is not None
        assert verification.data is not None
        usage = self.part.held(verification.key).stored.attributes.usage
        if usage in MACS:
            good = len(verification.data) >= LEAST_HOST_MAC
            good = good and self.part.verify_mac(verification.key, value, verification.data)
        else:
            held = self.part.held(verification.key, VERIFY_SIGNATURE)
            assert verification.method is not None
            assert verification.hash_algorithm is not None
            good = rsa_keys.verify(
                rsa_keys.public_of(held.value),
                verification.method,
                verification.hash_algorithm,
                value,
                verification.data,
            )
        if not good:
            raise errors.CommandError("signatureInvalid", "$.verificationData does not fit $.value")

    def _value(self, request: KeyImport) -> tuple[KeyAttributes, Key]:
        """What the key is for, and its value."""
        if not request.value:
            return request.attributes, self._assembled(request.name)
        if request.decrypt_key is None:
            return request.attributes, request.value
        if request.decrypt_method is None:
            return self._unwrapped(request)
        held = self.part.held(request.decrypt_key, RECEIVE_KEYS)
        algorithm = held.stored.attributes.algorithm
        try:
            if algorithm == "R":
                return request.attributes, self._by_rsa(request, held.value)
            method: Any = request.decrypt_method
            return request.attributes, ciphers.decrypt_key(algorithm, held.value, request.value, method)
        # One answer for every reason: telling them apart would make the device a padding oracle.
        except (ciphers.BadKey, ValueError):
            raise errors.CommandError("invalidValue", "$.value does not decrypt to a key") from None

    def _by_rsa(self, request: KeyImport, private: Key) -> Key:
        """Decrypt a key; during an exchange, what was encrypted comes after the random."""
        key = rsa_keys.private_key(private)
        size = key.key_size // 8
        random = self.take_random()
        before, encrypted = request.value[:-size], request.value[-size:]
        # Outside an exchange nothing may stand in front: an empty random matches only an empty prefix.
        if not bytes_eq(before, random or b""):
            raise errors.CommandError(
                "randomInvalid", "$.value does not begin with the random of KeyManagement.StartKeyExchange"
            )
        assert request.decrypt_method is not None
        return rsa_keys.decrypt(key, request.decrypt_method, encrypted)

    def _unwrapped(self, request: KeyImport) -> tuple[KeyAttributes, Key]:
        assert request.decrypt_key is not None
        held = self.part.held(request.decrypt_key, RECEIVE_KEY_BLOCKS)
        try:
            header, value = key_block.unwrap(held.value, request.value)
        except (key_block.NotAuthentic, ciphers.BadKey) as wrong:
            raise errors.CommandError("invalidValue", f"$.value: {wrong}") from None
        if PROTECTED_BY[header.version] != held.stored.attributes.algorithm:
            raise errors.CommandError(
                "algorithmNotSupported", "$.decryptKey: key blocks of this version need another algorithm"
            )
        if header.attributes.kind != request.attributes.kind:
            raise errors.CommandError("contentInvalid", "$.value: the key is for something else")
        return request.attributes, value

    def _assembled(self, name: str) -> Secret:
        if self._constructing != name or not self._parts:
            raise errors.CommandError("keyNoValue", "no parts of this key were stored")
        # Parts are combined by exclusive or, beginning with zeros.
        whole = Secret(bytes(len(self._parts[0])))
        for part in self._parts:
            whole = ciphers.masked_key(whole, part)
        return whole

    def _symmetric(
        self,
        name: str,
        attributes: KeyAttributes,
        value: Key,
        verification: KeyVerification | None,
        loose: bool,
    ) -> ImportedKey:
        algorithm, length = attributes.algorithm, len(memoryview(value))
        known = ciphers.KEY_BYTES.get(algorithm, (length,))
        if length not in known and length != 64:
            raise errors.CommandError(
                "invalidKeyLength", f"a key of {length * 8} bits does not fit algorithm {algorithm}"
            )
        if is_weak(algorithm, value):
            raise errors.CommandError("invalidValue", "the key is weak: zeros, or single DES in disguise")
        mode = "self" if verification is not None and verification.method == "kcvSelf" else "zero"
        try:
            kcv = macs.check_value(algorithm, value, mode)
        except ciphers.BadKey:  # a double key of XTS
            kcv = macs.check_value(algorithm, memoryview(value)[:32], mode)
        if verification is not None and verification.key is None and verification.data is not None:
            given = verification.data
            if not _LEAST_CHECK_VALUE <= len(given) <= len(kcv) or not bytes_eq(kcv[: len(given)], given):
                raise errors.CommandError("invalidValue", "$.verificationData is not the key's check value")
        stored = StoredKey(attributes, length * 8)
        self.part.put(name, stored, value, loose=loose)
        return ImportedKey(stored, kcv, "kcvSelf" if mode == "self" else "kcvZero")

    def _asymmetric(
        self, name: str, attributes: KeyAttributes, value: Key, verification: KeyVerification | None
    ) -> ImportedKey:
        try:
            key = rsa_keys.read_public(value)
        except rsa_keys.NotRsa as wrong:
            raise errors.CommandError("invalidValue", f"$.value: {wrong}") from None
        stored = StoredKey(attributes, key.key_size)
        self.part.put(name, stored, rsa_keys.stored(key))
        return ImportedKey(
            stored,
            None,
            verification.method if verification is not None else None,
            verification.hash_algorithm if verification is not None else None,
        )
