"""The kernel of the simulated intelligent contactless reader: it talks to a chip as terminals do.

It selects the payment environment and the first configured application, starts a transaction, reads the
records and has the card make a cryptogram; the outcome reports what it found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xfs4iot import devices
from xfs4iot.interfaces.cards import tlv
from xfs4iot.simulator.card_reader.chip import ChipSession
from xfs4iot.simulator.card_reader.records import PPSE

__all__ = ["Kernel"]

_OUTCOMES = {0x80: "onlineRequest", 0x40: "approve", 0x00: "decline"}
_TEMPLATES = (0x6F, 0x70, 0xA5, 0xBF0C)
_TOLD = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82, 0x84, 0x57, 0x5A, 0x5F24, 0x5F34)


class Kernel:
    """A transaction with one chip.

    Args:
        chip: in the field.
        configuration: of the terminal.
        data: of the transaction, as TLV objects.
        number: unpredictable, of the terminal.
    """

    def __init__(
        self, chip: ChipSession, configuration: devices.ContactlessConfiguration, data: bytes, number: bytes
    ) -> None:
        self.chip = chip
        self._configuration = configuration
        self._objects: dict[int, bytes] = {0x9F37: number}
        self._objects |= dict(tlv.objects(configuration.terminal))
        # Last, so that data of the transaction overrides the terminal's.
        self._objects |= dict(tlv.objects(data))

    def run(self) -> devices.ContactlessOutcome:
        """From the environment to the cryptogram."""
        application = self._application()
        if application is None:
            return devices.ContactlessOutcome("endApplication")
        self._objects[0x84] = application
        selected = self._ask(b"\x00\xa4\x04\x00", application)
        options = self._list(selected.get(0x9F38, b""))
        processing = self._ask(b"\x80\xa8\x00\x00", tlv.written(0x83, options)).get(0x80, b"")
        self._objects[0x82] = processing[:2]
        files: Mapping[int, bytes] = self._records(processing[2:])
        self._objects |= files
        made = self._ask(b"\x80\xae\x80\x00", self._list(files.get(0x8C, b""))).get(0x80, b"")
        return self._told(made, self.chip.chip.outcome)

    def update(self, data: bytes) -> devices.ContactlessOutcome:
        """Hand the issuer's answer to the card, and let it make its last cryptogram."""
        # Nothing else of it: what the card itself has said is not the issuer's to change.
        answer = {tag: value for tag, value in tlv.objects(data) if tag in (0x8A, 0x91)}
        self._objects |= answer
        # A card takes 8 to 16 bytes (EMV Book 3, 6.5.4).
        if 8 <= len(proof := answer.get(0x91, b"")) <= 16:
            self.chip.answer(b"\x00\x82\x00\x00" + bytes([len(proof)]) + proof)
        made = self._ask(b"\x80\xae\x40\x00", self._list(self._objects.get(0x8D, b""))).get(0x80, b"")
        return self._told(made, None)

    def _told(self, made: bytes, wish: Any) -> devices.ContactlessOutcome:
        found: Any = _OUTCOMES.get(made[0] if made else 0, "decline")
        if wish is not None and (wish != "onlineRequestCompletionRequired" or found == "onlineRequest"):
            found = wish
        told = b"".join(tlv.written(tag, self._objects[tag]) for tag in _TOLD if tag in self._objects)
        if made:
            for tag, value in (
                (0x9F27, made[:1]),
                (0x9F36, made[1:3]),
                (0x9F26, made[3:11]),
                (0x9F10, made[11:]),
            ):
                told += tlv.written(tag, value)
        action = "retap" if found == "onlineRequestCompletionRequired" else "none"
        return devices.ContactlessOutcome(found, action, told)  # type: ignore[arg-type]

    def _application(self) -> bytes | None:
        """The first application of the card that is configured."""
        answer = self.chip.answer(b"\x00\xa4\x04\x00" + bytes([len(PPSE)]) + PPSE)
        for aid in _found(answer[:-2], 0x4F):
            for known in self._configuration.applications:
                if aid == known.aid or (known.partial_selection and aid.startswith(known.aid)):
                    return aid
        return None

    def _ask(self, head: bytes, data: bytes) -> dict[int, bytes]:
        return _flat(self.chip.answer(head + bytes([len(data)]) + data)[:-2])

    def _records(self, locator: bytes) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for at in range(0, len(locator), 4):
            file, first, last = locator[at] >> 3, locator[at + 1], locator[at + 2]
            for number in range(first, last + 1):
                found |= _flat(self.chip.answer(bytes([0x00, 0xB2, number, file << 3 | 4, 0x00]))[:-2])
        return found

    def _list(self, wanted: bytes) -> bytes:
        """The values that a list of data objects asks for."""
        found, at = b"", 0
        while at < len(wanted):
            # Five ones in the first byte of a tag announce a second one.
            size = 2 if wanted[at] & 0x1F == 0x1F else 1
            tag, length = int.from_bytes(wanted[at : at + size]), wanted[at + size]
            # What the terminal does not know is sent as zeros (EMV Book 3, 5.4).
            found += self._objects.get(tag, b"").rjust(length, b"\x00")[-length:]
            at += size + 1
        return found


def _flat(data: bytes) -> dict[int, bytes]:
    """All objects, those inside of templates as well."""
    found: dict[int, bytes] = {}
    for tag, value in tlv.objects(data):
        found |= _flat(value) if tag in _TEMPLATES else {tag: value}
    return found


def _found(data: bytes, wanted: int) -> list[bytes]:
    """Every value of a tag, in order, at any depth."""
    found: list[bytes] = []
    for tag, value in tlv.objects(data):
        if tag == wanted:
            found.append(value)
        elif tag in (*_TEMPLATES, 0x61):
            found += _found(value, wanted)
    return found
