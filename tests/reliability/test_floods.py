"""Floods and slowness of one client are its own affair; the others are served as before."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Awaitable, Callable

import trio

import xfs4iot
from dialogue import Dialogue, dialogue, outcome
from frames import PING, PONG, frame, raw_connection
from xfs4iot.server.channel import SessionLimits
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.transport.limits import Limits

UNHARMED = 25
"""How many times as long a polite client may wait beside a flood; both share this machine's cores."""


def command(name: str, request_id: int) -> bytes:
    header = {"type": "command", "name": name, "requestId": request_id, "version": "2.0"}
    return frame(json.dumps({"header": header, "payload": {}}))


async def latency(client: Dialogue, samples: int = 40) -> float:
    taken = []
    for _ in range(samples):
        began = trio.current_time()
        await client.success("Common.Status")
        taken.append(trio.current_time() - began)
    return statistics.median(taken)


async def started(nursery: trio.Nursery, **settings: object) -> xfs4iot.Publisher:
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
    publisher = xfs4iot.Publisher(services, port=0, **settings)
    await nursery.start(publisher.serve)
    return publisher


async def beside(
    publisher: xfs4iot.Publisher, nursery: trio.Nursery, nuisance: Callable[[], Awaitable[None]]
) -> float:
    """How many times as long a polite client waits while the nuisance goes on."""
    polite: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    undisturbed = await latency(polite)
    async with trio.open_nursery() as other:
        other.start_soon(nuisance)
        await trio.sleep(0.1)
        disturbed = await latency(polite)
        other.cancel_scope.cancel()
    return disturbed / undisturbed


async def test_a_client_that_never_reads_is_cut_off(nursery: trio.Nursery) -> None:
    publisher = await started(nursery, session_limits=SessionLimits(send_seconds=0.3))
    async with raw_connection(publisher.uri("CashDispenser")) as deaf:
        with trio.fail_after(20):
            try:
                number = 0
                while True:
                    number += 1
                    await deaf.send(command("Common.Capabilities", number) * 50)
            except trio.BrokenResourceError:
                pass
    polite: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    assert await polite.success("Common.Status")


async def test_events_do_not_pile_up_for_a_client_that_never_reads(nursery: trio.Nursery) -> None:
    publisher = await started(nursery, session_limits=SessionLimits(outgoing_bytes=50_000, send_seconds=3600))
    service = publisher.services["CashDispenser"]
    async with raw_connection(publisher.uri("CashDispenser")) as deaf:
        await deaf.send(command("Common.Status", 1))
        await deaf.receive()
        with trio.fail_after(30):
            while service.sessions:
                for state in ("deviceOffline", "online"):
                    assert service.device is not None
                    service.device.status.common.device = "offline" if state != "online" else state
                    service.flush_status()
                await trio.lowlevel.checkpoint()


async def test_a_flood_of_commands_leaves_others_served(nursery: trio.Nursery) -> None:
    publisher = await started(nursery)

    async def flood() -> None:
        async with raw_connection(publisher.uri("CashDispenser")) as connection, trio.open_nursery() as both:

            async def read() -> None:
                while await connection.stream.receive_some():
                    pass

            both.start_soon(read)
            while True:
                await connection.send(command("Common.Status", 1) * 20)

    assert await beside(publisher, nursery, flood) < UNHARMED


async def test_connections_opened_and_dropped_leave_others_served(nursery: trio.Nursery) -> None:
    publisher = await started(nursery, limits=Limits(total=10_000, per_address=10_000))

    async def come_and_go() -> None:
        while True:
            stream = await trio.open_tcp_stream("127.0.0.1", publisher.port or 0)
            await trio.aclose_forcefully(stream)

    assert await beside(publisher, nursery, come_and_go) < UNHARMED


async def test_too_many_connections_of_one_address_are_refused(nursery: trio.Nursery) -> None:
    publisher = await started(nursery, limits=Limits(total=100, per_address=3))
    for _ in range(3):
        await nursery.start(dialogue, publisher.uri("CashDispenser"))
    async with await trio.open_tcp_stream("127.0.0.1", publisher.port or 0) as stream:
        with trio.fail_after(5), contextlib.suppress(trio.BrokenResourceError):
            assert await stream.receive_some() == b""


async def test_a_client_that_only_connects_is_sent_away(nursery: trio.Nursery) -> None:
    publisher = await started(nursery, limits=Limits(handshake_seconds=0.3))
    stream = await trio.open_tcp_stream("127.0.0.1", publisher.port or 0)
    async with stream:
        await stream.send_all(b"GET /xfs4iot")
        with trio.fail_after(5):
            assert await stream.receive_some() == b""


async def test_thousands_of_cancels_are_answered(dispenser: Dialogue) -> None:
    with trio.fail_after(30):
        for _ in range(20):
            sent = [await dispenser.send("Common.Cancel") for _ in range(100)]
            for request_id in sent:
                completion = await dispenser.until("completion", request_id)
                assert outcome(completion) == "success"


async def test_a_silent_client_is_asked_whether_it_is_there_and_dropped_if_it_is_not(
    nursery: trio.Nursery,
) -> None:
    publisher = await started(nursery, session_limits=SessionLimits(idle_seconds=1.5))
    async with (
        raw_connection(publisher.uri("CashDispenser")) as dead,
        raw_connection(publisher.uri("CashDispenser")) as alive,
        trio.open_nursery() as answering,
    ):
        answered = 0

        async def answer() -> None:
            nonlocal answered
            while True:
                opcode, payload = await alive.receive()
                if opcode == PING:
                    answered += 1
                    await alive.send(frame(payload, PONG))

        answering.start_soon(answer)
        pings = 0
        with contextlib.suppress(EOFError, trio.BrokenResourceError):
            while (await dead.receive())[0] == PING:
                pings += 1
        assert pings
        assert answered
        with trio.fail_after(10):
            while len(publisher.services["CashDispenser"].sessions) != 1:
                await trio.lowlevel.checkpoint()
        answering.cancel_scope.cancel()


async def test_a_request_id_used_again_and_again_is_refused_each_time(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    await client.send("CashManagement.Reset", requestId=7)
    for _ in range(500):
        await client.send("CashManagement.Reset", requestId=7)
    answers = [await client.until("acknowledge", 7) for _ in range(501)]
    assert [answer["header"].get("status") for answer in answers] == [None] + ["invalidRequestID"] * 500
    await client.until("completion", 7)
    assert await client.success("Common.Status")


async def test_more_open_commands_than_allowed_are_refused(nursery: trio.Nursery) -> None:
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=1)
    publisher = xfs4iot.Publisher(services, port=0, session_limits=SessionLimits(open_commands=3))
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    sent = [await client.send("CashManagement.Reset") for _ in range(5)]
    answers = [(await client.until("acknowledge", one))["header"].get("status") for one in sent]
    assert answers == [None, None, None, "tooManyRequests", "tooManyRequests"]
    other: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    assert await other.success("Common.Status")


async def test_commands_of_a_client_that_left_take_no_place_in_the_queue(nursery: trio.Nursery) -> None:
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=2)
    for service in services:
        service.queue_limit = 3
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    staying: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    await staying.until("acknowledge", await staying.send("CashManagement.Reset"))
    for _ in range(5):
        leaving: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
        for _ in range(2):
            answer = await leaving.until("acknowledge", await leaving.send("CashManagement.Reset"))
            assert "status" not in answer["header"]
        await leaving.connection.aclose()
        with trio.fail_after(5):
            while len(publisher.services["CashDispenser"].sessions) > 1:
                await trio.lowlevel.checkpoint()
    assert await staying.completion("CashManagement.Reset")
