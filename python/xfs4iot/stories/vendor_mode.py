"""Vendor mode: an engineer asks for the devices; two applications let go, and take them again."""

from __future__ import annotations

from contextlib import AsyncExitStack

from xfs4iot.client import Client
from xfs4iot.stories.stage import Stage

__all__ = ["play"]

NAMES = ("TellerScreen", "Monitoring")


async def play(stage: Stage) -> None:
    """An engineer works at the machine between two customers."""
    applications: dict[str, Client] = {}
    # Their connections end with the story: who stays registered is asked the next time.
    async with AsyncExitStack() as stack:
        for name in NAMES:
            async with stage.step(f"{name} registered") as step:
                applications[name] = await stack.enter_async_context(stage.connect("VendorMode"))
                await stage.call("VendorMode.Register", {"appName": name}, by=applications[name])
                step.saw("it will be asked")
        await change(stage, "Enter", applications)
        await change(stage, "Exit", applications)


async def change(stage: Stage, way: str, applications: dict[str, Client]) -> None:
    """The engineer asks; each application is asked, and agrees; then the mode has changed for all."""
    past = {"Enter": "Entered", "Exit": "Exited"}[way]
    request, changed = f"VendorMode.{way}ModeRequestEvent", f"VendorMode.Mode{past}Event"
    async with AsyncExitStack() as stack:
        reached = await stack.enter_async_context(stage.awaited("VendorMode", changed))
        asked = {
            name: await stack.enter_async_context(stage.awaited("VendorMode", request, by=application))
            for name, application in applications.items()
        }
        async with stage.step("Engineer asks for the mode" if way == "Enter" else "Engineer is done") as step:
            await stage.call(f"VendorMode.{way}ModeRequest")
            step.saw(f"the service asks {len(applications)} applications")
        for name, application in applications.items():
            async with stage.step(f"{name} agrees") as step:
                await asked[name]()
                await stage.call(f"VendorMode.{way}ModeAcknowledge", by=application)
                step.saw("it has let go of the devices" if way == "Enter" else "it has them again")
        async with stage.step(f"Mode {past.lower()}") as step:
            await reached()
            status = await stage.call("Common.Status", of="VendorMode")
            expected = "active" if way == "Enter" else "inactive"
            stage.expect("the mode to be", expected, status["vendorMode"]["service"])
            step.saw(f"everybody is told; the mode is {expected}")
