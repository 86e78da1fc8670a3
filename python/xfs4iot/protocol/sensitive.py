"""What must never reach a log: PINs, keys, card data, tokens, nonces and biometric data.

The catalogue marks some properties as sensitive, and says that its marks are incomplete.
This module adds what the spirit of the standard demands. A property is masked by its name, in
any spelling, at any depth, in any message: better one value too many than one card number in a log.
"""

from __future__ import annotations

from typing import Any

import msgspec

from xfs4iot.telling import MASK, SECRET_ENDS, SECRET_WORDS, Ready, is_secret, told

__all__ = ["MASK", "SENSITIVE", "masked", "rules", "without_secrets"]

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

_PRINTED = {"printData"}
"""What is printed on an envelope or a cheque: whose it is, and how much is in it."""

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

SENSITIVE = frozenset(_MARKED | _CARD | _PIN | _KEY | _SECURITY | _BIOMETRIC | _PRINTED | _BINARY)
"""Names of properties whose text is masked."""


_LONGEST = 64 * 1024
"""Bytes of a message that is logged; a longer one is only counted."""
_TOLD = 16 * 1024
"""Characters of it that are."""
_COUNTED = {"value", "keys"}
"""Sensitive names under which a number may stand, such as the value of a banknote."""
_HARMLESS = {
    "commandnoncetimeout",
    "maintainpin",
    "maxpin",
    "pinblockattributes",
    "pincanpersistafteruse",
    "pinformats",
    "pinkeys",
    "pinoffset",
    "pinpad",
    "pinpointer",
    "readtracks",
    "setpinblockdatarequired",
    "writetracks",
}
"""Names of the catalogue that sound like secrets, and are none."""
_SEPARATORS = str.maketrans("", "", "_-. ")


def _plain(name: str) -> str:
    """A name without what differs between spellings."""
    return name.translate(_SEPARATORS).casefold()


_PLAIN = frozenset(map(_plain, SENSITIVE))


def masked(message: bytes | str) -> str:
    """A JSON text with every sensitive value replaced by `•••`; other text as a whole.

    Under `value` and `keys` numbers (the value of a banknote) stay, and booleans (whether a track
    is to be read) everywhere. What should be an object, a message or its payload, and is a text
    or a number is masked as well. The result may be told: see `xfs4iot.telling`.
    """
    if len(message) > _LONGEST:
        return Ready(f"{MASK} ({len(message)} characters, too many for a log)")
    try:
        content = msgspec.json.decode(message)
        # A bare text, number or list has no names to judge it by: all of it is masked.
        text = msgspec.json.encode(_mask(content, not isinstance(content, dict), True)).decode()
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Ready(f"{MASK} ({len(message)} characters that are not JSON)")
    return Ready(told(text, _TOLD))


def without_secrets(message: Any) -> Any:
    """A decoded message, whole, with every sensitive value replaced, as `masked` does; a copy.

    For what is kept, not told: nothing is shortened.
    """
    return _mask(message, not isinstance(message, dict), True)


def rules() -> dict[str, list[str]]:
    """By what names values are masked, for a program elsewhere that masks as `without_secrets` does.

    `names`, `counted` and `harmless` are compared without separators and case; what a name ends with or
    which words are in it is that of `xfs4iot.telling.is_secret`.
    """
    return {
        "names": sorted(_PLAIN),
        "counted": sorted(_COUNTED),
        "harmless": sorted(_HARMLESS),
        "words": sorted(SECRET_WORDS),
        "ends": sorted(SECRET_ENDS),
    }


def _mask(content: Any, text: bool, numbers: bool) -> Any:
    """`content` without what is sensitive: all its texts, and numbers, if so said; else by its names."""
    if isinstance(content, dict):
        return {name: _property(name, value, text, numbers) for name, value in content.items()}
    if isinstance(content, list):
        return [_mask(value, text, numbers) for value in content]
    if not text or not content or isinstance(content, bool):
        return content
    return MASK if numbers or isinstance(content, str) else content


def _property(name: str, value: Any, text: bool, numbers: bool) -> Any:
    # A client may send any name: cut it before the work; no known one is as long.
    plain = _plain(name[:200])
    if plain in _PLAIN:
        # Inside something that is masked entirely, `value` and `keys` lose their exemption.
        return _mask(value, True, (text and numbers) or plain not in _COUNTED)
    if not isinstance(value, dict) and (plain == "payload" or (plain not in _HARMLESS and is_secret(name))):
        return _mask(value, True, True)
    return _mask(value, text, numbers)
