"""A certificate is for what it says: an authority's is no host's, a host's no authority's, and no chains."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID
from host import b64, unb64
from test_certificates import HOST, LOAD, OTHER, REPLACE, alone, bound, issued, signed_by

from dialogue import Dialogue
from xfs4iot.simulator.secure_part import SecurePart, certificates, factory


def authority(signer: Literal["ca", "hl"] = "ca") -> tuple[x509.Name, rsa.RSAPrivateKey]:
    """Name and key of the simulated authority: devices of one process that keep nothing share it."""
    part = SecurePart(None, "Another")
    factory.make(part)
    kept = certificates.Certificates(part, "Another")
    return (kept.higher if signer == "hl" else kept.authority).subject, kept.issuing(signer)[1]


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def made(
    by: tuple[x509.Name, rsa.RSAPrivateKey],
    *says: tuple[x509.ExtensionType, bool],
    key: rsa.RSAPrivateKey = HOST,
    subject: str = "host",
    days: int = 30,
) -> bytes:
    """A certificate with what it says of itself, and whether that is critical."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(by[0])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
    )
    for one, critical in says:
        builder = builder.add_extension(one, critical)
    return builder.sign(by[1], hashes.SHA256()).public_bytes(Encoding.DER)


def usage(**said: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{**dict.fromkeys(names, False), **said})


LEAF, ISSUES = x509.BasicConstraints(False, None), x509.BasicConstraints(True, None)
SIGNS, CERTIFIES = usage(digital_signature=True), usage(key_cert_sign=True, crl_sign=True)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\0")
Says = list[tuple[Any, bool]]
HOSTS: dict[str, tuple[Says, str | None]] = {
    "an authority": ([(ISSUES, True)], "signatureInvalid"),
    "an authority of leaves": ([(x509.BasicConstraints(True, 0), True)], "signatureInvalid"),
    "a key that certifies": ([(LEAF, True), (CERTIFIES, True)], "signatureInvalid"),
    "a key that encrypts": ([(usage(key_encipherment=True), False)], "signatureInvalid"),
    "something critical": ([(UNKNOWN, True)], "signatureInvalid"),
    "a leaf that signs": ([(LEAF, True), (SIGNS, True), (UNKNOWN, False)], None),
}


@pytest.mark.parametrize("what", HOSTS)
@pytest.mark.parametrize("signer", ["ca", "hl"])
async def test_a_hosts_certificate_is_for_signing(
    pad: Dialogue, what: str, signer: Literal["ca", "hl"]
) -> None:
    says, code = HOSTS[what]
    data = b64(alone(made(authority(signer), *says)))
    request = {"loadOption": "newHost", "signer": signer, "certificateData": data}
    if code is None:
        await pad.success(LOAD, request)
    else:
        assert await pad.failure(LOAD, request) == code
        assert "_HostCert" not in (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]


@pytest.mark.parametrize("between", [LEAF, ISSUES, x509.BasicConstraints(True, 0)])
async def test_who_an_authority_has_certified_certifies_no_host(
    pad: Dialogue, between: x509.BasicConstraints
) -> None:
    """Whatever the certificate between says: of itself, of the length of paths, or in whose name."""
    root = authority()
    middle = made(root, (between, True), key=OTHER, subject="between")
    found = [
        made((named("between"), OTHER), (LEAF, True), (SIGNS, True)),
        made((root[0], OTHER), (LEAF, True), (SIGNS, True)),
    ]
    request = {"loadOption": "newHost", "signer": "ca"}
    for leaf in found:
        chain = [x509.load_der_x509_certificate(one) for one in (leaf, middle)]
        for data, code in (
            (alone(leaf), "signatureInvalid"),
            (pkcs7.serialize_certificates(chain, Encoding.DER), "formatInvalid"),
            (pkcs7.serialize_certificates(chain[::-1], Encoding.DER), "formatInvalid"),
        ):
            assert await pad.failure(LOAD, {**request, "certificateData": b64(data)}) == code


async def test_an_authority_is_not_its_own_host(pad: Dialogue, simulator: Dialogue) -> None:
    own = (await issued(simulator))["authority"]
    request = {"loadOption": "newHost", "signer": "ca", "certificateData": b64(alone(own))}
    assert await pad.failure(LOAD, request) == "signatureInvalid"


async def test_a_host_certifies_no_host_after_it(pad: Dialogue, simulator: Dialogue) -> None:
    """It signs the message with its successor, whom the authority has certified."""
    found = await bound(pad, simulator)
    name = x509.load_der_x509_certificate(found["certificate"]).subject
    request = {"loadOption": "replaceHost", "signer": "certHost"}
    for successor in (
        made((name, HOST), (LEAF, True), key=OTHER),
        made(authority(), (ISSUES, True), key=OTHER),
    ):
        data = b64(signed_by(HOST, found["certificate"], alone(successor)))
        assert await pad.failure(LOAD, {**request, "certificateData": data}) == "signatureInvalid"
    good = signed_by(HOST, found["certificate"], alone(made(authority(), (LEAF, True), key=OTHER)))
    await pad.success(LOAD, {**request, "certificateData": b64(good)})


AUTHORITIES: dict[str, tuple[Says, int, bool]] = {
    "a leaf": ([(LEAF, True)], 30, False),
    "a key that signs only": ([(SIGNS, True)], 30, False),
    "something critical": ([(ISSUES, True), (UNKNOWN, True)], 30, False),
    "over": ([(ISSUES, True), (CERTIFIES, True)], -1, False),
    "an authority": ([(ISSUES, True), (CERTIFIES, True)], 30, True),
    "an authority of leaves": ([(x509.BasicConstraints(True, 0), True)], 30, True),
}


@pytest.mark.parametrize("what", AUTHORITIES)
async def test_what_takes_an_authoritys_place_is_one(pad: Dialogue, simulator: Dialogue, what: str) -> None:
    says, days, taken = AUTHORITIES[what]
    successor = made(authority(), *says, key=OTHER, subject="next", days=days)
    signed = await simulator.success("Simulator.SignAsAuthority", {"data": b64(alone(successor))})
    request = {"replaceCertificate": signed["message"]}
    if not taken:
        assert await pad.failure(REPLACE, request) == "invalidCertificateState"
        # The one before is still the authority.
        await bound(pad, simulator)
        return
    assert unb64((await pad.success(REPLACE, request))["newCertificateData"])
    of_next = made((named("next"), OTHER), (LEAF, True), (SIGNS, True))
    request = {"loadOption": "newHost", "signer": "ca", "certificateData": b64(alone(of_next))}
    await pad.success(LOAD, request)
