"""WebSocket itself: RFC 6455 as a service must keep it."""

from __future__ import annotations

import wsproto.events as happened

from xfs4iot.conformance.case import case
from xfs4iot.conformance.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, Frames, frame, frames
from xfs4iot.conformance.outcome import Advises, Deviates
from xfs4iot.conformance.target import Target, command_text

_CLOSE_NORMAL = (1000).to_bytes(2, "big")


def _status(target: Target) -> str:
    return command_text(target.specification, "Common.Status")


async def _acknowledged(on: Frames) -> None:
    """A text message arrives, whole or in parts."""
    event = await on.receive()
    while isinstance(event, happened.Ping | happened.Pong):
        event = await on.receive()
    if not isinstance(event, happened.TextMessage):
        raise Deviates("an acknowledge, as text", _told(event))


async def _closed(on: Frames, code: int) -> None:
    """The connection is closed with a code."""
    event = await on.receive()
    while isinstance(event, happened.TextMessage | happened.Ping | happened.Pong):
        event = await on.receive()
    if event is None:
        raise Advises(f"a close frame with code {code}", "the connection ended without one")
    if not isinstance(event, happened.CloseConnection):
        raise Deviates(f"a close frame with code {code}", _told(event))
    if event.code != code:
        raise Advises(f"close code {code}", str(event.code))


def _told(event: happened.Event | None) -> str:
    return "the end of the connection" if event is None else type(event).__name__


@case("WS-PING-01P", "A ping is answered by a pong with the same payload",
      cites="RFC 6455, 5.5.2 and 5.5.3", interface="WebSocket")  # fmt: skip
async def ping(target: Target) -> None:
    async with frames(target) as on:
        await on.send(frame(b"are you there", PING))
        event = await on.receive()
        if not isinstance(event, happened.Pong) or bytes(event.payload) != b"are you there":
            raise Deviates("a pong with the payload of the ping", _told(event))


@case("WS-FRAGMENT-01P", "A message may come in several frames, with a ping in between",
      cites="RFC 6455, 5.4", interface="WebSocket")  # fmt: skip
async def fragments(target: Target) -> None:
    text = _status(target).encode()
    async with frames(target) as on:
        await on.send(frame(text[:20], TEXT, fin=False))
        await on.send(frame(b"", PING))
        await on.send(frame(text[20:40], CONTINUATION, fin=False))
        await on.send(frame(text[40:], CONTINUATION))
        await _acknowledged(on)


@case("WS-CLOSE-01P", "A close is answered by a close, and the connection ends",
      cites="RFC 6455, 5.5.1", interface="WebSocket")  # fmt: skip
async def close(target: Target) -> None:
    async with frames(target) as on:
        await on.send(frame(_CLOSE_NORMAL, CLOSE))
        event = await on.receive()
        if not isinstance(event, happened.CloseConnection):
            raise Deviates("a close frame", _told(event))
        if (after := await on.receive()) is not None:
            raise Deviates("the end of the connection after the close", _told(after))


@case("WS-MASK-01N", "A frame that is not masked ends the connection with 1002",
      cites="RFC 6455, 5.1", interface="WebSocket")  # fmt: skip
async def unmasked(target: Target) -> None:
    async with frames(target) as on:
        await on.send(frame(_status(target), masked=False))
        await _closed(on, 1002)
    await target.is_well()


@case("WS-RESERVED-01N", "A reserved bit ends the connection with 1002",
      cites="RFC 6455, 5.2", interface="WebSocket")  # fmt: skip
async def reserved(target: Target) -> None:
    async with frames(target) as on:
        await on.send(frame(_status(target), reserved=4))
        await _closed(on, 1002)
    await target.is_well()


@case("WS-OPCODE-01N", "An unknown opcode ends the connection with 1002",
      cites="RFC 6455, 5.2", interface="WebSocket")  # fmt: skip
async def opcode(target: Target) -> None:
    async with frames(target) as on:
        await on.send(frame(b"", 3))
        await _closed(on, 1002)
    await target.is_well()


@case("WS-CONTROL-01N", "A control frame in fragments ends the connection with 1002",
      cites="RFC 6455, 5.5", interface="WebSocket")  # fmt: skip
async def fragmented_ping(target: Target) -> None:
    async with frames(target) as on:
        await on.send(frame(b"half", PING, fin=False))
        await _closed(on, 1002)
    await target.is_well()


@case("WS-UTF8-01N", "Text that is not UTF-8 ends the connection with 1007",
      cites="RFC 6455, 8.1", interface="WebSocket")  # fmt: skip
async def not_utf8(target: Target) -> None:
    async with frames(target) as on:
        await on.send(frame(b"\xff\xfe{}"))
        await _closed(on, 1007)
    await target.is_well()


@case("WS-BINARY-01N", "A binary message is no message of XFS4IoT: it ends the connection with 1003",
      cites="RFC 6455, 7.4.1; CWA 17852, messages are text", interface="WebSocket")  # fmt: skip
async def binary(target: Target) -> None:
    async with frames(target) as on:
        await on.send(frame(_status(target), BINARY))
        event = await on.receive()
        if isinstance(event, happened.TextMessage):
            raise Advises("close code 1003", "the binary message was taken as text")
        if not isinstance(event, happened.CloseConnection):
            raise Deviates("close code 1003", _told(event))
        if event.code != 1003:
            raise Advises("close code 1003", str(event.code))
    await target.is_well()


@case("WS-NEIGHBOUR-01P", "What one connection does wrong, another never notices",
      cites="CWA 17852, connections are independent", interface="WebSocket")  # fmt: skip
async def neighbour(target: Target) -> None:
    async with target.conversation() as talk:
        before = await talk.call("Common.Status")
        async with frames(target) as on:
            await on.send(frame(b"", 3) * 3)
            await on.receive()
        after = await talk.call("Common.Status")
    if (before.code, after.code) != ("success", "success"):
        raise Deviates("Common.Status answered before and after", f"{before.told()}, {after.told()}")
