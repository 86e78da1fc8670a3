"""The notes of a bunch of both kinds: read, refused and limited as a cash acceptor does it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mixed import CHEQUE, Mixed, note
from simulated import bench_of

LEVELS = ("fit", "unfit", "suspect", "counterfeit", "inked", "unrecognized")


@pytest.fixture
async def bench() -> AsyncIterator[Mixed]:
    async with bench_of(Mixed, profile="mixed-media") as found:
        yield found


def worn(condition: str, value: int = 20, **more: Any) -> dict[str, Any]:
    return {**note(value), "condition": condition, **more}


async def accepted(bench: Mixed, *items: dict[str, Any], first: str = "CashIn", **start: Any) -> Any:
    """What a CashIn accepts of a bunch that it or a MediaIn draws in."""
    await bench.insert(*items)
    await bench.do("CashInStart", start)
    if first == "MediaIn":
        await bench.do("MediaIn")
        # What it refused lies in the slot that both share.
        if (await bench.truth())["presented"]:
            assert await bench.cannot("CashIn") == "positionNotEmpty"
            await bench.hand("TakeCheques")
    return (await bench.do("CashIn")).get("items")


def reasons(bench: Mixed) -> list[str]:
    """Why notes were refused."""
    found = [
        one["payload"]["reason"]
        for one in bench.client.passed
        if one["header"]["name"] == "CashAcceptor.InputRefuseEvent"
    ]
    bench.client.passed.clear()
    return found


async def stored(bench: Mixed) -> dict[str, Any]:
    """What was deposited, by note and level."""
    found: dict[str, Any] = {}
    for unit in (await bench.do("CashInEnd"))["storage"].values():
        for kind, levels in unit.get("deposited", {}).items():
            found[kind] = levels
    return found


@pytest.mark.parametrize("first", ["CashIn", "MediaIn"])
async def test_notes_of_every_condition_are_told_apart(bench: Mixed, first: str) -> None:
    items = await accepted(bench, *(worn(level) for level in LEVELS), CHEQUE, first=first)
    assert items == {"typeEUR20": {"fit": 1, "unfit": 1, "suspect": 1, "counterfeit": 1}}
    # What no reader recognises is no note for MediaIn either.
    assert reasons(bench) == ["invalidBill"] * (2 if first == "CashIn" else 1)
    taken = 0 if first == "CashIn" else 1
    await bench.conserved(7, taken)
    assert await stored(bench) == items
    await bench.conserved(7, taken)


@pytest.mark.parametrize("level", ["suspect", "counterfeit", "inked"])
@pytest.mark.parametrize("kept", [True, False])
async def test_a_profile_says_which_doubtful_notes_are_kept(level: str, kept: bool) -> None:
    retains = [level] if kept else []
    async with bench_of(Mixed, profile="mixed-media", retains=retains) as bench:
        items = await accepted(bench, worn(level), note())
        expected = {"fit": 1, **({level: 1} if kept else {})}
        assert items == {"typeEUR20": expected}
        refused = "counterfeit" if level == "counterfeit" else "invalidBill"
        assert reasons(bench) == ([] if kept else [refused])
        actions = (await bench.do("Common.Capabilities"))["cashAcceptor"].get("retainAction", {})
        assert [one for one, is_so in actions.items() if is_so] == retains
        await bench.conserved(2)


@pytest.mark.parametrize("first", ["CashIn", "MediaIn"])
async def test_limits_hold_over_all_bunches(bench: Mixed, first: str) -> None:
    limits = {"totalItemsLimit": 4, "amountLimit": [{"currency": "EUR", "value": 100}]}
    # 50 + 20 are below the limit, another 50 is not.
    items = await accepted(bench, note(50), note(20), note(50), CHEQUE, first=first, **limits)
    assert items == {"typeEUR50": {"fit": 1}, "typeEUR20": {"fit": 1}}
    assert reasons(bench) == ["limitOverAmount"]
    await bench.hand("TakeCheques")
    await bench.insert(note(5), note(5), note(5))
    assert (await bench.do("CashIn"))["items"] == {"typeEUR5": {"fit": 2}}
    assert reasons(bench) == ["limitOverTotalItems"]
    await bench.hand("TakeCheques")
    assert await bench.cannot("CashIn") == "tooManyItems"
    await bench.conserved(7, taken=2)


async def test_each_currency_has_its_own_limit() -> None:
    notes = {"EUR": [20], "GBP": [20]}
    async with bench_of(Mixed, profile="mixed-media", notes=notes) as bench:
        pounds = {**note(), "currency": "GBP"}
        limits = {"amountLimit": [{"currency": "EUR", "value": 20}]}
        items = await accepted(bench, note(), pounds, note(), pounds, **limits)
        assert items == {"typeEUR20": {"fit": 1}, "typeGBP20": {"fit": 2}}
        assert reasons(bench) == ["limitOverAmount"]


@pytest.mark.parametrize("first", ["CashIn", "MediaIn"])
async def test_notes_that_are_not_enabled_are_refused(bench: Mixed, first: str) -> None:
    await bench.do("CashAcceptor.ConfigureNoteTypes", {"items": [{"item": "typeEUR50", "enabled": False}]})
    assert await accepted(bench, note(50), note(), CHEQUE, first=first) == {"typeEUR20": {"fit": 1}}
    assert reasons(bench) == ["invalidBill"]
    await bench.conserved(3)


async def test_a_full_stacker_refuses_notes() -> None:
    async with bench_of(Mixed, profile="mixed-media", stacker=2) as bench:
        assert await accepted(bench, note(), note(), note()) == {"typeEUR20": {"fit": 2}}
        assert reasons(bench) == ["stackerFull"]
        await bench.conserved(3)


async def test_a_note_is_recognised_by_its_serial_number_and_signature(bench: Mixed) -> None:
    await accepted(bench, worn("fit", serial="MINE1"), worn("unfit"))
    listed = (await bench.do("CashManagement.GetItemInfo", {"items": {}}))["itemsList"]
    assert listed[0]["serialNumber"] == "MINE1"
    assert len({one["serialNumber"] for one in listed}) == 2
    assert [one["itemLocation"] for one in listed] == ["stacker"] * 2
    await bench.do("CashInEnd")
    request = await bench.client.send("CashAcceptor.CreateSignature")
    await bench.client.until("event", name="CashAcceptor.InsertItemsEvent")
    await bench.insert(worn("fit", serial="MINE1"))
    made = (await bench.client.until("completion", request))["payload"]
    assert made["signature"] == listed[0]["signature"]
    signature = {key: made[key] for key in ("noteType", "orientation", "signature")}
    wanted = {"referenceSignatures": [signature], "signatures": [signature]}
    (found,) = (await bench.do("CashAcceptor.CompareSignature", wanted))["signaturesIndex"]
    assert found["confidenceLevel"] == 100
    await bench.conserved(3)


@pytest.mark.parametrize(
    ("items", "code"), [((CHEQUE,), "noItems"), ((note(), note()), "tooManyItems"), ((note(7),), "noItems")]
)
async def test_a_signature_is_of_one_note_that_is_known(bench: Mixed, items: Any, code: str) -> None:
    await bench.insert(*items)
    assert await bench.cannot("CashAcceptor.CreateSignature") == code
    await bench.conserved(len(items))


async def test_a_note_on_the_list_is_told(bench: Mixed) -> None:
    wanted = {
        "version": "1",
        "classificationElements": [{"serialNumber": "BAD*", "currency": "EUR", "level": "suspect"}],
    }
    await bench.do("CashManagement.SetClassificationList", wanted)
    await accepted(bench, worn("fit", serial="BAD7"), worn("fit", serial="GOOD"))
    listed = (await bench.do("CashManagement.GetItemInfo", {"items": {}}))["itemsList"]
    assert [one["onClassificationList"] for one in listed] == [
        "onClassificationList",
        "notOnClassificationList",
    ]


async def test_a_reader_that_fails_leaves_the_bunch_in_the_slot(bench: Mixed) -> None:
    await bench.insert(note(), CHEQUE)
    await bench.do("CashInStart", {})
    await bench.inject("readerFails")
    assert (await bench.status("cashAcceptor"))["banknoteReader"] == "inoperable"
    assert await bench.cannot("CashIn") == "hardwareError"
    assert (await bench.truth())["slot"] == 2
    # Cheques need no reader of notes.
    assert (await bench.do("MediaIn"))["mediaIn"]["lastMedia"] == 1
    await bench.conserved(2)


@pytest.mark.parametrize(("fault", "refused"), [("misreads", 1), ("doubleInsert", 2)])
async def test_a_note_that_is_fed_or_read_badly_is_given_back(bench: Mixed, fault: str, refused: int) -> None:
    await bench.inject(fault)
    assert await accepted(bench, note(), note(), note()) == {"typeEUR20": {"fit": 3 - refused}}
    assert reasons(bench) == ["invalidBill"] * refused
    assert (await bench.do("CashAcceptor.GetCashInStatus"))["numOfRefused"] == refused
    await bench.conserved(3)


async def test_a_bunch_is_told_by_stages() -> None:
    async with bench_of(Mixed, profile="mixed-media", stage=2) as bench:
        await accepted(bench, note(), CHEQUE, note(), note(50))
        told = [
            one["payload"]
            for one in bench.client.passed
            if one["header"]["name"] == "CashAcceptor.SubCashInEvent"
        ]
        assert [one["typeEUR20"]["fit"] for one in told if "typeEUR20" in one] == [2]
        assert [one["typeEUR50"]["fit"] for one in told if "typeEUR50" in one] == [1]


async def test_the_shared_slot_is_shown_by_both_interfaces(bench: Mixed) -> None:
    await bench.insert(note(), {"staple": True})
    shown = {one["position"]: one for one in (await bench.status("cashAcceptor"))["positions"]}
    assert shown["inDefault"]["positionStatus"] == "notEmpty"
    assert (await bench.status("check"))["positions"]["input"]["positionStatus"] == "notEmpty"
    await bench.do("CashInStart", {})
    await bench.do("CashIn")
    # A cheque that was refused lies in the way of notes, too.
    shown = {one["position"]: one for one in (await bench.status("cashAcceptor"))["positions"]}
    assert shown["outDefault"]["positionStatus"] == "notEmpty"
    assert await bench.cannot("CashIn") == "positionNotEmpty"
    await bench.hand("TakeCheques")
    await bench.insert(note())
    await bench.do("CashIn")
    await bench.conserved(3, taken=1)
