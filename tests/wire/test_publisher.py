"""A client finds the services; what is no client gets a helpful answer instead of a hang."""

from __future__ import annotations

import socket

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot.protocol.endpoints import PORTS
from xfs4iot.server.publisher import NoFreePort
from xfs4iot.simulator import atm as simulated_atm


async def test_get_services_tells_each_service_in_an_event_then_all(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    publisher: Dialogue = await nursery.start(dialogue, atm.uri())
    request_id = await publisher.send("ServicePublisher.GetServices")
    completion = await publisher.until("completion", request_id)
    uris = [service["serviceURI"] for service in completion["payload"]["services"]]
    assert uris == [atm.uri(name) for name in atm.services]
    assert completion["payload"]["vendorName"]
    told = [message for message in publisher.passed if message["header"]["type"] == "event"]
    assert [message["payload"]["services"][0]["serviceURI"] for message in told] == uris
    assert all(message["header"]["requestId"] == request_id for message in told)


async def test_the_uris_carry_the_name_that_the_client_used(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    publisher: Dialogue = await nursery.start(dialogue, atm.uri(host="localhost"))
    answer = await publisher.success("ServicePublisher.GetServices")
    assert all("//localhost:" in service["serviceURI"] for service in answer["services"])


async def test_the_first_free_port_of_the_standard_is_taken(nursery: trio.Nursery) -> None:
    def publisher() -> xfs4iot.Publisher:
        return xfs4iot.Publisher(simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0))

    first, second = publisher(), publisher()
    await nursery.start(first.serve)
    await nursery.start(second.serve)
    assert first.port in PORTS
    assert second.port in PORTS
    assert PORTS.index(first.port) < PORTS.index(second.port)
    assert second.passed_over.startswith(f"on port {second.port}, as none before it was free (")
    assert str(first.port) in second.passed_over


async def test_a_port_in_use_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        publisher = xfs4iot.Publisher([], port=taken.getsockname()[1])
        with pytest.raises(NoFreePort, match="in use"):
            await publisher.serve()


@pytest.mark.parametrize("host", ["203.0.113.7", "nowhere.invalid"])
@pytest.mark.parametrize("port", [0, None])
async def test_an_address_of_another_machine_is_said_so(host: str, port: int | None) -> None:
    publisher = xfs4iot.Publisher([], host=host, port=port, plain_anywhere=True)
    with pytest.raises(NoFreePort, match=f"^{host} is no address of this machine"):
        await publisher.serve()


def test_plain_text_is_served_beyond_this_machine_only_on_explicit_demand() -> None:
    with pytest.raises(ValueError, match="plain_anywhere"):
        xfs4iot.Publisher([], host="0.0.0.0")
    assert xfs4iot.Publisher([], host="0.0.0.0", plain_anywhere=True).scheme == "ws"


async def http(publisher: xfs4iot.Publisher, request: bytes) -> bytes:
    """What the publisher's port says to raw bytes, until it hangs up."""
    stream = await trio.open_tcp_stream("127.0.0.1", publisher.port or 0)
    async with stream:
        await stream.send_all(request)
        answer = b""
        with trio.fail_after(5):
            while data := await stream.receive_some():
                answer += data
    return answer


@pytest.mark.parametrize(
    ("request_bytes", "status", "words"),
    [
        (b"GET /xfs4iot/v1.0 HTTP/1.1\r\nHost: a\r\n\r\n", b"426", b"WebSocket"),
        (b"POST /xfs4iot/v1.0 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b"405", b"GET"),
        (b"garbage\r\n\r\n", b"400", b""),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), b"400", b"TLS"),
        (
            b"GET /nowhere HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            b"404",
            b"/xfs4iot/v1.0/CashDispenser",
        ),
        (
            b"GET /xfs4iot/v1.0 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n",
            b"426",
            b"13",
        ),
        (
            b"GET /xfs4iot/v1.0 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Origin: https://evil.example\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            b"403",
            b"evil.example",
        ),
    ],
)
async def test_what_is_no_upgrade_gets_a_helpful_answer(
    atm: xfs4iot.Publisher, request_bytes: bytes, status: bytes, words: bytes
) -> None:
    answer = await http(atm, request_bytes)
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert words in answer
