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
from dialogue import Dialogue, dialogue, outcome
from xfs4iot.devices import DispenseRequest
from xfs4iot.protocol.errors import DeviceNotReady
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
    assert "Nonsense.dispense returned what cannot be: it is int 42" in caplog.text
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


class SwitchedOff(SimulatedCashDispenser):
    on = False

    async def open(self) -> None:
        if not self.on:
            raise DeviceNotReady("the line is dead; switch the device on")
        await super().open()


async def test_a_device_that_is_off_is_looked_for_until_somebody_switches_it_on(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    device = SwitchedOff("CashDispenser", seconds=0)
    await nursery.start(xfs4iot.Service(device, restarts=0).run)
    await trio.sleep(2 * 24 * 3600)
    assert device.status.common is not None
    assert device.status.common.device == "offline"
    device.on = True
    await trio.sleep(61)
    assert device.status.common.device == "online"
    assert "given up" not in caplog.text


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


class Deaf(SimulatedCashDispenser):
    """Waits in a thread that cannot be interrupted, until it is released."""

    def __init__(self, name: str) -> None:
        super().__init__(name, seconds=0)
        self.released = threading.Event()

    async def dispense(self, request: DispenseRequest, events: Any) -> Any:
        await trio.to_thread.run_sync(self.released.wait, 20)
        return await super().dispense(request, events)


async def test_an_operation_that_cannot_be_interrupted_is_left_behind_and_used_again_when_it_returns(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = Deaf("CashDispenser")
    _, client = await serving(device, nursery, operation_limit=0.2)
    assert await client.failure("CashDispenser.Dispense", FIFTY) == "hardwareError"
    assert "Deaf.dispense is stuck" in caplog.text
    assert (await client.success("Common.Status"))["common"]["device"] == "hardwareError"
    refused = await client.completion("CashDispenser.Dispense", FIFTY)
    assert outcome(refused) == "deviceNotReady"
    assert "stuck" in refused["header"]["errorDescription"]
    device.released.set()
    with trio.fail_after(10):
        while "has come back" not in caplog.text:
            await client.success("Common.Status")
    await client.success("CashManagement.Reset", {})
    await client.success("CashDispenser.Dispense", FIFTY)
    assert (await client.success("Common.Status"))["common"]["device"] == "online"
    await counts_match(device, client)


async def test_a_failure_shows_in_the_status_until_the_device_works_again(nursery: trio.Nursery) -> None:
    device = Nonsense("CashDispenser", seconds=0)
    _, client = await serving(device, nursery)
    await client.success("Common.Status")
    assert await client.failure("CashDispenser.Dispense", FIFTY) == "hardwareError"
    changed = await client.until("unsolicited", name="Common.StatusChangedEvent")
    assert changed["payload"]["common"]["device"] == "hardwareError"
    await client.success("CashManagement.Reset", {})
    assert (await client.success("Common.Status"))["common"]["device"] == "online"


@pytest.mark.parametrize("nonsense", ["onlin", 42, object()])
async def test_a_status_that_is_not_the_standards_is_refused_where_it_is_set(
    nursery: trio.Nursery, nonsense: Any
) -> None:
    device = SimulatedCashDispenser("CashDispenser", seconds=0)
    _, client = await serving(device, nursery)
    status = device.status.common
    assert status is not None
    with pytest.raises(
        ValueError, match=r"StatusProperties\.device is .*; it must be one of 'online', 'offline'"
    ):
        status.device = nonsense
    assert (await client.success("Common.Status"))["common"]["device"] == "online"


async def test_a_status_that_is_spoilt_in_place_is_left_out_and_the_rest_is_told(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = SimulatedCashDispenser("CashDispenser", seconds=0)
    _, client = await serving(device, nursery)
    positions: Any = device.cash_status.positions
    positions.append("outLeft")
    device.cash_status.safe_door = "doorClosed"
    told = await client.success("Common.Status")
    assert told["common"]["device"] == "online"
    assert "cashDispenser" not in told
    assert "cash_dispenser.positions[1] is str 'outLeft'" in caplog.text


async def test_an_event_that_is_not_the_standards_is_not_sent(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = SimulatedCashDispenser("CashDispenser", seconds=0)
    _, client = await serving(device, nursery)
    wrong = cash_management.ItemsTakenEvent(position=42)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="position"):
        device.send(wrong)
    thread = threading.Thread(target=device.send, args=(wrong,))
    thread.start()
    await trio.to_thread.run_sync(thread.join)
    with trio.fail_after(10):
        while "could not be sent" not in caplog.text:
            await client.success("Common.Status")
    assert not client.passed


class Absent(SimulatedCashDispenser):
    async def open(self) -> None:
        await trio.sleep_forever()


async def test_a_device_that_does_not_open_holds_up_no_other_service(nursery: trio.Nursery) -> None:
    slow = xfs4iot.Service(Absent("Absent"), open_limit=0.2)
    also = xfs4iot.Service(Absent("AlsoAbsent"), open_limit=0.2)
    good = xfs4iot.Service(SimulatedCashDispenser("CashDispenser", seconds=0))
    publisher = xfs4iot.Publisher([slow, also, good], port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    await client.success("CashDispenser.Dispense", FIFTY)
    absent: Dialogue = await nursery.start(dialogue, publisher.uri("Absent"))
    assert (await absent.success("Common.Status"))["common"]["device"] == "hardwareError"


async def test_how_often_a_device_is_tried_is_the_operators_choice(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    device = Hopeless("CashDispenser", seconds=0)
    await nursery.start(xfs4iot.Service(device, restarts=1, restart_seconds=5).run)
    assert device.status.common is not None
    await trio.sleep(4)
    assert device.status.common.device == "hardwareError"
    await trio.sleep(2)
    assert device.status.common.device == "noDevice"


class Moody(SimulatedCashDispenser):
    async def run(self) -> None:
        await trio.sleep(3600)
        raise OSError("once an hour")


async def test_a_device_that_runs_for_long_between_failures_is_not_given_up(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    device = Moody("CashDispenser", seconds=0)
    await nursery.start(xfs4iot.Service(device, restarts=2).run)
    await trio.sleep(10 * 3600 + 30)
    assert device.status.common is not None
    assert device.status.common.device == "online"


class Insolent(SimulatedCashDispenser):
    async def open(self) -> None:
        raise SystemExit("no")


async def test_a_device_class_that_wants_to_exit_while_it_opens_is_tried_again(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    await nursery.start(xfs4iot.Service(Insolent("CashDispenser", seconds=0)).run)
    await trio.sleep(200)
    assert "given up" in caplog.text


async def test_the_end_of_a_service_does_not_wait_for_a_movement_that_never_ends() -> None:
    device = SimulatedCashDispenser("CashDispenser", seconds=0)
    device.inject("doesNotAnswer")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            _, client = await serving(device, nursery)
            request_id = await client.send("CashDispenser.Dispense", FIFTY)
            await client.until("acknowledge", request_id)
            await trio.sleep(0.1)
            nursery.cancel_scope.cancel()


async def test_a_publisher_names_what_blocks_without_the_command_line(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    class Blocking(SimulatedCashDispenser):
        async def prepare_dispense(self, action: str) -> None:
            self.block()

        def block(self) -> None:
            time.sleep(1.6)

    _, client = await serving(Blocking("CashDispenser", seconds=0), nursery)
    await client.success("CashDispenser.PrepareDispense", {"action": "start"})
    assert "the event loop has been blocked" in caplog.text
    assert "prepare_dispense" in caplog.text
