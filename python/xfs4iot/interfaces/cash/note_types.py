"""Note types: which of the items that a device knows it is to accept.

What an application enables or disables (CashAcceptor.ConfigureNoteTypes) is kept, and the device told again
at each start. What it never named is as the device says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.ledger import Document
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.protocol.messages import cash_management
from xfs4iot.server.handler import check

__all__ = ["NoteTypes", "note_types_exist", "note_types_given"]

_KEPT = Document("CashAcceptor.noteTypes", dict[str, bool])


@check("invalidData")
def note_types_given(on: Any, request: messages.ConfigureNoteTypes) -> None:
    """items, each once, and whether they are enabled"""
    seen: set[str] = set()
    for number, one in enumerate(request.items or ()):
        path = f"$.items[{number}]"
        if one.item is None or one.enabled is None:
            raise errors.InvalidData(f"{path}: item and enabled are needed")
        if one.item in seen:
            raise errors.InvalidData(f"{path}.item: {one.item} is named twice")
        seen.add(one.item)
    if not seen:
        raise errors.InvalidData("$.items is missing or empty; name the items to enable or disable")


@check("invalidData")
def note_types_exist(on: Any, request: messages.ConfigureNoteTypes) -> None:
    """whether the device knows the items"""
    for number, one in enumerate(request.items or ()):
        if one.item not in on.cash.bank_notes:
            raise errors.InvalidData(
                f"$.items[{number}].item: there is no {one.item}; see CashManagement.GetBankNoteTypes"
            )


class NoteTypes:
    """The note types of one service."""

    def __init__(self, cash: CashUnits) -> None:
        self._cash = cash
        self._configured: dict[str, bool] = {}

    def start(self) -> None:
        """Recall what was configured."""
        self._configured = _KEPT.of(self._cash.service.ledger) or {}

    @property
    def configured(self) -> bool:
        """Whether an application has ever configured them."""
        return bool(self._configured)

    def shown(self) -> dict[str, cash_management.BankNote]:
        """All that the device knows, with whether it is enabled."""
        return {
            item: msgspec.structs.replace(note, enabled=self._configured.get(item, note.enabled))
            for item, note in self._cash.bank_notes.items()
        }

    def enabled(self, changed: Mapping[str, bool] | None = None) -> frozenset[str]:
        """Ids of the items that are to be accepted, after `changed`."""
        after = {**self._configured, **(changed or {})}
        return frozenset(
            item for item, note in self._cash.bank_notes.items() if after.get(item, note.enabled) is not False
        )

    async def configure(self, changed: Mapping[str, bool]) -> None:
        """Keep what an application has enabled or disabled."""
        after = {**self._configured, **changed}
        await self._cash.service.ledger.put_document(_KEPT.name, wire.encode(after))
        self._configured = after
