"""One kind of storage units: what is particular to units of cash, of cards, of checks and so on.

A unit is described on the wire by what all units have (id, capacity, status, ...) and by one part for
each kind of items it holds, which has a name: `cash`, `card`. A kind is a class that knows such
parts: how a device describes them, what of them is kept, how they are configured and counted, and
how they look on the wire. `Storage` does with all kinds what is the same for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

import msgspec

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import StorageUnit, UnitStatus
from xfs4iot.ledger import MOST_ITEMS, Document, Posting, SetPosting
from xfs4iot.protocol import errors, wire
from xfs4iot.server.service import Service

__all__ = ["Accuracy", "Kept", "Kind", "Setting", "require_countable"]

Accuracy = Literal["accurate", "accurateSet", "inaccurate", "unknown"]

_Unit = TypeVar("_Unit", bound=StorageUnit)
_Kept = TypeVar("_Kept", bound="Kept")


def require_countable(number: int, path: str) -> None:
    """Refuse a count or a threshold that no unit can have.

    Raises:
        InvalidData: it is negative, or above `MOST_ITEMS`.
    """
    if not 0 <= number <= MOST_ITEMS:
        raise errors.InvalidData(f"{path}: {number} is not within 0 to {MOST_ITEMS} items")


class Kept(msgspec.Struct):
    """What outlives a restart of one unit's part, besides its counts; each kind adds its configuration.

    Attributes:
        serial_number: of the cassette or bin.
        accuracy: of the counts.
    """

    serial_number: str | None = None
    accuracy: Accuracy = "unknown"


@dataclass(frozen=True)
class Setting(Generic[_Kept]):
    """What a client sets of one unit's part, found good.

    Attributes:
        kept: what is kept of it afterwards.
        postings: counts that begin anew.
        needs_exchange: what changes that only an exchange allows, for the error text; None if nothing does.
    """

    kept: _Kept
    postings: tuple[Posting | SetPosting, ...] = ()
    needs_exchange: str | None = None


class Units(Protocol):
    """The storage, as far as a kind needs it.

    Attributes:
        unsettled: units of movements whose outcome is not known yet.
    """

    service: Service
    unsettled: frozenset[str]

    @property
    def device(self) -> Any: ...

    def hardware_status(self, unit: str) -> UnitStatus: ...

    def others_hold(self, unit: str, kind: str) -> int: ...


class Kind(Generic[_Unit, _Kept]):
    """The units of one kind of one service.

    Attributes:
        name: the property of the standard's storage unit, such as `card`.
        document: under which the ledger keeps what is kept.
        keeps: the class of what is kept.
        counted, levels: properties of the part's status that are counts, and that are levels: they are
            told by `CountsChangedEvent` and `StorageThresholdEvent`, all others by `StorageChangedEvent`.
        senses: its levels are what sensors see, and the device tells them: see `observe`.
        units: as the device found them, by name.
        kept: what is kept, by unit; also of units that the device no longer finds.
    """

    name: ClassVar[str]
    document: ClassVar[str]
    keeps: ClassVar[type[Any]]
    _stored: ClassVar[Document[Any]]
    counted: ClassVar[tuple[str, ...]] = ()
    levels: ClassVar[tuple[str, ...]] = ("replenishment_status",)
    senses: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        held: Any = dict[str, cls.keeps]  # type: ignore[name-defined]
        cls._stored = Document(cls.document, held)

    def __init__(self, storage: Units) -> None:
        self.service: Service = storage.service
        self.units: dict[str, _Unit] = {}
        self.kept: dict[str, _Kept] = {}
        self._doubtful = False
        self._units = storage

    @property
    def device(self) -> Any:
        """The vendor's object."""
        return self.service.device

    def hardware_status(self, unit: str) -> UnitStatus:
        """The unit's `status`."""
        return self._units.hardware_status(unit)

    def holds(self, unit: str) -> int:
        """How many items of this kind a unit holds, as far as they are counted."""
        return 0

    def others_hold(self, unit: str) -> int:
        """How many items of other kinds a unit holds: all share its capacity."""
        return self._units.others_hold(unit, self.name)

    def recall(self) -> None:
        """Read from the ledger what is kept."""
        found: dict[str, _Kept] | None = self._stored.of(self.service.ledger)
        self.kept = found or {}
        # The settings cannot be read, but the counts of these units are still in the ledger.
        self._doubtful = found is None and self.service.ledger.document(self.document) is not None

    def documents(self, changed: Mapping[str, _Kept] | None = None) -> dict[str, bytes]:
        """What to book, after `changed` is kept in place of what is kept now."""
        return {self.document: wire.encode({**self.kept, **(changed or {})})}

    def doubt(self, units: Iterable[str]) -> bool:
        """Mark the counts of those units that are of this kind as inaccurate; whether there are any."""
        doubtful = [name for name in units if name in self.kept]
        for name in doubtful:
            self.kept[name].accuracy = "inaccurate"
        return bool(doubtful)

    def accuracy(self, unit: str) -> Accuracy:
        """How far a unit's counts can be trusted."""
        return self.kept[unit].accuracy

    def find(self, found: Mapping[str, _Unit]) -> list[Posting | SetPosting]:
        """Take over the units as the device finds them; returns the counts that begin anew."""
        postings: list[Posting | SetPosting] = []
        self.found(found)
        for name, unit in found.items():
            self.units[name] = unit
            kept = self.kept.get(name)
            if kept is None or kept.serial_number != unit.serial_number or self.is_other(kept, unit):
                self.kept[name] = self.first_kept(unit)
                if self._doubtful:
                    self.kept[name].accuracy = "inaccurate"
                else:
                    postings += self.first_counts(name, unit)
        return postings

    # What each kind says for itself.

    def found(self, units: Mapping[str, _Unit]) -> None:
        """Take notice of what the device says of all units of this kind now."""

    def observe(self, name: str, part: Any) -> None:
        """Take over what the device's own event says of a unit's part."""

    def problems(self, units: Mapping[str, _Unit]) -> Iterator[tuple[str, str]]:
        """What is wrong with units as the device describes them: names and texts."""
        return iter(())

    def is_other(self, kept: _Kept, unit: _Unit) -> bool:
        """Whether a unit with the same serial number is not the one that was kept."""
        return False

    def first_kept(self, unit: _Unit) -> _Kept:
        """What is kept of a unit that is new to the service."""
        raise NotImplementedError

    def first_counts(self, name: str, unit: _Unit) -> list[SetPosting]:
        """The counts of a unit that is new to the service."""
        return []

    def setting(self, name: str, wanted: Any, path: str) -> Setting[_Kept]:
        """What `Storage.SetStorage` sets of one unit; refused as a whole if any of it is wrong.

        Args:
            wanted: the unit's part of the request.
            path: where that stands, for error texts.

        Raises:
            InvalidData: it cannot be set so.
        """
        raise errors.InvalidData(f"{path}: nothing can be set of units of kind {self.name}")

    def part(self, name: str) -> Any:
        """The unit's part on the wire; without capabilities and levels if the device never found it."""
        raise NotImplementedError
