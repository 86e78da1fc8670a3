"""PinPad: what is done with a PIN that was entered by Keyboard.PinEntry.

A PIN leaves the device encrypted or not at all. It can be used once: by GetPinBlock, LocalDES, LocalVisa or
PresentIDC, on the connection on which it was entered, unless MaintainPin keeps it, see `held_pin`. A command
that is refused before the device is asked does not use up the PIN.

A block is bound to its format: format 4 is encrypted by AES, the others by TDES. All blocks of a PIN that is
kept are of one account, and made with the same data between two encryptions. Verification, also by a chip,
only answers whether the PIN is right, and a PIN can be verified a few times only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable
from typing import Any, ClassVar, TypeVar

from xfs4iot import devices
from xfs4iot.devices import LocalDesRequest, LocalVisaRequest, PresentIdcRequest
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.keys import pin_blocks, reported
from xfs4iot.interfaces.keys.checks import key_usable, name_given
from xfs4iot.interfaces.keys.held_pin import HeldPin
from xfs4iot.interfaces.keys.keyboard import Keyboard
from xfs4iot.interfaces.keys.purposes import VERIFY_PIN_DES, VERIFY_PIN_VISA
from xfs4iot.interfaces.keys.with_keys import WithKeys
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import pin_pad as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import check, handles, step
from xfs4iot.server.service import Service

__all__ = ["PinPad"]

_Result = TypeVar("_Result")
_LEAST_DIGITS, _MOST_ALIKE = 8, 4
_PIN = step("pin held", "whether a PIN is held that was entered on this connection", "noPin")
_ACCOUNT = step(
    "account the same",
    "whether the blocks of a PIN that is kept are of one account, and made with the same `xorData`",
    "accessDenied",
)
_VERIFICATIONS = step("verifications left", "whether this PIN may be verified once more", "accessDenied")
_PREPARED = step(
    "block prepared",
    "whether SetPinBlockData said the same, if the device needs it",
    "sequenceError",
    "invalidData",
)


@check("unsupportedData")
def des_offered(on: PinPad, request: messages.LocalDES) -> None:
    """whether the device verifies PINs so"""
    if "des" not in on.device.validation_algorithms:
        raise errors.UnsupportedData("the device verifies no PINs by DES")


@check("unsupportedData")
def visa_offered(on: PinPad, request: messages.LocalVisa) -> None:
    """whether the device verifies PINs so"""
    if "visa" not in on.device.validation_algorithms:
        raise errors.UnsupportedData("the device verifies no PINs by PVV")


@check("unsupportedData")
def key_not_encrypted(on: PinPad, request: Any) -> None:
    """`keyEncKey`: keys are imported before, not given with the command"""
    if request.key_enc_key:
        raise errors.UnsupportedData("$.keyEncKey: import the key by KeyManagement.ImportKey and name it")


@check("invalidData")
def lengths_fit(on: PinPad, request: messages.LocalDES) -> None:
    """`maxPIN` and `valDigits`: 1 to 16, and `valDigits` not above `maxPIN`; the digits of `offset`"""
    most, compared = request.max_pin or 0, request.val_digits or 0
    if not 1 <= compared <= most <= 16:
        raise errors.InvalidData("$.maxPIN, $.valDigits: 1 to 16, and not more to compare than to look at")
    if request.offset and not request.offset.isdecimal():
        raise errors.InvalidData("$.offset: decimal digits")
    if request.offset and len(request.offset) > most:
        raise errors.InvalidData("$.offset is longer than $.maxPIN")


@check("invalidData")
def table_varied(on: PinPad, request: messages.LocalDES) -> None:
    """`decTable`: 8 different digits or more, none of them more than 4 times"""
    digits = Counter(request.dec_table or "")
    # With zeros alone every PIN is its offset: tables that tell digits apart badly find a PIN out.
    if len(digits) < _LEAST_DIGITS or max(digits.values()) > _MOST_ALIKE:
        raise errors.InvalidData(
            f"$.decTable: {_LEAST_DIGITS} different digits or more, each {_MOST_ALIKE} times at most"
        )


@check("unsupportedData")
def presentation_offered(on: PinPad, request: messages.PresentIDC) -> None:
    """whether the device gives PINs to chips so"""
    if request.present_algorithm not in on.device.presentation_algorithms:
        raise errors.UnsupportedData("$.presentAlgorithm: see presentationAlgorithms in Common.Capabilities")


@check("invalidData")
def place_given(on: PinPad, request: messages.PresentIDC) -> None:
    """`algorithmData`: where the PIN goes"""
    place = request.algorithm_data
    if place is None or place.pin_pointer is None or place.pin_offset is None:
        raise errors.InvalidData("$.algorithmData: give pinPointer and pinOffset")


@check("invalidData")
def maintaining_said(on: PinPad, request: messages.MaintainPin | None) -> None:
    """`maintainPIN`"""
    if request is None or request.maintain_pin is None:
        raise errors.InvalidData("$.maintainPIN is missing; say whether the PIN is kept after its use")


@check("unsupportedData")
def pin_can_stay(on: PinPad, request: messages.MaintainPin) -> None:
    """whether the device can keep a PIN, if that is wanted"""
    if request.maintain_pin and not on.device.pin_can_persist_after_use:
        raise errors.UnsupportedData("$.maintainPIN: the device keeps no PIN after its use")


class PinPad(WithKeys[devices.PinPad]):
    """The interface of a PIN pad."""

    name: ClassVar[str] = "PinPad"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        # Stands in on a device without a keyboard, so that checks need no special case.
        self._no_pin = HeldPin()

    @property
    def pin(self) -> HeldPin:
        """Whether a PIN is held; on a device without keyboard there is never one."""
        if Keyboard.name not in self.service.interfaces:
            return self._no_pin
        return self.service.interface(Keyboard).pin

    async def _use(self, asked: Awaitable[_Result]) -> _Result:
        """Use the PIN, which is gone then, unless it is maintained."""
        try:
            return await asked
        finally:
            # In `finally`: after a failure or a cancel nobody knows whether the device has used the PIN.
            if not self.pin.maintained:
                self.pin.gone()
                self.service.nursery.start_soon(self._forget)

    async def _reset_pins(self) -> None:
        if Keyboard.name in self.service.interfaces:
            await self.service.interface(Keyboard).reset_pins()

    async def _forget(self) -> None:
        if Keyboard.name in self.service.interfaces:
            await self.service.interface(Keyboard).forget_pin()

    @handles(
        "PinPad.GetPinBlock",
        checks=(
            given("format"),
            device_ready,
            *pin_blocks.checks("algorithmNotSupported", "cryptoMethodNotSupported"),
            _PREPARED,
            _PIN,
            _ACCOUNT,
        ),
        device=("accessDenied", "invalidKeyLength", "dukptOverflow"),
    )
    async def get_pin_block(
        self, request: messages.GetPinBlock, command: Command
    ) -> messages.GetPinBlockCompletion:
        """`PinPad.GetPinBlock` 2.0, completion 3.0."""
        wanted = pin_blocks.block_request(self, request)
        self._require_prepared(wanted)
        self.pin.require(command.session)
        self.pin.require_same(pin_blocks.account_of(wanted), wanted.xor_data)
        believe = reported.block_made_as_asked(wanted, self.table.loaded(wanted.key))
        block = await self._use(self.ask(devices.PinPad.get_pin_block, wanted, command, believe=believe))
        return messages.GetPinBlockCompletion(pin_block=block)

    def _require_prepared(self, wanted: devices.PinBlockRequest) -> None:
        if not self.device.set_pinblock_data_required:
            return
        if self.pin.bound is None:
            raise errors.SequenceError("call PinPad.SetPinBlockData, then Keyboard.PinEntry")
        if self.pin.bound != wanted:
            raise errors.InvalidData("$ is not what PinPad.SetPinBlockData said before the PIN was entered")

    @handles(
        "PinPad.SetPinBlockData",
        checks=(given("format"), device_ready, *pin_blocks.checks("useViolation", "unsupportedData")),
        device=("accessDenied", "invalidKeyLength"),
        never={"noPin": "it comes before the PIN"},
        offered=lambda on: on.device.set_pinblock_data_required,
    )
    async def set_pin_block_data(self, request: messages.SetPinBlockData, command: Command) -> None:
        """`PinPad.SetPinBlockData` 2.0: for the PIN that is entered next."""
        wanted = pin_blocks.block_request(self, request)
        await self.ask(devices.PinPad.set_pin_block_data, wanted)
        self.pin.prepare(command.session, wanted)

    def _require_verifiable(self, command: Command) -> None:
        """See that there is a PIN that may be verified, and count it."""
        self.pin.require(command.session)
        if self.pin.verified >= self.device.max_verifications:
            raise errors.CommandError(
                "accessDenied",
                f"a PIN is verified {self.device.max_verifications} times at most; enter it anew",
            )
        # Counted before the device answers, so that a cancelled attempt counts as well.
        self.pin.verified += 1

    @handles(
        "PinPad.LocalDES",
        checks=(
            given("validation_data"),
            name_given(),
            given("dec_table"),
            given("padding"),
            lengths_fit,
            table_varied,
            device_ready,
            des_offered,
            key_not_encrypted,
            key_usable(VERIFY_PIN_DES),
            _PIN,
            _VERIFICATIONS,
        ),
        device=("invalidKeyLength",),
        never={"formatNotSupported": "there is one format of validation data"},
        asks="local_des",
    )
    async def local_des(self, request: messages.LocalDES, command: Command) -> messages.LocalDESCompletion:
        """`PinPad.LocalDES` 2.0: a wrong PIN is a good answer."""
        self._require_verifiable(command)
        assert request.key is not None
        wanted = LocalDesRequest(
            key=request.key,
            validation_data=request.validation_data or "",
            offset=request.offset or "",
            padding=request.padding or "",
            max_pin=request.max_pin or 1,
            val_digits=request.val_digits or 1,
            no_leading_zero=bool(request.no_leading_zero),
            dec_table=request.dec_table or "",
        )
        result = await self._use(self.ask(devices.PinPad.local_des, wanted))
        return messages.LocalDESCompletion(result=result)

    @handles(
        "PinPad.LocalVisa",
        checks=(
            given("pan"),
            given("pvv"),
            name_given(),
            device_ready,
            visa_offered,
            key_not_encrypted,
            key_usable(VERIFY_PIN_VISA),
            _PIN,
            _VERIFICATIONS,
        ),
        device=("invalidKeyLength",),
        never={"formatNotSupported": "there is one format of a PVV"},
    )
    async def local_visa(self, request: messages.LocalVisa, command: Command) -> messages.LocalVisaCompletion:
        """`PinPad.LocalVisa` 3.0, completion 2.0: `pan` has the account at 12 to 22, the key index at 23."""
        self._require_verifiable(command)
        assert request.key is not None
        assert request.pan is not None
        assert request.pvv is not None
        wanted = LocalVisaRequest(
            key=request.key, account=request.pan[11:22], key_index=request.pan[22], pvv=request.pvv
        )
        result = await self._use(self.ask(devices.PinPad.local_visa, wanted))
        return messages.LocalVisaCompletion(result=result)

    @handles(
        "PinPad.PresentIDC",
        checks=(
            given("present_algorithm"),
            given("chip_protocol"),
            given("chip_data"),
            place_given,
            device_ready,
            presentation_offered,
            _PIN,
            _VERIFICATIONS,
        ),
        device=("accessDenied", "protocolNotSupported", "invalidData"),
        asks="present_idc",
        offered=lambda on: on.device.idc_connect,
    )
    async def present_idc(
        self, request: messages.PresentIDC, command: Command
    ) -> messages.PresentIDCCompletion:
        """`PinPad.PresentIDC` 3.0: what the chip says of the PIN.

        It counts as a verification: a right PIN gives a chip all its tries back, and who could present it
        again and again could try others in between.
        """
        self._require_verifiable(command)
        place: Any = request.algorithm_data
        wanted = PresentIdcRequest(
            protocol=request.chip_protocol or "",
            chip_data=request.chip_data or b"",
            pin_pointer=place.pin_pointer,
            pin_offset=place.pin_offset,
        )
        answer = await self._use(self.ask(devices.PinPad.present_idc, wanted))
        return messages.PresentIDCCompletion(chip_protocol=answer.protocol, chip_data=answer.chip_data)

    @handles(
        "PinPad.MaintainPin",
        checks=(maintaining_said, device_ready, pin_can_stay),
    )
    async def maintain_pin(self, request: messages.MaintainPin, command: Command) -> None:
        """`PinPad.MaintainPin` 2.0: true for the PINs of this client; false for all, and ends a PIN that is
        held."""
        maintain = bool(request.maintain_pin)
        await self.ask(devices.PinPad.maintain_pin, maintain)
        if maintain:
            self.pin.keep(command.session)
        else:
            self.pin.keep_none()
            await self._reset_pins()

    @handles("PinPad.Reset", checks=(device_ready,), asks="reset_pin_pad")
    async def reset(self, request: None, command: Command) -> None:
        """`PinPad.Reset` 2.0: a PIN is gone."""
        await self.ask(devices.PinPad.reset_pin_pad, moving=True)
        self.pin.keep_none()
        await self._reset_pins()

    @handles(
        "PinPad.GetQueryPCIPTSDeviceId",
        checks=(device_ready,),
        asks="get_query_pcipts_device_id",
        beside_queue=True,
    )
    async def get_query_pcipts_device_id(
        self, request: None, command: Command
    ) -> messages.GetQueryPCIPTSDeviceIdCompletion:
        """`PinPad.GetQueryPCIPTSDeviceId` 2.0."""
        found = await self.ask(devices.PinPad.get_query_pcipts_device_id)
        return messages.GetQueryPCIPTSDeviceIdCompletion(
            manufacturer_identifier=found.manufacturer_identifier,
            model_identifier=found.model_identifier,
            hardware_identifier=found.hardware_identifier,
            firmware_identifier=found.firmware_identifier,
            application_identifier=found.application_identifier,
        )
