"""What a vendor writes: one class per device, made of the classes of its interfaces."""

from xfs4iot.devices._device import CommandEvents, Device, implements, operation

__all__ = ["CommandEvents", "Device", "implements", "operation"]
