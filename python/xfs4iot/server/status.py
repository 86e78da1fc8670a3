"""What has changed since clients were last told: the content of `Common.StatusChangedEvent`.

The device's status is one live object. Setting any attribute of it marks it changed; the
next flush compares it with what clients know and sends only the difference, as one event
however many attributes changed together. In a list of positions an entry that changed is
named by its `position` and carries only what changed besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from xfs4iot.protocol import exact, wire

__all__ = ["StatusChanges", "difference"]

_NAMES_AN_ENTRY = "position"


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What `after` has that `before` has not, both as plain JSON objects.

    A property that vanished has no place on the wire and is left out.
    """
    changed: dict[str, Any] = {}
    for name, value in after.items():
        old = before.get(name)
        if value == old:
            continue
        if isinstance(value, dict) and isinstance(old, dict):
            if inner := difference(old, value):
                changed[name] = inner
        elif _is_positions(value) and isinstance(old, list) and _is_positions(old):
            known = {entry[_NAMES_AN_ENTRY]: entry for entry in old}
            entries = [
                {_NAMES_AN_ENTRY: entry[_NAMES_AN_ENTRY], **inner}
                for entry in value
                if (inner := difference(known.get(entry[_NAMES_AN_ENTRY], {}), entry))
            ]
            if entries:
                changed[name] = entries
        else:
            changed[name] = value
    return changed


def _is_positions(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, dict) and entry.get(_NAMES_AN_ENTRY) for entry in value)
    )


class StatusChanges:
    """Remembers what clients know of a status object."""

    def __init__(self, status: msgspec.Struct) -> None:
        self._status = status
        self._known: dict[str, Any] = wire.plain(exact.sound(status)[0])

    def take(self) -> dict[str, Any]:
        """The difference to what clients know, which they know from now on; empty if none."""
        now = wire.plain(self._status)
        changed = difference(self._known, now)
        self._known = now
        return changed
