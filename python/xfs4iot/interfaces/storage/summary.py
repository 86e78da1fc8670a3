"""Storage units in a few values each, as monitoring wants them: whatever kind they are of.

From what `Storage.GetStorage` answers in the newest version. How many items there are follows from `initial`,
`in` and `out` where they are of cash, cheques and printers; of cards and deposits the number itself is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from xfs4iot.dataclass import dataclass
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.protocol import wire

__all__ = ["UnitSummary", "summaries", "unit_summaries"]

_KINDS = ("cash", "card", "check", "printer", "deposit")
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


@dataclass(frozen=True)
class UnitSummary:
    """One storage unit; None for what it does not have.

    Attributes:
        name: by which the service knows it (`unit1`).
        id: its own (`CASH1`), as far as it has one.
        kind: `cash`, `card`, `check`, `printer` or `deposit`; None for another.
        status: as the device says.
        replenishment: `ok`, `low`, `empty`, `high`, `full` and the like.
        gives: whether items go out of it, to customers; empty is then worth a look.
        value: of one item, in the currency.
        count: items in it.
        initial, came_in, went_out: items at the last replenishment, and since.
    """

    name: str
    id: str | None = None
    kind: str | None = None
    gives: bool = False
    status: str | None = None
    replenishment: str | None = None
    capacity: int | None = None
    currency: str | None = None
    value: int | Decimal | None = None
    count: int | None = None
    initial: int | None = None
    came_in: int | None = None
    went_out: int | None = None


def unit_summaries(storage: Storage) -> Iterator[UnitSummary]:
    """All units of a service."""
    return summaries(_decode(wire.encode(storage.records())))


def summaries(records: Mapping[str, Mapping[str, Any]]) -> Iterator[UnitSummary]:
    """All units of `storage` in a completion of `Storage.GetStorage`."""
    for name, record in records.items():
        kind = next((one for one in _KINDS if (record.get(one) or {}).get("status")), None)
        part = record[kind] if kind is not None else {}
        status, configuration = part.get("status") or {}, part.get("configuration") or {}
        initial, came, went = (_total(status.get(one)) for one in ("initial", "in", "out"))
        if kind == "card":
            count, initial = status.get("count"), status.get("initialCount")
        elif kind == "deposit":
            count = status.get("numOfDeposits")
        elif kind is None:
            count = None
        else:
            count = (initial or 0) + (came or 0) - (went or 0)
        types, capabilities = configuration.get("types") or {}, part.get("capabilities") or {}
        gives = types.get("cashOut") is True if kind == "cash" else capabilities.get("type") == "dispense"
        yield UnitSummary(
            name, record.get("id"), kind, gives, record.get("status"), status.get("replenishmentStatus"),
            record.get("capacity"), configuration.get("currency"), configuration.get("value"), count,
            initial, came, went,
        )  # fmt: skip


def _total(counts: Any) -> int | None:
    """The items of a tree of counts; None where there is none."""
    if isinstance(counts, Mapping):
        if "mediaInCount" in counts or "count" in counts:
            # Of a cheque unit: both count the same items, one as they were inserted.
            return _total(counts.get("count"))
        return sum(_total(one) or 0 for name, one in counts.items() if name != "retractOperations")
    return counts if isinstance(counts, int) and not isinstance(counts, bool) else None
