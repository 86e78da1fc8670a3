"""Cassettes that can stain what is in them.

Nothing of them is counted and nothing can be set. What the device says of them is told as it is now: it is
not kept, so that nobody is told of a protection that there was before a restart. Of a cassette that
is missing it is only told that its protection is not working.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from xfs4iot.devices import BanknoteNeutralizationUnit
from xfs4iot.interfaces.storage.kind import Kept, Kind, Units
from xfs4iot.protocol.messages import banknote_neutralization as messages

__all__ = ["BanknoteNeutralizationUnits"]

_IDENTIFIER = re.compile(r"[0-9A-Za-z]*")


class BanknoteNeutralizationUnits(Kind[BanknoteNeutralizationUnit, Kept]):
    """The cassettes of one service that can stain notes."""

    name = "banknote_neutralization"
    document = "Storage.units.banknote_neutralization"
    keeps = Kept
    levels = ()

    def __init__(self, storage: Units) -> None:
        super().__init__(storage)
        self._told: dict[str, messages.StorageUnitStatus] = {}

    def problems(self, units: Mapping[str, BanknoteNeutralizationUnit]) -> Iterator[tuple[str, str]]:
        """Identifiers that the standard does not have."""
        for name, unit in units.items():
            if unit.identifier is not None and not _IDENTIFIER.fullmatch(unit.identifier):
                yield name, f"identifier {unit.identifier!r} must be letters and digits"

    def found(self, units: Mapping[str, BanknoteNeutralizationUnit]) -> None:
        """What the device says of its cassettes now."""
        self._told |= {name: unit.told() for name, unit in units.items()}

    def observe(self, name: str, part: messages.StorageUnitStatus) -> None:
        """A cassette has changed."""
        self._told[name] = part

    def triggered(self) -> None:
        """All cassettes have stained what is in them, also those that do not say so by themselves."""
        self._told = {
            name: msgspec.structs.replace(told, protection="neutralizationTriggered")
            for name, told in self._told.items()
        }

    def first_kept(self, unit: BanknoteNeutralizationUnit) -> Kept:
        """Nothing but which cassette it is."""
        return Kept(serial_number=unit.serial_number)

    def doubt(self, units: Iterable[str]) -> bool:
        """There are no counts that could be doubted."""
        return False

    def neutralized(self, unit: str) -> bool | None:
        """Whether a cassette has stained what is in it; None if it is none of these."""
        if unit not in self.kept:
            return None
        return self.part(unit).protection == "neutralizationTriggered"

    def part(self, name: str) -> messages.StorageUnitStatus:
        """`banknoteNeutralization` of the storage unit."""
        if name not in self.units or self.hardware_status(name) == "missing":
            return messages.StorageUnitStatus(protection="fault")
        return self._told[name]
