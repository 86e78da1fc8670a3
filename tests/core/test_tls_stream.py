"""TLS and plain streams keep their promises under trio: order, cancellation, closing, refusal."""

from __future__ import annotations

import random
import socket
import ssl
from pathlib import Path

import pytest
import trio
import trio.lowlevel
import trio.testing

from secured import HOSTS, Pair, config, connected, outcome, shake
from xfs4iot.transport import tcp, tls
from xfs4iot.transport.certificates import TestAuthority, test_authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return test_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: TestAuthority) -> Pair:
    return authority.issue_device("atm17", HOSTS)


class TestTCP:
    """Plain connections."""

    def make_pair(self) -> tuple[tcp.SocketStream, tcp.SocketStream]:
        left, right = socket.socketpair()
        return tcp.SocketStream(left), tcp.SocketStream(right)

    async def test_a_full_connection_waits_and_a_closed_one_says_so(self) -> None:
        left, right = self.make_pair()
        with trio.move_on_after(0.05):
            while True:
                await left.send_all(bytes(65536))
        with trio.move_on_after(0.01) as scope:
            await left.wait_send_all_might_not_block()
        assert scope.cancelled_caught
        await left.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await left.send_all(b"x")
        with pytest.raises(trio.ClosedResourceError):
            await left.receive_some()
        while await right.receive_some():
            pass
        await right.aclose()

    async def test_closing_wakes_who_waits(self) -> None:
        left, right = self.make_pair()
        results: list[Exception | None] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome, left.receive_some, results)
            await trio.testing.wait_all_tasks_blocked()
            await left.aclose()
        assert isinstance(results[0], trio.ClosedResourceError)
        await right.aclose()

    async def test_one_that_only_sends_lets_others_run(self) -> None:
        left, right = self.make_pair()
        others = 0

        async def count() -> None:
            nonlocal others
            while True:
                others += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            for _ in range(64):
                await left.send_all(b"x")
            assert others >= 3
            nursery.cancel_scope.cancel()
        await left.aclose()
        await right.aclose()


async def test_listeners_bind_the_address_named_and_no_other() -> None:
    (listener,) = await tcp.open_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with listener, pytest.raises(OSError, match=r"refused|all attempts"):
        await trio.open_tcp_stream("127.0.0.2", port)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_data_passes_both_ways_at_once_whatever_its_size(
    authority: TestAuthority, pair: Pair, version: ssl.TLSVersion
) -> None:
    context = ssl.create_default_context(cafile=authority.certificate_file)
    context.minimum_version = context.maximum_version = version
    chance = random.Random(17)
    pieces = [
        chance.randbytes(size) for size in (1, 5, 16_383, 16_384, 16_385, 70_000, 300_000, 3, 1_000_000)
    ]

    async def send(stream: trio.abc.Stream) -> None:
        for piece in pieces:
            await stream.send_all(piece)

    async def receive(stream: trio.abc.Stream) -> None:
        got = bytearray()
        while len(got) < sum(map(len, pieces)):
            size = chance.choice([None, None, 1, 100, 20_000])
            data = await stream.receive_some(size)
            assert data
            got += data
        assert got == b"".join(pieces)

    async with connected(config(pair), context) as (device, client), trio.open_nursery() as nursery:
        for stream in (device, client):
            nursery.start_soon(send, stream)
            nursery.start_soon(receive, stream)


