"""Common: what every service answers, whatever its device.

Status and Capabilities are answered at once from what the device class keeps in
`device.status` and `device.capabilities`; the device is not asked. Cancel reaches the
commands of its own connection only, and answers before they end. The transaction state
is kept in the ledger and handed to a device that wants to know it. Versions chosen by
SetVersions hold for the connection that chose them.
"""

from __future__ import annotations

from operator import attrgetter
from typing import ClassVar, TypeVar

import msgspec
import trio

from xfs4iot import __version__
from xfs4iot.devices import Device, implements
from xfs4iot.interfaces.checks import given
from xfs4iot.interfaces.common.end_to_end_security import CommandTokens
from xfs4iot.interfaces.power_management import recovery_time_given, save_power
from xfs4iot.ledger import Document
from xfs4iot.protocol import errors, exact, registry, versions, wire
from xfs4iot.protocol.messages import common as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, check, handles, step
from xfs4iot.server.service import Service

__all__ = ["Common"]

has_nonces = attrgetter("tokens.offers_nonces")

_TRANSACTION = Document("Common.transaction", messages.GetTransactionStateCompletion)

_Stated = TypeVar("_Stated", messages.StatusCompletion, messages.CapabilitiesCompletion)


@check("invalidData")
def version_chosen(on: Common, request: messages.SetVersions) -> None:
    """`commands` or `events`"""
    if not request.commands and not request.events:
        raise errors.InvalidData("no version was chosen; name a command or an event with its major version")


@check("invalidData")
def transaction_named(on: Common, request: messages.SetTransactionState) -> None:
    """`transactionID`, for an active transaction"""
    if request.state == "active" and not request.transaction_id:
        raise errors.InvalidData("$.transactionID is missing; an active transaction needs one")


