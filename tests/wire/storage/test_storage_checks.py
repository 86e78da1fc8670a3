"""Storage units of kind check: what they tell, what can be set, and when they are high."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, another
from vendors import serving
from xfs4iot import devices


class Bins(devices.Storage):
    """A pocket for cheques, a bin for what is retracted, and a bin in which nobody can count."""

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {
            "unitP1": devices.CheckUnit(
                index=1,
                types=frozenset({"mediaIn", "retract"}),
                sensors=frozenset({"full"}),
                capacity=100,
                bin_id="local",
                high_threshold=80,
                initial=3,
            ),
            "unitR1": devices.CheckUnit(index=2, types=frozenset({"retract"}), retract_high_threshold=2),
            "unitR2": devices.CheckUnit(index=3, types=frozenset({"retract"}), counts=False),
        }

    async def start_exchange(self) -> None:
        pass

    async def end_exchange(self) -> None:
        pass


@pytest.fixture
async def client(nursery: trio.Nursery) -> Dialogue:
    return await serving(Bins("Bins"), nursery)


async def unit(client: Dialogue, name: str) -> Any:
    return (await client.success("Storage.GetStorage"))["storage"][name]["check"]


def setting(name: str, **check: Any) -> dict[str, Any]:
    return {"storage": {name: {"check": check}}}


async def test_a_unit_tells_what_it_is_for_and_holds(client: Dialogue) -> None:
    assert await unit(client, "unitP1") == {
        "capabilities": {
            "types": {"mediaIn": True, "retract": True},
            "sensors": {"empty": False, "high": False, "full": True},
        },
        "configuration": {
            "types": {"mediaIn": True, "retract": True},
            "binID": "local",
            "highThreshold": 80,
        },
        "status": {
            "index": 1,
            "initial": {"mediaInCount": 0, "count": 3, "retractOperations": 0},
            "in": {"mediaInCount": 0, "count": 3, "retractOperations": 0},
            "replenishmentStatus": "ok",
        },
    }
    assert (await unit(client, "unitR2"))["status"] == {
        "index": 3,
        "initial": {"retractOperations": 0},
        "in": {"retractOperations": 0},
        "replenishmentStatus": "empty",
    }


@pytest.mark.parametrize(
    ("name", "initial", "status"),
    [
        ("unitP1", {"count": 80}, "ok"),
        ("unitP1", {"count": 81}, "high"),
        ("unitP1", {"count": 100}, "full"),
        ("unitP1", {"count": 0}, "empty"),
        ("unitR1", {"retractOperations": 2}, "ok"),
        ("unitR1", {"retractOperations": 3, "count": 9}, "high"),
    ],
)
async def test_either_threshold_makes_a_unit_high(
    client: Dialogue, name: str, initial: dict[str, int], status: str
) -> None:
    await client.success("Storage.SetStorage", setting(name, status={"initial": initial}))
    now = (await unit(client, name))["status"]
    assert now["replenishmentStatus"] == status
    assert now["in"] == now["initial"]
    assert {key: now["in"][key] for key in initial} == initial


async def test_a_threshold_alone_can_be_set_and_its_crossing_is_told_once(client: Dialogue) -> None:
    for threshold in (2, 1):
        await client.success(
            "Storage.SetStorage", setting("unitP1", configuration={"highThreshold": threshold})
        )
    told = [
        one["payload"] for one in client.passed if one["header"]["name"] == "Storage.StorageThresholdEvent"
    ]
    assert told == [{"unitP1": {"check": {"status": {"replenishmentStatus": "high"}}}}]


@pytest.mark.parametrize(
    ("check", "code"),
    [
        ({"status": {"initial": {"count": 101}}}, "invalidData"),
        ({"status": {"initial": {"mediaInCount": -1}}}, "invalidData"),
        ({"configuration": {"highThreshold": 100}}, "invalidData"),
        ({"configuration": {"types": {"mediaIn": False}}}, "invalidData"),
        ({"configuration": {"types": {"mediaIn": True}}}, "noExchangeActive"),
        ({"configuration": {"binID": "foreign"}}, "noExchangeActive"),
    ],
)
async def test_what_does_not_fit_changes_nothing(client: Dialogue, check: dict[str, Any], code: str) -> None:
    before = await client.success("Storage.GetStorage")
    assert await client.failure("Storage.SetStorage", setting("unitP1", **check)) == code
    assert await client.success("Storage.GetStorage") == before


async def test_what_a_unit_is_used_for_is_set_in_an_exchange_and_outlives_a_restart() -> None:
    ledger = xfs4iot.Ledger.open(None)
    wanted = {"types": {"mediaIn": True, "retract": False}, "binID": "foreign", "retractHighThreshold": 0}
    for first in (True, False):
        async with trio.open_nursery() as nursery:
            client = await serving(Bins("Bins"), nursery, ledger)
            if first:
                await client.success("Storage.StartExchange")
                await client.success("Storage.SetStorage", setting("unitP1", configuration=wanted))
                await client.success("Storage.EndExchange")
            assert (await unit(client, "unitP1"))["configuration"] == {**wanted, "highThreshold": 80}
            nursery.cancel_scope.cancel()


async def test_a_unit_for_retracted_items_can_be_for_nothing_else(client: Dialogue) -> None:
    await client.success("Storage.StartExchange")
    wanted = setting("unitR1", configuration={"types": {"mediaIn": True}})
    assert await client.failure("Storage.SetStorage", wanted) == "invalidData"


async def test_clients_of_2023_are_told_of_units_of_cheques(client: Dialogue, nursery: trio.Nursery) -> None:
    old = await another(client, nursery, "2023-2")
    found = (await old.success("Storage.GetStorage"))["storage"]["unitP1"]["check"]["status"]
    assert found["in"]["count"] == 3
