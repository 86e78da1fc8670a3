"""From a URI to an open WebSocket: TCP, TLS, the opening handshake, and who the client is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import h11
import trio
import trio_websocket
from OpenSSL import SSL
from wsproto.utilities import ProtocolError

from xfs4iot.addresses import address
from xfs4iot.client._errors import Disconnected
from xfs4iot.dataclass import dataclass
from xfs4iot.reasons import reason
from xfs4iot.transport import tcp, tls

__all__ = ["Credentials", "open_stream", "open_websocket"]

_OPENING_SECONDS = 30.0
"""What reaching a service may take: name, TCP, TLS and WebSocket together."""
_LARGEST_MESSAGE = 64 * 2**20
"""Bytes; pictures of pages and of cheques are the largest that a service sends."""
_LARGEST_REFUSAL = 2**20
"""Bytes that may come before the WebSocket is open."""
_LARGEST_HEAD = 64 * 1024
"""Bytes of an answer that are kept to say what was wrong with it."""
_READ_AS_ASCII = (b"sec-websocket-protocol", b"sec-websocket-extensions", b"connection", b"upgrade")
_MOST_OF_ERROR = 300
_MOST_SAID = 2000
"""Characters of what a service said when it refused."""


@dataclass(frozen=True)
class Credentials:
    """What the client trusts and who it is.

    Attributes:
        ca: PEM file of the authorities to trust; None trusts the platform's.
        certificate: PEM file of the client's own certificate, if the device asks for one.
        key: PEM file of its private key.
        token: bearer token, where a bank has no certificates for clients.
    """

    ca: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None
    token: str | None = None

    def context(self) -> SSL.Context:
        """What TLS needs of them.

        Raises:
            CredentialsRefused: a file cannot be used; the text says which, and why.
        """
        return tls.client_context(ca=self.ca, certificate=self.certificate, key=self.key)


@dataclass(frozen=True)
class _Place:
    """Where a URI leads."""

    uri: str
    host: str
    port: int
    path: str
    secured: bool

    @classmethod
    def of(cls, uri: str) -> _Place:
        try:
            parts = urlsplit(uri)
            host, given = parts.hostname, parts.port
        except ValueError as wrong:
            raise ValueError(f"{uri!r} is not a service URI: {wrong}") from None
        if parts.scheme not in ("ws", "wss") or host is None:
            raise ValueError(f"{uri!r} is not a service URI; it begins with wss:// or ws:// and names a host")
        secured = parts.scheme == "wss"
        return cls(uri, host, given or (443 if secured else 80), parts.path or "/", secured)


async def _connected(place: _Place, credentials: Credentials, deadline: float) -> trio.abc.Stream:
    """A TCP connection, with TLS if the URI says so."""
    uri, late = place.uri, f"no answer within {_OPENING_SECONDS:g} s"
    context = credentials.context() if place.secured else None
    if context is None and credentials.token is not None and not tcp.is_loopback(place.host):
        raise ValueError(f"{uri} is plain text, in which a token would be read by all: use wss://")
    stream: trio.abc.Stream | None = None
    try:
        with trio.move_on_at(deadline):
            stream = await trio.open_tcp_stream(place.host, place.port)
    except OSError as problem:
        raise Disconnected(f"{uri} cannot be reached: {reason(problem)}") from problem
    if stream is None:
        raise Disconnected(f"{uri} cannot be reached: {late}")
    if context is None:
        return stream
    secured = tls.TLSStream(stream, context, server_side=False, server_hostname=place.host)
    try:
        with trio.move_on_at(deadline) as shaking:
            await secured.do_handshake()
        if shaking.cancelled_caught:
            raise Disconnected(f"{uri}: no TLS connection: {late}")
    except (tls.TLSError, trio.BrokenResourceError) as problem:
        await trio.aclose_forcefully(secured)
        raise Disconnected(f"{uri}: no TLS connection: {problem}") from problem
    except BaseException:
        await trio.aclose_forcefully(secured)
        raise
    return secured


@asynccontextmanager
async def open_stream(uri: str, credentials: Credentials) -> AsyncIterator[trio.abc.Stream]:
    """A connection to the service at `uri`, before any WebSocket, while the block lasts.

    Raises:
        Disconnected, CredentialsRefused, ValueError: as `open_websocket`.
    """
    stream = await _connected(_Place.of(uri), credentials, trio.current_time() + _OPENING_SECONDS)
    try:
        yield stream
    finally:
        await trio.aclose_forcefully(stream)


@asynccontextmanager
async def open_websocket(
    uri: str, credentials: Credentials
) -> AsyncIterator[tuple[trio_websocket.WebSocketConnection, trio.Nursery]]:
    """A WebSocket to the service at `uri`, and a nursery that ends with it, while the block lasts.

    Errors of the block come out as they are.

    Raises:
        Disconnected: the connection could not be made within 30 s; the text says why.
        CredentialsRefused: a file of certificates or its key cannot be used.
        ValueError: `uri` is not a service URI, or a token would leave in plain text.
    """
    place = _Place.of(uri)
    deadline = trio.current_time() + _OPENING_SECONDS
    stream = await _connected(place, credentials, deadline)
    failure: Exception | None = None
    try:
        watched = _Opening(stream, deadline, f"no answer within {_OPENING_SECONDS:g} s")
        carrier = cast("trio.SocketStream", watched)
        async with trio.open_nursery() as nursery:
            headers = (
                [(b"Authorization", b"Bearer " + credentials.token.encode())] if credentials.token else None
            )
            try:
                with watched.scope:
                    websocket = await trio_websocket.wrap_client_stream(
                        nursery,
                        carrier,
                        address(place.host, place.port),
                        place.path,
                        extra_headers=headers,
                        max_message_size=_LARGEST_MESSAGE,
                    )
                watched.opened = True
                if watched.scope.cancelled_caught:
                    failure = Disconnected(f"{uri}: no WebSocket connection: {watched.lost}")
                else:
                    yield websocket, nursery
            except Exception as problem:
                # Raised again after the nursery, which would wrap it in a group.
                failure = problem
            else:
                if failure is None:
                    with trio.move_on_after(1, shield=True):
                        await websocket.aclose()
            nursery.cancel_scope.cancel()
    except* trio_websocket.ConnectionRejected as refusals:
        rejected = refusals.exceptions[0]
        assert isinstance(rejected, trio_websocket.ConnectionRejected)
        said = (rejected.body or b"").decode(errors="replace").strip()
        said = said if len(said) <= _MOST_SAID else f"{said[:_MOST_SAID]}…"
        status = rejected.status_code
        failure = Disconnected(f"{uri}: HTTP {status}: {said}".rstrip(": "), http_status=status)
    except* trio_websocket.HandshakeError as problems:
        failure = Disconnected(f"{uri}: no WebSocket connection: {problems.exceptions[0]!r}")
    except* (h11.ProtocolError, ProtocolError, UnicodeError) as problems:
        failure = Disconnected(f"{uri}: no WebSocket connection: {watched.misread(problems.exceptions[0])}")
    finally:
        await trio.aclose_forcefully(stream)
    if failure is not None:
        raise failure


class _Opening(trio.abc.Stream):
    """Gives the opening handshake up when the stream ends, or the answer does not.

    trio-websocket would wait forever, and keep all of it. With TLS 1.3 this is how a client learns that its
    certificate was refused.
    """

    def __init__(self, stream: trio.abc.Stream, deadline: float, late: str) -> None:
        self._stream = stream
        self.scope = trio.CancelScope(deadline=deadline)
        self.lost = late
        self.opened = False
        self._received = 0
        self._head = b""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError as problem:
            self.lost = str(problem) or "the connection was lost"
            self.scope.cancel()
            raise
        if not data:
            self.lost = "the device hung up"
            self.scope.cancel()
        if not self.opened:
            self._received += len(data)
            if len(self._head) < _LARGEST_HEAD:
                self._head += data
            if self._received > _LARGEST_REFUSAL:
                self.lost = "its answer has no end"
                self.scope.cancel()
                raise trio.BrokenResourceError(self.lost)
        return data

    def misread(self, problem: BaseException) -> str:
        """What was wrong with the service's answer."""
        # trio-websocket would answer what is no HTTP, as a client cannot; the first error says what it was.
        first, earlier = problem, problem.__context__
        while earlier is not None:
            if isinstance(earlier, (h11.ProtocolError, ProtocolError, UnicodeError)):
                first = earlier
            earlier = earlier.__context__
        if not isinstance(first, UnicodeError):
            return str(first)[:_MOST_OF_ERROR]
        # wsproto reads headers as ASCII, which nobody has promised.
        for line in self._head.partition(b"\r\n\r\n")[0].splitlines()[1:]:
            name, _, value = line.partition(b":")
            if name.isascii() and not value.isascii() and name.strip().lower() in _READ_AS_ASCII:
                return f"its header {name.decode().strip()} has characters that are not ASCII"
        return "a header of its answer has characters that are not ASCII"

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()
