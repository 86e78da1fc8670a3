"""MixedMedia over the wire: the modes, and notes and cheques in one bunch, each counted once."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from cash import content
from dialogue import Dialogue, another, outcome
from mixed import CHEQUE, Mixed, note
from order import Break, Command, Pair, pairs
from simulated import bench_of
from vendors import refusal, serving
from xfs4iot import devices
from xfs4iot.interfaces.documents.media_transaction import Item
from xfs4iot.interfaces.documents.mixed_media import MixedMedia

KEEP = {"destination": "unitSTORE1"}
FRONT = {"source": "front", "type": "jpg", "colorFormat": "grayScale", "scanColor": "white"}


@pytest.fixture
async def bench() -> AsyncIterator[Mixed]:
    async with bench_of(Mixed, profile="mixed-media") as found:
        yield found


@pytest.mark.parametrize("first", ["CashIn", "MediaIn"])
async def test_one_bunch_of_notes_and_cheques_is_reported_each_by_its_own_command(
    bench: Mixed, first: str
) -> None:
    await bench.insert(note(20), CHEQUE, note(50), CHEQUE, note(20))
    await bench.do("CashInStart", {})
    second = "MediaIn" if first == "CashIn" else "CashIn"
    payload = {"codelineFormat": "e13b", "image": [FRONT]}
    done = {name: await bench.do(name, payload if name == "MediaIn" else None) for name in (first, second)}
    assert done["CashIn"]["items"] == {"typeEUR20": {"fit": 2}, "typeEUR50": {"fit": 1}}
    assert done["MediaIn"]["mediaIn"]["lastMedia"] == 2
    info = (await bench.do("GetTransactionStatus"))["mediaInfo"]
    assert [one["mediaID"] for one in info] == [1, 2]
    assert all(one["codelineData"] == "a111000025a 0123456789c 1001" for one in info)
    await bench.conserved(5)
    await bench.do("SetMediaParameters", KEEP)
    for name in ("MediaInEnd", "CashInEnd") if first == "CashIn" else ("CashInEnd", "MediaInEnd"):
        await bench.do(name)
    await bench.conserved(5)
    unit = (await bench.units())["unitSTORE1"]
    assert (content(unit["cash"]), unit["check"]["status"]["in"]["mediaInCount"]) == (3, 2)
    assert await bench.states() == ("ok", "ok")


async def test_one_half_is_stored_and_the_other_given_back(bench: Mixed) -> None:
    await bench.insert(note(), CHEQUE)
    await bench.do("CashInStart", {})
    await bench.do("CashIn")
    await bench.do("MediaIn")
    await bench.do("SetMediaParameters", KEEP)
    await bench.do("MediaInEnd")
    assert await bench.states() == ("active", "ok")
    await bench.do("CashInRollback")
    assert await bench.states() == ("rollback", "ok")
    await bench.conserved(2)
    assert (await bench.hand("TakeCheques"))["count"] == 1
    await bench.client.until("unsolicited", name="CashManagement.ItemsTakenEvent")
    await bench.conserved(2, taken=1)


async def test_what_is_taken_of_both_kinds_is_told_by_both_interfaces(bench: Mixed) -> None:
    await bench.insert(note(), CHEQUE)
    await bench.do("CashInStart", {})
    await bench.do("MediaIn")
    await bench.do("CashIn")
    await bench.do("CashInRollback")
    await bench.do("MediaInRollback")
    await bench.hand("TakeCheques")
    await bench.client.until("unsolicited", name="CashManagement.ItemsTakenEvent")
    await bench.client.until("unsolicited", name="Check.MediaTakenEvent")
    await bench.conserved(2, taken=2)


async def test_a_kind_that_is_not_taken_now_is_refused_as_foreign(bench: Mixed) -> None:
    await bench.mode(checkAccept=False)
    assert await bench.cannot("MediaIn") == "sequenceError"
    await bench.insert(note(), CHEQUE)
    await bench.do("CashInStart", {})
    await bench.do("CashIn")
    refused = await bench.client.until("event", name="CashAcceptor.InputRefuseEvent")
    assert refused["payload"]["reason"] == "foreignItemsDetected"
    await bench.conserved(2)
    await bench.do("CashInEnd")
    await bench.hand("TakeCheques")
    await bench.mode(cashAccept=False, checkAccept=True)
    await bench.do("CashInStart", {})
    assert await bench.cannot("CashIn") == "sequenceError"
    await bench.insert(note(), CHEQUE)
    await bench.do("MediaIn")
    refused = await bench.client.until("event", name="Check.MediaRefusedEvent")
    assert refused["payload"]["reason"] == "foreignItems"
    await bench.conserved(4, taken=1)


async def test_what_no_command_asks_for_goes_back_with_the_end(bench: Mixed) -> None:
    await bench.insert(note(), CHEQUE)
    await bench.do("CashInStart", {})
    await bench.do("CashIn")
    await bench.conserved(2)
    await bench.do("CashInEnd")
    assert (await bench.truth())["presented"] == 1
    await bench.hand("TakeCheques")
    await bench.insert(note(), CHEQUE)
    await bench.do("MediaIn")
    refused = await bench.client.until("event", name="Check.MediaRefusedEvent")
    assert refused["payload"]["reason"] == "foreignItems"
    await bench.conserved(4, taken=1)


async def test_a_dynamic_device_changes_its_modes_between_two_bunches() -> None:
    async with bench_of(Mixed, profile="mixed-media", dynamic=True) as bench:
        await bench.insert(CHEQUE)
        await bench.do("MediaIn")
        await bench.mode(checkAccept=False)
        await bench.insert(CHEQUE)
        assert await bench.cannot("MediaIn") == "sequenceError"
        await bench.mode(checkAccept=True)
        await bench.do("MediaIn")
        assert (await bench.do("GetTransactionStatus"))["totalItems"] == "2"


async def test_a_device_that_is_not_dynamic_keeps_its_modes_during_a_transaction(bench: Mixed) -> None:
    off = {"modes": {"checkAccept": False}}
    await bench.do("CashInStart", {})
    assert await bench.cannot("MixedMedia.SetMode", off) == "transactionActive"
    for same in (None, {}, {"modes": {}}, {"modes": {"cashAccept": True}}):
        await bench.do("MixedMedia.SetMode", same)
    assert await bench.cannot("CashInEnd") == "noItems"
    await bench.insert(CHEQUE)
    await bench.do("MediaIn")
    assert await bench.cannot("MixedMedia.SetMode", off) == "transactionActive"
    assert await bench.cannot("Storage.StartExchange") in ("transactionActive", "unsupportedCommand")
    await bench.do("MediaInRollback")
    await bench.do("MixedMedia.SetMode", off)
    assert await bench.modes() == {"cashAccept": True, "checkAccept": False}


@pytest.mark.parametrize("through", ["CashManagement", "Check"])
@pytest.mark.parametrize("target", [None, "unitRETRACT"])
async def test_a_reset_of_either_interface_ends_both_halves(
    bench: Mixed, through: str, target: str | None
) -> None:
    await bench.insert(note(), CHEQUE, note())
    await bench.do("CashInStart", {})
    await bench.do("CashIn")
    await bench.do("MediaIn")
    if through == "Check":
        await bench.do("Check.Reset", {"mediaControl": target} if target else {})
    else:
        position = {"position": {"target": "singleUnit", "unit": target}} if target else {}
        await bench.do("CashManagement.Reset", position)
    assert await bench.states() == ("reset", "reset")
    await bench.conserved(3)


RESETS = {
    "Check": ("Check.Reset", {"mediaControl": "unitRETRACT"}),
    "CashManagement": ("CashManagement.Reset", {"position": {"target": "singleUnit", "unit": "unitRETRACT"}}),
}


async def both_inside(bench: Mixed) -> None:
    await bench.insert(note(), CHEQUE, note())
    await bench.do("CashInStart", {})
    await bench.do("CashIn")
    await bench.do("MediaIn")


@pytest.mark.parametrize("through", RESETS)
async def test_both_kinds_go_to_the_unit_that_a_reset_names(bench: Mixed, through: str) -> None:
    await both_inside(bench)
    await bench.do(*RESETS[through])
    truth = await bench.truth()
    assert truth["units"]["unitRETRACT"] == 1
    assert truth["notesStored"]["unitRETRACT"] == {"typeEUR20": 2}
    await bench.conserved(3)


@pytest.mark.parametrize(
    ("through", "code"),
    [("Check", "mediaBinError"), ("CashManagement", "cashUnitError")],
)
async def test_a_half_that_is_left_inside_is_named_in_the_commands_own_words_and_keeps_no_other(
    bench: Mixed, through: str, code: str
) -> None:
    await both_inside(bench)
    # Only cheques are held up by it.
    await bench.inject("pocketJams")
    request = await bench.client.send(*RESETS[through])
    event = await bench.client.until("event", request, "Storage.StorageErrorEvent")
    assert set(event["payload"]["unit"]) == {"unitRETRACT"}
    assert (await bench.client.until("completion", request))["payload"]["errorCode"] == code
    assert await bench.states() == ("reset", "failure")
    await bench.conserved(3)
    await bench.do(*RESETS[through])
    await bench.conserved(3)
    assert not (await bench.truth())["stacker"]


async def test_a_half_that_cannot_be_cleared_is_named(bench: Mixed) -> None:
    await bench.insert(note(), CHEQUE)
    await bench.do("CashInStart", {})
    await bench.do("CashIn")
    await bench.do("MediaIn")
    await bench.hand("PullPocket", unit="unitRETRACT")
    completion = await bench.client.completion("Check.Reset", {"mediaControl": "unitRETRACT"})
    assert completion["payload"]["errorCode"] == "mediaBinError"
    await bench.conserved(2)
    await bench.hand("PutPocket", unit="unitRETRACT")
    await bench.do("CashManagement.Reset", {})
    await bench.conserved(2)


async def test_a_jam_between_the_two_kinds(bench: Mixed) -> None:
    await bench.insert(note(), CHEQUE)
    await bench.do("CashInStart", {})
    await bench.inject("chequeJams")
    assert await bench.cannot("CashIn") == "hardwareError"
    assert await bench.cannot("MediaIn") == "mediaJammed"
    await bench.conserved(2)
    await bench.do("CashManagement.Reset", {})
    await bench.do("CashInStart", {})
    await bench.do("CashIn")
    await bench.do("MediaIn")
    await bench.conserved(2)


async def test_a_unit_is_full_by_both_kinds() -> None:
    units = {"unitSTORE1": {"capacity": 3}, "unitRETRACT": {"uses": ["retract"]}}
    async with bench_of(Mixed, profile="mixed-media", units=units) as bench:
        await bench.insert(note(), note(), CHEQUE, CHEQUE)
        await bench.do("CashInStart", {})
        await bench.do("CashIn")
        await bench.do("MediaIn")
        await bench.do("CashInEnd")
        await bench.do("SetMediaParameters", {**KEEP, "mediaID": 1})
        await bench.do("MediaInEnd")
        await bench.hand("TakeCheques")
        await bench.client.until("unsolicited", name="Check.MediaTakenEvent")
        assert await bench.cannot("MediaIn") == "allBinsFull"
        await bench.conserved(4, taken=1)
        unit = (await bench.units())["unitSTORE1"]
        assert unit["cash"]["status"]["replenishmentStatus"] == "full"
        assert unit["check"]["status"]["replenishmentStatus"] == "full"


async def test_both_halves_go_on_after_a_restart(tmp_path: Path) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
    for life in range(2):
        async with bench_of(Mixed, tmp_path, ledger, profile="mixed-media") as bench:
            if life == 0:
                await bench.insert(note(), CHEQUE)
                await bench.do("CashInStart", {})
                await bench.do("CashIn")
                await bench.do("MediaIn")
                await bench.mode()
            else:
                assert await bench.states() == ("active", "active")
                await bench.do("SetMediaParameters", KEEP)
                await bench.do("CashInEnd")
                await bench.do("MediaInEnd")
            await bench.conserved(2)
    ledger.close()


@pytest.mark.parametrize("command", ["CashIn", "CashInEnd", "MediaInEnd"])
@pytest.mark.parametrize("steps", [1, 2])
async def test_the_power_fails_in_the_middle_and_both_books_are_right(
    tmp_path: Path, command: str, steps: int
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    ledger = xfs4iot.Ledger.open(before / "ledger.sqlite")
    async with bench_of(Mixed, before, ledger, profile="mixed-media") as bench:
        await bench.insert(note(), CHEQUE, note(), CHEQUE)
        await bench.do("CashInStart", {})
        if command != "CashIn":
            await bench.do("CashIn")
            await bench.do("MediaIn")
            await bench.do("SetMediaParameters", KEEP)
    async with bench_of(Mixed, before, ledger, seconds=1, profile="mixed-media") as bench:
        await bench.hand("StopClock")
        await bench.client.send(bench._whole(command))
        moved = {"CashIn": "slot", "CashInEnd": "notes", "MediaInEnd": "stacker"}[command]
        begin = (await bench.truth())[moved]
        await bench.advance_until(lambda truth: truth[moved] <= begin - steps)
        shutil.copytree(before, after)
        await bench.hand("Advance", milliseconds=9000)
    ledger.close()
    ledger = xfs4iot.Ledger.open(after / "ledger.sqlite")
    async with bench_of(Mixed, after, ledger, profile="mixed-media") as bench:
        await bench.conserved(4)
        await bench.do("CashManagement.Reset", {})
        await bench.do("Check.Reset", {"mediaControl": "unitRETRACT"})
        await bench.conserved(4)
    ledger.close()


DOUBTFUL = {**note(), "condition": "counterfeit"}
FAULTS = (
    "chequeJams",
    "returnJams",
    "doubleFeed",
    "slotStuck",
    "pocketJams",
    "misreads",
    "doubleInsert",
    "readerFails",
)


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_no_note_and_no_cheque_is_lost_or_counted_twice(seed: int) -> None:
    chance = random.Random(seed)
    units = {
        "unitSTORE1": {"capacity": 8},
        "unitSTORE2": {"capacity": 30},
        "unitRETRACT": {"uses": ["retract"]},
    }
    dynamic = chance.random() < 0.5
    async with bench_of(Mixed, profile="mixed-media", units=units, stacker=6, dynamic=dynamic) as bench:
        inserted = taken = 0
        for _ in range(60):
            if chance.random() < 0.2:
                await bench.inject(chance.choice(FAULTS))
            match chance.randrange(9):
                case 0 | 1 | 2:
                    items = [
                        chance.choice((CHEQUE, note(), note(50), note(7), DOUBTFUL, {"staple": True}))
                        for _ in range(chance.randrange(1, 5))
                    ]
                    await bench.insert(*items)
                    inserted += len(items)
                    await bench.client.completion("CashAcceptor.CashInStart", {})
                    for name in chance.sample(["CashAcceptor.CashIn", "Check.MediaIn"], 2):
                        await bench.client.completion(name, None, timeout=100)
                case 3:
                    wanted = {"destination": chance.choice(("unitSTORE1", "unitSTORE2", "customer"))}
                    await bench.client.completion("Check.SetMediaParameters", wanted)
                case 4:
                    await bench.client.completion(
                        chance.choice(("CashAcceptor.CashInEnd", "CashAcceptor.CashInRollback"))
                    )
                case 5:
                    name = chance.choice(("Check.MediaInEnd", "Check.MediaInRollback"))
                    await bench.client.completion(name, None, timeout=200)
                case 6:
                    if chance.random() < 0.5:
                        await bench.client.completion("CashManagement.Reset", {})
                    else:
                        await bench.client.completion("Check.Reset", {"mediaControl": "unitRETRACT"})
                case 7:
                    modes = {"cashAccept": chance.random() < 0.7, "checkAccept": chance.random() < 0.7}
                    await bench.client.completion("MixedMedia.SetMode", {"modes": modes})
                case 8:
                    await bench.hand("ClearFaults")
                    await bench.client.completion("Check.RetractMedia")
            if (await bench.truth())["presented"] and chance.random() < 0.5:
                taken += (await bench.hand("TakeCheques"))["count"]
            await bench.conserved(inserted, taken)


class Vendor(devices.MixedMedia):
    """As little as a vendor writes of it, beside what takes items in."""

    fault: Exception | None = None

    def __init__(self, **attributes: Any) -> None:
        super().__init__("MixedMedia")
        self.called: list[tuple[bool, bool]] = []
        for name, value in attributes.items():
            setattr(self, name, value)

    async def units(self) -> Any:
        notes = devices.CashUnit(index=1, types=frozenset({"cashIn"}), cash_items=("typeEUR20",))
        return {"unit1": (notes, devices.CheckUnit(index=1, types=frozenset({"mediaIn"})))}

    async def set_mode(self, cash: bool, check: bool) -> None:
        self.called.append((cash, check))
        if self.fault is not None:
            raise self.fault


async def set_mode(client: Dialogue, **modes: Any) -> dict[str, Any]:
    return await client.completion("MixedMedia.SetMode", {"modes": modes})


async def modes_of(client: Dialogue) -> dict[str, bool]:
    found: dict[str, bool] = (await client.success("Common.Status"))["mixedMedia"]["modes"]
    return found


@pytest.mark.parametrize("now", list(product((True, False), repeat=2)), ids=str)
@pytest.mark.parametrize("wanted", list(product((True, False, None), repeat=2)), ids=str)
async def test_what_a_client_leaves_out_stays_as_it_is(
    nursery: trio.Nursery, now: tuple[bool, bool], wanted: tuple[Any, Any]
) -> None:
    device = Vendor()
    client = await serving(device, nursery)
    names = ("cashAccept", "checkAccept")
    assert outcome(await set_mode(client, **dict(zip(names, now, strict=True)))) == "success"
    device.called.clear()
    client.passed.clear()
    given = {name: mode for name, mode in zip(names, wanted, strict=True) if mode is not None}
    assert outcome(await set_mode(client, **given)) == "success"
    expected = {**dict(zip(names, now, strict=True)), **given}
    assert await modes_of(client) == expected
    changed = {
        name: mode for name, mode in expected.items() if mode != dict(zip(names, now, strict=True))[name]
    }
    assert device.called == ([tuple(expected.values())] if changed else [])
    told: Counter[str] = Counter()
    for event in client.passed:
        if event["header"]["name"] == "Common.StatusChangedEvent":
            assert set(event["payload"]) == {"mixedMedia"}
            told.update(event["payload"]["mixedMedia"]["modes"].keys())
    assert told == Counter(changed.keys())


@pytest.mark.parametrize(("kind", "other"), [("cashAccept", "checkAccept"), ("checkAccept", "cashAccept")])
async def test_a_device_for_one_kind_only(nursery: trio.Nursery, kind: str, other: str) -> None:
    """The reference never reads `checkAccept`, and takes `cashAccept` for both."""
    device = Vendor(media_modes=frozenset({kind}))
    client = await serving(device, nursery)
    assert await modes_of(client) == {kind: True, other: False}
    capabilities = (await client.success("Common.Capabilities"))["mixedMedia"]
    assert capabilities == {"modes": {kind: True, other: False}, "dynamic": False}
    for refused in ({other: True}, {kind: False, other: True}):
        assert await client.failure("MixedMedia.SetMode", {"modes": refused}) == "invalidData"
    assert not device.called
    await client.success("MixedMedia.SetMode", {"modes": {kind: False, other: False}})
    assert await modes_of(client) == {kind: False, other: False}
    await client.success("MixedMedia.SetMode", {"modes": {kind: True}})
    assert await modes_of(client) == {kind: True, other: False}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(refusal("transactionActive"), "transactionActive"), (RuntimeError("broken"), "hardwareError")],
)
async def test_a_device_that_does_not_change_its_modes(
    nursery: trio.Nursery, fault: Exception, expected: str
) -> None:
    device = Vendor(fault=fault)
    client = await serving(device, nursery)
    off = {"modes": {"cashAccept": False}}
    assert await client.failure("MixedMedia.SetMode", off) == expected
    assert await modes_of(client) == {"cashAccept": True, "checkAccept": True}


async def offline(device: Any) -> None:
    device.status.common.device = "offline"


async def media_active(device: Any) -> None:
    transaction = device._host.interface(MixedMedia)._check.transaction
    transaction.state, transaction.items = "active", {1: Item()}


ORDER = {
    "MixedMedia.SetMode": Command(
        {
            "modes_possible": Break({"modes": {"checkAccept": True}}),
            "device_ready": Break(before=offline),
            "transactions_allow": Break(before=media_active),
        },
        good={"modes": {"cashAccept": False}},
    )
}


@pytest.mark.parametrize("pair", pairs(MixedMedia, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(pair: Pair, nursery: trio.Nursery) -> None:
    device = Vendor(media_modes=frozenset({"cashAccept"}))
    client = await serving(device, nursery)
    await pair.prove(client, device)
    assert not device.called


async def test_no_payload_stops_the_service_or_is_an_internal_error(nursery: trio.Nursery) -> None:
    client = await serving(Vendor(), nursery)
    for odd in (None, [], "x", {"modes": None}, {"modes": []}, {"modes": {"cashAccept": 1}}, {"x": 2**70}):
        request = await client.send("MixedMedia.SetMode", odd)
        acknowledge = await client.until("acknowledge", request)
        if "status" not in acknowledge["header"]:
            assert outcome(await client.until("completion", request)) != "internalError"


async def test_clients_of_2023_set_modes_and_those_of_2021_do_not_see_them(nursery: trio.Nursery) -> None:
    newest = await serving(Vendor(), nursery)
    old = await another(newest, nursery, "2023-2")
    await old.success("MixedMedia.SetMode", {"modes": {"checkAccept": False}})
    assert await modes_of(old) == {"cashAccept": True, "checkAccept": False}
    oldest = await another(newest, nursery, "2021-1")
    assert "mixedMedia" not in await oldest.success("Common.Status")
