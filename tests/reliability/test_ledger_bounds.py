"""However large the numbers of a client: the books stay sound, cash is paid, the service starts again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from cash import chosen, dispense
from dialogue import Dialogue, dialogue
from traffic import Traffic
from vendors import Minimal, serving
from xfs4iot import devices
from xfs4iot.ledger import LedgerReader
from xfs4iot.simulator import atm as simulated_atm

LARGE = (2**31, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63))
ROOMS = ("Storage.", "CashManagement.", "CashDispenser.")
SETTERS = ("Set", "Count", "Calibrate", "Dispense", "Denominate", "Prepare", "Test")


def numbers(payload: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all numbers of a payload."""
    if isinstance(payload, dict):
        for name, value in payload.items():
            yield from numbers(value, (*where, name))
    elif isinstance(payload, list):
        for index, value in enumerate(payload):
            yield from numbers(value, (*where, index))
    elif isinstance(payload, int | float) and not isinstance(payload, bool):
        yield where


def replaced(payload: Any, where: tuple[Any, ...], number: int) -> Any:
    payload = deepcopy(payload)
    part = payload
    for step in where[:-1]:
        part = part[step]
    part[where[-1]] = number
    return payload


def fill(number: int) -> dict[str, Any]:
    units = {
        f"unit{index}": {"cash": {"status": {"initial": {"unrecognized": number}}}} for index in range(1, 6)
    }
    return {"storage": units}


async def served(file: Path, task_status: trio.TaskStatus[Any]) -> None:
    with xfs4iot.Ledger.open(file) as ledger:
        publisher = xfs4iot.Publisher(simulated_atm(ledger=ledger, state=file.parent, seconds=0), port=0)
        async with trio.open_nursery() as nursery:
            await nursery.start(publisher.serve)
            task_status.started(publisher.uri("CashDispenser"))


async def test_no_number_of_a_client_spoils_the_books(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "ledger.sqlite"
    traffic = Traffic("2024-3", seed=3)
    names = [
        name
        for name in traffic.commands
        if name.startswith(ROOMS) and name.partition(".")[2].startswith(SETTERS)
    ]
    async with trio.open_nursery() as nursery:
        client: Dialogue = await nursery.start(dialogue, await nursery.start(served, file))
        ended: dict[str, int] = {}
        await client.success("Storage.StartExchange")
        for name in names:
            for number in LARGE:
                payload = traffic.command(name, 1).get("payload") or {}
                for where in numbers(payload):
                    completion = await client.completion(name, replaced(payload, where, number), timeout=5000)
                    code = completion["header"]["completionCode"]
                    ended[code] = ended.get(code, 0) + 1
                    assert code != "internalError", (name, where, number, completion)
        assert ended.get("invalidData", 0) > 20, ended
        for number in LARGE:
            assert await client.failure("Storage.SetStorage", fill(number)) == "invalidData"
        nursery.cancel_scope.cancel()
    with LedgerReader.open(file) as reader:
        assert reader.verify().problems == []
    async with trio.open_nursery() as nursery:
        client = await nursery.start(dialogue, await nursery.start(served, file))
        assert "cannot be read" not in caplog.text
        await client.completion("Storage.EndExchange")
        await client.completion("Storage.StartExchange")
        held = {f"unit{n}": {"cash": {"status": {"initial": {"unrecognized": 50}}}} for n in range(1, 5)}
        await client.success("Storage.SetStorage", {"storage": held})
        await client.success("Storage.EndExchange")
        await dispense(client, 230)
        nursery.cancel_scope.cancel()


class Bottomless(Minimal):
    """A dispenser that does not say how many items its unit can hold."""

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        (unit,) = (await super().cash_units()).values()
        return {"unit1": devices.CashUnit(**{**vars(unit), "capacity": 0})}


def initial(**levels: int) -> dict[str, Any]:
    return {"storage": {"unit1": {"cash": {"status": {"initial": {"typeEUR20": levels}}}}}}


async def test_a_unit_without_capacity_holds_a_number_that_can_be_reckoned_with(
    nursery: trio.Nursery,
) -> None:
    client = await serving(Bottomless("Bottomless"), nursery)
    for levels in ({"fit": number} for number in LARGE):
        assert await client.failure("Storage.SetStorage", initial(**levels)) == "invalidData"
    for levels in ({"fit": 10**9 + 1}, {"fit": 10**9, "unfit": 1}, {"fit": 20, "unfit": -10}):
        assert await client.failure("Storage.SetStorage", initial(**levels)) == "invalidData"
    await client.success("Storage.SetStorage", initial(fit=10**9))
    for _ in range(3):
        await client.success("CashDispenser.Dispense", {"denomination": chosen({"unit1": 1})})