class Common(Interface[Device]):
    """The interface of every service."""

    name: ClassVar[str] = "Common"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.tokens = CommandTokens(self)
        self._transaction = messages.GetTransactionStateCompletion(state="inactive")
        self._setting_transaction = trio.Lock()
        self._status: bytes | None = None
        self._status_serial = -1
        self._status_in: dict[str, bytes | None] = {}
        self._capabilities: bytes | None = None
        self._derived = 0

    async def start(self) -> None:
        """Recall the transaction state and the nonce."""
        await self.tokens.start()
        self._transaction = _TRANSACTION.of(self.service.ledger) or self._transaction

    async def reopened(self) -> None:
        """The device may have learnt only now what it can do."""
        self._capabilities = None
        await self.tokens.start()

    @property
    def transaction_active(self) -> bool:
        """Whether a customer transaction is active, as last set."""
        return self._transaction.state == "active"

    def everyday_status(self, payload: bytes | None, specification: str) -> bytes | None:
        """`Common.Status` of a client that says nothing more, as it was written last; None after a change."""
        if self._status_serial != self.service.status_serial or (payload != b"{}" and payload is not None):
            return None
        written = self._status_in.get(specification)
        if written is None:
            written = versions.adapt_completion("Common.Status", self._status, specification)
            self._status_in[specification] = written
        return written

    @handles("Common.Status", everyday=everyday_status)
    def status(self, request: None, command: Command) -> bytes:
        """`Common.Status` 2.0, completion 3.0: the live status, written anew only after a change."""
        if self._status is None or self._status_serial != self.service.status_serial:
            self._status = self._written_status()
            self._status_in.clear()
            self._status_serial = self.service.status_serial
        return self._status

    def _written_status(self) -> bytes:
        """The status; without those of its parts that are not the standard's.

        Attributes cannot be set to what is not, but a list that is changed in place has no such guard.
        """
        try:
            written = wire.encode(self.device.status)
            wire.decode(messages.StatusCompletion, written)
            return written
        except Exception:
            status = self._sound(self.device.status, "status")
            if status.common is None:
                status.common = messages.StatusProperties(device="hardwareError", device_position="unknown")
            return wire.encode(status)

    def _sound(self, stated: _Stated, name: str) -> _Stated:
        sound, problems = exact.sound(stated)
        for wrong in problems:
            self.service.log.error(
                "the device class is wrong about its %s, which is left out: %s", name, wrong
            )
        return sound

    @handles("Common.Capabilities")
    def capabilities(self, request: None, command: Command) -> bytes:
        """`Common.Capabilities` 2.0, completion 3.0: also each message in each version served."""
        derived = self.device._derivation.serial
        if self._capabilities is None or self._derived != derived:
            self._derived = derived
            device = self._sound(self.device.capabilities, "capabilities")
            stated = device.common or messages.CapabilityProperties()
            model = messages.DeviceInformation(model_name=type(self.device).__name__)
            common = msgspec.structs.replace(
                stated,
                # Clients that are built on the schemas want both of every service.
                service_version=stated.service_version or f"xfs4iot {__version__}",
                device_information=stated.device_information or [model],
                end_to_end_security=self.tokens.capability(),
            )
            offered = msgspec.structs.replace(device, interfaces=self._interfaces(), common=common)
            self._capabilities = wire.encode(offered)
        return self._capabilities

    def _interfaces(self) -> list[messages.Interface]:
        listed = []
        for name, interface in self.service.interfaces.items():
            commands = interface.handlers()
            events = {event for entry in commands.values() for event in entry.entry.events}
            events |= set(registry.unsolicited_events(name))
            listed.append(
                messages.Interface(
                    # The standard has no name for an extension; its commands say whose they are.
                    name=None if versions.is_extension(name) else name,  # type: ignore[arg-type]
                    commands={
                        command: messages.InterfaceCommands(versions=versions.served(command))
                        for command in commands
                    },
                    events={
                        event: messages.InterfaceEvents(versions=versions.served(event))
                        for event in sorted(events)
                        if event.startswith(f"{name}.")
                    }
                    or None,
                    maximum_requests=self.service.queue_limit,
                )
            )
        return listed

    @handles(
        "Common.SetVersions",
        checks=(version_chosen, step("versions", "whether these versions are served here", "invalidData")),
    )
    def set_versions(self, request: messages.SetVersions, command: Command) -> None:
        """`Common.SetVersions` 2.0: major versions for this connection."""
        session = command.session
        session.versions.set_versions(request.commands or {}, request.events or {}, command.version)

    @handles(
        "Common.Cancel",
        checks=(
            step(
                "requests",
                "whether one of the requests named is open on this connection",
                "noMatchingRequestIDs",
            ),
        ),
    )
    def cancel(self, request: messages.Cancel, command: Command) -> None:
        """`Common.Cancel` 2.0: end commands of this connection; answers before they end."""
        targets = self.service.find(command.session, request.request_ids)
        if not targets and request.request_ids is not None:
            raise errors.CommandError(
                "noMatchingRequestIDs",
                f"no command of this connection with an id of {request.request_ids} is queued or running",
            )
        # In this order: the client learns that its cancel was taken before the commands end.
        command.complete(None)
        for target in targets:
            target.cancel()

    @handles("Common.PowerSaveControl", checks=(recovery_time_given,))
    async def power_save_control(self, request: messages.PowerSaveControl, command: Command) -> None:
        """`Common.PowerSaveControl` (2023-2; in 2024-3 the interface PowerManagement has it too)."""
        await save_power(self, request)

    @handles(
        "Common.SetTransactionState", checks=(given("state"), transaction_named), asks=None, beside_queue=True
    )
    async def set_transaction_state(self, request: messages.SetTransactionState, command: Command) -> None:
        """`Common.SetTransactionState` 2.0: begin or end a customer transaction."""
        assert request.state is not None
        # One after the other, or device, ledger and memory might each end with the state of another client.
        async with self._setting_transaction:
            transaction = messages.GetTransactionStateCompletion(
                state=request.state, transaction_id=request.transaction_id
            )
            # Nor with another than the device has, if the client gives up between the two.
            with trio.CancelScope(shield=True):
                if implements(self.device, "set_transaction_state"):
                    await self.ask(
                        Device.set_transaction_state,
                        request.state,
                        request.transaction_id or "",
                    )
                await self.service.ledger.put_document(_TRANSACTION.name, wire.encode(transaction))
                self._transaction = transaction

    @handles("Common.GetTransactionState")
    def get_transaction_state(
        self, request: None, command: Command
    ) -> messages.GetTransactionStateCompletion:
        """`Common.GetTransactionState` 2.0: as last set, also before a restart."""
        return self._transaction

    @handles(
        "Common.GetCommandNonce", asks=None, offered=attrgetter("tokens.offers_nonces"), beside_queue=True
    )
    async def get_command_nonce(self, request: None, command: Command) -> messages.GetCommandNonceCompletion:
        """`Common.GetCommandNonce` 2.0: a fresh nonce for the next token; the one before is gone."""
        if self.tokens.checks_here:
            nonce = await self.tokens.new_nonce()
        else:
            nonce = await self.ask(Device.get_command_nonce)
        return messages.GetCommandNonceCompletion(command_nonce=nonce)

    @handles(
        "Common.ClearCommandNonce", asks=None, offered=attrgetter("tokens.offers_nonces"), beside_queue=True
    )
    async def clear_command_nonce(self, request: None, command: Command) -> None:
        """`Common.ClearCommandNonce` 2.0: no token is accepted until the next nonce."""
        if self.tokens.checks_here:
            await self.tokens.clear_nonce()
        else:
            await self.ask(Device.clear_command_nonce)
