"""What people do to a simulated depository."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from xfs4iot.protocol import errors
from xfs4iot.simulator.commands import Completion, Count, Milliseconds, Request, command
from xfs4iot.simulator.deposit.device import DepositDevice
from xfs4iot.simulator.deposit.items import Envelope
from xfs4iot.simulator.deposit.machine import CONTAINER

__all__ = ["SimulatedDeposit"]


class InsertEnvelope(Request):
    """An item that somebody puts into the slot, now or so many milliseconds later."""

    envelope: Envelope = msgspec.field(default_factory=Envelope)
    after: Milliseconds | None = None


class TakeEnvelope(Request):
    """Somebody takes what lies in the slot, or in an unlocked supply, now or so many milliseconds later."""

    after: Milliseconds | None = None


class PutContainer(Request):
    """The container is put back, emptied before or not."""

    emptied: bool = False


class FillSupply(Request):
    """How many envelopes are in the supply from now on."""

    count: Count = 100


class ShownEnvelopes(Completion):
    """Where all items are; `place` is that of the one on its way."""

    supply: int
    slot: Envelope | None
    way: Envelope | None
    place: str | None
    container: list[Envelope]
    customer: list[Envelope]
    lost: list[Envelope]


class SimulatedDeposit(DepositDevice):
    """A depository."""

    @command
    def insert_envelope(self, request: InsertEnvelope) -> None:
        """Somebody puts an item into the slot, or will."""
        self._later(request.after, lambda: self._insert(request.envelope))

    def _later(self, after: int | None, action: Callable[[], object]) -> None:
        if after is not None:
            self.world.later(after / 1000, action)
        else:
            action()

    @command
    def take_envelope(self, request: TakeEnvelope) -> None:
        """Somebody takes what lies in the slot, or an envelope of an unlocked supply."""

        def take() -> None:
            state = self._state
            if self._unlocked.is_set() and state.supply:
                state.supply -= 1
                state.customer.append(Envelope(content="", dispensed=True))
                self._save()
                return
            if state.slot is None:
                raise errors.SequenceError("there is nothing to take")
            state.customer.append(state.slot)
            state.slot = None
            self._save()
            self._close_shutter()
            self.envelope_taken()

        self._later(request.after, take)

    @command
    def pull_container(self, request: Request) -> None:
        """Somebody takes the container out."""
        self._state.pulled = True
        self._truth.save()
        self.unit_changed(CONTAINER, "missing")

    @command
    def put_container(self, request: PutContainer) -> None:
        """Somebody puts the container back."""
        self._state.pulled = False
        if request.emptied:
            self._state.container = []
        self._truth.save()
        self.unit_changed(CONTAINER, "ok")
        self._tell_levels()

    @command
    def fill_supply(self, request: FillSupply) -> None:
        """Somebody puts envelopes into the supply, or takes them out."""
        supply = self.setup.supply
        if supply is None or request.count > supply.capacity:
            raise errors.InvalidData(f"$.count: the supply has room for {supply.capacity if supply else 0}")
        self._state.supply = request.count
        self._truth.save()
        self._tell_levels()

    def shown_truth(self) -> ShownEnvelopes:
        state = self._state
        return ShownEnvelopes(
            supply=state.supply,
            slot=state.slot,
            way=state.way,
            place=state.place if state.way is not None else None,
            container=state.container,
            customer=state.customer,
            lost=state.lost,
        )
