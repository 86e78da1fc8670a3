"""What items are worth where a token is concerned: never less than the device knows them to be.

A client may configure a unit's currency and value (`Storage.SetStorage`), and with a value that
is too low a token of 10 EUR would pay out hundreds. So the value counts that is highest of what
is configured, what the device says of the unit, and what it says of the items in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from xfs4iot.interfaces.storage.storage import Storage

__all__ = ["token_amounts"]


def token_amounts(storage: Storage, counts: Mapping[str, int]) -> dict[str, Decimal] | None:
    """What items by unit are worth, by currency; None if the value or currency of one is not certain."""
    found: dict[str, Decimal] = {}
    for unit, count in counts.items():
        if not count:
            continue
        layout, configured = storage.units[unit], storage.configuration(unit)
        notes = [storage.device.bank_notes.get(item) for item in layout.cash_items]
        items = [note.cash_item for note in notes if note is not None and note.cash_item is not None]
        claims = {
            (claim.currency, claim.value)
            for claim in (configured, layout, *items)
            if claim.currency and claim.value
        }
        if len({currency for currency, _ in claims}) != 1:
            return None
        currency, value = max(claims)
        found[currency] = found.get(currency, Decimal(0)) + value * count
    return found
