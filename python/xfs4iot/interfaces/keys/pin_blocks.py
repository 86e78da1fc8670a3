"""Checks before a PIN block is made."""

from __future__ import annotations

import re
from typing import Any, Protocol

from xfs4iot import devices
from xfs4iot.devices import PinBlockRequest
from xfs4iot.interfaces.keys.checks import illegal
from xfs4iot.interfaces.keys.key_table import KeyTable
from xfs4iot.interfaces.keys.purposes import ENCRYPT_PIN
from xfs4iot.protocol import errors
from xfs4iot.server.handler import Check, check

__all__ = ["account_of", "block_request", "checks"]

_BOUND_TO = {
    "ansi": ("[0-9]{12,18}", "the PAN without its check digit, 12 to 18 digits"),
    "iso0": ("[0-9]{1,18}", "the PAN without its check digit, up to 18 digits"),
    "iso3": ("[0-9]{12,18}", "the PAN without its check digit, 12 to 18 digits"),
    "iso4": ("[0-9]{12,19}", "the whole PAN, 12 to 19 digits"),
    "iso1": ("([0-9]{10})?", "a transaction field of 10 digits, or nothing"),
    "emv": ("[0-9a-fA-F]{16}", "the challenge of the chip, 8 bytes"),
    "ap": ("[0-9]{26}", "18 digits of the PAN and 8 of the CCS"),
    "dieboldCo": ("0[0-9]|1[0-5]", "a coordination number, 00 to 15"),
}
"""What `customerData` has, by format."""
_PADDED = frozenset({"ibm3624", "visa", "visa3", "diebold", "dieboldCo", "eci2", "eci3", "banksys", "ap"})
_BY_PAN = frozenset({"ansi", "iso0", "iso3"})
_WHOLE_PAN = 16
"""Digits of nearly all PANs; those of 17, which would be as many without their check digit, hardly exist."""
_ALGORITHMS = {"iso4": "A", "emv": "R"}
"""Algorithms that formats are encrypted by; TDES for all others."""


class _On(Protocol):
    @property
    def table(self) -> KeyTable: ...

    @property
    def device(self) -> devices.PinPad: ...


@check("formatNotSupported")
def format_supported(on: _On, request: Any) -> None:
    """whether the device makes blocks of this format"""
    if request.format not in on.device.pin_formats:
        raise errors.CommandError(
            "formatNotSupported",
            "$.format: the device makes "
            f"{', '.join(sorted(on.device.pin_formats)) or 'none'}, not {request.format}",
        )


@check("invalidData")
def data_fits(on: _On, request: Any) -> None:
    """`customerData` and `padding`, as the format needs them"""
    pattern, text = _BOUND_TO.get(request.format, (".*", ""))
    if not re.fullmatch(pattern, request.customer_data or ""):
        raise errors.InvalidData(f"$.customerData: the format {request.format} needs {text}")
    if request.format in _BY_PAN and _has_check_digit(request.customer_data):
        raise errors.InvalidData(
            "$.customerData seems to be a whole PAN; without its check digit, or the block would be wrong"
        )
    if request.padding is None and request.format in _PADDED:
        raise errors.InvalidData(f"$.padding is missing; the format {request.format} is filled up with it")
    if request.format == "visa" and request.padding > 9:
        raise errors.InvalidData("$.padding: the format visa is filled up with a decimal digit")


