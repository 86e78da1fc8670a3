"""Deposit over the wire: classes that say what cannot be, fail, hang, and say things twice.

Whatever they do: the command ends with what the standard has for a device's failure, no deposit is counted
on a guess, where the item is is told as `unknown` where nobody knows it, and the next command is served.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

import lies
import xfs4iot
from depositories import Depository
from dialogue import Dialogue, dialogue
from power import assert_closed
from vendors import Minimal, power_cut, refusal, running, serving
from xfs4iot import devices
from xfs4iot.devices import DepositMoved, DepositReset
from xfs4iot.protocol import errors

ENTRY, DISPENSE, RETRACT, RESET = "Deposit.Entry", "Deposit.Dispense", "Deposit.Retract", "Deposit.Reset"
PATIENCE = 10
"""Seconds after which what does not react to being cancelled comes back all the same, so that a test ends."""
REPLENISH = "Deposit.SupplyReplenish"


class Books:
    """What a client sees of a depository."""

    def __init__(self, client: Dialogue) -> None:
        self.client = client

    async def container(self) -> dict[str, Any]:
        storage = (await self.client.success("Storage.GetStorage"))["storage"]
        found: dict[str, Any] = storage["unitBOX"]["deposit"]["status"]
        return found

    async def are(self, location: str, deposits: int, level: str) -> None:
        status = await self.client.success("Common.Status")
        container = await self.container()
        seen = status["deposit"]["depositLocation"], container["numOfDeposits"], container["depContainer"]
        assert seen == (location, deposits, level)


@pytest.fixture
def device() -> Depository:
    return Depository()


@pytest.fixture
async def client(device: Depository, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


@pytest.fixture
def books(client: Dialogue) -> Books:
    return Books(client)


def events(client: Dialogue, name: str) -> list[Any]:
    return [one.get("payload") for one in client.passed if one["header"]["name"] == f"Deposit.{name}"]


MOVED: dict[str, tuple[Callable[[], Any], str]] = {
    "None": (lambda: None, "it is None"),
    "a place": (lambda: "container", "it is str (not shown)"),
    "a misspelt place": (lambda: DepositMoved("contaner"), "place is str 'contaner'"),  # type: ignore[arg-type]
    "no place": (lambda: DepositMoved(None), "place is None"),  # type: ignore[arg-type]
    "a number": (lambda: DepositMoved(1), "place is int 1"),  # type: ignore[arg-type]
    "a list": (lambda: DepositMoved(["container"]), "place is list"),  # type: ignore[arg-type]
    "success elsewhere": (lambda: DepositMoved("transport"), "place is 'transport'"),
    "success that went nowhere": (lambda: DepositMoved("unknown"), "place is 'unknown'"),
    "a code of another command": (
        lambda: DepositMoved("container", refusal("noItems")),
        "error_code is str 'noItems'",
    ),
    "a failure that is none": (
        lambda: DepositMoved("container", ValueError("no")),  # type: ignore[arg-type]
        "failure is ValueError object",
    ),
    "the class": (lambda: DepositMoved, "it is type object"),
    "another class": (lambda: DepositReset(deposit_media="retracted"), "it is DepositReset object"),
    "many": (lambda: [DepositMoved("container")] * 3, "it is list"),
    "a pretender": (lies.Pretender, "it is Pretender object"),
    "what raises whenever it is touched": (lies.Weird, "it is Weird object"),
}
ENTERED = MOVED | {
    "into the supply": (
        lambda: DepositMoved("dispenser", refusal("depJammed")),
        "place is 'dispenser'",
    ),
}


@pytest.mark.parametrize("claim", ENTERED)
async def test_a_deposit_that_cannot_be_is_counted_by_nobody(
    client: Dialogue, device: Depository, books: Books, caplog: pytest.LogCaptureFixture, claim: str
) -> None:
    await client.success(ENTRY)
    make, named = ENTERED[claim]
    device.ends["deposit"] = make()
    assert await client.failure(ENTRY) == "hardwareError"
    assert events(client, "DepositErrorEvent") == [{"error": "unknown"}]
    assert len(events(client, "EnvDepositedEvent")) == 1
    (line,) = [one.getMessage() for one in caplog.records if "Depository.deposit " in one.getMessage()]
    assert named in line
    assert len(line) < 1000
    await books.are("unknown", 1, "unknown")
    del device.ends["deposit"]
    await client.success(ENTRY)
    await books.are("container", 2, "unknown")


@pytest.mark.parametrize("claim", MOVED)
async def test_a_retract_that_cannot_be_feeds_no_second_envelope_and_counts_nothing(
    client: Dialogue, device: Depository, books: Books, claim: str
) -> None:
    await client.success(DISPENSE)
    device.ends["retract"] = MOVED[claim][0]()
    assert await client.failure(RETRACT) == "hardwareError"
    await books.are("none", 0, "unknown")
    # Where it is nobody knows, so nothing is fed on top of it.
    assert await client.failure(DISPENSE) == "sequenceError"
    await client.success(RESET)
    await client.success(DISPENSE)


async def test_an_envelope_is_not_retracted_to_where_the_device_does_not_retract_to(
    client: Dialogue, device: Depository, books: Books
) -> None:
    await client.success(DISPENSE)
    device.ends["retract"] = DepositMoved("dispenser")
    assert await client.failure(RETRACT) == "hardwareError"
    await books.are("none", 0, "unknown")


FOUND: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "a text": lambda: "retracted",
    "misspelt": lambda: DepositReset(deposit_media="retractd"),  # type: ignore[arg-type]
    "nothing": lambda: DepositReset(deposit_media=None),  # type: ignore[arg-type]
    "a number of them": lambda: DepositReset(deposit_media=7),  # type: ignore[arg-type]
    "a list": lambda: DepositReset(dispense_media=["retracted"]),  # type: ignore[arg-type]
    "a code of another command": lambda: DepositReset(deposit_media="retracted", failure=refusal("noEnv")),
    "another class": lambda: DepositMoved("container"),
    "a pretender": lies.Pretender,
    "what raises whenever it is touched": lies.Weird,
}


@pytest.mark.parametrize("claim", FOUND)
async def test_a_reset_that_cannot_be_leaves_all_in_doubt(
    client: Dialogue, device: Depository, books: Books, claim: str
) -> None:
    device.ends["deposit"] = DepositMoved("transport", refusal("depJammed"))
    assert await client.failure(ENTRY) == "depJammed"
    device.ends["reset"] = FOUND[claim]()
    assert await client.failure(RESET) == "hardwareError"
    assert events(client, "MediaDetectedEvent") == []
    await books.are("unknown", 0, "unknown")
    device.ends["reset"] = DepositReset(deposit_media="retracted", dispense_media="noMedia")
    await client.success(RESET)
    await books.are("container", 1, "unknown")


@pytest.mark.parametrize(
    ("name", "end", "location"),
    [
        ("deposit", DepositMoved("unknown", refusal("unknown")), "unknown"),
        ("reset", DepositReset(deposit_media="unknown", dispense_media="noMedia"), "none"),
        ("retract", DepositMoved("unknown", refusal("envJammed")), "none"),
    ],
)
async def test_what_may_have_dropped_into_the_container_leaves_its_count_in_doubt(
    client: Dialogue, device: Depository, books: Books, name: str, end: Any, location: str
) -> None:
    device.ends[name] = end
    if name == "retract":
        await client.success(DISPENSE)
    await client.completion({"deposit": ENTRY, "reset": RESET, "retract": RETRACT}[name])
    await books.are(location, 0, "unknown")
    counted = {"storage": {"unitBOX": {"deposit": {"numOfDeposits": 1}}}}
    await client.success("Storage.SetStorage", counted)
    await books.are(location, 1, "ok")


async def test_nothing_is_fed_on_top_of_what_was_pushed_back(
    client: Dialogue, device: Depository, books: Books
) -> None:
    device.ends["deposit"] = DepositMoved("shutter", refusal("envSize"))
    assert await client.failure(ENTRY) == "envSize"
    assert await client.failure(DISPENSE) == "sequenceError"
    device.envelope_taken()
    await client.until("unsolicited", name="Deposit.EnvTakenEvent")
    await client.success(DISPENSE)
    await books.are("removed", 0, "ok")


STOPS: dict[str, Any] = {
    "raises": RuntimeError("the motor is torn off"),
    "is broken": errors.HardwareError("the shutter does not close"),
    "returns nothing": None,
    "returns a number": 1,
    "returns a text": "no",
    "returns what raises": lies.Weird(),
}


@pytest.mark.parametrize("how", [*STOPS, "hangs"])
@pytest.mark.parametrize("gives_up", ["timeOut", "canceled"])
async def test_a_slot_of_which_nobody_knows_whether_something_is_in_it_is_not_told_as_empty(
    device: Depository, nursery: trio.Nursery, how: str, gives_up: str
) -> None:
    client = await limited(device, nursery)
    device.inserted = trio.Event()
    if how == "hangs":
        device.hand["stop_entry"] = trio.sleep_forever
    else:
        device.ends["stop_entry"] = STOPS[how]
    request = await client.send(ENTRY, timeout=100 if gives_up == "timeOut" else None)
    if gives_up == "canceled":
        await client.until("unsolicited", name="Deposit.InsertDepositEvent")
        await client.success("Common.Cancel", {"requestIds": [request]})
    completion = await client.until("completion", request)
    assert completion["header"]["completionCode"] == gives_up
    await Books(client).are("unknown", 0, "ok")
    device.inserted.set()
    device.hand.clear()
    await client.success(ENTRY)
    await Books(client).are("container", 1, "ok")


async def limited(device: devices.Device, nursery: trio.Nursery, **settings: Any) -> Dialogue:
    """A service whose device counts as hung after a moment."""
    service = xfs4iot.Service(device, operation_limit=0.1, **settings)
    publisher = xfs4iot.Publisher([service], port=0)
    await nursery.start(publisher.serve)
    found: Dialogue = await nursery.start(dialogue, publisher.uri(device.name))
    return found


async def test_a_class_that_goes_on_waiting_after_it_was_told_to_stop_is_not_believed_later(
    device: Depository, nursery: trio.Nursery
) -> None:
    client = await limited(device, nursery)
    device.inserted, late = trio.Event(), trio.Event()

    async def entry() -> None:
        with trio.CancelScope(shield=True), trio.move_on_after(PATIENCE):
            await late.wait()

    device.entry = entry  # type: ignore[method-assign]
    assert await client.failure(ENTRY, timeout=50) == "timeOut"
    await Books(client).are("unknown", 0, "ok")
    assert await client.failure(ENTRY) == "deviceNotReady"
    late.set()
    await trio.testing.wait_all_tasks_blocked(0.05)
    await Books(client).are("unknown", 0, "ok")
    del device.entry  # type: ignore[method-assign]
    device.inserted.set()
    await client.success(ENTRY)
    await Books(client).are("container", 1, "ok")


@pytest.mark.parametrize("late", [False, True])
async def test_a_movement_that_does_not_come_back_leaves_all_in_doubt(
    device: Depository, nursery: trio.Nursery, late: bool
) -> None:
    client = await limited(device, nursery)
    back = trio.Event()

    async def hang() -> None:
        with trio.CancelScope(shield=late), trio.move_on_after(PATIENCE):
            await back.wait()

    device.hand["deposit"] = hang
    assert await client.failure(ENTRY) == "hardwareError"
    await Books(client).are("unknown", 0, "unknown")
    if late:
        assert await client.failure(ENTRY) == "deviceNotReady"
        back.set()
        await trio.testing.wait_all_tasks_blocked(0.05)
        # What it says now is too late: nobody asks for it any more.
        await Books(client).are("unknown", 0, "unknown")
    device.hand.clear()
    await client.success(ENTRY)
    await Books(client).are("container", 1, "unknown")


async def test_a_dispense_of_which_the_device_was_never_asked_leaves_the_slot_free(
    device: Depository, nursery: trio.Nursery
) -> None:
    client = await limited(device, nursery)
    back = trio.Event()

    async def hang() -> None:
        with trio.CancelScope(shield=True), trio.move_on_after(PATIENCE):
            await back.wait()

    device.hand["supply_replenish"] = hang
    assert await client.failure(REPLENISH, {"toner": True}) == "hardwareError"
    assert await client.failure(DISPENSE) == "deviceNotReady"
    back.set()
    await trio.testing.wait_all_tasks_blocked(0.05)
    device.hand.clear()
    await client.success(DISPENSE)
    assert await client.failure(DISPENSE) == "sequenceError"


OPERATIONS: dict[str, tuple[str, Any]] = {
    "entry": (ENTRY, None),
    "deposit": (ENTRY, None),
    "dispense": (DISPENSE, None),
    "retract": (RETRACT, None),
    "reset": (RESET, {"depMediaControl": "eject"}),
    "supply_replenish": (REPLENISH, {"toner": True}),
}
FAILURES = {"hardwareError", "deviceNotReady", "userError", "unknown"}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_whatever_an_operation_raises_is_its_own_fault(name: str, nursery: trio.Nursery) -> None:
    for make in lies.RAISED:
        device = Depository()
        other = Minimal("Other")
        publisher = xfs4iot.Publisher([xfs4iot.Service(device), xfs4iot.Service(other)], port=0)
        async with trio.open_nursery() as served:
            await served.start(publisher.serve)
            client = await served.start(dialogue, publisher.uri(device.name))
            beside = await served.start(dialogue, publisher.uri(other.name))

            async def raises() -> None:
                raise make()  # noqa: B023

            device.hand[name] = raises
            assert await client.failure(*OPERATIONS[name]) in FAILURES, make()
            container = await Books(client).container()
            assert container["numOfDeposits"] == 0
            device.hand.clear()
            await client.success(RESET)
            await client.success(ENTRY)
            await client.success(DISPENSE)
            assert (await Books(client).container())["numOfDeposits"] == 1
            assert (await beside.success("Common.Status"))["common"]["device"] == "online"
            served.cancel_scope.cancel()


@pytest.mark.parametrize("name", ["entry", "dispense", "supply_replenish"])
async def test_what_returns_nothing_has_nothing_to_return(
    client: Dialogue, device: Depository, books: Books, name: str
) -> None:
    for make in (*lies.SCALARS, *lies.STRUCTURES):

        async def returns() -> Any:
            return make()  # noqa: B023

        setattr(device, name, lambda *arguments, returns=returns: returns())
        assert await client.failure(*OPERATIONS[name]) == "hardwareError", make
        if name == "dispense":
            # Whether an envelope lies in the slot nobody knows.
            await client.success(RESET)
    delattr(device, name)
    assert (await books.container())["numOfDeposits"] == 0
    await client.success(RESET)
    await client.success(ENTRY)


async def test_what_is_said_twice_is_counted_once(client: Dialogue, device: Depository, books: Books) -> None:
    async def chatters() -> None:
        for _ in range(3):
            device.insert_deposit()
            device.envelope_taken()
            device.deposit_levels("unitBOX", container="ok")
            device.deposit_levels("unitENV", supply="low")

    device.hand["deposit"] = device.hand["dispense"] = chatters
    await client.success(ENTRY)
    await books.are("container", 1, "ok")
    await client.success(DISPENSE)
    # It was taken while it was dispensed.
    await client.success(DISPENSE)
    await books.are("container", 1, "ok")


@pytest.mark.parametrize("name", ["deposit", "retract", "reset"])
async def test_what_is_taken_before_the_device_has_come_to_its_end_is_not_in_the_slot(
    client: Dialogue, device: Depository, books: Books, name: str
) -> None:
    """Hands are quicker than the books: what was brought into the slot is gone when that is booked."""

    async def taken() -> None:
        device.envelope_taken()

    async def pushed_back() -> None:
        device.ends["deposit"] = DepositMoved("shutter", refusal("envSize"))
        assert await client.failure(ENTRY) == "envSize"

    device.ends["reset"] = DepositReset(deposit_media="ejected", dispense_media="noMedia")
    device.ends["retract"] = DepositMoved("shutter", refusal("depJammed"))
    if name == "deposit":
        device.hand[name] = taken
        await pushed_back()
    else:
        await pushed_back()
        device.hand[name] = taken
        await client.completion(f"Deposit.{name.capitalize()}")
    await books.are("removed", 0, "ok")
    device.hand.clear()
    await client.success(DISPENSE)
    assert await client.failure(DISPENSE) == "sequenceError"
    if name != "deposit":
        device.ends["reset"] = DepositReset(dispense_media="ejected")
        device.hand[name] = taken
        await client.completion(f"Deposit.{name.capitalize()}")
        await client.success(DISPENSE)


SAID: dict[str, Callable[[Depository], object]] = {
    "a level that does not exist": lambda d: d.deposit_levels("unitBOX", container="fll"),  # type: ignore[arg-type]
    "a level as a number": lambda d: d.deposit_levels("unitBOX", container=3),  # type: ignore[arg-type]
    "a level of no unit": lambda d: d.deposit_levels("unitNOPE", container="full"),
    "a unit as a number": lambda d: d.deposit_levels(7, container="full"),  # type: ignore[arg-type]
    "a unit that cannot be a key": lambda d: d.deposit_levels([], container="full"),  # type: ignore[arg-type]
    "the container of the supply": lambda d: d.deposit_levels("unitENV", container="full"),
    "a hardware status": lambda d: d.unit_changed("unitBOX", "brokn"),  # type: ignore[arg-type]
    "the status of no unit": lambda d: d.unit_changed("unitNOPE", "missing"),
    "nothing": lambda d: d.send(None),  # type: ignore[arg-type]
    "what raises whenever it is touched": lambda d: d.send(lies.Weird()),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", SAID)
async def test_what_cannot_be_said_is_not_told_and_stops_no_deposit(
    client: Dialogue, device: Depository, books: Books, what: str
) -> None:
    async def says() -> None:
        SAID[what](device)

    device.hand["deposit"] = says
    completion = await client.completion(ENTRY)
    assert completion["header"].get("completionCode") in (None, "hardwareError")
    container = await books.container()
    deposited = "completionCode" not in completion["header"]
    assert container["numOfDeposits"] == int(deposited)
    assert container["depContainer"] == ("ok" if deposited else "unknown")
    with contextlib.suppress(ValueError, TypeError):
        SAID[what](device)
    await trio.testing.wait_all_tasks_blocked(0.05)
    del device.hand["deposit"]
    await client.success(ENTRY)
    assert set((await client.success("Storage.GetStorage"))["storage"]) == {"unitBOX", "unitENV"}


UNITS: list[tuple[str, Any]] = [
    ("capacity", -1),
    ("capacity", "5"),
    ("capacity", 2**40),
    ("high", -1),
    ("high", 1.5),
    ("initial", -3),
    ("initial", "3"),
    ("initial", True),
    ("initial", 2**64),
    ("container", 1),
    ("container", False),
    ("env_supply", "robot"),
    ("env_supply", "motorized"),
    ("container_level", "fll"),
    ("supply_level", 7),
    ("status", "okay"),
    ("serial_number", b"x"),
    ("id", "too long"),
]


@pytest.mark.parametrize(("name", "wrong"), UNITS, ids=str)
async def test_a_unit_that_cannot_be_is_named_and_no_other_service_notices(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, name: str, wrong: Any
) -> None:
    class Spoilt(Depository):
        async def units(self) -> Mapping[str, devices.StorageUnit]:
            honest = await super().units()
            return {**honest, "unitBOX": dataclasses.replace(honest["unitBOX"], **{name: wrong})}

    device, other = Spoilt(), Minimal("Other")
    services = [xfs4iot.Service(one, restart_seconds=0.001) for one in (device, other)]
    publisher = xfs4iot.Publisher(services, port=0)
    with caplog.at_level(logging.ERROR):
        await nursery.start(publisher.serve)
        client = await nursery.start(dialogue, publisher.uri(device.name))
        beside = await nursery.start(dialogue, publisher.uri(other.name))
        assert (await beside.success("Common.Status"))["common"]["device"] == "online"
        storage = (await client.success("Storage.GetStorage")).get("storage", {})
    assert (
        len([one for one in caplog.records if "Spoilt.units returned what cannot be" in one.getMessage()])
        == 1
    )
    assert storage == {}
    # Nobody would count it.
    assert await client.failure(ENTRY) == "containerMissing"
    assert await client.failure(RESET, {"depMediaControl": "retract"}) == "containerMissing"
    device.ends["reset"] = DepositReset()
    await client.success(RESET, {"depMediaControl": "eject"})


async def _cut_in_an_entry(directory: Path, hand: str) -> None:
    """Lose power in an entry, as the device's `hand` is in it; the ledger of that moment is `copy.sqlite`."""
    device = Depository()
    async with running(device, directory / "ledger.sqlite") as client:
        device.hand[hand] = power_cut(directory)
        await client.success(ENTRY)


