"""Bearer tokens: 256 random bits that the client sends in its upgrade request.

Only the hash is kept at the device. A token is random, so a plain SHA-256 is enough at
rest: there is no dictionary to try, and checking is too cheap to serve an attacker who
wants to keep the device busy.
"""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.constant_time import bytes_eq

from xfs4iot.digests import sha256

__all__ = ["check_token", "hash_presented", "hash_token", "make_token", "same_hash"]

_SCHEME = "sha256:"
_SHORTEST = 32


def make_token() -> tuple[str, str]:
    """A new token and its hash: the token for the client, the hash for the device."""
    token = secrets.token_urlsafe(32)
    return token, hash_token(token)


def hash_token(token: str) -> str:
    """The hash of `token` as a configuration keeps it.

    Raises:
        ValueError: the token is too short to be random.
    """
    if len(token) < _SHORTEST:
        raise ValueError(f"a token has at least {_SHORTEST} random characters; make one with make_token")
    return _SCHEME + _digest(token)


def check_token(bearer: str, token_hash: str) -> bool:
    """Whether `bearer` is the token of `token_hash`; takes the same time either way.

    A hash that is none, such as one of another scheme, fits no token.
    """
    return bytes_eq((_SCHEME + _digest(bearer)).encode(), token_hash.strip().lower().encode())


def hash_presented(bearer: str) -> str:
    """The hash of what a client presents as its token, however short it is."""
    return _SCHEME + _digest(bearer)


def same_hash(one: str, other: str) -> bool:
    """Whether two hashes are of one token; takes the same time either way."""
    return bytes_eq(one.strip().lower().encode(), other.strip().lower().encode())


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogateescape")).hex()
