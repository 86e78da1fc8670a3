"""VendorMode: applications let go of the devices, and an engineer takes them over.

    inactive ──EnterModeRequest──▶ enterPending ──all acknowledged──▶ active
       ▲ │                             │ failed, given up                │ ▲
       │ └◀────────────────────────────┘                                 │ │
       │                                     failed, given up            │ │
       │                                   ┌───────────────────────▶─────┼─┘
       └──all acknowledged── exitPending ──┘◀──────ExitModeRequest───────┘

Whoever registered before a request is asked and waited for; so is the requester, if it is registered. A
connection that ends no longer uses any device, which counts as an acknowledgement. After the last one the
device is asked, once, and then everyone is told. A transition that takes longer than the device class
allows is given up, or carried through if `force_entry` says so; the change of the status back to where it
came from is what tells those who had acknowledged.

Acknowledgements never wait in the queue, nor does a request: a transition runs beside it. The mode that was
reached is kept: after a restart it is the same, while a pending transition is forgotten. Registrations
are their connections', and end with them.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import trio

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.interfaces.checks import given
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import common
from xfs4iot.protocol.messages import vendor_mode as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, check, handles
from xfs4iot.server.peer import Peer
from xfs4iot.server.service import Recipient, Service

__all__ = ["VendorMode"]

State = Literal["inactive", "enterPending", "active", "exitPending"]

_DOCUMENT = "VendorMode.mode"
_LONGEST_NAME = 256


@dataclass(frozen=True)
class _Way:
    """A transition: from where, through what, to where, and who is asked and told.

    Attributes:
        operation: of the device.
    """

    begins: State
    pending: State
    ends: State
    asks: type[messages.EnterModeRequestEvent | messages.ExitModeRequestEvent]
    operation: str


_ENTER = _Way("inactive", "enterPending", "active", messages.EnterModeRequestEvent, "enter_vendor_mode")
_EXIT = _Way("active", "exitPending", "inactive", messages.ExitModeRequestEvent, "exit_vendor_mode")


class _Pending:
    """A transition under way: who has still to acknowledge."""

    def __init__(self, way: _Way, waiting: set[Recipient]) -> None:
        self.way = way
        self.waiting = waiting
        self.all_answered = trio.Event()
        self.answered()

    def answered(self) -> None:
        """See whether anyone is still waited for."""
        if not self.waiting:
            self.all_answered.set()


def _in_state(on: VendorMode, state: State) -> None:
    if on.device.status.vendor_mode.service != state:
        raise errors.SequenceError(
            f"the mode is {on.device.status.vendor_mode.service}, not {state}; see Common.Status"
        )


@check("sequenceError")
def inactive(on: VendorMode, request: None) -> None:
    """whether the mode is `inactive`"""
    _in_state(on, "inactive")


@check("sequenceError")
def active(on: VendorMode, request: None) -> None:
    """whether the mode is `active`"""
    _in_state(on, "active")


@check("sequenceError")
def enter_pending(on: VendorMode, request: None) -> None:
    """whether the mode is `enterPending`"""
    _in_state(on, "enterPending")


@check("sequenceError")
def exit_pending(on: VendorMode, request: None) -> None:
    """whether the mode is `exitPending`"""
    _in_state(on, "exitPending")


@check("invalidData")
def name_usable(on: VendorMode, request: messages.Register) -> None:
    """whether the name has from 1 to 256 characters"""
    if not 1 <= len((request.app_name or "").strip()) <= _LONGEST_NAME:
        raise errors.InvalidData(f"$.appName: give a name of 1 to {_LONGEST_NAME} characters")


class VendorMode(Interface[devices.VendorMode]):
    """The interface of an ATM's vendor mode."""

    name: ClassVar[str] = "VendorMode"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._registered: dict[Recipient, str] = {}
        self._pending: _Pending | None = None
        self._requester: Peer | None = None

    async def start(self) -> None:
        """Come back in the mode that was reached last."""
        if self.service.ledger.document(_DOCUMENT) == b"active":
            self.device.status.vendor_mode.service = "active"
            self.service.log.warning("vendor mode is still active; see VendorMode.ExitModeRequest")

    @handles("VendorMode.Register", checks=(given("app_name"), name_usable))
    def register(self, request: messages.Register, command: Command) -> None:
        """`VendorMode.Register` 2.0: from the next request on it is asked; again: another name."""
        assert request.app_name is not None
        self.join(command.session, request.app_name)

    def join(self, application: Recipient, name: str) -> None:
        """Ask an application from the next request on, and wait for it."""
        self._registered[application] = name

    @handles("VendorMode.EnterModeRequest", checks=(inactive,), beside_queue=True)
    async def enter_mode_request(self, request: None, command: Command) -> None:
        """`VendorMode.EnterModeRequest` 2.0."""
        await self._request(_ENTER, command)

    @handles("VendorMode.EnterModeAcknowledge", checks=(enter_pending,))
    def enter_mode_acknowledge(self, request: None, command: Command) -> None:
        """`VendorMode.EnterModeAcknowledge` 2.0; from one that was not asked it changes nothing."""
        self.acknowledged(command.session)

    @handles("VendorMode.ExitModeRequest", checks=(active,), beside_queue=True)
    async def exit_mode_request(self, request: None, command: Command) -> None:
        """`VendorMode.ExitModeRequest` 2.0."""
        await self._request(_EXIT, command)

    @handles("VendorMode.ExitModeAcknowledge", checks=(exit_pending,))
    def exit_mode_acknowledge(self, request: None, command: Command) -> None:
        """`VendorMode.ExitModeAcknowledge` 2.0."""
        self.acknowledged(command.session)

    def disconnected(self, connection: Recipient) -> None:
        """A connection that ended is no longer registered, nor waited for."""
        self._registered.pop(connection, None)
        self.acknowledged(connection)

    def acknowledged(self, application: Recipient) -> None:
        """An application has let go of the devices, or knows that it may use them again."""
        if self._pending is not None:
            self._pending.waiting.discard(application)
            self._pending.answered()

    async def _request(self, way: _Way, command: Command) -> None:
        """Begin a transition, and wait for its end if the device class holds requests."""
        # Nothing is awaited between the check of the state and this, so two requests cannot both begin.
        self._pending = pending = _Pending(way, set(self._registered))
        self.device.status.vendor_mode.service = way.pending
        for application in list(self._registered):
            self.service.send_to(application, way.asks())
        if way is _ENTER:
            self._requester = command.peer
        if self.device.hold_requests:
            await self._carry_out(pending, command)
        else:
            self.service.nursery.start_soon(self._carry_out_alone, pending, command)

    async def _carry_out_alone(self, pending: _Pending, command: Command) -> None:
        """A transition whose request has completed: what goes wrong is reported by an event."""
        try:
            await self._carry_out(pending, command)
        except errors.XfsError as fault:
            self.service.log.error("%s came to nothing: %s", command.name, fault)
            hardware = isinstance(fault, errors.HardwareError | errors.DeviceNotReady)
            self.service.broadcast(
                common.ErrorEvent(
                    event_id="hardware" if hardware else "software",
                    action="maintenance",
                    vendor_description=f"{command.name}: {fault}",
                )
            )

    async def _carry_out(self, pending: _Pending, command: Command) -> None:
        """Wait for everyone, ask the device, keep the mode and tell it; or go back.

        Raises:
            TimeOut: not everyone has acknowledged in time.
            XfsError: of the device, or of the ledger.
        """
        way = pending.way
        try:
            await self._wait_for_everyone(pending)
            if devices.implements(self.device, way.operation):
                await self._ask_device(way)
            await self.service.ledger.record(
                "vendorMode",
                (),
                command=command.name,
                request_id=command.request_id,
                identity=command.identity,
                documents={_DOCUMENT: way.ends.encode()},
            )
        # A cancel as well: a pending mode that nobody carries on would refuse every later request.
        except BaseException:
            self._pending = None
            self.device.status.vendor_mode.service = way.begins
            raise
        self._pending = None
        self.device.status.vendor_mode.service = way.ends
        if way is _ENTER:
            self.service.broadcast(messages.ModeEnteredEvent())
        else:
            self._requester = None
            names = list(dict.fromkeys(self._registered.values()))
            self.service.broadcast(messages.ModeExitedEvent(connected_applications=names))

    async def _wait_for_everyone(self, pending: _Pending) -> None:
        seconds = self.device.acknowledge_seconds
        with trio.move_on_after(seconds if seconds > 0 else float("inf")):
            await pending.all_answered.wait()
        # The event decides, not the scope: the last may have acknowledged just as the time ran out.
        if pending.all_answered.is_set():
            return
        names = ", ".join(sorted(self._registered.get(one, "?") for one in pending.waiting))
        if pending.way is _ENTER and self.device.force_entry:
            self.service.log.warning("vendor mode is entered without the acknowledgement of %s", names)
            return
        raise errors.TimeOut(f"{names} did not acknowledge within {seconds:g} s; end them, then ask again")

    async def _ask_device(self, way: _Way) -> None:
        operation = getattr(devices.VendorMode, way.operation)
        try:
            await self.ask(operation)
        except errors.DeviceNotReady:
            self.device.status.vendor_mode.device = "offline"
            raise
        self.device.status.vendor_mode.device = "online"

    def admit(self, peer: Peer, command: str) -> None:
        """Refuse what moves a device of another service while an engineer is at work.

        Raises:
            SequenceError: the mode is active, and this client is not the engineer's.
        """
        if self.device.status.vendor_mode.service != "active" or peer.identity in self.device.engineers:
            return
        requester = self._requester
        if requester is not None and _same_client(requester, peer):
            return
        raise errors.SequenceError(
            f"{command} is refused while vendor mode is active; see VendorMode.ExitModeRequest"
        )


def _same_client(one: Peer, other: Peer) -> bool:
    """Whether two connections are of one client; without certificate or token the host must do."""
    if one.identity == one.address and other.identity == other.address:
        # Without the port, which is another for each connection.
        return one.address.rpartition(":")[0] == other.address.rpartition(":")[0]
    return one.identity == other.identity
