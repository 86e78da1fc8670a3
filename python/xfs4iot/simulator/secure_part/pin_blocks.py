"""PIN blocks (ISO 9564-1, IBM 3624), and PINs verified where they are: IBM 3624 and PVV.

| format | block |
|---|---|
| `iso0`, `ansi` | `0`, length, PIN, `F`s; exclusive-or `0000` and 12 digits of the PAN |
| `iso1` | `1`, length, PIN, digits of the transaction, random digits |
| `iso3` | `3`, length, PIN, random digits A to F; exclusive-or as format 0 |
| `iso4` | `4`, length, PIN, `A`s, 8 random bytes; encrypted, exclusive-or the PAN, encrypted again |
| `ibm3624` | PIN, padding |
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from xfs4iot.simulator.secure_part import ciphers

__all__ = ["FORMATS", "ibm3624_pin", "pan_field", "plain_block", "pvv", "reference_digits"]

FORMATS = frozenset({"ibm3624", "ansi", "iso0", "iso1", "iso3", "iso4"})


def _filled(text: str, fill: str, length: int = 16) -> bytes:
    return bytes.fromhex(text + fill * (length - len(text)))


def _random_digits(count: int, of: str) -> str:
    return "".join(secrets.choice(of) for _ in range(count))


def plain_block(format: str, pin: Sequence[int], customer_data: str, padding: int) -> bytes:
    """The block before it is encrypted; of format 4 the PIN field.

    Raises:
        ValueError: there is no such format.
    """
    digits = "".join(map(str, pin))
    head = f"{len(digits):X}{digits}"
    match format:
        case "iso0" | "ansi":
            return ciphers.xor(_filled("0" + head, "F"), bytes.fromhex("0000" + customer_data))
        case "iso1":
            text = ("1" + head + customer_data)[:16]
            return bytes.fromhex(text + _random_digits(16 - len(text), "0123456789"))
        case "iso3":
            text = "3" + head
            text += _random_digits(16 - len(text), "ABCDEF")
            return ciphers.xor(bytes.fromhex(text), bytes.fromhex("0000" + customer_data))
        case "iso4":
            return _filled("4" + head, "A") + secrets.token_bytes(8)
        case "ibm3624":
            return _filled(digits, f"{padding:X}")
    raise ValueError(f"there is no block of format {format} here")


def pan_field(pan: str) -> bytes:
    """The PAN of format 4: how many digits it has above 12, then the digits."""
    return bytes.fromhex((f"{len(pan) - 12:X}" + pan).ljust(32, "0"))


def ibm3624_pin(key: bytes, validation_data: str, table: str, length: int) -> str:
    """The PIN that belongs to validation data."""
    made = ciphers.encrypt("T", key, bytes.fromhex(validation_data)).hex()
    return "".join(table[int(digit, 16)] for digit in made)[:length]


def pvv(key: bytes, account: str, key_index: str, pin: Sequence[int]) -> str:
    """The PIN verification value of the first 4 digits of a PIN."""
    text = account + key_index + "".join(map(str, pin[:4]))
    made = ciphers.encrypt("T", key, bytes.fromhex(text)).hex()
    digits = [digit for digit in made if digit.isdecimal()]
    # Letters count only after all decimal digits of the block, as the PVV algorithm has it.
    digits += [str(int(digit, 16) - 10) for digit in made if not digit.isdecimal()]
    return "".join(digits[:4])


def reference_digits(natural: str, offset: str, no_leading_zero: bool) -> str:
    """The PIN that is expected: digit by digit the sum, modulo 10, of the natural PIN and its offset."""
    shift = offset.ljust(len(natural), "0")
    made = "".join(str((int(a) + int(b)) % 10) for a, b in zip(natural, shift, strict=True))
    return "1" + made[1:] if no_leading_zero and made[:1] == "0" else made
