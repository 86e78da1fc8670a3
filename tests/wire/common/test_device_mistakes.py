"""What a vendor's class got wrong is told when its service starts, by class, method and what to write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
import trio

from vendors import Minimal, serving
from xfs4iot import devices
from xfs4iot.simulator import SimulatedCashDispenser
from xfs4iot.simulator.kinds import device_class
from xfs4iot.simulator.printer import SimulatedPrinter

PIN_PAD = ("KeyManagement", "Crypto", "Keyboard", "PinPad")


class WithoutSuper(Minimal):
    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        self.port = "com1"


class WithoutDispense(devices.CashDispenser):
    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        return {}


class WithoutUnits(devices.CashDispenser):
    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents
    ) -> devices.Dispensed:
        raise NotImplementedError


class Misspelt(Minimal):
    max_dispense_item = 40

    async def presnt(self, position: str, events: devices.CashEvents) -> devices.Presented:
        raise NotImplementedError


class NeverOnline(Minimal):
    async def open(self) -> None:
        pass


class Promising(Minimal):
    intermediate_stacker = True
    classification_list = True


class PrintsOnly(devices.Printer):
    codelines: ClassVar = {"e13b": "TAOD*"}
    scan_types = frozenset({"png"})

    async def print_pages(self, job: devices.PrintJob, events: Any) -> devices.Printed:
        raise NotImplementedError


class ComparesNothing(devices.PinPad):
    validation_algorithms = frozenset({"des"})


class NotAsync(Minimal):
    def open_shutter(self, position: str) -> None:  # type: ignore[override]
        pass


class UnitsAsAttribute(Minimal):
    cash_units: Any = frozenset()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (WithoutSuper, ["WithoutSuper.__init__ does not call super().__init__(name, options)"]),
        (WithoutDispense, ["WithoutDispense does not implement dispense"]),
        (WithoutUnits, ["WithoutUnits does not implement cash_units or units", "write async def units(self"]),
        (
            Misspelt,
            [
                "Misspelt.presnt is never used by the service; did you mean present?",
                "Misspelt.max_dispense_item is never used by the service; did you mean max_dispense_items?",
            ],
        ),
        (NeverOnline, ["NeverOnline.open has returned, but the status is still 'starting'"]),
        (
            Promising,
            [
                "capabilities.cash_dispenser.intermediate_stacker, but does not implement present",
                "capabilities.cash_management.classification_list, but does not implement "
                "set_classification_list",
            ],
        ),
        (
            UnitsAsAttribute,
            [
                "UnitsAsAttribute.cash_units is a frozenset, where the service calls a method: "
                "write async def cash_units(self, ...), and return it there"
            ],
        ),
        (
            PrintsOnly,
            [
                "PrintsOnly states codelines in vain: it does not implement read_codeline",
                "PrintsOnly states scan_types in vain: it does not implement read_image",
            ],
        ),
        (
            ComparesNothing,
            [
                "ComparesNothing states validation_algorithms in vain: "
                "it does not implement local_des or local_visa"
            ],
        ),
        (NotAsync, ["NotAsync.open_shutter is not a coroutine function: write async def open_shutter"]),
    ],
)
async def test_a_mistake_is_told_once_at_the_start(
    kind: type[devices.Device], told: list[str], nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    client = await serving(kind("Cash"), nursery)
    await client.success("Common.Status")
    warnings = [one.getMessage() for one in caplog.records if one.name.startswith("xfs4iot.service.")]
    for text in told:
        assert len([one for one in warnings if text in one]) == 1, warnings


@pytest.mark.parametrize("kind", [Minimal, SimulatedCashDispenser, SimulatedPrinter, device_class(PIN_PAD)])
async def test_nothing_is_told_of_a_class_that_is_right(
    kind: type[devices.Device], nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    await serving(kind("Cash"), nursery)
    assert not [one for one in caplog.records if one.name.startswith("xfs4iot.service.")]


async def test_a_class_without_super_is_served_all_the_same(nursery: trio.Nursery) -> None:
    client = await serving(WithoutSuper("Cash"), nursery)
    assert (await client.success("Common.Status"))["common"]["device"] == "online"
