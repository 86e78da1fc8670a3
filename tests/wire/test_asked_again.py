"""What is asked again and again is answered as when it is asked first, whatever has changed between.

A service keeps what it found out about such commands, see `server.session`. Each test lets two clients
ask the same, one of them so that its commands never are everyday ones: with a property that the service does
not know, which it ignores.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import trio

import xfs4iot
from frames import RawConnection, frame, raw_connection
from xfs4iot.server.access import Access, ClientRule
from xfs4iot.simulator import atm as simulated_atm

VERSIONS = (None, "1.0", "2.0", "3.0", "3.7", "2.9", "9.0")
AMOUNT = {"currencies": {"EUR": 380}, "mix": "mix1"}
ASKED: dict[str, dict[str, Any]] = {
    "Common.Status": {},
    "CashDispenser.Denominate": {"request": {"denomination": {"service": AMOUNT}}},
    "Common.Capabilities": {},
}
UNKNOWN = {"x-vendor": 1}


async def asked(client: RawConnection, name: str, version: str | None, payload: Any, request_id: int) -> Any:
    """What is answered to a command, up to its completion or refusal: header and payload of each message."""
    header = {"type": "command", "name": name, "requestId": request_id, "version": version}
    header = {key: value for key, value in header.items() if value is not None}
    await client.send(frame(json.dumps({"header": header, "payload": payload}, separators=(",", ":"))))
    answers: list[dict[str, Any]] = []
    while True:
        message = json.loads((await client.receive())[1])
        answers.append(message)
        refused = message["header"].get("status") or message.get("payload", {}).get("status", "ok") != "ok"
        if message["header"]["type"] == "completion" or (
            message["header"]["type"] == "acknowledge" and refused
        ):
            return answers


async def started(nursery: trio.Nursery, **settings: Any) -> xfs4iot.Publisher:
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
    publisher = xfs4iot.Publisher(services, port=0, **settings)
    await nursery.start(publisher.serve)
    return publisher


@pytest.mark.parametrize("dialect", ["standard", "sp-dev"])
@pytest.mark.parametrize("seed", range(4))
async def test_in_whatever_versions_it_is_asked(nursery: trio.Nursery, dialect: str, seed: int) -> None:
    atm = await started(nursery, dialect=dialect)
    dice = random.Random(seed)
    uri = atm.uri("CashDispenser")
    async with raw_connection(uri) as everyday, raw_connection(uri) as usual:
        for request_id in range(1, 151):
            if dice.random() < 0.04:
                name, version = "Common.SetVersions", dice.choice(VERSIONS)
                wanted = dice.choice(sorted(ASKED))
                payload: Any = {"commands": {wanted: dice.randint(1, 3)}}
                answers = [await asked(one, name, version, payload, request_id) for one in (everyday, usual)]
            else:
                name = dice.choice(sorted(ASKED))
                # Mostly as before, so that there is something to be kept.
                version = dice.choice(VERSIONS) if request_id % 5 == 1 else version
                answers = [
                    await asked(everyday, name, version, ASKED[name], request_id),
                    await asked(usual, name, version, ASKED[name] | UNKNOWN, request_id),
                ]
            assert answers[0] == answers[1], (request_id, name, version)


async def test_a_change_is_told_before_it_is_seen(nursery: trio.Nursery) -> None:
    atm = await started(nursery)
    async with raw_connection(atm.uri("CashDispenser")) as client:
        for request_id in range(1, 4):
            await asked(client, "Common.Status", "3.0", {}, request_id)
        device = atm.services["CashDispenser"].device
        assert device is not None
        common = device.status.common
        assert common is not None
        common.device_position = "notInPosition"
        messages = await asked(client, "Common.Status", "3.0", {}, 4)
        assert sorted(one["header"]["type"] for one in messages[:-1]) == ["acknowledge", "unsolicited"]
        assert messages[-1]["payload"]["common"]["devicePosition"] == "notInPosition"
        again = await asked(client, "Common.Status", "3.0", {}, 5)
        assert again[-1]["payload"] == messages[-1]["payload"]


async def test_who_may_not_use_it_is_refused_each_time(nursery: trio.Nursery) -> None:
    rule = ClientRule("here", allow=("Common.Capabilities", "CashDispenser.Denominate"), address="127.0.0.1")
    atm = await started(nursery, access=Access([rule]))
    async with raw_connection(atm.uri("CashDispenser")) as client:
        for request_id in range(1, 9):
            name = ("Common.Status", "CashDispenser.Denominate")[request_id % 2]
            completion = (await asked(client, name, "3.0", ASKED[name], request_id))[-1]
            code = completion["header"].get("completionCode")
            assert code == ("authorizationRequired" if name == "Common.Status" else None)


class Counting:
    """An observer that keeps what it is told of completions."""

    def __init__(self) -> None:
        self.completions: list[tuple[str, str, float]] = []

    def counted(self, service: str, command: str, code: str) -> None: ...

    def completed(self, service: str, command: str, code: str, seconds: float) -> None:
        self.completions.append((command, code, seconds))

    def told(self, service: str, event: str) -> None: ...

    def refused(self, service: str, status: str) -> None: ...

    def connected(self, service: str) -> None: ...

    def disconnected(self, service: str) -> None: ...


async def test_each_time_counts(nursery: trio.Nursery) -> None:
    atm = await started(nursery)
    service = atm.services["CashDispenser"]
    service.observer = counting = Counting()
    async with raw_connection(atm.uri("CashDispenser")) as client:
        for request_id in range(1, 6):
            await asked(client, "Common.Status", "3.0", {}, request_id)
    assert [one[:2] for one in counting.completions] == [("Common.Status", "success")] * 5
    assert all(0 <= one[2] < 60 for one in counting.completions)


async def test_a_request_id_in_use_is_refused_each_time(slow_atm: xfs4iot.Publisher) -> None:
    async with raw_connection(slow_atm.uri("CashDispenser")) as client:
        for request_id in range(1, 4):
            await asked(client, "Common.Status", "3.0", {}, request_id)
        header = {"type": "command", "name": "CashManagement.Reset", "requestId": 7, "version": "2.0"}
        await client.send(frame(json.dumps({"header": header, "payload": {}})))
        assert b"acknowledge" in (await client.receive())[1]
        refused = (await asked(client, "Common.Status", "3.0", {}, 7))[-1]
        assert refused["header"]["status"] == "invalidRequestID"
        answers = await asked(client, "Common.Status", "3.0", {}, 8)
        assert [one["header"]["type"] for one in answers if "requestId" in one["header"]] == [
            "acknowledge",
            "completion",
        ]
