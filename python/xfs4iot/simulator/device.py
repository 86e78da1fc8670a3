"""What all simulated devices share: their world, their settings, chance and faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar

import msgspec

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import Device
from xfs4iot.protocol import errors
from xfs4iot.simulator import shipped
from xfs4iot.simulator.clock import Clock
from xfs4iot.simulator.faults import Fault, Faults
from xfs4iot.simulator.world import World

__all__ = ["DeviceSettings", "SimulatedDevice"]

_Settings = TypeVar("_Settings")


@dataclass(frozen=True)
class DeviceSettings:
    """What a profile may say of every device.

    Attributes:
        seconds: how long a movement takes; without it as long as the profile says.
    """

    seconds: Decimal | None = None

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        if self.seconds is not None and self.seconds < 0:
            yield ("seconds",), "0 or more"


class SimulatedDevice(Device):
    """The base of every simulated device, derived from together with the device classes of its interfaces.

        class SimulatedBarcodeReader(SimulatedDevice, devices.BarcodeReader):
            FAULTS = {"blind": Fault("lasts", "the scanner sees nothing")}

    Args:
        name: of the service.
        options: settings of the device, as in its table of a profile; anything they leave out is
            as in the default profile.
        world: what it shares with the other devices of the ATM.
        alone: arguments of a `World` of its own, where it shares none: `seconds`, `state`, `seed`.

    Attributes:
        Settings: a frozen dataclass: what a profile may say of this kind of device. Its method
            `mistakes`, if it has one, yields what no single value shows: the way to it, and a text.
        FAULTS: what can be injected, by name.
        takes_tokens: whether its commands may require end-to-end tokens.
        surrounds: whether its operations call those of the other kinds that it is one device with.
        world: what it shares with the others.
        seconds: how long a movement takes.
        faults: those that wait or last.
    """

    Settings: ClassVar[type[Any]] = DeviceSettings
    FAULTS: ClassVar[Mapping[str, Fault]] = {}
    takes_tokens: ClassVar[bool] = False
    surrounds: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        world: World | None = None,
        **alone: Any,
    ) -> None:
        own = dict(options or {})
        self.world = world or World(**_of_world(own), **alone)
        super().__init__(name, {**shipped.settings_of(type(self)), **own})
        self.seconds = float(self.options.get("seconds", self.world.seconds))
        table: dict[str, Fault] = {}
        # From the base classes up, so that a derived class may redefine a fault of its base.
        for kind in reversed(type(self).__mro__):
            table |= vars(kind).get("FAULTS", {})
        self.faults = Faults(table)

    @cached_property
    def chance(self) -> Random:
        """Its own stream of chance."""
        return self.world.chance(self.name)

    @property
    def clock(self) -> Clock:
        """The clock of the ATM."""
        return self.world.clock

    @classmethod
    def settings_classes(cls) -> tuple[type[Any], ...]:
        """What a profile may say of the device: the dataclasses of all its kinds."""
        return tuple(
            dict.fromkeys(vars(kind)["Settings"] for kind in cls.__mro__ if "Settings" in vars(kind))
        )

    def configured(self, kind: type[_Settings]) -> _Settings:
        """The device's settings, as the dataclass that says what there is."""
        return msgspec.convert(dict(self.options), kind, strict=False)

    def _show(self) -> None:
        """Make the status say what is; called after faults have been injected or cleared."""

    def units_with_faults(self) -> tuple[str, ...]:
        """Names of the units that faults of a unit can be injected into."""
        return ()

    def require_unit(self, unit: str | None) -> str:
        """The unit, if it is one.

        Raises:
            InvalidData: it is not.
        """
        units = self.units_with_faults()
        if unit is None or unit not in units:
            problem = "name a unit" if unit is None else f"{unit[:50]!r} is not a unit; name one"
            raise errors.InvalidData(f"$.unit: {problem} of {', '.join(units)}")
        return unit

    def inject(self, fault: str, unit: str | None = None, count: int | None = None) -> None:
        """Make something fail; see `FAULTS`.

        Raises:
            InvalidData: there is no such fault or unit, or the fault takes no unit or no count.
        """
        row = self.faults.find(fault)
        takes = " and ".join(row.takes)
        if unit is not None and "unit" not in row.takes:
            raise errors.InvalidData(
                f"$.unit: {fault} strikes the device, not a unit; leave unit out: it takes {takes}"
            )
        if count is not None and "count" not in row.takes:
            when = "strikes at once" if row.strikes == "once" else "lasts until Simulator.ClearFaults"
            raise errors.InvalidData(f"$.count: {fault} {when}; leave count out: it takes {takes}")
        target = self.require_unit(unit) if row.strikes == "unit" else None
        self.faults.inject(fault, target, 1 if count is None else count)
        self._show()

    def clear_faults(self) -> None:
        """Make everything work again; what is stuck stays stuck."""
        self.faults.clear()
        self._show()

    def shown_truth(self) -> msgspec.Struct | None:
        """What `Simulator.GetTruth` tells of the device; None for nothing."""
        return None


def _of_world(options: dict[str, Any]) -> dict[str, Any]:
    """Take out of a configuration file's options what is said of the world."""
    found: dict[str, Any] = {}
    if "state" in options:
        found["state"] = Path(options.pop("state"))
    if "seed" in options:
        found["seed"] = int(options.pop("seed"))
    return found
