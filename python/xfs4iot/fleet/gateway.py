"""The gateway: applications speak plain XFS4IoT to it, and it carries their WebSockets to the devices.

It keeps nothing: any gateway serves any device, and when one dies its applications connect to another. A
session's bytes are not changed, so that the device's rules, limits and order are the only ones; the gateway
checks who the application is, signs that, and adds what it permits.
"""

from __future__ import annotations

import json
import random
import re
import secrets
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import orjson
import trio

from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.admission import Admission
from xfs4iot.fleet.application import Application
from xfs4iot.fleet.arrivals import Arrivals
from xfs4iot.fleet.carrier import Absent, Carried, Carrier, CarrierLost
from xfs4iot.fleet.link import Kind, Segment
from xfs4iot.fleet.metrics import GatewayMetrics
from xfs4iot.fleet.opening import Opening, Signer
from xfs4iot.fleet.registry import Clone, Presence, Registry
from xfs4iot.fleet.store import Store
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.protocol.endpoints import PATH, here, service_uri
from xfs4iot.server.entrance import Entrance, connected_by
from xfs4iot.server.peer import Peer
from xfs4iot.telling import logger, told
from xfs4iot.transport import tcp, tls, upgrade
from xfs4iot.transport.buckets import TokenBuckets
from xfs4iot.transport.limits import Limits
from xfs4iot.transport.readers import Readers
from xfs4iot.transport.tokens import hash_presented

if TYPE_CHECKING:
    from xfs4iot.transport.rotation import Credentials

__all__ = ["Gateway"]

_log = logger("xfs4iot.gateway")
_WHERE = re.compile(re.escape(PATH) + r"/([A-Za-z0-9_-]{1,64})(/[A-Za-z0-9_.-]{1,100})?", re.IGNORECASE)
"""Services have no other names: written otherwise, one might pass by the rules for it."""
_ACCEPTED = bytes([Kind.ACCEPT])
_TICK_SECONDS = 0.25
_GREETINGS_A_SECOND, _GREETINGS_AT_ONCE = 1.0, 20.0
"""Of one device; it says hello once for each connection, and again each two minutes."""
_LOOK_SECONDS = 10.0
"""Seconds between two rounds of looking whether devices are still there; more where they are many."""
_OF_THE_HANDSHAKE = 0.8
"""How much of the time for a handshake a device has to answer."""
_LOOKS_A_SECOND = 200
_TOLD_ON = frozenset({"www-authenticate", "retry-after"})
"""Headers of a device's refusal that an application is told."""


@dataclass(frozen=True)
class _Way:
    request: upgrade.Upgrade
    peer: Peer
    application: Application
    counted: ExitStack


