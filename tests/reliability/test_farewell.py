"""The end of services: what runs is booked, what waits is told, every client is taken leave of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

import xfs4iot
from cash import amount
from dialogue import Dialogue, another, dialogue, outcome
from secured import HOSTS, config, secure_atm
from xfs4iot import client as library
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.transport.certificates import test_authority

DISPENSE = {"denomination": amount(50)}


@dataclass
class Served:
    """A simulated ATM that a test ends."""

    publisher: xfs4iot.Publisher
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self.scope:
            await self.publisher.serve(task_status=task_status)
        self.ended.set()


async def served(nursery: trio.Nursery, seconds: float, **more: Any) -> Served:
    settings = {"ledger": xfs4iot.Ledger.open(None), "state": None, "seconds": seconds} | more
    found = Served(xfs4iot.Publisher(simulated_atm(**settings), port=0))
    await nursery.start(found.run)
    return found


async def talk(nursery: trio.Nursery, uri: str) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, uri)
    return found


async def taken_leave_of(client: Dialogue) -> None:
    """The client is told that the service goes away."""
    with trio.fail_after(30):
        reason = await client.closed()
    assert reason.code == 1001


async def dispensing(client: Dialogue) -> int:
    """A Dispense that has begun."""
    running = await client.send("CashDispenser.Dispense", DISPENSE)
    await client.until("event", running, "CashDispenser.StartDispenseEvent")
    return running


async def test_a_cancelled_publisher_books_tells_and_takes_leave(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    file = tmp_path / "ledger"
    with xfs4iot.Ledger.open(file) as ledger:
        atm = await served(nursery, 1, ledger=ledger, state=tmp_path)
        client = await talk(nursery, atm.publisher.uri("CashDispenser"))
        others = [
            await another(client, nursery),
            await talk(nursery, atm.publisher.uri("Lights")),
            await talk(nursery, atm.publisher.uri()),
        ]
        running = await dispensing(client)
        waiting = await client.send("CashDispenser.Reject")
        await client.until("acknowledge", waiting)
        atm.scope.cancel()
        assert outcome(await client.until("completion", waiting)) == "canceled"
        assert outcome(await client.until("completion", running)) == "success"
        for one in (client, *others):
            await taken_leave_of(one)
        with trio.fail_after(30):
            await atm.ended.wait()
    with xfs4iot.Ledger.open(file) as ledger:
        assert not ledger.service("CashDispenser").open_intents()


async def test_nobody_is_let_in_and_nothing_is_begun_while_services_end(nursery: trio.Nursery) -> None:
    atm = await served(nursery, 1)
    client = await talk(nursery, atm.publisher.uri("CashDispenser"))
    running = await dispensing(client)
    atm.scope.cancel()
    await trio.testing.wait_all_tasks_blocked(0.01)
    late = await client.send("Common.Status")
    assert outcome(await client.until("completion", late)) == "canceled"
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream("127.0.0.1", atm.publisher.port or 0)
    assert outcome(await client.until("completion", running)) == "success"


async def test_leave_is_taken_by_tls_as_well(tmp_path: Path) -> None:
    authority = test_authority(tmp_path)
    pair = authority.issue_device("atm17", HOSTS)
    async with trio.open_nursery() as serving:
        publisher = await secure_atm(serving, config(pair))
        uri = publisher.uri("CashDispenser")
        async with library.connect(uri, ca=authority.certificate_file) as connection:
            assert await connection.call("Common.Status")
            serving.cancel_scope.cancel()
            with (
                trio.CancelScope(shield=True, deadline=trio.current_time() + 30),
                pytest.raises(library.Disconnected, match="going away"),
            ):
                await connection.call("Common.Status")


async def test_a_client_that_says_nothing_holds_the_end_of_nobody_up(nursery: trio.Nursery) -> None:
    atm = await served(nursery, 0)
    silent = await trio.open_tcp_stream("127.0.0.1", atm.publisher.port or 0)
    halfway = await trio.open_tcp_stream("127.0.0.1", atm.publisher.port or 0)
    async with silent, halfway:
        await halfway.send_all(b"GET /xfs4iot/v1.0/CashDispenser HTTP/1.1\r\nHost: x\r\n")
        client = await talk(nursery, atm.publisher.uri("CashDispenser"))
        await client.success("Common.Status")
        atm.scope.cancel()
        with trio.fail_after(30):
            await atm.ended.wait()
        await taken_leave_of(client)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_simulate_completes_what_is_open_and_takes_leave(
    tmp_path: Path, nursery: trio.Nursery, number: signal.Signals
) -> None:
    arguments = ["simulate", "--plain", "--json", "--port", "0", "--state", str(tmp_path), "--seconds", "1"]
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "xfs4iot", *arguments], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = b""
        while not line.endswith(b"\n"):
            line += await process.stdout.receive_some()
        client = await talk(nursery, json.loads(line)["services"]["CashDispenser"])
        running = await dispensing(client)
        waiting = await client.send("CashDispenser.Reject")
        await client.until("acknowledge", waiting)
        process.send_signal(number)
        assert outcome(await client.until("completion", waiting)) == "canceled"
        assert outcome(await client.until("completion", running)) == "success"
        await taken_leave_of(client)
        with trio.fail_after(30):
            assert await process.wait() == 0
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


SLOW = """
import trio
from xfs4iot.simulator import SimulatedCashDispenser

class Slow(SimulatedCashDispenser):
    async def open(self) -> None:
        print("opening", flush=True)
        await trio.sleep(3600)
"""
CONFIG = """
[publisher]
host = "127.0.0.1"
port = 0
plain = true
[ledger]
file = "ledger.sqlite"
[[service]]
name = "CashDispenser"
device = "slow:Slow"
open_limit = 3600.0
"""


async def ended(arguments: list[str], number: signal.Signals, **more: Any) -> int:
    """How a process ends that is told to as soon as it has written a line."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "xfs4iot", *arguments], stdout=subprocess.PIPE, **more
    )
    assert process.stdout is not None
    try:
        with trio.fail_after(60):
            assert await process.stdout.receive_some(1)
            process.send_signal(number)
            # What it writes at its end must not find a closed pipe.
            while await process.stdout.receive_some():
                pass
            return await process.wait()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_simulate_that_is_ended_as_soon_as_it_is_ready_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    more = {"env": os.environ | {"TMPDIR": str(tmp_path)}}
    assert await ended(["simulate", "--plain", "--json", "--port", "0"], number, **more) == 0
    assert not list(await trio.Path(tmp_path).iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serve_can_be_ended_while_a_device_opens(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "atm.toml").write_text(CONFIG)
    more = {"env": os.environ | {"PYTHONPATH": str(tmp_path)}, "cwd": tmp_path}
    assert await ended(["serve", "atm.toml"], number, **more) == 0
