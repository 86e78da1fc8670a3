"""Units of a depository: the container for what was deposited, and the supply of envelopes.

There is one count, of deposits since somebody set it. It goes on when the container is pulled out, emptied
and put back, for only who empties it can say so; a container with another serial number begins anew. Levels
are what sensors see. A container without a sensor is high and full by its count, and its level is `unknown`
where that is in doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import msgspec

from xfs4iot.devices import DepositUnit
from xfs4iot.interfaces.storage.counts import Counts
from xfs4iot.interfaces.storage.kind import Kept, Kind, Setting, Units, require_countable
from xfs4iot.ledger import Posting, SetPosting
from xfs4iot.protocol.messages import deposit as messages

__all__ = ["DepositUnits"]

Container = Literal["ok", "high", "full", "inoperative", "missing", "unknown"]
Supply = Literal["ok", "low", "empty", "inoperative", "missing", "unlocked", "unknown"]


class DepositKept(Kept):
    """What is kept of a unit of a depository: which parts it has."""

    container: bool = True
    env_supply: Literal["motorized", "manual"] | None = None


class DepositUnits(Kind[DepositUnit, DepositKept]):
    """The units of one depository.

    Attributes:
        counts: `count`.
    """

    name = "deposit"
    document = "Storage.units.deposit"
    keeps = DepositKept
    counted = ("num_of_deposits",)
    levels = ("dep_container", "env_supply")
    senses: ClassVar[bool] = True

    def __init__(self, storage: Units) -> None:
        super().__init__(storage)
        self.counts = Counts(self.service.ledger)
        self._sensed: dict[str, messages.StorageStatus] = {}

    def problems(self, units: Mapping[str, DepositUnit]) -> Iterator[tuple[str, str]]:
        """More than one container or supply, and a unit that is neither."""
        for part in ("container", "env_supply"):
            named = [name for name, unit in units.items() if getattr(unit, part)]
            if len(named) > 1:
                yield named[1], f"{named[0]} has the {part} already, and a depository has one"
        for name, unit in units.items():
            if not unit.container and unit.env_supply is None:
                yield name, "it is neither the container nor the supply of envelopes"

    def find(self, found: Mapping[str, DepositUnit]) -> list[Posting | SetPosting]:
        """Take over the units with what their sensors see."""
        for name, unit in found.items():
            self._sensed[name] = messages.StorageStatus(
                dep_container=unit.container_level, env_supply=unit.supply_level
            )
        return super().find(found)

    def observe(self, name: str, part: messages.Storage) -> None:
        """Take over what the sensors of a unit see."""
        if part.status is not None:
            seen = {level: getattr(part.status, level) for level in self.levels}
            self._sensed[name] = msgspec.structs.replace(
                self._sensed[name], **{level: now for level, now in seen.items() if now is not None}
            )

    def is_other(self, kept: DepositKept, unit: DepositUnit) -> bool:
        """A unit of other parts is another one."""
        return (kept.container, kept.env_supply) != (unit.container, unit.env_supply)

    def first_kept(self, unit: DepositUnit) -> DepositKept:
        """As the device describes the unit."""
        return DepositKept(
            serial_number=unit.serial_number,
            accuracy="accurateSet" if unit.initial else "unknown",
            container=unit.container,
            env_supply=unit.env_supply,
        )

    def first_counts(self, name: str, unit: DepositUnit) -> list[SetPosting]:
        """What the device says is in it."""
        return self.counts.begin_anew(name, {"count": unit.initial})

    @property
    def container(self) -> str | None:
        """The unit with the container."""
        return self._there(name for name, kept in self.kept.items() if kept.container)

    @property
    def supply(self) -> str | None:
        """The unit with the supply of envelopes."""
        return self._there(name for name, kept in self.kept.items() if kept.env_supply)

    def _there(self, names: Iterable[str]) -> str | None:
        """The unit that the device names now; without one, the first that it had."""
        known = list(names)
        return next((name for name in known if name in self.units), known[0] if known else None)

    def deposited(self, container: str | None, items: int) -> list[Posting]:
        """What to post when so many items have come into a container."""
        return self.counts.changes(container, {"count": items}) if container is not None else []

    def setting(self, name: str, wanted: messages.StorageSet, path: str) -> Setting[DepositKept]:
        """`numOfDeposits`: from where it goes on."""
        kept, number = self.kept[name], wanted.num_of_deposits
        if number is None:
            return Setting(kept)
        require_countable(number, f"{path}.numOfDeposits")
        postings = self.counts.begin_anew(name, {"count": number})
        return Setting(msgspec.structs.replace(kept, accuracy="accurateSet"), tuple(postings))

    def container_level(self, name: str) -> Container:
        """How full the container is, and whether it is there and works."""
        if name not in self.units or self.hardware_status(name) == "missing":
            return "missing"
        if self.hardware_status(name) != "ok":
            return "inoperative"
        if (seen := self._sensed[name].dep_container) is not None:
            return seen
        unit, count = self.units[name], self.counts.value(name)
        if self.kept[name].accuracy == "inaccurate":
            return "unknown"
        if unit.capacity and count >= unit.capacity:
            return "full"
        return "high" if unit.high and count >= unit.high else "ok"

    def supply_level(self, name: str) -> Supply:
        """How full the supply of envelopes is, and whether it is there and works."""
        if name not in self.units or self.hardware_status(name) == "missing":
            return "missing"
        if self.hardware_status(name) != "ok":
            return "inoperative"
        return self._sensed[name].env_supply or "unknown"

    def part(self, name: str) -> Any:
        """`deposit` of the storage unit."""
        kept = self.kept[name]
        return messages.Storage(
            capabilities=messages.StorageCapabilities(env_supply=kept.env_supply)
            if kept.env_supply
            else None,
            status=messages.StorageStatus(
                dep_container=self.container_level(name) if kept.container else None,
                env_supply=self.supply_level(name) if kept.env_supply else None,
                num_of_deposits=self.counts.value(name) if kept.container else None,
            ),
        )
