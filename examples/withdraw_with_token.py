"""A host: pay out 50 EUR with an end-to-end token, and see it confirmed by the device."""

import sys
from pathlib import Path

import trio

import xfs4iot
from xfs4iot import tokens


async def main(uri, key_file):
    key = tokens.read_key(Path(key_file))
    async with xfs4iot.connect(uri) as dispenser:
        nonce = (await dispenser.call("Common.GetCommandNonce"))["commandNonce"]
        token = tokens.dispense_token(key, nonce, {"EUR": "50.00"})
        mix = {"denomination": {"service": {"currencies": {"EUR": 50}, "mix": "mix1"}}}
        await dispenser.call("CashDispenser.Dispense", {"denomination": mix, "token": token}, timeout=30)
        await dispenser.call("CashDispenser.Present", {}, timeout=30)

        ours = tokens.new_nonce()
        status = await dispenser.call("CashDispenser.GetPresentStatus", {"nonce": ours})
        report = tokens.read_present_token(status["token"], key, ours)
        print("ours:", report.dispense_id == token[-64:])
        print("presented:", report.presented, dict(report.dispensed))


trio.run(main, *sys.argv[1:])
