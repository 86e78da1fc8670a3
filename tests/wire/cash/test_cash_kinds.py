"""Devices that move one kind of note and say that it was another: as many, of a kind that was not there.

Each movement that a class can return is told so, of dispenser, acceptor, recycler, and of a device for notes
and cheques. It ends as any claim that cannot be: named in the log, not believed, and booked as the device
recalls it, to the last kind of note; or, where it recalls nothing true, the books say that they do not know.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
import trio

from acceptors import UNKNOWN, Acceptor, Kind, Recycler, begin, do, laws, note, take_in
from cash import amount, unit
from dialogue import Dialogue
from vendors import refusal, serving
from xfs4iot import devices
from xfs4iot.devices import CashMovement, CashReturned, ItemsMoved
from xfs4iot.protocol.messages import cash_management

OTHER = {"typeEUR5": "typeEUR50", "typeEUR10": "typeEUR50", "typeEUR20": "typeEUR50", "typeEUR50": "typeEUR5"}


class Presenting(Recycler):
    """Returns what was inserted by command; tests and calibrates its units."""

    items_taken_sensor = True

    async def cash_in_rollback(self, position: str, events: Any) -> CashReturned:
        await self._do("cash_in_rollback", position)
        moved = self._move("stacker", "transport")
        told = CashReturned(moved=tuple(moved), presented=False, additional_bunches=1)
        found: CashReturned = await self._done("cash_in_rollback", events, told)
        return found

    async def prepare_present(self, position: str, events: Any) -> CashReturned:
        moved = tuple(self._move("transport", "stacker"))
        told = CashReturned(moved=moved, presented=False, additional_bunches=1)
        found: CashReturned = await self._done("prepare_present", events, told)
        return found

    async def present_media(self, position: str, events: Any) -> CashReturned:
        told = CashReturned(moved=tuple(self._move("transport", "output")))
        found: CashReturned = await self._done("present_media", events, told)
        return found

    async def calibrate_cash_unit(
        self, unit: str, count: int, destination: devices.Destination, events: Any
    ) -> CashMovement:
        told = CashMovement(moved=tuple(self._move(unit, destination.unit or "", count)))
        found: CashMovement = await self._done("calibrate_cash_unit", events, told)
        return found

    async def test_cash_units(
        self, units: tuple[str, ...], destination: devices.Destination, events: Any
    ) -> devices.Tested:
        moved = [items for one in units for items in self._move(one, destination.unit or "", 1)]
        found: devices.Tested = await self._done(
            "test_cash_units", events, devices.Tested(moved=tuple(moved))
        )
        return found


class Mixed(Presenting, devices.MixedMedia):
    """It has a way for cheques as well, which no test here uses."""

    async def set_mode(self, cash: bool, check: bool) -> None: ...

    async def check_units(self) -> Mapping[str, devices.CheckUnit]:
        return {"unitC": devices.CheckUnit(index=30, capacity=100, types=frozenset({"mediaIn"}))}


def another_kind(result: Any) -> Any:
    """The same movement, of another kind of note."""
    moved = tuple(
        dataclasses.replace(items, item=OTHER[items.item or "typeEUR20"], level="fit")
        for items in result.moved
        if items.count
    )
    return dataclasses.replace(result, moved=moved)


def another_unit(result: Any) -> Any:
    """The same movement, of notes that another unit has dispensed."""
    moved = tuple(
        dataclasses.replace(items, origin="unit50" if items.origin == "unit20" else "unit20", item=None)
        for items in result.moved
    )
    return dataclasses.replace(result, moved=moved)


def given_back_at_once(result: devices.CashedIn) -> devices.CashedIn:
    """What came in goes back, of another kind."""
    back = tuple(ItemsMoved(items.count, "stacker", "output", item="typeEUR50") for items in result.moved)
    return dataclasses.replace(result, moved=(*result.moved, *back))


def stored_at_once(result: devices.CashedIn) -> devices.CashedIn:
    """What came in is stored, of another kind."""
    on = tuple(ItemsMoved(items.count, "stacker", "unitA", item="typeEUR50") for items in result.moved)
    return dataclasses.replace(result, moved=(*result.moved, *on))


async def nothing(client: Dialogue, device: Recycler) -> None:
    device.slot = []


async def inserted(client: Dialogue, device: Recycler) -> None:
    await take_in(client, device, note(5), note(5), note(20))


async def to_be_inserted(client: Dialogue, device: Recycler) -> None:
    await begin(client)
    device.slot = [note(5), note(5)]


async def returned(client: Dialogue, device: Recycler) -> None:
    await inserted(client, device)
    await do(client, "CashInRollback")


async def dispensed(client: Dialogue, device: Recycler) -> None:
    await client.success("CashDispenser.Dispense", {"denomination": amount(40)})


async def presented(client: Dialogue, device: Recycler) -> None:
    await dispensed(client, device)
    await client.success("CashDispenser.Present", {})


REFILL = {"source": "unitRefill", "replenishTargets": [{"target": "unit20", "numberOfItemsToMove": 2}]}
DEPLETE = {"cashUnitTarget": "unitA", "depleteSources": [{"source": "unit5", "numberOfItemsToMove": 2}]}
CALIBRATE = {"unit": "unit20", "numOfBills": 2}
BIN = {"position": {"target": "singleUnit", "unit": "unitBin"}}
Step = Callable[[Dialogue, Any], Awaitable[None]]
LIES: dict[str, tuple[str, Step, str, Any, Callable[[Any], Any]]] = {
    "taken in": ("cash_in", to_be_inserted, "CashAcceptor.CashIn", None, another_kind),
    "given back at once": ("cash_in", to_be_inserted, "CashAcceptor.CashIn", None, given_back_at_once),
    "stored at once": ("cash_in", to_be_inserted, "CashAcceptor.CashIn", None, stored_at_once),
    "stored": ("cash_in_end", inserted, "CashAcceptor.CashInEnd", None, another_kind),
    "rolled back": ("cash_in_rollback", inserted, "CashAcceptor.CashInRollback", None, another_kind),
    "prepared": ("prepare_present", returned, "CashAcceptor.PreparePresent", {}, another_kind),
    "returned": ("present_media", returned, "CashAcceptor.PresentMedia", {}, another_kind),
    "inserted and retracted": ("retract", inserted, "CashManagement.Retract", {}, another_kind),
    "inserted and reset": ("reset", inserted, "CashManagement.Reset", BIN, another_kind),
    "returned and reset": ("reset", returned, "CashManagement.Reset", BIN, another_kind),
    "dispensed": (
        "dispense",
        nothing,
        "CashDispenser.Dispense",
        {"denomination": amount(40)},
        another_kind,
    ),
    "presented": ("present", dispensed, "CashDispenser.Present", {}, another_kind),
    "presented of a unit": ("present", dispensed, "CashDispenser.Present", {}, another_unit),
    "rejected": ("reject", dispensed, "CashDispenser.Reject", None, another_kind),
    "rejected of a unit": ("reject", dispensed, "CashDispenser.Reject", None, another_unit),
    "retracted": ("retract", presented, "CashManagement.Retract", {}, another_kind),
    "retracted of a unit": ("retract", presented, "CashManagement.Retract", {}, another_unit),
    "reset": ("reset", dispensed, "CashManagement.Reset", BIN, another_kind),
    "reset of a unit": ("reset", dispensed, "CashManagement.Reset", BIN, another_unit),
    "tested": (
        "test_cash_units",
        nothing,
        "CashDispenser.TestCashUnits",
        {"target": {"target": "singleUnit", "unit": "unitBin"}},
        another_kind,
    ),
    "calibrated": (
        "calibrate_cash_unit",
        nothing,
        "CashManagement.CalibrateCashUnit",
        CALIBRATE,
        another_kind,
    ),
    "replenished": ("replenish", nothing, "CashAcceptor.Replenish", REFILL, another_kind),
    "depleted": ("deplete", nothing, "CashAcceptor.Deplete", DEPLETE, another_kind),
}


async def kinds(client: Dialogue, device: Acceptor) -> None:
    """The books have each kind where it is, as far as they tell kinds apart."""
    await laws(client, device)
    ledger: Any = device._host.ledger  # type: ignore[union-attr]
    booked: dict[str, Counter[Kind]] = {}
    for key, value in ledger.counters().items():
        if key.bucket == "count" and value:
            booked.setdefault(key.unit, Counter())[key.item, key.level] += value
    for place in ("stacker", "transport", "unitA", "unitB", "unitR", "unitBin"):
        held = booked.get(place, Counter())
        if place in ("stacker", "transport") and place in device.dispensed:
            assert not held, (place, held)
        elif not held[UNKNOWN]:
            assert held == +device.truth.get(place, Counter()), place


@pytest.mark.parametrize("kind", [Presenting, Mixed])
@pytest.mark.parametrize("lie", LIES)
async def test_another_kind_of_note_than_was_there_is_not_believed(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, kind: type[Presenting], lie: str
) -> None:
    name, before, command, payload, told = LIES[lie]
    device = kind()
    client = await serving(device, nursery)
    await before(client, device)
    device.lies[name] = told
    completion = await client.completion(command, payload)
    assert completion["header"].get("completionCode") == "hardwareError", completion
    (line,) = (one.getMessage() for one in caplog.records if f".{name} returned what" in one.getMessage())
    assert "of what was at" in line or "which a SubCashInEvent has told" in line
    assert len(line) < 500
    device.lies.clear()
    await kinds(client, device)
    # It is at work again.
    device.truth["output"].clear()
    device.send(cash_management.ItemsTakenEvent(position="outDefault"))
    await client.success("CashManagement.Reset", BIN)
    await client.success("CashDispenser.Dispense", {"denomination": amount(10)})
    await client.success("CashDispenser.Reject")
    await laws(client, device)


@pytest.mark.parametrize("lie", LIES)
async def test_nor_is_it_when_the_device_recalls_it_so(nursery: trio.Nursery, lie: str) -> None:
    name, before, command, payload, told = LIES[lie]
    device = Presenting()
    client = await serving(device, nursery)
    await before(client, device)
    # The recall is as untrue as the result.
    recall = device.recall

    async def lies(operation: int) -> Any:
        found = await recall(operation)
        result = device.lies[name](found) if found is not None and found.moved else found
        return None if result is None else CashMovement(moved=result.moved)

    device.recall = lies  # type: ignore[method-assign]
    device.lies[name] = told
    assert await client.failure(command, payload) == "hardwareError"
    storage = (await client.success("Storage.GetStorage"))["storage"]
    doubtful = [one for one, found in storage.items() if found["cash"]["status"]["accuracy"] == "inaccurate"]
    unsure = (await do(client, "GetCashInStatus"))["status"] == "unknown"
    assert doubtful or unsure
    await laws(client, device, doubts=True)


async def test_what_the_books_could_not_tell_apart_may_be_of_any_kind(nursery: trio.Nursery) -> None:
    device = Presenting()
    client = await serving(device, nursery)
    await take_in(client, device, UNKNOWN, UNKNOWN, note(5))

    def recognised(result: Any) -> Any:
        moved = tuple(
            dataclasses.replace(items, item=items.item or "typeEUR50", level="fit") for items in result.moved
        )
        return dataclasses.replace(result, moved=moved)

    device.lies["cash_in_end"] = recognised
    await do(client, "CashInEnd")
    await laws(client, device)


async def test_a_device_may_judge_anew_how_good_a_note_is_and_the_books_keep_what_was_told(
    nursery: trio.Nursery,
) -> None:
    device = Presenting()
    client = await serving(device, nursery)
    await take_in(client, device, note(20), note(20, "suspect"))

    def judged(result: Any) -> Any:
        moved = tuple(dataclasses.replace(items, level="unfit") for items in result.moved)
        return dataclasses.replace(result, moved=moved)

    device.lies["cash_in_end"] = judged
    storage = (await do(client, "CashInEnd"))["storage"]
    levels: Counter[str] = Counter()
    for found in storage.values():
        levels.update(found["deposited"]["typeEUR20"])
    assert levels == {"fit": 1, "suspect": 1}
    await laws(client, device)


@pytest.mark.parametrize("counted", [True, False])
async def test_what_a_unit_was_found_to_hold_is_held_against_the_device(
    nursery: trio.Nursery, counted: bool
) -> None:
    device = Presenting()
    client = await serving(device, nursery)
    await take_in(client, device, note(5, "unfit"), note(5, "unfit"))
    await do(client, "CashInEnd")
    if counted:
        await do(client, "CashUnitCount", {"units": ["unitA"]})
    accuracy = (await unit(client, "unitA"))["status"]["accuracy"]
    assert accuracy == ("accurate" if counted else "unknown")
    device.deplete_sources = {"unitB": frozenset({"unitA"})}
    device.lies["deplete"] = another_kind
    wanted = {"cashUnitTarget": "unitB", "depleteSources": [{"source": "unitA", "numberOfItemsToMove": 2}]}
    code = (await client.completion("CashAcceptor.Deplete", wanted))["header"].get(
        "completionCode", "success"
    )
    # What nobody has counted may have been there from the start; but then the books were wrong, and say so.
    assert code == ("hardwareError" if counted else "success")
    found = (await unit(client, "unitA"))["status"]
    assert counted or found["accuracy"] == "inaccurate"
    await laws(client, device)


async def test_a_failure_is_held_against_what_was_there_as_well(nursery: trio.Nursery) -> None:
    device = Presenting()
    client = await serving(device, nursery)
    await inserted(client, device)
    device.refuses["cash_in_end"], device.short = refusal("safeDoorOpen"), 1
    device.lies["cash_in_end"] = another_kind
    assert await client.failure("CashAcceptor.CashInEnd") == "hardwareError"
    device.lies.clear()
    await kinds(client, device)
