"""CardReader under hostile clients, and under power cuts at every moment of a card's way."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import trio
from test_card_simulated import KEEP, MOVE, bench_of

import xfs4iot
from dialogue import Dialogue, another, outcome
from readers import Contactless, Motor
from vendors import serving

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "x" * 70_000,
    "unit\u0000",
    "exit\n",
    "AAAA",
    "A",
    "=",
    [],
    [None],
    [[]],
    {},
    {"data": "AAAA"},
    {"data": 5, "writeMethod": []},
    {"status": {"initialCount": -1}},
)
FIELDS = {
    "ReadRawData": ("track1", "chip", "security", "fluxInactive", "memoryChip"),
    "WriteRawData": ("track1", "track2", "track1JIS", "additionalProperties"),
    "Move": ("from", "to"),
    "Reset": ("to", "storageId"),
    "ChipIO": ("chipProtocol", "chipData"),
    "ChipPower": ("chipPower",),
    "SetKey": ("keyValue",),
    "QueryIFMIdentifier": ("x",),
    "EMVClessConfigure": ("terminalData", "aidData", "keyData"),
    "EMVClessPerformTransaction": ("data",),
    "EMVClessIssuerUpdate": ("data",),
    "EMVClessQueryApplications": ("x",),
}
KNOWN = {
    "from": ("transport", "exit", "unitBIN", "unitNEW"),
    "to": ("exit", "transport", "unitBIN", "unitPARK", "retain", "auto"),
    "storageId": ("unitBIN", "unitNEW"),
    "chipProtocol": ("chipT0",),
    "chipPower": ("cold", "off"),
    "aidData": ([{"aid": "oAAAAAMQEA==", "partialSelection": True, "transactionType": 0}], [{"aid": 5}]),
    "keyData": ([{"rid": "AAAA", "caPublicKey": {"index": 1}}],),
}


def payloads(name: str, seed: int) -> list[Any]:
    chance = random.Random(f"{name} {seed}")
    found: list[Any] = []
    for _ in range(60):
        fields = {
            field: chance.choice((*ODD, *KNOWN.get(field, ()), *KNOWN.get(field, ()), True))
            for field in FIELDS[name]
            if chance.random() < 0.8
        }
        found.append(chance.choice((fields, fields, fields, fields, None, [], "x", 5)))
    return found


@pytest.mark.parametrize("specification", ["2021-1", "2023-2", "2024-3"])
@pytest.mark.parametrize("name", FIELDS)
async def test_no_payload_stops_the_service_or_is_an_internal_error(
    nursery: trio.Nursery, name: str, specification: str
) -> None:
    device: Any = Contactless() if name.startswith("EMV") else Motor()
    if isinstance(device, Motor):
        device.arrives.set()
    client = await another(await serving(device, nursery), nursery, specification)
    ended = set()
    for payload in payloads(name, 1):
        request = await client.send(f"CardReader.{name}", payload)
        while True:
            message = await client.receive()
            header = message["header"]
            if header.get("requestId") != request:
                continue
            if header["type"] == "acknowledge" and header.get("status", "ok") != "ok":
                ended.add(header["status"])
                break
            if header["type"] == "completion":
                ended.add(outcome(message))
                break
    assert "internalError" not in ended
    request = await client.send("Common.Status")
    assert outcome(await client.until("completion", request)) == "success"


@pytest.mark.parametrize("seconds", [0, 0.01], ids=["at once", "while commands wait"])
async def test_two_clients_at_once_lose_no_card(nursery: trio.Nursery, seconds: float) -> None:
    async with bench_of(seconds=seconds, customer="credit", inserts_after=0) as bench:
        first, second = bench.reader, await another(bench.reader, nursery)
        for turn in range(20):
            requests = [
                (client, await client.send(f"CardReader.{name}", payload))
                for client, name, payload in (
                    (first, "ReadRawData", {"track1": True}),
                    (second, "Move", {"from": "transport", "to": "exit"}),
                    (first, "Reset", {"to": "currentPosition"}),
                    (second, "ReadRawData", {"chip": True}),
                    (first, "Move", {"from": "transport", "to": "unitPARK1"}),
                    (second, "Move", {"from": "unitPARK1", "to": "transport"}),
                )
            ]
            if turn % 3 == 0:
                await second.send("Common.Cancel")
            for client, request in requests:
                await client.until("completion", request)
            await bench.conserved()
            # A cancel between the last two moves leaves the card parked: the customer has none to insert
            # then, and the next read would wait for him for ever.
            if (await bench.truth())["units"]["unitPARK1"]:
                await first.success(MOVE, {"from": "unitPARK1", "to": "transport"})


class Copies:
    """What the disks have at each moment of a movement."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.taken = 0

    def take(self) -> None:
        target = self.directory / f"copy{self.taken}"
        target.mkdir()
        for file in self.directory.iterdir():
            if file.is_file():
                shutil.copyfile(file, target / file.name)
        self.taken += 1


@pytest.mark.parametrize(
    "way",
    [
        KEEP,
        {"from": "transport", "to": "unitPARK1"},
        {"from": "transport", "to": "exit"},
        {"from": "unitNEW1", "to": "exit"},
    ],
    ids=lambda way: f"{way['from']}-{way['to']}",
)
async def test_power_that_goes_at_any_moment_loses_and_doubles_no_card(tmp_path: Path, way: Any) -> None:
    copies = Copies(tmp_path)
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
    async with bench_of(tmp_path, seconds=0.04, ledger=ledger) as bench:
        if way["from"] == "transport":
            await bench.insert()
        copies.take()
        request = await bench.reader.send(MOVE, way)
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                for _ in range(25):
                    copies.take()
                    await trio.sleep(0.004)

            nursery.start_soon(watch)
            await bench.reader.until("completion", request)
        copies.take()
    ledger.close()
    ends = set()
    for number in range(copies.taken):
        directory = tmp_path / f"copy{number}"
        again = xfs4iot.Ledger.open(directory / "ledger.sqlite")
        async with bench_of(directory, ledger=again) as bench:
            await bench.conserved()
            truth, counts = await bench.truth(), await bench.counts()
            inside = any(one is not None and one.startswith("loyalty") for one in (truth["transport"],))
            assert counts["unitNEW1"] == truth["stock"]["unitNEW1"] + inside
            ends.add((truth["transport"], truth["exit"], str(truth["units"])))
        again.close()
    assert len(ends) >= 2


async def test_a_read_is_answered_after_a_device_that_hangs_is_given_up(nursery: trio.Nursery) -> None:
    device = Motor()
    device.arrives.set()
    client: Dialogue = await serving(device, nursery)

    async def hang() -> None:
        await trio.sleep_forever()

    device.hand["accept_card"] = hang
    for _ in range(3):
        assert await client.failure("CardReader.ReadRawData", {"track1": True}, timeout=30) == "timeOut"
    del device.hand["accept_card"]
    await client.success("CardReader.ReadRawData", {"track1": True})
