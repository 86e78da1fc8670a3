"""Our client of NATS against the real server, with nats-py as the other end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from xfs4iot import _core
from xfs4iot.cli import uplink
from xfs4iot.fleet.broker import Broker
from xfs4iot.fleet.carrier import Absent, Carried, CarrierLost
from xfs4iot.fleet.nats import Login, Nats
from xfs4iot.fleet.store import Conflict, KeyValue
from xfs4iot.transport import tls

oracle = pytest.importorskip("nats")


async def test_what_nats_py_publishes_arrives_and_is_answered(nats: Nats, broker: Broker) -> None:
    got: list[Carried] = []

    def answer(message: Carried) -> None:
        got.append(message)
        nats.publish(message.reply, message.body[::-1], headers={"Seen": "yes"})

    nats.subscribe("ask.*", answer)
    await nats.flush()

    async def ask() -> tuple[bytes, dict[str, str] | None]:
        other = await oracle.connect(broker.url)
        bodies = [b"", b"\r\n", b"MSG a 1 3\r\nabc\r\n", bytes(range(256)) * 4000]
        for body in bodies:
            found = await other.request("ask.it", body, timeout=5, headers={"Kind": "a: b"})
            assert found.data == body[::-1]
        await other.close()
        return found.data, found.headers

    _, headers = await trio.to_thread.run_sync(lambda: asyncio.run(ask()))
    assert headers == {"Seen": "yes"}
    assert [len(one.body) for one in got] == [0, 2, 16, 1024000]
    assert all(one.headers == {"Kind": "a: b"} for one in got)


async def test_nobody_there_is_told_at_once(nats: Nats) -> None:
    with pytest.raises(Absent), trio.fail_after(3):
        await nats.request("nobody.home", b"")


async def test_a_connection_comes_back_with_its_subscriptions(
    nats: Nats, broker: Broker, nursery: trio.Nursery
) -> None:
    nats.subscribe("echo", lambda message: nats.publish(message.reply, message.body) and None)
    assert (await nats.request("echo", b"1")).body == b"1"
    broker.kill()
    with trio.fail_after(5):
        while nats.connected:  # noqa: ASYNC110
            await trio.sleep(0.01)
    with pytest.raises(CarrierLost):
        await nats.request("echo", b"2")
    await broker.start()
    with trio.fail_after(20):
        await nats.until_connected()
    assert (await nats.request("echo", b"3")).body == b"3"


async def test_values_are_kept_by_compare_and_set_as_nats_py_reads_them(nats: Nats, broker: Broker) -> None:
    store = KeyValue(nats, "x4-test")
    await store.make()
    await store.make()
    assert await store.get("atm1") is None
    first = await store.put("atm1", b"one", 0)
    with pytest.raises(Conflict):
        await store.put("atm1", b"two", 0)
    assert await store.put("atm1", b"two", first) > first
    for number in range(50):
        await store.put(f"other{number}", b"x")
    assert (await store.get("atm1") or (b"", 0))[0] == b"two"
    found = await store.everything()
    assert len(found) == 51
    assert found["atm1"] == b"two"

    async def read() -> bytes:
        other = await oracle.connect(broker.url)
        bucket = await other.jetstream().key_value("x4-test")
        value = (await bucket.get("atm1")).value
        await other.close()
        return bytes(value)

    assert await trio.to_thread.run_sync(lambda: asyncio.run(read())) == b"two"


async def test_a_server_that_hangs_is_given_up(broker: Broker, nursery: trio.Nursery) -> None:
    one = Nats((broker.url,), ping_seconds=0.2)
    await nursery.start(one.run)
    with trio.fail_after(30):
        await one.until_connected()
        broker.freeze()
        while one.connected:  # noqa: ASYNC110
            await trio.sleep(0.02)
        broker.thaw()
        await one.until_connected()


async def test_who_waits_for_a_connection_has_it_when_the_first_attempt_failed(
    server: str, tmp_path: Path, nursery: trio.Nursery
) -> None:
    broker = Broker.at(tmp_path / "broker")
    nats = Nats((broker.url,))
    await nursery.start(nats.run)
    async with trio.open_nursery() as waiting:
        waiting.start_soon(nats.until_connected)
        with trio.fail_after(10):
            while not nats.trouble:  # noqa: ASYNC110
                await trio.sleep(0.01)
        async with broker.running():
            with trio.fail_after(20):
                while not nats.connected:  # noqa: ASYNC110
                    await trio.sleep(0.01)
                await nats.until_connected()
                while waiting.child_tasks:  # noqa: ASYNC110
                    await trio.sleep(0.01)


async def test_a_new_certificate_is_not_kept_waiting(
    server: str, tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that was refused waits for minutes; whoever has enrolled it anew stands before it."""
    monkeypatch.setattr(uplink, "_LOOK_SECONDS", 0.05)
    broker, file = Broker.at(tmp_path / "broker"), tmp_path / "device.pem"
    file.write_text("old")
    nats = Nats((broker.url,), wait=lambda failures: 1000.0 * failures)
    await nursery.start(nats.run)
    nursery.start_soon(uplink._take_up, nats, file)
    with trio.fail_after(10):
        while not nats.trouble:  # noqa: ASYNC110
            await trio.sleep(0.01)
    async with broker.running():
        await trio.sleep(0.2)
        assert not nats.connected
        (tmp_path / "new").write_text("new")
        (tmp_path / "new").replace(file)
        with trio.fail_after(10):
            await nats.until_connected()


