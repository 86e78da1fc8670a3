"""German: what a vendor writes for the security module of an ATM in Germany (DK), beside KeyManagement.

class MyModule(devices.KeyManagement, devices.Keyboard, devices.PinPad, devices.German):
    hsm_vendor = "ACME"

    async def get_hsmt_data(self):
        return devices.HsmTerminalData(terminal_id="00012345", hsm_status=5)
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import Device
from xfs4iot.devices._operation import operation
from xfs4iot.protocol import exact
from xfs4iot.protocol.messages import german as messages

__all__ = [
    "German",
    "HsmInitMode",
    "HsmTerminalData",
    "HsmTerminalSetting",
    "ReceiveProtocol",
    "SendProtocol",
]

HsmInitMode = Literal["temp", "definite", "irreversible"]
SendProtocol = Literal["isoPs", "rawData", "hsmLdi", "genAs", "pinCmp"]
ReceiveProtocol = Literal["isoPs", "rawData", "genAs"]
Digits8 = Annotated[str, Meta(pattern=r"^[0-9]{8}\Z")]
OnlineTime = Annotated[str, Meta(pattern=r"^20[0-9]{12}\Z")]


@dataclass(frozen=True, kw_only=True)
class HsmTerminalData:
    """What the module knows about its terminal; None for what it does not say.

    Attributes:
        terminal_id: 8 digits.
        bank_code: 8 digits.
        online_date_and_time: `YYYYMMDDhhmmss`.
        zka_id: 16 characters.
        hsm_status: 1 irreversibly out of order, 2 out of order, 3 not pre-initialised, 4 pre-initialised, 5
            personalised.
        hsm_manufacturer_id: 6 characters or more.
        hsm_serial_number: 10 characters.
    """

    terminal_id: Digits8 | None = None
    bank_code: Digits8 | None = None
    online_date_and_time: OnlineTime | None = None
    zka_id: Annotated[str, Meta(min_length=16, max_length=16)] | None = None
    hsm_status: Annotated[int, Meta(ge=1, le=5)] | None = None
    hsm_manufacturer_id: Annotated[str, Meta(min_length=6)] | None = None
    hsm_serial_number: Annotated[str, Meta(min_length=10, max_length=10)] | None = None


@dataclass(frozen=True, kw_only=True)
class HsmTerminalSetting:
    """The terminal data to set; None leaves a value as it is. The module ignores what it does not have."""

    terminal_id: Digits8 | None = None
    bank_code: Digits8 | None = None
    online_date_and_time: OnlineTime | None = field(default=None)


class German(Device, messages=messages, secret="pins"):
    """A security module as the Deutsche Kreditwirtschaft defines it. Override what it has.

    Attributes:
        hsm_vendor: who made it.
        transaction_seconds: how long an exchange with a host may take before others get their turn.
    """

    hsm_vendor: str | None = None
    transaction_seconds: Annotated[float, Meta(gt=0)] = 120

    @operation
    async def get_hsmt_data(self) -> HsmTerminalData:
        """`German.GetHSMTData`: asked also before and after what may change it; changes are told to
        clients."""
        raise NotImplementedError

    @operation
    async def set_hsmt_data(self, data: HsmTerminalSetting) -> None:
        """`German.SetHSMTData`.

        Raises:
            CommandError: `accessDenied`, `hsmStateInvalid`.
        """
        raise NotImplementedError

    @operation
    async def secure_msg_send(
        self, protocol: SendProtocol, msg: bytes | None
    ) -> Annotated[bytes, exact.Secret]:
        """`German.SecureMsgSend`: give a message for the host its security.

        Raises:
            CommandError: any of the command's.
        """
        raise NotImplementedError

    @operation
    async def forget_compared_pin(self) -> None:
        """Overwrite the PIN that `pinCmp` keeps until the next is compared with it, if there is one.

        Asked for when its client is gone, its time is over, another client compares PINs, and at resets and
        initializations.
        """

    @operation
    async def secure_msg_receive(self, protocol: ReceiveProtocol, msg: bytes) -> None:
        """`German.SecureMsgReceive`: look at a message of the host.

        Raises:
            CommandError: any of the command's.
        """
        raise NotImplementedError

    @operation
    async def hsm_init(self, mode: HsmInitMode, online_time: str | None) -> None:
        """`German.HSMInit`: take the module out of service.

        Raises:
            CommandError: `modeNotSupported`, `hsmStateInvalid`.
        """
        raise NotImplementedError
