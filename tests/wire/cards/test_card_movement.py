"""CardReader over the wire: where cards go, how they are counted, and that none is lost with the power."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue
from readers import FULL, Latched, Motor, Swipe, counts, media, retained
from vendors import power_cut, refusal, serving
from xfs4iot import devices

MOVE, RESET = "CardReader.Move", "CardReader.Reset"


async def insert(client: Dialogue) -> None:
    await client.success("CardReader.ReadRawData", {})


async def move(client: Dialogue, source: str, target: str) -> None:
    await client.success(MOVE, {"from": source, "to": target})


async def test_a_card_goes_out_and_is_taken(client: Dialogue, device: Motor) -> None:
    await insert(client)
    await move(client, "transport", "exit")
    assert await media(client) == "entering"
    device.card_taken()
    await client.until("unsolicited", name="CardReader.MediaRemovedEvent")
    assert await media(client) == "notPresent"
    assert await counts(client) == FULL


async def test_a_card_that_nobody_takes_is_drawn_back_or_retained(client: Dialogue) -> None:
    await insert(client)
    await move(client, "transport", "exit")
    await move(client, "exit", "transport")
    assert await media(client) == "present"
    await move(client, "transport", "exit")
    await move(client, "exit", "exit")
    await move(client, "exit", "unitBIN")
    assert await media(client) == "notPresent"
    assert await counts(client) == FULL | {"unitBIN": 1}


async def test_a_card_that_is_taken_while_it_comes_out_is_gone(client: Dialogue, device: Motor) -> None:
    async def taken() -> None:
        device.card_taken()

    await insert(client)
    device.hand["move_card"] = taken
    await move(client, "transport", "exit")
    assert await media(client) == "notPresent"


async def test_a_new_card_counts_in_its_unit_until_it_is_out_and_is_counted_when_retained(
    client: Dialogue,
) -> None:
    await move(client, "unitNEW", "transport")
    assert await media(client) == "present"
    assert await counts(client) == FULL
    await move(client, "transport", "exit")
    assert await counts(client) == FULL | {"unitNEW": 3}
    await move(client, "exit", "unitBIN")
    assert await counts(client) == FULL | {"unitNEW": 3, "unitBIN": 1}
    assert await retained(client) == 1
    await move(client, "unitNEW", "transport")
    await move(client, "transport", "unitBIN2")
    assert await counts(client) == FULL | {"unitNEW": 2, "unitBIN": 1, "unitBIN2": 1}
    assert await retained(client) == 2


@pytest.mark.parametrize(
    ("to", "left"), [("unitBIN", {"unitNEW": 2, "unitBIN": 1}), ("unitPARK", {"unitNEW": 3, "unitPARK": 1})]
)
async def test_a_card_that_goes_from_unit_to_unit_leaves_the_one_in_the_reader_known(
    client: Dialogue, to: str, left: dict[str, int]
) -> None:
    await move(client, "unitNEW", "transport")
    await move(client, "unitNEW", to)
    await move(client, "transport", "exit")
    assert await counts(client) == FULL | left


async def test_a_card_that_its_holder_took_is_no_longer_the_units(client: Dialogue, device: Motor) -> None:
    await move(client, "unitNEW", "exit")
    device.card_taken()
    await client.until("unsolicited", name="CardReader.MediaRemovedEvent")
    await insert(client)
    await move(client, "transport", "unitBIN")
    assert await retained(client) == 0


async def test_a_parked_card_counts_there_and_is_known_again(client: Dialogue) -> None:
    await move(client, "unitNEW", "transport")
    await move(client, "transport", "unitPARK")
    assert await counts(client) == FULL | {"unitPARK": 1}
    await insert(client)
    assert await client.failure(MOVE, {"from": "transport", "to": "unitPARK"}) == "occupied"
    assert await client.failure(MOVE, {"from": "unitPARK", "to": "transport"}) == "occupied"
    await move(client, "transport", "exit")
    await move(client, "exit", "unitBIN")
    assert await retained(client) == 0
    await move(client, "unitPARK", "transport")
    await move(client, "transport", "unitBIN")
    assert await counts(client) == FULL | {"unitBIN": 2, "unitNEW": 3}
    assert await retained(client) == 1


PLACES = ("exit", "transport", "unitBIN", "unitNEW", "unitPARK", "unitX")


def refused() -> Iterator[tuple[str, str, str, str]]:
    """Place of the card, from, to, and how the Move is refused."""
    for source in PLACES:
        for target in PLACES:
            if source in ("unitBIN", "unitX") or target in ("unitNEW", "unitX") or source == target != "exit":
                yield "none", source, target, "invalidData"
            elif source != "unitNEW":
                yield "none", source, target, "noMedia"
    yield "transport", "exit", "transport", "noMedia"
    yield "exit", "transport", "exit", "noMedia"
    yield "exit", "unitNEW", "exit", "occupied"
    yield "transport", "unitNEW", "transport", "occupied"


@pytest.mark.parametrize(("card", "source", "target", "code"), list(refused()))
async def test_a_move_that_cannot_be_is_refused_before_the_device_is_asked(
    client: Dialogue, device: Motor, card: str, source: str, target: str, code: str
) -> None:
    device.card_at(None if card == "none" else card)
    assert await client.failure(MOVE, {"from": source, "to": target}) == code
    assert not device.called


@pytest.mark.parametrize("payload", [None, {}, {"from": "exit"}, {"to": "exit"}, {"from": "", "to": "exit"}])
async def test_both_places_must_be_named(client: Dialogue, payload: Any) -> None:
    assert await client.failure(MOVE, payload) == "invalidData"


@pytest.mark.parametrize("code", ["mediaJam", "shutterFail", "noMedia", "occupied", "full"])
async def test_a_move_that_fails_at_the_device_books_nothing(
    client: Dialogue, device: Motor, code: str
) -> None:
    await insert(client)
    device.refuses["move_card"] = refusal(code)
    assert await client.failure(MOVE, {"from": "transport", "to": "unitBIN"}) == code
    assert await counts(client) == FULL
    assert await media(client) == {"mediaJam": "jammed", "noMedia": "notPresent"}.get(code, "present")


@pytest.mark.parametrize("raised", [False, True])
async def test_a_card_swallowed_on_its_way_out_is_counted_where_it_is(
    client: Dialogue, device: Motor, raised: bool
) -> None:
    await insert(client)
    fault = refusal("mediaRetained")
    device.moved = devices.CardMoved("unitBIN2", fault)
    if raised:
        device.refuses["move_card"] = fault
    assert await client.failure(MOVE, {"from": "transport", "to": "exit"}) == "mediaRetained"
    assert await media(client) == ("unknown" if raised else "notPresent")
    assert await counts(client) == (FULL if raised else FULL | {"unitBIN2": 1})


async def test_the_threshold_is_told_once_when_it_is_reached_and_a_full_bin_takes_no_card(
    client: Dialogue,
) -> None:
    for _ in range(3):
        await insert(client)
        await move(client, "transport", "unitBIN")
    crossed = [
        message["payload"]["unitBIN"]["card"]["status"]["replenishmentStatus"]
        for message in client.passed
        if message["header"]["name"] == "Storage.StorageThresholdEvent"
    ]
    assert crossed == ["ok", "high", "full"]
    await insert(client)
    assert await client.failure(MOVE, {"from": "transport", "to": "unitBIN"}) == "full"
    await move(client, "transport", "unitBIN2")


async def test_no_card_goes_to_a_unit_during_an_exchange_but_out_it_goes(client: Dialogue) -> None:
    await insert(client)
    await client.success("Storage.StartExchange")
    assert await client.failure(MOVE, {"from": "transport", "to": "unitBIN"}) == "sequenceError"
    await move(client, "transport", "exit")


async def test_a_unit_that_does_not_work_is_named(client: Dialogue, device: Motor) -> None:
    await insert(client)
    device.unit_changed("unitBIN", "missing")
    assert await client.failure(MOVE, {"from": "transport", "to": "unitBIN"}) == "hardwareError"


async def test_field_10_the_storage_id_of_a_reset_is_looked_at_only_where_it_matters(
    client: Dialogue, device: Motor
) -> None:
    await client.success(RESET, {"to": "exit", "storageId": "unitBOGUS"})
    await client.success(RESET, {"to": "currentPosition", "storageId": "unitBOGUS"})
    await client.success(RESET, {"storageId": "unitBOGUS"})
    await client.success(RESET, {"to": "retain", "storageId": "unitBIN2"})
    await client.success(RESET, {"to": "retain"})
    assert await client.failure(RESET, {"to": "retain", "storageId": "unitBOGUS"}) == "invalidData"
    assert await client.failure(RESET, {"to": "retain", "storageId": "unitNEW"}) == "invalidData"
    assert [call[1:] for call in device.called] == [
        ("exit", None),
        ("currentPosition", None),
        ("auto", None),
        ("retain", "unitBIN2"),
        ("retain", None),
    ]


@pytest.mark.parametrize("to", ["exit", "retain"])
async def test_field_10_only_a_motor_reader_moves_a_card_in_a_reset(nursery: trio.Nursery, to: str) -> None:
    client = await serving(Swipe(), nursery)
    assert await client.failure(RESET, {"to": to}) == "invalidData"
    await client.success(RESET)
    await client.success(RESET, {"to": "currentPosition"})


async def test_a_latched_dip_releases_its_card_in_a_reset(nursery: trio.Nursery) -> None:
    client = await serving(Latched(), nursery)
    await client.success(RESET, {"to": "exit"})
    assert await client.failure(RESET, {"to": "retain"}) == "invalidData"


@pytest.mark.parametrize(
    ("to", "place", "is_at"),
    [
        ("exit", "exit", "entering"),
        ("retain", "unitBIN", "notPresent"),
        ("currentPosition", "transport", "present"),
        ("auto", "transport", "present"),
    ],
)
async def test_a_reset_finds_the_card_and_tells_where_it_is(
    client: Dialogue, to: str, place: str, is_at: str
) -> None:
    await insert(client)
    await client.success(RESET, {"to": to})
    detected = await client.until("unsolicited", name="CardReader.MediaDetectedEvent")
    assert detected["payload"] == {"position": place}
    assert await media(client) == is_at
    assert await counts(client) == (FULL | {"unitBIN": 1} if to == "retain" else FULL)


async def test_a_reset_that_finds_no_card_tells_none(client: Dialogue) -> None:
    await client.success(RESET)
    assert not client.passed


@pytest.mark.parametrize("code", ["mediaJam", "shutterFail", "retainBinFull"])
async def test_how_a_reset_fails(client: Dialogue, device: Motor, code: str) -> None:
    await insert(client)
    stuck = ("jammed",) if code == "mediaJam" else ("transport",)
    device.found = devices.CardsReset(stuck, refusal(code))
    assert await client.failure(RESET, {"to": "retain"}) == code
    detected = await client.until("unsolicited", name="CardReader.MediaDetectedEvent")
    assert detected["payload"] == {"position": stuck[0]}
    assert await media(client) == ("jammed" if code == "mediaJam" else "present")
    device.found = None
    await client.success(RESET)
    assert await media(client) == "present"


async def test_full_bins_take_no_card_in_a_reset_unless_there_is_none(client: Dialogue) -> None:
    for unit in ("unitBIN", "unitBIN2"):
        full = {"storage": {unit: {"card": {"status": {"initialCount": 3}}}}}
        await client.success("Storage.SetStorage", full)
    await client.success(RESET, {"to": "retain"})
    await insert(client)
    assert await client.failure(RESET, {"to": "retain"}) == "retainBinFull"


async def test_a_threshold_alone_can_be_set_and_outlives_a_restart() -> None:
    ledger = xfs4iot.Ledger.open(None)
    for first in (True, False):
        async with trio.open_nursery() as nursery:
            device = Motor()
            device.arrives.set()
            client = await serving(device, nursery, ledger)
            if first:
                threshold = {"card": {"configuration": {"threshold": 1}}}
                await client.success("Storage.SetStorage", {"storage": {"unitBIN": threshold}})
                await insert(client)
                await move(client, "transport", "unitBIN")
            units = (await client.success("Storage.GetStorage"))["storage"]
            assert units["unitBIN"]["card"]["configuration"] == {"threshold": 1}
            assert await counts(client) == FULL | {"unitBIN": 1}
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("sees", "shown", "chip"),
    [
        ("transport", "present", "poweredOff"),
        ("exit", "entering", "poweredOff"),
        ("jammed", "jammed", "poweredOff"),
        ("unknown", "unknown", "unknown"),
        (None, "notPresent", "noCard"),
    ],
)
async def test_a_card_that_is_in_the_reader_at_the_start_is_shown(
    nursery: trio.Nursery, sees: str | None, shown: str, chip: str
) -> None:
    device = Motor()
    device.sees = sees
    client = await serving(device, nursery)
    status = (await client.success("Common.Status"))["cardReader"]
    assert (status["media"], status["chipPower"]) == (shown, chip)


@pytest.mark.parametrize(
    ("wish", "shown"), [("keep", "present"), ("exit", "entering"), ("retain", "notPresent")]
)
async def test_what_is_done_with_a_card_at_the_start_is_the_operators_choice(
    nursery: trio.Nursery, wish: str, shown: str
) -> None:
    device = type("Wishing", (Motor,), {"on_start": wish})()
    device.sees = "transport"
    client = await serving(device, nursery)
    assert await media(client) == shown
    assert await counts(client) == (FULL | {"unitBIN": 1} if wish == "retain" else FULL)


async def test_what_the_reader_does_by_itself_is_counted_before_it_is_told(
    client: Dialogue, device: Motor
) -> None:
    await insert(client)
    device.card_acted("transport", "unitBIN")
    told = await client.until("unsolicited", name="CardReader.CardActionEvent")
    assert told["payload"] == {"from": "transport", "to": "unitBIN"}
    counted = [m for m in client.passed if m["header"]["name"] == "Storage.CountsChangedEvent"]
    assert counted
    assert await counts(client) == FULL | {"unitBIN": 1}
    assert await media(client) == "notPresent"


class Recalling(Motor):
    """A reader that keeps where its last movement has left the card."""

    place: str | None = None

    async def recall_card(self, operation: int) -> str | None:
        return self.place


@pytest.mark.parametrize(
    ("source", "target", "sees", "expected"),
    [
        ("transport", "unitBIN", "transport", {}),
        ("transport", "unitBIN", None, {"unitBIN": 1}),
        ("transport", "unitBIN", "unknown", {}),
        ("transport", "exit", "exit", {}),
        ("transport", "exit", None, {}),
        ("unitNEW", "exit", "exit", {"unitNEW": 3}),
        ("unitNEW", "exit", "transport", {}),
    ],
)
async def test_the_power_fails_while_a_card_moves_and_the_sensors_settle_it(
    tmp_path: Path, source: str, target: str, sees: str | None, expected: dict[str, int]
) -> None:
    await cut(tmp_path, source, target)
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            device = Motor()
            device.sees = sees
            ledger = xfs4iot.Ledger.open(tmp_path / "copy.sqlite")
            client = await serving(device, nursery, ledger)
            assert await counts(client) == FULL | expected
            nursery.cancel_scope.cancel()
        ledger.close()


@pytest.mark.parametrize(
    ("place", "expected"), [(None, {}), ("transport", {}), ("unitBIN", {"unitBIN": 1}), ("exit", {})]
)
async def test_the_power_fails_while_a_card_moves_and_the_device_recalls_where_it_is(
    tmp_path: Path, nursery: trio.Nursery, place: str | None, expected: dict[str, int]
) -> None:
    await cut(tmp_path, "transport", "unitBIN")
    device = Recalling()
    device.place, device.sees = place, "unknown"
    client = await serving(device, nursery, xfs4iot.Ledger.open(tmp_path / "copy.sqlite"))
    assert await counts(client) == FULL | expected


async def cut(directory: Path, source: str, target: str) -> None:
    """Leave in `copy.sqlite` what the disk has if the power fails while the motor turns."""
    async with trio.open_nursery() as nursery:
        device = Motor()
        device.arrives.set()
        ledger = xfs4iot.Ledger.open(directory / "ledger.sqlite")

        client = await serving(device, nursery, ledger)
        if source == "transport":
            await insert(client)
        device.hand["move_card"] = power_cut(directory)
        await move(client, source, target)
        nursery.cancel_scope.cancel()
    ledger.close()


async def test_the_origin_of_a_card_outlives_a_restart() -> None:
    ledger = xfs4iot.Ledger.open(None)
    for first in (True, False):
        async with trio.open_nursery() as nursery:
            device = Motor()
            device.sees = None if first else "transport"
            client = await serving(device, nursery, ledger)
            if first:
                await move(client, "unitNEW", "transport")
            else:
                await move(client, "transport", "unitBIN")
                assert await counts(client) == FULL | {"unitNEW": 3, "unitBIN": 1}
                assert await retained(client) == 1
            nursery.cancel_scope.cancel()


async def test_a_device_class_that_fails_leaves_the_card_unknown_until_a_reset(
    client: Dialogue, device: Motor
) -> None:
    async def breaks() -> None:
        raise RuntimeError("broken")

    await insert(client)
    device.hand["move_card"] = breaks
    assert await client.failure(MOVE, {"from": "transport", "to": "unitBIN"}) == "hardwareError"
    assert await media(client) == "unknown"
    assert await counts(client) == FULL
    await client.success(RESET)


async def test_a_unit_that_the_device_makes_up_is_not_believed(client: Dialogue, device: Motor) -> None:
    await insert(client)
    device.moved = devices.CardMoved("unitNOWHERE")
    assert await client.failure(MOVE, {"from": "transport", "to": "unitBIN"}) == "hardwareError"
    assert await counts(client) == FULL


async def test_a_move_is_not_torn_out_of_its_work(client: Dialogue, device: Motor) -> None:
    under_way, go_on = trio.Event(), trio.Event()

    async def slow() -> None:
        under_way.set()
        await go_on.wait()

    await insert(client)
    device.hand["move_card"] = slow
    request = await client.send(MOVE, {"from": "transport", "to": "unitBIN"})
    await under_way.wait()
    await client.success("Common.Cancel", {"requestIds": [request]})
    go_on.set()
    assert "completionCode" not in (await client.until("completion", request))["header"]
    assert await counts(client) == FULL | {"unitBIN": 1}
