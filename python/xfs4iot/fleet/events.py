"""Events of all devices as a durable stream, for other systems: who was away gets them later.

A device copies each unsolicited event of its services to `x4.T.D.e.INTERFACE`, without what is sensitive by
the same rules as recordings; the broker keeps it in the stream `x4-T-events` and says so. What the broker has
not confirmed is sent again, and may then be there twice: its number says so. While the broker cannot be
reached the latest events wait at the device, also across a loss of power (`event_spool`); numbers go on, so
that a consumer sees that some are missing, and the first entry of a start says how the one before has ended.

A subject has the device's name because the broker holds the device to it: what is in the body is only the
device's word. The last part is one of the standard's interfaces and nothing else, so that a device cannot
make subjects without end, and what one device sends pushes only its own events out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import trio

from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.carrier import Absent, Carrier, CarrierLost
from xfs4iot.fleet.event_spool import EventSpool, Spooled, Waiting
from xfs4iot.fleet.keeping import Keeping, confirmed_at
from xfs4iot.fleet.store import ask_broker, make_stream
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.ledger import LedgerError, ServiceLedger
from xfs4iot.protocol import registry, wire
from xfs4iot.protocol.index import EVENTS as NAMES
from xfs4iot.protocol.masking import without_secrets_anywhere
from xfs4iot.telling import logger

__all__ = [
    "EVENTS",
    "INTERFACES",
    "Consumer",
    "EventFeed",
    "Retention",
    "add_consumer",
    "consumers",
    "make_events",
    "remove_consumer",
]

_log = logger("xfs4iot.uplink")
EVENTS = "x4-{}-events"
"""Stream of a tenant's events."""
INTERFACES = tuple(sorted({name.partition(".")[0] for name in NAMES}))
"""What an event's subject ends with."""
LARGEST = 64 * 1024
"""Bytes of an event; of a larger one its name is told, and how large it was."""
_WAITING, _WAITING_BYTES = 1000, 2 * 2**20
"""What may wait at a device for the broker."""
_LONGEST_AGAIN = 60.0
_MOMENT = 0.05
"""Seconds that an event may wait before it is kept."""
_KEPT_A_SECOND = 2**20
"""Bytes that are written in a second while events go on and the broker does not answer."""


@dataclass(frozen=True)
class Retention:
    """How long events are kept; the first limit that is reached counts.

    Attributes:
        days: of each event.
        bytes_: of all together.
        each: events of one interface of one device.
    """

    days: float = 7.0
    bytes_: int = 2**30
    each: int = 10_000


async def make_events(
    carrier: Carrier, tenant: str, *, replicas: int = 1, retention: Retention | None = None
) -> None:
    """Make the stream, unless it is there.

    Raises:
        CarrierLost: the broker cannot be asked, or refuses.
    """
    wanted = retention or Retention()
    await make_stream(
        carrier,
        {
            "name": EVENTS.format(tenant), "subjects": [Subjects(tenant).event("*", "*")],
            "retention": "limits", "storage": "file", "discard": "old", "num_replicas": replicas,
            "max_age": int(wanted.days * 86400 * 1e9), "max_bytes": wanted.bytes_,
            "max_msgs_per_subject": wanted.each, "max_msg_size": LARGEST + 1024,
            "deny_delete": True, "deny_purge": True,
            "allow_rollup_hdrs": False, "max_consumers": 100,
            **confirmed_at(Subjects(tenant).event("*", "*"), Subjects(tenant), "{{wildcard(2)}}"),
        },
    )  # fmt: skip


