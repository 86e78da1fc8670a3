"""Deposit over the wire: the order of its checks, and payloads of nobody's making."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
import trio

from depositories import Depository
from dialogue import outcome
from order import Break, Command, Pair, pairs
from vendors import serving
from xfs4iot.interfaces.documents.deposit import Deposit


def rules(device: Any) -> Deposit:
    found: Deposit = device._host.interface(Deposit)
    return found


async def offline(device: Any) -> None:
    device.status.common.device = "offline"


async def exchanged(device: Any) -> None:
    storage: Any = rules(device).storage
    storage._exchange = True


async def box_missing(device: Any) -> None:
    device.unit_changed("unitBOX", "missing")


async def box_full(device: Any) -> None:
    device.deposit_levels("unitBOX", container="full")


async def box_broken(device: Any) -> None:
    device.deposit_levels("unitBOX", container="inoperative")


async def transport_broken(device: Any) -> None:
    device.status.deposit.dep_transport = "inoperative"


async def toner_out(device: Any) -> None:
    device.status.deposit.toner = "out"


async def printer_broken(device: Any) -> None:
    device.status.deposit.printer = "inoperative"


async def presented(device: Any) -> None:
    state: Any = rules(device)
    state.record = msgspec.structs.replace(state.record, presented=True)


async def pushed_back(device: Any) -> None:
    state: Any = rules(device)
    state.record = msgspec.structs.replace(state.record, location="shutter")


async def no_supply(device: Any) -> None:
    del rules(device).units.kept["unitENV"]


async def supply_empty(device: Any) -> None:
    device.deposit_levels("unitENV", supply="empty")


async def dispenser_broken(device: Any) -> None:
    device.status.deposit.env_dispenser = "inoperative"


async def manual(device: Any) -> None:
    rules(device).units.kept["unitENV"].env_supply = "manual"


PRINTING = {
    "text_printable": Break({"printData": "A" * 11}),
    "characters_printable": Break({"printData": "ä"}),
}
READY = {"device_ready": Break(before=offline), "units_not_exchanged": Break(before=exchanged)}
CONTAINER = {
    "container missing": Break(before=box_missing),
    "container full": Break(before=box_full),
    "container inoperative": Break(before=box_broken, says="unitBOX"),
}
ONE_LEVEL = {
    "container full": "a container has one level at a time",
    "container missing": "a container has one level at a time",
}
TONER = {"toner_there": Break(before=toner_out), "printer_works": Break(before=printer_broken)}
ORDER = {
    "Deposit.Entry": Command(
        {
            **PRINTING,
            **READY,
            **CONTAINER,
            "way_clear": Break(before=transport_broken),
            **TONER,
            "slot_free": Break(before=presented),
        },
        good={"printData": "A"},
        apart=ONE_LEVEL,
        together={"text_printable": Break({"printData": "ä" * 11})},
    ),
    "Deposit.Dispense": Command(
        {
            "supply_there": Break(before=no_supply),
            **READY,
            "supply_has_envelopes": Break(before=supply_empty),
            "dispenser_works": Break(before=dispenser_broken),
            "slot_free": Break(before=presented),
            "slot_empty": Break(before=pushed_back, says="pushed back"),
        }
    ),
    "Deposit.Retract": Command(
        {"can_retract": Break(before=manual), **PRINTING, **READY, **CONTAINER, **TONER},
        good={"printData": "A"},
        apart=ONE_LEVEL,
        together={"text_printable": Break({"printData": "ä" * 11})},
    ),
    "Deposit.Reset": Command(
        {"device_ready": Break(before=offline), **CONTAINER},
        good={"depMediaControl": "retract"},
        apart=ONE_LEVEL,
    ),
    "Deposit.SupplyReplenish": Command(
        {"supplies_given": Break({"toner": None}), "device_ready": Break(before=offline)},
        good={"toner": True},
    ),
}


@pytest.mark.parametrize("pair", pairs(Deposit, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(pair: Pair, nursery: trio.Nursery) -> None:
    device = Depository()
    client = await serving(device, nursery)
    await pair.prove(client, device)
    assert not device.called


ODD: tuple[Any, ...] = (None, True, -1, 2**70, 1.5, "", "x" * 70_000, "eject", "A", [], [None], {}, {"a": 1})
FIELDS = {
    "Entry": ("printData", "x"),
    "Dispense": ("x",),
    "Retract": ("printData",),
    "Reset": ("depMediaControl",),
    "SupplyReplenish": ("toner", "envelope"),
}


@pytest.mark.parametrize("name", FIELDS)
async def test_no_payload_stops_the_service_or_is_an_internal_error(nursery: trio.Nursery, name: str) -> None:
    chance = random.Random(name)
    client = await serving(Depository(), nursery)
    for _ in range(40):
        payload: Any = {field: chance.choice(ODD) for field in FIELDS[name] if chance.random() < 0.8}
        request = await client.send(
            f"Deposit.{name}", chance.choice((payload, payload, payload, None, [], "x"))
        )
        acknowledge = await client.until("acknowledge", request)
        if "status" not in acknowledge["header"]:
            assert outcome(await client.until("completion", request)) != "internalError"
    await client.success("Common.Status")
