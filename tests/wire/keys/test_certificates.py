"""KeyManagement, over the wire: certificates of hosts, and key tokens of TR-34 in one pass and two."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from host import b64, kcv, unb64
from tr34 import token

from dialogue import Dialogue, another
from xfs4iot.devices import KeyTokenImport
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import SecurePart, certificates, factory, key_tokens

LOAD, TOKEN = "KeyManagement.LoadCertificate", "KeyManagement.ImportKeyToken"
GET, REPLACE = "KeyManagement.GetCertificate", "KeyManagement.ReplaceCertificate"
AES = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
HEADER = "D0112K0AB00E0000"
HOST, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))


async def issued(simulator: Dialogue, key: rsa.RSAPrivateKey = HOST, **more: Any) -> dict[str, bytes]:
    """A certificate of a host's key, that of the authority, and its revocation list."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    found = await simulator.success("Simulator.IssueHostCertificate", {"publicKey": b64(public), **more})
    return {name: unb64(value) for name, value in found.items()}


async def bound(pad: Dialogue, simulator: Dialogue, **more: Any) -> dict[str, bytes]:
    """Bind the device to a host."""
    found = await issued(simulator, **more)
    request = {"loadOption": "newHost", "signer": "ca", "certificateData": b64(found["certificate"])}
    loaded = await pad.success(LOAD, request)
    assert loaded["rsaKeyCheckMode"] == "sha256"
    assert unb64(loaded["rsaData"]) == hashlib.sha256(found["certificate"]).digest()
    return found


async def random_of(pad: Dialogue) -> bytes:
    return unb64((await pad.success("KeyManagement.StartKeyExchange"))["randomItem"])


async def device_certificate(pad: Dialogue, kind: str = "enckey") -> bytes:
    return unb64((await pad.success(GET, {"getCertificate": kind}))["certificate"])


async def test_a_host_loads_a_key_by_a_token_in_two_passes(pad: Dialogue, simulator: Dialogue) -> None:
    found = await bound(pad, simulator)
    authority = x509.load_der_x509_certificate(found["authority"])
    own = await device_certificate(pad)
    x509.load_der_x509_certificate(own).verify_directly_issued_by(authority)
    made = token(AES, HEADER, HOST, found["certificate"], own, random=await random_of(pad))
    request = {"keyToken": b64(made), "key": "Master", "keyUsage": "K0", "loadOption": "random"}
    loaded = await pad.success(TOKEN, request)
    assert unb64(loaded["keyCheckValue"]) == kcv("A", AES)
    assert unb64(loaded["keyAcceptData"]) == hashlib.sha256(made).digest()
    assert loaded["keyLength"] == 128
    told = (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]["Master"]
    assert told["keyBlockInfo"]["keyUsage"] == "K0"
    assert await pad.failure(TOKEN, request) == "randomInvalid"


@pytest.mark.parametrize("option", ["noRandomCrl", "randomCrl"])
async def test_a_token_with_a_revocation_list_says_name_and_usage_itself(
    pad: Dialogue, simulator: Dialogue, option: str
) -> None:
    found = await bound(pad, simulator)
    random = await random_of(pad) if option == "randomCrl" else None
    header = "D0112K0AB00E0100" + "LB0AMaster"
    own = await device_certificate(pad)
    made = token(AES, header, HOST, found["certificate"], own, random=random, crl=found["revocationList"])
    request = {"keyToken": b64(made), "loadOption": option}
    await pad.success(TOKEN, request)
    assert "Master" in (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]
    assert await pad.failure(TOKEN, request) == "randomInvalid"
    if random is None:
        later = datetime.now(UTC) + timedelta(seconds=5)
        made = token(AES, header, HOST, found["certificate"], own, time=later, crl=found["revocationList"])
        await pad.success(TOKEN, {**request, "keyToken": b64(made)})


async def test_a_revoked_host_loads_nothing(pad: Dialogue, simulator: Dialogue) -> None:
    found = await bound(pad, simulator, revoked=True)
    own = await device_certificate(pad)
    for crl, code in ((found["revocationList"], "signatureInvalid"), (None, "formatInvalid")):
        header = "D0112K0AB00E0100" + "LB0AMaster"
        made = token(AES, header, HOST, found["certificate"], own, crl=crl)
        request = {"keyToken": b64(made), "loadOption": "noRandomCrl"}
        assert await pad.failure(TOKEN, request) == code


Made = Callable[[dict[str, bytes], bytes, bytes], bytes]

