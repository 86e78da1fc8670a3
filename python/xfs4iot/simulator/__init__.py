"""A simulated ATM, for demonstrations, tests and the development of clients."""

from __future__ import annotations

from pathlib import Path

from xfs4iot.assembly import Service
from xfs4iot.devices import Device
from xfs4iot.interfaces.common.common import Common
from xfs4iot.interfaces.common.end_to_end_security import EndToEndSecurity
from xfs4iot.ledger import Ledger
from xfs4iot.server import service
from xfs4iot.simulator.cash_dispenser import SimulatedCashDispenser
from xfs4iot.simulator.control import Simulator

__all__ = ["SimulatedCashDispenser", "atm"]


def atm(
    *,
    ledger: Ledger,
    state: Path | None = None,
    seconds: float = 0.2,
    security: EndToEndSecurity | None = None,
) -> list[service.Service]:
    """The services of a simulated ATM: its devices, and `Simulator`, which drives them.

    Args:
        ledger: keeps the services' counts.
        state: directory where the devices' physical truth is kept, apart from the ledger;
            None keeps it in memory.
        seconds: how long a movement takes; 0 for no time.
        security: dispense with end-to-end tokens only; None: without any.
    """
    dispenser = SimulatedCashDispenser("CashDispenser", state=state, seconds=seconds)
    control = service.Service(
        "Simulator", Device("Simulator"), [Common, Simulator], ledger=ledger.service("Simulator")
    )
    control.interface(Simulator).dispenser = dispenser
    return [Service(dispenser, ledger=ledger, security=security), control]
