"""Nothing that a device class says is believed unchecked: each kind of claim, and what becomes of it.

What no operation may return leaves the outcome unknown: the units are inaccurate, nothing that was
claimed is in the books, the log names class, operation, field and value, and the next command is served.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

import lies
import xfs4iot
from cash import amount, bucket, content, unit
from dialogue import Dialogue, dialogue
from power import assert_closed
from vendors import Minimal
from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_dispenser, cash_management, common, storage

SIXTY = {"denomination": amount(60)}


class Claiming(Minimal):
    """Holds 1,000 notes of 20; claims what it is told to."""

    claim: Callable[[], Any] | None = None
    recalled: Callable[[], Any] | None = None

    def __init__(self, name: str = "Claiming") -> None:
        super().__init__(name)
        self.bank_notes = {"typeEUR20": cash_management.BankNote()}
        self.asked = 0

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        found = (await super().cash_units())["unit1"]
        return {"unit1": dataclasses.replace(found, capacity=2000, initial=1000)}

    async def dispense(self, request: devices.DispenseRequest, events: devices.CashEvents) -> Any:
        self.asked += 1
        if self.claim is not None:
            return self.claim()
        return await super().dispense(request, events)

    async def recall(self, operation: int) -> Any:
        return self.recalled() if self.recalled is not None else None


async def served(
    nursery: trio.Nursery, *made: devices.Device, ledger: xfs4iot.Ledger | None = None
) -> list[Dialogue]:
    services = [xfs4iot.Service(one, ledger=ledger, restart_seconds=0.001) for one in made]
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return [await nursery.start(dialogue, publisher.uri(one.name)) for one in made]


def moved(count: Any = 3, source: Any = "unit1", target: Any = "output", **more: Any) -> Callable[[], Any]:
    more.setdefault("origin", "unit1")
    return lambda: devices.Dispensed(moved=(devices.ItemsMoved(count, source, target, **more),))


def said(**fields: Any) -> Callable[[], Any]:
    honest = {"moved": (devices.ItemsMoved(3, "unit1", "output", origin="unit1"),), **fields}
    return lambda: devices.Dispensed(**honest)


CLAIMS: dict[str, tuple[Callable[[], Any], str]] = {
    "a misspelt place": (moved(target="stackr"), "moved[0].target is str 'stackr'"),
    "a place that is nowhere": (moved(target="nirvana"), "moved[0].target is str 'nirvana'"),
    "a unit that does not exist": (moved(source="unit7", origin="unit7"), "moved[0].source is str 'unit7'"),
    "an origin that does not exist": (moved(origin="unit7"), "moved[0].origin is str 'unit7'"),
    "a negative count": (moved(-3), "moved[0].count is int -3"),
    "a count as text": (moved("3"), "moved[0].count is str '3'"),
    "a count with a fraction": (moved(1.5), "moved[0].count is float 1.5"),
    "a count that is not a number": (moved(float("nan")), "moved[0].count is float nan"),
    "an infinite count": (moved(float("inf")), "moved[0].count is float inf"),
    "a count as a Decimal": (moved(Decimal(3)), "moved[0].count is Decimal 3"),
    "a count above all bounds": (moved(2**63), "moved[0].count is int 9223372036854775808"),
    "a count of another library": (moved(lies.NumpyLike()), "moved[0].count is NumpyLike object"),
    "a truth value as a count": (moved(True), "moved[0].count is bool True"),
    "more than the unit holds": (moved(5000), "moved is 5000 in all"),
    "no source": (moved(source=None), "moved[0].source is None"),
    "bytes as a target": (moved(target=b"output"), "moved[0].target is bytes"),
    "a target that cannot be hashed": (moved(target=["output"]), "moved[0].target is list"),
    "an item as a number": (moved(item=7), "moved[0].item is int 7"),
    "a name that no text can hold": (moved(item="\ud800"), "moved[0].item is str '\\ud800'"),
    "a level that does not exist": (moved(item="typeEUR20", level="new"), "moved[0].level is str 'new'"),
    "None as what was moved": (said(moved=None), "moved is None"),
    "a dict as what was moved": (said(moved={}), "moved is dict"),
    "numbers as what was moved": (said(moved=(1, 2)), "moved[0] is int 1"),
    "a list of inaccurate units": (said(inaccurate=["unit1"]), "inaccurate is list"),
    "None as emptied units": (said(emptied=None), "emptied is None"),
    "emptied units that do not exist": (said(emptied=frozenset({"unit7"})), "emptied is str 'unit7'"),
    "bunches as text": (said(bunches="nan"), "bunches is str 'nan'"),
    "negative bunches": (said(bunches=-3), "bunches is int -3"),
    "bunches as a list": (said(bunches=[1]), "bunches is list"),
    "a failure that is not one of the standard": (said(failure=OSError()), "failure is OSError object"),
    "an error code that the command lacks": (
        said(failure=errors.CommandError("noItems")),
        "error_code is str 'noItems'",
    ),
    "a success that moved less": (moved(2), "moved is 2"),
    "a success that moved nothing": (said(moved=()), "moved is 0"),
    "a success that moved elsewhere": (moved(target="transport"), "moved is 0"),
    "another class": (lambda: devices.Presented(), "it is Presented object"),
    "a pretender": (lies.Pretender, "it is Pretender object"),
    "what raises whenever it is touched": (lies.Weird, "it is Weird object"),
}


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_dispense_that_cannot_be_is_named_and_its_outcome_unknown(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, claim: str
) -> None:
    device = Claiming()
    (client,) = await served(nursery, device)
    device.claim, named = CLAIMS[claim]
    assert await client.failure("CashDispenser.Dispense", SIXTY) == "hardwareError"
    lines = [one.getMessage() for one in caplog.records if "Claiming.dispense " in one.getMessage()]
    assert len(lines) == 1
    assert named in lines[0]
    assert len(lines[0]) < 1000
    found = await unit(client, "unit1")
    assert content(found) == 1000
    assert found["status"]["initial"] == {"typeEUR20": {"fit": 1000}}
    assert found["status"]["accuracy"] == "inaccurate"
    assert set((await client.success("Storage.GetStorage"))["storage"]) == {"unit1"}
    assert (await client.success("Common.Status"))["common"]["device"] == "hardwareError"
    device.claim = None
    await client.success("CashDispenser.Dispense", SIXTY)
    assert (await client.success("Common.Status"))["common"]["device"] == "online"


@pytest.mark.parametrize("claim", ["a count as text", "an item as a number", "a misspelt place"])
async def test_what_was_claimed_never_reaches_the_ledger(
    nursery: trio.Nursery, tmp_path: Path, claim: str
) -> None:
    device = Claiming()
    path = tmp_path / "ledger.sqlite"
    with xfs4iot.Ledger.open(path) as ledger:
        (client,) = await served(nursery, device, ledger=ledger)
        device.claim = CLAIMS[claim][0]
        await client.failure("CashDispenser.Dispense", SIXTY)
        nursery.cancel_scope.cancel()
    assert_closed(path)
    xfs4iot.Ledger.open(path).close()


@pytest.mark.parametrize("nonsense", [42, "moved", {"moved": ()}, b"", [], devices.Destination("stacker")])
async def test_a_recall_that_cannot_be_is_as_good_as_none(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, nonsense: Any
) -> None:
    device = Claiming()
    device.claim, device.recalled = CLAIMS["a misspelt place"][0], lambda: nonsense
    (client,) = await served(nursery, device)
    assert await client.failure("CashDispenser.Dispense", SIXTY) == "hardwareError"
    assert "Claiming.recall returned what cannot be" in caplog.text
    assert (await unit(client, "unit1"))["status"]["accuracy"] == "inaccurate"
    device.claim = None
    await client.success("CashDispenser.Dispense", SIXTY)


async def test_a_recall_of_more_than_was_asked_is_not_believed(nursery: trio.Nursery) -> None:
    device = Claiming()
    device.claim, device.recalled = CLAIMS["a misspelt place"][0], moved(500)
    (client,) = await served(nursery, device)
    await client.failure("CashDispenser.Dispense", SIXTY)
    found = await unit(client, "unit1")
    assert (content(found), found["status"]["accuracy"]) == (1000, "inaccurate")


async def test_a_recall_that_can_be_settles_what_a_lie_has_left(nursery: trio.Nursery) -> None:
    device = Claiming()
    device.claim, device.recalled = CLAIMS["a misspelt place"][0], moved(2)
    (client,) = await served(nursery, device)
    await client.failure("CashDispenser.Dispense", SIXTY)
    found = await unit(client, "unit1")
    assert (content(found), found["status"]["accuracy"]) == (998, "accurateSet")


UNITS: tuple[tuple[str, Any], ...] = (
    *((name, wrong) for name, several in lies.WRONG_UNITS.items() for wrong in several),
    ("initial", 5000),
)


@pytest.mark.parametrize(("name", "wrong"), UNITS, ids=[f"{name} {wrong!r:.20}" for name, wrong in UNITS])
async def test_a_unit_that_cannot_be_is_named_and_no_other_service_notices(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, name: str, wrong: Any
) -> None:
    class Odd(Claiming):
        async def cash_units(self) -> Mapping[str, devices.CashUnit]:
            found = (await super().cash_units())["unit1"]
            return {"unit1": dataclasses.replace(found, **{name: wrong})}

    client, other = await served(nursery, Odd("Odd"), Claiming("Other"))
    assert await client.success("Storage.GetStorage") == {}
    assert "Odd.units returned what cannot be" in caplog.text
    assert name in caplog.text
    await other.success("CashDispenser.Dispense", SIXTY)


def raising(fault: BaseException) -> Callable[[], Any]:
    def make() -> Any:
        raise fault

    return make


@pytest.mark.parametrize(
    "answer",
    [
        lambda: {"unit1": None},
        lambda: {"unit1": {"index": 1}},
        lambda: {5: None},
        lambda: {"\ud800": None},
        lambda: ["unit1"],
        lies.Breaking,
        lies.Endless,
        raising(ValueError("no")),
        raising(KeyboardInterrupt()),
        raising(SystemExit(3)),
        raising(GeneratorExit()),
        raising(trio.TooSlowError()),
    ],
)
async def test_whatever_is_said_of_the_units_the_publisher_comes_up(
    nursery: trio.Nursery, answer: Callable[[], Any]
) -> None:
    class Odd(Claiming):
        async def cash_units(self) -> Any:
            return answer()

    client, other = await served(nursery, Odd("Odd"), Claiming("Other"))
    assert await client.success("Storage.GetStorage") == {}
    await other.success("CashDispenser.Dispense", SIXTY)


@pytest.mark.parametrize("answer", [{"unit1": "3"}, {"unit1": -1}, {"unit1": 5000}, {"unit7": 1}, [3], 1.5])
async def test_counts_of_a_device_that_cannot_be_leave_the_units_inaccurate_at_the_start(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    class Odd(Claiming):
        async def unit_counts(self) -> Any:
            return answer

    ledger = xfs4iot.Ledger.open(None)
    await ledger.service("Odd").begin("reject", command="CashDispenser.Reject", detail={"units": ["unit1"]})
    client, other = await served(nursery, Odd("Odd"), Claiming("Other"), ledger=ledger)
    assert "Odd.unit_counts returned what cannot be" in caplog.text
    found = await unit(client, "unit1")
    assert (content(found), found["status"]["accuracy"]) == (1000, "inaccurate")
    await other.success("CashDispenser.Dispense", SIXTY)


class HalfOpen(Claiming):
    """Says that it is online, and then fails to open."""

    openings = 0

    async def open(self) -> None:
        await super().open()
        self.openings += 1
        if self.openings < 3:
            raise errors.HardwareError("the safe does not answer")


async def test_nothing_reaches_a_device_that_failed_to_open_after_it_said_that_it_is_online(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    device = HalfOpen()
    service = xfs4iot.Service(device)
    await nursery.start(service.run)
    assert device.status.common is not None
    assert device.status.common.device == "hardwareError"
    with pytest.raises(errors.DeviceNotReady, match="could not be opened"):
        await service.operations.ask(devices.CashDispenser.prepare_dispense, "start")
    assert device.asked == 0
    await trio.sleep(10)
    assert device.status.common.device == "online"


SETTINGS: tuple[tuple[Callable[[devices.Device], Any], str], ...] = (
    (lambda on: setattr(on.status.common, "device", "onlin"), r"StatusProperties\.device is str 'onlin'"),
    (lambda on: setattr(on.status.common, "device", 5), r"StatusProperties\.device is int 5"),
    (
        lambda on: setattr(on.status, "common", common.StatusProperties(device="onlin")),  # type: ignore[arg-type]
        r"StatusCompletion\.common\.device is str 'onlin'; it must be one of 'online'",
    ),
    (lambda on: setattr(on.status, "cash_dispenser", "ok"), r"StatusCompletion\.cash_dispenser is str 'ok'"),
    (
        lambda on: setattr(on.capabilities, "cash_dispenser", cash_dispenser.Capabilities(type="atm")),  # type: ignore[arg-type]
        r"CapabilitiesCompletion\.cash_dispenser\.type is str 'atm'; it must be one of 'tellerBill'",
    ),
    (lambda on: setattr(on, "capabilities", None), r"capabilities is None"),
    (lambda on: setattr(on, "bank_notes", ["typeEUR20"]), r"bank_notes is list"),
    (lambda on: setattr(on, "currency_mix", "no"), r"currency_mix is str 'no'"),
)


@pytest.mark.parametrize("number", range(len(SETTINGS)))
async def test_status_and_capabilities_are_refused_where_they_are_set(
    nursery: trio.Nursery, number: int
) -> None:
    device = Claiming()
    (client,) = await served(nursery, device)
    make, named = SETTINGS[number]
    with pytest.raises(ValueError, match=named):
        make(device)
    assert (await client.success("Common.Status"))["common"]["device"] == "online"
    await client.success("Common.Capabilities")


async def test_a_hardware_error_shows_in_the_status_when_it_is_returned_as_well(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = Claiming()
    (client,) = await served(nursery, device)
    device.claim = said(moved=(), failure=errors.HardwareError("the transport is jammed"))
    assert await client.failure("CashDispenser.Dispense", SIXTY) == "hardwareError"
    assert (await client.success("Common.Status"))["common"]["device"] == "hardwareError"
    assert "Claiming.dispense failed: the transport is jammed" in caplog.text


class Forgetting(Claiming):
    """Jams with the notes on its transport, and knows nothing of them when it is reset."""

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        reject = devices.CashUnit(index=2, capacity=100, types=frozenset({"reject"}))
        return {**await super().cash_units(), "unit2": reject}

    async def reset(self, destination: devices.Destination, events: devices.CashEvents) -> devices.Retracted:
        return devices.Retracted()


async def test_a_reset_that_forgets_items_on_the_transport_is_told(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = Forgetting()
    (client,) = await served(nursery, device)
    jammed = devices.ItemsMoved(3, "unit1", "transport", origin="unit1")
    device.claim = said(moved=(jammed,), failure=errors.HardwareError("jammed"))
    await client.failure("CashDispenser.Dispense", SIXTY)
    await client.success("CashManagement.Reset", {})
    assert "3 of unit1 on the transport" in caplog.text
    found = await unit(client, "unit1")
    assert found["status"]["accuracy"] == "inaccurate"
    assert (bucket(found, "out", "transport"), bucket(found, "out", "unknown")) == (0, 3)
    assert (await client.success("Common.Status"))["common"]["device"] == "hardwareError"
    caplog.clear()
    await client.success("CashManagement.Reset", {})
    assert "on the transport" not in caplog.text


@pytest.mark.parametrize("make", lies.RAISED, ids=lambda make: type(make()).__name__)
async def test_whatever_an_operation_raises_is_its_own_fault(
    nursery: trio.Nursery, make: Callable[[], BaseException]
) -> None:
    device = Claiming()
    client, other = await served(nursery, device, Claiming("Other"))
    device.claim = raising(make())
    assert await client.failure("CashDispenser.Dispense", SIXTY) == "hardwareError"
    device.claim = None
    await client.success("CashDispenser.Dispense", SIXTY)
    await other.success("CashDispenser.Dispense", SIXTY)


class Running(Claiming):
    """Fails in `run`, as it is told to."""

    fails: Callable[[], Awaitable[Any]]

    async def run(self) -> None:
        fails, self.fails = self.fails, trio.sleep_forever
        await fails()


async def _raise_kept_cancelled() -> None:
    kept: BaseException | None = None
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            kept = cancelled
            raise
    assert kept is not None
    raise kept


async def _await_another_library() -> None:
    await lies.foreign()


@pytest.mark.parametrize("fails", [_raise_kept_cancelled, _await_another_library])
async def test_cancellation_that_was_kept_and_other_libraries_end_no_service(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, fails: Callable[[], Awaitable[Any]]
) -> None:
    device = Running()
    device.fails = fails
    client, other = await served(nursery, device, Claiming("Other"))
    with trio.fail_after(10):
        while "Running.run failed" not in caplog.text:
            await client.success("Common.Status")
    await other.success("CashDispenser.Dispense", SIXTY)


EVENTS: tuple[Any, ...] = (
    5,
    None,
    lies.Weird(),
    cash_management.ItemsTakenEvent(position=42),  # type: ignore[arg-type]
    cash_management.ItemsTakenEvent(additional_bunches="many"),
    storage.StorageChangedEvent({"unit1": 5}),  # type: ignore[dict-item]
    cash_dispenser.Dispense(),
)


class Chatty(Claiming):
    """Sends what it is told to while it dispenses."""

    event: Any = None

    async def dispense(self, request: devices.DispenseRequest, events: devices.CashEvents) -> Any:
        events.send(self.event)
        return await super().dispense(request, events)


@pytest.mark.parametrize("number", range(len(EVENTS)))
async def test_an_event_that_cannot_be_is_not_sent_and_stops_no_movement(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    device = Chatty()
    device.event = EVENTS[number]
    (client,) = await served(nursery, device)
    with caplog.at_level(logging.ERROR):
        await client.success("CashDispenser.Dispense", SIXTY)
    assert caplog.text.count("was not sent") == 1
    with pytest.raises(ValueError, match="standard"):
        device.send(EVENTS[number])
    assert [one["header"]["type"] for one in client.passed if one["header"]["type"] == "event"] == []


async def test_a_device_cannot_change_what_it_was_asked_for(nursery: trio.Nursery) -> None:
    class Meddling(Claiming):
        async def dispense(self, request: devices.DispenseRequest, events: devices.CashEvents) -> Any:
            counts: Any = request.counts
            counts["unit1"] = 0
            return devices.Dispensed()

    (client,) = await served(nursery, Meddling())
    assert await client.failure("CashDispenser.Dispense", SIXTY) == "hardwareError"


async def test_what_a_secret_is_instead_stands_in_no_log(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    class Careless(Claiming):
        async def token_key(self, name: str) -> Any:
            return "0123456789abcdef0123456789abcdef"

    (client,) = await served(nursery, Careless())
    assert "Careless.token_key returned what cannot be: it is str (not shown)" in caplog.text
    assert "0123456789abcdef" not in caplog.text
    await client.success("Common.Status")


class Loose(devices.BarcodeReader):
    """Returns what it read as it comes to hand."""

    symbologies = frozenset({"qrCode"})
    found: Any = None

    async def read(self, wanted: frozenset[str] | None, events: devices.CommandEvents) -> Any:
        return self.found


@pytest.mark.parametrize(
    "found",
    [
        "4929000000000000",
        ("4929000000000000",),
        ["4929000000000000"],
        (devices.Barcode("4929000000000000"),),  # type: ignore[arg-type]
        (devices.Barcode(b"x", symbology=5, symbology_name="4929"),),  # type: ignore[arg-type]
    ],
)
async def test_what_a_code_says_stands_in_no_log_however_it_is_returned(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, found: Any
) -> None:
    device = Loose("Loose")
    device.found = found
    (client,) = await served(nursery, device)
    completion = await client.completion("BarcodeReader.Read", {})
    assert completion["header"]["completionCode"] == "hardwareError"
    assert "Loose.read returned what cannot be" in caplog.text
    assert "4929" not in caplog.text + str(completion)
