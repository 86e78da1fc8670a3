"""Every refused use of a key is told to all clients, whichever command and property names the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import test_key_order as order
import trio
from host import b64, block, imported
from test_key_error_codes import GOOD
from test_key_order import AES, Bench, constructing, without

from dialogue import Dialogue, another

bench, client = order.bench, order.client
EVENT = "KeyManagement.IllegalKeyAccessEvent"
BLOCK16 = b64(bytes(16))
VERIFIED = {"verificationData": BLOCK16}
NAMING: list[tuple[str, str, Mapping[str, Any]]] = [
    ("KeyManagement.ImportKey", "decryptKey", {}),
    ("KeyManagement.ImportKey", "verifyKey", VERIFIED),
    ("KeyManagement.GenerateKCV", "key", {}),
    ("KeyManagement.ExportRSAIssuerSignedItem", "name", {}),
    ("KeyManagement.ExportRSADeviceSignedItem", "name", {}),
    ("KeyManagement.ExportRSADeviceSignedItem", "sigKey", {"signatureAlgorithm": "rsassaPss"}),
    ("KeyManagement.ImportEmvPublicKey", "verifyKey", {}),
    ("KeyManagement.DeriveKey", "keyGenKey", {}),
    ("Crypto.CryptoData", "key", {}),
    ("Crypto.CryptoData", "storedKey", {}),
    ("Crypto.GenerateAuthentication", "key", {}),
    ("Crypto.GenerateAuthentication", "storedKey", {}),
    ("Crypto.VerifyAuthentication", "key", {}),
    ("Crypto.VerifyAuthentication", "storedKey", {}),
    ("PinPad.GetPinBlock", "key", {}),
    ("PinPad.GetPinBlock", "secondEncKey", {}),
    ("PinPad.SetPinBlockData", "key", {}),
    ("PinPad.SetPinBlockData", "secondEncKey", {}),
    ("PinPad.LocalDES", "key", {}),
    ("PinPad.LocalVisa", "key", {}),
]
"""Command, property that names a key, and what the request has besides."""
NOT_FOR_IT = {
    "KeyManagement.ImportKey": "PVK",
    "KeyManagement.ExportRSADeviceSignedItem": "PVK",
    "KeyManagement.DeriveKey": "PVK",
    "Crypto.CryptoData": "PVK",
    "Crypto.GenerateAuthentication": "PVK",
    "Crypto.VerifyAuthentication": "PVK",
    "PinPad.GetPinBlock": "PVK",
    "PinPad.SetPinBlockData": "PVK",
    "PinPad.LocalDES": "PEK",
    "PinPad.LocalVisa": "PEK",
}
"""By command, a key that is there and is for something else."""


async def told(bystander: Dialogue) -> dict[str, Any]:
    event = await bystander.until("unsolicited", name=EVENT)
    payload: dict[str, Any] = event["payload"]
    return payload


async def asking(client: Dialogue, nursery: trio.Nursery, command: str) -> Dialogue:
    older = command == "KeyManagement.DeriveKey"
    return await another(client, nursery, "2023-2") if older else client


@pytest.mark.parametrize(("command", "name", "more"), NAMING)
async def test_a_key_that_is_not_there_is_told(
    client: Dialogue, nursery: trio.Nursery, command: str, name: str, more: Mapping[str, Any]
) -> None:
    asker, bystander = await asking(client, nursery, command), await another(client, nursery)
    assert await asker.failure(command, {**(GOOD[command] or {}), **more, name: "nobody"}) == "keyNotFound"
    assert await told(bystander) == {"keyName": "nobody", "errorCode": "keyNotFound"}


@pytest.mark.parametrize(
    ("command", "name", "more"), [row for row in NAMING if row[0] in NOT_FOR_IT and row[1] != "name"]
)
async def test_a_key_that_is_for_something_else_is_told(
    client: Dialogue, nursery: trio.Nursery, command: str, name: str, more: Mapping[str, Any]
) -> None:
    asker, bystander = await asking(client, nursery, command), await another(client, nursery)
    key = NOT_FOR_IT[command]
    code = await asker.failure(command, {**(GOOD[command] or {}), **more, name: key})
    assert code == ("accessDenied" if name == "sigKey" else "useViolation")
    assert await told(bystander) == {"keyName": key, "errorCode": "useViolation"}


async def test_a_start_value_by_a_key_that_is_not_there_is_told(
    client: Dialogue, nursery: trio.Nursery
) -> None:
    bystander = await another(client, nursery)
    for command in ("Crypto.CryptoData", "Crypto.GenerateAuthentication", "Crypto.VerifyAuthentication"):
        for key, code in (("nobody", "keyNotFound"), ("PVK", "useViolation"), ("TestKek", "useViolation")):
            request = {**(GOOD[command] or {}), "iv": {"key": key, "value": BLOCK16}}
            assert await client.failure(command, request) == code
            assert await told(bystander) == {"keyName": key, "errorCode": code}


@pytest.mark.parametrize(
    ("command", "change", "key"),
    [
        (
            "KeyManagement.ImportKey",
            {"decryptKey": "KEK", "decryptMethod": None, "keyAttributes": None},
            "KEK",
        ),
        ("KeyManagement.DeriveKey", {"keyGenKey": "AESKGK"}, "AESKGK"),
        ("Crypto.GenerateAuthentication", {}, "MAC"),
        ("Crypto.VerifyAuthentication", {}, "MAC"),
        ("PinPad.GetPinBlock", {"key": "AESPEK"}, "AESPEK"),
    ],
)
async def test_a_key_of_another_algorithm_is_told(
    client: Dialogue, bench: Bench, nursery: trio.Nursery, command: str, change: dict[str, Any], key: str
) -> None:
    asker, bystander = await asking(client, nursery, command), await another(client, nursery)
    if key == "KEK":
        await imported(client, "KEK", "K0 T D", bytes(range(1, 17)))
        change = {**change, "value": block("P0 T E", AES)}
    if key == "MAC":
        await without("authenticates", {})(bench)
        await without("verifies", {})(bench)
    code = await asker.failure(command, {**(GOOD[command] or {}), **change})
    assert code == "algorithmNotSupported"
    assert await told(bystander) == {"keyName": key, "errorCode": "algorithmNotSupported"}


async def test_what_is_no_use_of_a_key_is_not_told(
    client: Dialogue, bench: Bench, nursery: trio.Nursery
) -> None:
    bystander = await another(client, nursery)
    assert await client.failure("KeyManagement.GetKeyDetail", {"keyName": "nobody"}) == "keyNotFound"
    assert await client.failure("KeyManagement.DeleteKey", {"key": "nobody"}) == "keyNotFound"
    await constructing(bench)
    assert await client.failure("KeyManagement.ImportKey", GOOD["KeyManagement.ImportKey"]) == "sequenceError"
    await bystander.success("Common.Status")
    assert EVENT not in [message["header"]["name"] for message in bystander.passed]
