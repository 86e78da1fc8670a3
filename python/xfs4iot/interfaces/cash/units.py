"""Whether what a device says of its units can be told to clients as the standard has it.

Names, ids, indexes and currencies go out to every client, and counts are kept by name; a class
that mixes them up is told so once, in the log, and not by odd errors later.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping

from xfs4iot.devices import CashUnit
from xfs4iot.protocol import errors

__all__ = ["check_units"]

_NAME = re.compile(r"unit[0-9A-Za-z]+")
_CURRENCY = re.compile(r"[A-Z]{3}")


def check_units(units: Mapping[str, CashUnit], bank_notes: Collection[str]) -> None:
    """Check the units as a device found them.

    Args:
        bank_notes: ids of the items that the device knows; empty if it does not say.

    Raises:
        HardwareError: the device class is wrong.
    """
    indexes = Counter(unit.index for unit in units.values())
    for name, unit in units.items():
        wrong = _problem(name, unit, bank_notes)
        if wrong is None and indexes[unit.index] > 1:
            wrong = f"index {unit.index} is another unit's, too"
        if wrong is not None:
            raise errors.HardwareError(f"the device class is wrong about its unit {name!r}: {wrong}")


def _problem(name: str, unit: CashUnit, bank_notes: Collection[str]) -> str | None:
    if not _NAME.fullmatch(name):
        return "names of units are `unit` and then letters or digits"
    if unit.id is not None and not 1 <= len(unit.id) <= 5:
        return f"id {unit.id!r} must have one to five characters"
    if unit.index < 1:
        return f"index {unit.index} must be 1 or more"
    if unit.capacity < 0 or unit.initial < 0:
        return "capacity and initial must not be negative"
    if unit.currency is not None and not _CURRENCY.fullmatch(unit.currency):
        return f"currency {unit.currency!r} must be three capital letters"
    if unit.value is not None and unit.value <= 0:
        return f"value {unit.value} must be above 0"
    if bank_notes and (unknown := [item for item in unit.cash_items if item not in bank_notes]):
        return f"its items {', '.join(unknown)} are none of the device's bank_notes"
    return None
