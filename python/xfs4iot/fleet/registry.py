"""Which instance of a device is the one: its epoch, taken by compare-and-set, so that any gateway can decide.

A device counts its starts in its ledger; the number is its epoch. A higher one takes the place of a lower,
which is told to end; if it still answers, there were two, and an alarm is told and logged. The same epoch
from another instance, or a lower one, is a copy of the device (or a ledger that was put back from a backup):
it is refused, and an alarm is told and logged, until an operator readmits it.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, field, replace
from typing import Any

import msgspec

from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.carrier import Absent, Carrier, CarrierLost
from xfs4iot.fleet.store import Conflict, Store, read_as
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.telling import logger, told

__all__ = ["PRESENCE", "Clone", "Presence", "Registry"]

_log = logger("xfs4iot.fleet")
PRESENCE = "x4-{}-presence"
"""Bucket of a tenant's devices."""
_LOOK_SECONDS = 5.0


class Clone(Exception):
    """A device that says it is one which is there already."""


@dataclass(frozen=True)
class Presence:
    """What is known of a device's link.

    Attributes:
        epoch: its latest; 0 after an operator has readmitted it.
        instance: which process that is.
        online: whether it has said hello and not goodbye, and was there when the fleet looked last.
        since: when that changed, in seconds since 1970.
        version: of its software.
        services: names of what it publishes.
    """

    epoch: int
    instance: str
    online: bool
    since: float
    version: str = ""
    services: tuple[str, ...] = ()
    alarms: int = 0
    more: dict[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, value: bytes) -> Presence:
        """As it was written.

        Raises:
            ValueError: it is none.
        """
        return read_as(_decoder, value)


_decoder = msgspec.json.Decoder(Presence)


class Registry:
    """The devices of one tenant."""

    def __init__(self, store: Store, carrier: Carrier, subjects: Subjects) -> None:
        self._store, self._carrier, self._subjects = store, carrier, subjects
        self._spoilt: set[str] = set()

    def _read(self, device: str, value: bytes) -> Presence:
        """What was written of a device; whoever may write it, a gateway for one, may be in wrong hands."""
        try:
            known = Presence.decode(value)
        except ValueError as wrong:
            if device not in self._spoilt:
                self._spoilt.add(device)
                _log.error("what is kept of device %s cannot be read: %s", told(device), told(str(wrong)))
            raise CarrierLost(
                f"what is kept of device {told(device)} cannot be read; see `xfs4iot fleet readmit`"
            ) from None
        self._spoilt.discard(device)
        return known

    async def get(self, device: str) -> Presence | None:
        """What is known of a device.

        Raises:
            CarrierLost: the store cannot be asked.
        """
        found = await self._store.get(device)
        return None if found is None else self._read(device, found[0])

    async def everything(self) -> dict[str, Presence]:
        """What is known of all devices, without those of which it cannot be read."""
        known = {}
        for device, value in (await self._store.everything()).items():
            with suppress(CarrierLost):
                known[device] = self._read(device, value)
        return known

    async def hello(self, device: str, said: dict[str, Any]) -> int | None:
        """Take a device in.

        Returns:
            The older epoch whose place it takes, for `supersede`; None if there is none.

        Raises:
            Clone: it is there already, and this is a copy.
            CarrierLost: the store cannot be asked; nobody is taken in then.
            ValueError, TypeError, KeyError: what was said makes no sense.
        """
        epoch, instance = int(said["epoch"]), str(said["instance"])[:64]
        while True:
            found = await self._store.get(device)
            before, revision = (None, 0) if found is None else (self._read(device, found[0]), found[1])
            now = Presence(
                epoch, instance, True, time.time(), told(said.get("version", "")),
                tuple(str(one)[:64] for one in said.get("services", ())[:64]),
                0 if before is None else before.alarms,
            )  # fmt: skip
            if before is not None:
                if epoch < before.epoch or (epoch == before.epoch and instance != before.instance):
                    await self._alarm(device, before, revision, epoch, instance)
                if before.online and before.instance == instance:
                    now = replace(now, since=before.since)
            if now == before:
                return None
            try:
                await self._store.put(device, now.encode(), revision)
            except Conflict:
                continue
            return before.epoch if before is not None and before.epoch < epoch else None

    async def supersede(self, device: str, epoch: int) -> None:
        """Tell the instance of an older epoch to end; that it answers is an alarm: there were two.

        A copy of a device's disk, started elsewhere, counts on from where the device is, and is the newer.

        Raises:
            CarrierLost: the store cannot be asked.
        """
        try:
            told_of = self._subjects.told(device, epoch)
            await self._carrier.request(told_of, b'{"superseded": true}', _LOOK_SECONDS)
        except CarrierLost:
            return
        text = (
            f"device {device} was still there with epoch {epoch} when it came with a newer one: it is there "
            "twice, and the newer is taken. Find out which is yours; if it is the older, "
            f"`xfs4iot fleet revoke {device}`"
        )
        self._tell(device, text)
        while (found := await self._store.get(device)) is not None:
            before = self._read(device, found[0])
            with suppress(Conflict):
                await self._store.put(device, replace(before, alarms=before.alarms + 1).encode(), found[1])
                return

    def _tell(self, device: str, text: str) -> None:
        _log.critical("%s", text)
        self._carrier.publish(
            self._subjects.alarm(device), json.dumps({"alarm": "clone", "text": text}).encode()
        )

    async def _alarm(self, device: str, before: Presence, revision: int, epoch: int, instance: str) -> None:
        text = (
            f"device {device} says hello with epoch {epoch}, and {before.epoch} is known: it is there twice, "
            "or its ledger was put back. Find out which; then `xfs4iot fleet readmit`"
        )
        # It goes on saying hello; once is enough for each.
        if before.more.get("alarm") != instance:
            self._tell(device, text)
            alarmed = replace(before, alarms=before.alarms + 1, more={**before.more, "alarm": instance})
            # Another gateway may have something newer.
            with suppress(Conflict):
                await self._store.put(device, alarmed.encode(), revision)
        raise Clone(text)

    async def goodbye(self, device: str, said: dict[str, Any]) -> None:
        """Take note that a device has ended."""
        found = await self._store.get(device)
        if found is None:
            return
        before = self._read(device, found[0])
        if (before.epoch, before.instance) == (said.get("epoch"), said.get("instance")):
            try:
                gone = replace(before, online=False, since=time.time())
                await self._store.put(device, gone.encode(), found[1])
            except Conflict:
                return

    async def look(self, device: str, known: Presence) -> None:
        """Ask a device that is taken for online whether it is there, and take note if nobody answers.

        Raises:
            CarrierLost: nobody can be asked at present, or it does not answer in time, which says nothing.
        """
        try:
            await self._carrier.request(self._subjects.told(device, known.epoch), b"{}", _LOOK_SECONDS)
        except Absent:
            await self.goodbye(device, {"epoch": known.epoch, "instance": known.instance})

    async def readmit(self, device: str) -> None:
        """Let a device begin anew whose epochs were lost."""
        found = await self._store.get(device)
        if found is None:
            raise KeyError(device)
        try:
            before = Presence.decode(found[0])
        except ValueError:
            before = Presence(0, "", False, 0.0)
        anew = replace(before, epoch=0, instance="", online=False, since=time.time(), alarms=0)
        await self._store.put(device, anew.encode())
