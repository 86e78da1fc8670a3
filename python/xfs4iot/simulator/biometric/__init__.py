"""A simulated fingerprint sensor: fingers are data, and what is compared are points."""

from xfs4iot.simulator.biometric.device import SimulatedBiometric

__all__ = ["SimulatedBiometric"]
