"""The servers that are compared: ours, whole, and bare servers that send the same bytes.

    python benches/peers.py NAME REPLIES [CERTIFICATE KEY]

Prints the port when ready. REPLIES is a JSON list of the texts to send for each message;
a bare server looks at nothing, checks nothing, and knows no framework: it takes a message
and sends the texts. Ours is the simulated ATM with everything on, and ignores REPLIES.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATH = "/xfs4iot/v1.0/CashDispenser"


def opening(path: str = PATH) -> bytes:
    """What a client opens a WebSocket with, where there is no client to do it."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def _ready(port: int) -> None:
    print(port, flush=True)


def _tls(files: list[str]) -> ssl.SSLContext | None:
    if not files:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


def _listening() -> socket.socket:
    # With the protocol named, or asyncio would not set TCP_NODELAY on what is accepted.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def ours(replies: list[str], files: list[str]) -> None:
    """The whole simulated ATM: limits, versions, time-outs, queue rules, the real Common.Status."""
    import trio

    import xfs4iot
    from xfs4iot.server.channel import SessionLimits
    from xfs4iot.simulator import atm
    from xfs4iot.transport.limits import Limits
    from xfs4iot.transport.rotation import Credentials
    from xfs4iot.transport.tls import TLSConfig

    async def main() -> None:
        credentials = Credentials(TLSConfig(certificate=files[0], key=files[1])) if files else None
        publisher = xfs4iot.Publisher(
            atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0),
            port=0,
            credentials=credentials,
            limits=Limits(total=20_000, per_address=20_000),
            session_limits=SessionLimits(),
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(publisher.serve)
            _ready(publisher.port or 0)

    trio.run(main)


def trio_websocket(replies: list[str], files: list[str]) -> None:
    """trio-websocket, bare."""
    import trio
    import trio_websocket as library

    async def serve(request: Any) -> None:
        connection = await request.accept()
        try:
            while True:
                await connection.get_message()
                for reply in replies:
                    await connection.send_message(reply)
        except library.ConnectionClosed:
            pass

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            server = await nursery.start(library.serve_websocket, serve, "127.0.0.1", 0, _tls(files))
            _ready(server.port)

    trio.run(main)


def websockets(replies: list[str], files: list[str], run: Callable[..., Any] = asyncio.run) -> None:
    """`websockets` on asyncio, bare; compression off, which would only slow it down."""
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed

    async def handle(connection: ServerConnection) -> None:
        try:
            async for _ in connection:
                for reply in replies:
                    await connection.send(reply)
        except ConnectionClosed:
            pass

    async def main() -> None:
        listener = _listening()
        async with serve(handle, sock=listener, ssl=_tls(files), compression=None) as server:
            _ready(listener.getsockname()[1])
            await server.serve_forever()

    run(main())


def websockets_uvloop(replies: list[str], files: list[str]) -> None:
    """`websockets` on uvloop, bare."""
    import uvloop

    websockets(replies, files, uvloop.run)


def aiohttp(replies: list[str], files: list[str]) -> None:
    """aiohttp on uvloop, bare."""
    import uvloop
    from aiohttp import web

    async def handle(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        async for _ in response:
            for reply in replies:
                await response.send_str(reply)
        return response

    async def main() -> None:
        application = web.Application()
        application.router.add_get(PATH, handle)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        listener = _listening()
        await web.SockSite(runner, listener, ssl_context=_tls(files)).start()
        _ready(listener.getsockname()[1])
        await asyncio.Event().wait()

    uvloop.run(main())


def picows(replies: list[str], files: list[str], coalesced: bool = False) -> None:
    """picows on uvloop, bare; as it is, or with all replies of one read in one write."""
    import uvloop
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

    encoded = [reply.encode() for reply in replies]
    framed = b"".join(
        b"\x81" + (bytes([len(one)]) if len(one) < 126 else b"\x7e" + len(one).to_bytes(2, "big")) + one
        for one in encoded
    )

    class Listener(WSListener):
        def __init__(self) -> None:
            self._waiting = 0

        def on_ws_connected(self, transport: WSTransport) -> None:
            self._transport = transport

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type != WSMsgType.TEXT:
                return
            if not coalesced:
                for one in encoded:
                    transport.send(WSMsgType.TEXT, one)
                return
            if not self._waiting:
                asyncio.get_running_loop().call_soon(self._flush)
            self._waiting += 1

        def _flush(self) -> None:
            self._transport.underlying_transport.write(framed * self._waiting)
            self._waiting = 0

    async def main() -> None:
        listener = _listening()
        server = await ws_create_server(lambda request: Listener(), sock=listener, ssl=_tls(files))
        _ready(listener.getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


def picows_coalesced(replies: list[str], files: list[str]) -> None:
    """picows on uvloop, its writes coalesced by hand."""
    picows(replies, files, coalesced=True)


PEERS = {
    "ours": ours,
    "trio-websocket": trio_websocket,
    "websockets": websockets,
    "websockets-uvloop": websockets_uvloop,
    "aiohttp": aiohttp,
    "picows": picows,
    "picows-coalesced": picows_coalesced,
}

if __name__ == "__main__":
    PEERS[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()), sys.argv[3:])
