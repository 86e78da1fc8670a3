"""Looking at certificate files: what is in them, and whether they will do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from OpenSSL import crypto

from xfs4iot.dataclass import dataclass
from xfs4iot.transport.failures import CredentialsRefused, explain_verification
from xfs4iot.transport.pairs import (
    PrivateKey,
    Use,
    alternative_names,
    belong_together,
    doubts,
    fingerprint,
    is_for,
    load_certificates,
    load_crls,
    load_key,
    names_of,
    subject_of,
)

__all__ = ["Content", "Finding", "check", "check_presented", "describe", "pack", "show", "unpack"]


@dataclass(frozen=True)
class Content:
    """One thing in a file.

    Attributes:
        kind: `certificate`, `request` or `revocation list`.
        subject: whom it is about; of a revocation list, the authority.
        issuer: who signed it.
        names: host names, addresses, URIs.
        usage: extended key usages by name, such as `serverAuth`.
        key: kind and size of the key.
        not_before: when it becomes valid.
        not_after: when it expires.
        fingerprint: SHA-256; empty for a request.
        revoked: serial numbers that a revocation list names.
    """

    kind: str
    subject: str
    issuer: str = ""
    names: tuple[str, ...] = ()
    usage: tuple[str, ...] = ()
    key: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    fingerprint: str = ""
    revoked: tuple[str, ...] = ()

    @property
    def days_left(self) -> int | None:
        """Whole days until it expires; negative when it has."""
        return None if self.not_after is None else (self.not_after - datetime.now(UTC)).days


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    Attributes:
        what: `key`, `certificate`, `host` or `trust`.
        good: whether it will do.
        text: one sentence.
    """

    what: str
    good: bool
    text: str


def show(file: Path) -> tuple[Content, ...]:
    """What a PEM file holds: certificates, a signing request, or a revocation list.

    Raises:
        CredentialsRefused: it holds none of these.
    """
    try:
        content = file.read_bytes()
    except OSError as problem:
        raise CredentialsRefused(f"{file} cannot be read: {problem.strerror}") from None
    if b"CERTIFICATE REQUEST-----" in content:
        request = x509.load_pem_x509_csr(content)
        return (
            Content(
                kind="request",
                subject=request.subject.rfc4514_string(),
                names=alternative_names(request),
                key=_key(request.public_key()),
            ),
        )
    if b"-----BEGIN X509 CRL" in content:
        return tuple(
            Content(
                kind="revocation list",
                subject=crl.issuer.rfc4514_string(),
                issuer=crl.issuer.rfc4514_string(),
                not_before=crl.last_update_utc,
                not_after=crl.next_update_utc,
                revoked=tuple(f"{one.serial_number:x}" for one in crl),
            )
            for crl in load_crls(file)
        )
    return tuple(describe(one) for one in load_certificates(file))


def check(
    certificate: Path,
    key: Path | None = None,
    *,
    use: Use = "device",
    ca: Path | None = None,
    crls: Iterable[Path] = (),
    host: str | None = None,
    now: datetime | None = None,
) -> tuple[Finding, ...]:
    """Whether a certificate will do: its key, dates, strength, usage, names, chain and trust.

    Args:
        key: its key file; None does not look at the key.
        ca: authorities that the peers trust; None does not look at trust.
        crls: revocation lists of these authorities.
        host: a name or address under which peers will reach it.

    Raises:
        CredentialsRefused: a file other than the key cannot be read.
    """
    chain = load_certificates(certificate)
    return tuple(_findings(chain, key, use, ca, tuple(crls), host, now))


def check_presented(
    chain: tuple[x509.Certificate, ...],
    *,
    host: str | None = None,
    ca: Path | None = None,
    crls: Iterable[Path] = (),
    now: datetime | None = None,
) -> tuple[Finding, ...]:
    """`check` for what a running device shows."""
    return tuple(_findings(chain, None, "device", ca, tuple(crls), host, now))


