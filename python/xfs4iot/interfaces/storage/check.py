"""Units of cheques: where accepted ones are stored, and where forgotten ones are retracted to.

There are three counts: the items in the unit, those of them that a media-in transaction stored, and the
operations that retracted something into it, each counted once however many items it moved. A unit whose
items cannot be counted has only the last. While nobody knows what has come into a unit it has none: the
standard has no other word for counts of cheques that are not known.

What a unit is used for (`types`, `binID`) changes only in an exchange.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from xfs4iot.devices import CheckUnit
from xfs4iot.interfaces.storage.counts import Counts
from xfs4iot.interfaces.storage.kind import Kept, Kind, Setting, Units, require_countable
from xfs4iot.ledger import Posting, SetPosting
from xfs4iot.protocol import errors
from xfs4iot.protocol.flags import chosen, flags
from xfs4iot.protocol.messages import check as messages

__all__ = ["CheckUnits"]

_COUNTS = {"media_in_count": "mediaInCount", "count": "count", "retract_operations": "retractOperations"}
"""Properties of the standard's counts, and their buckets below `in` and `initial`."""


class CheckKept(Kept):
    """What is kept of a unit of cheques.

    Attributes:
        types: what it is used for.
        bin_id, high_threshold, retract_high_threshold: its configuration.
        counts: whether its items are counted.
    """

    types: tuple[str, ...] = ()
    bin_id: str | None = None
    high_threshold: int | None = None
    retract_high_threshold: int | None = None
    counts: bool = True