class Gateway(Entrance[_Way]):
    """Publishes every device of a fleet on one port.

    Args:
        carrier: the connection to the broker.
        store: where the devices are known.
        signer: signs who applications are; None where devices do not ask, with a broker on this machine.
        admission: which applications are let in, and what each may use, beside what the devices allow.
        advertise: host name to publish; None publishes the one that the application used.
        spread: over how many seconds the fleet can be let in, told to the devices.
        metrics: counts what goes on; None counts nothing, and reads along nothing.
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
        admission: Admission | None = None,
        advertise: str | None = None,
        spread: float = 1.0,
        metrics: GatewayMetrics | None = None,
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
        self._carrier, self._signer, self.metrics = carrier, signer, metrics
        self.admission = admission or Admission()
        self._applications: dict[str, Application] = {}
        self._greetings = TokenBuckets(_GREETINGS_A_SECOND, _GREETINGS_AT_ONCE)
        self._arrivals = Arrivals(carrier, Application.changed)
        # What applications have sent in one go leaves together, and at once.
        self._readers = Readers(carrier.collect, carrier.flush_now)
        self._nursery: trio.Nursery

    @property
    def connected(self) -> bool:
        """Whether there is a connection to the broker."""
        return self._carrier.connected

    @property
    def sessions(self) -> int:
        """How many applications have a session."""
        return len(self._applications)

    def uri(self, device: str, service: str | None = None, *, host: str | None = None) -> str:
        """The URI of a device's service, or of its publisher."""
        assert self.port is not None, "the gateway has no port before it serves"
        path = device if service is None else f"{device}/{service}"
        return service_uri(self.scheme, self.advertise or host or here(self.host), self.port, path)

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
        if self.metrics is not None and self._carrier.connected:
            # That was before.
            self.metrics.connections += 1
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
        outcome = "gone"
        try:
            way = await self._way(stream, where, identity)
            outcome = "opened"
            return way
        except upgrade.UpgradeRefused as refused:
            outcome = str(refused.status)
            raise
        finally:
            if self.metrics is not None:
                self.metrics.openings[outcome] += 1

    async def _way(
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
        device, service = found[1], found[2] or ""
        peer, permitted = self.admission.admit(request, identity, where, device, service[1:])
        with ExitStack() as counted:
            counted.enter_context(self.admission.session(peer))
            presence = await self._present(device)
            application = self._application(peer, device, presence)
            opening = Opening(
                device, presence.epoch, self.name, application.sid, PATH + service, request.host,
                self.uri(device, host=request.host or None), peer.address, peer.rule or "", permitted,
                None if request.bearer is None else hash_presented(request.bearer),
                None if identity is None else identity.subject,
                () if identity is None else identity.sans,
                None if identity is None else identity.fingerprint,
            )  # fmt: skip
            await self._open(application, opening, presence)
            # From here on it lasts as long as the session.
            return _Way(request, peer, application, counted.pop_all())

    async def _present(self, device: str) -> Presence:
        """What is known of a device that is there."""
        try:
            presence = await self.registry.get(device)
        except CarrierLost as problem:
            raise upgrade.UpgradeRefused(503, f"The fleet cannot be asked: {problem}.") from None
        if presence is None:
            raise upgrade.UpgradeRefused(404, f"There is no device {device} in this fleet.")
        if not presence.online:
            raise upgrade.UpgradeRefused(503, f"Device {device} is offline.")
        return presence

    def _application(self, peer: Peer, device: str, presence: Presence) -> Application:
        sid = secrets.token_hex(12)
        to = self.subjects.to_device(device, presence.epoch, self.name, sid)
        own = self.subjects.to_gateway(device, self.name, sid)
        application = Application(peer, self.admission, self.flush, to, own)
        if self.metrics is not None:
            application.overheard = self.metrics.session()
        return application

    async def _open(self, application: Application, opening: Opening, presence: Presence) -> None:
        """Have the device open a session."""
        device, sid, to = opening.device, opening.sid, application.to
        self._applications[sid] = application
        try:
            body = Segment(Kind.OPEN, 0, 0, 0, opening.encode(self._signer)).encode()
            if not self._carrier.publish(to, body, application.own):
                raise upgrade.UpgradeRefused(503, "The gateway has no connection to its broker; try again.")
            began = trio.current_time()
            # In time for the application to hear why, which its handshake ends otherwise.
            with trio.move_on_after(_OF_THE_HANDSHAKE * self._limits.handshake_seconds) as patience:
                await application.answered.wait()
            if patience.cancelled_caught:
                raise upgrade.UpgradeRefused(
                    504, f"Device {device} does not answer: its line may be down. Try again."
                )
            answer = application.answer
            if self.metrics is not None and answer is not None:
                self.metrics.opened(trio.current_time() - began)
            if answer is None:
                self._nursery.start_soon(self._look_at, device, presence)
                raise upgrade.UpgradeRefused(503, f"Device {device} is not connected at present.")
            if answer.kind is Kind.REFUSE:
                raise _refusal(device, answer.data)
        except BaseException:
            del self._applications[sid]
            reset = Segment(Kind.RESET, 0, 0, 0, b"the application has gone")
            self._carrier.publish(to, reset.encode())
            raise

    async def _lead(self, stream: tcp.SocketStream | tls.TLSStream, way: _Way) -> None:
        application = way.application
        sid = application.sid
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
            way.counted.close()
            if self.metrics is not None:
                self.metrics.ended["in order" if application.link.ended is None else "lost"] += 1

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
            if not one.answered.is_set():
                segment = Segment.decode(message.body)
                if segment.kind in (Kind.ACCEPT, Kind.REFUSE):
                    one.answer = segment
                one.answered.set()
                return
            if message.body[:1] == _ACCEPTED:
                return
            one.link.receive(message.body, trio.current_time())
        except ValueError as wrong:
            # Whoever sends such a thing sends it again: once is enough for the log.
            _log.warning("%s: %s", told(message.subject), wrong)
            one.link.ended = one.link.ended or "the device has sent what is no message of a session"
            one.answered.set()
        self._arrivals.add(one)

    def flush(self, one: Application) -> None:
        """Send what a session's link has to say."""
        for message in one.link.take_out():
            reply = one.own if message[0] == Kind.BEAT else ""
            if not self._carrier.publish(one.to, message, reply) and self.metrics is not None:
                self.metrics.dropped += 1

    def _resume(self) -> None:
        if self.metrics is not None:
            self.metrics.connections += 1
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
                    one.changed(now)

    async def _look(self) -> None:
        """Find out which devices have gone without a word: the broker knows when nobody listens."""
        pause = random.uniform(0.0, 1.0)
        while True:
            # Other gateways look as well, at another time.
            await trio.sleep(pause)
            pause = random.uniform(0.5, 1.0) * _LOOK_SECONDS
            try:
                known = await self.registry.everything()
            except CarrierLost as problem:
                _log.debug("the fleet cannot be looked at: %s", problem)
                continue
            if self.metrics is not None:
                self.metrics.looked(known)
            for device, presence in known.items():
                if presence.online:
                    self._nursery.start_soon(self._look_at, device, presence)
                    await trio.sleep(1 / _LOOKS_A_SECOND)

    async def _look_at(self, device: str, presence: Presence) -> None:
        # What cannot be asked says nothing.
        with suppress(CarrierLost):
            await self.registry.look(device, presence)

    def _greeted(self, message: Carried) -> None:
        device = message.subject.split(".")[-2]
        # Each costs the store as much as a session, and every gateway: one device must not use it up.
        if self._greetings.take(device):
            self._nursery.start_soon(self._greet, device, message)

    async def _greet(self, device: str, message: Carried) -> None:
        older = None
        try:
            said = orjson.loads(message.body)
            if said.get("goodbye"):
                await self.registry.goodbye(device, said)
            else:
                older = await self.registry.hello(device, said)
            answer: dict[str, object] = {"spread": self.spread}
        except Clone as clone:
            answer = {"refused": str(clone)}
        except Absent:
            return
        except CarrierLost as problem:
            _log.warning("device %s cannot be taken in yet: %s; it asks again", device, told(str(problem)))
            return
        except Exception as problem:
            # Whatever a device says, the others must not notice.
            _log.warning("device %s cannot be taken in: %s", device, told(repr(problem)))
            return
        # In the gateway's name more could be said to others than the device may say.
        if message.reply.startswith(f"{self.subjects.inbox(device)}."):
            self._carrier.publish(message.reply, json.dumps(answer).encode())
        if older is not None:
            with suppress(CarrierLost):
                await self.registry.supersede(device, older)


def _refusal(device: str, data: bytes) -> upgrade.UpgradeRefused:
    """What an application is told that a device has refused; it may be anything."""
    try:
        said = orjson.loads(data)
        status, body = int(said["status"]), str(said["body"])
        headers = tuple((str(name), str(value)) for name, value in said["headers"])
    except (ValueError, TypeError, KeyError, OverflowError):
        status = 0
    if not 400 <= status < 600:
        return upgrade.UpgradeRefused(502, f"Device {device} refuses, in words that make no sense.")
    # A device must not say more than that to an application, such as a second answer behind the first.
    good = tuple(
        (name, value)
        for name, value in headers
        if name.lower() in _TOLD_ON and value.isprintable() and value.isascii()
    )
    return upgrade.UpgradeRefused(status, body, good)
