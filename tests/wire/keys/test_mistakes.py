"""What newcomers do wrong with keys: each refusal names the property, and says what to do instead."""

from __future__ import annotations

import os
from typing import Any

import pytest
from host import KEK, b64, block, ecb, imported, unb64

from dialogue import Dialogue

IMPORT = "KeyManagement.ImportKey"
DATA = b64(bytes(16))
KEY_BLOCK = block("P0 T E", os.urandom(16))
ATTRIBUTES = {"keyUsage": "P0", "algorithm": "T", "modeOfUse": "E"}


def changed(place: int, text: str) -> str:
    plain = unb64(KEY_BLOCK).decode()
    return b64((plain[:place] + text + plain[place + len(text) :]).encode())


@pytest.mark.parametrize(
    ("request_", "code", "advice"),
    [
        ({"value": KEY_BLOCK}, "invalidData", "$.decryptKey is missing; $.value seems to be a key block"),
        (
            {"value": KEY_BLOCK, "decryptKey": "TestKbpk", "decryptMethod": "ecb"},
            "invalidData",
            "$.decryptMethod: $.value seems to be a key block",
        ),
        (
            {"value": KEY_BLOCK, "decryptKey": "nobody"},
            "keyNotFound",
            "$.decryptKey: there is no key of this name",
        ),
        (
            {"value": KEY_BLOCK, "decryptKey": "DATA"},
            "useViolation",
            "$.decryptKey: a key of usage D0 may not open key blocks; name one of usage K0 or K1",
        ),
        (
            {"value": b64(b"\xff" * 16), "decryptKey": "TestKek", "keyAttributes": ATTRIBUTES},
            "formatInvalid",
            "needs $.decryptMethod",
        ),
        ({"value": changed(5, "Q7"), "decryptKey": "TestKbpk"}, "formatInvalid", "the usage in its header"),
        (
            {"value": changed(8, "A"), "decryptKey": "TestKbpk"},
            "formatInvalid",
            "the mode of use in its header",
        ),
        (
            {"value": changed(11, "X"), "decryptKey": "TestKbpk"},
            "formatInvalid",
            "the exportability in its header",
        ),
        (
            {"value": changed(14, "XX"), "decryptKey": "TestKbpk"},
            "formatInvalid",
            "the reserved field in its",
        ),
        ({"value": changed(9, "01"), "decryptKey": "TestKbpk"}, "invalidValue", "protected by another key"),
        (
            {
                "value": b64(ecb("T", KEK, bytes(range(16)))),
                "decryptKey": "TestKek",
                "decryptMethod": "ecb",
                "keyAttributes": ATTRIBUTES,
                "verificationData": b64(bytes(3)),
            },
            "invalidData",
            "$.verifyAttributes.cryptoMethod",
        ),
    ],
)
async def test_a_key_that_does_not_come_says_why(
    pad: Dialogue, request_: dict[str, Any], code: str, advice: str
) -> None:
    await imported(pad, "DATA", "D0 A B", os.urandom(16))
    completion = await pad.completion(IMPORT, {"key": "K", **request_})
    assert code in (
        completion["header"]["completionCode"],
        (completion.get("payload") or {}).get("errorCode"),
    )
    assert advice in completion["header"]["errorDescription"]
    assert "K" not in (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]


@pytest.mark.parametrize(
    ("command", "request_", "advice"),
    [
        (
            "Crypto.CryptoData",
            {"key": "PIN", "modeOfUse": "E", "cryptoMethod": "ecb"},
            "$.key: a key of usage P0",
        ),
        (
            "Crypto.CryptoData",
            {"key": "DATA", "modeOfUse": "E", "cryptoMethod": "cbc", "storedKey": "nobody"},
            "$.storedKey: there is no key of this name",
        ),
        (
            "Crypto.CryptoData",
            {"key": "DATA", "modeOfUse": "E", "cryptoMethod": "cbc", "iv": {"key": "PIN", "value": DATA}},
            "$.iv.key: a key of usage P0 may not decrypt a start value; name one of usage K0",
        ),
        (
            "Crypto.GenerateAuthentication",
            {"key": "MAC"},
            "$.key: a key of usage M3 and mode of use V may not make a MAC",
        ),
        (
            "PinPad.GetPinBlock",
            {"format": "iso0", "customerData": "401234567890", "key": "PIN", "secondEncKey": "DATA"},
            "$.secondEncKey: a key of usage D0",
        ),
    ],
)
async def test_a_key_that_may_not_be_used_is_named_by_its_property(
    pad: Dialogue, command: str, request_: dict[str, Any], advice: str
) -> None:
    for name, kind in (("PIN", "P0 T E"), ("DATA", "D0 A B"), ("MAC", "M3 T V")):
        await imported(pad, name, kind, os.urandom(16))
    completion = await pad.completion(command, {"data": DATA, **request_})
    assert advice in completion["header"]["errorDescription"]


async def test_nobody_presses_no_key(simulator: Dialogue) -> None:
    completion = await simulator.completion("Simulator.PressPinPadKeys", {})
    assert completion["header"]["completionCode"] == "invalidData"
