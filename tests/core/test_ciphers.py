"""Block ciphers, MACs and check values against the published vectors."""

from __future__ import annotations

import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import psec

from xfs4iot.simulator.secure_part import ciphers, macs

AES_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
BLOCKS = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
COUNT = bytes(range(16))


@pytest.mark.parametrize(
    ("method", "iv", "expected"),
    [  # NIST SP 800-38A, appendix F, AES-128
        (
            "ecb",
            None,
            "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
            "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
        ),
        (
            "cbc",
            COUNT,
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
            "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
        ),
        (
            "cfb",
            COUNT,
            "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"
            "26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6",
        ),
        (
            "ofb",
            COUNT,
            "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"
            "9740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e",
        ),
        (
            "ctr",
            bytes(range(0xF0, 0x100)),
            "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
            "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
        ),
    ],
)
def test_aes_is_that_of_sp_800_38a(method: ciphers.Method, iv: bytes | None, expected: str) -> None:
    assert ciphers.encrypt("A", AES_KEY, BLOCKS, method, iv).hex() == expected
    assert ciphers.decrypt("A", AES_KEY, bytes.fromhex(expected), method, iv) == BLOCKS


def test_tdes_is_that_of_sp_800_67() -> None:
    key = bytes.fromhex("0123456789abcdef23456789abcdef01456789abcdef0123")
    plain = b"The qufck brown fox jump"
    expected = "a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900"
    assert ciphers.encrypt("T", key, plain).hex() == expected
    assert ciphers.decrypt("T", key, bytes.fromhex(expected)) == plain


def test_des_is_that_of_fips_81() -> None:
    assert ciphers.encrypt("D", bytes.fromhex("0123456789abcdef"), b"Now is t").hex() == "3fa40e8a984d4815"


def test_xts_is_that_of_ieee_1619() -> None:
    key = bytes([0x11] * 16 + [0x22] * 16)
    made = ciphers.encrypt("A", key, bytes([0x44] * 32), "xts", bytes.fromhex("3333333333") + bytes(11))
    assert made.hex() == "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"


@pytest.mark.parametrize("method", ["ecb", "cbc", "cfb", "ofb", "ctr"])
@pytest.mark.parametrize(
    ("algorithm", "length"), [("D", 8), ("T", 16), ("T", 24), ("A", 16), ("A", 24), ("A", 32)]
)
def test_what_was_encrypted_is_decrypted(algorithm: str, length: int, method: ciphers.Method) -> None:
    key = bytes(range(1, length + 1))
    made = ciphers.encrypt(algorithm, key, BLOCKS, method)
    assert made != BLOCKS
    assert ciphers.decrypt(algorithm, key, made, method) == BLOCKS


def test_a_counter_of_tdes_runs_over_the_end() -> None:
    key = bytes(range(16))
    start = b"\xff" * 8
    made = ciphers.encrypt("T", key, bytes(12), "ctr", start)
    assert made == ciphers.encrypt("T", key, start) + ciphers.encrypt("T", key, bytes(8))[:4]


@pytest.mark.parametrize(
    ("algorithm", "length", "method"),
    [
        ("D", 16, "ecb"),
        ("T", 8, "cbc"),
        ("A", 8, "ecb"),
        ("T", 16, "xts"),
        ("A", 16, "xts"),
        ("R", 16, "ecb"),
    ],
)
def test_a_key_that_does_not_fit_is_refused(algorithm: str, length: int, method: ciphers.Method) -> None:
    with pytest.raises(ciphers.BadKey):
        ciphers.encrypt(algorithm, bytes(length), bytes(16), method)


NOW = b"Now is the time for all "


@pytest.mark.parametrize(
    ("usage", "algorithm", "key", "expected"),
    [
        ("M1", "D", "0123456789abcdef", "70a30640cc76dd8b"),
        ("M2", "D", "0123456789abcdef", "10f9bc67a03cd5d8"),
        ("M3", "T", "0123456789abcdeffedcba9876543210", "a1c72e74ea3fa9b6"),
    ],
)
def test_macs_are_those_of_iso_9797(usage: str, algorithm: str, key: str, expected: str) -> None:
    assert macs.mac(usage, algorithm, bytes.fromhex(key), NOW).hex() == expected


