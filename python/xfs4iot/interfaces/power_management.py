"""PowerManagement: saving power, and what feeds the device.

New in 2024-3. Its one command asks for a mode from which the device is ready again within so many
seconds; 0 wakes it up. Common.PowerSaveControl, which clients of 2023-2 know, is the same
operation of the device. It waits in the queue, so power is never saved in the middle of a movement.
The device reports the current mode in its status.
"""

from __future__ import annotations

from typing import Any, ClassVar

from xfs4iot import devices
from xfs4iot.interfaces.checks import given
from xfs4iot.protocol.messages import common
from xfs4iot.protocol.messages import power_management as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, handles

__all__ = ["PowerManagement", "recovery_time_given", "save_power"]

recovery_time_given = given("max_power_save_recovery_time", "give seconds, 0 to leave power save")


async def save_power(
    interface: Interface[Any], request: messages.PowerSaveControl | common.PowerSaveControl
) -> None:
    """Ask the device to save power, for the command of either interface."""
    seconds = request.max_power_save_recovery_time
    await interface.ask(devices.PowerManagement.power_save_control, seconds)


class PowerManagement(Interface[devices.PowerManagement]):
    """The interface of devices whose power can be managed."""

    name: ClassVar[str] = "PowerManagement"

    @handles("PowerManagement.PowerSaveControl", checks=(recovery_time_given,))
    async def power_save_control(self, request: messages.PowerSaveControl, command: Command) -> None:
        """`PowerManagement.PowerSaveControl` 1.0, completion 2.0."""
        await save_power(self, request)