class EventFeed:
    """The device's side.

    Args:
        ledger: keeps what waits across a loss of power; None keeps nothing.

    Attributes:
        number: of the latest event of this start.
        dropped: how many the broker has never got since this start, since too many waited.
    """

    def __init__(
        self, carrier: Carrier, subjects: Subjects, device: str, ledger: ServiceLedger | None = None
    ) -> None:
        self._subjects, self._device = subjects, device
        self._keeping = Keeping(carrier, subjects, device)
        self._spool = None if ledger is None else EventSpool(ledger)
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0
        self._arrived = trio.Event()
        self._changed = trio.Event()
        self._is_kept = False
        """Whether events are kept that the broker may have by now."""
        self._told_unkept = False
        self.epoch = 0
        self.number = 0
        self.dropped = 0

    async def begin(self, epoch: int) -> None:
        """Begin a start of the device: what waits of the ones before goes first, then how the last ended."""
        self.epoch = epoch
        before = None if self._spool is None else self._spool.read()
        if before is not None and before.epoch < epoch:
            for one in before.waiting:
                self._wait(one)
            self._say("Common", {"before": _told_of(before)})
        await self._keep()

    async def end(self) -> None:
        """Keep what waits, and that there is nothing behind it."""
        await self._keep(in_order=True)

    def heard(self, service: str, entry: registry.EventEntry, payload: bytes | None) -> None:
        """Take an event that a service sends to all its clients."""
        interface = entry.name.partition(".")[0]
        if interface not in INTERFACES:
            return
        said: dict[str, Any] = {"service": service, "event": entry.name}
        if payload is not None:
            if len(payload) > LARGEST // 2:
                said["leftOut"] = len(payload)
            else:
                said["payload"] = without_secrets_anywhere(_decode(payload))
        self._say(interface, said)

    def _say(self, interface: str, said: dict[str, Any]) -> None:
        self.number += 1
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = wire.encode({"epoch": self.epoch, "number": self.number, "at": at, **said}).decode()
        self._wait(Waiting(self._subjects.event(self._device, interface), body))
        while len(self._waiting) > _WAITING or self._bytes > _WAITING_BYTES:
            self._forget_oldest()
            self.dropped += 1
            if self.dropped == 1:
                _log.warning("the broker does not take events; the oldest are dropped until it does")

    def _wait(self, one: Waiting) -> None:
        self._waiting.append(one)
        self._bytes += one.size
        self._arrived.set()
        self._changed.set()

    def _forget_oldest(self) -> None:
        self._bytes -= self._waiting.popleft().size

    async def run(self) -> None:
        """Send what has been heard, one after the other, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            if self._spool is not None:
                nursery.start_soon(self._keep_on)

    async def _send(self) -> None:
        failures = 0
        while True:
            while not self._waiting:
                self._arrived = trio.Event()
                await self._arrived.wait()
            one = self._waiting[0]
            try:
                await self._keeping.keep(one.subject, one.body.encode())
            except CarrierLost as problem:
                failures += 1
                if failures == 1 and not isinstance(problem, Absent):
                    _log.info("an event cannot be sent to the broker; it is tried again: %s", problem)
                await trio.sleep(min(_LONGEST_AGAIN, 0.25 * 2.0 ** min(failures, 10)))
                continue
            failures = 0
            # Meanwhile it may have been dropped, as the oldest.
            if self._waiting and self._waiting[0] is one:
                self._forget_oldest()
                self._changed.set()

    async def _keep_on(self) -> None:
        """Keep what has waited for a moment, and forget it when the broker has it."""
        while True:
            await self._changed.wait()
            await trio.sleep(max(_MOMENT, self._bytes / _KEPT_A_SECOND))
            self._changed = trio.Event()
            if self._waiting or self._is_kept:
                await self._keep()

    async def _keep(self, *, in_order: bool = False) -> None:
        if self._spool is None:
            return
        waiting = tuple(self._waiting)
        kept = Spooled(self.epoch, self.number, self.dropped, in_order, waiting)
        try:
            await self._spool.keep(kept)
        except LedgerError as problem:
            # They are sent all the same; only a loss of power would take them.
            if not self._told_unkept:
                _log.error("events that wait for the broker cannot be kept: %s", problem)
            self._told_unkept = True
        else:
            self._is_kept, self._told_unkept = bool(waiting), False


def _told_of(before: Spooled) -> dict[str, Any]:
    return {
        "epoch": before.epoch,
        "number": before.number,
        "dropped": before.dropped,
        "inOrder": before.in_order,
    }


_decode = msgspec.json.Decoder(float_hook=Decimal).decode


@dataclass(frozen=True)
class Consumer:
    """Another system that takes events, as the broker knows it.

    Attributes:
        waiting: events that it has not been given yet.
        unacknowledged: that it has, and has not confirmed.
    """

    name: str
    interfaces: tuple[str, ...]
    waiting: int
    unacknowledged: int


async def add_consumer(
    carrier: Carrier, tenant: str, name: str, interfaces: Iterable[str] = (), *, new: bool = False
) -> None:
    """Let another system take events; what it has not confirmed waits for it, as long as it is kept.

    Args:
        interfaces: only of these; all if there is none.
        new: not those that are there already.

    Raises:
        CarrierLost: the broker cannot be asked, or refuses.
    """
    subjects, stream = Subjects(tenant), EVENTS.format(tenant)
    filters = [subjects.event("*", one) for one in interfaces] or [subjects.event("*", "*")]
    await ask_broker(
        carrier,
        f"CONSUMER.CREATE.{stream}.{name}",
        {
            "stream_name": stream, "action": "create",
            "config": {
                "name": name, "durable_name": name, "deliver_policy": "new" if new else "all",
                "ack_policy": "explicit", "ack_wait": 60_000_000_000, "max_ack_pending": 10_000,
                "max_waiting": 64, "filter_subjects": filters,
            },
        },
    )  # fmt: skip


async def consumers(carrier: Carrier, tenant: str) -> list[Consumer]:
    """All systems that take events, by name.

    Raises:
        CarrierLost: the broker cannot be asked, or refuses.
    """
    found: list[Consumer] = []
    while True:
        answer = await ask_broker(carrier, f"CONSUMER.LIST.{EVENTS.format(tenant)}", {"offset": len(found)})
        some = answer.get("consumers") or []
        for one in some:
            config = one["config"]
            subjects = config.get("filter_subjects") or [config.get("filter_subject", "")]
            last = tuple(each.rpartition(".")[2] for each in subjects)
            found.append(
                Consumer(
                    one["name"], () if last == ("*",) else last, one["num_pending"], one["num_ack_pending"]
                )
            )
        if not some or len(found) >= int(answer.get("total", 0)):
            return sorted(found, key=lambda one: one.name)


async def remove_consumer(carrier: Carrier, tenant: str, name: str) -> None:
    """Forget a system that takes events, and where it was.

    Raises:
        CarrierLost: the broker cannot be asked, or does not know it.
    """
    await ask_broker(carrier, f"CONSUMER.DELETE.{EVENTS.format(tenant)}.{name}", None)
