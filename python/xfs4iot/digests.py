"""Hashes and codes made by the OpenSSL that TLS is made by.

`hashlib` loads another copy of it, the system's, which costs a process 4 MiB: a service that does nothing
else with it makes what it needs here.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes, hmac

__all__ = ["hmac_sha256", "sha1", "sha256"]

_SHA1, _SHA256 = hashes.SHA1(), hashes.SHA256()


def sha1(data: bytes) -> bytes:
    """The SHA-1 digest, 20 bytes: for what a standard names it for, never to tell forged from genuine."""
    return _digest(_SHA1, data)


def sha256(data: bytes) -> bytes:
    """The SHA-256 digest, 32 bytes."""
    return _digest(_SHA256, data)


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """The HMAC with SHA-256, 32 bytes."""
    made = hmac.HMAC(key, _SHA256)
    made.update(data)
    return made.finalize()


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    made = hashes.Hash(algorithm)
    made.update(data)
    return made.finalize()
