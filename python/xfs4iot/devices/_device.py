"""What every device class has in common: opening, running, status, capabilities, events."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Annotated, Any, Protocol, Self

from msgspec import Meta

from xfs4iot.devices._operation import implements as implements
from xfs4iot.devices._operation import is_operation as is_operation
from xfs4iot.devices._operation import operation as operation
from xfs4iot.devices._parts import PART, Derivation, Part, Secrecy, stated_by
from xfs4iot.devices._told import DeviceCapabilities, DeviceStatus
from xfs4iot.devices.end_to_end_security import TokenUse
from xfs4iot.protocol import exact
from xfs4iot.protocol.message import Payload, SentEvent
from xfs4iot.protocol.messages import common
from xfs4iot.telling import logger
from xfs4iot.tokens import PresentReport

__all__ = ["CommandEvents", "Device"]

Nonce = Annotated[str, Meta(pattern=r"^[0-9A-F]{32}\Z|^[0-9]+\Z"), exact.Secret]


class CommandEvents(Protocol[SentEvent]):
    """What a device is given while it carries out a command: the way to report progress.

    `CommandEvents[ReadEvents]` sends the events of a command called Read, as the interface's module in
    `xfs4iot.protocol.command_events` lists them; a type checker refuses others.
    """

    @property
    def cancel_requested(self) -> bool:
        """Whether the client cancelled the command or its timeout ran out.

        Operations that move items are never torn out of their work; a device that can
        stop early looks here and returns what it has done so far.
        """

    def send(self, event: SentEvent) -> None:
        """Send one of the command's events, such as `StartDispenseEvent()`, to its client."""


class _Ledger(Protocol):
    """The service's ledger, as far as a device may reach it."""

    def vendor_data(self, name: str) -> bytes | None: ...

    async def put_vendor_data(self, name: str, value: bytes | None) -> None: ...


class _Host(Protocol):
    """The service, as far as a device may reach it."""

    @property
    def ledger(self) -> _Ledger: ...

    def device_event(self, event: Payload) -> None: ...


