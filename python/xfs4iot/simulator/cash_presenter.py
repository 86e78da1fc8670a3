"""A simulated cash acceptor that presents by command what it gives back, in as many bunches as it needs.

    stacker → output → customer → …       (rollback, then PresentMedia for each bunch)

In a profile it stands in the place of `CashAcceptor`: `kinds = ["CashDispenser", "CashPresenter"]`.
"""

from __future__ import annotations

from typing import Any

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.cash_acceptor import CashInRollbackEvents, PreparePresentEvents
from xfs4iot.protocol.command_events.cash_management import ResetEvents, RetractEvents
from xfs4iot.simulator.cash_acceptor import SimulatedCashAcceptor

__all__ = ["SimulatedCashPresenter"]


class SimulatedCashPresenter(SimulatedCashAcceptor):
    """The device; for its arguments see `SimulatedDevice`."""

    async def cash_in_start(self, request: devices.CashInStartRequest) -> None:
        await super().cash_in_start(request)
        self.truth.returning = False

    async def cash_in_rollback(
        self, position: str, events: devices.CashEvents[CashInRollbackEvents]
    ) -> devices.CashReturned:
        self._require_way()
        self._begin(events)
        await self._time()
        self.truth.returning = True
        return devices.CashReturned(presented=False, additional_bunches=self._bunches())

    async def prepare_present(
        self, position: str, events: devices.CashEvents[PreparePresentEvents]
    ) -> devices.CashReturned:
        self._require_way()
        self._begin(events)
        await self._time()
        return devices.CashReturned(presented=False, additional_bunches=self._bunches())

    async def present_media(self, position: str, events: devices.CashEvents[Any]) -> devices.CashReturned:
        self._require_way()
        self._require_no_foreign_items()
        if self.faults.active("shutterJammed"):
            raise errors.CommandError("shutterNotOpen", "the shutter does not open")
        self._begin(events)
        await self._time()
        if self.faults.strikes("jam"):
            self.truth.move_all("stacker", "transport")
            return devices.CashReturned(
                moved=self.truth.moved, failure=self._tell_jam("the items are"), presented=False
            )
        self._hand_out(self.at_once)
        self._break()
        more = self._bunches()
        if not more:
            self.truth.returning = False
        self._offer_back(self.truth.total("output"))
        return devices.CashReturned(moved=self.truth.moved, additional_bunches=more)

    async def retract(
        self, request: devices.RetractRequest, events: devices.CashEvents[RetractEvents]
    ) -> devices.Retracted:
        done = await super().retract(request, events)
        self.truth.returning = self.truth.returning and self.truth.total("stacker") > 0
        return done

    async def reset(
        self, destination: devices.Destination, events: devices.CashEvents[ResetEvents]
    ) -> devices.Retracted:
        done = await super().reset(destination, events)
        self.truth.returning = False
        return done
