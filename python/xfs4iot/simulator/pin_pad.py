"""A simulated PIN pad: makes PIN blocks, verifies PINs, and gives them to a chip."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar

from cryptography.hazmat.primitives.constant_time import bytes_eq
from msgspec import Meta

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import (
    CommandEvents,
    KeyKind,
    LocalDesRequest,
    LocalVisaRequest,
    PciPtsDeviceId,
    PinBlockRequest,
    PinFormat,
    PresentedPin,
    PresentIdcRequest,
)
from xfs4iot.interfaces.keys.purposes import DUKPT, ENCRYPT_PIN, VERIFY_PIN_DES, VERIFY_PIN_VISA
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.pin_pad import GetPinBlockEvents
from xfs4iot.protocol.messages import key_management
from xfs4iot.simulator.faults import Fault
from xfs4iot.simulator.secure_device import SecureDevice
from xfs4iot.simulator.secure_part import ciphers, pin_blocks, rsa_keys
from xfs4iot.simulator.secure_part.store import Held

__all__ = ["SimulatedPinPad"]

_ECB = frozenset({"ecb"})
_TRIES = 3
_VERIFY, _HEAD = b"\0\x20", 5
"""How the command to verify a PIN begins (ISO/IEC 7816-4), and where its data lie."""


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What a profile may say of a PIN pad.

    Attributes:
        set_pinblock_data_required: it must know what a PIN is for before it is entered.
        card_pin: of the card whose chip PINs are given to.
    """

    set_pinblock_data_required: bool = False
    card_pin: Annotated[str, Meta(pattern="^[0-9]{4,12}$")] = "1234"


