"""What clients know of the units, and what they are told when it is no longer so.

Each change is told once, after it is durable, as events of three kinds: `CountsChangedEvent` of
counts, `StorageThresholdEvent` of a replenishment status that changed, `StorageChangedEvent` of
everything else. Each names only the units that changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from xfs4iot.protocol import wire
from xfs4iot.protocol.messages import cash_management as cash
from xfs4iot.protocol.messages import storage as messages

__all__ = ["StorageChanges"]


class _Told(msgspec.Struct, frozen=True):
    """What clients know of one unit."""

    unit: bytes
    counts: bytes
    replenishment: str


class StorageChanges:
    """The changes of one service's units since clients were last told."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def remember(self, units: Mapping[str, messages.StorageUnit]) -> None:
        """Clients know this already, or are told it otherwise."""
        self._told = {name: _known(unit) for name, unit in units.items()}

    def take(self, units: Mapping[str, messages.StorageUnit]) -> Iterable[Any]:
        """The events that tell how `units` differ from what clients know, which they know from now on."""
        before = self._told
        self.remember(units)
        changed: dict[str, messages.StorageUnit] = {}
        counted: dict[str, messages.StorageUnit] = {}
        crossed: dict[str, messages.StorageUnit] = {}
        for name, now in self._told.items():
            old, whole = before.get(name), units[name]
            status = _status(whole)
            if old is None or now.unit != old.unit:
                changed[name] = _without_counts(whole)
            if old is not None and now.counts != old.counts:
                counted[name] = _only(cash.StorageCashStatus(out=status.out, in_=status.in_))
            if old is not None and now.replenishment != old.replenishment:
                level = cash.StorageCashStatus(replenishment_status=status.replenishment_status)
                crossed[name] = _only(level)
        if counted:
            yield messages.CountsChangedEvent(counted)
        if crossed:
            yield messages.StorageThresholdEvent(crossed)
        if changed:
            yield messages.StorageChangedEvent(changed)


def _known(unit: messages.StorageUnit) -> _Told:
    status = _status(unit)
    return _Told(
        unit=wire.encode(_without_counts(unit)),
        counts=wire.encode(cash.StorageCashStatus(out=status.out, in_=status.in_)),
        replenishment=str(status.replenishment_status),
    )


def _status(unit: messages.StorageUnit) -> cash.StorageCashStatus:
    assert unit.cash is not None
    assert unit.cash.status is not None
    return unit.cash.status


def _only(status: cash.StorageCashStatus) -> messages.StorageUnit:
    return messages.StorageUnit(cash=cash.StorageCash(status=status))


def _without_counts(unit: messages.StorageUnit) -> messages.StorageUnit:
    assert unit.cash is not None
    status = msgspec.structs.replace(_status(unit), in_=None, out=None)
    return msgspec.structs.replace(unit, cash=msgspec.structs.replace(unit.cash, status=status))