RECALLED: dict[str, Any] = {
    "a text": "container",
    "a number": 1,
    "a misspelt place": DepositMoved("contaner"),  # type: ignore[arg-type]
    "into the supply": DepositMoved("dispenser"),
    "a reset": DepositReset(deposit_media="retracted"),
    "many": [DepositMoved("container")] * 2,
    "what raises whenever it is touched": lies.Weird(),
}


@pytest.mark.parametrize("what", RECALLED)
async def test_a_recall_that_cannot_be_is_as_good_as_none(
    nursery: trio.Nursery, tmp_path: Path, what: str
) -> None:
    class Recalling(Depository):
        async def recall_deposit(self, operation: int) -> Any:
            return RECALLED[what]

    await _cut_in_an_entry(tmp_path, "deposit")
    for _ in range(2):
        async with running(Recalling(), tmp_path / "copy.sqlite") as client:
            await Books(client).are("unknown", 0, "unknown")
    assert_closed(tmp_path / "copy.sqlite")


async def test_a_container_that_has_another_name_after_a_restart_takes_deposits(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    class Renamed(Depository):
        async def units(self) -> Mapping[str, devices.StorageUnit]:
            honest = await super().units()
            return {"unitNEW": honest["unitBOX"], "unitSUP": honest["unitENV"]}

        async def recall_deposit(self, operation: int) -> DepositMoved:
            return DepositMoved("container")

    await _cut_in_an_entry(tmp_path, "deposit")
    async with running(Renamed(), tmp_path / "copy.sqlite") as client:
        await client.success(ENTRY)
        await client.success(DISPENSE)
        storage = (await client.success("Storage.GetStorage"))["storage"]
        # What was interrupted is in the container of that time, what came since in the new one.
        deposits = [storage[name]["deposit"]["status"]["numOfDeposits"] for name in ("unitBOX", "unitNEW")]
        assert deposits == [1, 1]


PLACES: dict[str, Any] = {
    "the supply": "dispenser",
    "nowhere": "nowhere",
    "a number": 7,
    "None": None,
    "what raises whenever it is touched": lies.Weird(),
    "an exception": RuntimeError("gone"),
}


@pytest.mark.parametrize("place", PLACES)
async def test_where_the_last_item_is_cannot_be_anything(tmp_path: Path, place: str) -> None:
    class Inside(Depository):
        async def deposit_inside(self) -> Any:
            if place == "an exception":
                raise PLACES[place]
            return PLACES[place]

    await _cut_in_an_entry(tmp_path, "entry")
    async with running(Inside(), tmp_path / "copy.sqlite") as client:
        await Books(client).are("unknown", 0, "ok")
        await client.success(ENTRY)
        await Books(client).are("container", 1, "ok")