async def test_bytes_that_come_one_by_one_make_up_records(authority: TestAuthority, pair: Pair) -> None:
    """Record headers split anywhere are put together again."""
    near, far = trio.testing.memory_stream_pair()
    device = tls.TLSStream(
        trio.StapledStream(far, _Dripping(far)), tls.server_context(config(pair)), server_side=True
    )
    client = tls.TLSStream(
        near,
        tls.client_context(ca=authority.certificate_file),
        server_side=False,
        server_hostname="localhost",
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(device.do_handshake)
        nursery.start_soon(client.do_handshake)

    async def send() -> None:
        for number in range(50):
            await client.send_all(b"%03d" % number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        got = b""
        while len(got) < 150:
            got += await device.receive_some()
    assert got == b"".join(b"%03d" % number for number in range(50))


class _Dripping(trio.abc.ReceiveStream):
    """Receives in pieces of one to seven bytes."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.chance = random.Random(5)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(self.chance.randint(1, 7))

    async def aclose(self) -> None:
        await self.stream.aclose()


async def test_the_goodbye_arrives_as_an_end_and_its_lack_as_a_loss(
    authority: TestAuthority, pair: Pair
) -> None:
    context = ssl.create_default_context(cafile=authority.certificate_file)
    async with connected(config(pair), context) as (device, client):
        assert await shake(device, client) == (None, None)
        await device.aclose()
        assert await client.receive_some() == b""
    async with connected(config(pair), ca=authority.certificate_file) as (device, client):
        assert await shake(device, client) == (None, None)
        await trio.aclose_forcefully(client)
        with pytest.raises(trio.BrokenResourceError):
            await device.receive_some()


async def test_a_cancelled_receive_loses_nothing(authority: TestAuthority, pair: Pair) -> None:
    async with connected(config(pair), ca=authority.certificate_file) as (device, client):
        assert await shake(device, client) == (None, None)
        got = b""

        async def send() -> None:
            for number in range(100):
                await client.send_all(b"%04d" % number)
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while len(got) < 400:
                with trio.move_on_after(0):
                    got += await device.receive_some()
                await trio.lowlevel.checkpoint()
                with trio.move_on_after(0.001):
                    got += await device.receive_some()
        assert got == b"".join(b"%04d" % number for number in range(100))


async def test_a_receive_that_was_cancelled_before_it_began_leaves_what_is_there(
    authority: TestAuthority, pair: Pair
) -> None:
    async with connected(config(pair), ca=authority.certificate_file) as (device, client):
        assert await shake(device, client) == (None, None)
        await client.send_all(b"0123456789")
        got = await device.receive_some(1)
        # The rest of the record has arrived: nothing is waited for any more.
        for _ in range(4):
            with trio.CancelScope() as scope:
                scope.cancel()
                got += await device.receive_some(2)
            got += await device.receive_some(2)
        while len(got) < 10:
            got += await device.receive_some(2)
        assert got == b"0123456789"


async def test_what_the_tls_layer_says_does_not_break_into_a_record(
    authority: TestAuthority, pair: Pair
) -> None:
    async with connected(config(pair), ca=authority.certificate_file) as (device, client):
        assert await shake(device, client) == (None, None)
        sent = 0
        while not device.has_unsent:
            sent += device.send_now(bytes(16_384))
        got = bytearray()

        async def receive() -> None:
            while len(got) < sent + 5:
                got.extend(await client.receive_some())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            # In the place of an answer to a change of keys, which OpenSSL gives by itself.
            await device._interject(device._encrypt(b"words"))
        assert bytes(got) == bytes(sent) + b"words"


async def test_after_a_cancelled_send_it_still_receives_and_refuses_to_send(
    authority: TestAuthority, pair: Pair
) -> None:
    async with connected(config(pair), ca=authority.certificate_file) as (device, client):
        assert await shake(device, client) == (None, None)
        with trio.move_on_after(0.05) as scope:
            await device.send_all(bytes(50_000_000))
        assert scope.cancelled_caught
        await client.send_all(b"still there")
        assert await device.receive_some() == b"still there"
        with pytest.raises(trio.BrokenResourceError, match="did not finish"):
            await device.send_all(b"x")


async def test_closing_while_others_send_and_receive_ends_them(authority: TestAuthority, pair: Pair) -> None:
    async with connected(config(pair), ca=authority.certificate_file) as (device, client):
        assert await shake(device, client) == (None, None)
        results: list[Exception | None] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome, device.receive_some, results)
            nursery.start_soon(outcome, lambda: device.send_all(bytes(50_000_000)), results)
            await trio.testing.wait_all_tasks_blocked(0.05)
            await device.aclose()
        assert [type(one) for one in results] == [trio.ClosedResourceError] * 2
        with pytest.raises(trio.ClosedResourceError):
            await device.send_all(b"x")


async def test_a_cancelled_handshake_leaves_a_stream_that_says_so(pair: Pair) -> None:
    async with connected(config(pair), ca=pair[0]) as (device, _client):
        with trio.move_on_after(0.01):
            await device.do_handshake()
        with pytest.raises(trio.BrokenResourceError, match="handshake"):
            await device.receive_some()
        await device.aclose()


async def test_two_tasks_may_not_receive_at_once(authority: TestAuthority, pair: Pair) -> None:
    async with connected(config(pair), ca=authority.certificate_file) as (device, client):
        assert await shake(device, client) == (None, None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(device.receive_some)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await device.receive_some()
            nursery.cancel_scope.cancel()


async def test_a_certificate_for_another_name_is_said_so(authority: TestAuthority, pair: Pair) -> None:
    async with connected(config(pair), ca=authority.certificate_file, host="atm18.bank.example") as streams:
        at_device, at_client = await shake(*streams)
    assert isinstance(at_client, tls.TLSError)
    assert "is for 127.0.0.1, localhost; you asked for atm18.bank.example" in str(at_client)
    assert isinstance(at_device, tls.TLSError)
    assert "may have refused our certificate" in str(at_device)


async def test_an_unknown_authority_is_said_so_to_both(pair: Pair, tmp_path: Path) -> None:
    other = test_authority(tmp_path)
    async with connected(config(pair), ca=other.certificate_file) as streams:
        at_device, at_client = await shake(*streams)
    assert "CN=atm17 comes from an authority that is not trusted here" in str(at_client)
    assert "does not trust the authority" in str(at_device)


@pytest.mark.parametrize(
    ("first_bytes", "words"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "plain HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak TLS"),
        (b"\x16\x03\x01\xff\xff" + bytes(70_000), "TLS"),
        (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "TLS"),
        (b"", "hung up"),
    ],
)
async def test_what_is_no_tls_is_named(pair: Pair, first_bytes: bytes, words: str) -> None:
    async with connected(config(pair), ca=pair[0]) as (device, client):
        assert isinstance(client, tls.TLSStream)
        raw = client._stream
        assert isinstance(raw, trio.SocketStream)
        results: list[Exception | None] = []

        async def serve() -> None:
            await outcome(device.do_handshake, results)
            await device.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            if first_bytes:
                await raw.send_all(first_bytes)
            await raw.send_eof()
            answer = b""
            try:
                while data := await raw.receive_some():
                    answer += data
            except trio.BrokenResourceError:
                pass
        assert isinstance(results[0], tls.TLSError)
        assert words in str(results[0])
        if first_bytes.startswith(b"GET"):
            assert answer.startswith(b"HTTP/1.1 400")
            assert b"wss://" in answer


async def test_old_versions_of_tls_are_refused_by_name(authority: TestAuthority, pair: Pair) -> None:
    context = ssl.create_default_context(cafile=authority.certificate_file)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with connected(config(pair), context) as streams:
        at_device, at_client = await shake(*streams)
    assert "before 1.2" in str(at_device)
    assert isinstance(at_client, trio.BrokenResourceError)
    assert isinstance(at_client.__cause__, ssl.SSLError)
    assert "protocol version" in str(at_client.__cause__) or "PROTOCOL" in str(at_client.__cause__)
