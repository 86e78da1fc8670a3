"""The application's side: calls typed and untyped, events, cancel, and a connection that is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing
import trio_websocket

import xfs4iot
from cash import amount
from hostile_services import hostile
from xfs4iot.client import Subscription
from xfs4iot.protocol import registry
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
                with pytest.raises(xfs4iot.Disconnected, match=f"{uri} has ended: "):
                    await anext(events)
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


async def test_events_that_came_before_the_end_are_read_and_then_the_end_is_told(
    atm: xfs4iot.Publisher,
) -> None:
    async with xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        events = dispenser.events("CashDispenser.StartDispenseEvent")
        await dispenser.call("CashDispenser.Dispense", {"denomination": amount(70)})
    with trio.fail_after(10):
        assert (await anext(events)).name == "CashDispenser.StartDispenseEvent"
        with pytest.raises(xfs4iot.Disconnected, match="closed"):
            await anext(events)
        with pytest.raises(xfs4iot.Disconnected, match="closed"):
            await anext(dispenser.events())


async def test_a_subscription_that_is_closed_releases_who_waits_for_its_events(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    async with xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        events = dispenser.events()
        with trio.fail_after(10):
            async with trio.open_nursery() as reading:
                reading.start_soon(_read_all, events)
                await trio.testing.wait_all_tasks_blocked(0.05)
                events.close()


async def _read_all(events: Subscription[Any]) -> None:
    async for _ in events:
        pass


async def test_events_that_a_reader_came_too_late_for_are_counted_where_they_are_missing(
    atm: xfs4iot.Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xfs4iot.client._events._MOST_EVENTS", 2)
    async with (
        xfs4iot.connect(atm.uri("CashDispenser")) as dispenser,
        dispenser.events("CashDispenser.StartDispenseEvent") as events,
    ):
        for _ in range(4):
            await dispenser.call("CashDispenser.Dispense", {"denomination": amount(70)})
            await dispenser.call("CashManagement.Reset")
        with trio.fail_after(10):
            before = [await anext(events) for _ in range(2)]
            with pytest.raises(xfs4iot.EventsLost, match="2 events") as lost:
                await anext(events)
            await dispenser.call("CashDispenser.Dispense", {"denomination": amount(70)})
            after = await anext(events)
    assert lost.value.count == 2
    assert [event.name for event in (*before, after)] == ["CashDispenser.StartDispenseEvent"] * 3


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("CashManagement.ItemTakenEvent", "CashManagement.ItemsTakenEvent"),
        ("itemstakenevent", "ItemsTakenEvent"),
        ("ItemsTaken", "ItemsTakenEvent"),
        ("Common.statusChangedEvent", "Common.StatusChangedEvent"),
        ("CashDispenser.Dispense", "CashDispenser.StartDispenseEvent"),
    ],
)
async def test_an_event_that_the_standard_does_not_have_is_refused_with_the_nearest(
    atm: xfs4iot.Publisher, name: str, nearest: str
) -> None:
    async with xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        with pytest.raises(ValueError, match=f"no event '{name}'; did you mean '{nearest}'"):
            dispenser.events("Common.StatusChangedEvent", name)


async def test_events_of_older_versions_and_of_a_vendor_can_be_subscribed_to(atm: xfs4iot.Publisher) -> None:
    async with xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        for name in (*registry.OLDER["2021-1"], "AcmeSafe.DoorOpenedEvent"):
            if name.endswith("Event"):
                dispenser.events(name).close()


async def test_a_message_class_is_refused_where_the_command_takes_another(atm: xfs4iot.Publisher) -> None:
    call: Any
    async with xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        call = dispenser.call
        with pytest.raises(ValueError, match=r"CashDispenser\.Dispense takes a Dispense, not a Present"):
            await call("CashDispenser.Dispense", cash_dispenser.Present())
        with pytest.raises(ValueError, match=r"Common\.Status takes no payload, not a Present"):
            await call("Common.Status", cash_dispenser.Present())
        with pytest.raises(ValueError, match=r"Acme\.Open has no message classes"):
            await call("Acme.Open", typed=True)


async def test_an_event_is_typed_only_where_its_client_speaks_as_the_classes_do(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    uri = atm.uri("CashDispenser")
    async with (
        xfs4iot.connect(uri, version="2021-1") as old,
        old.events("Common.StatusChangedEvent") as events,
    ):
        await old.call("Storage.StartExchange")
        with trio.fail_after(10):
            event = await anext(events)
        with pytest.raises(ValueError, match="another message in 2021-1"):
            event.typed()
    with pytest.raises(ValueError, match="no message class"):
        xfs4iot.Event("Acme.DoorOpenedEvent", {}, None, "1.0").typed()


async def test_connecting_costs_one_round_trip_at_a_service_of_the_newest_version(
    nursery: trio.Nursery,
) -> None:
    """The service answers nothing before it has all that the client says by itself."""
    names: list[str] = []

    async def serve(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        headers = [json.loads(await connection.get_message())["header"] for _ in range(2)]
        names.extend(header["name"] for header in headers)
        for header in headers:
            version = registry.command(header["name"]).completion_version
            answer = {"name": header["name"], "requestId": header["requestId"], "version": version}
            await connection.send_message(json.dumps({"header": {**answer, "type": "acknowledge"}}))
            done = {**answer, "type": "completion", "completionCode": "success"}
            await connection.send_message(json.dumps({"header": done, "payload": {}}))
        with pytest.raises(trio_websocket.ConnectionClosed):
            names.append(await connection.get_message())

    server = await nursery.start(trio_websocket.serve_websocket, serve, "127.0.0.1", 0, None)
    with trio.fail_after(10):
        async with xfs4iot.connect(f"ws://127.0.0.1:{server.port}/xfs4iot/v1.0/Other") as client:
            assert client.version == "2024-3"
    assert names == ["Common.SetVersions", "Common.Capabilities"]
    nursery.cancel_scope.cancel()


def test_nothing_of_the_messages_is_imported_before_they_are_used() -> None:
    program = (
        "import sys, xfs4iot; xfs4iot.connect;"
        "print([name for name in sys.modules if name.startswith('xfs4iot.protocol.messages.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_a_call_that_is_cancelled_as_the_connection_is_lost_is_cancelled(
    slow_atm: xfs4iot.Publisher,
) -> None:
    async with xfs4iot.connect(slow_atm.uri("CashDispenser")) as dispenser:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(dispenser.call, "CashManagement.Reset")
                await trio.testing.wait_all_tasks_blocked(0.05)
                stream: Any = dispenser._websocket._stream._stream
                # Closed under its feet: the call cannot tell the service any more.
                stream.socket.close()
                scope.cancel()
        assert scope.cancelled_caught


class Raised(Exception):
    """Of an application."""


@pytest.mark.parametrize("kind", [Raised, KeyError, TypeError])
async def test_what_on_event_raises_is_raised_by_its_call_and_nowhere_else(
    atm: xfs4iot.Publisher, kind: type[Exception]
) -> None:
    def fail(event: Any) -> None:
        raise kind("in the application")

    async with xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        with pytest.raises(kind, match="in the application"):
            await dispenser.call("CashDispenser.Dispense", {"denomination": amount(70)}, on_event=fail)
        # The connection goes on.
        assert (await dispenser.call("Common.Status"))["common"]["device"] == "online"


_UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            _UPGRADE + b"Sec-WebSocket-Protocol: \xc3\xa4\r\n\r\n",
            "its header Sec-WebSocket-Protocol has characters that are not ASCII",
        ),
        (
            _UPGRADE + b"Sec-WebSocket-Extensions: \xff\r\n\r\n",
            "its header Sec-WebSocket-Extensions has characters that are not ASCII",
        ),
        (_UPGRADE + b"Sec-WebSocket-Accept: AAAA\r\n\r\n", "Bad accept token"),
        (_UPGRADE.replace(b"websocket", b"h2c") + b"\r\n", "Missing header, 'Upgrade: websocket'"),
        (_UPGRADE + b"Ser\xc3\xa4: x\r\n\r\n", "illegal header line: bytearray(b'Ser\\xc3\\xa4: x')"),
    ],
)
async def test_it_says_what_is_wrong_with_the_answer_to_the_handshake(answer: bytes, why: str) -> None:
    with hostile(lambda talk: talk.send(answer)) as port:
        uri = f"ws://127.0.0.1:{port}/xfs4iot/v1.0/S"
        with pytest.raises(xfs4iot.Disconnected) as lost:
            async with xfs4iot.connect(uri):
                pass
    assert str(lost.value) == f"{uri}: no WebSocket connection: {why}"
