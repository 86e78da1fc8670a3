"""A dispenser with two cassettes: all that a vendor writes."""

from decimal import Decimal

import trio

import xfs4iot
from xfs4iot import devices


class TwoCassettes(devices.CashDispenser):
    async def cash_units(self):
        return {
            f"unit{slot}": devices.CashUnit(
                index=slot,
                capacity=2000,
                types=frozenset({"cashOut"}),
                currency="EUR",
                value=Decimal(value),
                initial=1000,
            )
            for slot, value in ((1, 20), (2, 50))
        }

    async def dispense(self, request, events):
        for unit, count in request.counts.items():
            print(f"feeding {count} notes from {unit}")  # here the hardware moves
        return devices.Dispensed(moved=devices.items_from(request.counts, "output"))


if __name__ == "__main__":
    trio.run(xfs4iot.Publisher([xfs4iot.Service(TwoCassettes("CashDispenser"))]).serve)
