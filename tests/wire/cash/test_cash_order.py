"""Of every two checks of a cash command that fail at once, the first answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount, chosen
from dialogue import Dialogue, dialogue
from order import Break, Command, Pair, pairs
from secured_tokens import secured
from vendors import Teller
from xfs4iot import devices
from xfs4iot.interfaces.cash.cash_dispenser import CashDispenser
from xfs4iot.interfaces.cash.cash_in import CashInRecord
from xfs4iot.interfaces.cash.cash_management import CashManagement
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.protocol.messages import cash_dispenser, cash_management


class Everything(Teller):
    """A teller device that offers every command, and shows whatever the test lets it show."""

    currency_mix = False

    def __init__(self) -> None:
        super().__init__()
        capabilities = self.capabilities.cash_dispenser
        assert capabilities is not None
        capabilities.intermediate_stacker = True
        capabilities.retract_areas = cash_dispenser.CapabilitiesRetractAreas(retract=True, stacker=True)
        assert self.capabilities.cash_management is not None
        self.capabilities.cash_management.cash_box = False
        self.at = cash_dispenser.OutPos(
            position="outLeft", shutter="closed", position_status="empty", transport_status="empty"
        )
        self.shown = self.status.cash_dispenser = cash_dispenser.Status(
            intermediate_stacker="notEmpty", positions=[self.at]
        )

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        bad = devices.CashUnit(index=3, capacity=10, types=frozenset({"reject", "cashOutRetract"}))
        return {**await super().cash_units(), "unit3": bad}

    async def present(self, position: str, events: devices.CashEvents) -> devices.Presented:
        raise AssertionError

    async def reject(self, unit: str, events: devices.CashEvents) -> devices.CashMovement:
        raise AssertionError

    async def retract(self, request: devices.RetractRequest, events: devices.CashEvents) -> devices.Retracted:
        raise AssertionError

    async def reset(self, destination: devices.Destination, events: devices.CashEvents) -> devices.Retracted:
        raise AssertionError

    async def prepare_dispense(self, action: Any) -> None:
        raise AssertionError

    async def count(
        self, units: tuple[str, ...], position: str, events: devices.CashEvents
    ) -> devices.Counted:
        raise AssertionError

    async def test_cash_units(
        self, units: tuple[str, ...], destination: devices.Destination, events: devices.CashEvents
    ) -> devices.Tested:
        raise AssertionError

    async def open_shutter(self, position: str) -> None:
        raise AssertionError

    async def close_shutter(self, position: str) -> None:
        raise AssertionError

    async def calibrate_cash_unit(
        self, unit: str, number: int, destination: devices.Destination, events: devices.CashEvents
    ) -> devices.CashMovement:
        raise AssertionError

    async def set_classification_list(
        self, version: str | None, elements: list[cash_management.ClassificationElement]
    ) -> None:
        raise AssertionError


@dataclass
class Bench:
    """What a case has at hand."""

    client: Dialogue
    device: Everything


@pytest.fixture
async def bench(nursery: trio.Nursery) -> Bench:
    device = Everything()
    publisher = xfs4iot.Publisher([xfs4iot.Service(device, security=secured())], port=0)
    await nursery.start(publisher.serve)
    return Bench(await nursery.start(dialogue, publisher.uri("Teller")), device)


async def exchange(bench: Bench) -> None:
    """Even with a cash-in, which rules an exchange out."""
    host: Any = bench.device._host
    host.interface(Storage)._exchange = True


async def transaction(bench: Bench) -> None:
    await bench.client.success("Common.SetTransactionState", {"state": "active", "transactionID": "1"})


async def exchange_in_a_transaction(bench: Bench) -> None:
    await exchange(bench)
    await transaction(bench)


async def offline(bench: Bench) -> None:
    assert bench.device.status.common is not None
    bench.device.status.common.device = "offline"


def shutter(state: Any) -> Callable[[Bench], Awaitable[None]]:
    async def before(bench: Bench) -> None:
        bench.device.at.shutter = state

    return before


async def emptied(bench: Bench) -> None:
    bench.device.shown.intermediate_stacker = "empty"


async def stacker_used(bench: Bench) -> None:
    bench.device.shown.intermediate_stacker = "notEmpty"


def out_of_use(unit: str) -> Callable[[Bench], Awaitable[None]]:
    async def before(bench: Bench) -> None:
        bench.device.unit_changed(unit, "inoperative")

    return before


async def cash_in(bench: Bench) -> None:
    """As at a recycler while a customer's items are inside."""
    host: Any = bench.device._host
    host.interface(CashManagement).transaction.record = CashInRecord(state="active")