def _has_check_digit(digits: str) -> bool:
    """Whether digits are as many as those of a PAN, and the last is the check digit (ISO/IEC 7812-1)."""
    if len(digits) != _WHOLE_PAN:
        return False
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(digits)]
    return sum(one // 10 + one % 10 for one in doubled) % 10 == 0


@check("keyNotFound", "keyNoValue", "useViolation")
def pin_key_usable(on: _On, request: Any) -> None:
    """whether the key is there and may encrypt a PIN; no PIN leaves without one"""
    if not request.key:
        raise errors.CommandError("useViolation", "$.key is missing: no PIN leaves the device unencrypted")
    on.table.for_use(request.key, ENCRYPT_PIN)


def _algorithm_fits(code: str) -> Check:
    def fits(on: _On, request: Any) -> None:
        """whether keys of this algorithm encrypt this format: AES `iso4`, RSA `emv`, TDES the others"""
        key = on.table.loaded(request.key)
        needed = _ALGORITHMS.get(request.format, "T")
        known = key.stored.attributes.kind in on.device.pin_blocks
        if key.algorithm != needed or not known:
            raise illegal(
                request.key,
                code,
                f"$.key: the format {request.format} is encrypted by algorithm "
                f"{needed}, and by the kinds of keys in "
                "pinPad.pinBlockAttributes of Common.Capabilities",
                "algorithmNotSupported",
            )

    return check(code, name="algorithm fits")(fits)


def _method_of(on: _On, request: Any) -> Any:
    """The method: what is said, or else the only one."""
    known = on.device.pin_blocks[on.table.loaded(request.key).stored.attributes.kind]
    if request.crypto_method is None and len(known) == 1:
        return next(iter(known))
    return request.crypto_method


def _customer_data(request: Any) -> str:
    """What the block is bound to; of a PAN the 12 digits that count."""
    data: str = request.customer_data or ""
    return data[-12:].zfill(12) if request.format in _BY_PAN else data


def account_of(wanted: PinBlockRequest) -> str | None:
    """The account that a block is bound to: 12 digits without the check digit; None: its format has none."""
    if wanted.format in _BY_PAN:
        return wanted.customer_data
    if wanted.format == "ap":
        # 18 digits of the PAN, with its check digit, and 8 of the CCS.
        return wanted.customer_data[5:17]
    return wanted.customer_data[-13:-1].zfill(12) if wanted.format == "iso4" else None


def _method_supported(code: str) -> Check:
    def supported(on: _On, request: Any) -> None:
        """`cryptoMethod`, if the device has several; whether it has it"""
        known = on.device.pin_blocks[on.table.loaded(request.key).stored.attributes.kind]
        method = _method_of(on, request)
        if method is None and not known:
            return
        if method is None:
            raise errors.InvalidData(f"$.cryptoMethod is missing; say one of {', '.join(sorted(known))}")
        if method not in known:
            by = ", ".join(sorted(known)) or "no method but that of the format; leave it out"
            text = f"$.cryptoMethod: this key encrypts PIN blocks by {by}"
            if code == "unsupportedData":
                raise errors.UnsupportedData(text)
            raise errors.CommandError(code, text)

    return check("invalidData", code, name="method supported")(supported)


@check("keyNotFound", "keyNoValue", "useViolation")
def second_key_usable(on: _On, request: Any) -> None:
    """whether the key `secondEncKey` is there and may encrypt a PIN"""
    if request.second_enc_key is None:
        return
    key = on.table.for_use(request.second_enc_key, ENCRYPT_PIN, "$.secondEncKey")
    if key.usage != "P0" or key.algorithm != on.table.loaded(request.key).algorithm:
        raise illegal(
            request.second_enc_key, "useViolation", "$.secondEncKey: a key of usage P0 of the same algorithm"
        )


@check("invalidData")
def xor_data_fits(on: _On, request: Any) -> None:
    """`xorData`: as long as the block, if it counts"""
    if request.second_enc_key is None or request.xor_data is None:
        return
    # Hexadecimal digits of one AES or TDES block.
    digits = 32 if request.format == "iso4" else 16
    if len(request.xor_data) != digits:
        raise errors.InvalidData(f"$.xorData has {len(request.xor_data)} digits; the block has {digits}")


def checks(algorithm_code: str, method_code: str) -> tuple[Check, ...]:
    """All checks, in order.

    Args:
        algorithm_code, method_code: how the command calls a key or method that does not fit.
    """
    return (
        format_supported,
        data_fits,
        pin_key_usable,
        _algorithm_fits(algorithm_code),
        _method_supported(method_code),
        second_key_usable,
        xor_data_fits,
    )


def block_request(on: _On, request: Any) -> PinBlockRequest:
    """What the device is given, after all checks."""
    second = request.second_enc_key
    return PinBlockRequest(
        format=request.format,
        customer_data=_customer_data(request),
        padding=15 if request.padding is None else request.padding,
        key=request.key,
        method=_method_of(on, request),
        second_key=second,
        xor_data=bytes.fromhex(request.xor_data) if second and request.xor_data else b"",
    )
