"""The simulated scanner of cheques: items, pictures, bad luck and restarts, over the wire."""

from __future__ import annotations

import base64
import io
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import xfs4iot
from simulated import Bench, bench_of
from xfs4iot.simulator.check import codelines

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
        held = sum(truth[place] for place in ("slot", "stacker", "waiting", "refused", "presented"))
        held += sum(truth["units"].values())
        assert held == inserted - taken


@pytest.fixture
async def bench() -> AsyncIterator[Scanner]:
    async with bench_of(Scanner) as found:
        yield found


async def test_a_bunch_is_pictured_stored_and_partly_given_back(bench: Scanner) -> None:
    request = await bench.client.send("Check.MediaIn", ALL)
    await bench.client.until("event", request, "Check.NoMediaEvent")
    await bench.insert({}, {"codeline": "a222a", "magnetic": False}, {})
    taken = (await bench.client.until("completion", request))["payload"]["mediaIn"]
    assert taken["mediaOnStacker"] == 3
    info = (await bench.do("GetTransactionStatus"))["mediaInfo"]
    assert [one["magneticReadIndicator"] for one in info] == ["micr", "notMicr", "micr"]
    assert info[1]["codelineData"] == "a222a"
    pictures = [Image.open(io.BytesIO(base64.b64decode(one["image"]))) for one in info[0]["image"]]
    assert [(one.format, one.mode, one.size) for one in pictures] == [
        ("JPEG", "L", (1216, 560)),
        ("TIFF", "1", (1216, 560)),
    ]
    await bench.do("SetMediaParameters", KEEP)
    await bench.do("SetMediaParameters", {"mediaID": 2, "destination": "customer"})
    assert (await bench.do("MediaInEnd"))["mediaInEnd"]["itemsReturned"] == 1
    await bench.client.until("event", name="Check.MediaPresentedEvent")
    await bench.conserved(3)
    assert (await bench.hand("TakeCheques"))["count"] == 1
    await bench.client.until("unsolicited", name="Check.MediaTakenEvent")
    await bench.conserved(3, taken=1)


async def test_somebody_takes_back_what_was_not_drawn_in(bench: Scanner) -> None:
    assert await bench.simulator.failure("Simulator.TakeBackCheques") == "sequenceError"
    await bench.insert({}, {})
    assert (await bench.status("check"))["mediaFeeder"] == "notEmpty"
    assert (await bench.hand("TakeBackCheques"))["count"] == 2
    assert (await bench.status("check"))["mediaFeeder"] == "empty"
    await bench.conserved(2, taken=2)
    request = await bench.client.send("Check.MediaIn", ALL)
    await bench.client.until("event", request, "Check.NoMediaEvent")


ITEMS = [
    ({"kind": "banknote"}, "foreignItems"),
    ({"kind": "paper"}, "invalidMedia"),
    ({"staple": True}, "metal"),
    ({"longEdge": 300}, "tooLong"),
    ({"longEdge": 50}, "tooShort"),
    ({"shortEdge": 200}, "tooWide"),
    ({"shortEdge": 20}, "tooNarrow"),
    ({"thickness": 90}, "tooThick"),
    ({"codeLine": "left"}, "invalidOrientation"),
]


async def test_a_client_that_gives_up_while_items_are_drawn_in_leaves_none_uncounted() -> None:
    async with bench_of(Scanner, seconds=1) as bench:
        await bench.hand("StopClock")
        await bench.insert({}, {}, {})
        request = await bench.client.send("Check.MediaIn", ALL)
        await bench.advance_until(lambda truth: truth["stacker"] >= 1)
        await bench.client.success("Common.Cancel", {"requestIds": [request]})
        await bench.hand("Advance", milliseconds=9000)
        completion = await bench.client.until("completion", request)
        assert completion["header"]["completionCode"] == "canceled"
        status = await bench.do("GetTransactionStatus")
        truth = await bench.truth()
        assert status["mediaInTransaction"] == "active"
        assert int(status["totalItems"]) == truth["stacker"] < 3
        await bench.conserved(3)
        await bench.hand("StartClock")
        await bench.do("MediaInRollback")
        await bench.conserved(3)


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


LINES = [
    ("e13b", "a111000025a 0123456789c 1001"),
    ("e13b", "b0000012345b d4d5d6789c 01"),
    ("cmc7", "0123456789 a1b2c3d4e5 678"),
    ("cmc7", "e111000025c 0123456789a 00"),
    ("cmc7", "ABCDEFGHIJKLM NOPQRSTUVWXYZ"),
    ("cmc7", "a0SIX7 bETBc 9NORD EST8 d12"),
]


