"""The simulated scanner of cheques: items, pictures, bad luck and restarts, over the wire."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import xfs4iot
from simulated import Bench, bench_of

FRONT = {"source": "front", "type": "jpg", "colorFormat": "grayScale", "scanColor": "white"}
BACK = {"source": "back", "type": "tif", "colorFormat": "binary", "scanColor": "white"}
ALL = {"codelineFormat": "e13b", "image": [FRONT, BACK]}
KEEP = {"destination": "unitPOCKET1"}


class Scanner(Bench):
    """The simulated scanner."""

    service = "Check"

    async def insert(self, *items: dict[str, Any]) -> None:
        await self.hand("InsertCheques", items=list(items or ({},)))

    async def conserved(self, inserted: int, taken: int = 0) -> None:
        """Every item is somewhere, and the books of the units are right."""
        truth, units = await self.truth(), await self.units()
        booked = {name: unit["check"]["status"]["in"]["count"] for name, unit in units.items()}
        assert booked == truth["units"]
        held = truth["slot"] + truth["stacker"] + truth["presented"] + sum(truth["units"].values())
        assert held == inserted - taken


@pytest.fixture
async def bench() -> AsyncIterator[Scanner]:
    async with bench_of(Scanner) as found:
        yield found


async def test_a_bunch_is_pictured_stored_and_partly_given_back(bench: Scanner) -> None:
    request = await bench.client.send("Check.MediaIn", ALL)
    await bench.client.until("event", request, "Check.NoMediaEvent")
    await bench.insert({}, {"codeline": "t222t", "magnetic": False}, {})
    taken = (await bench.client.until("completion", request))["payload"]["mediaIn"]
    assert taken["mediaOnStacker"] == 3
    info = (await bench.do("GetTransactionStatus"))["mediaInfo"]
    assert [one["magneticReadIndicator"] for one in info] == ["micr", "notMicr", "micr"]
    assert info[1]["codelineData"] == "t222t"
    pictures = [Image.open(io.BytesIO(base64.b64decode(one["image"]))) for one in info[0]["image"]]
    assert [(one.format, one.mode, one.size) for one in pictures] == [
        ("JPEG", "L", (608, 280)),
        ("TIFF", "1", (608, 280)),
    ]
    await bench.do("SetMediaParameters", KEEP)
    await bench.do("SetMediaParameters", {"mediaID": 2, "destination": "customer"})
    assert (await bench.do("MediaInEnd"))["mediaInEnd"]["itemsReturned"] == 1
    await bench.client.until("event", name="Check.MediaPresentedEvent")
    await bench.conserved(3)
    assert (await bench.hand("TakeCheques"))["count"] == 1
    await bench.client.until("unsolicited", name="Check.MediaTakenEvent")
    await bench.conserved(3, taken=1)


ITEMS = [
    ({"kind": "banknote"}, "foreignItems"),
    ({"kind": "paper"}, "invalidMedia"),
    ({"staple": True}, "metal"),
    ({"longEdge": 300}, "tooLong"),
    ({"longEdge": 50}, "tooShort"),
    ({"shortEdge": 200}, "tooWide"),
    ({"shortEdge": 20}, "tooNarrow"),
]


@pytest.mark.parametrize(("item", "reason"), ITEMS)
async def test_what_is_refused_follows_from_the_item(
    bench: Scanner, item: dict[str, Any], reason: str
) -> None:
    await bench.insert(item, {})
    await bench.do("MediaIn", ALL)
    refused = await bench.client.until("event", name="Check.MediaRefusedEvent")
    assert refused["payload"]["reason"] == reason
    assert (await bench.do("GetTransactionStatus"))["totalItemsRefused"] == "1"
    await bench.do("MediaInRollback")
    await bench.conserved(2)


async def test_what_nobody_takes_is_retracted(bench: Scanner) -> None:
    await bench.insert({}, {})
    await bench.do("MediaIn")
    await bench.do("MediaInRollback")
    assert await bench.cannot("MediaIn") in ("mediaPresent", "positionNotEmpty")
    found = await bench.do("RetractMedia", {"retractLocation": "unitRETRACT"})
    assert found["media"]["count"] == "2"
    await bench.conserved(2)
    assert await bench.cannot("RetractMedia") == "noMediaPresent"


@pytest.mark.parametrize("control", [None, "eject", "unitRETRACT"])
async def test_a_jam_is_cleared_by_a_reset(bench: Scanner, control: str | None) -> None:
    await bench.insert({}, {})
    await bench.inject("chequeJams")
    assert await bench.cannot("MediaIn") == "mediaJammed"
    assert (await bench.do("GetTransactionStatus"))["mediaInTransaction"] == "failure"
    await bench.do("Reset", {"mediaControl": control} if control else {})
    await bench.conserved(2)


async def test_bad_luck_of_other_kinds(bench: Scanner) -> None:
    await bench.insert()
    await bench.inject("slotStuck")
    assert await bench.cannot("MediaIn") == "shutterFail"
    await bench.hand("ClearFaults")
    await bench.inject("doubleFeed")
    await bench.do("MediaIn", ALL)
    refused = await bench.client.until("event", name="Check.MediaRefusedEvent")
    assert refused["payload"]["reason"] == "doubleDetect"
    await bench.hand("TakeCheques")
    await bench.insert()
    for fault in ("micrDead", "scannerDead"):
        await bench.inject(fault)
    await bench.do("MediaIn", ALL)
    item = (await bench.do("GetTransactionStatus"))["mediaInfo"][0]
    assert item["magneticReadIndicator"] == "notRead"
    assert {one["imageStatus"] for one in item["image"]} == {"sourceMissing"}
    assert await bench.cannot("ReadImage", {"mediaID": 1, "codelineFormat": "e13b"}) == "micrInop"
    assert await bench.cannot("ReadImage", {"mediaID": 1, "image": [FRONT]}) == "scannerInop"
    await bench.hand("ClearFaults")
    data = (await bench.do("ReadImage", {"mediaID": 1, "codelineFormat": "e13b", "image": [FRONT]}))["data"]
    assert data["image"][0]["imageStatus"] == "ok"
    assert data["codelineData"].startswith("t111000025t")


@pytest.mark.parametrize("why", ["pocketJams", "full"])
async def test_a_unit_that_takes_no_more_stops_the_end_and_what_went_before_counts(why: str) -> None:
    units = {"unitPOCKET1": {"capacity": 1 if why == "full" else 9}, "unitRETRACT": {"uses": ["retract"]}}
    async with bench_of(Scanner, units=units) as bench:
        await bench.insert({}, {}, {})
        await bench.do("MediaIn")
        await bench.do("SetMediaParameters", KEEP)
        if why == "pocketJams":
            await bench.inject(why)
        assert await bench.cannot("MediaInEnd") == "mediaBinError"
        await bench.client.until("event", name="Storage.StorageErrorEvent")
        await bench.conserved(3)
        await bench.do("Reset", {"mediaControl": "unitRETRACT"})
        await bench.conserved(3)
        assert (await bench.hand("EmptyPocket"))["count"] == 3


async def test_a_device_whose_application_refuses(bench: Scanner) -> None:
    async with bench_of(Scanner, flow="refusing") as refusing:
        await refusing.insert({}, {}, {})
        assert (await refusing.do("MediaIn", {"applicationRefuse": True}))["mediaIn"][
            "mediaFeeder"
        ] == "notEmpty"
        await refusing.do("AcceptItem", {"accept": True})
        await refusing.do("GetNextItem")
        await refusing.do("AcceptItem", {"accept": False})
        assert await refusing.do("GetNextItem") == {"mediaFeeder": "empty"}
        assert await refusing.cannot("GetNextItem") == "noItems"
        await refusing.do("SetMediaParameters", KEEP)
        await refusing.do("MediaInEnd")
        await refusing.conserved(3)
        assert (await refusing.truth())["units"]["unitPOCKET1"] == 2


async def test_a_device_without_a_stacker() -> None:
    async with bench_of(Scanner, flow="single") as bench:
        await bench.insert({}, {})
        for name in ("MediaIn", "GetNextItem"):
            await bench.do(name)
            await bench.do("SetMediaParameters", KEEP)
            await bench.do("ActionItem")
        assert await bench.cannot("GetNextItem") == "noItems"
        await bench.do("MediaInEnd")
        await bench.conserved(2)


async def test_a_customer_by_himself_and_supplies() -> None:
    async with bench_of(Scanner, customer=2) as bench:
        for _ in range(2):
            await bench.do("MediaIn")
            await bench.do("MediaInRollback")
            await bench.do("ExpelMedia")
            await bench.hand("TakeCheques")
            await bench.client.until("unsolicited", name="Check.MediaTakenEvent")
        await bench.do("SupplyReplenish", {"ink": True})


async def test_a_transaction_goes_on_after_a_restart(tmp_path: Path) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
    for life in range(2):
        async with bench_of(Scanner, tmp_path, ledger) as bench:
            if life == 0:
                await bench.insert({}, {})
                await bench.do("MediaIn", ALL)
                await bench.do("SetMediaParameters", KEEP)
            else:
                assert (await bench.do("GetTransactionStatus"))["mediaInTransaction"] == "active"
                await bench.do("MediaInEnd")
                assert (await bench.truth())["units"]["unitPOCKET1"] == 2
            await bench.conserved(2)
    ledger.close()


async def test_a_movement_that_hangs_holds_up_nothing_but_the_queue(bench: Scanner) -> None:
    await bench.insert()
    await bench.inject("chequesHang")
    request = await bench.client.send("Check.MediaIn")
    await bench.client.until("acknowledge", request)
    await bench.do("GetTransactionStatus")
