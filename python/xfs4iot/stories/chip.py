"""The ATM's side of a chip card: what an EMV kernel asks, and in which order (EMV Books 1 and 3)."""

from __future__ import annotations

import base64
import datetime
import secrets
from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal

from xfs4iot.dataclass import dataclass
from xfs4iot.interfaces.cards import tlv
from xfs4iot.stories.stage import Stage

__all__ = ["Account", "Chip", "Cryptogram"]

_PSE = b"1PAY.SYS.DDF01"
_TEMPLATES = frozenset({0x6F, 0x70, 0x61, 0xA5, 0xBF0C, 0x77})
_EUR, _GERMANY = b"\x09\x78", b"\x02\x80"
_CERTIFICATE, _ONLINE = 0x40, 0x80
CDOL1, CDOL2, OPTIONS = 0x8C, 0x8D, 0x9F38
"""Lists of what the card wants to be told."""


@dataclass(frozen=True)
class Account:
    """Whose card it is.

    Attributes:
        pan: the whole number, which is shown to nobody.
        sequence: tells cards of the same number apart.
        expiry: MM/YY.
    """

    pan: str = field(repr=False)
    sequence: int
    expiry: str

    @property
    def shown(self) -> str:
        """The number as it may be shown."""
        return f"{self.pan[:6]}{'*' * (len(self.pan) - 10)}{self.pan[-4:]}"


@dataclass(frozen=True)
class Cryptogram:
    """What the chip answers to GENERATE AC.

    Attributes:
        kind: `TC` (approved), `ARQC` (asks the issuer) or `AAC` (declined).
        counter: of its transactions.
        value: 8 bytes.
        signed: what it was made over.
    """

    kind: str
    counter: int
    value: bytes
    signed: bytes = field(repr=False)


class Chip:
    """The chip in the reader.

    Args:
        protocol: as the reader names it.
    """

    def __init__(self, stage: Stage, protocol: str = "chipT0") -> None:
        self._stage = stage
        self._protocol = protocol
        self._known: dict[int, bytes] = {}

    async def select(self) -> str:
        """Find the application in the chip's directory, and select it; its label and identifier."""
        environment = _flat(await self._ask(_select(_PSE)))
        file = environment[0x88][0]
        entry = _flat(await self._ask(bytes([0x00, 0xB2, 0x01, file << 3 | 4, 0x00])))
        self._known = _flat(await self._ask(_select(entry[0x4F])))
        return f"{entry[0x50].decode()}, {entry[0x4F].hex().upper()}"

    async def read(self) -> Account:
        """Begin a transaction, and read the card's records."""
        data = _listed(self._known[OPTIONS], {0x9F1A: _GERMANY, 0x5F2A: _EUR})
        inner = tlv.written(0x83, data)
        answer = await self._ask(b"\x80\xa8\x00\x00" + bytes([len(inner)]) + inner + b"\x00")
        profile = dict(tlv.objects(answer))[0x80]
        self._profile, locator = profile[:2], profile[2:]
        for at in range(0, len(locator), 4):
            file, first, last, _ = locator[at : at + 4]
            for number in range(first, last + 1):
                self._known |= _flat(await self._ask(bytes([0x00, 0xB2, number, file | 4, 0x00])))
        expiry = self._known[0x5F24].hex()
        return Account(
            self._known[0x5A].hex().rstrip("f"), int(self._known[0x5F34].hex()), f"{expiry[2:4]}/{expiry[:2]}"
        )

    async def ask_online(self, amount: Decimal) -> Cryptogram:
        """The first GENERATE AC: the terminal wants the issuer to decide."""
        today = datetime.date.today()
        self._terminal = {
            0x9F02: bytes.fromhex(f"{int(amount * 100):012}"),
            0x9F1A: _GERMANY,
            0x5F2A: _EUR,
            0x9A: bytes.fromhex(f"{today:%y%m%d}"),
            # Cash.
            0x9C: b"\x01",
            0x9F37: secrets.token_bytes(4),
        }
        return await self._generate(_ONLINE, CDOL1)

    async def answered(self, issuer: bytes, code: bytes) -> Cryptogram:
        """The issuer's answer, and the second GENERATE AC."""
        await self._ask(b"\x00\x82\x00\x00" + bytes([len(issuer)]) + issuer)
        self._terminal[0x8A] = code
        return await self._generate(_CERTIFICATE, CDOL2)

    async def _generate(self, wanted: int, objects: int) -> Cryptogram:
        data = _listed(self._known[objects], self._terminal)
        answer = await self._ask(bytes([0x80, 0xAE, wanted, 0x00, len(data)]) + data + b"\x00")
        made = dict(tlv.objects(answer))[0x80]
        kind = {0x40: "TC", 0x80: "ARQC", 0x00: "AAC"}[made[0]]
        # The response code is not signed; it stands first in the second list.
        signed = data[2:] if 0x8A in self._terminal else data
        return Cryptogram(
            kind, int.from_bytes(made[1:3]), made[3:11], signed + self._profile + made[1:3] + made[11:]
        )

    async def _ask(self, command: bytes) -> bytes:
        """What the chip answers, without the status word, which has to be 9000."""
        answer = await self._send(command)
        if answer[0] == 0x61:
            answer = await self._send(b"\x00\xc0\x00\x00" + answer[1:2])
        elif answer[0] == 0x6C:
            answer = await self._send(command[:4] + answer[1:2])
        self._stage.expect(f"the chip to answer {command[:4].hex()} with", "9000", answer[-2:].hex())
        return answer[:-2]

    async def _send(self, command: bytes) -> bytes:
        payload = {"chipProtocol": self._protocol, "chipData": base64.b64encode(command).decode()}
        answer = await self._stage.call("CardReader.ChipIO", payload)
        return base64.b64decode(answer["chipData"])


def _select(name: bytes) -> bytes:
    return b"\x00\xa4\x04\x00" + bytes([len(name)]) + name + b"\x00"


def _flat(data: bytes) -> dict[int, bytes]:
    """All objects by tag, those within templates as well."""
    found: dict[int, bytes] = {}
    for tag, value in tlv.objects(data):
        found |= _flat(value) if tag in _TEMPLATES else {tag: value}
    return found


def _listed(objects: bytes, values: Mapping[int, bytes]) -> bytes:
    """What a data object list asks for; zeros for what the terminal does not know."""
    made, at = b"", 0
    while at < len(objects):
        size = 2 if objects[at] & 0x1F == 0x1F else 1
        tag, length = int.from_bytes(objects[at : at + size]), objects[at + size]
        made += values.get(tag, bytes(length))
        at += size + 1
    return made