class SimulatedPinPad(SecureDevice, devices.PinPad):
    """PIN blocks and PIN verification."""

    Settings = _Settings
    FAULTS: ClassVar = {
        "pinLost": Fault("once", "the PIN is gone before it is used next, as by a loss of power"),
    }
    pin_formats: frozenset[PinFormat] = frozenset(pin_blocks.PIN_DIGITS)  # type: ignore[arg-type]
    pin_blocks: Mapping[KeyKind, Any] = {
        ("P0", "T", "E"): _ECB,
        ("P0", "T", "B"): _ECB,
        ("P0", "A", "E"): _ECB,
        ("P0", "A", "B"): _ECB,
        ("B0", "T", "X"): _ECB,
        ("B1", "T", "X"): _ECB,
        ("B0", "A", "X"): _ECB,
        ("B1", "A", "X"): _ECB,
        ("E7", "R", "E"): frozenset(),
    }
    presentation_algorithms = frozenset({"presentClear"})
    display = frozenset({"ledThrough"})
    idc_connect = True
    validation_algorithms = frozenset({"des", "visa"})
    pin_can_persist_after_use = True

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        settings = self.configured(_Settings)
        self.set_pinblock_data_required = settings.set_pinblock_data_required
        self._card_pin = settings.card_pin
        self._tries = _TRIES

    def _pin(self) -> list[int]:
        if self.faults.strikes("pinLost"):
            self.pins.forget()
        return self.pins.digits()

    async def get_pin_block(
        self, request: PinBlockRequest, events: CommandEvents[GetPinBlockEvents]
    ) -> bytes:
        await self.at_work()
        pin = self._pin()
        self._require_digits(request.format, len(pin))
        held = self.secure.held(request.key, ENCRYPT_PIN)
        block = pin_blocks.plain_block(request.format, pin, request.customer_data, request.padding)
        if request.format == "emv":
            return self._for_chip(held, block, bytes.fromhex(request.customer_data))
        algorithm, key = held.stored.attributes.algorithm, held.value
        if held.stored.attributes.usage in DUKPT:
            told = partial(self._tell, events, request.key)
            key = self.secure.transaction_key(request.key, held, "pin", told)
        made = ciphers.encrypt(algorithm, key, block)
        if request.format == "iso4":
            made = ciphers.encrypt(
                algorithm, key, ciphers.xor(made, pin_blocks.pan_field(request.customer_data))
            )
        if request.second_key is not None:
            second = self.secure.held(request.second_key, ENCRYPT_PIN).value
            if request.xor_data:
                made = ciphers.xor(made, request.xor_data)
            made = ciphers.encrypt(algorithm, second, made)
        return made

    @staticmethod
    def _require_digits(format: str, digits: int) -> None:
        least, most = pin_blocks.PIN_DIGITS[format]
        if digits < least:
            raise errors.CommandError("noPin", f"the PIN is too short for the format {format}; enter it anew")
        if digits > most:
            raise errors.CommandError("formatNotSupported", f"the PIN is too long for the format {format}")

    @staticmethod
    def _for_chip(held: Held, block: bytes, challenge: bytes) -> bytes:
        key = rsa_keys.public_of(held.value)
        return rsa_keys.raw(key, pin_blocks.emv_block(block, challenge, rsa_keys.length(key)))

    @staticmethod
    def _tell(events: CommandEvents[GetPinBlockEvents], key: str, ksn: bytes) -> None:
        events.send(key_management.DUKPTKSNEvent(key=key, ksn=ksn))

    async def set_pin_block_data(self, request: PinBlockRequest) -> None:
        await self.at_work()

    async def local_des(self, request: LocalDesRequest) -> bool:
        await self.at_work()
        pin = "".join(map(str, self._pin()))[: request.max_pin]
        key = self.secure.held(request.key, VERIFY_PIN_DES).value
        natural = pin_blocks.ibm3624_pin(key, request.validation_data, request.dec_table, request.max_pin)
        expected = pin_blocks.reference_digits(natural, request.offset, request.no_leading_zero)
        compared = request.val_digits
        if len(pin) < compared:
            return False
        # The rightmost digits count; the natural PIN may be longer than the one that was entered.
        return bytes_eq(pin[-compared:].encode(), expected[: len(pin)][-compared:].encode())

    async def local_visa(self, request: LocalVisaRequest) -> bool:
        await self.at_work()
        key = self.secure.held(request.key, VERIFY_PIN_VISA).value
        made = pin_blocks.pvv(key, request.account, request.key_index, self._pin())
        return bytes_eq(made.encode(), request.pvv[:4].encode())

    async def present_idc(self, request: PresentIdcRequest) -> PresentedPin:
        await self.at_work()
        if request.protocol not in ("chipT0", "chipT1"):
            raise errors.CommandError("protocolNotSupported", "$.chipProtocol: chipT0 or chipT1")
        pin = "".join(map(str, self._pin()))
        block = bytes.fromhex(f"2{len(pin):X}{pin}".ljust(16, "F"))
        head, rest = request.chip_data[:_HEAD], request.chip_data[_HEAD + 8 :]
        # Another command might send the PIN back, or compare it with what the client has put there.
        if not head.startswith(_VERIFY) or head[4:] != b"\x08" or len(request.chip_data) < _HEAD + 8:
            raise errors.CommandError(
                "invalidData", "$.chipData: a PIN is only presented by VERIFY, of 8 bytes"
            )
        if (request.pin_pointer, request.pin_offset) != (_HEAD, 0):
            raise errors.CommandError(
                "invalidData", f"$.algorithmData: the PIN lies behind the head of VERIFY: at {_HEAD}, 0"
            )
        return PresentedPin(request.protocol, self._chip(head + block + rest))

    def _chip(self, command: bytes) -> bytes:
        """What the chip says to VERIFY: right, wrong and how many tries are left, or blocked."""
        right = bytes.fromhex(f"2{len(self._card_pin):X}{self._card_pin}".ljust(16, "F"))
        if command[_HEAD : _HEAD + 8] != right:
            if self._tries == 0:
                return bytes.fromhex("6983")
            self._tries -= 1
            return bytes([0x63, 0xC0 | self._tries]) if self._tries else bytes.fromhex("6983")
        if self._tries == 0:
            return bytes.fromhex("6983")
        self._tries = _TRIES
        return bytes.fromhex("9000")

    async def maintain_pin(self, maintain: bool) -> None:
        await self.at_work()

    async def reset_pin_pad(self) -> None:
        await self.at_work()
        self.pins.forget_all()

    async def get_query_pcipts_device_id(self) -> PciPtsDeviceId:
        return PciPtsDeviceId(
            manufacturer_identifier="xfs4iot", model_identifier="simulated", firmware_identifier="1"
        )
