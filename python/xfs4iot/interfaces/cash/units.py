"""Units of cash: what they are configured for, how they are counted, when they are low or full.

Names, ids, indexes and currencies go out to every client, and counts are kept by name. A device
class that mixes them up is reported once, in the log, rather than by odd errors later.

Which items a unit holds and what for (its types, items, currency, value and cash items) changes
only in an exchange; counts, thresholds and locks change at any time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from xfs4iot.devices import CashUnit, CashUnitError, ItemsMoved, UnitFailure
from xfs4iot.interfaces.cash.counts import CashCounts, item_counts
from xfs4iot.interfaces.cash.money import is_item_value
from xfs4iot.interfaces.storage.kind import Kept, Kind, Setting, require_countable
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.ledger import SetPosting
from xfs4iot.protocol import errors
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.messages import cash_management as messages

__all__ = ["CashUnits", "Configuration"]

Replenishment = Literal["ok", "full", "high", "low", "empty"]

_ITEM = re.compile(r"type[0-9A-Z]+")
_CURRENCY = re.compile(r"[A-Z]{3}")


class Configuration(msgspec.Struct, frozen=True):
    """A unit's `cash.configuration`; names of types and items as on the wire."""

    types: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()
    currency: str | None = None
    value: Decimal | None = None
    high_threshold: int | None = None
    low_threshold: int | None = None
    app_lock_in: bool = False
    app_lock_out: bool = False
    cash_items: tuple[str, ...] = ()
    name: str | None = None
    max_retracts: int | None = None

    @property
    def kind(self) -> tuple[object, ...]:
        """What says which items the unit holds and what for; changed in an exchange only."""
        return (self.types, self.items, self.currency, self.value, self.cash_items)

    def message(self) -> messages.StorageCashConfiguration:
        """As the standard writes it."""
        return messages.StorageCashConfiguration(
            types=flags(messages.StorageCashTypes, self.types),
            items=flags(messages.StorageCashItemTypes, self.items),
            currency=self.currency,
            value=self.value,
            high_threshold=self.high_threshold,
            low_threshold=self.low_threshold,
            app_lock_in=self.app_lock_in,
            app_lock_out=self.app_lock_out,
            cash_items=list(self.cash_items) or None,
            name=self.name,
            max_retracts=self.max_retracts,
        )

    def changed(
        self, wanted: messages.StorageCashConfiguration, unit: CashUnit, known_items: set[str], path: str
    ) -> Configuration:
        """With what a client sets; what it leaves out stays.

        Raises:
            InvalidData: the unit cannot be configured so.
        """

        def chosen(kind: str, flags: msgspec.Struct | None, now: frozenset[str], able: Iterable[str]) -> Any:
            if flags is None:
                return now
            names = {field.name: field.encode_name for field in msgspec.structs.fields(flags)}
            given = {wire: getattr(flags, name) for name, wire in names.items()}
            after = (now | {name for name, flag in given.items() if flag}) - {
                name for name, flag in given.items() if flag is False
            }
            if unable := sorted(after - set(able)):
                raise errors.InvalidData(f"{path}.{kind}: the unit cannot be used for {', '.join(unable)}")
            return after

        after = Configuration(
            types=chosen("types", wanted.types, self.types, unit.types),
            items=chosen("items", wanted.items, self.items, unit.items),
            currency=_given(wanted.currency, self.currency),
            value=_given(wanted.value, self.value),
            high_threshold=_given(wanted.high_threshold, self.high_threshold),
            low_threshold=_given(wanted.low_threshold, self.low_threshold),
            app_lock_in=_given(wanted.app_lock_in, self.app_lock_in),
            app_lock_out=_given(wanted.app_lock_out, self.app_lock_out),
            cash_items=tuple(_given(wanted.cash_items, self.cash_items)),
            name=_given(wanted.name, self.name),
            max_retracts=_given(wanted.max_retracts, self.max_retracts),
        )
        after._check(unit, known_items, path)
        return after

    def _check(self, unit: CashUnit, known_items: set[str], path: str) -> None:
        low, high = self.low_threshold or 0, self.high_threshold or 0
        retracts = self.max_retracts or 0
        for name, number in (("lowThreshold", low), ("highThreshold", high), ("maxRetracts", retracts)):
            require_countable(number, f"{path}.{name}")
        for name, threshold in (("lowThreshold", low), ("highThreshold", high)):
            if unit.capacity and threshold >= unit.capacity:
                raise errors.InvalidData(
                    f"{path}.{name}: {threshold} is not within the unit's capacity of {unit.capacity}"
                )
        if low and high and low >= high:
            raise errors.InvalidData(f"{path}: lowThreshold {low} is not below highThreshold {high}")
        if unknown := [item for item in self.cash_items if item not in known_items]:
            raise errors.InvalidData(
                f"{path}.cashItems: unknown items {', '.join(unknown)}; see CashManagement.GetBankNoteTypes"
            )
        if self.value is not None and not is_item_value(self.value):
            raise errors.InvalidData(f"{path}.value: {self.value} is not a value that an item can have")


