"""Classes of devices with keys that say what cannot be, raise what they must not tell, or never answer."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import test_key_order as order
import trio
from fingers import SECURE_KEYS
from host import b64
from test_key_error_codes import GOOD, WITH_PIN
from test_key_order import AES, Bench

from dialogue import Dialogue, another
from lies import Breaking, Weird
from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.server.handler import Handled

bench, client = order.bench, order.client
KEY = bytes.fromhex("3B1F0A5577992CD4E6A8F0112233C4D5")
PIN = "7305"
SAID = (KEY.hex(), KEY.hex().upper(), b64(KEY), repr(KEY), PIN, "7, 3, 0, 5", "7 3 0 5")
"""What the class knows, in all forms in which it might say it."""
LONGEST_MAC = 64
KEYS, ENTRY, BLOCK = "KeyManagement.ImportKey", "Keyboard.PinEntry", "PinPad.GetPinBlock"
PARTS = "Keyboard.SecureKeyEntry"
STEPS = {
    **GOOD,
    "KeyManagement.StartAuthenticate": {"command": {"initialization": {}}},
    PARTS: {**GOOD[PARTS], "activeKeys": SECURE_KEYS},
}


def asked() -> dict[str, Handled]:
    """All commands that ask the device something, by name."""
    marks = (mark for interface in order.INTERFACES for mark in interface.handled())
    return {mark.command: mark for mark in marks if mark.operation(order.Pad) is not None}


ASKED = asked()
WAITING = ("Keyboard.DataEntry", ENTRY, PARTS)
WRONG: dict[str, Callable[[], Any]] = {
    "nothing is said": lambda: NotImplemented,
    "a number": lambda: 7305,
    "a key as text": lambda: KEY.hex(),
    "a list of a key": lambda: [KEY, PIN],
    "a mapping of a PIN": lambda: {PIN: [7, 3, 0, 5]},
    "a mapping that breaks": Breaking,
    "what raises whatever is asked of it": Weird,
    "a class": lambda: devices.ImportedKey,
    "an endless number": lambda: 10**5000,
    "a key of wrong parts": lambda: devices.StoredKey(KEY.hex(), PIN),  # type: ignore[arg-type]
    "an import of wrong parts": lambda: devices.ImportedKey(KEY.hex(), KEY.hex(), PIN),  # type: ignore[arg-type]
    "an entry of wrong parts": lambda: devices.PinEntered(PIN, PIN),  # type: ignore[arg-type]
}
RAISED: dict[str, Callable[[], BaseException]] = {
    "a key": lambda: RuntimeError(f"bad key {KEY.hex()}"),
    "bytes": lambda: ValueError(KEY, [7, 3, 0, 5]),
    "a PIN": lambda: KeyError(PIN),
    "the plain class": lambda: errors.XfsError(f"key {KEY!r} for PIN {PIN}"),
    "a group": lambda: ExceptionGroup(PIN, [ValueError(b64(KEY))]),
    "a code of nobody": lambda: errors.CommandError("noSuchCode", f"PIN {PIN}"),
    "a code that is a key": lambda: errors.CommandError(KEY.hex(), "x"),
    "an end": lambda: SystemExit(KEY.hex()),
    "a failure": lambda: errors.HardwareError(f"cannot use key {KEY.hex()}"),
}
TELLS_PINS: dict[str, Callable[[], BaseException]] = {
    "a failure with a PIN": lambda: errors.HardwareError(f"the PIN was {PIN}"),
    "a failure with digits": lambda: errors.HardwareError("the digits were [7, 3, 0, 5]"),
    "a failure with digits apart": lambda: errors.HardwareError("the digits were 7 3 0 5"),
}


@asynccontextmanager
async def lying(bench: Bench, mark: Handled, does: Callable[[], Any]) -> AsyncIterator[None]:
    """Let the operation of a command do something else."""

    async def lie(*_: Any) -> Any:
        return does()

    operation = mark.operation(order.Pad)
    assert operation is not None
    setattr(bench.device, operation, lie)
    yield
    delattr(bench.device, operation)


def raising(make: Callable[[], BaseException]) -> Callable[[], Any]:
    def does() -> Any:
        raise make()

    return does


async def prepared(bench: Bench, asker: Dialogue, command: str) -> None:
    """Come to where a command is not refused before the device is asked."""
    # SetPinBlockData is offered only if the device needs it; the others would have to wait for it.
    bench.device.set_pinblock_data_required = command == "PinPad.SetPinBlockData"
    if command in WITH_PIN:
        bench.device._unattended = "7305"
        active = {name: {} for name in order.DIGITS} | {"enter": {"terminate": True}}
        await asker.success(ENTRY, {"minLen": 4, "activeKeys": active})


async def client_for(command: str, client: Dialogue, nursery: trio.Nursery) -> Dialogue:
    # DeriveKey was withdrawn, and is served to older clients alone.
    return await another(client, nursery, "2023-2") if command == "KeyManagement.DeriveKey" else client


async def answered(asker: Dialogue, command: str) -> tuple[str, str]:
    """How a command ends: its completion code, and all that its answer says."""
    answer = await asker.completion(command, STEPS.get(command))
    return answer["header"].get("completionCode", "success"), str(answer)


@pytest.mark.parametrize("command", ASKED)
async def test_what_a_class_says_wrongly_is_neither_believed_nor_told(
    client: Dialogue, bench: Bench, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    mark, asker = ASKED[command], await client_for(command, client, nursery)
    before = (await client.success("KeyManagement.GetKeyDetail"))["keyDetails"]
    lies = {**WRONG, **{f"raises {name}": raising(make) for name, make in RAISED.items()}}
    if not command.startswith(("KeyManagement", "Crypto")):
        lies |= {f"raises {name}": raising(make) for name, make in TELLS_PINS.items()}
    for name, does in lies.items():
        await prepared(bench, asker, command)
        caplog.clear()
        async with lying(bench, mark, does):
            code, answer = await answered(asker, command)
        assert code == "hardwareError", (name, answer)
        text = caplog.text + "".join(record.exc_text or "" for record in caplog.records)
        for form in SAID:
            assert form not in answer, name
            assert form not in text.replace("trio-websocket", ""), name
    assert (await client.success("KeyManagement.GetKeyDetail"))["keyDetails"] == before
    await prepared(bench, asker, command)
    if command not in WAITING:
        # Nothing is held up: the honest class is asked, and answers.
        assert (await answered(asker, command))[0] in ("success", "commandErrorCode")


HANGING = [command for command in ASKED if command not in WAITING]


@pytest.mark.parametrize("command", HANGING)
async def test_a_class_that_never_answers_holds_nobody_up(
    client: Dialogue, bench: Bench, nursery: trio.Nursery, command: str
) -> None:
    asker = await client_for(command, client, nursery)
    await prepared(bench, asker, command)
    operation = ASKED[command].operation(order.Pad)
    assert operation is not None

    async def hang(*_: Any) -> None:
        await trio.sleep_forever()

    setattr(bench.device, operation, hang)
    bench.host.operations.limit = 0.02
    assert (await answered(asker, command))[0] == "hardwareError"
    delattr(bench.device, operation)
    bench.host.operations.limit = 10
    if command in WITH_PIN:
        # Nobody knows whether the device has used it.
        assert await asker.failure(command, STEPS[command]) == "noPin"
    await client.success("KeyManagement.GenerateKCV", GOOD["KeyManagement.GenerateKCV"])


async def test_a_class_that_cannot_be_ended_is_not_asked_until_it_is_back(
    client: Dialogue, bench: Bench
) -> None:
    await prepared(bench, client, BLOCK)
    back, forgotten = trio.Event(), trio.Event()

    async def forget_pin() -> None:
        bench.device.pins.forget()
        forgotten.set()

    async def stuck(*_: Any) -> bytes:
        with trio.CancelScope(shield=True):
            await back.wait()
        return bytes(8)

    bench.device.get_pin_block = stuck  # type: ignore[method-assign]
    bench.host.operations.limit = 0.02
    assert await client.failure(BLOCK, STEPS[BLOCK]) == "hardwareError"
    bench.host.operations.limit = 10
    request = GOOD["KeyManagement.GenerateKCV"]
    assert await client.failure("KeyManagement.GenerateKCV", request) == "deviceNotReady"
    bench.device.forget_pin = forget_pin  # type: ignore[method-assign]
    back.set()
    del bench.device.get_pin_block
    # The PIN that could not be forgotten while the class was away is forgotten now.
    with trio.fail_after(30):
        await forgotten.wait()
    assert await client.failure(BLOCK, STEPS[BLOCK]) == "noPin"
    await client.success("KeyManagement.GenerateKCV", request)


def stored(
    kind: str = "P0 T E", length: int = 128, preloaded: bool = False, **more: Any
) -> devices.StoredKey:
    usage, algorithm, mode = kind.split()
    attributes = devices.KeyAttributes(usage=usage, algorithm=algorithm, mode_of_use=mode, **more)
    return devices.StoredKey(attributes, length, preloaded)


def token(name: str = "K", kind: str = "K0 A D", **more: Any) -> devices.ImportedToken:
    return devices.ImportedToken(name, stored(kind, **more))


CLAIMS: list[tuple[str, str, Any]] = [
    ("another usage", KEYS, devices.ImportedKey(stored("D0 T E"))),
    ("another algorithm", KEYS, devices.ImportedKey(stored("P0 A E"))),
    ("another mode", KEYS, devices.ImportedKey(stored("P0 T B"))),
    ("a restriction", KEYS, devices.ImportedKey(stored(restricted_key_usage="P0"))),
    ("one that was preloaded", KEYS, devices.ImportedKey(stored(preloaded=True))),
    ("a key of 40 bits", KEYS, devices.ImportedKey(stored(length=40))),
    ("a key as long as no key", KEYS, devices.ImportedKey(stored(length=-1))),
    ("a check value as long as the key", "KeyManagement.GenerateKCV", bytes(17)),
    ("no check value", "KeyManagement.GenerateKCV", b""),
    ("a pair that is none", "KeyManagement.GenerateRSAKeyPair", stored("S0 A S")),
    ("a pair that also decrypts", "KeyManagement.GenerateRSAKeyPair", stored("K3 R T", 2048)),
    ("a preloaded pair", "KeyManagement.GenerateRSAKeyPair", stored("S0 R S", 2048, True)),
    ("no signature", "KeyManagement.ExportRSAIssuerSignedItem", devices.IssuerSignedItem(b"x", "rsassaPss")),
    ("nothing signed", "KeyManagement.ExportRSADeviceSignedItem", devices.DeviceSignedItem(b"")),
    ("no certificate", "KeyManagement.GetCertificate", b""),
    ("no random", "KeyManagement.StartKeyExchange", b""),
    ("another name", "KeyManagement.ImportKeyToken", token("Other")),
    ("another usage by a token", "KeyManagement.ImportKeyToken", token(kind="P0 A E")),
    ("a public key by a token", "KeyManagement.ImportKeyToken", token(kind="K3 R E")),
    ("a preloaded key by a token", "KeyManagement.ImportKeyToken", token(preloaded=True)),
    ("another usage of a scheme", "KeyManagement.ImportEmvPublicKey", stored("E2 R V", 1024)),
    ("no public key of a scheme", "KeyManagement.ImportEmvPublicKey", stored("E1 A V", 128)),
    ("a derived key that was there", "KeyManagement.DeriveKey", stored("D0 T B", preloaded=True)),
    ("data as it was", "Crypto.CryptoData", bytes(16)),
    ("too much data", "Crypto.CryptoData", bytes(17)),
    ("no data", "Crypto.CryptoData", b""),
    ("a MAC of three bytes", "Crypto.GenerateAuthentication", bytes(3)),
    ("a MAC that is the message", "Crypto.GenerateAuthentication", bytes(LONGEST_MAC + 1)),
    ("a digest of another kind", "Crypto.Digest", bytes(32)),
    ("a short random", "Crypto.GenerateRandom", bytes(7)),
    ("no block", BLOCK, b""),
    ("a block of AES", BLOCK, bytes(16)),
    ("a PIN that is longer than it may be", ENTRY, devices.PinEntered(7, "enter")),
    ("a PIN that goes on", ENTRY, devices.PinEntered(4, "continue")),
    ("a key that is longer than it may be", PARTS, devices.KeyEntered(33, "enter")),
    ("a key that ended too early", PARTS, devices.KeyEntered(31, "auto")),
    ("a long check value", PARTS, devices.KeyEntered(32, "auto", bytes(17))),
    (
        "a key that is not active",
        "Keyboard.DataEntry",
        devices.DataEntered((devices.PressedKey("nine"),), "enter"),
    ),
]


@pytest.mark.parametrize(("command", "claim"), [one[1:] for one in CLAIMS], ids=[one[0] for one in CLAIMS])
async def test_what_cannot_be_true_of_what_was_asked_is_not_believed(
    client: Dialogue, bench: Bench, nursery: trio.Nursery, command: str, claim: Any
) -> None:
    asker = await client_for(command, client, nursery)
    await prepared(bench, asker, command)
    if command == ENTRY:
        await client.completion("PinPad.Reset")
    before = (await client.success("KeyManagement.GetKeyDetail"))["keyDetails"]
    async with lying(bench, ASKED[command], lambda: claim):
        code, answer = await answered(asker, command)
    assert code == "hardwareError", answer
    assert (await client.success("KeyManagement.GetKeyDetail"))["keyDetails"] == before


@pytest.mark.parametrize("name", ["", "x" * 256, "K\n", "TestKbpk"])
async def test_a_token_does_not_bring_what_cannot_be_named_or_replaced(
    client: Dialogue, bench: Bench, name: str
) -> None:
    before = (await client.success("KeyManagement.GetKeyDetail"))["keyDetails"]
    command = "KeyManagement.ImportKeyToken"
    async with lying(bench, ASKED[command], lambda: token(name)):
        request = {"keyToken": b64(AES), "loadOption": "randomCrl"}
        assert await client.failure(command, request) == "hardwareError"
    assert (await client.success("KeyManagement.GetKeyDetail"))["keyDetails"] == before


@pytest.mark.parametrize(
    "kept", [{"x" * 256: stored()}, {"": stored()}, {KEY: stored()}, {"K": KEY}, None, 5]
)
async def test_a_list_of_keys_that_cannot_be_changes_nothing(
    client: Dialogue, bench: Bench, caplog: pytest.LogCaptureFixture, kept: Any
) -> None:
    before = (await client.success("KeyManagement.GetKeyDetail"))["keyDetails"]

    async def stored_keys() -> Any:
        return kept

    bench.device.stored_keys = stored_keys  # type: ignore[method-assign]
    async with lying(bench, ASKED[KEYS], raising(lambda: RuntimeError("power cut"))):
        assert await client.failure(KEYS, STEPS[KEYS]) == "hardwareError"
    # It is asked in the background, as soon as what was begun has ended.
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert "what keys the device has is not known" in caplog.text
    assert (await client.success("KeyManagement.GetKeyDetail"))["keyDetails"] == before
    for form in (*SAID, base64.b64encode(KEY).decode()):
        assert form not in caplog.text
