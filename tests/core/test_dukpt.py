"""DUKPT against the vectors of ANSI X9.24."""

from __future__ import annotations

import pytest

from xfs4iot.simulator.secure_part import ciphers, dukpt

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


AES_256 = bytes.fromhex("CE9CE0C101D1138F97FB6CAD4DF045A7083D4EAE2D35A31789D01CCF0949550F")


@pytest.mark.parametrize(
    ("initial", "counter", "use", "kind", "key"),
    [
        (AES_INITIAL, 1, "derive", None, "4F21B565BAD9835E112B6465635EAE44"),
        (AES_INITIAL, 3, "derive", None, "031504E530365CF81264238540518318"),
        (AES_INITIAL, 8, "derive", None, "718EE6CF0B27E53D5F7AF99C4D8146A2"),
        (AES_INITIAL, 0xFFFFFFFF, "derive", None, "36C6EBBCC0536FC91C1D50660D4F82AE"),
        (AES_INITIAL, 1, "macBoth", None, "85675439D18D7F1158BD8E3EAA3D502B"),
        (AES_INITIAL, 1, "both", None, "A308E080DD15A1B741F1721BF67DE11C"),
        (AES_INITIAL, 1, "keys", None, "36A724B7BEFA5A25F5E7B5782A4554A2"),
        (AES_INITIAL, 0xFFFFFFFF, "keys", None, "9A9770AEE1ACD1B13473D0463A1883B9"),
        (AES_INITIAL, 1, "pin", "tdes2", "630C706D9546E47D4449313F61C4D4AB"),
        (AES_INITIAL, 1, "mac", "tdes2", "5D8FD787E8A796D07035FFCA9B5800BB"),
        (AES_INITIAL, 1, "encrypt", "tdes2", "BD44121C223F831446A01EE3A4CB58D2"),
        (AES_INITIAL, 1, "pin", "tdes3", "EA8B3F37EB9B15831167EF2977FD8762D9B5913F35766F6A"),
        (AES_INITIAL, 1, "mac", "tdes3", "2A1061A6EAC2C14FAC3758EA07B3648A624B24E942785BF1"),
        (AES_INITIAL, 1, "encrypt", "tdes3", "F716DFBC6B2D2D5825B694EEEE181A013F2F1C09380BBE0C"),
        (AES_INITIAL, 0xFFFFFFFF, "keys", "tdes2", "4744A5ECBC62B5C4BB76FBEAE1E244A3"),
        (AES_256, 1, "derive", None, "54AC2B32B145EA4A554CB8BC44B17467063A799856B1CCC2A138D36E8DBF78B3"),
        (AES_256, 1, "pin", None, "8C1AB7BEE973829E30242E0BBBDD4946D540C98FC1B5BDCF94790001A23FD502"),
        (AES_256, 1, "mac", None, "61DABDF4B340CF461EE860B1D1AB55357142BD2D6977306859CF49AEFE8F1549"),
        (AES_256, 1, "encrypt", None, "71EB36C9A6B7F801D1D1700C29741FC5A5C4E9B45D742DA7AF6992B8AA29AF58"),
        (AES_256, 1, "encrypt", "aes128", "616D59AE91F8CC7016F89FDA29605FA4"),
        (
            AES_256,
            0xFFFFFFFF,
            "derive",
            None,
            "39064FDC8373D710AFAA823E757E59190C92DD8FBF86B87B673632F4E04C97D2",
        ),
        (
            AES_256,
            0xFFFFFFFF,
            "keys",
            None,
            "AEFB210C136278A1279F7C8815F446DB8EBE2AA910B157AA4E6484D8DE9C4807",
        ),
    ],
)
def test_all_kinds_of_working_keys_are_those_of_x9_24_3(
    initial: bytes, counter: int, use: dukpt.Use, kind: dukpt.Kind | None, key: str
) -> None:
    ksn = bytes.fromhex(f"{AES_ID}{counter:08X}")
    assert bytes(dukpt.working_key("A", initial, ksn, use, kind)).hex().upper() == key


USES = ("keys", "pin", "mac", "verifyMac", "macBoth", "encrypt", "decrypt", "both")
KINDS: dict[dukpt.Kind, int] = {
    "tdes2": 16,
    "tdes3": 24,
    "aes128": 16,
    "aes192": 24,
    "aes256": 32,
    "hmac128": 16,
    "hmac192": 24,
    "hmac256": 32,
}


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_each_kind_and_use_is_a_key_of_its_own_and_none_stronger_than_its_initial_key(bits: int) -> None:
    initial, ksn = bytes(range(bits // 8)), bytes.fromhex(AES_ID + "00000001")
    made = set()
    for kind, length in KINDS.items():
        for use in USES:
            if not kind.startswith("tdes") and length * 8 > bits:
                with pytest.raises(ciphers.BadKey):
                    dukpt.working_key("A", initial, ksn, use, kind)  # type: ignore[arg-type]
                continue
            key = bytes(dukpt.working_key("A", initial, ksn, use, kind))  # type: ignore[arg-type]
            assert len(key) == length
            # Not even the beginning of one is that of another.
            made.add(key[:16])
    assert len(made) == len(USES) * sum(k.startswith("tdes") or n * 8 <= bits for k, n in KINDS.items())


def test_tdes_has_no_other_kinds_and_uses() -> None:
    ksn = bytes.fromhex("FFFF9876543210E00001")
    for use, kind in (("pin", "aes128"), ("macBoth", None), ("keys", None)):
        with pytest.raises(ciphers.BadKey):
            dukpt.working_key("T", INITIAL, ksn, use, kind)  # type: ignore[arg-type]


def test_the_last_transactions_of_aes_are_those_of_x9_24_3() -> None:
    ksn = bytes.fromhex(AES_ID + "FFFE2000")
    for after in ("fffe4000", "fffe8000", "ffff0000"):
        ksn = dukpt.following("A", ksn)
        assert ksn[-4:].hex() == after
    with pytest.raises(dukpt.Exhausted):
        dukpt.following("A", ksn)


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