@pytest.mark.parametrize(("font", "line"), LINES)
async def test_a_code_line_is_read_from_its_picture(bench: Scanner, font: str, line: str) -> None:
    await bench.insert(
        {"codeline": line, "font": font},
        {"codeline": line, "font": font, "blots": [0, 4]},
        {"codeline": line, "font": "cmc7" if font == "e13b" else "e13b"},
        {"codeline": None},
        {"codeline": line, "font": font, "magnetic": False, "codeLine": "top", "face": "down"},
    )
    await bench.do("MediaIn", {"codelineFormat": font, "image": [FRONT]})
    info = (await bench.do("GetTransactionStatus"))["mediaInfo"]
    blotted = "?" + line[1:4] + "?" + line[5:]
    assert [one.get("codelineData") for one in info] == [line, blotted, None, None, line]
    assert [one["magneticReadIndicator"] for one in info] == [
        "micr",
        "micr",
        "notMicrFormat",
        "noMicr",
        "notMicr",
    ]
    assert info[4]["insertOrientation"] == {"codeline": "top", "media": "down"}
    told = Image.open(io.BytesIO(base64.b64decode(info[0]["image"][0]["image"])))
    assert codelines.read(told, font) == line


@pytest.mark.parametrize("font", ["e13b", "cmc7"])
@pytest.mark.parametrize("kind", ["jpg", "tif", "bmp"])
@pytest.mark.parametrize("colours", ["binary", "grayScale", "full"])
async def test_whoever_has_a_picture_can_read_it(bench: Scanner, font: str, kind: str, colours: str) -> None:
    line = "0123456789 abcd 9876543210"
    await bench.insert({"codeline": line, "font": font})
    wish = {"source": "front", "type": kind, "colorFormat": colours, "scanColor": "blue"}
    await bench.do("MediaIn", {"image": [wish]})
    (item,) = (await bench.do("GetTransactionStatus"))["mediaInfo"]
    told = Image.open(io.BytesIO(base64.b64decode(item["image"][0]["image"])))
    assert codelines.read(told, font) == line


async def test_a_cheque_that_cannot_be_read_as_a_whole_is_refused_if_so_set() -> None:
    async with bench_of(Scanner, refuse_unreadable=True) as bench:
        await bench.insert({"blots": [3]}, {})
        await bench.do("MediaIn", ALL)
        refused = await bench.client.until("event", name="Check.MediaRefusedEvent")
        assert refused["payload"]["reason"] == "codelineInvalid"
        assert (await bench.do("GetTransactionStatus"))["totalItems"] == "1"


async def test_what_is_stamped_and_printed_is_pictured_and_stays_on_the_item() -> None:
    async with bench_of(Scanner, print_rows_front=1) as bench:
        await bench.insert({}, {})
        await bench.do("MediaIn", ALL)
        before = (await bench.do("GetTransactionStatus"))["mediaInfo"]
        wanted = {"stamp": True, "printData": "BANK\r\nACCOUNT\r\fVOID", "image": [FRONT, BACK]}
        await bench.do("SetMediaParameters", {**KEEP, "mediaID": 1, **wanted})
        await bench.do("SetMediaParameters", {**KEEP, "mediaID": 2})
        await bench.do("MediaInEnd")
        after = (await bench.do("GetTransactionStatus"))["mediaInfo"]
        first, second = (await bench.truth())["items"]["unitPOCKET1"]
        assert (first["printed"], first["printedFront"], first["stamped"]) == (
            "BANK\r\nACCOUNT",
            "VOID",
            True,
        )
        assert not second.get("printed")
        assert not second.get("stamped")
        for side in (0, 1):
            assert before[0]["image"][side]["image"] != after[0]["image"][side]["image"]
            assert before[1]["image"][side] == after[1]["image"][side]
        assert after[0]["codelineData"] == before[0]["codelineData"]
        assert after[0]["mediaSize"] == before[0]["mediaSize"]


async def test_what_goes_back_comes_bunch_by_bunch() -> None:
    async with bench_of(Scanner, bunch=2, output=True) as bench:
        await bench.insert({}, {}, {})
        await bench.do("MediaIn")
        await bench.hand("StopClock")
        await bench.hand("TakeCheques", after=1000)
        request = await bench.client.send("Check.MediaInRollback")
        await bench.client.until("event", request, "Check.MediaPresentedEvent")
        await bench.hand("Advance", milliseconds=1000)
        second = await bench.client.until("event", request, "Check.MediaPresentedEvent")
        assert second["payload"] == {"position": "output", "bunchIndex": 2, "totalBunches": "2"}
        assert await bench.client.until("completion", request)
        taken = await bench.client.until("unsolicited", name="Check.MediaTakenEvent")
        assert taken["payload"]["position"] == "output"
        assert (await bench.hand("TakeCheques"))["count"] == 1
        await bench.conserved(3, taken=3)


