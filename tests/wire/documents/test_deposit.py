"""Deposit over the wire: what is put in, dispensed, retracted, counted, and where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from depositories import Bags, Depository
from dialogue import Dialogue, another
from scanners import forever
from vendors import power_cut, refusal, serving
from xfs4iot.devices import DepositMoved, DepositReset
from xfs4iot.ledger import LedgerReader


@pytest.fixture
def device() -> Depository:
    return Depository()


@pytest.fixture
async def client(device: Depository, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def do(client: Dialogue, name: str, payload: Any = None) -> dict[str, Any]:
    return await client.success(f"Deposit.{name}", payload)


async def cannot(client: Dialogue, name: str, payload: Any = None) -> str:
    return await client.failure(f"Deposit.{name}", payload)


async def unit(client: Dialogue, name: str = "unitBOX") -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Storage.GetStorage"))["storage"][name]["deposit"]["status"]
    return found


async def deposits(client: Dialogue) -> int:
    found: int = (await unit(client))["numOfDeposits"]
    return found


async def status(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Common.Status"))["deposit"]
    return found


async def location(client: Dialogue) -> str:
    found: str = (await status(client))["depositLocation"]
    return found


def told(client: Dialogue) -> list[str]:
    """The events that came so far, without those of the status."""
    names = [one["header"]["name"] for one in client.passed if one["header"]["type"] == "unsolicited"]
    return [name.partition(".")[2] for name in names if name != "Common.StatusChangedEvent"]


async def test_an_envelope_is_printed_on_and_deposited(client: Dialogue, device: Depository) -> None:
    assert await location(client) == "none"
    await do(client, "Entry", {"printData": "A" * 10})
    assert told(client) == [
        "InsertDepositEvent",
        "EnvInsertedEvent",
        "CountsChangedEvent",
        "EnvDepositedEvent",
    ]
    assert ("deposit", "A" * 10) in device.called
    assert await deposits(client) == 1
    assert await location(client) == "container"
    await do(client, "Entry", {"printData": ""})
    assert device.called[-1] == ("deposit", None)


async def test_the_journal_links_an_envelope_with_who_put_it_in(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.sqlite"
    with xfs4iot.Ledger.open(file) as ledger:
        device = Depository()
        client = await serving(device, nursery, ledger)
        request = await client.send("Deposit.Entry", {"printData": "ACCOUNT 42"})
        await client.until("completion", request)
        device.ends["deposit"] = DepositMoved("unknown", failure=refusal("depUnknown"))
        await client.completion("Deposit.Entry", {"printData": "ACCOUNT 43"})
        with LedgerReader.open(file) as reader:
            found = [one for one in reader.movements() if one.intent.command == "Deposit.Entry"]
        assert [one.intent.request_id for one in found][:1] == [request]
        assert len(found) == 2
        assert found[0].outcome == "done"
        assert found[1].outcome != "done"
        # What is printed may name the customer.
        assert b"ACCOUNT" not in file.read_bytes()
        nursery.cancel_scope.cancel()


async def test_the_last_places_of_a_container_without_a_sensor(client: Dialogue) -> None:
    levels = []
    for _ in range(5):
        await do(client, "Entry")
        levels.append((await unit(client))["depContainer"])
    assert levels == ["ok", "ok", "high", "high", "full"]
    assert told(client).count("StorageThresholdEvent") == 2
    assert await cannot(client, "Entry") == "depFull"
    await client.success("Storage.SetStorage", {"storage": {"unitBOX": {"deposit": {"numOfDeposits": 2}}}})
    await do(client, "Entry")
    assert await deposits(client) == 3
    for number in (-1, 2**62):
        wanted = {"storage": {"unitBOX": {"deposit": {"numOfDeposits": number}}}}
        assert await client.failure("Storage.SetStorage", wanted) == "invalidData"


async def test_what_sensors_see_is_believed_and_told_once(client: Dialogue, device: Depository) -> None:
    device.deposit_levels("unitBOX", container="full")
    event = await client.until("unsolicited", name="Storage.StorageThresholdEvent")
    assert event["payload"] == {"unitBOX": {"deposit": {"status": {"depContainer": "full"}}}}
    assert await cannot(client, "Entry") == "depFull"
    device.deposit_levels("unitBOX", container="ok")
    device.deposit_levels("unitENV", supply="low")
    await do(client, "Entry")
    assert (await unit(client, "unitENV"))["envSupply"] == "low"


async def test_a_container_that_is_pulled_out_takes_nothing_and_keeps_its_count(
    client: Dialogue, device: Depository
) -> None:
    await do(client, "Entry")
    device.unit_changed("unitBOX", "missing")
    event = await client.until("unsolicited", name="Storage.StorageThresholdEvent")
    assert event["payload"]["unitBOX"]["deposit"]["status"] == {"depContainer": "missing"}
    event = await client.until("unsolicited", name="Storage.StorageChangedEvent")
    assert event["payload"]["unitBOX"]["status"] == "missing"
    assert await cannot(client, "Entry") == "containerMissing"
    device.unit_changed("unitBOX", "inoperative")
    assert await cannot(client, "Entry") == "depJammed"
    device.unit_changed("unitBOX", "ok")
    assert await deposits(client) == 1
    await do(client, "Entry")


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"printData": "A" * 11}, "invalidData"),
        ({"printData": "äöü"}, "characterNotSupp"),
    ],
)
async def test_text_that_cannot_be_printed(
    client: Dialogue, device: Depository, payload: Any, code: str
) -> None:
    for name in ("Entry", "Retract"):
        assert await cannot(client, name, payload) == code
    assert not device.called


async def test_a_printer_that_knows_all_characters(client: Dialogue, device: Depository) -> None:
    assert device.deposit_printer is not None
    device.deposit_printer.unicode_support = True
    await do(client, "Entry", {"printData": "äöü"})
    device.deposit_printer.print_on_retract = False
    assert await cannot(client, "Retract", {"printData": "A"}) == "invalidData"


async def test_what_a_slot_for_bags_cannot_do(nursery: trio.Nursery) -> None:
    client = await serving(Bags("Deposit"), nursery)
    await do(client, "Entry")
    assert await cannot(client, "Entry", {"printData": "A"}) == "invalidData"
    assert await cannot(client, "Dispense") == "unsupportedCommand"
    assert await cannot(client, "Retract") == "unsupportedCommand"
    assert await cannot(client, "Reset") == "unsupportedCommand"
    for payload in (None, {}, {"toner": True}, {"envelope": True}):
        assert await cannot(client, "SupplyReplenish", payload) == "invalidData"
    capabilities = (await client.success("Common.Capabilities"))["deposit"]
    assert capabilities == {
        "type": {"envelope": False, "bag": True},
        "depTransport": False,
        "shutter": False,
    }
    assert await status(client) == {"depositLocation": "container"}
    assert "envSupply" not in await unit(client)


@pytest.mark.parametrize("end", ["canceled", "timeOut"])
async def test_an_entry_that_is_given_up_before_anything_is_put_in(
    client: Dialogue, device: Depository, end: str
) -> None:
    device.inserted = trio.Event()
    request = await client.send("Deposit.Entry", timeout=50 if end == "timeOut" else 0)
    await client.until("unsolicited", name="Deposit.InsertDepositEvent")
    if end == "canceled":
        await client.success("Common.Cancel", {"requestIds": [request]})
    assert (await client.until("completion", request))["header"]["completionCode"] == end
    assert device.called == [("stop_entry",)]
    assert (await location(client), await deposits(client)) == ("none", 0)
    assert "EnvInsertedEvent" not in told(client)


async def test_an_entry_that_is_given_up_just_when_something_was_put_in_goes_on(
    client: Dialogue, device: Depository
) -> None:
    device.inserted = trio.Event()
    device.ends["stop_entry"] = True
    request = await client.send("Deposit.Entry")
    await client.until("unsolicited", name="Deposit.InsertDepositEvent")
    await client.success("Common.Cancel", {"requestIds": [request]})
    completion = await client.until("completion", request)
    assert "completionCode" not in completion["header"]
    assert await deposits(client) == 1


@pytest.mark.parametrize("end", ["canceled", "timeOut"])
async def test_an_entry_goes_to_its_end_once_something_is_in(
    client: Dialogue, device: Depository, end: str
) -> None:
    inside, go_on = trio.Event(), trio.Event()

    async def hold() -> None:
        inside.set()
        await go_on.wait()

    device.hand["deposit"] = hold
    request = await client.send("Deposit.Entry", timeout=300 if end == "timeOut" else 0)
    await inside.wait()
    if end == "canceled":
        await client.success("Common.Cancel", {"requestIds": [request]})
    else:
        await trio.sleep(0.4)
    go_on.set()
    assert "completionCode" not in (await client.until("completion", request))["header"]
    assert await deposits(client) == 1


@pytest.mark.parametrize(
    ("moved", "error", "place", "count"),
    [
        (DepositMoved("container", refusal("shutterNotClosed")), "shutterNotClosed", "container", 1),
        (DepositMoved("container", refusal("printerFail")), "printerFail", "container", 1),
        (DepositMoved("printer", refusal("printerFail")), "printerFail", "printer", 0),
        (DepositMoved("transport", refusal("depJammed")), "depJammed", "transport", 0),
        (DepositMoved("transport", refusal("depFull")), "depFull", "transport", 0),
        (DepositMoved("shutter", refusal("envSize")), "envSize", "shutter", 0),
        (DepositMoved("removed", refusal("unknown")), "unknown", "removed", 0),
        (DepositMoved("unknown", refusal("unknown")), "unknown", "unknown", 0),
        (refusal("shutterNotClosed"), "shutterNotClosed", "shutter", 0),
    ],
)
async def test_how_a_deposit_fails_and_where_it_is_then(
    client: Dialogue, device: Depository, moved: Any, error: str, place: str, count: int
) -> None:
    device.ends["deposit"] = moved
    assert await cannot(client, "Entry") == error
    order = [name for name in told(client) if name in ("DepositErrorEvent", "EnvDepositedEvent")]
    assert order == ["DepositErrorEvent", "EnvDepositedEvent"][: 1 + count]
    event = await client.until("unsolicited", name="Deposit.DepositErrorEvent")
    assert event["payload"] == {"error": error}
    assert (await location(client), await deposits(client)) == (place, count)
    assert ("EnvDepositedEvent" in told(client)) == bool(count)
    if place in ("transport", "printer"):
        assert await cannot(client, "Entry") == "depJammed"


async def test_what_is_pushed_back_is_taken_and_can_be_put_in_again(
    client: Dialogue, device: Depository
) -> None:
    device.ends["deposit"] = DepositMoved("shutter", refusal("envSize"))
    await cannot(client, "Entry")
    device.envelope_taken()
    await client.until("unsolicited", name="Deposit.EnvTakenEvent")
    assert await location(client) == "removed"
    del device.ends["deposit"]
    await do(client, "Entry")
    assert await location(client) == "container"


@pytest.mark.parametrize("code", ["shutterNotOpened", "depJammed"])
async def test_a_slot_that_does_not_open(client: Dialogue, device: Depository, code: str) -> None:
    device.ends["entry"] = refusal(code)
    assert await cannot(client, "Entry") == code
    assert (await location(client), await deposits(client)) == ("none", 0)
    assert "DepositErrorEvent" not in told(client)


@pytest.mark.parametrize("operation", ["entry", "deposit"])
async def test_a_class_that_fails_leaves_an_item_that_nobody_knows_of(
    client: Dialogue, device: Depository, operation: str
) -> None:
    device.ends[operation] = RuntimeError("broken")
    assert await cannot(client, "Entry") == "hardwareError"
    assert (await location(client), await deposits(client)) == ("unknown", 0)
    if operation == "deposit":
        await client.until("unsolicited", name="Deposit.DepositErrorEvent")
        assert (await unit(client))["depContainer"] == "unknown"
    wanted = {"storage": {"unitBOX": {"deposit": {"numOfDeposits": 1}}}}
    await client.success("Storage.SetStorage", wanted)
    assert await unit(client) == {"depContainer": "ok", "numOfDeposits": 1}


@pytest.mark.parametrize("lie", [DepositMoved("shutter"), DepositMoved("unknown"), "container", None])
async def test_a_deposit_that_went_nowhere_is_not_believed(
    client: Dialogue, device: Depository, lie: Any
) -> None:
    device.ends["deposit"] = lie
    assert await cannot(client, "Entry") == "hardwareError"
    assert await deposits(client) == 0


async def test_without_toner_and_printer_nothing_is_printed(client: Dialogue, device: Depository) -> None:
    device.ends["deposit"] = DepositMoved("container", refusal("tonerOut"))
    assert await cannot(client, "Entry", {"printData": "A"}) == "tonerOut"
    del device.ends["deposit"]
    assert (await status(client))["toner"] == "out"
    assert await cannot(client, "Entry", {"printData": "A"}) == "tonerOut"
    await do(client, "Entry")
    await do(client, "SupplyReplenish", {"toner": True})
    assert (await status(client))["toner"] == "full"
    device.status.deposit.printer = "inoperative"
    for name in ("Entry", "Retract"):
        assert await cannot(client, name, {"printData": "A"}) == "printerFail"


async def test_an_envelope_is_dispensed_and_taken(client: Dialogue, device: Depository) -> None:
    await do(client, "Dispense")
    assert await cannot(client, "Dispense") == "sequenceError"
    assert await cannot(client, "Entry") == "sequenceError"
    device.envelope_taken()
    await client.until("unsolicited", name="Deposit.EnvTakenEvent")
    await do(client, "Dispense")
    assert (await location(client), device.called.count(("dispense",))) == ("none", 2)


async def test_an_envelope_that_is_taken_at_once_is_not_waited_for(
    client: Dialogue, device: Depository
) -> None:
    async def take() -> None:
        device.envelope_taken()

    device.hand["dispense"] = take
    await do(client, "Dispense")
    await do(client, "Entry")


async def test_a_device_that_does_not_see_envelopes_taken_is_not_waited_for(nursery: trio.Nursery) -> None:
    device = Depository()
    device.senses_taken = False
    client = await serving(device, nursery)
    for _ in range(2):
        await do(client, "Dispense")
    await do(client, "Entry")


async def test_a_supply_that_is_used_up_and_refilled(client: Dialogue, device: Depository) -> None:
    device.ends["dispense"] = refusal("empty")
    assert await cannot(client, "Dispense") == "empty"
    assert (await unit(client, "unitENV"))["envSupply"] == "empty"
    assert await cannot(client, "Dispense") == "empty"
    assert device.called == [("dispense",)]
    await do(client, "SupplyReplenish", {"envelope": True, "toner": False})
    assert (await unit(client, "unitENV"))["envSupply"] == "ok"
    device.unit_changed("unitENV", "missing")
    assert await cannot(client, "Dispense") == "empty"
    device.unit_changed("unitENV", "inoperative")
    assert await cannot(client, "Dispense") == "jammed"


@pytest.mark.parametrize("code", ["jammed", "shutterNotOpened"])
async def test_how_dispensing_fails(client: Dialogue, device: Depository, code: str) -> None:
    device.ends["dispense"] = refusal(code)
    assert await cannot(client, "Dispense") == code
    del device.ends["dispense"]
    await do(client, "Dispense")


async def test_a_supply_with_a_sensor_is_as_full_as_that_sees(client: Dialogue, device: Depository) -> None:
    device.supply_sensors = frozenset({"toner", "envelope"})
    device.status.deposit.toner = "low"
    device.deposit_levels("unitENV", supply="low")
    await do(client, "SupplyReplenish", {"toner": True, "envelope": True})
    assert device.called == [("supply_replenish", frozenset({"toner", "envelope"}))]
    assert (await status(client))["toner"] == "low"
    assert (await unit(client, "unitENV"))["envSupply"] == "low"
    device.ends["dispense"] = refusal("empty")
    assert await cannot(client, "Dispense") == "empty"
    assert (await unit(client, "unitENV"))["envSupply"] == "low"


async def test_every_client_sees_that_a_customer_deposits(client: Dialogue, nursery: trio.Nursery) -> None:
    bystander = await another(client, nursery)
    await bystander.success("Common.Status")
    await do(client, "Entry")
    for name in ("InsertDepositEvent", "EnvInsertedEvent", "EnvDepositedEvent"):
        await bystander.until("unsolicited", name=f"Deposit.{name}")


async def test_a_supply_that_the_customer_takes_from(nursery: trio.Nursery) -> None:
    device = Depository()
    device.kind = "manual"
    client = await serving(device, nursery)
    await do(client, "Dispense")
    await do(client, "Dispense")
    assert await cannot(client, "Retract") == "unsupportedCommand"
    await do(client, "Entry")


@pytest.mark.parametrize(("target", "count"), [("container", 1), ("dispenser", 0)])
async def test_an_envelope_that_nobody_took_is_retracted(
    nursery: trio.Nursery, target: str, count: int
) -> None:
    device = Depository()
    device.retract_envelope = target
    client = await serving(device, nursery)
    await do(client, "Dispense")
    await do(client, "Retract", {"printData": "RETRACT"})
    assert device.called[-1] == ("retract", "RETRACT")
    assert (await deposits(client), await location(client)) == (count, "none")
    await do(client, "Dispense")


@pytest.mark.parametrize("code", ["noEnv", "depJammed", "envJammed", "printerFail", "shutterNotClosed"])
async def test_how_retracting_fails(client: Dialogue, device: Depository, code: str) -> None:
    await do(client, "Dispense")
    device.ends["retract"] = refusal(code)
    assert await cannot(client, "Retract") == code
    assert await deposits(client) == 0
    assert (await client.completion("Deposit.Dispense"))["header"].get("completionCode") == (
        None if code == "noEnv" else "sequenceError"
    )


async def test_what_is_retracted_into_a_full_or_missing_container(
    client: Dialogue, device: Depository
) -> None:
    device.deposit_levels("unitBOX", container="full")
    assert await cannot(client, "Retract") == "depFull"
    assert await cannot(client, "Reset", {"depMediaControl": "retract"}) == "depFull"
    device.unit_changed("unitBOX", "missing")
    assert await cannot(client, "Retract") == "containerMissing"
    assert await cannot(client, "Reset", {"depMediaControl": "retract"}) == "containerMissing"
    await do(client, "Reset", {"depMediaControl": "eject"})


async def test_what_was_pushed_back_is_retracted(client: Dialogue, device: Depository) -> None:
    device.ends["deposit"] = DepositMoved("shutter", refusal("envSize"))
    await cannot(client, "Entry")
    await do(client, "Retract")
    assert (await location(client), await deposits(client)) == ("container", 1)


@pytest.mark.parametrize(
    ("was", "found", "place", "count"),
    [
        ("transport", DepositReset(deposit_media="retracted"), "container", 1),
        ("transport", DepositReset(deposit_media="ejected", dispense_media="noMedia"), "shutter", 0),
        ("printer", DepositReset(deposit_media="jammed"), "printer", 0),
        ("shutter", DepositReset(deposit_media="noMedia"), "removed", 0),
        ("shutter", DepositReset(deposit_media="jammed"), "transport", 0),
        ("transport", DepositReset(deposit_media="noMedia"), "unknown", 0),
        ("transport", DepositReset(deposit_media="unknown", dispense_media="retracted"), "unknown", 1),
    ],
)
async def test_a_reset_tells_what_it_has_found(
    client: Dialogue, device: Depository, was: Any, found: DepositReset, place: str, count: int
) -> None:
    device.ends["deposit"] = DepositMoved(was, refusal("depJammed"))
    await cannot(client, "Entry")
    device.ends["reset"] = found
    await do(client, "Reset")
    event = await client.until("unsolicited", name="Deposit.MediaDetectedEvent")
    assert event["payload"]["depositMedia"] == found.deposit_media
    assert event["payload"].get("dispenseMedia") == found.dispense_media
    assert (await location(client), await deposits(client)) == (place, count)


async def test_a_reset_that_finds_nothing_changes_nothing(client: Dialogue, device: Depository) -> None:
    await do(client, "Entry")
    await do(client, "Reset", {})
    event = await client.until("unsolicited", name="Deposit.MediaDetectedEvent")
    assert event["payload"] == {"depositMedia": "noMedia", "dispenseMedia": "noMedia"}
    assert (await location(client), await deposits(client)) == ("container", 1)


async def test_a_reset_makes_way_for_the_next_envelope(client: Dialogue, device: Depository) -> None:
    await do(client, "Dispense")
    device.ends["reset"] = DepositReset(dispense_media="dispenser")
    await do(client, "Reset", {"depMediaControl": "retract"})
    assert ("reset", "retract") in device.called
    await do(client, "Dispense")
    device.ends["reset"] = DepositReset(dispense_media="ejected")
    await do(client, "Reset")
    assert await cannot(client, "Dispense") == "sequenceError"


@pytest.mark.parametrize("code", ["depJammed", "envJammed", "shutterNotOpened", "shutterNotClosed"])
async def test_how_a_reset_fails(client: Dialogue, device: Depository, code: str) -> None:
    await do(client, "Dispense")
    device.ends["reset"] = refusal(code)
    assert await cannot(client, "Reset") == code
    assert "MediaDetectedEvent" not in told(client)
    assert await cannot(client, "Dispense") == "sequenceError"
    device.ends["reset"] = DepositReset(deposit_media="retracted", failure=refusal(code))
    assert await cannot(client, "Reset") == code
    await client.until("unsolicited", name="Deposit.MediaDetectedEvent")
    assert await deposits(client) == 1


async def test_a_reset_cannot_find_what_the_device_has_no_supply_for(nursery: trio.Nursery) -> None:
    async def lie(self: Any, control: Any, events: Any) -> DepositReset:
        return DepositReset(dispense_media="retracted")

    client = await serving(type("Lying", (Bags,), {"reset": lie})("Deposit"), nursery)
    assert await cannot(client, "Reset") == "hardwareError"
    assert await deposits(client) == 0


async def test_the_record_outlives_a_restart() -> None:
    ledger = xfs4iot.Ledger.open(None)
    for life in range(2):
        async with trio.open_nursery() as nursery:
            client = await serving(Depository(), nursery, ledger)
            if life == 0:
                await do(client, "Entry")
                await do(client, "Dispense")
            assert (await location(client), await deposits(client)) == ("container", 1)
            assert await cannot(client, "Dispense") == "sequenceError"
            nursery.cancel_scope.cancel()


class Recalling(Depository):
    """A device that knows after a restart what it did."""

    recalls: Any = None
    inside: Any = "shutter"

    async def recall_deposit(self, operation: int) -> Any:
        return self.recalls

    async def deposit_inside(self) -> Any:
        return self.inside


@pytest.mark.parametrize(
    ("during", "kind", "recalls", "place", "count"),
    [
        ("deposit", Depository, None, "unknown", 0),
        ("deposit", Recalling, None, "shutter", 0),
        ("deposit", Recalling, DepositMoved("container"), "container", 1),
        ("deposit", Recalling, DepositMoved("transport", refusal("depJammed")), "transport", 0),
        ("deposit", Recalling, DepositMoved("unknown"), "unknown", 0),
        ("entry", Depository, None, "unknown", 0),
        ("entry", Recalling, None, "shutter", 0),
        ("reset", Recalling, DepositReset(deposit_media="retracted"), "none", 1),
        ("retract", Recalling, DepositMoved("container"), "none", 1),
    ],
)
async def test_the_power_fails_and_what_the_device_recalls_is_booked_once(
    tmp_path: Path, during: str, kind: Any, recalls: Any, place: str, count: int
) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
    async with trio.open_nursery() as nursery:
        device = Depository()
        client = await serving(device, nursery, ledger)
        device.hand[during] = power_cut(tmp_path)
        await do(client, {"deposit": "Entry"}.get(during, during.capitalize()))
        nursery.cancel_scope.cancel()
    ledger.close()
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            again = kind()
            again.recalls = recalls
            ledger = xfs4iot.Ledger.open(tmp_path / "copy.sqlite")
            client = await serving(again, nursery, ledger)
            assert (await location(client), await deposits(client)) == (place, count)
            nursery.cancel_scope.cancel()
        ledger.close()


async def test_a_movement_that_hangs_holds_up_nothing_but_the_queue(
    client: Dialogue, device: Depository
) -> None:
    device.hand["deposit"] = forever
    await client.send("Deposit.Entry")
    await client.until("unsolicited", name="Deposit.EnvInsertedEvent")
    assert await location(client) == "shutter"


async def test_what_is_printed_reaches_no_log(
    client: Dialogue, device: Depository, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await do(client, "Entry", {"printData": "12345 EUR"})
        await cannot(client, "Entry", {"printData": "12345 EUR" * 9})
    assert "12345 EUR" not in caplog.text


async def test_nothing_is_put_in_during_an_exchange(nursery: trio.Nursery) -> None:
    async def nothing(self: Any) -> None:
        pass

    device = type("Exchanged", (Depository,), {"start_exchange": nothing, "end_exchange": nothing})()
    client = await serving(device, nursery)
    await client.success("Storage.StartExchange")
    for name in ("Entry", "Dispense", "Retract"):
        assert await cannot(client, name) == "sequenceError"
    await client.success("Storage.EndExchange")
    await do(client, "Entry")


@pytest.mark.parametrize("specification", ["2021-1", "2023-2"])
async def test_older_clients_do_not_see_it(
    client: Dialogue, nursery: trio.Nursery, specification: str
) -> None:
    old = await another(client, nursery, specification)
    assert "deposit" not in await old.success("Common.Status")
    request = await old.send("Deposit.Entry", version=None)
    acknowledge = await old.until("acknowledge", request)
    if "status" not in acknowledge["header"]:
        assert await old.until("completion", request)
    await do(client, "Entry")
    assert not [one for one in old.passed if one["header"]["name"].startswith("Deposit.")]
