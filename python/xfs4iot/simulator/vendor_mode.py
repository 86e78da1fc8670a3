"""A simulated vendor mode: the panel that is handed over, and applications that answer well or badly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Any, ClassVar, Literal

import trio

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.interfaces.vendor_mode import VendorMode
from xfs4iot.protocol import errors, registry, versions
from xfs4iot.simulator.commands import Milliseconds, Request, command
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

__all__ = ["SimulatedVendorMode"]


@dataclass(frozen=True)
class VendorModeSettings:
    """What a profile may say of vendor mode, each as in `devices.VendorMode`."""

    acknowledge_seconds: Decimal | None = None
    force_entry: bool | None = None
    hold_requests: bool | None = None
    refuse_others: bool | None = None

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        if self.acknowledge_seconds is not None and self.acknowledge_seconds < 0:
            yield ("acknowledge_seconds",), "0 or more"


class StartApplication(Request):
    """An application on the ATM that registers for vendor mode.

    Attributes:
        name: under which it registers.
        answers: `atOnce` it acknowledges each request, or `after` so long, `never`, or it `vanishes` then.
    """

    name: str | None = None
    answers: Literal["atOnce", "later", "never", "vanishes"] = "atOnce"
    after: Milliseconds | None = None


class EndApplication(Request):
    """Which application ends."""

    name: str | None = None


class _Application:
    """What takes part in vendor mode as a connection does, without being one."""

    def __init__(self, atm: SimulatedVendorMode, wanted: StartApplication) -> None:
        self.versions = versions.ConnectionVersions()
        self._atm = atm
        self._answers = wanted.answers
        self._after = (wanted.after or 0) / 1000

    def send_event(self, entry: registry.EventEntry, *_: Any) -> None:
        """It is asked to let go of the devices, or told that it may have them again."""
        if entry.name not in ("VendorMode.EnterModeRequestEvent", "VendorMode.ExitModeRequestEvent"):
            return
        if self._answers == "vanishes":
            self._atm.rules.disconnected(self)
        elif self._answers == "atOnce":
            self._atm.rules.acknowledged(self)
        elif self._answers == "later":
            self._atm.world.later(self._after, lambda: self._atm.rules.acknowledged(self))


class SimulatedVendorMode(SimulatedDevice, devices.VendorMode):
    """An ATM's vendor mode."""

    Settings: ClassVar = VendorModeSettings
    FAULTS: ClassVar = {
        "refuses": Fault("once", "the next change of the mode fails: the panel does not react"),
        "unreachable": Fault("lasts", "the panel cannot be reached"),
        "hangs": Fault("lasts", "a change of the mode never comes to an end"),
    }

    def __init__(self, service: str, *arguments: Any, **more: Any) -> None:
        super().__init__(service, *arguments, **more)
        settings = self.configured(VendorModeSettings)
        for name in (one.name for one in fields(settings)):
            if (value := getattr(settings, name)) is not None:
                setattr(self, name, float(value) if isinstance(value, Decimal) else value)
        self._applications: dict[str, _Application] = {}

    @property
    def rules(self) -> VendorMode:
        """The interface that this device is served with."""
        host: Any = self._host
        found: VendorMode = host.interface(VendorMode)
        return found

    async def _change(self) -> None:
        if self.faults.active("unreachable"):
            raise errors.DeviceNotReady("the panel cannot be reached; see Simulator.ClearFaults")
        if self.faults.active("hangs"):
            await trio.sleep_forever()
        await self.clock.until(self.clock.now + self.seconds)
        if self.faults.strikes("refuses"):
            raise errors.HardwareError("the panel does not react")

    async def enter_vendor_mode(self) -> None:
        await self._change()

    async def exit_vendor_mode(self) -> None:
        await self._change()

    @command
    def start_application(self, request: StartApplication) -> None:
        """An application on the ATM starts and registers."""
        name = request.name or "application"
        # One of the same name that still runs would stay registered for ever.
        self.end_application(EndApplication(name=name))
        self._applications[name] = application = _Application(self, request)
        self.rules.join(application, name)

    @command
    def end_application(self, request: EndApplication) -> None:
        """An application on the ATM ends, or crashes; nothing, if it does not run."""
        application = self._applications.pop(request.name or "application", None)
        if application is not None:
            self.rules.disconnected(application)
