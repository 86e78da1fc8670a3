"""Every error code that a device with keys can give, over the wire, in the newest version and adapted down.

And commands that older clients use as newer ones do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import test_key_order as order
import trio
from fingers import DIGITS, entry, pin_entered, secure_entered
from host import b64, imported, unb64
from test_key_order import Bench, without
from test_pin_pad import DES, PRESENT, VISA

from dialogue import Dialogue, another, outcome
from older import codes_in
from xfs4iot.interfaces.keys.key_management import KeyManagement
from xfs4iot.interfaces.keys.key_table import Key
from xfs4iot.interfaces.keys.layouts import told
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages.keyboard import LayoutEvent
from xfs4iot.server.handler import Handled
from xfs4iot.simulator.secure_part import macs

bench, client = order.bench, order.client
GOOD: Mapping[str, Any] = {
    name: command.good
    for commands in (order.KEY_MANAGEMENT, order.CRYPTO, order.KEYBOARD, order.PIN_PAD, order.GERMAN)
    for name, command in commands.items()
}
WITH_PIN = ("PinPad.GetPinBlock", "PinPad.LocalDES", "PinPad.LocalVisa", "PinPad.PresentIDC")
START = "KeyManagement.StartAuthenticate"
AES = bytes(range(16))


def of_devices() -> Iterator[Any]:
    for version in ("2021-1", "2023-2", "2024-3"):
        for interface in order.INTERFACES:
            for mark in interface.handled():
                for code in mark.device:
                    # DeriveKey was withdrawn, and is served to older clients alone.
                    newest = version == "2024-3" and mark.command != "KeyManagement.DeriveKey"
                    if newest or code in (codes_in(version, mark.command) or ()):
                        yield pytest.param(version, mark, code, id=f"{version}-{mark.command}-{code}")


@pytest.mark.parametrize(("version", "mark", "code"), list(of_devices()))
async def test_a_code_that_the_device_gives_reaches_the_client(
    client: Dialogue, bench: Bench, nursery: trio.Nursery, version: str, mark: Handled, code: str
) -> None:
    asker = client if version == "2024-3" else await another(client, nursery, version)
    # SetPinBlockData is offered only if the device needs it; the others would have to wait for it.
    bench.device.set_pinblock_data_required = mark.command == "PinPad.SetPinBlockData"
    if mark.command in WITH_PIN:
        bench.device._unattended = "1234"
        active = {name: {} for name in DIGITS} | {"enter": {"terminate": True}}
        await asker.success("Keyboard.PinEntry", {"minLen": 4, "activeKeys": active})

    async def refuse(*_: Any) -> None:
        raise errors.CommandError(code, "as a device says it")

    operation = mark.operation(type(bench.device))
    assert operation is not None
    setattr(bench.device, operation, refuse)
    completion = await asker.completion(mark.command, GOOD.get(mark.command))
    assert outcome(completion) == "commandErrorCode", completion
    assert completion["payload"]["errorCode"] == code


@pytest.mark.parametrize(
    ("command", "key", "version"),
    [
        ("PinPad.GetPinBlock", "PEK", "2024-3"),
        ("PinPad.SetPinBlockData", "PEK", "2024-3"),
        ("PinPad.LocalDES", "PVK", "2024-3"),
        ("PinPad.LocalVisa", "PVK", "2024-3"),
        ("Crypto.CryptoData", "DATA", "2024-3"),
        ("Crypto.GenerateAuthentication", "MAC", "2024-3"),
        ("Crypto.VerifyAuthentication", "MAC", "2024-3"),
        ("KeyManagement.DeriveKey", "KGK", "2023-2"),
        ("KeyManagement.DeriveKey", "KGK", "2021-1"),
    ],
)
async def test_a_key_that_the_device_has_lost_has_no_value(
    client: Dialogue, bench: Bench, nursery: trio.Nursery, command: str, key: str, version: str
) -> None:
    asker = client if version == "2024-3" else await another(client, nursery, version)
    table = bench.host.interface(KeyManagement).table
    await table.put(key, Key(table.keys[key].stored, "no"))
    assert await asker.failure(command, GOOD[command]) == "keyNoValue"


@pytest.mark.parametrize(
    ("command", "change", "lack", "code"),
    [
        (
            "KeyManagement.ImportKey",
            {"constructing": True},
            ("key_import_through_parts", False),
            "unsupportedData",
        ),
        ("KeyManagement.GetCertificate", {}, ("certificate_types", frozenset()), "unsupportedData"),
        ("KeyManagement.ImportKeyToken", {}, ("key_num", 0), "noKeyRam"),
        ("KeyManagement.ImportEmvPublicKey", {"key": "TestKek"}, None, "duplicateKey"),
        ("KeyManagement.ImportEmvPublicKey", {}, ("key_num", 0), "noKeyRam"),
        ("KeyManagement.StartKeyExchange", {}, ("signature_scheme", frozenset()), "accessDenied"),
        ("PinPad.LocalVisa", {}, None, "noPin"),
        ("PinPad.MaintainPin", {}, ("pin_can_persist_after_use", False), "unsupportedData"),
        ("Crypto.GenerateAuthentication", {}, ("authenticates", {}), "algorithmNotSupported"),
        ("Crypto.VerifyAuthentication", {}, ("verifies", {}), "algorithmNotSupported"),
    ],
)
async def test_what_the_device_has_not_is_refused(
    client: Dialogue, bench: Bench, command: str, change: Any, lack: tuple[str, Any] | None, code: str
) -> None:
    if lack is not None:
        await without(*lack)(bench)
    if command.endswith("StartKeyExchange"):
        await without("certificate_signers", {})(bench)
    assert await client.failure(command, {**(GOOD.get(command) or {}), **change} or None) == code


@pytest.mark.parametrize(
    "command",
    [
        "KeyManagement.Reset",
        "KeyManagement.ReplaceCertificate",
        "PinPad.Reset",
        "PinPad.GetQueryPCIPTSDeviceId",
        "Crypto.GenerateRandom",
        "Keyboard.Reset",
        "German.GetHSMTData",
        "German.SetHSMTData",
    ],
)
async def test_a_device_that_is_not_there_is_not_ready(client: Dialogue, bench: Bench, command: str) -> None:
    await order.offline(bench)
    assert await client.failure(command, GOOD.get(command)) == "deviceNotReady"


async def test_an_authentication_is_asked_for_only_by_a_device_that_is_there(
    client: Dialogue, bench: Bench
) -> None:
    await order.offline(bench)
    assert await client.failure(START, {"command": {"initialization": {}}}) == "deviceNotReady"


@pytest.mark.parametrize(
    ("given", "asked_for", "code"),
    [
        (None, "initialization", "accessDenied"),
        ({"key": "HOST"}, None, "sequenceError"),
        ({"key": "HOST"}, "deleteKey", "randomInvalid"),
        ({}, "initialization", "keyNoValue"),
        ({"key": "nobody"}, "initialization", "keyNotFound"),
        ({"key": "DATA"}, "initialization", "useViolation"),
        ({"key": "MAKES"}, "initialization", "modeOfUseNotSupported"),
        ({"key": "MAC"}, "initialization", "modeOfUseNotSupported"),
        ({"key": "HOST", "data": b64(bytes(16))}, "initialization", "macInvalid"),
        ({"key": "HOST"}, "initialization", None),
    ],
)
async def test_an_initialization_is_authenticated(
    client: Dialogue, bench: Bench, given: dict[str, str] | None, asked_for: str | None, code: str | None
) -> None:
    bench.device.deletion_needs_authentication = True
    await imported(client, "MAKES", "M6 A G", bytes(range(1, 17)))
    key = bytes(range(17, 33))
    await imported(client, "HOST", "M6 A V", key)
    data = bytes(16)
    if asked_for is not None:
        data = unb64((await client.success(START, {"command": {asked_for: {}}}))["dataToSign"])
    request = None
    if given is not None:
        request = {"authentication": {"method": "cmac", "data": b64(macs.cmac("A", key, data)), **given}}
    if code is None:
        await client.success("KeyManagement.Initialization", request)
    else:
        assert await client.failure("KeyManagement.Initialization", request) == code


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_use_pins_as_newer_ones_do(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery, older: str
) -> None:
    await imported(pad, "PVK", "V0 T V", bytes(range(16, 32)))
    old = await another(pad, nursery, older)
    for command, request in (("LocalDES", DES), ("LocalVisa", VISA)):
        await pin_entered(old, simulator, "7305")
        assert (await old.success(f"PinPad.{command}", request))["result"] is False
    await pin_entered(old, simulator, "1234")
    assert unb64((await old.success("PinPad.PresentIDC", PRESENT))["chipData"]).hex() == "9000"
    await entry(
        old, simulator, "Keyboard.DataEntry", {"maxLen": 1, "autoEnd": True, "activeKeys": {"one": {}}}, "1"
    )
    entered = await secure_entered(old, simulator, AES, "tripleDes")
    assert outcome(entered) == "success"
    await old.success("Keyboard.DefineLayout", order.KEYBOARD["Keyboard.DefineLayout"].good)
    await old.success("KeyManagement.Reset")
    assert (await old.success(START, {"command": {"initialization": {}}}))["dataToSign"]
    await old.success("KeyManagement.Initialization")


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_say_what_a_pin_is_for(
    client: Dialogue, nursery: trio.Nursery, older: str
) -> None:
    old = await another(client, nursery, older)
    await old.success("PinPad.SetPinBlockData", order.BLOCK_GOOD)


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_an_older_client_is_told_the_number_of_a_dukpt_transaction(
    client: Dialogue, nursery: trio.Nursery, older: str
) -> None:
    await imported(client, "DUKPT", "B1 T X", bytes(range(16, 32)))
    old = await another(client, nursery, older)
    await old.success("Crypto.GenerateAuthentication", {"key": "DUKPT", "data": b64(b"data")})
    event = await old.until("event", name="KeyManagement.DUKPTKSNEvent")
    assert event["payload"]["key"] == "DUKPT"
    assert unb64(event["payload"]["ksn"]).hex().upper() == "FFFF9876543210E00001"
    derive = {**GOOD["KeyManagement.DeriveKey"], "keyGenKey": "nobody"}
    assert (
        outcome(completion := await old.completion("KeyManagement.DeriveKey", derive)) == "commandErrorCode"
    )
    assert completion["payload"]["errorCode"] == "keyNotFound"


@pytest.mark.parametrize("version", ["2021-1", "2023-2", "2024-3"])
@pytest.mark.parametrize("command", ["DataEntry", "PinEntry", "SecureKeyEntry"])
async def test_a_device_whose_keys_move_tells_where_they_are(
    client: Dialogue, bench: Bench, nursery: trio.Nursery, command: str, version: str
) -> None:
    """As on a touch screen whose digits are elsewhere in each entry."""
    asker = client if version == "2024-3" else await another(client, nursery, version)
    bench.device.set_pinblock_data_required = False

    async def moved(_: Any, events: Any) -> None:
        events.send(told(LayoutEvent, {"pin": bench.device.layouts["pin"]}))
        raise errors.DeviceNotReady("nobody presses a key here")

    setattr(bench.device, re.sub("(?<!^)(?=[A-Z])", "_", command).lower(), moved)
    number = await asker.send(f"Keyboard.{command}", GOOD[f"Keyboard.{command}"])
    event = await asker.until("event", number, "Keyboard.LayoutEvent")
    keys = {key["key"] for frame in event["payload"]["pin"] for key in frame["keys"] if key.get("key")}
    assert keys >= set(DIGITS)
    assert outcome(await asker.until("completion", number)) == "deviceNotReady"
