"""A proxy as branches have them: CONNECT, for who knows the password.

python tunnelling_proxy.py ADDRESS PORT USER:PASSWORD
"""

from __future__ import annotations

import base64
import sys

import trio

LET_IN = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 branch\r\n\r\n"


class Tunnels:
    """The proxy.

    Attributes:
        asked: what was asked for.
        answer: what is answered; None tunnels.
        speaks_first: the port of who does: its words come in one piece with the proxy's answer.
    """

    def __init__(self, password: str = "", answer: bytes | None = None) -> None:
        self.password, self.answer = password, answer
        self.asked: list[str] = []
        self.port, self.speaks_first = 0, -1

    @property
    def url(self) -> str:
        return f"http://{self.password + '@' if self.password else ''}127.0.0.1:{self.port}"

    async def serve(
        self, host: str = "127.0.0.1", port: int = 0, *, task_status: trio.TaskStatus[None]
    ) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(port, host=host)
            self.port = listeners[0].socket.getsockname()[1]
            task_status.started()
            await trio.serve_listeners(self._one, listeners, handler_nursery=nursery)

    async def _one(self, stream: trio.SocketStream) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (more := await stream.receive_some()):
                return
            head += more
        target = head.split()[1].decode()
        self.asked.append(target)
        wanted = b"Proxy-Authorization: Basic " + base64.b64encode(self.password.encode())
        if self.answer is not None:
            await stream.send_all(self.answer)
            return
        if self.password and wanted not in head.split(b"\r\n"):
            await stream.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        host, _, port = target.rpartition(":")
        there = await trio.open_tcp_stream(host, int(port))
        first = await there.receive_some() if int(port) == self.speaks_first else b""
        await stream.send_all(LET_IN + bytes(first))
        async with trio.open_nursery() as nursery:
            for one, other in ((stream, there), (there, stream)):
                nursery.start_soon(self._carry, one, other, nursery.cancel_scope)
        await there.aclose()

    @staticmethod
    async def _carry(one: trio.SocketStream, other: trio.SocketStream, both: trio.CancelScope) -> None:
        try:
            while data := await one.receive_some():
                await other.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        both.cancel()


async def main(host: str, port: str, password: str) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(Tunnels(password).serve, host, int(port))
        print("ready", flush=True)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:4])