BAD: dict[str, tuple[Made, dict[str, Any], str]] = {
    "no token": (lambda found, own, random: b"\x30\x03\x02\x01\x01", {}, "formatInvalid"),
    "cut off": (
        lambda found, own, random: token(AES, HEADER, HOST, found["certificate"], own, random=random)[:-5],
        {},
        "formatInvalid",
    ),
    "another host": (
        lambda found, own, random: token(AES, HEADER, OTHER, found["certificate"], own, random=random),
        {},
        "signatureInvalid",
    ),
    "signed for another": (
        lambda found, own, random: token(AES, HEADER, HOST, found["authority"], own, random=random),
        {},
        "signatureInvalid",
    ),
    "another random": (
        lambda found, own, random: token(AES, HEADER, HOST, found["certificate"], own, random=bytes(16)),
        {},
        "randomInvalid",
    ),
    "no random": (
        lambda found, own, random: token(AES, HEADER, HOST, found["certificate"], own),
        {},
        "randomInvalid",
    ),
    "another device": (
        lambda found, own, random: token(
            AES, HEADER, HOST, found["certificate"], found["certificate"], random=random
        ),
        {},
        "contentInvalid",
    ),
    "another header inside": (
        lambda found, own, random: token(
            AES, HEADER, HOST, found["certificate"], own, random=random, inner_header="D0112D0AB00E0000"
        ),
        {},
        "contentInvalid",
    ),
    "no key block inside": (
        lambda found, own, random: token(
            AES, HEADER, HOST, found["certificate"], own, random=random, inner=b"\x05\0"
        ),
        {},
        "contentInvalid",
    ),
    "another usage": (
        lambda found, own, random: token(AES, HEADER, HOST, found["certificate"], own, random=random),
        {"keyUsage": "P0"},
        "useViolation",
    ),
    "a wrong length": (
        lambda found, own, random: token(AES[:5], HEADER, HOST, found["certificate"], own, random=random),
        {},
        "invalidKeyLength",
    ),
    "no name": (
        lambda found, own, random: token(
            AES, HEADER, HOST, found["certificate"], own, random=random, crl=found["revocationList"]
        ),
        {"key": None, "keyUsage": None, "loadOption": "randomCrl"},
        "contentInvalid",
    ),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_token_brings_no_key(pad: Dialogue, simulator: Dialogue, what: str) -> None:
    make, change, code = BAD[what]
    found = await bound(pad, simulator)
    made = make(found, await device_certificate(pad), await random_of(pad))
    request = {"keyToken": b64(made), "key": "Master", "keyUsage": "K0", "loadOption": "random", **change}
    before = await pad.success("KeyManagement.GetKeyDetail")
    assert await pad.failure(TOKEN, {k: v for k, v in request.items() if v is not None}) == code
    assert await pad.success("KeyManagement.GetKeyDetail") == before


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"keyToken": None}, "invalidData"),
        ({"loadOption": None}, "invalidData"),
        ({"key": None}, "invalidData"),
        ({"keyUsage": None}, "invalidData"),
        ({"keyUsage": "C0"}, "useViolation"),
        ({"loadOption": "noRandom"}, "unsupportedData"),
        ({"key": "TestKek"}, "duplicateKey"),
        ({}, "invalidCertState"),
    ],
)
async def test_a_token_that_cannot_be_taken_is_refused(pad: Dialogue, change: Any, code: str) -> None:
    request = {"keyToken": b64(b"x"), "key": "K", "keyUsage": "K0", "loadOption": "random", **change}
    assert await pad.failure(TOKEN, {k: v for k, v in request.items() if v is not None}) == code


def test_a_token_that_differs_by_one_bit_is_never_accepted() -> None:
    part = SecurePart(None, "PinPad")
    factory.make(part)
    kept = certificates.Certificates(part, "PinPad")
    authority = factory.issuer(part)
    host = certificates.signed("host", HOST.public_key(), "xfs4iot simulated CA", authority)
    kept.take_host(host)
    own, crl = certificates.der(kept.own("enckey")), certificates.revocation_list(authority, [])
    made = token(AES, HEADER, HOST, certificates.der(host), own, crl=crl)
    tokens = key_tokens.KeyTokens(part, kept)
    for position in range(len(made)):
        changed = bytearray(made)
        changed[position] ^= 1 << position % 8
        request = KeyTokenImport(token=bytes(changed), name="K", usage="K0", load_option="noRandomCrl")
        with pytest.raises(errors.CommandError) as refused:
            tokens.take(request, None)
        assert refused.value.error_code in ("formatInvalid", "signatureInvalid"), position
    request = KeyTokenImport(token=made, name="K", usage="K0", load_option="noRandomCrl")
    assert tokens.take(request, None).name == "K"


