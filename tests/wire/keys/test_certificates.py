"""KeyManagement over the wire: certificates of hosts, and key tokens of TR-34 in one pass and two."""

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
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
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


def alone(certificate: bytes) -> bytes:
    """A certificate as LoadCertificate takes it, made by other code than that which takes it."""
    return pkcs7.serialize_certificates([x509.load_der_x509_certificate(certificate)], Encoding.DER)


def signed_by(key: rsa.RSAPrivateKey, certificate: bytes, data: bytes) -> bytes:
    """What a host signs."""
    return (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(data)
        .add_signer(x509.load_der_x509_certificate(certificate), key, hashes.SHA256())
        .sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )


async def bound(pad: Dialogue, simulator: Dialogue, **more: Any) -> dict[str, bytes]:
    """Bind the device to a host."""
    found = await issued(simulator, **more)
    request = {"loadOption": "newHost", "signer": "ca", "certificateData": b64(alone(found["certificate"]))}
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


async def test_a_host_loads_a_key_by_a_token_in_one_pass(pad: Dialogue, simulator: Dialogue) -> None:
    found = await bound(pad, simulator)
    own = await device_certificate(pad)
    request = {"key": "Master", "keyUsage": "K0", "loadOption": "noRandom"}
    now = datetime.now(UTC)
    for seconds, code in ((0, None), (0, "randomInvalid"), (-60, "randomInvalid"), (60, None)):
        made = token(AES, HEADER, HOST, found["certificate"], own, time=now + timedelta(seconds=seconds))
        if code is None:
            await pad.success(TOKEN, {**request, "keyToken": b64(made)})
        else:
            assert await pad.failure(TOKEN, {**request, "keyToken": b64(made)}) == code
    made = token(AES, HEADER, HOST, found["certificate"], own, random=bytes(16))
    assert await pad.failure(TOKEN, {**request, "keyToken": b64(made)}) == "randomInvalid"


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
    "a weak key": (
        lambda found, own, random: token(bytes(16), HEADER, HOST, found["certificate"], own, random=random),
        {},
        "contentInvalid",
    ),
    "a header that is none": (
        lambda found, own, random: token(AES, "D0112", HOST, found["certificate"], own, random=random),
        {},
        "contentInvalid",
    ),
    "optional blocks that do not end": (
        lambda found, own, random: token(
            AES, HEADER[:12] + "0100LBFFx", HOST, found["certificate"], own, random=random
        ),
        {},
        "contentInvalid",
    ),
    "a key that nobody takes": (
        lambda found, own, random: token(
            AES, "D0112K0RS00E0000", HOST, found["certificate"], own, random=random
        ),
        {},
        "useViolation",
    ),
    "a name that is none": (
        lambda found, own, random: token(
            AES,
            "D0112K0AB00E0100LB08a\nbc",
            HOST,
            found["certificate"],
            own,
            random=random,
            crl=found["revocationList"],
        ),
        {"key": None, "keyUsage": None, "loadOption": "randomCrl"},
        "contentInvalid",
    ),
    "the name of a preloaded key": (
        lambda found, own, random: token(
            AES,
            "D0112K0AB00E0100LB0BTestKek",
            HOST,
            found["certificate"],
            own,
            random=random,
            crl=found["revocationList"],
        ),
        {"key": None, "keyUsage": None, "loadOption": "randomCrl"},
        "duplicateKey",
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
    by = kept.issuing("ca")
    host = certificates.signed("host", HOST.public_key(), by)
    kept.take_host(host)
    own, crl = certificates.der(kept.own("enckey")), certificates.revocation_list(by, [])
    made = token(AES, HEADER, HOST, certificates.der(host), own, crl=crl)
    tokens = key_tokens.KeyTokens(part, kept, {("K0", "A", "B")})
    for position in range(len(made)):
        changed = bytearray(made)
        changed[position] ^= 1 << position % 8
        request = KeyTokenImport(token=bytes(changed), name="K", usage="K0", load_option="noRandomCrl")
        with pytest.raises(errors.CommandError) as refused:
            tokens.take(request, None)
        assert refused.value.error_code in ("formatInvalid", "signatureInvalid"), position
    request = KeyTokenImport(token=made, name="K", usage="K0", load_option="noRandomCrl")
    assert tokens.take(request, None).name == "K"


ALIEN = (
    x509.CertificateBuilder(
        x509.Name([]), x509.Name([]), HOST.public_key(), 1, datetime(2020, 1, 1), datetime(2050, 1, 1)
    )
    .sign(OTHER, hashes.SHA256())
    .public_bytes(Encoding.DER)
)


@pytest.mark.parametrize("signer", ["ca", "hl"])
async def test_a_certificate_is_the_authoritys_and_valid(
    pad: Dialogue, simulator: Dialogue, signer: str
) -> None:
    found = await issued(simulator, signer=signer)
    others = await issued(simulator, signer="hl" if signer == "ca" else "ca")
    over = await issued(simulator, days=-1, signer=signer)
    revoked = await issued(simulator, revoked=True, signer=signer)
    request = {"loadOption": "newHost", "signer": signer}
    both = pkcs7.serialize_certificates([x509.load_der_x509_certificate(ALIEN)] * 2, Encoding.DER)
    for data, code in (
        (b"x", "formatInvalid"),
        (found["certificate"], "formatInvalid"),
        (both, "formatInvalid"),
        (signed_by(HOST, found["certificate"], found["message"]), "formatInvalid"),
        (alone(over["certificate"]), "signatureInvalid"),
        (alone(ALIEN), "signatureInvalid"),
        (others["message"], "signatureInvalid"),
        (revoked["message"], "signatureInvalid"),
    ):
        assert await pad.failure(LOAD, {**request, "certificateData": b64(data)}) == code
    good = {**request, "certificateData": b64(found["message"])}
    assert await pad.failure(LOAD, {**good, "loadOption": "replaceHost"}) == "invalidCertificateState"
    await pad.success(LOAD, good)
    assert (await pad.success("Common.Status"))["keyManagement"]["certificateState"] == "primary"
    assert await pad.failure(LOAD, good) == "invalidCertificateState"
    assert await device_certificate(pad, "hostkey") == found["certificate"]


@pytest.mark.parametrize("kind", ["enckey", "verificationkey"])
async def test_a_device_is_no_host(pad: Dialogue, kind: str) -> None:
    data = alone(await device_certificate(pad, kind))
    request = {"loadOption": "newHost", "signer": "ca", "certificateData": b64(data)}
    assert await pad.failure(LOAD, request) == "signatureInvalid"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"loadOption": None}, "invalidData"),
        ({"signer": None}, "invalidData"),
        ({"certificateData": None}, "invalidData"),
        ({"signer": "certHost"}, "modeNotSupported"),
    ],
)
async def test_signer_and_option_go_together(pad: Dialogue, change: Any, code: str) -> None:
    request = {"loadOption": "newHost", "signer": "ca", "certificateData": b64(b"x"), **change}
    assert await pad.failure(LOAD, {k: v for k, v in request.items() if v is not None}) == code


