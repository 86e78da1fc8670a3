"""An application: find the dispenser, pay out 70 EUR."""

import trio

import xfs4iot


async def main():
    async with xfs4iot.connect("127.0.0.1", "CashDispenser", plain=True) as dispenser:
        mix = {"denomination": {"service": {"currencies": {"EUR": 70}, "mix": "mix1"}}}
        try:
            paid = await dispenser.call("CashDispenser.Dispense", {"denomination": mix}, timeout=30)
            print(paid["denomination"]["values"])
            await dispenser.call("CashDispenser.Present", {}, timeout=30)
        except xfs4iot.CommandFailed as failed:
            print(failed.completion_code, failed.error_code, failed.description)


trio.run(main)
