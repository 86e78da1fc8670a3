"""Making certificates: a test authority, device and client certificates, signing requests.

The test authority is for benches and tests: a self-signed certificate whose key lies on
disk. A real installation sends the requests to the bank's authority. Every key is written
with mode 0600.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from xfs4iot.digests import sha1
from xfs4iot.transport.pairs import PrivateKey, Use, ascii_name, load_certificates, load_key

__all__ = [
    "KeyKind",
    "TestAuthority",
    "install",
    "make_request",
    "new_key",
    "test_authority",
    "write_key",
    "write_pem",
    "write_secret",
]

KeyKind = Literal["ecdsa", "rsa"]

_AUTHORITY = "xfs4iot test authority"
_AUTHORITY_DAYS = 3650
_CERTIFICATE_DAYS = 365
# Certificates begin this much earlier, so that a peer whose clock is slow accepts a new one; those that are
# good for a short time only, by this part of it, or two thirds of it would be over when they are made.
_CLOCK_SKEW = timedelta(hours=1)
_SKEW_PART = 1 / 10
_Purpose = Use | Literal["node"]
_USAGE: dict[_Purpose, list[x509.ObjectIdentifier]] = {
    "device": [ExtendedKeyUsageOID.SERVER_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "node": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}


class TestAuthority:
    """A certificate authority for tests, kept in a directory.

    Attributes:
        certificate_file: PEM file that clients (or devices, for clients) trust.
        crl_url: where its revocation list is published, to be named in certificates; None names no place.
    """

    # Its name makes pytest take it for a test class.
    __test__ = False

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.crl_url: str | None = None
        self.certificate_file = directory / "ca.pem"
        self._key_file = directory / "ca.key"
        self._certificate = load_certificates(self.certificate_file)[0]
        self._key = load_key(self._key_file)

    def issue_device(
        self,
        name: str,
        hosts: Iterable[str],
        *,
        kind: KeyKind = "ecdsa",
        days: float = _CERTIFICATE_DAYS,
        begins: datetime | None = None,
        replace: bool = True,
    ) -> tuple[Path, Path]:
        """A certificate for a device that is reached by these names and addresses.

        Args:
            replace: whether files that are there already may be replaced.

        Returns:
            The files of the certificate and of its key.

        Raises:
            FileExistsError: there are such files, and they may not.
        """
        return self._issue(name, "device", hosts, kind, days, begins, replace)

    def issue_client(
        self,
        name: str,
        sans: Iterable[str] = (),
        *,
        kind: KeyKind = "ecdsa",
        days: float = _CERTIFICATE_DAYS,
        begins: datetime | None = None,
        replace: bool = True,
    ) -> tuple[Path, Path]:
        """A certificate by which a device knows a client; files as of `issue_device`."""
        return self._issue(name, "client", sans, kind, days, begins, replace)

    def issue_node(self, name: str, hosts: Iterable[str]) -> tuple[Path, Path]:
        """A certificate for a node of a cluster, which its clients and the other nodes know by it."""
        return self._issue(name, "node", hosts, "ecdsa", _CERTIFICATE_DAYS, None, True)

    def issue_authority(self, directory: Path, name: str, *, uri_host: str) -> TestAuthority:
        """An authority below this one, kept in `directory`, whose certificates can name nothing but
        clients by URIs of one host, such as `xfs4iot://device/…`.

        Who verifies a chain refuses all else that it signs: it may be where more people are than this one.
        """
        everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
        constraints = x509.NameConstraints(
            permitted_subtrees=[x509.UniformResourceIdentifier(uri_host)],
            excluded_subtrees=[x509.DNSName(""), *(x509.IPAddress(one) for one in everything)],
        )
        directory.mkdir(parents=True, exist_ok=True)
        key = new_key("ecdsa")
        builder = _authority(name, key, self._certificate.subject, self._key, path_length=0)
        builder = builder.add_extension(constraints, critical=True).add_extension(
            x509.ExtendedKeyUsage(_USAGE["client"]), critical=False
        )
        write_key(directory / "ca.key", key)
        certificate = builder.sign(self._key, _hash(self._key))
        write_pem(directory / "ca.pem", certificate.public_bytes(Encoding.PEM))
        return TestAuthority(directory)

    def sign(
        self,
        request: x509.CertificateSigningRequest,
        use: Use,
        *,
        days: float = _CERTIFICATE_DAYS,
        begins: datetime | None = None,
    ) -> bytes:
        """The certificate for a signing request, PEM; names are taken over from it.

        Args:
            days: how long it is good, from now, or from `begins`.

        Raises:
            ValueError: the request's signature is wrong.
        """
        if not request.is_signature_valid:
            raise ValueError("the signing request is damaged: its signature is wrong")
        try:
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            names = None
        certificate = self._certify(request.subject, request.public_key(), use, names, days, begins)
        return certificate.public_bytes(Encoding.PEM)

    def revoke(self, certificates: Iterable[Path], *, days: float = 30) -> Path:
        """Write the revocation list `crl.pem` of this authority; these certificates are revoked."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - _CLOCK_SKEW)
            .next_update(now + timedelta(days=days))
        )
        for file in certificates:
            revoked = (
                x509.RevokedCertificateBuilder()
                .serial_number(load_certificates(file)[0].serial_number)
                .revocation_date(now - _CLOCK_SKEW)
                .build()
            )
            builder = builder.add_revoked_certificate(revoked)
        crl = builder.sign(self._key, _hash(self._key))
        file = self.directory / "crl.pem"
        write_pem(file, crl.public_bytes(Encoding.PEM))
        return file

    def _issue(
        self,
        name: str,
        use: _Purpose,
        sans: Iterable[str],
        kind: KeyKind,
        days: float,
        begins: datetime | None,
        replace: bool,
    ) -> tuple[Path, Path]:
        key = new_key(kind)
        names = _names(sans)
        certificate = self._certify(_subject(name), key.public_key(), use, names, days, begins)
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", _common_name(certificate.subject)).strip("-.") or use
        certificate_file, key_file = self.directory / f"{stem}.pem", self.directory / f"{stem}.key"
        for file in (certificate_file, key_file):
            if file.exists() and not replace:
                raise FileExistsError(f"{file} is there already: what uses it would have to be changed too")
        write_key(key_file, key)
        write_pem(certificate_file, certificate.public_bytes(Encoding.PEM))
        return certificate_file, key_file

    def _certify(
        self,
        subject: x509.Name,
        public_key: object,
        use: _Purpose,
        names: x509.SubjectAlternativeName | None,
        days: float,
        begins: datetime | None,
    ) -> x509.Certificate:
        life = timedelta(days=days)
        if begins is None:
            # How long it is good counts from now.
            now = datetime.now(UTC)
            begins, ends = now - min(_CLOCK_SKEW, life * _SKEW_PART), now + life
        else:
            ends = begins + life
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._certificate.subject)
            .public_key(public_key)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_USAGE[use]), critical=False)
            .add_extension(_identifier(public_key), critical=False)  # type: ignore[arg-type]
            .add_extension(_issuer(self._key), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        if self.crl_url is not None:
            point = x509.DistributionPoint([x509.UniformResourceIdentifier(self.crl_url)], None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        return builder.sign(self._key, _hash(self._key))


def test_authority(
    directory: str | Path,
    *,
    make: bool = True,  # noqa: PT028
    name: str = _AUTHORITY,  # noqa: PT028
    path_length: int = 0,  # noqa: PT028
) -> TestAuthority:
    """The test authority kept in `directory`, made there if there is none.

    Args:
        make: whether one may be made.
        name: what a new one is called.
        path_length: how many authorities a new one may have below itself, one below the other.

    Raises:
        CredentialsRefused: the directory holds a damaged one.
        ValueError: there is none, and none may be made.
    """
    directory = Path(directory)
    if not (directory / "ca.pem").exists():
        if not make:
            raise ValueError(f"there is no authority in {directory}; is the name right?")
        directory.mkdir(parents=True, exist_ok=True)
        key = new_key("ecdsa")
        certificate = _authority(name, key, _subject(name), key, path_length=path_length).sign(
            key, _hash(key)
        )
        # The certificate last: where it exists, the authority is complete.
        write_key(directory / "ca.key", key)
        write_pem(directory / "ca.pem", certificate.public_bytes(Encoding.PEM))
    return TestAuthority(directory)


test_authority.__test__ = False  # type: ignore[attr-defined]


def _authority(
    name: str, key: PrivateKey, issuer: x509.Name, signing: PrivateKey, *, path_length: int
) -> x509.CertificateBuilder:
    """The certificate of an authority, not signed yet."""
    begins, public = datetime.now(UTC) - _CLOCK_SKEW, key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=_AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(_identifier(public), critical=False)
        .add_extension(_issuer(signing), critical=False)
    )


def _identifier(public: PublicKeyTypes) -> x509.SubjectKeyIdentifier:
    """What tells a key from others: RFC 5280 4.2.1.2, method 1."""
    # As `x509.SubjectKeyIdentifier.from_public_key` makes it, but without `hashlib`.
    if isinstance(public, ec.EllipticCurvePublicKey):
        bits = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    elif isinstance(public, rsa.RSAPublicKey):
        bits = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    else:
        return x509.SubjectKeyIdentifier.from_public_key(public)  # type: ignore[arg-type]
    return x509.SubjectKeyIdentifier(sha1(bits))


def _issuer(signing: PrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier(_identifier(signing.public_key()).digest, None, None)


def make_request(name: str, hosts: Iterable[str], key: PrivateKey) -> bytes:
    """A signing request for a real authority, PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(name))
    names = _names(hosts)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, _hash(key)).public_bytes(Encoding.PEM)


def new_key(kind: KeyKind = "ecdsa") -> PrivateKey:
    """A new private key: ECDSA on P-256, or RSA of 3072 bits."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return ec.generate_private_key(ec.SECP256R1())


def write_key(file: Path, key: PrivateKey) -> None:
    """Write a key that only its owner can read."""
    write_secret(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def write_secret(file: Path, content: bytes) -> None:
    """Write what only its owner may read."""
    _replace(file, content, 0o600)


def write_pem(file: Path, content: bytes) -> None:
    """Write what everyone may read: a certificate, a request, a revocation list."""
    _replace(file, content, 0o644)


def install(contents: Iterable[tuple[Path, bytes]]) -> None:
    """Put new contents in the place of files that a service reads; the old ones stay as `….old`.

    Each file keeps its owner, group and mode, and a link to it stays a link. All are written
    before the first is moved into its place.

    Raises:
        OSError: nothing was changed; or, if it came from a rename, which a full disk does not prevent, some
            files are in their places and the others are not: `….old` has what was there before.
    """
    ready = []
    for file, content in contents:
        real = Path(os.path.realpath(file))
        ready.append((_write_beside(real, real.read_bytes(), ".old"), real.with_name(f"{real.name}.old")))
        ready.append((_write_beside(real, content, ".new"), real))
    # From here on there are only renames: whatever can run out of space has been written.
    for beside, place in ready:
        os.replace(beside, place)


def _write_beside(file: Path, content: bytes, suffix: str) -> Path:
    status = file.stat()
    beside = _write_new(file.with_name(f".{file.name}{suffix}"), content, 0o600)
    if hasattr(os, "chown"):
        os.chown(beside, status.st_uid, status.st_gid)
    # After chown, or for a moment the wrong group could read it.
    beside.chmod(status.st_mode & 0o777)
    return beside


def _replace(file: Path, content: bytes, mode: int) -> None:
    """Write beside the file and move into its place, so that nobody reads half of it."""
    os.replace(_write_new(file.with_name(f".{file.name}.new"), content, mode), file)


def _write_new(file: Path, content: bytes, mode: int) -> Path:
    # Never opened if it exists: that would keep an old mode, or follow a link.
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as output:
        output.write(content)
        output.flush()
        # On disk before the rename, or a power failure could leave an empty file in its place.
        os.fsync(output.fileno())
    return file


def _subject(name: str) -> x509.Name:
    """`name` as a common name, or as it is if it is a whole subject such as `CN=atm17,O=Bank`."""
    if re.match(r"[A-Za-z]+=", name):
        return x509.Name.from_rfc4514_string(name)
    # X.509 limits a common name to 64 characters.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _common_name(subject: x509.Name) -> str:
    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else subject.rfc4514_string()


def _names(hosts: Iterable[str]) -> x509.SubjectAlternativeName | None:
    found: dict[x509.GeneralName, None] = {}
    for host in hosts:
        name: x509.GeneralName
        try:
            name = x509.IPAddress(ip_address(host.strip("[]")))
        except ValueError:
            if "://" in host:
                name = x509.UniformResourceIdentifier(host)
            elif "@" in host:
                name = x509.RFC822Name(host)
            else:
                name = x509.DNSName(ascii_name(host))
        found[name] = None
    return x509.SubjectAlternativeName(found) if found else None


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _hash(key: object) -> hashes.SHA256 | None:
    return hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None