class Device:
    """One device: subclass the classes of the interfaces it has and override what it can do.

    What a class does not override does not exist on the wire. What it states in class attributes, or
    sets on the object before or in `open`, is reported to clients in `Common.Capabilities`.

    Attributes:
        name: the service's name, the last part of its URI.
        options: the device's own settings, from the configuration file.
        status: the payload of `Common.Status`, live. Setting an attribute of one of its
            parts is what sends `Common.StatusChangedEvent`. The parts of the device's own interfaces
            are always there.
        capabilities: the payload of `Common.Capabilities`; what follows from the class is filled in,
            what the class fills in itself stays.
        log: where the device writes what an operator should know.
        service_version, device_information, anti_fraud_module: see `Common.Capabilities`.
    """

    status: DeviceStatus
    capabilities: DeviceCapabilities

    service_version: str | None = None
    device_information: tuple[common.DeviceInformation, ...] = ()
    anti_fraud_module: bool = False

    def __init_subclass__(
        cls,
        *,
        messages: ModuleType | None = None,
        status: Mapping[str, Any] | None = None,
        capabilities: Mapping[str, str] | None = None,
        needs: tuple[tuple[str, ...], ...] = (),
        secret: Secrecy | None = None,
        in_vain: Mapping[str, tuple[str, ...]] | None = None,
        **others: Any,
    ) -> None:
        """Make a class that of an interface; for what the arguments mean see `devices/_parts.py`."""
        super().__init_subclass__(**others)
        if messages is not None:
            part = Part.of(messages, status or {}, capabilities or {}, needs, secret, in_vain)
            setattr(cls, PART, part)

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Give the object all that the framework needs of it, whatever its `__init__` does."""
        device = super().__new__(cls)
        # Through the class: a vendor's subclass may have a method of the same name.
        Device._prepare(device)
        return device

    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        self._derivation.initialised = True
        Device._set_up(self, name, options)

    def _prepare(self) -> None:
        self.status, self.capabilities = DeviceStatus(), DeviceCapabilities()
        self._derivation = Derivation(self)
        Device._set_up(self, type(self).__name__, None)

    def _set_up(self, name: str, options: Mapping[str, Any] | None) -> None:
        self.name = name
        self.options: Mapping[str, Any] = options or {}
        self.log = logger(f"xfs4iot.device.{name}")
        self._host: _Host | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        check = stated_by(type(self), name)
        if check is not None:
            # Through `__dict__`: while the object is being made, `_host` does not exist yet.
            if name == "status" and self.__dict__.get("_host") is not None:
                raise AttributeError("the service shows this status already: set the attributes of its parts")
            try:
                value = check(value)
            except exact.Mismatch as wrong:
                raise wrong.inside(name) from None
        super().__setattr__(name, value)

    async def open(self) -> None:
        """Connect to the hardware; called before the first client is served.

        Raise `DeviceNotReady` or `HardwareError` if it does not answer: the service then
        runs with that status and tries again. Ends with `status.common.device` set.
        """
        self.status.common.device = "online"

    async def run(self) -> None:
        """Watch the hardware for as long as the service lives; cancelled at the end."""

    async def close(self) -> None:
        """Let go of the hardware; called also when `open` never succeeded, or got half-way."""

    def send(self, event: Payload) -> None:
        """Send an unsolicited event, such as `ItemsTakenEvent(...)`, to every client."""
        if self._host is not None:
            self._host.device_event(event)

    def kept(self, name: str) -> bytes | None:
        """What the device has put away under this name with `keep`; None if there is nothing.

        Only in the device's own service, from `open` on.
        """
        return None if self._host is None else self._host.ledger.vendor_data(name)

    async def keep(self, name: str, value: bytes | None) -> None:
        """Put something of the device's own into the service's ledger; None forgets it.

        It is on the disk when this returns. Not for secrets: they are readable in the file.

        Raises:
            RuntimeError: the device is not part of a service yet; see `open`.
            LedgerUnavailable: it could not be written (an `InternalError`).
            ValueError: the name is not text, or the value not bytes.
        """
        exact.checked(str, name)
        exact.checked(bytes | None, value)
        if self._host is None:
            raise RuntimeError(f"device {self.name} belongs to no service yet: keep things from open() on")
        await self._host.ledger.put_vendor_data(name, value)

    @operation
    async def ledger_key(self) -> Annotated[bytes, Meta(min_length=32, max_length=32), exact.Secret]:
        """The key, 32 bytes, under which this device's secrets are sealed in the ledger.

        From where whoever steals the disk has no access to: a secure element, a TPM, an encrypting
        PIN pad. It must be the same at each start. The ledger never keeps it; a device without
        this operation keeps no secrets there.
        """
        raise NotImplementedError

    @operation
    async def set_transaction_state(self, state: str, transaction_id: str) -> None:
        """`Common.SetTransactionState`: learn that a customer transaction begins or ends."""

    @operation
    async def power_save_control(self, max_power_save_recovery_time: int) -> None:
        """`Common.PowerSaveControl`: save power, ready again within so many seconds; 0 wakes up."""

    @operation
    async def get_command_nonce(
        self,
    ) -> Annotated[str, Meta(pattern=r"^[0-9A-F]{32}\Z|^[0-9]+\Z"), exact.Secret]:
        """`Common.GetCommandNonce`: a fresh nonce, 32 upper-case hexadecimal digits.

        For a device that checks tokens itself: see `check_token`.
        """
        raise NotImplementedError

    @operation
    async def clear_command_nonce(self) -> None:
        """`Common.ClearCommandNonce`: forget the nonce; no token is accepted until the next."""

    @operation
    async def check_token(self, token: str, use: TokenUse) -> None:
        """Check a token in the device's own firmware, before anything moves.

        With `get_command_nonce` and `clear_command_nonce`, for a device that keeps nonce and
        key itself. It says what it does in `capabilities.common.end_to_end_security`, and sends
        `Common.NonceClearedEvent` when its nonce is gone.

        Raises:
            NoCommandNonce, InvalidToken, InvalidTokenNonce, InvalidTokenHMAC,
            InvalidTokenFormat, InvalidTokenKeyNoValue: it does not allow `use`.
        """

    @operation
    async def present_token(self, nonce: str, report: PresentReport) -> Annotated[str, exact.Secret]:
        """The response token of `CashDispenser.GetPresentStatus`, made in the device's own firmware.

        Args:
            nonce: of the client.
            report: what the service knows; the firmware may know better.
        """
        raise NotImplementedError

    @operation
    async def token_key(self, name: str) -> Annotated[bytes | None, exact.Secret]:
        """The key called `name` of the device's key store, for a service that checks tokens itself.

        Asked for whenever a token is to be checked, so that a key may be loaded or changed at
        any time; None while there is none.
        """
        raise NotImplementedError


setattr(
    Device,
    PART,
    Part(
        "common",
        common.StatusProperties,
        common.CapabilityProperties,
        {"device": "starting", "device_position": "unknown"},
        {},
    ),
)
