"""Whom a certificate names."""

from __future__ import annotations

from dataclasses import field

from cryptography import x509

from xfs4iot.dataclass import dataclass
from xfs4iot.transport.pairs import alternative_names, fingerprint

__all__ = ["Identity"]


@dataclass(frozen=True)
class Identity:
    """Whom a certificate names.

    Attributes:
        subject: as in RFC 4514, such as `CN=switch,O=Bank`.
        sans: its alternative names: host names and addresses; `URI:...` and `email:...`.
        fingerprint: SHA-256 of the certificate, 64 lower-case hexadecimal digits.
        name: the subject as a name, to be compared: its text has escapes, and others can write it otherwise.
    """

    subject: str
    sans: tuple[str, ...]
    fingerprint: str
    name: x509.Name = field(repr=False, compare=False, default_factory=lambda: x509.Name([]))

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Identity:
        """The identity in a certificate."""
        subject = certificate.subject
        return cls(
            subject.rfc4514_string(), alternative_names(certificate), fingerprint(certificate), subject
        )
