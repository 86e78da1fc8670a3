"""What vendors' devices differ in: tellers, currencies, no stacker, own counts, undetected units."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount, bucket, content, unit
from dialogue import Dialogue
from vendors import Minimal, Teller, serving
from xfs4iot import devices
from xfs4iot.protocol import errors, registry
from xfs4iot.protocol.messages import cash_dispenser


@pytest.fixture
async def teller(nursery: trio.Nursery) -> Dialogue:
    return await serving(Teller(), nursery)


async def test_a_device_without_a_stacker_presents_at_once(nursery: trio.Nursery) -> None:
    client = await serving(Minimal("Minimal"), nursery)
    done = await client.success("CashDispenser.Dispense", {"denomination": amount(60)})
    assert done["denomination"]["values"] == {"unit1": 3}
    assert bucket(await unit(client, "unit1"), "out", "presented") == 3
    assert (await client.success("CashDispenser.GetPresentStatus", {}))["presentState"] == "presented"


async def test_only_what_the_class_implements_is_offered(nursery: trio.Nursery) -> None:
    client = await serving(Minimal("Minimal"), nursery)
    offered = (await client.success("Common.Capabilities"))["interfaces"]
    commands = {command for one in offered for command in one["commands"]}
    assert {"CashDispenser.Dispense", "CashDispenser.Denominate", "Storage.GetStorage"} <= commands
    absent = [
        "CashDispenser.Present",
        "CashDispenser.Reject",
        "CashDispenser.Count",
        "CashManagement.GetItemInfo",
        "Storage.StartExchange",
    ]
    for command in absent:
        assert command not in commands
        assert await client.failure(command) == "unsupportedCommand"


@pytest.mark.parametrize(
    ("request_", "serials"),
    [
        ({}, ["X1", "X2", "X3"]),
        ({"items": {"level": "fit"}}, ["X1", "X2"]),
        ({"items": {"level": "fit", "index": 2}}, ["X2"]),
        ({"items": {"level": "inked"}}, []),
        ({"itemInfoType": {"signature": True}}, [None, None, None]),
    ],
)
async def test_item_info_is_given_by_level_and_index(
    teller: Dialogue, request_: dict[str, Any], serials: list[str | None]
) -> None:
    found = (await teller.success("CashManagement.GetItemInfo", request_)).get("itemsList", [])
    assert [item.get("serialNumber") for item in found] == serials


@pytest.mark.parametrize(
    "code", ["itemsLeft", "shutterOpen", "safeDoorOpen", "noCurrencyMix", "notDispensable", "cashUnitError"]
)
async def test_error_codes_of_the_device_reach_the_client(nursery: trio.Nursery, code: str) -> None:
    device = Teller()
    device.fault = errors.CommandError(code, "says the device")
    client = await serving(device, nursery)
    assert await client.failure("CashDispenser.Dispense", {"denomination": amount(20)}) == code
    assert content(await unit(client, "unit1")) == 50


async def test_an_error_code_that_the_command_lacks_is_an_unknown_outcome(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = Teller()
    device.fault = errors.CommandError("noItems", "says the device")
    client = await serving(device, nursery)
    failed = await client.failure("CashDispenser.Dispense", {"denomination": amount(20)})
    assert failed == "hardwareError"
    assert "Teller.dispense raised a CommandError that cannot be: error_code is str 'noItems'" in caplog.text
    assert (await unit(client, "unit1"))["status"]["accuracy"] == "inaccurate"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "CASS1"},
        {"id": ""},
        {"id": "too long"},
        {"index": 0},
        {"capacity": -1},
        {"currency": "euro"},
        {"value": Decimal(0)},
        {"cash_items": ("typeGBP5",)},
        {"index": 2},
    ],
    ids=str,
)
async def test_units_that_no_client_could_be_told_are_refused_and_logged(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, wrong: dict[str, Any]
) -> None:
    class Wrong(Teller):
        async def cash_units(self) -> Mapping[str, devices.CashUnit]:
            units = dict(await super().cash_units())
            change = dict(wrong)
            name = change.pop("name", "unit1")
            units[name] = devices.CashUnit(**{**vars(units.pop("unit1")), **change})
            return units

    client = await serving(Wrong(), nursery)
    assert await client.success("Storage.GetStorage") == {}
    assert "Wrong.units returned what cannot be" in caplog.text


class Saying(Minimal):
    """Sends what it is told to while it dispenses."""

    def __init__(self) -> None:
        super().__init__("Saying")
        self.events: list[Any] = []

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents
    ) -> devices.Dispensed:
        for event in self.events:
            events.send(event)
        return await super().dispense(request, events)


async def test_a_device_sends_every_event_that_the_command_may_have(nursery: trio.Nursery) -> None:
    device = Saying()
    client = await serving(device, nursery)
    entry = registry.command("CashDispenser.Dispense")
    device.events = [registry.event(name).payload() for name in entry.events]
    request = await client.send("CashDispenser.Dispense", {"denomination": amount(20)})
    await client.until("completion", request)
    told = {m["header"]["name"] for m in client.passed if m["header"]["type"] == "event"}
    assert told == set(entry.events)


async def test_a_device_sends_every_unsolicited_event_of_its_interfaces(nursery: trio.Nursery) -> None:
    device = Saying()
    client = await serving(device, nursery)
    names = [
        name
        for interface in ("Common", "Storage", "CashManagement", "CashDispenser")
        for name in registry.unsolicited_events(interface)
    ]
    assert len(names) > 10
    for name in names:
        device.send(registry.event(name).payload())
        await client.until("unsolicited", name=name)


class Retracting(Minimal):
    """Has two retract units, one of two areas; remembers where it was told to retract to."""

    asked: devices.RetractRequest | None = None
    first_is_full = False

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        units = dict(await super().cash_units())
        for index, areas in ((2, 2), (3, None)):
            units[f"unit{index}"] = devices.CashUnit(
                index=index,
                capacity=10,
                types=frozenset({"cashOutRetract"}),
                cash_items=("typeEUR20",),
                retract_areas=areas,
                initial=10 if index == 2 and self.first_is_full else 0,
            )
        return units

    async def retract(self, request: devices.RetractRequest, events: devices.CashEvents) -> devices.Retracted:
        self.asked = request
        target = request.destination.unit
        assert target is not None
        return devices.Retracted(moved=(devices.ItemsMoved(1, "output", target, origin="unit1"),))


@pytest.mark.parametrize(
    ("index", "full", "expected"),
    [
        (1, False, "unit2"),
        (2, False, "unit2"),
        (3, False, "unit3"),
        (None, False, "unit2"),
        (None, True, "unit3"),
        (4, False, None),
    ],
)
async def test_retract_positions_are_counted_through_the_retract_units(
    nursery: trio.Nursery, index: int | None, full: bool, expected: str | None
) -> None:
    device = Retracting("Retracting")
    device.capabilities.cash_dispenser = cash_dispenser.Capabilities(
        retract_areas=cash_dispenser.CapabilitiesRetractAreas(retract=True)
    )
    device.first_is_full = full
    client = await serving(device, nursery)
    await client.success("CashDispenser.Dispense", {"denomination": amount(20)})
    location = {"location": {"retractArea": "retract", **({"index": index} if index else {})}}
    if expected is None:
        assert await client.failure("CashManagement.Retract", location) == "invalidRetractPosition"
        return
    done = await client.success("CashManagement.Retract", location)
    assert device.asked is not None
    assert device.asked.destination == devices.Destination("retract", expected, index)
    assert done["storage"][expected]["retractOperations"] == 1
    assert bucket(await unit(client, expected), "in", "retracted") == 1


@pytest.mark.parametrize("area", ["transport", "stacker"])
async def test_what_is_retracted_to_no_unit_is_told_where_it_is(nursery: trio.Nursery, area: Any) -> None:
    """The reference leaves both out; and what they are the books know, where the device only counts."""

    class Inward(Retracting):
        async def retract(
            self, request: devices.RetractRequest, events: devices.CashEvents
        ) -> devices.Retracted:
            assert request.destination == devices.Destination(area)
            return devices.Retracted(moved=(devices.ItemsMoved(2, "output", area, origin="unit1"),))

    device = Inward("Inward")
    device.capabilities.cash_dispenser = cash_dispenser.Capabilities(
        retract_areas=cash_dispenser.CapabilitiesRetractAreas(**{area: True})
    )
    client = await serving(device, nursery)
    await client.success("CashDispenser.Dispense", {"denomination": amount(40)})
    done = await client.success("CashManagement.Retract", {"location": {"retractArea": area}})
    assert "storage" not in done
    assert done[area] == {"typeEUR20": {"fit": 2}}


class Uncertain(Retracting):
    """Retracts items of which it does not know where they came from."""

    async def retract(self, request: devices.RetractRequest, events: devices.CashEvents) -> devices.Retracted:
        moved = [
            devices.ItemsMoved(1, "output", "unit2", item="typeEUR20", level="unfit"),
            devices.ItemsMoved(2, "output", "unit2"),
        ]
        return devices.Retracted(moved=tuple(moved))


async def test_items_of_unknown_origin_are_counted_where_they_arrive(nursery: trio.Nursery) -> None:
    client = await serving(Uncertain("Uncertain"), nursery)
    await client.success("CashDispenser.Dispense", {"denomination": amount(60)})
    await client.success("CashManagement.Retract", {})
    into = await unit(client, "unit2")
    assert into["status"]["in"]["retracted"] == {"unrecognized": 2, "typeEUR20": {"unfit": 1}}
    assert content(into) == 3
    assert content(await unit(client, "unit1")) == 47


class Moving(Minimal):
    """Calibrates a recycling unit by moving items into another one, and resets to nowhere."""

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        first = (await super().cash_units())["unit1"]
        types: frozenset[Any] = frozenset({"cashOut", "cashIn"})
        second = {**vars(first), "index": 2, "types": types, "initial": 0}
        return {"unit1": first, "unit2": devices.CashUnit(**second)}

    async def calibrate_cash_unit(
        self, unit: str, count: int, destination: devices.Destination, events: devices.CashEvents
    ) -> devices.CashMovement:
        assert destination.unit is not None
        return devices.CashMovement(moved=(devices.ItemsMoved(count, unit, destination.unit),))

    async def reset(self, destination: devices.Destination, events: devices.CashEvents) -> devices.Retracted:
        return devices.Retracted()


async def test_items_moved_from_unit_to_unit_are_distributed(nursery: trio.Nursery) -> None:
    client = await serving(Moving("Moving"), nursery)
    position = {"target": "singleUnit", "unit": "unit2"}
    payload = {"unit": "unit1", "numOfBills": 3, "position": position}
    done = await client.success("CashManagement.CalibrateCashUnit", payload)
    assert done["result"] == payload
    assert bucket(await unit(client, "unit1"), "out", "distributed") == 3
    assert bucket(await unit(client, "unit2"), "in", "distributed") == 3
    assert content(await unit(client, "unit2")) == 3


async def test_a_device_without_a_unit_for_what_is_in_the_way_needs_a_destination(
    nursery: trio.Nursery,
) -> None:
    client = await serving(Moving("Moving"), nursery)
    assert await client.failure("CashManagement.Reset", {}) == "notRetractArea"
    position = {"position": {"target": "singleUnit", "unit": "unit2"}}
    assert await client.success("CashManagement.Reset", position) == {}


class PowerSaving(Minimal):
    """Saves power, and says how long it takes to come back."""

    async def power_save_control(self, max_power_save_recovery_time: int) -> None:
        assert self.status.common is not None
        self.status.common.power_save_recovery_time = max_power_save_recovery_time


async def test_power_is_saved_by_a_device_that_can(nursery: trio.Nursery) -> None:
    client = await serving(PowerSaving("PowerSaving"), nursery)
    wanted = {"maxPowerSaveRecoveryTime": 30}
    await client.success("Common.PowerSaveControl", wanted)
    told = await client.until("unsolicited", name="Common.StatusChangedEvent")
    assert told["payload"] == {"common": {"powerSaveRecoveryTime": 30}}
    for wrong in ({}, {"maxPowerSaveRecoveryTime": -1}):
        assert await client.failure("Common.PowerSaveControl", wrong) == "invalidData"
    other = await serving(Minimal("Minimal"), nursery)
    assert await other.failure("Common.PowerSaveControl", wanted) == "unsupportedCommand"


class Counting(Minimal):
    """Fails in the middle, does not recall, but counts its units by itself."""

    async def dispense(self, request: devices.DispenseRequest, events: devices.CashEvents) -> Any:
        raise OSError("the line is dead")

    async def unit_counts(self) -> Mapping[str, int]:
        return {"unit1": 48}


async def test_an_unknown_outcome_is_settled_with_the_devices_own_counts(nursery: trio.Nursery) -> None:
    client = await serving(Counting("Counting"), nursery)
    assert await client.failure("CashDispenser.Dispense", {"denomination": amount(60)}) == "hardwareError"
    after = await unit(client, "unit1")
    assert content(after) == 48
    assert bucket(after, "out", "unknown") == 2
    assert after["status"]["accuracy"] == "inaccurate"


class Silent(Minimal):
    """Fails in the middle and cannot tell what it did."""

    async def dispense(self, request: devices.DispenseRequest, events: devices.CashEvents) -> Any:
        raise OSError("the line is dead")


async def test_an_outcome_that_nobody_knows_makes_the_unit_inaccurate(nursery: trio.Nursery) -> None:
    client = await serving(Silent("Silent"), nursery)
    assert await client.failure("CashDispenser.Dispense", {"denomination": amount(60)}) == "hardwareError"
    assert (await unit(client, "unit1"))["status"]["accuracy"] == "inaccurate"
    assert (await client.success("CashDispenser.GetPresentStatus", {}))["presentState"] == "unknown"


class Undetected(Minimal):
    found = True

    async def cash_units(self) -> Any:
        return await super().cash_units() if self.found else None


async def test_a_device_that_detects_no_units_reports_none(nursery: trio.Nursery) -> None:
    device = Undetected("Undetected")
    device.found = False
    client = await serving(device, nursery)
    assert await client.success("Storage.GetStorage") == {}


async def test_units_that_are_not_detected_are_missing_and_keep_their_counts(tmp_path: Any) -> None:
    for found, status in ((True, "ok"), (False, "missing"), (True, "ok")):
        ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
        device = Undetected("Undetected")
        device.found = found
        async with trio.open_nursery() as nursery:
            client = await serving(device, nursery, ledger)
            reported = (await client.success("Storage.GetStorage"))["storage"]["unit1"]
            assert reported["status"] == status
            assert content(reported["cash"]) == 50
            nursery.cancel_scope.cancel()
        ledger.close()


class Changed(Minimal):
    serial = "A"

    async def cash_units(self) -> Any:
        units = await super().cash_units()
        return {
            name: devices.CashUnit(**{**vars(one), "serial_number": self.serial})
            for name, one in units.items()
        }


async def test_another_cassette_begins_anew(tmp_path: Any) -> None:
    for serial, before in (("A", 50), ("A", 49), ("B", 50)):
        ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
        device = Changed("Changed")
        device.serial = serial
        async with trio.open_nursery() as nursery:
            client = await serving(device, nursery, ledger)
            assert content(await unit(client, "unit1")) == before
            await client.success("CashDispenser.Dispense", {"denomination": amount(20)})
            nursery.cancel_scope.cancel()
        ledger.close()
