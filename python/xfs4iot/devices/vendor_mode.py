"""VendorMode: what a vendor writes for the switch between customers' and engineers' use of an ATM.

class MyAtm(devices.VendorMode):
    async def enter_vendor_mode(self):
        await self.panel.show_engineer_menu()
"""

from __future__ import annotations

from xfs4iot.devices._device import Device
from xfs4iot.devices._operation import operation
from xfs4iot.protocol.messages import vendor_mode as messages

__all__ = ["VendorMode"]


class VendorMode(Device, messages=messages, status={"device": "online", "service": "inactive"}):
    """The vendor mode of an ATM. Nothing has to be overridden: the service keeps the state.

    Attributes:
        acknowledge_seconds: how long registered applications may take to acknowledge; 0: for ever.
        force_entry: enter all the same when that time is over, past an application that hangs.
        hold_requests: a request to enter or leave completes when the transition is over; else at once, and
            the events tell the rest. An application that waits for its request before it reads on could never
            acknowledge one that is held.
        refuse_others: while the mode is active, the other services of the publisher refuse what moves
            devices (`sequenceError`), except to the client that asked for the mode and to `engineers`.
        engineers: identities that may use all devices in vendor mode, as the log names them.
    """

    acknowledge_seconds: float = 60.0
    force_entry: bool = False
    hold_requests: bool = False
    refuse_others: bool = False
    engineers: frozenset[str] = frozenset()

    @operation
    async def enter_vendor_mode(self) -> None:
        """`VendorMode.EnterModeRequest`: hand the devices over, which all applications have let go of.

        A failure ends the transition.
        """

    @operation
    async def exit_vendor_mode(self) -> None:
        """`VendorMode.ExitModeRequest`: take the devices back. A failure leaves the mode active."""
