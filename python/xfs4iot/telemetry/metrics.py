"""What the services do, as numbers in the text format of Prometheus.

Counted as it happens: commands, events, refusals, connections. Asked when it is wanted: queues, devices,
units, certificates. Labels carry names of services, commands, units and codes; never what a message holds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from xfs4iot._core import Durations
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.interfaces.storage.summary import UnitSummary, unit_summaries
from xfs4iot.protocol import registry
from xfs4iot.server.publisher import Publisher
from xfs4iot.server.service import Service
from xfs4iot.telemetry.exposition import BUCKETS, Sample, exposition, histogram

__all__ = ["METRICS", "Metrics", "service_label"]

_DEVICE_STATES = (
    "online",
    "offline",
    "powerOff",
    "noDevice",
    "hardwareError",
    "userError",
    "deviceBusy",
    "fraudAttempt",
    "potentialFraud",
    "starting",
)

METRICS: dict[str, tuple[str, str]] = {
    "xfs4iot_commands_total": ("counter", "Commands that were completed, by completion code."),
    "xfs4iot_command_seconds": ("histogram", "From receipt to completion of a command."),
    "xfs4iot_events_total": ("counter", "Events that were sent, each once for all its receivers."),
    "xfs4iot_refused_total": ("counter", "Messages that were refused by an acknowledge, by its status."),
    "xfs4iot_connections_total": ("counter", "Connections that clients have opened."),
    "xfs4iot_connections": ("gauge", "Connections that are open."),
    "xfs4iot_handshakes_total": ("counter", "Connections that came, by how their handshake ended."),
    "xfs4iot_queue_commands": ("gauge", "Commands that wait for their turn."),
    "xfs4iot_device_state": ("gauge", "1 for the state that the device is in, 0 for all others."),
    "xfs4iot_unit_items": ("gauge", "Items in a storage unit, by the books."),
    "xfs4iot_unit_capacity": ("gauge", "Items that a storage unit can hold."),
    "xfs4iot_unit_usable": ("gauge", "1 if the unit can be used, else 0."),
    "xfs4iot_ledger_open_movements": ("gauge", "Movements that are not settled yet."),
    "xfs4iot_movements_total": ("counter", "Movements that were booked, by kind and outcome."),
    "xfs4iot_certificate_seconds": ("gauge", "How long the certificate that ends first is still good."),
    "xfs4iot_start_time_seconds": ("gauge", "When the services were started, in seconds since 1970."),
}
"""Name: type and meaning of each."""


class Metrics:
    """An observer that counts, and tells what it has counted.

    Args:
        publisher: whose services are asked.

    Attributes:
        one_by_one: of how many commands more `span` is told; who makes spans sets it anew.
        span: told of these as `completed` is.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.started = time.time()
        self.one_by_one = 0
        self.span: Callable[[str, str, str, float], None] | None = None
        self.durations: dict[tuple[str, str, str], Durations] = {}
        """By service, command and completion code."""
        self._events: Counter[tuple[str, str]] = Counter()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._connections: Counter[str] = Counter()

    def completed(self, service: str, command: str, code: str, seconds: float) -> None:
        durations = self.durations.get((service, command, code)) or self.counted(service, command, code)
        durations.add(seconds)
        # Not an observer of its own: nearly all commands come when no span is left.
        if self.one_by_one and self.span is not None:
            self.one_by_one -= 1
            self.span(service, command, code, seconds)

    def counted(self, service: str, command: str, code: str) -> Durations:
        # A client may invent names: they would become labels without end.
        key = service, command if registry.is_command(command) else "unknown", code
        if (durations := self.durations.get(key)) is None:
            durations = self.durations[key] = Durations(BUCKETS)
        return durations

    def told(self, service: str, event: str) -> None:
        self._events[service, event] += 1

    def refused(self, service: str, status: str) -> None:
        self._refused[service, status] += 1

    def connected(self, service: str) -> None:
        self._connections[service] += 1

    def disconnected(self, service: str) -> None:
        """Open connections are counted when they are asked for."""

    def text(self) -> str:
        """Everything, in Prometheus's text format 0.0.4."""
        return exposition(METRICS, map(_labelled, self._samples()))

    def _samples(self) -> Iterator[Sample]:
        by_command: dict[tuple[str, str], list[tuple[list[int], float]]] = {}
        for (service, command, code), durations in self.durations.items():
            labels = {"service": service, "command": command, "code": code}
            buckets = durations.buckets
            yield "xfs4iot_commands_total", labels, sum(buckets)
            by_command.setdefault((service, command), []).append((buckets, durations.total))
        for (service, command), codes in by_command.items():
            yield from histogram(
                "xfs4iot_command_seconds",
                {"service": service, "command": command},
                [sum(each) for each in zip(*(buckets for buckets, _ in codes), strict=True)],
                sum(total for _, total in codes),
            )
        for (service, event), count in self._events.items():
            yield "xfs4iot_events_total", {"service": service, "event": event}, count
        for (service, status), count in self._refused.items():
            yield "xfs4iot_refused_total", {"service": service, "status": status}, count
        for service, count in self._connections.items():
            yield "xfs4iot_connections_total", {"service": service}, count
        for ended, count in self._publisher.handshakes.items():
            yield "xfs4iot_handshakes_total", {"outcome": ended}, count
        for one in (self._publisher.endpoint, *self._publisher.services.values()):
            yield from _of_service(one)
        yield "xfs4iot_start_time_seconds", {}, round(self.started, 3)
        if (credentials := self._publisher.credentials) is not None:
            left = credentials.not_after - datetime.now(UTC)
            yield "xfs4iot_certificate_seconds", {}, round(left.total_seconds())


def service_label(name: str) -> str:
    """What a service is called by those who monitor it; an empty label would be none to them."""
    return name or "ServicePublisher"


def _labelled(sample: Sample) -> Sample:
    name, labels, value = sample
    if labels.get("service") == "":
        labels = {**labels, "service": service_label("")}
    return name, labels, value


def _of_service(service: Service) -> Iterator[Sample]:
    labels = {"service": service.name}
    yield "xfs4iot_connections", labels, len(service.sessions)
    yield "xfs4iot_queue_commands", labels, service.waiting
    if service.device is None:
        return
    common = service.device.status.common
    for state in _DEVICE_STATES:
        yield "xfs4iot_device_state", {**labels, "state": state}, int(common.device == state)
    yield "xfs4iot_ledger_open_movements", labels, len(service.ledger.open_intents())
    for (kind, outcome), count in service.ledger.booked.items():
        yield "xfs4iot_movements_total", {**labels, "kind": kind, "outcome": outcome}, count
    if (storage := service.interfaces.get("Storage")) is not None:
        assert isinstance(storage, Storage)
        for unit in unit_summaries(storage):
            yield from _of_unit({**labels, "unit": unit.name}, unit)


def _of_unit(own: Mapping[str, str], unit: UnitSummary) -> Iterator[Sample]:
    yield "xfs4iot_unit_usable", own, int(unit.status in ("ok", "good"))
    if unit.capacity is not None:
        yield "xfs4iot_unit_capacity", own, unit.capacity
    if unit.kind is None:
        return
    told = {**own, "kind": unit.kind}
    if unit.kind == "cash":
        told |= {"currency": unit.currency or "", "value": str(unit.value or "")}
    yield "xfs4iot_unit_items", {**told, "replenishment": unit.replenishment or ""}, unit.count or 0
