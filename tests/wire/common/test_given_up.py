"""What a device is given and the service keeps: a client that gives up leaves both with the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
import trio

from dialogue import Dialogue, outcome
from vendors import Minimal, serving
from xfs4iot import devices
from xfs4iot.protocol.messages import keyboard


class Taking:
    """Takes what it is given at once, and is done when it may go on.

    Attributes:
        has: what it was given last.
    """

    has: Any = None

    def __init__(self) -> None:
        super().__init__("Taking")  # type: ignore[call-arg]
        self.given, self.go_on = trio.Event(), trio.Event()

    async def take(self, given: Any) -> None:
        self.has = given
        self.given.set()
        await self.go_on.wait()


class Cash(Taking, Minimal):
    async def set_classification_list(self, version: str | None, elements: list[Any]) -> None:
        await self.take(version)

    async def set_transaction_state(self, state: str, transaction_id: str) -> None:
        await self.take(transaction_id)


class Cabinet(Taking, devices.Auxiliaries):
    auto_startup_mode = frozenset({"daily"})

    async def set_auto_startup_time(self, time: devices.AutoStartup | None) -> None:
        await self.take(time.hour if time is not None else None)


class Pad(Taking, devices.Keyboard):
    layouts: ClassVar = {"data": (devices.KeyFrame(devices.key_grid(("one", "enter")), 0, 0, 1000, 1000),)}
    ets_caps = keyboard.CapabilitiesEtsCaps(
        x_pos=0, y_pos=0, x_size=1000, y_size=1000, maximum_touch_frames=2, maximum_touch_keys=3
    )

    async def define_layout(self, layouts: Mapping[str, Any]) -> None:
        await self.take(layouts["data"][0].keys[0].key)


KEY = {"xPos": 0, "yPos": 0, "xSize": 100, "ySize": 100, "key": "two"}
FRAME = {"xPos": 0, "yPos": 0, "xSize": 500, "ySize": 500, "keys": [KEY]}
ELEMENT = {"serialNumber": "X?", "currency": "EUR", "value": 20, "level": "suspect"}
CASES: dict[str, tuple[type[Taking], dict[str, Any], str, Any]] = {
    "CashManagement.SetClassificationList": (
        Cash,
        {"version": "7", "classificationElements": [ELEMENT]},
        "CashManagement.GetClassificationList",
        lambda told: told.get("version"),
    ),
    "Common.SetTransactionState": (
        Cash,
        {"state": "active", "transactionID": "T7"},
        "Common.GetTransactionState",
        lambda told: told.get("transactionID"),
    ),
    "Auxiliaries.SetAutoStartupTime": (
        Cabinet,
        {"mode": "daily", "startTime": {"hour": 7, "minute": 30}},
        "Auxiliaries.GetAutoStartupTime",
        lambda told: told.get("startTime", {}).get("hour"),
    ),
    "Keyboard.DefineLayout": (
        Pad,
        {"layout": {"data": [FRAME]}},
        "Keyboard.GetLayout",
        lambda told: told["layout"]["data"][0]["keys"][0]["key"],
    ),
}
"""Of each command: whose, what is asked, what is asked after it, and what of that the device was given."""


@pytest.mark.parametrize("name", CASES)
async def test_what_the_device_has_taken_is_kept_though_its_client_has_given_up(
    name: str, nursery: trio.Nursery
) -> None:
    kind, payload, asking, told = CASES[name]
    device: Any = kind()
    client: Dialogue = await serving(device, nursery)
    request = await client.send(name, payload)
    with trio.fail_after(20):
        await device.given.wait()
    await client.success("Common.Cancel", {"requestIds": [request]})
    device.go_on.set()
    assert outcome(await client.until("completion", request)) in ("success", "canceled")
    assert told(await client.success(asking)) == device.has


async def test_a_time_that_is_cleared_is_cleared_on_both_sides(nursery: trio.Nursery) -> None:
    device = Cabinet()
    client = await serving(device, nursery)
    device.go_on.set()
    await client.success("Auxiliaries.SetAutoStartupTime", CASES["Auxiliaries.SetAutoStartupTime"][1])
    device.given, device.go_on = trio.Event(), trio.Event()
    request = await client.send("Auxiliaries.ClearAutoStartupTime")
    with trio.fail_after(20):
        await device.given.wait()
    await client.success("Common.Cancel", {"requestIds": [request]})
    device.go_on.set()
    await client.until("completion", request)
    assert device.has is None
    assert await client.success("Auxiliaries.GetAutoStartupTime") == {}
