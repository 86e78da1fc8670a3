"""Whatever a printer's class states, returns or raises: the service goes on, and its counts stay right."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
import trio

import lies
from dialogue import Dialogue, outcome
from printers import ReceiptsWithBins, Scribe, form
from vendors import serving
from xfs4iot import devices
from xfs4iot.protocol import errors

MM = {"base": "mm", "x": 1, "y": 1}
OWN: tuple[Any, ...] = (
    lambda: devices.Printed(pages=-1),
    lambda: devices.Printed(at="nowhere"),
    lambda: devices.Printed(at="unitX"),
    lambda: devices.Printed(failure="paperOut"),  # type: ignore[arg-type]
    lambda: devices.Printed(failure=errors.CommandError("noSuchCode")),
    lambda: devices.PrinterMediaMoved(at="unitX"),
    lambda: devices.PrinterMediaMoved(at="UNIT1"),
    lambda: devices.PrinterMediaMoved(on_stacker=-3),
    lambda: devices.PrinterMediaMoved(failure=errors.CommandError("noSuchCode")),
    lambda: devices.PrinterMediaMoved(failure=errors.UserError("x", payload=lies.Weird())),  # type: ignore[arg-type]
    lambda: (None, 2**80),
    lambda: ("\ud800",),
    lambda: {"front": "text"},
    lambda: {"nowhere": b""},
)
COMMANDS: dict[str, tuple[str, Any]] = {
    "print_pages": ("Printer.PrintForm", {"formName": "F", "fields": {"f": "x"}}),
    "measure": ("Printer.PrintForm", {"formName": "F", "fields": {"f": "x"}}),
    "text_height": ("Printer.PrintForm", {"formName": "F", "fields": {"f": "x"}}),
    "print_raw": ("Printer.PrintRaw", {"data": "AAAA", "inputData": "yes"}),
    "print_native": ("Printer.PrintNative", {"data": "AAAA"}),
    "control_media": ("Printer.ControlMedia", {"mediaControl": {"move": "retract"}}),
    "retract_media": ("Printer.RetractMedia", {}),
    "reset": ("Printer.Reset", {}),
    "dispense_paper": ("Printer.DispensePaper", {}),
    "set_black_mark_mode": ("Printer.SetBlackMarkMode", {"blackMarkMode": True}),
    "supply_replenish": ("Printer.SupplyReplenish", {"upper": True}),
    "read_form": ("Printer.ReadForm", {"formName": "R"}),
    "read_image": ("Printer.ReadImage", {"passportDataGroup1": True}),
    "media_extents": ("Printer.MediaExtents", {"unit": MM}),
    "control_passbook": ("Printer.ControlPassbook", {"action": "forward"}),
    "accept_media": ("Printer.MediaExtents", {"unit": MM}),
}
ABSENT = ("dispense_paper", "accept_media")


class Lying(ReceiptsWithBins, Scribe):  # type: ignore[misc]
    """Does nothing, and says what it is told to."""

    controls = ReceiptsWithBins.controls | Scribe.controls

    def __init__(self) -> None:
        super().__init__()
        self.claim: Any = None
        self.raises: Any = None

    def _lie(self, *_: Any) -> Any:
        if self.raises is not None:
            raise self.raises()
        return self.claim()


def lying(name: str) -> Lying:
    """A printer that lies in one of its operations."""

    async def operation(self: Lying, *arguments: Any) -> Any:
        return self._lie()

    made = Lying._lie if name in ("measure", "text_height") else operation
    device: Lying = type("Lying", (Lying,), {name: made})()
    return device


@pytest.mark.parametrize("name", COMMANDS)
async def test_no_lie_stops_the_service_or_falsifies_a_count(
    name: str, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    device = lying(name)
    client = await serving(device, nursery)
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    readable = {"r": (0, 0, 5, 1, {"access": "read", "fieldType": "ocr"})}
    await client.success("Printer.SetForm", {"name": "R", "form": form(readable)})
    command, payload = COMMANDS[name]
    for claim in (*lies.SCALARS, *lies.STRUCTURES, *OWN, lambda: None):
        device.claim, device.raises = claim, None
        await lied(client, device, command, payload, name)
    for raised in lies.RAISED:
        device.raises = raised
        await lied(client, device, command, payload, name)


async def lied(client: Dialogue, device: Lying, command: str, payload: Any, name: str) -> None:
    """Send the command, and see that nothing of the lie is in the books."""
    device.media_at("notPresent" if name in ABSENT else "present")
    device.status.common.device = "online"
    before = await counts(client)
    completion = await client.completion(command, payload)
    code = outcome(completion)
    assert code != "internalError", completion
    after = await counts(client)
    if code == "success" and name in ("control_media", "retract_media"):
        assert sum(after.values()) == sum(before.values()) + 1
        await emptied(client)
    else:
        assert after == before, completion
    client.passed.clear()


async def counts(client: Dialogue) -> Mapping[str, int]:
    units = (await client.success("Storage.GetStorage"))["storage"]
    return {name: unit["printer"]["status"]["in"] for name, unit in units.items()}


async def emptied(client: Dialogue) -> None:
    empty = {"printer": {"status": {"initial": 0}}}
    await client.success("Storage.SetStorage", {"storage": {"unitBIN1": empty, "unitBIN2": empty}})


STATED: dict[str, Any] = {
    "paper_sources": {"upper": 80},
    "inserted": 5,
    "columns_per_inch": 0,
    "rows_per_inch": "six",
    "fonts": {3},
    "point_sizes": (1,),
    "colors": "red",
    "characters": 5,
    "barcodes": None,
    "graphics": frozenset({"webp"}),
    "controls": ["cut"],
    "max_media_on_stacker": -1,
    "auto_retract_period": 1e9,
    "supplies": lies.Weird(),
    "extents": 3,
}


@pytest.mark.parametrize("name", STATED)
async def test_what_a_class_states_wrongly_is_left_out(
    name: str, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device: Any = type("Wrong", (ReceiptsWithBins,), {name: STATED[name]})()
    client = await serving(device, nursery)
    assert any(name in record.getMessage() for record in caplog.records)
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    await client.success("Printer.PrintForm", {"formName": "F", "fields": {"f": "x"}})
    await client.success("Common.Capabilities")