async def test_a_certificate_is_the_authoritys_and_valid(pad: Dialogue, simulator: Dialogue) -> None:
    found = await issued(simulator)
    request = {"loadOption": "newHost", "signer": "ca"}
    over = (await issued(simulator, days=-1))["certificate"]
    alien = x509.CertificateBuilder(
        x509.Name([]), x509.Name([]), HOST.public_key(), 1, datetime(2020, 1, 1), datetime(2050, 1, 1)
    ).sign(OTHER, hashes.SHA256())
    for data, code in (
        (b"x", "formatInvalid"),
        (over, "signatureInvalid"),
        (alien.public_bytes(Encoding.DER), "signatureInvalid"),
    ):
        assert await pad.failure(LOAD, {**request, "certificateData": b64(data)}) == code
    good = {**request, "certificateData": b64(found["certificate"])}
    assert await pad.failure(LOAD, {**good, "loadOption": "replaceHost", "signer": "certHost"}) == (
        "invalidCertificateState"
    )
    await pad.success(LOAD, good)
    assert (await pad.success("Common.Status"))["keyManagement"]["certificateState"] == "primary"
    assert await pad.failure(LOAD, good) == "invalidCertificateState"
    assert await device_certificate(pad, "hostkey") == found["certificate"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"loadOption": None}, "invalidData"),
        ({"signer": None}, "invalidData"),
        ({"certificateData": None}, "invalidData"),
        ({"signer": "certHost"}, "modeNotSupported"),
        ({"signer": "hl"}, "modeNotSupported"),
        ({"loadOption": "replaceHost"}, "modeNotSupported"),
    ],
)
async def test_signer_and_option_go_together(pad: Dialogue, change: Any, code: str) -> None:
    request = {"loadOption": "newHost", "signer": "ca", "certificateData": b64(b"x"), **change}
    assert await pad.failure(LOAD, {k: v for k, v in request.items() if v is not None}) == code


async def test_a_host_is_replaced_with_the_signature_of_the_one_before(
    pad: Dialogue, simulator: Dialogue
) -> None:
    await bound(pad, simulator)
    other = (await issued(simulator, OTHER))["certificate"]
    request = {"loadOption": "replaceHost", "signer": "certHost"}
    for key, code in ((OTHER, "signatureInvalid"), (HOST, None)):
        data = b64(other + key.sign(other, padding.PKCS1v15(), hashes.SHA256()))
        if code is None:
            await pad.success(LOAD, {**request, "certificateData": data})
        else:
            assert await pad.failure(LOAD, {**request, "certificateData": data}) == code
    assert await device_certificate(pad, "hostkey") == other


async def test_another_authority_is_told_to_everybody(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery
) -> None:
    bystander = await another(pad, nursery)
    next_one = (await issued(simulator, OTHER))["certificate"]
    assert await pad.failure(REPLACE, {}) == "invalidData"
    assert await pad.failure(REPLACE, {"replaceCertificate": b64(b"x")}) == "formatInvalid"
    done = await pad.success(REPLACE, {"replaceCertificate": b64(next_one)})
    assert unb64(done["newCertificateData"]) == hashlib.sha256(next_one).digest()
    event = await bystander.until("unsolicited", name="KeyManagement.CertificateChangeEvent")
    assert event["payload"] == {"certificateChange": "secondary"}
    assert (await pad.success("Common.Status"))["keyManagement"]["certificateState"] == "secondary"
    again = (await issued(simulator))["certificate"]
    assert await pad.failure(REPLACE, {"replaceCertificate": b64(again)}) == "invalidCertificateState"


async def test_certificates_that_are_not_there_are_not_told(pad: Dialogue) -> None:
    assert await pad.failure(GET, {}) == "invalidData"
    assert await pad.failure(GET, {"getCertificate": "hostkey"}) == "invalidCertificateState"
    assert await device_certificate(pad, "verificationkey") != await device_certificate(pad)


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_load_certificates(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery, older: str
) -> None:
    old = await another(pad, nursery, older)
    found = await issued(simulator)
    data = b64(found["certificate"])
    await old.success(LOAD, {"loadOption": "newHost", "signer": "ca", "certificateData": data})
    await old.success(GET, {"getCertificate": "hostkey"})
    if older == "2023-2":
        own = await device_certificate(pad)
        made = token(AES, HEADER, HOST, found["certificate"], own, random=await random_of(pad))
        request = {"keyToken": b64(made), "key": "Master", "keyUsage": "K0", "loadOption": "random"}
        await old.success(TOKEN, request)
    await old.success(REPLACE, {"replaceCertificate": data})
