"""A client that loses its connection finds out what became of its dispense, and gets no second one."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

import xfs4iot
from cash import amount, laws, truth
from dialogue import Dialogue, dialogue
from xfs4iot.simulator import atm as simulated_atm

DISPENSE = "CashDispenser.Dispense"
SEVENTY = {"denomination": amount(70)}


async def connected(atm: xfs4iot.Publisher, nursery: trio.Nursery, name: str = "CashDispenser") -> Dialogue:
    device: Dialogue = await nursery.start(dialogue, atm.uri(name))
    return device


async def lost_while_dispensing(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    """Begin a dispense and lose the connection while notes move; returns another connection."""
    client, again = await connected(atm, nursery), await connected(atm, nursery)
    request_id = await client.send(DISPENSE, SEVENTY)
    await client.until("event", request_id, "CashDispenser.StartDispenseEvent")
    await client.connection.aclose()
    return again


async def test_a_client_who_comes_back_during_its_dispense_learns_how_it_ended(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    client = await lost_while_dispensing(slow_atm, nursery)
    status = await client.success("CashDispenser.GetPresentStatus")
    assert status["presentState"] == "notPresented"
    simulator = await connected(slow_atm, nursery, "Simulator")
    # The broken connection cancels the dispense; what had moved by then is what was dispensed.
    assert status["denomination"]["values"] == (await truth(simulator))["stacker"]


async def test_the_status_of_the_dispense_before_is_not_taken_for_that_of_the_lost_one(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    first = await connected(slow_atm, nursery)
    simulator = await connected(slow_atm, nursery, "Simulator")
    await first.success(DISPENSE, {"denomination": amount(20)})
    await first.success("CashDispenser.Present", {})
    await simulator.success("Simulator.TakeItems")
    assert (await first.success("CashDispenser.GetPresentStatus"))["presentState"] == "presented"
    client = await lost_while_dispensing(slow_atm, nursery)
    status = await client.success("CashDispenser.GetPresentStatus")
    assert status["presentState"] == "notPresented"
    simulator = await connected(slow_atm, nursery, "Simulator")
    assert status["denomination"]["values"] == (await truth(simulator))["stacker"]


async def test_repeating_a_dispense_whose_answer_was_lost_dispenses_nothing_more(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    client = await lost_while_dispensing(slow_atm, nursery)
    simulator = await connected(slow_atm, nursery, "Simulator")
    assert await client.failure(DISPENSE, SEVENTY) == "itemsLeft"
    dispensed = (await truth(simulator))["stacker"]
    assert await client.failure(DISPENSE, SEVENTY) == "itemsLeft"
    assert (await truth(simulator))["stacker"] == dispensed
    await laws(client, simulator)
    await client.success("CashDispenser.Present", {})
    assert await client.failure(DISPENSE, SEVENTY) in ("itemsLeft", "shutterOpen")
    assert (await truth(simulator))["output"] == dispensed


async def test_a_dispense_that_waits_when_its_connection_breaks_never_moves(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    other = await connected(slow_atm, nursery)
    running = await other.send("CashDispenser.PrepareDispense", {"action": "start"})
    client = await connected(slow_atm, nursery)
    waiting = await client.send(DISPENSE, SEVENTY)
    await client.until("acknowledge", waiting)
    await client.connection.aclose()
    await other.until("completion", running)
    simulator = await connected(slow_atm, nursery, "Simulator")
    await other.success("CashDispenser.PrepareDispense", {"action": "stop"})
    assert "stacker" not in await truth(simulator)
    assert (await other.success("CashDispenser.GetPresentStatus"))["presentState"] == "unknown"


async def test_a_lost_present_is_known_to_its_client_who_comes_back(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    client = await connected(slow_atm, nursery)
    await client.success(DISPENSE, SEVENTY)
    request_id = await client.send("CashDispenser.Present", {})
    await client.until("acknowledge", request_id)
    await client.connection.aclose()
    again = await connected(slow_atm, nursery)
    status = await again.success("CashDispenser.GetPresentStatus")
    assert status["denomination"]["currencies"] == {"EUR": 70}
    simulator = await connected(slow_atm, nursery, "Simulator")
    presented = "output" in await truth(simulator)
    assert status["presentState"] == ("presented" if presented else "notPresented")


@pytest.mark.parametrize("presented", [True, False])
async def test_the_present_status_and_the_refusal_to_repeat_outlive_a_restart(
    presented: bool, tmp_path: Path
) -> None:
    for life in range(2):
        async with trio.open_nursery() as nursery:
            with xfs4iot.Ledger.open(tmp_path / "ledger.sqlite") as ledger:
                atm = xfs4iot.Publisher(simulated_atm(ledger=ledger, state=tmp_path, seconds=0), port=0)
                await nursery.start(atm.serve)
                client = await connected(atm, nursery)
                if life == 0:
                    await client.success(DISPENSE, SEVENTY)
                    if presented:
                        await client.success("CashDispenser.Present", {})
                else:
                    status = await client.success("CashDispenser.GetPresentStatus")
                    assert status["presentState"] == ("presented" if presented else "notPresented")
                    assert status["denomination"]["currencies"] == {"EUR": 70}
                    assert await client.failure(DISPENSE, SEVENTY) in ("itemsLeft", "shutterOpen")
                nursery.cancel_scope.cancel()
