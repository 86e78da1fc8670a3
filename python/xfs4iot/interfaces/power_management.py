"""PowerManagement: saving power, and what feeds the device.

New in 2024-3. Its one command asks for a mode from which the device is ready again within so many
seconds; 0 wakes it up. Common.PowerSaveControl, which clients of 2023-2 know, is the same
operation of the device. It waits in the queue, so power is never saved in the middle of a movement.
What the mode is now is told by the device in its status.
"""

from __future__ import annotations

from typing import ClassVar

from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import common
from xfs4iot.protocol.messages import power_management as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, handles

__all__ = ["PowerManagement", "save_power"]


async def save_power(
    interface: Interface, request: messages.PowerSaveControl | common.PowerSaveControl
) -> None:
    """Ask the device to save power, for the command of either interface.

    Raises:
        InvalidData: no time is given.
    """
    seconds = request.max_power_save_recovery_time
    if seconds is None:
        raise errors.InvalidData("$.maxPowerSaveRecoveryTime is missing; give seconds, 0 to leave power save")
    await interface.ask(interface.device.power_save_control, seconds, expect=type(None))


class PowerManagement(Interface):
    """The interface of devices whose power can be managed."""

    name: ClassVar[str] = "PowerManagement"

    @handles("PowerManagement.PowerSaveControl", asks="power_save_control")
    async def power_save_control(self, request: messages.PowerSaveControl, command: Command) -> None:
        """`PowerManagement.PowerSaveControl` 1.0."""
        await save_power(self, request)
