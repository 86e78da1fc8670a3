"""Teller devices: tellers and their totals, several currencies, the cash box."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount, chosen
from dialogue import Dialogue, dialogue
from vendors import Teller, serving
from xfs4iot.interfaces.cash.cash_management import CashManagement
from xfs4iot.ledger import Ledger


@pytest.fixture
async def teller(nursery: trio.Nursery) -> Dialogue:
    return await serving(Teller(), nursery)


async def test_several_currencies_are_paid_each_exactly(teller: Dialogue) -> None:
    both = {"denomination": {"service": {"currencies": {"EUR": 40, "USD": 100}, "mix": "mix1"}}}
    done = await teller.success("CashDispenser.Dispense", {"denomination": both})
    assert done["denomination"] == {
        "currencies": {"EUR": 40, "USD": 100},
        "values": {"unit1": 2, "unit2": 2},
    }


async def test_one_currency_does_not_make_up_for_another(teller: Dialogue) -> None:
    request = {"request": chosen({"unit1": 5}, EUR=50, USD=50)}
    assert await teller.failure("CashDispenser.Denominate", request) == "invalidDenomination"
    request = {"request": chosen({"unit1": 1, "unit2": 1}, EUR=20)}
    assert await teller.failure("CashDispenser.Denominate", request) == "invalidCurrency"


async def test_the_item_limit_is_shared_by_all_currencies(teller: Dialogue) -> None:
    both = {"denomination": {"service": {"currencies": {"EUR": 220, "USD": 500}, "mix": "mix1"}}}
    assert await teller.failure("CashDispenser.Denominate", {"request": both}) == "tooManyItems"


async def test_what_comes_from_the_cash_box_is_no_item(teller: Dialogue) -> None:
    request = amount(45, cashBox={"currencies": {"EUR": 5}})
    done = await teller.success("CashDispenser.Denominate", {"request": request})
    assert done["result"] == {
        "currencies": {"EUR": 45},
        "values": {"unit1": 2},
        "cashBox": {"currencies": {"EUR": 5}},
    }
    request = amount(4, cashBox={"currencies": {"EUR": 5}})
    assert await teller.failure("CashDispenser.Denominate", {"request": request}) == "invalidDenomination"


async def test_a_cash_box_may_pay_it_all(teller: Dialogue) -> None:
    request = amount(5, cashBox={"currencies": {"EUR": 5}})
    done = await teller.success("CashDispenser.Dispense", {"denomination": request})
    assert done["denomination"] == {
        "currencies": {"EUR": 5},
        "cashBox": {"currencies": {"EUR": 5}},
    }
    request = amount(20, cashBox={"currencies": {"USD": 5}})
    assert await teller.failure("CashDispenser.Denominate", {"request": request}) == "invalidCurrency"


async def test_tellers_are_created_changed_and_deleted(teller: Dialogue) -> None:
    details = {"tellerID": 7, "inputPosition": "inLeft", "outputPosition": "outLeft"}
    await teller.success("CashManagement.SetTellerInfo", {"action": "create", "tellerDetails": details})
    assert (await teller.until("unsolicited", name="CashManagement.TellerInfoChangedEvent"))["payload"] == {
        "tellerID": 7
    }
    change = {"tellerID": 7, "outputPosition": "outRight"}
    await teller.success("CashManagement.SetTellerInfo", {"action": "modify", "tellerDetails": change})
    found = (await teller.success("CashManagement.GetTellerInfo", {"tellerID": 7}))["tellerDetails"]
    assert found == [{**details, "outputPosition": "outRight"}]
    await teller.success(
        "CashManagement.SetTellerInfo", {"action": "delete", "tellerDetails": {"tellerID": 7}}
    )
    assert await teller.failure("CashManagement.GetTellerInfo", {"tellerID": 7}) == "invalidTellerId"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({}, "invalidData"),
        ({"action": "create"}, "invalidData"),
        ({"action": "modify", "tellerDetails": {"tellerID": 9}}, "invalidTellerId"),
        ({"action": "delete", "tellerDetails": {"tellerID": 9}}, "invalidTellerId"),
        (
            {"action": "create", "tellerDetails": {"tellerID": 9, "outputPosition": "outTop"}},
            "unsupportedPosition",
        ),
        (
            {"action": "create", "tellerDetails": {"tellerID": 9, "tellerTotals": {"GBP": {}}}},
            "invalidCurrency",
        ),
        (
            {
                "action": "create",
                "tellerDetails": {"tellerID": 9, "tellerTotals": {"EUR": {"itemsReceived": 1e300}}},
            },
            "invalidData",
        ),
    ],
)
async def test_a_wrong_teller_is_refused(teller: Dialogue, payload: dict[str, Any], code: str) -> None:
    assert await teller.failure("CashManagement.SetTellerInfo", payload) == code


async def test_a_currency_that_the_device_lacks_has_no_totals(teller: Dialogue) -> None:
    assert await teller.failure("CashManagement.GetTellerInfo", {"currency": "GBP"}) == "invalidCurrency"


async def test_a_teller_pays_at_their_position_and_it_counts_in_their_totals(teller: Dialogue) -> None:
    request = {**amount(45, cashBox={"currencies": {"EUR": 5}}), "tellerID": 7}
    assert await teller.failure("CashDispenser.Dispense", {"denomination": request}) == "invalidTellerID"
    details = {"tellerID": 7, "outputPosition": "outRight"}
    await teller.success("CashManagement.SetTellerInfo", {"action": "create", "tellerDetails": details})
    await teller.success("CashDispenser.Dispense", {"denomination": request})
    found = (await teller.success("CashManagement.GetTellerInfo", {"currency": "EUR"}))["tellerDetails"]
    assert found[0]["tellerTotals"] == {"EUR": {"itemsDispensed": 40, "cashBoxDispensed": 5}}
    at_right = await teller.success("CashDispenser.GetPresentStatus", {"position": "outRight"})
    assert at_right["denomination"]["cashBox"] == {"currencies": {"EUR": 5}}


class Curious(Teller):
    """Wants to know what the service keeps for it."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = ("", "")
        self.listed = 0

    async def set_transaction_state(self, state: str, transaction_id: str) -> None:
        self.transaction = (state, transaction_id)

    async def set_classification_list(self, version: Any, elements: list[Any]) -> None:
        self.listed = len(elements)