def _configured(unit: CashUnit) -> Configuration:
    """What a unit is for before any application has configured it."""
    return Configuration(
        types=frozenset(unit.types),
        items=unit.items,
        currency=unit.currency,
        value=unit.value,
        high_threshold=unit.high_threshold,
        low_threshold=unit.low_threshold,
        cash_items=unit.cash_items,
        max_retracts=unit.max_retracts,
    )


def _check_initial(
    initial: Mapping[tuple[str, str], int], configuration: Configuration, unit: CashUnit, path: str
) -> None:
    """Check what a client says is in a unit, by item and level.

    Raises:
        InvalidData: it cannot be in there.
    """
    for (item, level), number in initial.items():
        require_countable(number, ".".join(filter(None, (path, item, level))))
    require_countable(sum(initial.values()), path)
    for item, _ in initial:
        if item and item not in configuration.cash_items:
            raise errors.InvalidData(
                f"{path}.{item}: the unit is not configured for it; "
                f"it holds {', '.join(configuration.cash_items) or 'no known items'}"
            )
    if unit.capacity and sum(initial.values()) > unit.capacity:
        raise errors.InvalidData(
            f"{path}: {sum(initial.values())} items do not fit; the unit holds {unit.capacity}"
        )


def _given(wanted: Any, now: Any) -> Any:
    return now if wanted is None else wanted


class CashKept(Kept):
    """What is kept of a unit of cash.

    Attributes:
        configuration: of the unit.
        cash_items: ids of the items that the device says it can hold.
        found_empty: whether it has fed nothing though the books have items in it: it is left out until
            something says that there are items in it again.
    """

    configuration: Configuration = Configuration()
    cash_items: tuple[str, ...] = ()
    found_empty: bool = False


