"""VendorApplication: starting the vendor's maintenance program on the ATM itself.

Success of a start means that the program runs; `VendorAppExitedEvent` says when it has ended, whatever
ended it. Meanwhile the status shows its access level. Only programs that the device class names are
started, one at a time unless it can run several. As this is the most powerful command of an ATM, its
client must be known: by a certificate or token that an access rule lets in, or by being on the machine
itself. Every start is in the journal, with name, level and client.

Vendor mode need not be active: the standard does not ask for it.
"""

from __future__ import annotations

from typing import ClassVar

from xfs4iot import devices
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.protocol import errors
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import vendor_application as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, check, handles, step
from xfs4iot.server.service import Service

__all__ = ["VendorApplication"]


def _name(on: VendorApplication, request: messages.StartLocalApplication) -> str:
    """The program that is meant: the one named, or the only one there is.

    Raises:
        InvalidData: there is no such program, or none is named among several.
    """
    known = on.device.applications
    if request.app_name is None and len(known) == 1:
        return known[0]
    if request.app_name is None or request.app_name not in known:
        raise errors.InvalidData(f"$.appName: give one of {', '.join(known)}")
    return request.app_name


@check("invalidData")
def application_exists(on: VendorApplication, request: messages.StartLocalApplication) -> None:
    """whether the device has a program of that name; without a name, whether it has only one"""
    _name(on, request)


@check("invalidData")
def level_supported(on: VendorApplication, request: messages.StartLocalApplication) -> None:
    """the access level"""
    level = request.access_level
    if level is not None and level not in on.device.access_levels:
        known = ", ".join(sorted(on.device.access_levels)) or "none"
        raise errors.InvalidData(f"$.accessLevel: {level} is not offered; levels: {known}")


@check("sequenceError")
def none_runs(on: VendorApplication, request: messages.StartLocalApplication) -> None:
    """whether a program runs already, at a device that runs one at a time"""
    if on.runs and not on.device.several_applications:
        raise errors.SequenceError("a program runs already; end it first, see VendorAppExitedEvent")


class VendorApplication(Interface[devices.VendorApplication]):
    """The interface of devices that start local programs.

    Attributes:
        runs: how many programs run.
    """

    name: ClassVar[str] = "VendorApplication"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.runs = 0

    @handles(
        "VendorApplication.StartLocalApplication",
        checks=(
            application_exists,
            level_supported,
            device_ready,
            none_runs,
            step("client", "whether the client is known, or of this machine", "authorizationRequired"),
        ),
    )
    async def start_local_application(
        self, request: messages.StartLocalApplication, command: Command
    ) -> None:
        """`VendorApplication.StartLocalApplication` 2.0."""
        peer = command.peer
        if peer.identity == peer.address and not (peer.local or self.device.trusts_everyone):
            raise errors.AuthorizationRequired(
                "who starts programs must be known; come with a certificate or token, or from this machine"
            )
        name = _name(self, request)
        # Written first: no program runs that the journal does not have.
        await self.service.ledger.record(
            "application",
            (),
            command=command.name,
            request_id=command.request_id,
            identity=command.identity,
            detail={"application": name, "accessLevel": request.access_level},
        )
        # Before the device is asked: a short program may have ended before the call returns.
        self.runs += 1
        try:
            level = await self.ask(
                devices.VendorApplication.start_local_application, name, request.access_level
            )
        except BaseException:
            self.runs -= 1
            raise
        # It may have ended meanwhile; its level is then not active any more.
        if self.runs and level is not None:
            self.device.status.vendor_application.access_level = level

    def observe(self, event: Payload) -> None:
        """A program has ended: no level is active any more."""
        if isinstance(event, messages.VendorAppExitedEvent):
            self.runs = max(self.runs - 1, 0)
            if not self.runs:
                self.device.status.vendor_application.access_level = "notActive"

    @handles(
        "VendorApplication.GetActiveInterface",
        checks=(device_ready,),
        asks="active_interface",
        beside_queue=True,
    )
    async def get_active_interface(
        self, request: None, command: Command
    ) -> messages.GetActiveInterfaceCompletion:
        """`VendorApplication.GetActiveInterface` 2.0: not held up by a slow start."""
        return messages.GetActiveInterfaceCompletion(active_interface=await self._active())

    async def _active(self) -> devices.ActiveInterface:
        return await self.ask(devices.VendorApplication.active_interface)

    @handles("VendorApplication.SetActiveInterface", checks=(given("active_interface"), device_ready))
    async def set_active_interface(self, request: messages.SetActiveInterface, command: Command) -> None:
        """`VendorApplication.SetActiveInterface` 2.0: nothing is done and told if it is active already."""
        wanted = request.active_interface
        assert wanted is not None
        if devices.implements(self.device, "active_interface") and await self._active() == wanted:
            return
        await self.ask(devices.VendorApplication.set_active_interface, wanted)
        self.service.broadcast(messages.InterfaceChangedEvent(active_interface=wanted))
