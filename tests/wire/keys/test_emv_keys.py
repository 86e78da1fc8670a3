"""KeyManagement over the wire: public keys of card schemes, and PINs encrypted for a chip."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fingers import pin_entered
from host import b64, block, unb64

from dialogue import Dialogue, another

IMPORT, BLOCK = "KeyManagement.ImportEmvPublicKey", "PinPad.GetPinBlock"
AUTHORITY, ISSUER, CHIP, OTHER = (
    rsa.generate_private_key(exponent, bits)
    for exponent, bits in ((3, 1408), (65537, 1280), (3, 1024), (3, 1408))
)
RID = bytes.fromhex("A000000999")
PAN = "4012345678909123"
THIS_YEAR = datetime.now(UTC).year % 100

VSDC_TEST_KEY = bytes.fromhex(
    "A00000000395 0101"
    "BE9E1FA5E9A803852999C4AB432DB28600DCD9DAB76DFAAA47355A0FE37B1508AC6BF38860D3C6C2E5B12A3CAAF2A700"
    "5A7241EBAA7771112C74CF9A0634652FBCA0E5980C54A64761EA101A114E0F0B5572ADD57D010B7C9C887E104CA4EE12"
    "72DA66D997B9A90B5A6D624AB6C57E73C8F919000EB5F684898EF8C3DBEFB330C62660BED88EA78E909AFF05F6DA627B"
    "03 EE1511CEC71020A9B90443B37B1D5F6E703030F6"
)
"""The authority's public test key of 1152 bits that Visa has published, with its checksum."""


