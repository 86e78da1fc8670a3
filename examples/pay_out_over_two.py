"""An application: one payout from two machines, notes from one and coins from the other."""

import sys
from decimal import Decimal

import trio

import xfs4iot

FAILED = xfs4iot.CommandFailed


def mix(amount):
    return {"denomination": {"service": {"currencies": {"EUR": amount}, "mix": "mix1"}}}


async def possible(machine, amount):
    """Whether a machine can pay an amount now; nothing moves."""
    try:
        await machine.call("CashDispenser.Denominate", {"request": mix(amount)})
    except FAILED:
        return False
    return True


async def shares(notes, coins, amount):
    """As much in notes as can be, the rest in coins."""
    in_notes = amount - amount % 5
    while in_notes >= 0 and amount - in_notes <= 30:
        in_coins = amount - in_notes
        paid_by = [(machine, share) for machine, share in ((notes, in_notes), (coins, in_coins)) if share]
        if all([await possible(machine, share) for machine, share in paid_by]):
            return paid_by
        in_notes -= 5
    raise SystemExit(f"{amount} EUR cannot be paid")


async def clear(machine):
    """Bring into the reject unit what was made ready, and what is stuck; all may be there already."""
    try:
        await machine.call("CashManagement.Reset", {"position": {"target": "reject"}}, timeout=60)
    except FAILED as failed:
        print("have it looked at:", failed.description)


async def main(notes_uri, coins_uri, amount):
    async with xfs4iot.connect(notes_uri) as notes, xfs4iot.connect(coins_uri) as coins:
        paid_by = await shares(notes, coins, Decimal(amount))
        ready = []
        try:
            # Everything is made ready first: nobody has got anything yet.
            for machine, share in paid_by:
                ready.append(machine)
                await machine.call("CashDispenser.Dispense", {"denomination": mix(share)}, timeout=60)
        except FAILED as failed:
            print("not paid:", failed.error_code or failed.completion_code)
            for machine in ready:
                await clear(machine)
            return
        for machine, share in paid_by:
            try:
                await machine.call("CashDispenser.Present", {}, timeout=60)
                print("presented:", share, "EUR")
            except FAILED as failed:
                # He has been paid less: what he got of it is in CashDispenser.GetPresentStatus.
                print("not presented:", share, "EUR,", failed.error_code or failed.completion_code)


trio.run(main, *sys.argv[1:])