async def test_what_the_network_does_not_take_at_once_arrives_whole_and_in_order(
    nats: Nats, broker: Broker, nursery: trio.Nursery
) -> None:
    other = Nats((broker.url,))
    await nursery.start(other.run)
    arrived: list[bytes] = []
    wanted = [b"%04d" % number * 25_000 for number in range(60)]
    other.subscribe("large", lambda message: arrived.append(message.body))
    with trio.fail_after(60):
        await other.until_connected()
        await other.flush()
        for body in wanted:
            assert nats.publish("large", body)
            # Whether or not what was sent before has left.
            nats.flush_now()
        await nats.flush()
        while len(arrived) < len(wanted):  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert arrived == wanted


async def test_what_follows_from_messages_is_done_once_for_all_that_arrived_together(
    nats: Nats, broker: Broker
) -> None:
    heard: list[bytes] = []
    done: list[int] = []

    def received(message: Carried) -> None:
        if not heard:
            nats.afterwards(lambda: done.append(len(heard)))
        heard.append(message.body)

    nats.subscribe("many", received)
    await nats.flush()
    for _ in range(10):
        nats.publish("many", b"")
    await nats.flush()
    assert len(heard) == 10
    # The broker sends in one piece what has come in one.
    assert done[0] > 1
    nats.afterwards(lambda: done.append(0))
    assert done[-1] == 0


MESSAGES = st.lists(st.tuples(st.binary(max_size=80), st.booleans(), st.booleans()), max_size=8)


@given(MESSAGES, st.lists(st.integers(1, 60), min_size=1, max_size=10))
def test_what_a_server_says_is_read_wherever_its_bytes_are_cut(
    said: list[tuple[bytes, bool, bool]], cuts: list[int]
) -> None:
    stream, expected = bytearray(), list[object]()
    head = b"NATS/1.0\r\nA: b\r\n\r\n"
    for number, (body, with_reply, with_headers) in enumerate(said):
        reply, extra = ("answer.here", b"answer.here ") if with_reply else ("", b"")
        if with_headers:
            sizes = b"%d %d" % (len(head), len(head) + len(body))
            stream += b"HMSG a.b %d %b%b\r\n%b%b\r\n" % (number, extra, sizes, head, body)
        else:
            stream += b"MSG a.b %d %b%d\r\n%b\r\n" % (number, extra, len(body), body)
        expected.append((number, "a.b", reply, head if with_headers else b"", body))
        stream += b"+OK\r\n"
        expected.append(b"+OK")
    at, rest, got, wanted = 0, b"", list[object](), 0
    while at < len(stream):
        step = cuts[at % len(cuts)]
        rest += stream[at : at + step]
        at += step
        if len(rest) < wanted:
            # It asks for no more than is there, or what is whole would wait.
            assert wanted - len(rest) <= len(stream) - at
            continue
        items, done, wanted = _core.read_nats(rest)
        got += items
        rest = rest[done:]
    assert got == expected
    assert not rest


@pytest.mark.parametrize(
    "line",
    [
        b"MSG a 1 -5", b"MSG a 1 5 6 7", b"MSG a 1", b"MSG a x 5", b"HMSG a 1 9 5", b"MSG a 1 99999999999",
        b"MSG a 1 " + b"9" * 50,
    ],
)  # fmt: skip
def test_what_no_server_says_ends_the_connection(line: bytes) -> None:
    with pytest.raises(ValueError, match="the server sends a"):
        _core.read_nats(line + b"\r\n" + b"x" * 10 + b"\r\n")


@given(st.binary(max_size=200))
def test_no_bytes_of_a_server_break_the_reader(data: bytes) -> None:
    with suppress(ValueError):
        _core.read_nats(b"MSG " + data)


async def test_a_broker_that_hangs_up_is_not_called_a_device(nursery: trio.Nursery) -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.send_all(b"INFO {}\r\n")
        await stream.receive_some()
        await stream.aclose()

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, hang_up, [listener])
    port = listener.socket.getsockname()[1]
    one = Nats((f"tls://127.0.0.1:{port}",), Login(tls.client_context))
    nursery.start_soon(one.run)
    with trio.fail_after(10):
        while not one.trouble:  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert one.trouble == "the broker hung up during the TLS handshake"
    nursery.cancel_scope.cancel()
