"""PinPad: what a vendor writes for the PIN of an encrypting PIN pad, beside KeyManagement and Keyboard.

class MyPad(devices.KeyManagement, devices.Keyboard, devices.PinPad):
    pin_formats = frozenset({"iso0", "iso4"})
    pin_blocks = {("P0", "T", "E"): frozenset({"ecb"}), ("P0", "A", "E"): frozenset({"ecb"})}

    async def get_pin_block(self, request, events):
        return await self.pad.pin_block(request.format, request.key, request.customer_data)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import CommandEvents, Device
from xfs4iot.devices._keys import DecryptMethod, KeyBytes, KeyKind, nested
from xfs4iot.devices._operation import operation
from xfs4iot.devices._parts import derived
from xfs4iot.protocol.command_events.pin_pad import GetPinBlockEvents
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.messages import pin_pad as messages

__all__ = [
    "LocalDesRequest",
    "LocalVisaRequest",
    "PciPtsDeviceId",
    "PinBlockRequest",
    "PinFormat",
    "PinPad",
    "PresentIdcRequest",
    "PresentedPin",
]

PinFormat = Literal[
    "ibm3624",
    "ansi",
    "iso0",
    "iso1",
    "eci2",
    "eci3",
    "visa",
    "diebold",
    "dieboldCo",
    "visa3",
    "banksys",
    "emv",
    "iso3",
    "ap",
    "iso4",
]


@dataclass(frozen=True, kw_only=True)
class PinBlockRequest:
    """A request for a PIN block.

    Attributes:
        format: of it.
        customer_data: what it is bound to, as the format needs it; of a PAN the 12 right-most digits without
            the check digit, but all of it for `iso4`; "" for nothing.
        padding: the digit that fills it up, of formats that have one.
        key: that encrypts it.
        method: how; None: as the format says.
        second_key: that encrypts it once more; None for none.
        xor_data: that is exclusive-ored between the two; b"" for nothing.
    """

    format: PinFormat
    customer_data: str = field(default="", repr=False)
    padding: Annotated[int, Meta(ge=0, le=15)] = 15
    key: str
    method: DecryptMethod | None = None
    second_key: str | None = None
    xor_data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class LocalDesRequest:
    """A PIN to be verified as IBM 3624 says.

    Attributes:
        key: that makes the PIN from the validation data.
        validation_data: 16 digits.
        offset: decimal digits; "" for none.
        padding: the byte that fills the validation data up.
        max_pin: how many digits of the PIN are looked at.
        val_digits: how many of these, from the right, are compared.
        no_leading_zero: a first digit 0 counts as 1.
        dec_table: the digit for each of the 16 hexadecimal ones.
    """

    key: str
    validation_data: str = field(repr=False)
    offset: str = field(repr=False)
    padding: str = field(repr=False)
    max_pin: Annotated[int, Meta(ge=1)]
    val_digits: Annotated[int, Meta(ge=1)]
    no_leading_zero: bool
    dec_table: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class LocalVisaRequest:
    """A PIN to be verified by its PVV.

    Attributes:
        key: that makes the PVV.
        account: the 11 right-most digits of the PAN, without its check digit.
        key_index: one digit.
        pvv: its first 4 digits are compared.
    """

    key: str
    account: str = field(repr=False)
    key_index: str
    pvv: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class PresentIdcRequest:
    """A PIN to be given to a chip.

    Attributes:
        protocol: of the chip.
        chip_data: the command, into which the PIN goes.
        pin_pointer: byte of it where the PIN begins.
        pin_offset: bit of this byte.
    """

    protocol: str
    chip_data: bytes = field(repr=False)
    pin_pointer: Annotated[int, Meta(ge=0)]
    pin_offset: Annotated[int, Meta(ge=0)]


@dataclass(frozen=True)
class PresentedPin:
    """What a chip answered to a PIN.

    Attributes:
        protocol: of the chip.
        chip_data: its answer.
    """

    protocol: str
    chip_data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class PciPtsDeviceId:
    """The PCI PTS approval of the device; None for what it does not report."""

    manufacturer_identifier: str | None = None
    model_identifier: str | None = None
    hardware_identifier: str | None = None
    firmware_identifier: str | None = None
    application_identifier: str | None = None


def _pin_block_attributes(device: PinPad) -> object:
    method = messages.CapabilitiesPinBlockAttributesCryptoMethod
    return nested(
        {
            kind: messages.CapabilitiesPinBlockAttributes(crypto_method=flags(method, methods))
            for kind, methods in device.pin_blocks.items()
        }
    )


class PinPad(
    Device,
    messages=messages,
    secret="pins",
    capabilities={"pin_block_attributes": "pin_block_attributes_told"},
    in_vain={
        "pin_formats": ("get_pin_block",),
        "pin_blocks": ("get_pin_block",),
        "presentation_algorithms": ("present_idc",),
        "validation_algorithms": ("local_des", "local_visa"),
        "pin_can_persist_after_use": ("maintain_pin",),
        "set_pinblock_data_required": ("set_pin_block_data",),
    },
):
    """A PIN pad. Override what it has.

    Attributes:
        pin_formats: of PIN blocks.
        pin_blocks: the kinds of keys that encrypt PIN blocks, and how; no method where the format says it.
        presentation_algorithms: `presentClear`, for chips.
        display: `none`, `ledThrough` or `display`.
        idc_connect: the PIN pad is connected to the card reader.
        validation_algorithms: `des`, `visa`.
        pin_can_persist_after_use: a PIN can be kept after it was used.
        type_combined: keyboard and display are one screen.
        set_pinblock_data_required: the device must know what a PIN is for before it is entered.
        max_verifications: how often one PIN is verified, also by a chip; more would let a host find it out.
    """

    pin_formats: frozenset[PinFormat] = frozenset()
    pin_blocks: Mapping[KeyKind, frozenset[DecryptMethod]] = {}
    presentation_algorithms: frozenset[Literal["presentClear"]] = frozenset()
    display: frozenset[Literal["none", "ledThrough", "display"]] = frozenset({"none"})
    idc_connect: bool = False
    validation_algorithms: frozenset[Literal["des", "visa"]] = frozenset()
    pin_can_persist_after_use: bool = False
    type_combined: bool = False
    set_pinblock_data_required: bool = False
    max_verifications: Annotated[int, Meta(ge=1)] = 3
    pin_block_attributes_told: object = derived(_pin_block_attributes)

    @operation
    async def get_pin_block(
        self, request: PinBlockRequest, events: CommandEvents[GetPinBlockEvents]
    ) -> KeyBytes:
        """`PinPad.GetPinBlock`: the block of the PIN that is held.

        A DUKPT key sends `KeyManagement.DUKPTKSNEvent` by `events`.

        Raises:
            CommandError: `noPin`, also if the PIN is too short for the format; `formatNotSupported` if it
                is too long; `invalidKeyLength`, `dukptOverflow`, `accessDenied`.
        """
        raise NotImplementedError

    @operation
    async def set_pin_block_data(self, request: PinBlockRequest) -> None:
        """`PinPad.SetPinBlockData`: what the PIN will be for that is entered next.

        Raises:
            CommandError: `accessDenied`, `invalidKeyLength`.
        """
        raise NotImplementedError

    @operation
    async def local_des(self, request: LocalDesRequest) -> bool:
        """`PinPad.LocalDES`: whether the PIN is that of the validation data, by IBM 3624.

        Raises:
            CommandError: `noPin`, `invalidKeyLength`, `accessDenied`.
        """
        raise NotImplementedError

    @operation
    async def local_visa(self, request: LocalVisaRequest) -> bool:
        """`PinPad.LocalVisa`: whether the PIN is that of the PVV.

        Raises:
            CommandError: `noPin`, `invalidKeyLength`, `accessDenied`.
        """
        raise NotImplementedError

    @operation
    async def present_idc(self, request: PresentIdcRequest) -> PresentedPin:
        """`PinPad.PresentIDC`: give the PIN to the chip in the card reader.

        Raises:
            CommandError: `noPin`, `protocolNotSupported`, `invalidData`, `accessDenied`.
        """
        raise NotImplementedError

    @operation
    async def maintain_pin(self, maintain: bool) -> None:
        """`PinPad.MaintainPin`: keep a PIN after it was used, or no longer."""

    @operation
    async def reset_pin_pad(self) -> None:
        """`PinPad.Reset`: come to a known state; a PIN is gone."""

    @operation
    async def get_query_pcipts_device_id(self) -> PciPtsDeviceId:
        """`PinPad.GetQueryPCIPTSDeviceId`: what approval the device has."""
        raise NotImplementedError