NO_EXCHANGE = Break(before=exchange)
NO_CASH_IN = Break(before=cash_in)
POSITION = Break({"position": "outRear"})
DEVICE = Break(before=offline)
EMPTY = Break(before=emptied)
SERVICE: dict[str, Break] = {
    "no exchange": NO_EXCHANGE,
    "teller": Break({"tellerID": 9}),
    "cash box": Break({"denomination": {"service": {"cashBox": {"currencies": {"EUR": 10}}}}}),
    "currencies": Break({"denomination": {"service": {"currencies": {"GBP": 10}}}}),
    "amounts": Break({"denomination": {"service": {"currencies": {"EUR": -5}}}}),
    "mix": Break({"denomination": {"service": {"mix": "mix99"}}}),
    "counts": Break({"denomination": {"service": {"partial": {"unit1": -1}}}}),
    "stock": Break(
        {"denomination": {"service": {"currencies": {"EUR": 100000}}}}, says="the units in use hold"
    ),
    "the mix's answer": Break({"denomination": {"service": {"currencies": {"EUR": 15}}}}),
}


def items(counts: dict[str, int], **currencies: int) -> dict[str, Any]:
    """Items named by the application, in the place of an amount."""
    return {"denomination": {"service": None, **chosen(counts, **currencies)["denomination"]}}


APP = {
    "worth": items({"unit1": 1, "unit2": 1}, EUR=10, USD=50),
    "one currency": items({"unit1": 20, "unit2": 20}, EUR=400, USD=1000),
}
APART = {
    "the mix's answer": "one is of `service`, the other of `app`",
    "max items": "a teller's position is looked at when it is set",
    "teller's position": "a teller's position is looked at when it is set",
    "still available": "what is available changes only while earlier movements are booked",
    "device there": "what is available changes only while earlier movements are booked",
}


def within(field: str, one: Break) -> Break:
    """A failure of a denomination, in the command's payload."""
    return Break({field: one.payload} if one.payload else {}, one.before, one.code, one.says)


def denomination(field: str) -> dict[str, Break]:
    return {
        "what is missing": Break({field: {"denomination": None}}),
        **{name: within(field, one) for name, one in SERVICE.items()},
    }


def together(field: str) -> dict[str, Break]:
    return {
        "what is missing": Break({field: {"denomination": None}}, exchange, code="invalidData"),
        "worth": Break({field: APP["worth"]}, code="invalidDenomination"),
        "one currency": Break({field: APP["one currency"]}, code="noCurrencyMix"),
    }


