"""The operations of a simulated depository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import trio

from xfs4iot import devices
from xfs4iot.devices import DepositMoved, DepositReset
from xfs4iot.protocol import errors
from xfs4iot.simulator.deposit.items import TONER, Envelope
from xfs4iot.simulator.deposit.machine import CONTAINER, SUPPLY, DepositMachine

__all__ = ["DepositDevice"]


class DepositDevice(DepositMachine):
    """What the service asks of the depository."""

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        container = devices.DepositUnit(
            capacity=self.setup.capacity,
            status="missing" if self._state.pulled else "ok",
            container_level=self._container_level,
            initial=len(self._state.container),
        )
        if self.setup.supply is None:
            return {CONTAINER: container}
        supply = devices.DepositUnit(
            container=False,
            env_supply=self.setup.supply.kind,
            capacity=self.setup.supply.capacity,
            supply_level=self._supply_level,
        )
        return {CONTAINER: container, SUPPLY: supply}

    async def entry(self) -> None:
        self._begin()
        self._require_way_clear("depJammed")
        self._open_shutter()
        if self._state.slot is None:
            self._came = trio.Event()
            self.insert_deposit()
            if self.setup.customer:
                self._insert(Envelope())
            await self._came.wait()
        await trio.lowlevel.checkpoint()

    async def stop_entry(self) -> bool:
        self._close_shutter()
        return self._state.slot is not None

    async def deposit_inside(self) -> devices.DepositPlace | Literal["none"]:
        return "none" if self._state.slot is None else "shutter"

    async def deposit(self, print_data: str | None, events: devices.MovingDeposit) -> DepositMoved:
        self._begin(events.operation)
        await self._time()
        state = self._state
        if state.slot is None:
            state.moved = "removed"
            return DepositMoved("removed", errors.CommandError("unknown", "the customer took it back"))
        if not state.slot.fits or state.slot.kind not in self.deposit_types:
            return DepositMoved("shutter", errors.CommandError("envSize", "it does not fit"))
        if self.faults.strikes("customerHolds"):
            state.customer.append(state.slot)
            state.slot, state.moved = None, "removed"
            self._save()
            self._close_shutter()
            return DepositMoved("removed", errors.CommandError("unknown", "the customer held on to it"))
        failure = self._close_shutter()
        state.way, state.slot = state.slot, None
        return await self._into_container(print_data, failure)

    async def dispense(self) -> None:
        self._begin()
        self._require_way_clear("jammed")
        state = self._state
        if state.slot is not None:
            raise errors.SequenceError("something lies in the slot; see Deposit.Retract")
        if not state.supply:
            raise errors.CommandError("empty", "there are no envelopes")
        assert self.setup.supply is not None
        if self.setup.supply.kind == "manual":
            self._unlocked.set()
            self._tell_levels()
            return
        await self._time()
        state.supply -= 1
        envelope = Envelope(content="", dispensed=True)
        if self.faults.strikes("envelopeJams"):
            state.way, state.place = envelope, "dispenser"
            self._save()
            raise errors.CommandError("jammed", "an envelope is stuck; see Deposit.Reset")
        try:
            self._open_shutter()
        except errors.CommandError:
            state.supply += 1
            raise
        state.slot = envelope
        self._save()
        self._tell_levels()

    async def retract(self, print_data: str | None, events: devices.MovingDeposit) -> DepositMoved:
        self._begin(events.operation)
        state = self._state
        if state.slot is None:
            raise errors.CommandError("noEnv", "there is nothing in the slot")
        self._require_way_clear("depJammed")
        if self.faults.active("shutterBlockedOpen"):
            raise errors.CommandError("shutterNotClosed", "the shutter does not close")
        await self._time()
        # The customer may have been faster.
        if state.slot is None:
            state.moved = "removed"
            raise errors.CommandError("noEnv", "the customer took it")
        self._close_shutter()
        state.way, state.slot = state.slot, None
        if self.retract_envelope == "container":
            return await self._into_container(print_data, None)
        if self.faults.strikes("envelopeJams"):
            state.place, state.moved = "dispenser", "unknown"
            self._save()
            return DepositMoved("unknown", errors.CommandError("envJammed", "stuck in the dispenser"))
        state.supply += 1
        moved = self._left("dispenser", None)
        self._tell_levels()
        return moved

    async def reset(
        self, control: Literal["eject", "retract"] | None, events: devices.MovingDeposit
    ) -> DepositReset:
        self._begin()
        state = self._state
        found: dict[bool, str] = {False: "noMedia", True: "noMedia"}
        # Saved with the first item that moves: until then there is nothing to recall.
        state.operation, state.reset = events.operation, ("noMedia", self._dispensed(found))
        await self._time()
        failure: errors.CommandError | None = None
        # The slot first: what is stuck may have to go there.
        for item in (state.slot, state.way):
            if item is not None:
                try:
                    found[item.dispensed] = self._clear(item, control)
                except errors.CommandError as fault:
                    found[item.dispensed], failure = "jammed", fault
                state.reset = (found[False], self._dispensed(found))
                self._save()
        if state.slot is None:
            self._close_shutter()
        self._tell_levels()
        deposit_media: Any = found[False]
        dispense_media: Any = self._dispensed(found)
        return DepositReset(deposit_media=deposit_media, dispense_media=dispense_media, failure=failure)

    def _dispensed(self, found: Mapping[bool, str]) -> str | None:
        return found[True] if self.setup.supply is not None else None

    async def supply_replenish(self, supplies: frozenset[Any]) -> None:
        if "toner" in supplies:
            self._state.toner = TONER
        if "envelope" in supplies:
            assert self.setup.supply is not None
            self._state.supply = self.setup.supply.capacity
        self._save()
        self._tell_levels()
        await trio.lowlevel.checkpoint()

    async def recall_deposit(self, operation: int) -> DepositMoved | DepositReset | None:
        state = self._state
        if state.operation != operation:
            return None
        if state.reset is not None:
            deposit_media: Any = state.reset[0]
            dispense_media: Any = state.reset[1]
            return DepositReset(deposit_media=deposit_media, dispense_media=dispense_media)
        return DepositMoved(state.moved)
