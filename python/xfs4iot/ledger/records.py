"""The ledger's records: what is counted, what is posted, what is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, NamedTuple

import msgspec

from xfs4iot.dataclass import dataclass

__all__ = [
    "MOST_ITEMS",
    "STEP",
    "CounterKey",
    "Intent",
    "JournalLine",
    "Movement",
    "Outcome",
    "Posting",
    "SetPosting",
    "planned_postings",
]

OUTCOMES = ("done", "failed", "unknown")
Outcome = str

STEP = 10_000_000
"""After lines were lost, numbers go on at the next full step, above all that may have been used."""

MOST_ITEMS = 1_000_000_000
"""More than any unit holds: a larger count is a mistake, which whoever takes counts from outside refuses."""


class CounterKey(NamedTuple):
    """What one exact count counts.

    Attributes:
        unit: the storage unit (`unit1`), or a place outside the units (`transport`, `stacker`).
        bucket: `count` (items physically there), `initial`, or a member of the standard's
            Storage counts with its direction: `out.presented`, `in.retracted`, `in.retractOperations`.
        item: the item id (`typeEUR20`), or "" where items are not told apart.
        level: `fit`, `unfit`, `suspect`, `counterfeit`, `inked`, `unrecognized`, or ""; `check` for cheques,
            which a unit may hold besides cash.
    """

    unit: str
    bucket: str
    item: str = ""
    level: str = ""


@dataclass(frozen=True, slots=True)
class Posting:
    """A change of one count by `delta` items."""

    unit: str
    bucket: str
    item: str
    level: str
    delta: int

    @property
    def key(self) -> CounterKey:
        return CounterKey(self.unit, self.bucket, self.item, self.level)


@dataclass(frozen=True, slots=True)
class SetPosting:
    """One count becomes `value`; the journal carries the delta that this makes."""

    unit: str
    bucket: str
    item: str
    level: str
    value: int

    @property
    def key(self) -> CounterKey:
        return CounterKey(self.unit, self.bucket, self.item, self.level)


@dataclass(frozen=True, slots=True)
class Intent:
    """A movement that was announced before the device moved.

    Attributes:
        id: its number: the sequence number of its first line in the journal.
        time: UTC, ISO 8601.
        kind: `dispense`, `present`, `reject`, `retract`, `cashIn`, `exchange`, `test`, `count`,
            `set`, `reset`, `calibrate`, `recover`.
        command, request_id, identity: what asked for it, and who.
        planned: the postings expected when all goes well.
        detail: what else the interface noted to resolve it after a crash.
    """

    id: int
    time: str
    service: str
    kind: str
    command: str
    request_id: int
    identity: str
    planned: tuple[Posting | SetPosting, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


class JournalLine(NamedTuple):
    """One line of the journal, in the order of the table's columns.

    Attributes:
        entry: `begin` (an intent; `detail` has what is planned), `post` (a change of one count),
            `end` (the outcome, in `detail`).
        intent: the movement that the line belongs to.
        hash: SHA-256 over the hash of the line before and this line's other columns as a JSON array.
    """

    sequence: int
    time: str
    entry: str
    service: str
    intent: int
    kind: str
    command: str
    request_id: int
    identity: str
    unit: str
    bucket: str
    item: str
    level: str
    delta: int
    detail: str
    hash: bytes

    @property
    def recovers(self) -> bool:
        """Whether a recovery begins here, which skips numbers."""
        return self.kind == "recover" and self.entry == "begin"

    @property
    def posting(self) -> Posting:
        """The change that a `post` line records."""
        return Posting(self.unit, self.bucket, self.item, self.level, self.delta)

    def as_intent(self) -> Intent:
        """The intent that a `begin` line records."""
        noted = msgspec.json.decode(self.detail)
        return Intent(
            self.sequence,
            self.time,
            self.service,
            self.kind,
            self.command,
            self.request_id,
            self.identity,
            tuple(
                SetPosting(*CounterKey(*row[:4]), row[5]) if len(row) == 6 else Posting(*row)
                for row in noted["planned"]
            ),
            noted["detail"],
        )


@dataclass(slots=True)
class Movement:
    """A movement with what became of it.

    Attributes:
        intent: what was announced.
        outcome: `done`, `failed`, `unknown`; `open` while it has none.
        ended: when that was booked.
        changes: of counts.
    """

    intent: Intent
    outcome: str = "open"
    ended: str | None = None
    changes: list[Posting] = field(default_factory=list)


def planned_postings(postings: Iterable[Posting | SetPosting], detail: Mapping[str, Any] | None) -> str:
    """The `detail` of a `begin` line; `JournalLine.as_intent` reads it back."""
    rows = [
        [*posting.key, posting.delta]
        if isinstance(posting, Posting)
        else [*posting.key, "set", posting.value]
        for posting in postings
    ]
    return msgspec.json.encode({"planned": rows, "detail": dict(detail or {})}).decode()