async def test_a_host_is_replaced_with_the_signature_of_the_one_before(
    pad: Dialogue, simulator: Dialogue
) -> None:
    found = await bound(pad, simulator)
    other = (await issued(simulator, OTHER))["certificate"]
    request = {"loadOption": "replaceHost", "signer": "certHost"}
    for data, code in (
        (alone(other), "signatureInvalid"),
        (signed_by(OTHER, other, alone(other)), "signatureInvalid"),
        (signed_by(HOST, found["certificate"], other), "formatInvalid"),
        (signed_by(HOST, found["certificate"], alone(ALIEN)), "signatureInvalid"),
        (signed_by(HOST, found["certificate"], alone(other)), None),
    ):
        wanted = {**request, "certificateData": b64(data)}
        if code is None:
            await pad.success(LOAD, wanted)
        else:
            assert await pad.failure(LOAD, wanted) == code
    assert await device_certificate(pad, "hostkey") == other


@pytest.mark.parametrize("with_random", [False, True])
async def test_a_host_is_replaced_in_the_format_of_signatures(
    pad: Dialogue, simulator: Dialogue, with_random: bool
) -> None:
    await bound(pad, simulator)
    other = (await issued(simulator, OTHER))["certificate"]
    request = {"loadOption": "replaceHost", "signer": "certHost"}
    for key, code in (
        (OTHER, "signatureInvalid"),
        (HOST, "randomInvalid" if with_random else None),
        (HOST, None),
    ):
        random = await random_of(pad) if with_random else b""
        if code == "randomInvalid":
            random = bytes(16)
        value = random + alone(other)
        data = b64(value + key.sign(value, padding.PKCS1v15(), hashes.SHA256()))
        if code is not None:
            assert await pad.failure(LOAD, {**request, "certificateData": data}) == code
        else:
            await pad.success(LOAD, {**request, "certificateData": data})
            break
    assert await device_certificate(pad, "hostkey") == other


