"""Mutated traffic for every command of every version: no crash, no hang, and answers afterwards.

The short form runs always; `--long` sends millions (`XFS4IOT_FUZZ` says how many).
"""

from __future__ import annotations

import json
import os

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from frames import frame, raw_connection
from traffic import Traffic

SHORT, LONG = 6_000, 1_000_000
BATCH = 50


async def bombard(publisher: xfs4iot.Publisher, traffic: Traffic, count: int) -> int:
    """Send mutated messages of every command over connections that are made anew when closed."""
    names = list(traffic.commands)
    sent = 0
    while sent < count:
        async with raw_connection(publisher.uri("CashDispenser")) as connection, trio.open_nursery() as both:
            closed = trio.Event()

            async def read(connection=connection, closed=closed) -> None:
                try:
                    while await connection.stream.receive_some():
                        pass
                except trio.BrokenResourceError:
                    pass
                closed.set()

            both.start_soon(read)
            try:
                while sent < count and not closed.is_set():
                    batch = b""
                    for _ in range(BATCH):
                        name = names[sent % len(names)]
                        message = traffic.command(name, sent % 900 + 1)
                        batch += frame(traffic.mutated(message))
                        sent += 1
                    await connection.send(batch)
                    await trio.lowlevel.checkpoint()
            except trio.BrokenResourceError:
                pass
            both.cancel_scope.cancel()
    return sent


async def still_answers(publisher: xfs4iot.Publisher, nursery: trio.Nursery) -> None:
    client: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    capabilities = await client.success("Common.Capabilities")
    for interface in capabilities["interfaces"]:
        for name in interface["commands"]:
            with trio.fail_after(20):
                completion = await client.completion(name, {}, timeout=5000)
            assert completion["header"]["completionCode"] not in ("internalError", "timeOut"), completion


@pytest.mark.parametrize("version", ["2021-1", "2023-2", "2024-3"])
async def test_mutated_traffic_stops_nothing(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR")
    await bombard(atm, Traffic(version, seed=1), SHORT // 3)
    await still_answers(atm, nursery)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("version", ["2021-1", "2023-2", "2024-3"])
async def test_valid_traffic_of_every_command_is_answered(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR")
    traffic = Traffic(version, seed=2)
    client: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), version)
    for number, name in enumerate(traffic.commands, 1):
        await client.send_text(json.dumps(traffic.command(name, number)))
        with trio.fail_after(20):
            acknowledge = await client.until("acknowledge", number)
            assert (acknowledge["header"] | acknowledge.get("payload", {})).get("status", "ok") == "ok"
            completion = await client.until("completion", number)
        fields = completion["header"] | completion.get("payload", {})
        assert fields["completionCode"] != "internalError", fields
    assert "Traceback" not in caplog.text


@pytest.mark.long
@pytest.mark.parametrize("version", ["2021-1", "2023-2", "2024-3"])
async def test_millions_of_mutated_messages_stop_nothing(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, version: str
) -> None:
    count = int(os.environ.get("XFS4IOT_FUZZ", LONG))
    await bombard(atm, Traffic(version, seed=int.from_bytes(os.urandom(4), "big")), count)
    await still_answers(atm, nursery)
