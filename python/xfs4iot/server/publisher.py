"""The publisher: one port, TLS, and the way from a connection to the service it asks for.

Every connection has its own task from the first byte, so a slow handshake holds up nobody
else. It passes the limits, TLS and the WebSocket upgrade, each with a time
limit, and is then routed by its path: `/xfs4iot/v1.0` is the publisher's own endpoint,
`/xfs4iot/v1.0/<Name>` a service, in upper or lower case, with or without a slash at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import trio

from xfs4iot.protocol.dialects import STANDARD, dialect_named
from xfs4iot.protocol.endpoints import PATH, PORTS, service_uri
from xfs4iot.server import stalls
from xfs4iot.server.access import Access
from xfs4iot.server.channel import SessionLimits
from xfs4iot.server.peer import Peer
from xfs4iot.server.session import Session
from xfs4iot.telling import logger, told
from xfs4iot.transport import tcp, tls, upgrade
from xfs4iot.transport.limits import Limits, Refused
from xfs4iot.transport.memory import Tide
from xfs4iot.transport.readers import Readers

if TYPE_CHECKING:
    from xfs4iot.server.service import Service
    from xfs4iot.transport.rotation import Credentials

__all__ = ["TLS_ONLY", "NoFreePort", "Pages", "Publisher", "plain_text_refused"]


_log = logger("xfs4iot.publisher")

TLS_ONLY = ("Strict-Transport-Security", "max-age=31536000")
"""Told to a browser that came by TLS: never come without."""
_GIVEN_UP_SECONDS = 3.0
"""How long commands may take to complete whose device was given up."""


class NoFreePort(OSError):
    """None of the ports could be bound."""


class Pages(Protocol):
    """What is served to browsers, beside the services: the console."""

    path: str
    """Below which everything of it is."""

    async def answer(self, request: upgrade.PageRequest, identity: tls.Identity | None, where: str) -> bytes:
        """The whole answer to a request.

        Raises:
            UpgradeRefused: there is none.
        """

    def admit(self, request: upgrade.Request, identity: tls.Identity | None, where: str) -> Peer:
        """Who this is; as `Access.admit`, which it asks, but it knows its own pages and who has logged in."""


class _Sheltered:
    """Tasks that are not cancelled from outside, but ended in their turn."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.ended = trio.Event()

    async def end(self) -> None:
        """Cancel them, and wait until they have ended."""
        self.nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await self.ended.wait()


async def _sheltered(*, task_status: trio.TaskStatus[_Sheltered]) -> None:
    with trio.CancelScope(shield=True):
        sheltered = None
        try:
            async with trio.open_nursery() as nursery:
                sheltered = _Sheltered(nursery)
                task_status.started(sheltered)
                await trio.sleep_forever()
        finally:
            if sheltered is not None:
                sheltered.ended.set()


