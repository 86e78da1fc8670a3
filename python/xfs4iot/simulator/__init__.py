"""A simulated ATM, for demonstrations, tests and the development of clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xfs4iot.simulator.atm import atm
from xfs4iot.simulator.kinds import KINDS, device_class

if TYPE_CHECKING:
    from xfs4iot.simulator.cash_dispenser import SimulatedCashDispenser as SimulatedCashDispenser

__all__ = ["SimulatedCashDispenser", "atm"]


def __getattr__(name: str) -> Any:
    """The class of a simulated device, imported when it is first asked for."""
    kind = name.removeprefix("Simulated")
    if kind != name and kind in KINDS:
        return device_class((kind,))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
