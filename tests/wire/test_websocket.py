"""RFC 6455 at the socket: violations close their own connection with the proper code."""

from __future__ import annotations

import json

import pytest
import trio

import xfs4iot
from dialogue import outcome
from frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame, raw_connection

STATUS = json.dumps(
    {"header": {"type": "command", "name": "Common.Status", "requestId": 1, "version": "2.0"}, "payload": {}}
)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(STATUS, mask=None), 1002, id="unmasked"),
        pytest.param(frame(STATUS, rsv=4), 1002, id="RSV1 without an extension"),
        pytest.param(frame(b"", 3), 1002, id="reserved data opcode"),
        pytest.param(frame(b"", 11), 1002, id="reserved control opcode"),
        pytest.param(frame(b"x" * 126, PING), 1002, id="control frame above 125 bytes"),
        pytest.param(frame(b"x", PING, fin=False), 1002, id="fragmented control frame"),
        pytest.param(frame(b"x", CONTINUATION), 1002, id="continuation of nothing"),
        pytest.param(frame(b"a", fin=False) + frame(b"b"), 1002, id="new message inside a fragmented one"),
        pytest.param(frame(b"\xff\xfe"), 1007, id="no UTF-8"),
        pytest.param(
            frame(b"\xce", fin=False) + frame(b"\xce", CONTINUATION), 1007, id="no UTF-8 over fragments"
        ),
        pytest.param(frame(b"x", BINARY), 1003, id="binary"),
        pytest.param(b"\x81\xff" + (1 << 40).to_bytes(8, "big"), 1009, id="a terabyte announced"),
        pytest.param(frame(b"\x03", CLOSE), 1002, id="close with one byte"),
        pytest.param(
            frame((999).to_bytes(2, "big"), CLOSE), 1002, id="close with a code that does not exist"
        ),
        pytest.param(frame((1000).to_bytes(2, "big") + b"\xff", CLOSE), 1007, id="close with no UTF-8"),
        pytest.param(frame((1000).to_bytes(2, "big") + b"bye", CLOSE), 1000, id="close"),
        pytest.param(frame(b"", CLOSE), 1000, id="close without a code"),
    ],
)
async def test_a_violation_closes_its_connection_and_no_other(
    atm: xfs4iot.Publisher, sent: bytes, code: int
) -> None:
    uri = atm.uri("CashDispenser")
    async with raw_connection(uri) as other, raw_connection(uri) as connection:
        await connection.send(sent)
        assert await connection.close_code() == code
        await other.send(frame(STATUS))
        assert (await other.receive())[0] == TEXT


async def test_fragments_with_a_ping_between_them_are_one_message(atm: xfs4iot.Publisher) -> None:
    async with raw_connection(atm.uri("CashDispenser")) as connection:
        text = STATUS.encode()
        await connection.send(frame(text[:20], fin=False) + frame(b"there?", PING))
        assert await connection.receive() == (PONG, b"there?")
        await connection.send(frame(text[20:40], CONTINUATION, fin=False) + frame(text[40:], CONTINUATION))
        opcode, acknowledge = await connection.receive()
        assert opcode == TEXT
        assert json.loads(acknowledge)["header"]["type"] == "acknowledge"


async def test_a_message_may_come_byte_by_byte(atm: xfs4iot.Publisher) -> None:
    async with raw_connection(atm.uri("CashDispenser")) as connection:
        for byte in frame(STATUS):
            await connection.send(bytes([byte]))
            await trio.lowlevel.checkpoint()
        assert json.loads((await connection.receive())[1])["header"]["type"] == "acknowledge"
        assert outcome(json.loads((await connection.receive())[1])) == "success"


async def test_a_frame_that_came_with_the_handshake_is_not_lost(atm: xfs4iot.Publisher) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", atm.port or 0)
    async with stream:
        await stream.send_all(
            b"GET /xfs4iot/v1.0/CashDispenser HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n" + frame(STATUS)
        )
        answer = b""
        with trio.fail_after(5):
            while b'"type":"completion"' not in answer or b"completionCode" in answer:
                answer += await stream.receive_some()
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
