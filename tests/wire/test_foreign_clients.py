"""WebSocket libraries that we did not write talk to a service as they come out of their box.

Each offers what it offers by default (compression among it, which is not taken), sends a
command, a long one, and one in fragments where it can, pings, and closes in order.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import tornado.websocket
import trio
import websocket
import websockets
import websockets.sync.client
import wsproto
import wsproto.events

import xfs4iot

PATIENCE = 30
LONG = 300_000

Received = list[dict[str, Any]]


def command(number: int, size: int = 0) -> str:
    header = {"type": "command", "name": "Common.Status", "requestId": number, "version": "2.0"}
    return json.dumps({"header": header, "payload": {"text": "ä" * (size // 2)}}, ensure_ascii=False)


def with_websockets_threads(uri: str) -> tuple[Received, int]:
    with websockets.sync.client.connect(uri, open_timeout=PATIENCE) as connection:
        connection.send(command(1))
        connection.send(command(2, LONG))
        text = command(3)
        connection.send(iter([text[:10], text[10:30], text[30:]]))
        answers = [json.loads(connection.recv(PATIENCE)) for _ in range(6)]
        assert connection.ping(b"there?").wait(PATIENCE)
    return answers, connection.protocol.close_code or 0


def with_websockets_asyncio(uri: str) -> tuple[Received, int]:
    async def talk() -> tuple[Received, int]:
        async with websockets.connect(uri, open_timeout=PATIENCE) as connection:
            await connection.send(command(1))
            await connection.send(command(2, LONG))
            text = command(3)
            await connection.send([text[:10], text[10:30], text[30:]])
            answers = [json.loads(await connection.recv()) for _ in range(6)]
            await (await connection.ping(b"there?"))
        return answers, connection.protocol.close_code or 0

    return asyncio.run(talk())


def with_aiohttp(uri: str) -> tuple[Received, int]:
    async def talk() -> tuple[Received, int]:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(uri, compress=15, autoping=False) as connection:
                await connection.send_str(command(1))
                await connection.send_str(command(2, LONG))
                await connection.send_str(command(3))
                answers = [json.loads(await connection.receive_str()) for _ in range(6)]
                await connection.ping(b"there?")
                pong = await connection.receive()
                assert (pong.type, bytes(pong.data)) == (aiohttp.WSMsgType.PONG, b"there?")
            return answers, connection.close_code or 0

    return asyncio.run(talk())


def with_tornado(uri: str) -> tuple[Received, int]:
    async def talk() -> tuple[Received, int]:
        connection = await tornado.websocket.websocket_connect(uri, compression_options={})
        for text in (command(1), command(2, LONG), command(3)):
            await connection.write_message(text)
        answers = [json.loads(await connection.read_message() or "{}") for _ in range(6)]
        connection.close(1000)
        assert await connection.read_message() is None
        return answers, connection.close_code or 0

    return asyncio.run(talk())


def with_websocket_client(uri: str) -> tuple[Received, int]:
    # By itself it claims to be a web page of the service's own origin, which is refused.
    connection = websocket.create_connection(uri, PATIENCE, suppress_origin=True)
    connection.send(command(1))
    connection.send(command(2, LONG))
    text = command(3)
    connection.send_frame(websocket.ABNF.create_frame(text[:20], websocket.ABNF.OPCODE_TEXT, 0))
    connection.send_frame(websocket.ABNF.create_frame(text[20:], websocket.ABNF.OPCODE_CONT, 1))
    answers = [json.loads(connection.recv()) for _ in range(6)]
    connection.ping("there?")
    opcode, data = connection.recv_data(control_frame=True)
    assert (opcode, data) == (websocket.ABNF.OPCODE_PONG, b"there?")
    connection.send_close(1000)
    opcode, data = connection.recv_data(control_frame=True)
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    connection.shutdown()
    return answers, int.from_bytes(data[:2], "big")


def with_wsproto(uri: str) -> tuple[Received, int]:
    parts = urlsplit(uri)
    protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    with socket.create_connection((parts.hostname or "", parts.port or 80), PATIENCE) as raw:
        raw.sendall(protocol.send(wsproto.events.Request(host=parts.netloc, target=parts.path)))
        answers: Received = []
        text, code, sent = "", 0, False
        while not code:
            data = raw.recv(65536)
            protocol.receive_data(data or None)
            for event in protocol.events():
                match event:
                    case wsproto.events.AcceptConnection():
                        whole = command(3)
                        for piece in (
                            wsproto.events.TextMessage(command(1)),
                            wsproto.events.TextMessage(command(2, LONG)),
                            wsproto.events.TextMessage(whole[:20], message_finished=False),
                            wsproto.events.TextMessage(whole[20:]),
                            wsproto.events.Ping(b"there?"),
                        ):
                            raw.sendall(protocol.send(piece))
                    case wsproto.events.TextMessage():
                        text += event.data
                        if event.message_finished:
                            answers.append(json.loads(text))
                            text = ""
                    case wsproto.events.Pong():
                        assert event.payload == b"there?"
                    case wsproto.events.CloseConnection():
                        code = event.code
            if len(answers) == 6 and not sent:
                sent = True
                raw.sendall(protocol.send(wsproto.events.CloseConnection(1000)))
    return answers, code


@pytest.mark.parametrize(
    "talk",
    [
        with_websockets_threads,
        with_websockets_asyncio,
        with_aiohttp,
        with_tornado,
        with_websocket_client,
        with_wsproto,
    ],
)
async def test_a_foreign_client_is_answered_and_closes_in_order(
    atm: xfs4iot.Publisher, talk: Callable[[str], tuple[Received, int]]
) -> None:
    answers, code = await trio.to_thread.run_sync(talk, atm.uri("CashDispenser"))
    headers = [answer["header"] for answer in answers]
    assert [(header["type"], header["requestId"]) for header in headers] == [
        (kind, number) for number in (1, 2, 3) for kind in ("acknowledge", "completion")
    ]
    assert {header.get("completionCode", "success") for header in headers} == {"success"}
    assert code == 1000