def modulus(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_numbers().n.to_bytes(key.key_size // 8, "big")


def exponent(key: rsa.RSAPrivateKey) -> bytes:
    e = key.public_key().public_numbers().e
    return e.to_bytes((e.bit_length() + 7) // 8, "big")


def by_private(key: rsa.RSAPrivateKey, text: bytes) -> bytes:
    numbers = key.private_numbers()
    made = pow(int.from_bytes(text, "big"), numbers.d, numbers.public_numbers.n)
    return made.to_bytes(key.key_size // 8, "big")


def with_checksum(key: rsa.RSAPrivateKey, algorithms: str = "0101") -> bytes:
    head, tail = RID + b"\x01", modulus(key) + exponent(key)
    return head + bytes.fromhex(algorithms) + tail + hashlib.sha1(head + tail).digest()


def signed_authority(key: rsa.RSAPrivateKey, by: rsa.RSAPrivateKey) -> bytes:
    covered = with_checksum(key) + bytes(range(8))
    return covered + by.sign(covered, padding.PKCS1v15(), hashes.SHA256())


def certified(key: rsa.RSAPrivateKey, by: rsa.RSAPrivateKey, kind: str, **change: Any) -> bytes:
    """What ImportEmvPublicKey takes as the value of an issuer's or a chip's key."""
    pan: str = change.get("pan", PAN)
    number = (pan[:8] if kind == "issuer" else pan).ljust(8 if kind == "issuer" else 20, "F")
    expiry = change.get("expiry", f"12{THIS_YEAR + 1:02}")
    n, e = modulus(key), exponent(key)
    head = "02" if kind == "issuer" else "04"
    text = bytes.fromhex(head + number + expiry + "000001" + change.get("algorithms", "0101"))
    text += bytes([len(n), len(e)])
    room = by.key_size // 8 - len(text) - 22
    content, remainder = text + n[:room].ljust(room, b"\xbb"), n[room:]
    static = b"" if kind == "issuer" else b"static data"
    covered = content + remainder + e + static
    recovered = change.get("header", b"\x6a") + content + hashlib.sha1(covered).digest() + b"\xbc"
    parts = [e, by_private(by, recovered), change.get("remainder", remainder)]
    parts += [] if kind == "issuer" else [change.get("static", static)]
    said = change.get("said_pan", pan)
    parts.append(bytes.fromhex(said + "F" * (len(said) % 2)))
    return b"".join(bytes([len(part)]) + part for part in parts) + change.get("tail", b"")


async def brings(client: Dialogue, name: str, scheme: str, value: bytes, **more: Any) -> dict[str, Any]:
    request = {"key": name, "keyUsage": "E0", "importScheme": scheme, "value": b64(value), **more}
    return await client.success(IMPORT, request)


async def refused(client: Dialogue, name: str, scheme: str, value: bytes, **more: Any) -> str:
    request = {"key": name, "keyUsage": "E0", "importScheme": scheme, "value": b64(value), **more}
    return await client.failure(IMPORT, request)


async def signer_of_authorities(pad: Dialogue) -> None:
    """A key by which the device verifies authorities, brought by a key block."""
    public = OTHER.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    request = {"key": "Signer", "value": block("S0 R V", public), "decryptKey": "TestKbpk"}
    await pad.success("KeyManagement.ImportKey", request)


async def test_a_chips_key_comes_by_the_chain_of_its_scheme(pad: Dialogue) -> None:
    assert await brings(pad, "CA", "checksumCA", with_checksum(AUTHORITY)) == {}
    issuer = certified(ISSUER, AUTHORITY, "issuer")
    assert await brings(pad, "Issuer", "issuer", issuer, verifyKey="CA") == {
        "expiryDate": f"12{THIS_YEAR + 1:02}"
    }
    for scheme in ("icc", "iccPIN"):
        await brings(pad, scheme, scheme, certified(CHIP, ISSUER, scheme), verifyKey="Issuer")
        told = (await pad.success("KeyManagement.GetKeyDetail", {"keyName": scheme}))["keyDetails"][scheme]
        assert told["keyBlockInfo"]["keyLength"] == 1024
        assert told["expiryDate"] == f"20{THIS_YEAR + 1:02}1231"


async def test_the_published_test_key_of_an_authority_is_taken_and_no_changed_one(pad: Dialogue) -> None:
    await brings(pad, "CA", "checksumCA", VSDC_TEST_KEY)
    for place in (0, 5, 6, 7, 8, 100, len(VSDC_TEST_KEY) - 21, len(VSDC_TEST_KEY) - 1):
        changed = bytearray(VSDC_TEST_KEY)
        changed[place] ^= 1
        assert await refused(pad, "Other", "checksumCA", bytes(changed)) == "emvVerifyFailed"
    assert await refused(pad, "Other", "checksumCA", b"x") == "emvVerifyFailed"


async def test_a_plain_key_is_taken_as_it_comes(pad: Dialogue) -> None:
    public = AUTHORITY.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    await brings(pad, "CA", "plainCA", public)
    await brings(pad, "Issuer", "issuer", certified(ISSUER, AUTHORITY, "issuer"), verifyKey="CA")
    assert await refused(pad, "Other", "plainCA", b"x") == "emvVerifyFailed"


BAD: dict[str, dict[str, Any]] = {
    "no signature": {"header": b"\x6b"},
    "another remainder": {"remainder": b"x"},
    "too much": {"tail": b"x"},
    "too little": {"tail": b"", "said_pan": ""},
    "another PAN": {"said_pan": "5112345678909123"},
    "another algorithm": {"algorithms": "0201"},
    "expired": {"expiry": "0120"},
    "no month": {"expiry": f"13{THIS_YEAR + 1:02}"},
    "no date": {"expiry": "AAAA"},
}


@pytest.mark.parametrize("kind", ["issuer", "icc"])
@pytest.mark.parametrize("what", BAD)
async def test_a_bad_certificate_brings_no_key(pad: Dialogue, kind: str, what: str) -> None:
    await brings(pad, "CA", "checksumCA", with_checksum(AUTHORITY))
    await brings(pad, "Issuer", "issuer", certified(ISSUER, AUTHORITY, "issuer"), verifyKey="CA")
    key, by, name = (ISSUER, AUTHORITY, "CA") if kind == "issuer" else (CHIP, ISSUER, "Issuer")
    made = certified(key, by, kind, **BAD[what])
    assert await refused(pad, "Bad", kind, made, verifyKey=name) == "emvVerifyFailed"
    assert "Bad" not in (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]


async def test_a_certificate_that_differs_by_one_bit_is_another(pad: Dialogue) -> None:
    await brings(pad, "CA", "checksumCA", with_checksum(AUTHORITY))
    made = certified(ISSUER, AUTHORITY, "issuer")
    for place in range(0, len(made), 3):
        changed = bytearray(made)
        changed[place] ^= 1 << place % 8
        # What stands in the PAN after the issuer's number is not the issuer's to say.
        if place < len(made) - 4:
            assert await refused(pad, "Bad", "issuer", bytes(changed), verifyKey="CA") == "emvVerifyFailed"


async def test_each_key_of_a_chain_signs_what_is_its_own_to_sign(pad: Dialogue) -> None:
    await brings(pad, "CA", "checksumCA", with_checksum(AUTHORITY))
    await brings(pad, "Issuer", "issuer", certified(ISSUER, AUTHORITY, "issuer"), verifyKey="CA")
    for scheme, by, name in (("icc", AUTHORITY, "CA"), ("issuer", ISSUER, "Issuer")):
        made = certified(CHIP, by, scheme)
        assert await refused(pad, "Bad", scheme, made, verifyKey=name) == "useViolation"
    made = certified(ISSUER, AUTHORITY, "issuer")
    assert await refused(pad, "Bad", "issuer", made, verifyKey="_SigIssuerVendor") == "useViolation"
    assert await refused(pad, "Bad", "issuer", made, verifyKey="nobody") == "keyNotFound"
    made = signed_authority(AUTHORITY, ISSUER)
    assert await refused(pad, "Bad", "pkcsV1_5_CA", made, verifyKey="Issuer") == "useViolation"


async def test_a_key_of_the_same_name_is_no_authority(pad: Dialogue) -> None:
    await brings(pad, "CA", "checksumCA", with_checksum(AUTHORITY))
    public = OTHER.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    request = {"key": "CA", "value": block("E0 R V", public), "decryptKey": "TestKbpk"}
    await pad.success("KeyManagement.ImportKey", request)
    made = certified(ISSUER, OTHER, "issuer")
    assert await refused(pad, "Bad", "issuer", made, verifyKey="CA") == "useViolation"


async def test_an_authority_is_verified_by_a_key_that_the_device_has(pad: Dialogue) -> None:
    await signer_of_authorities(pad)
    made = signed_authority(AUTHORITY, OTHER)
    for place in (0, 50, len(made) - 1):
        changed = bytearray(made)
        changed[place] ^= 1
        assert await refused(pad, "CA", "pkcsV1_5_CA", bytes(changed), verifyKey="Signer") == (
            "emvVerifyFailed"
        )
    await brings(pad, "CA", "pkcsV1_5_CA", made, verifyKey="Signer")
    await brings(pad, "CA2", "pkcsV1_5_CA", signed_authority(OTHER, AUTHORITY), verifyKey="CA")


async def with_chips_key(pad: Dialogue, verified: bool = True) -> str | None:
    """Bring a chip's key that encrypts PINs; returns how that failed."""
    if verified:
        await signer_of_authorities(pad)
        await brings(pad, "CA", "pkcsV1_5_CA", signed_authority(AUTHORITY, OTHER), verifyKey="Signer")
    else:
        await brings(pad, "CA", "checksumCA", with_checksum(AUTHORITY))
    await brings(pad, "Issuer", "issuer", certified(ISSUER, AUTHORITY, "issuer"), verifyKey="CA")
    made, more = certified(CHIP, ISSUER, "iccPIN"), {"keyUsage": "E7", "verifyKey": "Issuer"}
    if not verified:
        return await refused(pad, "Chip", "iccPIN", made, **more)
    await brings(pad, "Chip", "iccPIN", made, **more)
    return None


async def test_a_chip_reads_the_pin_that_was_encrypted_for_it(pad: Dialogue, simulator: Dialogue) -> None:
    await with_chips_key(pad)
    await pin_entered(pad, simulator, "730519")
    request = {"format": "emv", "customerData": "0123456789ABCDEF", "key": "Chip"}
    made = unb64((await pad.success(BLOCK, request))["pinBlock"])
    read = by_private(CHIP, made)
    assert read[:17].hex().upper() == "7F" + "26730519FFFFFFFF" + "0123456789ABCDEF"
    assert len(read) == 128
    await pin_entered(pad, simulator, "730519")
    assert await pad.failure(BLOCK, {**request, "customerData": "0123"}) == "invalidData"
    assert await pad.failure(BLOCK, {**request, "cryptoMethod": "rsaesOaep"}) == "cryptoMethodNotSupported"
    assert await pad.failure(BLOCK, {**request, "format": "iso0", "customerData": PAN[3:15]}) == (
        "algorithmNotSupported"
    )
    assert unb64((await pad.success(BLOCK, request))["pinBlock"]) != made


async def test_no_pin_is_encrypted_for_a_chip_whose_authority_nobody_has_verified(pad: Dialogue) -> None:
    assert await with_chips_key(pad, verified=False) == "accessDenied"
    public = CHIP.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert await refused(pad, "Chip", "plainCA", public, keyUsage="E7") == "accessDenied"
    attributes = {"keyUsage": "E7", "algorithm": "R", "modeOfUse": "E"}
    request = {"key": "Chip", "value": b64(public), "keyAttributes": attributes}
    assert await pad.failure("KeyManagement.ImportKey", request) == "accessDenied"


async def test_an_older_client_brings_public_keys(pad: Dialogue, nursery: trio.Nursery) -> None:
    old = await another(pad, nursery, "2023-2")
    await brings(old, "CA", "checksumCA", VSDC_TEST_KEY)
    assert await refused(old, "Bad", "checksumCA", VSDC_TEST_KEY[:-1] + b"x") == "emvVerifyFailed"
