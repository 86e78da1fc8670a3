"""What the simulated cash dispenser is: its units, its notes, its capabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from xfs4iot import devices
from xfs4iot.protocol.messages import cash_dispenser, cash_management, common
from xfs4iot.simulator.cash_dispenser.truth import CashTruth

__all__ = ["RECOVERY_SECONDS", "CashDispenserSettings", "CashLayout", "UnitSettings", "describe"]

RECOVERY_SECONDS = 5
"""How soon the device is ready again after it has saved power."""


@dataclass(frozen=True)
class UnitSettings:
    """One cash unit.

    Attributes:
        currency, value: of the notes it gives; neither for a unit of rejected or retracted notes.
        count: notes in it when the device is new.
        capacity: how many it has room for.
        low, high: thresholds, in notes.
        uses: `cashOut`, or `reject` and `cashOutRetract`.
    """

    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None
    value: Decimal | None = None
    count: Annotated[int, Meta(ge=0)] = 0
    capacity: Annotated[int, Meta(ge=1)] = 2000
    low: Annotated[int, Meta(ge=0)] | None = None
    high: Annotated[int, Meta(ge=1)] | None = None
    uses: tuple[Literal["cashOut", "reject", "cashOutRetract"], ...] = ("cashOut",)


@dataclass(frozen=True)
class CashDispenserSettings:
    """What a profile may say of a cash dispenser.

    Attributes:
        units: by name, in the order of their places.
        max_items: how many notes are presented at once.
    """

    units: dict[str, UnitSettings]
    max_items: Annotated[int, Meta(ge=1)] = 40

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        for name, unit in self.units.items():
            if ("cashOut" in unit.uses) != (unit.value is not None):
                yield ("units", name), "say currency and value of the notes, or uses = ['reject', ...]"
            elif (unit.value is None) != (unit.currency is None):
                yield ("units", name), "currency and value belong together"
            elif "cashOut" in unit.uses and len(unit.uses) > 1:
                yield ("units", name), "a unit is for cashOut, or for reject and cashOutRetract"
            elif unit.value is not None and unit.value <= 0:
                yield ("units", name, "value"), "more than 0"
            if unit.count > unit.capacity:
                yield ("units", name), f"{unit.count} notes do not go into a unit for {unit.capacity}"
            if unit.count and unit.value is None and "cashOut" not in unit.uses:
                yield ("units", name), "a unit for rejected and retracted notes is empty at first"
        for use, what in (("cashOut", "gives notes"), ("reject", "takes rejected notes")):
            if not any(use in unit.uses for unit in self.units.values()):
                yield ("units",), f"no unit {what}; add one with uses = ['{use}']"


class CashLayout:
    """The units of a cash dispenser, as its settings say.

    Attributes:
        loaded: notes in each unit of a device that is new.
        capacity: by unit.
        reject: the unit for rejected notes.
        notes: by unit that gives some, the name of its notes.
        bank_notes: by name.
    """

    def __init__(self, units: Mapping[str, UnitSettings]) -> None:
        self._units = units
        self.capacity = {name: unit.capacity for name, unit in units.items()}
        self.loaded = {name: unit.count for name, unit in units.items() if unit.value is not None}
        self.reject = next(name for name, unit in units.items() if "reject" in unit.uses)
        self.notes = {
            name: f"type{unit.currency}{unit.value}" for name, unit in units.items() if unit.value is not None
        }
        kinds = {self.notes[name]: unit for name, unit in units.items() if name in self.notes}
        self.bank_notes = {
            name: cash_management.BankNote(
                cash_item=cash_management.CashItem(
                    note_id=number, currency=unit.currency, value=unit.value, release=1
                ),
                enabled=True,
            )
            for number, (name, unit) in enumerate(kinds.items(), 1)
        }

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
        retracts = "cashOutRetract" in unit.uses
        return devices.CashUnit(
            index=number,
            capacity=unit.capacity,
            types=frozenset(unit.uses),
            items=frozenset({"fit", "unfit", "unrecognized", "suspect"}),
            cash_items=tuple(self.bank_notes),
            id="REJ" if "reject" in unit.uses else "RET",
            position_name="reject slot" if "reject" in unit.uses else "retract slot",
            serial_number=serial,
            status=status,
            high_threshold=unit.high,
            retract_areas=1 if retracts else None,
            retract_thresholds=retracts,
        )


def describe(capabilities: common.CapabilitiesCompletion, max_items: int) -> None:
    """Fill in the capabilities."""
    capabilities.common = common.CapabilityProperties(
        service_version="1.0",
        device_information=[
            common.DeviceInformation(
                model_name="Simulated cash dispenser", serial_number="SIM-1", revision_number="1"
            )
        ],
        power_save_control=True,
        anti_fraud_module=False,
    )
    capabilities.cash_management = cash_management.Capabilities(
        cash_box=False,
        exchange_type=cash_management.CapabilitiesExchangeType(by_hand=True),
        item_info_types=cash_management.CapabilitiesItemInfoTypes(
            serial_number=True, signature=False, image=False
        ),
        classification_list=True,
    )
    capabilities.cash_dispenser = cash_dispenser.Capabilities(
        type="selfServiceBill",
        max_dispense_items=max_items,
        shutter_control=True,
        retract_areas=cash_dispenser.CapabilitiesRetractAreas(
            retract=True, transport=False, stacker=True, reject=True, item_cassette=False, cash_in=False
        ),
        retract_stacker_actions=cash_dispenser.CapabilitiesRetractStackerActions(
            present=True, retract=True, reject=True, item_cassette=False, cash_in=False
        ),
        intermediate_stacker=True,
        items_taken_sensor=True,
        positions=cash_dispenser.CapabilitiesPositions(
            left=False, right=False, center=False, top=False, bottom=False, front=True, rear=False
        ),
        move_items=cash_dispenser.CapabilitiesMoveItems(
            from_cash_unit=True, to_cash_unit=True, to_transport=True, to_stacker=True
        ),
    )
