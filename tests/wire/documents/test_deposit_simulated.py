"""The simulated depository: envelopes, people, bad luck and the power, over the wire."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import xfs4iot
from simulated import Bench, bench_of

BOX, SUPPLY = "unitCONTAINER", "unitSUPPLY"


class Depository(Bench):
    """The simulated depository."""

    service = "Deposit"

    async def enter(self, text: str | None = None, **envelope: Any) -> dict[str, Any]:
        """Let the customer put something in when the device asks for it; the completion."""
        request = await self.client.send("Deposit.Entry", {"printData": text} if text else None)
        await self.client.until("unsolicited", name="Deposit.InsertDepositEvent")
        await self.hand("InsertEnvelope", envelope=envelope)
        return await self.client.until("completion", request)

    async def error(self, text: str | None = None, **envelope: Any) -> str:
        found: str = (await self.enter(text, **envelope))["payload"]["errorCode"]
        return found

    async def unit(self, name: str = BOX) -> dict[str, Any]:
        found: dict[str, Any] = (await self.units())[name]["deposit"]["status"]
        return found

    async def conserved(self, inserted: int, envelopes: int = 100) -> None:
        """Every item is at one place, and what is in the container is what was counted."""
        truth = await self.truth()
        held = sum(len(truth[place]) for place in ("container", "customer", "lost"))
        held += sum(truth.get(place) is not None for place in ("slot", "way")) + truth["supply"]
        assert held == inserted + envelopes
        assert (await self.unit())["numOfDeposits"] == len(truth["container"])


@pytest.fixture
async def bench() -> AsyncIterator[Depository]:
    async with bench_of(Depository) as found:
        yield found


async def test_an_envelope_is_printed_on_and_lies_in_the_container(bench: Depository) -> None:
    await bench.enter("ACCOUNT 1", content="10 EUR")
    (item,) = (await bench.truth())["container"]
    assert (item["printed"], item["content"]) == ("ACCOUNT 1", "10 EUR")
    assert (await bench.status("deposit"))["shutter"] == "closed"
    await bench.conserved(1)


@pytest.mark.parametrize(
    ("fault", "envelope", "code", "place"),
    [
        (None, {"thickness": 60}, "envSize", "shutter"),
        (None, {"kind": "bag"}, "envSize", "shutter"),
        ("shutterBlockedOpen", {}, "shutterNotClosed", "container"),
        ("depositJams", {}, "depJammed", "transport"),
        ("printerJams", {}, "printerFail", "printer"),
        ("printerFails", {}, "printerFail", "container"),
        ("depositLost", {}, "unknown", "unknown"),
        ("customerHolds", {}, "unknown", "removed"),
    ],
)
async def test_bad_luck_with_a_deposit(
    bench: Depository, fault: str | None, envelope: Any, code: str, place: str
) -> None:
    if fault is not None:
        await bench.inject(fault)
    assert await bench.error("A", **envelope) == code
    status = await bench.status("deposit")
    assert status["depositLocation"] == place
    assert (status["depTransport"] == "inoperative") == (place == "transport")
    assert (status["printer"] == "inoperative") == (place == "printer")
    await bench.conserved(1)
    await bench.hand("ClearFaults")
    await bench.do("Reset", {"depMediaControl": "retract"})
    await bench.conserved(1)
    await bench.enter("B")
    await bench.conserved(2)


async def test_a_shutter_that_does_not_open(bench: Depository) -> None:
    await bench.inject("shutterBlockedClosed")
    for name in ("Entry", "Dispense"):
        assert await bench.cannot(name) == "shutterNotOpened"
    await bench.conserved(0)
    assert await bench.simulator.failure("Simulator.TakeEnvelope") == "sequenceError"


async def test_the_toner_is_used_up_and_replaced() -> None:
    async with bench_of(Depository, printer={"max_chars": 5, "unicode": True}, customer=True) as bench:
        for _ in range(500):
            await bench.do("Entry", {"printData": "ÄÖÜ"})
            await bench.hand("PutContainer", emptied=True)
        assert await bench.cannot("Entry", {"printData": "A"}) == "tonerOut"
        await bench.do("SupplyReplenish", {"toner": True})
        await bench.do("Entry", {"printData": "A"})


async def test_the_container_fills_is_pulled_out_and_emptied() -> None:
    async with bench_of(Depository, capacity=3, high=2, customer=True) as bench:
        levels = []
        for _ in range(3):
            await bench.do("Entry")
            levels.append((await bench.unit())["depContainer"])
        assert levels == ["ok", "high", "full"]
        assert await bench.cannot("Entry") == "depFull"
        await bench.hand("PullContainer")
        assert await bench.cannot("Entry") == "containerMissing"
        await bench.hand("PutContainer", emptied=True)
        assert await bench.unit() == {"depContainer": "ok", "numOfDeposits": 3}
        wanted = {"storage": {BOX: {"deposit": {"numOfDeposits": 0}}}}
        await bench.do("Storage.SetStorage", wanted)
        await bench.do("Entry")
        assert (await bench.unit())["numOfDeposits"] == 1


async def test_a_container_that_is_pulled_out_while_something_is_on_its_way() -> None:
    async with bench_of(Depository, seconds=1) as bench:
        await bench.hand("StopClock")
        request = await bench.client.send("Deposit.Entry")
        await bench.client.until("unsolicited", name="Deposit.InsertDepositEvent")
        await bench.hand("InsertEnvelope")
        await bench.client.until("unsolicited", name="Deposit.EnvInsertedEvent")
        await bench.hand("PullContainer")
        await bench.hand("Advance", milliseconds=5000)
        completion = await bench.client.until("completion", request)
        assert completion["payload"]["errorCode"] == "containerMissing"
        await bench.conserved(1)
        await bench.hand("StartClock")
        await bench.do("Reset", {"depMediaControl": "eject"})
        await bench.hand("TakeEnvelope")
        await bench.conserved(1)


async def test_an_envelope_is_dispensed_taken_filled_and_deposited(bench: Depository) -> None:
    await bench.do("Dispense")
    assert await bench.cannot("Dispense") == "sequenceError"
    await bench.hand("TakeEnvelope")
    await bench.client.until("unsolicited", name="Deposit.EnvTakenEvent")
    await bench.enter()
    await bench.conserved(1)
    assert (await bench.truth())["supply"] == 99


@pytest.mark.parametrize("target", ["container", "dispenser"])
async def test_an_envelope_that_nobody_takes(target: str) -> None:
    async with bench_of(Depository, retract=target) as bench:
        assert await bench.cannot("Retract") == "noEnv"
        await bench.do("Dispense")
        await bench.do("Retract", {"printData": "RETRACTED"} if target == "container" else None)
        await bench.conserved(0)
        assert (await bench.truth())["supply"] == (100 if target == "dispenser" else 99)
        await bench.do("Dispense")
        await bench.inject("shutterBlockedOpen")
        assert await bench.cannot("Retract") == "shutterNotClosed"
        await bench.hand("ClearFaults")
        await bench.inject("envelopeJams" if target == "dispenser" else "depositJams")
        assert await bench.cannot("Retract") == ("envJammed" if target == "dispenser" else "depJammed")
        await bench.do("Reset")
        await bench.conserved(0)


async def test_the_supply_runs_low_and_empty_and_jams(bench: Depository) -> None:
    await bench.hand("FillSupply", count=2)
    assert (await bench.unit(SUPPLY))["envSupply"] == "low"
    await bench.inject("envelopeJams")
    assert await bench.cannot("Dispense") == "jammed"
    assert (await bench.status("deposit"))["envDispenser"] == "inoperative"
    await bench.do("Reset")
    event = await bench.client.until("unsolicited", name="Deposit.MediaDetectedEvent")
    assert event["payload"] == {"depositMedia": "noMedia", "dispenseMedia": "retracted"}
    await bench.do("Dispense")
    await bench.hand("TakeEnvelope")
    assert (await bench.unit(SUPPLY))["envSupply"] == "empty"
    assert await bench.cannot("Dispense") == "empty"
    await bench.conserved(0, envelopes=2)
    await bench.do("SupplyReplenish", {"envelope": True})
    await bench.do("Dispense")
    assert await bench.simulator.failure("Simulator.FillSupply", {"count": 999}) == "invalidData"


async def test_a_supply_that_is_unlocked_for_a_while() -> None:
    supply = {"kind": "manual", "count": 9, "capacity": 10, "low": 1, "unlock_seconds": 10}
    async with bench_of(Depository, supply=supply) as bench:
        await bench.hand("StopClock")
        await bench.do("Dispense")
        assert (await bench.unit(SUPPLY))["envSupply"] == "unlocked"
        await bench.hand("TakeEnvelope")
        await bench.hand("Advance", milliseconds=10_000)
        for level in ("unlocked", "ok"):
            event = await bench.client.until("unsolicited", name="Storage.StorageThresholdEvent")
            assert event["payload"][SUPPLY]["deposit"]["status"] == {"envSupply": level}
        assert (await bench.truth())["supply"] == 8
        assert await bench.cannot("Retract") == "unsupportedCommand"


async def test_a_plain_slot() -> None:
    async with bench_of(
        Depository, types=["bag"], printer=None, supply=None, shutter=False, transport=False, retract=""
    ) as bench:
        await bench.enter(kind="bag", thickness=70)
        assert await bench.status("deposit") == {"depositLocation": "container"}
        assert await bench.cannot("Dispense") == "unsupportedCommand"
        await bench.hand("InsertEnvelope", envelope={"kind": "bag"})
        await bench.do("Entry")
        await bench.conserved(2, envelopes=0)


async def test_somebody_comes_later_and_leaves(bench: Depository) -> None:
    await bench.hand("StopClock")
    request = await bench.client.send("Deposit.Entry")
    await bench.client.until("unsolicited", name="Deposit.InsertDepositEvent")
    await bench.hand("InsertEnvelope", after=3000, envelope={"thickness": 90})
    await bench.hand("TakeEnvelope", after=4000)
    await bench.hand("Advance", milliseconds=3500)
    assert (await bench.client.until("completion", request))["payload"]["errorCode"] == "envSize"
    await bench.hand("Advance", milliseconds=1000)
    await bench.client.until("unsolicited", name="Deposit.EnvTakenEvent")
    assert (await bench.status("deposit"))["depositLocation"] == "removed"
    assert await bench.simulator.failure("Simulator.InsertEnvelope", {}) == "sequenceError"


async def test_a_movement_that_hangs_holds_up_nothing_but_the_queue(bench: Depository) -> None:
    await bench.inject("depositHangs")
    await bench.client.send("Deposit.Entry")
    await bench.client.until("unsolicited", name="Deposit.InsertDepositEvent")
    await bench.hand("InsertEnvelope")
    await bench.client.until("unsolicited", name="Deposit.EnvInsertedEvent")
    assert (await bench.status("deposit"))["depositLocation"] == "shutter"


@pytest.mark.parametrize("place", ["shutter", "printer", "transport", "container"])
async def test_the_power_fails_at_each_step_of_an_entry(tmp_path: Path, place: str) -> None:
    """Count and place agree with where the envelope is when the power is back."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    ledger = xfs4iot.Ledger.open(before / "ledger.sqlite")
    async with bench_of(Depository, before, ledger, seconds=1) as bench:
        await bench.hand("StopClock")
        await bench.client.send("Deposit.Entry", {"printData": "A"})
        await bench.client.until("unsolicited", name="Deposit.InsertDepositEvent")
        await bench.hand("InsertEnvelope")
        await bench.client.until("unsolicited", name="Deposit.EnvInsertedEvent")
        await bench.advance_until(
            lambda truth: (truth.get("place") or ("container" if truth["container"] else "shutter")) == place
        )
        shutil.copytree(before, after)
        await bench.hand("Advance", milliseconds=9000)
    ledger.close()
    ledger = xfs4iot.Ledger.open(after / "ledger.sqlite")
    async with bench_of(Depository, after, ledger) as bench:
        await bench.conserved(1)
        assert (await bench.status("deposit"))["depositLocation"] == place
    ledger.close()


