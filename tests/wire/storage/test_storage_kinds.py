"""Storage of several kinds: what units of cards are told, set and counted, beside units of cash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import trio

from dialogue import Dialogue
from vendors import Minimal, serving
from xfs4iot import devices


class Kiosk(Minimal):
    """A dispenser of cash that also gives out cards and keeps those left behind."""

    serial = "A1"

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {
            **await self.cash_units(),
            "unitC1": devices.CardUnit(
                type="dispense",
                capacity=100,
                card_id="loyalty",
                threshold=10,
                serial_number=self.serial,
                initial=40,
            ),
            "unitC2": devices.CardUnit(type="retain", capacity=20, threshold=5, position_name="bin"),
        }

    async def start_exchange(self) -> None:
        pass

    async def end_exchange(self) -> None:
        pass


@pytest.fixture
async def kiosk(nursery: trio.Nursery) -> Dialogue:
    return await serving(Kiosk("Kiosk"), nursery)


async def card(client: Dialogue, unit: str) -> Any:
    return (await client.success("Storage.GetStorage"))["storage"][unit]["card"]


def setting(unit: str, **card: Any) -> dict[str, Any]:
    return {"storage": {unit: {"card": card}}}


async def test_each_unit_is_reported_with_the_part_of_its_kind(kiosk: Dialogue) -> None:
    storage = (await kiosk.success("Storage.GetStorage"))["storage"]
    assert list(storage) == ["unit1", "unitC1", "unitC2"]
    assert "card" not in storage["unit1"]
    assert storage["unitC1"] == {
        "capacity": 100,
        "status": "ok",
        "serialNumber": "A1",
        "card": {
            "capabilities": {"type": "dispense", "hardwareSensors": False},
            "configuration": {"cardID": "loyalty", "threshold": 10},
            "status": {"initialCount": 40, "count": 40, "retainCount": 0, "replenishmentStatus": "ok"},
        },
    }
    assert storage["unitC2"]["positionName"] == "bin"
    assert storage["unitC2"]["card"]["status"] == {
        "initialCount": 0,
        "count": 0,
        "replenishmentStatus": "empty",
    }


@pytest.mark.parametrize(
    ("unit", "count", "status"),
    [
        ("unitC1", 100, "full"),
        ("unitC1", 11, "ok"),
        ("unitC1", 10, "low"),
        ("unitC1", 0, "empty"),
        ("unitC2", 4, "ok"),
        ("unitC2", 5, "high"),
        ("unitC2", 20, "full"),
    ],
)
async def test_cards_to_give_out_get_low_and_retained_ones_high(
    kiosk: Dialogue, unit: str, count: int, status: str
) -> None:
    await kiosk.success("Storage.SetStorage", setting(unit, status={"initialCount": count}))
    assert (await card(kiosk, unit))["status"]["replenishmentStatus"] == status


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"storage": {"unitC1": {"cash": {"configuration": {"appLockOut": True}}}}}, "invalidData"),
        ({"storage": {"unit1": {"card": {"configuration": {"threshold": 3}}}}}, "invalidData"),
        ({"storage": {"unitC1": {}}}, "invalidData"),
        (setting("unitC1", configuration={"threshold": 100}), "invalidData"),
        (setting("unitC1", status={"initialCount": 101}), "invalidData"),
        (setting("unitC1", configuration={"cardID": "credit"}), "noExchangeActive"),
    ],
)
async def test_what_does_not_fit_a_unit_of_cards_changes_nothing(
    kiosk: Dialogue, wanted: dict[str, Any], code: str
) -> None:
    before = await kiosk.success("Storage.GetStorage")
    mixed = {"storage": {"unitC2": {"card": {"status": {"initialCount": 7}}}, **wanted["storage"]}}
    assert await kiosk.failure("Storage.SetStorage", mixed) == code
    assert await kiosk.success("Storage.GetStorage") == before
