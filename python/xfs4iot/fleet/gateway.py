"""The gateway: applications speak plain XFS4IoT to it, and it carries their WebSockets to the devices.

It keeps nothing: any gateway serves any device, and when one dies its applications connect to another. A
session's bytes are not looked at, so that the device's rules, limits and order are the only ones; the gateway
checks who the application is, signs that, and adds what it permits.
"""

from __future__ import annotations

import json
import random
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
import trio

from xfs4iot import _core
from xfs4iot.fleet.carrier import Absent, Carried, Carrier, CarrierLost
from xfs4iot.fleet.link import Kind, Link, Malformed, Segment
from xfs4iot.fleet.opening import Opening, Signer
from xfs4iot.fleet.registry import Clone, Presence, Registry
from xfs4iot.fleet.store import Store
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.protocol.endpoints import PATH, service_uri
from xfs4iot.server.access import Access
from xfs4iot.server.entrance import Entrance, connected_by
from xfs4iot.server.peer import Peer
from xfs4iot.telling import logger, told
from xfs4iot.transport import tcp, tls, upgrade
from xfs4iot.transport.limits import Limits
from xfs4iot.transport.readers import Readers, Reading
from xfs4iot.transport.tokens import hash_presented

if TYPE_CHECKING:
    from xfs4iot.transport.rotation import Credentials

__all__ = ["Gateway"]

_log = logger("xfs4iot.gateway")
_WHERE = re.compile(re.escape(PATH) + r"/([A-Za-z0-9_-]{1,64})(/[^/]+)?", re.IGNORECASE)
_TICK_SECONDS = 0.25
_SEND_SECONDS = 30.0
_LOOK_SECONDS = 10.0
"""Seconds between two rounds of looking whether devices are still there; more where they are many."""
_LOOKS_A_SECOND = 200
_GOING_AWAY = 1001


class _Application:
    """One application's session: its socket on one side, the link to the device on the other."""

    def __init__(self, gateway: Gateway, to: str, own: str) -> None:
        self.gateway, self.to, self.own = gateway, to, own
        self.link = Link(trio.current_time())
        self.answer: Segment | None = None
        self.answered = trio.Event()
        self.stream: tcp.SocketStream | tls.TLSStream | None = None
        self.over = trio.Event()
        self._reading: Reading | None = None
        self._rest = b""
        self._writing = False
        self._whole = True
        self._gone = False

    async def relay(
        self, stream: tcp.SocketStream | tls.TLSStream, readers: Readers, nursery: trio.Nursery, first: bytes
    ) -> None:
        """Carry bytes both ways until either side ends."""
        self.stream, self._nursery = stream, nursery
        self._reading = reading = Reading(readers, stream, self._from_application)
        if first:
            self._from_application(first, trio.current_time())
        self.changed()
        async with trio.open_nursery() as own:
            own.start_soon(self._read, readers, reading)
            await self.over.wait()
            own.cancel_scope.cancel()
        await self._leave(stream)

    async def _read(self, readers: Readers, reading: Reading) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await readers.read(reading)
        if not self._rest:
            self.link.close(trio.current_time())
            self.gateway.flush(self)
        self._gone = True
        self.changed()

    def _from_application(self, data: bytes, now: float) -> None:
        self._rest += data
        self._push()
        if self._rest and self._reading is not None:
            self._reading.pause()

    def _push(self) -> None:
        if self._rest and (sent := self.link.send(self._rest, trio.current_time(), whole=False)):
            self._rest = self._rest[sent:]
        if self._gone and not self._rest:
            self.link.close(trio.current_time())
        self.gateway.flush(self)

    def changed(self) -> None:
        """Do what follows from what has arrived by the link."""
        link = self.link
        if self.stream is None:
            return
        if self._rest:
            self._push()
            if not self._rest and self._reading is not None:
                self._reading.resume()
        while link.arrived and not self._writing:
            number, data, self._whole = link.arrived.popleft()
            try:
                sent = 0 if self._gone else self.stream.send_now(data)
                if self._gone or (sent == len(data) and not self.stream.has_unsent):
                    link.consumed(number, trio.current_time())
                else:
                    self._writing = True
                    self._nursery.start_soon(self._write, self.stream, number, data[sent:])
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._gone = True
                link.close(trio.current_time())
        self.gateway.flush(self)
        if not self._writing and not link.arrived and (link.closed or link.ended is not None):
            self.over.set()

    async def _write(self, stream: tcp.SocketStream | tls.TLSStream, number: int, data: bytes) -> None:
        """Write what the application does not take at once; what comes behind waits at the device."""
        try:
            with trio.move_on_after(_SEND_SECONDS) as patience:
                await stream.send_all(data)
            if patience.cancelled_caught:
                self.link.ended = f"the application took no data for {_SEND_SECONDS:g} s"
                self._whole = False
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._gone = True
            self.link.close(trio.current_time())
        self._writing = False
        self.link.consumed(number, trio.current_time())
        self.changed()

    async def _leave(self, stream: tcp.SocketStream | tls.TLSStream) -> None:
        """Tell the application how it ended, in the way of a service that goes."""
        link = self.link
        link.close(trio.current_time())
        self.gateway.flush(self)
        if link.ended is not None and not link.closed and self._whole:
            reason = told(link.ended)[:100]
            try:
                with trio.move_on_after(1):
                    await stream.send_all(_core.close(_GOING_AWAY, reason))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
        await tcp.linger(stream)


