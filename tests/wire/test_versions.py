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
from traffic import Traffic, catalogue

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


def withdrawal(version: str) -> dict[str, Any]:
    """50 EUR by mix 1, as each version says it."""
    if version == "2021-1":
        return {"denomination": {"denomination": {"currencies": {"EUR": 50}}, "mix": "mix1"}}
    return {"denomination": {"denomination": {"service": {"currencies": {"EUR": 50}, "mix": "mix1"}}}}


def chosen(version: str) -> dict[str, Any]:
    """A note from unit1, chosen by the client."""
    if version == "2021-1":
        return {"denomination": {"denomination": {"currencies": {"EUR": 10}, "values": {"unit1": 1}}}}
    return {"denomination": {"denomination": {"app": {"currencies": {"EUR": 10}, "counts": {"unit1": 1}}}}}


def retract(version: str) -> dict[str, Any]:
    wanted = {"retractArea": "retract", "index": 1}
    return wanted if version == "2021-1" else {"location": wanted}


def reset(version: str) -> dict[str, Any]:
    return (
        {"unit": "unit5"} if version == "2021-1" else {"position": {"target": "singleUnit", "unit": "unit5"}}
    )


async def test_three_clients_of_three_versions_withdraw_and_see_the_same_truth(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    uri = atm.uri("CashDispenser")
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    clients: dict[str, Dialogue] = {
        version: await nursery.start(dialogue, uri, version) for version in VERSIONS
    }
    for client in clients.values():
        await good(client, "Common.Status")
    for version, client in clients.items():
        denominated = await good(client, "CashDispenser.Denominate", asked(version))
        result = denominated if version == "2021-1" else denominated["result"]
        assert result["values"] == {"unit3": 1}
        dispensed = await good(client, "CashDispenser.Dispense", withdrawal(version))
        assert dispensed["denomination"]["values"] == {"unit3": 1}
        presented = await good(client, "CashDispenser.Present", {})
        place = presented if version == "2021-1" else presented["position"]
        assert place["position"] == "outDefault"
        await simulator.success("Simulator.TakeItems")
        for told, other in clients.items():
            taken = await other.until("unsolicited", name="CashManagement.ItemsTakenEvent")
            at = taken["payload"]["position"]
            assert (at["position"] if told == "2021-1" else at) == "outDefault"
        await good(client, "CashDispenser.Dispense", chosen(version))
        await good(client, "CashDispenser.Present", {})
        await good(client, "CashManagement.Retract", retract(version))
        await good(client, "CashManagement.Reset", reset(version))
    counts = [held(await good(client, "Storage.GetStorage")) for client in clients.values()]
    assert counts[0] == counts[1] == counts[2] == {"unit1": 497, "unit3": 497}
    for version, client in clients.items():
        wrong = [problem for message in client.passed for problem in problems(version, message)]
        assert not wrong, wrong[:5]


def asked(version: str) -> dict[str, Any]:
    inner = withdrawal(version)["denomination"]
    return inner if version == "2021-1" else {"request": inner}


def held(payload: dict[str, Any]) -> dict[str, int]:
    """Items in the units from which something was paid."""
    found = {}
    for unit, content in payload["storage"].items():
        status = content["cash"]["status"]
        out = sum(total(counts) for counts in status.get("out", {}).values())
        if out and unit != "unit5":
            found[unit] = total(status["initial"]) - out
    return found


def total(counts: dict[str, Any]) -> int:
    return sum(value if isinstance(value, int) else sum(value.values()) for value in counts.values())


async def good(client: Dialogue, name: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
    """A command that must succeed, and whose every message must be of the client's version."""
    request_id = await client.send(name, payload or {})
    messages = await settled(client, request_id)
    client.passed += messages[1:-1]
    assert code(messages[-1]) == "success", messages[-1]
    wrong = [problem for message in messages for problem in problems(client.specification, message)]
    assert not wrong, wrong[:5]
    found: dict[str, Any] = messages[-1].get("payload", {})
    return found


async def test_an_exchange_by_an_old_client_is_seen_by_a_new_one(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    old: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), "2021-1")
    new: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), "2024-3")
    await new.success("Common.Status")
    await good(old, "Storage.StartExchange")
    changed = await new.until("unsolicited", name="Common.StatusChangedEvent")
    assert changed["payload"]["common"] == {"exchange": "active"}
    told = next(m for m in old.passed if m["header"]["name"] == "Common.StatusChangedEvent")
    assert told["payload"] == {"exchange": "active"}
    refill = {"unit1": {"cash": {"status": {"initial": {"typeEUR10": {"fit": 900}}}}}}
    await good(old, "Storage.SetStorage", {"storage": refill})
    await good(old, "Storage.EndExchange")
    storage = (await new.success("Storage.GetStorage"))["storage"]
    assert storage["unit1"]["cash"]["status"]["initial"] == {"typeEUR10": {"fit": 900}}


@pytest.mark.parametrize("version", VERSIONS)
async def test_capabilities_name_only_what_the_clients_version_has(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, version: str
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), version)
    listed = (await good(client, "Common.Capabilities"))["interfaces"]
    known = catalogue(version)["interfaces"]
    for interface in listed:
        for command in interface["commands"]:
            assert command.partition(".")[2] in known[interface["name"]]["commands"]
        for event in interface.get("events", {}):
            assert event.partition(".")[2] in known[interface["name"]]["events"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_our_own_client_speaks_every_version(atm: xfs4iot.Publisher, version: str) -> None:
    async with xfs4iot.connect(atm.uri("CashDispenser"), version=version) as client:
        assert (await client.call("Common.Status"))["common"]["device"] == "online"
        with pytest.raises(xfs4iot.CommandFailed) as failed:
            await client.call("CashDispenser.Present", {})
        assert failed.value.error_code == "noItems"


async def test_a_version_that_is_not_served_is_refused_with_those_that_are(dispenser: Dialogue) -> None:
    completion = await dispenser.completion("Common.Status", version="9.0")
    assert completion["header"]["completionCode"] == "invalidCommand"
    assert "1.0, 2.0, 3.0" in completion["header"]["errorDescription"]


async def test_set_versions_changes_one_connection_only(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    one: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"))
    other: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"))
    await one.success("Common.SetVersions", {"commands": {"Common.Status": 3}}, version="2.0")
    answers = [await client.completion("Common.Status", version="2.0") for client in (one, other)]
    assert [answer["header"]["version"] for answer in answers] == ["3.0", "2.0"]
