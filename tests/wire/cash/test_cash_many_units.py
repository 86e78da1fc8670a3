"""More units than the solver takes: the request is told so, and the service goes on."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from vendors import Minimal
from xfs4iot import devices


class Many(Minimal):
    """So many units of 10 EUR."""

    def __init__(self, number: int) -> None:
        super().__init__("Many")
        self.number = number

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        return {
            f"unit{place}": devices.CashUnit(
                index=place + 1,
                capacity=10,
                types=frozenset({"cashOut"}),
                currency="EUR",
                value=Decimal(10),
                initial=1,
            )
            for place in range(self.number)
        }


@pytest.mark.parametrize("number", [64, 65])
async def test_more_units_than_the_solver_takes_are_refused_with_the_request(
    nursery: trio.Nursery, number: int
) -> None:
    publisher = xfs4iot.Publisher([xfs4iot.Service(Many(number))], port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("Many"))
    asked = {"request": {"denomination": {"service": {"currencies": {"EUR": 100}, "mix": "mix1"}}}}
    answers = []
    for request in (asked, {**asked, "x-vendor": 1}):
        completion = await client.completion("CashDispenser.Denominate", request)
        del completion["header"]["requestId"]
        answers.append(completion)
    assert answers[0] == answers[1]
    if number == 64:
        assert len(answers[0]["payload"]["result"]["values"]) == 10
    else:
        assert "at most 64" in answers[0]["header"]["errorDescription"]
    await client.success("Common.Status")
