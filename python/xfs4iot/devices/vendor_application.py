"""VendorApplication: what a vendor writes to start the maintenance program on the ATM itself.

class MyAtm(devices.VendorApplication):
    applications = ("diagnosis",)
    access_levels = frozenset({"basic", "full"})

    async def start_local_application(self, name, level):
        await self.programs.start(name, level or "basic")
        return level or "basic"
"""

from __future__ import annotations

from typing import Literal

from xfs4iot.devices._device import Device
from xfs4iot.devices._operation import operation
from xfs4iot.protocol.messages import vendor_application as messages

__all__ = ["AccessLevel", "ActiveInterface", "VendorApplication"]

AccessLevel = Literal["basic", "intermediate", "full"]
ActiveInterface = Literal["consumer", "operator"]


class VendorApplication(
    Device,
    messages=messages,
    status={"access_level": "notActive"},
    capabilities={"supported_access_levels": "access_levels"},
):
    """A device that can start the vendor's own programs.

    Attributes:
        applications: names of the programs that can be started, the usual one first; nothing else is.
        access_levels: what a program can be started with; none if it has no levels.
        several_applications: whether one can be started while another runs.
        trusts_everyone: whether clients may start programs that come from another machine without a
            certificate or token; only for tests.
    """

    applications: tuple[str, ...] = ()
    access_levels: frozenset[AccessLevel] = frozenset()
    several_applications: bool = False
    trusts_everyone: bool = False

    @operation
    async def start_local_application(self, name: str, level: AccessLevel | None) -> AccessLevel | None:
        """`VendorApplication.StartLocalApplication`: returns when the program runs.

        When it ends, in whatever way, call `application_exited`. Never a shell, never a path of the client's:
        `name` is one of `applications`. Cancelled, it leaves no program behind.

        Args:
            level: as asked for; None leaves the choice to the device.

        Returns:
            The level it runs with; None if it has none.

        Raises:
            HardwareError: it could not be started, or ended at once.
        """
        raise NotImplementedError

    @operation
    async def active_interface(self) -> ActiveInterface:
        """`VendorApplication.GetActiveInterface`: where the program shows."""
        raise NotImplementedError

    @operation
    async def set_active_interface(self, which: ActiveInterface) -> None:
        """`VendorApplication.SetActiveInterface`: show the program there, now or when it starts."""

    def application_exited(self) -> None:
        """Tell that the program has ended: the status, then `VendorAppExitedEvent`."""
        self.send(messages.VendorAppExitedEvent())

    def interface_changed(self, which: ActiveInterface) -> None:
        """Tell that somebody at the machine switched to another interface, unasked."""
        self.send(messages.InterfaceChangedEvent(active_interface=which))