class Publisher:
    """Publishes services on one port.

    Args:
        endpoint: the publisher's own service, with the interface `ServicePublisher`.
        services: the services to publish; names are unique.
        host: the address to bind, and only this one.
        port: the port to bind; None takes the first free one of the standard's; 0 any.
        credentials: certificate and key; None serves plain text, on a loopback address only.
        plain_anywhere: serve plain text on an address that is not loopback, all the same.
        access: which clients are let in, and which commands each may use.
        advertise: the host name to publish; None publishes the name that the client used.
        dialect: how clients are answered for which no access rule says otherwise: `standard`, or
            `sp-dev` for the clients of the SP-Dev framework (see `xfs4iot.protocol.dialects`).

    Raises:
        ValueError: plain text is not served on this address, there is no such dialect, or the names
            of two services differ in nothing but case.
    """

    def __init__(
        self,
        endpoint: Service,
        services: Iterable[Service],
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        credentials: Credentials | None = None,
        plain_anywhere: bool = False,
        access: Access | None = None,
        advertise: str | None = None,
        dialect: str = STANDARD.name,
        limits: Limits | None = None,
        session_limits: SessionLimits | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.services = {service.name: service for service in services}
        self.dialect = dialect_named(dialect)
        self._by_path = {f"{PATH}/{name}".lower(): service for name, service in self.services.items()}
        if len(self._by_path) < len(self.services):
            raise ValueError("two services have one name but for its case; paths are matched without it")
        self._by_path[PATH.lower()] = endpoint
        self.host = host
        self.port = port
        self.advertise = advertise
        self.credentials = credentials
        self.access = access or Access()
        self.pages: Pages | None = None
        """What browsers are served."""
        for service in (endpoint, *self.services.values()):
            service.authorise = self.access.check
            service.large.allowance = (session_limits or SessionLimits()).large_bytes
        self._readers = Readers()
        self._listeners: list[trio.socket.SocketType] = []
        self._limits = limits or Limits()
        self._tide = Tide()
        self._session_limits = session_limits or SessionLimits()
        if credentials is None and not plain_anywhere and not tcp.is_loopback(host):
            raise ValueError(plain_text_refused(host))

    @property
    def scheme(self) -> str:
        """`wss` with TLS, else `ws`."""
        return "ws" if self.credentials is None else "wss"

    def uri(self, service: str | None = None, *, host: str | None = None) -> str:
        """The URI of a service, or of the publisher itself, as seen by a client at `host`."""
        assert self.port is not None, "the publisher has no port before it serves"
        return service_uri(self.scheme, self.advertise or host or self.host, self.port, service)

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run all services and accept connections until cancelled; started when clients may come.

        When it is cancelled it takes leave within ten seconds: nothing new is taken, waiting commands
        complete `canceled`, running ones have three seconds to end before the device is given up, every
        client is told with close code 1001.

        Raises:
            NoFreePort: no port could be bound.
        """
        self._listeners = listeners = await self._bind()
        try:
            async with trio.open_nursery() as nursery:
                # What is cancelled from outside is only the waiting below. Services end in their own time,
                # and after them the connections by which they take leave of their clients.
                connections: _Sheltered = await nursery.start(_sheltered)
                services: _Sheltered = await nursery.start(_sheltered)
                try:
                    if self.credentials is not None:
                        nursery.start_soon(self.credentials.watch)
                    # All at once: a device that is slow to open must not delay the others.
                    async with trio.open_nursery() as starting:
                        for service in (self.endpoint, *self.services.values()):
                            starting.start_soon(services.nursery.start, service.run)
                    nursery.start_soon(stalls.watch)
                    connections.nursery.start_soon(self._readers.run)
                    for listener in listeners:
                        nursery.start_soon(self._accept, listener, connections.nursery)
                    _log.info("publishing at %s", self.uri())
                    task_status.started()
                    await trio.sleep_forever()
                finally:
                    self._close_listeners()
                    await services.end()
                    await connections.end()
        finally:
            self._close_listeners()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()

    async def drain(self, seconds: float) -> None:
        """Get ready to end: nothing new, waiting commands cancelled, the running ones done.

        Args:
            seconds: how long running commands may take; what the device has not done by then
                is given up, and booked as far as it is known.
        """
        self._close_listeners()
        services = (self.endpoint, *self.services.values())
        with trio.move_on_after(seconds) as patience:
            await _all_drained(services)
        if patience.cancelled_caught:
            for service in services:
                service.operations.end()
            with trio.move_on_after(_GIVEN_UP_SECONDS):
                await _all_drained(services)

    async def _bind(self) -> list[trio.socket.SocketType]:
        """Bind the port asked for, or the first free one of the standard's."""
        candidates = (
            [self.port]
            if self.port is not None
            else [port for port in PORTS if port != (80 if self.credentials is not None else 443)]
        )
        problems: list[str] = []
        for port in candidates:
            try:
                listeners = await tcp.open_listener(self.host, port)
            except OSError as problem:
                problems.append(f"{port}: {problem.strerror or problem}")
                continue
            self.port = listeners[0].getsockname()[1]
            return listeners
        raise NoFreePort(f"no port of {self.host} could be bound ({'; '.join(problems)}); name a free one")

    async def _accept(self, listener: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        while True:
            try:
                connection, address = await listener.accept()
            except trio.ClosedResourceError:
                return
            except OSError as problem:
                if listener.fileno() < 0:
                    return
                _log.error("a connection could not be accepted: %s", problem)
                # Probably out of file descriptors; without a pause this loop would spin.
                await trio.sleep(0.1)
                continue
            nursery.start_soon(self._connection, connection, address)

    async def _connection(self, connection: trio.socket.SocketType, address: tuple[str, int]) -> None:
        """Take one connection to the service it asks for; nothing it does reaches others."""
        where = f"{address[0]}:{address[1]}"
        stream = tcp.SocketStream(connection)
        who = {"connection": where}
        try:
            with self._limits.admit(address[0]):
                self._tide.rises(self._limits.open)
                await self._serve(stream, where)
        except Refused as refused:
            _log.warning("%s: refused: %s", where, refused, extra=who)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as gone:
            _log.info("%s: connection lost: %s", where, gone, extra=who)
        except Exception:
            _log.exception("%s: connection failed", where, extra=who)
        finally:
            await trio.aclose_forcefully(stream)
            self._tide.falls(self._limits.open)

    async def _serve(self, carrier: tcp.SocketStream, where: str) -> None:
        identity: tls.Identity | None = None
        stream: tcp.SocketStream | tls.TLSStream = carrier
        with trio.move_on_after(self._limits.handshake_seconds) as scope:
            if self.credentials is not None:
                secured = tls.TLSStream(carrier, self.credentials.context, server_side=True)
                stream = secured
                try:
                    await secured.do_handshake()
                except (tls.TLSError, trio.BrokenResourceError):
                    if not secured.only_looks:
                        raise
                if secured.only_looks:
                    _log.debug("%s: looked at the certificate", where, extra={"connection": where})
                    return
                identity = secured.identity
            routed = await self._route(stream, where, identity)
        if scope.cancelled_caught:
            _log.warning(
                "%s: disconnected: no handshake within %g s",
                where,
                self._limits.handshake_seconds,
                extra={"connection": where},
            )
            return
        if routed is None:
            await tcp.linger(stream)
            return
        service, request, peer = routed
        await stream.send_all(upgrade.accept_response(request))
        _log.info(
            "connected to %s%s", service.name or "the publisher", _by(stream, peer), extra=peer.log_fields
        )
        first = request.trailing
        del request  # what it holds is not needed as long as the connection lasts
        dialect = peer.dialect or self.dialect
        session = Session(service, stream, self._readers, peer, self._session_limits, dialect)
        await service.serve(session, first)

    async def _route(
        self, stream: trio.abc.Stream, where: str, identity: tls.Identity | None
    ) -> tuple[Service, upgrade.Upgrade, Peer] | None:
        """Read the request and find its service; None if it was one for a page, or none, and is answered."""
        try:
            request = await upgrade.accept_request(stream, None if self.pages is None else self.pages.path)
            if isinstance(request, upgrade.PageRequest):
                assert self.pages is not None
                await stream.send_all(await self.pages.answer(request, identity, where))
                return None
            path = request.path.partition("?")[0].rstrip("/").lower()
            if (service := self._by_path.get(path)) is None:
                known = "\n".join(f"  {self.uri(name)}" for name in self.services)
                raise upgrade.UpgradeRefused(
                    404,
                    f"Nothing is published at {told(path)}. The publisher is at {PATH}; services:\n{known}\n",
                )
            admit = self.access.admit if self.pages is None else self.pages.admit
            return service, request, admit(request, identity, where)
        except upgrade.UpgradeRefused as refused:
            said = refused.body.partition("\n")[0]
            _log.warning("%s: HTTP %d: %s", where, refused.status, said, extra={"connection": where})
            headers = (*refused.headers, *(() if self.credentials is None else (TLS_ONLY,)))
            await stream.send_all(upgrade.refuse_response(refused.status, refused.body, headers))
            return None


def _by(stream: tcp.SocketStream | tls.TLSStream, peer: Peer) -> str:
    """For the log: the version of TLS, and the certificate."""
    if not isinstance(stream, tls.TLSStream):
        return " in plain text"
    if (certificate := peer.certificate) is None:
        return f" by {stream.version}, without certificate"
    return (
        f" by {stream.version}, certificate {certificate.subject} for "
        f"{', '.join(certificate.sans) or 'no names'}, fingerprint {certificate.fingerprint}"
    )


def plain_text_refused(host: str) -> str:
    """Why plain text is not served at `host`, and what to do."""
    return (
        f"plain text on {host} would let anyone on the network drive the devices: "
        "configure [tls], bind a loopback address, or say plain_anywhere = true"
    )


async def _all_drained(services: Iterable[Service]) -> None:
    async with trio.open_nursery() as nursery:
        for service in services:
            nursery.start_soon(service.drain)
