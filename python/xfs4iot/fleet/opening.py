"""What a gateway says of an application when it opens a session at a device, and signs.

The device applies its own access rules to what stands here, so it must be sure that a gateway has seen it:
the broker, which only carries it, cannot make it up. A signature holds for one session of one epoch.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.names import GATEWAY, fleet_names
from xfs4iot.fleet.signatures import Authorities, Forged, sign
from xfs4iot.transport.identity import Identity
from xfs4iot.transport.pairs import load_pair
from xfs4iot.transport.upgrade import Upgrade

__all__ = ["GATEWAY", "Authorities", "Forged", "Opening", "Signer"]

_LONGEST = 64 * 1024


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
            said = orjson.loads(body)
            text = said["opening"]
            if authorities is not None:
                signature = bytes.fromhex(said["signature"])
                authorities.check(text.encode(), signature, said["certificates"], GATEWAY)
            fields = orjson.loads(text)
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
        if fleet_names(pair.certificate) != [GATEWAY]:
            raise ValueError(f"{certificate} is not a gateway's: it lacks the alternative name {GATEWAY}")
        self._key = pair.key
        self.chain = b"".join(one.public_bytes(Encoding.PEM) for one in pair.chain).decode()

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`."""
        return sign(self._key, data)
