"""CashDispenser.Denominate, and what Dispense asks of it: amounts, items, partial counts, mixes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount, chosen
from dialogue import Dialogue, dialogue, outcome


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


async def test_denominate_moves_and_reserves_nothing(dispenser: Dialogue) -> None:
    before = await dispenser.success("Storage.GetStorage")
    answer = await dispenser.success("CashDispenser.Denominate", {"request": amount(100)})
    assert answer["result"] == {"currencies": {"EUR": 100}, "values": {"unit4": 1}}
    assert await dispenser.success("Storage.GetStorage") == before


REFUSED_REQUESTS: list[tuple[str, Any, str]] = [
    ("no request", None, "invalidData"),
    ("neither app nor service", {"denomination": {}}, "invalidData"),
    (
        "both app and service",
        {"denomination": {**amount(100)["denomination"], **chosen({"unit1": 1})["denomination"]}},
        "invalidData",
    ),
    ("no mix", {"denomination": {"service": {"currencies": {"EUR": 100}}}}, "invalidData"),
    ("unknown mix", amount(100, "mix99"), "invalidMixNumber"),
    ("no currencies", {"denomination": {"service": {"mix": "mix1"}}}, "invalidDenomination"),
    (
        "no currency",
        {"denomination": {"service": {"mix": "mix1", "currencies": {}}}},
        "invalidCurrency",
    ),
    ("unknown currency", amount(100, currency="USD"), "invalidCurrency"),
    ("no currency at all", amount(100, currency="euro"), "invalidCurrency"),
    ("nothing", amount(0), "invalidData"),
    ("negative", amount(-10), "invalidDenomination"),
    ("not a multiple", amount(15), "notDispensable"),
    ("a fraction", amount(10.5), "notDispensable"),
    ("more than there is", amount(10_000_000), "notDispensable"),
    ("beyond 32 bits", amount(2**31), "notDispensable"),
    ("too many items", amount(10_000), "tooManyItems"),
    ("more decimals than money has", amount(0.000001), "invalidDenomination"),
    ("cash box", amount(100, cashBox={"currencies": {"EUR": 10}}), "noCashBoxPresent"),
    ("partial of an unknown unit", amount(100, partial={"unit9": 1}), "notDispensable"),
    ("partial of a unit that only takes in", amount(100, partial={"unit5": 1}), "notDispensable"),
    ("partial above stock", amount(100, partial={"unit1": 501}), "notDispensable"),
    ("negative partial", amount(100, partial={"unit1": -1}), "invalidDenomination"),
    ("no items", chosen({}), "invalidDenomination"),
    ("negative count", chosen({"unit1": -1}), "invalidDenomination"),
    ("count above stock", chosen({"unit1": 501}), "notDispensable"),
    ("unknown unit", chosen({"unit9": 1}), "notDispensable"),
    ("items are not the amount", chosen({"unit1": 1}, EUR=20), "invalidDenomination"),
    ("items above the limit", chosen({"unit1": 41}), "tooManyItems"),
]


@pytest.mark.parametrize("command", ["CashDispenser.Denominate", "CashDispenser.Dispense"])
@pytest.mark.parametrize(
    ("request_", "code"), [case[1:] for case in REFUSED_REQUESTS], ids=[case[0] for case in REFUSED_REQUESTS]
)
async def test_a_request_that_cannot_be_met_is_refused_and_changes_nothing(
    dispenser: Dialogue, command: str, request_: Any, code: str
) -> None:
    before = await dispenser.success("Storage.GetStorage")
    payload = {"request" if command.endswith("Denominate") else "denomination": request_}
    assert await dispenser.failure(command, payload) == code
    assert await dispenser.success("Storage.GetStorage") == before
    assert (await dispenser.success("CashDispenser.GetPresentStatus", {}))["presentState"] == "unknown"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("1e30", "notDispensable"),
        ("1e300", "invalidData"),
        ("1e99999999", "invalidData"),
        ("9" * 10_000, "invalidData"),
        ("1e-99999999", "invalidData"),
        ("100.00000000000000000000000000001", "invalidDenomination"),
        ("-1e99999999", "invalidData"),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("place", ["currencies", "cashBox", "counts", "partial"])
async def test_no_number_is_too_absurd_to_be_answered(
    dispenser: Dialogue, number: str, code: str, place: str
) -> None:
    asked = {
        "currencies": '{"service": {"mix": "mix1", "currencies": {"EUR": %s}}}',
        "cashBox": '{"service": {"mix": "mix1", "currencies": {"EUR": 10}, '
        '"cashBox": {"currencies": {"EUR": %s}}}}',
        "counts": '{"app": {"currencies": {"EUR": 0}, "counts": {"unit1": %s}}}',
        "partial": '{"service": {"mix": "mix1", "currencies": {"EUR": 10}, "partial": {"unit1": %s}}}',
    }[place]
    request = {
        "header": {"type": "command", "name": "CashDispenser.Denominate", "requestId": 1, "version": "3.0"}
    }
    text = json.dumps({**request, "payload": {"request": {"denomination": "?"}}})
    await dispenser.send_text(text.replace('"?"', asked % number))
    while (answer := await dispenser.receive())["header"]["type"] != "completion":
        assert "status" not in answer["header"], answer
    found = outcome(answer)
    if place == "currencies":
        assert answer.get("payload", {}).get("errorCode", found) == code
    else:
        assert found in ("invalidData", "commandErrorCode")
    await dispenser.success("CashDispenser.Denominate", {"request": amount(100)})


async def test_field_07_amounts_that_cannot_be_paid_are_answered_without_waiting(dispenser: Dialogue) -> None:
    """Each of them costs an exhaustive search what it never ends; a thousand are answered in no time."""
    values = [60_005, 60_010, 59_995, 2**31 - 1, 2**31, 4_001, 4_015, 59_999]
    for _ in range(125):
        for value in values:
            assert await dispenser.failure("CashDispenser.Denominate", {"request": amount(value)}) in (
                "notDispensable",
                "tooManyItems",
            )


async def test_all_that_there_is_can_be_denominated_as_far_as_the_device_dispenses_at_once(
    dispenser: Dialogue,
) -> None:
    done = await dispenser.success("CashDispenser.Denominate", {"request": amount(4000)})
    assert done["result"]["values"] == {"unit4": 40}
    assert await dispenser.failure("CashDispenser.Denominate", {"request": amount(4010)}) == "tooManyItems"
    for name, item in (("unit2", "typeEUR20"), ("unit3", "typeEUR50"), ("unit4", "typeEUR100")):
        initial = {item: {"fit": 0}}
        await dispenser.success(
            "Storage.SetStorage", {"storage": {name: {"cash": {"status": {"initial": initial}}}}}
        )
    initial = {"typeEUR10": {"fit": 7}}
    await dispenser.success(
        "Storage.SetStorage", {"storage": {"unit1": {"cash": {"status": {"initial": initial}}}}}
    )
    done = await dispenser.success("CashDispenser.Denominate", {"request": amount(70)})
    assert done["result"]["values"] == {"unit1": 7}
    assert await dispenser.failure("CashDispenser.Denominate", {"request": amount(80)}) == "notDispensable"


async def test_items_named_by_the_application_are_taken_as_named(dispenser: Dialogue) -> None:
    done = await dispenser.success(
        "CashDispenser.Dispense", {"denomination": chosen({"unit1": 3, "unit2": 1}, EUR=50)}
    )
    assert done["denomination"]["values"] == {"unit1": 3, "unit2": 1}


async def test_items_without_an_amount_are_worth_what_they_are(dispenser: Dialogue) -> None:
    done = await dispenser.success("CashDispenser.Denominate", {"request": chosen({"unit2": 2})})
    assert done["result"]["values"] == {"unit2": 2}


async def test_field_02_partial_counts_are_paid_first_and_the_rest_is_mixed(dispenser: Dialogue) -> None:
    done = await dispenser.success("CashDispenser.Denominate", {"request": amount(100, partial={"unit1": 2})})
    assert done["result"]["values"]["unit1"] >= 2
    values = {"unit1": 10, "unit2": 20, "unit3": 50, "unit4": 100}
    assert sum(values[name] * count for name, count in done["result"]["values"].items()) == 100
    for partial, code in (({"unit1": -1}, "invalidDenomination"), ({"unit9": 1}, "notDispensable")):
        request = {"request": amount(100, partial=partial)}
        assert await dispenser.failure("CashDispenser.Denominate", request) == code


async def test_a_locked_unit_is_left_out_of_mixes_and_refused_by_name(dispenser: Dialogue) -> None:
    await dispenser.success(
        "Storage.SetStorage", {"storage": {"unit4": {"cash": {"configuration": {"appLockOut": True}}}}}
    )
    done = await dispenser.success("CashDispenser.Denominate", {"request": amount(100)})
    assert done["result"]["values"] == {"unit3": 2}
    assert (
        await dispenser.failure("CashDispenser.Denominate", {"request": chosen({"unit4": 1})})
        == "cashUnitError"
    )


async def test_a_unit_that_does_not_work_is_left_out_of_mixes_and_refused_by_name(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.Inject", {"fault": "inoperative", "unit": "unit4"})
    done = await dispenser.success("CashDispenser.Denominate", {"request": amount(100)})
    assert done["result"]["values"] == {"unit3": 2}
    request = {"denomination": chosen({"unit4": 1})}
    assert await dispenser.failure("CashDispenser.Dispense", request) == "cashUnitError"


async def test_mixes_are_the_three_algorithms_and_the_houses_own_tables(dispenser: Dialogue) -> None:
    rows = [
        {"amount": 100, "mix": [{"value": 20, "count": 5}]},
        {"amount": 50, "mix": [{"value": 10, "count": 5}]},
    ]
    table = {"mixNumber": 21, "name": "House mix", "mixRows": rows}
    await dispenser.success("CashDispenser.SetMixTable", table)
    mixes = (await dispenser.success("CashDispenser.GetMixTypes"))["mixes"]
    assert {name: mix.get("algorithm") for name, mix in mixes.items()} == {
        "mix1": "minimumBills",
        "mix2": "equalEmptying",
        "mix3": "maxCashUnits",
        "mixTable21": None,
    }
    assert await dispenser.success("CashDispenser.GetMixTable", {"mix": "mixTable21"}) == table
    done = await dispenser.success("CashDispenser.Denominate", {"request": amount(100, "mixTable21")})
    assert done["result"]["values"] == {"unit2": 5}
    request = {"request": amount(70, "mixTable21")}
    assert await dispenser.failure("CashDispenser.Denominate", request) == "amountNotInMixTable"


async def test_a_mix_table_replaces_the_one_with_its_number(dispenser: Dialogue) -> None:
    for value, count in ((20, 5), (50, 2)):
        rows = [{"amount": 100, "mix": [{"value": value, "count": count}]}]
        await dispenser.success(
            "CashDispenser.SetMixTable", {"mixNumber": 21, "name": "House mix", "mixRows": rows}
        )
    found = await dispenser.success("CashDispenser.GetMixTable", {"mix": "mixTable21"})
    assert found["mixRows"] == [{"amount": 100, "mix": [{"value": 50, "count": 2}]}]


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ({"name": "x", "mixRows": [{"amount": 10, "mix": [{"value": 10, "count": 1}]}]}, "invalidData"),
        ({"mixNumber": 21, "mixRows": [{"amount": 10, "mix": [{"value": 10, "count": 1}]}]}, "invalidData"),
        ({"mixNumber": 21, "name": "x", "mixRows": []}, "invalidData"),
        ({"mixNumber": 21, "name": "x", "mixRows": [{"amount": 10}]}, "invalidData"),
        ({"mixNumber": 21, "name": "x", "mixRows": [{"amount": 10, "mix": [{"value": 10}]}]}, "invalidData"),
        (
            {"mixNumber": 2, "name": "x", "mixRows": [{"amount": 10, "mix": [{"value": 10, "count": 1}]}]},
            "invalidMixNumber",
        ),
        (
            {
                "mixNumber": 21,
                "name": "x",
                "mixRows": [{"amount": 1e30, "mix": [{"value": 1e30, "count": 1}]}],
            },
            "invalidMixTable",
        ),
        (
            {"mixNumber": 21, "name": "x", "mixRows": [{"amount": 0, "mix": [{"value": 0, "count": 1}]}]},
            "invalidMixTable",
        ),
        (
            {"mixNumber": 21, "name": "x", "mixRows": [{"amount": 30, "mix": [{"value": 10, "count": 1}]}]},
            "invalidMixTable",
        ),
    ],
)
async def test_a_wrong_mix_table_is_refused(dispenser: Dialogue, table: dict[str, Any], code: str) -> None:
    assert await dispenser.failure("CashDispenser.SetMixTable", table) == code
    assert "mixTable21" not in (await dispenser.success("CashDispenser.GetMixTypes"))["mixes"]


@pytest.mark.parametrize("mix", ["mix1", "mixTable99", None])
async def test_what_is_no_mix_table_is_an_invalid_mix(dispenser: Dialogue, mix: str | None) -> None:
    assert await dispenser.failure("CashDispenser.GetMixTable", {"mix": mix} if mix else {}) == "invalidMix"
