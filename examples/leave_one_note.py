"""A customer who leaves one of three notes, which are then retracted, in no time."""

import sys

import trio

import xfs4iot


async def main(uri, simulator_uri):
    async with xfs4iot.connect(uri) as dispenser, xfs4iot.connect(simulator_uri) as simulator:
        mix = {"denomination": {"service": {"currencies": {"EUR": 90}, "mix": "mix1"}}}
        await simulator.call("Simulator.StopClock")
        await dispenser.call("CashDispenser.Dispense", {"denomination": mix})
        await dispenser.call("CashDispenser.Present", {})
        await simulator.call("Simulator.TakeItems", {"count": 2, "after": 5000})
        await simulator.call("Simulator.Advance", {"milliseconds": 5000})
        print(await dispenser.call("CashManagement.Retract", {}))
        await simulator.call("Simulator.StartClock")


trio.run(main, *sys.argv[1:])
