"""Locks of a device and its units: what DeviceLockControl has locked last, unless the device senses it.

While the device works at a lock, and after it has failed at it, nobody knows how that is: `lockUnknown`, also
after a power cut in the middle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec

from xfs4iot.devices import DeviceLocks
from xfs4iot.interfaces.cash.reported import require_units
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.ledger import Document
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.server.handler import check

__all__ = ["Locks", "locks_given", "locks_of", "units_to_lock_exist"]

Lock = Literal["lock", "unlock"]


class _Kept(msgspec.Struct, frozen=True):
    device: Lock | None = None
    units: dict[str, Lock] = {}


_KEPT = Document("CashAcceptor.locks", _Kept)


def locks_of(cash: CashUnits, request: messages.DeviceLockControl) -> tuple[Lock | None, dict[str, Lock]]:
    """What is to be locked or unlocked: the device, and units."""
    device: Any = None if request.device_action == "noLockAction" else request.device_action
    action = request.cash_unit_action
    if action in ("lockAll", "unlockAll"):
        return device, dict.fromkeys(cash.units, "lock" if action == "lockAll" else "unlock")
    named = request.unit_lock_control if action == "lockIndividual" else None
    # Without an action a unit is unlocked, as the standard has it.
    return device, {str(one.storage_unit): one.unit_action or "unlock" for one in named or ()}


@check("invalidData")
def locks_given(on: Any, request: messages.DeviceLockControl) -> None:
    """units, each once, if individual ones are to be locked"""
    named = [one.storage_unit for one in request.unit_lock_control or ()]
    if request.cash_unit_action == "lockIndividual" and not (named and all(named)):
        raise errors.InvalidData("$.unitLockControl: name the units that are to be locked or unlocked")
    if len(set(named)) < len(named):
        raise errors.InvalidData("$.unitLockControl: a unit is named twice")


@check("invalidCashUnit")
def units_to_lock_exist(on: Any, request: messages.DeviceLockControl) -> None:
    """the units"""
    if strange := sorted(set(locks_of(on.cash, request)[1]) - on.cash.units.keys()):
        raise errors.CommandError(
            "invalidCashUnit", f"there is no unit {strange[0]!r}; see Storage.GetStorage"
        )


class Locks:
    """The locks of one service."""

    def __init__(self, cash: CashUnits) -> None:
        self._cash = cash

    @asynccontextmanager
    async def moving(self, device: Lock | None, units: Mapping[str, Lock]) -> AsyncIterator[None]:
        """Keep what the block locks or unlocks.

        Raises:
            LedgerUnavailable: it could not be written; if that is before the block, nothing was locked.
        """
        before = self._before()
        others = {name: lock for name, lock in before.units.items() if name not in units}
        await self._keep(_Kept(before.device if device is None else None, others))
        try:
            yield
        except (errors.HardwareError, errors.CommandError):
            # Some may have moved, and some not.
            raise
        except errors.XfsError:
            await self._keep(before)
            raise
        await self._keep(_Kept(device or before.device, {**before.units, **units}))

    async def _keep(self, known: _Kept) -> None:
        await self._cash.service.ledger.put_document(_KEPT.name, wire.encode(known))

    def _before(self) -> _Kept:
        return _KEPT.of(self._cash.service.ledger) or _Kept()

    def known(self) -> DeviceLocks:
        """What was locked last."""
        before = self._before()
        units: dict[str, Any] = {name: before.units.get(name, "lockUnknown") for name in self._cash.units}
        return DeviceLocks(before.device or "lockUnknown", units)

    def believe(self, told: DeviceLocks) -> None:
        """See that the device names its own units. Raises Mismatch."""
        require_units(self._cash.kept, told.units, "units")
