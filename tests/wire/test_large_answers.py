"""An answer without a bound is put into the words of an older version while others are served."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest
import trio

from dialogue import another
from printers import Receipts, ReceiptsWithBins, form
from vendors import serving
from xfs4iot import devices
from xfs4iot.protocol import versions

OLDER = ("2021-1", "2023-2")


@pytest.fixture
def adapting(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each answer that was put into the words of an older version: whether others could be served."""
    aside: list[bool] = []
    adapt, loop = versions.adapt_completion, threading.get_ident()

    def seen(name: str, payload: bytes | None, specification: str) -> bytes | None:
        aside.append(threading.get_ident() != loop)
        return adapt(name, payload, specification)

    monkeypatch.setattr(versions, "adapt_completion", seen)
    return aside


class Silo(ReceiptsWithBins):
    """A printer with more bins than any has."""

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {f"unit{number}": devices.PrinterUnit(index=number, capacity=3) for number in range(1, 1_001)}


@pytest.mark.parametrize("version", OLDER)
async def test_nobody_waits_for_thousands_of_fields(
    nursery: trio.Nursery, adapting: list[bool], version: str
) -> None:
    client = await serving(Receipts(), nursery)
    many = {f"f{number}": (number % 100, number // 100, 1, 1) for number in range(2_000)}
    await client.success("Printer.SetForm", {"name": "F", "form": form(many, 100, 50)})
    older = await another(client, nursery, version)
    told = await older.success("Printer.GetQueryField", {"formName": "F", "fieldName": "f7"})
    assert not any(adapting), "what is small is not worth a thread"
    adapting.clear()
    told = await older.success("Printer.GetQueryField", {"formName": "F"})
    assert len(told.get("fields") or told) >= len(many)
    assert adapting == [True]


@pytest.mark.parametrize("version", OLDER)
async def test_nobody_waits_for_thousands_of_units(
    nursery: trio.Nursery, adapting: list[bool], version: str
) -> None:
    client = await serving(Silo(), nursery)
    older = await another(client, nursery, version)
    adapting.clear()
    told = await older.success("Storage.GetStorage")
    assert len(told["storage"]) == 1_000
    assert adapting == [True]
