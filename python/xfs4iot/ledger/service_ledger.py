"""What one service sees of the ledger: its counts, movements, documents, vendor data and secrets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from xfs4iot.ledger.batch import Batch, Name, Postings, Sealed
from xfs4iot.ledger.errors import LedgerError
from xfs4iot.ledger.records import OUTCOMES, CounterKey, Intent, planned_postings
from xfs4iot.ledger.vault import Vault

__all__ = ["ASIDE", "ServiceLedger"]

ASIDE = " (unreadable)"
"""Behind the name of a document that could not be read, and was put aside."""


class _Book(Protocol):
    """The book of all services, as far as one service's part needs it."""

    _counters: dict[Name, dict[CounterKey, int]]
    """By service and unit, as each question is about one of them."""
    _documents: dict[Name, bytes]
    _vendor_data: dict[Name, bytes]
    _vault: dict[Name, Sealed]
    _open: dict[int, Intent]
    _unreadable: dict[Name, bytes]
    lost: str | None

    @property
    def last_line(self) -> int: ...

    async def skip(self, used: int, why: str) -> None: ...

    async def _write(self, prepare: Callable[[Batch], Any]) -> Any: ...

    def _post(self, batch: Batch, service: str, origin: Intent, postings: Postings) -> None: ...

    def _close(self, batch: Batch, intent: Intent, outcome: str) -> None: ...


