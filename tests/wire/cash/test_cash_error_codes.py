"""Every error code that the catalogue gives to a command of cash is reached, and no other one.

A case says what was done before, then the command and its payload. Where nothing else is said
the device is the simulated dispenser.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import trio

import older
import xfs4iot
from cash import amount, chosen, dispense, present
from dialogue import Dialogue, dialogue, outcome
from spoken import can_say
from traffic import catalogue
from vendors import Teller, serving
from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.registry import command as entry_of
from xfs4iot.simulator import SimulatedCashDispenser

INTERFACES = ("ServicePublisher", "Common", "Storage", "CashManagement", "CashDispenser")


@dataclass
class Bench:
    """What a case has at hand."""

    client: Dialogue
    simulator: Dialogue

    async def inject(self, fault: str, **more: Any) -> None:
        await self.simulator.success("Simulator.Inject", {"fault": fault, **more})


Before = Callable[[Bench], Awaitable[Any]]


async def nothing(bench: Bench) -> None:
    pass


async def dispensed(bench: Bench) -> None:
    await dispense(bench.client, 300)


async def presented(bench: Bench) -> None:
    await present(bench.client, 300)


async def exchange(bench: Bench) -> None:
    await bench.client.success("Storage.StartExchange")


async def transaction(bench: Bench) -> None:
    await bench.client.success("Common.SetTransactionState", {"state": "active", "transactionID": "1"})


async def open_door(bench: Bench) -> None:
    await bench.simulator.success("Simulator.OpenSafeDoor")


async def locked(bench: Bench) -> None:
    lock = {"unit1": {"cash": {"configuration": {"appLockOut": True}}}}
    await bench.client.success("Storage.SetStorage", {"storage": lock})


async def reject_full(bench: Bench) -> None:
    full = {"unit5": {"cash": {"status": {"initial": {"unrecognized": 300}}}}}
    await bench.client.success("Storage.SetStorage", {"storage": full})
    await bench.simulator.success("Simulator.FillUnit", {"unit": "unit5", "count": 300})


async def table(bench: Bench) -> None:
    rows = [{"amount": 100, "mix": [{"value": 20, "count": 5}]}]
    payload = {"mixNumber": 21, "name": "House mix", "mixRows": rows}
    await bench.client.success("CashDispenser.SetMixTable", payload)


def fault(name: str, **more: Any) -> Before:
    async def before(bench: Bench) -> None:
        await bench.inject(name, **more)

    return before


def after(*steps: Before) -> Before:
    async def before(bench: Bench) -> None:
        for step in steps:
            await step(bench)

    return before


async def shutter_open(bench: Bench) -> None:
    await bench.client.success("CashManagement.OpenShutter", {})


class OneCurrency(Teller):
    currency_mix = False


DENOMINATION: dict[str, tuple[Before, dict[str, Any]]] = {
    "invalidCurrency": (nothing, amount(100, currency="USD")),
    "cashUnitError": (locked, chosen({"unit1": 1})),
    "invalidDenomination": (nothing, chosen({"unit1": 1}, EUR=20)),
    "invalidMixNumber": (nothing, amount(100, "mix99")),
    "notDispensable": (nothing, amount(15)),
    "tooManyItems": (nothing, amount(5000)),
    "exchangeActive": (exchange, amount(100)),
    "noCashBoxPresent": (nothing, amount(100, cashBox={"currencies": {"EUR": 10}})),
    "amountNotInMixTable": (table, amount(110, "mixTable21")),
}
OUT = {"target": {"target": "outFront"}}
REJECT_POSITION = {"position": {"target": "reject"}}
ONE_OF_UNIT1 = {"unit": "unit1", "numOfBills": 1}

CASES: dict[tuple[str, str], tuple[Before, Any]] = {
    ("Common.Cancel", "noMatchingRequestIDs"): (nothing, {"requestIds": [99]}),
    ("Storage.StartExchange", "storageUnitError"): (fault("unitsStuck"), None),
    ("Storage.StartExchange", "exchangeActive"): (exchange, None),
    ("Storage.StartExchange", "transactionActive"): (transaction, None),
    ("Storage.EndExchange", "storageUnitError"): (after(exchange, fault("unitsStuck")), None),
    ("Storage.EndExchange", "noExchangeActive"): (nothing, None),
    ("Storage.SetStorage", "invalidUnit"): (nothing, {"storage": {"unit9": {"cash": {}}}}),
    ("Storage.SetStorage", "noExchangeActive"): (
        nothing,
        {"storage": {"unit1": {"cash": {"configuration": {"value": 20}}}}},
    ),
    ("Storage.SetStorage", "storageUnitError"): (
        fault("unitsStuck"),
        {"storage": {"unit1": {"cash": {"configuration": {"name": "tens"}}}}},
    ),
    ("CashManagement.OpenShutter", "unsupportedPosition"): (nothing, {"position": "outRear"}),
    ("CashManagement.OpenShutter", "shutterNotOpen"): (fault("shutterJammed"), {}),
    ("CashManagement.OpenShutter", "shutterOpen"): (shutter_open, {}),
    ("CashManagement.OpenShutter", "exchangeActive"): (exchange, {}),
    ("CashManagement.OpenShutter", "foreignItemsDetected"): (fault("foreignItems"), {}),
    ("CashManagement.CloseShutter", "unsupportedPosition"): (nothing, {"position": "inFront"}),
    ("CashManagement.CloseShutter", "shutterClosed"): (nothing, {}),
    ("CashManagement.CloseShutter", "exchangeActive"): (after(shutter_open, exchange), {}),
    ("CashManagement.CloseShutter", "shutterNotClosed"): (after(shutter_open, fault("shutterJammed")), {}),
    ("CashManagement.CloseShutter", "foreignItemsDetected"): (after(shutter_open, fault("foreignItems")), {}),
    ("CashManagement.Retract", "cashUnitError"): (after(reject_full, presented), {}),
    ("CashManagement.Retract", "noItems"): (nothing, {}),
    ("CashManagement.Retract", "exchangeActive"): (after(presented, exchange), {}),
    ("CashManagement.Retract", "shutterNotClosed"): (after(presented, fault("shutterJammed")), {}),
    ("CashManagement.Retract", "itemsTaken"): (after(presented, fault("itemsTaken")), {}),
    ("CashManagement.Retract", "invalidRetractPosition"): (
        presented,
        {"location": {"retractArea": "retract", "index": 2}},
    ),
    ("CashManagement.Retract", "notRetractArea"): (presented, {"location": {"retractArea": "cashIn"}}),
    ("CashManagement.Retract", "foreignItemsDetected"): (after(presented, fault("foreignItems")), {}),
    ("CashManagement.Retract", "positionNotEmpty"): (dispensed, {"location": {"retractArea": "stacker"}}),
    ("CashManagement.Retract", "incompleteRetract"): (after(presented, fault("incompleteRetract")), {}),
    ("CashManagement.Reset", "cashUnitError"): (after(reject_full, dispensed), {}),
    ("CashManagement.Reset", "unsupportedPosition"): (nothing, {"position": {"target": "outRear"}}),
    ("CashManagement.Reset", "invalidCashUnit"): (
        nothing,
        {"position": {"target": "singleUnit", "unit": "unit9"}},
    ),
    ("CashManagement.Reset", "invalidRetractPosition"): (
        nothing,
        {"position": {"target": "retract", "index": 2}},
    ),
    ("CashManagement.Reset", "notRetractArea"): (nothing, {"position": {"target": "transport"}}),
    ("CashManagement.Reset", "positionNotEmpty"): (dispensed, {"position": {"target": "stacker"}}),
    ("CashManagement.Reset", "foreignItemsDetected"): (after(presented, fault("foreignItems")), {}),
    ("CashManagement.Reset", "incompleteRetract"): (after(presented, fault("incompleteRetract")), {}),
    ("CashManagement.CalibrateCashUnit", "cashUnitError"): (
        fault("feedsNothing", unit="unit1"),
        ONE_OF_UNIT1,
    ),
    ("CashManagement.CalibrateCashUnit", "unsupportedPosition"): (
        nothing,
        {**ONE_OF_UNIT1, "position": {"target": "cashIn"}},
    ),
    ("CashManagement.CalibrateCashUnit", "exchangeActive"): (exchange, ONE_OF_UNIT1),
    ("CashManagement.CalibrateCashUnit", "invalidCashUnit"): (nothing, {"unit": "unit9", "numOfBills": 1}),
    ("CashDispenser.Count", "cashUnitError"): (fault("missing", unit="unit1"), {"unit": "unit1"}),
    ("CashDispenser.Count", "unsupportedPosition"): (nothing, {"unit": "unit1", "position": "outRear"}),
    ("CashDispenser.Count", "safeDoorOpen"): (open_door, {"unit": "unit1"}),
    ("CashDispenser.Count", "exchangeActive"): (exchange, {"unit": "unit1"}),
    **{
        ("CashDispenser.Denominate", code): (before, {"request": request})
        for code, (before, request) in DENOMINATION.items()
    },
    **{
        ("CashDispenser.Dispense", code): (before, {"denomination": request})
        for code, (before, request) in DENOMINATION.items()
    },
    ("CashDispenser.Dispense", "unsupportedPosition"): (
        nothing,
        {"denomination": amount(100), "position": "outRear"},
    ),
    ("CashDispenser.Dispense", "safeDoorOpen"): (open_door, {"denomination": amount(100)}),
    ("CashDispenser.Dispense", "itemsLeft"): (dispensed, {"denomination": amount(100)}),
    ("CashDispenser.Dispense", "shutterOpen"): (presented, {"denomination": amount(100)}),
    ("CashDispenser.GetMixTable", "invalidMix"): (nothing, {"mix": "mix1"}),
    ("CashDispenser.GetPresentStatus", "unsupportedPosition"): (nothing, {"position": "outRear"}),
    ("CashDispenser.PrepareDispense", "exchangeActive"): (exchange, {"action": "start"}),
    ("CashDispenser.Present", "shutterNotOpen"): (after(dispensed, fault("shutterJammed")), {}),
    ("CashDispenser.Present", "shutterOpen"): (
        after(fault("smallBunches", count=1), presented),
        {},
    ),
    ("CashDispenser.Present", "noItems"): (nothing, {}),
    ("CashDispenser.Present", "exchangeActive"): (after(dispensed, exchange), {}),
    ("CashDispenser.Present", "presentErrorNoItems"): (after(dispensed, fault("nothingPresented")), {}),
    ("CashDispenser.Present", "presentErrorItems"): (after(dispensed, fault("partlyPresented")), {}),
    ("CashDispenser.Present", "presentErrorUnknown"): (after(dispensed, fault("presentUnknown")), {}),
    ("CashDispenser.Present", "unsupportedPosition"): (dispensed, {"position": "outRear"}),
    ("CashDispenser.Reject", "cashUnitError"): (after(dispensed, reject_full), None),
    ("CashDispenser.Reject", "noItems"): (nothing, None),
    ("CashDispenser.Reject", "exchangeActive"): (after(dispensed, exchange), None),
    ("CashDispenser.SetMixTable", "invalidMixNumber"): (
        nothing,
        {"mixNumber": 1, "name": "x", "mixRows": [{"amount": 10, "mix": [{"value": 10, "count": 1}]}]},
    ),
    ("CashDispenser.SetMixTable", "invalidMixTable"): (
        nothing,
        {"mixNumber": 9, "name": "x", "mixRows": [{"amount": 11, "mix": [{"value": 10, "count": 1}]}]},
    ),
    ("CashDispenser.TestCashUnits", "cashUnitError"): (reject_full, {}),
    ("CashDispenser.TestCashUnits", "unsupportedPosition"): (nothing, {"target": {"target": "cashIn"}}),
    ("CashDispenser.TestCashUnits", "shutterNotOpen"): (fault("shutterJammed"), OUT),
    ("CashDispenser.TestCashUnits", "shutterOpen"): (presented, OUT),
    ("CashDispenser.TestCashUnits", "invalidCashUnit"): (
        nothing,
        {"target": {"target": "singleUnit", "unit": "unit9"}},
    ),
    ("CashDispenser.TestCashUnits", "exchangeActive"): (exchange, {}),
    ("CashDispenser.TestCashUnits", "presentErrorNoItems"): (fault("nothingPresented"), OUT),
    ("CashDispenser.TestCashUnits", "presentErrorItems"): (fault("partlyPresented"), OUT),
    ("CashDispenser.TestCashUnits", "presentErrorUnknown"): (fault("presentUnknown"), OUT),
}

TELLER: dict[tuple[str, str], Any] = {
    ("CashManagement.GetTellerInfo", "invalidCurrency"): {"currency": "GBP"},
    ("CashManagement.GetTellerInfo", "invalidTellerId"): {"tellerID": 9},
    ("CashManagement.SetTellerInfo", "invalidCurrency"): {
        "action": "create",
        "tellerDetails": {"tellerID": 9, "tellerTotals": {"GBP": {}}},
    },
    ("CashManagement.SetTellerInfo", "invalidTellerId"): {
        "action": "modify",
        "tellerDetails": {"tellerID": 9},
    },
    ("CashManagement.SetTellerInfo", "unsupportedPosition"): {
        "action": "create",
        "tellerDetails": {"tellerID": 9, "outputPosition": "outTop"},
    },
    ("CashManagement.SetTellerInfo", "exchangeActive"): {
        "action": "create",
        "tellerDetails": {"tellerID": 9},
    },
    ("CashDispenser.Denominate", "invalidTellerID"): {"request": {**amount(40), "tellerID": 9}},
    ("CashDispenser.Dispense", "invalidTellerID"): {"denomination": {**amount(40), "tellerID": 9}},
    ("CashDispenser.Denominate", "noCurrencyMix"): {
        "request": {"denomination": {"service": {"currencies": {"EUR": 40, "USD": 50}, "mix": "mix1"}}}
    },
    ("CashDispenser.Dispense", "noCurrencyMix"): {
        "denomination": chosen({"unit1": 1, "unit2": 1}, EUR=20, USD=50)
    },
}
"""At a teller device of two currencies that dispenses one at a time."""

HARDWARE = {("CashManagement.CloseShutter", "tooManyItems")}
"""What only the hardware knows, and no simulated one: too many items for a shutter to close."""


def test_every_error_code_of_the_catalogue_has_a_case() -> None:
    known = {
        (f"{interface}.{command}", code)
        for interface in INTERFACES
        for command, parts in catalogue("2024-3")["interfaces"][interface]["commands"].items()
        for code in parts["completion"].get("errorCodes") or ()
    }
    assert {*CASES, *TELLER, *HARDWARE} == known


def name_of(case: Any) -> str:
    return str(case) if isinstance(case, str) else ""


async def refused_with(client: Dialogue, command: str, code: str, payload: Any) -> None:
    """A failure of the command changes no count and comes with an event where a unit is to blame."""
    request = await client.send(command, payload)
    completion = await client.until("completion", request)
    assert outcome(completion) == "commandErrorCode", completion
    assert completion["payload"]["errorCode"] == code, completion
    assert completion["header"]["errorDescription"], completion
    told = {m["header"]["name"] for m in client.passed if m["header"].get("requestId") == request}
    if code in ("cashUnitError", "storageUnitError"):
        assert "Storage.StorageErrorEvent" in told


@pytest.mark.parametrize(("command", "code"), CASES)
async def test_an_error_code_is_reached(
    atm: xfs4iot.Publisher, dispenser: Dialogue, nursery: trio.Nursery, command: str, code: str
) -> None:
    before, payload = CASES[command, code]
    bench = Bench(dispenser, await nursery.start(dialogue, atm.uri("Simulator")))
    await before(bench)
    await refused_with(dispenser, command, code, payload)


@pytest.mark.parametrize(("command", "code"), TELLER)
async def test_an_error_code_is_reached_at_a_teller_device(
    nursery: trio.Nursery, command: str, code: str
) -> None:
    client = await serving(OneCurrency(), nursery)
    if code == "exchangeActive":
        await client.success("Storage.StartExchange")
    await refused_with(client, command, code, TELLER[command, code])


def _older(cases: Any) -> list[Any]:
    """The cases that an older version has."""
    found = []
    for (command, code), case in cases.items():
        payload = case[1] if isinstance(case, tuple) else case
        for version in older.OLDER:
            if code in (older.codes_in(version, command) or ()) and can_say(version, command, payload):
                found.append(pytest.param(version, command, code, payload, id=f"{version}-{command}-{code}"))
    return found


@pytest.mark.parametrize(("version", "command", "code", "payload"), _older(CASES))
async def test_an_older_client_gets_the_same_error_code(
    atm: xfs4iot.Publisher,
    dispenser: Dialogue,
    nursery: trio.Nursery,
    version: str,
    command: str,
    code: str,
    payload: Any,
) -> None:
    before, _ = CASES[command, code]
    await before(Bench(dispenser, await nursery.start(dialogue, atm.uri("Simulator"))))
    assert await older.ask(dispenser.uri, version, command, payload) == code


@pytest.mark.parametrize(("version", "command", "code", "payload"), _older(TELLER))
async def test_an_older_client_gets_the_same_error_code_at_a_teller_device(
    nursery: trio.Nursery, version: str, command: str, code: str, payload: Any
) -> None:
    client = await serving(OneCurrency(), nursery)
    if code == "exchangeActive":
        await client.success("Storage.StartExchange")
    assert await older.ask(client.uri, version, command, payload) == code


class Says(SimulatedCashDispenser):
    """Closes no shutter, for a reason of its own."""

    code = ""

    async def close_shutter(self, position: str) -> None:
        raise errors.CommandError(self.code, "says the device")


@pytest.mark.parametrize(("command", "code"), HARDWARE)
async def test_an_error_code_of_the_hardware_reaches_the_client(
    nursery: trio.Nursery, command: str, code: str
) -> None:
    device = Says("CashDispenser", seconds=0)
    device.code = code
    client = await serving(device, nursery)
    await client.success("CashManagement.OpenShutter", {})
    await refused_with(client, command, code, {})


def test_a_device_may_blame_units_for_what_a_command_defines() -> None:
    for error in (devices.CashUnitError("full", ["unit1"]), devices.StorageUnitError("full", ["unit1"])):
        commands = {command for command, code in CASES if code == error.error_code}
        assert commands
        for command in commands:
            assert "Storage.StorageErrorEvent" in entry_of(command).events