@dataclass(frozen=True)
class _Way:
    request: upgrade.Upgrade
    peer: Peer
    application: _Application


class Gateway(Entrance[_Way]):
    """Publishes every device of a fleet on one port.

    Args:
        carrier: the connection to the broker.
        store: where the devices are known.
        signer: signs who applications are; None where devices do not ask, with a broker on this machine.
        access: which applications are let in, and which commands each may use, beside what the devices allow.
        advertise: host name to publish; None publishes the one that the application used.
        spread: over how many seconds the fleet can be let in, told to the devices.
        host, port, credentials, plain_anywhere, limits: as of a publisher.

    Attributes:
        name: of this process, new with each start.
    """

    def __init__(
        self,
        carrier: Carrier,
        store: Store,
        *,
        tenant: str,
        signer: Signer | None = None,
        access: Access | None = None,
        advertise: str | None = None,
        spread: float = 1.0,
        host: str = "127.0.0.1",
        port: int | None = None,
        credentials: Credentials | None = None,
        plain_anywhere: bool = False,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(
            host=host, port=port, credentials=credentials, plain_anywhere=plain_anywhere, limits=limits
        )
        self.name = secrets.token_hex(6)
        self.subjects = Subjects(tenant)
        self.registry = Registry(store, carrier, self.subjects)
        self.advertise, self.spread = advertise, spread
        self._carrier, self._signer = carrier, signer
        self._access = access or Access()
        self._applications: dict[str, _Application] = {}
        self._readers = Readers()
        self._nursery: trio.Nursery

    @property
    def sessions(self) -> int:
        """How many applications have a session."""
        return len(self._applications)

    def uri(self, device: str, service: str | None = None, *, host: str | None = None) -> str:
        """The URI of a device's service, or of its publisher."""
        assert self.port is not None, "the gateway has no port before it serves"
        path = device if service is None else f"{device}/{service}"
        return service_uri(self.scheme, self.advertise or host or self.host, self.port, path)

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; started when applications and devices may come.

        Raises:
            NoFreePort: no port could be bound.
        """
        self._listeners = await self._bind()
        root = self.subjects.root
        subscribed = [
            self._carrier.subscribe(f"{root}.*.u.{self.name}.*", self._receive),
            self._carrier.subscribe(f"{root}.*.hello", self._greeted, "gateways"),
        ]
        self._carrier.on_connected(self._resume)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                if self.credentials is not None:
                    nursery.start_soon(self.credentials.watch)
                nursery.start_soon(self._readers.run)
                nursery.start_soon(self._tick)
                nursery.start_soon(self._look)
                for listener in self._listeners:
                    nursery.start_soon(self._accept, listener, nursery)
                _log.info("gateway at %s", service_uri(self.scheme, self.host, self.port or 0))
                task_status.started()
                await trio.sleep_forever()
            finally:
                # Within the nursery, which takes no task any more when it has ended.
                self._close_listeners()
                for unsubscribe in subscribed:
                    unsubscribe()
                for one in self._applications.values():
                    reset = Segment(Kind.RESET, 0, 0, 0, b"the gateway ends")
                    self._carrier.publish(one.to, reset.encode())

    async def _route(
        self, stream: tcp.SocketStream | tls.TLSStream, where: str, identity: tls.Identity | None
    ) -> _Way:
        request = await upgrade.accept_request(stream)
        assert isinstance(request, upgrade.Upgrade)
        found = _WHERE.fullmatch(request.path.partition("?")[0].rstrip("/"))
        if found is None:
            raise upgrade.UpgradeRefused(
                404,
                f"This is a gateway: a device is at {PATH}/DEVICE, its services at {PATH}/DEVICE/SERVICE.",
            )
        peer = self._access.admit(request, identity, where)
        device, service = found[1], found[2] or ""
        try:
            presence = await self.registry.get(device)
        except CarrierLost as problem:
            raise upgrade.UpgradeRefused(503, f"The fleet cannot be asked: {problem}.") from None
        if presence is None:
            raise upgrade.UpgradeRefused(404, f"There is no device {device} in this fleet.")
        if not presence.online:
            raise upgrade.UpgradeRefused(503, f"Device {device} is offline.")
        sid = secrets.token_hex(12)
        to = self.subjects.to_device(device, presence.epoch, self.name, sid)
        application = _Application(self, to, self.subjects.to_gateway(device, self.name, sid))
        opening = Opening(
            device, presence.epoch, self.name, sid, PATH + service, request.host,
            self.uri(device, host=request.host or None), peer.address, peer.rule or "",
            tuple(self._access.patterns(peer)),
            None if request.bearer is None else hash_presented(request.bearer),
            None if identity is None else identity.subject,
            () if identity is None else identity.sans,
            None if identity is None else identity.fingerprint,
        )  # fmt: skip
        self._applications[sid] = application
        try:
            body = Segment(Kind.OPEN, 0, 0, 0, opening.encode(self._signer)).encode()
            if not self._carrier.publish(to, body, application.own):
                raise upgrade.UpgradeRefused(503, "The gateway has no connection to its broker; try again.")
            await application.answered.wait()
            answer = application.answer
            if answer is None:
                self._nursery.start_soon(self._look_at, device, presence)
                raise upgrade.UpgradeRefused(503, f"Device {device} is not connected at present.")
            if answer.kind is Kind.REFUSE:
                said = orjson.loads(answer.data)
                headers = tuple((str(name), str(value)) for name, value in said["headers"])
                raise upgrade.UpgradeRefused(int(said["status"]), str(said["body"]), headers)
        except BaseException:
            del self._applications[sid]
            reset = Segment(Kind.RESET, 0, 0, 0, b"the application has gone")
            self._carrier.publish(to, reset.encode())
            raise
        return _Way(request, peer, application)

    async def _lead(self, stream: tcp.SocketStream | tls.TLSStream, way: _Way) -> None:
        application = way.application
        sid = application.own.rpartition(".")[2]
        try:
            await stream.send_all(upgrade.accept_response(way.request))
            _log.info(
                "connected%s: %s", connected_by(stream, way.peer), application.to, extra=way.peer.log_fields
            )
            await application.relay(stream, self._readers, self._nursery, way.request.trailing)
        finally:
            application.link.close(trio.current_time())
            self.flush(application)
            if not application.link.finished:
                reset = Segment(Kind.RESET, 0, 0, 0, b"the application has gone")
                self._carrier.publish(application.to, reset.encode())
            self._applications.pop(sid, None)

    def _receive(self, message: Carried) -> None:
        one = self._applications.get(message.subject.rpartition(".")[2])
        if one is None:
            return
        if message.subject != one.own:
            _log.error("%s is not where this session is carried", message.subject)
            return
        if message.status:
            # Once the session is open the device may be on its way back.
            one.link.nobody(trio.current_time())
            one.answered.set()
            return
        try:
            segment = Segment.decode(message.body)
        except Malformed as wrong:
            _log.warning("%s: %s", message.subject, wrong)
            return
        if not one.answered.is_set():
            if segment.kind in (Kind.ACCEPT, Kind.REFUSE):
                one.answer = segment
            one.answered.set()
            return
        if segment.kind is Kind.ACCEPT:
            return
        one.link.receive(segment, trio.current_time())
        one.changed()

    def flush(self, one: _Application) -> None:
        """Send what a session's link has to say."""
        out, one.link.out = one.link.out, []
        for segment in out:
            reply = one.own if segment.kind is Kind.BEAT else ""
            self._carrier.publish(one.to, segment.encode(), reply)

    def _resume(self) -> None:
        for one in self._applications.values():
            if one.answered.is_set():
                one.link.resume(trio.current_time())
                self.flush(one)

    async def _tick(self) -> None:
        while True:
            await trio.sleep(_TICK_SECONDS)
            now = trio.current_time()
            for one in list(self._applications.values()):
                if one.answered.is_set():
                    one.link.tick(now)
                    one.changed()

    async def _look(self) -> None:
        """Find out which devices have gone without a word: the broker knows when nobody listens."""
        while True:
            # Other gateways look as well, at another time.
            await trio.sleep(random.uniform(0.5, 1.0) * _LOOK_SECONDS)
            try:
                known = await self.registry.everything()
            except CarrierLost as problem:
                _log.debug("the fleet cannot be looked at: %s", problem)
                continue
            for device, presence in known.items():
                if presence.online:
                    self._nursery.start_soon(self._look_at, device, presence)
                    await trio.sleep(1 / _LOOKS_A_SECOND)

    async def _look_at(self, device: str, presence: Presence) -> None:
        # What cannot be asked says nothing.
        with suppress(CarrierLost):
            await self.registry.look(device, presence)

    def _greeted(self, message: Carried) -> None:
        self._nursery.start_soon(self._greet, message)

    async def _greet(self, message: Carried) -> None:
        device = message.subject.split(".")[-2]
        try:
            said = orjson.loads(message.body)
            if said.get("goodbye"):
                await self.registry.goodbye(device, said)
            else:
                await self.registry.hello(device, said)
            answer: dict[str, object] = {"spread": self.spread}
        except Clone as clone:
            answer = {"refused": str(clone)}
        except Absent:
            return
        except Exception as problem:
            # Whatever a device says, the others must not notice.
            _log.warning("device %s cannot be taken in: %s", device, told(repr(problem)))
            return
        if message.reply:
            self._carrier.publish(message.reply, json.dumps(answer).encode())
