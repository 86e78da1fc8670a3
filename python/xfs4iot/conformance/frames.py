"""WebSocket frames by hand, right and wrong, and a connection to send them through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import trio
import wsproto
from wsproto.events import AcceptConnection, Event, RejectConnection, Request

from xfs4iot import client
from xfs4iot.conformance.outcome import Deviates
from xfs4iot.conformance.target import Target

__all__ = ["BINARY", "CLOSE", "CONTINUATION", "PING", "PONG", "TEXT", "Frames", "frame", "frames"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_MASK = b"\x11\x22\x33\x44"


def frame(
    payload: bytes | str, opcode: int = TEXT, *, fin: bool = True, masked: bool = True, reserved: int = 0
) -> bytes:
    """One frame (RFC 6455, 5.2), also one that a client must not send."""
    data = payload.encode() if isinstance(payload, str) else payload
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    bit = 0x80 if masked else 0
    if len(data) < 126:
        head += bytes([bit | len(data)])
    elif len(data) < 1 << 16:
        head += bytes([bit | 126]) + len(data).to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + len(data).to_bytes(8, "big")
    if not masked:
        return head + data
    return head + _MASK + bytes(byte ^ _MASK[place % 4] for place, byte in enumerate(data))


class Frames:
    """A connection after the opening handshake, on which any bytes can be sent."""

    def __init__(self, stream: trio.abc.Stream, target: Target, reader: wsproto.WSConnection) -> None:
        self._stream = stream
        self._target = target
        self._reader = reader
        self._events: list[Event] = list(reader.events())

    async def send(self, data: bytes) -> None:
        """Send bytes; a service that has hung up is no failure here."""
        self._target.note("→", f"{len(data)} bytes: {data[:40].hex(' ')}{'…' if len(data) > 40 else ''}")
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._stream.send_all(data)

    async def receive(self) -> Event | None:
        """What comes next, as wsproto tells it; None at the end of the connection.

        Raises:
            Deviates: nothing came in time.
        """
        while not self._events:
            try:
                with trio.fail_after(self._target.patience):
                    data = await self._stream.receive_some()
            except trio.TooSlowError:
                raise Deviates("an answer", f"nothing within {self._target.patience:g} s") from None
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                return None
            with suppress(wsproto.utilities.RemoteProtocolError):
                self._reader.receive_data(bytes(data))
            self._events += list(self._reader.events())
        event = self._events.pop(0)
        self._target.note("←", f"{type(event).__name__}")
        return event


@asynccontextmanager
async def frames(target: Target) -> AsyncIterator[Frames]:
    """A connection to the service on which frames are sent by hand, while the block lasts.

    Raises:
        Deviates: the opening handshake is refused.
    """
    parts = urlsplit(target.uri)
    token = target.credentials.token
    headers = [(b"Authorization", b"Bearer " + token.encode())] if token else []
    async with client.open_stream(target.uri, target.credentials) as stream:
        reader = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        opening = Request(host=parts.netloc, target=parts.path or "/", extra_headers=headers)
        await stream.send_all(reader.send(opening))
        with trio.fail_after(target.patience):
            while True:
                reader.receive_data(bytes(await stream.receive_some()) or None)
                first = next(iter(reader.events()), None)
                if isinstance(first, AcceptConnection):
                    break
                if first is not None:
                    status = f" ({first.status_code})" if isinstance(first, RejectConnection) else ""
                    raise Deviates("a WebSocket", f"{type(first).__name__}{status}")
        yield Frames(stream, target, reader)
