"""What mypy finds right, and what it refuses, in device classes and rules. Only read by mypy, never run.

A line that is refused carries a `type: ignore` of the code it is refused with: mypy is asked to
complain about one that nothing calls for.
"""

from __future__ import annotations

from collections.abc import Mapping

from xfs4iot import devices
from xfs4iot.protocol.command_events.cash_dispenser import DispenseEvents, RejectEvents
from xfs4iot.protocol.messages import cash_dispenser, storage
from xfs4iot.server.command import Command


class Dispenser(devices.CashDispenser):
    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents[DispenseEvents]
    ) -> devices.Dispensed:
        events.send(cash_dispenser.StartDispenseEvent())
        events.send(storage.StorageErrorEvent(failure="error"))  # of another interface, but this command's
        events.send(cash_dispenser.PrepareDispense())  # type: ignore[arg-type]
        return devices.Dispensed()

    async def reject(self, unit: str, events: devices.CashEvents[RejectEvents]) -> devices.CashMovement:
        events.send(cash_dispenser.StartDispenseEvent())  # type: ignore[arg-type]
        return devices.CashMovement()

    async def present(self, position: str, events: devices.CashEvents) -> devices.Presented:
        events.send(cash_dispenser.StartDispenseEvent())  # type: ignore[arg-type]
        return devices.Presented()


class Careless(devices.CashDispenser):
    async def reject(  # type: ignore[override]
        self, unit: str, events: devices.CashEvents[DispenseEvents]
    ) -> devices.CashMovement:
        return devices.CashMovement()


def served(request: Mapping[str, int], command: Command[RejectEvents], silent: Command) -> None:
    command.send(storage.StorageErrorEvent(failure="error"))
    command.send(cash_dispenser.StartDispenseEvent())  # type: ignore[arg-type]
    silent.send(storage.StorageErrorEvent(failure="error"))  # type: ignore[arg-type]
