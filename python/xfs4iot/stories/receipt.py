"""A receipt: a form, printed, cut, given to the customer, and taken; its picture is kept."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from xfs4iot.stories.stage import Stage

__all__ = ["print_receipt"]

_WIDTH, _MARGIN, _LINE = 72, 4, 6
"""Millimetres: of the paper, at its sides, from one line to the next."""


def _form(lines: Sequence[tuple[str, str]], with_code: bool) -> dict[str, Any]:
    """A title, lines of two columns, and a QR code."""
    inside = _WIDTH - 2 * _MARGIN

    def field(x: int, y: int, width: int, height: int, **more: Any) -> dict[str, Any]:
        return {"position": {"x": x, "y": y}, "size": {"width": width, "height": height}, **more}

    fields = {"title": field(_MARGIN, 4, inside, 9, horizontal="center", style={"bold": True})}
    top = 17
    for number in range(len(lines)):
        y = top + number * _LINE
        fields[f"name{number}"] = field(_MARGIN, y, inside // 2, _LINE)
        fields[f"value{number}"] = field(_MARGIN + inside // 2, y, inside // 2, _LINE, horizontal="right")
    height = top + len(lines) * _LINE + 4
    if with_code:
        fields["code"] = field((_WIDTH - 24) // 2, height, 24, 24, fieldType="barcode", font={"name": "QR"})
        height += 28
    return {
        "unit": {"base": "mm", "x": 1, "y": 1},
        "size": {"width": _WIDTH, "height": height},
        "fields": fields,
    }


async def print_receipt(stage: Stage, title: str, lines: Sequence[tuple[str, str]], code: str = "") -> None:
    """Two steps: a receipt is printed, and taken.

    Args:
        lines: what is written at the left and at the right.
        code: what a QR code says; without one there is none.
    """
    values = {"title": title}
    for number, (name, value) in enumerate(lines):
        values |= {f"name{number}": name, f"value{number}": value}
    if code:
        values["code"] = code
    async with stage.step("Receipt printed") as step:
        await stage.call("Printer.SetForm", {"name": "Receipt", "form": _form(lines, bool(code))})
        wanted = {"cut": True, "move": "eject"}
        await stage.call(
            "Printer.PrintForm", {"formName": "Receipt", "fields": values, "mediaControl": wanted}
        )
        status = (await stage.call("Common.Status", of="Printer"))["printer"]
        stage.expect("the receipt to be", "entering", status["media"])
        step.saw(f"{len(lines) + 1} lines{' and a QR code' if code else ''}; it waits in the slot")
    async with stage.step("Receipt taken") as step:
        service = stage.service_of("Printer")
        printed = await stage.hand("GetPrintout", {"service": service})
        await stage.hand("TakePrintouts", {"service": service}, then=("Printer", "Printer.MediaTakenEvent"))
        step.saw("the customer has it")
    stage.keeps("receipt.png", base64.b64decode(printed["picture"]), "the receipt")
