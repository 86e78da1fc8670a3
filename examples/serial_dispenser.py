"""A dispenser on a serial line: `FEED 1 3` feeds three notes of cassette 1, `OK 3` is its answer."""

import os
from decimal import Decimal

import serial
import trio

from xfs4iot import devices
from xfs4iot.protocol import errors


class SerialDispenser(devices.CashDispenser):
    max_dispense_items = 40

    def __init__(self, name, options=None):
        super().__init__(name, options)
        self.turn = trio.Lock()
        self.line = None

    async def open(self):
        port = self.options["port"]
        try:
            self.line = await trio.to_thread.run_sync(lambda: serial.Serial(port, 9600, timeout=60))
        except serial.SerialException as problem:
            # The service tries again, and tells its clients that the device is off line.
            why = os.strerror(problem.errno) if problem.errno else problem
            raise errors.DeviceNotReady(f"{port} cannot be opened ({why}); see its cable and name") from None
        await self.ask("HELLO")
        await super().open()

    async def close(self):
        if self.line is not None:
            self.line.close()

    async def ask(self, command):
        """Send a line and give the words of the answer behind OK."""
        async with self.turn:
            answer = await trio.to_thread.run_sync(self._exchange, command)
        verdict, *words = answer.split() or ["nothing"]
        if verdict == "OK":
            return words
        raise errors.HardwareError(
            f"{command} was answered {verdict!r}; look for notes in the way, then reset"
        )

    def _exchange(self, command):
        self.line.write(f"{command}\n".encode())
        return self.line.readline().decode("ascii", "replace")

    async def cash_units(self):
        kind = {"capacity": 2000, "types": frozenset({"cashOut"}), "currency": "EUR", "initial": 1000}
        return {
            "unit1": devices.CashUnit(index=1, value=Decimal(20), **kind),
            "unit2": devices.CashUnit(index=2, value=Decimal(50), **kind),
        }

    async def dispense(self, request, events):
        fed = {}
        for unit, count in request.counts.items():
            try:
                fed[unit] = int((await self.ask(f"FEED {unit[-1]} {count}"))[0])
            except errors.HardwareError as jam:
                # What was fed before is on the stacker all the same, and is booked.
                return devices.Dispensed(moved=devices.items_from(fed, "stacker"), failure=jam)
        return devices.Dispensed(moved=devices.items_from(fed, "stacker"))

    async def present(self, position, events):
        await self.ask("PRESENT")
        return devices.Presented(moved=events.everything("stacker", "output"))

    async def wait_taken(self, position):
        await self.ask("TAKEN")  # which is answered when the slot is empty
