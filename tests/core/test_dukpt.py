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


@pytest.mark.parametrize(
    ("counter", "use", "key"),
    [
        (1, "pin", "042666B49184CF5C68DE9628D0397B36"),
        (1, "mac", "042666B4918430A368DE9628D03984C9"),
        (1, "verifyMac", "042666B46E84CFA368DE96282F397BC9"),
        (1, "encrypt", "448D3F076D8304036A55A3D7E0055A78"),
        (2, "pin", "C46551CEF9FD244FAA9AD834130D3B38"),
        (2, "mac", "C46551CEF9FDDBB0AA9AD834130DC4C7"),
        (2, "encrypt", "F1BE73B36135C5C26CF937D50ABBE5AF"),
        (3, "pin", "0DF3D9422ACA561A47676D07AD6BAD05"),
        (3, "mac", "0DF3D9422ACAA9E547676D07AD6B52FA"),
        (3, "encrypt", "EEEEF522C67239E4A2A65FEBF4C511F4"),
        (4, "pin", "279C0F6AEED0BE9A2B2C733E1383AE6E"),
        (4, "mac", "279C0F6AEED041652B2C733E13835191"),
        (4, "encrypt", "BCF2610997C3AC3C5F13AE965A1B773B"),
        (5, "pin", "5F8DC6D2C845C1DA508DDC048093B8C0"),
        (5, "encrypt", "F3054D8B7471284BDB4EE18AFC3B091B"),
        (7, "pin", "0C8F780B7C8B492FAE84A9EB2A6CE69F"),
        (0xFF800, "pin", "F9CDFEBF4F5B1D61B3EC12454527E189"),
    ],
)
def test_the_working_keys_of_tdes_are_those_of_x9_24_1(counter: int, use: dukpt.Use, key: str) -> None:
    ksn = bytes.fromhex(f"FFFF9876543210E{counter:05X}")
    assert bytes(dukpt.working_key("T", INITIAL, ksn, use)).hex().upper() == key


@pytest.mark.parametrize(
    ("counter", "use", "key"),
    [
        (1, "pin", "AF8CB133A78F8DC2D1359F18527593FB"),
        (1, "mac", "A2DC23DE6FDE0824A2BC321E08E4B8B7"),
        (1, "verifyMac", "DBB463945B286C07CD3AD82EE96FD9C9"),
        (1, "encrypt", "A35C412EFD41FDB98B69797C02DCD08F"),
        (1, "decrypt", "16292C6EA8F64C5420A0584BFBC577BE"),
        (2, "pin", "D30BDC73EC9714B000BEC66BDB7B6D09"),
        (2, "mac", "484C3B06E8562704528CD5B46FB12FB6"),
        (2, "encrypt", "D639514AA33AC43AD9229E433D6D4E5B"),
        (3, "pin", "7D69F01F3B45449F62C7816ECE723268"),
        (3, "mac", "A5DF7D9D800CA769766F0C77CA4E6E6C"),
        (3, "encrypt", "EF17F6AB45B4820C93A3DCB21BC491AD"),
        (4, "pin", "91A0588318EC2673214271F70137896E"),
        (4, "mac", "E6E4679647D8A9057C1FC15537CB4C4E"),
        (4, "encrypt", "B3BD44C08BB6BA27C3BB4711D7D70387"),
        (8, "pin", "4D9DF3FBEE3448FC3E676D04320A90F5"),
        (8, "mac", "6FD572E5D59E618875F193484F9178FB"),
        (8, "encrypt", "650F34204ABD4E57764D61AC3D266FB1"),
        (8_675_309, "pin", "D1DDA386AA4A556AF0119FDCB5D132C6"),
    ],
)
def test_the_working_keys_of_aes_are_those_of_x9_24_3(counter: int, use: dukpt.Use, key: str) -> None:
    ksn = bytes.fromhex(f"{AES_ID}{counter:08X}")
    assert bytes(dukpt.working_key("A", AES_INITIAL, ksn, use)).hex().upper() == key


def test_the_pin_key_of_a_long_aes_key_is_that_of_x9_24_3() -> None:
    initial = bytes.fromhex("CE9CE0C101D1138F97FB6CAD4DF045A7083D4EAE2D35A31789D01CCF0949550F")
    made = dukpt.working_key("A", initial, bytes.fromhex(AES_ID + "00000001"), "pin")
    assert bytes(made).hex().upper() == "8C1AB7BEE973829E30242E0BBBDD4946D540C98FC1B5BDCF94790001A23FD502"


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
