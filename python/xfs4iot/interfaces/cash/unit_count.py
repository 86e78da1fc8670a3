"""Counting what is in units: which can be counted, and how the books come to agree with what was found.

What is missing has gone to an unknown place, and what is there besides has come from one: the counts' law
holds, and nothing is forgotten.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from xfs4iot.devices import CashMovement, CashUnitError, ItemsMoved, UnitsCounted
from xfs4iot.interfaces.cash.accepting import Accepting
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.server.handler import check

__all__ = ["corrected", "count_possible", "units_to_count", "units_to_count_exist", "units_to_count_work"]


@check("unsupportedData")
def count_possible(on: Accepting, request: messages.CashUnitCount) -> None:
    """whether the device counts individual units, or only all of them: `countActions`"""
    able = on.device.capabilities.cash_acceptor.count_actions
    wanted = "individual" if request.units else "all"
    if able is None or not getattr(able, wanted):
        raise errors.UnsupportedData(f"$.units: the device does not count {wanted}; see Common.Capabilities")


def units_to_count(on: Accepting, request: messages.CashUnitCount) -> list[str]:
    return list(dict.fromkeys(request.units)) if request.units else list(on.cash.units)


@check("invalidCashUnit")
def units_to_count_exist(on: Accepting, request: messages.CashUnitCount) -> None:
    """the units"""
    if strange := [name for name in units_to_count(on, request) if name not in on.cash.units]:
        raise errors.CommandError(
            "invalidCashUnit", f"there is no unit {strange[0]!r}; see Storage.GetStorage"
        )


@check("cashUnitError")
def units_to_count_work(on: Accepting, request: messages.CashUnitCount) -> None:
    """whether the units work"""
    units = units_to_count(on, request)
    if broken := [unit for unit in units if on.cash.hardware_status(unit) != "ok"]:
        raise CashUnitError("error", broken, f"{', '.join(broken)} cannot be counted")


def corrected(cash: CashUnits, result: UnitsCounted) -> UnitsCounted:
    """A count with what makes the books agree with it: what is missing or found has moved unseen."""
    plain = CashMovement(moved=result.moved)
    corrections: list[ItemsMoved] = []
    for unit, content in result.counted.items():
        booked = cash.counts.content_after(unit, plain)
        found: dict[tuple[str, str], int] = {}
        for one in content:
            kind = (one.item or "", str(one.level) if one.item else "unrecognized")
            found[kind] = found.get(kind, 0) + one.count
        for kind in sorted(booked.keys() | found.keys()):
            more = found.get(kind, 0) - booked.get(kind, 0)
            places = ("unknown", unit) if more > 0 else (unit, "unknown")
            if more:
                level: Any = kind[1]
                corrections.append(ItemsMoved(abs(more), *places, item=kind[0] or None, level=level))
    # What is missing goes first: it must not take what has just been found.
    corrections.sort(key=lambda items: items.target != "unknown")
    return dataclasses.replace(result, moved=(*result.moved, *corrections))
