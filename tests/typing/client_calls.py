"""What mypy finds right, and what it refuses, in an application. Only read by mypy, never run.

A line that is refused carries a `type: ignore` of the code it is refused with: mypy is asked to
report those that are not needed, so a line that it would let pass is an error, and so is one
that it refuses otherwise.
"""

from __future__ import annotations

from typing import Any, assert_type

import trio

import xfs4iot
from xfs4iot.client import Subscription
from xfs4iot.protocol.messages import cash_dispenser, cash_management, common, storage


async def right(client: xfs4iot.Client, nursery: trio.Nursery) -> None:
    request = cash_dispenser.Dispense()
    dispensed = await client.call("CashDispenser.Dispense", request)
    assert_type(dispensed, cash_dispenser.DispenseCompletion)
    assert_type(await client.call("CashDispenser.Dispense", request, typed=False), dict[str, Any])
    assert_type(await client.call("CashDispenser.Dispense", {"denomination": {}}), dict[str, Any])
    assert_type(
        await client.call("CashDispenser.Dispense", {"denomination": {}}, typed=True, timeout=30),
        cash_dispenser.DispenseCompletion,
    )
    assert_type(await client.call("Common.Status"), dict[str, Any])
    assert_type(await client.call("Common.Status", typed=True), common.StatusCompletion)
    assert_type(await client.call("Simulator.TakeItems"), dict[str, Any])
    name: str = "Storage.GetStorage"
    assert_type(await client.call(name), dict[str, Any])
    nursery.start_soon(client.call, "CashManagement.Reset")


async def right_events(client: xfs4iot.Client) -> None:
    async with client.events("CashManagement.ItemsTakenEvent") as taken:
        assert_type(taken, Subscription[cash_management.ItemsTakenEvent])
        async for event in taken:
            assert_type(event, xfs4iot.Event[cash_management.ItemsTakenEvent])
            assert_type(event.typed(), cash_management.ItemsTakenEvent)
            assert_type(event.payload, dict[str, Any])
    async for short in client.events("StorageChangedEvent"):
        assert_type(short.typed(), storage.StorageChangedEvent)
    async for one in client.events("ItemsTakenEvent", "Common.StatusChangedEvent"):
        assert_type(one.typed(), Any)
        match one.typed():
            case cash_management.ItemsTakenEvent() as items:
                assert_type(items, cash_management.ItemsTakenEvent)

    def started(event: xfs4iot.Event[Any]) -> None: ...
    def any_event(event: xfs4iot.Event) -> None: ...

    await client.call("CashDispenser.Dispense", {}, on_event=started)
    await client.call("CashDispenser.Dispense", cash_dispenser.Dispense(), on_event=any_event)
    await client.call(
        "CashDispenser.Dispense",
        cash_dispenser.Dispense(),
        on_event=lambda event: print(event.typed(), event.name),
    )


async def wrong(client: xfs4iot.Client) -> None:
    await client.call("CashDispenser.Dispense", cash_dispenser.Present())  # type: ignore[call-overload]
    await client.call("Common.Status", cash_dispenser.Present())  # type: ignore[call-overload]
    await client.call("CashDispenser.Dispence", cash_dispenser.Dispense())  # type: ignore[call-overload]
    await client.call("CashDispenser.Dispence", {}, typed=True)  # type: ignore[call-overload]
    await client.call("CashDispenser.Dispense", {}, timeout="30")  # type: ignore[call-overload]
    dispensed = await client.call("CashDispenser.Dispense", cash_dispenser.Dispense())
    presented: cash_dispenser.PresentCompletion = dispensed  # type: ignore[assignment]
    print(dispensed.denominations, presented)  # type: ignore[attr-defined]


async def wrong_events(client: xfs4iot.Client) -> None:
    async for event in client.events("CashManagement.ItemsTakenEvent"):
        print(event.typed().positions)  # type: ignore[attr-defined]

    def taken(event: xfs4iot.Event[cash_management.ItemsTakenEvent]) -> None: ...

    await client.call("CashDispenser.Dispense", cash_dispenser.Dispense(), on_event=taken)  # type: ignore[call-overload]
