"""Certificates of the device and of its host, and who may change them.

The certificate authority is the manufacturer's until ReplaceCertificate brings another whose certificate
the previous one has signed. A host's certificate is accepted if the authority has signed it and it is valid
now; it replaces another only with that one's signature over it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import factory, rsa_keys
from xfs4iot.simulator.secure_part.part import SecurePart
from xfs4iot.simulator.secure_part.store import Held

__all__ = ["HOST_KEY", "Certificates", "der", "read", "revocation_list", "signed"]

HOST_KEY = "_HostCert"
"""The public key of the host's certificate."""
_CA, _HOST = "certificate:ca", "certificate:host"
_KINDS = {"enckey": factory.CRYPT_KEY, "verificationkey": factory.SIGNING_KEY}
_BEGIN, _END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)


def der(certificate: x509.Certificate) -> bytes:
    """As a certificate travels."""
    return certificate.public_bytes(serialization.Encoding.DER)


def read(value: bytes) -> x509.Certificate:
    """A certificate that came, with an RSA key.

    Raises:
        CommandError: `formatInvalid`.
    """
    try:
        found = x509.load_der_x509_certificate(value)
        key = found.public_key()
    except ValueError:
        raise errors.CommandError("formatInvalid", "it is not an X.509 certificate in DER") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise errors.CommandError("formatInvalid", "the certificate has no RSA key")
    return found


def signed(
    subject: str, key: rsa.RSAPublicKey, issuer: str, by: rsa.RSAPrivateKey, *, days: int | None = None
) -> x509.Certificate:
    """A certificate."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_END if days is None else now + timedelta(days=days))
        .sign(by, hashes.SHA256())
    )


def revocation_list(by: rsa.RSAPrivateKey, revoked: list[int]) -> bytes:
    """A revocation list with these serial numbers, DER."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_name("xfs4iot simulated CA"))
        .last_update(_BEGIN)
        .next_update(now + timedelta(days=30))
    )
    for number in revoked:
        one = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(now).build()
        builder = builder.add_revoked_certificate(one)
    return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Certificates:
    """The certificates of one device.

    Args:
        part: the secure part.
        name: of the device.
    """

    def __init__(self, part: SecurePart, name: str) -> None:
        self._part = part
        self._name = name

    @property
    def authority(self) -> x509.Certificate:
        """That of the authority which the device trusts now."""
        secrets = self._part.store.secrets
        if _CA not in secrets:
            key = factory.issuer(self._part)
            secrets[_CA] = der(signed("xfs4iot simulated CA", key.public_key(), "xfs4iot simulated CA", key))
            self._part.store.save()
        return x509.load_der_x509_certificate(secrets[_CA])

    @property
    def host(self) -> x509.Certificate | None:
        """The host's; None while there is none."""
        kept = self._part.store.secrets.get(_HOST)
        return None if kept is None else x509.load_der_x509_certificate(kept)

    def own(self, kind: str) -> x509.Certificate:
        """A certificate of the device; made once.

        Raises:
            CommandError: `invalidCertificateState`: there is no host's certificate yet.
        """
        if kind == "hostkey":
            if self.host is None:
                raise errors.CommandError("invalidCertificateState", "no host's certificate was loaded")
            return self.host
        secrets, record = self._part.store.secrets, f"certificate:{kind}"
        if record not in secrets:
            public = rsa_keys.public_of(self._part.held(_KINDS[kind]).value)
            issuer = factory.issuer(self._part)
            secrets[record] = der(signed(f"{self._name} {kind}", public, "xfs4iot simulated CA", issuer))
            self._part.store.save()
        return x509.load_der_x509_certificate(secrets[record])

    def require_trusted(self, certificate: x509.Certificate) -> None:
        """See that the authority has signed a certificate, and that it is valid now.

        Raises:
            CommandError: `signatureInvalid`.
        """
        now = datetime.now(UTC)
        try:
            certificate.verify_directly_issued_by(self.authority)
        except (ValueError, TypeError, InvalidSignature):
            raise errors.CommandError(
                "signatureInvalid", "the authority has not signed the certificate"
            ) from None
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise errors.CommandError("signatureInvalid", "the certificate is not valid now")

    def take_host(self, certificate: x509.Certificate) -> None:
        """Take a certificate as the host's."""
        self.require_trusted(certificate)
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        attributes = KeyAttributes(usage="S0", algorithm="R", mode_of_use="V")
        # Set first: `put` saves certificate and key together.
        self._part.store.secrets[_HOST] = der(certificate)
        stored = StoredKey(attributes, key.key_size, preloaded=True)
        self._part.store.put(HOST_KEY, Held(stored, rsa_keys.stored(key)))

    def replace_authority(self, value: bytes) -> bytes:
        """Take another authority; the digest of its certificate.

        Raises:
            CommandError: `formatInvalid`; `invalidCertificateState` if the one before has not signed it.
        """
        certificate = read(value)
        try:
            certificate.verify_directly_issued_by(self.authority)
        except (ValueError, TypeError, InvalidSignature):
            raise errors.CommandError(
                "invalidCertificateState", "the authority before has not signed the new one's certificate"
            ) from None
        self._part.store.secrets[_CA] = der(certificate)
        self._part.store.save()
        return certificate.fingerprint(hashes.SHA256())
