"""Storage: what a vendor writes for the units that a device keeps its items in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, TypeVar

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import Device, operation
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import banknote_neutralization, power_management, storage

__all__ = [
    "BanknoteNeutralizationUnit",
    "CardUnit",
    "CashUnit",
    "CheckUnit",
    "DepositUnit",
    "PrinterUnit",
    "Storage",
    "StorageUnit",
    "StorageUnitError",
    "UnitError",
    "UnitFailure",
    "UnitStatus",
    "UnitType",
]

UnitStatus = Literal["ok", "inoperative", "missing", "notConfigured", "manipulated"]
UnitType = Literal["cashIn", "cashOut", "replenishment", "cashInRetract", "cashOutRetract", "reject"]
UnitFailure = Literal[
    "empty",
    "error",
    "full",
    "locked",
    "invalid",
    "config",
    "notConfigured",
    "feedModuleProblem",
    "physicalLocked",
    "physicalUnlocked",
]
"""Why a unit stopped a command, as `Storage.StorageErrorEvent` says it."""


Level = Literal["fit", "unfit", "suspect", "counterfeit", "inked", "unrecognized"]
"""How good an item is."""
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""So many items."""
Name = Annotated[str, Meta(min_length=1, max_length=100)]
"""The name of a unit, a place, an item."""


class UnitError(errors.CommandError):
    """A unit stopped the command; a `Storage.StorageErrorEvent` tells the client which, and why.

    Args:
        error_code: of the command.
        failure: why.
        units: names of the units.
        description: for people.
    """

    failure: UnitFailure
    units: tuple[str, ...]

    def __init__(
        self, error_code: str, failure: UnitFailure, units: Iterable[str], description: str = ""
    ) -> None:
        super().__init__(error_code, description)
        self.failure = failure
        self.units = tuple(units)


class StorageUnitError(UnitError):
    """A unit stopped an exchange or a setting: `storageUnitError`; arguments as of `UnitError`."""

    def __init__(self, failure: UnitFailure, units: Iterable[str] = (), description: str = "") -> None:
        super().__init__("storageUnitError", failure, units, description)


@dataclass(frozen=True, kw_only=True)
class StorageUnit:
    """One unit, as the device finds it. Configuration and counts belong to the service.

    Attributes:
        holds: the kind of its items: the property of the standard's storage unit that describes them.
        capacity: items it can hold; 0 if not known.
        id: the unit's own identification, up to five characters.
        position_name: where in the device it is.
        serial_number: of the cassette or bin; another one means that it was changed, and its counts
            and configuration begin anew.
        status: its hardware.
    """

    holds: ClassVar[str]
    capacity: Count = 0
    id: str | None = None
    position_name: str | None = None
    serial_number: str | None = None
    status: UnitStatus = "ok"


@dataclass(frozen=True, kw_only=True)
class CashUnit(StorageUnit):
    """One unit of cash.

    Attributes:
        index: its number in the device, from 1.
        types: what the unit can be used for.
        items: levels of items it can hold (`fit`, `unfit`, `counterfeit`, ...).
        cash_items: ids of the items it can hold; they are keys of `CashManagement.bank_notes`. If not
            given, one that is made of currency and value, such as `typeEUR20`.
        currency, value: of what it dispenses; None where its items are mixed.
        low_threshold, high_threshold, max_retracts: until an application sets others.
        hardware_sensors: it senses its level by itself.
        retract_areas: into how many areas of it items can be retracted.
        retract_thresholds: whether its high threshold counts items; else retract operations.
        initial: items of the first of `cash_items`, fit, in a unit that the service did not know before.
    """

    holds: ClassVar[str] = "cash"
    index: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    types: frozenset[UnitType]
    items: frozenset[Level] = frozenset({"fit", "unfit"})
    cash_items: tuple[Name, ...] = ()
    currency: str | None = None
    value: Decimal | None = None
    low_threshold: Count | None = None
    high_threshold: Count | None = None
    max_retracts: Count | None = None
    hardware_sensors: bool = False
    retract_areas: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    retract_thresholds: bool = False
    initial: Count = 0

    def __post_init__(self) -> None:
        if not self.cash_items and isinstance(self.currency, str) and isinstance(self.value, Decimal):
            item = f"type{self.currency}{self.value.normalize():f}".replace(".", "P")
            # The dataclass is frozen, and its default depends on two other fields.
            object.__setattr__(self, "cash_items", (item,))


@dataclass(frozen=True, kw_only=True)
class CardUnit(StorageUnit):
    """One unit of cards.

    Attributes:
        type: `dispense` for cards to be given out, `retain` for cards that were kept, `park` for a
            place where a card waits.
        hardware_sensors: it senses its level by itself.
        card_id: of the cards that it gives out, until an application sets another.
        threshold: of cards, at which a unit of type `dispense` is low and one of type `retain` high;
            until an application sets another.
        initial: cards in a unit that the service did not know before.
    """

    holds: ClassVar[str] = "card"
    type: Literal["retain", "dispense", "park"]
    hardware_sensors: bool = False
    card_id: str | None = None
    threshold: Count | None = None
    initial: Count = 0


@dataclass(frozen=True, kw_only=True)
class CheckUnit(StorageUnit):
    """One unit of cheques.

    Attributes:
        index: its number in the device, from 1.
        types: what it can be used for: `mediaIn` for what a transaction accepts, `retract` for what is
            retracted.
        sensors: levels that it senses by itself.
        bin_id, high_threshold, retract_high_threshold: until an application sets others; the second is
            of items, the third of retract operations.
        counts: whether its items are counted; else only retract operations are.
        initial: items in a unit that the service did not know before.
    """

    holds: ClassVar[str] = "check"
    index: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    types: frozenset[Literal["mediaIn", "retract"]]
    sensors: frozenset[Literal["empty", "high", "full"]] = frozenset()
    bin_id: str | None = None
    high_threshold: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    retract_high_threshold: Count | None = None
    counts: bool = True
    initial: Count = 0


