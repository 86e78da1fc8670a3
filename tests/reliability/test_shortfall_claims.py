"""A success that leaves out some of what it was to move, as a device class says it: no client is told so.

A customer's notes and cheques, what is presented to him, and what goes from unit to unit. Each such claim
ends `hardwareError` and is named in the log; the books are as the device recalls it, or say that nobody
knows. What was accepted is still told, nothing of it is lost from the books, and there is a way on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import trio

from acceptors import Acceptor, Recalling, Recycler, do, laws, note, take_in
from cash import amount, items, unit
from dialogue import Dialogue
from scanners import Scanner, Single
from vendors import serving
from xfs4iot import devices

SHORT = "or there must be a failure"


def fewer(by: int = 1, target: str | None = None) -> Callable[[Any], Any]:
    """A result that tells of fewer items than there were, or that some went elsewhere."""

    def told(result: Any) -> Any:
        first, *rest = result.moved
        moved = [dataclasses.replace(first, count=first.count - by), *rest]
        if target is not None:
            moved.append(dataclasses.replace(first, count=by, target=target))
        return dataclasses.replace(result, moved=tuple(one for one in moved if one.count))

    return told


class Forgetting(Acceptor):
    """It recalls nothing."""


async def accepted(client: Dialogue) -> int:
    return items((await do(client, "GetCashInStatus")).get("noteNumberList", {}))


@pytest.mark.parametrize("target", [None, "unknown", "transport"])
@pytest.mark.parametrize("command", ["CashInEnd", "CashInRollback"])
async def test_an_end_that_leaves_out_notes_is_no_success_and_they_are_still_the_customers(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, command: str, target: str | None
) -> None:
    device = Recalling()
    client = await serving(device, nursery)
    await take_in(client, device, *[note(20)] * 3, note(50))
    operation = {"CashInEnd": "cash_in_end", "CashInRollback": "cash_in_rollback"}[command]
    device.lies[operation] = fewer(2, target)

    async def stuck() -> None:
        # Two are left on the stacker, and that is what it recalls.
        last = max(device.recalls)
        lost = device.recalls[last].moved[0]
        device.recalls[last] = fewer(2)(device.recalls[last])
        device.truth[lost.target][note(20)] -= 2
        device.truth["stacker"][note(20)] += 2

    device.breaks[operation] = stuck
    assert await client.failure(f"CashAcceptor.{command}") == "hardwareError"
    assert SHORT in caplog.text
    status = await do(client, "GetCashInStatus")
    assert (status["status"], await accepted(client)) == ("active", 4)
    await laws(client, device)
    device.lies = {}
    await do(client, "CashInEnd")
    assert (await do(client, "GetCashInStatus"))["status"] == "ok"
    assert await accepted(client) == 4
    await laws(client, device)


@pytest.mark.parametrize("on", ["CashAcceptor.CashInEnd", "CashManagement.Reset"])
async def test_without_a_memory_nobody_knows_where_they_are_and_there_is_a_way_on(
    nursery: trio.Nursery, on: str
) -> None:
    device = Forgetting()
    client = await serving(device, nursery)
    await take_in(client, device, *[note(20)] * 3)
    device.lies["cash_in_end"] = fewer()
    assert await client.failure("CashAcceptor.CashInEnd") == "hardwareError"
    status = await do(client, "GetCashInStatus")
    assert (status["status"], await accepted(client)) == ("unknown", 3)
    assert (await unit(client, "unitA"))["status"]["accuracy"] == "inaccurate"
    assert await client.failure("CashAcceptor.CashInStart") == "cashInActive"
    await laws(client, device, doubts=True)
    device.lies = {}
    await client.success(on, None if on.endswith("End") else {})
    await do(client, "CashInStart")


async def test_a_device_for_one_kind_or_both_is_told_the_same(nursery: trio.Nursery) -> None:
    device = Recycler()
    client = await serving(device, nursery)
    await take_in(client, device, *[note(20)] * 3, note(50))
    device.lies["cash_in_end"] = fewer()
    assert await client.failure("CashAcceptor.CashInEnd") == "hardwareError"
    # What it recalls is that all were stored: the cash-in is over, and the books have them all.
    assert (await do(client, "GetCashInStatus"))["status"] == "ok"
    await laws(client, device)


@pytest.mark.parametrize(("command", "payload"), [("Present", {}), ("Reject", None)])
async def test_a_present_or_reject_that_leaves_out_notes_is_no_success(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, command: str, payload: Any
) -> None:
    device = Recycler()
    client = await serving(device, nursery)
    await client.success("CashDispenser.Dispense", {"denomination": amount(100)})
    device.lies[command.lower()] = fewer()
    assert await client.failure(f"CashDispenser.{command}", payload) == "hardwareError"
    assert SHORT in caplog.text


REFILLS = {
    "Replenish": {
        "source": "unitRefill",
        "replenishTargets": [{"target": "unit20", "numberOfItemsToMove": 5}],
    },
    "Deplete": {
        "cashUnitTarget": "unitA",
        "depleteSources": [{"source": "unit20", "numberOfItemsToMove": 5}],
    },
}


@pytest.mark.parametrize("command", REFILLS)
async def test_a_refill_that_leaves_out_notes_is_no_success(nursery: trio.Nursery, command: str) -> None:
    device = Recycler()
    client = await serving(device, nursery)
    device.lies[command.lower()] = fewer()
    assert await client.failure(f"CashAcceptor.{command}", REFILLS[command]) == "hardwareError"
    await laws(client, device)


@pytest.mark.parametrize(
    ("command", "payload", "source"),
    [
        ("Replenish", {"source": "unitRefill", "replenishTargets": [{"target": "unit20"}]}, "unitRefill"),
        ("Deplete", {"cashUnitTarget": "unitA", "depleteSources": [{"source": "unit20"}]}, "unit20"),
    ],
)
@pytest.mark.parametrize("gone", [0, 2])
async def test_a_unit_that_was_emptied_before_its_books_were_is_inaccurate(
    nursery: trio.Nursery, command: str, payload: Any, source: str, gone: int
) -> None:
    device = Recycler()
    client = await serving(device, nursery)
    if source != "unit20":
        # As many as there is room for.
        device.truth[source][note(20)] = 50
        counts = {source: {"cash": {"status": {"initial": {"typeEUR20": {"fit": 50}}}}}}
        await client.success("Storage.SetStorage", {"storage": counts})
    # Somebody has taken some out by hand.
    device.truth[source][note(20)] -= gone
    await do(client, command, payload)
    told = (await unit(client, source))["status"]["accuracy"]
    assert (told == "inaccurate") is bool(gone), told


class Silent(Scanner):
    """It says nothing of an item, or loses it."""

    left_out: devices.MediaStored

    def _stored(self, numbers: list[int], rollback: bool, events: Any) -> devices.MediaStored:
        super()._stored(numbers, rollback, events)
        self.kept = {}
        return self.left_out


class SilentSingle(Single, Silent):
    """The same without a stacker."""


STORED = devices.MediaStored


@pytest.mark.parametrize(
    ("command", "kind", "told"),
    [
        ("MediaInEnd", Silent, STORED(stored={"unit1": 2}, items={1: "unit1", 2: "unit1"}, returned=0)),
        ("MediaInEnd", Silent, STORED(stored={"unit1": 2})),
        ("MediaInEnd", Silent, STORED(stored={"unit1": 2}, items={1: "unit1", 2: "unit1", 3: "unknown"})),
        ("MediaInEnd", Silent, STORED()),
        ("MediaInRollback", Silent, STORED(items={1: "customer", 2: "customer"}, returned=2)),
        ("MediaInRollback", Silent, STORED(returned=2)),
        ("ActionItem", SilentSingle, STORED()),
    ],
)
async def test_an_end_that_leaves_out_cheques_is_no_success(
    nursery: trio.Nursery,
    caplog: pytest.LogCaptureFixture,
    command: str,
    kind: Any,
    told: devices.MediaStored,
) -> None:
    device = kind()
    device.left_out = told
    client = await serving(device, nursery)
    device.slot = ["good"] if command == "ActionItem" else ["good"] * 3
    await client.success("Check.MediaIn")
    await client.success("Check.SetMediaParameters", {"destination": "unit1"})
    assert await client.failure(f"Check.{command}") == "hardwareError"
    assert SHORT in caplog.text
    status = await client.success("Check.GetTransactionStatus")
    assert status["mediaInTransaction"] == "unknown"
    assert len(status["mediaInfo"]) == (1 if command == "ActionItem" else 3)
    await client.success("Check.Reset", {})
    await client.success("Check.MediaIn")


@pytest.mark.parametrize(
    "told",
    [
        STORED(stored={"unit1": 3}),
        STORED(stored={"unit1": 2}, returned=1),
        STORED(stored={"unit1": 2}, items={1: "unit1", 2: "unit1", 3: "customer"}),
        STORED(stored={"unit1": 1}, items={1: "unit1"}, returned=2),
    ],
)
async def test_cheques_are_told_of_by_number_or_by_counts(
    nursery: trio.Nursery, told: devices.MediaStored
) -> None:
    device = Silent()
    device.left_out = told
    client = await serving(device, nursery)
    device.slot = ["good"] * 3
    await client.success("Check.MediaIn")
    await client.success("Check.SetMediaParameters", {"destination": "unit1"})
    await client.success("Check.MediaInEnd")


class Counting(Scanner):
    """It says how many it has found, also where there are none."""

    async def reset_media(self, control: str | None, events: Any) -> devices.MediaRetracted:
        return devices.MediaRetracted(count=len(self.inside), location=control)


@pytest.mark.parametrize("kind", [Scanner, Counting])
async def test_a_reset_that_finds_no_cheques_makes_way_for_the_next(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, kind: type[Scanner]
) -> None:
    device = kind()
    client = await serving(device, nursery)
    device.slot = ["good"] * 2
    await client.success("Check.MediaIn")
    # Somebody takes them out by hand.
    device.inside = []
    await client.success("Check.Reset", {"mediaControl": "unitR"} if kind is Counting else {})
    assert "says nothing of item 2" in caplog.text
    places = (await client.success("Check.GetTransactionStatus"))["mediaInfo"]
    assert {one["mediaLocation"] for one in places} == {"unknown"}
    device.slot = ["good"]
    await client.success("Check.MediaIn")
