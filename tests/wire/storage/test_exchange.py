"""The end of an exchange over the wire: what is in the device is found anew, whatever the client does."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from cash import content, unit
from dialogue import Dialogue, outcome
from vendors import Minimal, refusal, serving
from xfs4iot import Ledger, devices


class Exchanged(Minimal):
    """Another cassette is put in while the units are exchanged.

    Attributes:
        fault: what the end of an exchange raises.
        looked: called when the device is asked which units it has.
        ending: set when the device is asked to end an exchange; it then waits for `closed`.
    """

    def __init__(self) -> None:
        super().__init__("Exchanged")
        self.serial, self.filled = "A", 50
        self.fault: Exception | None = None
        self.looked: Callable[[], None] = lambda: None
        self.ending, self.closed = trio.Event(), trio.Event()
        self.closed.set()

    async def cash_units(self) -> Any:
        self.looked()
        (one,) = (await super().cash_units()).values()
        settings = {**vars(one), "serial_number": self.serial, "initial": self.filled}
        return {"unit1": devices.CashUnit(**settings)}

    async def start_exchange(self) -> None:
        self.serial, self.filled = "B", 77

    async def end_exchange(self) -> None:
        self.ending.set()
        await self.closed.wait()
        if self.fault is not None:
            raise self.fault


async def exchange(client: Dialogue) -> str:
    found: str = (await client.success("Common.Status"))["common"]["exchange"]
    return found


async def test_what_was_put_in_is_found_at_the_end(nursery: trio.Nursery) -> None:
    client = await serving(Exchanged(), nursery)
    await client.success("Storage.StartExchange")
    assert content(await unit(client, "unit1")) == 50
    await client.success("Storage.EndExchange")
    assert content(await unit(client, "unit1")) == 77
    told = await client.until("unsolicited", name="Storage.StorageChangedEvent")
    assert told["payload"]["unit1"]["serialNumber"] == "B"


@pytest.mark.parametrize("end", ["canceled", "timeOut"])
async def test_a_client_that_gives_up_at_the_end_leaves_no_count_of_what_was_taken_out(
    nursery: trio.Nursery, end: str
) -> None:
    device = Exchanged()
    client = await serving(device, nursery)
    await client.success("Storage.StartExchange")
    device.closed = trio.Event()
    request = await client.send("Storage.EndExchange", timeout=30 if end == "timeOut" else 0)
    await device.ending.wait()
    if end == "canceled":
        await client.success("Common.Cancel", {"requestIds": [request]})
    else:
        await trio.sleep(0.06)
    device.closed.set()
    assert outcome(await client.until("completion", request)) in ("success", end)
    assert await exchange(client) == "inactive"
    assert content(await unit(client, "unit1")) == 77


async def test_an_exchange_that_the_device_does_not_end_goes_on(nursery: trio.Nursery) -> None:
    device = Exchanged()
    client = await serving(device, nursery)
    await client.success("Storage.StartExchange")
    device.fault = refusal("storageUnitError")
    assert await client.failure("Storage.EndExchange") == "storageUnitError"
    assert await exchange(client) == "active"
    assert content(await unit(client, "unit1")) == 50
    device.fault = None
    await client.success("Storage.EndExchange")
    assert content(await unit(client, "unit1")) == 77


async def test_an_exchange_goes_on_until_what_was_put_in_is_on_the_books(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.sqlite"
    device = Exchanged()
    with Ledger.open(file) as ledger:
        client = await serving(device, nursery, ledger)
        await client.success("Storage.StartExchange")
        other = sqlite3.connect(file, isolation_level=None)
        # Between the end at the device and the books.
        device.looked = lambda: other.execute("BEGIN IMMEDIATE").close()
        assert await client.failure("Storage.EndExchange") == "internalError"
        device.looked = lambda: None
        other.close()
        assert await exchange(client) == "active"
        await client.success("Storage.EndExchange")
        assert content(await unit(client, "unit1")) == 77
        nursery.cancel_scope.cancel()
