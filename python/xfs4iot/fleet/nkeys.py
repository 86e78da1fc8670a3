"""NATS's own keys and tokens: Ed25519 keys written in base 32, and JWTs signed by them.

The server speaks no other language where it asks who may connect (`callout`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

__all__ = ["NKey", "NKeyRefused", "read_token"]

_KINDS = {"account": 0, "user": 20 << 3}
_SEED = 18 << 3
_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
_LONGEST_TOKEN = 256 * 1024


class NKeyRefused(ValueError):
    """A key or token of NATS that is none, or whose signature is wrong."""


def _write(data: bytes) -> str:
    check = binascii.crc_hqx(data, 0)
    return base64.b32encode(data + check.to_bytes(2, "little")).decode().rstrip("=")


def _read(text: str) -> bytes:
    try:
        data = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError as wrong:
        raise NKeyRefused(f"this is no key of NATS: {wrong}") from None
    if len(data) < 35 or binascii.crc_hqx(data[:-2], 0) != int.from_bytes(data[-2:], "little"):
        raise NKeyRefused("this is no key of NATS: its check sum is wrong")
    return data[:-2]


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class NKey:
    """A key pair.

    Attributes:
        public: as it stands in configurations.
        seed: the secret, as it is kept in a file.
    """

    def __init__(self, kind: int, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = _write(bytes([kind]) + raw)
        # The kind lies across the two first bytes.
        self.seed = _write(bytes([_SEED | kind >> 5, (kind & 31) << 3]) + secret)

    @classmethod
    def new(cls, kind: str) -> NKey:
        """A new one: `account` or `user`."""
        secret = Ed25519PrivateKey.generate()
        return cls(_KINDS[kind], secret.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))

    @classmethod
    def of(cls, seed: str) -> NKey:
        """The one with this seed.

        Raises:
            NKeyRefused: it is none.
        """
        data = _read(seed.strip())
        if data[0] & 0xF8 != _SEED or len(data) != 34:
            raise NKeyRefused("this is no seed of a key of NATS; it begins with S")
        return cls((data[0] & 7) << 5 | data[1] >> 3, data[2:])

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(data)

    def token(self, claims: dict[str, Any]) -> str:
        """A JWT that says `claims`, issued now by this key."""
        said = {**claims, "iss": self.public, "iat": int(time.time())}
        said["jti"] = (
            base64.b32encode(hashlib.sha256(json.dumps(said).encode()).digest()).decode().rstrip("=")
        )
        text = f"{_encoded(json.dumps(_HEADER).encode())}.{_encoded(json.dumps(said).encode())}"
        return f"{text}.{_encoded(self.sign(text.encode()))}"


def read_token(token: str) -> dict[str, Any]:
    """What a JWT says; it is signed by the key that it names as its issuer.

    Raises:
        NKeyRefused: it cannot be read, or its signature is wrong.
    """
    try:
        if len(token) > _LONGEST_TOKEN:
            raise NKeyRefused("the token is too long")
        text, _, signature = token.rpartition(".")
        claims: dict[str, Any] = orjson.loads(_decoded(text.partition(".")[2]))
        key = Ed25519PublicKey.from_public_bytes(_read(claims["iss"])[1:])
        key.verify(_decoded(signature), text.encode())
    except InvalidSignature:
        raise NKeyRefused("the token's signature is wrong") from None
    except (ValueError, TypeError, KeyError) as wrong:
        raise NKeyRefused(f"the token cannot be read: {wrong}") from None
    return claims
