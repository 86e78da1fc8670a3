"""What a vendor writes: one class per device, made of the classes of its interfaces."""

from xfs4iot.devices._device import CommandEvents, Device, implements, operation
from xfs4iot.devices.cash_dispenser import (
    CashDispenser,
    Counted,
    Dispensed,
    DispenseRequest,
    Presented,
    Tested,
)
from xfs4iot.devices.cash_management import (
    CashEvents,
    CashManagement,
    CashMovement,
    CashUnitError,
    Destination,
    ItemsMoved,
    Retracted,
    RetractRequest,
    items_from,
)
from xfs4iot.devices.end_to_end_security import TokenUse
from xfs4iot.devices.power_management import PowerManagement
from xfs4iot.devices.storage import CashUnit, Storage, StorageUnitError, UnitError, UnitFailure, UnitStatus

__all__ = [
    "CashDispenser",
    "CashEvents",
    "CashManagement",
    "CashMovement",
    "CashUnit",
    "CashUnitError",
    "CommandEvents",
    "Counted",
    "Destination",
    "Device",
    "DispenseRequest",
    "Dispensed",
    "ItemsMoved",
    "PowerManagement",
    "Presented",
    "RetractRequest",
    "Retracted",
    "Storage",
    "StorageUnitError",
    "Tested",
    "TokenUse",
    "UnitError",
    "UnitFailure",
    "UnitStatus",
    "implements",
    "items_from",
    "operation",
]