async def test_tellers_and_classification_survive_a_restart(tmp_path: Any) -> None:
    tellers = {"tellerID": 7, "outputPosition": "outLeft"}
    elements = [{"serialNumber": "X?", "currency": "EUR", "value": 20, "level": "suspect"}]
    for start in range(2):
        ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
        device = Curious()
        async with trio.open_nursery() as nursery:
            client = await serving(device, nursery, ledger)
            if start == 0:
                await client.success(
                    "CashManagement.SetTellerInfo", {"action": "create", "tellerDetails": tellers}
                )
                await client.success(
                    "CashManagement.SetClassificationList", {"classificationElements": elements}
                )
                await client.success(
                    "Common.SetTransactionState", {"state": "active", "transactionID": "T-1"}
                )
                assert device.transaction == ("active", "T-1")
            assert device.listed == 1
            found = await client.success("CashManagement.GetTellerInfo", {"tellerID": 7})
            assert found["tellerDetails"] == [tellers]
            listed = await client.success("CashManagement.GetClassificationList")
            assert listed["classificationElements"] == elements
            nursery.cancel_scope.cancel()
        ledger.close()


async def test_what_is_paid_while_a_teller_is_changed_counts(nursery: trio.Nursery) -> None:
    ledger = Ledger.open(None)
    service = xfs4iot.Service(Teller(), ledger=ledger)
    publisher = xfs4iot.Publisher([service], port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("Teller"))
    details = {"tellerID": 7, "outputPosition": "outRight"}
    await client.success("CashManagement.SetTellerInfo", {"action": "create", "tellerDetails": details})
    tellers = service.interface(CashManagement).tellers
    change = {"tellerID": 7, "outputPosition": "outLeft"}
    async with ledger._lock:
        request = await client.send(
            "CashManagement.SetTellerInfo", {"action": "modify", "tellerDetails": change}
        )
        await client.until("acknowledge", request)
        with trio.fail_after(20):
            while not ledger._waiting:
                await trio.lowlevel.checkpoint()
        # As a movement does that could only be booked now.
        kept = tellers.dispensed(7, {"EUR": Decimal(40)}, {}, coins=False)
    for name, value in kept.items():
        await ledger.service("Teller").put_document(name, value)
    await client.until("completion", request)
    (found,) = (await client.success("CashManagement.GetTellerInfo", {"tellerID": 7}))["tellerDetails"]
    assert found["outputPosition"] == "outLeft"
    assert found["tellerTotals"]["EUR"]["itemsDispensed"] == 40
    tellers.start()
    assert tellers.require(7, "invalidTellerId").output_position == "outLeft"
    assert tellers.details(7, "EUR")[0].teller_totals["EUR"].items_dispensed == 40  # type: ignore[index]
