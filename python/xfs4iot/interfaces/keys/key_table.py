"""The key table: which keys the device has, what each may be used for, and whether it can be used now.

The values stay in the device. The table is kept in the ledger: sealed in the vault if the device provides a
key for it (`Device.ledger_key`), so that whoever can write the file cannot turn a key that encrypts PINs into
one that decrypts data; otherwise as a document. It is a single record, so that after a loss of power it is
either the old table or the new one.

Whoever wants to use a key asks the table, with a purpose: the answer is the key, or a refusal that is also
broadcast as `KeyManagement.IllegalKeyAccessEvent`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Literal, Protocol

import msgspec

from xfs4iot.devices import StoredKey
from xfs4iot.interfaces.keys.purposes import Purpose
from xfs4iot.protocol import errors

__all__ = [
    "RESERVED_NAMES",
    "IllegalAccess",
    "Key",
    "KeyTable",
    "Loaded",
    "decrypts_only_start_values",
]

Loaded = Literal["yes", "no", "construct", "unknown"]

_RECORD = "KeyManagement.keys"
RESERVED_NAMES = frozenset({"_HostCert", "_SigIssuerVendor", "_EPPCryptKey", "_EPPSignKey"})
"""Names that the standard gives to the keys of certificates and signatures: the host's, the manufacturer's,
and the device's two. Whether such a key is there or not, clients neither bring nor delete it: who trusts a
key by its name finds there what the device has.
"""


class Key(msgspec.Struct, frozen=True):
    """A key of the table.

    Attributes:
        stored: its attributes, as the device has them.
        loaded: `no` if it is known and not in the device, `construct` while it is entered in parts.
    """

    stored: StoredKey
    loaded: Loaded = "yes"

    @property
    def usage(self) -> str:
        """What it is for."""
        return self.stored.attributes.usage

    @property
    def algorithm(self) -> str:
        """What it is used with."""
        return self.stored.attributes.algorithm

    @property
    def mode(self) -> str:
        """What may be done with it."""
        return self.stored.attributes.mode_of_use


def decrypts_only_start_values(key: Key) -> bool:
    """Whether a key that decrypts brings nothing but start values (usage I0)."""
    return key.stored.attributes.restricted_key_usage == "I0"


class IllegalAccess(errors.CommandError):
    """A refused use of a key, which all clients are told about.

    Attributes:
        key: its name.
        reason: as `IllegalKeyAccessEvent` says it.
    """

    def __init__(self, error_code: str, description: str, key: str, reason: str) -> None:
        super().__init__(error_code, description)
        self.key = key
        self.reason = reason


def _either(names: Iterable[str]) -> str:
    *most, last = sorted(names)
    return f"{', '.join(most)} or {last}" if most else last


class _Vault(Protocol):
    def get(self, name: str) -> bytes | None: ...

    async def put(self, name: str, secret: bytes, *, attributes: bytes = b"") -> None: ...


class _Ledger(Protocol):
    def document(self, name: str) -> bytes | None: ...

    async def put_document(self, name: str, value: bytes) -> None: ...


class KeyTable:
    """The keys of one service.

    Args:
        ledger: where the table is kept.
        changed: called after each change.
        today: the date, by which keys become usable and expire.
    """

    def __init__(
        self,
        ledger: _Ledger,
        changed: Callable[[], object] = lambda: None,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._ledger = ledger
        self._today = today
        self._vault: _Vault | None = None
        self._changed = changed
        self._keys: Mapping[str, Key] = {}

    def open(self, vault: _Vault | None) -> None:
        """Read the table as it was kept.

        Raises:
            VaultError: it was sealed with another key, or was altered.
        """
        self._vault = vault
        kept = vault.get(_RECORD) if vault is not None else self._ledger.document(_RECORD)
        self._keys = {} if kept is None else msgspec.json.decode(kept, type=dict[str, Key])
        self._changed()

    @property
    def keys(self) -> Mapping[str, Key]:
        """All keys by name; what was handed out does not change when the table does."""
        return self._keys

    def find(self, name: str) -> Key | None:
        """The key with this name."""
        return self._keys.get(name)

    async def put(self, name: str, key: Key) -> None:
        """Add a key, in the place of one of the same name.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        await self.replace({**self._keys, name: key})

    async def remove(self, *names: str) -> None:
        """Forget keys.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        await self.replace({name: key for name, key in self._keys.items() if name not in names})

    async def replace(self, keys: Mapping[str, Key]) -> None:
        """Put a whole table in the place of the one before, at once or not at all.

        The device has changed its keys by then: what could not be written of a key that can be used makes it
        `unknown`, until `reconcile`, for it is not that for which the table knows it any more.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        if keys == self._keys:
            return
        record = msgspec.json.encode(keys)
        try:
            if self._vault is not None:
                await self._vault.put(_RECORD, record)
            else:
                await self._ledger.put_document(_RECORD, record)
        except BaseException:
            self._keys = {
                name: key if key.loaded != "yes" or keys.get(name) == key else Key(key.stored, "unknown")
                for name, key in self._keys.items()
            }
            self._changed()
            raise
        # A new mapping after the write: readers keep the old one.
        self._keys = dict(keys)
        self._changed()

    async def reconcile(self, stored: Mapping[str, StoredKey]) -> list[str]:
        """Make the table agree with what the device has; returns what was wrong, for the log.

        A key that the device lost stays as `no`, so that GetKeyDetail shows that it is missing. Parts of
        keys do not outlive the device's being opened.
        """
        wrong = []
        keys: dict[str, Key] = {}
        for name, key in self._keys.items():
            # Left out of the new table: the parts are gone, so there is nothing to be shown as missing.
            if key.loaded == "construct" and name not in stored:
                wrong.append(f'the construction of key "{name}" was lost; enter its parts anew')
            elif name not in stored:
                if key.loaded != "no":
                    wrong.append(f'key "{name}" is not in the device any more; load it anew')
                keys[name] = Key(key.stored, "no")
        for name, told in stored.items():
            # A key of a reserved name stays, even if the device does not say that it does.
            own = replace(told, preloaded=True) if name in RESERVED_NAMES else told
            known = self._keys.get(name)
            if known is None and not own.preloaded:
                wrong.append(f'key "{name}" is in the device and was not booked; it is booked now')
            elif known is not None and known.stored.attributes != own.attributes:
                wrong.append(f'key "{name}" has other attributes in the device than were booked')
            # The device has the last word, also about attributes: they are what it enforces.
            keys[name] = Key(own)
        await self.replace(keys)
        return wrong

    def loaded(self, name: str, where: str = "$.key") -> Key:
        """A key that can be used.

        Args:
            where: the property that names it.

        Raises:
            IllegalAccess: `keyNotFound`, `keyNoValue`.
        """
        key = self._keys.get(name)
        if key is None:
            raise IllegalAccess(
                "keyNotFound",
                f"{where}: there is no key of this name; see KeyManagement.GetKeyDetail",
                name,
                "keyNotFound",
            )
        if key.loaded != "yes":
            raise IllegalAccess(
                "keyNoValue",
                f"{where}: the key is not loaded ({key.loaded}); see KeyManagement.ImportKey",
                name,
                "keyNoValue",
            )
        return key

    def out_of_time(self, name: str) -> str | None:
        """Why a key may not be used today: its activating date is not reached, or its expiry date over.

        Both days are of its time (UTC). None: it may.
        """
        stored, today = self._keys[name].stored, f"{self._today():%Y%m%d}"
        if stored.activating_date is not None and today < stored.activating_date:
            return f"the key may be used from {stored.activating_date} on; see KeyManagement.GetKeyDetail"
        if stored.expiry_date is not None and today > stored.expiry_date:
            return f"the key expired on {stored.expiry_date}; load a new one by KeyManagement.ImportKey"
        return None

    def require_in_time(self, name: str, where: str = "$.key") -> None:
        """See that a key may be used today.

        Args:
            where: the property that names it.

        Raises:
            IllegalAccess: `useViolation`.
        """
        if (why := self.out_of_time(name)) is not None:
            raise IllegalAccess("useViolation", f"{where}: {why}", name, "useViolation")

    def for_use(
        self, name: str, purpose: Purpose, where: str = "$.key", *, mode_code: str = "useViolation"
    ) -> Key:
        """A key that can be used, for what it is wanted.

        Args:
            where: the property that names it.
            mode_code: error code of a wrong mode of use, where the command has one of its own.

        Raises:
            IllegalAccess: `keyNotFound`, `keyNoValue`, `useViolation`, or `mode_code`.
        """
        key = self.loaded(name, where)
        self.require_in_time(name, where)
        if not purpose.allows_usage(key.usage):
            raise IllegalAccess(
                "useViolation",
                f"{where}: a key of usage {key.usage} may not {purpose.text}; "
                f"name one of usage {_either(purpose.usages)}",
                name,
                "useViolation",
            )
        if not purpose.allows_mode(key.usage, key.mode):
            raise IllegalAccess(
                mode_code,
                f"{where}: a key of usage {key.usage} and mode of use {key.mode} may not {purpose.text}; "
                f"name one of mode {_either(purpose.modes)}",
                name,
                "useViolation",
            )
        return key
