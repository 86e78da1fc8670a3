"""The device's side of its last known status: writes it when it has changed, and not too often.

An event of a service says that something may have changed; so does, now and then, time. What has changed
meanwhile is written once. While the broker cannot be reached nothing is gathered: the next write has all.
"""

from __future__ import annotations

import random

import trio

from xfs4iot.fleet.carrier import Absent, Carrier, CarrierLost
from xfs4iot.fleet.keeping import Keeping
from xfs4iot.fleet.last import LAST, Last, snapshot
from xfs4iot.fleet.store import Store
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.server.publisher import Publisher
from xfs4iot.telling import logger

__all__ = ["Pace", "Reporter"]

_log = logger("xfs4iot.uplink")
_START_SECONDS = 30.0


class Pace:
    """How often a device writes.

    Args:
        settle: seconds after a change, in which others may follow.
        between: seconds from one writing to the next.
        look: seconds after which it is looked whether something has changed that no event told.
    """

    def __init__(self, settle: float = 1.0, between: float = 15.0, look: float = 60.0) -> None:
        self.settle, self.between, self.look = settle, between, look


class Reporter:
    """Keeps the fleet's picture of one device up to date.

    Args:
        publisher: whose services are told of.
        store: the bucket; None for that of the tenant at the carrier.

    Attributes:
        written: how often it has been.
    """

    def __init__(
        self,
        publisher: Publisher,
        carrier: Carrier,
        *,
        tenant: str,
        device: str,
        version: str,
        pace: Pace | None = None,
        store: Store | None = None,
    ) -> None:
        self._publisher, self._device, self._version = publisher, device, version
        self._store = store
        self._keeping = Keeping(carrier, Subjects(tenant), device)
        self._subject = f"$KV.{LAST.format(tenant)}.{device}"
        self.pace = pace or Pace()
        self.written = 0
        self._wake = trio.Event()
        self._kept: Last | None = None

    def heard(self) -> None:
        """Take note that something may have changed."""
        self._wake.set()

    def anew(self) -> None:
        """Take note that nobody knows any more what was written."""
        self._kept = None
        self._wake.set()

    async def run(self, epoch: int) -> None:
        """Write until cancelled."""
        # What services are not yet is not worth telling; but one that hangs while it starts is.
        with trio.move_on_after(_START_SECONDS):
            while not self._publisher.is_open:  # noqa: ASYNC110
                await trio.sleep(0.1)
        failures = 0
        while True:
            self._wake = trio.Event()
            now = snapshot(self._publisher.services.values(), epoch=epoch, version=self._version)
            if now != self._kept:
                try:
                    if self._store is None:
                        await self._keeping.keep(self._subject, now.encode())
                    else:
                        await self._store.put(self._device, now.encode())
                except CarrierLost as problem:
                    failures += 1
                    level = _log.debug if isinstance(problem, Absent) or failures > 1 else _log.info
                    level("the last known status cannot be written; it is tried again: %s", problem)
                    await trio.sleep(random.uniform(0.5, 1.0) * min(300.0, 5.0 * 2.0 ** min(failures, 8)))
                    continue
                self._kept, failures = now, 0
                self.written += 1
                await trio.sleep(self.pace.between)
            with trio.move_on_after(random.uniform(0.5, 1.0) * self.pace.look):
                await self._wake.wait()
            await trio.sleep(self.pace.settle)
