"""A dispenser with two cassettes: all that a vendor writes."""

from decimal import Decimal

import trio

import xfs4iot
from xfs4iot import devices


class TwoCassettes(devices.CashDispenser):
    max_dispense_items = 40

    async def cash_units(self):
        kind = {"capacity": 2000, "types": frozenset({"cashOut"}), "currency": "EUR", "initial": 1000}
        return {
            "unit1": devices.CashUnit(index=1, value=Decimal(20), **kind),
            "unit2": devices.CashUnit(index=2, value=Decimal(50), **kind),
        }

    async def dispense(self, request, events):
        for unit, count in request.counts.items():
            print(f"feeding {count} notes from {unit}")  # here the hardware moves
        return devices.Dispensed(moved=devices.items_from(request.counts, "stacker"))

    async def present(self, position, events):
        print("opening the shutter")
        return devices.Presented(moved=events.everything("stacker", "output"))

    async def wait_taken(self, position):
        await trio.sleep(3)  # here a sensor tells


if __name__ == "__main__":
    trio.run(xfs4iot.Publisher([xfs4iot.Service(TwoCassettes("CashDispenser"))]).serve)
