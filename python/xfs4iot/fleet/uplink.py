"""The device's side: it dials out, and its publisher's services are reached by what it holds open.

What comes here is an ordinary session of the publisher: its access rules, limits and order hold. A gateway
vouches for the application, and the device checks that one has.
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import trio

from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.arrivals import Arrivals
from xfs4iot.fleet.carrier import Carried, Carrier, CarrierLost
from xfs4iot.fleet.events import EventFeed
from xfs4iot.fleet.link import Kind, Link, Malformed, Segment
from xfs4iot.fleet.opening import Authorities, Forged, Opening
from xfs4iot.fleet.reporter import Pace, Reporter
from xfs4iot.fleet.store import Store
from xfs4iot.fleet.stream import CarriedReaders, CarriedStream
from xfs4iot.fleet.subjects import Subjects, check_id
from xfs4iot.ledger import ServiceLedger
from xfs4iot.protocol.registry import EventEntry
from xfs4iot.server.publisher import Publisher
from xfs4iot.telling import logger, told
from xfs4iot.transport.limits import Refused
from xfs4iot.transport.upgrade import UpgradeRefused

__all__ = ["HERD_WAIT", "Uplink", "hello_wait", "herd_wait"]

_log = logger("xfs4iot.uplink")
_EPOCH = "epoch"
_OPENS = bytes([Kind.OPEN])
_TICK_SECONDS = 0.25
_FIRST_AGAIN, _LONGEST_AGAIN = 30.0, 300.0
_HELLO_AGAIN = 4.0
_HELLO_SECONDS = 120.0
"""After about so many seconds it is said again, to a fleet that has taken this device for gone by mistake."""
HERD_WAIT = 2.0
"""Seconds within which a device comes back that has applications waiting, however large the herd."""
_MOST_EARLY = 256
"""Sessions that are asked for before the fleet has taken the device in, and wait for that."""
_MOST_SESSIONS_EVER = 200_000
"""Ids of sessions that are remembered, so that none is opened twice; then the device takes a new epoch."""


def herd_wait(failures: int, spread: float, busy: bool) -> float:
    """Seconds before an attempt to connect, such that a whole fleet does not come at once.

    Args:
        failures: how many attempts have failed in a row.
        spread: over how many seconds the fleet can be let in.
        busy: whether applications wait for this device.
    """
    if failures == 0:
        return random.uniform(0, min(spread, HERD_WAIT) if busy else spread)
    ceiling = min(_LONGEST_AGAIN, max(1.0, min(spread, _FIRST_AGAIN)) * 2.0 ** min(failures, 20))
    return random.uniform(0, ceiling)


def hello_wait(failures: int, spread: float) -> float:
    """Seconds before a device that is connected asks again to be taken in.

    Never much longer than the fleet needs to let all in: a registry that was away for long must not keep its
    devices away for longer.

    Args:
        failures: how many attempts have failed in a row, one at least.
        spread: over how many seconds the fleet can be let in.
    """
    return random.uniform(0, min(max(_HELLO_AGAIN, spread), 0.5 * 2.0 ** min(failures, 20)))


@dataclass(eq=False)
class _Carried:
    link: Link
    stream: CarriedStream
    gateway: str
    to: str
    own: str


class Uplink:
    """A device's link to its fleet.

    Args:
        publisher: whose services are reached.
        carrier: the connection to the broker.
        ledger: where the epoch is counted.
        device: the name under which gateways publish it.
        authorities: whose gateways are trusted; None trusts whoever speaks, for a broker on this machine.
        version: of the software, told to the fleet.
        pace: how often the fleet is told what has changed of the devices.
        last: where that is kept; None for the tenant's bucket at the broker.

    Attributes:
        spread: over how many seconds the fleet can be let in, as the gateways say.
        epoch: which start of the device this is.
        refused: why the fleet does not take this device in; None if it does.
    """

    def __init__(
        self,
        publisher: Publisher,
        carrier: Carrier,
        ledger: ServiceLedger,
        *,
        tenant: str,
        device: str,
        authorities: Authorities | None,
        version: str = "",
        pace: Pace | None = None,
        last: Store | None = None,
    ) -> None:
        self.device = check_id(device, "device")
        self.subjects = Subjects(tenant)
        self.spread = 1.0
        self.epoch = 0
        self.refused: str | None = None
        self.admitted = trio.Event()
        self.instance = secrets.token_hex(8)
        self._publisher, self._carrier, self._ledger = publisher, carrier, ledger
        self._authorities, self._version = authorities, version
        # By a device's certificate it may hear only what is its own, and is answered nowhere else.
        carrier.inbox = self.subjects.inbox(device)
        self.events = EventFeed(carrier, self.subjects, device, ledger)
        self.reporter = Reporter(
            publisher, carrier, tenant=tenant, device=device, version=version, pace=pace, store=last
        )
        self._sessions: dict[str, _Carried] = {}
        """By the subject at which each hears."""
        self._arrivals = Arrivals(carrier, self._settle)
        self._seen: set[str] = set()
        self._early: list[tuple[str, str, Segment]] = []
        self._anew = trio.Event()
        self._ended = trio.Event()

    @property
    def _taken_in(self) -> bool:
        return self.admitted.is_set() and self.refused is None

    @property
    def busy(self) -> bool:
        """Whether applications have sessions here."""
        return bool(self._sessions)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled, or until another instance of the device takes its place."""
        self._readers = CarriedReaders()
        self.epoch = int(self._ledger.document(_EPOCH) or b"0") + 1
        await self._ledger.put_document(_EPOCH, str(self.epoch).encode())
        await self.events.begin(self.epoch)
        subscribed = [
            self._carrier.subscribe(
                self.subjects.to_device(self.device, self.epoch, "*", "*"), self._receive
            ),
            self._carrier.subscribe(self.subjects.told(self.device, self.epoch), self._told),
        ]
        self._carrier.on_connected(self._connected)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._tick)
                nursery.start_soon(self._say_hello)
                nursery.start_soon(self._report)
                task_status.started()
                await self._ended.wait()
                nursery.cancel_scope.cancel()
        finally:
            for unsubscribe in subscribed:
                unsubscribe()
            self._drop("the device's uplink ends")
            said = {"epoch": self.epoch, "instance": self.instance, "goodbye": True}
            with trio.move_on_after(1, shield=True):
                await self.events.end()
                with suppress(CarrierLost):
                    hello = self.subjects.hello(self.device)
                    await self._carrier.request(hello, json.dumps(said).encode(), 1.0)

    def _connected(self) -> None:
        self._anew.set()
        self.reporter.anew()

    async def _report(self) -> None:
        """Let the fleet know in which state the devices are, and what happens at them."""
        heard = {service: self._hears(service.name) for service in self._publisher.services.values()}
        for service, told_of in heard.items():
            service.listeners.append(told_of)
        try:
            await self.admitted.wait()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.reporter.run, self.epoch)
                nursery.start_soon(self.events.run)
        finally:
            for service, told_of in heard.items():
                service.listeners.remove(told_of)

    def _hears(self, service: str) -> Callable[[EventEntry, bytes | None], None]:
        def heard(entry: EventEntry, payload: bytes | None) -> None:
            self.reporter.heard()
            self.events.heard(service, entry, payload)

        return heard

    async def _say_hello(self) -> None:
        """Be taken in, after each new connection."""
        failures, connected_anew = 0, True
        while True:
            self._anew = trio.Event()
            if self._carrier.connected and await self._hello():
                failures = 0
                if connected_anew:
                    for one in list(self._sessions.values()):
                        one.link.resume(trio.current_time())
                        self._flush(one)
                with trio.move_on_after(random.uniform(0.5, 1.0) * _HELLO_SECONDS) as waiting:
                    await self._anew.wait()
                connected_anew = not waiting.cancelled_caught
                continue
            connected_anew = True
            failures += 1
            with trio.move_on_after(hello_wait(failures, self.spread)):
                await self._anew.wait()

    async def _hello(self) -> bool:
        said = {
            "epoch": self.epoch,
            "instance": self.instance,
            "version": self._version,
            "services": list(self._publisher.services),
        }
        try:
            answer = await self._carrier.request(self.subjects.hello(self.device), json.dumps(said).encode())
            welcome: dict[str, Any] = orjson.loads(answer.body)
            refused = welcome.get("refused")
            spread = float(welcome.get("spread", self.spread))
        except (CarrierLost, ValueError, TypeError) as problem:
            _log.info("the fleet does not answer yet: %s", problem)
            return False
        if refused is not None:
            if self.refused is None:
                _log.critical("the fleet does not take this device in: %s", refused)
            self.refused = told(refused)
            self._early.clear()
            self._drop("the fleet does not take this device in")
            return False
        self.refused = None
        self.spread = max(0.0, min(spread, 3600.0))
        if not self.admitted.is_set():
            _log.info("taken in by the fleet as %s, epoch %d", self.device, self.epoch)
        self.admitted.set()
        early, self._early = self._early, []
        for one in early:
            self._open(*one)
        return True

    def _told(self, message: Carried) -> None:
        try:
            said = orjson.loads(message.body)
        except ValueError:
            return
        if message.reply:
            # The fleet asks whether this device is there.
            self._carrier.publish(message.reply, json.dumps({"instance": self.instance}).encode())
        if said.get("superseded"):
            _log.critical("another instance of this device has taken its place; this one leaves the fleet")
            self._ended.set()

    def _receive(self, message: Carried) -> None:
        one = self._sessions.get(message.subject)
        if message.status:
            if one is not None:
                one.link.nobody(trio.current_time())
            return
        if one is not None and self._taken_in and message.body[:1] != _OPENS:
            try:
                one.link.receive(message.body, trio.current_time())
            except ValueError as wrong:
                _log.warning("%s: %s", told(message.subject), wrong)
                one.link.ended = one.link.ended or "the gateway has sent what is no message of a session"
            self._arrivals.add(one)
            return
        try:
            segment = Segment.decode(message.body)
        except Malformed as wrong:
            _log.warning("%s: %s", told(message.subject), wrong)
            return
        gateway, sid = message.subject.rsplit(".", 2)[1:]
        if not self._taken_in:
            # A copy of this device listens at the same subjects. Who is which the fleet must say first: an
            # answer from here might be to what is meant for the other, and end its sessions.
            if segment.kind is Kind.OPEN and self.refused is None and len(self._early) < _MOST_EARLY:
                self._early.append((gateway, sid, segment))
            return
        if segment.kind is Kind.OPEN:
            self._open(gateway, sid, segment)
        elif segment.kind is not Kind.RESET:
            reset = Segment(Kind.RESET, 0, 0, 0, b"the device does not know this session")
            self._carrier.publish(self.subjects.to_gateway(self.device, gateway, sid), reset.encode())

    def _settle(self, one: _Carried, now: float) -> None:
        one.stream.changed(now)
        self._flush(one)

    def _open(self, gateway: str, sid: str, segment: Segment) -> None:
        to = self.subjects.to_gateway(self.device, gateway, sid)

        def refuse(status: int, body: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
            said = json.dumps({"status": status, "body": body, "headers": headers}).encode()
            self._carrier.publish(to, Segment(Kind.REFUSE, 0, 0, 0, said).encode())

        if sid in self._seen:
            return None
        if len(self._seen) >= _MOST_SESSIONS_EVER:
            return refuse(
                503, "The device has had too many sessions since it was started; restart its services."
            )
        try:
            opening = Opening.decode(segment.data, self._authorities)
            if (opening.device, opening.epoch, opening.gateway, opening.sid) != (
                self.device, self.epoch, gateway, sid,
            ):  # fmt: skip
                raise Forged("it is for another session")
        except Forged as forged:
            _log.error("the opening of a session is refused: %s", forged)
            return refuse(403, f"The device does not believe the gateway: {forged}.")
        self._seen.add(sid)
        link = Link(trio.current_time())
        own = self.subjects.to_device(self.device, self.epoch, gateway, sid)
        one = _Carried(link, CarriedStream(link, lambda: self._flush(one)), gateway, to, own)
        try:
            service, peer = self._publisher.find_carried(
                opening.request, opening.identity, opening.address, opening.base, opening.permitted
            )
            self._publisher.carry(service, peer, one.stream, self._readers)
        except UpgradeRefused as refused:
            return refuse(refused.status, refused.body, refused.headers)
        except Refused as refused:
            return refuse(503, str(refused))
        self._sessions[own] = one
        self._carrier.publish(to, Segment(Kind.ACCEPT, 0, 0, 0).encode())
        return None

    def _flush(self, one: _Carried) -> None:
        for message in one.link.take_out():
            # With an address for the answer, the broker tells where nobody listens.
            self._carrier.publish(one.to, message, one.own if message[0] == Kind.BEAT else "")

    async def _tick(self) -> None:
        while True:
            await trio.sleep(_TICK_SECONDS)
            now = trio.current_time()
            for own, one in list(self._sessions.items()):
                link = one.link
                link.tick(now)
                self._flush(one)
                if link.ended is not None:
                    one.stream.changed(now)
                if link.finished or link.ended is not None:
                    del self._sessions[own]
                    if link.ended is not None:
                        _log.info("a session of gateway %s ended: %s", one.gateway, link.ended)
                        reset = Segment(Kind.RESET, 0, 0, 0, link.ended.encode()[:120])
                        self._carrier.publish(one.to, reset.encode())

    def _drop(self, reason: str) -> None:
        for one in self._sessions.values():
            one.link.ended = one.link.ended or reason
            reset = Segment(Kind.RESET, 0, 0, 0, reason.encode())
            self._carrier.publish(one.to, reset.encode())
            one.stream.changed(trio.current_time())
        self._sessions.clear()
