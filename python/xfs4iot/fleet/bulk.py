"""One command to many devices, by a gateway: few at a time, and it is always known who has been told what.

A device that is not there is not told, now or later. A command whose connection ends before its completion
may have been carried out or not: that is `unknown`, and it is not sent again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import trio

from xfs4iot import client
from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.view import Known
from xfs4iot.protocol import registry

__all__ = ["ABSENT", "NOT_REACHED", "NOT_TOLD", "UNKNOWN", "Bulk", "Outcome", "Target", "target_of"]

ABSENT = "absent"
"""The device is not connected: it was not told."""
NOT_REACHED = "notReached"
"""No session could be had, for another reason: it was not told."""
NOT_TOLD = "notTold"
"""Its turn had not come when it was interrupted."""
UNKNOWN = "unknown"
"""It was told, and what became of it is not known."""
_PATIENCE_SECONDS = 10.0
"""How much longer than the command's own time its completion is waited for."""


@dataclass(frozen=True)
class Target:
    """One service of one device."""

    device: str
    service: str


@dataclass(frozen=True)
class Outcome:
    """What became of the command at one device.

    Attributes:
        code: a completion code; of an acknowledge its status; or one of this module's.
        told: whether the device was told to do it.
        seconds: from connecting to the end.
    """

    target: Target
    code: str
    told: bool
    error_code: str | None = None
    description: str | None = None
    payload: dict[str, Any] | None = None
    seconds: float = 0.0

    def described(self, command: str) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return {
            "device": self.target.device, "service": self.target.service, "command": command,
            "completionCode": self.code, "told": self.told, "errorCode": self.error_code,
            "errorDescription": self.description, "payload": self.payload,
            "seconds": round(self.seconds, 3),
        }  # fmt: skip


def target_of(known: Known, command: str, service: str | None) -> Target | str:
    """The service of a device that is meant, or why none is.

    Args:
        service: its name; None for the only one that has the command's interface.
    """
    services = (
        {} if known.last is None else {name: one.interfaces for name, one in known.last.services.items()}
    )
    interface = command.partition(".")[0]
    if service is not None:
        if service not in services and service not in known.presence.services:
            return f"{known.device} has no service {service}"
        # Of a command of no standard only the device can tell that it is not misspelt.
        if not registry.is_command(command) and interface not in services.get(service, ()):
            return f"{service} of {known.device} does not say that it has the interface {interface}"
        return Target(known.device, service)
    having = [name for name, interfaces in services.items() if interface in interfaces]
    if not services:
        having = [name for name in known.presence.services if name == interface]
    if len(having) == 1:
        return Target(known.device, having[0])
    if having:
        return f"{known.device} has {interface} in {len(having)} services: {', '.join(having[:5])}"
    return f"{known.device} has no service with the interface {interface}"


class Bulk:
    """Sends one command to many.

    Args:
        gateway: URI below which the devices are.
        connection: how to connect, as arguments of `client.connect`.
        timeout: seconds that the command may take at each device.
        at_once: how many devices at the same time.
        per_minute: how many begin within a minute.
        ended: told of each outcome as it comes.

    Attributes:
        running: who has been told, or is just being, and has not answered yet.
    """

    def __init__(
        self,
        gateway: str,
        command: str,
        payload: Mapping[str, Any] | None,
        *,
        connection: Mapping[str, Any],
        timeout: float,
        at_once: int,
        per_minute: float,
        ended: Callable[[Outcome], None],
    ) -> None:
        self._gateway, self._command, self._payload = gateway.rstrip("/"), command, payload
        self._connection, self._timeout = dict(connection), timeout
        self._at_once, self._between, self._ended = at_once, 60.0 / per_minute, ended
        self._stop = trio.Event()
        self._next = 0.0
        self._scopes: set[trio.CancelScope] = set()
        self.running: set[Target] = set()

    def stop(self) -> None:
        """Tell nobody any more; who has been told may complete. Again: do not wait for them either."""
        if self._stop.is_set():
            for scope in self._scopes:
                scope.cancel()
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether nobody is told any more."""
        return self._stop.is_set()

    async def run(self, targets: Iterable[Target]) -> None:
        """Tell all of them; returns when all that were told have answered."""
        waiting = iter(targets)
        async with trio.open_nursery() as nursery:
            for _ in range(self._at_once):
                nursery.start_soon(self._work, waiting)
        for target in waiting:
            self._ended(Outcome(target, NOT_TOLD, told=False))

    async def _work(self, waiting: Iterator[Target]) -> None:
        while not self._stop.is_set():
            # One turn after the other, however many work: a rate, not only a number at once.
            now = trio.current_time()
            turn, self._next = max(now, self._next), max(now, self._next) + self._between
            with trio.move_on_after(turn - now):
                await self._stop.wait()
            if self._stop.is_set() or (target := next(waiting, None)) is None:
                return
            self.running.add(target)
            try:
                outcome = await self._tell(target)
            finally:
                self.running.discard(target)
            self._ended(outcome)

    async def _tell(self, target: Target) -> Outcome:
        began = trio.current_time()
        told = False

        def outcome(code: str, **more: Any) -> Outcome:
            return Outcome(target, code, told, **more, seconds=trio.current_time() - began)

        # What is cancelled by `stop` ends here, as an outcome like others.
        with trio.CancelScope() as own:
            self._scopes.add(own)
            try:
                async with client.connect(
                    f"{self._gateway}/{target.device}/{target.service}", **self._connection
                ) as service:
                    told = True
                    with trio.move_on_after(self._timeout + _PATIENCE_SECONDS):
                        answer = await service.call(self._command, self._payload, timeout=self._timeout)
                        return outcome("success", payload=answer)
                    return outcome(UNKNOWN, description=f"no completion within {self._timeout:g} s and more")
            except client.CommandFailed as failed:
                if not told:
                    return outcome(NOT_REACHED, description=str(failed))
                return outcome(
                    failed.completion_code, error_code=failed.error_code, description=failed.description,
                    payload=failed.payload,
                )  # fmt: skip
            except client.CommandRefused as refused:
                # It said so instead of doing it.
                told = False
                return outcome(refused.status, description=refused.description)
            except client.CallError as problem:
                if told:
                    return outcome(UNKNOWN, description=str(problem))
                # A gateway that cannot ask, or a device with too many sessions, says 503 as well.
                absent = re.search(
                    rf"HTTP 503: Device {re.escape(target.device)} is (offline|not connected at present)\.$",
                    str(problem),
                )
                return outcome(ABSENT if absent else NOT_REACHED, description=str(problem))
            finally:
                self._scopes.discard(own)
        return outcome(UNKNOWN if told else NOT_TOLD, description="it was interrupted")