def _findings(
    chain: tuple[x509.Certificate, ...],
    key: Path | None,
    use: Use,
    ca: Path | None,
    crls: tuple[Path, ...],
    host: str | None,
    now: datetime | None,
) -> Iterator[Finding]:
    leaf = chain[0]
    if key is not None:
        try:
            private = load_key(key)
        except CredentialsRefused as problem:
            yield Finding("key", False, str(problem))
        else:
            if belong_together(leaf, private):
                yield Finding("key", True, f"{key} belongs to it, and only its owner and group can read it")
            else:
                yield Finding("key", False, f"{key} is not the key of {subject_of(leaf)}")
    against = tuple(doubts(chain, use, now=now))
    for doubt in against:
        yield Finding("certificate", False, doubt)
    if not against:
        first = min(one.not_valid_after_utc for one in chain)
        days = (first - (now or datetime.now(UTC))).days
        yield Finding("certificate", True, f"good for a {use} for {days} days more, until {first:%Y-%m-%d}")
    if host is not None:
        names = names_of(leaf)
        listed = ", ".join(names) or "no host"
        yield Finding("host", is_for(names, host), f"it is for {listed}; asked for: {host}")
    if ca is not None:
        refusal = _distrust(chain, ca, crls, now)
        told = f"the authorities in {ca} vouch for it" + (", and it is not revoked" if crls else "")
        yield Finding("trust", refusal is None, refusal or told)


def _distrust(
    chain: tuple[x509.Certificate, ...], ca: Path, crls: tuple[Path, ...], now: datetime | None
) -> str | None:
    """Why the authorities do not vouch for the chain; None if they do."""
    store = crypto.X509Store()
    for authority in load_certificates(ca):
        store.add_cert(crypto.X509.from_cryptography(authority))
    for file in crls:
        for crl in load_crls(file):
            store.add_crl(crl)
    if crls:
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)
    if now is not None:
        store.set_time(now)
    certificates = [crypto.X509.from_cryptography(one) for one in chain]
    try:
        crypto.X509StoreContext(store, certificates[0], certificates[1:]).verify_certificate()
    except crypto.X509StoreContextError as problem:
        return explain_verification(problem.certificate, problem.errors[0])
    return None


def pack(certificate: Path, key: Path, password: str) -> bytes:
    """Certificate, chain and key as PKCS#12, encrypted.

    Raises:
        CredentialsRefused: a file cannot be used, or they do not belong together.
    """
    chain, private = load_certificates(certificate), load_key(key)
    if not belong_together(chain[0], private):
        raise CredentialsRefused(f"{key} is not the key of {certificate} ({subject_of(chain[0])})")
    return pkcs12.serialize_key_and_certificates(
        subject_of(chain[0]).encode(),
        private,
        chain[0],
        chain[1:],
        BestAvailableEncryption(password.encode()),
    )


def unpack(content: bytes, password: str) -> tuple[tuple[x509.Certificate, ...], PrivateKey]:
    """The certificate with its chain in order but without the root, and the key, out of PKCS#12.

    Raises:
        CredentialsRefused: the password is wrong, or something is missing.
    """
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(content, password.encode())
    except ValueError:
        raise CredentialsRefused("this is not a PKCS#12 file, or the password is wrong") from None
    if certificate is None or not isinstance(key, PrivateKey):
        raise CredentialsRefused("the PKCS#12 file holds no certificate with a key for TLS")
    chain = [certificate]
    rest = list(others)
    while issuer := next((one for one in rest if one.subject == chain[-1].issuer), None):
        if issuer.subject == issuer.issuer:
            break
        # Otherwise two certificates that name each other would go round forever.
        rest.remove(issuer)
        chain.append(issuer)
    return tuple(chain), key


def describe(certificate: x509.Certificate) -> Content:
    """What there is to say about a certificate."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usages = None
    return Content(
        kind="certificate",
        subject=subject_of(certificate),
        issuer=certificate.issuer.rfc4514_string(),
        names=alternative_names(certificate),
        usage=tuple(one._name for one in usages or ()),
        key=_key(certificate.public_key()),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=fingerprint(certificate),
    )


def _key(public: object) -> str:
    if isinstance(public, rsa.RSAPublicKey):
        return f"RSA {public.key_size}"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"ECDSA {public.curve.name}"
    return type(public).__name__.removesuffix("PublicKey")
