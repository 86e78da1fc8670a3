"""What a gateway does, as numbers in the text format of Prometheus.

Labels have names of commands, completion codes and statuses, as far as they are of the standard; what a
device or an application makes up is `unknown`. No device is named: there may be 100,000.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol, get_args

from xfs4iot._core import Durations
from xfs4iot.fleet.overhearing import Overheard
from xfs4iot.fleet.registry import Presence
from xfs4iot.protocol import errors, registry
from xfs4iot.telemetry.exposition import BUCKETS, Sample, exposition, histogram

__all__ = ["GATEWAY_METRICS", "GatewayMetrics"]

GATEWAY_METRICS: Mapping[str, tuple[str, str]] = {
    "xfs4iot_gateway_sessions": ("gauge", "Sessions of applications with devices that are open."),
    "xfs4iot_gateway_openings_total": (
        "counter", "Sessions that applications asked for, by what became of it: opened, or the HTTP status.",
    ),
    "xfs4iot_gateway_opening_seconds": ("histogram", "From asking a device for a session to its answer."),
    "xfs4iot_gateway_ended_total": ("counter", "Sessions that have ended: in order, or lost."),
    "xfs4iot_gateway_commands_total": ("counter", "Commands that were completed, by completion code."),
    "xfs4iot_gateway_command_seconds": ("histogram", "From acknowledge to completion, as they pass by."),
    "xfs4iot_gateway_refused_total": ("counter", "Messages that devices refused, by status."),
    "xfs4iot_gateway_dropped_total": ("counter", "Messages that could not leave; they are sent again."),
    "xfs4iot_gateway_devices": ("gauge", "Devices of the fleet that are there, and that are not."),
    "xfs4iot_gateway_alarms": ("gauge", "Devices of which a copy has been seen."),
    "xfs4iot_gateway_broker_connected": ("gauge", "1 while there is a connection to the broker, else 0."),
    "xfs4iot_gateway_broker_connections_total": ("counter", "Connections to the broker that were made."),
    "xfs4iot_gateway_start_time_seconds": ("gauge", "When the gateway was started, since 1970."),
}  # fmt: skip
"""Name: type and meaning of each."""
_STATUSES = frozenset({"invalidMessage", "invalidRequestID", "tooManyRequests"})


class Carrying(Protocol):
    """What is asked of the gateway itself."""

    @property
    def sessions(self) -> int: ...
    @property
    def connected(self) -> bool: ...


class GatewayMetrics:
    """Counts, and tells what it has counted."""

    def __init__(self) -> None:
        self.started = time.time()
        self.openings: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.dropped = 0
        self.connections = 0
        self._commands: Counter[tuple[str, str]] = Counter()
        self._durations: dict[str, Durations] = {}
        self._opening = Durations(BUCKETS)
        self._refused: Counter[str] = Counter()
        self._devices: Counter[str] | None = None
        self._alarms = 0
        self._codes = frozenset({"success", *get_args(errors.CompletionCode)})

    def session(self) -> Overheard:
        """What reads along one session."""
        return Overheard(self._completed, self._status)

    def opened(self, seconds: float) -> None:
        """A device has answered, after so long."""
        self._opening.add(seconds)

    def looked(self, known: Mapping[str, Presence]) -> None:
        """All devices were looked at."""
        self._devices = Counter({"online": 0, "offline": 0})
        self._devices.update("online" if one.online else "offline" for one in known.values())
        self._alarms = sum(one.alarms > 0 for one in known.values())

    def _completed(self, command: str, code: str, seconds: float | None) -> None:
        name = command if registry.is_command(command) else "unknown"
        self._commands[name, code if code in self._codes else "unknown"] += 1
        if seconds is not None:
            if (durations := self._durations.get(name)) is None:
                durations = self._durations[name] = Durations(BUCKETS)
            durations.add(seconds)

    def _status(self, status: str) -> None:
        self._refused[status if status in _STATUSES else "unknown"] += 1

    def text(self, gateway: Carrying) -> str:
        """Everything, in Prometheus's text format 0.0.4."""
        return exposition(GATEWAY_METRICS, self._samples(gateway))

    def _samples(self, gateway: Carrying) -> Iterator[Sample]:
        yield "xfs4iot_gateway_sessions", {}, gateway.sessions
        for outcome, count in self.openings.items():
            yield "xfs4iot_gateway_openings_total", {"outcome": outcome}, count
        yield from histogram(
            "xfs4iot_gateway_opening_seconds", {}, self._opening.buckets, self._opening.total
        )
        for how, count in self.ended.items():
            yield "xfs4iot_gateway_ended_total", {"how": how}, count
        for (command, code), count in self._commands.items():
            yield "xfs4iot_gateway_commands_total", {"command": command, "code": code}, count
        for command, durations in self._durations.items():
            yield from histogram(
                "xfs4iot_gateway_command_seconds", {"command": command}, durations.buckets, durations.total
            )
        for status, count in self._refused.items():
            yield "xfs4iot_gateway_refused_total", {"status": status}, count
        yield "xfs4iot_gateway_dropped_total", {}, self.dropped
        for state, count in (self._devices or {}).items():
            yield "xfs4iot_gateway_devices", {"state": state}, count
        if self._devices is not None:
            yield "xfs4iot_gateway_alarms", {}, self._alarms
        yield "xfs4iot_gateway_broker_connected", {}, int(gateway.connected)
        yield "xfs4iot_gateway_broker_connections_total", {}, self.connections
        yield "xfs4iot_gateway_start_time_seconds", {}, round(self.started, 3)
