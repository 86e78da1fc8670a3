"""Clients of three versions use one service, each as if the others did not exist.

What the service sends is validated against the schemas of the client's version, for every
command that version has and the simulated dispenser serves.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from schemas import problems
from traffic import Traffic

VERSIONS = ("2021-1", "2023-2", "2024-3")
ROUNDS = 4


async def settled(client: Dialogue, request_id: int) -> list[dict[str, Any]]:
    """Every message up to the completion of a command."""
    messages = []
    while True:
        message = await client.receive()
        messages.append(message)
        header = message["header"]
        if header["type"] == "completion" and header["requestId"] == request_id:
            return messages


def code(message: dict[str, Any]) -> str:
    fields = message["header"] | message.get("payload", {})
    return str(fields.get("errorCode") or fields["completionCode"])


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_command_is_answered_in_the_clients_own_version(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, version: str
) -> None:
    traffic = Traffic(version, seed=8)
    client: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), version)
    served = set(atm.services["CashDispenser"].handlers)
    exercised: dict[str, Counter[str]] = {}
    wrong: list[str] = []
    number = 0
    for _ in range(ROUNDS):
        for name in traffic.commands:
            if name.partition(".")[0] not in ("Common", "Storage", "CashManagement", "CashDispenser"):
                continue
            number += 1
            await client.send_text(json.dumps(traffic.command(name, number)))
            messages = await settled(client, number)
            exercised.setdefault(name, Counter())[code(messages[-1])] += 1
            for message in messages:
                if message["header"]["name"] != "Simulator.TakeItems":
                    wrong += problems(version, message)
    for name, outcomes in exercised.items():
        print(f"{version} {name:45} {dict(outcomes)}")
    assert not wrong, "\n".join(sorted(set(wrong))[:40])
    assert served & set(exercised), "nothing was exercised"
