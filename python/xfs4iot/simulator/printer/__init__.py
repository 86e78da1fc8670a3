"""The simulated printer: what it prints can be looked at, and it prints what it is really sent."""

from xfs4iot.simulator.printer.device import SimulatedPrinter

__all__ = ["SimulatedPrinter"]
