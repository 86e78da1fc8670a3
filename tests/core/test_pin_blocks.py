"""PIN blocks and the verification of PINs against published examples, and another implementation."""

from __future__ import annotations

import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import psec

from xfs4iot.simulator.secure_part import ciphers, dukpt, pin_blocks

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PAN = "1122334455667788"


@pytest.mark.parametrize(
    ("pan", "expected"), [("43219876543210987", "0412AC89ABCDEF67"), ("4012345678909", "041274EDCBA9876F")]
)
def test_format_0(pan: str, expected: str) -> None:
    made = pin_blocks.plain_block("iso0", [1, 2, 3, 4], pan[-13:-1], 15)
    assert made.hex().upper() == expected
    assert pin_blocks.plain_block("ansi", [1, 2, 3, 4], pan[-13:-1], 15) == made


def test_format_0_by_dukpt_is_that_of_x9_24() -> None:
    initial = bytes.fromhex("6AC292FAA1315B4D858AB3A3D7D5933A")
    key = dukpt.working_key("T", initial, bytes.fromhex("FFFF9876543210E00001"), "pin")
    block = pin_blocks.plain_block("iso0", [1, 2, 3, 4], "401234567890", 15)
    assert ciphers.encrypt("T", key, block).hex().upper() == "1B9C1845EB993A7A"


@pytest.mark.parametrize(
    ("transaction", "block"),
    [(1, "A912150391AB65A67E52883D81CE2D15"), (2, "52A00503BD34BA1383F6A7EE9FE2547F")],
)
def test_format_4_by_dukpt_is_that_of_x9_24_3(transaction: int, block: str) -> None:
    initial = bytes.fromhex("1273671EA26AC29AFA4D1084127652A1")
    ksn = bytes.fromhex(f"1234567890123456{transaction:08X}")
    key = dukpt.working_key("A", initial, ksn, "pin")
    pan = pin_blocks.pan_field("4111111111111111")
    once = ciphers.encrypt("A", key, bytes.fromhex("441234AAAAAAAAAA2F69ADDE2E9E7ACE"))
    assert ciphers.encrypt("A", key, ciphers.xor(once, pan)).hex().upper() == block


@pytest.mark.parametrize("format", ["iso1", "iso3"])
def test_formats_with_random_fill_differ_and_hold_the_pin(format: str) -> None:
    data = "12345" if format == "iso1" else PAN[-13:-1]
    made = {pin_blocks.plain_block(format, [1, 2, 3, 4], data, 15) for _ in range(64)}
    assert len(made) > 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in made:
            if format == "iso3":
                assert psec.pinblock.decode_pinblock_iso_3(block, PAN) == "1234"
            else:
                assert block.hex().startswith("14123412345")


def test_format_4() -> None:
    key, pan = bytes.fromhex("00112233445566778899AABBCCDDEEFF"), "1234567890123456789"
    assert pin_blocks.pan_field(pan).hex() == "71234567890123456789000000000000"
    field = pin_blocks.plain_block("iso4", [1, 2, 3, 4], "", 15)
    assert field.hex().startswith("441234aaaaaaaaaa")
    fixed = bytes.fromhex("441234AAAAAAAAAAFFFFFFFFFFFFFFFF")
    once = ciphers.encrypt("A", key, fixed)
    made = ciphers.encrypt("A", key, ciphers.xor(once, pin_blocks.pan_field(pan)))
    assert made.hex().upper() == "28B41FDDD29B743E93124BD8E32D921E"


@pytest.mark.parametrize(
    ("format", "pin", "data", "padding", "expected"),
    [
        ("ibm3624", "12345", "", 12, "12345ccccccccccc"),
        ("diebold", "12345", "", 15, "12345fffffffffff"),
        ("dieboldCo", "1234", "11", 15, "b1234fffffffffff"),
        ("eci2", "1234", "", 13, "1234dddddddddddd"),
        ("eci3", "12345", "", 0, "5123450000000000"),
        ("visa", "1234", "", 9, "4123400999999999"),
        ("visa", "123456", "", 9, "6123456999999999"),
        ("visa3", "12345", "", 1, "12345f1111111111"),
        ("emv", "12345", "", 1, "2512345fffffffff"),
    ],
)
def test_older_formats(format: str, pin: str, data: str, padding: int, expected: str) -> None:
    assert pin_blocks.plain_block(format, list(map(int, pin)), data, padding).hex() == expected


@pytest.mark.parametrize("pin", ["4524", "0000", "9999"])
def test_a_pvv_agrees_with_another_implementation(pin: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = psec.pin.generate_visa_pvv(KEY, "3", pin, PAN)
    assert pin_blocks.pvv(KEY, PAN[-12:-1], "3", list(map(int, pin))) == expected


def test_the_published_pvv() -> None:
    assert pin_blocks.pvv(KEY, PAN[-12:-1], "3", [4, 5, 2, 4]) == "4021"


@pytest.mark.parametrize("offset", ["0000", "1234", "9876"])
def test_an_ibm_3624_pin_agrees_with_another_implementation(offset: str) -> None:
    table = "1234567890123456"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = psec.pin.generate_ibm3624_pin(KEY, table, offset, PAN, 0, 16, "0")
    natural = pin_blocks.ibm3624_pin(KEY, PAN, table, 4)
    assert pin_blocks.reference_digits(natural, offset, False) == expected


def test_a_leading_zero_counts_as_one() -> None:
    assert pin_blocks.reference_digits("0123", "", True) == "1123"
    assert pin_blocks.reference_digits("9123", "1000", True) == "1123"
    assert pin_blocks.reference_digits("0123", "", False) == "0123"