@pytest.mark.parametrize(
    ("usage", "algorithm", "key", "data", "expected"),
    [
        ("M1", "D", "0123456789abcdef", b"Now is the time for it", "e45b3ad2"),
        ("M2", "D", "0123456789abcdef", b"Now is the time for it", "215e9ce6d91bc7fb"),
        ("M2", "D", "0123456789abcdef", NOW + b"\x80" + bytes(7), "be7c2ab7d36bf5b7"),
        ("M2", "T", "0123456789abcdeff1d3b597795b3d1f", NOW, "10f9bc67a03cd5d8"),
        ("M3", "T", "0123456789abcdeffedcba9876543210", b"Now is the time for it", "2e2b1428cc78254f"),
        ("M4", "T", "0123456789abcdeffedcba9876543210", NOW + b"\x80" + bytes(7), "61c333e3"),
    ],
)
def test_macs_of_filled_up_data_are_those_of_iso_9797(
    usage: str, algorithm: str, key: str, data: bytes, expected: str
) -> None:
    assert macs.mac(usage, algorithm, bytes.fromhex(key), data).hex().startswith(expected)


def test_algorithm_4_of_one_block_is_the_first_block_alone() -> None:
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    once = ciphers.encrypt("D", key[:8], NOW[:8])
    twice = ciphers.encrypt("D", ciphers.xor(key[8:], b"\xf0" * 8), once)
    assert macs.mac("M4", "T", key, NOW[:8]) == ciphers.encrypt("D", key[8:], twice)


@pytest.mark.parametrize("usage", ["M2", "M3", "M4"])
def test_a_mac_of_two_keys_takes_no_other_length(usage: str) -> None:
    with pytest.raises(ciphers.BadKey):
        macs.mac(usage, "T", bytes(range(8)), NOW)


@pytest.mark.parametrize(
    ("length", "expected"),
    [  # NIST SP 800-38B, appendix D
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_cmac_by_aes_is_that_of_sp_800_38b(length: int, expected: str) -> None:
    assert macs.cmac("A", AES_KEY, BLOCKS[:length]).hex() == expected


@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, "b7a688e122ffaf95"), (8, "8e8f293136283797"), (20, "743ddbe0ce2dc2ed"), (32, "33e6b1092400eae5")],
)
def test_cmac_by_tdes_is_that_of_sp_800_38b(length: int, expected: str) -> None:
    key = bytes.fromhex("8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5")
    assert macs.cmac("T", key, BLOCKS[:length]).hex() == expected


def test_hmac_is_that_of_rfc_4231() -> None:
    made = macs.mac("M7", "H", b"Jefe", b"what do ya want for nothing?")
    assert made.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


@pytest.mark.parametrize("length", [1, 7, 8, 9, 100])
def test_the_retail_mac_agrees_with_another_implementation(length: int) -> None:
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    data = bytes(range(length))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = psec.mac.generate_retail_mac(key[:8], key[8:], data, 1)
    assert macs.mac("M3", "T", key, data) == other


@pytest.mark.parametrize(
    ("algorithm", "key", "expected"),
    [("T", "0123456789abcdeffedcba9876543210", "08d7b4"), ("A", AES_KEY.hex(), "7ad386c376")],
)
def test_check_values_of_zeros(algorithm: str, key: str, expected: str) -> None:
    assert macs.check_value(algorithm, bytes.fromhex(key), "zero").hex() == expected


def test_a_check_value_of_the_key_itself() -> None:
    key = bytes.fromhex("0123456789abcdef")
    assert macs.check_value("D", key, "self") == ciphers.encrypt("D", key, key)[:3]


def test_parity_is_odd() -> None:
    assert bytes(ciphers.parity_adjusted(bytes([0, 1, 2, 3, 0xFE, 0xFF]))).hex() == "01010202fefe"
