"""Hostile payloads for every command of every interface, at all services of a whole ATM at once.

Payloads are made from the schemas, then spoilt. No command ends `internalError`, nothing is logged as a
failure, and somebody who asks another service at the same time is answered. `--long` sends 240,000
(`XFS4IOT_HOSTILE` says how many).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue, outcome
from traffic import Traffic

VERSIONS = ("2021-1", "2023-2", "2024-3")
SHORT, LONG = 3_000, 240_000
BATCH = 40
SHORTLY = 20
"""Milliseconds, the timeout of each command: what waits for a customer must not hold up the next."""
LIMIT = 60
APART = ("Simulator", "")


async def attack(
    uri: str,
    version: str,
    names: list[str],
    count: int,
    seed: int,
    ended: Counter[str],
    nursery: trio.Nursery,
) -> None:
    """Send `count` spoilt commands to a service and see each of them acknowledged and completed."""
    traffic = Traffic(version, seed)
    client: Dialogue = await nursery.start(dialogue, uri, version)
    for start in range(0, count, BATCH):
        waiting: dict[int, dict[str, Any]] = {}
        for number in range(start + 1, min(start + BATCH, count) + 1):
            name = names[number % len(names)]
            message = spoilt(traffic, traffic.command(name, number))
            fields = message["payload"] if version == "2021-1" else message["header"]
            fields["timeout"] = SHORTLY
            waiting[number] = message
            await client.send_text(json.dumps(message))
        with trio.move_on_after(LIMIT) as scope:
            while waiting:
                message = await client.receive()
                if message["header"]["type"] == "completion":
                    waiting.pop(message["header"]["requestId"])
                    code = outcome(message)
                    ended[code] += 1
                    assert code != "internalError", message
        assert not scope.cancelled_caught, f"nothing ends {next(iter(waiting.values()))}"


def spoilt(traffic: Traffic, message: dict[str, Any]) -> dict[str, Any]:
    """The same command with a hostile payload; its header stays whole, so that it is looked at."""
    while True:
        try:
            found = json.loads(traffic.mutated({"payload": message["payload"]}))
            # What is no JSON at all, such as half a character, `test_fuzz` sends.
            json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
        except ValueError:
            continue
        if isinstance(found, dict) and isinstance(found.get("payload"), dict):
            return {"header": message["header"], "payload": found["payload"]}


async def asked_beside(uri: str, nursery: trio.Nursery, answered: Counter[str]) -> None:
    """Somebody else's questions, who must not wait."""
    client: Dialogue = await nursery.start(dialogue, uri)
    while True:
        with trio.fail_after(LIMIT):
            await client.success("Common.Status")
        answered["Common.Status"] += 1
        await trio.sleep(0.02)


async def attacked(atm: xfs4iot.Publisher, count: int, seed: int) -> tuple[Counter[str], Counter[str]]:
    """Attack all services in all versions; how commands ended, and what was answered beside."""
    ended: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    for name, service in atm.services.items():
        if name in APART:
            continue
        for version in VERSIONS:
            known = Traffic(version, seed).commands
            names = [command for command in service.handlers if command in known]
            share = max(1, count // (len(VERSIONS) * (len(atm.services) - 1)))
            async with trio.open_nursery() as nursery:
                other = next(one for one in atm.services if one not in (name, *APART))
                nursery.start_soon(asked_beside, atm.uri(other), nursery, answered)
                await attack(atm.uri(name), version, names, share, seed, ended, nursery)
                nursery.cancel_scope.cancel()
    return ended, answered


async def still_answers(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> None:
    for name in atm.services:
        client: Dialogue = await nursery.start(dialogue, atm.uri(name))
        with trio.fail_after(LIMIT):
            await client.success("Common.Status")


@pytest.mark.parametrize(
    "count", [SHORT, pytest.param(int(os.environ.get("XFS4IOT_HOSTILE", LONG)), marks=pytest.mark.long)]
)
async def test_hostile_payloads_of_every_command_of_every_interface_stop_nothing(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR")
    seed = 23 if count == SHORT else int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    ended, answered = await attacked(atm, count, seed)
    print(dict(ended), dict(answered))
    assert sum(ended.values()) > count * 0.9
    assert answered["Common.Status"] > len(VERSIONS)
    await still_answers(atm, nursery)
    assert "Traceback" not in caplog.text