ORDER: dict[str, Command] = {
    "CashDispenser.Denominate": Command(
        denomination("request"), good={"request": amount(40)}, apart=APART, together=together("request")
    ),
    "CashDispenser.Dispense": Command(
        {
            "named_position_exists": POSITION,
            "no_cash_in_active": NO_CASH_IN,
            **denomination("denomination"),
            "shutter closed": Break(before=shutter("open")),
            "way free": Break(before=stacker_used),
            "token": Break(),
            "device there": DEVICE,
        },
        good={"denomination": amount(40)},
        before=emptied,
        apart=APART,
        together=together("denomination"),
    ),
    "CashDispenser.Present": Command(
        {
            "no_exchange": NO_EXCHANGE,
            "no_cash_in_active": NO_CASH_IN,
            "position_exists": POSITION,
            "items_inside": EMPTY,
            "shutter_not_left_open": Break(before=shutter("open")),
            "device there": DEVICE,
        }
    ),
    "CashDispenser.Reject": Command(
        {
            "no_exchange": NO_EXCHANGE,
            "no_cash_in_active": NO_CASH_IN,
            "items_inside": EMPTY,
            "reject_unit_has_room": Break(before=out_of_use("unit3")),
            "device there": DEVICE,
        }
    ),
    "CashDispenser.PrepareDispense": Command(
        {
            "given action": Break({"action": None}),
            "no_exchange": NO_EXCHANGE,
            "device_ready": DEVICE,
        },
        good={"action": "start"},
    ),
    "CashDispenser.Count": Command(
        {
            "no_exchange": NO_EXCHANGE,
            "no_cash_in_active": NO_CASH_IN,
            "position_exists": POSITION,
            "unit_exists": Break({"unit": "unit9"}),
            "units_work": Break(before=out_of_use("unit1")),
            "device there": DEVICE,
        },
        apart={"unit_exists": "a unit that does not exist cannot fail to work"},
    ),
    "CashDispenser.TestCashUnits": Command(
        {
            "no_exchange": NO_EXCHANGE,
            "no_cash_in_active": NO_CASH_IN,
            "target_exists": Break({"target": {"target": "outRear"}}),
            "target_shutter_closed": Break(before=shutter("open")),
            "units": Break(before=out_of_use("unit1")),
            "device there": DEVICE,
        },
        good={"target": {"target": "outLeft"}},
        before=out_of_use("unit2"),
    ),
    "CashDispenser.SetMixTable": Command(
        {
            "table complete": Break({"name": None}),
            "number free": Break({"mixNumber": 1}),
            "rows add up": Break({"mixRows": [{"amount": 11, "mix": [{"value": 10, "count": 1}]}]}),
        },
        good={"mixNumber": 9, "name": "x", "mixRows": [{"amount": 10, "mix": [{"value": 10, "count": 1}]}]},
    ),
    "CashManagement.Retract": Command(
        {
            "no_exchange": NO_EXCHANGE,
            "retract_position_exists": Break({"location": {"outputPosition": "outRear"}}),
            "retract_area_exists": Break({"location": {"retractArea": "cashIn"}}),
            "something_to_retract": EMPTY,
            "room": Break({"location": {"retractArea": "stacker"}}),
            "device there": DEVICE,
        },
        apart={"something_to_retract": "there are no items, and the stacker holds some"},
    ),
    "CashManagement.Reset": Command(
        {
            "target_exists": Break({"position": {"target": "outRear"}}),
            "room": Break({"position": {"target": "stacker"}}),
            "device there": DEVICE,
        },
        apart={"target_exists": "one target is not two"},
    ),
    "CashManagement.OpenShutter": Command(
        {
            "no_exchange": NO_EXCHANGE,
            "position_exists": POSITION,
            "device_ready": DEVICE,
            "shutter_not_open": Break(before=shutter("open")),
        }
    ),
    "CashManagement.CloseShutter": Command(
        {
            "no_exchange": NO_EXCHANGE,
            "position_exists": POSITION,
            "device_ready": DEVICE,
            "shutter_not_closed": Break(before=shutter("closed")),
        }
    ),
    "CashManagement.CalibrateCashUnit": Command(
        {
            "unit_and_number_given": Break({"numOfBills": None}),
            "no_exchange": NO_EXCHANGE,
            "no_cash_in_active": NO_CASH_IN,
            "unit_exists": Break({"unit": "unit9"}),
            "calibration_target_exists": Break({"position": {"target": "cashIn"}}),
            "device there": DEVICE,
        },
        good={"unit": "unit1", "numOfBills": 1},
    ),
    "CashManagement.GetTellerInfo": Command(
        {"currency_known": Break({"currency": "GBP"}), "teller": Break({"tellerID": 9})}
    ),
    "CashManagement.SetTellerInfo": Command(
        {
            "action_and_teller_given": Break({"action": None}),
            "no_exchange": NO_EXCHANGE,
            "teller_position_exists": Break({"tellerDetails": {"outputPosition": "outRear"}}),
            "totals_known": Break({"tellerDetails": {"tellerTotals": {"GBP": {}}}}),
            "totals_are_money": Break({"tellerDetails": {"tellerTotals": {"EUR": {"itemsReceived": -1}}}}),
            "teller": Break({"action": "modify"}),
        },
        good={"action": "create", "tellerDetails": {"tellerID": 9}},
    ),
    "Storage.StartExchange": Command(
        {"no_exchange": NO_EXCHANGE, "no_transaction": Break(before=transaction)},
        together={"no_exchange": Break(before=exchange_in_a_transaction)},
    ),
    "Storage.SetStorage": Command(
        {
            "units exist": Break({"storage": {"unit9": {"cash": {}}}}),
            "settings": Break({"storage": {"unit1": {"cash": {"configuration": {"cashItems": ["typeX9"]}}}}}),
            "kind of items": Break({"storage": {"unit2": {"cash": {"configuration": {"value": 1}}}}}),
        },
        apart={"storage": "without units no unit is wrong"},
        together={
            "units exist": Break(
                {"storage": {"unit1": {"cash": {"configuration": {"cashItems": ["typeX9"]}}}, "unit9": {}}},
                code="invalidUnit",
            )
        },
    ),
}
BOTH = [pair for kind in (Storage, CashManagement, CashDispenser) for pair in pairs(kind, ORDER)]


@pytest.mark.parametrize("pair", BOTH, ids=str)
async def test_the_first_of_two_failing_checks_answers(bench: Bench, pair: Pair) -> None:
    await pair.prove(bench.client, bench)
