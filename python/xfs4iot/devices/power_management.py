"""What a vendor writes for a device whose power can be managed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xfs4iot.devices._device import Device, implements
from xfs4iot.protocol.messages import power_management

__all__ = ["PowerManagement"]


class PowerManagement(Device):
    """A device that tells of its power supply, and may save power.

    Override `power_save_control` if it can. An operation that comes while power is saved wakes the
    device; the class does that itself, and calls `saving_power(0)`. Attributes of
    `self.status.power_management.info` say what feeds the device and how its battery is.
    """

    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, options)
        self.status.power_management = power_management.Status()
        self.capabilities.power_management = power_management.Capabilities(
            power_save_control=implements(self, "power_save_control"), battery_rechargeable=False
        )

    def saving_power(self, recovery_seconds: int) -> None:
        """Tell how long the device needs until it is ready: 0 when it does not save power.

        The standard has two places for it, one of 2023-2 and one of 2024-3; both are set.
        """
        common, power = self.status.common, self.status.power_management
        assert common is not None
        assert power is not None
        if recovery_seconds != power.power_save_recovery_time:
            common.power_save_recovery_time = power.power_save_recovery_time = recovery_seconds
