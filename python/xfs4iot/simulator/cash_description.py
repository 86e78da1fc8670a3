"""What the simulated cash dispenser is: its units, its notes, its capabilities."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from xfs4iot import devices
from xfs4iot.protocol.messages import cash_dispenser, cash_management, common
from xfs4iot.simulator.truth import CashTruth

__all__ = [
    "BANK_NOTES",
    "CAPACITY",
    "LOADED",
    "MAX_ITEMS",
    "RECOVERY_SECONDS",
    "REJECT",
    "VALUES",
    "describe",
    "units",
]

VALUES = {"unit1": 10, "unit2": 20, "unit3": 50, "unit4": 100}
"""Units that notes are dispensed from, with the value of their notes in euros."""
LOADED = {"unit1": 500, "unit2": 500, "unit3": 500, "unit4": 200}
"""Notes in a device that is new."""
REJECT = "unit5"
"""The unit for rejected and retracted items."""
CAPACITY = {**dict.fromkeys(VALUES, 2000), REJECT: 300}
RECOVERY_SECONDS = 5
"""How soon the device is ready again after it has saved power."""
MAX_ITEMS = 40
BANK_NOTES = {
    f"typeEUR{value}": cash_management.BankNote(
        cash_item=cash_management.CashItem(note_id=number, currency="EUR", value=Decimal(value), release=1),
        enabled=True,
    )
    for number, value in enumerate(VALUES.values(), 1)
}


def units(truth: CashTruth, status: Mapping[str, devices.UnitStatus]) -> dict[str, devices.CashUnit]:
    """The units as the device finds them.

    Args:
        truth: what is in them.
        status: of those that are not `ok`.
    """

    def serial(name: str) -> str:
        replaced = truth.cassette(name)
        return f"SIM-{name}" if not replaced else f"SIM-{name}-{replaced}"

    found = {
        name: devices.CashUnit(
            index=number,
            capacity=CAPACITY[name],
            types=frozenset({"cashOut"}),
            cash_items=(f"typeEUR{value}",),
            currency="EUR",
            value=Decimal(value),
            id=f"C{number}",
            position_name=f"slot {number}",
            serial_number=serial(name),
            status=status.get(name, "ok"),
            low_threshold=50,
            initial=truth.total(name),
        )
        for number, (name, value) in enumerate(VALUES.items(), 1)
    }
    found[REJECT] = devices.CashUnit(
        index=len(found) + 1,
        capacity=CAPACITY[REJECT],
        types=frozenset({"reject", "cashOutRetract"}),
        items=frozenset({"fit", "unfit", "unrecognized", "suspect"}),
        cash_items=tuple(BANK_NOTES),
        id="REJ",
        position_name="reject slot",
        serial_number=serial(REJECT),
        status=status.get(REJECT, "ok"),
        high_threshold=250,
        retract_areas=1,
        retract_thresholds=True,
    )
    return found


def describe(capabilities: common.CapabilitiesCompletion) -> None:
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
        max_dispense_items=MAX_ITEMS,
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
