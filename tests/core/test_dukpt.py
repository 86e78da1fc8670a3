"""DUKPT against the vectors of ANSI X9.24."""

from __future__ import annotations

import pytest

from xfs4iot.simulator.secure_part import dukpt

BASE = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
INITIAL = bytes.fromhex("6AC292FAA1315B4D858AB3A3D7D5933A")
AES_BASE = bytes.fromhex("FEDCBA9876543210F1F1F1F1F1F1F1F1")
AES_INITIAL = bytes.fromhex("1273671EA26AC29AFA4D1084127652A1")
AES_ID = "1234567890123456"


def test_the_initial_keys() -> None:
    assert bytes(dukpt.initial_key("T", BASE, bytes.fromhex("FFFF9876543210E00001")[:8])) == INITIAL
    assert bytes(dukpt.initial_key("A", AES_BASE, bytes.fromhex(AES_ID))) == AES_INITIAL


def test_the_pin_keys_of_the_first_transaction() -> None:
    ksn = bytes.fromhex("FFFF9876543210E00001")
    assert bytes(dukpt.working_key("T", INITIAL, ksn, "pin")).hex() == "042666b49184cf5c68de9628d0397b36"
    ksn = bytes.fromhex(AES_ID + "00000001")
    assert bytes(dukpt.working_key("A", AES_INITIAL, ksn, "pin")).hex() == "af8cb133a78f8dc2d1359f18527593fb"


@pytest.mark.parametrize("algorithm", ["T", "A"])
def test_each_use_and_each_transaction_has_a_key_of_its_own(algorithm: str) -> None:
    first = {"T": "FFFF9876543210E00000", "A": AES_ID + "00000000"}[algorithm]
    initial = {"T": INITIAL, "A": AES_INITIAL}[algorithm]
    ksn, keys = bytes.fromhex(first), set()
    uses: tuple[dukpt.Use, ...] = ("pin", "mac", "verifyMac", "encrypt", "decrypt")
    for _ in range(20):
        ksn = dukpt.following(algorithm, ksn)
        keys |= {bytes(dukpt.working_key(algorithm, initial, ksn, use)) for use in uses}
    assert len(keys) == 20 * len(uses)


@pytest.mark.parametrize(("algorithm", "bits", "ones"), [("T", 21, 10), ("A", 32, 16)])
def test_counters_of_too_many_ones_are_passed_over(algorithm: str, bits: int, ones: int) -> None:
    length = 12 if algorithm == "A" else 10
    full = (1 << ones) - 1
    after = int.from_bytes(dukpt.following(algorithm, full.to_bytes(length, "big")), "big")
    assert after == 1 << ones
    before = ((1 << ones) - 1) << 1
    after = int.from_bytes(dukpt.following(algorithm, before.to_bytes(length, "big")), "big")
    assert after == 1 << (ones + 1)
    last = ((1 << ones) - 1) << (bits - ones)
    with pytest.raises(dukpt.Exhausted):
        dukpt.following(algorithm, last.to_bytes(length, "big"))


def test_about_a_million_transactions_are_made_with_one_key() -> None:
    count = sum(1 for value in range(1, 1 << 21) if value.bit_count() <= 10)
    assert 1_000_000 < count < 1_100_000
