"""Everyday Denominates, which are answered from their text: as all others are, whatever changes meanwhile."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount, content, present
from dialogue import Dialogue, dialogue
from vendors import Teller

Change = Callable[[Dialogue, Dialogue], Awaitable[Any]]


def configured(unit: str, **configuration: Any) -> Change:
    async def change(dispenser: Dialogue, simulator: Dialogue) -> None:
        wanted = {"storage": {unit: {"cash": {"configuration": configuration}}}}
        await dispenser.success("Storage.SetStorage", wanted)

    return change


def holding(unit: str, item: str, count: int) -> Change:
    async def change(dispenser: Dialogue, simulator: Dialogue) -> None:
        initial = {item: {"fit": count}}
        wanted = {"storage": {unit: {"cash": {"status": {"initial": initial}}}}}
        await dispenser.success("Storage.SetStorage", wanted)

    return change


async def broken(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "inoperative", "unit": "unit3"})


async def repaired(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.ClearFaults", {})


def table(count: int, value: int) -> Change:
    async def change(dispenser: Dialogue, simulator: Dialogue) -> None:
        rows = [{"amount": count * value, "mix": [{"value": value, "count": count}]}]
        await dispenser.success(
            "CashDispenser.SetMixTable", {"mixNumber": 21, "name": "House mix", "mixRows": rows}
        )

    return change


def exchange(command: str) -> Change:
    async def change(dispenser: Dialogue, simulator: Dialogue) -> None:
        await dispenser.success(f"Storage.{command}")

    return change


async def paid(dispenser: Dialogue, simulator: Dialogue) -> None:
    await present(dispenser, 100)
    await simulator.success("Simulator.TakeItems", {})


CHANGES: dict[str, Change] = {
    "nothing": configured("unit1", appLockOut=False),
    "few 20s": holding("unit2", "typeEUR20", 3),
    "no 10s": holding("unit1", "typeEUR10", 0),
    "100s locked": configured("unit4", appLockOut=True),
    "50s broken": broken,
    "100s unlocked": configured("unit4", appLockOut=False),
    "a table": table(5, 20),
    "items paid": paid,
    "exchange": exchange("StartExchange"),
    "exchange ended": exchange("EndExchange"),
    "another table": table(2, 50),
    "10s again": holding("unit1", "typeEUR10", 30),
    "50s repaired": repaired,
}


def asked(dice: random.Random) -> dict[str, Any]:
    """What a client may ask for in everyday words, with an answer or without."""
    value = dice.choice([*(dice.randrange(10, 2000, 10) for _ in range(6)), dice.randrange(300), 10**6])
    mix = dice.choice(["mix1", "mix2", "mix3", "mixTable21"])
    found: dict[str, Any] = {"mix": mix, "currencies": {dice.choice(["EUR"] * 9 + ["USD"]): value}}
    if dice.random() < 0.3:
        units = dice.sample(["unit1", "unit2", "unit3", "unit4", "unit5", "unit9"], dice.randint(0, 2))
        found["partial"] = {unit: dice.choice([0, 1, 1, 2, 40]) for unit in units}
    return found


def payload(service: dict[str, Any], version: str) -> dict[str, Any]:
    if version != "2021-1":
        return {"request": {"denomination": {"service": service}}}
    denomination = {"currencies": service["currencies"]}
    if "partial" in service:
        denomination["values"] = service["partial"]
    return {"denomination": denomination, "mix": service["mix"]}


@pytest.mark.parametrize("version", ["2021-1", "2023-2", "2024-3"])
async def test_everyday_requests_are_answered_as_all_are(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, version: str
) -> None:
    # What a service does not know is ignored, but such a request is not an everyday one.
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    newest: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"))
    client: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), version)
    dice = random.Random(version)
    good = 0
    for change in CHANGES.values():
        await change(newest, simulator)
        for _ in range(25):
            everyday = payload(asked(dice), version)
            answers = []
            for request in (everyday, {**everyday, "x-vendor": 1}):
                completion = await client.completion("CashDispenser.Denominate", request)
                del completion["header"]["requestId"]
                answers.append(completion)
            assert answers[0] == answers[1], everyday
            result = answers[0].get("payload", {})
            good += "values" in (result if version == "2021-1" else result.get("result", {}))
    assert good > 50


@pytest.mark.parametrize("version", ["2021-1", "2023-2", "2024-3"])
async def test_items_of_another_currency_than_the_amounts_are_refused(
    nursery: trio.Nursery, version: str
) -> None:
    device = Teller()
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri(device.name), version)
    for currency, value, unit, other in (("EUR", 20, "unit1", "unit2"), ("USD", 50, "unit2", "unit1")):
        for partial, good in (({unit: 1, other: 0}, True), ({other: 1}, False), ({unit: 1, other: 1}, False)):
            service = {"currencies": {currency: value}, "mix": "mix1", "partial": partial}
            asked = payload(service, version)
            for request in (asked, {**asked, "x-vendor": 1}):
                if good:
                    await client.success("CashDispenser.Denominate", request)
                else:
                    why = await client.failure("CashDispenser.Denominate", request)
                    assert why == "invalidCurrency", request


async def test_a_unit_gives_from_the_moment_that_it_can_and_no_longer(
    dispenser: Dialogue, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    worth = {"unit1": 10, "unit2": 20, "unit3": 50, "unit4": 100}
    seen = set()
    for name, change in CHANGES.items():
        await change(dispenser, simulator)
        storage = (await dispenser.success("Storage.GetStorage"))["storage"]
        for unit, value in worth.items():
            found = storage[unit]
            locked = found["cash"]["configuration"].get("appLockOut")
            held = content(found["cash"])
            gives = found["status"] == "ok" and not locked and name != "exchange"
            for count in {min(held, 40), min(held + 1, 40)} - {0}:
                request = {"request": amount(count * value, partial={unit: count})}
                completion = await dispenser.completion("CashDispenser.Denominate", request)
                values = completion["payload"].get("result", {}).get("values")
                assert values == ({unit: count} if gives and count <= held else None), (name, unit, count)
                seen.add((unit, values is None))
    assert {unit for unit, none in seen if none} == set(worth) == {unit for unit, none in seen if not none}
