"""An application: a customer deposits notes, sees what they are worth, and agrees or takes them back."""

import sys

import trio

import xfs4iot


async def worth(cash, counts):
    """What counts by item and level are worth; doubtful notes are kept, but not credited."""
    known = (await cash.call("CashManagement.GetBankNoteTypes"))["items"]
    total = 0
    for item, levels in counts.items():
        if item != "unrecognized":
            good = levels.get("fit", 0) + levels.get("unfit", 0)
            total += good * known[item]["cashItem"]["value"]
    return total


async def main(uri, answer):
    async with xfs4iot.connect(uri) as cash, cash.events("CashManagement.ItemsTakenEvent") as taken:
        await cash.call("CashAcceptor.CashInStart", {"totalItemsLimit": 100})
        try:
            # The customer inserts notes; what is refused comes out again.
            await cash.call("CashAcceptor.CashIn", timeout=60)
        except xfs4iot.CommandFailed as failed:
            # Some may be inside all the same: what counts is what the device says it has.
            print("cash-in:", failed.completion_code, failed.error_code)

        status = await cash.call("CashAcceptor.GetCashInStatus")
        accepted = status.get("noteNumberList", {})
        print("accepted:", await worth(cash, accepted), "EUR; given back:", status["numOfRefused"])

        if status["numOfRefused"]:
            with trio.move_on_after(30):
                async for _ in taken:
                    break
        try:
            if answer == "yes":
                stored = (await cash.call("CashAcceptor.CashInEnd", timeout=60))["storage"]
                print("stored in:", ", ".join(sorted(stored)))
            else:
                await cash.call("CashAcceptor.CashInRollback", timeout=60)
                print("given back:", await worth(cash, accepted), "EUR")
        except xfs4iot.CommandFailed as failed:
            if failed.error_code == "noItems":
                print("nothing was accepted")
            elif failed.error_code == "positionNotEmpty":
                # He has left what came out before, and gets nothing on top of it: all of it is kept for him.
                await cash.call("CashManagement.Retract", {"location": {"retractArea": "retract"}})
                print("nobody took what was given back; retracted:", await worth(cash, accepted), "EUR")
            else:
                raise


trio.run(main, *sys.argv[1:])
