"""Signatures by the fleet's certificates, checked where no TLS has verified them.

Who signed shows its chain; it is followed up to an authority that is trusted, and what these authorities may
sign at all is looked at as TLS would: the one that signs devices can make no gateway.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from xfs4iot.fleet.names import fleet_names
from xfs4iot.transport.pairs import PrivateKey, load_certificates

__all__ = ["Authorities", "Forged", "sign"]

_MOST_REMEMBERED = 1000
_MOST_BETWEEN = 5
_UNDERSTOOD = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.NameConstraints)


class Forged(Exception):
    """What nobody has signed who may."""


def sign(key: PrivateKey, data: bytes) -> bytes:
    """The signature of `data` by an ECDSA or RSA key."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA256()))
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("keys of a fleet are ECDSA or RSA; make one with `xfs4iot certificate`")
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


class Authorities:
    """Who makes certificates of one kind; the chains that were good are remembered for as long as they are.

    Args:
        file: PEM file of the authorities.
        whose: of whom certificates are looked at, for texts.

    Raises:
        CredentialsRefused: the file cannot be used.
    """

    def __init__(self, file: Path, whose: str = "gateway") -> None:
        self._authorities, self._whose = load_certificates(file), whose
        self._good: dict[str, tuple[x509.Certificate, datetime]] = {}

    def check(self, data: bytes, signature: bytes, chain: str, name: str) -> x509.Certificate:
        """Be sure that the holder of `name` signed `data`; its certificate.

        Raises:
            Forged: it did not.
            ValueError: the chain cannot be read.
        """
        certificate, until = self._good.get(chain) or self._verified(chain)
        if fleet_names(certificate) != [name]:
            raise Forged(f"the signer is no {self._whose}: its certificate lacks the alternative name {name}")
        if datetime.now(UTC) > until:
            raise Forged(f"the {self._whose}'s certificate has expired")
        if len(self._good) > _MOST_REMEMBERED:
            self._good.clear()
        self._good[chain] = (certificate, until)
        key = certificate.public_key()
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
            elif isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            else:
                raise Forged(f"the {self._whose}'s key is of a kind that is not used")
        except InvalidSignature:
            raise Forged(f"the {self._whose}'s signature is wrong") from None
        return certificate

    def _verified(self, text: str) -> tuple[x509.Certificate, datetime]:
        chain = x509.load_pem_x509_certificates(text.encode())
        now = datetime.now(UTC)
        current, until = chain[0], chain[0].not_valid_after_utc
        names = fleet_names(current)
        for above in (*chain[1 : _MOST_BETWEEN + 1], None):
            if not current.not_valid_before_utc <= now <= current.not_valid_after_utc:
                raise Forged(
                    f"a certificate of the {self._whose}'s chain is not valid now; see the clocks, too"
                )
            until = min(until, current.not_valid_after_utc)
            for authority in self._authorities:
                good = _issued(current, authority) and now <= authority.not_valid_after_utc
                if good and _may_sign(authority, names):
                    return chain[0], min(until, authority.not_valid_after_utc)
            if above is None or not _issued(current, above) or not _is_authority(above):
                break
            if not _may_sign(above, names):
                break
            current = above
        raise Forged(f"the {self._whose}'s certificate is not of an authority that is trusted here")


def _issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _may_sign(authority: x509.Certificate, names: list[str]) -> bool:
    """Whether an authority may sign certificates with these names (RFC 5280, section 4.2.1.10)."""
    for extension in authority.extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            return False
        if isinstance(extension.value, x509.NameConstraints):
            permitted = _uri_hosts(extension.value.permitted_subtrees)
            excluded = _uri_hosts(extension.value.excluded_subtrees)
            for name in names:
                host = (urlsplit(name).hostname or "").lower()
                if permitted and not any(_within(host, one) for one in permitted):
                    return False
                if any(_within(host, one) for one in excluded):
                    return False
    return True


def _uri_hosts(names: list[x509.GeneralName] | None) -> list[str]:
    return [one.value.lower() for one in names or () if isinstance(one, x509.UniformResourceIdentifier)]


def _within(host: str, constraint: str) -> bool:
    return host.endswith(constraint) if constraint.startswith(".") else host == constraint
