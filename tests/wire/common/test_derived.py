"""What clients are told of a device follows from its class, unless the class says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import trio

from dialogue import Dialogue
from vendors import Minimal, serving
from xfs4iot import devices
from xfs4iot.protocol.messages import cash_dispenser, common


class Presenting(Minimal, devices.PowerManagement):
    """States two things, implements two operations."""

    max_dispense_items = 40
    item_info_types = frozenset({"serialNumber"})

    async def present(self, position: str, events: devices.CashEvents) -> devices.Presented:
        raise NotImplementedError

    async def power_save_control(self, max_power_save_recovery_time: int) -> None:
        self.saving_power(max_power_save_recovery_time)


async def capabilities(client: Dialogue) -> dict[str, Any]:
    told: dict[str, Any] = await client.success("Common.Capabilities")
    return told


async def test_capabilities_follow_from_operations_and_class_attributes(nursery: trio.Nursery) -> None:
    told = await capabilities(await serving(Presenting("Cash"), nursery))
    assert told["cashDispenser"] == {
        "type": "selfServiceBill",
        "maxDispenseItems": 40,
        "shutterControl": True,
        "intermediateStacker": True,
        "itemsTakenSensor": False,
        "positions": dict.fromkeys(("left", "right", "center", "top", "bottom", "rear"), False)
        | {"front": True},
    }
    assert told["cashManagement"] == {
        "cashBox": False,
        "classificationList": False,
        "itemInfoTypes": {"serialNumber": True, "signature": False, "image": False},
    }
    assert told["common"]["powerSaveControl"] is True
    assert told["powerManagement"] == {"powerSaveControl": True, "batteryRechargeable": False}


async def test_a_device_without_the_operation_does_not_have_the_capability(nursery: trio.Nursery) -> None:
    told = await capabilities(await serving(Minimal("Cash"), nursery))
    assert told["cashDispenser"]["intermediateStacker"] is False
    assert "exchangeType" not in told["cashManagement"]
    assert "retractAreas" not in told["cashDispenser"]


async def test_what_the_class_writes_into_its_capabilities_stays(nursery: trio.Nursery) -> None:
    class Own(Presenting):
        def __init__(self) -> None:
            super().__init__("Cash")
            self.capabilities.cash_dispenser.intermediate_stacker = False
            self.capabilities.common = common.CapabilityProperties(service_version="7")

    told = await capabilities(await serving(Own(), nursery))
    assert told["cashDispenser"]["intermediateStacker"] is False
    assert told["common"]["serviceVersion"] == "7"
    assert told["common"]["powerSaveControl"] is True


async def test_what_the_class_learns_when_it_is_opened_is_told(nursery: trio.Nursery) -> None:
    class Asking(Presenting):
        async def open(self) -> None:
            await super().open()
            self.max_dispense_items = 60

    told = await capabilities(await serving(Asking("Cash"), nursery))
    assert told["cashDispenser"]["maxDispenseItems"] == 60


async def test_areas_for_retracts_follow_from_the_units(nursery: trio.Nursery) -> None:
    class Retracting(Minimal):
        async def cash_units(self) -> Mapping[str, devices.CashUnit]:
            kinds = frozenset[devices.UnitType]({"reject", "cashOutRetract"})
            return {
                **await super().cash_units(),
                "unit2": devices.CashUnit(index=2, capacity=100, types=kinds),
            }

        async def retract(
            self, request: devices.RetractRequest, events: devices.CashEvents
        ) -> devices.Retracted:
            raise NotImplementedError

    told = await capabilities(await serving(Retracting("Cash"), nursery))
    areas = told["cashDispenser"]["retractAreas"]
    assert {area for area, able in areas.items() if able} == {"retract", "reject"}


async def test_bank_notes_follow_from_the_units(nursery: trio.Nursery) -> None:
    client = await serving(Minimal("Cash"), nursery)
    assert await client.success("CashManagement.GetBankNoteTypes") == {
        "items": {
            "typeEUR20": {
                "cashItem": {"noteID": 1, "currency": "EUR", "value": 20, "release": 1},
                "enabled": True,
            }
        }
    }


def test_a_part_of_the_status_is_there_before_the_device_is_opened() -> None:
    device = Presenting("Cash")
    assert device.status.common.device == "starting"
    assert device.status.cash_management.dispenser == "ok"
    device.status.cash_dispenser = cash_dispenser.Status(intermediate_stacker="unknown")
    device._derivation.again()
    assert device.status.cash_dispenser.intermediate_stacker == "unknown"


async def test_an_attribute_of_the_wrong_type_is_left_out_and_named_once(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    class Wrong(Presenting):
        max_dispense_items = "forty"  # type: ignore[assignment]

    told = await capabilities(await serving(Wrong("Cash"), nursery))
    assert "maxDispenseItems" not in told["cashDispenser"]
    assert caplog.text.count("Wrong.max_dispense_items is str 'forty'") == 1
