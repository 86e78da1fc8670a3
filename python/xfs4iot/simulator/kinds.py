"""The kinds of simulated devices: one row each, imported when a profile asks for one.

A kind has the name of the interface that it is there for, and a module of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xfs4iot.simulator.device import SimulatedDevice

__all__ = ["KINDS", "device_class"]

KINDS: Mapping[str, str] = {
    "CashDispenser": "cash_dispenser",
    "CashAcceptor": "cash_acceptor",
    "CashPresenter": "cash_presenter",
    "BanknoteNeutralization": "banknote_neutralization",
    "CardReader": "card_reader",
    "Check": "check",
    "MixedMedia": "mixed_media",
    "Deposit": "deposit",
    "Auxiliaries": "auxiliaries",
    "BarcodeReader": "barcode_reader",
    "Biometric": "biometric",
    "Camera": "camera",
    "Crypto": "crypto",
    "German": "german",
    "KeyManagement": "key_management",
    "Keyboard": "keyboard",
    "PinPad": "pin_pad",
    "Lights": "lights",
    "Printer": "printer",
    "TextTerminal": "text_terminal",
    "VendorMode": "vendor_mode",
    "VendorApplication": "vendor_application",
}
"""Kinds by name, and their modules below this package; the class is `Simulated` and the name."""


def device_class(kinds: tuple[str, ...]) -> type[SimulatedDevice]:
    """The class of a device of these kinds; of several, one that has all their interfaces.

    Raises:
        KeyError: there is no such kind.
    """
    classes = [getattr(import_module(f"{__package__}.{KINDS[kind]}"), f"Simulated{kind}") for kind in kinds]
    if len(classes) == 1:
        found: type[SimulatedDevice] = classes[0]
        return found
    # Whatever the order in the profile: a class that calls the others' operations has to be asked first.
    classes.sort(key=lambda kind: not kind.surrounds)
    return type(f"Simulated{'And'.join(kinds)}", tuple(classes), {})
