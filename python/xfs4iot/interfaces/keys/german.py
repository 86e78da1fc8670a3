"""German: the security module of an ATM in Germany, and its messages with hosts.

New in 2024-3. Every message to a host goes through SecureMsgSend and every answer through SecureMsgReceive,
as keys and numbers follow from them. Between the two the module belongs to the connection that sent: other
clients' messages, HSMInit and KeyManagement.Initialization end with `sequenceError`, until the answer has
come, the connection has ended, or `transaction_seconds` are over.

What the module keeps of a PIN from one `pinCmp` to the next belongs to the connection that sent it, and is
forgotten as the PIN would be: with its connection, after `pin_seconds`, at any Reset, MaintainPin false,
Initialization or HSMInit, and before another client compares PINs.

After anything that may change the terminal's data they are read again; a change is broadcast as
HSMTDataChangedEvent, before the completion. HSMInit `temp` sets when the online personalisation is due:
OPTRequiredEvent reports that once, even across restarts. Times are in the machine's local time.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.devices import HsmTerminalData, HsmTerminalSetting
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.keys.forgetting import Forgetting
from xfs4iot.interfaces.keys.held_pin import HeldPin
from xfs4iot.interfaces.keys.key_management import KeyManagement
from xfs4iot.interfaces.keys.keyboard import Keyboard
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import german as messages
from xfs4iot.server.command import Command, Connection
from xfs4iot.server.handler import Interface, check, handles, step
from xfs4iot.server.service import Service

__all__ = ["German"]

_DATA, _DUE = "German.data", "German.online_personalisation"
_LOOKED_AT_EACH = 60.0
_TIME = "%Y%m%d%H%M%S"
_PIN = step(
    "pin held",
    "whether a PIN is held that was entered on this connection, for `pinCmp`; for `genAs`, that none is "
    "held of another",
    "noPin",
)
_MINE = step("module free", "whether another client's exchange with a host goes on", "sequenceError")


def moment(text: str, where: str) -> datetime:
    """A time as the module has it.

    Raises:
        InvalidData: there is no such time.
    """
    try:
        # strptime is lenient: it also takes single digits where the format means two.
        if not text.isdecimal() or len(text) != 14:
            raise ValueError
        return datetime.strptime(text, _TIME)
    except ValueError:
        raise errors.InvalidData(f"{where}: give a time that exists, YYYYMMDDhhmmss") from None


@check("invalidData")
def something_set(on: German, request: messages.SetHSMTData | None) -> None:
    """whether there is something to be set"""
    if request is None or not (request.terminal_id or request.bank_code or request.online_date_and_time):
        raise errors.InvalidData("$: give terminalId, bankCode or onlineDateAndTime")


@check("invalidData")
def time_exists(on: German, request: messages.SetHSMTData) -> None:
    """whether `onlineDateAndTime` is a time that exists"""
    if request.online_date_and_time:
        moment(request.online_date_and_time, "$.onlineDateAndTime")


@check("invalidData")
def message_given(on: German, request: Any) -> None:
    """`msg`, unless the module makes it itself (`hsmLdi`)"""
    if not request.msg and request.protocol != "hsmLdi":
        raise errors.InvalidData("$.msg is missing; give the message, base64")


@check("invalidData")
def online_time_exists(on: German, request: messages.HSMInit) -> None:
    """whether `onlineTime` is a time that exists, or zeros"""
    if request.online_time and request.online_time.strip("0"):
        moment(request.online_time, "$.onlineTime")


class German(Interface[devices.German]):
    """The interface of the security module."""

    name: ClassVar[str] = "German"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._owner: Connection | None = None
        self._until = -math.inf
        self._timer = trio.CancelScope()
        self._known: HsmTerminalData | None = None
        self._comparing: Connection | None = None
        self._comparisons = 0
        self._forgetting = Forgetting(
            service,
            "the PIN that it compares",
            lambda: self.ask(devices.German.forget_compared_pin),
            lambda: self._comparing is not None,
        )

    async def start(self) -> None:
        """See what has changed meanwhile, and whether the online personalisation is due."""
        kept = self.service.ledger.document(_DATA)
        self._known = None if kept is None else msgspec.json.decode(kept, type=HsmTerminalData)
        if KeyManagement.name in self.service.interfaces:
            self.service.interface(KeyManagement).locks.append(self._exchange)
            self.service.interface(KeyManagement).ends.append(self._compare_no_more)
        if Keyboard.name in self.service.interfaces:
            self.service.interface(Keyboard).ends.append(self._compare_no_more)
        await self._look()
        due = self.service.ledger.document(_DUE)
        if due:
            self._wait_for(due.decode())

    async def reopened(self) -> None:
        """See what has changed meanwhile."""
        await self._look()

    def disconnected(self, connection: Connection) -> None:
        """An exchange, and a comparison of PINs, end with their connection."""
        if self._owner is connection:
            self._owner = None
        if self._comparing is connection:
            self.service.nursery.start_soon(self._compare_no_more)

    async def _compare_no_more(self) -> None:
        """Let the module overwrite the PIN that it keeps to compare it with the next."""
        if self._comparing is None:
            return
        self._comparing = None
        if devices.implements(self.device, "forget_compared_pin"):
            await self._forgetting()

    async def _begin_comparing(self, connection: Connection) -> None:
        """See that the module compares nothing with a PIN of another client."""
        foreign = self._comparing not in (None, connection) or self._forgetting.owed
        if foreign and devices.implements(self.device, "forget_compared_pin"):
            await self._forgetting.now()
        self._comparing = connection
        self._comparisons += 1
        self.service.nursery.start_soon(self._when_compared, self._comparisons)

    async def _when_compared(self, comparison: int) -> None:
        """Forget the PIN that is compared when its time is over."""
        await trio.sleep(self.service.interface(Keyboard).device.pin_seconds)
        # Another comparison since has a timer of its own.
        if comparison == self._comparisons:
            await self._compare_no_more()

    def _exchange(self) -> str | None:
        """What goes on with a host; None for nothing."""
        if self._owner is not None and trio.current_time() < self._until:
            return "an exchange of the security module with its host goes on; wait for SecureMsgReceive"
        return None

    def _require_free(self, command: Command) -> None:
        if (goes_on := self._exchange()) is not None and self._owner is not command.session:
            raise errors.SequenceError(goes_on)

    async def _look(self) -> None:
        """Tell all clients if the terminal's data have changed."""
        if not devices.implements(self.device, "get_hsmt_data"):
            return
        try:
            found = await self.ask(devices.German.get_hsmt_data)
        except errors.XfsError as fault:
            self.service.log.error("the security module does not tell its terminal's data: %s", fault)
            return
        if found == self._known:
            return
        # The very first look has nothing to compare with, and is no change to tell anybody about.
        was_known, self._known = self._known is not None, found
        await self.service.ledger.put_document(_DATA, msgspec.json.encode(found))
        if was_known:
            self.service.broadcast(messages.HSMTDataChangedEvent(**msgspec.structs.asdict(_told(found))))

    def _wait_for(self, due: str) -> None:
        self._timer.cancel()
        self._timer = trio.CancelScope()
        self.service.nursery.start_soon(self._when_due, due, self._timer)

    async def _when_due(self, due: str, timer: trio.CancelScope) -> None:
        """Say once that the online personalisation is due."""
        with timer:
            if due.strip("0"):
                # In steps: the clock may be put right meanwhile.
                while True:
                    left = seconds_until(due, datetime.now(UTC))
                    if left <= 0:
                        break
                    await trio.sleep(min(left, _LOOKED_AT_EACH))
            try:
                # Cleared before it is told: after a crash between the two it is not told a second time.
                await self.service.ledger.put_document(_DUE, b"")
            except errors.XfsError as fault:
                self.service.log.error("that the personalisation was due could not be kept: %s", fault)
            self.service.broadcast(messages.OPTRequiredEvent())

    @handles("German.GetHSMTData", checks=(device_ready,), asks="get_hsmt_data")
    async def get_hsmt_data(self, request: None, command: Command) -> messages.GetHSMTDataCompletion:
        """`German.GetHSMTData` 2.0, completion 1.0."""
        return _told(await self.ask(devices.German.get_hsmt_data))

    @handles(
        "German.SetHSMTData",
        checks=(something_set, time_exists, device_ready),
        device=("accessDenied", "hsmStateInvalid"),
        asks="set_hsmt_data",
    )
    async def set_hsmt_data(self, request: messages.SetHSMTData, command: Command) -> None:
        """`German.SetHSMTData` 1.0: what is not given stays."""
        data = HsmTerminalSetting(
            terminal_id=request.terminal_id or None,
            bank_code=request.bank_code or None,
            online_date_and_time=request.online_date_and_time or None,
        )
        await self.ask(devices.German.set_hsmt_data, data, moving=True)
        await self._look()

    @property
    def _pin(self) -> HeldPin | None:
        if Keyboard.name not in self.service.interfaces:
            return None
        return self.service.interface(Keyboard).pin

    @handles(
        "German.SecureMsgSend",
        checks=(given("protocol"), message_given, device_ready, _MINE, _PIN),
        device=(
            "accessDenied",
            "hsmStateInvalid",
            "protocolInvalid",
            "formatInvalid",
            "contentInvalid",
            "keyNotFound",
        ),
    )
    async def secure_msg_send(
        self, request: messages.SecureMsgSend, command: Command
    ) -> messages.SecureMsgSendCompletion:
        """`German.SecureMsgSend` 1.0: `genAs` and `pinCmp` use up a PIN."""
        self._require_free(command)
        pin = self._pin
        if request.protocol == "pinCmp":
            if pin is None:
                raise errors.CommandError("noPin", "the device has no keyboard, so that there is no PIN")
            pin.require(command.session)
            await self._begin_comparing(command.session)
        elif request.protocol == "genAs" and pin is not None:
            # A request to the host may have the PIN in it: never that of another client.
            if pin.is_held():
                pin.require(command.session)
            else:
                await self.service.interface(Keyboard).hold_none()
        msg = await self.ask(devices.German.secure_msg_send, request.protocol, request.msg, moving=True)
        # A `pinCmp` begins no exchange with a host, so no answer is to be waited for.
        # Nor is it from a client that has gone meanwhile: nobody would give the module free again.
        if request.protocol != "pinCmp" and self.service.is_connected(command.session):
            self._owner = command.session
            self._until = trio.current_time() + self.device.transaction_seconds
        if request.protocol == "pinCmp" and not self.service.is_connected(command.session):
            await self._compare_no_more()
        if pin is not None and request.protocol in ("genAs", "pinCmp") and pin.belongs_to(command.session):
            await self._use_up(pin)
        return messages.SecureMsgSendCompletion(msg=msg)

    async def _use_up(self, pin: HeldPin) -> None:
        if not pin.maintained:
            pin.gone()
            await self.service.interface(Keyboard).forget_pin()

    @handles(
        "German.SecureMsgReceive",
        checks=(given("protocol"), message_given, device_ready, _MINE),
        device=(
            "accessDenied",
            "hsmStateInvalid",
            "macInvalid",
            "protocolInvalid",
            "formatInvalid",
            "contentInvalid",
            "keyNotFound",
        ),
    )
    async def secure_msg_receive(self, request: messages.SecureMsgReceive, command: Command) -> None:
        """`German.SecureMsgReceive` 1.0: a good answer ends the exchange."""
        self._require_free(command)
        await self.ask(devices.German.secure_msg_receive, request.protocol, request.msg, moving=True)
        self._owner = None
        await self._look()

    @handles(
        "German.HSMInit",
        checks=(given("init_mode"), online_time_exists, device_ready, _MINE),
        device=("modeNotSupported", "hsmStateInvalid"),
        asks="hsm_init",
    )
    async def hsm_init(self, request: messages.HSMInit, command: Command) -> None:
        """`German.HSMInit` 1.0: `onlineTime` counts for `temp`; without it personalisation is due at once."""
        if (goes_on := self._exchange()) is not None:
            raise errors.SequenceError(goes_on)
        temporary = request.init_mode == "temp"
        online = request.online_time if temporary else None
        await self.ask(devices.German.hsm_init, request.init_mode, online, moving=True)
        await self._compare_no_more()
        due = (online or "0" * 14) if temporary else ""
        # Before the new time is kept: when the old one comes, it writes that there is none any more.
        self._timer.cancel()
        try:
            await self.service.ledger.put_document(_DUE, due.encode())
        finally:
            if due:
                self._wait_for(due)
        await self._look()


def seconds_until(due: str, now: datetime) -> float:
    """How long it is until a local time of the terminal, as the module has it."""
    local = moment(due, "due")
    try:
        return (local.astimezone() - now).total_seconds()
    except (OverflowError, OSError, ValueError):
        # So far away that the system's calendar does not know its zone: some hours do not matter.
        return (local - now.replace(tzinfo=None)).total_seconds()


def _told(data: HsmTerminalData) -> messages.GetHSMTDataCompletion:
    return messages.GetHSMTDataCompletion(
        terminal_id=data.terminal_id,
        bank_code=data.bank_code,
        online_date_and_time=data.online_date_and_time,
        zka_id=data.zka_id,
        hsm_status=data.hsm_status,
        hsm_manufacturer_id=data.hsm_manufacturer_id,
        hsm_serial_number=data.hsm_serial_number,
    )
