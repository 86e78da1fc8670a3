"""What must never reach a log: PINs, keys, card data, tokens, nonces and biometric data.

The catalogue marks some properties as sensitive, and says that its marks are incomplete.
This module adds what the standard's sense demands. A property is masked by its name, at
any depth, in any message: rather one value too many than one card number in a log.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["MASK", "SENSITIVE", "masked"]

MASK = "•••"

_MARKED = {"codelineData", "customerData", "validationData", "pan", "input"}
"""Marked `x-sensitive` in the catalogue."""
_CARD = {
    "track1",
    "track2",
    "track3",
    "track1Front",
    "frontTrack1",
    "track1JIS",
    "track3JIS",
    "chip",
    "memoryChip",
    "chipData",
    "chipT0",
    "chipT1",
    "data",
    "dataRead",
    "discretionaryData",
    "passportDataGroup1",
    "passportDataGroup2",
    "scannedData",
    "barcodeData",
}
_PIN = {"key", "fields", "pin", "pinBlock", "iccPin", "offset", "pvv", "digit", "keys", "decTable"}
_KEY = {
    "keyValue",
    "keyCheckValue",
    "keyToken",
    "importedData",
    "inputData",
    "value",
    "xorData",
    "initialValue",
    "keyData",
    "keyAcceptData",
    "certificateData",
    "rsaData",
    "iv",
}
_SECURITY = {"token", "commandNonce", "nonce", "nonces", "authenticationData", "randomItem"}
_BIOMETRIC = {"templateData", "comparisonData", "referenceSignatures"}

_BINARY = {
    "aid",
    "backImage",
    "certificate",
    "checksum",
    "configData",
    "dataToSign",
    "digest",
    "exponent",
    "frontImage",
    "image",
    "initialGraphic",
    "kcv",
    "kernelIdentifier",
    "keyEncKey",
    "ksn",
    "modulus",
    "msg",
    "newCertificateData",
    "pictureFile",
    "randomNumber",
    "replaceCertificate",
    "rid",
    "selfSignature",
    "signature",
    "terminalData",
    "verificationData",
    "verifyData",
}
"""What else the catalogue types as base64: keys and card data among it, and nothing a log could show."""

SENSITIVE = frozenset(_MARKED | _CARD | _PIN | _KEY | _SECURITY | _BIOMETRIC | _BINARY)
"""Names of properties whose text is masked."""


def masked(message: bytes | str) -> str:
    """A JSON text with every sensitive string replaced by `•••`; other text as a whole.

    Only text is masked: under a sensitive name, numbers (the value of a banknote) and
    booleans (whether a track is to be read) stay.
    """
    try:
        content = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"{MASK} ({len(message)} characters that are no JSON)"
    return msgspec.json.encode(_mask(content, False)).decode()


def _mask(content: Any, sensitive: bool) -> Any:
    if isinstance(content, dict):
        return {name: _mask(value, sensitive or name in SENSITIVE) for name, value in content.items()}
    if isinstance(content, list):
        return [_mask(value, sensitive) for value in content]
    return MASK if sensitive and isinstance(content, str) and content else content
