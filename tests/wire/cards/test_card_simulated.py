"""The simulated card reader: people, cards, bad luck and the power, over the wire."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot.simulator import atm as simulated_atm

READ, WRITE, MOVE, RESET = (f"CardReader.{name}" for name in ("ReadRawData", "WriteRawData", "Move", "Reset"))
OUT = {"from": "transport", "to": "exit"}
KEEP = {"from": "transport", "to": "unitBIN1"}


class Bench:
    """A client of the reader, and one of `Simulator`."""

    def __init__(self, reader: Dialogue, simulator: Dialogue) -> None:
        self.reader = reader
        self._simulator = simulator

    async def do(self, name: str, /, **payload: Any) -> dict[str, Any]:
        return await self._simulator.success(f"Simulator.{name}", payload)

    async def cannot(self, name: str, /, **payload: Any) -> str:
        return await self._simulator.failure(f"Simulator.{name}", payload)

    async def inject(self, fault: str) -> None:
        await self.do("Inject", fault=fault)

    async def truth(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.do("GetTruth", service="CardReader"))["services"]["CardReader"]
        return found

    async def media(self) -> Any:
        return (await self.reader.success("Common.Status"))["cardReader"].get("media")

    async def enters(self) -> None:
        """A card comes into the slot."""
        while (await self.reader.until("unsolicited", name="Common.StatusChangedEvent"))["payload"] != {
            "cardReader": {"media": "entering", "chipPower": "poweredOff"}
        }:
            pass

    async def counts(self) -> dict[str, int]:
        units = (await self.reader.success("Storage.GetStorage"))["storage"]
        return {name: unit["card"]["status"]["count"] for name, unit in units.items()}

    async def insert(self, card: str = "credit", *wanted: str) -> dict[str, Any]:
        await self.do("InsertCard", card=card)
        return await self.reader.success(READ, dict.fromkeys(wanted, True))

    async def conserved(self) -> None:
        """The books agree with the truth, and each card is in one place."""
        truth, counts = await self.truth(), await self.counts()
        held = {unit: len(cards) for unit, cards in truth["units"].items()}
        inside = [one for one in (truth["transport"], truth["exit"]) if one is not None]
        assert {unit: counts[unit] for unit in held} == held
        everywhere = [
            *inside,
            *truth["hands"],
            *(card for cards in truth["units"].values() for card in cards),
        ]
        assert len(everywhere) == len(set(everywhere))


@asynccontextmanager
async def bench_of(
    directory: Path | None = None, seconds: float = 0, ledger: xfs4iot.Ledger | None = None, **settings: Any
) -> AsyncIterator[Bench]:
    """A simulated ATM with a card reader of these settings."""
    from xfs4iot.simulator.profile import read

    profile = read("default")
    one = profile.services["CardReader"]
    one = type(one)(one.device, {**one.settings, **settings})
    profile = type(profile)({"CardReader": one}, profile.seed, profile.seconds, profile.dialect)
    services = simulated_atm(
        profile, ledger=ledger or xfs4iot.Ledger.open(None), state=directory, seconds=seconds
    )
    publisher = xfs4iot.Publisher(services, port=0)
    async with trio.open_nursery() as nursery:
        await nursery.start(publisher.serve)
        reader: Dialogue = await nursery.start(dialogue, publisher.uri("CardReader"))
        simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
        yield Bench(reader, simulator)
        nursery.cancel_scope.cancel()


@pytest.fixture
async def bench(nursery: trio.Nursery) -> AsyncIterator[Bench]:
    async with bench_of() as found:
        yield found


def text(source: dict[str, str]) -> str:
    return base64.b64decode(source["data"]).decode()


async def test_the_tracks_of_a_card_follow_from_its_number(bench: Bench) -> None:
    found = await bench.insert("stripe", "track1", "track2", "track3", "chip")
    assert text(found["track1"]) == "B4012888888881881^CARDHOLDER/TEST^29121010000000000"
    assert text(found["track2"]) == "4012888888881881=29121010000000000"
    assert text(found["track3"]).startswith("014012888888881881=")
    assert found["chip"] == [{"status": "dataSourceMissing"}]
    await bench.conserved()


async def test_a_damaged_track_is_told_and_the_others_are_read(bench: Bench) -> None:
    found = await bench.insert("worn", "track1", "track2", "track3", "chip")
    invalid = {"status": "dataInvalid"}
    assert (found["track1"], found["track3"]) == (invalid, invalid)
    assert text(found["track2"]).startswith("4761739001010028=")
    assert found["chip"] == [{"status": "dataMissing"}]


async def test_a_card_comes_in_goes_out_and_is_taken(bench: Bench) -> None:
    await bench.insert()
    assert (await bench.truth())["transport"] == "credit"
    await bench.reader.success(MOVE, OUT)
    assert await bench.media() == "entering"
    assert await bench.do("TakeCard") == {"card": "credit"}
    await bench.reader.until("unsolicited", name="CardReader.MediaRemovedEvent")
    assert await bench.media() == "notPresent"
    assert await bench.cannot("TakeCard") == "sequenceError"


async def test_a_card_that_is_left_in_the_slot_is_drawn_back_and_read(bench: Bench) -> None:
    await bench.insert()
    await bench.reader.success(MOVE, OUT)
    bench.reader.passed.clear()
    await bench.reader.success(READ, {"track2": True})
    names = [message["header"]["name"] for message in bench.reader.passed]
    assert "CardReader.InsertCardEvent" not in names
    assert await bench.media() == "present"


async def test_wrong_ways_of_inserting_do_not_end_the_wait(bench: Bench) -> None:
    request = await bench.reader.send(READ, {"track2": True})
    await bench.reader.until("event", request, "CardReader.InsertCardEvent")
    for way in ("wrong", "foreign"):
        await bench.do("InsertCard", card="credit", way=way)
        await bench.reader.until("event", request, "CardReader.InvalidMediaEvent")
    await bench.do("InsertCard", card="credit", atOnce=True)
    await bench.reader.until("completion", request)
    assert await bench.media() == "present"


async def test_a_closed_entrance_takes_nothing(bench: Bench) -> None:
    assert await bench.cannot("InsertCard", card="credit", atOnce=True) == "sequenceError"
    assert await bench.reader.failure(READ, {"track2": True}, timeout=50) == "timeOut"
    assert await bench.cannot("InsertCard", card="credit", atOnce=True) == "sequenceError"
    assert await bench.cannot("InsertCard", card="unknown") == "invalidData"
    await bench.insert()
    assert await bench.cannot("InsertCard", card="credit") == "sequenceError"
    assert await bench.cannot("TapCard", cards=["debit"]) == "sequenceError"


async def test_a_short_card_stays_in_the_slot(bench: Bench) -> None:
    await bench.do("InsertCard", card="short")
    assert await bench.reader.failure(READ, {"track2": True}) == "cardTooShort"
    assert await bench.media() == "entering"
    await bench.do("TakeCard")


async def test_a_card_pulled_back_on_its_way_in_is_no_media() -> None:
    async with bench_of(seconds=1) as bench:
        await bench.do("StopClock")
        await bench.do("InsertCard", card="credit")
        request = await bench.reader.send(READ, {"track2": True})
        await bench.reader.until("event", request, "CardReader.InsertCardEvent")
        await bench.enters()
        await bench.do("PullOutCard")
        await bench.do("Advance", milliseconds=5000)
        completion = await bench.reader.until("completion", request)
        assert completion["payload"]["errorCode"] == "noMedia"
        assert await bench.media() == "notPresent"


@pytest.mark.parametrize("ticks", range(8))
async def test_a_wait_cancelled_at_any_moment_of_the_insertion_loses_no_card(ticks: int) -> None:
    async with bench_of(seconds=0.01) as bench:
        request = await bench.reader.send(READ, {"track2": True})
        await bench.reader.until("event", request, "CardReader.InsertCardEvent")
        await bench.do("InsertCard", card="credit")
        await trio.sleep(ticks * 0.003)
        cancel = await bench.reader.send("Common.Cancel", {"requestIds": [request]})
        await bench.reader.until("completion", request)
        await bench.reader.until("completion", cancel)
        truth = await bench.truth()
        inside = truth["transport"] is not None
        assert await bench.media() == ("present" if inside else "notPresent")
        assert inside or "credit" in truth["hands"]
        await bench.conserved()


async def test_what_is_written_is_read_again(bench: Bench) -> None:
    await bench.insert()
    data = base64.b64encode(b"1234=5678").decode()
    await bench.reader.success(WRITE, {"track2": {"data": data}})
    assert (await bench.reader.success(READ, {"track2": True}))["track2"] == {"data": data}
    await bench.inject("writeFails")
    assert await bench.reader.failure(WRITE, {"track2": {"data": data}}) == "hardwareError"


async def test_cards_are_given_out_parked_and_retained(bench: Bench) -> None:
    await bench.reader.success(MOVE, {"from": "unitNEW1", "to": "transport"})
    await bench.reader.success(MOVE, {"from": "transport", "to": "unitPARK1"})
    await bench.insert()
    await bench.reader.success(MOVE, KEEP)
    await bench.reader.success(MOVE, {"from": "unitPARK1", "to": "exit"})
    assert await bench.counts() == {"unitBIN1": 1, "unitPARK1": 0, "unitNEW1": 99}
    assert (await bench.truth())["stock"] == {"unitNEW1": 99}
    await bench.conserved()
    await bench.do("TakeCard")
    await bench.insert("loyalty-1", "track1")
    await bench.do("EmptyBin", unit="unitBIN1")
    assert "credit" in (await bench.truth())["hands"]
    await bench.do("FillStack", unit="unitNEW1", count=1)
    assert await bench.cannot("FillStack", unit="unitNEW1", count=500) == "invalidData"
    assert await bench.cannot("EmptyBin", unit="unitNEW1") == "invalidData"


async def test_a_card_of_ones_own_can_be_made(bench: Bench) -> None:
    await bench.do("MakeCard", name="mine", card={"pan": "4000000000000002", "damaged": ["track1"]})
    found = await bench.insert("mine", "track1", "track2")
    assert text(found["track2"]).startswith("4000000000000002=")
    assert await bench.cannot("MakeCard", name="mine", card={}) == "sequenceError"
    assert await bench.cannot("MakeCard", name="other", card={"pan": "x"}) == "invalidData"


JAM = [("cardJamsEntering", None), ("cardJamsLeaving", OUT), ("cardJamsLeaving", KEEP)]


@pytest.mark.parametrize(("fault", "way"), JAM)
async def test_a_jam_is_told_and_a_reset_gets_the_card_loose(bench: Bench, fault: str, way: Any) -> None:
    if way is not None:
        await bench.insert()
    await bench.inject(fault)
    await bench.do("InsertCard", card="debit")
    command, payload = (MOVE, way) if way else (READ, {"track2": True})
    assert await bench.reader.failure(command, payload) == "mediaJam"
    assert await bench.media() == "jammed"
    await bench.inject("cardStaysStuck")
    assert await bench.reader.failure(RESET) == "mediaJam"
    event = await bench.reader.until("unsolicited", name="CardReader.MediaDetectedEvent")
    assert event["payload"] == {"position": "jammed"}
    await bench.do("ClearFaults")
    await bench.reader.success(RESET, {"to": "retain"})
    event = await bench.reader.until("unsolicited", name="CardReader.MediaDetectedEvent")
    assert event["payload"] == {"position": "unitBIN1"}
    await bench.conserved()


async def test_bad_luck_on_the_way_out(bench: Bench) -> None:
    await bench.insert()
    await bench.inject("entranceStuck")
    assert await bench.reader.failure(MOVE, OUT) == "shutterFail"
    assert await bench.reader.failure(RESET, {"to": "exit"}) == "shutterFail"
    assert await bench.media() == "present"
    await bench.do("ClearFaults")
    await bench.inject("cardSwallowed")
    assert await bench.reader.failure(MOVE, OUT) == "mediaRetained"
    assert await bench.media() == "notPresent"
    await bench.conserved()
    await bench.inject("entranceStuck")
    assert await bench.reader.failure(READ, {"track2": True}) == "shutterFail"


@pytest.mark.parametrize(
    ("fault", "status"), [("stripeUnreadable", "dataInvalid"), ("swipedTooFast", "dataTooShort")]
)
async def test_bad_luck_with_a_stripe(bench: Bench, fault: str, status: str) -> None:
    await bench.inject(fault)
    found = await bench.insert("credit", "track1", "track2")
    assert found == {track: {"status": status} for track in ("track1", "track2")}
    assert "data" in (await bench.reader.success(READ, {"track2": True}))["track2"]


async def test_a_class_that_breaks_after_a_movement_is_settled_from_what_it_recalls(bench: Bench) -> None:
    await bench.insert()
    await bench.inject("readerBreaks")
    assert await bench.reader.failure(MOVE, KEEP) == "hardwareError"
    assert await bench.counts() == {"unitBIN1": 1, "unitPARK1": 0, "unitNEW1": 100}
    assert await bench.media() == "notPresent"


async def test_sensors_that_see_nothing_make_the_media_unknown(bench: Bench) -> None:
    await bench.insert()
    await bench.inject("readerBlind")
    assert await bench.media() == "unknown"
    await bench.do("ClearFaults")
    assert await bench.media() == "present"


async def test_a_skimmer_is_seen(bench: Bench) -> None:
    await bench.inject("skimmer")
    status = await bench.reader.success("Common.Status")
    assert status["common"]["antiFraudModule"] == "deviceDetected"


@pytest.mark.parametrize(("fault", "state"), [("readerPowerOff", "powerOff"), ("readerOffline", "offline")])
async def test_a_reader_without_power_does_nothing(bench: Bench, fault: str, state: str) -> None:
    await bench.insert()
    await bench.inject(fault)
    status = await bench.reader.success("Common.Status")
    assert status["common"]["device"] == state
    assert status["cardReader"]["media"] == status["cardReader"]["chipPower"] == "unknown"
    assert await bench.reader.failure(MOVE, OUT) == "deviceNotReady"
    await bench.do("ClearFaults")
    assert await bench.media() == "present"
    await bench.reader.success(MOVE, OUT)


@pytest.mark.parametrize("fault", ["readerPowerOff", "readerOffline"])
@pytest.mark.parametrize("kind", ["motor", "swipe", "dip", "latchedDip", "contactless"])
async def test_who_waits_for_a_card_is_told_that_the_reader_has_gone(fault: str, kind: str) -> None:
    units = {} if kind != "motor" else {"unitBIN1": {"type": "retain"}}
    async with bench_of(type=kind, units=units) as bench:
        request = await bench.reader.send(READ, {"chip": True} if kind != "swipe" else {"track2": True})
        await bench.reader.until("event", request, "CardReader.InsertCardEvent")
        await bench.inject(fault)
        ended = await bench.reader.until("completion", request)
        assert ended["header"]["completionCode"] == "deviceNotReady"
        await bench.do("ClearFaults")
        assert await bench.media() in ("notPresent", None)


async def test_a_card_is_known_again_when_power_is_back(bench: Bench) -> None:
    await bench.insert("credit", "chip")
    for fault in ("readerBlind", "readerPowerOff", "readerOffline"):
        await bench.inject(fault)
        await bench.do("ClearFaults")
        shown = (await bench.reader.success("Common.Status"))["cardReader"]
        assert (shown["media"], shown["chipPower"]) == ("present", "poweredOff")
        await bench.reader.success(READ, {"chip": True})


@pytest.mark.parametrize(
    ("wish", "media", "bins"),
    [("transport", "present", 0), ("exit", "entering", 0), ("retain", "notPresent", 1)],
)
async def test_the_firmware_does_with_a_card_what_it_is_set_to_when_power_is_back(
    wish: str, media: str, bins: int
) -> None:
    async with bench_of(power_on=wish) as bench:
        await bench.insert()
        await bench.inject("readerPowerOff")
        await bench.do("ClearFaults")
        if wish != "transport":
            await bench.reader.until("unsolicited", name="CardReader.CardActionEvent")
        assert await bench.media() == media
        assert (await bench.counts())["unitBIN1"] == bins
        await bench.conserved()


async def test_power_that_goes_while_a_card_moves_ends_the_command() -> None:
    async with bench_of(seconds=1) as bench:
        await bench.do("StopClock")
        await bench.do("InsertCard", card="credit")
        request = await bench.reader.send(READ, {})
        await bench.enters()
        await bench.inject("readerPowerOff")
        await bench.do("Advance", milliseconds=5000)
        completion = await bench.reader.until("completion", request)
        assert completion["header"]["completionCode"] == "hardwareError"
        await bench.do("ClearFaults")
        assert await bench.media() == "entering"


async def test_a_card_that_nobody_takes_is_retained_by_the_firmware() -> None:
    async with bench_of(retain_after=30) as bench:
        await bench.do("StopClock")
        await bench.insert()
        await bench.reader.success(MOVE, OUT)
        await bench.do("ForgetCard")
        await bench.do("Advance", milliseconds=31000)
        event = await bench.reader.until("unsolicited", name="CardReader.CardActionEvent")
        assert event["payload"] == {"from": "exit", "to": "unitBIN1"}
        assert (await bench.counts())["unitBIN1"] == 1
        await bench.conserved()


async def test_a_customer_who_acts_by_himself() -> None:
    async with bench_of(customer="credit", takes_after=5) as bench:
        await bench.do("StopClock")
        for _ in range(2):
            request = await bench.reader.send(READ, {"track2": True})
            await bench.reader.until("event", request, "CardReader.InsertCardEvent")
            await bench.do("Advance", milliseconds=2000)
            await bench.reader.until("completion", request)
            await bench.reader.success(MOVE, OUT)
            await bench.do("Advance", milliseconds=5000)
            await bench.reader.until("unsolicited", name="CardReader.MediaRemovedEvent")


@pytest.mark.parametrize("kind", ["dip", "latchedDip", "swipe"])
async def test_readers_that_draw_no_card_in(kind: str) -> None:
    async with bench_of(type=kind, units={}) as bench:
        found = await bench.insert("credit", "track2")
        assert text(found["track2"]).startswith("4761739001010010=")
        capabilities = (await bench.reader.success("Common.Capabilities"))["cardReader"]
        assert capabilities["type"] == kind
        if kind == "swipe":
            assert await bench.cannot("TakeCard") == "sequenceError"
            assert (
                await bench.reader.failure("CardReader.ChipPower", {"chipPower": "cold"})
                == "unsupportedCommand"
            )
            return
        assert await bench.media() == "present"
        if kind == "latchedDip":
            await bench.reader.success(READ, {"chip": True})
            assert await bench.media() == "latched"
            assert await bench.cannot("PullOutCard") == "sequenceError"
            await bench.reader.success(MOVE, OUT)
        await bench.do("PullOutCard")
        assert await bench.media() == "notPresent"
        assert "storage" not in await bench.reader.success("Storage.GetStorage")


async def test_images_security_and_what_else_a_reader_reads(nursery: trio.Nursery) -> None:
    rare = {"pan": "4761739001010010", "sources": {"watermark": "0102", "ddi": "03", "memoryChip": "A213"}}
    reads = ["watermark", "ddi", "frontImage", "backImage", "frontTrack1", "track1JIS"]
    async with bench_of(cards={"rare": rare}, reads=reads, security="cim86", units={}) as bench:
        wanted = ("watermark", "ddi", "memoryChip", "frontImage", "backImage", "track1Front", "security")
        found = await bench.insert("rare", *wanted)
        assert base64.b64decode(found["frontImage"]).startswith(b"\x89PNG")
        assert found["watermark"] == {"data": "AQI="}
        assert found["memoryChip"] == {"data": "ohM="}
        assert found["track1Front"] == {"status": "dataMissing"}
        assert found["security"] == {"data": "notInitialized"}
        assert await bench.reader.failure(READ, {"security": True}) == "securityFail"
        assert await bench.reader.failure("CardReader.SetKey", {"keyValue": "AA=="}) == "invalidKey"
        await bench.reader.success("CardReader.SetKey", {"keyValue": base64.b64encode(bytes(16)).decode()})
        assert (await bench.reader.success(READ, {"security": True}))["security"] == {"data": "readLevel1"}
        await bench.inject("securityFails")
        assert await bench.reader.failure(READ, {"security": True}) == "securityFail"


async def test_cards_and_counts_outlive_a_restart(tmp_path: Path) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
    for life in range(2):
        async with bench_of(tmp_path, ledger=ledger) as bench:
            if life == 0:
                await bench.insert()
                await bench.reader.success(MOVE, KEEP)
                await bench.reader.success(MOVE, {"from": "unitNEW1", "to": "transport"})
            assert await bench.media() == "present"
            assert await bench.counts() == {"unitBIN1": 1, "unitPARK1": 0, "unitNEW1": 100}
            await bench.conserved()
            if life == 1:
                await bench.reader.success(MOVE, KEEP)
                assert await bench.counts() == {"unitBIN1": 2, "unitPARK1": 0, "unitNEW1": 99}
    ledger.close()


async def test_a_movement_that_hangs_holds_up_nothing_but_the_queue(bench: Bench) -> None:
    await bench.insert()
    await bench.inject("readerHangs")
    request = await bench.reader.send(MOVE, OUT)
    await bench.reader.until("acknowledge", request)
    await bench.reader.success("Common.Status")
