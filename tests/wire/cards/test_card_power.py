"""CardReader over the wire: readers that go and come back, in whatever they are doing."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from test_card_simulated import MOVE, OUT, bench_of

import xfs4iot
from dialogue import Dialogue
from readers import ATR, Contactless, Motor, Permanent, Swipe, media
from vendors import refusal, serving
from xfs4iot import devices

PERFORM, UPDATE = "CardReader.EMVClessPerformTransaction", "CardReader.EMVClessIssuerUpdate"
IO = {"chipData": base64.b64encode(b"\x00\xa4\x04\x00").decode()}
AWAY = ["powerOff", "offline", "noDevice"]


async def reader(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Common.Status"))["cardReader"]
    return found


@pytest.mark.parametrize("state", AWAY)
async def test_what_a_reader_holds_is_unknown_while_it_is_away_and_its_chip_begins_anew(
    client: Dialogue, device: Motor, state: Any
) -> None:
    await client.success("CardReader.ReadRawData", {"chip": True})
    await client.success("CardReader.ChipIO", IO)
    device.status.common.device = state
    shown = await reader(client)
    assert (shown["media"], shown["chipPower"]) == ("unknown", "unknown")
    assert await client.failure("CardReader.ChipIO", IO) == "deviceNotReady"
    device.status.common.device = "online"
    # The class has not looked yet: nothing is guessed.
    assert await media(client) == "unknown"
    device.card_at("transport")
    shown = await reader(client)
    assert (shown["media"], shown["chipPower"]) == ("present", "poweredOff")
    assert await client.failure("CardReader.ChipIO", IO) == "atrNotObtained"


async def test_what_a_class_sees_before_it_says_that_it_is_back_is_shown(
    client: Dialogue, device: Motor
) -> None:
    await client.success("CardReader.ReadRawData")
    device.status.common.device = "powerOff"
    assert await media(client) == "unknown"
    device.card_at("exit")
    device.status.common.device = "online"
    assert await media(client) == "entering"


@pytest.mark.parametrize("state", AWAY)
async def test_a_kernel_without_power_awaits_no_issuer(nursery: trio.Nursery, state: Any) -> None:
    device = Contactless()
    client = await serving(device, nursery)
    terminal = {"terminalData": base64.b64encode(bytes.fromhex("9F1A020250")).decode()}
    await client.success("CardReader.EMVClessConfigure", terminal)
    device.outcomes = {"chip": devices.ContactlessOutcome("onlineRequestCompletionRequired")}
    await client.success(PERFORM)
    device.status.common.device = state
    assert await client.failure(UPDATE) == "deviceNotReady"
    device.status.common.device = "online"
    assert await client.failure(UPDATE) == "transactionNotInitiated"
    await client.success(PERFORM)
    await client.success(UPDATE)


async def test_a_kernel_is_configured_again_when_its_power_is_back(nursery: trio.Nursery) -> None:
    device = Contactless()
    client = await serving(device, nursery)
    terminal = {"terminalData": base64.b64encode(bytes.fromhex("9F1A020250")).decode()}
    for kept in (False, True):
        if kept:
            await client.success("CardReader.EMVClessConfigure", terminal)
        before = len(device.configured)
        device.status.common.device = "powerOff"
        await client.success("Common.Status")
        device.status.common.device = "online"
        assert await client.failure(UPDATE) == "transactionNotInitiated"
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(device.configured) == before + kept
    await client.success(PERFORM)
    # One that takes it no more is asked for another, and not left as if it were ready.
    device.refuses["configure"] = refusal("invalidTerminalData")
    device.status.common.device = "powerOff"
    await client.success("Common.Status")
    device.status.common.device = "online"
    await client.success("Common.Status")
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert await client.failure(PERFORM) == "readerNotConfigured"


async def test_a_permanent_chip_that_lost_its_power_is_powered_anew(nursery: trio.Nursery) -> None:
    device = Permanent("CardReader")
    client = await serving(device, nursery)
    cold = {"chipPower": "cold"}
    assert (await client.success("CardReader.ChipPower", cold))["chipData"] == base64.b64encode(ATR).decode()
    device.status.common.device = "powerOff"
    shown = await reader(client)
    assert (shown["media"], shown["chipPower"]) == ("present", "unknown")
    device.status.common.device = "online"
    assert (await reader(client))["chipPower"] == "poweredOff"
    assert await client.failure("CardReader.ChipIO", IO) == "atrNotObtained"
    await client.success("CardReader.ChipPower", cold)
    await client.success("CardReader.ChipIO", IO)


async def test_a_reset_switches_a_permanent_chip_off(nursery: trio.Nursery) -> None:
    class Resets(Permanent):
        async def reset(self, to: Any, unit: str | None, events: devices.MovingCard) -> devices.CardsReset:
            return devices.CardsReset()

    client = await serving(Resets("CardReader"), nursery)
    await client.success("CardReader.ChipPower", {"chipPower": "cold"})
    await client.success("CardReader.Reset")
    assert (await reader(client))["chipPower"] == "poweredOff"
    assert await client.failure("CardReader.ChipIO", IO) == "atrNotObtained"


async def test_a_swipe_has_no_media_to_lose(nursery: trio.Nursery) -> None:
    device = Swipe()
    client = await serving(device, nursery)
    device.status.common.device = "offline"
    assert "media" not in await reader(client)


@pytest.mark.parametrize("to", ["unitBIN", "exit"])
async def test_what_a_reader_did_while_its_service_did_not_look_comes_from_an_unknown_place(
    client: Dialogue, device: Motor, to: str
) -> None:
    device.card_acted("unknown", to)
    told = await client.until("unsolicited", name="CardReader.CardActionEvent")
    assert told["payload"] == {"from": "unknown", "to": to}
    units = (await client.success("Storage.GetStorage"))["storage"]
    assert units["unitBIN"]["card"]["status"]["count"] == (1 if to == "unitBIN" else 0)
    assert await media(client) == ("entering" if to == "exit" else "notPresent")


async def test_what_the_firmware_did_when_power_came_is_counted_before_the_first_client(
    nursery: trio.Nursery,
) -> None:
    class Retains(Motor):
        async def open(self) -> None:
            await super().open()
            self.card_acted("transport", "unitBIN")

    client = await serving(Retains(), nursery)
    units = (await client.success("Storage.GetStorage"))["storage"]
    assert units["unitBIN"]["card"]["status"]["count"] == 1
    assert await media(client) == "notPresent"


@pytest.mark.parametrize("wish", ["transport", "exit", "retain", "exitThenRetain"])
@pytest.mark.parametrize("place", ["transport", "exit", "unitPARK1", "jammed"])
async def test_where_the_card_was_and_what_the_firmware_wishes_decide_where_it_is_afterwards(
    tmp_path: Path, place: str, wish: Any
) -> None:
    """The simulated reader begins again with a card that it had, and the books say where that is."""
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
    async with bench_of(tmp_path, ledger=ledger) as bench:
        await bench.insert()
        if place == "jammed":
            await bench.inject("cardJamsLeaving")
            assert await bench.reader.failure(MOVE, OUT) == "mediaJam"
        elif place != "transport":
            await bench.reader.success(MOVE, {"from": "transport", "to": place})
    async with bench_of(tmp_path, ledger=ledger, power_on=wish) as bench:
        await trio.testing.wait_all_tasks_blocked(0.05)
        await bench.conserved()
        moved = {"exit": "entering", "retain": "notPresent", "exitThenRetain": "notPresent"}
        there = {"transport": moved.get(wish, "present"), "exit": "entering", "unitPARK1": "notPresent"}
        assert await bench.media() == there.get(place, "jammed")
        kept = int(place == "transport" and wish in ("retain", "exitThenRetain"))
        assert await bench.counts() == {
            "unitBIN1": kept,
            "unitPARK1": int(place == "unitPARK1"),
            "unitNEW1": 100,
        }
    ledger.close()
