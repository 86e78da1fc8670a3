"""The rules of the standard's interfaces, each in a module of its name.

An interface is announced by one row below. Its name is also that of its device class, and the module
of the device class has the same file name in `devices/`; both are imported only for a device that is
made of that class.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from xfs4iot.devices import Device
from xfs4iot.server.handler import Interface

__all__ = ["MODULES", "interface", "interfaces_for"]

MODULES: Mapping[str, str] = {
    "Common": "common.common",
    "PowerManagement": "power_management",
    "Storage": "storage.storage",
    "Lights": "lights",
    "Auxiliaries": "auxiliaries",
    "Camera": "camera",
    "VendorMode": "vendor_mode",
    "VendorApplication": "vendor_application",
    "BarcodeReader": "barcode_reader",
    "CardReader": "cards.card_reader",
    "KeyManagement": "keys.key_management",
    "Crypto": "keys.crypto",
    "Keyboard": "keys.keyboard",
    "PinPad": "keys.pin_pad",
    "German": "keys.german",
    "Biometric": "biometrics.biometric",
    "Printer": "forms.printer",
    "TextTerminal": "forms.text_terminal",
    "CashManagement": "cash.cash_management",
    "CashDispenser": "cash.cash_dispenser",
    "CashAcceptor": "cash.cash_acceptor",
    "BanknoteNeutralization": "cash.banknote_neutralization",
    "Check": "documents.check",
    "MixedMedia": "documents.mixed_media",
    "Deposit": "documents.deposit",
}
"""Interfaces and their modules below this package; an interface stands after those it builds on."""


def interface(name: str) -> type[Interface[Any]]:
    """The rules of the interface with this name.

    Raises:
        KeyError: there is no such interface of a device.
    """
    found: type[Interface[Any]] = getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
    return found


def interfaces_for(device: Device) -> list[type[Interface[Any]]]:
    """The interfaces of the device classes that `device` is made of."""
    package = Device.__module__.rpartition(".")[0]
    made_of = {kind.__name__ for kind in type(device).__mro__ if kind.__module__.startswith(f"{package}.")}
    return [interface(name) for name in MODULES if name == "Common" or name in made_of]
