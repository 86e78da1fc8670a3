"""What a vendor's class does wrong completes its command, is told, and does not end the service."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest
import trio
import trio.testing

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot.devices import DispenseRequest
from xfs4iot.protocol.messages import cash_management
from xfs4iot.server import stalls
from xfs4iot.simulator import SimulatedCashDispenser

FIFTY = {"denomination": {"denomination": {"service": {"currencies": {"EUR": 50}, "mix": "mix1"}}}}


async def serving(
    device: SimulatedCashDispenser, nursery: trio.Nursery, **settings: Any
) -> tuple[xfs4iot.Publisher, Dialogue]:
    publisher = xfs4iot.Publisher([xfs4iot.Service(device, **settings)], port=0)
    await nursery.start(publisher.serve)
    return publisher, await nursery.start(dialogue, publisher.uri(device.name))


async def counts_match(device: SimulatedCashDispenser, client: Dialogue) -> None:
    """What the service says of each unit is what is in it."""
    storage = (await client.success("Storage.GetStorage"))["storage"]
    for unit in storage:
        status = storage[unit]["cash"]["status"]
        held = _total(status.get("initial"))
        held -= sum(_total(counts) for counts in (status.get("out") or {}).values())
        held += sum(
            _total(counts) for counts in (status.get("in") or {}).values() if isinstance(counts, dict)
        )
        assert held == device.truth.total(unit), unit


def _total(counts: dict[str, Any] | None) -> int:
    return sum(count if isinstance(count, int) else sum(count.values()) for count in (counts or {}).values())


async def test_an_exception_in_the_middle_of_a_dispense_is_survived_and_booked(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = SimulatedCashDispenser("CashDispenser", seconds=0)
    _, client = await serving(device, nursery)
    device.inject("breaks")
    assert await client.failure("CashDispenser.Dispense", FIFTY) == "hardwareError"
    assert "SimulatedCashDispenser.dispense raised RuntimeError" in caplog.text
    assert device.truth.total("stacker") == 1
    await counts_match(device, client)
    await client.success("CashDispenser.Reject")
    await client.success("CashDispenser.Dispense", FIFTY)


async def test_an_operation_that_never_returns_is_given_up(nursery: trio.Nursery) -> None:
    device = SimulatedCashDispenser("CashDispenser", seconds=0)
    _, client = await serving(device, nursery, operation_limit=0.3)
    device.inject("doesNotAnswer")
    assert await client.failure("CashDispenser.Dispense", FIFTY) == "hardwareError"
    await client.success("CashDispenser.Dispense", FIFTY)
    await counts_match(device, client)


class Nonsense(SimulatedCashDispenser):
    async def dispense(self, request: DispenseRequest, events: Any) -> Any:
        return 42

    async def present(self, position: str, events: Any) -> Any:
        raise SystemExit("a vendor's class must not end the process")


async def test_a_result_of_the_wrong_type_is_a_hardware_error(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = Nonsense("CashDispenser", seconds=0)
    _, client = await serving(device, nursery)
    assert await client.failure("CashDispenser.Dispense", FIFTY) == "hardwareError"
    assert "Nonsense.dispense returned int" in caplog.text
    assert await client.success("Common.Status")


async def test_a_device_class_cannot_end_the_process(nursery: trio.Nursery) -> None:
    device = Nonsense("CashDispenser", seconds=0)
    _, client = await serving(device, nursery)
    device.cash_status.intermediate_stacker = "unknown"
    assert await client.failure("CashDispenser.Present", {}) == "hardwareError"
    assert await client.success("Common.Status")


async def test_events_and_status_may_come_from_a_thread_of_the_device(nursery: trio.Nursery) -> None:
    device = SimulatedCashDispenser("CashDispenser", seconds=0)
    _, client = await serving(device, nursery)
    await client.success("Common.Status")

    def hardware() -> None:
        device.send(cash_management.ItemsTakenEvent(position="outDefault", additional_bunches="0"))
        assert device.status.common is not None
        device.status.common.device = "offline"

    thread = threading.Thread(target=hardware)
    thread.start()
    await trio.to_thread.run_sync(thread.join)
    await client.until("unsolicited", name="CashManagement.ItemsTakenEvent")
    changed = await client.until("unsolicited", name="Common.StatusChangedEvent")
    assert changed["payload"] == {"common": {"device": "offline"}}
    assert await client.failure("CashDispenser.Dispense", FIFTY) == "deviceNotReady"


class Unsteady(SimulatedCashDispenser):
    """Opens at the second attempt; its `run` fails as often as it is told to."""

    openings = 0

    async def open(self) -> None:
        self.openings += 1
        if self.openings == 1:
            raise OSError("no such port")
        await super().open()


async def test_a_device_that_does_not_open_is_tried_again(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    device = Unsteady("CashDispenser", seconds=0)
    service = xfs4iot.Service(device)
    await nursery.start(service.run)
    assert device.status.common is not None
    assert device.status.common.device == "hardwareError"
    await trio.sleep(3)
    assert device.status.common.device == "online"


class Hopeless(SimulatedCashDispenser):
    async def run(self) -> None:
        raise OSError("the port is gone")


async def test_a_device_that_keeps_failing_is_given_up_visibly(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    device = Hopeless("CashDispenser", seconds=0)
    await nursery.start(xfs4iot.Service(device).run)
    await trio.sleep(200)
    assert device.status.common is not None
    assert device.status.common.device == "noDevice"
    assert "given up" in caplog.text


async def test_what_blocks_the_event_loop_is_named_while_it_does(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    nursery.start_soon(stalls.watch, 0.2)
    await trio.sleep(0.1)

    def read_the_serial_port() -> None:
        time.sleep(1)

    read_the_serial_port()
    assert "read_the_serial_port" in caplog.text


async def test_cash_that_moved_is_booked_although_the_client_is_gone(nursery: trio.Nursery) -> None:
    device = SimulatedCashDispenser("CashDispenser", seconds=0.5)
    publisher, client = await serving(device, nursery)
    other: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    request_id = await client.send("CashDispenser.Dispense", FIFTY)
    await client.until("event", request_id, "CashDispenser.StartDispenseEvent")
    await client.connection.aclose()
    await other.success("CashDispenser.PrepareDispense", {"action": "start"})
    await counts_match(device, other)
