"""Certificate and key files: read whole, checked before anything uses them.

A device starts with credentials that are beyond doubt, or not at all: what is unreadable,
mismatched, expired, weak, not meant for the use, or open to every user of the machine is
refused by name.
"""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from xfs4iot.dataclass import dataclass
from xfs4iot.transport.failures import CredentialsRefused

__all__ = [
    "Pair",
    "PrivateKey",
    "Use",
    "alternative_names",
    "ascii_name",
    "belong_together",
    "doubts",
    "fingerprint",
    "is_for",
    "load_certificates",
    "load_crls",
    "load_key",
    "load_pair",
    "names_of",
    "subject_of",
]

PrivateKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)
Use = Literal["device", "client"]

_USAGE = {"device": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
_RSA_BITS = 2048
_EC_BITS = 256
# Names that need no IDNA, whose tables are large.
_PLAIN_HOST = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
# cryptography reads only the first list of a PEM file.
_PEM_CRL = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True)
class Pair:
    """A certificate with its key, and the authorities between it and the root.

    Attributes:
        file: where the certificate was read.
        chain: the certificate, then those of its authorities.
        key: the private key.
    """

    file: Path
    chain: tuple[x509.Certificate, ...]
    key: PrivateKey

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate itself."""
        return self.chain[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Names and addresses that the certificate is for."""
        return names_of(self.certificate)

    @property
    def not_after(self) -> datetime:
        """When the first certificate of the chain expires."""
        return min(one.not_valid_after_utc for one in self.chain)


def load_pair(certificate: Path, key: Path, use: Use, *, now: datetime | None = None) -> Pair:
    """Read a certificate (PEM, with its chain) and its key.

    Raises:
        CredentialsRefused: there is any doubt about them; the text names the file.
    """
    chain = load_certificates(certificate)
    private = load_key(key)
    if not belong_together(chain[0], private):
        raise CredentialsRefused(f"{key} is not the key of {certificate} ({subject_of(chain[0])})")
    for doubt in doubts(chain, use, now=now):
        raise CredentialsRefused(f"{certificate}: {doubt}")
    return Pair(certificate, chain, private)


def doubts(chain: tuple[x509.Certificate, ...], use: Use, *, now: datetime | None = None) -> Iterator[str]:
    """Everything that speaks against using a certificate with its chain, one sentence each."""
    now = now or datetime.now(UTC)
    for one in chain:
        whose = f"the certificate of {subject_of(one)}"
        if now < one.not_valid_before_utc:
            begins = f"{one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            yield f"{whose} is not valid before {begins}; is this machine's clock right?"
        if now > one.not_valid_after_utc:
            yield f"{whose} expired on {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        if weakness := _weakness(one):
            yield f"{whose} is too weak: {weakness}"
    for one, issuer in pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            yield (
                f"{subject_of(one)} was not signed by {subject_of(issuer)}, which follows it; "
                "put the certificate first, then each authority after the one it signed"
            )
    leaf = chain[0]
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        pass
    else:
        if _USAGE[use] not in usage and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usage:
            yield f"it is not for a {use}: its extended key usage lacks {_USAGE[use]._name}"
    if use == "device" and not names_of(leaf):
        yield (
            "it names no host: it needs the device's names or addresses as subject alternative names "
            "(a common name alone is not looked at)"
        )