async def test_an_application_presents_what_goes_back() -> None:
    async with bench_of(Scanner, present_control=False, rebuncher=True, bunch=1) as bench:
        await bench.insert({}, {})
        await bench.do("MediaIn")
        await bench.do("MediaInRollback")
        assert (await bench.status("check"))["rebuncher"] == "notEmpty"
        assert await bench.cannot("RetractMedia") == "noMediaPresent"
        await bench.conserved(2)
        request = await bench.client.send("Check.PresentMedia", {"source": {"position": "rebuncher"}})
        for count in (1, 2):
            await bench.client.until("event", request, "Check.MediaPresentedEvent")
            if count == 1:
                await bench.hand("TakeCheques")
        await bench.client.until("completion", request)
        assert (await bench.status("check"))["rebuncher"] == "empty"
        await bench.conserved(2, taken=1)


async def test_a_slot_for_what_is_refused_is_presented_first() -> None:
    async with bench_of(Scanner, refused=True) as bench:
        await bench.insert({"staple": True}, {})
        await bench.do("MediaIn")
        assert await bench.cannot("MediaInEnd") == "refusedItems"
        await bench.do("PresentMedia", {"source": {"position": "refused"}})
        positions = (await bench.status("check"))["positions"]
        assert positions["refused"]["positionStatus"] == "notEmpty"
        await bench.hand("TakeCheques")
        await bench.do("SetMediaParameters", KEEP)
        await bench.do("MediaInEnd")
        await bench.conserved(2, taken=1)


async def test_a_jam_on_the_way_out_keeps_what_went_before(bench: Scanner) -> None:
    await bench.insert({}, {}, {})
    await bench.do("MediaIn")
    await bench.do("SetMediaParameters", KEEP)
    await bench.inject("returnJams")
    assert await bench.cannot("MediaInEnd") == "mediaJammed"
    await bench.conserved(3)
    await bench.do("Reset", {"mediaControl": "eject"})
    await bench.hand("TakeCheques")
    await bench.conserved(3, taken=3)
    await bench.insert()
    await bench.do("MediaIn")


async def test_a_unit_that_was_pulled_out_takes_nothing(bench: Scanner) -> None:
    await bench.insert({}, {})
    await bench.do("MediaIn")
    await bench.do("SetMediaParameters", KEEP)
    await bench.hand("PullPocket", unit="unitPOCKET1")
    assert (await bench.units())["unitPOCKET1"]["status"] == "missing"
    assert await bench.cannot("MediaInEnd") == "mediaBinError"
    await bench.hand("PutPocket", unit="unitPOCKET1")
    await bench.do("Reset", {"mediaControl": "unitRETRACT"})
    await bench.conserved(2)
    assert await bench.simulator.failure("Simulator.PullPocket", {"unit": "unitX"}) == "invalidData"


async def test_supplies_and_parts_that_fail(bench: Scanner) -> None:
    for fault, payload, code in (
        ("micrDead", {"codelineFormat": "e13b"}, "micrInop"),
        ("scannerDead", {"image": [FRONT]}, "scannerInop"),
        ("feederDead", {}, "feederInop"),
    ):
        await bench.inject(fault)
        await bench.insert()
        assert await bench.cannot("MediaIn", payload) == code
        await bench.hand("ClearFaults")
    await bench.inject("pulledBack")
    assert await bench.cannot("MediaIn", ALL) == "mediaRejected"
    event = await bench.client.until("event", name="Check.MediaRejectedEvent")
    assert event["payload"]["reason"] == "removed"
    await bench.do("MediaIn", ALL)
    for fault, wanted, code in (
        ("tonerEmpty", {"printData": "A"}, "tonerOut"),
        ("inkEmpty", {"stamp": True}, "inkOut"),
    ):
        await bench.inject(fault)
        assert await bench.cannot("SetMediaParameters", {**KEEP, **wanted}) == code
    status = await bench.status("check")
    assert (status["toner"], status["ink"]) == ("out", "out")
    await bench.do("SupplyReplenish", {"toner": True, "ink": True})
    await bench.do("SetMediaParameters", {**KEEP, "printData": "A", "stamp": True})


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
    detected = await bench.client.until("unsolicited", name="Check.MediaDetectedEvent")
    assert detected["payload"]["position"] == ("unitRETRACT" if control == "unitRETRACT" else "position")
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
    assert data["codelineData"].startswith("a111000025a")


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


