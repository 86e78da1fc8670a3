"""PowerManagement: what a vendor writes for a device whose power can be managed."""

from __future__ import annotations

from xfs4iot.devices._device import Device
from xfs4iot.protocol.messages import power_management

__all__ = ["PowerManagement"]


class PowerManagement(Device, messages=power_management):
    """A device that reports on its power supply, and may save power.

    Override `power_save_control` if it can. An operation that comes while power is saved wakes the
    device; the class does that itself, and calls `saving_power(0)`. Attributes of
    `self.status.power_management.info` say what powers the device and how its battery is.

    Attributes:
        battery_rechargeable: whether its battery can be recharged.
    """

    battery_rechargeable: bool = False

    def saving_power(self, recovery_seconds: int) -> None:
        """Tell how long the device needs until it is ready: 0 when it does not save power.

        The standard has two places for it, one of 2023-2 and one of 2024-3; both are set.
        """
        common, power = self.status.common, self.status.power_management
        if recovery_seconds != power.power_save_recovery_time:
            common.power_save_recovery_time = power.power_save_recovery_time = recovery_seconds