FAULTS = (
    "shutterBlockedClosed",
    "shutterBlockedOpen",
    "depositJams",
    "printerJams",
    "printerFails",
    "envelopeJams",
    "depositLost",
    "customerHolds",
)


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_nothing_is_lost_or_counted_twice(seed: int) -> None:
    chance = random.Random(seed)
    supply = {"kind": "motorized", "count": 20, "capacity": 30, "low": 5}
    retract = chance.choice(("container", "dispenser"))
    async with bench_of(Depository, supply=supply, retract=retract, capacity=6, high=4) as bench:
        inserted = 0
        for _ in range(40):
            if chance.random() < 0.4:
                await bench.inject(chance.choice(FAULTS))
            match chance.randrange(6):
                case 0 | 1:
                    request = await bench.client.send("Deposit.Entry", {"printData": "A"}, timeout=50)
                    size = chance.choice((5, 5, 50))
                    done = await bench.simulator.completion(
                        "Simulator.InsertEnvelope", {"envelope": {"thickness": size}}
                    )
                    inserted += "completionCode" not in done["header"]
                    await bench.client.until("completion", request)
                case 2:
                    await bench.client.completion("Deposit.Dispense")
                case 3:
                    await bench.client.completion("Deposit.Retract")
                case 4:
                    wanted = {"depMediaControl": chance.choice(("eject", "retract"))}
                    await bench.client.completion("Deposit.Reset", wanted)
                case 5:
                    await bench.simulator.completion("Simulator.TakeEnvelope")
                    await bench.hand("ClearFaults")
            await bench.conserved(inserted, envelopes=20)
