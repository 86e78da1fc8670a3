"""Where a recorder or a played device is reached: a socket, TLS if so wished, WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import trio
import trio_websocket

from xfs4iot.protocol.endpoints import PATH
from xfs4iot.telling import logger
from xfs4iot.transport import tcp, tls
from xfs4iot.transport.policy import TLSConfig, server_context

__all__ = ["LARGEST_MESSAGE", "Listener", "Request", "listed"]

LARGEST_MESSAGE = 64 * 2**20
"""Bytes."""
_HANDSHAKE_SECONDS = 30.0
_MOST_LISTED = 50

_log = logger("xfs4iot.recording")


def listed(uris: Sequence[str]) -> str:
    """Addresses for an answer of HTTP, a line each, and no more of them than somebody reads."""
    shown = "".join(f"  {uri}\n" for uri in uris[:_MOST_LISTED])
    return shown + (f"  and {len(uris) - _MOST_LISTED} more\n" if len(uris) > _MOST_LISTED else "")


class Request:
    """What a client asks for.

    Attributes:
        path: of the URI, without its query, lower case.
        accepted: whether it was accepted.
    """

    def __init__(self, request: trio_websocket.WebSocketRequest) -> None:
        self._request = request
        self.path = request.path.partition("?")[0].rstrip("/")
        if self.path.lower().startswith(PATH):
            self.path = PATH + self.path[len(PATH) :]
        self.accepted = False

    async def accept(self) -> trio_websocket.WebSocketConnection:
        self.accepted = True
        return await self._request.accept()

    async def refuse(self, status: int, text: str) -> None:
        """Answer with an error of HTTP."""
        await self._request.reject(status, body=text.encode())


class Listener:
    """Takes connections of WebSocket clients.

    Args:
        host: name or address to listen at, and to be named to clients.
        port: 0 for a free one.
        config: TLS; None for plain text, on a loopback address only.

    Raises:
        ValueError: plain text at an address that others can reach.
        CredentialsRefused: a file of `config` cannot be used.
    """

    def __init__(self, host: str, port: int, config: TLSConfig | None = None) -> None:
        if config is None and not tcp.is_loopback(host):
            raise ValueError(
                f"plain text on {host} could be read by anyone on the network: give a certificate "
                "and its key, or listen on 127.0.0.1"
            )
        self.host = host
        self.port = port
        self.scheme = "ws" if config is None else "wss"
        self._context = None if config is None else server_context(config)
        self._sockets: list[trio.socket.SocketType] = []

    async def open(self) -> None:
        """Bind the port; afterwards `port` is the one that was found.

        Raises:
            OSError: it cannot be bound.
        """
        try:
            self._sockets = await tcp.open_listener(self.host, self.port)
        except OSError as problem:
            raise OSError(
                f"{self.host}:{self.port} cannot be bound: {problem.strerror or problem}; name another port"
            ) from None
        self.port = self._sockets[0].getsockname()[1]

    async def serve(self, handler: Callable[[Request], Awaitable[None]]) -> None:
        """Call `handler` for every client, until cancelled; what fails for one ends nothing."""
        listeners = [trio.SocketListener(socket) for socket in self._sockets]

        async def handle(carrier: trio.SocketStream) -> None:
            try:
                await self._handle(carrier, handler)
            except* (OSError, tls.TLSError, trio.BrokenResourceError, trio.ClosedResourceError) as gone:
                _log.info("a connection was lost: %s", gone.exceptions[0])
            except* trio_websocket.HandshakeError as wrong:
                _log.info("a connection was not one of WebSocket: %s", wrong.exceptions[0])
            except* trio_websocket.ConnectionClosed:
                pass
            finally:
                await trio.aclose_forcefully(carrier)

        await trio.serve_listeners(handle, listeners)

    async def _handle(
        self, carrier: trio.SocketStream, handler: Callable[[Request], Awaitable[None]]
    ) -> None:
        stream: trio.abc.Stream = carrier
        with trio.fail_after(_HANDSHAKE_SECONDS) as opening, suppress(trio.TooSlowError):
            if self._context is not None:
                stream = secured = tls.TLSStream(carrier, self._context, server_side=True)
                await secured.do_handshake()
            async with trio.open_nursery() as nursery:
                request = await trio_websocket.wrap_server_stream(
                    nursery, stream, max_message_size=LARGEST_MESSAGE
                )
                opening.deadline = float("inf")
                await handler(Request(request))
                nursery.cancel_scope.cancel()
