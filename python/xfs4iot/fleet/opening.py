"""What a gateway says of an application when it opens a session at a device, and signs.

The device applies its own access rules to what stands here, so it must be sure that a gateway has seen it:
the broker, which only carries it, cannot make it up. A signature holds for one session of one epoch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from xfs4iot.transport.identity import Identity
from xfs4iot.transport.pairs import load_certificates, load_pair
from xfs4iot.transport.upgrade import Upgrade

__all__ = ["GATEWAY", "Authorities", "Forged", "Opening", "Signer"]

GATEWAY = "xfs4iot://gateway"
"""The alternative name (a URI) that makes a certificate one of a gateway."""
_LONGEST = 64 * 1024


class Forged(Exception):
    """An opening that no gateway of the bank has signed."""


@dataclass(frozen=True)
class Opening:
    """An application that wants a session.

    Attributes:
        path: of the service at the device, such as `/xfs4iot/v1.0/CashDispenser`.
        host, base: how it reached the gateway, and where the gateway publishes the device.
        address: where it comes from.
        rule: its name by the gateway's access rules; empty for anonymous.
        permitted: the commands that these let it use.
    """

    device: str
    epoch: int
    gateway: str
    sid: str
    path: str
    host: str
    base: str
    address: str
    rule: str
    permitted: tuple[str, ...]
    bearer_hash: str | None = None
    subject: str | None = None
    sans: tuple[str, ...] = ()
    fingerprint: str | None = None

    def encode(self, signer: Signer | None) -> bytes:
        """As it is sent, signed where there is a signer."""
        text = json.dumps(asdict(self))
        said = {"opening": text}
        if signer is not None:
            said |= {"signature": signer.sign(text.encode()).hex(), "certificates": signer.chain}
        return json.dumps(said).encode()

    @classmethod
    def decode(cls, body: bytes, authorities: Authorities | None) -> Opening:
        """As it was sent.

        Raises:
            Forged: it cannot be read, or no gateway has signed it.
        """
        try:
            if len(body) > _LONGEST:
                raise ValueError("it is too long")
            said = json.loads(body)
            text = said["opening"]
            if authorities is not None:
                authorities.check(text.encode(), bytes.fromhex(said["signature"]), said["certificates"])
            fields = json.loads(text)
            fields["permitted"], fields["sans"] = tuple(fields["permitted"]), tuple(fields["sans"])
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError) as wrong:
            raise Forged(f"the opening of a session cannot be read: {wrong}") from None

    @property
    def request(self) -> Upgrade:
        """As the application would have asked the device itself."""
        return Upgrade(self.path, {}, self.host, bearer_hash=self.bearer_hash)

    @property
    def identity(self) -> Identity | None:
        """Whom its certificate names."""
        if self.subject is None or self.fingerprint is None:
            return None
        name = x509.Name.from_rfc4514_string(self.subject)
        return Identity(self.subject, self.sans, self.fingerprint, name)


class Signer:
    """A gateway's certificate and key.

    Raises:
        CredentialsRefused: there is doubt about a file.
        ValueError: the certificate is not a gateway's.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        pair = load_pair(certificate, key, "client")
        if not _is_gateway(pair.certificate):
            raise ValueError(f"{certificate} is not a gateway's: it lacks the alternative name {GATEWAY}")
        self._key = pair.key
        self.chain = b"".join(one.public_bytes(Encoding.PEM) for one in pair.chain).decode()

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`."""
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(data, ec.ECDSA(hashes.SHA256()))
        assert isinstance(self._key, rsa.RSAPrivateKey)
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


class Authorities:
    """Who makes gateways' certificates; the chains that were good are remembered for as long as they are.

    Raises:
        CredentialsRefused: the file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        self._authorities = load_certificates(file)
        self._good: dict[str, tuple[x509.Certificate, datetime]] = {}

    def check(self, data: bytes, signature: bytes, chain: str) -> None:
        """Be sure that a gateway signed `data`.

        Raises:
            Forged: none did.
        """
        certificate, until = self._good.get(chain) or self._verified(chain)
        if datetime.now(UTC) > until:
            raise Forged("the gateway's certificate has expired")
        if len(self._good) > 1000:
            self._good.clear()
        self._good[chain] = (certificate, until)
        key = certificate.public_key()
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
            elif isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            else:
                raise Forged("the gateway's key is of a kind that is not used")
        except InvalidSignature:
            raise Forged("the gateway's signature is wrong") from None

    def _verified(self, text: str) -> tuple[x509.Certificate, datetime]:
        chain = x509.load_pem_x509_certificates(text.encode())
        now = datetime.now(UTC)
        current, until = chain[0], chain[0].not_valid_after_utc
        if not _is_gateway(current):
            raise Forged(f"the signer is no gateway: its certificate lacks the alternative name {GATEWAY}")
        for above in (*chain[1:6], None):
            if not current.not_valid_before_utc <= now <= current.not_valid_after_utc:
                raise Forged("a certificate of the gateway's chain is not valid now")
            until = min(until, current.not_valid_after_utc)
            for authority in self._authorities:
                if _issued(current, authority) and now <= authority.not_valid_after_utc:
                    return chain[0], min(until, authority.not_valid_after_utc)
            if above is None or not _issued(current, above) or not _is_authority(above):
                break
            current = above
        raise Forged("the gateway's certificate is not of an authority that this device trusts")


def _is_gateway(certificate: x509.Certificate) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    # By its kind: a host's name could have the same text.
    return GATEWAY in names.get_values_for_type(x509.UniformResourceIdentifier)


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
