"""THE TEST HOST: what a bank's host does, with keys that everybody can read.

It is here to show what passes between an ATM and its host, and is none: it knows the PINs of the cards
of the default profile, loads the keys of the simulated PIN pad, and plays the issuer of the simulated
chips. A real host has all of this in a hardware security module.

    key_block       the PIN key, in a key block of TR-31 (X9.143) under the pad's protection key
    authorise       is the PIN right, and has this card made this cryptogram for this amount?
    token           what the dispenser may pay out, and once only
    report          what the dispenser swears it has paid out
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal

from xfs4iot import tokens
from xfs4iot.dataclass import dataclass
from xfs4iot.simulator.card_reader import cryptogram
from xfs4iot.simulator.profile import read
from xfs4iot.simulator.secure_part import ciphers, key_block, macs, pin_blocks

__all__ = ["Authorisation", "Host", "Wish"]

_PINS = {"4761739001010010": "1234", "5413330089010012": "4321"}
"""Of the cards `credit` and `debit`."""
_PROTECTION = "TestKbpk"
APPROVED = b"00"
"""The authorisation response code (tag 8A)."""


@dataclass(frozen=True)
class Wish:
    """What an ATM asks its host.

    Attributes:
        pan, sequence: of the card.
        pin_block: ISO format 4, encrypted under the PIN key.
        signed: the data that the chip's cryptogram is made over.
        counter: of the chip's transactions.
        cryptogram: the chip's ARQC.
    """

    pan: str = field(repr=False)
    sequence: int
    pin_block: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    counter: int
    cryptogram: bytes


@dataclass(frozen=True)
class Authorisation:
    """What the host answers.

    Attributes:
        pin: whether it is right.
        genuine: whether the cryptogram is the card's.
        issuer: data for the chip (tag 91); empty if it is not approved.
    """

    pin: bool
    genuine: bool
    issuer: bytes = b""


class Host:
    """A test host, and one ATM that it knows.

    Args:
        token_key: shared with the dispenser, for end-to-end tokens; None: it demands none.
        pin_key: the AES key of 256 bits that PINs come under; None: a new one.
    """

    def __init__(self, token_key: bytes | None = None, pin_key: bytes | None = None) -> None:
        self._token_key = token_key
        self._pin_key = pin_key or secrets.token_bytes(32)
        self._report_nonce = ""

    def key_block(self) -> str:
        """The PIN key (usage P0, AES, encryption only) in a key block, base64."""
        keys = read("default").services["PinPad"].settings["keys"]
        protection = bytes.fromhex(keys[_PROTECTION]["value"])
        return base64.b64encode(key_block.wrap(protection, "D0000P0AE00E0000", self._pin_key)).decode()

    def protection_key(self) -> str:
        """The name under which the PIN pad has the key that protects key blocks."""
        return _PROTECTION

    def check_value(self) -> str:
        """Of the PIN key, base64: what the device must have found."""
        return base64.b64encode(macs.cmac("A", self._pin_key, bytes(16))[:5]).decode()

    def authorise(self, wish: Wish) -> Authorisation:
        """Look at the PIN and the cryptogram."""
        pin = hmac.compare_digest(self._pin(wish), _PINS.get(wish.pan, "-"))
        key = cryptogram.card_key(cryptogram.scheme_keys().master_ac, wish.pan, wish.sequence)
        session = cryptogram.session_key(key, wish.counter)
        genuine = hmac.compare_digest(cryptogram.mac(session, wish.signed), wish.cryptogram)
        if not (pin and genuine):
            return Authorisation(pin, genuine)
        return Authorisation(pin, genuine, cryptogram.response(session, wish.cryptogram, APPROVED))

    def _pin(self, wish: Wish) -> str:
        """The PIN in a block of ISO 9564 format 4."""
        inner = ciphers.decrypt("A", self._pin_key, wish.pin_block)
        block = ciphers.decrypt("A", self._pin_key, ciphers.xor(inner, pin_blocks.pan_field(wish.pan)))
        digits = block.hex()
        return digits[2 : 2 + int(digits[1], 16)] if digits[0] == "4" else ""

    def token(self, nonce: str, amounts: Mapping[str, Decimal]) -> str:
        """A token for one dispense, made of the dispenser's nonce."""
        assert self._token_key is not None
        return tokens.dispense_token(self._token_key, nonce, amounts)

    @property
    def makes_tokens(self) -> bool:
        """Whether the dispenser wants tokens of this host."""
        return self._token_key is not None

    def report_nonce(self) -> str:
        """A nonce, which the dispenser's report has to answer."""
        self._report_nonce = tokens.new_nonce()
        return self._report_nonce

    def report(self, token: str) -> tokens.PresentReport:
        """What the dispenser reports.

        Raises:
            XfsError: it is not the dispenser that says so, or not now.
        """
        assert self._token_key is not None
        return tokens.read_present_token(token, self._token_key, self._report_nonce)
