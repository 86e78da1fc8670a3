"""From a host name to an open connection: discovery, TLS, the WebSocket handshake."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import trio
import trio_websocket
from OpenSSL import SSL

from xfs4iot.client._client import Client, Trace
from xfs4iot.client._errors import Disconnected, NotFound
from xfs4iot.client._versions import announce, checked, newest_offered
from xfs4iot.protocol.endpoints import PORTS, service_name, service_uri
from xfs4iot.transport import tcp, tls

__all__ = ["Credentials", "Published", "connect", "discover"]

_DISCOVERY_SECONDS = 5.0
_OPENING_SECONDS = 30.0
"""What reaching a service may take: name, TCP, TLS and WebSocket together."""


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
class Published:
    """What one publisher offers.

    Attributes:
        uri: the publisher's URI.
        vendor_name: who made the services.
        services: URI of each service, by the last part of its path.
    """

    uri: str
    vendor_name: str
    services: dict[str, str]


@asynccontextmanager
async def connect(
    where: str,
    service: str | None = None,
    *,
    ca: str | Path | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    token: str | None = None,
    version: str | None = None,
    plain: bool = False,
    trace: Trace | None = None,
) -> AsyncIterator[Client]:
    """Connect to a service for as long as the block lasts.

    Args:
        where: the service's URI (`wss://…`), or a host whose publisher is asked for `service`.
        service: name of the service, as published; only with a host.
        ca, certificate, key, token: see `Credentials`.
        version: the specification to speak: `2024-3`, `2023-2` or `2021-1`; None for the newest
            that the service offers, for which it is asked once (`Common.Capabilities`).
        plain: look for the host's publisher without TLS.
        trace: called with every message.

    Raises:
        NotFound: no publisher answered, or none has the service.
        Disconnected: the connection could not be made within 30 s; the text says why.
        CredentialsRefused: a file of certificates or its key cannot be used.
        ValueError: `where` is not a URI and names no host with a service, `version` is none of the
            standard's, or a token would leave in plain text.
    """
    specification = checked(version)
    credentials = Credentials(ca, certificate, key, token)
    uri = where
    if "://" not in where:
        if service is None:
            raise ValueError(f"{where!r} is a host: name the service too, or give the service's URI")
        uri = await _find(where, service, credentials, specification, plain, trace)
    async with _open(uri, credentials, specification, trace) as client:
        if version is None:
            client.version = await newest_offered(client)
        else:
            await announce(client)
        yield client


async def discover(
    host: str,
    *,
    ports: tuple[int, ...] = PORTS,
    ca: str | Path | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    token: str | None = None,
    version: str | None = None,
    plain: bool = False,
    trace: Trace | None = None,
) -> list[Published]:
    """Ask every port of the standard at `host` for a publisher, all at the same time.

    Returns:
        The publishers that answered, by port.

    Raises:
        NotFound: none did; the text says what each open port said.
        CredentialsRefused: a file of certificates or its key cannot be used.
    """
    specification = checked(version)
    credentials = Credentials(ca, certificate, key, token)
    # Checked here: in the tasks below a bad file would fail once per port, inside a group.
    if not plain:
        credentials.context()
    found: dict[int, Published] = {}
    problems: dict[int, str] = {}

    async def ask(port: int) -> None:
        uri = service_uri("ws" if plain else "wss", host, port)
        with trio.move_on_after(_DISCOVERY_SECONDS) as scope:
            try:
                async with _open(uri, credentials, specification, trace) as client:
                    answer = await client.call("ServicePublisher.GetServices")
            except (OSError, Disconnected) as problem:
                problems[port] = str(problem).removeprefix(uri).removeprefix(":").strip()
                return
            uris = [entry["serviceURI"] for entry in answer.get("services", [])]
            services = {service_name(uri): uri for uri in uris}
            found[port] = Published(uri, answer.get("vendorName", ""), services)
        if scope.cancelled_caught:
            problems[port] = f"no answer within {_DISCOVERY_SECONDS:g} s"

    async with trio.open_nursery() as nursery:
        for port in ports:
            nursery.start_soon(ask, port)
    if not found:
        raise NotFound(f"no publisher answered at {host}{_told_once(problems)}")
    return [found[port] for port in sorted(found)]


def _told_once(problems: dict[int, str]) -> str:
    """What the ports said, each text once, with the ports that said it."""
    by_text: dict[str, list[int]] = {}
    for port in sorted(problems):
        by_text.setdefault(problems[port], []).append(port)
    if len(by_text) == 1:
        ((text, ports),) = by_text.items()
        return f": port{'s' if len(ports) > 1 else ''} {_ranges(ports)}: {text}"
    return ":" + "".join(f"\n  {_ranges(ports)}: {text}" for text, ports in by_text.items())


def _ranges(ports: list[int]) -> str:
    """`80, 5846-5856`."""
    runs: list[list[int]] = []
    for port in ports:
        if runs and port == runs[-1][-1] + 1:
            runs[-1].append(port)
        else:
            runs.append([port])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


async def _find(
    host: str, service: str, credentials: Credentials, version: str, plain: bool, trace: Trace | None
) -> str:
    publishers = await discover(
        host,
        ca=credentials.ca,
        certificate=credentials.certificate,
        key=credentials.key,
        token=credentials.token,
        version=version,
        plain=plain,
        trace=trace,
    )
    for publisher in publishers:
        if service in publisher.services:
            uri = publisher.services[service]
            if not plain and not uri.startswith("wss:"):
                raise Disconnected(
                    f"{publisher.uri} publishes {uri}, in plain text, though TLS was asked for"
                )
            return uri
    known = ", ".join(name for publisher in publishers for name in publisher.services)
    raise NotFound(f"{host} publishes no service {service!r}; it has: {known or 'none'}")


@asynccontextmanager
async def _open(
    uri: str, credentials: Credentials, version: str, trace: Trace | None
) -> AsyncIterator[Client]:
    """Connect, shake hands, and run a client; errors of the block come out as they are."""
    try:
        parts = urlsplit(uri)
        host, given = parts.hostname, parts.port
    except ValueError as wrong:
        raise ValueError(f"{uri!r} is not a service URI: {wrong}") from None
    if parts.scheme not in ("ws", "wss") or host is None:
        raise ValueError(f"{uri!r} is not a service URI; it begins with wss:// or ws:// and names a host")
    port = given or (443 if parts.scheme == "wss" else 80)
    deadline = trio.current_time() + _OPENING_SECONDS
    late = f"no answer within {_OPENING_SECONDS:g} s"
    context = credentials.context() if parts.scheme == "wss" else None
    if context is None and credentials.token is not None and not tcp.is_loopback(host):
        raise ValueError(f"{uri} is plain text, in which a token would be read by all: use wss://")
    stream: trio.abc.Stream | None = None
    try:
        with trio.move_on_at(deadline):
            stream = await trio.open_tcp_stream(host, port)
    except OSError as problem:
        raise Disconnected(f"{uri} cannot be reached: {_unreached(problem)}") from problem
    if stream is None:
        raise Disconnected(f"{uri} cannot be reached: {late}")
    failure: Exception | None = None
    try:
        if context is not None:
            secured = tls.TLSStream(stream, context, server_side=False, server_hostname=host)
            stream = secured
            try:
                with trio.move_on_at(deadline) as shaking:
                    await secured.do_handshake()
            except (tls.TLSError, trio.BrokenResourceError) as problem:
                raise Disconnected(f"{uri}: no TLS connection: {problem}") from problem
            if shaking.cancelled_caught:
                raise Disconnected(f"{uri}: no TLS connection: {late}")
        watched = _Opening(stream, deadline, late)
        carrier = cast("trio.SocketStream", watched)
        async with trio.open_nursery() as nursery:
            headers = (
                [(b"Authorization", b"Bearer " + credentials.token.encode())] if credentials.token else None
            )
            try:
                with watched.scope:
                    websocket = await trio_websocket.wrap_client_stream(
                        nursery, carrier, f"{host}:{port}", parts.path or "/", extra_headers=headers
                    )
                if watched.scope.cancelled_caught:
                    failure = Disconnected(f"{uri}: no WebSocket connection: {watched.lost}")
                else:
                    client = Client(websocket, uri, version, trace)
                    nursery.start_soon(client._read)
                    yield client
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
        failure = Disconnected(f"{uri}: HTTP {rejected.status_code}: {said}")
    except* trio_websocket.HandshakeError as problems:
        failure = Disconnected(f"{uri}: no WebSocket connection: {problems.exceptions[0]!r}")
    finally:
        await trio.aclose_forcefully(stream)
    if failure is not None:
        raise failure


def _unreached(problem: OSError) -> str:
    """Why no address of a host took the connection."""
    first: BaseException = problem.__cause__ or problem
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    # getaddrinfo numbers its errors in its own way, which strerror would misread.
    if isinstance(first, OSError) and first.errno and not isinstance(first, socket.gaierror):
        return os.strerror(first.errno)
    return (first.strerror if isinstance(first, OSError) else None) or str(first)


class _Opening(trio.abc.Stream):
    """Gives the opening handshake up when the stream ends: trio-websocket would wait forever.

    With TLS 1.3 this is how a client learns that its certificate was refused.
    """

    def __init__(self, stream: trio.abc.Stream, deadline: float, late: str) -> None:
        self._stream = stream
        self.scope = trio.CancelScope(deadline=deadline)
        self.lost = late

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
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()
