"""Retract bins of a printer: each retract counts once, however many sheets it was.

`initial` is how many were in the bin when a person last saw to it, `in` those that have come since. The bin
is full when both together reach its capacity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from xfs4iot.devices import PrinterUnit
from xfs4iot.interfaces.storage.counts import Counts
from xfs4iot.interfaces.storage.kind import Kept, Kind, Setting, Units, require_countable
from xfs4iot.ledger import Posting, SetPosting
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import printer as messages

__all__ = ["PrinterUnits"]


class PrinterUnits(Kind[PrinterUnit, Kept]):
    """The retract bins of one service.

    Attributes:
        counts: `initial` and `in`.
    """

    name = "printer"
    document = "Storage.units.printer"
    keeps = Kept
    counted = ("initial", "in_")

    def __init__(self, storage: Units) -> None:
        super().__init__(storage)
        self.counts = Counts(self.service.ledger, self.name)

    def problems(self, units: Mapping[str, PrinterUnit]) -> Iterator[tuple[str, str]]:
        """An index that two have."""
        seen: set[int] = set()
        for name, unit in units.items():
            if unit.index in seen:
                yield name, f"index {unit.index} is another unit's as well"
            seen.add(unit.index)

    def first_kept(self, unit: PrinterUnit) -> Kept:
        """As the device describes the unit."""
        return Kept(serial_number=unit.serial_number, accuracy="accurateSet" if unit.initial else "unknown")

    def first_counts(self, name: str, unit: PrinterUnit) -> list[SetPosting]:
        """What the device says is in it."""
        return self.counts.begin_anew(name, {"initial": unit.initial})

    def retracted(self, unit: str) -> list[Posting]:
        """What to post when something was retracted."""
        return self.counts.changes(unit, {"in": 1})

    def total(self, unit: str) -> int:
        """How many retracts are in a bin."""
        return self.counts.value(unit, "initial") + self.counts.value(unit, "in")

    def is_full(self, unit: str) -> bool:
        """Whether a bin has no room."""
        capacity = self.units[unit].capacity
        return bool(capacity) and self.total(unit) >= capacity

    def with_room(self) -> list[str]:
        """The bins that work and have room, the first first."""
        return [
            name
            for name in sorted(self.units, key=lambda name: self.units[name].index)
            if self.hardware_status(name) == "ok" and not self.is_full(name)
        ]

    def setting(self, name: str, wanted: messages.StorageSet, path: str) -> Setting[Kept]:
        """`initial`; what has come since counts anew."""
        kept, capacity = self.kept[name], self.units[name].capacity
        initial = wanted.status.initial if wanted.status is not None else None
        if initial is None:
            return Setting(kept)
        require_countable(initial, f"{path}.status.initial")
        if capacity and initial > capacity:
            raise errors.InvalidData(
                f"{path}.status.initial: {initial} retracts do not fit; the bin holds {capacity}"
            )
        postings = self.counts.begin_anew(name, {"initial": initial})
        return Setting(msgspec.structs.replace(kept, accuracy="accurateSet"), tuple(postings))

    def replenishment_status(self, unit: str) -> Literal["ok", "full", "high", "unknown"]:
        """By count, capacity and the device's threshold, which is nine tenths of the capacity if not said."""
        layout, total = self.units[unit], self.total(unit)
        if self.is_full(unit):
            return "full"
        high = layout.high_threshold
        if high is None:
            high = (9 * layout.capacity + 9) // 10
        if high and total >= high:
            return "high"
        return "ok" if layout.capacity or layout.high_threshold else "unknown"

    def part(self, name: str) -> messages.Storage:
        """`printer` of the storage unit."""
        unit = self.units.get(name)
        return messages.Storage(
            capabilities=None
            if unit is None
            else messages.StorageCapabilities(max_retracts=unit.capacity or None),
            status=messages.StorageStatus(
                index=None if unit is None else unit.index,
                initial=self.counts.value(name, "initial"),
                in_=self.counts.value(name, "in"),
                replenishment_status=None if unit is None else self.replenishment_status(name),
            ),
        )
