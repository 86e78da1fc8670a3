"""Retract bins as clients of older versions know them: by number, whatever the device calls them."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from dialogue import Dialogue, another
from printers import ReceiptsWithBins, form
from vendors import refusal, serving
from xfs4iot import devices

RETRACT, RESET = "Printer.RetractMedia", "Printer.Reset"
VERSIONS = ("2021-1", "2023-2")
FIRST: dict[str, Any] = {"2021-1": {"binNumber": 1}, "2023-2": {"mediaControl": "unit1"}}
SECOND: dict[str, Any] = {"2021-1": {"binNumber": 2}, "2023-2": {"mediaControl": "unit2"}}
TOLD: dict[str, Any] = {"2021-1": {"binNumber": 1}, "2023-2": {"result": "unit1"}}


@pytest.fixture
def device() -> ReceiptsWithBins:
    return ReceiptsWithBins()


@pytest.fixture(params=VERSIONS)
async def client(request: pytest.FixtureRequest, device: ReceiptsWithBins, nursery: trio.Nursery) -> Dialogue:
    """A client of an older version; the form has been given by another."""
    newest = await serving(device, nursery)
    await newest.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    return await another(newest, nursery, request.param)


async def prints(client: Dialogue, move: str = "eject") -> dict[str, Any]:
    control = {"mediaControl": {move: True}}
    return await client.completion("Printer.PrintForm", {"formName": "F", "fields": {"f": "x"}, **control})


def own(payload: dict[str, Any]) -> dict[str, Any]:
    """A payload without what later versions have in the header."""
    return {name: value for name, value in payload.items() if name != "completionCode"}


async def test_a_bin_is_named_and_told_by_its_number(client: Dialogue, device: ReceiptsWithBins) -> None:
    assert await client.failure(RETRACT, FIRST[client.specification]) == "noMediaPresent"
    await prints(client)
    told = await client.success(RETRACT, FIRST[client.specification])
    assert own(told) == TOLD[client.specification]
    assert device.called[-1] == ("retract_media", "unitBIN1")


async def test_a_full_bin_takes_nothing(client: Dialogue, device: ReceiptsWithBins) -> None:
    for _ in range(4):
        await prints(client, "retract")
    ended = await prints(client, "retract")
    assert ended["payload"]["errorCode"] == "retractBinFull"
    await prints(client)
    assert await client.failure(RETRACT, SECOND[client.specification]) == "retractBinFull"
    device.refuses["retract_media"] = devices.PrinterMediaMoved(at="jammed", failure=refusal("mediaJammed"))
    assert await client.failure(RETRACT) == "mediaJammed"


async def test_what_nobody_takes_is_told_by_the_number_of_its_bin(
    client: Dialogue, device: ReceiptsWithBins
) -> None:
    device.auto_retract_period = 50
    await prints(client)
    told = await client.until("unsolicited", name="Printer.MediaAutoRetractedEvent")
    result = {"retractResult": "ok"} if client.specification == "2021-1" else {}
    assert told["payload"] == TOLD[client.specification] | result


async def test_what_a_reset_finds_is_told_by_the_number_of_its_bin(
    client: Dialogue, device: ReceiptsWithBins
) -> None:
    device.refuses["reset"] = devices.PrinterMediaMoved(at="unitBIN2")
    asked: dict[str, Any] = {
        "2021-1": {"mediaControl": "retract", "retractBinNumber": 2},
        "2023-2": {"mediaControl": "unit2"},
    }
    request = await client.send(RESET, asked[client.specification])
    await client.until("completion", request)
    assert device.called[-1] == ("reset", "unitBIN2")
    await client.success("Common.Status")
    (found,) = [one for one in client.passed if one["header"]["name"] == "Printer.MediaDetectedEvent"]
    told: dict[str, Any] = {
        "2021-1": {"position": "retracted", "retractBinNumber": 2},
        "2023-2": {"position": "unit2"},
    }
    assert found["payload"] == told[client.specification]
