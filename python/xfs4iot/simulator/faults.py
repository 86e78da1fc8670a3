"""What can go wrong with a simulated device.

Each device has a table `FAULTS`: the names by which its faults are injected, how they strike, and what
they do. A fault strikes once, or as often as its count says, or lasts until it is cleared; faults of a
unit name the unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import errors

__all__ = ["Fault", "Faults"]


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        strikes: `once` per count, `lasts` until cleared, or `unit`: lasts, and is one unit's.
        text: what it does.
        counted: whether it takes a count; None: as what strikes once does, and nothing else.
    """

    strikes: Literal["once", "lasts", "unit"]
    text: str
    counted: bool | None = None

    @property
    def takes(self) -> tuple[str, ...]:
        """What `Simulator.Inject` may say of it besides the service."""
        counted = self.strikes == "once" if self.counted is None else self.counted
        return ("fault", *(["unit"] if self.strikes == "unit" else []), *(["count"] if counted else []))


class Faults:
    """The faults of one device that wait or last.

    Args:
        table: what can be injected, by name.
    """

    def __init__(self, table: Mapping[str, Fault]) -> None:
        self.table = table
        self._counts: dict[str, int] = {}
        self.of_units: dict[str, str] = {}

    def find(self, name: str) -> Fault:
        """The fault with this name.

        Raises:
            InvalidData: there is no such fault.
        """
        fault = self.table.get(name)
        if fault is None:
            raise errors.InvalidData(f"$.fault: {name!r} is not one of {', '.join(self.table)}")
        return fault

    def inject(self, name: str, unit: str | None = None, count: int = 1) -> None:
        """Let something go wrong.

        Raises:
            InvalidData: there is no such fault.
        """
        if self.find(name).strikes == "unit":
            assert unit is not None
            self.of_units[unit] = name
        else:
            self._counts[name] = count

    def clear(self) -> list[str]:
        """Let everything work again; returns the units that had a fault."""
        self._counts.clear()
        units = list(self.of_units)
        self.of_units.clear()
        return units

    def active(self, name: str) -> int:
        """How often, or how much, a fault is still to strike; 0 if it is not active."""
        return self._counts.get(name, 0)

    def strikes(self, name: str) -> bool:
        """Whether a fault strikes now; one strike is used up."""
        left = self._counts.get(name, 0)
        if left > 1:
            self._counts[name] = left - 1
        else:
            self._counts.pop(name, None)
        return left > 0

    def take(self, name: str) -> int:
        """The count of a fault, all of which is used up now; 0 if it is not active."""
        return self._counts.pop(name, 0)
