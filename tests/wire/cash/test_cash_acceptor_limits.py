"""CashAcceptor over the wire: what a cash-in may accept: limits, note types, units."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from acceptors import Acceptor, begin, do, laws, note, take_in
from cash import bucket, items, unit
from cash_ins import LIMITS, cannot, events, state
from dialogue import Dialogue, outcome
from vendors import serving
from xfs4iot import devices


@pytest.fixture
def device() -> Acceptor:
    return Acceptor()


@pytest.fixture
async def client(device: Acceptor, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def test_limits_are_given_to_the_device_as_what_is_left_of_them(
    client: Dialogue, device: Acceptor
) -> None:
    await begin(client, **LIMITS)
    device.slot = [note(20)]
    await do(client, "CashIn")
    device.slot = [note(20), note(20), note(20)]
    await do(client, "CashIn")
    asked = [call[1] for call in device.called if call[0] == "cash_in"]
    assert [(one.most, str(one.amounts["EUR"])) for one in asked] == [(3, "100.5"), (2, "80.5")]
    assert (await do(client, "GetCashInStatus"))["numOfRefused"] == 1
    assert await cannot(client, "CashIn") == "tooManyItems"
    await do(client, "CashInRollback")


async def test_an_amount_limit_of_every_currency_stops_the_next_cash_in(
    client: Dialogue, device: Acceptor
) -> None:
    limits = [{"currency": "EUR", "value": 20}, {"currency": "USD", "value": 20}]
    await begin(client, amountLimit=limits)
    device.slot = [note(20)]
    await do(client, "CashIn")
    device.slot = [note(20, currency="USD")]
    await do(client, "CashIn")
    assert await cannot(client, "CashIn") == "tooManyItems"


@pytest.mark.parametrize(
    ("limits", "slot", "beyond"),
    [
        ({"totalItemsLimit": 1}, [note(20), note(20)], "2 items where 1"),
        ({"amountLimit": [{"currency": "EUR", "value": 30}]}, [note(20), note(20)], "40 EUR where 30"),
        ({}, [note(20, currency="USD")], "typeUSD20"),
    ],
    ids=["items", "amount", "disabled"],
)
async def test_what_a_device_accepts_beyond_its_orders_is_booked_but_not_credited(
    client: Dialogue, device: Acceptor, limits: Any, slot: Any, beyond: str
) -> None:
    await do(client, "ConfigureNoteTypes", {"items": [{"item": "typeUSD20", "enabled": False}]})
    await begin(client, **limits)

    def more(result: devices.CashedIn) -> devices.CashedIn:
        device.truth["stacker"].clear()
        for kind in slot:
            device.truth["stacker"][kind] += 1
        return devices.CashedIn(moved=devices.items_inserted(device.truth["stacker"]), refused=0)

    device.lies["cash_in"] = more
    completion = await client.completion("CashAcceptor.CashIn")
    assert outcome(completion) == "hardwareError"
    assert beyond in completion["header"]["errorDescription"]
    assert items((await do(client, "GetCashInStatus"))["noteNumberList"]) == len(slot)
    await laws(client, device)
    await do(client, "CashInRollback")
    await laws(client, device)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"amountLimit": [{"currency": "EUR"}]}, "invalidData"),
        ({"amountLimit": [{"value": 5}]}, "invalidData"),
        ({"amountLimit": [{"currency": "EUR", "value": -1}]}, "invalidData"),
        ({"amountLimit": [{"currency": "EUR", "value": 1}, {"currency": "EUR", "value": 2}]}, "invalidData"),
        ({"inputPosition": "inRear"}, "unsupportedPosition"),
        ({"outputPosition": "outRear"}, "unsupportedPosition"),
    ],
    ids=str,
)
async def test_a_cash_in_is_begun_as_the_device_can(
    client: Dialogue, device: Acceptor, wanted: Any, code: str
) -> None:
    assert await cannot(client, "CashInStart", wanted) == code
    assert not device.called


@pytest.mark.parametrize("wanted", [{"totalItemsLimit": 5}, {"amountLimit": LIMITS["amountLimit"]}], ids=str)
async def test_limits_that_the_device_does_not_keep_are_refused(nursery: trio.Nursery, wanted: Any) -> None:
    class Unlimited(Acceptor):
        cash_in_limit = frozenset()

    client = await serving(Unlimited(), nursery)
    assert await cannot(client, "CashInStart", wanted) == "unsupportedData"
    await begin(client, totalItemsLimit=0, amountLimit=[{"currency": "EUR", "value": 0}])


async def test_note_types_are_enabled_by_the_framework(
    client: Dialogue, device: Acceptor, nursery: trio.Nursery
) -> None:
    disabled = {"items": [{"item": "typeEUR50", "enabled": False}, {"item": "typeEUR5", "enabled": True}]}
    await do(client, "ConfigureNoteTypes", disabled)
    shown = (await client.success("CashManagement.GetBankNoteTypes"))["items"]
    assert {item for item, one in shown.items() if one["enabled"]} == {
        "typeEUR5",
        "typeEUR10",
        "typeEUR20",
        "typeUSD20",
    }
    assert device.called[-1] == ("configure_note_types", frozenset(shown) - {"typeEUR50"})
    await take_in(client, device, note(20))
    (asked,) = [call[1] for call in device.called if call[0] == "cash_in"]
    assert asked.items == frozenset(shown) - {"typeEUR50"}


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {"items": []},
        {"items": [{"item": "typeEUR5"}]},
        {"items": [{"enabled": True}]},
        {"items": [{"item": "typeEUR5", "enabled": True}] * 2},
        {"items": [{"item": "typeX", "enabled": True}]},
    ],
    ids=str,
)
async def test_note_types_are_named_once_and_known(client: Dialogue, device: Acceptor, wrong: Any) -> None:
    assert await cannot(client, "ConfigureNoteTypes", wrong) == "invalidData"
    assert not device.called


async def test_units_that_cannot_take_items_are_not_named_to_the_device(
    client: Dialogue, device: Acceptor
) -> None:
    locked = {"storage": {"unitA": {"cash": {"configuration": {"appLockIn": True}}}}}
    await client.success("Storage.SetStorage", locked)
    await take_in(client, device, note(20))
    await do(client, "CashInEnd")
    assert bucket(await unit(client, "unitB"), "in", "deposited") == 1
    device.unit_changed("unitB", "inoperative")
    await begin(client)
    assert await cannot(client, "CashIn") == "cashUnitError"
    (told,) = events(client, "Storage.StorageErrorEvent")
    assert (told["failure"], set(told["unit"])) == ("error", {"unitA", "unitB"})
    device.unit_changed("unitB", "ok")
    device.slot = [note(20)]
    await do(client, "CashIn")
    device.unit_changed("unitB", "inoperative")
    assert await cannot(client, "CashInEnd") == "cashUnitError"
    assert await state(client) == "active"


@pytest.mark.parametrize(
    ("first", "second", "failure"),
    [
        ("locked", "locked", "locked"),
        ("missing", "inoperative", "error"),
        ("notConfigured", "notConfigured", "notConfigured"),
        ("full", "full", "full"),
        ("full", "locked", "full"),
        ("missing", "locked", "error"),
    ],
)
async def test_what_keeps_all_units_from_taking_items_is_told(
    client: Dialogue, device: Acceptor, first: Any, second: Any, failure: str
) -> None:
    await begin(client)
    for name, now in (("unitA", first), ("unitB", second)):
        wanted: dict[str, Any] = {}
        if now == "locked":
            wanted = {"configuration": {"appLockIn": True}}
        elif now == "full":
            wanted = {"status": {"initial": {"unrecognized": 500}}}
        else:
            device.unit_changed(name, now)
        if wanted:
            await client.success("Storage.SetStorage", {"storage": {name: {"cash": wanted}}})
    client.passed.clear()
    assert await cannot(client, "CashIn") == "cashUnitError"
    (told,) = events(client, "Storage.StorageErrorEvent")
    assert (told["failure"], set(told["unit"])) == (failure, {"unitA", "unitB"})
