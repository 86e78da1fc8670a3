"""Passwords of people, who log in to the console: hashed with scrypt, which makes guessing dear.

Unlike a bearer token a password is chosen by a person, and whoever gets hold of its hash can try
words. Each trial takes 32 MiB and about a tenth of a second.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

__all__ = ["check_password", "hash_password", "is_password_hash"]

_COST, _BLOCK, _LANES = 2**15, 8, 1
_MEMORY = 64 * 1024 * 1024
_SHORTEST = 10
_LONGEST = 200
_HASH = re.compile(r"scrypt:([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{43})")
_NOBODY = f"scrypt:{'A' * 22}:{'A' * 43}"


def hash_password(password: str) -> str:
    """The hash of `password` as a configuration keeps it, with a salt of its own.

    Raises:
        ValueError: the password is too short, or much too long.
    """
    if not _SHORTEST <= len(password) <= _LONGEST:
        raise ValueError(f"a password has {_SHORTEST} to {_LONGEST} characters")
    salt = secrets.token_bytes(16)
    return f"scrypt:{_text(salt)}:{_text(_derived(password, salt))}"


def is_password_hash(text: str) -> bool:
    """Whether `hash_password` may have made it."""
    return _HASH.fullmatch(text.strip()) is not None


def check_password(password: str, password_hash: str | None) -> bool:
    """Whether it is the password; takes the same time where there is none to compare with (None).

    Takes a tenth of a second of a processor: call it in a thread.
    """
    parts = _HASH.fullmatch((password_hash or _NOBODY).strip())
    if parts is None or len(password) > _LONGEST:
        return False
    found = _derived(password, base64.urlsafe_b64decode(parts[1] + "=="))
    return hmac.compare_digest(_text(found), parts[2]) and password_hash is not None


def _derived(password: str, salt: bytes) -> bytes:
    secret = password.encode("utf-8", "surrogateescape")
    return hashlib.scrypt(secret, salt=salt, n=_COST, r=_BLOCK, p=_LANES, maxmem=_MEMORY, dklen=32)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
