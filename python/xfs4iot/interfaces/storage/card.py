"""Units of cards: they give cards out, keep retained ones, or park one.

The count is of the cards in the unit. For a unit that gives cards out it includes those that are still
inside the device; its `retainCount` is of those that were retained later. A level changes when the count
reaches the threshold.

`cardID` in the configuration says which cards the unit gives out, so it changes only in an exchange.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from xfs4iot.devices import CardUnit
from xfs4iot.interfaces.storage.counts import Counts
from xfs4iot.interfaces.storage.kind import Kept, Kind, Setting, Units, require_countable
from xfs4iot.ledger import SetPosting
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import card_reader as messages

__all__ = ["CardUnits"]


class CardKept(Kept):
    """What is kept of a unit of cards.

    Attributes:
        type: of the unit.
        card_id, threshold: its configuration.
    """

    type: str = ""
    card_id: str | None = None
    threshold: int | None = None


class CardUnits(Kind[CardUnit, CardKept]):
    """The units of cards of one service.

    Attributes:
        counts: `count`, `initial`, `retained`.
    """

    name = "card"
    document = "Storage.units.card"
    keeps = CardKept
    counted = ("count", "retain_count")

    def __init__(self, storage: Units) -> None:
        super().__init__(storage)
        self.counts = Counts(self.service.ledger)

    def problems(self, units: Mapping[str, CardUnit]) -> Iterator[tuple[str, str]]:
        """Thresholds and counts below 0."""
        for name, unit in units.items():
            if unit.initial < 0 or (unit.threshold or 0) < 0:
                yield name, "initial and threshold must not be negative"

    def is_other(self, kept: CardKept, unit: CardUnit) -> bool:
        """A unit of another type begins anew."""
        return kept.type != unit.type

    def first_kept(self, unit: CardUnit) -> CardKept:
        """As the device describes the unit."""
        return CardKept(
            serial_number=unit.serial_number,
            accuracy="accurateSet" if unit.initial else "unknown",
            type=unit.type,
            card_id=unit.card_id,
            threshold=unit.threshold,
        )

    def first_counts(self, name: str, unit: CardUnit) -> list[SetPosting]:
        """What the device says is in it."""
        return self.counts.begin_anew(name, {"initial": unit.initial, "count": unit.initial})

    def setting(self, name: str, wanted: messages.StorageSet, path: str) -> Setting[CardKept]:
        """`cardID` (in an exchange), `threshold`, `initialCount`."""
        kept, capacity = self.kept[name], self.units[name].capacity
        needs_exchange = None
        if (configuration := wanted.configuration) is not None:
            threshold = configuration.threshold
            require_countable(threshold or 0, f"{path}.configuration.threshold")
            if threshold is not None and capacity and threshold >= capacity:
                raise errors.InvalidData(
                    f"{path}.configuration.threshold: {threshold} is not within "
                    f"the unit's capacity of {capacity}"
                )
            if configuration.card_id not in (None, kept.card_id):
                needs_exchange = "cardID changes"
            kept = msgspec.structs.replace(
                kept,
                card_id=kept.card_id if configuration.card_id is None else configuration.card_id,
                threshold=kept.threshold if threshold is None else threshold,
            )
        initial = wanted.status.initial_count if wanted.status is not None else None
        if initial is None:
            return Setting(kept, needs_exchange=needs_exchange)
        require_countable(initial, f"{path}.status.initialCount")
        if capacity and initial > capacity:
            raise errors.InvalidData(
                f"{path}.status.initialCount: {initial} cards do not fit; the unit holds {capacity}"
            )
        postings = self.counts.begin_anew(name, {"initial": initial, "count": initial})
        return Setting(msgspec.structs.replace(kept, accuracy="accurateSet"), tuple(postings), needs_exchange)

    def replenishment_status(self, unit: str) -> Literal["ok", "full", "high", "low", "empty"]:
        """By count, capacity and threshold; a unit to give out is low, one that retains is high."""
        layout, threshold = self.units[unit], self.kept[unit].threshold
        count = self.counts.value(unit)
        if layout.capacity and count >= layout.capacity:
            return "full"
        if count == 0:
            return "empty"
        if threshold and layout.type == "dispense" and count <= threshold:
            return "low"
        if threshold and layout.type == "retain" and count >= threshold:
            return "high"
        return "ok"

    def part(self, name: str) -> messages.Storage:
        """`card` of the storage unit."""
        unit, kept = self.units.get(name), self.kept[name]
        return messages.Storage(
            capabilities=None
            if unit is None
            else messages.StorageCapabilities(type=unit.type, hardware_sensors=unit.hardware_sensors),
            configuration=messages.StorageConfiguration(card_id=kept.card_id, threshold=kept.threshold),
            status=messages.StorageStatus(
                initial_count=self.counts.value(name, "initial"),
                count=self.counts.value(name),
                retain_count=self.counts.value(name, "retained") if kept.type == "dispense" else None,
                replenishment_status=None if unit is None else self.replenishment_status(name),
            ),
        )
