"""What a device is given when it is made: an identity, key pairs, and the public key of its maker.

In reality the manufacturer's private key would never be near a device. Here it is kept with it, so that the
`Simulator` can play the manufacturer, who signs the public keys of hosts. Within one process all devices are
made by the same manufacturer, with the same keys, unless they were kept on disk: making keys takes time.
"""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.simulator.secure_part import rsa_keys
from xfs4iot.simulator.secure_part.part import SecurePart
from xfs4iot.simulator.secure_part.store import Held

__all__ = ["CRYPT_KEY", "ISSUER_KEY", "SIGNING_KEY", "higher_level", "issuer", "make"]

ISSUER_KEY = "_SigIssuerVendor"
"""The manufacturer's public key, which verifies the public keys of hosts."""
CRYPT_KEY = "_EPPCryptKey"
"""The key pair by which hosts encrypt keys for the device."""
SIGNING_KEY = "_EPPSignKey"
"""The key pair by which the device signs."""
_BITS = 2048
_SECRET = "issuer"
_HIGHER = "issuer:higher"


@cache
def _pairs() -> tuple[bytes, bytes, bytes]:
    """Private keys: the manufacturer's, and the device's two."""
    made = [rsa_keys.stored(rsa_keys.generate(_BITS, 65537)) for _ in range(3)]
    return made[0], made[1], made[2]


@cache
def _higher() -> bytes:
    """The private key of the higher-level authority, which few ever need."""
    return rsa_keys.stored(rsa_keys.generate(_BITS, 65537))


def make(part: SecurePart) -> None:
    """Give a device what it is made with, unless it has it already."""
    if _SECRET in part.store.secrets:
        return
    made_by, crypt, sign = _pairs()
    public = rsa_keys.stored(rsa_keys.public_of(made_by))
    for name, usage, mode, value in (
        (ISSUER_KEY, "S0", "V", public),
        (CRYPT_KEY, "K3", "T", crypt),
        (SIGNING_KEY, "S0", "S", sign),
    ):
        attributes = KeyAttributes(usage=usage, algorithm="R", mode_of_use=mode)
        part.store.put(name, Held(StoredKey(attributes, _BITS, preloaded=True), value))
    # Last, as it marks the device as made: one that was killed half-way is made anew.
    part.store.secrets[_SECRET] = made_by
    part.store.save()


def issuer(part: SecurePart) -> rsa.RSAPrivateKey:
    """The manufacturer's private key."""
    return rsa_keys.private_key(part.store.secrets[_SECRET])


def higher_level(part: SecurePart) -> rsa.RSAPrivateKey:
    """The private key of the higher-level authority; made when it is needed first."""
    if _HIGHER not in part.store.secrets:
        part.store.secrets[_HIGHER] = _higher()
        part.store.save()
    return rsa_keys.private_key(part.store.secrets[_HIGHER])
