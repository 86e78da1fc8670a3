"""The rules of the standard's interfaces, each in a module of its name."""

from __future__ import annotations

from xfs4iot import devices
from xfs4iot.interfaces.cash.cash_dispenser import CashDispenser
from xfs4iot.interfaces.cash.cash_management import CashManagement
from xfs4iot.interfaces.common.common import Common
from xfs4iot.interfaces.power_management import PowerManagement
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.server.handler import Interface

__all__ = ["interfaces_for"]

_BY_DEVICE: tuple[tuple[type[devices.Device], type[Interface]], ...] = (
    (devices.Device, Common),
    (devices.PowerManagement, PowerManagement),
    (devices.Storage, Storage),
    (devices.CashManagement, CashManagement),
    (devices.CashDispenser, CashDispenser),
)
"""An interface stands after those it builds on."""


def interfaces_for(device: devices.Device) -> list[type[Interface]]:
    """The interfaces of the device classes that `device` is made of."""
    return [interface for kind, interface in _BY_DEVICE if isinstance(device, kind)]
