"""A simulated depository: envelopes and bags, a printer, a supply, bad luck."""

from xfs4iot.simulator.deposit.commands import SimulatedDeposit as SimulatedDeposit

__all__ = ["SimulatedDeposit"]