class CheckUnits(Kind[CheckUnit, CheckKept]):
    """The units of cheques of one service.

    Attributes:
        counts: `count`, and `in` and `initial` of each of the standard's.
    """

    name = "check"
    document = "Storage.units.check"
    keeps = CheckKept
    counted = ("initial", "in_")

    def __init__(self, storage: Units) -> None:
        super().__init__(storage)
        # A unit of cheques may hold notes, too.
        self.counts = Counts(self.service.ledger, level=self.name)

    def problems(self, units: Mapping[str, CheckUnit]) -> Iterator[tuple[str, str]]:
        """A unit of no use, and an index that two have."""
        seen: set[int] = set()
        for name, unit in units.items():
            if not unit.types:
                yield name, "types is empty: a unit is for mediaIn, retract or both"
            if unit.index in seen:
                yield name, f"index {unit.index} is another unit's as well"
            seen.add(unit.index)

    def first_kept(self, unit: CheckUnit) -> CheckKept:
        """As the device describes the unit."""
        return CheckKept(
            serial_number=unit.serial_number,
            accuracy="accurateSet" if unit.initial else "unknown",
            types=tuple(sorted(unit.types)),
            bin_id=unit.bin_id,
            high_threshold=unit.high_threshold,
            retract_high_threshold=unit.retract_high_threshold,
            counts=unit.counts,
        )

    def first_counts(self, name: str, unit: CheckUnit) -> list[SetPosting]:
        """What the device says is in it."""
        return self.counts.begin_anew(name, {"count": unit.initial, "initial.count": unit.initial})

    def value(self, unit: str, name: str) -> int:
        """One of the standard's counts, as it is now."""
        return self.counts.value(unit, "count" if name == "count" else f"in.{name}")

    def stored(self, unit: str, items: int) -> list[Posting]:
        """What to post when a transaction has stored items."""
        if not self.kept[unit].counts:
            return []
        return self.counts.changes(unit, {"count": items, "in.mediaInCount": items})

    def retracted(self, unit: str, items: int) -> list[Posting]:
        """What to post when one operation has retracted items."""
        # The operation counts even where the unit's items cannot be counted.
        items = items if self.kept[unit].counts else 0
        return self.counts.changes(unit, {"count": items, "in.retractOperations": 1})

    def setting(self, name: str, wanted: messages.StorageSet, path: str) -> Setting[CheckKept]:
        """`types` and `binID` (in an exchange), thresholds, counts."""
        kept, unit = self.kept[name], self.units[name]
        needs_exchange = None
        if (configuration := wanted.configuration) is not None:
            kept, needs_exchange = self._configured(kept, unit, configuration, f"{path}.configuration")
        initial = wanted.status.initial if wanted.status is not None else None
        if initial is None:
            return Setting(kept, needs_exchange=needs_exchange)
        values: dict[str, int] = {}
        for field, bucket in _COUNTS.items():
            number = getattr(initial, field)
            if number is None:
                continue
            require_countable(number, f"{path}.status.initial.{bucket}")
            if bucket == "count" and unit.capacity and number > unit.capacity:
                raise errors.InvalidData(
                    f"{path}.status.initial.count: {number} items do not fit; the unit holds {unit.capacity}"
                )
            values |= {f"initial.{bucket}": number, "count" if bucket == "count" else f"in.{bucket}": number}
        postings = self.counts.begin_anew(name, values)
        return Setting(msgspec.structs.replace(kept, accuracy="accurateSet"), tuple(postings), needs_exchange)

    def _configured(
        self, kept: CheckKept, unit: CheckUnit, wanted: messages.StorageConfiguration, path: str
    ) -> tuple[CheckKept, str | None]:
        """What is kept when a configuration is set, and what of it needs an exchange."""
        needs = None
        changed: dict[str, object] = {}
        if wanted.types is not None:
            types = tuple(sorted(chosen(wanted.types)))
            if not types or set(types) - unit.types:
                raise errors.InvalidData(
                    f"{path}.types: the unit can be used for {' and '.join(sorted(unit.types))}"
                )
            if types != kept.types:
                needs, changed["types"] = "types change", types
        if wanted.bin_id not in (None, kept.bin_id):
            needs, changed["bin_id"] = "binID changes", wanted.bin_id
        for field, name in (
            ("high_threshold", "highThreshold"),
            ("retract_high_threshold", "retractHighThreshold"),
        ):
            number = getattr(wanted, field)
            if number is None:
                continue
            require_countable(number, f"{path}.{name}")
            if field == "high_threshold" and unit.capacity and number >= unit.capacity:
                raise errors.InvalidData(
                    f"{path}.{name}: {number} is not within the unit's capacity of {unit.capacity}"
                )
            changed[field] = number
        return msgspec.structs.replace(kept, **changed), needs

    def is_full(self, unit: str) -> bool:
        """Whether a unit has no room, as far as its items are counted."""
        capacity = self.units[unit].capacity
        return bool(capacity) and self.holds(unit) + self.others_hold(unit) >= capacity

    def is_certain(self, unit: str) -> bool:
        """Whether it is known what has come into a unit since its counts were set, or it was new."""
        return self.kept[unit].accuracy != "inaccurate" and unit not in self._units.unsettled

    def holds(self, unit: str) -> int:
        """The items that are counted."""
        return self.counts.value(unit)

    def replenishment_status(self, unit: str) -> Literal["ok", "full", "high", "empty"]:
        """By count, capacity and the two thresholds; either makes it high, once it is passed."""
        kept = self.kept[unit]
        count, retracts = self.counts.value(unit), self.value(unit, "retractOperations")
        if self.is_full(unit):
            return "full"
        if kept.high_threshold and count > kept.high_threshold:
            return "high"
        if kept.retract_high_threshold and retracts > kept.retract_high_threshold:
            return "high"
        return "empty" if not count and not retracts else "ok"

    def part(self, name: str) -> messages.Storage:
        """`check` of the storage unit."""
        unit, kept = self.units.get(name), self.kept[name]
        shown = _COUNTS if kept.counts else {"retract_operations": "retractOperations"}
        initial = {field: self.counts.value(name, f"initial.{bucket}") for field, bucket in shown.items()}
        return messages.Storage(
            capabilities=None
            if unit is None
            else messages.StorageCapabilities(
                types=flags(messages.StorageTypes, unit.types),
                sensors=flags(messages.StorageSensors, unit.sensors) if unit.sensors else None,
            ),
            configuration=messages.StorageConfiguration(
                types=flags(messages.StorageTypes, kept.types),
                bin_id=kept.bin_id,
                high_threshold=kept.high_threshold,
                retract_high_threshold=kept.retract_high_threshold,
            ),
            status=messages.StorageStatus(
                index=None if unit is None else unit.index,
                initial=messages.StorageStatusInitial(**initial),
                in_=messages.StorageStatusIn(
                    **{field: self.value(name, bucket) for field, bucket in shown.items()}
                )
                if self.is_certain(name)
                else None,
                replenishment_status=None if unit is None else self.replenishment_status(name),
            ),
        )
