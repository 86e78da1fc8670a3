"""Certificates of the device and of its host.

The certificate authority is the manufacturer's until ReplaceCertificate brings another; the higher-level
authority stays. How certificates come, and which are taken, is in `certificate_messages`.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import factory, rsa_keys
from xfs4iot.simulator.secure_part.part import SecurePart
from xfs4iot.simulator.secure_part.store import Held

__all__ = ["HOST_KEY", "Certificates", "der", "is_a_devices", "read", "revocation_list", "signed", "why_not"]

HOST_KEY = "_HostCert"
"""The public key of the host's certificate."""
_CA, _HOST, _HIGHER = "certificate:ca", "certificate:host", "certificate:higher"
_TAKEN, _REMEMBERED = "certificate:taken", 4096
"""Of how many messages it is remembered that they were taken."""
_CA_NAME, _HIGHER_NAME = "xfs4iot simulated CA", "xfs4iot simulated higher-level authority"
_DEVICE = "device"
"""Organisational unit of a device's own certificates."""
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
    try:
        rsa_keys.require_usable(key)
    except rsa_keys.NotRsa as wrong:
        raise errors.CommandError("formatInvalid", f"the certificate's key: {wrong}") from None
    return found


def signed(
    subject: str,
    key: rsa.RSAPublicKey,
    by: tuple[str, rsa.RSAPrivateKey],
    *,
    unit: str | None = None,
    days: int | None = None,
) -> x509.Certificate:
    """A certificate.

    Args:
        by: name and key of who signs it.
        unit: organisational unit of the subject.
        days: for which it is valid; None: to 2060.
    """
    now = datetime.now(UTC)
    issuer, private = by
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject, unit))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_END if days is None else now + timedelta(days=days))
        .sign(private, hashes.SHA256())
    )


def revocation_list(by: tuple[str, rsa.RSAPrivateKey], revoked: list[int]) -> bytes:
    """A revocation list with these serial numbers, DER."""
    now = datetime.now(UTC)
    issuer, private = by
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_name(issuer))
        .last_update(_BEGIN)
        .next_update(now + timedelta(days=30))
    )
    for number in revoked:
        one = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(now).build()
        builder = builder.add_revoked_certificate(one)
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _name(text: str, unit: str | None = None) -> x509.Name:
    units = [] if unit is None else [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)]
    return x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, text)])


def is_a_devices(certificate: x509.Certificate) -> bool:
    """Whether a certificate is one of a device's own."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return any(unit.value == _DEVICE for unit in units)


def why_not(certificate: x509.Certificate, *, authority: bool) -> str | None:
    """Why a certificate is not for what it is wanted (RFC 5280, 4.2.1.3 and 4.2.1.9); None: it may be.

    One that does not say what it is for may be either: TR-34 demands no extensions.

    Args:
        authority: it is to issue certificates; else to sign tokens and certificates that follow it.
    """
    if not authority and certificate.subject == certificate.issuer:
        return "it is an authority's"
    try:
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension):
        return "its extensions cannot be read"
    for one in extensions:
        match one.value:
            case x509.BasicConstraints(ca=issues):
                if issues is not authority:
                    return "it is an authority's" if issues else "it issues no certificates"
            case x509.KeyUsage() as usage:
                if not (usage.key_cert_sign if authority else usage.digital_signature):
                    return "its key is for something else"
            case _ if one.critical:
                return f"it says something critical that is not known here: {one.oid.dotted_string}"
    return None


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
            secrets[_CA] = der(signed(_CA_NAME, key.public_key(), (_CA_NAME, key)))
            self._part.store.save()
        return x509.load_der_x509_certificate(secrets[_CA])

    @property
    def replaced(self) -> bool:
        """Whether another authority has taken the place of the first one."""
        first = factory.issuer(self._part).public_key()
        return _CA in self._part.store.secrets and self.authority.public_key() != first

    @property
    def higher(self) -> x509.Certificate:
        """That of the higher-level authority, which stays."""
        secrets = self._part.store.secrets
        if _HIGHER not in secrets:
            key = factory.higher_level(self._part)
            secrets[_HIGHER] = der(signed(_HIGHER_NAME, key.public_key(), (_HIGHER_NAME, key)))
            self._part.store.save()
        return x509.load_der_x509_certificate(secrets[_HIGHER])

    def issuer_of(self, certificate: x509.Certificate) -> x509.Certificate:
        """The certificate of the authority that has issued a host's."""
        return self.higher if certificate.issuer == _name(_HIGHER_NAME) else self.authority

    def issuing(self, signer: Literal["ca", "hl"]) -> tuple[str, rsa.RSAPrivateKey]:
        """Name and private key of an authority, so that the `Simulator` can play it."""
        if signer == "hl":
            return _HIGHER_NAME, factory.higher_level(self._part)
        return _CA_NAME, factory.issuer(self._part)

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
            made = signed(f"{self._name} {kind}", public, self.issuing("ca"), unit=_DEVICE)
            secrets[record] = der(made)
            self._part.store.save()
        return x509.load_der_x509_certificate(secrets[record])

    def take_host(self, certificate: x509.Certificate) -> None:
        """Take a certificate that is trusted as the host's."""
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        attributes = KeyAttributes(usage="S0", algorithm="R", mode_of_use="V")
        # Set first: `put` saves certificate and key together.
        self._part.store.secrets[_HOST] = der(certificate)
        stored = StoredKey(attributes, key.key_size, preloaded=True)
        self._part.store.put(HOST_KEY, Held(stored, rsa_keys.stored(key)))

    def was_taken(self, signed: bytes) -> bool:
        """Whether a message, of which this was signed, was taken before."""
        return hashlib.sha256(signed).digest() in self._taken()

    def note_taken(self, signed: bytes) -> None:
        """Note what was signed in a message that is about to be taken, which saves it."""
        kept = [*self._taken(), hashlib.sha256(signed).digest()][-_REMEMBERED:]
        self._part.store.secrets[_TAKEN] = b"".join(kept)

    def _taken(self) -> list[bytes]:
        kept = self._part.store.secrets.get(_TAKEN, b"")
        return [kept[at : at + 32] for at in range(0, len(kept), 32)]

    def take_authority(self, certificate: x509.Certificate) -> None:
        """Take a certificate as that of the authority."""
        self._part.store.secrets[_CA] = der(certificate)
        self._part.store.save()
