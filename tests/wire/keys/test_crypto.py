"""Crypto over the wire: what the simulated PIN pad encrypts, signs and gives MACs, and what it refuses
to."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from host import b64, imported, unb64

from dialogue import Dialogue, another
from xfs4iot.simulator.secure_part import ciphers, dukpt, macs

DATA = "Crypto.CryptoData"
GENERATE = "Crypto.GenerateAuthentication"
VERIFY = "Crypto.VerifyAuthentication"
AES = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
TDES = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
BLOCKS = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
COUNT = bytes(range(16))


def crypt(key: str, mode: str | None, method: str, data: bytes, **more: Any) -> dict[str, Any]:
    said = {} if mode is None else {"modeOfUse": mode}
    return {"key": key, "cryptoMethod": method, "data": b64(data), **said, **more}


@pytest.mark.parametrize(
    ("method", "start", "expected"),
    [
        ("ecb", None, "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"),
        ("cbc", COUNT, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"),
        ("cfb", COUNT, "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"),
        ("ofb", COUNT, "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"),
        (
            "ctr",
            bytes(range(0xF0, 0x100)),
            "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff",
        ),
    ],
)
async def test_aes_is_that_of_sp_800_38a(
    pad: Dialogue, method: str, start: bytes | None, expected: str
) -> None:
    await imported(pad, "K", "D0 A B", AES)
    more = {} if start is None else {"iv": {"value": b64(start)}}
    made = await pad.success(DATA, crypt("K", "E", method, BLOCKS, **more))
    assert unb64(made["data"]).hex() == expected
    back = await pad.success(DATA, crypt("K", "D", method, unb64(made["data"]), **more))
    assert unb64(back["data"]) == BLOCKS


@pytest.mark.parametrize(("algorithm", "length"), [("D", 8), ("T", 16), ("T", 24), ("A", 32)])
@pytest.mark.parametrize("method", ["ecb", "cbc", "cfb", "ofb", "ctr"])
async def test_each_algorithm_and_method_goes_there_and_back(
    pad: Dialogue, algorithm: str, length: int, method: str
) -> None:
    await imported(pad, "K", f"D0 {algorithm} B", bytes(range(1, length + 1)))
    made = unb64((await pad.success(DATA, crypt("K", "E", method, BLOCKS)))["data"])
    assert made != BLOCKS
    assert unb64((await pad.success(DATA, crypt("K", "D", method, made)))["data"]) == BLOCKS


async def test_xts_takes_a_double_key(pad: Dialogue) -> None:
    await imported(pad, "K", "D0 A B", bytes([0x11] * 16 + [0x22] * 16))
    tweak = {"iv": {"value": b64(bytes.fromhex("3333333333") + bytes(11))}}
    made = await pad.success(DATA, crypt("K", "E", "xts", bytes([0x44] * 32), **tweak))
    assert unb64(made["data"]).hex().startswith("c454185e6a16936e39334038acef838b")
    await imported(pad, "single", "D0 A B", AES)
    assert await pad.failure(DATA, crypt("single", "E", "xts", BLOCKS)) == "invalidKeyLength"


@pytest.mark.parametrize("length", [1, 8, 16, 17])
async def test_only_what_is_short_of_a_block_is_filled_up(pad: Dialogue, length: int) -> None:
    await imported(pad, "K", "D0 A B", AES)
    made = unb64((await pad.success(DATA, crypt("K", "E", "cbc", bytes(length), padding=7)))["data"])
    back = unb64((await pad.success(DATA, crypt("K", "D", "cbc", made)))["data"])
    assert back == bytes(length) + b"\7" * (-length % 16)


async def test_the_unlisted_rule_of_crypto_data_the_mode_of_use_may_be_said_again(pad: Dialogue) -> None:
    await imported(pad, "encrypts", "D0 A E", AES)
    await imported(pad, "decrypts", "D0 A D", AES)
    for said in (None, "E"):
        await pad.success(DATA, crypt("encrypts", said, "ecb", BLOCKS))
    for said in (None, "D"):
        await pad.success(DATA, crypt("decrypts", said, "ecb", BLOCKS))
    assert await pad.failure(DATA, crypt("encrypts", "D", "ecb", BLOCKS)) == "modeOfUseNotSupported"
    assert await pad.failure(DATA, crypt("decrypts", "E", "ecb", BLOCKS)) == "modeOfUseNotSupported"


KEYS = [
    ("K0", "T", "D"),
    ("K0", "T", "B"),
    ("K1", "A", "B"),
    ("P0", "T", "E"),
    ("P0", "A", "B"),
    ("M1", "A", "C"),
    ("M3", "T", "G"),
    ("M6", "A", "V"),
    ("V1", "T", "C"),
    ("V2", "T", "V"),
    ("I0", "T", "B"),
]
PURPOSES: dict[str, dict[str, Any]] = {
    "encrypt": {"command": DATA, "request": {"cryptoMethod": "ecb", "modeOfUse": "E"}, "usages": ()},
    "decrypt": {"command": DATA, "request": {"cryptoMethod": "ecb", "modeOfUse": "D"}, "usages": ()},
    "mac": {"command": GENERATE, "request": {}, "usages": ("M1", "M3", "M6")},
    "verify": {"command": VERIFY, "request": {"verifyData": b64(bytes(4))}, "usages": ("M1", "M3", "M6")},
}


@pytest.mark.parametrize("key", KEYS, ids="-".join)
@pytest.mark.parametrize("purpose", PURPOSES)
async def test_a_key_is_used_for_its_purpose_only(
    pad: Dialogue, key: tuple[str, str, str], purpose: str
) -> None:
    usage, algorithm, mode = key
    what = PURPOSES[purpose]
    await imported(pad, "K", " ".join(key), AES if algorithm == "A" else TDES)
    completion = await pad.completion(what["command"], {"key": "K", "data": b64(BLOCKS), **what["request"]})
    code = (completion.get("payload") or {}).get("errorCode")
    if usage not in what["usages"]:
        assert code == "useViolation"
    elif purpose == "mac":
        assert code == (None if mode in "CG" else "modeOfUseNotSupported")
    else:
        assert code == ("macInvalid" if mode in "CV" else "modeOfUseNotSupported")
    if code in ("useViolation", "modeOfUseNotSupported"):
        event = await pad.until("unsolicited", name="KeyManagement.IllegalKeyAccessEvent")
        assert event["payload"] == {"keyName": "K", "errorCode": "useViolation"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": None}, "invalidData"),
        ({"data": None}, "invalidData"),
        ({"data": ""}, "invalidData"),
        ({"cryptoMethod": None}, "invalidData"),
        ({"cryptoMethod": "rot13"}, "invalidData"),
        ({"padding": 256}, "invalidData"),
        ({"modeOfUse": "X"}, "invalidData"),
        ({"modeOfUse": None}, "invalidData"),
        ({"key": "nobody"}, "keyNotFound"),
        ({"cryptoMethod": "rsaesOaep"}, "cryptoMethodNotSupported"),
        ({"iv": {"value": b64(bytes(8))}}, "invalidData"),
        ({"iv": {}}, "invalidData"),
        ({"iv": {"value": b64(bytes(16)), "key": "nobody"}}, "keyNotFound"),
        ({"iv": {"value": b64(bytes(16)), "key": "K"}}, "useViolation"),
        ({"storedKey": "K"}, "useViolation"),
        ({"storedKey": "nobody"}, "keyNotFound"),
        ({"storedKey": "K", "iv": {"value": b64(bytes(16))}}, "invalidData"),
        ({"cryptoMethod": "ecb", "iv": {"value": b64(bytes(16))}}, "invalidData"),
        ({"modeOfUse": "D", "data": b64(bytes(5))}, "invalidData"),
    ],
)
async def test_what_cannot_be_encrypted_is_refused(pad: Dialogue, change: dict[str, Any], code: str) -> None:
    await imported(pad, "K", "D0 A B", AES)
    assert await pad.failure(DATA, {**crypt("K", "E", "cbc", BLOCKS), **change}) == code


async def test_start_values_come_from_keys(pad: Dialogue) -> None:
    await imported(pad, "K", "D0 A B", AES)
    await imported(pad, "IV", "I0 A N", COUNT)
    kek = {"keyAttributes": {"restrictedKeyUsage": "I0"}}
    await imported(pad, "KEK", "K0 A D", bytes(range(1, 17)), **kek)
    plain = await pad.success(DATA, crypt("K", "E", "cbc", BLOCKS, iv={"value": b64(COUNT)}))
    assert await pad.success(DATA, crypt("K", "E", "cbc", BLOCKS, storedKey="IV")) == plain
    hidden = ciphers.encrypt("A", bytes(range(1, 17)), COUNT)
    by_key = {"value": b64(hidden), "key": "KEK"}
    assert await pad.success(DATA, crypt("K", "E", "cbc", BLOCKS, iv=by_key)) == plain


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("M0 T C", TDES),
        ("M1 D C", TDES[:8]),
        ("M1 A C", AES),
        ("M2 D C", TDES[:8]),
        ("M2 T C", TDES),
        ("M3 T C", TDES),
        ("M4 T C", TDES),
        ("M6 A C", AES),
        ("M6 T C", TDES),
        ("M7 H C", AES),
    ],
)
@pytest.mark.parametrize("length", [None, 4, 8])
async def test_a_mac_is_made_and_verified(pad: Dialogue, kind: str, key: bytes, length: int | None) -> None:
    await imported(pad, "K", kind, key)
    request: dict[str, Any] = {"key": "K", "data": b64(b"Now is the time for all ")}
    wanted = {} if length is None else {"authenticationDatalength": length}
    made = unb64((await pad.success(GENERATE, {**request, **wanted}))["authenticationData"])
    usage, algorithm, _ = kind.split()
    assert made == macs.mac(usage, algorithm, key, b"Now is the time for all ")[:length]
    await pad.success(VERIFY, {**request, "verifyData": b64(made)})
    flipped = bytes([made[0] ^ 1]) + made[1:]
    assert await pad.failure(VERIFY, {**request, "verifyData": b64(flipped)}) == "macInvalid"
    assert await pad.failure(VERIFY, {**request, "verifyData": b64(made[:3])}) == "macInvalid"
    assert await pad.failure(VERIFY, {**request, "data": b64(b"x"), "verifyData": b64(made)}) == "macInvalid"


async def test_blanks_are_taken_out_of_what_is_given_a_mac(pad: Dialogue) -> None:
    await imported(pad, "K", "M3 T C", TDES)
    made = [
        await pad.success(GENERATE, {"key": "K", "data": b64(data), **more})
        for data, more in ((b"a b  c", {"compression": " "}), (b"abc", {}), (b"a b  c", {}))
    ]
    assert made[0] == made[1] != made[2]


async def test_a_mac_has_no_signature_method(pad: Dialogue) -> None:
    await imported(pad, "K", "M3 T C", TDES)
    request = {"key": "K", "data": b64(b"x"), "cryptoMethod": "rsassaPss", "hashAlgorithm": "sha256"}
    assert await pad.failure(GENERATE, request) == "cryptoMethodNotSupported"
    request["verifyData"] = b64(bytes(8))
    assert await pad.failure(VERIFY, request) == "cryptoMethodNotSupported"


HOST = rsa.generate_private_key(65537, 2048)


async def host_key(pad: Dialogue, kind: str) -> None:
    """Load the public key of a host, by a key block."""
    await imported(pad, "Host", kind, HOST.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1))


@pytest.mark.parametrize("method", ["rsassaPkcs1V15", "rsassaPss"])
@pytest.mark.parametrize("digest", ["sha1", "sha256"])
async def test_a_signature_of_a_host_is_verified(pad: Dialogue, method: str, digest: str) -> None:
    await host_key(pad, "S0 R V")
    hashed = hashes.SHA1() if digest == "sha1" else hashes.SHA256()
    how: Any = (
        padding.PSS(padding.MGF1(hashed), hashed.digest_size) if method == "rsassaPss" else padding.PKCS1v15()
    )
    signature = HOST.sign(b"data", how, hashed)
    request = {
        "key": "Host",
        "data": b64(b"data"),
        "verifyData": b64(signature),
        "cryptoMethod": method,
        "hashAlgorithm": digest,
    }
    await pad.success(VERIFY, request)
    assert await pad.failure(VERIFY, {**request, "data": b64(b"Data")}) == "signatureInvalid"
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    assert await pad.failure(VERIFY, {**request, "verifyData": b64(flipped)}) == "signatureInvalid"
    other = "rsassaPss" if method == "rsassaPkcs1V15" else "rsassaPkcs1V15"
    assert await pad.failure(VERIFY, {**request, "cryptoMethod": other}) == "signatureInvalid"
    assert await pad.failure(VERIFY, {**request, "hashAlgorithm": None}) == "invalidData"
    assert await pad.failure(GENERATE, {k: v for k, v in request.items() if k != "verifyData"}) == (
        "modeOfUseNotSupported"
    )


@pytest.mark.parametrize("method", ["rsaesPkcs1V15", "rsaesOaep"])
async def test_data_is_encrypted_for_a_host(pad: Dialogue, method: str) -> None:
    await host_key(pad, "D1 R E")
    made = unb64((await pad.success(DATA, crypt("Host", None, method, b"secret")))["data"])
    how = (
        padding.PKCS1v15()
        if method == "rsaesPkcs1V15"
        else padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    )
    assert HOST.decrypt(made, how) == b"secret"
    assert await pad.failure(DATA, crypt("Host", None, method, bytes(300))) == "invalidData"
    assert await pad.failure(DATA, crypt("Host", "D", method, bytes(256))) == "modeOfUseNotSupported"


async def test_long_data_by_a_dukpt_key_tells_its_transaction_as_well(pad: Dialogue) -> None:
    await imported(pad, "K", "B0 A X", AES)
    # So long that a thread encrypts it.
    made = await pad.success(DATA, crypt("K", "E", "cbc", bytes(70_000)))
    event = await pad.until("event", name="KeyManagement.DUKPTKSNEvent")
    ksn = unb64(event["payload"]["ksn"])
    assert ksn == dukpt.following("A", bytes.fromhex("123456789012345600000000"))
    key = dukpt.working_key("A", AES, ksn, "encrypt")
    assert ciphers.decrypt("A", key, unb64(made["data"]), "cbc", None)[:70_000] == bytes(70_000)


@pytest.mark.parametrize("algorithm", ["T", "A"])
async def test_a_dukpt_key_is_another_for_each_transaction_and_tells_which(
    pad: Dialogue, algorithm: str
) -> None:
    initial = TDES if algorithm == "T" else AES
    await imported(pad, "K", f"B1 {algorithm} X", initial)
    first = {"T": "FFFF9876543210E00000", "A": "123456789012345600000000"}[algorithm]
    ksn = bytes.fromhex(first)
    for _ in range(3):
        made = await pad.success(GENERATE, {"key": "K", "data": b64(b"data")})
        ksn = dukpt.following(algorithm, ksn)
        event = await pad.until("event", name="KeyManagement.DUKPTKSNEvent")
        assert event["payload"] == {"key": "K", "ksn": b64(ksn)}
        key = dukpt.working_key(algorithm, initial, ksn, "mac")
        usage = "M6" if algorithm == "A" else "M3"
        assert unb64(made["authenticationData"]) == macs.mac(usage, algorithm, key, b"data")
    key = dukpt.working_key(algorithm, initial, ksn, "verifyMac")
    answer = macs.mac("M6" if algorithm == "A" else "M3", algorithm, key, b"answer")
    await pad.success(VERIFY, {"key": "K", "data": b64(b"answer"), "verifyData": b64(answer)})
    assert await pad.failure(DATA, crypt("K", None, "cbc", BLOCKS)) == "invalidData"
    made = await pad.success(DATA, crypt("K", "E", "cbc", BLOCKS))
    ksn = dukpt.following(algorithm, ksn)
    key = dukpt.working_key(algorithm, initial, ksn, "encrypt")
    assert unb64(made["data"]) == ciphers.encrypt(algorithm, key, BLOCKS, "cbc")


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
)
async def test_a_digest_is_that_of_fips_180(pad: Dialogue, algorithm: str, digest: str) -> None:
    made = await pad.success("Crypto.Digest", {"hashAlgorithm": algorithm, "data": b64(b"abc")})
    assert unb64(made["digest"]).hex() == digest


@pytest.mark.parametrize(
    "payload",
    [None, {"hashAlgorithm": "sha1"}, {"data": b64(b"x")}, {"hashAlgorithm": "md5", "data": b64(b"x")}],
)
async def test_a_digest_of_nothing_is_refused(pad: Dialogue, payload: Any) -> None:
    assert await pad.failure("Crypto.Digest", payload) == "invalidData"


async def test_a_digest_that_the_device_lacks_is_unsupported(pad: Dialogue, nursery: trio.Nursery) -> None:
    from vendors import serving
    from xfs4iot import devices

    class Digests(devices.KeyManagement, devices.Crypto):
        emv_hash_algorithm = frozenset({"sha256Digest"})

        async def digest(self, algorithm: str, data: bytes) -> bytes:
            return hashlib.sha256(data).digest()

    client = await serving(Digests("Digests"), nursery)
    request = {"hashAlgorithm": "sha1", "data": b64(b"x")}
    assert await client.failure("Crypto.Digest", request) == "unsupportedData"
    await client.success("Crypto.Digest", {**request, "hashAlgorithm": "sha256"})


async def test_randoms_have_8_bytes_and_differ(pad: Dialogue) -> None:
    made = [unb64((await pad.success("Crypto.GenerateRandom"))["randomNumber"]) for _ in range(4)]
    assert {len(one) for one in made} == {8}
    assert len(set(made)) == 4


async def test_bad_luck_with_the_simulated_engine(pad: Dialogue, simulator: Dialogue) -> None:
    await imported(pad, "K", "D0 A B", AES)
    good = await pad.success(DATA, crypt("K", "E", "ecb", BLOCKS))
    await simulator.success("Simulator.Inject", {"fault": "flippedBit"})
    assert await pad.success(DATA, crypt("K", "E", "ecb", BLOCKS)) != good
    await simulator.success("Simulator.Inject", {"fault": "accessDenied"})
    for command, request in (
        (DATA, crypt("K", "E", "ecb", BLOCKS)),
        ("Crypto.GenerateRandom", None),
        ("Crypto.Digest", {"hashAlgorithm": "sha1", "data": b64(b"x")}),
    ):
        assert await pad.failure(command, request) == "accessDenied"


async def test_long_data_is_encrypted(pad: Dialogue) -> None:
    await imported(pad, "K", "D0 A B", AES)
    made = await pad.success(DATA, crypt("K", "E", "cbc", bytes(500_000)))
    assert unb64(made["data"]) == ciphers.encrypt("A", AES, bytes(500_000), "cbc")


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_encrypt_and_authenticate(
    pad: Dialogue, nursery: trio.Nursery, older: str
) -> None:
    await imported(pad, "K", "D0 A B", AES)
    await imported(pad, "M", "M6 A C", AES)
    old = await another(pad, nursery, older)
    start = {"iv": b64(COUNT)} if older == "2021-1" else {"iv": {"value": b64(COUNT)}}
    made = await old.success(DATA, crypt("K", "E", "cbc", BLOCKS, **start))
    assert unb64(made["data"]) == ciphers.encrypt("A", AES, BLOCKS, "cbc", COUNT)
    made = await old.success(GENERATE, {"key": "M", "data": b64(b"x")})
    verify = {"key": "M", "data": b64(b"x"), "verifyData": made["authenticationData"]}
    await old.success(VERIFY, verify)
    await old.success("Crypto.GenerateRandom")
    await old.success("Crypto.Digest", {"hashAlgorithm": "sha256", "data": b64(b"x")})


@pytest.mark.parametrize("mode", ["E", "D"])
async def test_field_unlisted_a_key_of_one_mode_may_be_asked_for_that_mode(pad: Dialogue, mode: str) -> None:
    await imported(pad, "OneWay", f"D0 T {mode}", bytes(range(1, 17)))
    request = {"key": "OneWay", "cryptoMethod": "ecb", "data": b64(bytes(8))}
    asked = await pad.success("Crypto.CryptoData", {**request, "modeOfUse": mode})
    assert asked == await pad.success("Crypto.CryptoData", request)
    other = {"E": "D", "D": "E"}[mode]
    assert await pad.failure("Crypto.CryptoData", {**request, "modeOfUse": other}) == "modeOfUseNotSupported"
