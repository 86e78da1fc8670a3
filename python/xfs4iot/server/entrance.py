"""Where clients come in: one port, its limits, TLS and the WebSocket upgrade.

Every connection has its own task from the first byte, so a slow handshake holds up nobody
else. It passes the limits, TLS and the upgrade, each with a time limit; where it
leads then is for a publisher, or for the gateway of a fleet, to say.
"""

from __future__ import annotations

import errno
import socket
from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Generic, TypeVar

import trio

from xfs4iot.protocol.endpoints import PORTS
from xfs4iot.server.peer import Peer
from xfs4iot.telling import logger
from xfs4iot.transport import tcp, tls, upgrade
from xfs4iot.transport.limits import Limits, Refused
from xfs4iot.transport.memory import Tide

if TYPE_CHECKING:
    from xfs4iot.transport.rotation import Credentials

__all__ = ["TLS_ONLY", "Entrance", "NoFreePort", "connected_by", "plain_text_refused"]

_log = logger("xfs4iot.publisher")
TLS_ONLY = ("Strict-Transport-Security", "max-age=31536000")
"""Told to a browser that came by TLS: never come without."""

_NOT_HERE = {getattr(errno, name) for name in ("EADDRNOTAVAIL", "WSAEADDRNOTAVAIL") if hasattr(errno, name)}
_Way = TypeVar("_Way")


class NoFreePort(OSError):
    """None of the ports could be bound."""


class Entrance(ABC, Generic[_Way]):
    """Takes connections on one port.

    Args:
        host: the address to bind, and only this one.
        port: the port to bind; None takes the first free one of the standard's; 0 any.
        credentials: certificate and key; None serves plain text, on a loopback address only.
        plain_anywhere: serve plain text on an address that is not loopback, all the same.

    Attributes:
        handshakes: how many ended how: `opened`, `page` (an answer without a WebSocket), the HTTP status of a
            refusal, `tls` (it could not be established), `looked` (at the certificate only), `timeOut`,
            `limit` (there are too many connections), `lost`.
        passed_over: which port it took and why not one before it; empty if it is the first.

    Raises:
        ValueError: plain text is not served on this address.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        credentials: Credentials | None = None,
        plain_anywhere: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.credentials = credentials
        self.handshakes: Counter[str] = Counter()
        self.passed_over = ""
        self._listeners: list[trio.socket.SocketType] = []
        self._limits = limits or Limits()
        self._tide = Tide()
        if credentials is None and not plain_anywhere and not tcp.is_loopback(host):
            raise ValueError(plain_text_refused(host))

    @property
    def scheme(self) -> str:
        """`wss` with TLS, else `ws`."""
        return "ws" if self.credentials is None else "wss"

    @abstractmethod
    async def _route(
        self, stream: tcp.SocketStream | tls.TLSStream, where: str, identity: tls.Identity | None
    ) -> _Way | None:
        """Read the request and find where it leads; None if it was for a page, and is answered.

        Raises:
            UpgradeRefused: nowhere.
        """

    @abstractmethod
    async def _lead(self, stream: tcp.SocketStream | tls.TLSStream, way: _Way) -> None:
        """Open the WebSocket, and serve it until it ends."""

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()

    async def _bind(self) -> list[trio.socket.SocketType]:
        """Bind the port asked for, or the first free one of the standard's."""
        candidates = (
            [self.port]
            if self.port is not None
            else [port for port in PORTS if port != (80 if self.credentials is not None else 443)]
        )
        problems: dict[int, str] = {}
        for port in candidates:
            try:
                listeners = await tcp.open_listener(self.host, port)
            except OSError as problem:
                if isinstance(problem, socket.gaierror) or problem.errno in _NOT_HERE:
                    raise NoFreePort(
                        f"{self.host} is no address of this machine ({problem.strerror or problem}); "
                        "name one that is, or 0.0.0.0 for all"
                    ) from None
                problems[port] = problem.strerror or str(problem)
                continue
            self.port = listeners[0].getsockname()[1]
            if problems:
                self.passed_over = f"on port {self.port}, as none before it was free ({_told(problems)})"
                _log.info("%s", self.passed_over)
            return listeners
        raise NoFreePort(f"no port of {self.host} could be bound ({_told(problems)}); name a free one")

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
            self.handshakes["limit"] += 1
            _log.warning("%s: refused: %s", where, refused, extra=who)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as gone:
            _log.info("%s: connection lost: %s", where, gone, extra=who)
        except Exception:
            _log.exception("%s: connection failed", where, extra=who)
        finally:
            await trio.aclose_forcefully(stream)
            self._tide.falls(self._limits.open)

    async def _serve(self, carrier: tcp.SocketStream, where: str) -> None:
        stream: tcp.SocketStream | tls.TLSStream = carrier
        way: _Way | None = None
        ended = "lost"
        try:
            with trio.move_on_after(self._limits.handshake_seconds) as scope:
                identity: tls.Identity | None = None
                if self.credentials is not None:
                    ended = "tls"
                    secured = tls.TLSStream(carrier, self.credentials.context, server_side=True)
                    stream = secured
                    try:
                        await secured.do_handshake()
                    except (tls.TLSError, trio.BrokenResourceError):
                        if not secured.only_looks:
                            raise
                    if secured.only_looks:
                        ended = "looked"
                        _log.debug("%s: looked at the certificate", where, extra={"connection": where})
                        return
                    identity, ended = secured.identity, "lost"
                try:
                    way = await self._route(stream, where, identity)
                    ended = "page" if way is None else "opened"
                except upgrade.UpgradeRefused as refused:
                    ended = str(refused.status)
                    said = refused.body.partition("\n")[0]
                    _log.warning("%s: HTTP %d: %s", where, refused.status, said, extra={"connection": where})
                    headers = (*refused.headers, *(() if self.credentials is None else (TLS_ONLY,)))
                    await stream.send_all(upgrade.refuse_response(refused.status, refused.body, headers))
            if scope.cancelled_caught:
                ended = "timeOut"
                _log.warning(
                    "%s: disconnected: no handshake within %g s",
                    where,
                    self._limits.handshake_seconds,
                    extra={"connection": where},
                )
                return
        finally:
            self.handshakes[ended] += 1
        if way is None:
            await tcp.linger(stream)
            return
        await self._lead(stream, way)


def _told(problems: dict[int, str]) -> str:
    """Why ports could not be bound; those of one reason together."""
    of: dict[str, list[str]] = {}
    for port, why in problems.items():
        of.setdefault(why, []).append(str(port))
    return "; ".join(f"{', '.join(ports)}: {why}" for why, ports in of.items())


def connected_by(stream: tcp.SocketStream | tls.TLSStream, peer: Peer) -> str:
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
