"""What serving costs: few tasks, few sends, nothing at rest, nothing left behind."""

from __future__ import annotations

import contextlib
import gc
import json
import ssl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

import xfs4iot
from frames import PING, PONG, frame, raw_connection
from secured import config, secure_atm
from xfs4iot.server.channel import SessionLimits
from xfs4iot.server.session import Session
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.transport.certificates import test_authority

PATH = "/xfs4iot/v1.0/CashDispenser"
FILLED_RECORD = 16 * 1024


def status(request_id: int) -> bytes:
    header = {"type": "command", "name": "Common.Status", "requestId": request_id, "version": "2.0"}
    return frame(json.dumps({"header": header}))


class Steps(trio.abc.Instrument):
    """Counts tasks that are started and steps that tasks take."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.seen["tasks"] += 1

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.seen["steps"] += 1


@contextlib.contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count for as long as the block lasts."""
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    try:
        yield steps.seen
    finally:
        trio.lowlevel.remove_instrument(steps)


async def started(nursery: trio.Nursery, **limits: float) -> xfs4iot.Publisher:
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
    publisher = xfs4iot.Publisher(services, port=0, session_limits=SessionLimits(**limits))  # type: ignore[arg-type]
    await nursery.start(publisher.serve)
    return publisher


def sessions() -> int:
    """Sessions that something still holds."""
    # By type: an object of another test may raise when it is asked for its class.
    return sum(type(one) is Session for one in gc.get_objects())


class Secured:
    """A TLS client that sees the records in which answers come."""

    def __init__(self, stream: trio.SocketStream, authority: Path) -> None:
        self.stream = stream
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=authority)
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")
        self.encrypted = b""

    async def shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                self._in.write(await self.stream.receive_some())
            else:
                return await self._flush()

    async def _flush(self) -> None:
        if data := self._out.read():
            await self.stream.send_all(data)

    async def send(self, data: bytes) -> None:
        self._tls.write(data)
        await self._flush()

    async def receive(self) -> bytes:
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                return self._tls.read(1 << 20)
            with trio.fail_after(5):
                data = await self.stream.receive_some()
            self.encrypted += data
            self._in.write(data)

    def records(self) -> list[int]:
        """Length of each record that was received since `encrypted` was emptied."""
        found, rest = [], self.encrypted
        while rest:
            found.append(int.from_bytes(rest[3:5], "big"))
            rest = rest[5 + found[-1] :]
        return found


@contextlib.asynccontextmanager
async def secured(publisher: xfs4iot.Publisher, authority: Path):
    """A connection of that kind after both handshakes."""
    async with await trio.open_tcp_stream("127.0.0.1", publisher.port or 0) as stream:
        client = Secured(stream, authority)
        await client.shake_hands()
        await client.send(
            f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += await client.receive()
        client.encrypted = b""
        yield client


async def test_commands_that_need_no_waiting_start_no_task(atm: xfs4iot.Publisher) -> None:
    async with raw_connection(atm.uri("CashDispenser")) as client:
        await client.send(status(1))
        await client.receive()
        await client.receive()
        with counted() as seen:
            for number in range(2, 52):
                await client.send(status(number))
                for _ in range(2):
                    await client.receive()
        assert seen["tasks"] == 0


async def test_answers_that_are_ready_together_fill_records(nursery: trio.Nursery, tmp_path: Path) -> None:
    authority = test_authority(tmp_path)
    publisher = await secure_atm(nursery, config(authority.issue_device("atm", ["localhost"])))
    async with secured(publisher, authority.certificate_file) as client:
        await client.send(b"".join(status(number) for number in range(1, 101)))
        answers = b""
        while answers.count(b'"type":"completion"') < 100:
            answers += await client.receive()
        records = client.records()
        assert len(answers) > 2 * FILLED_RECORD
        assert len(records) == -(-len(answers) // FILLED_RECORD)


@pytest.mark.parametrize("connections", [0, 3])
async def test_nothing_turns_while_nobody_asks(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, connections: int
) -> None:
    publisher = await started(nursery, idle_seconds=1e6)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(connections):
            client = await stack.enter_async_context(raw_connection(publisher.uri("CashDispenser")))
            await client.send(status(1))
            await client.receive()
        await trio.sleep(1)
        with counted() as seen:
            await trio.sleep(80_000)
        assert seen["steps"] <= 2


async def test_a_silent_client_is_asked_and_stays_if_it_answers(nursery: trio.Nursery) -> None:
    publisher = await started(nursery, idle_seconds=0.2)
    async with raw_connection(publisher.uri("CashDispenser")) as client:
        for _ in range(3):
            opcode, payload = await client.receive()
            assert opcode == PING
            await client.send(frame(payload, PONG))
        await client.send(status(1))
        assert b"acknowledge" in (await client.receive())[1]


async def test_a_client_that_is_silent_for_too_long_is_dropped(nursery: trio.Nursery) -> None:
    publisher = await started(nursery, idle_seconds=0.2)
    async with raw_connection(publisher.uri("CashDispenser")) as client:
        assert (await client.receive())[0] == PING
        with pytest.raises((EOFError, trio.BrokenResourceError)):
            await client.receive()


@pytest.mark.parametrize("abrupt", [True, False])
@pytest.mark.parametrize("secure", [True, False])
async def test_what_a_connection_held_is_free_when_it_ends(
    nursery: trio.Nursery, tmp_path: Path, secure: bool, abrupt: bool
) -> None:
    authority = test_authority(tmp_path)
    if secure:
        publisher = await secure_atm(nursery, config(authority.issue_device("atm", ["localhost"])))
    else:
        publisher = await started(nursery)
    gc.collect()
    gc.disable()
    before = sessions()
    try:
        for number in range(1, 6):
            async with (
                secured(publisher, authority.certificate_file)
                if secure
                else raw_connection(publisher.uri("CashDispenser")) as client
            ):
                await client.send(status(number))
                await client.receive()
                if not abrupt:
                    await client.send(frame((1000).to_bytes(2, "big"), 8))
                    with contextlib.suppress(EOFError):
                        while await client.receive():
                            pass
        with trio.fail_after(5):
            for _ in range(100):
                await trio.sleep(0.01)
                if sessions() <= before:
                    break
            else:
                pytest.fail("a connection that has ended is still held")
    finally:
        gc.enable()
