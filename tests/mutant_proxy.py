"""A proxy before a good service, which lets a mutant change each frame that the service sends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import trio

from frames import TEXT, frame

__all__ = ["Mutant", "Passing", "proxied", "text_frame"]


@dataclass
class Passing:
    """What a mutant knows.

    Attributes:
        opcode, payload: of the frame that the service sends.
        asked: what the client has sent on this connection, each frame as text.
        connection: number of the connection, from 1.
        memory: shared by all connections of the proxy.
    """

    opcode: int
    payload: bytes
    asked: list[str]
    connection: int
    memory: dict[str, Any]

    @property
    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.payload) if self.opcode == TEXT else {"header": {}}
        return found

    @property
    def header(self) -> dict[str, Any]:
        found: dict[str, Any] = self.message["header"]
        return found

    def completes(self, name: str = "") -> bool:
        """Whether it is a completion, of a command if one is named."""
        return self.header.get("type") == "completion" and self.header.get("name", "").endswith(name)

    def sent(self, text: str) -> bool:
        return any(text in one for one in self.asked)

    def unchanged(self) -> list[bytes]:
        return [frame(self.payload, self.opcode, mask=None)]

    def with_header(self, **changed: Any) -> list[bytes]:
        message = self.message
        message["header"] |= changed
        message["header"] = {name: value for name, value in message["header"].items() if value is not None}
        return [text_frame(message)]

    def with_payload(self, change: Callable[[dict[str, Any]], None]) -> list[bytes]:
        message = self.message
        change(message.setdefault("payload", {}))
        return [text_frame(message)]

    def completed(self, code: str | None) -> list[bytes]:
        """The completion with another code, and without payload; None is success."""
        message = {"header": {**self.header, "completionCode": code}}
        if code is None:
            del message["header"]["completionCode"]
        return [text_frame(message)]


Mutant = Callable[[Passing], list[bytes]]


def text_frame(message: dict[str, Any]) -> bytes:
    return frame(json.dumps(message), TEXT, mask=None)


@dataclass
class _Proxy:
    mutant: Mutant
    host: str
    port: int
    path: tuple[bytes, bytes] | None = None
    connections: int = 0
    memory: dict[str, Any] = field(default_factory=dict)

    async def serve(self, near: trio.SocketStream) -> None:
        self.connections += 1
        connection, asked = self.connections, list[str]()
        far = await trio.open_tcp_stream(self.host, self.port)
        async with near, far, trio.open_nursery() as nursery:

            async def requests() -> None:
                head, rest = await _head(near)
                if self.path is not None:
                    head = head.replace(*self.path)
                await far.send_all(head + rest)
                data = bytearray(rest)
                while True:
                    for _, payload in _frames(data):
                        asked.append(payload.decode(errors="replace"))
                    more = await near.receive_some()
                    data += more
                    # Noted before it is passed on: the answer may come before the next line runs.
                    for _, payload in _frames(data):
                        asked.append(payload.decode(errors="replace"))
                    if not more:
                        await far.send_eof()
                        return
                    await far.send_all(more)

            async def answers() -> None:
                head, rest = await _head(far)
                await near.send_all(head)
                data = bytearray(rest)
                while True:
                    for opcode, payload in _frames(data):
                        for one in self.mutant(Passing(opcode, payload, asked, connection, self.memory)):
                            await near.send_all(one)
                    more = await far.receive_some()
                    if not more:
                        nursery.cancel_scope.cancel()
                        return
                    data += more

            nursery.start_soon(_quietly, requests)
            nursery.start_soon(_quietly, answers)


async def _quietly(function: Callable[[], Any]) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await function()


async def _head(stream: trio.SocketStream) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some()
        if not more:
            raise trio.BrokenResourceError
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _frames(data: bytearray) -> Iterator[tuple[int, bytes]]:
    """Whole frames, taken from the beginning of what was received."""
    while len(data) >= 2:
        size, start = data[1] & 0x7F, 2
        if size > 125:
            width = 2 if size == 126 else 8
            size, start = int.from_bytes(data[2 : 2 + width], "big"), 2 + width
        mask = b""
        if data[1] & 0x80:
            mask, start = bytes(data[start : start + 4]), start + 4
        if len(data) < start + size:
            return
        payload = bytes(data[start : start + size])
        if mask:
            payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        opcode = data[0] & 0x0F
        del data[: start + size]
        yield opcode, payload


async def proxied(
    mutant: Mutant,
    host: str,
    port: int,
    path: tuple[bytes, bytes] | None = None,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve a mutant before a good publisher; started, it tells its port.

    Args:
        path: a part of the paths that are asked for, and what is asked of the good one in its place.
    """
    proxy = _Proxy(mutant, host, port, path)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(proxy.serve, listeners)
