"""What clients know of the units, and what they are told when that changes.

Each change is reported once, when it is durable, by one of three events: `CountsChangedEvent` for
counts, `StorageThresholdEvent` for a level that changed, `StorageChangedEvent` for everything else.
Each names only the units that changed, and of those only the kinds of items that did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from xfs4iot.interfaces.storage.kind import Kind
from xfs4iot.protocol import wire
from xfs4iot.protocol.messages import storage as messages

__all__ = ["StorageChanges"]


class _Told(NamedTuple):
    """What clients know of one unit; counts and levels by kind."""

    unit: bytes
    counts: dict[str, bytes]
    levels: dict[str, tuple[Any, ...]]


class StorageChanges:
    """The changes of one service's units since clients were last told.

    Args:
        kinds: of the service's units; more may come.
    """

    def __init__(self, kinds: Mapping[str, Kind[Any, Any]]) -> None:
        self._kinds = kinds
        self._told: dict[str, _Told] = {}

    def remember(self, units: Mapping[str, messages.StorageUnit]) -> None:
        """Clients know this already, or are told it otherwise."""
        self._told = {name: self._known(unit) for name, unit in units.items()}

    def take(self, units: Mapping[str, messages.StorageUnit]) -> Iterable[Any]:
        """The events that tell how `units` differ from what clients know, which they know from now on."""
        before = self._told
        self.remember(units)
        changed: dict[str, messages.StorageUnit] = {}
        counted: dict[str, messages.StorageUnit] = {}
        crossed: dict[str, messages.StorageUnit] = {}
        for name, now in self._told.items():
            old, whole = before.get(name), units[name]
            if old is None or now.unit != old.unit:
                changed[name] = self._without_counts(whole)
            if old is None:
                continue
            if now.counts != old.counts:
                kinds = [kind for kind, counts in now.counts.items() if counts != old.counts.get(kind)]
                counted[name] = _parts(whole, {kind: self._kinds[kind].counted for kind in kinds})
            if now.levels != old.levels:
                kinds = [kind for kind, level in now.levels.items() if level != old.levels.get(kind)]
                crossed[name] = _parts(whole, {kind: self._kinds[kind].levels for kind in kinds})
        if counted:
            yield messages.CountsChangedEvent(counted)
        if crossed:
            yield messages.StorageThresholdEvent(crossed)
        if changed:
            yield messages.StorageChangedEvent(changed)

    def _known(self, unit: messages.StorageUnit) -> _Told:
        counts: dict[str, bytes] = {}
        levels: dict[str, tuple[Any, ...]] = {}
        for name, kind in self._kinds.items():
            part = getattr(unit, name)
            status = getattr(part, "status", None)
            if status is not None:
                counts[name] = wire.encode([getattr(status, count) for count in kind.counted])
                levels[name] = tuple(getattr(status, level) for level in kind.levels)
        return _Told(wire.encode(self._without_counts(unit)), counts, levels)

    def _without_counts(self, unit: messages.StorageUnit) -> messages.StorageUnit:
        bare = {}
        for name, kind in self._kinds.items():
            part = getattr(unit, name)
            if part is not None and kind.counted:
                status = msgspec.structs.replace(part.status, **dict.fromkeys(kind.counted))
                bare[name] = msgspec.structs.replace(part, status=status)
        return msgspec.structs.replace(unit, **bare)


def _parts(unit: messages.StorageUnit, chosen: Mapping[str, tuple[str, ...]]) -> messages.StorageUnit:
    """A unit with nothing but these properties of the status of these kinds."""
    parts = {}
    for kind, names in chosen.items():
        part = getattr(unit, kind)
        status = type(part.status)(**{name: getattr(part.status, name) for name in names})
        parts[kind] = type(part)(status=status)
    return messages.StorageUnit(**parts)