def belong_together(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Whether `key` is the private key of `certificate`."""
    return _public_bytes(certificate.public_key()) == _public_bytes(key.public_key())


def load_certificates(file: Path) -> tuple[x509.Certificate, ...]:
    """All certificates of a PEM file, at least one.

    Raises:
        CredentialsRefused: the file cannot be read, or holds none.
    """
    content = _read(file)
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise CredentialsRefused(f"{file} holds no certificate in PEM{_instead(content)}")
    with _legible(file, "certificate in PEM"):
        found = tuple(x509.load_pem_x509_certificates(content))
        for one in found:
            _look_at(one)
            # OpenSSL must be able to read it as well: it may refuse what cryptography accepts.
            crypto.X509.from_cryptography(one)
    return found


def _instead(content: bytes) -> str:
    """What is in a file that holds no certificate, and what to do with it."""
    if content.startswith(b"\x30"):
        return (
            "; it may be one in DER (openssl x509 -inform DER -in …), "
            "or PKCS#12 (xfs4iot certificate unpack …)"
        )
    if b"PRIVATE KEY-----" in content:
        return ", but a private key"
    if b"CERTIFICATE REQUEST-----" in content:
        return ", but a signing request: what the authority makes of it is wanted"
    return ""


def load_crls(file: Path) -> tuple[x509.CertificateRevocationList, ...]:
    """The revocation lists of a file: any number in PEM, or one in DER.

    Raises:
        CredentialsRefused: the file cannot be read, or holds none.
    """
    content = _read(file)
    with _legible(file, "revocation list"):
        if blocks := _PEM_CRL.findall(content):
            found = tuple(x509.load_pem_x509_crl(block) for block in blocks)
        else:
            found = (x509.load_der_x509_crl(content),)
        for crl in found:
            # Parts are parsed when they are asked for: here a damaged one is still refused by file name.
            crl.issuer.rfc4514_string()
            _ = crl.last_update_utc, crl.next_update_utc, crl.extensions, crl.signature_hash_algorithm
            _ = [one.extensions for one in crl]
            crypto.X509Store().add_crl(crl)
    return found


def _look_at(certificate: x509.Certificate) -> None:
    """Read every part that is used later: parts are parsed only when they are asked for."""
    certificate.public_key()
    certificate.subject.rfc4514_string()
    certificate.issuer.rfc4514_string()
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    _ = certificate.extensions, certificate.signature_hash_algorithm


_DAMAGED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    crypto.Error,
)


@contextmanager
def _legible(file: Path, what: str) -> Iterator[None]:
    """Refuse `file` if it, or a part of it, cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except _DAMAGED as problem:
        raise CredentialsRefused(f"{file} holds no {what} that can be read: {problem}") from None


def load_key(file: Path) -> PrivateKey:
    """A private key (PEM, not encrypted) that only its owner and group may read.

    Raises:
        CredentialsRefused: it cannot be read, everyone can read it, or it is weak.
    """
    content = _read(file)
    if os.name == "posix" and file.stat().st_mode & stat.S_IRWXO:
        raise CredentialsRefused(f"{file} can be read by every user of this machine: chmod 600 {file}")
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        raise CredentialsRefused(
            f"{file} is encrypted; a service that starts by itself needs it in the clear: "
            f"openssl pkey -in {file} -out key.pem, then chmod 600 key.pem"
        ) from None
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise CredentialsRefused(f"{file} holds no private key in PEM: {problem}") from None
    if not isinstance(key, PrivateKey):
        raise CredentialsRefused(f"{file}: keys of type {type(key).__name__} are not used with TLS")
    return key


def names_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> tuple[str, ...]:
    """The hosts that it is for: names and addresses."""
    return tuple(name for kind, name in _alternative_names(certificate) if not kind)


def alternative_names(certificate: x509.Certificate | x509.CertificateSigningRequest) -> tuple[str, ...]:
    """Its subject alternative names: hosts as they are, and `URI:...`, `email:...`.

    What is not a host says so, for its text can be that of one.
    """
    return tuple(kind + name for kind, name in _alternative_names(certificate))


_KINDS_OF_NAMES: Mapping[type[x509.GeneralName], str] = {
    x509.DNSName: "",
    x509.IPAddress: "",
    x509.UniformResourceIdentifier: "URI:",
    x509.RFC822Name: "email:",
}


def _alternative_names(
    certificate: x509.Certificate | x509.CertificateSigningRequest,
) -> Iterator[tuple[str, str]]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return
    for name in names:
        if (kind := _KINDS_OF_NAMES.get(type(name))) is not None:
            yield kind, str(name.value)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, 64 lower-case hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def is_for(names: tuple[str, ...], host: str) -> bool:
    """Whether a certificate with these names is for `host` (RFC 9525).

    A name may have `*` as its whole first label, for exactly one label. An address is
    only ever compared as an address.
    """
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    else:
        return any(_as_address(name) == address for name in names)
    wanted = ascii_name(host)
    parent = wanted.partition(".")[2]
    for name in names:
        candidate = name.lower().rstrip(".")
        # `*.com` is for nobody: a wildcard needs two labels behind it.
        if candidate == wanted or (candidate.startswith("*.") and "." in parent and candidate[2:] == parent):
            return True
    return False


def ascii_name(host: str) -> str:
    """A host name as it stands in certificates and SNI: ASCII, lower case, no final dot."""
    host = host.rstrip(".")
    if _PLAIN_HOST.fullmatch(host):
        return host.lower()
    try:
        return host.encode("idna").decode().lower()
    except UnicodeError:
        return host.lower()


def _as_address(name: str) -> object:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as problem:
        raise CredentialsRefused(f"{file} cannot be read: {problem.strerror}") from None


def subject_of(certificate: x509.Certificate) -> str:
    """The subject as in RFC 4514, or the serial number of one without."""
    return certificate.subject.rfc4514_string() or f"serial {certificate.serial_number:x}"


def _public_bytes(key: object) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return encoded


def _weakness(certificate: x509.Certificate) -> str | None:
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < _RSA_BITS:
        return f"an RSA key of {public.key_size} bits; use at least {_RSA_BITS}"
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.key_size < _EC_BITS:
        return f"a key on curve {public.curve.name}; use P-256 or better"
    signed_with = certificate.signature_hash_algorithm
    # A root is trusted as it is; the signature it gave itself proves nothing.
    own = certificate.issuer == certificate.subject
    if isinstance(signed_with, hashes.SHA1 | hashes.MD5) and not own:
        return f"a signature with {signed_with.name.upper()}"
    return None
