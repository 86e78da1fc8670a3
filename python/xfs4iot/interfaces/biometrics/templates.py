"""The templates that were imported: in memory, and, where they are to stay, sealed in the ledger's vault.

They are one record, so that after a loss of power there are all of an Import or none. Nothing of them is in
the file unless persistence is `persist` and the device gives a key for the vault (`Device.ledger_key`).

An identifier is given once, also over restarts: none of the former ones can mean somebody else. So the number
of the last one is in the ledger, whatever becomes of the templates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import trio

from xfs4iot.devices import BiometricTemplate
from xfs4iot.ledger import Document, ServiceLedger
from xfs4iot.ledger.vault import Vault

__all__ = ["Templates"]

_RECORD = "Biometric.templates"
_LAST = Document("Biometric.lastIdentifier", int)


class _Record(msgspec.Struct):
    """What is sealed: the templates by identifier, and the number of the last identifier given."""

    templates: dict[str, BiometricTemplate]
    last: int


class Templates:
    """The templates of one service.

    Attributes:
        held: by identifier.
    """

    def __init__(self, ledger: ServiceLedger) -> None:
        self._ledger = ledger
        self._vault: Vault | None = None
        self._last = _LAST.of(ledger) or 0
        self.held: Mapping[str, BiometricTemplate] = {}
        # What is written last must be what is held last.
        self._writing = trio.Lock()

    @property
    def size(self) -> int:
        """Bytes of all templates."""
        return sum(len(one.data) for one in self.held.values())

    @property
    def is_kept(self) -> bool:
        """Whether there is something in the vault."""
        return self._ledger.sealed(_RECORD) is not None

    def open(self, vault: Vault | None) -> Mapping[str, BiometricTemplate]:
        """What was kept, to be `held` once the device has it.

        Raises:
            VaultError: it was sealed with another key, or was altered.
        """
        self._vault = vault
        kept = None if vault is None else vault.get(_RECORD)
        if kept is None:
            return {}
        record = msgspec.json.decode(kept, type=_Record)
        self._last = max(self._last, record.last)
        return record.templates

    def named(self, templates: Iterable[BiometricTemplate]) -> dict[str, BiometricTemplate]:
        """Templates under identifiers that no other had."""
        named = {}
        for one in templates:
            self._last += 1
            named[f"id{self._last}"] = one
        return named

    async def keep(self, held: Mapping[str, BiometricTemplate], over_restarts: bool) -> None:
        """Put templates in the place of those before; without a vault nothing outlives a restart.

        Raises:
            LedgerUnavailable: it could not be written; those before stay.
        """
        async with self._writing:
            if held:
                await self._ledger.put_document(_LAST.name, msgspec.json.encode(self._last))
            if over_restarts and held and self._vault is not None:
                await self._vault.put(_RECORD, msgspec.json.encode(_Record(dict(held), self._last)))
            elif self.is_kept:
                # Not through the vault: to erase them, its key is not needed.
                await self._ledger.put_sealed(_RECORD, None)
            self.held = held

    async def erase_lost(self) -> None:
        """Erase where it is kept what the device has lost, unless others have taken its place meanwhile.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        async with self._writing:
            if not self.held and self.is_kept:
                await self._ledger.put_sealed(_RECORD, None)
