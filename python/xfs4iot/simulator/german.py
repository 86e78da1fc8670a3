"""A simulated German security module, with its own message format.

The formats of the Deutsche Kreditwirtschaft are not public. This module keeps their rules as far as they
are: its status, the order of messages, a MAC on each, a trace number that never repeats. A message is given
its trace number (4 bytes) and the retail MAC (8 bytes) of both; so is the answer, under the same trace
number.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from cryptography.hazmat.primitives.constant_time import bytes_eq
from msgspec import Meta

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import HsmTerminalData, HsmTerminalSetting
from xfs4iot.protocol import errors
from xfs4iot.simulator.commands import Completion, Request, command
from xfs4iot.simulator.faults import Fault
from xfs4iot.simulator.secure_device import SecureDevice
from xfs4iot.simulator.secure_part import macs

__all__ = ["SimulatedGerman"]

_TRACE_BYTES, _MAC_BYTES = 4, 8
_LONGEST = 4096
_PERSONALISED = b"PERS"
"""How the content of an answer begins that personalises the module."""
_COMPARED = {None: b"\0", True: b"\1", False: b"\2"}
"""What a message of `pinCmp` says: the first PIN is kept, the second is the same, or another."""
_LEAST_STATUS = {"isoPs": 3, "rawData": 5, "hsmLdi": 5, "genAs": 5, "pinCmp": 5}


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What a profile may say of a security module.

    Attributes:
        hsm_status: of a module that is new.
    """

    hsm_status: Annotated[int, Meta(ge=1, le=5)] = 5


class _Module(msgspec.Struct):
    """What the module keeps over a loss of power, in the secure part."""

    mac_key: bytes
    status: int
    terminal_id: str = "00000001"
    bank_code: str = "10000000"
    online: str | None = None
    trace: int = 0


class AnswerAsHost(Request):
    """The host answers the message that was sent last.

    Attributes:
        content: of the answer.
        bad: `mac`: its MAC is wrong; `old`: it answers the message before.
    """

    content: bytes | None = None
    bad: Literal["mac", "old"] | None = None


class AnsweredAsHost(Completion):
    """The host's answer, for SecureMsgReceive."""

    msg: bytes


