"""What is known of the devices of a fleet, from what gateways and devices have written to the broker.

However many devices there are, what is kept of each while the fleet is watched is a few hundred bytes as a
rule, and never more than what a device may write.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import trio

from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.carrier import CarrierLost
from xfs4iot.fleet.last import Last, ToldService, Unit, Unreadable
from xfs4iot.fleet.registry import Presence
from xfs4iot.fleet.store import Entry, Store
from xfs4iot.fleet.subjects import check_id
from xfs4iot.fleet.where import Expression, Row
from xfs4iot.telling import told

__all__ = ["Change", "FleetView", "Known", "instant", "moment"]

_AGAIN_SECONDS = 1.0


def moment(at: float) -> str:
    """A moment in UTC, such as 2026-11-27T08:15:00."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "?"


def instant(at: float | None) -> str | None:
    """A moment as all JSON of the fleet has it, with its offset: 2026-11-27T08:15:00+00:00; None for none.

    What is no moment of this calendar is none.
    """
    said = "?" if at is None else moment(at)
    return None if said == "?" else f"{said}+00:00"


@dataclass(frozen=True)
class Known:
    """What is known of one device.

    Attributes:
        last: what it has told last; None if nothing, or nothing that can be read.
        at: when it did, by the broker's clock, in seconds since 1970.
        problem: why it cannot be read.
    """

    device: str
    presence: Presence
    last: Last | None = None
    at: float | None = None
    problem: str | None = None

    @classmethod
    def of(cls, device: str, presence: bytes, value: bytes | None, at: float | None) -> Known:
        """From what is kept in the broker."""
        try:
            there = Presence.decode(presence)
        except (ValueError, TypeError, KeyError):
            return cls(device, Presence(0, "", False, 0.0), None, at, "what gateways wrote of it is damaged")
        if not value:
            return cls(device, there)
        try:
            return cls(device, there, Last.decode(value), at)
        except Unreadable as wrong:
            return cls(device, there, None, at, str(wrong))

    def rows(self) -> list[Row]:
        """The device as `xfs4iot.fleet.where` asks of it."""
        there = self.presence
        base: dict[str, Any] = {
            "device": self.device, "online": there.online, "since": moment(there.since),
            "version": told(there.version), "epoch": Decimal(there.epoch), "alarms": Decimal(there.alarms),
            "age": None if self.at is None else Decimal(int(max(0.0, time.time() - self.at))),
            "problem": self.problem,
        }  # fmt: skip
        services = {} if self.last is None else self.last.services
        found: list[Row] = []
        for name, service in services.items():
            own = {
                **base, "service.name": name, "service.interface": service.interfaces,
                "service.device": service.device,
            }  # fmt: skip
            found += [own | _of_unit(unit, one) for unit, one in service.units.items()] or [own]
        return found or [base]

    def troubles(self) -> list[str]:
        """What a person should look at: services that are not online, units that are not well filled."""
        if self.problem is not None:
            return ["its status cannot be read"]
        found = []
        for name, service in ({} if self.last is None else self.last.services).items():
            if service.device not in (None, "online"):
                found.append(f"{name} {service.device}")
            for unit, one in service.units.items():
                # What only takes items is empty as a rule.
                well = ("ok", "good", None) if one.gives else ("ok", "good", None, "empty", "low")
                states = ((one.status, ("ok", "good", None)), (one.replenishment, well))
                found += [f"{name}.{unit} {state}" for state, good in states if state not in good]
        return found

    def facts(self) -> dict[str, Any]:
        """Single values by what they are of, to find out what has changed."""
        there = self.presence
        found: dict[str, Any] = {
            "online": there.online, "version": there.version, "epoch": there.epoch,
            "alarms": there.alarms, "problem": self.problem,
        }  # fmt: skip
        for name, service in ({} if self.last is None else self.last.services).items():
            found[f"{name}.device"] = service.device
            for unit, one in service.units.items():
                for what, value in _of_unit(unit, one).items():
                    found[f"{name}.{unit}.{what.partition('.')[2]}"] = value
        return found

    def described(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        there = self.presence
        services: Mapping[str, ToldService] = {} if self.last is None else self.last.services
        return {
            "device": self.device,
            "online": there.online,
            "since": instant(there.since),
            "epoch": there.epoch,
            "alarms": there.alarms,
            "version": there.version,
            "toldAt": instant(self.at),
            "problem": self.problem,
            "services": {
                name: {
                    "interfaces": list(one.interfaces),
                    "device": one.device,
                    "units": {
                        unit: {what.partition(".")[2]: value for what, value in _of_unit(unit, each).items()}
                        for unit, each in one.units.items()
                    },
                }
                for name, one in services.items()
            }
            or {told(name, 64): {} for name in there.services},
        }


def _of_unit(name: str, one: Unit) -> dict[str, Any]:
    found = {
        "unit.name": name, "unit.id": one.id, "unit.kind": one.kind, "unit.gives": one.gives,
        "unit.status": one.status, "unit.replenishmentStatus": one.replenishment, "unit.count": one.count,
        "unit.capacity": one.capacity, "unit.currency": one.currency, "unit.value": one.value,
        "unit.initial": one.initial, "unit.in": one.came_in, "unit.out": one.went_out,
    }  # fmt: skip
    return {what: value for what, value in found.items() if value is not None}


@dataclass(frozen=True)
class Change:
    """A device that is meant by whoever watches, or was until now.

    Attributes:
        kind: `known` at the beginning; `changed`; `left` if the expression does not hold any more.
        changes: what has changed: of what, before, after.
    """

    kind: Literal["known", "changed", "left"]
    known: Known
    changes: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(slots=True)
class _Kept:
    presence: bytes | None = None
    value: bytes | None = None
    at: float | None = None
    meant: bool = False

    def known(self, device: str) -> Known | None:
        if self.presence is None:
            return None
        value = None if self.value is None else zlib.decompress(self.value)
        return Known.of(device, self.presence, value, self.at)


class FleetView:
    """The devices of one tenant.

    Args:
        presence: bucket that the gateways write.
        last: bucket that the devices write.
    """

    def __init__(self, presence: Store, last: Store) -> None:
        self._presence, self._last = presence, last

    async def get(self, device: str) -> Known | None:
        """One device.

        Raises:
            CarrierLost: the broker cannot be asked.
        """
        there = await self._presence.get(device)
        if there is None:
            return None
        # Read as all others are, for the time at which it was written.
        async with aclosing(self._last.entries(key=device)) as pieces:
            async for piece in pieces:
                for one in piece:
                    return Known.of(device, there[0], one.value, one.at)
        return Known.of(device, there[0], None, None)

    async def everything(self, wanted: Expression | None = None) -> AsyncGenerator[Known, None]:
        """All devices that are meant, in no order; for `aclosing`.

        Raises:
            CarrierLost: the broker cannot be asked.
        """
        there = await self._presence.everything()
        async with aclosing(self._last.entries()) as pieces:
            async for piece in pieces:
                for one in piece:
                    if (presence := there.pop(one.key, None)) is not None:
                        known = Known.of(one.key, presence, one.value, one.at)
                        if wanted is None or wanted.matches(known.rows()):
                            yield known
        for device, presence in there.items():
            known = Known.of(device, presence, None, None)
            if wanted is None or wanted.matches(known.rows()):
                yield known

    async def watch(
        self,
        changed: Callable[[Change], None],
        wanted: Expression | None = None,
        trouble: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Tell of every change until cancelled, also of what changed while the broker was lost.

        Args:
            changed: told, first, of all devices that are meant.
            trouble: told why nothing can be seen for a while; an empty text when it can again.
        """
        watching = _Watching(changed, wanted, trouble)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watching.follow, self._presence, watching.presence)
            nursery.start_soon(watching.follow, self._last, watching.told)


class _Watching:
    def __init__(
        self,
        changed: Callable[[Change], None],
        wanted: Expression | None,
        trouble: Callable[[str], None],
    ) -> None:
        self._changed, self._wanted, self._trouble = changed, wanted, trouble
        self._devices: dict[str, _Kept] = {}
        self._awaited = 2
        self._lost: set[int] = set()

    async def follow(self, store: Store, take: Callable[[_Kept, Entry], None]) -> None:
        caught_up = False
        while True:
            try:
                async with aclosing(store.entries(live=True)) as pieces:
                    async for piece in pieces:
                        for one in piece:
                            self._take(one, take)
                        if not piece and not caught_up:
                            caught_up = True
                            self._begin()
                        if not piece:
                            self._mended(id(store))
                        # What is always there must not keep all else from running.
                        await trio.lowlevel.checkpoint()
            except CarrierLost as problem:
                if not self._lost:
                    self._trouble(str(problem))
                self._lost.add(id(store))
                await trio.sleep(_AGAIN_SECONDS)

    def _mended(self, store: int) -> None:
        if self._lost:
            self._lost.discard(store)
            if not self._lost:
                self._trouble("")

    def presence(self, kept: _Kept, entry: Entry) -> None:
        kept.presence = entry.value or None

    def told(self, kept: _Kept, entry: Entry) -> None:
        kept.value, kept.at = zlib.compress(entry.value, 1) if entry.value else None, entry.at

    def _begin(self) -> None:
        """Once both buckets have been read, tell what is there."""
        self._awaited -= 1
        if self._awaited:
            return
        for device in sorted(self._devices):
            kept = self._devices[device]
            known = kept.known(device)
            if known is not None and self._means(known):
                kept.meant = True
                self._changed(Change("known", known))

    def _means(self, known: Known) -> bool:
        return self._wanted is None or self._wanted.matches(known.rows())

    def _take(self, entry: Entry, take: Callable[[_Kept, Entry], None]) -> None:
        try:
            device = check_id(entry.key, "device")
        except ValueError:
            return
        kept = self._devices.setdefault(device, _Kept())
        if self._awaited:
            take(kept, entry)
            return
        before = kept.known(device)
        take(kept, entry)
        known = kept.known(device)
        if known is None:
            return
        old, new = {} if before is None else before.facts(), known.facts()
        names = [*old, *(name for name in new if name not in old)]
        changes = tuple(
            (name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)
        )
        meant, was = self._means(known), kept.meant
        kept.meant = meant
        if meant and (changes or not was):
            self._changed(Change("changed", known, changes))
        elif was and not meant:
            self._changed(Change("left", known, changes))
