"""What a vendor writes: one class per device, made of the classes of its interfaces.

Written by `tools/generate_devices.py` from the modules' `__all__`. A name's module is imported when
the name is first asked for, so that a service costs only what its device is made of.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xfs4iot.devices._cards import (
        CardContent,
        CardData,
        CardMoved,
        CardPlace,
        CardSource,
        CardsReset,
        CardTrack,
        CardWrite,
        ChipProtocol,
        ContactlessApplication,
        ContactlessConfiguration,
        ContactlessKey,
        ContactlessOutcome,
    )
    from xfs4iot.devices._device import (
        CommandEvents,
        Device,
    )
    from xfs4iot.devices._operation import (
        implements,
        is_operation,
        operation,
    )
    from xfs4iot.devices.barcode_reader import (
        Barcode,
        BarcodeReader,
    )
    from xfs4iot.devices.camera import (
        Camera,
        CameraState,
    )
    from xfs4iot.devices.card_reader import (
        CardAction,
        CardEvents,
        CardReader,
        ContactlessEvents,
        MovingCard,
    )
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
    from xfs4iot.devices.end_to_end_security import (
        TokenUse,
    )
    from xfs4iot.devices.key_management import (
        Authentication,
        DataToSign,
        DeviceSignedItem,
        ImportedKey,
        ImportedToken,
        IssuerSignedItem,
        KeyAttributes,
        KeyDerivation,
        KeyImport,
        KeyKind,
        KeyManagement,
        KeyTokenImport,
        KeyVerification,
        LoadedCertificate,
        RsaKeyPairRequest,
        StoredKey,
        VerifyMethods,
    )
    from xfs4iot.devices.lights import (
        Lamp,
        LightColor,
        LightDirection,
        LightFlashRate,
        Lights,
        Lit,
    )
    from xfs4iot.devices.power_management import (
        PowerManagement,
    )
    from xfs4iot.devices.storage import (
        CardUnit,
        CashUnit,
        Storage,
        StorageUnit,
        StorageUnitError,
        UnitError,
        UnitFailure,
        UnitStatus,
        UnitType,
    )
    from xfs4iot.devices.text_terminal import (
        BeepType,
        CellAttributes,
        ScreenPosition,
        ScreenRun,
        TextTerminal,
    )
    from xfs4iot.devices.vendor_application import (
        AccessLevel,
        ActiveInterface,
        VendorApplication,
    )
    from xfs4iot.devices.vendor_mode import (
        VendorMode,
    )

__all__ = [
    "AccessLevel",
    "ActiveInterface",
    "Authentication",
    "Barcode",
    "BarcodeReader",
    "BeepType",
    "Camera",
    "CameraState",
    "CardAction",
    "CardContent",
    "CardData",
    "CardEvents",
    "CardMoved",
    "CardPlace",
    "CardReader",
    "CardSource",
    "CardTrack",
    "CardUnit",
    "CardWrite",
    "CardsReset",
    "CashDispenser",
    "CashEvents",
    "CashManagement",
    "CashMovement",
    "CashUnit",
    "CashUnitError",
    "CellAttributes",
    "ChipProtocol",
    "CommandEvents",
    "ContactlessApplication",
    "ContactlessConfiguration",
    "ContactlessEvents",
    "ContactlessKey",
    "ContactlessOutcome",
    "Counted",
    "DataToSign",
    "Destination",
    "Device",
    "DeviceSignedItem",
    "DispenseRequest",
    "Dispensed",
    "ImportedKey",
    "ImportedToken",
    "IssuerSignedItem",
    "ItemsMoved",
    "KeyAttributes",
    "KeyDerivation",
    "KeyImport",
    "KeyKind",
    "KeyManagement",
    "KeyTokenImport",
    "KeyVerification",
    "Lamp",
    "LightColor",
    "LightDirection",
    "LightFlashRate",
    "Lights",
    "Lit",
    "LoadedCertificate",
    "MovingCard",
    "PowerManagement",
    "Presented",
    "RetractRequest",
    "Retracted",
    "RsaKeyPairRequest",
    "ScreenPosition",
    "ScreenRun",
    "Storage",
    "StorageUnit",
    "StorageUnitError",
    "StoredKey",
    "Tested",
    "TextTerminal",
    "TokenUse",
    "UnitError",
    "UnitFailure",
    "UnitStatus",
    "UnitType",
    "VendorApplication",
    "VendorMode",
    "VerifyMethods",
    "implements",
    "is_operation",
    "items_from",
    "operation",
]

_MODULES = {
    "AccessLevel": "vendor_application",
    "ActiveInterface": "vendor_application",
    "Authentication": "key_management",
    "Barcode": "barcode_reader",
    "BarcodeReader": "barcode_reader",
    "BeepType": "text_terminal",
    "Camera": "camera",
    "CameraState": "camera",
    "CardAction": "card_reader",
    "CardContent": "_cards",
    "CardData": "_cards",
    "CardEvents": "card_reader",
    "CardMoved": "_cards",
    "CardPlace": "_cards",
    "CardReader": "card_reader",
    "CardSource": "_cards",
    "CardTrack": "_cards",
    "CardUnit": "storage",
    "CardWrite": "_cards",
    "CardsReset": "_cards",
    "CashDispenser": "cash_dispenser",
    "CashEvents": "cash_management",
    "CashManagement": "cash_management",
    "CashMovement": "cash_management",
    "CashUnit": "storage",
    "CashUnitError": "cash_management",
    "CellAttributes": "text_terminal",
    "ChipProtocol": "_cards",
    "CommandEvents": "_device",
    "ContactlessApplication": "_cards",
    "ContactlessConfiguration": "_cards",
    "ContactlessEvents": "card_reader",
    "ContactlessKey": "_cards",
    "ContactlessOutcome": "_cards",
    "Counted": "cash_dispenser",
    "DataToSign": "key_management",
    "Destination": "cash_management",
    "Device": "_device",
    "DeviceSignedItem": "key_management",
    "DispenseRequest": "cash_dispenser",
    "Dispensed": "cash_dispenser",
    "ImportedKey": "key_management",
    "ImportedToken": "key_management",
    "IssuerSignedItem": "key_management",
    "ItemsMoved": "cash_management",
    "KeyAttributes": "key_management",
    "KeyDerivation": "key_management",
    "KeyImport": "key_management",
    "KeyKind": "key_management",
    "KeyManagement": "key_management",
    "KeyTokenImport": "key_management",
    "KeyVerification": "key_management",
    "Lamp": "lights",
    "LightColor": "lights",
    "LightDirection": "lights",
    "LightFlashRate": "lights",
    "Lights": "lights",
    "Lit": "lights",
    "LoadedCertificate": "key_management",
    "MovingCard": "card_reader",
    "PowerManagement": "power_management",
    "Presented": "cash_dispenser",
    "RetractRequest": "cash_management",
    "Retracted": "cash_management",
    "RsaKeyPairRequest": "key_management",
    "ScreenPosition": "text_terminal",
    "ScreenRun": "text_terminal",
    "Storage": "storage",
    "StorageUnit": "storage",
    "StorageUnitError": "storage",
    "StoredKey": "key_management",
    "Tested": "cash_dispenser",
    "TextTerminal": "text_terminal",
    "TokenUse": "end_to_end_security",
    "UnitError": "storage",
    "UnitFailure": "storage",
    "UnitStatus": "storage",
    "UnitType": "storage",
    "VendorApplication": "vendor_application",
    "VendorMode": "vendor_mode",
    "VerifyMethods": "key_management",
    "implements": "_operation",
    "is_operation": "_operation",
    "items_from": "cash_management",
    "operation": "_operation",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
