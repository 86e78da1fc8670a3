"""Simulated programs of the vendor: one that runs until it is ended, one that ends by itself."""

from __future__ import annotations

from typing import Any, ClassVar

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.commands import Request, command
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

__all__ = ["SimulatedVendorApplication"]

_SELF_TEST_SECONDS = 10.0


class SimulatedVendorApplication(SimulatedDevice, devices.VendorApplication):
    """The programs of a simulated ATM: `diagnosis` runs until it is ended, `selfTest` for ten seconds."""

    applications = ("diagnosis", "selfTest")
    access_levels = frozenset({"basic", "intermediate", "full"})
    trusts_everyone = True

    FAULTS: ClassVar = {
        "doesNotStart": Fault("once", "the next program cannot be started"),
        "crashesAtOnce": Fault("once", "the next program ends while it is being started"),
        "startsSlowly": Fault("once", "the next program takes `count` seconds to start"),
        "screenStuck": Fault("lasts", "the screen cannot be switched"),
        "screenUnknown": Fault("lasts", "nobody knows where the program shows"),
    }

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self._shows: devices.ActiveInterface = "consumer"
        self._started = 0
        self._running: int | None = None

    async def start_local_application(
        self, name: str, level: devices.AccessLevel | None
    ) -> devices.AccessLevel | None:
        start = Timeline(self.clock)
        await start.step(self.faults.take("startsSlowly") or self.seconds)
        if self.faults.strikes("doesNotStart"):
            raise errors.HardwareError(f"{name} cannot be started: its files are damaged")
        if self.faults.strikes("crashesAtOnce"):
            raise errors.HardwareError(f"{name} ended while it was being started")
        self._started += 1
        self._running = number = self._started
        if name == "selfTest":
            self.world.later(_SELF_TEST_SECONDS, lambda: self._ended(number))
        return level or "basic"

    def _ended(self, number: int) -> None:
        # Another program may have been started since; its end is not this one's.
        if self._running == number:
            self._running = None
            self.application_exited()

    async def active_interface(self) -> devices.ActiveInterface:
        if self.faults.active("screenUnknown"):
            raise errors.HardwareError("the screens do not answer")
        return self._shows

    async def set_active_interface(self, which: devices.ActiveInterface) -> None:
        if self.faults.active("screenStuck"):
            raise errors.HardwareError("the screen cannot be switched")
        await self.clock.until(self.clock.now + self.seconds)
        self._shows = which

    @command
    def end_program(self, request: Request) -> None:
        """The program that runs ends, by whatever cause."""
        if self._running is None:
            raise errors.SequenceError("no program runs; see VendorApplication.StartLocalApplication")
        self._ended(self._running)

    @command
    def turn_operator_key(self, request: Request) -> None:
        """Somebody turns the key that switches between the customer's and the operator's screen."""
        self._shows = "operator" if self._shows == "consumer" else "consumer"
        self.interface_changed(self._shows)
