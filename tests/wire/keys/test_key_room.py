"""A module that is full, or at work: told by each command that brings or makes a key."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from host import KEK, b64, ecb, imported
from test_attacks import wrapped
from test_certificates import HEADER, HOST, TOKEN, bound, device_certificate, random_of
from test_keyboard import IMPORT
from test_remote_loading import PAIR
from tr34 import token

from dialogue import Dialogue, another, outcome

AES = bytes(range(16))
DERIVE = "KeyManagement.DeriveKey"


async def request_for(pad: Dialogue, command: str, certificate: bytes) -> dict[str, Any]:
    """What brings or makes a key `New`."""
    own = await device_certificate(pad)
    made = token(AES, HEADER, HOST, certificate, own, random=await random_of(pad))
    requests: dict[str, dict[str, Any]] = {
        IMPORT: wrapped("P0 T E", ecb("T", KEK, AES), key="New"),
        TOKEN: {"keyToken": b64(made), "key": "New", "keyUsage": "K0", "loadOption": "random"},
        PAIR: {"key": "New"},
        DERIVE: {
            "derivationAlgorithm": "chipZka",
            "key": "New",
            "keyGenKey": "Master",
            "inputData": b64(bytes(16)),
        },
    }
    return requests[command]


FULL = {IMPORT: "noKeyRam", TOKEN: "noKeyRam", PAIR: "notEnoughSpace", DERIVE: "notEnoughSpace"}


@pytest.mark.parametrize("command", FULL)
async def test_a_module_without_room_takes_and_makes_no_key(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery, command: str
) -> None:
    await imported(pad, "Master", "K0 T X", bytes(range(50, 66)))
    certificate = (await bound(pad, simulator))["certificate"]
    request = await request_for(pad, command, certificate)
    # Withdrawn by the newest version.
    client = await another(pad, nursery, "2023-2") if command == DERIVE else pad
    await simulator.success("Simulator.Inject", {"fault": "keyStoreFull"})
    assert await client.failure(command, request) == FULL[command]
    assert "New" not in (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]
    await simulator.success("Simulator.ClearFaults")
    # Anew: the random of a token was used up by the first attempt.
    await client.success(command, await request_for(pad, command, certificate))
    assert "New" in (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]


@pytest.mark.parametrize("command", [IMPORT, PAIR, "KeyManagement.Initialization"])
async def test_a_module_at_work_is_busy_and_says_what_it_is_afterwards(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery, command: str
) -> None:
    other = await another(pad, nursery)
    await imported(pad, "Data", "D0 T B", bytes(range(50, 66)))
    payload = {
        IMPORT: wrapped("P0 T E", ecb("T", KEK, AES), key="New"),
        PAIR: {"key": "New"},
    }.get(command)

    async def told() -> str:
        while True:
            event = await other.until("unsolicited", name="Common.StatusChangedEvent")
            if "keyManagement" in event["payload"]:
                state: str = event["payload"]["keyManagement"]["encryptionState"]
                return state

    async def state() -> str:
        found: str = (await other.success("Common.Status"))["keyManagement"]["encryptionState"]
        return found

    assert await state() == "ready"
    other.passed.clear()
    await simulator.success("Simulator.StopClock")
    await simulator.success("Simulator.Inject", {"fault": "slowModule", "count": 10})
    number = await pad.send(command, payload)
    assert await told() == "busy"
    assert await state() == "busy"
    await simulator.success("Simulator.Advance", {"milliseconds": 10_000})
    done = await pad.until("completion", number)
    assert outcome(done) == "success"
    assert await told() == await state() == ("ready" if payload else "initialized")
