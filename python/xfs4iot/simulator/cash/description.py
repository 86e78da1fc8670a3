"""What a simulated cash device is: its units, its notes, its capabilities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices.storage import Level
from xfs4iot.protocol.messages import cash_management, common
from xfs4iot.simulator.cash.truth import CashTruth

__all__ = [
    "ALL_LEVELS",
    "RECOVERY_SECONDS",
    "CashLayout",
    "CashSettings",
    "UnitSettings",
    "Use",
    "describe",
    "without_use",
]

RECOVERY_SECONDS = 5
"""How soon the device is ready again after it has saved power."""

Use = Literal["cashOut", "cashIn", "replenishment", "reject", "cashOutRetract", "cashInRetract"]

_NOTE = re.compile(r"([A-Z]{3})([1-9][0-9]*)")
ALL_LEVELS: frozenset[Level] = frozenset({"fit", "unfit", "suspect", "counterfeit", "inked", "unrecognized"})
"""How good notes may be."""


@dataclass(frozen=True)
class UnitSettings:
    """One cash unit.

    Attributes:
        currency, value: of its notes; neither for a unit of mixed notes.
        count: notes in it when the device is new.
        capacity: how many it has room for.
        low, high: thresholds, in notes.
        uses: `cashOut`, `cashIn`, both for a recycling unit, `replenishment`; or `reject`, `cashOutRetract`
            and `cashInRetract`.
    """

    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None
    value: Decimal | None = None
    count: Annotated[int, Meta(ge=0)] = 0
    capacity: Annotated[int, Meta(ge=1)] = 2000
    low: Annotated[int, Meta(ge=0)] | None = None
    high: Annotated[int, Meta(ge=1)] | None = None
    uses: tuple[Use, ...] = ("cashOut",)

    @property
    def for_customers(self) -> bool:
        """Whether its notes come from or go to customers in order."""
        return bool({"cashOut", "cashIn", "replenishment"} & set(self.uses))


@dataclass(frozen=True)
class CashSettings:
    """What a profile may say of a cash device.

    Attributes:
        units: by name, in the order of their places.
        accepts: notes that its reader knows besides those of its units, such as `EUR5`.
    """

    units: dict[str, UnitSettings]
    accepts: tuple[Annotated[str, Meta(pattern="^[A-Z]{3}[1-9][0-9]*$")], ...] = ()

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        for name, unit in self.units.items():
            needs = "cashOut" in unit.uses
            if (needs and unit.value is None) or (unit.value is not None and not unit.for_customers):
                yield ("units", name), "say currency and value of the notes, or uses = ['reject', ...]"
            elif (unit.value is None) != (unit.currency is None):
                yield ("units", name), "currency and value belong together"
            elif unit.for_customers and {"reject", "cashOutRetract", "cashInRetract"} & set(unit.uses):
                yield ("units", name), "a unit is for cashOut or cashIn, or for rejected and retracted notes"
            elif unit.value is not None and unit.value <= 0:
                yield ("units", name, "value"), "more than 0"
            if unit.count > unit.capacity:
                yield ("units", name), f"{unit.count} notes do not go into a unit for {unit.capacity}"
            if unit.count and unit.value is None and not needs:
                yield ("units", name), "a unit of mixed, rejected or retracted notes is empty at first"
        if not any("reject" in unit.uses for unit in self.units.values()):
            yield ("units",), "no unit takes rejected notes; add one with uses = ['reject']"


def without_use(units: Mapping[str, UnitSettings], use: Use) -> Iterator[tuple[tuple[str, ...], str]]:
    """The mistake that no unit is for a use."""
    if not any(use in unit.uses for unit in units.values()):
        what = "gives notes" if use == "cashOut" else "takes notes from customers"
        yield ("units",), f"no unit {what}; add one with uses = ['{use}']"


class CashLayout:
    """The units of a cash device, as its settings say, as far as it can use them.

    Args:
        able: what the device can use units for.

    Attributes:
        loaded: notes in each unit of a device that is new.
        capacity: by unit.
        reject: the unit for rejected notes.
        notes: by unit of one kind of notes, the name of that kind.
        uses: by unit.
        bank_notes: by name.
    """

    def __init__(self, settings: CashSettings, able: frozenset[Use]) -> None:
        limited = {
            name: replace(unit, uses=tuple(use for use in unit.uses if use in able))
            for name, unit in settings.units.items()
        }
        units = {name: unit for name, unit in limited.items() if unit.uses}
        self._units = units
        self.capacity = {name: unit.capacity for name, unit in units.items()}
        self.loaded = {name: unit.count for name, unit in units.items() if unit.value is not None}
        self.reject = next(name for name, unit in units.items() if "reject" in unit.uses)
        self.uses = {name: frozenset(unit.uses) for name, unit in units.items()}
        self.notes = {
            name: f"type{unit.currency}{unit.value.normalize():f}".replace(".", "P")
            for name, unit in units.items()
            if unit.value is not None
        }
        worth: dict[str, tuple[str | None, Decimal | None]] = {
            self.notes[name]: (unit.currency, unit.value)
            for name, unit in units.items()
            if name in self.notes
        }
        for note in settings.accepts if "cashIn" in able else ():
            named = _NOTE.fullmatch(note)
            assert named is not None
            worth.setdefault(f"type{note}", (named[1], Decimal(named[2])))
        self.bank_notes = {
            name: cash_management.BankNote(
                cash_item=cash_management.CashItem(note_id=number, currency=currency, value=value, release=1),
                enabled=True,
            )
            for number, (name, (currency, value)) in enumerate(worth.items(), 1)
        }

    def home(self, item: str, level: str, units: tuple[str, ...], truth: CashTruth) -> str | None:
        """The unit that an accepted note is stored in: one for its kind first; None if none has room.

        Args:
            units: those that may take any.
        """
        room = [unit for unit in units if truth.total(unit) < self.capacity[unit]]
        own = [unit for unit in room if self.notes.get(unit) == item and level == "fit"]
        return next(iter([*own, *(unit for unit in room if unit not in self.notes)]), None)

    def found(
        self, truth: CashTruth, status: Mapping[str, devices.UnitStatus]
    ) -> dict[str, devices.CashUnit]:
        """The units as the device finds them.

        Args:
            truth: what is in them.
            status: of those that are not `ok`.
        """
        return {
            name: self._found(number, name, truth, status.get(name, "ok"))
            for number, name in enumerate(self._units, 1)
        }

    def _found(
        self, number: int, name: str, truth: CashTruth, status: devices.UnitStatus
    ) -> devices.CashUnit:
        unit = self._units[name]
        replaced = truth.cassette(name)
        serial = f"SIM-{name}" if not replaced else f"SIM-{name}-{replaced}"
        if name in self.notes:
            return devices.CashUnit(
                index=number,
                capacity=unit.capacity,
                types=frozenset(unit.uses),
                cash_items=(self.notes[name],),
                currency=unit.currency,
                value=unit.value,
                id=f"C{number}",
                position_name=f"slot {number}",
                serial_number=serial,
                status=status,
                low_threshold=unit.low,
                high_threshold=unit.high,
                initial=truth.total(name),
            )
        retracts = bool({"cashOutRetract", "cashInRetract"} & set(unit.uses))
        kind = "reject" if "reject" in unit.uses else "retract" if retracts else "deposit"
        return devices.CashUnit(
            index=number,
            capacity=unit.capacity,
            types=frozenset(unit.uses),
            items=ALL_LEVELS,
            cash_items=tuple(self.bank_notes),
            id=kind[:3].upper(),
            position_name=f"{kind} slot",
            serial_number=serial,
            status=status,
            high_threshold=unit.high,
            retract_areas=1 if retracts else None,
            retract_thresholds=retracts,
        )


def describe(capabilities: common.CapabilitiesCompletion, model: str) -> None:
    """Fill in the capabilities that all such devices have."""
    capabilities.common = common.CapabilityProperties(
        service_version="1.0",
        device_information=[
            common.DeviceInformation(
                model_name=f"Simulated {model}", serial_number="SIM-1", revision_number="1"
            )
        ],
        power_save_control=True,
        anti_fraud_module=False,
    )
    capabilities.cash_management = cash_management.Capabilities(
        cash_box=False,
        exchange_type=cash_management.CapabilitiesExchangeType(by_hand=True),
        item_info_types=cash_management.CapabilitiesItemInfoTypes(
            serial_number=True, signature=True, image=False
        ),
        classification_list=True,
    )