async def test_a_bunch_that_finds_no_room_where_it_is_retracted_stays_where_it_is() -> None:
    units = {"unitPOCKET1": {}, "unitRETRACT": {"uses": ["retract"], "capacity": 4}}
    async with bench_of(Scanner, units=units) as bench:
        for inserted, mended in ((3, "unitRETRACT"), (6, None)):
            await bench.insert({}, {}, {})
            await bench.do("MediaIn")
            if mended:
                await bench.do("Reset", {"mediaControl": mended})
            else:
                assert await bench.cannot("Reset", {"mediaControl": "unitRETRACT"}) == "mediaBinError"
            await bench.conserved(inserted)
        assert (await bench.truth())["units"]["unitRETRACT"] == 3


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


@pytest.mark.parametrize("stored", range(4))
async def test_the_power_fails_between_two_items_that_are_stored(tmp_path: Path, stored: int) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    ledger = xfs4iot.Ledger.open(before / "ledger.sqlite")
    async with bench_of(Scanner, before, ledger, seconds=1) as bench:
        await bench.insert({}, {}, {})
        await bench.hand("StopClock")
        request = await bench.client.send("Check.MediaIn")
        await bench.advance_until(lambda truth: truth["stacker"] == 3)
        await bench.hand("Advance", milliseconds=3000)
        await bench.client.until("completion", request)
        await bench.do("SetMediaParameters", KEEP)
        request = await bench.client.send("Check.MediaInEnd")
        await bench.client.until("acknowledge", request)
        await bench.advance_until(lambda truth: truth["units"]["unitPOCKET1"] == stored)
        shutil.copytree(before, after)
        await bench.hand("Advance", milliseconds=9000)
    ledger.close()
    ledger = xfs4iot.Ledger.open(after / "ledger.sqlite")
    async with bench_of(Scanner, after, ledger) as bench:
        await bench.conserved(3)
        assert (await bench.truth())["units"]["unitPOCKET1"] == stored
        await bench.do("Reset", {"mediaControl": "unitRETRACT"})
        await bench.conserved(3)
    ledger.close()


FAULTS = ("chequeJams", "returnJams", "doubleFeed", "pulledBack", "slotStuck", "feederDead", "pocketJams")


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_no_item_is_lost_or_counted_twice(seed: int) -> None:
    chance = random.Random(seed)
    units: dict[str, Any] = {"unitA": {"capacity": 6}, "unitB": {}, "unitR": {"uses": ["retract"]}}
    shape = {"bunch": chance.choice((0, 1, 2)), "refused": chance.random() < 0.3}
    shape |= {"flow": chance.choice(("bunch", "bunch", "refusing")), "stacker": 4}
    async with bench_of(Scanner, units=units, present_control=chance.random() < 0.7, **shape) as bench:
        inserted = taken = 0
        for _ in range(60):
            if chance.random() < 0.25:
                await bench.inject(chance.choice(FAULTS))
            match chance.randrange(9):
                case 0 | 1:
                    items = [{"staple": chance.random() < 0.2} for _ in range(chance.randrange(1, 4))]
                    await bench.insert(*items)
                    inserted += len(items)
                    refuses = {"applicationRefuse": True} if shape["flow"] == "refusing" else {}
                    await bench.client.completion("Check.MediaIn", refuses, timeout=200)
                case 2:
                    wanted = {"destination": chance.choice(("unitA", "unitB", "customer"))}
                    if chance.random() < 0.5:
                        wanted["mediaID"] = chance.randrange(1, 4)
                    await bench.client.completion("Check.SetMediaParameters", wanted)
                case 3 | 4:
                    name = chance.choice(("MediaInEnd", "MediaInRollback", "PresentMedia"))
                    await bench.client.completion(f"Check.{name}", None, timeout=100)
                case 5:
                    await bench.client.completion("Check.RetractMedia", {"retractLocation": "unitR"})
                case 6:
                    wanted = {"mediaControl": chance.choice(("eject", "unitR"))}
                    await bench.client.completion("Check.Reset", wanted, timeout=100)
                case 7:
                    await bench.client.completion("Check.AcceptItem", {"accept": chance.random() < 0.5})
                    await bench.client.completion("Check.GetNextItem")
                case 8:
                    await bench.hand("ClearFaults")
            truth = await bench.truth()
            if truth["presented"] and chance.random() < 0.5:
                taken += (await bench.hand("TakeCheques"))["count"]
            # What the customer has pulled back is with him as well.
            pulled = [
                one for one in bench.client.passed if one["header"]["name"] == "Check.MediaRejectedEvent"
            ]
            await bench.conserved(inserted, taken + len(pulled))
