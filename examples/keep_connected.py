"""An application that stays with its dispenser, whatever happens to the connection."""

import trio

import xfs4iot


async def main():
    while True:
        try:
            async with (
                xfs4iot.connect("127.0.0.1", "CashDispenser", plain=True) as dispenser,
                dispenser.events("Common.StatusChangedEvent") as events,
            ):
                status = await dispenser.call("Common.Status")
                print("connected; the device is", status["common"]["device"], flush=True)
                async for event in events:
                    print("changed:", event.payload, flush=True)
        except (xfs4iot.Disconnected, xfs4iot.NotFound) as lost:
            print(str(lost).partition("\n")[0], flush=True)
        await trio.sleep(1)


trio.run(main)
