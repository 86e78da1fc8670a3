"""Key tokens of ASC X9 TR-34: a key that a host has signed and encrypted for this device.

    SignedData, by the host
    ├── signed attributes: random of the device or time of signing, header of the key block, digest
    ├── revocation list of the authority, with the options ...Crl
    └── EnvelopedData, for the device's encryption certificate (RSAES-OAEP by SHA-256)
        └── KeyBlock, by AES or TDES in CBC: version, the host's certificate, key, header of the key block

A token is checked in this order: structure, signer, signature, random or time, content. One with a random is
good only once, like the random itself; one with a time must be later than the last.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, ClassVar

from asn1crypto import algos, cms, core, x509
from cryptography import x509 as certificates
from cryptography.hazmat.primitives.constant_time import bytes_eq

from xfs4iot.devices import ImportedToken, KeyAttributes, KeyTokenImport, StoredKey
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import ciphers, factory, macs, rsa_keys
from xfs4iot.simulator.secure_part.certificates import HOST_KEY, Certificates, der
from xfs4iot.simulator.secure_part.part import SecurePart

__all__ = ["HEADER", "RANDOM", "KeyBlock", "KeyTokens"]

RANDOM = "1.2.840.113549.1.9.25.3"
"""Attribute: the random of the device."""
HEADER = "1.2.840.113549.1.7.1"
"""Attribute: header of the key block."""
_TIME = "1.2.840.113549.1.9.5"
_DIGEST = "1.2.840.113549.1.9.4"
_LAST = "token:last"
_HEADER_CHARACTERS = 16
_LONGEST = 65_536
_UNREADABLE = (
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
_SHA256 = frozenset(
    algos.DigestAlgorithm({"algorithm": "sha256", **more}).dump()
    for more in ({}, {"parameters": core.Null()})
)
_RSA = frozenset(
    algos.SignedDigestAlgorithm({"algorithm": name, **more}).dump()
    for name in ("rsassa_pkcs1v15", "sha256_rsa")
    for more in ({}, {"parameters": core.Null()})
)
"""What is not signed must be exactly so: a token that differs by a bit is another."""


class _Octets(core.SetOf):  # type: ignore[misc]
    _child_spec = core.OctetString


class _Header(core.Sequence):  # type: ignore[misc]
    """The header, as an attribute."""

    _fields: ClassVar = [("type", core.ObjectIdentifier), ("values", _Octets)]


class KeyBlock(core.Sequence):  # type: ignore[misc]
    """What is encrypted in a token."""

    _fields: ClassVar = [
        ("version", core.Integer),
        ("host", cms.IssuerAndSerialNumber),
        ("key", core.OctetString),
        ("header", _Header),
    ]


def _refused(code: str, why: str) -> errors.CommandError:
    return errors.CommandError(code, f"$.keyToken: {why}")


class KeyTokens:
    """Takes keys from tokens into a secure part.

    Args:
        part: that holds them.
        certificates: of the device and its host.
    """

    def __init__(self, part: SecurePart, certificates: Certificates) -> None:
        self._part = part
        self._certificates = certificates

    def take(self, request: KeyTokenImport, random: bytes | None) -> ImportedToken:
        """Take a key.

        Args:
            random: of the exchange that goes on; None if there is none.

        Raises:
            CommandError: any of ImportKeyToken's.
        """
        host = self._certificates.host
        if host is None:
            raise _refused("invalidCertState", "no host's certificate was loaded; see LoadCertificate")
        if len(request.token) > _LONGEST:
            raise _refused("formatInvalid", f"it has more than {_LONGEST} bytes")
        try:
            signed, enveloped, signer, attributes = self._structure(request.token)
        except _UNREADABLE:
            raise _refused("formatInvalid", "it is not a key token of TR-34") from None
        try:
            self._require_signature(host, signed, signer, attributes)
        except _UNREADABLE:
            raise _refused("formatInvalid", "its signature cannot be read") from None
        if request.load_option.endswith("Crl"):
            self._require_not_revoked(host, signed)
        self._require_fresh(request.load_option, attributes, random)
        try:
            content = self._opened(enveloped)
            header = content["header"]["values"][0].native.decode("ascii")
            value: bytes = content["key"].native
            of_host = content["host"].dump() == _identity(host).dump()
        except _UNREADABLE:
            raise _refused("contentInvalid", "what is encrypted in it is not a key block") from None
        if not of_host or attributes.get(HEADER) != header.encode():
            raise _refused("contentInvalid", "host or header are not those that were signed")
        return self._stored(request, header, value)

    @staticmethod
    def _structure(token: bytes) -> tuple[Any, Any, Any, dict[str, bytes]]:
        """SignedData, EnvelopedData, the one signer, and its attributes, by identifier."""
        whole = cms.ContentInfo.load(token, strict=True)
        if whole["content_type"].native != "signed_data":
            raise ValueError("no SignedData")
        signed = whole["content"]
        inner = signed["encap_content_info"]
        if signed["version"].native != "v3" or inner["content_type"].native != "enveloped_data":
            raise ValueError("no EnvelopedData")
        enveloped = cms.EnvelopedData.load(bytes(inner["content"]), strict=True)
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
            value = one["values"][0]
            native = value.native
            if isinstance(native, datetime):
                native = native.astimezone(UTC).isoformat().encode()
            attributes[one["type"].dotted] = native
        return signed, enveloped, signer, attributes

    def _require_signature(
        self, host: certificates.Certificate, signed: Any, signer: Any, attributes: dict[str, bytes]
    ) -> None:
        if signer["sid"].chosen.dump() != _identity(host).dump():
            raise _refused("signatureInvalid", "it is not signed by the host whose certificate was loaded")
        content = signed["encap_content_info"]["content"]
        digest = hashlib.sha256(bytes(content)).digest()
        if not bytes_eq(attributes.get(_DIGEST, b""), digest):
            raise _refused("signatureInvalid", "what is in it was not signed")
        # The signature covers the plain SET OF, not the tagged form in the token (RFC 5652, 5.4).
        covered = signer["signed_attrs"].untag().dump(force=True)
        key = rsa_keys.public_of(self._part.held(HOST_KEY).value)
        if signer["digest_algorithm"]["algorithm"].native != "sha256" or not rsa_keys.verify(
            key, "rsassaPkcs1V15", "sha256", covered, signer["signature"].native
        ):
            raise _refused("signatureInvalid", "the host's signature is wrong")

    def _require_not_revoked(self, host: certificates.Certificate, signed: Any) -> None:
        try:
            told = signed["crls"][0].chosen
            crl = certificates.load_der_x509_crl(told.dump())
            # The first byte of a BIT STRING counts its unused bits; a signature has none.
            if told["signature"].contents[:1] != b"\0":
                raise ValueError("bits are left over")
        except _UNREADABLE:
            raise _refused("formatInvalid", "it has no revocation list") from None
        authority: Any = self._certificates.authority.public_key()
        until = crl.next_update_utc
        if not crl.is_signature_valid(authority) or (until is not None and until < datetime.now(UTC)):
            raise _refused("signatureInvalid", "the revocation list is not the authority's, or is over")
        if crl.get_revoked_certificate_by_serial_number(host.serial_number) is not None:
            raise _refused("signatureInvalid", "the host's certificate was revoked")

    def _require_fresh(self, option: str, attributes: dict[str, bytes], random: bytes | None) -> None:
        if option.startswith("random"):
            if random is None or not bytes_eq(attributes.get(RANDOM, b""), random):
                raise _refused("randomInvalid", "it has not the random of KeyManagement.StartKeyExchange")
            return
        at = attributes.get(_TIME, b"")
        if not at or at <= self._part.store.secrets.get(_LAST, b""):
            raise _refused(
                "randomInvalid", "it was signed before the last that was taken, or does not say when"
            )
        # Kept before the content is opened: a token is used up even if its content is refused.
        self._part.store.secrets[_LAST] = at
        self._part.store.save()

    def _opened(self, enveloped: Any) -> Any:
        """Decrypt what only this device can."""
        own = self._certificates.own("enckey")
        recipient = enveloped["recipient_infos"][0].chosen
        if recipient["rid"].chosen.dump() != _identity(own).dump():
            raise ValueError("for another device")
        key = rsa_keys.private_key(self._part.held(factory.CRYPT_KEY).value)
        session = rsa_keys.decrypt(key, "rsaesOaep", recipient["encrypted_key"].native)
        inner = enveloped["encrypted_content_info"]
        algorithm = inner["content_encryption_algorithm"]
        kind = "A" if algorithm.encryption_cipher == "aes" else "T"
        plain = ciphers.decrypt(
            kind, session, inner["encrypted_content"].native, "cbc", algorithm.encryption_iv
        )
        # The last byte says how much padding there is; what is cut wrongly does not load.
        return KeyBlock.load(plain[: -plain[-1]], strict=True)

    def _stored(self, request: KeyTokenImport, header: str, value: bytes) -> ImportedToken:
        usage, algorithm, mode = header[5:7], header[7], header[8]
        if request.usage not in (None, usage):
            raise _refused("useViolation", f"the token says usage {usage}")
        name = request.name or _label(header)
        if not name:
            raise _refused("contentInvalid", "it does not say the name of the key, in the optional block LB")
        attributes = KeyAttributes(
            usage=usage,
            algorithm=algorithm,
            mode_of_use=mode,
            key_version_number=header[9:11],
            exportability=header[11],
            optional_block_header=header[_HEADER_CHARACTERS:] or None,
        )
        if len(value) not in ciphers.KEY_BYTES.get(algorithm, ()):
            raise _refused("invalidKeyLength", f"a key of {len(value) * 8} bits does not fit {algorithm}")
        stored = StoredKey(attributes, len(value) * 8)
        self._part.put(name, stored, value)
        check = macs.check_value(algorithm, value, "zero")
        return ImportedToken(name, stored, "sha256", hashlib.sha256(request.token).digest(), "kcvZero", check)


def _label(header: str) -> str | None:
    """The name in the optional block LB."""
    text = header[_HEADER_CHARACTERS:]
    while len(text) >= 4:
        length = int(text[2:4], 16)
        if text[:2] == "LB":
            return text[4:length]
        text = text[max(length, 4) :]
    return None


def _identity(certificate: certificates.Certificate) -> Any:
    """Issuer and serial number."""
    found = x509.Certificate.load(der(certificate))
    return cms.IssuerAndSerialNumber({"issuer": found.issuer, "serial_number": found.serial_number})
