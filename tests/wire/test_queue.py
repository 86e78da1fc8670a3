"""Movements wait their turn, reads do not; Cancel and timeouts end what they name and nothing else."""

from __future__ import annotations

import trio

import xfs4iot
from dialogue import Dialogue, dialogue, outcome


async def test_movements_run_in_order_and_reads_beside_them(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    dispenser: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    first = await dispenser.send("CashManagement.Reset")
    second = await dispenser.send("CashManagement.Reset")
    status = await dispenser.send("Common.Status")
    order = [(await dispenser.until("completion"))["header"]["requestId"] for _ in range(3)]
    assert order == [status, first, second]


async def test_cancel_answers_first_then_the_commands_complete_canceled(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    dispenser: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    running = await dispenser.send("CashManagement.Reset")
    waiting = await dispenser.send("CashManagement.Reset")
    cancel = await dispenser.send("Common.Cancel", {"requestIds": [waiting]})
    ended = [await dispenser.until("completion") for _ in range(3)]
    assert [done["header"]["requestId"] for done in ended] == [cancel, waiting, running]
    assert [outcome(done) for done in ended] == ["success", "canceled", "success"]


async def test_cancel_does_not_reach_another_connections_commands(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    one: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    other: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    request_id = await one.send("CashManagement.Reset")
    await one.until("acknowledge", request_id)
    assert await other.failure("Common.Cancel", {"requestIds": [request_id]}) == "noMatchingRequestIDs"
    assert outcome(await one.until("completion", request_id)) == "success"


async def test_cancel_without_ids_ends_all_commands_of_its_connection(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    dispenser: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    sent = [await dispenser.send("CashManagement.Reset") for _ in range(3)]
    assert await dispenser.success("Common.Cancel") == {}
    ended = [outcome(await dispenser.until("completion", one)) for one in sent]
    assert ended[1:] == ["canceled", "canceled"]


async def test_a_waiting_command_times_out_untouched(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    dispenser: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    running = await dispenser.send("CashManagement.Reset")
    waiting = await dispenser.send("CashManagement.Reset", timeout=50)
    ended = await dispenser.until("completion")
    assert ended["header"]["requestId"] == waiting
    assert outcome(ended) == "timeOut"
    assert outcome(await dispenser.until("completion", running)) == "success"


async def test_a_closed_connection_cancels_its_own_commands_only(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    staying: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    leaving: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    for _ in range(5):
        await leaving.until("acknowledge", await leaving.send("CashManagement.Reset"))
    mine = await staying.send("CashManagement.Reset")
    began = trio.current_time()
    await leaving.connection.aclose()
    assert outcome(await staying.until("completion", mine)) == "success"
    queued_seconds = 5 * 1.0
    assert trio.current_time() - began < queued_seconds
