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
from collections.abc import Container
from typing import Any, ClassVar

from asn1crypto import cms, core
from cryptography import x509 as certificates
from cryptography.hazmat.primitives.constant_time import bytes_eq

from xfs4iot.devices import ImportedToken, KeyKind, KeyTokenImport, StoredKey
from xfs4iot.interfaces.keys.checks import LONGEST_NAME
from xfs4iot.interfaces.keys.key_block import attributes_in, optional_block
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import ciphers, factory, macs, rsa_keys, signed_data
from xfs4iot.simulator.secure_part.certificates import HOST_KEY, Certificates
from xfs4iot.simulator.secure_part.key_loading import is_weak
from xfs4iot.simulator.secure_part.part import SecurePart
from xfs4iot.simulator.secure_part.signed_data import RANDOM, UNREADABLE, Signed, identity

__all__ = ["HEADER", "KeyBlock", "KeyTokens"]

HEADER = "1.2.840.113549.1.7.1"
"""Attribute: header of the key block."""
_TIME = "1.2.840.113549.1.9.5"
_LAST = "token:last"


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
        kinds: of keys that the device takes by tokens.
    """

    def __init__(self, part: SecurePart, certificates: Certificates, kinds: Container[KeyKind]) -> None:
        self._part = part
        self._kinds = kinds
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
        try:
            signed = signed_data.read(request.token)
            if signed.content_type != "enveloped_data":
                raise ValueError("no EnvelopedData")
            enveloped = cms.EnvelopedData.load(signed.content, strict=True)
            self._require_signature(host, signed)
        except UNREADABLE:
            raise _refused("formatInvalid", "it is not a key token of TR-34") from None
        attributes = signed.attributes
        if request.load_option.endswith("Crl"):
            self._require_not_revoked(host, signed)
        self._require_fresh(request.load_option, attributes, random)
        try:
            content = self._opened(enveloped)
            header = content["header"]["values"][0].native.decode("ascii")
            value: bytes = content["key"].native
            of_host = content["host"].dump() == identity(host).dump()
        except UNREADABLE:
            raise _refused("contentInvalid", "what is encrypted in it is not a key block") from None
        if not of_host or attributes.get(HEADER) != header.encode():
            raise _refused("contentInvalid", "host or header are not those that were signed")
        return self._stored(request, header, value)

    def _require_signature(self, host: certificates.Certificate, signed: Signed) -> None:
        if signed.signer != identity(host).dump():
            raise _refused("signatureInvalid", "it is not signed by the host whose certificate was loaded")
        if not signed.is_by(rsa_keys.public_of(self._part.held(HOST_KEY).value)):
            raise _refused("signatureInvalid", "the host's signature is wrong")

    def _require_not_revoked(self, host: certificates.Certificate, signed: Signed) -> None:
        try:
            by: Any = self._certificates.issuer_of(host).public_key()
            revoked = signed_data.revoked_by(signed.lists, host, by)
        except UNREADABLE:
            raise _refused("formatInvalid", "it has no revocation list") from None
        if revoked is None:
            raise _refused("signatureInvalid", "the revocation list is not the authority's, or is over")
        if revoked:
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
        if recipient["rid"].chosen.dump() != identity(own).dump():
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
        try:
            attributes = attributes_in(header)
        except errors.CommandError:
            raise _refused(
                "contentInvalid", "what it says of the key is not the header of a key block"
            ) from None
        usage, algorithm, _ = attributes.kind
        if request.usage not in (None, usage):
            raise _refused("useViolation", f"the token says usage {usage}")
        if attributes.kind not in self._kinds:
            raise _refused("useViolation", f"the device takes no key {' '.join(attributes.kind)}")
        name = request.name or optional_block(attributes.optional_block_header, "LB")
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise _refused("contentInvalid", "it does not say the name of the key, in the optional block LB")
        # A key of HMAC may be of any length.
        if len(value) not in ciphers.KEY_BYTES.get(algorithm, (len(value),)):
            raise _refused("invalidKeyLength", f"a key of {len(value) * 8} bits does not fit {algorithm}")
        if is_weak(algorithm, value):
            raise _refused("contentInvalid", "the key is weak: zeros, or single DES in disguise")
        stored = StoredKey(attributes, len(value) * 8)
        self._part.put(name, stored, value)
        check = macs.check_value(algorithm, value, "zero")
        return ImportedToken(name, stored, "sha256", hashlib.sha256(request.token).digest(), "kcvZero", check)
