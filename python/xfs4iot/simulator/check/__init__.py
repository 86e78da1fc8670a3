"""A simulated scanner of cheques, whose code lines are drawn and read."""

from xfs4iot.simulator.check.commands import SimulatedCheck as SimulatedCheck

__all__ = ["SimulatedCheck"]
