"""Whatever a printer says is wrong, each command ends with a code of its own, in every version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
import trio

from dialogue import Dialogue, another, outcome
from printers import Receipts, ReceiptsWithBins, Scribe, form
from vendors import refusal, serving
from xfs4iot import devices
from xfs4iot.interfaces.forms.printer_failures import CODES
from xfs4iot.protocol.adapters import NEWEST, SPECIFICATIONS
from xfs4iot.protocol.catalogue import catalogue

PRINT, RAW, NATIVE, CONTROL = (
    "Printer.PrintForm",
    "Printer.PrintRaw",
    "Printer.PrintNative",
    "Printer.ControlMedia",
)
READ, IMAGE, EXTENTS, DISPENSE = (
    "Printer.ReadForm",
    "Printer.ReadImage",
    "Printer.MediaExtents",
    "Printer.DispensePaper",
)
RETRACT, RESET, TURN = "Printer.RetractMedia", "Printer.Reset", "Printer.ControlPassbook"
MARKS, SUPPLIES = "Printer.SetBlackMarkMode", "Printer.SupplyReplenish"
EJECT = {"mediaControl": {"move": "eject"}}
FILLED = {"formName": "F", "fields": {"f": "x"}}


class Call(NamedTuple):
    """A call of the device that a command makes.

    Attributes:
        command, payload: what is asked.
        operation: of the device, which fails.
        device: the kind of printer.
        there: a medium is under the head before.
        waits: something waits to be printed before.
    """

    command: str
    payload: Any
    operation: str
    device: type[Any] = Receipts
    there: bool = True
    waits: bool = False


CALLS = (
    Call(PRINT, FILLED, "print_pages", there=False),
    Call(PRINT, {**FILLED, **EJECT}, "control_media", there=False),
    Call(PRINT, FILLED, "accept_media", Scribe, there=False),
    Call(PRINT, {**FILLED, **EJECT}, "control_media", Scribe),
    Call(RAW, {"data": "AAAA"}, "print_raw"),
    Call(RAW, {"data": "AAAA"}, "print_pages", waits=True),
    Call(NATIVE, {"data": "AAAA"}, "print_native"),
    Call(NATIVE, {"data": "AAAA", **EJECT}, "control_media"),
    Call(NATIVE, {"data": "AAAA"}, "print_pages", waits=True),
    Call(READ, {"formName": "F"}, "accept_media", Scribe, there=False),
    Call(READ, {"formName": "F"}, "read_form", Scribe),
    Call(READ, {"formName": "F", **EJECT}, "control_media", Scribe),
    Call(READ, {"formName": "F", **EJECT}, "print_pages", Scribe, waits=True),
    Call(
        IMAGE,
        {"frontImage": {"imageType": "jpg", "colorFormat": "fullcolor"}},
        "accept_media",
        Scribe,
        there=False,
    ),
    Call(IMAGE, {"frontImage": {"imageType": "jpg", "colorFormat": "fullcolor"}}, "read_image", Scribe),
    Call(EXTENTS, {"unit": {"base": "mm", "x": 1, "y": 1}}, "accept_media", Scribe, there=False),
    Call(EXTENTS, {"unit": {"base": "mm", "x": 1, "y": 1}}, "media_extents", Scribe),
    Call(CONTROL, EJECT, "control_media"),
    Call(CONTROL, {"mediaControl": {"alarm": True}}, "control_media"),
    Call(CONTROL, {"mediaControl": {"flush": True}}, "print_pages", waits=True),
    Call(CONTROL, EJECT, "accept_media", Scribe, there=False, waits=True),
    Call(DISPENSE, {"paperSource": "lower"}, "dispense_paper", there=False),
    Call(RETRACT, None, "retract_media", ReceiptsWithBins),
    Call(RESET, None, "reset"),
    Call(TURN, {"action": "forward"}, "control_passbook", Scribe),
    Call(MARKS, {"blackMarkMode": True}, "set_black_mark_mode"),
    Call(SUPPLIES, {"upper": True}, "supply_replenish"),
)
RETURNED: Mapping[str, Any] = {
    "print_pages": lambda failure: devices.Printed(pages=0, failure=failure),
    "print_native": lambda failure: devices.Printed(pages=0, failure=failure),
    "control_media": lambda failure: devices.PrinterMediaMoved(failure=failure),
    "retract_media": lambda failure: devices.PrinterMediaMoved(failure=failure),
    "reset": lambda failure: devices.PrinterMediaMoved(failure=failure),
}
"""Operations whose result can hold a failure."""

NEAREST: Mapping[tuple[str, str], str] = {
    (PRINT, "noMediaPresent"): "sequenceInvalid",
    (READ, "noMediaPresent"): "sequenceInvalid",
    (IMAGE, "noMediaPresent"): "mediaRejected",
    (EXTENTS, "noMediaPresent"): "mediaRejected",
    (RAW, "noMediaPresent"): "paperOut",
    (DISPENSE, "noMediaPresent"): "paperOut",
    (DISPENSE, "mediaJammed"): "paperJammed",
    (READ, "paperJammed"): "mediaJammed",
    (RETRACT, "paperJammed"): "mediaJammed",
    (TURN, "paperJammed"): "mediaJammed",
    (READ, "stackerFull"): "sequenceInvalid",
    (RAW, "stackerFull"): "sequenceError",
    (RAW, "inkOut"): "tonerOut",
    (READ, "tonerOut"): "inkOut",
    (CONTROL, "mediaSkewed"): "flushFail",
    (CONTROL, "mediaRejected"): "flushFail",
    (NATIVE, "mediaSize"): "mediaOverflow",
    (PRINT, "passbookClosed"): "pageTurnFail",
    (RETRACT, "stackerFull"): "retractBinFull",
    (MARKS, "paperJammed"): "hardwareError",
}
"""What some commands say in place of what they do not define."""


def defined(command: str, specification: str) -> list[str]:
    """The error codes of a command in one version."""
    interface, _, short = command.partition(".")
    commands = catalogue(specification)["interfaces"][interface]["commands"]
    return commands[short]["completion"].get("errorCodes") or []


async def begin(call: Call, nursery: trio.Nursery, specification: str) -> tuple[Any, Dialogue]:
    device = call.device()
    client = await serving(device, nursery)
    fields: dict[str, Any] = {"f": (0, 0, 5, 1)}
    if call.device is Scribe:
        fields["n"] = (0, 1, 5, 1, {"access": "read", "fieldType": "ocr"})
    await client.success("Printer.SetForm", {"name": "F", "form": form(fields)})
    # A connection that has once spoken the newest version is taken for a client of it.
    other = await another(client, nursery)
    other.specification, other.translates = specification, specification != NEWEST
    return device, other


async def prepared(call: Call, device: Any, client: Dialogue) -> None:
    """The printer as it is before each call."""
    device.refuses.clear()
    device.status.common.device = "online"
    await client.success("Printer.ClearBuffer")
    if call.device is Scribe:
        device.read = ("read",)
        device.inserted_media.set()
    device.media_at("present" if call.there else "notPresent")
    if call.waits:
        await client.success(PRINT, {**FILLED, "mediaControl": {"flush": False}})


@pytest.mark.parametrize("specification", SPECIFICATIONS)
@pytest.mark.parametrize("returned", [False, True])
@pytest.mark.parametrize(
    "call", CALLS, ids=lambda call: f"{call.command[8:]}-{call.operation}-{call.device.__name__}"
)
async def test_a_command_ends_with_a_code_of_its_own(
    nursery: trio.Nursery, call: Call, returned: bool, specification: str
) -> None:
    if returned and call.operation not in RETURNED:
        return
    device, client = await begin(call, nursery, specification)
    wrong = {}
    for code in sorted(CODES):
        await prepared(call, device, client)
        device.refuses[call.operation] = (
            RETURNED[call.operation](refusal(code)) if returned else refusal(code)
        )
        completion = await client.completion(call.command, call.payload)
        said = outcome(completion)
        ended = completion["payload"]["errorCode"] if said == "commandErrorCode" else said
        text = completion["header"].get("errorDescription", "")
        known = defined(call.command, specification)
        if ended in known:
            expected = code if code in known else NEAREST.get((call.command, code), ended)
        else:
            # A completion code says less: right only where no code of the command comes near.
            expected = NEAREST.get((call.command, code), "hardwareError")
            expected = ended if ended in ("sequenceError", "unsupportedData") else expected
        if (
            ended != expected
            or "device class" in text
            or (ended != code and specification != "2021-1" and code not in text)
        ):
            wrong[code] = (ended, expected, text)
    assert not wrong


def test_all_that_a_command_of_printers_can_fail_with_is_asked() -> None:
    """Every code that any command takes from its device is one that the table knows."""
    told = {
        code
        for one in SPECIFICATIONS
        for name in catalogue(one)["interfaces"]["Printer"]["commands"]
        for code in defined(f"Printer.{name}", one)
    }
    of_definitions = {
        "definitionExists",
        "fieldInvalid",
        "fieldNotFound",
        "formInvalid",
        "formNotFound",
        "mediaInvalid",
        "mediaNotFound",
    }
    assert told - of_definitions == CODES
    assert {(call.command, call.operation) for call in CALLS if (call.command, "noMediaPresent") in NEAREST}
