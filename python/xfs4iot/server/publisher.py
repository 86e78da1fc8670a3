"""The publisher: one port, TLS, and the way from a connection to the service it asks for.

A connection comes in by the `entrance` and is then routed by its path: `/xfs4iot/v1.0` is the publisher's
own endpoint, `/xfs4iot/v1.0/<Name>` a service, in upper or lower case, with or without a slash at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import trio

from xfs4iot.protocol.dialects import STANDARD, dialect_named
from xfs4iot.protocol.endpoints import PATH, here, service_uri
from xfs4iot.server import stalls
from xfs4iot.server.access import Access
from xfs4iot.server.channel import SessionLimits
from xfs4iot.server.entrance import Entrance, NoFreePort, connected_by, plain_text_refused
from xfs4iot.server.peer import Peer
from xfs4iot.server.session import Session
from xfs4iot.telling import logger, told
from xfs4iot.transport import tcp, tls, upgrade
from xfs4iot.transport.limits import Limits, Refused
from xfs4iot.transport.memory import give_back
from xfs4iot.transport.readers import Readers, ReadyStream

if TYPE_CHECKING:
    from xfs4iot.server.login import Login
    from xfs4iot.server.service import Service
    from xfs4iot.transport.rotation import Credentials

__all__ = ["NoFreePort", "Pages", "Publisher", "plain_text_refused"]


_log = logger("xfs4iot.publisher")

_NO_LONGER_ALLOWED = 1008
_GIVEN_UP_SECONDS = 3.0
"""How long commands may take to complete whose device was given up."""


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


_Way = tuple["Service", upgrade.Upgrade, Peer]


class Publisher(Entrance[_Way]):
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
        super().__init__(
            host=host,
            port=port,
            credentials=credentials,
            plain_anywhere=plain_anywhere,
            limits=limits,
        )
        self.advertise = advertise
        self.access = access or Access()
        self.pages: Pages | None = None
        """What browsers are served."""
        for service in (endpoint, *self.services.values()):
            service.authorise = self.access.check
            service.large.allowance = (session_limits or SessionLimits()).large_bytes
        self._readers = Readers()
        self._session_limits = session_limits or SessionLimits()
        self._sheltered: trio.Nursery | None = None

    @property
    def is_open(self) -> bool:
        """Whether all services have been started, and clients may come."""
        return self._sheltered is not None

    def uri(self, service: str | None = None, *, host: str | None = None) -> str:
        """The URI of a service, or of the publisher itself, as seen by a client at `host`."""
        assert self.port is not None, "the publisher has no port before it serves"
        return service_uri(self.scheme, self.advertise or host or here(self.host), self.port, service)

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
                    self._sheltered = connections.nursery
                    connections.nursery.start_soon(self._readers.run)
                    for listener in listeners:
                        nursery.start_soon(self._accept, listener, connections.nursery)
                    # Imports and the opening of devices leave holes.
                    give_back()
                    _log.info("publishing at %s", self.uri())
                    task_status.started()
                    await trio.sleep_forever()
                finally:
                    self._sheltered = None
                    self._close_listeners()
                    await services.end()
                    await connections.end()
        finally:
            self._close_listeners()

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

    async def _route(
        self, stream: tcp.SocketStream | tls.TLSStream, where: str, identity: tls.Identity | None
    ) -> _Way | None:
        request = await upgrade.accept_request(stream, None if self.pages is None else self.pages.path)
        if isinstance(request, upgrade.PageRequest):
            assert self.pages is not None
            await stream.send_all(await self.pages.answer(request, identity, where))
            return None
        service = self._service_at(request)
        admit = self.access.admit if self.pages is None else self.pages.admit
        return service, request, admit(request, identity, where)

    def _service_at(self, request: upgrade.Upgrade) -> Service:
        """The service that a request is for.

        Raises:
            UpgradeRefused: there is no such service.
        """
        path = request.path.partition("?")[0].rstrip("/").lower()
        if (service := self._by_path.get(path)) is None:
            known = "\n".join(f"  {self.uri(name)}" for name in self.services)
            raise upgrade.UpgradeRefused(
                404,
                f"Nothing is published at {told(path) or '/'}. The publisher is at {PATH}; "
                f"services:\n{known}\n",
            )
        return service

    async def _lead(self, stream: tcp.SocketStream | tls.TLSStream, way: _Way) -> None:
        service, request, peer = way
        del way
        await stream.send_all(upgrade.accept_response(request))
        _log.info(
            "connected to %s%s",
            service.name or "the publisher",
            connected_by(stream, peer),
            extra=peer.log_fields,
        )
        first = request.trailing
        del request  # what it holds is not needed as long as the connection lasts
        await self._session(service, peer, stream, self._readers, first)

    async def _session(
        self, service: Service, peer: Peer, stream: ReadyStream, readers: Readers, first: bytes = b""
    ) -> None:
        dialect = peer.dialect or self.dialect
        session = Session(service, stream, readers, peer, self._session_limits, dialect)
        if peer.login is None:
            return await service.serve(session, first)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_close_with, peer.login, session)
            await service.serve(session, first)
            nursery.cancel_scope.cancel()
        return None

    def find_carried(
        self,
        request: upgrade.Upgrade,
        identity: tls.Identity | None,
        where: str,
        base: str,
        permitted: tuple[str, ...],
    ) -> tuple[Service, Peer]:
        """The service that a client asks for whom a gateway vouches, and who that is.

        Args:
            base: URI under which the gateway publishes this device.
            permitted: what the gateway lets the client use.

        Raises:
            UpgradeRefused: there is no such service, or the client may not use it.
        """
        service = self._service_at(request)
        # Not by the pages: their logins are for browsers that come to this port.
        peer = self.access.admit(request, identity, where)
        return service, replace(peer, base=base, permitted=permitted)

    def carry(self, service: Service, peer: Peer, stream: ReadyStream, readers: Readers) -> None:
        """Serve a client whose WebSocket came another way than by the publisher's port.

        Returns at once; the connection counts towards the limits as any other.

        Raises:
            Refused: they are reached.
        """
        if self._sheltered is None:
            raise Refused("the services are not open")
        admitted = self._limits.admit(peer.address.rpartition(":")[0])
        admitted.__enter__()

        async def serve() -> None:
            try:
                await self._session(service, peer, stream, readers)
            except Exception:
                _log.exception("%s: connection failed", peer.address, extra=peer.log_fields)
            finally:
                admitted.__exit__(None, None, None)

        _log.info("connected to %s by the uplink", service.name or "the publisher", extra=peer.log_fields)
        self._sheltered.start_soon(serve)


async def _close_with(login: Login, session: Session) -> None:
    await login.wait_ended()
    session.log.info("the login has ended")
    await session.close(_NO_LONGER_ALLOWED, "the login has ended")


async def _all_drained(services: Iterable[Service]) -> None:
    async with trio.open_nursery() as nursery:
        for service in services:
            nursery.start_soon(service.drain)