@pytest.mark.parametrize("signer", ["ca", "hl"])
async def test_a_host_is_replaced_by_an_authority_with_the_random_of_the_exchange(
    pad: Dialogue, simulator: Dialogue, signer: str
) -> None:
    await bound(pad, simulator)
    other = await issued(simulator, OTHER, signer=signer)
    request = {"loadOption": "replaceHost", "signer": signer}

    async def message(random: bytes | None, by: str = signer) -> str:
        told = {"data": b64(other["message"]), "signer": by}
        told |= {} if random is None else {"random": b64(random)}
        made: str = (await simulator.success("Simulator.SignAsAuthority", told))["message"]
        return made

    stale = await random_of(pad)
    await random_of(pad)
    wrong = await message(stale)
    assert await pad.failure(LOAD, {**request, "certificateData": wrong}) == "randomInvalid"
    await random_of(pad)
    assert await pad.failure(LOAD, {**request, "certificateData": await message(None)}) == "randomInvalid"
    alien = await message(await random_of(pad), "hl" if signer == "ca" else "ca")
    assert await pad.failure(LOAD, {**request, "certificateData": alien}) == "signatureInvalid"
    good = await message(await random_of(pad))
    await pad.success(LOAD, {**request, "certificateData": good})
    assert await device_certificate(pad, "hostkey") == other["certificate"]
    await random_of(pad)
    assert await pad.failure(LOAD, {**request, "certificateData": good}) == "randomInvalid"


async def test_a_host_of_the_higher_authority_loads_a_key(pad: Dialogue, simulator: Dialogue) -> None:
    found = await issued(simulator, signer="hl")
    request = {"loadOption": "newHost", "signer": "hl", "certificateData": b64(found["message"])}
    await pad.success(LOAD, request)
    own = await device_certificate(pad)
    header = "D0112K0AB00E0100" + "LB0AMaster"
    made = token(AES, header, HOST, found["certificate"], own, crl=found["revocationList"])
    await pad.success(TOKEN, {"keyToken": b64(made), "loadOption": "noRandomCrl"})


async def test_another_authority_is_told_to_everybody(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery
) -> None:
    bystander = await another(pad, nursery)
    found = await issued(simulator, OTHER)
    next_one = found["certificate"]
    good = (await simulator.success("Simulator.SignAsAuthority", {"data": b64(alone(next_one))}))["message"]
    assert await pad.failure(REPLACE, {}) == "invalidData"
    for data, code in (
        (b64(b"x"), "formatInvalid"),
        (b64(alone(next_one)), "formatInvalid"),
        (b64(signed_by(OTHER, next_one, alone(next_one))), "invalidCertificateState"),
    ):
        assert await pad.failure(REPLACE, {"replaceCertificate": data}) == code
    done = await pad.success(REPLACE, {"replaceCertificate": good})
    assert unb64(done["newCertificateData"]) == hashlib.sha256(next_one).digest()
    event = await bystander.until("unsolicited", name="KeyManagement.CertificateChangeEvent")
    assert event["payload"] == {"certificateChange": "secondary"}
    assert (await pad.success("Common.Status"))["keyManagement"]["certificateState"] == "secondary"
    assert await pad.failure(REPLACE, {"replaceCertificate": good}) == "invalidCertificateState"


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
    data = b64(found["message"])
    await old.success(LOAD, {"loadOption": "newHost", "signer": "ca", "certificateData": data})
    await old.success(GET, {"getCertificate": "hostkey"})
    if older == "2023-2":
        own = await device_certificate(pad)
        made = token(AES, HEADER, HOST, found["certificate"], own, random=await random_of(pad))
        request = {"keyToken": b64(made), "key": "Master", "keyUsage": "K0", "loadOption": "random"}
        await old.success(TOKEN, request)
    signed = (await simulator.success("Simulator.SignAsAuthority", {"data": data}))["message"]
    await old.success(REPLACE, {"replaceCertificate": signed})


async def test_a_host_is_bound_once_by_what_an_authority_has_signed(
    pad: Dialogue, simulator: Dialogue
) -> None:
    """Without an exchange there is no random; who recorded the message could bring the host before back."""
    await bound(pad, simulator)
    requests = []
    for _ in range(2):
        new = (await issued(simulator, OTHER))["message"]
        signed = await simulator.success("Simulator.SignAsAuthority", {"data": b64(new)})
        requests.append({"loadOption": "replaceHost", "signer": "ca", "certificateData": signed["message"]})
        await pad.success(LOAD, requests[-1])
    now = await device_certificate(pad, "hostkey")
    for request in requests:
        assert await pad.failure(LOAD, request) == "randomInvalid"
    assert await device_certificate(pad, "hostkey") == now


async def test_an_authority_is_replaced_once_by_what_the_one_before_has_signed(
    pad: Dialogue, simulator: Dialogue
) -> None:
    found = await issued(simulator, OTHER)
    first, second = found["authority"], found["certificate"]
    there = (await simulator.success("Simulator.SignAsAuthority", {"data": b64(alone(second))}))["message"]
    await pad.success(REPLACE, {"replaceCertificate": there})
    back = signed_by(OTHER, second, alone(first))
    await pad.success(REPLACE, {"replaceCertificate": b64(back)})
    assert await pad.failure(REPLACE, {"replaceCertificate": there}) == "invalidCertificateState"
    later = (
        await simulator.success(
            "Simulator.SignAsAuthority", {"data": b64(alone(second)), "random": b64(b"later")}
        )
    )["message"]
    await pad.success(REPLACE, {"replaceCertificate": later})
