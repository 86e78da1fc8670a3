"""A simulated PIN pad's keyboard: `machine` says what each key does during an entry."""

from xfs4iot.simulator.keyboard.device import SimulatedKeyboard as SimulatedKeyboard

__all__ = ["SimulatedKeyboard"]
