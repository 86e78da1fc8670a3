"""A device's key and certificate, in one file: so that both change at once, whatever happens in between.

`device.pem` holds the key, the certificate and those of its authorities, and only its owner may read it. A
key that has no certificate yet is beside it, as `device.next.key`: an answer that was lost can be asked
for again, and nobody else gets it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from xfs4iot.fleet.names import DEVICE, fleet_names
from xfs4iot.transport.certificates import make_request, new_key, write_key, write_secret
from xfs4iot.transport.failures import CredentialsRefused
from xfs4iot.transport.pairs import Pair, PrivateKey, belong_together, doubts, load_key, load_pair

__all__ = ["Credential", "due"]

_DUE = 2 / 3


class Credential:
    """The file of a device's key and certificate.

    Attributes:
        file: as described above.
        device: the name that the certificate gives.
    """

    def __init__(self, file: Path, device: str) -> None:
        self.file, self.device = file, device
        self._next = file.with_suffix(".next.key")

    def load(self) -> Pair:
        """What is in the file.

        Raises:
            CredentialsRefused: there is doubt about it.
        """
        return load_pair(self.file, self.file, "client")

    def next_key(self) -> PrivateKey:
        """The key for which a certificate is to be asked, kept until there is one.

        Raises:
            CredentialsRefused, OSError: it cannot be kept.
        """
        if self._next.exists():
            return load_key(self._next)
        key = new_key()
        write_key(self._next, key)
        return key

    def request(self, key: PrivateKey) -> str:
        """A request for a certificate (PEM), by which the key never leaves the device."""
        return make_request(self.device, [DEVICE + self.device], key).decode()

    def take(self, certificates: str, key: PrivateKey) -> Pair:
        """Put a new certificate and its key in the place of the old ones, in one step.

        Raises:
            CredentialsRefused: the certificate will not do; nothing was changed.
            OSError: the file cannot be written; nothing was changed.
        """
        try:
            chain = tuple(x509.load_pem_x509_certificates(certificates.encode()))
            names = fleet_names(chain[0])
            fits = belong_together(chain[0], key)
        except ValueError as wrong:
            raise CredentialsRefused(f"what the authority gave is no certificate in PEM: {wrong}") from None
        if not fits or names != [DEVICE + self.device]:
            raise CredentialsRefused(f"the authority gave a certificate for another key, or for {names}")
        for doubt in doubts(chain, "client"):
            raise CredentialsRefused(f"the authority gave a certificate that will not do here: {doubt}")
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_secret(self.file, secret + b"".join(one.public_bytes(Encoding.PEM) for one in chain))
        self._next.unlink(missing_ok=True)
        return Pair(self.file, chain, key)


def due(pair: Pair, shift: float) -> datetime:
    """When a certificate is to be renewed: at two thirds of its life.

    Args:
        shift: part of its life by which it is later, so that a fleet that was enrolled in one day does not
            come in one hour.
    """
    begins = pair.certificate.not_valid_before_utc
    life: timedelta = pair.not_after - begins
    return begins + life * (_DUE + shift)
