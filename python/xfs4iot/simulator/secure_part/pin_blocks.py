"""PIN blocks (ISO 9564-1 and older ones), and PINs verified where they are: IBM 3624 and PVV.

| format | block | PIN |
|---|---|---|
| `iso0`, `ansi` | `0`, length, PIN, `F`s; exclusive-or `0000` and 12 digits of the PAN | 4 to 12 |
| `iso1` | `1`, length, PIN, digits of the transaction, random digits | 4 to 12 |
| `iso3` | `3`, length, PIN, random digits A to F; exclusive-or as format 0 | 4 to 12 |
| `iso4` | `4`, length, PIN, `A`s, 8 random bytes; encrypted, exclusive-or PAN, encrypted again | 4 to 12 |
| `emv` | format 2 (`2`, length, PIN, `F`s) in what EMV Book 2, 7.2 encrypts by RSA | 4 to 12 |
| `ibm3624`, `diebold` | PIN, padding | 4 to 16 |
| `dieboldCo` | coordination number in one digit, PIN, padding | 4 to 12 |
| `eci2` | PIN, padding | 4 |
| `eci3` | length, PIN, padding | 4 to 6 |
| `visa` | length, PIN, `0`s to 6 digits, padding | 4 to 6 |
| `visa3` | PIN, `F`, padding | 4 to 12 |
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence

from xfs4iot.simulator.secure_part import ciphers
from xfs4iot.simulator.secure_part.ciphers import Key

__all__ = [
    "PIN_DIGITS",
    "emv_block",
    "ibm3624_pin",
    "pan_field",
    "plain_block",
    "pvv",
    "reference_digits",
]

PIN_DIGITS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("iso0", "ansi", "iso1", "iso3", "iso4", "emv", "dieboldCo", "visa3"), (4, 12)),
    **dict.fromkeys(("ibm3624", "diebold"), (4, 16)),
    **dict.fromkeys(("eci3", "visa"), (4, 6)),
    "eci2": (4, 4),
}
"""How many digits a PIN has, at least and at most, by format."""


def _filled(text: str, fill: str, length: int = 16) -> bytes:
    return bytes.fromhex(text + fill * (length - len(text)))


def _random_digits(count: int, of: str) -> str:
    drawn = random.SystemRandom()
    return "".join(drawn.choice(of) for _ in range(count))


def plain_block(format: str, pin: Sequence[int], customer_data: str, padding: int) -> bytes:
    """The block before it is encrypted; of format 4 the PIN field, of format `emv` that of format 2.

    Args:
        customer_data: what it is bound to, as `PinBlockRequest` has it.
        padding: the digit that fills it up.

    Raises:
        ValueError: there is no such format.
    """
    digits = "".join(map(str, pin))
    head = f"{len(digits):X}{digits}"
    fill = f"{padding:X}"
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
            return _filled("4" + head, "A") + os.urandom(8)
        case "emv":
            return _filled("2" + head, "F")
        case "ibm3624" | "diebold" | "eci2":
            return _filled(digits, fill)
        case "dieboldCo":
            return _filled(f"{int(customer_data):X}{digits}", fill)
        case "eci3":
            return _filled(head, fill)
        case "visa":
            return _filled(head[:1] + digits.ljust(6, "0"), fill)
        case "visa3":
            return _filled(digits + "F", fill)
    raise ValueError(f"there is no block of format {format} here")


def emv_block(block: bytes, challenge: bytes, length: int) -> bytes:
    """What is encrypted by a chip's RSA key: `7F`, a block of format 2, the chip's challenge, random bytes.

    Args:
        length: bytes of the key's modulus.
    """
    head = b"\x7f" + block + challenge
    return head + os.urandom(length - len(head))


def pan_field(pan: str) -> bytes:
    """The PAN of format 4: how many digits it has above 12, then the digits."""
    return bytes.fromhex((f"{len(pan) - 12:X}" + pan).ljust(32, "0"))


def ibm3624_pin(key: Key, validation_data: str, table: str, length: int) -> str:
    """The PIN that belongs to validation data."""
    made = ciphers.encrypt("T", key, bytes.fromhex(validation_data)).hex()
    return "".join(table[int(digit, 16)] for digit in made)[:length]


def pvv(key: Key, account: str, key_index: str, pin: Sequence[int]) -> str:
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
