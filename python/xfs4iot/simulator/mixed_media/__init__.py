"""A simulated device that takes in notes and cheques through one slot, in one bunch."""

from xfs4iot.simulator.mixed_media.device import SimulatedMixedMedia as SimulatedMixedMedia

__all__ = ["SimulatedMixedMedia"]
