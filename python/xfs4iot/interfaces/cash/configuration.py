"""What a unit of cash is configured for, and how an application changes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from xfs4iot.devices import CashUnit
from xfs4iot.interfaces.cash.money import is_exact, is_possible
from xfs4iot.protocol import errors
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.messages import cash_management as messages

__all__ = ["Configuration", "check_initial", "configured"]


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
        if self.value is not None and not (
            self.value >= 0 and is_possible(self.value) and is_exact(self.value)
        ):
            raise errors.InvalidData(f"{path}.value: {self.value} is no value of an item")


def configured(unit: CashUnit) -> Configuration:
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


def check_initial(
    initial: Mapping[tuple[str, str], int], configuration: Configuration, unit: CashUnit, path: str
) -> None:
    """Check what a client says is in a unit, by item and level.

    Raises:
        InvalidData: it cannot be in there.
    """
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
