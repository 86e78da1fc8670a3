"""Whom a certificate names."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from xfs4iot.transport.pairs import fingerprint, names_of

__all__ = ["Identity"]


@dataclass(frozen=True)
class Identity:
    """Whom a certificate names.

    Attributes:
        subject: as in RFC 4514, such as `CN=switch,O=Bank`.
        sans: its alternative names: host names, addresses, URIs, mail addresses.
        fingerprint: SHA-256 of the certificate, 64 lower-case hexadecimal digits.
    """

    subject: str
    sans: tuple[str, ...]
    fingerprint: str

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Identity:
        """The identity in a certificate."""
        return cls(certificate.subject.rfc4514_string(), names_of(certificate), fingerprint(certificate))
