"""The application's side: calls typed and untyped, events, cancel, and a connection that is lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing

import xfs4iot
from cash import amount
from xfs4iot.protocol.messages import cash_dispenser


async def test_a_call_answers_with_a_plain_object_and_exact_amounts(atm: xfs4iot.Publisher) -> None:
    async with xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        answer = await dispenser.call("CashDispenser.Denominate", {"request": amount(Decimal("230.00"))})
    assert answer["result"]["currencies"] == {"EUR": 230}
    assert sum(answer["result"]["values"].values()) == 4


async def test_a_call_with_a_message_class_answers_with_one(atm: xfs4iot.Publisher) -> None:
    async with xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        mixes = await dispenser.call("CashDispenser.GetMixTypes", typed=True)
        assert isinstance(mixes, cash_dispenser.GetMixTypesCompletion)
        ready = await dispenser.call("CashDispenser.PrepareDispense", cash_dispenser.PrepareDispense("start"))
    assert isinstance(ready, cash_dispenser.PrepareDispenseCompletion)


async def test_a_failure_carries_the_codes_the_words_and_the_payload(atm: xfs4iot.Publisher) -> None:
    async with xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        with pytest.raises(xfs4iot.CommandFailed) as failed:
            await dispenser.call("CashDispenser.Denominate", {"request": amount(5)})
    assert failed.value.completion_code == "commandErrorCode"
    assert failed.value.error_code == "notDispensable"
    assert "5 EUR" in (failed.value.description or "")


async def test_a_refusal_is_an_error_of_its_own(slow_atm: xfs4iot.Publisher) -> None:
    slow_atm.services["CashDispenser"].queue_limit = 1
    async with xfs4iot.connect(slow_atm.uri("CashDispenser")) as dispenser, trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(dispenser.call, "CashManagement.Reset")
            await trio.testing.wait_all_tasks_blocked(0.05)
        with pytest.raises(xfs4iot.CommandRefused) as refused:
            await dispenser.call("CashManagement.Reset")
        nursery.cancel_scope.cancel()
    assert refused.value.status == "tooManyRequests"


async def test_events_come_in_order_as_an_async_iterator(atm: xfs4iot.Publisher) -> None:
    async with (
        xfs4iot.connect(atm.uri("CashDispenser")) as dispenser,
        xfs4iot.connect(atm.uri("Simulator")) as simulator,
        dispenser.events("ItemsPresentedEvent", "CashManagement.ItemsTakenEvent") as events,
    ):
        own: list[str] = []
        await dispenser.call(
            "CashDispenser.Dispense",
            {"denomination": amount(70)},
            on_event=lambda event: own.append(event.name),
        )
        await dispenser.call("CashDispenser.Present")
        await simulator.call("Simulator.TakeItems")
        seen = []
        with trio.fail_after(10):
            async for event in events:
                seen.append(event)
                if len(seen) == 2:
                    break
    assert own[0] == "CashDispenser.StartDispenseEvent"
    assert [event.name.partition(".")[2] for event in seen] == ["ItemsPresentedEvent", "ItemsTakenEvent"]
    assert seen[1].typed().position == "outDefault"


async def test_leaving_a_cancel_scope_cancels_the_command_at_the_service(
    slow_atm: xfs4iot.Publisher,
) -> None:
    messages: list[str] = []
    uri = slow_atm.uri("CashDispenser")
    async with xfs4iot.connect(uri, trace=lambda way, text: messages.append(way + text)) as dispenser:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dispenser.call, "CashManagement.Reset")
            await trio.testing.wait_all_tasks_blocked(0.05)
            with trio.move_on_after(0.1) as scope:
                await dispenser.call("CashManagement.Reset")
            assert scope.cancelled_caught
        assert await dispenser.call("Common.Status")
    assert any("→" in one and "Common.Cancel" in one for one in messages)
    assert any("←" in one and "CashManagement.Reset" in one and '"canceled"' in one for one in messages)


async def test_a_lost_connection_ends_calls_and_events_and_a_new_one_is_one_line(
    nursery: trio.Nursery,
) -> None:
    from xfs4iot.simulator import atm

    async def publish(port: int, *, task_status: trio.TaskStatus[Any]) -> None:
        services = atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
        publisher = xfs4iot.Publisher(services, port=port)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as inner:
                await inner.start(publisher.serve)
                task_status.started((publisher, scope))

    publisher, scope = await nursery.start(publish, 0)
    uri = publisher.uri("CashDispenser")
    async with xfs4iot.connect(uri) as dispenser:
        async with dispenser.events() as events:
            scope.cancel()
            with trio.fail_after(10):
                await dispenser.wait_closed()
                assert [event async for event in events] == []
        with pytest.raises(xfs4iot.Disconnected, match="was not sent"):
            await dispenser.call("Common.Status")
    await nursery.start(publish, publisher.port)
    async with xfs4iot.connect(uri) as dispenser:
        assert (await dispenser.call("Common.Status"))["common"]["device"] == "online"


async def test_a_service_that_is_not_published_is_named_with_those_that_are(atm: xfs4iot.Publisher) -> None:
    with pytest.raises(xfs4iot.Disconnected, match=r"HTTP 404[\s\S]*CashDispenser"):
        async with xfs4iot.connect(atm.uri("Nothing")):
            pass


async def test_discovery_says_what_each_port_answered() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    for listener in listeners:
        await listener.aclose()
    with pytest.raises(xfs4iot.NotFound, match=f"{port}: .*cannot be reached"):
        await xfs4iot.discover("127.0.0.1", ports=(port,), plain=True)
