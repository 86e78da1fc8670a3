"""Crypto between the versions of the standard; 2021-1 names the start value and its key side by side."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, Moved

__all__ = ["CHANGES", "START_VALUE"]

START_VALUE = (Moved("iv", "iv.value"), Moved("ivKey", "iv.key"))

CHANGES: Changes = {
    ("2021-1", "request", "Crypto.CryptoData"): START_VALUE,
    ("2021-1", "request", "Crypto.GenerateAuthentication"): START_VALUE,
    ("2021-1", "request", "Crypto.VerifyAuthentication"): START_VALUE,
}