class CashUnits(Kind[CashUnit, CashKept]):
    """The units of cash of one service.

    Attributes:
        storage: of all kinds of units.
        counts: what the units hold.
    """

    name = "cash"
    document = "Storage.units"
    keeps = CashKept
    counted = ("out", "in_")

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage)
        self.storage = storage
        self.counts = CashCounts(self.service.ledger, self.units)

    def problems(self, units: Mapping[str, CashUnit]) -> Iterator[tuple[str, str]]:
        """Indexes, currencies, values and items that the standard or the device does not have."""
        indexes = Counter(unit.index for unit in units.values())
        bank_notes = self.bank_notes
        for name, unit in units.items():
            if indexes[unit.index] > 1:
                yield name, f"index {unit.index} is already used by another unit"
            if unit.capacity and unit.initial > unit.capacity:
                yield name, f"initial {unit.initial} is more than its capacity of {unit.capacity}"
            if unit.currency is not None and not _CURRENCY.fullmatch(unit.currency):
                yield name, f"currency {unit.currency!r} must be three capital letters"
            if unit.value is not None and not (unit.value > 0 and is_item_value(unit.value)):
                yield name, f"value {unit.value} must be above 0, and one that an item can have"
            if not all(map(_ITEM.fullmatch, unit.cash_items)):
                yield name, "cash_items are `type` and then capital letters or digits"
            if bank_notes and (unknown := [item for item in unit.cash_items if item not in bank_notes]):
                yield name, f"cash_items {', '.join(unknown)} are not in the device's bank_notes"

    def is_other(self, kept: CashKept, unit: CashUnit) -> bool:
        """A unit of other items begins anew; not one that only now says what it holds, or can hold more."""
        return not set(kept.cash_items) <= set(unit.cash_items)

    def found(self, units: Mapping[str, CashUnit]) -> None:
        """What a unit can hold now is what another one is told by later."""
        for name, unit in units.items():
            if (kept := self.kept.get(name)) is not None and not self.is_other(kept, unit):
                kept.cash_items = unit.cash_items

    def first_kept(self, unit: CashUnit) -> CashKept:
        """As the device describes the unit."""
        return CashKept(
            configuration=_configured(unit),
            serial_number=unit.serial_number,
            cash_items=unit.cash_items,
            accuracy="accurateSet" if unit.initial else "unknown",
        )

    def first_counts(self, name: str, unit: CashUnit) -> list[SetPosting]:
        """What the device says is in it."""
        first = (unit.cash_items[0], "fit") if unit.cash_items else ("", "unrecognized")
        return self.counts.begin_anew(name, {first: unit.initial} if unit.initial else {})

    def configuration(self, unit: str) -> Configuration:
        """What a unit is configured for."""
        return self.kept[unit].configuration

    def out_of_use(self, unit: str, *, tried: bool = False) -> CashUnitError | None:
        """Why nothing can be dispensed from a unit; None if something can.

        Args:
            tried: whether it is to be found out if a unit that fed nothing feeds again.
        """
        try:
            self._require_sound(unit)
        except CashUnitError as why:
            return why
        if self.configuration(unit).app_lock_out:
            return CashUnitError(
                "locked", [unit], f"unit {unit!r} is locked by an application; see Storage.SetStorage"
            )
        if self.counts.total(unit) <= 0:
            return CashUnitError("empty", [unit], f"unit {unit!r} is empty; see Storage.SetStorage")
        if self.kept[unit].found_empty and not tried:
            return CashUnitError(
                "empty",
                [unit],
                f"unit {unit!r} has fed no items; replenish it and set its count (Storage.SetStorage), "
                "or see that it feeds (CashDispenser.TestCashUnits)",
            )
        return None

    def closed(self, unit: str) -> CashUnitError | None:
        """Why nothing can be put into a unit; None if something can."""
        try:
            self.require_open(unit)
        except CashUnitError as why:
            return why
        return None

    def require_open(self, unit: str) -> None:
        """See that something can be put into a unit.

        Raises:
            CashUnitError: it cannot.
        """
        self._require_sound(unit)
        if self.configuration(unit).app_lock_in:
            raise CashUnitError(
                "locked", [unit], f"{unit} is locked by an application; see Storage.SetStorage"
            )
        if self.replenishment_status(unit) == "full":
            raise CashUnitError("full", [unit], f"{unit} is full; see Storage.GetStorage")

    def _require_sound(self, unit: str) -> None:
        """See that something may go into and out of a unit, whatever it holds."""
        status = self.storage.hardware_status(unit)
        if status != "ok":
            failure: UnitFailure = "notConfigured" if status == "notConfigured" else "error"
            raise CashUnitError(failure, [unit], f"unit {unit!r} is {status}; see Storage.GetStorage")
        if barred := self.storage.barred(unit):
            raise CashUnitError("error", [unit], barred)

    def accepting(self, *, recycling: bool = True) -> list[str]:
        """Units that what a customer inserts can be stored in: for that, working, not locked, not full.

        Args:
            recycling: also those that are dispensed from.
        """
        return [
            name
            for name in self.names_of_type("cashIn")
            if self.closed(name) is None and (recycling or "cashOut" not in self.configuration(name).types)
        ]

    def worth(self, items: Mapping[tuple[str, str], int]) -> dict[str, Decimal]:
        """What items, by id and level, are worth, by currency; those whose value nobody knows left out."""
        found: dict[str, Decimal] = {}
        for (item, _), count in items.items():
            note = self.bank_notes.get(item)
            value = note.cash_item if note is not None else None
            if value is not None and value.currency is not None and value.value is not None:
                found[value.currency] = found.get(value.currency, Decimal(0)) + value.value * count
        return found

    def learn(self, empty: Iterable[str], moved: Iterable[ItemsMoved]) -> bool:
        """Take notice of units that fed nothing, and of those that fed or took items; whether that is new."""
        before = {name: kept.found_empty for name, kept in self.kept.items()}
        for name in {place for items in moved for place in (items.source, items.target)} & before.keys():
            self.kept[name].found_empty = False
        # Last: a unit that fed some items before it ran out is empty all the same.
        for name in before.keys() & set(empty):
            self.kept[name].found_empty = True
        self.storage.revision += 1
        return before != {name: kept.found_empty for name, kept in self.kept.items()}

    def names_of_type(self, *types: str) -> list[str]:
        """Units configured for one of these uses, by index."""
        wanted = set(types)
        return sorted(
            (name for name in self.units if wanted & self.configuration(name).types),
            key=lambda name: self.units[name].index,
        )

    def holds(self, unit: str) -> int:
        """Its items; none if the device has found it empty."""
        return 0 if self.kept[unit].found_empty else self.counts.total(unit)

    def replenishment_status(self, unit: str) -> Replenishment:
        """`full`, `empty`, `low`, `high` or `ok`, by count and thresholds."""
        layout, configuration = self.units[unit], self.configuration(unit)
        count = self.holds(unit)
        retracts = bool(configuration.types & {"cashInRetract", "cashOutRetract"})
        operations = self.counts.total(unit, "in.retractOperations")
        if layout.capacity and count + self.others_hold(unit) >= layout.capacity:
            return "full"
        if retracts and configuration.max_retracts and operations >= configuration.max_retracts:
            return "full"
        by_operations = retracts and not layout.retract_thresholds and "reject" not in configuration.types
        if count == 0 and not (by_operations and operations):
            return "empty"
        if configuration.low_threshold and count < configuration.low_threshold:
            return "low"
        level = operations if by_operations else count
        if configuration.high_threshold and level > configuration.high_threshold:
            return "high"
        return "ok"

    def setting(self, name: str, wanted: messages.StorageSetCash, path: str) -> Setting[CashKept]:
        """The configuration, of which some changes in an exchange only, and what the unit holds."""
        kept, unit = self.kept[name], self.units[name]
        after = kept.configuration
        if wanted.configuration is not None:
            where = f"{path}.configuration"
            after = after.changed(wanted.configuration, unit, self.known_items, where)
        postings: list[SetPosting] = []
        if wanted.status is not None and wanted.status.initial is not None:
            initial = item_counts(wanted.status.initial)
            _check_initial(initial, after, unit, f"{path}.status.initial")
            postings = self.counts.begin_anew(name, initial)
            kept = msgspec.structs.replace(kept, accuracy="accurateSet", found_empty=False)
        changes_kind = after.kind != kept.configuration.kind
        return Setting(
            msgspec.structs.replace(kept, configuration=after),
            tuple(postings),
            "types, items, currency, value and cashItems change" if changes_kind else None,
        )

    @property
    def bank_notes(self) -> Mapping[str, messages.BankNote]:
        """The items that the device knows, by id; empty if it does not say."""
        notes: Mapping[str, messages.BankNote]
        notes = self.service.operations.stated("bank_notes", Mapping[str, messages.BankNote], {})
        return notes

    @property
    def known_items(self) -> set[str]:
        """Ids of the items that the device knows, or that its units hold."""
        known = set(self.bank_notes)
        return known.union(*(unit.cash_items for unit in self.units.values()))

    def part(self, name: str) -> messages.StorageCash:
        """`cash` of the storage unit."""
        layout, kept = self.units.get(name), self.kept[name]
        return messages.StorageCash(
            capabilities=None
            if layout is None
            else messages.StorageCashCapabilities(
                types=flags(messages.StorageCashTypes, layout.types),
                items=flags(messages.StorageCashItemTypes, layout.items),
                hardware_sensors=layout.hardware_sensors,
                retract_areas=layout.retract_areas,
                retract_thresholds=layout.retract_thresholds if layout.retract_areas else None,
                cash_items=list(layout.cash_items) or None,
            ),
            configuration=kept.configuration.message(),
            status=messages.StorageCashStatus(
                index=None if layout is None else layout.index,
                initial=self.counts.initial(name),
                out=self.counts.out(name),
                in_=self.counts.taken_in(name),
                accuracy="unknown" if name in self.storage.unsettled else kept.accuracy,
                replenishment_status=None if layout is None else self.replenishment_status(name),
            ),
        )
