"""Each case of the conformance suite for WebSocket servers, groups 1 to 7, 9 and 10, restated.

See `conformance` for how an echo becomes a command. Each case runs with a connection of its
own, and each ends by asking again: the connection if it stayed, else another one.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress

import pytest
import trio
import trio.testing

import xfs4iot
from conformance import CASES, STATUS, Case, command, large
from frames import CLOSE, PING, PONG, TEXT, RawConnection, frame, raw_connection
from xfs4iot.devices import Device
from xfs4iot.server.channel import SessionLimits

LARGEST = 20 << 20
PATIENCE = 60
GROUPS = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 38, "9": 54, "10": 1}
"""How many cases each group has."""


@pytest.fixture
async def uri(nursery: trio.Nursery) -> str:
    """A service that takes messages as large as the largest case."""
    limits = SessionLimits(message_bytes=LARGEST, send_seconds=PATIENCE)
    publisher = xfs4iot.Publisher([xfs4iot.Service(Device("Device"))], port=0, session_limits=limits)
    await nursery.start(publisher.serve)
    return publisher.uri("Device")


async def send(connection: RawConnection, case: Case) -> None:
    """Send in the pieces the case asks for; the service may hang up before the end."""
    with suppress(trio.BrokenResourceError):
        if case.pieces < 0:
            for one in case.sent:
                await connection.send(one)
        else:
            data = b"".join(case.sent)
            step = case.pieces or len(data)
            for start in range(0, len(data), step):
                await connection.send(data[start : start + step])


async def received(connection: RawConnection, case: Case, sending: trio.CancelScope) -> Case:
    """What came back to the end of the connection, as the case that it should be."""
    answered: list[tuple[int, str]] = []
    refused, pongs, closed = 0, [], None
    while True:
        try:
            opcode, payload = await connection.receive()
        except (EOFError, trio.BrokenResourceError):
            break
        if opcode == PONG and payload == b"last":
            break
        if opcode == PONG:
            pongs.append(payload)
        elif opcode == CLOSE:
            closed = int.from_bytes(payload[:2], "big")
            sending.cancel()
            await trio.testing.wait_all_tasks_blocked()
            with suppress(trio.BrokenResourceError):
                await connection.stream.send_eof()
        elif opcode == TEXT:
            header = json.loads(payload)["header"]
            if header["type"] == "completion":
                answered.append((header["requestId"], header["name"]))
            elif "status" in header or not header["name"]:
                refused += 1
    return Case(case.number, case.sent, case.pieces, tuple(answered), refused, tuple(pongs), closed)


async def hold(uri: str, case: Case) -> None:
    """Run a case and see that exactly what it says comes back."""
    with trio.fail_after(PATIENCE):
        until_closed = trio.CancelScope()
        async with raw_connection(uri) as connection, trio.open_nursery() as sending:

            async def talk() -> None:
                with until_closed:
                    await send(connection, case)
                    if case.closed is None:
                        await connection.send(frame(b"last", PING))

            sending.start_soon(talk)
            back = await received(connection, case, until_closed)
        assert (back.answered, back.refused, back.pongs, back.closed) == (
            case.answered,
            case.refused,
            case.pongs,
            case.closed,
        )
        async with raw_connection(uri) as other:
            await other.send(frame(command(1)))
            assert STATUS.encode() in (await other.receive())[1]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.number)
async def test_case(uri: str, case: Case) -> None:
    await hold(uri, case)


async def test_large_messages_and_many(uri: str) -> None:
    numbers = []
    for case in large():
        await hold(uri, case)
        numbers.append(case.number)
    assert counted(numbers) == {group: count for group, count in GROUPS.items() if int(group) > 7}


def test_no_case_is_missing() -> None:
    numbers = [case.number for case in CASES]
    assert counted(numbers) == {group: count for group, count in GROUPS.items() if int(group) <= 7}


def counted(numbers: list[str]) -> Counter[str]:
    """How many cases of each group these are."""
    assert len(set(numbers)) == len(numbers)
    return Counter(number.partition(".")[0] for number in numbers)