class ServiceLedger:
    """One service's part of the ledger.

    Attributes:
        booked: movements that were booked since it was opened, by kind and outcome.
    """

    def __init__(self, ledger: _Book, name: str) -> None:
        self.ledger = ledger
        self.name = name
        self.booked: Counter[tuple[str, str]] = Counter()

    def document(self, name: str) -> bytes | None:
        """A document as last put; None if there is none."""
        return self.ledger._documents.get((self.name, name))

    async def put_document(self, name: str, value: bytes) -> None:
        """Keep a document.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        if self.document(name) == value:
            return

        await self.ledger._write(lambda batch: self._keep(batch, {name: value}))

    def set_aside(self, name: str) -> bool:
        """Have a document put aside when it is kept anew, for it cannot be read; whether that is news."""
        value, where = self.document(name), (self.name, name)
        if value is None or self.ledger._unreadable.get(where) == value:
            return False
        self.ledger._unreadable[where] = value
        return True

    def _keep(self, batch: Batch, documents: Mapping[str, bytes]) -> None:
        """Put documents into a batch; what could not be read is put aside."""
        for name, value in documents.items():
            where = (self.name, name)
            before = self.ledger._unreadable.get(where)
            if before is not None and before == self.ledger._documents.get(where):
                batch.documents[self.name, name + ASIDE] = before
            batch.documents[where] = value

    @property
    def revision(self) -> int:
        """Goes up with everything that is booked, whichever service books it."""
        return self.ledger.last_line

    @property
    def lost(self) -> str | None:
        """Why counts of this ledger cannot be trusted since it was opened; None if they can."""
        return self.ledger.lost

    async def compare(self, last: int) -> None:
        """Compare with the last movement that the device recorded; see `Ledger.lost`."""
        if last > self.ledger.last_line:
            await self.ledger.skip(
                last,
                f"the device has recorded movement {last}, the ledger ends with line {self.ledger.last_line}",
            )

    def counters(self) -> dict[CounterKey, int]:
        """Every count of the service."""
        counters: dict[CounterKey, int] = {}
        for (service, _), held in self.ledger._counters.items():
            if service == self.name:
                counters |= held
        return counters

    def counters_of(self, unit: str) -> Mapping[CounterKey, int]:
        """Every count of one unit."""
        return self.ledger._counters.get((self.name, unit), {})

    def open_intents(self) -> list[Intent]:
        """Movements that were begun and not booked, oldest first."""
        return [intent for intent in self.ledger._open.values() if intent.service == self.name]

    def vendor_data(self, name: str) -> bytes | None:
        """What the vendor's class keeps under this name; None if there is nothing."""
        return self.ledger._vendor_data.get((self.name, name))

    async def put_vendor_data(self, name: str, value: bytes | None) -> None:
        """Keep what the vendor's class wants kept; None forgets it.

        Raises:
            LedgerUnavailable: it could not be written.
        """

        def prepare(batch: Batch) -> None:
            batch.vendor_data[self.name, name] = value

        await self.ledger._write(prepare)

    def vault(self, key: bytes) -> Vault:
        """The service's secrets, opened with the device's key (see `Device.ledger_key`).

        Raises:
            VaultError: the key has not 32 bytes.
        """
        return Vault(self, key)

    def sealed(self, name: str) -> Sealed | None:
        """A secret as it lies in the file."""
        return self.ledger._vault.get((self.name, name))

    async def put_sealed(self, name: str, record: Sealed | None) -> None:
        """Keep a sealed secret; None forgets it.

        Raises:
            LedgerUnavailable: it could not be written.
        """

        def prepare(batch: Batch) -> None:
            batch.vault[self.name, name] = record

        await self.ledger._write(prepare)

    def sealed_names(self) -> list[str]:
        """The names of the service's secrets."""
        return sorted(name for service, name in self.ledger._vault if service == self.name)

    async def begin(
        self,
        kind: str,
        *,
        command: str = "",
        request_id: int = 0,
        identity: str = "",
        planned: Postings = (),
        detail: Mapping[str, Any] | None = None,
    ) -> Intent:
        """Announce a movement; it is on the disk when this returns, and nothing has moved yet.

        Args:
            kind: see `Intent`.
            command, request_id, identity: what asks for it, and who.
            planned: postings expected when all goes well.
            detail: what is needed to settle it after a crash.

        Raises:
            LedgerUnavailable: it could not be written; the device must not move.
        """
        noted = tuple(planned)
        text = planned_postings(noted, detail)

        def prepare(batch: Batch) -> Intent:
            line = batch.add("begin", None, self.name, kind, command, request_id, identity, detail=text)
            intent = line.as_intent()
            batch.opened[intent.id] = intent
            return intent

        intent: Intent = await self.ledger._write(prepare)
        return intent

    async def book(
        self,
        intent: Intent,
        postings: Postings,
        *,
        outcome: str = "done",
        documents: Mapping[str, bytes] | None = None,
    ) -> None:
        """Book what a movement has moved, with the documents that change with it, in one transaction.

        Raises:
            LedgerError: the movement is booked already, or a count would fall below zero.
            LedgerUnavailable: it could not be written; the movement stays open.
        """
        if outcome not in OUTCOMES:
            raise ValueError(f"outcome is one of {', '.join(OUTCOMES)}, not {outcome}")
        changes = tuple(postings)

        def prepare(batch: Batch) -> None:
            ledger = self.ledger
            if (intent.id not in ledger._open and intent.id not in batch.opened) or intent.id in batch.closed:
                raise LedgerError(f"movement {intent.id} ({intent.command}) is booked already")
            ledger._post(batch, self.name, intent, changes)
            ledger._close(batch, intent, outcome)
            self._keep(batch, documents or {})

        await self.ledger._write(prepare)
        self.booked[intent.kind, outcome] += 1

    async def record(
        self,
        kind: str,
        postings: Postings,
        *,
        command: str = "",
        request_id: int = 0,
        identity: str = "",
        detail: Mapping[str, Any] | None = None,
        documents: Mapping[str, bytes] | None = None,
    ) -> None:
        """Book at once what needs no announcement: a count that was set, an item that was taken.

        Raises:
            CountBelowZero, LedgerUnavailable: nothing was booked.
        """
        changes = tuple(postings)
        noted = msgspec.json.encode({"planned": [], "detail": dict(detail or {})}).decode()

        def prepare(batch: Batch) -> None:
            line = batch.add("begin", None, self.name, kind, command, request_id, identity, detail=noted)
            intent = line.as_intent()
            self.ledger._post(batch, self.name, intent, changes)
            batch.end(intent, "done")
            self._keep(batch, documents or {})

        await self.ledger._write(prepare)
        self.booked[kind, "done"] += 1
