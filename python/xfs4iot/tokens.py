"""End-to-end security: the tokens with which a host authorises a device, and the device reports back.

A host that shares a secret key with a device need not trust anything between the two. It asks
the device for a nonce (`Common.GetCommandNonce`), makes a token of the nonce and what it
allows, and sends that with the command. The device answers a nonce of the host with a token of
its own that says what was dispensed (`CashDispenser.GetPresentStatus`). A token is text:

    NONCE=254611E63B2531576314E86527338D61,TOKENFORMAT=1,TOKENLENGTH=0164,DISPENSE1=50.00EUR,HMACSHA256=…

NONCE, TOKENFORMAT and TOKENLENGTH (the length of the whole text) come first and in this order,
then what the token says, last its HMAC: SHA-256, keyed with the secret, over everything up to
and including `HMACSHA256=`. At most 1024 printable ASCII characters; names are upper-case
letters and digits; values are anything but comma and equals sign; no name comes twice.

    nonce = (await dispenser.call("Common.GetCommandNonce"))["commandNonce"]
    token = tokens.dispense_token(key, nonce, {"EUR": 230})
    await dispenser.call("CashDispenser.Dispense", {"denomination": …, "token": token})

Everything here is strict, stateless and free of I/O (except `read_key`); the service keeps
track of what was already used (`xfs4iot.interfaces.common.end_to_end_security`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from pathlib import Path

from cryptography.hazmat.primitives.constant_time import bytes_eq

from xfs4iot.dataclass import dataclass
from xfs4iot.digests import hmac_sha256
from xfs4iot.protocol import errors

__all__ = [
    "SHORTEST_KEY",
    "KeyUnusable",
    "PresentReport",
    "Token",
    "amounts",
    "authenticate",
    "dispense_token",
    "key_from_text",
    "make_token",
    "new_nonce",
    "parse",
    "present_token",
    "read_key",
    "read_present_token",
]

LONGEST = 1024
"""Characters of a token at most."""
SHORTEST_KEY = 16
"""Bytes of a key at least: with fewer the HMAC could be searched for."""

# `!-+`, `\--<` and `>-~` are printable ASCII without the comma and the equals sign.
_FORM = re.compile(
    r"NONCE=([0-9A-F]+),TOKENFORMAT=1,TOKENLENGTH=([0-9]{4}),"
    r"((?:[A-Z0-9]+=[!-+\--<>-~]+,)+)HMACSHA256=([0-9A-F]{64})"
)
_LOOSE = re.compile(r"[A-Z0-9]+=[!-+\--<>-~]*(?:,[A-Z0-9]+=[!-+\--<>-~]*)*")
_NAME = re.compile(r"[A-Z0-9]+")
_VALUE = re.compile(r"[!-+\--<>-~]+")
_NONCE = re.compile(r"[0-9A-F]+")
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)([A-Z]{3})")
_RESERVED = frozenset({"NONCE", "TOKENFORMAT", "TOKENLENGTH", "HMACSHA256"})
_NO_DISPENSE = "0" * 64


class KeyUnusable(ValueError):
    """A key cannot be used; the text says why and what to do, and never the key."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose format is right; whether its HMAC is, `authenticate` says.

    Attributes:
        nonce: hexadecimal or decimal digits.
        values: what it says, by name, in its order; without the four names of the format.
        hmac: 64 upper-case hexadecimal digits; identifies the token, and is not secret.
    """

    nonce: str
    values: Mapping[str, str] = field(repr=False)
    hmac: str = field(repr=False)


def parse(text: str) -> Token:
    """Take a token apart.

    Raises:
        InvalidTokenFormat: it breaks the format; the text says how.
        InvalidTokenKeyNoValue: the format is right, but a name has no value.
    """
    found = _FORM.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise _malformed(text)
    nonce, length, middle, code = found.groups()
    if int(length) != len(text):
        raise errors.InvalidTokenFormat(
            f"the token says that it has {int(length)} characters, but it has {len(text)}; "
            "TOKENLENGTH counts the whole text"
        )
    pairs = [pair.split("=") for pair in middle[:-1].split(",")]
    values = dict(pairs)
    if len(values) != len(pairs) or not _RESERVED.isdisjoint(values):
        raise errors.InvalidTokenFormat("a name is in the token twice")
    return Token(nonce, values, code)


def _malformed(text: str) -> errors.XfsError:
    """Why a text is not a token."""
    if len(text) > LONGEST:
        return errors.InvalidTokenFormat(f"the token has {len(text)} characters; {LONGEST} are allowed")
    if not _LOOSE.fullmatch(text):
        return errors.InvalidTokenFormat(
            "the token is not NAME=VALUE,NAME=VALUE,… of printable ASCII characters with upper-case names"
        )
    names = []
    for pair in text.split(","):
        name, _, value = pair.partition("=")
        if not value:
            return errors.InvalidTokenKeyNoValue(f"{name} has no value in the token")
        names.append(name)
    if names[:3] != ["NONCE", "TOKENFORMAT", "TOKENLENGTH"] or names[-1] != "HMACSHA256" or len(names) < 5:
        return errors.InvalidTokenFormat(
            "the token's names must be NONCE, TOKENFORMAT, TOKENLENGTH, what it says, HMACSHA256"
        )
    return errors.InvalidTokenFormat(
        "a value in the token is wrong: NONCE and HMACSHA256 are upper-case hexadecimal, the HMAC of 64 "
        "digits, TOKENFORMAT is 1, TOKENLENGTH has four digits"
    )


def authenticate(text: str, key: bytes) -> Token:
    """Take a token apart and see that who made it has the key; compares in constant time.

    Raises:
        InvalidTokenFormat, InvalidTokenKeyNoValue: see `parse`.
        InvalidTokenHMAC: it was made with another key, or changed.
    """
    token = parse(text)
    # `parse` has made sure that the last 64 characters are the HMAC.
    if not bytes_eq(_code(key, text[:-64]).encode(), token.hmac.encode()):
        raise errors.InvalidTokenHMAC("the token's HMAC is wrong: another key, or the token was changed")
    return token


def _code(key: bytes, signed: str) -> str:
    return hmac_sha256(key, signed.encode("ascii")).hex().upper()


def new_nonce() -> str:
    """A fresh nonce: 128 random bits as 32 upper-case hexadecimal digits."""
    return os.urandom(16).hex().upper()


def make_token(key: bytes, nonce: str, values: Mapping[str, str]) -> str:
    """Make a token.

    Args:
        key: the shared secret, at least 16 bytes.
        nonce: of whoever is to accept the token.
        values: what the token says, by name.

    Raises:
        KeyUnusable: the key is too short.
        ValueError: nonce, a name or a value breaks the format, or the token would be too long.
    """
    _require_key(key)
    if not _NONCE.fullmatch(nonce):
        raise ValueError("the nonce must be upper-case hexadecimal digits; see Common.GetCommandNonce")
    if not values:
        raise ValueError("a token must say something: give at least one name with a value")
    for name, value in values.items():
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise ValueError(f"{name!r} is not a name for a token: upper-case letters and digits")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of {name} must be printable ASCII without comma and equals sign")
    said = ",".join(f"{name}={value}" for name, value in values.items())
    before, after = f"NONCE={nonce},TOKENFORMAT=1,TOKENLENGTH=", f",{said},HMACSHA256="
    # 4: the digits of TOKENLENGTH, which counts itself; 64: those of the HMAC.
    length = len(before) + 4 + len(after) + 64
    if length > LONGEST:
        raise ValueError(f"the token would have {length} characters; {LONGEST} are allowed")
    signed = f"{before}{length:04}{after}"
    return signed + _code(key, signed)


def dispense_token(key: bytes, nonce: str, amounts: Mapping[str, Decimal | int | str]) -> str:
    """A token for `CashDispenser.Dispense`, which allows so much to be dispensed, at once or in parts.

    Args:
        key: see `make_token`.
        nonce: from `Common.GetCommandNonce`.
        amounts: by ISO 4217 currency.

    Raises:
        KeyUnusable, ValueError: see `make_token`; also for what is not an amount.
    """
    return make_token(
        key,
        nonce,
        {
            f"DISPENSE{number}": _amount(amount, currency)
            for number, (currency, amount) in enumerate(amounts.items(), 1)
        },
    )


def _amount(amount: Decimal | int | str, currency: str) -> str:
    text = f"{Decimal(amount):f}{currency}"
    if not _AMOUNT.fullmatch(text):
        raise ValueError(f"{text!r} is not an amount with a currency, such as 50.00EUR")
    return text


def amounts(token: Token, name: str) -> dict[str, Decimal]:
    """The amounts that a token gives under NAME1, NAME2, …, by currency; empty if there are none.

    Raises:
        InvalidToken: one is not an amount, the numbers have a gap, or a currency comes twice.
    """
    numbered = [one for one in token.values if re.fullmatch(rf"{name}[0-9]+", one)]
    found: dict[str, Decimal] = {}
    for number in range(1, len(numbered) + 1):
        text = token.values.get(f"{name}{number}")
        read = _AMOUNT.fullmatch(text) if text is not None else None
        if read is None:
            raise errors.InvalidToken(
                f"{name}{number} in the token is not there or no amount such as 50.00EUR; "
                f"amounts are numbered from {name}1 without a gap"
            )
        if read[2] in found:
            raise errors.InvalidToken(f"the token has two amounts of {read[2]}")
        found[read[2]] = Decimal(read[1])
    return found


@dataclass(frozen=True, slots=True)
class PresentReport:
    """What a device says of its last dispense (`CashDispenser.GetPresentStatus`).

    Attributes:
        dispense_id: HMAC of the token that authorised it; None if no token did.
        dispensed: amounts by currency.
        presented: whether they got into the customer's reach; None if not known, which a host
            must take for yes.
        presented_amounts: what of it; None if not known.
        retracted: whether any were taken back afterwards.
        retracted_amounts: what of it; None if not known.
    """

    dispense_id: str | None = None
    dispensed: Mapping[str, Decimal] = field(default_factory=dict)
    presented: bool | None = False
    presented_amounts: Mapping[str, Decimal] | None = None
    retracted: bool = False
    retracted_amounts: Mapping[str, Decimal] | None = None


def present_token(key: bytes, nonce: str, report: PresentReport) -> str:
    """The response token for `CashDispenser.GetPresentStatus`.

    Without a dispense that a token authorised DISPENSEID is 64 zeros. An amount that the
    device does not know is `?`.

    Raises:
        KeyUnusable, ValueError: see `make_token`.
    """
    values = {"DISPENSEID": report.dispense_id or _NO_DISPENSE}
    for number, (currency, amount) in enumerate(report.dispensed.items(), 1):
        values[f"DISPENSED{number}"] = _amount(amount, currency)
        values[f"PRESENTED{number}"] = "NO" if report.presented is False else "YES"
        if report.presented is not False:
            values[f"PRESENTEDAMOUNT{number}"] = _known(
                report.presented_amounts if report.presented else None, currency
            )
        values[f"RETRACTED{number}"] = "YES" if report.retracted else "NO"
        if report.retracted:
            values[f"RETRACTEDAMOUNT{number}"] = _known(report.retracted_amounts, currency)
    return make_token(key, nonce, values)


def _known(amounts: Mapping[str, Decimal] | None, currency: str) -> str:
    return "?" if amounts is None else _amount(amounts.get(currency, Decimal(0)), currency)


def read_present_token(text: str, key: bytes, nonce: str) -> PresentReport:
    """What a device reported, if the token is genuine and answers `nonce`.

    Raises:
        InvalidTokenFormat, InvalidTokenKeyNoValue, InvalidTokenHMAC: see `authenticate`.
        InvalidTokenNonce: it answers another nonce.
        InvalidToken: it says what no present status says.
    """
    token = authenticate(text, key)
    if token.nonce != nonce:
        raise errors.InvalidTokenNonce("the token answers another nonce")
    values = token.values
    if not re.fullmatch(r"[0-9A-F]{64}", values.get("DISPENSEID", "")):
        raise errors.InvalidToken("DISPENSEID is not in the token, or no HMAC")
    dispensed = amounts(token, "DISPENSED")
    presented = any(values.get(f"PRESENTED{number}") != "NO" for number in range(1, len(dispensed) + 1))
    retracted = any(values.get(f"RETRACTED{number}") != "NO" for number in range(1, len(dispensed) + 1))
    got = _amounts_if_known(token, "PRESENTEDAMOUNT")
    return PresentReport(
        None if values["DISPENSEID"] == _NO_DISPENSE else values["DISPENSEID"],
        dispensed,
        None if presented and got is None else presented,
        got if presented else None,
        retracted,
        _amounts_if_known(token, "RETRACTEDAMOUNT") if retracted else None,
    )


def _amounts_if_known(token: Token, name: str) -> dict[str, Decimal] | None:
    return None if token.values.get(f"{name}1", "?") == "?" else amounts(token, name)


def read_key(file: Path) -> bytes:
    """A key from a file that holds it in hexadecimal, which nobody but its owner may read.

    Raises:
        KeyUnusable: it is not such a file, or the key is not good.
    """
    try:
        mode = file.stat().st_mode
        text = file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not hexadecimal text"
        # `from None`: a UnicodeDecodeError holds the content of the file, which may be the key.
        raise KeyUnusable(f"key file {file} cannot be read: {reason}") from None
    if os.name == "posix" and mode & 0o077:
        raise KeyUnusable(f"key file {file} can be read by others; chmod 600 it")
    return key_from_text(text, f"key file {file}")


def key_from_text(text: str, where: str) -> bytes:
    """A key from hexadecimal text; `where` it came from, for the error.

    Raises:
        KeyUnusable: it is not hexadecimal, or too short.
    """
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise KeyUnusable(f"{where} must hold a key in hexadecimal digits") from None
    _require_key(key, where)
    return key


def _require_key(key: bytes, where: str = "the key") -> None:
    if len(key) < SHORTEST_KEY:
        raise KeyUnusable(
            f"{where}: {len(key)} bytes are too short for a key; use {SHORTEST_KEY} or more, best 32"
        )