class SimulatedGerman(SecureDevice, devices.German):
    """A security module."""

    Settings = _Settings
    FAULTS: ClassVar = {
        "personalisationKeyMissing": Fault("lasts", "the module lacks K_PERS: keyNotFound"),
        "contentRefused": Fault("once", "the module refuses what the next message says: contentInvalid"),
    }
    hsm_vendor = "xfs4iot simulated, no DK formats"

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self._open: str | None = None
        kept = self.secure.store.secrets.get("german")
        if kept is None:
            self._module = _Module(self.secure.random(16), self.configured(_Settings).hsm_status)
            self._save()
        else:
            self._module = msgspec.json.decode(kept, type=_Module)

    def _save(self) -> None:
        self.secure.store.secrets["german"] = msgspec.json.encode(self._module)
        self.secure.store.save()

    def tampered(self) -> None:
        super().tampered()
        self._module = _Module(self.secure.random(16), 2)
        self._save()

    async def get_hsmt_data(self) -> HsmTerminalData:
        module = self._module
        return HsmTerminalData(
            terminal_id=module.terminal_id,
            bank_code=module.bank_code,
            online_date_and_time=module.online,
            zka_id="SIMULATED0000001",
            hsm_status=module.status,
            hsm_manufacturer_id="XFS4IOT",
            hsm_serial_number="0000000001",
        )

    async def set_hsmt_data(self, data: HsmTerminalSetting) -> None:
        await self.at_work()
        module = self._module
        if module.status < 3:
            raise errors.CommandError(
                "hsmStateInvalid", f"the module is out of order (status {module.status})"
            )
        module.terminal_id = data.terminal_id or module.terminal_id
        module.bank_code = data.bank_code or module.bank_code
        module.online = data.online_date_and_time or module.online
        self._save()

    async def hsm_init(
        self, mode: Literal["temp", "definite", "irreversible"], online_time: str | None
    ) -> None:
        await self.at_work()
        module = self._module
        if module.status == 1 or (module.status == 2 and mode == "temp"):
            raise errors.CommandError(
                "hsmStateInvalid", f"the module is out of order (status {module.status})"
            )
        module.status = {"temp": 3, "definite": 2, "irreversible": 1}[mode]
        self._open = None
        self.pins.forget_compared()
        self._save()

    def _require_state(self, protocol: str) -> None:
        if self._module.status < _LEAST_STATUS[protocol]:
            raise errors.CommandError(
                "hsmStateInvalid", f"the module has status {self._module.status}; see German.GetHSMTData"
            )
        if protocol != "isoPs" and self.faults.active("personalisationKeyMissing"):
            raise errors.CommandError("keyNotFound", "the module is not personalised: K_PERS is missing")
        if self.faults.strikes("contentRefused"):
            raise errors.CommandError("contentInvalid", "the module refuses what the message says")

    def _secured(self, content: bytes, trace: int) -> bytes:
        text = content + trace.to_bytes(_TRACE_BYTES, "big")
        return text + macs.mac("M3", "T", self._module.mac_key, text)

    async def secure_msg_send(self, protocol: str, msg: bytes | None) -> bytes:
        await self.at_work()
        self._require_state(protocol)
        content = msg or b""
        if protocol == "hsmLdi":
            content = b"LDI" + b"0000000001"
        if len(content) > _LONGEST:
            raise errors.CommandError("formatInvalid", f"$.msg has more than {_LONGEST} bytes")
        if protocol == "pinCmp":
            content = b"PINCMP" + _COMPARED[self.pins.compare()]
        if self._open is not None and protocol not in ("pinCmp", self._open):
            raise errors.CommandError("protocolInvalid", f"an exchange by {self._open} goes on")
        # Kept before the message is handed out, so that no number comes twice after a crash.
        self._module.trace += 1
        self._save()
        if protocol != "pinCmp":
            self._open = protocol
        return self._secured(content, self._module.trace)

    async def forget_compared_pin(self) -> None:
        self.pins.forget_compared()

    async def secure_msg_receive(self, protocol: str, msg: bytes) -> None:
        await self.at_work()
        self._require_state(protocol)
        if self._open is None:
            raise errors.CommandError("hsmStateInvalid", "no message was sent that this could answer")
        if protocol != self._open and self._open != "hsmLdi":
            raise errors.CommandError("protocolInvalid", f"the message was sent by {self._open}")
        if len(msg) < _TRACE_BYTES + _MAC_BYTES:
            raise errors.CommandError("formatInvalid", "$.msg is shorter than a trace number and a MAC")
        text, given = msg[:-_MAC_BYTES], msg[-_MAC_BYTES:]
        # First of all: nothing in a message is looked at before its MAC is known to be right.
        if not bytes_eq(macs.mac("M3", "T", self._module.mac_key, text), given):
            raise errors.CommandError("macInvalid", "$.msg has another MAC")
        content, trace = text[:-_TRACE_BYTES], int.from_bytes(text[-_TRACE_BYTES:], "big")
        if trace != self._module.trace:
            raise errors.CommandError("hsmStateInvalid", "$.msg answers another message than the last")
        if protocol == "isoPs":
            if not content.startswith(_PERSONALISED):
                raise errors.CommandError("contentInvalid", "$.msg does not personalise the module")
            self._module.status = 5
            self._save()
        self._open = None

    @command
    def answer_as_host(self, request: AnswerAsHost) -> AnsweredAsHost:
        """The host answers, rightly or not."""
        trace = self._module.trace - (1 if request.bad == "old" else 0)
        msg = self._secured(request.content or b"", trace)
        if request.bad == "mac":
            msg = msg[:-1] + bytes([msg[-1] ^ 1])
        return AnsweredAsHost(msg=msg)
