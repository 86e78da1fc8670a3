"""The simulated cash dispenser."""

from xfs4iot.simulator.cash_dispenser.device import SimulatedCashDispenser

__all__ = ["SimulatedCashDispenser"]
