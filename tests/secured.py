"""A device's end and a client's end of one TLS connection, over real TCP."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from OpenSSL import SSL

import xfs4iot
from xfs4iot.server.access import Access
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.transport import tcp, tls
from xfs4iot.transport.limits import Limits
from xfs4iot.transport.rotation import Credentials

__all__ = ["HOSTS", "Outcome", "Pair", "config", "connected", "outcome", "secure_atm", "shake"]

Pair = tuple[Path, Path]
Outcome = tuple[Exception | None, Exception | None]
HOSTS = ["127.0.0.1", "localhost"]


def config(pair: Pair, **settings: object) -> tls.TLSConfig:
    return tls.TLSConfig(certificate=pair[0], key=pair[1], **settings)  # type: ignore[arg-type]


@asynccontextmanager
async def connected(
    server: tls.TLSConfig | SSL.Context,
    client: ssl.SSLContext | SSL.Context | None = None,
    *,
    session: ssl.SSLSession | None = None,
    **client_settings: object,
) -> AsyncIterator[tuple[tls.TLSStream, Any]]:
    """A device's stream and a client's over real TCP: ours on both ends, or the standard library's client."""
    listener = (await tcp.open_listener("127.0.0.1", 0))[0]
    ours: list[tls.TLSStream] = []

    async def accept() -> None:
        connection, _ = await listener.accept()
        context = tls.server_context(server) if isinstance(server, tls.TLSConfig) else server
        ours.append(tls.TLSStream(tcp.SocketStream(connection), context, server_side=True))

    with listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            raw = await trio.open_tcp_stream(*listener.getsockname())
    host = str(client_settings.pop("host", "localhost"))
    peer: trio.abc.Stream
    if isinstance(client, ssl.SSLContext):
        peer = trio.SSLStream(raw, client, server_hostname=host)
        if session is not None:
            peer.session = session  # type: ignore[attr-defined]
    else:
        context = client or tls.client_context(**client_settings)  # type: ignore[arg-type]
        peer = tls.TLSStream(raw, context, server_side=False, server_hostname=host)
    try:
        with trio.fail_after(20):
            yield ours[0], peer
    finally:
        await trio.aclose_forcefully(ours[0])
        await trio.aclose_forcefully(peer)


async def outcome(attempt: Callable[[], Awaitable[object]], results: list[Exception | None]) -> None:
    try:
        await attempt()
    except Exception as problem:
        results.append(problem)
    else:
        results.append(None)


async def shake(device: tls.TLSStream, client: Any) -> Outcome:
    """How the handshake ended, at the device and at the client (which reads once, as TLS 1.3 needs)."""
    at_device: list[Exception | None] = []
    at_client: list[Exception | None] = []

    async def as_client() -> None:
        try:
            await client.do_handshake()
            await client.receive_some()
        except trio.BrokenResourceError:
            await trio.aclose_forcefully(client)
            raise

    async def as_device() -> None:
        await device.do_handshake()
        await device.send_all(b"welcome")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(outcome, as_device, at_device)
        nursery.start_soon(outcome, as_client, at_client)
    return at_device[0], at_client[0]


async def secure_atm(
    nursery: trio.Nursery,
    settings: tls.TLSConfig,
    *,
    access: Access | None = None,
    limits: Limits | None = None,
) -> xfs4iot.Publisher:
    """A simulated ATM behind TLS, reached as `localhost`, whose devices move at once."""
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
    publisher = xfs4iot.Publisher(
        services,
        port=0,
        credentials=Credentials(settings),
        access=access,
        limits=limits,
        advertise="localhost",
    )
    await nursery.start(publisher.serve)
    return publisher


def for_threads(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context, made fit for a client that reads in one thread and writes in another.

    OpenSSL forbids that, and `websockets.sync` does it: once in some hundred openings, with servers of any
    kind, its request is never sent, because the other thread takes in the session tickets of TLS 1.3 at
    that moment. TLS 1.2 has no such messages.
    """
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
