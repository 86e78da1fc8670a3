"""The chip of a simulated card: an EMV card application that answers commands (EMV Book 3, 6).

It goes from one state to the next as a card does:

    selected      SELECT of an application; READ RECORD of the PSE before it
    initiated     GET PROCESSING OPTIONS: a transaction has begun, its counter is one higher
    first         GENERATE AC: a TC, AAC or ARQC; after an ARQC the issuer may be authenticated
    ended         GENERATE AC: a TC or AAC

An unknown instruction gives 6D00, one that does not fit its state 6985. With the protocol T=0 the answer to a
command with data is fetched with GET RESPONSE (61xx), and a wrong length is corrected (6Cxx). Neither what it
is sent nor what it answers is ever logged.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import ClassVar

from xfs4iot.interfaces.cards import tlv
from xfs4iot.simulator.card_reader import cryptogram
from xfs4iot.simulator.card_reader.cards import Application, Card, CardMemory
from xfs4iot.simulator.card_reader.records import (
    AFL,
    AIP,
    CDOL1,
    CDOL2,
    OPTIONS,
    PPSE,
    PSE,
    TERMINAL_SIZE,
    directory,
    environment,
    information,
    records,
)

__all__ = ["ChipSession"]

OK = b"\x90\x00"
_TC, _ARQC, _AAC = 0x40, 0x80, 0x00
_TYPES = {0x00: _AAC, 0x40: _TC, 0x80: _ARQC}
_CVN, _KEY_INDEX = 0x12, 0x01


class _Refused(Exception):
    """The status word that a command ends with."""


class ChipSession:
    """A chip between two resets.

    Args:
        card: that it is in.
        memory: what of the card changes.
        chance: from which its challenges and numbers follow.
        protocol: spoken with it; T=0 fetches answers apart.
        interface: `contact` or `contactless`: which payment environment it has.
    """

    _COMMANDS: ClassVar[dict[int, str]] = {
        0xA4: "_select",
        0xA8: "_options",
        0xB2: "_read_record",
        0x20: "_verify",
        0xAE: "_generate",
        0x88: "_internal_authenticate",
        0x82: "_external_authenticate",
        0x84: "_challenge",
        0xCA: "_get_data",
    }
    _CLASSES: ClassVar[dict[int, tuple[int, ...]]] = {0xA8: (0x80,), 0xAE: (0x80,), 0xCA: (0x80,)}

    def __init__(
        self,
        card: Card,
        memory: CardMemory,
        chance: random.Random,
        protocol: str = "T=0",
        interface: str = "contact",
    ) -> None:
        assert card.chip is not None
        self.card, self.chip, self.memory = card, card.chip, memory
        self.cryptogram = b""
        """The ARQC that waits for the issuer."""
        self._chance = chance
        self._fetches = protocol == "T=0"
        self._environment = PSE if interface == "contact" else PPSE
        self._selected: Application | None = None
        self._in_directory = False
        self._state = "idle"
        self._verified = self._authenticated = False
        self._waiting = b""
        self._random = b""

    @property
    def _keys(self) -> cryptogram.Authority:
        return cryptogram.scheme_keys()

    @property
    def session_key(self) -> bytes:
        """The key of the transaction that is under way."""
        key = cryptogram.card_key(self._keys.master_ac, self.card.pan, self.card.sequence)
        return cryptogram.session_key(key, self.memory.counter)

    def answer(self, command: bytes) -> bytes:
        """Data and status word with which the chip answers."""
        if len(command) < 4:
            return b"\x67\x00"
        if self._fetches and command[1] == 0xC0:
            return self._fetched(command)
        self._waiting = b""
        try:
            data, expected = self._parts(command)
            found = self._answer(command, data)
        except _Refused as refused:
            status: bytes = refused.args[0]
            return status
        if not self._fetches or not found:
            return found + OK
        if data:
            self._waiting = found
            # 256 bytes are announced as 00, here and in 6Cxx.
            return bytes([0x61, len(found) & 0xFF])
        if expected is not None and expected != len(found):
            return bytes([0x6C, len(found) & 0xFF])
        return found + OK

    def _fetched(self, command: bytes) -> bytes:
        """GET RESPONSE."""
        if not self._waiting:
            return b"\x69\x85"
        if len(command) != 5:
            return b"\x67\x00"
        # Le 00 means 256.
        wanted = command[4] or 256
        if wanted > len(self._waiting):
            return bytes([0x6C, len(self._waiting) & 0xFF])
        found, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
        return found + (bytes([0x61, len(self._waiting) & 0xFF]) if self._waiting else OK)

    @staticmethod
    def _parts(command: bytes) -> tuple[bytes, int | None]:
        """Data and expected length of a short command."""
        rest = command[4:]
        if not rest:
            return b"", None
        if len(rest) == 1:
            return b"", rest[0]
        length = rest[0]
        if len(rest) not in (1 + length, 2 + length):
            raise _Refused(b"\x67\x00")
        return rest[1 : 1 + length], None

    def _answer(self, command: bytes, data: bytes) -> bytes:
        family, instruction, first, second = command[:4]
        name = self._COMMANDS.get(instruction)
        if name is None:
            raise _Refused(b"\x6d\x00" if family in (0x00, 0x80) else b"\x6e\x00")
        if family not in self._CLASSES.get(instruction, (0x00,)):
            raise _Refused(b"\x6e\x00")
        serve: Callable[[int, int, bytes], bytes] = getattr(self, name)
        return serve(first, second, data)

    def _select(self, first: int, second: int, data: bytes) -> bytes:
        if first != 0x04 or second not in (0x00, 0x02):
            raise _Refused(b"\x6a\x86")
        self._state, self._verified, self._authenticated = "idle", False, False
        applications = self.chip.applications_in_order
        if data == self._environment and second == 0x00:
            self._selected, self._in_directory = None, True
            return environment(self._environment, applications)
        matching = [one for one in applications if bytes.fromhex(one.aid).startswith(data)]
        if len(data) < 5:
            matching = []
        if second == 0x02 and self._selected in matching:
            matching = matching[matching.index(self._selected) + 1 :]
        if not matching:
            raise _Refused(b"\x6a\x82")
        self._selected, self._in_directory, self._state = matching[0], False, "selected"
        return information(matching[0])

    def _options(self, first: int, second: int, data: bytes) -> bytes:
        if (first, second) != (0, 0):
            raise _Refused(b"\x6a\x86")
        self._require("selected")
        wanted = sum(length for _, length in OPTIONS)
        if data[:2] != bytes([0x83, wanted]) or len(data) != 2 + wanted:
            raise _Refused(b"\x67\x00")
        self.memory.counter += 1
        self._state, self.cryptogram, self._authenticated = "initiated", b"", False
        return tlv.written(0x80, AIP + AFL)

    def _read_record(self, first: int, second: int, data: bytes) -> bytes:
        if second & 7 != 4 or not first:
            raise _Refused(b"\x6a\x86")
        if self._in_directory:
            found = {(1, 1): directory(self.chip.applications_in_order)} if self._environment == PSE else {}
        elif self._selected is not None:
            found = records(self.card)
        else:
            raise _Refused(b"\x69\x85")
        if (second >> 3, first) not in found:
            raise _Refused(b"\x6a\x83" if any(file == second >> 3 for file, _ in found) else b"\x6a\x82")
        return found[second >> 3, first]

    def _verify(self, first: int, second: int, data: bytes) -> bytes:
        if first or second not in (0x80, 0x88):
            raise _Refused(b"\x6a\x86")
        self._require("initiated")
        if self._left == 0:
            raise _Refused(b"\x69\x83")
        block = data if second == 0x80 else self._deciphered(data)
        if len(block) != 8 or block[0] >> 4 != 2:
            raise _Refused(b"\x6a\x80")
        digits = block.hex()[2 : 2 + (block[0] & 0xF)]
        if digits != self.chip.pin:
            self.memory.tries += 1
            raise _Refused(bytes([0x63, 0xC0 | self._left]))
        self.memory.tries, self._verified = 0, True
        return b""

    @property
    def _left(self) -> int:
        """Tries of the PIN that are left."""
        return max(self.chip.tries - self.memory.tries, 0)

    def _deciphered(self, data: bytes) -> bytes:
        """The PIN block in what the terminal enciphered for the card (Book 2, 7.2)."""
        key = self._keys.card
        if len(data) != key.size or not self._random:
            raise _Refused(b"\x69\x84")
        plain = key.apply(data)
        # A challenge is good for one try only, whether it succeeds or not.
        challenge, self._random = self._random, b""
        if plain[0] != 0x7F or plain[9:17] != challenge:
            raise _Refused(b"\x69\x84")
        return plain[1:9]

    def _generate(self, first: int, second: int, data: bytes) -> bytes:
        wanted = _TYPES.get(first & 0xC0)
        if second or wanted is None or first & 0x3F:
            raise _Refused(b"\x6a\x86")
        self._require("initiated", "first")
        second_time = self._state == "first"
        objects = CDOL2 if second_time else CDOL1
        if len(data) != sum(length for _, length in objects):
            raise _Refused(b"\x67\x00")
        kind = self._second_kind(wanted) if second_time else self._first_kind(wanted, data)
        self._state = "first" if kind == _ARQC else "ended"
        # The issuer application data: 6 is the length of what follows it.
        issuer = bytes([0x06, _KEY_INDEX, _CVN]) + self._results(kind, second_time)
        counter = self.memory.counter.to_bytes(2)
        made = cryptogram.mac(self.session_key, data[-TERMINAL_SIZE:] + AIP + counter + issuer)
        self.cryptogram = made if kind == _ARQC else b""
        return tlv.written(0x80, bytes([kind]) + counter + made + issuer)

    def _first_kind(self, wanted: int, data: bytes) -> int:
        """What the card makes of a wish: it never makes more of it, and asks the issuer above its limit."""
        amount = int(data[:6].hex()) if data[:6].hex().isdigit() else 0
        return _ARQC if wanted == _TC and amount > self.chip.limit else wanted

    def _second_kind(self, wanted: int) -> int:
        if wanted == _TC and self._authenticated:
            self.memory.online = self.memory.counter
            return _TC
        return _AAC

    def _results(self, kind: int, second_time: bool) -> bytes:
        """The card's verification results: which cryptograms it made, whether it saw the PIN, tries left."""
        made = {_AAC: 0x00, _TC: 0x10, _ARQC: 0x20}[kind]
        # Two bits for each GENERATE AC, the second one's on top: 0x80 there says not requested yet,
        # and a second one implies that the first gave an ARQC (0x20).
        which = made << 2 | 0x20 if second_time else 0x80 | made
        return bytes([0x03, which, 0x04 if self._verified else 0x00, self._left << 4])

    def _internal_authenticate(self, first: int, second: int, data: bytes) -> bytes:
        if first or second:
            raise _Refused(b"\x6a\x86")
        self._require("initiated")
        if len(data) != 4:
            raise _Refused(b"\x67\x00")
        number = self._chance.randbytes(8)
        return tlv.written(0x80, self._keys.dynamic_signature(number, data))

    def _external_authenticate(self, first: int, second: int, data: bytes) -> bytes:
        if first or second:
            raise _Refused(b"\x6a\x86")
        self._require("first")
        if not self.cryptogram or self._authenticated:
            raise _Refused(b"\x69\x85")
        if len(data) not in (8, 10):
            raise _Refused(b"\x67\x00")
        code = data[8:] if len(data) == 10 else data[4:]
        if cryptogram.response(self.session_key, self.cryptogram, code) != data:
            raise _Refused(b"\x63\x00")
        self._authenticated = True
        return b""

    def _challenge(self, first: int, second: int, data: bytes) -> bytes:
        if first or second or data:
            raise _Refused(b"\x6a\x86")
        self._random = self._chance.randbytes(8)
        return self._random

    def _get_data(self, first: int, second: int, data: bytes) -> bytes:
        if self._selected is None:
            raise _Refused(b"\x69\x85")
        found = {
            0x9F36: self.memory.counter.to_bytes(2),
            0x9F13: self.memory.online.to_bytes(2),
            0x9F17: bytes([self._left]),
        }
        tag = first << 8 | second
        if tag not in found:
            raise _Refused(b"\x6a\x88")
        return tlv.written(tag, found[tag])

    def _require(self, *states: str) -> None:
        if self._state not in states:
            raise _Refused(b"\x69\x85")
