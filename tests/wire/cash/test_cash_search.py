"""Denominations that take the solver long: nobody else waits, and no plan outlives what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
import trio
import trio.testing

import xfs4iot
from cash import amount, chosen, content, unit
from dialogue import Dialogue, dialogue, outcome
from vendors import Minimal
from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import storage

UNLIKELY = 7_654_000_000_000
"""An amount of which nobody knows whether the units of `Unlike` can make it up."""
EASY = "unit0"
"""The unit of `Unlike` that can make it up by itself; inoperative at first."""


class Unlike(Minimal):
    """Units whose values have nothing in common."""

    def __init__(self) -> None:
        super().__init__("Unlike")
        self.dispensed: list[Mapping[str, int]] = []

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        values = [10**9, *(10**9 + pow(place + 2, 11, 999_999_937) for place in range(1, 40))]
        return {
            f"unit{place}": devices.CashUnit(
                index=place + 1,
                capacity=10_000,
                types=frozenset({"cashOut"}),
                currency="EUR",
                value=Decimal(value),
                initial=900 if place else 9000,
                status="ok" if place else "inoperative",
            )
            for place, value in enumerate(values)
        }

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents
    ) -> devices.Dispensed:
        self.dispensed.append(request.counts)
        return await super().dispense(request, events)

    async def tell_status(self, **status: devices.UnitStatus) -> None:
        self.send(
            storage.StorageChangedEvent(
                additional={name: storage.StorageUnit(status=one) for name, one in status.items()}
            )
        )


@pytest.fixture
def device() -> Unlike:
    return Unlike()


@pytest.fixture
async def service(device: Unlike, nursery: trio.Nursery) -> xfs4iot.Publisher:
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0)
    await nursery.start(publisher.serve)
    return publisher


@pytest.fixture
async def client(service: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, service.uri("Unlike"))
    return found


@pytest.fixture
async def other(service: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, service.uri("Unlike"))
    return found


COMMANDS = pytest.mark.parametrize(
    ("command", "field"),
    [("CashDispenser.Denominate", "request"), ("CashDispenser.Dispense", "denomination")],
)


@COMMANDS
async def test_other_clients_are_served_during_a_long_search(
    client: Dialogue, other: Dialogue, command: str, field: str
) -> None:
    ended: list[str] = []
    took: dict[str, float] = {}

    async def ask(one: Dialogue, name: str, payload: object) -> None:
        began = trio.current_time()
        await one.completion(name, payload)
        took[name] = trio.current_time() - began
        ended.append(name)

    # The first status of all takes long, whatever else goes on.
    await other.success("Common.Status")
    async with trio.open_nursery() as both:
        both.start_soon(ask, client, command, {field: amount(UNLIKELY)})
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(5):
            await ask(other, "Common.Status", None)
    assert ended == ["Common.Status"] * 5 + [command]
    assert took["Common.Status"] < took[command] / 5


@COMMANDS
async def test_what_the_solver_does_not_find_out_is_an_internal_error_and_says_what_to_do(
    client: Dialogue, device: Unlike, command: str, field: str
) -> None:
    done = (await client.completion(command, {field: amount(UNLIKELY)}))["header"]
    assert done["completionCode"] == "internalError"
    assert "denomination.app" in done["errorDescription"]
    assert f"{UNLIKELY} EUR" in done["errorDescription"]
    named = await client.success("CashDispenser.Denominate", {"request": chosen({"unit1": 2})})
    assert named["result"]["values"] == {"unit1": 2}
    assert device.dispensed == []


@COMMANDS
async def test_a_long_search_can_be_cancelled(
    client: Dialogue, other: Dialogue, command: str, field: str
) -> None:
    sent = [await client.send(command, {field: amount(UNLIKELY)}) for _ in range(3)]
    for one in sent:
        await client.until("acknowledge", one)
    staying = await other.send(command, {field: amount(UNLIKELY)})
    await client.success("Common.Cancel", {"requestIds": sent[:2]})
    for one, code in zip(sent, ("canceled", "canceled", "internalError"), strict=True):
        assert outcome(await client.until("completion", one)) == code
    assert outcome(await other.until("completion", staying)) == "internalError"


@COMMANDS
async def test_a_long_search_ends_with_the_timeout(client: Dialogue, command: str, field: str) -> None:
    assert await client.failure(command, {field: amount(UNLIKELY)}, timeout=1) == "timeOut"


async def test_a_client_that_leaves_takes_its_long_searches_along(client: Dialogue, other: Dialogue) -> None:
    for _ in range(160):
        await client.until(
            "acknowledge", await client.send("CashDispenser.Denominate", {"request": amount(UNLIKELY)})
        )
    last = await other.send("CashDispenser.Denominate", {"request": amount(UNLIKELY)})
    began = trio.current_time()
    await client.connection.aclose()
    await other.until("completion", last)
    some = trio.current_time() - began
    began = trio.current_time()
    # As many as take a second or so: a machine that stalls for a moment must not decide it.
    for _ in range(40):
        await other.failure("CashDispenser.Denominate", {"request": amount(UNLIKELY)})
    assert some < trio.current_time() - began


@COMMANDS
async def test_a_plan_is_made_anew_when_units_change_during_the_search(
    client: Dialogue, device: Unlike, command: str, field: str
) -> None:
    sent = await client.send(command, {field: amount(UNLIKELY)})
    await client.until("acknowledge", sent)
    await trio.testing.wait_all_tasks_blocked()
    others: dict[str, devices.UnitStatus] = {f"unit{place}": "inoperative" for place in range(1, 40)}
    await device.tell_status(**{EASY: "ok"}, **others)
    done = await client.until("completion", sent)
    assert outcome(done) == "success", done
    found = done["payload"].get("result") or done["payload"]["denomination"]
    assert found["values"] == {EASY: 7654}


class Forgetful(Minimal):
    """Fails in the middle, and only later recalls what it had moved."""

    def __init__(self) -> None:
        super().__init__("Forgetful")
        self.asked: list[Mapping[str, int]] = []
        self.recalls = False

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents
    ) -> devices.Dispensed:
        self.asked.append(request.counts)
        if len(self.asked) == 1:
            raise OSError("the line is dead")
        return await super().dispense(request, events)

    async def recall(self, operation: int) -> devices.CashMovement | None:
        if not self.recalls:
            raise errors.DeviceNotReady("the line is dead")
        return devices.Dispensed(moved=devices.items_from({"unit1": 3}, "output"))


async def test_nothing_is_dispensed_that_an_earlier_dispense_turns_out_to_have_taken(
    nursery: trio.Nursery,
) -> None:
    device = Forgetful()
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("Forgetful"))
    assert await client.failure("CashDispenser.Dispense", {"denomination": amount(60)}) == "hardwareError"
    device.recalls = True
    everything = {"denomination": amount(50 * 20)}
    assert await client.failure("CashDispenser.Dispense", everything) == "notDispensable"
    assert content(await unit(client, "unit1")) == 47
    assert device.asked == [{"unit1": 3}]
    await client.success("CashDispenser.Dispense", {"denomination": amount(47 * 20)})
