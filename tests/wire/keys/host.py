"""A host, as a bank has one: it makes what keys are loaded with, by other code than that which takes it."""

from __future__ import annotations

import base64
import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import psec.tr31

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from dialogue import Dialogue

__all__ = ["KBPK", "KEK", "b64", "block", "ecb", "imported", "kcv", "unb64"]

KBPK = bytes.fromhex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6")
"""The test key under which the default profile's PIN pad takes key blocks."""
KEK = bytes.fromhex("89E88CF7931444F334BD7547FC3F380C")
"""The test key under which it takes encrypted keys."""


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unb64(text: str) -> bytes:
    return base64.b64decode(text)


def block(kind: str, key: bytes, protection_key: bytes = KBPK, **header: Any) -> str:
    """A key block, base64; `kind` is usage, algorithm and mode of use: `P0 T E`."""
    usage, algorithm, mode = kind.split()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        head = psec.tr31.Header(
            header.get("version", "D"),
            usage,
            algorithm,
            mode,
            header.get("number", "00"),
            header.get("exportability", "E"),
        )
        return b64(psec.tr31.KeyBlock(protection_key, head).wrap(key).encode())


def ecb(algorithm: str, key: bytes, data: bytes) -> bytes:
    cipher = AES(key) if algorithm == "A" else TripleDES((key * 3)[:24] if len(key) != 16 else key + key[:8])
    run = Cipher(cipher, modes.ECB()).encryptor()
    return run.update(data) + run.finalize()


def kcv(algorithm: str, key: bytes) -> bytes:
    if algorithm == "A":
        made = CMAC(AES(key))
        made.update(bytes(16))
        return made.finalize()[:5]
    return ecb(algorithm, key, bytes(8))[:3]


async def imported(client: Dialogue, name: str, kind: str, key: bytes, **more: Any) -> dict[str, Any]:
    """Load a key by a key block."""
    request = {"key": name, "value": block(kind, key), "decryptKey": "TestKbpk", **more}
    return await client.success("KeyManagement.ImportKey", request)
