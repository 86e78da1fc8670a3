"""Secrets at rest: AES-256-GCM under a key that the device provides and the ledger never keeps.

Each record has its own random nonce, and is bound to its service, its name and its readable
attributes: moved to another name, or with altered attributes, it does not open. Whoever steals
the file without the device has nothing. An old record put back in place of a newer one
does open: the vault keeps secrets, it does not date them.
"""

from __future__ import annotations

import os
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from xfs4iot.ledger.batch import Sealed
from xfs4iot.ledger.errors import VaultError

__all__ = ["Vault"]

KEY_BYTES = 32
_NONCE_BYTES = 12


class _Records(Protocol):
    """The service's ledger, as far as the vault needs it."""

    name: str

    def sealed(self, name: str) -> Sealed | None: ...

    def sealed_names(self) -> list[str]: ...

    async def put_sealed(self, name: str, record: Sealed | None) -> None: ...


class Vault:
    """The secrets of one service.

    Args:
        ledger: the service's.
        key: 32 bytes; see `Device.ledger_key`.

    Raises:
        VaultError: the key has another length.
    """

    def __init__(self, ledger: _Records, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise VaultError(f"the device gave a key of {len(key)} bytes; AES-256 needs {KEY_BYTES}")
        self._ledger = ledger
        self._cipher = AESGCM(key)

    def names(self) -> list[str]:
        """The names of all secrets."""
        return self._ledger.sealed_names()

    def attributes(self, name: str) -> bytes | None:
        """What is readable beside the secret; None if there is none of this name. Not authenticated."""
        record = self._ledger.sealed(name)
        return None if record is None else record.attributes

    def get(self, name: str) -> bytes | None:
        """The secret; None if there is none of this name.

        Raises:
            VaultError: it was sealed with another key, or was altered.
        """
        record = self._ledger.sealed(name)
        if record is None:
            return None
        try:
            return self._cipher.decrypt(record.nonce, record.sealed, self._bound(name, record.attributes))
        except InvalidTag:
            raise VaultError(
                f'{self._ledger.name}: secret "{name}" does not open: it was sealed with another key than '
                "the device gives now, or it was altered; load it anew"
            ) from None

    async def put(self, name: str, secret: bytes, *, attributes: bytes = b"") -> None:
        """Keep a secret in the place of the one before.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        nonce = os.urandom(_NONCE_BYTES)
        record = Sealed(attributes, nonce, self._cipher.encrypt(nonce, secret, self._bound(name, attributes)))
        await self._ledger.put_sealed(name, record)

    async def remove(self, name: str) -> None:
        """Forget a secret.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        if self._ledger.sealed(name) is not None:
            await self._ledger.put_sealed(name, None)

    def _bound(self, name: str, attributes: bytes) -> bytes:
        # A JSON array marks its own end, so name and attributes cannot run into each other.
        return msgspec.json.encode([self._ledger.name, name]) + attributes
