"""How certificates of hosts and authorities come, and which are taken.

    higher-level authority (hl)      authority (ca), until ReplaceCertificate
              │                         │          │
              └──────────┬──────────────┘          └── the device's own
                       host ── signs its successor (certHost)

A host's certificate comes alone and unsigned while there is none (newHost), issued by the authority that
is named. Another takes its place (replaceHost) in a message signed by the host before, or by an authority.
While an exchange goes on, such a message has its random, as TR-34 demands. None is good twice, ever:
whoever has recorded how a host was bound could bind it again after another has taken its place.

A certificate that says what it is for is for nothing else: an authority's signs no tokens, and a host's
makes no hosts. There are no chains: an authority has signed a host's certificate itself.

A certificate of a device is not a host's, although the same authority has signed it: otherwise a client could
have a device sign key tokens for itself.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.constant_time import bytes_eq

from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import rsa_keys, signed_data
from xfs4iot.simulator.secure_part.certificates import Certificates, is_a_devices, read, why_not

__all__ = ["CertificateMessages"]


class CertificateMessages:
    """Takes certificates.

    Args:
        certificates: of the device.
    """

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self._signed = b""
        """What was signed of the message; b"": nothing was."""

    def load(
        self, option: str, signer: Literal["certHost", "ca", "hl"], data: bytes, random: bytes | None
    ) -> x509.Certificate:
        """Take a certificate as the host's.

        Args:
            random: of the exchange that goes on; None if there is none.

        Raises:
            CommandError: any of LoadCertificate's.
        """
        host = self._certificates.host
        if (host is None) is (option == "replaceHost"):
            there = "no host's certificate was loaded" if host is None else "there is a host's certificate"
            raise errors.CommandError("invalidCertificateState", f"$.loadOption: {there}")
        if host is not None:
            data = self._opened(data, signer, self._signer(signer), random)
        try:
            found, lists = signed_data.certificate_in(data)
            certificate = read(found)
            authority = self._signer("hl" if signer == "hl" else "ca")
            self._require_trusted(certificate, authority)
            revoked = lists.native and signed_data.revoked_by(lists, certificate, authority.public_key())
        except signed_data.UNREADABLE:
            raise errors.CommandError(
                "formatInvalid", "$.certificateData is not PKCS #7 with one certificate, in DER"
            ) from None
        if revoked or (lists.native and revoked is None):
            raise errors.CommandError("signatureInvalid", "the revocation list refuses the certificate")
        if self._signed:
            self._certificates.note_taken(self._signed)
        self._certificates.take_host(certificate)
        return certificate

    def _signer(self, signer: str) -> x509.Certificate:
        known = self._certificates
        if signer == "certHost":
            assert known.host is not None
            return known.host
        return known.higher if signer == "hl" else known.authority

    def _opened(self, data: bytes, signer: str, by: x509.Certificate, random: bytes | None) -> bytes:
        """What the signer has signed: SignedData that nobody has."""
        key: Any = by.public_key()
        try:
            signed = signed_data.read(data)
        except signed_data.UNREADABLE:
            if signer == "certHost":
                return self._by_signature(data, key, random)
            raise errors.CommandError("formatInvalid", "$.certificateData is not signed PKCS #7") from None
        if signed.signer != signed_data.identity(by).dump() or not signed.is_by(key):
            raise errors.CommandError("signatureInvalid", f"$.certificateData is not signed by {signer}")
        if random is not None and not bytes_eq(signed.attributes.get(signed_data.RANDOM, b""), random):
            raise _random_invalid()
        self._require_new(signed.covered)
        return signed.content

    def _require_new(self, signed: bytes) -> None:
        """See that a message was not taken before, by what was signed of it; what is not can be altered."""
        if self._certificates.was_taken(signed):
            raise _random_invalid("was taken before")
        self._signed = signed

    def _by_signature(self, data: bytes, key: rsa.RSAPublicKey, random: bytes | None) -> bytes:
        """What the host has signed in the format of signatures: the random, what is signed, the signature."""
        size, before = rsa_keys.length(key), random or b""
        value, signature = data[:-size], data[-size:]
        if not value or not rsa_keys.verify(key, "rsassaPkcs1V15", "sha256", value, signature):
            raise errors.CommandError(
                "signatureInvalid", "$.certificateData is not signed by the host before"
            )
        if not bytes_eq(value[: len(before)], before):
            raise _random_invalid()
        self._require_new(value)
        return value[len(before) :]

    @staticmethod
    def _require_trusted(certificate: x509.Certificate, authority: x509.Certificate) -> None:
        """See that an authority has signed a host's certificate, and that it is valid now.

        Raises:
            CommandError: `signatureInvalid`.
        """
        now = datetime.now(UTC)
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            raise errors.CommandError(
                "signatureInvalid", "the authority has not signed the certificate"
            ) from None
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise errors.CommandError("signatureInvalid", "the certificate is not valid now")
        if is_a_devices(certificate):
            raise errors.CommandError("signatureInvalid", "the certificate is a device's, not a host's")
        if (why := why_not(certificate, authority=False)) is not None:
            raise errors.CommandError("signatureInvalid", f"the certificate is no host's: {why}")

    def replace_authority(self, data: bytes) -> bytes:
        """Take another authority; the digest of its certificate.

        Raises:
            CommandError: `formatInvalid`; `invalidCertificateState` if the one before has not signed it.
        """
        before = self._certificates.authority
        before_key: Any = before.public_key()
        try:
            signed = signed_data.read(data)
            found, _ = signed_data.certificate_in(signed.content)
            certificate = read(found)
            good = signed.signer == signed_data.identity(before).dump() and signed.is_by(before_key)
        except signed_data.UNREADABLE:
            raise errors.CommandError(
                "formatInvalid", "$.replaceCertificate is not signed PKCS #7 with one certificate, in DER"
            ) from None
        if not good:
            raise errors.CommandError(
                "invalidCertificateState", "the authority before has not signed the message with the new one"
            )
        now = datetime.now(UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise errors.CommandError("invalidCertificateState", "the new certificate is not valid now")
        if (why := why_not(certificate, authority=True)) is not None:
            raise errors.CommandError(
                "invalidCertificateState", f"the new certificate is no authority's: {why}"
            )
        if self._certificates.was_taken(signed.covered):
            raise errors.CommandError("invalidCertificateState", "$.replaceCertificate was taken before")
        self._certificates.note_taken(signed.covered)
        self._certificates.take_authority(certificate)
        return certificate.fingerprint(hashes.SHA256())


def _random_invalid(
    why: str = "has not the random of KeyManagement.StartKeyExchange",
) -> errors.CommandError:
    return errors.CommandError("randomInvalid", f"$.certificateData {why}")