@dataclass(frozen=True, kw_only=True)
class PrinterUnit(StorageUnit):
    """One bin of a printer, for what is retracted; its capacity is of retract operations.

    Attributes:
        index: its number in the device, from 1.
        high_threshold: retracts at which it is `high`; None: when all but one tenth of it is full.
        initial: retracts in a bin that the service did not know before.
    """

    holds: ClassVar[str] = "printer"
    index: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    high_threshold: Count | None = None
    initial: Count = 0


@dataclass(frozen=True, kw_only=True)
class DepositUnit(StorageUnit):
    """The container of a depository, its supply of envelopes, or both; its capacity is of deposits.

    Attributes:
        container: it has the container.
        env_supply: it has a supply of envelopes: `motorized`, from which the device dispenses, or `manual`,
            which it unlocks for the customer.
        high: deposits at which it is `high`, where no sensor tells.
        container_level, supply_level: as the sensors see them now; None: there are none.
        initial: deposits in a container that the service did not know before.
    """

    holds: ClassVar[str] = "deposit"
    container: bool = True
    env_supply: Literal["motorized", "manual"] | None = None
    high: Count | None = None
    container_level: Literal["ok", "high", "full", "inoperative", "unknown"] | None = None
    supply_level: Literal["ok", "low", "empty", "inoperative", "unlocked", "unknown"] | None = None
    initial: Count = 0


@dataclass(frozen=True, kw_only=True)
class BanknoteNeutralizationUnit(StorageUnit):
    """One cassette that can stain the notes in it.

    Attributes:
        protection: whether it would.
        identifier: of the cassette; letters and digits.
        warning: that it runs without its system, or that it is about to stain; None: neither.
        power_supply: of the cassette; None if nothing is known of it.
        tilt, temperature, lid, neutralization_trigger: what it senses of itself; None: nothing.
        storage_unit_identifier: the unit of another service that holds the notes; not needed where a
            unit is of both kinds.
    """

    holds: ClassVar[str] = "banknote_neutralization"
    protection: Literal["fault", "armed", "disarmed", "neutralizationTriggered"]
    identifier: str | None = None
    warning: Literal["cassetteRunsAutonomously", "alarm"] | None = None
    power_supply: power_management.PowerInfo | None = None
    tilt: Literal["fault", "notTilted", "tilted", "disabled"] | None = None
    temperature: Literal["fault", "ok", "tooCold", "tooHot", "disabled"] | None = None
    lid: Literal["fault", "opened", "closed", "disabled"] | None = None
    neutralization_trigger: Literal["initializing", "ready", "disabled", "fault"] | None = None
    storage_unit_identifier: str | None = None

    def told(self) -> banknote_neutralization.StorageUnitStatus:
        """As the standard writes it."""
        return banknote_neutralization.StorageUnitStatus(
            identifier=self.identifier,
            protection=self.protection,
            warning=self.warning,
            power_supply=self.power_supply,
            tilt=self.tilt,
            temperature=self.temperature,
            lid=self.lid,
            neutralization_trigger=self.neutralization_trigger,
            storage_unit_identifier=self.storage_unit_identifier,
        )


_Unit = TypeVar("_Unit", bound=StorageUnit)


class Storage(Device, messages=storage, needs=(("cash_units", "units"),)):
    """A device with storage units.

    Attributes:
        found_units: what `units` said last, by name, each by its kinds; set by the service.
    """

    found_units: Mapping[str, tuple[StorageUnit, ...]] = {}

    def units_of(self, kind: type[_Unit]) -> dict[str, _Unit]:
        """The units of one kind, such as `CashUnit`, as the device said last."""
        return {
            name: part for name, parts in self.found_units.items() for part in parts if isinstance(part, kind)
        }

    async def units(self) -> Mapping[str, StorageUnit | tuple[StorageUnit, ...]] | None:
        """The units of all kinds, by name (`unit1`); asked at the start and after each exchange.

        A unit of two kinds, such as a cassette of cash that can neutralise it, is a tuple of both, which
        agree in what all kinds have in common. None says that the device cannot detect its units now;
        those that the service knows are then reported as missing, and their counts are kept. A device
        that has only units of cash overrides `cash_units` instead.
        """
        return await self.cash_units()

    async def cash_units(self) -> Mapping[str, CashUnit] | None:
        """The units of a device that has only units of cash; see `units`."""
        raise NotImplementedError(f"{type(self).__name__} must say which units it has: override units")

    def unit_changed(self, unit: str, status: UnitStatus) -> None:
        """Tell that the hardware of a unit has changed, such as when a cassette was pulled out."""
        self.send(storage.StorageChangedEvent({unit: storage.StorageUnit(status=status)}))

    @operation
    async def set_storage(self, units: Mapping[str, storage.SetStorageUnit]) -> None:
        """`Storage.SetStorage`: learn what an application sets of units, before it takes effect."""

    @operation
    async def start_exchange(self) -> None:
        """`Storage.StartExchange`: release the units, for a person to exchange them.

        Raise `StorageUnitError` if they cannot be released.
        """

    @operation
    async def end_exchange(self) -> None:
        """`Storage.EndExchange`: lock the units and make ready; `units` is asked next."""

    @operation
    async def unit_counts(self) -> Mapping[str, Count]:
        """Items in each unit, from a device that counts by itself.

        Asked when the outcome of a movement is not known, after a crash for example.
        """
        raise NotImplementedError
