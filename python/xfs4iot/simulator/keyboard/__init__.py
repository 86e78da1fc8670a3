"""A simulated PIN pad's keyboard: `machine` is what each key does while something is entered."""

from xfs4iot.simulator.keyboard.device import SimulatedKeyboard as SimulatedKeyboard

__all__ = ["SimulatedKeyboard"]
