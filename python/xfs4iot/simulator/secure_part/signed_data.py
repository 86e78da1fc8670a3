"""SignedData of CMS (RFC 5652, PKCS #7): what somebody has signed, and certificates that come in it.

Key tokens are SignedData over EnvelopedData. A host's certificate comes alone in SignedData that nobody has
signed ("degenerate"); one that takes another's place comes in such SignedData, which the signer has signed.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from asn1crypto import algos, cms, core, x509
from cryptography import x509 as certificates
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.serialization import Encoding

from xfs4iot.dataclass import dataclass
from xfs4iot.simulator.secure_part import rsa_keys

__all__ = [
    "RANDOM",
    "UNREADABLE",
    "Signed",
    "certificate_in",
    "degenerate",
    "identity",
    "made_by",
    "read",
    "revoked_by",
]

_LONGEST = 65_536
RANDOM = "1.2.840.113549.1.9.25.3"
"""Attribute: the random of the device."""
UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    certificates.InvalidVersion,
)
"""What reading a structure raises that is not what it should be."""
_DIGEST = "1.2.840.113549.1.9.4"
_SHA256 = frozenset(
    algos.DigestAlgorithm({"algorithm": "sha256", **more}).dump()
    for more in ({}, {"parameters": core.Null()})
)
_RSA = frozenset(
    algos.SignedDigestAlgorithm({"algorithm": name, **more}).dump()
    for name in ("rsassa_pkcs1v15", "sha256_rsa")
    for more in ({}, {"parameters": core.Null()})
)
"""What is not signed must be exactly so: what differs by a bit is another."""


@dataclass(frozen=True)
class Signed:
    """What one signer has signed.

    Attributes:
        content: that was signed.
        content_type: what it is.
        attributes: that were signed with it, by identifier.
        lists: revocation lists, which are not signed.
        signer: issuer and serial number, DER.
        covered: what the signature is of: all of the above but the lists.
    """

    content: bytes
    content_type: str
    attributes: dict[str, bytes]
    lists: Any
    signer: bytes
    covered: bytes
    _signature: bytes

    def is_by(self, key: rsa.RSAPublicKey) -> bool:
        """Whether the content was signed with this key."""
        digest = hashlib.sha256(self.content).digest()
        return bytes_eq(self.attributes.get(_DIGEST, b""), digest) and rsa_keys.verify(
            key, "rsassaPkcs1V15", "sha256", self.covered, self._signature
        )


def read(value: bytes) -> Signed:
    """Read what was signed by one signer, with SHA-256 and RSASSA-PKCS1-v1_5.

    Raises:
        ValueError, or another of `UNREADABLE`: it is not that.
    """
    signed = _signed_data(value)
    inner = signed["encap_content_info"]
    kind = inner["content_type"].native
    if signed["version"].native != ("v1" if kind == "data" else "v3"):
        raise ValueError("another version")
    if len(signed["signer_infos"]) != 1:
        raise ValueError("not one signer")
    signer = signed["signer_infos"][0]
    if signer["version"].native != "v1":
        raise ValueError("another signer")
    for digest in (*signed["digest_algorithms"], signer["digest_algorithm"]):
        if digest.dump() not in _SHA256:
            raise ValueError("another digest")
    if signer["signature_algorithm"].dump() not in _RSA:
        raise ValueError("another signature")
    attributes = {}
    for one in signer["signed_attrs"]:
        native = one["values"][0].native
        if isinstance(native, datetime):
            native = native.astimezone(UTC).isoformat().encode()
        attributes[one["type"].dotted] = native
    return Signed(
        bytes(inner["content"]),
        kind,
        attributes,
        signed["crls"],
        signer["sid"].chosen.dump(),
        # The signature covers the plain SET OF, not the tagged form in the token (RFC 5652, 5.4).
        signer["signed_attrs"].untag().dump(force=True),
        signer["signature"].native,
    )


def _signed_data(value: bytes) -> Any:
    if len(value) > _LONGEST:
        raise ValueError(f"more than {_LONGEST} bytes")
    whole = cms.ContentInfo.load(value, strict=True)
    if whole["content_type"].native != "signed_data":
        raise ValueError("no SignedData")
    return whole["content"]


def certificate_in(value: bytes) -> tuple[bytes, Any]:
    """The one certificate, DER, of SignedData that nobody has signed, and its revocation lists.

    Raises:
        ValueError, or another of `UNREADABLE`: it is not that.
    """
    signed = _signed_data(value)
    content = signed["encap_content_info"]["content"]
    if len(signed["signer_infos"]) or (content.native is not None and len(content.native)):
        raise ValueError("it is signed")
    if len(signed["certificates"]) != 1:
        raise ValueError("not one certificate")
    found: bytes = signed["certificates"][0].chosen.dump()
    return found, signed["crls"]


def degenerate(certificate: bytes, crl: bytes | None = None) -> bytes:
    """SignedData that nobody has signed, with a certificate and perhaps a revocation list, all DER."""
    content = {
        "version": "v1",
        "digest_algorithms": [],
        "encap_content_info": {"content_type": "data"},
        "certificates": [x509.Certificate.load(certificate)],
        "signer_infos": [],
    }
    if crl is not None:
        content["crls"] = [cms.RevocationInfoChoice.load(crl)]
    made: bytes = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(content)}).dump()
    return made


def made_by(
    key: rsa.RSAPrivateKey, certificate: certificates.Certificate, content: bytes, random: bytes | None = None
) -> bytes:
    """SignedData over what somebody signs, perhaps with the random of a device."""
    attributes = [
        _attribute("content_type", cms.ContentType("data")),
        _attribute("message_digest", core.OctetString(hashlib.sha256(content).digest())),
    ]
    if random is not None:
        attributes.append(_attribute(RANDOM, core.OctetString(random)))
    # A SET OF in DER is sorted, and the signature is of that.
    covered = cms.CMSAttributes(sorted(attributes, key=lambda one: bytes(one.dump())))
    sha256 = {"algorithm": "sha256"}
    signer = {
        "version": "v1",
        "sid": cms.SignerIdentifier("issuer_and_serial_number", identity(certificate)),
        "digest_algorithm": sha256,
        "signed_attrs": covered,
        "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
        "signature": rsa_keys.sign(key, "rsassaPkcs1V15", "sha256", covered.dump()),
    }
    signed = {
        "version": "v1",
        "digest_algorithms": [sha256],
        "encap_content_info": {"content_type": "data", "content": content},
        "signer_infos": [signer],
    }
    made: bytes = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)}).dump()
    return made


def _attribute(kind: str, value: Any) -> Any:
    return cms.CMSAttribute({"type": kind, "values": [value]})


def identity(certificate: certificates.Certificate) -> Any:
    """Issuer and serial number."""
    found = x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    return cms.IssuerAndSerialNumber({"issuer": found.issuer, "serial_number": found.serial_number})


def revoked_by(lists: Any, certificate: certificates.Certificate, authority: Any) -> bool | None:
    """Whether the revocation list that came says that a certificate is revoked.

    Returns:
        None: the list is not that of the authority, or its time is over.

    Raises:
        ValueError, or another of `UNREADABLE`: there is none that can be read.
    """
    told = lists[0].chosen
    crl = certificates.load_der_x509_crl(told.dump())
    # The first byte of a BIT STRING counts its unused bits; a signature has none.
    if told["signature"].contents[:1] != b"\0":
        raise ValueError("bits are left over")
    until = crl.next_update_utc
    if not crl.is_signature_valid(authority) or (until is not None and until < datetime.now(UTC)):
        return None
    return crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
