"""The cryptography of the simulated EMV cards, under test keys that are useless elsewhere.

Application cryptograms are made as cards with cryptogram version 18 do: the card's key from the issuer's
master key by PAN and sequence number (EMV Book 2, A1.4.1, option A), a session key from it by the
transaction counter (A1.3.1), and the MAC of A1.2.1 (ISO/IEC 9797-1, algorithm 3, padding method 2).
Certificates and signatures are those of Book 2, 5 and 6: RSA with recovery, SHA-1.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from xfs4iot.dataclass import dataclass
from xfs4iot.digests import sha1
from xfs4iot.simulator.secure_part import ciphers

__all__ = [
    "AUTHORITY_INDEX",
    "EXPONENT",
    "Authority",
    "Key",
    "card_key",
    "mac",
    "response",
    "scheme_keys",
    "session_key",
]

EXPONENT = b"\x03"
AUTHORITY_INDEX = 0xF1
_ISSUER_EXPIRY = "1249"
_HASH_AND_RSA = b"\x01\x01"
_KEYS = Path(__file__).with_name("keys.toml")


@dataclass(frozen=True)
class Key:
    """An RSA key."""

    modulus: int
    private: int

    @property
    def size(self) -> int:
        """Bytes of the modulus."""
        return (self.modulus.bit_length() + 7) // 8

    @property
    def public(self) -> bytes:
        """The modulus."""
        return self.modulus.to_bytes(self.size)

    def apply(self, block: bytes) -> bytes:
        """Sign a block, or decipher one."""
        return pow(int.from_bytes(block), self.private, self.modulus).to_bytes(self.size)


@dataclass(frozen=True)
class Authority:
    """The keys of the simulated payment scheme.

    Attributes:
        master_ac: the issuer's, for application cryptograms.
        authority, issuer, card: of the certification authority, the issuer, and all cards.
    """

    master_ac: bytes
    authority: Key
    issuer: Key
    card: Key

    def issuer_certificate(self, pan: str) -> tuple[bytes, bytes]:
        """Tags 90 and 92: the issuer's key, certified by the authority, and what did not fit in."""
        named = bytes.fromhex(pan[:8].ljust(8, "F"))
        head = b"\x02" + named + bytes.fromhex(_ISSUER_EXPIRY) + b"\x00\x00\x01" + _HASH_AND_RSA
        return self._certified(self.authority, self.issuer, head, b"")

    def card_certificate(self, pan: str, static: bytes) -> tuple[bytes, bytes]:
        """Tags 9F46 and 9F48: the card's key, certified by the issuer together with its static data."""
        named = bytes.fromhex(pan.ljust(20, "F"))
        head = b"\x04" + named + bytes.fromhex(_ISSUER_EXPIRY) + b"\x00\x00\x02" + _HASH_AND_RSA
        return self._certified(self.issuer, self.card, head, static)

    def _certified(self, signer: Key, key: Key, head: bytes, static: bytes) -> tuple[bytes, bytes]:
        head += bytes([key.size, len(EXPONENT)])
        # 22: header and trailer bytes and a SHA-1 digest, which `_sealed` adds.
        room = signer.size - len(head) - 22
        part, rest = key.public[:room].ljust(room, b"\xbb"), key.public[room:]
        return signer.apply(_sealed(head + part, rest + EXPONENT + static)), rest

    def dynamic_signature(self, number: bytes, terminal: bytes) -> bytes:
        """Tag 9F4B: the card's number and the terminal's data, signed by the card (Book 2, 6.5.2)."""
        dynamic = bytes([len(number)]) + number
        head = b"\x05\x01" + bytes([len(dynamic)]) + dynamic
        padded = head.ljust(self.card.size - 22, b"\xbb")
        return self.card.apply(_sealed(padded, terminal))


def _sealed(content: bytes, unsigned: bytes) -> bytes:
    """A block for RSA with recovery; its hash covers what is not in it as well."""
    digest = sha1(content + unsigned)
    return b"\x6a" + content + digest + b"\xbc"


@cache
def scheme_keys() -> Authority:
    """The keys that come with the package."""
    content = tomllib.loads(_KEYS.read_text("utf-8"))

    def key(name: str) -> Key:
        numbers = {part: int(content[name][part].replace("\n", ""), 16) for part in ("modulus", "private")}
        return Key(**numbers)

    return Authority(bytes.fromhex(content["master_ac"]), key("authority"), key("issuer"), key("card"))


def _triple(key: bytes, block: bytes) -> bytes:
    return ciphers.encrypt("T", key, block)


def _with_parity(key: bytes) -> bytes:
    """Each byte with an odd number of ones."""
    return bytes(byte ^ 1 if byte.bit_count() % 2 == 0 else byte for byte in key)


def card_key(master: bytes, pan: str, sequence: int) -> bytes:
    """The key of one card."""
    digits = f"{pan}{sequence:02}"[-16:].rjust(16, "0")
    block = bytes.fromhex(digits)
    return _with_parity(_triple(master, block) + _triple(master, bytes(byte ^ 0xFF for byte in block)))


def session_key(key: bytes, counter: int) -> bytes:
    """The key of one transaction of a card."""
    start = counter.to_bytes(2)
    return _with_parity(_triple(key, start + b"\xf0" + bytes(5)) + _triple(key, start + b"\x0f" + bytes(5)))


def mac(key: bytes, data: bytes) -> bytes:
    """The MAC of 8 bytes."""
    padded = data + b"\x80"
    padded += bytes(-len(padded) % 8)
    last = ciphers.encrypt("D", key[:8], padded, "cbc")[-8:]
    return ciphers.encrypt("D", key[:8], ciphers.decrypt("D", key[8:], last))


def response(key: bytes, cryptogram: bytes, code: bytes) -> bytes:
    """Tag 91: the issuer's answer to a cryptogram.

    Args:
        key: of the session.
        code: 2 bytes, an authorisation response code: method 1 of Book 2, 8.2; or 4 bytes, a card
            status update: method 2.
    """
    if len(code) == 4:
        return mac(key, cryptogram + code)[:4] + code
    block = bytes(one ^ other for one, other in zip(cryptogram, code.ljust(8, b"\x00"), strict=True))
    return _triple(key, block) + code
