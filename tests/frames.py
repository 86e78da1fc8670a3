"""WebSocket frames built by hand, right and wrong, and a socket to send them through."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio

__all__ = ["RawConnection", "frame", "raw_connection"]

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0


def frame(
    payload: bytes | str = b"",
    opcode: int = TEXT,
    *,
    fin: bool = True,
    mask: bytes | None = b"\1\2\3\4",
    rsv: int = 0,
) -> bytes:
    """One frame; `mask=None` leaves it unmasked."""
    data = payload.encode() if isinstance(payload, str) else payload
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    masked = 0 if mask is None else 0x80
    if len(data) < 126:
        head = bytes([first, masked | len(data)])
    elif len(data) < 1 << 16:
        head = bytes([first, masked | 126]) + len(data).to_bytes(2, "big")
    else:
        head = bytes([first, masked | 127]) + len(data).to_bytes(8, "big")
    if mask is None:
        return head + data
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    masked_data = int.from_bytes(data, "big") ^ int.from_bytes(key, "big")
    return head + mask + masked_data.to_bytes(len(data), "big")


class RawConnection:
    """A socket after the opening handshake."""

    def __init__(self, stream: trio.SocketStream, rest: bytes) -> None:
        self.stream = stream
        self._buffer = rest

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            with trio.fail_after(5):
                data = await self.stream.receive_some()
            if not data:
                raise EOFError
            self._buffer += data
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    async def receive(self) -> tuple[int, bytes]:
        """The next frame's opcode and payload; `EOFError` at the end."""
        first, second = await self._exactly(2)
        assert first & 0x70 == 0
        assert second & 0x80 == 0, "a server must not mask"
        size = second
        if second == 126:
            size = int.from_bytes(await self._exactly(2), "big")
        elif second == 127:
            size = int.from_bytes(await self._exactly(8), "big")
        return first & 0x0F, await self._exactly(size)

    async def close_code(self) -> int | None:
        """The code with which the service closes, having answered whatever comes first; None without one."""
        while True:
            try:
                opcode, payload = await self.receive()
            except (EOFError, trio.BrokenResourceError):
                return None
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big") if payload else 1005


@asynccontextmanager
async def raw_connection(uri: str) -> AsyncIterator[RawConnection]:
    """Open a plain-text connection to a service and shake hands."""
    parts = urlsplit(uri)
    stream = await trio.open_tcp_stream(parts.hostname or "", parts.port or 80)
    async with stream:
        key = base64.b64encode(os.urandom(16)).decode()
        await stream.send_all(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = await stream.receive_some()
            assert data, answer
            answer += data
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        yield RawConnection(stream, rest)
