"""A simulated card reader, cards for it, and the chips in them."""

from xfs4iot.simulator.card_reader.device import SimulatedCardReader

__all__ = ["SimulatedCardReader"]
