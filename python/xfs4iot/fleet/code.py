"""The code by which a device is enrolled: its name, a secret, and what tells the true authority from others.

`atm17.WNU2K-7QZ3F-…`: four groups of five are the secret (100 bits), the other four begin the hash of the
fleet's root certificate. So the device needs nothing else, and tells nobody the secret who cannot show that
authority.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.subjects import check_id

__all__ = ["Code"]

_GROUP, _GROUPS = 5, 4
_LENGTH = _GROUP * _GROUPS
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
# Digits that people take for letters; the alphabet has neither of both.
_MISREAD = str.maketrans("018", "OIB")


@dataclass(frozen=True)
class Code:
    """A code.

    Attributes:
        device: the name that the device will have.
        secret: shown once, to the authority.
        pin: of the authority's root certificate, see `pin_of`.
    """

    device: str
    secret: str = field(repr=False)
    pin: str = field(repr=False)

    @classmethod
    def new(cls, device: str, root: x509.Certificate) -> Code:
        """A new one.

        Raises:
            ValueError: the device cannot have this name.
        """
        secret = base64.b32encode(secrets.token_bytes(13)).decode()[:_LENGTH]
        return cls(check_id(device, "device"), secret, pin_of(root))

    @classmethod
    def read(cls, text: str) -> Code:
        """A code as somebody has typed it: case, blanks and hyphens do not matter.

        Raises:
            ValueError: it is none; the text does not repeat it.
        """
        device, dot, rest = text.strip().partition(".")
        letters = "".join(rest.replace("-", " ").split()).upper().translate(_MISREAD)
        if not dot or len(letters) != 2 * _LENGTH or not _LETTERS.issuperset(letters):
            raise ValueError(
                f"this is no code; a code is DEVICE.XXXXX-XXXXX-…, with {2 * _GROUPS} groups of {_GROUP} "
                "letters and digits 2 to 7"
            )
        return cls(check_id(device, "device"), letters[:_LENGTH], letters[_LENGTH:])

    def __str__(self) -> str:
        letters = self.secret + self.pin
        groups = (letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))
        return f"{self.device}.{'-'.join(groups)}"

    def trusts(self, root: x509.Certificate) -> bool:
        """Whether this is the authority that the code was made for."""
        return hmac.compare_digest(pin_of(root), self.pin)


def pin_of(root: x509.Certificate) -> str:
    """The first 100 bits of the SHA-256 of a certificate, in base 32."""
    digest = hashlib.sha256(root.public_bytes(Encoding.DER)).digest()
    return base64.b32encode(digest).decode()[:_LENGTH]
