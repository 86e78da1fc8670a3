"""The two halves of mixed media, and what they share: modes, slot, stacker, units, one mechanism."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from cash import content
from dialogue import another
from mixed import CHEQUE, Mixed, note
from simulated import bench_of

KEEP = {"destination": "unitSTORE1"}


@pytest.fixture
async def bench() -> AsyncIterator[Mixed]:
    async with bench_of(Mixed, profile="mixed-media") as found:
        yield found


async def test_with_both_off_nothing_is_taken_and_the_answer_names_the_mode(bench: Mixed) -> None:
    await bench.mode(cashAccept=False, checkAccept=False)
    await bench.insert(note(), CHEQUE)
    await bench.do("CashInStart", {})
    for name, kind in (("CashAcceptor.CashIn", "notes"), ("Check.MediaIn", "cheques")):
        completion = await bench.client.completion(name)
        assert completion["header"]["completionCode"] == "sequenceError"
        said = completion["header"]["errorDescription"]
        assert f"no {kind}" in said
        assert "MixedMedia.SetMode" in said
    assert (await bench.truth())["slot"] == 2


@pytest.mark.parametrize("ended", ["CashInEnd", "CashInRollback"])
async def test_a_cash_in_that_has_ended_begins_anew_while_cheques_are_inside(
    bench: Mixed, ended: str
) -> None:
    await bench.insert(note(), CHEQUE)
    await bench.do("CashInStart", {})
    await bench.do("CashIn")
    await bench.do("MediaIn")
    await bench.do(ended)
    if ended == "CashInRollback":
        await bench.hand("TakeCheques")
    taken = int(ended == "CashInRollback")
    assert (await bench.states())[1] == "active"
    await bench.do("CashInStart", {})
    await bench.insert(note(50), CHEQUE)
    assert (await bench.do("CashIn"))["items"] == {"typeEUR50": {"fit": 1}}
    await bench.do("MediaIn")
    assert (await bench.do("GetTransactionStatus"))["totalItems"] == "2"
    await bench.conserved(4, taken)
    await bench.do("CashInEnd")
    await bench.do("SetMediaParameters", KEEP)
    await bench.do("MediaInEnd")
    await bench.conserved(4, taken)


async def test_a_media_in_that_has_ended_begins_anew_while_notes_are_inside(bench: Mixed) -> None:
    await bench.insert(note(), CHEQUE)
    await bench.do("CashInStart", {})
    await bench.do("MediaIn")
    await bench.do("CashIn")
    await bench.do("SetMediaParameters", KEEP)
    await bench.do("MediaInEnd")
    assert await bench.states() == ("active", "ok")
    await bench.insert(CHEQUE, note())
    await bench.do("MediaIn")
    assert (await bench.do("GetTransactionStatus"))["totalItems"] == "1"
    assert (await bench.do("CashIn"))["items"] == {"typeEUR20": {"fit": 1}}
    await bench.conserved(4)
    await bench.do("CashInEnd")
    unit = (await bench.units())["unitSTORE1"]
    assert content(unit["cash"]) == 2


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("CashManagement.Retract", ("retract", "active")),
        # It has ended before: cheques are retracted only once they were presented.
        ("Check.RetractMedia", ("active", "rollback")),
    ],
)
async def test_each_half_is_retracted_by_its_own_interface(
    bench: Mixed, name: str, states: tuple[str, str]
) -> None:
    await bench.insert(note(), CHEQUE, note())
    await bench.do("CashInStart", {})
    await bench.do("CashIn")
    await bench.do("MediaIn")
    if name == "Check.RetractMedia":
        await bench.do("MediaInRollback")
    await bench.do(name, {})
    assert await bench.states() == states
    await bench.conserved(3)
    if states[0] == "active":
        await bench.do("CashInEnd")
    else:
        await bench.do("SetMediaParameters", KEEP)
        await bench.do("MediaInEnd")
    await bench.conserved(3)


async def test_notes_are_no_media_and_cheques_are_no_notes(bench: Mixed) -> None:
    await bench.insert(note(), CHEQUE, note(), CHEQUE, CHEQUE)
    await bench.do("CashInStart", {})
    await bench.do("MediaIn")
    await bench.do("CashIn")
    status = await bench.do("GetTransactionStatus")
    assert status["totalItems"] == "3"
    assert [one["mediaID"] for one in status["mediaInfo"]] == [1, 2, 3]
    cash = (await bench.do("CashAcceptor.GetCashInStatus"))["noteNumberList"]
    assert cash == {"typeEUR20": {"fit": 2}}
    media = [one for one in bench.client.passed if one["header"]["name"] == "Check.MediaDataEvent"]
    assert [one["payload"]["mediaID"] for one in media] == [1, 2, 3]


@pytest.mark.parametrize(
    ("item", "cash_in", "reason"),
    [
        ({**note(), "condition": "unrecognized"}, True, "invalidMedia"),
        ({"kind": "paper"}, True, "invalidMedia"),
        (note(), False, "foreignItems"),
    ],
)
async def test_what_is_neither_note_nor_cheque_is_invalid_media(
    bench: Mixed, item: dict[str, Any], cash_in: bool, reason: str
) -> None:
    await bench.insert(item, CHEQUE)
    if cash_in:
        await bench.do("CashInStart", {})
    await bench.do("MediaIn")
    refused = await bench.client.until("event", name="Check.MediaRefusedEvent")
    assert refused["payload"]["reason"] == reason
    await bench.conserved(2)


@pytest.mark.parametrize("running", ["CashAcceptor.CashIn", "Check.MediaIn"])
async def test_a_mode_waits_for_the_mechanism_that_is_at_work(running: str) -> None:
    async with bench_of(Mixed, seconds=0.2, profile="mixed-media", dynamic=True) as bench:
        await bench.insert(note(), CHEQUE)
        await bench.do("CashInStart", {})
        await bench.hand("StopClock")
        first = await bench.client.send(running)
        await bench.advance_until(lambda truth: truth["slot"] < 2)
        second = await bench.client.send("MixedMedia.SetMode", {"modes": {"checkAccept": False}})
        await bench.client.until("acknowledge", second)
        assert await bench.modes() == {"cashAccept": True, "checkAccept": True}
        await bench.hand("StartClock")
        ended = []
        while len(ended) < 2:
            ended.append((await bench.client.until("completion"))["header"]["requestId"])
        assert ended == [first, second]
        assert await bench.modes() == {"cashAccept": True, "checkAccept": False}
        await bench.conserved(2)


async def test_what_is_shared_changes_in_the_status_of_both(bench: Mixed) -> None:
    async def told() -> set[str]:
        """The interfaces whose status has changed since."""
        await bench.client.success("Common.Status")
        found = {
            part
            for one in bench.client.passed
            if one["header"]["name"] == "Common.StatusChangedEvent"
            for part in one["payload"]
        }
        bench.client.passed.clear()
        return found

    await bench.insert(note(), CHEQUE)
    assert {"cashAcceptor", "check"} <= await told()
    await bench.do("CashInStart", {})
    await bench.do("CashIn")
    await bench.do("MediaIn")
    assert {"cashAcceptor", "check"} <= await told()
    assert (await bench.status("cashAcceptor"))["intermediateStacker"] == "notEmpty"
    assert (await bench.status("check"))["stacker"] == "notEmpty"


@pytest.mark.parametrize(
    ("cash", "check"),
    [
        ({"configuration": {"appLockIn": True}}, {"configuration": {"highThreshold": -1}}),
        ({"configuration": {"highThreshold": -1}}, {"status": {"initial": {"count": 1}}}),
        ({"configuration": {"appLockIn": True}}, {"configuration": {"binID": "other"}}),
    ],
)
async def test_a_unit_for_both_is_set_for_both_or_for_none(bench: Mixed, cash: Any, check: Any) -> None:
    before = await bench.units()
    code = await bench.cannot(
        "Storage.SetStorage", {"storage": {"unitSTORE1": {"cash": cash, "check": check}}}
    )
    assert code in ("invalidData", "noExchangeActive")
    assert await bench.units() == before


async def test_clients_of_2023_go_through_both_halves(bench: Mixed, nursery: trio.Nursery) -> None:
    old = Mixed(await another(bench.client, nursery, "2023-2"), bench.simulator)
    await old.insert(note(), CHEQUE)
    await old.do("CashInStart", {})
    await old.do("CashIn")
    await old.do("MediaIn")
    await old.do("SetMediaParameters", KEEP)
    await old.do("CashInEnd")
    await old.do("MediaInEnd")
    await old.conserved(2)
