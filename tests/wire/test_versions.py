"""Clients of three versions use one service, each as if the others did not exist.

Every command of every version is requested by payloads made from that version's schema; what the
service sends is validated against the schemas of the client's version.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
import trio_websocket

import xfs4iot
from dialogue import Dialogue, dialogue
from traffic import Traffic, catalogue
from xfs4iot.conformance.schemas import problems
from xfs4iot.protocol.adapters import spelling
from xfs4iot.protocol.messages import cash_dispenser

VERSIONS = ("2021-1", "2023-2", "2024-3")
ROUNDS = 8
LIKELY = {
    "position": "outDefault",
    "outputPosition": "outDefault",
    "unit": "unit1",
    "target": "singleUnit",
    "mix": "mixTable21",
    "mixNumber": 21,
    "mixRows": [{"amount": 50, "mix": [{"value": 50, "count": 1}]}],
    "requestIds": None,
    "commands": {"Common.Cancel": 1},
}
"""What brings many commands further than a value of the right type would."""
WAITING = ("CashAcceptor.CashIn", "CashAcceptor.CreateSignature")
"""Commands that wait for a customer; here none comes."""


async def settled(client: Dialogue, name: str, request_id: int) -> list[dict[str, Any]]:
    """Every message up to the completion of a command."""
    messages = []
    while True:
        message = await client.receive()
        messages.append(message)
        header = message["header"]
        if header["type"] == "completion" and header["requestId"] == request_id:
            own = [one["header"]["type"] for one in messages if one["header"].get("requestId") == request_id]
            assert own == ["acknowledge", *["event"] * (len(own) - 2), "completion"], own
            return messages


def code(message: dict[str, Any]) -> str:
    fields = message["header"] | message.get("payload", {})
    return str(fields.get("errorCode") or fields.get("completionCode", "success"))


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_command_is_answered_in_the_clients_own_version(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, version: str
) -> None:
    traffic = Traffic(version, seed=8, likely=LIKELY)
    service = {"ServicePublisher": await nursery.start(dialogue, atm.uri(), version)}
    dispenser: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), version)
    await good(dispenser, "Common.Status")
    served = {
        spelling(name, version)
        for one in (atm.endpoint, atm.services["CashDispenser"])
        for name in one.handlers
    }
    wrong: list[str] = []
    unserved: dict[str, str] = {}
    number = 1
    ends = "Storage.EndExchange"
    names = [*(name for name in traffic.commands if name != ends), ends]
    for name in names * ROUNDS:
        if name in unserved:
            continue
        number += 1
        client = service.get(name.partition(".")[0], dispenser)
        command = traffic.command(name, number)
        if name in WAITING:
            command.setdefault("payload", {})
            command["payload" if version == "2021-1" else "header"]["timeout"] = 100
        await client.send_text(json.dumps(command))
        messages = await settled(client, name, number)
        wrong += [problem for message in messages for problem in problems(version, message)]
        if name not in served:
            unserved[name] = code(messages[-1])
    assert not wrong, "\n".join(sorted(set(wrong))[:40])
    assert set(unserved.values()) == {"unsupportedCommand"}
    assert len(traffic.commands) - len(unserved) > 30


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_command_of_every_service_is_answered_in_the_clients_own_version(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, version: str
) -> None:
    """What is sent is held against the schemas of the version by `exercised`."""
    traffic = Traffic(version, seed=8, likely=LIKELY)
    number = 0
    for service in atm.services.values():
        if service.name == "Simulator":
            continue
        client: Dialogue = await nursery.start(dialogue, atm.uri(service.name), version)
        await client.success("Common.Status")
        names = [spelling(name, version) for name in service.handlers]
        for name in [name for name in names if name in traffic.commands] * (ROUNDS // 4):
            number += 1
            command = traffic.command(name, number + 1000)
            # Nobody inserts anything, and nobody presses a key.
            command["payload" if version == "2021-1" else "header"]["timeout"] = 20
            await client.send_text(json.dumps(command))
            assert code((await settled(client, name, number + 1000))[-1]) != "internalError"
    assert number > 200


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


def refill(count: int) -> dict[str, Any]:
    status = {"initial": {"typeEUR10": {"fit": count}}}
    return {"storage": {"unit1": {"cash": {"status": status}}}}


async def test_three_clients_of_three_versions_pay_out_and_replenish_and_see_the_same_truth(
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
    for number, (version, client) in enumerate(clients.items()):
        for other in clients.values():
            other.passed.clear()
        await good(client, "Storage.StartExchange")
        for told, other in clients.items():
            changed = await other.until("unsolicited", name="Common.StatusChangedEvent")
            inner = changed["payload"] if told == "2021-1" else changed["payload"]["common"]
            assert inner == {"exchange": "active"}, version
        await good(client, "Storage.SetStorage", refill(900 + number))
        await good(client, "Storage.EndExchange")
        for other in clients.values():
            unit = (await good(other, "Storage.GetStorage"))["storage"]["unit1"]
            assert unit["cash"]["status"]["initial"] == {"typeEUR10": {"fit": 900 + number}}
    for version, client in clients.items():
        wrong = [problem for message in client.passed for problem in problems(version, message)]
        assert not wrong, wrong[:5]


async def test_three_clients_at_the_same_time_do_not_disturb_each_other(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    """Each reads and moves while the others do; every answer is its own and of its version."""

    async def work(version: str, client: Dialogue) -> None:
        sent = {}
        for _ in range(3):
            for name in ("Common.Status", "CashManagement.Reset", "Storage.GetStorage"):
                sent[await client.send(name, {})] = name
        ended = {}
        while len(ended) < len(sent):
            message = await client.receive()
            wrong.extend(problems(version, message))
            header = message["header"]
            if header["type"] == "completion":
                assert header["name"] == sent[header["requestId"]]
                ended[header["requestId"]] = code(message)
        assert set(ended.values()) == {"success"}

    wrong: list[str] = []
    slow_atm.services["CashDispenser"].device.seconds = 0.02  # type: ignore[union-attr]
    clients: dict[str, Dialogue] = {
        version: await nursery.start(dialogue, slow_atm.uri("CashDispenser"), version) for version in VERSIONS
    }
    for client in clients.values():
        await good(client, "Common.Status")
    async with trio.open_nursery() as workers:
        for version, client in clients.items():
            workers.start_soon(work, version, client)
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
    messages = await settled(client, name, request_id)
    client.passed += messages[1:-1]
    assert code(messages[-1]) == "success", messages[-1]
    wrong = [problem for message in messages for problem in problems(client.specification, message)]
    assert not wrong, wrong[:5]
    found: dict[str, Any] = messages[-1].get("payload", {})
    return found


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


async def test_our_client_speaks_the_newest_version_that_the_service_offers(atm: xfs4iot.Publisher) -> None:
    async with xfs4iot.connect(atm.uri("CashDispenser")) as client:
        assert client.version == "2024-3"
        assert "powerManagement" in await client.call("Common.Status")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("strict", [True, False], ids=["refuses", "ignores the version"])
async def test_our_client_steps_down_to_what_an_older_service_offers(
    nursery: trio.Nursery, version: str, strict: bool
) -> None:
    """A service of one version only, which refuses or does not look at the versions of commands."""
    uri = await nursery.start(one_version, version, strict)
    async with xfs4iot.connect(uri) as client:
        assert client.version == version
        assert await client.call("Common.Status") == {"common": {"device": "online"}}


async def test_our_client_is_told_events_in_its_version_before_it_sends_anything(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    other: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"))
    async with (
        xfs4iot.connect(atm.uri("CashDispenser"), version="2021-1") as client,
        client.events("StatusChangedEvent") as events,
    ):
        await other.success("Storage.StartExchange")
        async for event in events:
            assert event.payload == {"exchange": "active"}
            break


async def test_message_classes_are_taken_where_the_version_says_the_same(atm: xfs4iot.Publisher) -> None:
    async with xfs4iot.connect(atm.uri("CashDispenser"), version="2021-1") as client:
        done = await client.call("CashDispenser.GetMixTypes", typed=True)
        assert set(done.mixes) == {"mix1", "mix2", "mix3"}
        with pytest.raises(ValueError, match="another message in 2021-1"):
            await client.call("CashDispenser.Denominate", cash_dispenser.Denominate())


async def test_a_version_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'2022-1' is not a version .*2021-1, 2023-2, 2024-3"):
        async with xfs4iot.connect("ws://localhost/xfs4iot/v1.0/X", version="2022-1"):
            pass


async def one_version(
    version: str, strict: bool, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
) -> None:
    """A foreign service that knows one version of the standard."""
    own = catalogue(version)["interfaces"]["Common"]["commands"]
    legacy = version == "2021-1"

    async def serve(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        while True:
            try:
                message = json.loads(await connection.get_message())
            except trio_websocket.ConnectionClosed:
                return
            header = {name: message["header"][name] for name in ("name", "requestId")}
            command = own[header["name"].partition(".")[2]]
            known = None if legacy else command["version"]
            good = not strict or message["header"].get("version") == known
            code = "success" if good else "invalidCommand"
            content: dict[str, Any] = {"common": {"device": "online"}} if good else {}
            if legacy:
                answers = [
                    {"header": {**header, "type": "acknowledge"}, "payload": {"status": "ok"}},
                    {
                        "header": {**header, "type": "completion"},
                        "payload": {"completionCode": code, **content},
                    },
                ]
            else:
                header["version"] = command["completion"]["version"]
                answers = [
                    {"header": {**header, "type": "acknowledge"}},
                    {"header": {**header, "type": "completion", "completionCode": code}, "payload": content},
                ]
            for answer in answers:
                await connection.send_message(json.dumps(answer))

    async with trio.open_nursery() as nursery:
        server = await nursery.start(trio_websocket.serve_websocket, serve, "127.0.0.1", 0, None)
        task_status.started(f"ws://127.0.0.1:{server.port}/xfs4iot/v1.0/Other")
